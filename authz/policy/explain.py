"""The decision again, with every reason: which element of which statement matched or failed, and why.

Slow and allocating, for people: `Explain`, the simulator, the console. It walks the documents element by
element instead of using the index of `decide`, and tries every listed pattern by itself; a property test holds
the two to the same answer.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz.errors import quote
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    QuarantinedPolicy,
)
from authz.policy.conditions.outcome import Outcome, Test
from authz.policy.decision import NO_MATCH, ROOT, Decision, StatementRef
from authz.policy.model import Condition, Effect
from authz.policy.patterns import Match, compile_arn, compile_cover, compile_overlap
from authz.policy.request import AccessRequest, Context, PrincipalKind, fold_key
from authz.policy.statements import CompiledStatement, compile_action

SHOWN_VALUES: Final = 8
"""How many patterns or values are repeated in an explanation."""


class ElementOutcome(StrEnum):
    """What one element of a statement said about the request."""

    MATCHED = "MATCHED"
    NOT_MATCHED = "NOT_MATCHED"
    UNEVALUABLE = "UNEVALUABLE"
    """A value cannot be read, or a variable has none: this stops an allow and lets a deny through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementExplanation:
    """One element: its name (`Action`, `NotResource`, `Condition.StringLike.s3:prefix`), outcome and why."""

    element: str
    outcome: ElementOutcome
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementExplanation:
    """One statement: whether it matched, which is settled by effect, and its elements."""

    statement: StatementRef
    effect: Effect
    is_matched: bool
    elements: tuple[ElementExplanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyExplanation:
    """One policy. `is_deny_only`: its allows do not count. `problem`: why it is quarantined, or empty."""

    arn: str
    version: int
    is_deny_only: bool
    problem: str
    statements: tuple[StatementExplanation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The decision, all policies, and for an implicit deny the allow that came nearest, if there is one."""

    decision: Decision
    policies: tuple[PolicyExplanation, ...]
    nearest: StatementExplanation | None


def explain(request: AccessRequest, policies: PolicySet) -> Explanation:
    """Decide `request` as `decide` does and tell why."""
    explained = (
        *(_explain_policy(policy, request, is_deny_only=False) for policy in policies.policies),
        *(_explain_policy(policy, request, is_deny_only=True) for policy in policies.deny_only),
    )
    decision = _decide(request, policies, explained)
    nearest = _find_nearest(explained) if decision is NO_MATCH else None
    return Explanation(decision=decision, policies=explained, nearest=nearest)


def _decide(
    request: AccessRequest, policies: PolicySet, explained: Iterable[PolicyExplanation]
) -> Decision:
    if request.principal.kind is PrincipalKind.ROOT:
        return ROOT
    if policies.quarantine is not None:
        return policies.quarantine
    matched = {
        effect: [
            one.statement
            for policy in explained
            for one in policy.statements
            if one.is_matched
            and one.effect is effect
            and not (policy.is_deny_only and effect is Effect.ALLOW)
        ]
        for effect in Effect
    }
    determining = matched[Effect.DENY] or matched[Effect.ALLOW]
    return _find_decision(policies, determining[0]) if determining else NO_MATCH


def _find_decision(policies: PolicySet, ref: StatementRef) -> Decision:
    return next(one.decision for one in policies.statements if one.decision.statement == ref)


def _explain_policy(
    policy: CompiledPolicy | QuarantinedPolicy, request: AccessRequest, *, is_deny_only: bool
) -> PolicyExplanation:
    problem, statements = (
        (policy.problem, ()) if isinstance(policy, QuarantinedPolicy) else ("", policy.statements)
    )
    return PolicyExplanation(
        arn=policy.arn,
        version=policy.version,
        is_deny_only=is_deny_only,
        problem=problem,
        statements=tuple(_explain_statement(statement, request) for statement in statements),
    )


def _explain_statement(compiled: CompiledStatement, request: AccessRequest) -> StatementExplanation:
    effect = compiled.source.effect
    elements = (
        _explain_action(compiled, request),
        _explain_resource(compiled, request),
        *_explain_conditions(compiled, request.context),
    )
    stopping = {ElementOutcome.NOT_MATCHED}
    if effect is Effect.ALLOW:
        stopping.add(ElementOutcome.UNEVALUABLE)
    ref = compiled.decision.statement
    assert ref is not None  # every compiled statement names itself
    return StatementExplanation(
        statement=ref,
        effect=effect,
        is_matched=not any(element.outcome in stopping for element in elements),
        elements=elements,
    )


# --- elements -----------------------------------------------------------------------------------------------


def _show(texts: Sequence[str]) -> str:
    shown = ", ".join(quote(text) for text in texts[:SHOWN_VALUES])
    return f"{shown} and {len(texts) - SHOWN_VALUES} more" if len(texts) > SHOWN_VALUES else shown


def _outcome(outcome: Outcome) -> ElementOutcome:
    if outcome is None:
        return ElementOutcome.UNEVALUABLE
    return ElementOutcome.MATCHED if outcome else ElementOutcome.NOT_MATCHED


def _explain_action(compiled: CompiledStatement, request: AccessRequest) -> ElementExplanation:
    statement = compiled.source
    action = request.action.lower()
    matching = [pattern for pattern in statement.actions if compile_action(pattern)(action)]
    return ElementExplanation(
        element="NotAction" if statement.not_actions else "Action",
        outcome=_outcome(bool(matching) is not statement.not_actions),
        why=_why_listed(request.action, "matches", matching, statement.actions),
    )


def _why_listed(text: str, verb: str, matching: Sequence[str], listed: Sequence[str]) -> str:
    if matching:
        return f"{quote(text)} {verb} {_show(matching)}"
    return f"{quote(text)} {verb} none of {_show(listed)}"


def _explain_resource(compiled: CompiledStatement, request: AccessRequest) -> ElementExplanation:
    statement = compiled.source
    compile_relation, verb = _relation(compiled, is_prefix=request.is_prefix)
    outcomes = {
        text: compile_relation(template)(request.resource, request.context)
        for text, template in zip(statement.resources, compiled.templates, strict=True)
    }
    matching = [text for text, outcome in outcomes.items() if outcome]
    unresolved = [text for text, outcome in outcomes.items() if outcome is None]
    why = _why_listed(request.resource, verb, matching, statement.resources)
    if unresolved:
        why += f"; a variable has no value in {_show(unresolved)}"
    return ElementExplanation(
        element="NotResource" if statement.not_resources else "Resource",
        outcome=_resource_outcome(
            is_listed=bool(matching),
            has_unresolved=bool(unresolved),
            is_complement=statement.not_resources,
        ),
        why=why,
    )


def _relation(compiled: CompiledStatement, *, is_prefix: bool) -> tuple[Callable[..., Match], str]:
    if not is_prefix:
        return compile_arn, "matches"
    if (compiled.source.effect is Effect.ALLOW) is compiled.source.not_resources:
        return compile_overlap, "as a prefix may match"
    return compile_cover, "as a prefix is covered by"


def _resource_outcome(
    *, is_listed: bool, has_unresolved: bool, is_complement: bool
) -> ElementOutcome:
    if not is_complement:
        return _outcome(is_listed)
    return _outcome(None if has_unresolved and not is_listed else not is_listed)


def _explain_conditions(
    compiled: CompiledStatement, context: Context
) -> Iterator[ElementExplanation]:
    for condition, test in zip(compiled.source.conditions, compiled.tests, strict=True):
        yield _explain_condition(condition, test, context)


def _explain_condition(condition: Condition, test: Test, context: Context) -> ElementExplanation:
    values = context.find(fold_key(condition.key))
    has = f"is {_show(values)}" if values else "is missing"
    colon = ":" if condition.quantifier else ""
    operator = f"{condition.quantifier}{colon}{condition.operator}{'IfExists' if condition.if_exists else ''}"
    return ElementExplanation(
        element=f"Condition.{operator}.{condition.key}",
        outcome=_outcome(test(context)),
        why=f"{quote(condition.key)} {has}, {operator} lists {_show(condition.values)}",
    )


def _find_nearest(policies: Iterable[PolicyExplanation]) -> StatementExplanation | None:
    """Find the allow whose action matches and whose fewest other elements fail; the first of equals."""
    candidates = [
        statement
        for policy in policies
        for statement in policy.statements
        if not policy.is_deny_only
        and statement.effect is Effect.ALLOW
        and statement.elements[0].outcome is ElementOutcome.MATCHED
    ]
    return min(candidates, key=_misses, default=None)


def _misses(statement: StatementExplanation) -> int:
    return sum(element.outcome is not ElementOutcome.MATCHED for element in statement.elements)
