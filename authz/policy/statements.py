"""Statements made ready: one statement of a document becomes matchers of what it lists.

An unevaluable condition and an unresolved variable are settled here, by effect: an allow with one does not
match, a deny does. Every statement carries its prepared `Decision`.

Not here: which statements are looked at for a request (`compile.py`), and what they decide together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.conditions import compile_condition
from authz.policy.conditions.outcome import Test
from authz.policy.decision import Decision, Reason, StatementRef, Verdict
from authz.policy.model import Effect, Statement
from authz.policy.patterns import (
    Match,
    arn_tokens,
    compile_arns,
    compile_cover,
    compile_glob,
    compile_overlap,
    is_arn_pattern,
    match_any,
)
from authz.policy.principals import CompiledPrincipals, Naming, compile_principals
from authz.policy.request import NO_FACTS, Context, Principal
from authz.policy.variables import Piece, parse_template

HEAD_DEPTH: Final = 8
"""How many parts between slashes a head has at most; every one costs a look-up."""

_NO_CONTEXT: Final = Context(NO_FACTS, NO_FACTS, NO_FACTS, 0.0)

ActionMatch = Callable[[str], bool]
Template = tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStatement:
    """A statement ready to match; `source` is what its author wrote.

    `actions` are the exact ones, lower-cased; `match_action` covers the others (wildcards, `NotAction`) and
    takes a lower-cased action. `templates` are the listed resources; `heads` the texts, up to a `/` or the end,
    one of which a matching resource begins with, or `None` where it may be anything. `tests` are the conditions
    one by one, `conditions` all of them, settled by effect. `principals` are those it is about, in the policy
    of a resource.
    """

    source: Statement
    decision: Decision
    actions: frozenset[str]
    match_action: ActionMatch | None
    templates: tuple[Template, ...]
    heads: frozenset[str] | None
    match_resource: Match
    principals: CompiledPrincipals | None
    tests: tuple[Test, ...]
    conditions: Test | None

    def has_action(self, action: str) -> bool:
        """Tell whether the statement is about the lower-cased `action`."""
        return action in self.actions or (
            self.match_action is not None and self.match_action(action)
        )

    def naming(self, principal: Principal) -> Naming:
        """Tell how the statement names `principal`; one without `Principal` is about whom it is attached to."""
        if self.principals is None:
            return Naming.ITSELF
        return self.principals.naming(principal, is_allow=self.source.effect is Effect.ALLOW)


def compile_statement(
    statement: Statement, ref: StatementRef, *, has_variables: bool
) -> CompiledStatement:
    """Compile one statement; `ref` says where it stands, `has_variables` that its version knows them."""
    place = f"Statement[{ref.index}]"
    principal = statement.principal
    templates = _compile_templates(statement, place, has_variables=has_variables)
    tests = tuple(
        compile_condition(condition, has_variables=has_variables)
        for condition in statement.conditions
    )
    actions, match_action = _compile_actions(statement)
    return CompiledStatement(
        source=statement,
        decision=_statement_decision(statement.effect, ref),
        actions=actions,
        match_action=match_action,
        templates=templates,
        heads=None if statement.not_resources else _heads(templates),
        match_resource=_settle(statement, compile_arns(templates)),
        principals=None if principal is None else compile_principals(principal, place),
        tests=tests,
        conditions=_compile_conditions(statement.effect, tests),
    )


def _statement_decision(effect: Effect, ref: StatementRef) -> Decision:
    verdict = Verdict.ALLOWED if effect is Effect.ALLOW else Verdict.EXPLICITLY_DENIED
    return Decision(verdict=verdict, reason=Reason.STATEMENT, statement=ref)


def _compile_templates(
    statement: Statement, place: str, *, has_variables: bool
) -> tuple[Template, ...]:
    place = f"{place}.{'NotResource' if statement.not_resources else 'Resource'}"
    templates = []
    for text in statement.resources:
        template = parse_template(text, place) if has_variables else (text,)
        if not is_arn_pattern(template):
            raise ParseError(f"{quote(text)} is neither `*` nor an ARN of six parts", place=place)
        templates.append(template)
    return tuple(templates)


def compile_action(pattern: str) -> ActionMatch:
    """Compile one action pattern; the result takes a lower-cased action."""
    match = compile_glob((pattern.lower(),))
    return lambda action: bool(match(action, _NO_CONTEXT))


def _compile_actions(statement: Statement) -> tuple[frozenset[str], ActionMatch | None]:
    patterns = {pattern.lower() for pattern in statement.actions}
    if statement.not_actions:
        listed = [compile_action(pattern) for pattern in patterns]
        return frozenset(), lambda action: not any(match(action) for match in listed)
    exact = frozenset(pattern for pattern in patterns if "*" not in pattern and "?" not in pattern)
    wild = sorted(patterns - exact)
    if not wild:
        return exact, None
    match = match_any([compile_glob((pattern,)) for pattern in wild])
    return exact, lambda action: bool(match(action, _NO_CONTEXT))


def _settle(statement: Statement, listed: Match) -> Match:
    """Turn "a listed pattern matches" into "the statement is about this resource"."""
    if not statement.not_resources:
        return listed
    if statement.effect is Effect.DENY:
        return lambda resource, context: not listed(resource, context)
    # INVARIANT: an unresolved variable (None) never widens a grant.
    return lambda resource, context: listed(resource, context) is False


def match_prefix(compiled: CompiledStatement) -> Match:
    """Compile the resources of a statement for questions about everything that begins with a prefix.

    An allow must hold for all of it, a deny for some of it; a complement asks its list the other question. All
    of it must be covered by a single pattern: patterns that only together cover a prefix do not.
    """
    statement = compiled.source
    is_cover = (statement.effect is Effect.ALLOW) is not statement.not_resources
    compile_relation = compile_cover if is_cover else compile_overlap
    return _settle(
        statement, match_any([compile_relation(template) for template in compiled.templates])
    )


def _heads(templates: Iterable[Template]) -> frozenset[str] | None:
    heads = [_head(template) for template in templates]
    found = frozenset(head for head in heads if head is not None)
    return None if None in heads else found


def _head(template: Template) -> str | None:
    tokens = arn_tokens(template)
    if not tokens or not isinstance(tokens[0], str):
        return None
    parts = tokens[0].split("/")
    if len(parts) > 1:
        return "/".join(parts[: min(len(parts) - 1, HEAD_DEPTH)])
    return tokens[0] if len(tokens) == 1 else None


def _compile_conditions(effect: Effect, tests: Sequence[Test]) -> Test | None:
    """AND, settled: an allow needs every test to say yes, a deny needs none to say no."""
    if not tests:
        return None
    first = tests[0]
    if effect is Effect.ALLOW:
        return first if len(tests) == 1 else lambda context: all(test(context) for test in tests)
    if len(tests) == 1:
        return lambda context: first(context) is not False
    return lambda context: all(test(context) is not False for test in tests)
