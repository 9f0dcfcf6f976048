"""Roles: create, get, list, update, delete, who may assume them, and their permissions boundaries.

A role has no credentials: whoever its trust policy names may become it for a session, and may then do what the
policies attached to it allow. So whoever changes a trust policy hands out all that the role may do; that is a
use case of its own (`update_trust`), under a right of its own, as in AWS. That the document says something is
checked by the parser that is injected (formats are another room).

Deleting a role that still has attachments is refused, as in AWS, unless the caller says `cascade`. Sessions of
a deleted role are over; one created under its name has another id. Not here: who may become a role (`access`).
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace

from authz.clock import Clock
from authz.control.limits import check_description, check_role_duration, check_tags
from authz.control.lookup import bounded, get_role, require_free, require_unused
from authz.control.paging import Page, read_page
from authz.control.ports import ONE, Store, Unit, Written
from authz.identity.credential import (
    RECORD_ID_BYTES,
    ROLE_ID_PREFIX,
    check_name,
    make_record_id,
)
from authz.identity.records import ROLE_DURATION_DEFAULT, Role, TargetKind, key_of_name


class Roles:
    """The use cases about roles."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        check_trust: Callable[[str], object],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Take `check_trust`, which raises `ParseError` with the place of a mistake."""
        self._store = store
        self._clock = clock
        self._check_trust = check_trust
        self._random_bytes = random_bytes

    async def create(
        self,
        name: str,
        trust: str,
        *,
        description: str = "",
        max_session_duration: int | None = None,
        tags: Mapping[str, str] | None = None,
        boundary: str | None = None,
    ) -> Written[Role]:
        """Create a role that those whom the document `trust` names may assume; `boundary` names a policy.

        Raises `ParseError` for the document, `ConflictError` when the name is taken, ignoring case, and
        `NotFoundError` for the policy.
        """
        check_name(name)
        check_description(description)
        check_tags(tags or {})
        seconds = ROLE_DURATION_DEFAULT if max_session_duration is None else max_session_duration
        check_role_duration(seconds)
        self._check_trust(trust)
        role = Role(
            id=make_record_id(ROLE_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            trust=trust,
            created_at=self._clock.now(),
            description=description,
            max_session_duration=seconds,
            tags=dict(tags or {}),
        )

        async def change(unit: Unit) -> Role:
            await require_free(unit.roles.find, "role", name)
            new = (
                role
                if boundary is None
                else await bounded(unit, role, boundary, field="permissions_boundary")
            )
            await unit.roles.add(new)
            return new

        return await self._store.write(change)

    async def get(self, name: str) -> Role:
        """Return a role by name, ignoring case. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: get_role(unit, name, field="name"))

    async def list(self, *, page_size: int = 0, page_token: str = "") -> Page[Role]:
        """Return a page of the roles, ordered by name ignoring case."""
        return await self._store.read(
            lambda unit: read_page(
                unit.roles.list, lambda role: key_of_name(role.name), page_size, page_token
            )
        )

    async def update(
        self,
        name: str,
        *,
        description: str | None = None,
        max_session_duration: int | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Written[Role]:
        """Change what is given and nothing else; `tags` as a whole. Raises `NotFoundError`.

        A shorter duration is for sessions to come; those that are there keep theirs.
        """
        check_description(description or "")
        check_tags(tags or {})
        if max_session_duration is not None:
            check_role_duration(max_session_duration)

        def changed(old: Role) -> Role:
            return replace(
                old,
                description=old.description if description is None else description,
                max_session_duration=(
                    old.max_session_duration
                    if max_session_duration is None
                    else max_session_duration
                ),
                tags=old.tags if tags is None else dict(tags),
            )

        return await self._replace(name, "name", changed)

    async def update_trust(self, name: str, trust: str) -> Written[Role]:
        """Say anew who may assume the role, which hands out all that it may do.

        Sessions that are there go on. Raises `ParseError` for the document, and `NotFoundError`.
        """
        self._check_trust(trust)
        return await self._replace(name, "role_name", lambda old: replace(old, trust=trust))

    async def put_boundary(self, role_name: str, policy_name: str) -> Written[Role]:
        """Make a policy the role's permissions boundary, in place of the one it has. Raises `NotFoundError`."""

        async def change(unit: Unit) -> Role:
            old = await get_role(unit, role_name)
            return await _store(unit, old, await bounded(unit, old, policy_name))

        return await self._store.write(change)

    async def delete_boundary(self, role_name: str) -> Written[Role]:
        """Take the role's permissions boundary away, if it has one. Raises `NotFoundError` for the role."""
        return await self._replace(role_name, "role_name", lambda old: replace(old, boundary=None))

    async def delete(self, name: str, *, cascade: bool = False) -> Written[Role]:
        """Delete a role; with `cascade`, its attachments too.

        Raises `NotFoundError`, and `ConflictError` when policies are still attached to it.
        """

        async def change(unit: Unit) -> Role:
            role = await get_role(unit, name, field="name")
            if cascade:
                await unit.attachments.detach_target(TargetKind.ROLE, role.id)
            else:
                held = await unit.attachments.list_of_target(TargetKind.ROLE, role.id, ONE)
                require_unused("role", role.name, {"attached policies": held})
            await unit.roles.remove(role)
            return role

        return await self._store.write(change)

    async def _replace(
        self, name: str, field: str, changed: Callable[[Role], Role]
    ) -> Written[Role]:
        async def change(unit: Unit) -> Role:
            old = await get_role(unit, name, field=field)
            return await _store(unit, old, changed(old))

        return await self._store.write(change)


async def _store(unit: Unit, old: Role, new: Role) -> Role:
    if new != old:
        await unit.roles.replace(old, new)
    return new
