"""One statement against one request: what each of its elements said, and why.

The elements are asked one by one, in the order a reader meets them, so that a person sees all that failed
and not only the first. Slow on purpose; `decide` asks the compiled statement instead, and random testing
holds the two together. Not here: which statements are asked (`layers.py`).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Final

from authz.errors import quote
from authz.policy.conditions.outcome import Outcome, Test
from authz.policy.decision import StatementRef
from authz.policy.explain.facts import FactSource, find_fact
from authz.policy.model import Condition, Effect
from authz.policy.patterns import Match, compile_arn, compile_cover, compile_overlap
from authz.policy.principals import Naming
from authz.policy.request import AccessRequest, Context, Principal, fold_key
from authz.policy.statements import CompiledStatement, Template, compile_action
from authz.policy.variables import Variable

SHOWN_VALUES: Final = 8
"""How many patterns or values are repeated in an explanation."""

_SOURCES: Final = {
    FactSource.IDENTITY: "from the identity",
    FactSource.SERVER: "from the server",
    FactSource.REQUEST: "from the request",
}

_NAMINGS: Final = {
    Naming.NOT: "is none of",
    Naming.ACCOUNT: "is named by its account alone in",
    Naming.ROLE: "is named by what stands behind its session in",
    Naming.USER: "is named in",
    Naming.ITSELF: "is named in",
}
_COMPLEMENTS: Final = {
    True: {Naming.NOT: "has a name among", Naming.ITSELF: "has no name among"},
    False: {
        Naming.NOT: "has all its names among",
        Naming.ITSELF: "has a name (its account, its role or its own) that is not among",
    },
}
"""Whether the statement allows → what a complement says; see `CompiledPrincipals.naming`."""


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


def explain_statement(compiled: CompiledStatement, request: AccessRequest) -> StatementExplanation:
    """Try every element of a statement; `is_matched` is settled by effect."""
    effect = compiled.source.effect
    elements = (
        _explain_action(compiled, request),
        _explain_resource(compiled, request),
        *_explain_principal(compiled, request.principal),
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
    used = "; ".join(_values_used(compiled.templates, request.context))
    if used:
        why += f"; {used}"
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


def _values_used(templates: Sequence[Template], context: Context) -> list[str]:
    """Say what the variables in `templates` stand for, as far as they have values; the first few."""
    keys = dict.fromkeys(
        piece.key
        for template in templates
        for piece in template
        if isinstance(piece, Variable) and piece.literal is None
    )
    described = (_describe_fact(context, key, key) for key in keys if context.find(key))
    return list(islice(described, SHOWN_VALUES))


def _describe_fact(context: Context, folded: str, key: str) -> str:
    fact = find_fact(context, folded)
    if fact is None or not fact.values:
        return f"{quote(key)} is missing"
    return f"{quote(key)} is {_show(fact.values)} {_SOURCES[fact.source]}"


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


def _explain_principal(
    compiled: CompiledStatement, principal: Principal
) -> Iterator[ElementExplanation]:
    element = compiled.source.principal
    if element is None:
        return
    is_allow = compiled.source.effect is Effect.ALLOW
    naming = compiled.naming(principal)
    phrase = (_COMPLEMENTS[is_allow] if element.negated else _NAMINGS)[naming]
    who = quote(principal.arn) if principal.arn else "an anonymous caller"
    why = f"{who} {phrase} {_show([text for _, ids in element.ids for text in ids])}"
    if is_allow and naming is Naming.ACCOUNT:
        why += ", which leaves it to the policies of the account"
    yield ElementExplanation(
        element="NotPrincipal" if element.negated else "Principal",
        outcome=_outcome(naming > (Naming.ACCOUNT if is_allow else Naming.NOT)),
        why=why,
    )


def _explain_conditions(
    compiled: CompiledStatement, context: Context
) -> Iterator[ElementExplanation]:
    for condition, test in zip(compiled.source.conditions, compiled.tests, strict=True):
        yield _explain_condition(condition, test, context)


def _explain_condition(condition: Condition, test: Test, context: Context) -> ElementExplanation:
    colon = ":" if condition.quantifier else ""
    operator = f"{condition.quantifier}{colon}{condition.operator}{'IfExists' if condition.if_exists else ''}"
    return ElementExplanation(
        element=f"Condition.{operator}.{condition.key}",
        outcome=_outcome(test(context)),
        why=f"{_describe_fact(context, fold_key(condition.key), condition.key)}, "
        f"{operator} lists {_show(condition.values)}",
    )
