"""Statements made ready: one statement of a document becomes matchers of what it lists.

An unevaluable condition and an unresolved variable are settled here, by effect: an allow with one does not
match, a deny does. Every statement carries its prepared `Decision`.

Not here: which statements are looked at for a request (`compile.py`), and what they decide together.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

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
from authz.policy.variables import Piece, Variable, parse_template

END: Final = "\0"
"""Put after a text to tell one that ends here from one that goes on; an index may be wrong about it, if a
resource has it too, as long as it only finds too much."""

_NO_CONTEXT: Final = Context(NO_FACTS, NO_FACTS, NO_FACTS, 0.0)

ActionMatch = Callable[[str], bool]
Template = tuple[Piece, ...]


class Beginning(NamedTuple):
    """What a matching text begins with: `text`, then the value of `variable`, if there is one, then `rest`."""

    text: str
    variable: Variable | None = None
    rest: str = ""


ANYTHING: Final = Beginning("")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStatement:
    """A statement ready to match; `source` is what its author wrote.

    `actions` are the exact ones, lower-cased; `match_action` covers the others (wildcards, `NotAction`) and
    takes a lower-cased action. `templates` are the listed resources, `beginnings` theirs: a matching resource
    has one of them, and for a complement may have any. `tests` are the conditions one by one, `conditions` all
    of them, settled by effect. `principals` are those it is about, in the policy of a resource.
    """

    source: Statement
    decision: Decision
    actions: frozenset[str]
    match_action: ActionMatch | None
    templates: tuple[Template, ...]
    beginnings: tuple[Beginning, ...]
    match_resource: Match
    principals: CompiledPrincipals | None
    tests: tuple[Test, ...]
    conditions: Test | None

    def has_action(self, action: str) -> bool:
        """Tell whether the statement is about the lower-cased `action`."""
        return action in self.actions or (
            self.match_action is not None and self.match_action(action)
        )

    def list_templates(self) -> Iterable[tuple[Beginning, Sequence[Template]]]:
        """Return the listed resources one by one, or all at once for a complement, each with its beginning."""
        if self.source.not_resources:
            return ((self.beginnings[0], self.templates),)
        return zip(self.beginnings, ((one,) for one in self.templates), strict=True)

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
        beginnings=(ANYTHING,) if statement.not_resources else tuple(map(_beginning, templates)),
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


def action_head(pattern: str) -> str:
    """Return what every action begins with that the lower-cased `pattern` matches."""
    return pattern.partition("*")[0].partition("?")[0]


def _compile_actions(statement: Statement) -> tuple[frozenset[str], ActionMatch | None]:
    patterns = {pattern.lower() for pattern in statement.actions}
    if statement.not_actions:
        listed = [compile_action(pattern) for pattern in patterns]
        return frozenset(), lambda action: not any(match(action) for match in listed)
    exact = frozenset(pattern for pattern in patterns if action_head(pattern) == pattern)
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


def match_prefix(compiled: CompiledStatement, templates: Iterable[Template]) -> Match:
    """Compile `templates` of a statement for questions about everything that begins with a prefix.

    An allow must hold for all of it, a deny for some of it; a complement asks its list the other question. All
    of it must be covered by a single pattern: patterns that only together cover a prefix do not.
    """
    statement = compiled.source
    is_cover = (statement.effect is Effect.ALLOW) is not statement.not_resources
    compile_relation = compile_cover if is_cover else compile_overlap
    return _settle(statement, match_any([compile_relation(template) for template in templates]))


def _beginning(template: Template) -> Beginning:
    match arn_tokens(template):
        case (str(text),):
            return Beginning(text + END)
        case (str(text), Variable() as variable, *after):
            rest = after[0] if after and isinstance(after[0], str) else ""
            is_whole = len(after) == bool(rest)
            return Beginning(text, variable, rest + END if is_whole else rest)
        case (str(text), *_):
            return Beginning(text)
    return ANYTHING


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
