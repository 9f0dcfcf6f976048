"""What the control plane needs from a store, in its own words.

A use case hands the store a function; the store runs it in one transaction (again, if the database undid it for
another's sake, so it has no other effects) and says at which revision it took effect. Inside, the function
sees a `Unit`: one family of records a member. Every writing method notes in the change log what it changes,
so that no use case can forget to.

All writers take turns, so what a function has read stays true until it has written: "look, then write" is safe.
`store/sql` implements these; the same acceptance suite runs over each database. Not here: what the data plane
reads (`access/ports.py`).
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from authz.identity.records import (
    AccessKey,
    Attachment,
    Group,
    ManagedPolicy,
    PolicyVersion,
    Provider,
    ResourcePolicy,
    RevokedSession,
    Role,
    TargetKind,
    User,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Written(Generic[T_co]):
    """What a write made of things, and the revision at which that is so.

    A write that found nothing to change makes no revision: it returns the newest one.
    """

    value: T_co
    revision: int


class Slice(NamedTuple):
    """Part of an ordered list: at most `limit` items that come after `after` (`""`: from the start)."""

    after: str
    limit: int


ONE: Final = Slice("", 1)
"""Enough to see whether there is any."""


class UserRecords(Protocol):
    """Users, ordered by folded name."""

    async def find(self, name: str) -> User | None:
        """Return the user of this name, ignoring case."""
        ...

    async def find_all(self, names: Collection[str]) -> Sequence[User]:
        """Return those users of these names that exist, in any order."""
        ...

    async def list(self, part: Slice) -> Sequence[User]:
        """Return users whose folded name is after `part.after`."""
        ...

    async def add(self, user: User) -> None:
        """Store a new user, whose name is free."""
        ...

    async def replace(self, old: User, new: User) -> None:
        """Store `new` in place of `old`, which has the same id."""
        ...

    async def remove(self, user: User) -> None:
        """Delete a user that nothing refers to any more."""
        ...

    async def list_bounded_by(self, policy_id: str, part: Slice) -> Sequence[User]:
        """Return users whose permissions boundary is this policy, ordered by folded name."""
        ...

    async def list_of_provider(self, provider_id: str, part: Slice) -> Sequence[User]:
        """Return the users that a provider vouches for, ordered by name."""
        ...

    async def list_naming(self, provider_id: str, group: str) -> Sequence[User]:
        """Return those of a provider's users that are in its group of this name, as it last said."""
        ...


class GroupRecords(Protocol):
    """Groups, ordered by folded name, and who is in them."""

    async def find(self, name: str) -> Group | None:
        """Return the group of this name, ignoring case."""
        ...

    async def list(self, part: Slice) -> Sequence[Group]:
        """Return groups whose folded name is after `part.after`."""
        ...

    async def add(self, group: Group) -> None:
        """Store a new group, whose name is free."""
        ...

    async def replace(self, old: Group, new: Group) -> None:
        """Store `new` in place of `old`, which has the same id."""
        ...

    async def remove(self, group: Group) -> None:
        """Delete a group that nothing refers to any more."""
        ...

    async def list_of_provider(self, provider_id: str, part: Slice) -> Sequence[Group]:
        """Return the groups of which a provider says who is in them, ordered by name."""
        ...

    async def find_all_of_provider(
        self, provider_id: str, names: Collection[str]
    ) -> Sequence[Group]:
        """Return those of a provider's groups of these names (as we call them) that exist, in any order."""
        ...

    async def list_members(self, group_id: str, part: Slice) -> Sequence[User]:
        """Return the users in a group, ordered by folded name."""
        ...

    async def list_of_user(self, user_id: str, part: Slice) -> Sequence[Group]:
        """Return the groups a user is in, ordered by folded name."""
        ...

    async def add_member(self, group_id: str, user_id: str) -> None:
        """Put a user into a group; nothing happens when it is in it."""
        ...

    async def fill(self, group_id: str, user_ids: Collection[str]) -> None:
        """Put users, however many, into a group that has no members yet."""
        ...

    async def remove_member(self, group_id: str, user_id: str) -> None:
        """Take a user out of a group; nothing happens when it is not in it."""
        ...

    async def remove_all_members(self, group_id: str) -> None:
        """Take everybody out of a group."""
        ...

    async def remove_from_all(self, user_id: str) -> None:
        """Take a user out of all its groups."""
        ...


