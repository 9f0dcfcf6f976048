"""The stored records that become principals: users, groups, roles, access keys, policies, attachments.

Frozen values shared by both planes. Names keep the case their author gave them; `name_key` is what they are
compared by (`fold_name`), so that `Alice` and `alice` are one name in every database, as in AWS.

Not here: how they are stored (`store/sql`), or who may change them (`control`).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NAME_LIMIT: Final = 128
"""Longest user, group, role or policy name in characters (IAM: 64 or 128; MinIO: unbounded)."""


def fold_name(name: str) -> str:
    """Return what a name is compared by: NFC, then case-folded, then NFC again (Unicode 3.13, D145)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


class Status(StrEnum):
    """Whether a record is in force."""

    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or application. `id` (`AIDA…`) is its incarnation: a recreated user has another one.

    `boundary` is the managed policy that is its permissions boundary. Sessions issued before
    `sessions_void_before` have ended. Times are epoch seconds, UTC.
    """

    id: str
    name: str
    status: Status
    created_at: float
    tags: Mapping[str, str] = field(default_factory=dict)
    boundary: "PolicyRef | None" = None
    sessions_void_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A set of users (`id`: `AGPA…`). A disabled group grants nothing; its denies still hold."""

    id: str
    name: str
    status: Status
    created_at: float


ROLE_DURATION_DEFAULT: Final = 3600
"""How long sessions of a role last at most where nothing is said, in seconds (AWS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What those whom its `trust` names become for a session (`id`: `AROA…`); it has no credentials of its own.

    `trust` is a policy document, byte for byte as it was sent: who may assume the role. `max_session_duration`
    is in seconds; a role's own maximum, beside the site's. Sessions issued before `sessions_void_before` have
    ended.
    """

    id: str
    name: str
    trust: str
    created_at: float
    description: str = ""
    max_session_duration: int = ROLE_DURATION_DEFAULT
    tags: Mapping[str, str] = field(default_factory=dict)
    boundary: "PolicyRef | None" = None
    sessions_void_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKey:
    """A credential's public half: id, owner (user id and name) and status. The secret is never in it.

    With a `policy` of its own (a document; empty for none) it is what MinIO calls a restricted service account:
    it may do what its owner may do at the moment and that policy allows. From `expires_at` on (epoch seconds)
    it signs no more; `None` is never.
    """

    id: str
    user_id: str
    user_name: str
    status: Status
    created_at: float
    description: str = ""
    name: str = ""
    policy: str = ""
    expires_at: float | None = None


class PolicyOrigin(StrEnum):
    """Who wrote a managed policy, and so under which account its ARN stands and who may change it."""

    CUSTOMER = "customer"
    """Written through the control plane; its ARN stands under the configured account."""
    AWS = "aws"
    """Comes with this software (`policy/canned.py`); read-only; `arn:aws:iam::aws:policy/NAME`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRef:
    """A managed policy as another record refers to it: what makes its ARN, without its document."""

    id: str
    name: str
    origin: PolicyOrigin = PolicyOrigin.CUSTOMER


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagedPolicy:
    """A stored policy document (`id`: `ANPA…`), byte for byte as it was sent, in the version in force.

    Versions count from 1; `last_version` is the highest number given so far, which is never given again.
    """

    id: str
    name: str
    version: int
    document: str
    description: str
    created_at: float
    updated_at: float
    origin: PolicyOrigin = PolicyOrigin.CUSTOMER
    last_version: int = 1

    @property
    def is_managed_by_service(self) -> bool:
        """Tell whether it comes with the software and cannot be edited or deleted."""
        return self.origin is not PolicyOrigin.CUSTOMER


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVersion:
    """One stored version of a managed policy's document."""

    policy_id: str
    version: int
    document: str
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePolicy:
    """The policy of one resource, by the resource's ARN; `version` counts its writes from 1."""

    resource: str
    version: int
    document: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedSession:
    """A session that ended before its time, by its access key id; forgotten once its time is over."""

    access_key_id: str
    expires_at: float


class TargetKind(StrEnum):
    """What a policy can be attached to."""

    USER = "user"
    GROUP = "group"
    ROLE = "role"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A policy bound to a user, group or role, by name."""

    policy_name: str
    target_kind: TargetKind
    target_name: str
