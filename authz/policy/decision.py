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
    """Which step of the evaluation gave the verdict; bounded, so it may label a metric."""

    STATEMENT = "STATEMENT"
    """A statement matched: `Decision.statement` names it."""
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
