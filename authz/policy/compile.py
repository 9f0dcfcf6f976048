"""Policies made ready: a principal's policies become an index of statements by action and resource.

`compile_policy` runs once a policy version, `compile_policy_set` once a combination of policies; `decide` then
only looks up and calls. Denies and allows are kept apart, every statement carries its prepared `Decision`, and
statements are found by their exact lower-cased action, then by the literal text their resources begin with,
so that a thousand statements for a thousand buckets or folders cost what one does.

A set is of one layer: identity policies, a permissions boundary, a session's, a service account's, or those
of a resource; `applicable.py` joins them. A document that no longer compiles becomes a `QuarantinedPolicy`,
which denies. Single statements are `statements.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from authz.errors import ParseError
from authz.policy.decision import (
    REASON_OF,
    Decision,
    Layer,
    Reason,
    StatementRef,
    Verdict,
)
from authz.policy.index import Actions, Index
from authz.policy.model import Effect, Policy, Statement
from authz.policy.statements import CompiledStatement, compile_statement

VERSION_WITH_VARIABLES: Final = "2012-10-17"


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


def compile_policy(policy: Policy, *, arn: str, version: int) -> CompiledPolicy:
    """Compile a policy that is attached to who it applies to: all kinds but those of a resource.

    `arn` and `version` (counting from 1) go into every decision. `ParseError` names the place of what has no
    meaning.
    """
    for place, statement in _places(policy):
        if statement.principal is not None:
            raise ParseError(
                "an identity policy has no `Principal`: it applies to what it is attached to",
                place=place,
            )
    return _compile(policy, arn, version)


def compile_resource_policy(policy: Policy, *, arn: str, version: int) -> CompiledPolicy:
    """Compile the policy of a resource, or the trust policy of a role; every statement names its principals.

    `arn` names the resource. `ParseError` names the place of what has no meaning.
    """
    for place, statement in _places(policy):
        if statement.principal is None:
            raise ParseError("a resource policy needs `Principal` or `NotPrincipal`", place=place)
    return _compile(policy, arn, version)


def _places(policy: Policy) -> Iterable[tuple[str, Statement]]:
    return ((f"Statement[{index}]", one) for index, one in enumerate(policy.statements))


def _compile(policy: Policy, arn: str, version: int) -> CompiledPolicy:
    has_variables = policy.version == VERSION_WITH_VARIABLES
    statements = tuple(
        compile_statement(
            statement,
            StatementRef(policy=arn, version=version, index=index, sid=statement.sid),
            has_variables=has_variables,
        )
        for index, statement in enumerate(policy.statements)
    )
    return CompiledPolicy(arn=arn, version=version, source=policy, statements=statements)


# --- sets ---------------------------------------------------------------------------------------------------


class PolicySet:
    """Policies of one layer, ready to decide; shared by requests, immutable but for memos.

    `is_plain` tells that they can be decided by as they are: identity policies, all of which compile.
    """

    __slots__ = (
        "_actions",
        "_prefixes",
        "deny_only",
        "index",
        "is_plain",
        "layer",
        "policies",
        "quarantine",
        "statements",
    )

    def __init__(
        self,
        policies: tuple[CompiledPolicy | QuarantinedPolicy, ...],
        deny_only: tuple[CompiledPolicy | QuarantinedPolicy, ...],
        layer: Layer,
    ) -> None:
        self.policies = policies
        self.deny_only = deny_only
        self.layer = layer
        self.quarantine = _find_quarantine((*policies, *deny_only))
        self.is_plain = layer is Layer.IDENTITY and self.quarantine is None
        statements = (*_statements(policies), *filter(_is_deny, _statements(deny_only)))
        self.statements = tuple(_relabel(statement, layer) for statement in statements)
        self._actions = Actions(self.statements)
        self.index = Index(self._actions)
        self._prefixes: Index | None = None

    @property
    def prefixes(self) -> Index:
        """The index for questions about all resources that begin with a text; built when first asked for."""
        if self._prefixes is None:
            self._prefixes = Index(self._actions, is_prefix=True)
        return self._prefixes

    def as_layer(self, layer: Layer) -> "PolicySet":
        """Return these policies as `layer`: this very set, or one compiled for it."""
        return self if self.layer is layer else PolicySet(self.policies, self.deny_only, layer)


def _statements(
    policies: Iterable[CompiledPolicy | QuarantinedPolicy],
) -> Iterable[CompiledStatement]:
    for policy in policies:
        if isinstance(policy, CompiledPolicy):
            yield from policy.statements


def _relabel(statement: CompiledStatement, layer: Layer) -> CompiledStatement:
    if layer is Layer.IDENTITY:
        return statement
    return replace(statement, decision=replace(statement.decision, reason=REASON_OF[layer]))


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
    layer: Layer = Layer.IDENTITY,
) -> PolicySet:
    """Join policies of one layer by OR; `deny_only` ones (disabled groups') only deny."""
    return PolicySet(tuple(policies), tuple(deny_only), layer)


EMPTY_POLICY_SET: Final = compile_policy_set(())