class RoleRecords(Protocol):
    """Roles, ordered by folded name."""

    async def find(self, name: str) -> Role | None:
        """Return the role of this name, ignoring case."""
        ...

    async def list(self, part: Slice) -> Sequence[Role]:
        """Return roles whose folded name is after `part.after`."""
        ...

    async def add(self, role: Role) -> None:
        """Store a new role, whose name is free."""
        ...

    async def replace(self, old: Role, new: Role) -> None:
        """Store `new` in place of `old`, which has the same id and name."""
        ...

    async def remove(self, role: Role) -> None:
        """Delete a role that nothing refers to any more."""
        ...

    async def list_bounded_by(self, policy_id: str, part: Slice) -> Sequence[Role]:
        """Return roles whose permissions boundary is this policy, ordered by folded name."""
        ...


class ProviderRecords(Protocol):
    """Identity providers, ordered by name."""

    async def find(self, name: str) -> Provider | None:
        """Return the provider of this name."""
        ...

    async def find_by_id(self, provider_id: str) -> Provider | None:
        """Return the provider of exactly this id."""
        ...

    async def list(self, part: Slice) -> Sequence[Provider]:
        """Return providers whose name is after `part.after`."""
        ...

    async def add(self, provider: Provider, sealed_secret: bytes | None) -> None:
        """Store a new provider, whose name is free."""
        ...

    async def replace(self, old: Provider, new: Provider) -> None:
        """Store `new` in place of `old`, which has the same id and name; the secret stays."""
        ...

    async def replace_secret(self, provider: Provider, sealed_secret: bytes | None) -> None:
        """Give a provider another secret, or none."""
        ...

    async def remove(self, provider: Provider) -> None:
        """Delete a provider that nothing refers to any more."""
        ...


class AccessKeyRecords(Protocol):
    """Access keys, ordered by id; case matters."""

    async def find(self, access_key_id: str) -> AccessKey | None:
        """Return the access key of exactly this id."""
        ...

    async def list_of_user(self, user_id: str, part: Slice) -> Sequence[AccessKey]:
        """Return a user's access keys."""
        ...

    async def add(self, key: AccessKey, sealed_secret: bytes) -> None:
        """Store a new access key, whose id is free."""
        ...

    async def replace(self, old: AccessKey, new: AccessKey) -> None:
        """Store `new` in place of `old`, which has the same id; the secret stays."""
        ...

    async def remove(self, key: AccessKey) -> None:
        """Delete an access key."""
        ...

    async def remove_of_user(self, user_id: str) -> None:
        """Delete all access keys of a user."""
        ...


class PolicyRecords(Protocol):
    """Managed policies, ordered by folded name."""

    async def find(self, name: str) -> ManagedPolicy | None:
        """Return the policy of this name, ignoring case."""
        ...

    async def list(self, part: Slice) -> Sequence[ManagedPolicy]:
        """Return policies whose folded name is after `part.after`."""
        ...

    async def add(self, policy: ManagedPolicy) -> None:
        """Store a new policy, whose name is free."""
        ...

    async def replace(self, old: ManagedPolicy, new: ManagedPolicy) -> None:
        """Store `new` in place of `old`, which has the same id."""
        ...

    async def remove(self, policy: ManagedPolicy) -> None:
        """Delete a policy that is attached to nothing and nobody's boundary, with all its versions."""
        ...

    async def list_versions(self, policy_id: str) -> Sequence[PolicyVersion]:
        """Return the stored versions of a policy, newest first; they are few."""
        ...

    async def add_version(self, version: PolicyVersion) -> None:
        """Store a version, whose number is free; `replace` puts it in force."""
        ...

    async def remove_version(self, version: PolicyVersion) -> None:
        """Delete a version that is not in force."""
        ...


