"""The answer to an access request, and the statement that determined it.

Decisions are made when a policy is compiled, one for each statement, and handed out as they are: a decision
costs no allocation on the hot path. What differs from answer to answer (id, revision, age) is added by the
access plane.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """May it happen? Only `ALLOWED` is a yes."""

    ALLOWED = "ALLOWED"
    EXPLICITLY_DENIED = "EXPLICITLY_DENIED"
    IMPLICITLY_DENIED = "IMPLICITLY_DENIED"


class Reason(StrEnum):
    """Which step of the evaluation gave the verdict; bounded, so it may label a metric.

    The four kinds of policies beside identity policies give their name: `EXPLICITLY_DENIED` with
    `Decision.statement` when a statement of theirs denied, `IMPLICITLY_DENIED` without one when they do not
    allow what the others do, and `ALLOWED` for a resource policy that grants by itself or through a role.
    """

    STATEMENT = "STATEMENT"
    """A statement of an identity policy matched: `Decision.statement` names it."""
    ROOT = "ROOT"
    """The root credential is not limited by identity policies."""
    NO_MATCH = "NO_MATCH"
    """No statement allows it."""
    QUARANTINE = "QUARANTINE"
    """A policy that applies cannot be compiled, so its denies are unknown."""
    PRINCIPAL_UNKNOWN = "PRINCIPAL_UNKNOWN"
    """There is no such principal."""
    PRINCIPAL_DISABLED = "PRINCIPAL_DISABLED"
    """The principal is disabled."""
    PERMISSIONS_BOUNDARY = "PERMISSIONS_BOUNDARY"
    """The principal's permissions boundary denies it or does not allow it."""
    SESSION_POLICY = "SESSION_POLICY"
    """A policy of the session denies it, or a set of them does not allow it."""
    SERVICE_ACCOUNT_POLICY = "SERVICE_ACCOUNT_POLICY"
    """The service account's own policy denies it or does not allow it."""
    RESOURCE_POLICY = "RESOURCE_POLICY"
    """A policy of the resource denies or grants it."""


class Layer(StrEnum):
    """What a set of policies is to a request. Identity and resource policies grant; the others only narrow."""

    IDENTITY = "IDENTITY"
    PERMISSIONS_BOUNDARY = "PERMISSIONS_BOUNDARY"
    SESSION_POLICY = "SESSION_POLICY"
    SERVICE_ACCOUNT_POLICY = "SERVICE_ACCOUNT_POLICY"
    RESOURCE_POLICY = "RESOURCE_POLICY"


REASON_OF: Final = {
    Layer.IDENTITY: Reason.STATEMENT,
    Layer.PERMISSIONS_BOUNDARY: Reason.PERMISSIONS_BOUNDARY,
    Layer.SESSION_POLICY: Reason.SESSION_POLICY,
    Layer.SERVICE_ACCOUNT_POLICY: Reason.SERVICE_ACCOUNT_POLICY,
    Layer.RESOURCE_POLICY: Reason.RESOURCE_POLICY,
}
"""The reason of a decision that a statement of the layer determined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRef:
    """Where a statement stands: the policy's ARN, its version, the statement's index from 0, and its `Sid`.

    For a quarantined policy, which has no statements, the index is 0 and the `Sid` empty.
    """

    policy: str
    version: int
    index: int
    sid: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decision:
    """A verdict, why, and the statement that determined it, when one did."""

    verdict: Verdict
    reason: Reason
    statement: StatementRef | None = None
    is_allowed: bool = field(init=False)
    """Whether the request may go ahead; told once, here, because every check asks several times."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_allowed", self.verdict is Verdict.ALLOWED)


ROOT: Final = Decision(verdict=Verdict.ALLOWED, reason=Reason.ROOT)
NO_MATCH: Final = Decision(verdict=Verdict.IMPLICITLY_DENIED, reason=Reason.NO_MATCH)
PRINCIPAL_UNKNOWN: Final = Decision(
    verdict=Verdict.IMPLICITLY_DENIED, reason=Reason.PRINCIPAL_UNKNOWN
)
PRINCIPAL_DISABLED: Final = Decision(
    verdict=Verdict.IMPLICITLY_DENIED, reason=Reason.PRINCIPAL_DISABLED
)
NOT_ALLOWED_BY: Final = {
    layer: Decision(verdict=Verdict.IMPLICITLY_DENIED, reason=REASON_OF[layer])
    for layer in (Layer.PERMISSIONS_BOUNDARY, Layer.SESSION_POLICY, Layer.SERVICE_ACCOUNT_POLICY)
}
"""What is decided when something is granted, and the layer does not let it through."""
