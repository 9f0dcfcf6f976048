"""Users: create, get, list, update, delete, and their permissions boundaries.

A new user can do nothing until policies are attached to it or its groups. A permissions boundary is a managed
policy that says the most they can grant; a user that is created with one is at no time without.

Deleting a user that still has access keys, memberships or attachments is refused, as in AWS, unless the caller
says `cascade`. A user created under the name of a deleted one has another id.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from authz.clock import Clock
from authz.control.external_names import NO_EXTERNAL_NAMES, ExternalNames, resolve_user
from authz.control.limits import check_tags
from authz.control.lookup import (
    bounded,
    get_provider,
    get_user,
    list_all_groups,
    require_free,
    require_unused,
)
from authz.control.paging import Page, read_page
from authz.control.ports import ONE, Store, Unit, Written
from authz.control.sessions import void_before
from authz.errors import InvalidError
from authz.identity.credential import (
    RECORD_ID_BYTES,
    USER_ID_PREFIX,
    check_name,
    make_record_id,
)
from authz.identity.records import EXTERNAL_SIGN, Status, TargetKind, User, key_of_name


class Users:
    """The use cases about users."""

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

    async def create(
        self,
        name: str,
        *,
        status: Status = Status.ENABLED,
        tags: Mapping[str, str] | None = None,
        boundary: str | None = None,
    ) -> Written[User]:
        """Create a user; `boundary` names the policy that is to be its permissions boundary.

        One called `PROVIDER=NAME` is somebody who has not logged in yet. Raises `ConflictError` when the name
        is taken, ignoring case, and `NotFoundError` for the policy.
        """
        is_external = EXTERNAL_SIGN in name
        if not is_external:
            check_name(name)
        check_tags(tags or {})
        user = User(
            id=make_record_id(USER_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            status=status,
            created_at=self._clock.now(),
            tags=dict(tags or {}),
        )

        async def change(unit: Unit) -> User:
            new = user
            if is_external:
                resolved, provider_id = await resolve_user(unit, self._names, name)
                new = replace(user, name=resolved, provider_id=provider_id)
            await require_free(unit.users.find, "user", new.name)
            if boundary is not None:
                new = await bounded(unit, new, boundary, field="permissions_boundary")
            await unit.users.add(new)
            return new

        return await self._store.write(change)

    async def spell(self, name: str) -> str:
        """Return what a user that is created under this name is called: a provider says how it spells its own.

        Raises `InvalidError`, and `NotFoundError` for the provider.
        """
        if EXTERNAL_SIGN not in name:
            return name
        resolved, _ = await self._store.read(lambda unit: resolve_user(unit, self._names, name))
        return resolved

    async def get(self, name: str) -> User:
        """Return a user by name, ignoring case. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: get_user(unit, name, field="name"))

    async def list(
        self, *, provider_name: str = "", page_size: int = 0, page_token: str = ""
    ) -> Page[User]:
        """Return a page of the users, or of a provider's, ordered by name ignoring case.

        Raises `NotFoundError` for the provider.
        """

        async def question(unit: Unit) -> Page[User]:
            read = unit.users.list
            if provider_name:
                provider = await get_provider(unit, provider_name, field="provider")
                read = partial(unit.users.list_of_provider, provider.id)
            return await read_page(read, lambda user: key_of_name(user.name), page_size, page_token)

        return await self._store.read(question)

    async def update(
        self,
        name: str,
        *,
        new_name: str | None = None,
        status: Status | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Written[User]:
        """Change what is given and nothing else; `tags` as a whole.

        Disabling ends the user's sessions for good.

        Raises `NotFoundError`, and `ConflictError` when the new name is taken.
        """
        if new_name is not None:
            check_name(new_name, field="new_name")
        check_tags(tags or {})

        async def change(unit: Unit) -> User:
            old = await get_user(unit, name, field="name")
            if new_name is not None and old.provider_id:
                raise InvalidError("a provider's user keeps the provider's name", field="new_name")
            new = replace(
                old,
                name=old.name if new_name is None else new_name,
                status=status or old.status,
                tags=old.tags if tags is None else dict(tags),
            )
            if new.status is Status.DISABLED and old.status is not Status.DISABLED:
                new = replace(new, sessions_void_before=void_before(old, self._clock.now()))
            if key_of_name(new.name) != key_of_name(old.name):
                await require_free(unit.users.find, "user", new.name)
            if new != old:
                await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def put_boundary(self, user_name: str, policy_name: str) -> Written[User]:
        """Make a policy the user's permissions boundary, in place of the one it has. Raises `NotFoundError`."""

        async def change(unit: Unit) -> User:
            old = await get_user(unit, user_name)
            new = await bounded(unit, old, policy_name)
            if new != old:
                await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete_boundary(self, user_name: str) -> Written[User]:
        """Take the user's permissions boundary away, if it has one. Raises `NotFoundError` for the user."""

        async def change(unit: Unit) -> User:
            old = await get_user(unit, user_name)
            new = replace(old, boundary=None)
            if new != old:
                await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(self, name: str, *, cascade: bool = False) -> Written[User]:
        """Delete a user; with `cascade`, its access keys, memberships and attachments too.

        Memberships that a provider says go with it anyway. Raises `NotFoundError`, and `ConflictError` when it
        still has any of those.
        """

        async def change(unit: Unit) -> User:
            user = await get_user(unit, name, field="name")
            await (_clear if cascade else _require_unused)(unit, user)
            await unit.users.remove(user)
            return user

        return await self._store.write(change)


async def _require_unused(unit: Unit, user: User) -> None:
    groups = await list_all_groups(unit, user.id)
    uses = {
        "access keys": await unit.access_keys.list_of_user(user.id, ONE),
        "groups": [group for group in groups if not group.provider_id],
        "attached policies": await unit.attachments.list_of_target(TargetKind.USER, user.id, ONE),
    }
    require_unused("user", user.name, uses)
    if groups:
        await unit.groups.remove_from_all(user.id)


async def _clear(unit: Unit, user: User) -> None:
    await unit.access_keys.remove_of_user(user.id)
    await unit.groups.remove_from_all(user.id)
    await unit.attachments.detach_target(TargetKind.USER, user.id)
