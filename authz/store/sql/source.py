"""What the data plane reads, from SQL: implements `access.ports.Source`.

Every read is one snapshot. What a stranger's request waits for is one statement as well, and so one round trip.
What a stranger sends (access key ids, names) is checked for being storable text at all before it travels:
PostgreSQL refuses a NUL, both refuse half a surrogate pair, and a refusal must look like any other unknown key.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final

from sqlalchemy import Column, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import (
    At,
    ChangeBatch,
    StoredAccessKey,
    StoredPolicies,
    StoredPrincipal,
    StoredProvider,
    StoredRole,
)
from authz.errors import InvalidError
from authz.identity.credential import check_known_name, check_name, is_access_key_id
from authz.identity.records import ManagedPolicy, ResourcePolicy, RevokedSession
from authz.store.sql import change_log, hints, principals, role_reads
from authz.store.sql.engine import Database
from authz.store.sql.rows import policy_of, provider_of, resource_policy_of, revoked_session_of
from authz.store.sql.selections import POLICIES
from authz.store.sql.tables import policies, providers, resource_policies, revoked_sessions

SELECTED_LIMIT: Final = 500
"""Most ids named in a statement; who wants more reads them all and picks."""


class SqlSource:
    """Reads from a database (a read replica will do, without hints)."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def revision(self) -> int:
        """Return the newest committed revision."""
        return await self._database.ask(change_log.read_revision)

    async def changes_after(self, revision: int, limit: int) -> ChangeBatch:
        """Return the changes after `revision`, about `limit` rows, never part of a revision."""
        return await self._database.ask(
            lambda connection: change_log.read_changes(connection, revision, limit)
        )

    async def load_policies(
        self,
        ids: Collection[str] | None = None,
        resources: Collection[str] | None = None,
        providers: Collection[str] | None = None,
    ) -> At[StoredPolicies]:
        """Return all policies, providers and revoked sessions, or the policies and providers that are named."""

        async def work(connection: AsyncConnection) -> At[StoredPolicies]:
            revision = await change_log.read_revision(connection)
            managed = await _read_managed(connection, ids)
            of_resources = await _read_of_resources(connection, resources)
            revoked = await _read_revoked(connection) if ids is None else ()
            of_providers = await _read_providers(connection, providers)
            return At(revision, StoredPolicies(managed, of_resources, revoked, of_providers))

        return await self._database.read(work)

    async def find_access_key(self, access_key_id: str) -> At[StoredAccessKey | None]:
        """Return the access key with exactly this id, its sealed secret and its owner, or `None`."""
        if not is_access_key_id(access_key_id):
            return At(await self.revision(), None)
        return await self._database.ask(
            lambda connection: principals.read_access_key(connection, access_key_id)
        )

    async def find_user(self, name: str) -> At[StoredPrincipal | None]:
        """Return the user of this name, ignoring case, or `None`."""
        try:
            check_known_name(name)
        except InvalidError:
            return At(await self.revision(), None)
        return await self._database.ask(lambda connection: principals.read_user(connection, name))

    async def find_user_by_id(self, user_id: str) -> At[StoredPrincipal | None]:
        """Return the user of exactly this id, or `None`."""
        if not (user_id.isascii() and user_id.isprintable()):
            return At(await self.revision(), None)
        return await self._database.ask(
            lambda connection: principals.read_user_by_id(connection, user_id)
        )

    async def list_users(self, after: str, limit: int) -> At[Sequence[StoredPrincipal]]:
        """Return at most `limit` users in the order of their folded names, from the first after `after`."""
        return await self._database.read(
            lambda connection: principals.read_users(connection, after, limit)
        )

    async def find_role(self, name: str) -> At[StoredRole | None]:
        """Return the role of this name, ignoring case, or `None`."""
        try:
            check_name(name)
        except InvalidError:
            return At(await self.revision(), None)
        return await self._database.ask(lambda connection: role_reads.read_role(connection, name))

    async def find_role_by_id(self, role_id: str) -> At[StoredRole | None]:
        """Return the role of exactly this id, or `None`."""
        if not (role_id.isascii() and role_id.isprintable()):
            return At(await self.revision(), None)
        return await self._database.ask(
            lambda connection: role_reads.read_role_by_id(connection, role_id)
        )

    def hints(self) -> AsyncIterator[int]:
        """Yield a hint whenever the log may have grown; see `access.ports.Source.hints`."""
        return hints.hints(self._database)


async def _read_managed(
    connection: AsyncConnection, ids: Collection[str] | None
) -> Sequence[ManagedPolicy]:
    rows = await _read(connection, POLICIES, policies.c.id, ids)
    picked = None if ids is None else frozenset(ids)
    stored = (policy_of(row) for row in rows)
    return [policy for policy in stored if picked is None or policy.id in picked]


async def _read_of_resources(
    connection: AsyncConnection, resources: Collection[str] | None
) -> Sequence[ResourcePolicy]:
    rows = await _read(
        connection, select(resource_policies), resource_policies.c.resource, resources
    )
    picked = None if resources is None else frozenset(resources)
    stored = (resource_policy_of(row) for row in rows)
    return [policy for policy in stored if picked is None or policy.resource in picked]


async def _read_providers(
    connection: AsyncConnection, ids: Collection[str] | None
) -> Sequence[StoredProvider]:
    rows = await _read(connection, select(providers), providers.c.id, ids)
    picked = None if ids is None else frozenset(ids)
    return [
        StoredProvider(provider=provider_of(row), sealed_secret=row.sealed_secret)
        for row in rows
        if picked is None or row.id in picked
    ]


async def _read_revoked(connection: AsyncConnection) -> Sequence[RevokedSession]:
    rows = await connection.execute(select(revoked_sessions))
    return [revoked_session_of(row) for row in rows]


async def _read(
    connection: AsyncConnection, every: Select[Any], key: Column[str], keys: Collection[str] | None
) -> Sequence[Row[Any]]:
    """Read the rows of `keys`, and more if those are too many to name."""
    wanted = every
    if keys is not None and len(keys) <= SELECTED_LIMIT:
        if not keys:
            return ()
        wanted = every.where(key.in_(keys))
    rows: Sequence[Row[Any]] = (await connection.execute(wanted)).all()
    return rows
