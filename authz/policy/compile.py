"""Policies made ready: statements become matchers, and a principal's policies an index by action and resource.

`compile_policy` runs once a policy version, `compile_policy_set` once a combination of policies; `decide` then
only looks up and calls. Denies and allows are kept apart, every statement carries its prepared `Decision`, and
statements are found by their exact lower-cased action, then by the literal text their resources begin with,
so that a thousand statements for a thousand buckets or folders cost what one does.

An unevaluable condition and an unresolved variable are settled here, by effect: an allow with one does not
match, a deny does. A document that no longer compiles becomes a `QuarantinedPolicy`, which denies.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.conditions import compile_condition
from authz.policy.conditions.outcome import Test
from authz.policy.decision import Decision, Reason, StatementRef, Verdict
from authz.policy.model import Effect, Policy, Statement
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
from authz.policy.request import NO_FACTS, Context
from authz.policy.variables import Piece, parse_template

VERSION_WITH_VARIABLES: Final = "2012-10-17"

ACTION_MEMO_SIZE: Final = 128
"""Actions remembered for a set of policies (S3 has about a hundred); the oldest is dropped, because the action
of a request is a stranger's text."""

ACTION_MEMO_LENGTH: Final = 128
"""Longest action that is remembered, in characters (IAM's own limit)."""

HEAD_DEPTH: Final = 8
"""How many parts between slashes a head has at most; every one costs a look-up."""

HEAD_INDEX_MINIMUM: Final = 16
"""From how many statements of one action on they are indexed by resource; a shorter scan is cheaper."""

_NO_CONTEXT: Final = Context(NO_FACTS, NO_FACTS, NO_FACTS, 0.0)

