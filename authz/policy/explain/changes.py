"""What came nearest to allowing, and what would have to change: said only as far as it is certain.

Each sentence names one thing that stands in the way (a deny that matches, a layer that does not allow); with
all of them gone the request is allowed. What a policy that cannot be read says is unknown, so where one
applies nothing beyond it is promised.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from authz.errors import quote
from authz.policy.decision import Layer, StatementRef
from authz.policy.explain.elements import ElementOutcome, StatementExplanation
from authz.policy.explain.layers import ExplainedSet
from authz.policy.model import Effect
from authz.policy.principals import Naming
from authz.policy.request import AccessRequest, PrincipalKind

_SOURCES: Final = {
    Layer.IDENTITY: "a policy of the principal",
    Layer.PERMISSIONS_BOUNDARY: "the permissions boundary",
    Layer.SESSION_POLICY: "each set of session policies",
    Layer.SERVICE_ACCOUNT_POLICY: "the service account's own policy",
    Layer.RESOURCE_POLICY: "a policy of the resource",
}

_NAMED_ANEW: Final = {
    PrincipalKind.ANONYMOUS: Naming.ITSELF,
    PrincipalKind.USER: Naming.USER,
    PrincipalKind.ASSUMED_ROLE: Naming.ROLE,
    PrincipalKind.FEDERATED: Naming.ROLE,
    PrincipalKind.ROOT: Naming.USER,
}
"""Who asks → how a statement names it that is changed to."""


def find_nearest(sets: Iterable[ExplainedSet]) -> StatementExplanation | None:
    """Find the allow whose action matches and whose fewest other elements fail; the first of equals."""
    candidates = [
        statement
        for explained in sets
        for policy in explained.policies
        for statement in policy.statements
        if not policy.is_deny_only
        and statement.effect is Effect.ALLOW
        and statement.elements[0].outcome is ElementOutcome.MATCHED
    ]
    return min(candidates, key=_misses, default=None)


def _misses(statement: StatementExplanation) -> int:
    return sum(element.outcome is not ElementOutcome.MATCHED for element in statement.elements)


def describe_changes(
    request: AccessRequest,
    explained: Sequence[ExplainedSet],
    missing: Sequence[Sequence[ExplainedSet]],
    by_itself: Naming,
) -> tuple[str, ...]:
    """Say what keeps `request` from being allowed; of each group in `missing` one set has to allow.

    The first group is the one that grants, if that is missing. A policy of the resource that names who asks as
    `by_itself`, or better, does so without the other groups.
    """
    unreadable = tuple(_describe_unreadable(explained))
    if unreadable:
        return unreadable
    denies = [
        f"{_where(decision.statement)} must not deny it"
        for one in explained
        for decision in one.denies
        if decision.statement is not None
    ]
    if missing and _would_grant_by_itself(request, missing[0], by_itself):
        missing = missing[:1]
    allows = (_describe_missing(request, group) for group in missing)
    # Of several sets of session policies each may have to change, and the same may be said of each.
    return tuple(dict.fromkeys((*denies, *allows)))


def _would_grant_by_itself(
    request: AccessRequest, group: Sequence[ExplainedSet], by_itself: Naming
) -> bool:
    """Tell whether `group`, changed as is said of it, would grant whatever the layers that narrow say."""
    kind = request.principal.kind
    nearest = find_nearest(group)
    if nearest is None:
        return kind is PrincipalKind.ANONYMOUS
    for one in group:
        if one.layer is Layer.RESOURCE_POLICY and nearest.statement in one.namings:
            naming = one.namings[nearest.statement]
            # One that does not name who asks has to, which names a session by its role.
            return (naming if naming > Naming.ACCOUNT else _NAMED_ANEW[kind]) >= by_itself
    return False


def _describe_unreadable(explained: Iterable[ExplainedSet]) -> Iterator[str]:
    for one in explained:
        for policy in one.policies:
            if policy.problem:
                yield (
                    f"{quote(policy.arn)} version {policy.version} must be replaced: it cannot be read"
                    f" ({policy.problem}), so what it denies is unknown"
                )


def _describe_missing(request: AccessRequest, group: Sequence[ExplainedSet]) -> str:
    asked = f"{quote(request.action)} on {quote(request.resource)}"
    nearest = find_nearest(group)
    if nearest is not None:
        misses = ", ".join(
            element.element
            for element in nearest.elements
            if element.outcome is not ElementOutcome.MATCHED
        )
        return f"{_where(nearest.statement)} must allow {asked}, which it misses by {misses}"
    if request.principal.kind is PrincipalKind.ANONYMOUS:
        return f"{_SOURCES[Layer.RESOURCE_POLICY]} must allow {asked} to everyone"
    return f"{_SOURCES[group[0].layer]} must allow {asked}"


def _where(ref: StatementRef) -> str:
    sid = f" ({quote(ref.sid)})" if ref.sid else ""
    return f"statement {ref.index}{sid} of {quote(ref.policy)}"
