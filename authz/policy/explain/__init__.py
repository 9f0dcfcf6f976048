"""The decision again, with every reason: which element of which statement matched or failed, and why.

Slow and allocating, for people: `Explain`, the simulator, the console. It walks the documents element by
element instead of using the index of `decide`, and tries every listed pattern by itself; a property test holds
the two to the same answer. Single statements are `elements.py`, what would have to change is `changes.py`, and
what applies if something else were in force is `hypothesis.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from authz.policy.applicable import Applicable, as_applicable
from authz.policy.compile import PolicySet
from authz.policy.decision import (
    NO_MATCH,
    NOT_ALLOWED_BY,
    ROOT,
    Decision,
    Layer,
    Verdict,
)
from authz.policy.explain.changes import describe_changes, find_nearest
from authz.policy.explain.elements import (
    SHOWN_VALUES,
    ElementExplanation,
    ElementOutcome,
    StatementExplanation,
)
from authz.policy.explain.facts import Fact, FactSource, list_facts
from authz.policy.explain.hypothesis import Hypothesis
from authz.policy.explain.layers import ExplainedSet, PolicyExplanation, explain_set
from authz.policy.principals import Naming
from authz.policy.request import AccessRequest, PrincipalKind

__all__ = [
    "SHOWN_VALUES",
    "ElementExplanation",
    "ElementOutcome",
    "Explanation",
    "Fact",
    "FactSource",
    "Hypothesis",
    "PolicyExplanation",
    "StatementExplanation",
    "explain",
    "list_facts",
]


GRANTING: Final = (Layer.IDENTITY, Layer.RESOURCE_POLICY)
"""The layers that grant; the others narrow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The decision, all policies that took part, and for what is not allowed what would have to change.

    `nearest` is for an implicit deny the allow that came nearest, where something had to allow and nothing did.
    `changes` are sentences; all of them together would turn the decision into an allow.
    """

    decision: Decision
    policies: tuple[PolicyExplanation, ...]
    nearest: StatementExplanation | None
    changes: tuple[str, ...] = ()


def explain(request: AccessRequest, policies: PolicySet | Applicable) -> Explanation:
    """Decide `request` as `decide` does and tell why."""
    applicable = as_applicable(policies)
    explained = [explain_set(one, request) for one in applicable.find_applying(request)]
    grant, is_by_itself = _find_grant(request, applicable, explained)
    missing = [] if is_by_itself else _find_missing(explained, is_granted=grant is not None)
    decision = _find_deny(explained) or (_find_refusal(missing) if missing else grant)
    assert decision is not None  # what is not granted is missing a grant
    is_implicit = decision.verdict is Verdict.IMPLICITLY_DENIED
    return Explanation(
        decision=decision,
        policies=tuple(policy for one in explained for policy in one.policies),
        nearest=find_nearest(missing[0]) if is_implicit else None,
        changes=()
        if decision.is_allowed
        else describe_changes(request, explained, missing, _by_itself(applicable)),
    )


def _find_deny(explained: Sequence[ExplainedSet]) -> Decision | None:
    unreadable = [one.quarantine for one in explained if one.quarantine is not None]
    denies = [decision for one in explained for decision in one.denies]
    return next(iter([*unreadable, *denies]), None)


def _find_grant(
    request: AccessRequest, applicable: Applicable, explained: Sequence[ExplainedSet]
) -> tuple[Decision | None, bool]:
    """Find what grants the request, and whether that needs no other layer."""
    kind = request.principal.kind
    if kind is PrincipalKind.ROOT and not applicable.narrowing:
        return ROOT, True
    named = [
        allow for one in explained if one.layer is Layer.RESOURCE_POLICY for allow in one.allows
    ]
    direct = [decision for decision, naming in named if naming >= _by_itself(applicable)]
    if direct:
        return direct[0], True
    own = [allow for one in explained if one.layer is Layer.IDENTITY for allow in one.allows]
    if kind is PrincipalKind.ROOT:
        return ROOT, False
    return next((decision for decision, _ in (*own, *named)), None), False


def _by_itself(applicable: Applicable) -> Naming:
    """Return how a policy of the resource must at least name who asks to grant by itself."""
    return Naming.ITSELF if applicable.is_derived else Naming.USER


def _find_missing(
    explained: Sequence[ExplainedSet], *, is_granted: bool
) -> list[tuple[ExplainedSet, ...]]:
    """Find the groups of sets of which one has to allow and none does: what grants, then what narrows."""
    granting = [] if is_granted else [tuple(one for one in explained if one.layer in GRANTING)]
    return [
        *granting,
        *((one,) for one in explained if one.layer not in GRANTING and not one.allows),
    ]


def _find_refusal(missing: Sequence[Sequence[ExplainedSet]]) -> Decision:
    first = missing[0]
    if not first or first[0].layer in GRANTING:
        return NO_MATCH
    return NOT_ALLOWED_BY[first[0].layer]
