"""What the data plane reads, from SQL: implements `access.ports.Source`.

Every read but `hints` is one statement, and so one snapshot and one round trip. What a stranger sends (access
key ids, names) is checked for being storable text at all before it travels: PostgreSQL refuses a NUL, both
refuse half a surrogate pair, and a refusal must look like any other unknown key.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from typing import Final

from sqlalchemy import select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import At, ChangeBatch, StoredAccessKey, StoredPrincipal
from authz.errors import InvalidError
from authz.identity.credential import check_name, is_access_key_id
from authz.identity.records import ManagedPolicy
from authz.store.sql import change_log, hints, principals
from authz.store.sql.engine import Database
from authz.store.sql.rows import policy_of
from authz.store.sql.tables import policies, state

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
        self, ids: Collection[str] | None = None
    ) -> At[Sequence[ManagedPolicy]]:
        """Return all managed policies, or those of `ids` that exist."""
        wanted = None if ids is None or len(ids) > SELECTED_LIMIT else tuple(ids)
        loaded = await self._database.ask(lambda connection: _read_policies(connection, wanted))
        if ids is None or wanted is not None:
            return loaded
        picked = frozenset(ids)
        return At(loaded.revision, [policy for policy in loaded.value if policy.id in picked])

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
            check_name(name)
        except InvalidError:
            return At(await self.revision(), None)
        return await self._database.ask(lambda connection: principals.read_user(connection, name))

    def hints(self) -> AsyncIterator[int]:
        """Yield a hint whenever the log may have grown; see `access.ports.Source.hints`."""
        return hints.hints(self._database)


async def _read_policies(
    connection: AsyncConnection, ids: tuple[str, ...] | None
) -> At[Sequence[ManagedPolicy]]:
    wanted = true() if ids is None else policies.c.id.in_(ids)
    rows = (
        await connection.execute(
            select(state.c.revision, policies).select_from(state.outerjoin(policies, wanted))
        )
    ).all()
    return At(rows[0].revision, [policy_of(row) for row in rows if row.id is not None])