class ResourcePolicyRecords(Protocol):
    """The policies of resources, ordered by the resource's ARN; case matters."""

    async def find(self, resource: str) -> ResourcePolicy | None:
        """Return the policy of exactly this resource."""
        ...

    async def list(self, part: Slice) -> Sequence[ResourcePolicy]:
        """Return policies of resources whose ARN is after `part.after`."""
        ...

    async def count(self) -> int:
        """Return how many resources have a policy."""
        ...

    async def put(self, policy: ResourcePolicy) -> None:
        """Store the policy of a resource, in place of the one it has."""
        ...

    async def remove(self, policy: ResourcePolicy) -> None:
        """Delete the policy of a resource."""
        ...


class RevokedSessionRecords(Protocol):
    """Sessions that ended before their time."""

    async def find(self, access_key_id: str) -> RevokedSession | None:
        """Return what is remembered of the session with exactly this access key id."""
        ...

    async def count(self) -> int:
        """Return how many are remembered."""
        ...

    async def add(self, session: RevokedSession) -> None:
        """Remember a revoked session, which is not yet."""
        ...

    async def remove_expired(self, now: float) -> None:
        """Forget some of those whose time is over at `now`; that changes nothing for anybody."""
        ...


class AttachmentRecords(Protocol):
    """Which policies are attached to which users, groups and roles, by their ids."""

    async def list_of_target(
        self, kind: TargetKind, target_id: str, part: Slice
    ) -> Sequence[Attachment]:
        """Return what is attached to a user, group or role, ordered by the policy's folded name."""
        ...

    async def list_of_policy(
        self, kind: TargetKind, policy_id: str, part: Slice
    ) -> Sequence[Attachment]:
        """Return the targets of one kind that a policy is attached to, ordered by their folded name."""
        ...

    async def attach(self, policy_id: str, kind: TargetKind, target_id: str) -> None:
        """Attach; nothing happens when it is attached."""
        ...

    async def detach(self, policy_id: str, kind: TargetKind, target_id: str) -> None:
        """Detach; nothing happens when it is not attached."""
        ...

    async def detach_target(self, kind: TargetKind, target_id: str) -> None:
        """Detach everything from a user, group or role."""
        ...

    async def detach_policy(self, policy_id: str) -> None:
        """Detach a policy from everything."""
        ...


class Unit(Protocol):
    """All records, as one transaction sees them."""

    @property
    def users(self) -> UserRecords: ...  # noqa: D102 - the class says it
    @property
    def groups(self) -> GroupRecords: ...  # noqa: D102
    @property
    def roles(self) -> RoleRecords: ...  # noqa: D102
    @property
    def providers(self) -> ProviderRecords: ...  # noqa: D102
    @property
    def access_keys(self) -> AccessKeyRecords: ...  # noqa: D102
    @property
    def policies(self) -> PolicyRecords: ...  # noqa: D102
    @property
    def revoked_sessions(self) -> RevokedSessionRecords: ...  # noqa: D102
    @property
    def resource_policies(self) -> ResourcePolicyRecords: ...  # noqa: D102
    @property
    def attachments(self) -> AttachmentRecords: ...  # noqa: D102


class Store(Protocol):
    """Where records are kept. Both methods raise `UnavailableError` when it cannot be reached."""

    async def read(self, question: Callable[[Unit], Awaitable[T]]) -> T:
        """Run `question` in one snapshot; it must not write."""
        ...

    async def write(self, change: Callable[[Unit], Awaitable[T]]) -> Written[T]:
        """Run `change` in one transaction and commit it, all or nothing."""
        ...
