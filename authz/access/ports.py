"""What the data plane needs from a store, in its own words.

`store/sql` implements `Source`; the refresher and the principal cache consume it. Every read says the
revision it was made at (one snapshot of the database), because that is what lets a cache know whether a change
that arrived meanwhile is already in what it read.

Not here: writing (that is `control/ports.py`), or how a hint travels (LISTEN/NOTIFY, a change counter).
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, NamedTuple, Protocol, TypeVar

from authz.identity.records import (
    AccessKey,
    Group,
    ManagedPolicy,
    Provider,
    ResourcePolicy,
    RevokedSession,
    Role,
    Status,
    User,
)

T = TypeVar("T", covariant=True)  # noqa: PLC0105 - the field's usual one-letter name


class ChangeKind(StrEnum):
    """What a change-log row names; its key is in the comment."""

    USER = (
        "user"  # user id: record, status, tags, memberships or attachments changed, or it is gone
    )
    USER_NAME = "user_name"  # folded name: a user of this name came or went
    GROUP = "group"  # group id: status or attachments changed, or it is gone
    ROLE = "role"  # role id: record, trust, tags, boundary or attachments changed, or it is gone
    ROLE_NAME = "role_name"  # folded name: a role of this name came or went
    POLICY = "policy"  # policy id: created, document changed, or it is gone
    RESOURCE_POLICY = "resource_policy"  # the resource's ARN: its policy was set, or is gone
    PROVIDER = "provider"  # provider id: record, secret or attachments changed, or it is gone
    SESSION = "session"  # a session's access key id: it was revoked
    ACCESS_KEY = "access_key"  # access key id: created, changed, or it is gone


class Change(NamedTuple):
    """One row of the change log: at `revision`, the thing of `kind` called `key` changed."""

    revision: int
    kind: ChangeKind
    key: str


@dataclass(frozen=True, slots=True)
class At(Generic[T]):
    """A value as it was at `revision`."""

    revision: int
    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeBatch:
    """The changes after a revision, complete revisions only, in order.

    `revision` is the last one contained (or the newest there is, when nothing changed). `is_truncated` tells
    that more follow. `is_gap` tells that the log no longer reaches back that far: reload everything.
    """

    revision: int
    changes: Sequence[Change]
    is_truncated: bool = False
    is_gap: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvider:
    """A provider with its sealed secret (`identity/sealing.py`), `None` for one that has none."""

    provider: Provider
    sealed_secret: bytes | None = None


class StoredPolicies(NamedTuple):
    """What is held of all, as one snapshot of the store has it; sessions revoked where all is asked for."""

    managed: Sequence[ManagedPolicy]
    of_resources: Sequence[ResourcePolicy]
    revoked: Sequence[RevokedSession] = ()
    providers: Sequence[StoredProvider] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrincipal:
    """A user with everything that decides what it may do.

    `groups` are all its groups, disabled ones included. `policy_ids` are those attached to the user and to its
    enabled groups, without repetition, sorted; `deny_only_policy_ids` those attached to disabled groups only,
    whose denies still hold. `boundary_id` is the policy that is its permissions boundary, empty without one.

    Of a user that a provider vouches for, `policy_ids` are also those attached to the provider, and
    `provider_status` and `provider_void_before` (epoch seconds) are the provider's; a provider that is gone is
    disabled.
    """

    user: User
    groups: tuple[Group, ...]
    policy_ids: tuple[str, ...]
    deny_only_policy_ids: tuple[str, ...]
    boundary_id: str = ""
    provider_status: Status = Status.ENABLED
    provider_void_before: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRole:
    """A role with everything that decides what its sessions may do, and who may have one.

    `policy_ids` are those attached to it, sorted; `boundary_id` is the policy that is its permissions boundary,
    empty without one.
    """

    role: Role
    policy_ids: tuple[str, ...]
    boundary_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAccessKey:
    """An access key, its sealed secret (`identity/sealing.py`), and its owner."""

    key: AccessKey
    sealed_secret: bytes
    owner: StoredPrincipal


class Source(Protocol):
    """What the data plane reads. Every method raises `UnavailableError` when the database cannot be reached."""

    async def revision(self) -> int:
        """Return the newest committed revision (0 for an empty store); cheap, used as heartbeat."""
        ...

    async def changes_after(self, revision: int, limit: int) -> ChangeBatch:
        """Return the changes after `revision`, at most about `limit` rows (a revision is never split)."""
        ...

    async def load_policies(
        self,
        ids: Collection[str] | None = None,
        resources: Collection[str] | None = None,
        providers: Collection[str] | None = None,
    ) -> At[StoredPolicies]:
        """Return all policies and providers, or those of these ids and resources that exist.

        All three or none are given.
        """
        ...

    async def find_access_key(self, access_key_id: str) -> At[StoredAccessKey | None]:
        """Return the access key with exactly this id (case-sensitive), or `None`."""
        ...

    async def find_user(self, name: str) -> At[StoredPrincipal | None]:
        """Return the user of this name (ignoring case), or `None`."""
        ...

    async def find_user_by_id(self, user_id: str) -> At[StoredPrincipal | None]:
        """Return the user of this id (case-sensitive), or `None`."""
        ...

    async def list_users(self, after: str, limit: int) -> At[Sequence[StoredPrincipal]]:
        """Return at most `limit` users in the order of their folded names, from the first after `after`."""
        ...

    async def find_role(self, name: str) -> At[StoredRole | None]:
        """Return the role of this name (ignoring case), or `None`."""
        ...

    async def find_role_by_id(self, role_id: str) -> At[StoredRole | None]:
        """Return the role of this id (case-sensitive), or `None`."""
        ...

    def hints(self) -> AsyncIterator[int]:
        """Yield revisions as the database announces them, until closed; one open connection's life.

        A hint may be lost, late, repeated or 0 ("look now"); it only says that reading the log is worthwhile.
        Raises `UnavailableError` when the connection dies, which the implementation notices by a heartbeat.
        """
        ...
