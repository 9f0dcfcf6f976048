"""One layer's policies against one request: which statements matched, and what they decide.

A layer is what a set of policies is to a request: the principal's own, a boundary, a session's, a
resource's. Each grants or only narrows, and the same statement means another thing in another layer. Not
here: one statement's elements (`elements.py`), and how layers combine (`__init__.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.policy.compile import CompiledPolicy, PolicySet, QuarantinedPolicy
from authz.policy.decision import Decision, Layer, StatementRef
from authz.policy.explain.elements import StatementExplanation, explain_statement
from authz.policy.model import Effect
from authz.policy.principals import Naming
from authz.policy.request import AccessRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyExplanation:
    """One policy. `is_deny_only`: its allows do not count. `problem`: why it is quarantined, or empty."""

    arn: str
    version: int
    is_deny_only: bool
    problem: str
    statements: tuple[StatementExplanation, ...]
    layer: Layer = Layer.IDENTITY


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedSet:
    """One set of policies: its denies that matched, and its allows that did with how they name who asks.

    `namings` is how each statement names who asks, whether it matched or not.
    """

    layer: Layer
    quarantine: Decision | None
    policies: tuple[PolicyExplanation, ...]
    denies: tuple[Decision, ...]
    allows: tuple[tuple[Decision, Naming], ...]
    namings: Mapping[StatementRef, Naming]


def explain_set(policies: PolicySet, request: AccessRequest) -> ExplainedSet:
    """Try every statement of `policies`."""
    explained = (
        *(
            _explain_policy(one, request, policies.layer, is_deny_only=False)
            for one in policies.policies
        ),
        *(
            _explain_policy(one, request, policies.layer, is_deny_only=True)
            for one in policies.deny_only
        ),
    )
    compiled = {one.decision.statement: one for one in policies.statements}
    namings = {ref: one.naming(request.principal) for ref, one in compiled.items() if ref}
    matched = [
        compiled[one.statement]
        for policy in explained
        for one in policy.statements
        if one.is_matched and not (policy.is_deny_only and one.effect is Effect.ALLOW)
    ]
    return ExplainedSet(
        layer=policies.layer,
        quarantine=policies.quarantine,
        policies=explained,
        denies=tuple(one.decision for one in matched if one.source.effect is Effect.DENY),
        allows=tuple(
            (one.decision, one.naming(request.principal))
            for one in matched
            if one.source.effect is Effect.ALLOW
        ),
        namings=namings,
    )


def _explain_policy(
    policy: CompiledPolicy | QuarantinedPolicy,
    request: AccessRequest,
    layer: Layer,
    *,
    is_deny_only: bool,
) -> PolicyExplanation:
    problem, statements = (
        (policy.problem, ()) if isinstance(policy, QuarantinedPolicy) else ("", policy.statements)
    )
    return PolicyExplanation(
        arn=policy.arn,
        version=policy.version,
        is_deny_only=is_deny_only,
        problem=problem,
        statements=tuple(explain_statement(statement, request) for statement in statements),
        layer=layer,
    )
