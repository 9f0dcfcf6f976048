"""The stored records that become principals: users, groups, roles, providers, access keys, policies.

Frozen values shared by both planes. Names keep the case their author gave them; `key_of_name` is what they are
compared by, so that `Alice` and `alice` are one name in every database, as in AWS. Users and groups that an
identity provider vouches for are called `PROVIDER=NAME`; what a provider tells apart, so do we.

Not here: how they are stored (`store/sql`), or who may change them (`control`).
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz.identity.external import ProviderKind
from authz.policy.request import NO_FACTS, Values

EXTERNAL_SIGN: Final = "="
"""What stands between a provider's name and the name it gave; no name of our own holds it."""

NAME_LIMIT: Final = 128
"""Longest user, group, role or policy name in characters (IAM: 64 or 128; MinIO: unbounded)."""


def fold_name(name: str) -> str:
    """Return what a name is compared by: NFC, then case-folded, then NFC again (Unicode 3.13, D145)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def key_of_name(name: str) -> str:
    """Return what the name of a user, group, role, policy or provider is compared and ordered by."""
    provider, sign, rest = name.partition(EXTERNAL_SIGN)
    return f"{fold_name(provider)}{sign}{rest}" if sign else fold_name(name)


def external_name(provider: str, name: str) -> str:
    """Return what we call the user or group that `provider` calls `name`."""
    return f"{provider}{EXTERNAL_SIGN}{name}"


class Status(StrEnum):
    """Whether a record is in force."""

    ENABLED = "enabled"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or application. `id` (`AIDA…`) is its incarnation: a recreated user has another one.

    `boundary` is the managed policy that is its permissions boundary. Sessions issued before
    `sessions_void_before` have ended. Times are epoch seconds, UTC.

    One that a provider vouches for has its `provider_id`, and as of its last login a `display_name` and the
    names of its `external_groups` there, sorted. Since `absent_since` the provider knows it no more (`None`: it
    does); until it logs in again it may do nothing.
    """

    id: str
    name: str
    status: Status
    created_at: float
    tags: Mapping[str, str] = field(default_factory=dict)
    boundary: "PolicyRef | None" = None
    sessions_void_before: float = 0.0
    provider_id: str = ""
    display_name: str = ""
    external_groups: tuple[str, ...] = ()
    absent_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A set of users (`id`: `AGPA…`). A disabled group grants nothing; its denies still hold.

    Of one with a `provider_id` the provider says who is in it, whenever somebody logs in.
    """

    id: str
    name: str
    status: Status
    created_at: float
    provider_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A source of identities (`id`: `AIDP…`), and how it is asked; its secret is never in it.

    `config` is a JSON object, read by the kind's format. Sessions of all who logged in through it before
    `sessions_void_before` have ended; while it is disabled nobody logs in, and who did may do nothing.
    """

    id: str
    name: str
    kind: ProviderKind
    status: Status
    config: str
    created_at: float
    updated_at: float
    description: str = ""
    has_secret: bool = False
    sessions_void_before: float = 0.0


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

    One that somebody made who had logged in through a provider keeps what that login said besides: managed
    policies that were `granted` (ids), and identity `facts`.
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
    granted: tuple[str, ...] = ()
    facts: Mapping[str, Values] = field(default_factory=lambda: NO_FACTS)


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
    PROVIDER = "provider"
    """All its users."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A policy bound to a user, group, role or all users of a provider, by name."""

    policy_name: str
    target_kind: TargetKind
    target_name: str
