"""What use cases ask of named records: to be there, to leave a name free, to be in use no more.

Names, and ARNs of resources, are checked before they are looked up, so that no text that a database cannot hold
ever reaches one.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from authz.control.limits import check_resource
from authz.control.ports import Slice, Unit
from authz.errors import ConflictError, InUseError, NotFoundError, quote
from authz.identity.credential import check_known_name
from authz.identity.records import (
    Group,
    ManagedPolicy,
    PolicyRef,
    PolicyVersion,
    Provider,
    ResourcePolicy,
    Role,
    TargetKind,
    User,
    key_of_name,
)

R = TypeVar("R", User, Group, Role, Provider, ManagedPolicy)
B = TypeVar("B", User, Role)
Find = Callable[[str], Awaitable[R | None]]


async def get_user(unit: Unit, name: str, *, field: str = "user_name") -> User:
    """Return the user of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    return await _get(unit.users.find, "user", name, field)


async def get_group(unit: Unit, name: str, *, field: str = "group_name") -> Group:
    """Return the group of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    return await _get(unit.groups.find, "group", name, field)


async def get_role(unit: Unit, name: str, *, field: str = "role_name") -> Role:
    """Return the role of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    return await _get(unit.roles.find, "role", name, field)


async def get_provider(unit: Unit, name: str, *, field: str = "provider_name") -> Provider:
    """Return the provider of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    return await _get(unit.providers.find, "provider", name, field)


async def get_policy(unit: Unit, name: str, *, field: str = "policy_name") -> ManagedPolicy:
    """Return the policy of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    return await _get(unit.policies.find, "policy", name, field)


async def get_version(unit: Unit, policy: ManagedPolicy, version: int) -> PolicyVersion:
    """Return the stored version of this number; raises `NotFoundError`."""
    for stored in await unit.policies.list_versions(policy.id):
        if stored.version == version:
            return stored
    raise NotFoundError(f"policy {quote(policy.name)} has no version {version}")


async def get_resource_policy(unit: Unit, resource: str) -> ResourcePolicy:
    """Return the policy of this resource; raises `NotFoundError`, or `InvalidError` for no resource at all."""
    check_resource(resource)
    policy = await unit.resource_policies.find(resource)
    if policy is None:
        raise NotFoundError(f"resource {quote(resource)} has no policy")
    return policy


async def _get(find: Find[R], what: str, name: str, field: str) -> R:
    check_known_name(name, field=field)
    record = await find(name)
    if record is None:
        raise NotFoundError(f"there is no {what} {quote(name)}")
    return record


async def get_target(unit: Unit, kind: TargetKind, name: str) -> User | Group | Role | Provider:
    """Return the user, group, role or provider of this name; raises as the others do."""
    if kind is TargetKind.USER:
        return await get_user(unit, name)
    if kind is TargetKind.PROVIDER:
        return await get_provider(unit, name)
    return await (get_group if kind is TargetKind.GROUP else get_role)(unit, name)


async def list_all_groups(unit: Unit, user_id: str) -> list[Group]:
    """Return all groups of a user, read in slices."""
    found: list[Group] = []
    while True:
        after = key_of_name(found[-1].name) if found else ""
        part = Slice(after, 1000)
        more = await unit.groups.list_of_user(user_id, part)
        found += more
        if len(more) < part.limit:
            return found


async def bounded(unit: Unit, record: B, policy_name: str, *, field: str = "policy_name") -> B:
    """Return a user or role with this policy as its permissions boundary; raises as `get_policy`."""
    policy = await get_policy(unit, policy_name, field=field)
    ref = PolicyRef(id=policy.id, name=policy.name, origin=policy.origin)
    return replace(record, boundary=ref)


async def require_free(find: Find[R], what: str, name: str) -> None:
    """Refuse a name, checked already, that a record has; raises `ConflictError` with the record's spelling."""
    holder = await find(name)
    if holder is not None:
        raise ConflictError(f"there is a {what} {quote(holder.name)} already")


def require_unused(what: str, name: str, uses: Mapping[str, Sequence[object]]) -> None:
    """Refuse to delete what has some of `uses` left (what → the first of them, if any); raises `InUseError`."""
    held = ", ".join(kind for kind, some in uses.items() if some)
    if held:
        raise InUseError(f"{what} {quote(name)} still has {held}")
