"""Groups and who is in them.

Groups do not nest. Putting a user into a group it is in, or taking one out that is not in it, is no error and
changes nothing. A disabled group grants nothing while its denies still hold. Deleting a group that still has
members or attachments is refused, as in AWS, unless the caller says `cascade`.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from authz.clock import Clock
from authz.control.external_names import NO_EXTERNAL_NAMES, ExternalNames, resolve_group
from authz.control.limits import GROUPS_PER_USER, MEMBERS_PER_CALL
from authz.control.lookup import (
    get_group,
    get_provider,
    get_user,
    list_all_groups,
    require_free,
    require_unused,
)
from authz.control.paging import Page, read_page
from authz.control.ports import ONE, Store, Unit, Written
from authz.errors import InUseError, InvalidError, NotFoundError, quote
from authz.identity.credential import (
    GROUP_ID_PREFIX,
    RECORD_ID_BYTES,
    check_known_name,
    check_name,
    make_record_id,
)
from authz.identity.records import EXTERNAL_SIGN, Group, Status, TargetKind, User, key_of_name


class Groups:
    """The use cases about groups."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        names: ExternalNames = NO_EXTERNAL_NAMES,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._clock = clock
        self._names = names
        self._random_bytes = random_bytes

    async def create(self, name: str, *, status: Status = Status.ENABLED) -> Written[Group]:
        """Create a group. Raises `ConflictError` when the name is taken, ignoring case.

        One called `PROVIDER=NAME` is a provider's, which says who is in it; whom it said so of before, is.
        """
        is_external = EXTERNAL_SIGN in name
        if not is_external:
            check_name(name)
        group = Group(
            id=make_record_id(GROUP_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            status=status,
            created_at=self._clock.now(),
        )

        async def change(unit: Unit) -> Group:
            if is_external:
                return await self._add_external(unit, group)
            await require_free(unit.groups.find, "group", name)
            await unit.groups.add(group)
            return group

        return await self._store.write(change)

    async def _add_external(self, unit: Unit, group: Group) -> Group:
        name, provider_id = await resolve_group(unit, self._names, group.name)
        new = replace(group, name=name, provider_id=provider_id)
        await require_free(unit.groups.find, "group", name)
        await unit.groups.add(new)
        named = await unit.users.list_naming(provider_id, name.partition(EXTERNAL_SIGN)[2])
        await unit.groups.fill(new.id, [user.id for user in named])
        return new

    async def spell(self, name: str) -> str:
        """Return what a group that is created under this name is called; raises as `Users.spell`."""
        if EXTERNAL_SIGN not in name:
            return name
        resolved, _ = await self._store.read(lambda unit: resolve_group(unit, self._names, name))
        return resolved

    async def get(self, name: str) -> Group:
        """Return a group by name, ignoring case. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: get_group(unit, name, field="name"))

    async def list(
        self, *, provider_name: str = "", page_size: int = 0, page_token: str = ""
    ) -> Page[Group]:
        """Return a page of the groups, or of a provider's, ordered by name ignoring case.

        Raises `NotFoundError` for the provider.
        """

        async def question(unit: Unit) -> Page[Group]:
            read = unit.groups.list
            if provider_name:
                provider = await get_provider(unit, provider_name, field="provider")
                read = partial(unit.groups.list_of_provider, provider.id)
            return await read_page(read, _place, page_size, page_token)

        return await self._store.read(question)

    async def update(
        self, name: str, *, new_name: str | None = None, status: Status | None = None
    ) -> Written[Group]:
        """Change what is given and nothing else.

        Raises `NotFoundError`, and `ConflictError` when the new name is taken.
        """
        if new_name is not None:
            check_name(new_name, field="new_name")

        async def change(unit: Unit) -> Group:
            old = await get_group(unit, name, field="name")
            if new_name is not None and old.provider_id:
                raise InvalidError("a provider's group keeps the provider's name", field="new_name")
            renamed = old.name if new_name is None else new_name
            new = replace(old, name=renamed, status=status or old.status)
            if key_of_name(new.name) != key_of_name(old.name):
                await require_free(unit.groups.find, "group", new.name)
            if new != old:
                await unit.groups.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(self, name: str, *, cascade: bool = False) -> Written[Group]:
        """Delete a group; with `cascade`, its memberships and attachments too.

        Memberships that a provider says go with it anyway. Raises `NotFoundError`, and `ConflictError` when it
        still has any of those.
        """

        async def change(unit: Unit) -> Group:
            group = await get_group(unit, name, field="name")
            await (_clear if cascade else _require_unused)(unit, group)
            await unit.groups.remove(group)
            return group

        return await self._store.write(change)

    async def add_members(self, group_name: str, user_names: Sequence[str]) -> Written[Group]:
        """Put users into a group, all or none. Raises `NotFoundError` for the first that is missing."""
        _check_members(user_names)

        async def change(unit: Unit) -> Group:
            group = await _get_own(unit, group_name)
            for user in await _get_users(unit, user_names):
                await _require_room(unit, group, user)
                await unit.groups.add_member(group.id, user.id)
            return group

        return await self._store.write(change)

    async def remove_members(self, group_name: str, user_names: Sequence[str]) -> Written[Group]:
        """Take users out of a group, all or none. Raises `NotFoundError` for the first that is missing."""
        _check_members(user_names)

        async def change(unit: Unit) -> Group:
            group = await _get_own(unit, group_name)
            for user in await _get_users(unit, user_names):
                await unit.groups.remove_member(group.id, user.id)
            return group

        return await self._store.write(change)

    async def list_members(
        self, group_name: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[User]:
        """Return a page of a group's users, ordered by name ignoring case. Raises `NotFoundError`."""

        async def question(unit: Unit) -> Page[User]:
            group = await get_group(unit, group_name)
            return await read_page(
                lambda part: unit.groups.list_members(group.id, part), _place, page_size, page_token
            )

        return await self._store.read(question)

    async def list_of_user(
        self, user_name: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[Group]:
        """Return a page of the groups a user is in, ordered by name ignoring case. Raises `NotFoundError`."""

        async def question(unit: Unit) -> Page[Group]:
            user = await get_user(unit, user_name)
            return await read_page(
                lambda part: unit.groups.list_of_user(user.id, part), _place, page_size, page_token
            )

        return await self._store.read(question)


async def _get_own(unit: Unit, name: str) -> Group:
    """Return a group whose members we may say; raises `NotFoundError`, and `InvalidError` for a provider's."""
    group = await get_group(unit, name)
    if group.provider_id:
        raise InvalidError(
            f"who is in group {quote(group.name)} is for its provider to say", field="group_name"
        )
    return group


def _place(record: User | Group) -> str:
    return key_of_name(record.name)


def _check_members(user_names: Sequence[str]) -> None:
    if not 1 <= len(user_names) <= MEMBERS_PER_CALL:
        raise InvalidError(f"name 1 to {MEMBERS_PER_CALL} users", field="user_names")
    for name in user_names:
        check_known_name(name, field="user_names")


async def _get_users(unit: Unit, names: Sequence[str]) -> Sequence[User]:
    found = {key_of_name(user.name): user for user in await unit.users.find_all(names)}
    for name in names:
        if key_of_name(name) not in found:
            raise NotFoundError(f"there is no user {quote(name)}")
    return tuple(found.values())


async def _require_room(unit: Unit, group: Group, user: User) -> None:
    groups = await list_all_groups(unit, user.id)
    own = {other.id for other in groups if not other.provider_id}
    if len(own) >= GROUPS_PER_USER and group.id not in own:
        raise InUseError(f"user {quote(user.name)} is in {GROUPS_PER_USER} groups, the most")


async def _require_unused(unit: Unit, group: Group) -> None:
    members = await unit.groups.list_members(group.id, ONE)
    uses = {
        "members": () if group.provider_id else members,
        "attached policies": await unit.attachments.list_of_target(TargetKind.GROUP, group.id, ONE),
    }
    require_unused("group", group.name, uses)
    if members:
        await unit.groups.remove_all_members(group.id)


async def _clear(unit: Unit, group: Group) -> None:
    await unit.groups.remove_all_members(group.id)
    await unit.attachments.detach_target(TargetKind.GROUP, group.id)
