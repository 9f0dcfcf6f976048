"""Transactions over all families of records: implements `control.ports.Store`.

The order of a write is what the data plane's freshness rests on: lock the revision, so that writers take
turns; run the change; append what it noted to the change log under one new revision; commit all of it or
nothing. Only then is `on_commit` called, so nobody hears of a revision that could still be undone.

Not here: connections and retries (`engine.py`), the log itself (`change_log.py`).
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from authz.control.ports import Unit, Written
from authz.store.sql.access_keys import SqlAccessKeys
from authz.store.sql.attachments import SqlAttachments
from authz.store.sql.change_log import RETAINED_REVISIONS, Changes, append, lock_revision
from authz.store.sql.engine import Database
from authz.store.sql.groups import SqlGroups
from authz.store.sql.policies import SqlPolicies
from authz.store.sql.providers import SqlProviders
from authz.store.sql.resource_policies import SqlResourcePolicies
from authz.store.sql.revoked_sessions import SqlRevokedSessions
from authz.store.sql.roles import SqlRoles
from authz.store.sql.users import SqlUsers

T = TypeVar("T")


class SqlUnit:
    """All records, as one transaction sees them."""

    def __init__(self, connection: AsyncConnection, changes: Changes) -> None:
        self.users = SqlUsers(connection, changes)
        self.groups = SqlGroups(connection, changes)
        self.roles = SqlRoles(connection, changes)
        self.providers = SqlProviders(connection, changes)
        self.access_keys = SqlAccessKeys(connection, changes)
        self.policies = SqlPolicies(connection, changes)
        self.resource_policies = SqlResourcePolicies(connection, changes)
        self.revoked_sessions = SqlRevokedSessions(connection, changes)
        self.attachments = SqlAttachments(connection, changes)


class SqlStore:
    """The records in a database."""

    def __init__(
        self,
        database: Database,
        *,
        on_commit: Callable[[int], None] = lambda _: None,
        retained_revisions: int = RETAINED_REVISIONS,
    ) -> None:
        """Call `on_commit` with each revision made here; keep the changes of so many revisions in the log."""
        self._database = database
        self._on_commit = on_commit
        self._retained_revisions = retained_revisions

    async def read(self, question: Callable[[Unit], Awaitable[T]]) -> T:
        """Run `question` in one snapshot."""

        async def work(connection: AsyncConnection) -> T:
            changes = Changes()
            answer = await question(SqlUnit(connection, changes))
            if changes:
                raise AssertionError("a question must not write")
            return answer

        return await self._database.read(work)

    async def write(self, change: Callable[[Unit], Awaitable[T]]) -> Written[T]:
        """Run `change` in one transaction and commit it; log what it changed under one new revision."""

        async def work(connection: AsyncConnection) -> tuple[Written[T], bool]:
            revision = await lock_revision(connection)
            changes = Changes()
            value = await change(SqlUnit(connection, changes))
            if changes:
                revision = await append(connection, changes, self._retained_revisions)
            return Written(value, revision), bool(changes)

        written, is_new = await self._database.write(work)
        if is_new:
            self._on_commit(written.revision)
        return written