ActionMatch = Callable[[str], bool]
Template = tuple[Piece, ...]
Entry = tuple[int, Match, Test | None, Decision]
"""One statement as `decide` reads it: rank, resource matcher, conditions (if any), what it decides."""
Entries = Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledStatement:
    """A statement ready to match; `source` is what its author wrote.

    `actions` are the exact ones, lower-cased; `match_action` covers the others (wildcards, `NotAction`) and
    takes a lower-cased action. `templates` are the listed resources; `heads` the texts, up to a `/` or the end,
    one of which a matching resource begins with, or `None` where it may be anything. `tests` are the conditions
    one by one, `conditions` all of them, settled by effect.
    """

    source: Statement
    decision: Decision
    actions: frozenset[str]
    match_action: ActionMatch | None
    templates: tuple[Template, ...]
    heads: frozenset[str] | None
    match_resource: Match
    tests: tuple[Test, ...]
    conditions: Test | None

    def has_action(self, action: str) -> bool:
        """Tell whether the statement is about the lower-cased `action`."""
        return action in self.actions or (
            self.match_action is not None and self.match_action(action)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPolicy:
    """A policy version ready to decide."""

    arn: str
    version: int
    source: Policy
    statements: tuple[CompiledStatement, ...]


@dataclass(frozen=True, slots=True)
class QuarantinedPolicy:
    """A stored policy that does not compile; its denies are unknown, so all it is attached to is denied."""

    arn: str
    version: int
    problem: str


# --- statements ---------------------------------------------------------------------------------------------


def compile_policy(policy: Policy, *, arn: str, version: int) -> CompiledPolicy:
    """Compile an identity policy; `ParseError` names the place of what has no meaning.

    `arn` and `version` (counting from 1) go into every decision.
    """
    has_variables = policy.version == VERSION_WITH_VARIABLES
    statements = tuple(
        _compile_statement(
            statement,
            StatementRef(policy=arn, version=version, index=index, sid=statement.sid),
            has_variables=has_variables,
        )
        for index, statement in enumerate(policy.statements)
    )
    return CompiledPolicy(arn=arn, version=version, source=policy, statements=statements)


def _compile_statement(
    statement: Statement, ref: StatementRef, *, has_variables: bool
) -> CompiledStatement:
    place = f"Statement[{ref.index}]"
    if statement.principal is not None:
        raise ParseError(
            "an identity policy has no `Principal`: it applies to what it is attached to",
            place=place,
        )
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


# --- sets ---------------------------------------------------------------------------------------------------


class Heads:
    """The statements of one action by the heads of their resources; general ones can be about any."""

    __slots__ = ("_by_head", "_depth", "_general")

    def __init__(self, statements: Iterable[tuple[frozenset[str] | None, Entry]]) -> None:
        general: list[Entry] = []
        by_head: dict[str, list[Entry]] = {}
        for heads, entry in statements:
            if heads is None:
                general.append(entry)
            for head in heads or ():
                by_head.setdefault(head, []).append(entry)
        self._general = general
        self._by_head = by_head
        self._depth = max((head.count("/") + 1 for head in by_head), default=0)

    def select(self, resource: str) -> Entries:
        """Return what may be about `resource`, in the order of the documents."""
        found = self._general
        end = -1
        for _ in range(self._depth):
            end = resource.find("/", end + 1)
            special = self._by_head.get(resource if end < 0 else resource[:end])
            if special is not None:
                found = sorted(found + special, key=_rank) if found else special
            if end < 0:
                break
        return found


def _rank(entry: Entry) -> int:
    return entry[0]


Candidates = tuple[Entries, Entries, tuple[Heads, Heads] | None]
"""Denies and allows of one action; the third, for many statements, replaces both by those of a resource."""


class Index:
    """Statements by action, with a bounded memo; `memo` is read by `decide` before it calls `find`."""

    __slots__ = ("_entries", "_exact", "_is_prefix", "_statements", "_wild", "memo")

    def __init__(self, statements: Sequence[CompiledStatement], *, is_prefix: bool = False) -> None:
        self.memo: dict[str, Candidates] = {}
        self._statements = statements
        self._is_prefix = is_prefix
        self._entries: list[Entry] = [
            (
                rank,
                match_prefix(one) if is_prefix else one.match_resource,
                one.conditions,
                one.decision,
            )
            for rank, one in enumerate(statements)
        ]
        self._wild = [rank for rank, one in enumerate(statements) if one.match_action is not None]
        self._exact: dict[str, list[int]] = {}
        for rank, one in enumerate(statements):
            for action in one.actions:
                self._exact.setdefault(action, []).append(rank)

    def find(self, action: str) -> Candidates:
        """Return the statements about `action`, in any case."""
        candidates = self._gather(action.lower())
        if len(action) <= ACTION_MEMO_LENGTH:
            if len(self.memo) >= ACTION_MEMO_SIZE:
                del self.memo[next(iter(self.memo))]
            self.memo[action] = candidates
        return candidates

    def _gather(self, action: str) -> Candidates:
        denies: list[tuple[frozenset[str] | None, Entry]] = []
        allows: list[tuple[frozenset[str] | None, Entry]] = []
        ranks = {rank for rank in self._wild if self._statements[rank].has_action(action)}
        for rank in sorted(ranks.union(self._exact.get(action, ()))):
            statement = self._statements[rank]
            side = allows if statement.source.effect is Effect.ALLOW else denies
            side.append((statement.heads, self._entries[rank]))
        if not self._is_prefix and len(denies) + len(allows) >= HEAD_INDEX_MINIMUM:
            return (), (), (Heads(denies), Heads(allows))
        return tuple(entry for _, entry in denies), tuple(entry for _, entry in allows), None


class PolicySet:
    """All policies that apply to a principal, ready to decide; shared by requests, immutable but for memos."""

    __slots__ = ("_prefixes", "deny_only", "index", "policies", "quarantine", "statements")

    def __init__(
        self,
        policies: tuple[CompiledPolicy | QuarantinedPolicy, ...],
        deny_only: tuple[CompiledPolicy | QuarantinedPolicy, ...],
    ) -> None:
        self.policies = policies
        self.deny_only = deny_only
        self.quarantine = _find_quarantine((*policies, *deny_only))
        self.statements = (*_statements(policies), *filter(_is_deny, _statements(deny_only)))
        self.index = Index(self.statements)
        self._prefixes: Index | None = None

    @property
    def prefixes(self) -> Index:
        """The index for questions about all resources that begin with a text; built when first asked for."""
        if self._prefixes is None:
            self._prefixes = Index(self.statements, is_prefix=True)
        return self._prefixes


def _statements(
    policies: Iterable[CompiledPolicy | QuarantinedPolicy],
) -> Iterable[CompiledStatement]:
    for policy in policies:
        if isinstance(policy, CompiledPolicy):
            yield from policy.statements


def _is_deny(statement: CompiledStatement) -> bool:
    return statement.source.effect is Effect.DENY


def _find_quarantine(policies: Iterable[CompiledPolicy | QuarantinedPolicy]) -> Decision | None:
    for policy in policies:
        if isinstance(policy, QuarantinedPolicy):
            ref = StatementRef(policy=policy.arn, version=policy.version, index=0, sid="")
            return Decision(
                verdict=Verdict.EXPLICITLY_DENIED, reason=Reason.QUARANTINE, statement=ref
            )
    return None


def compile_policy_set(
    policies: Iterable[CompiledPolicy | QuarantinedPolicy],
    deny_only: Iterable[CompiledPolicy | QuarantinedPolicy] = (),
) -> PolicySet:
    """Join the policies of a principal and its groups; `deny_only` ones (disabled groups') only deny."""
    return PolicySet(tuple(policies), tuple(deny_only))


EMPTY_POLICY_SET: Final = compile_policy_set(())
