"""Sessions that ended before their time, in SQL: implements `control.ports.RevokedSessionRecords`.

One row a session, found by its access key id byte for byte. A row whose time is over says nothing that the
token itself does not say, so it goes without a change in the log; a few at a time, so that no write takes long.
"""

from typing import Final

from sqlalchemy import delete, func, insert, select

from authz.access.ports import ChangeKind
from authz.identity.records import RevokedSession
from authz.store.sql.families import Family
from authz.store.sql.rows import revoked_session_of, revoked_session_row
from authz.store.sql.tables import revoked_sessions

REMOVED_AT_ONCE: Final = 1000
"""Most rows that one write removes because their time is over."""


class SqlRevokedSessions(Family):
    """The rows of `revoked_sessions`."""

    async def find(self, access_key_id: str) -> RevokedSession | None:
        """Return what is remembered of the session with exactly this access key id."""
        wanted = select(revoked_sessions).where(revoked_sessions.c.access_key_id == access_key_id)
        row = await self._first(wanted)
        return None if row is None else revoked_session_of(row)

    async def count(self) -> int:
        """Return how many are remembered."""
        counted = await self._connection.execute(select(func.count()).select_from(revoked_sessions))
        return counted.scalar_one()

    async def add(self, session: RevokedSession) -> None:
        """Remember a revoked session."""
        self._changes.note(ChangeKind.SESSION, session.access_key_id)
        await self._connection.execute(
            insert(revoked_sessions).values(**revoked_session_row(session))
        )

    async def remove_expired(self, now: float) -> None:
        """Forget `REMOVED_AT_ONCE` of those whose time is over at `now`, the oldest."""
        expired = (
            select(revoked_sessions.c.access_key_id)
            .where(revoked_sessions.c.expires_at <= now)
            .order_by(revoked_sessions.c.expires_at)
            .limit(REMOVED_AT_ONCE)
        )
        await self._connection.execute(
            delete(revoked_sessions).where(revoked_sessions.c.access_key_id.in_(expired))
        )
