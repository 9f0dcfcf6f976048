"""Named records that a use case needs: found, or an error that says which is missing.

Names are checked before they are looked up, so that no text that a database cannot hold ever reaches one.
"""

from authz.control.ports import Unit
from authz.errors import NotFoundError, quote
from authz.identity.credential import check_name
from authz.identity.records import Group, ManagedPolicy, TargetKind, User


async def get_user(unit: Unit, name: str, *, field: str = "user_name") -> User:
    """Return the user of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    check_name(name, field=field)
    user = await unit.users.find(name)
    if user is None:
        raise NotFoundError(f"there is no user {quote(name)}")
    return user


async def get_group(unit: Unit, name: str, *, field: str = "group_name") -> Group:
    """Return the group of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    check_name(name, field=field)
    group = await unit.groups.find(name)
    if group is None:
        raise NotFoundError(f"there is no group {quote(name)}")
    return group


async def get_policy(unit: Unit, name: str, *, field: str = "policy_name") -> ManagedPolicy:
    """Return the policy of this name; raises `NotFoundError`, or `InvalidError` for no name at all."""
    check_name(name, field=field)
    policy = await unit.policies.find(name)
    if policy is None:
        raise NotFoundError(f"there is no policy {quote(name)}")
    return policy


async def get_target(unit: Unit, kind: TargetKind, name: str) -> User | Group:
    """Return the user or group of this name; raises as the others do."""
    return await (get_user if kind is TargetKind.USER else get_group)(unit, name)
