"""Who asks a provider about its users next, in SQL: whichever replica claims it first.

A claim is one statement that only one of several can win, and it is over by itself: a replica that dies with it
costs one round. It is no change of the provider, so it is in no revision and no change log.

Not here: the asking (`federation/presence.py`).
"""

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.store.sql.engine import Database
from authz.store.sql.tables import providers


class SqlProviderChecks:
    """The claims on providers."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, provider_id: str, now: float, interval: float) -> bool:
        """Claim a provider that nobody has in the `interval` seconds before `now`; tell whether it is ours.

        A claim that lies far ahead is of a clock that was wrong, and does not count.
        """

        async def work(connection: AsyncConnection) -> bool:
            last = providers.c.checked_at
            due = or_(last <= now - interval, last > now + interval)
            claimed = await connection.execute(
                update(providers).where(providers.c.id == provider_id, due).values(checked_at=now)
            )
            return claimed.rowcount == 1

        return await self._database.write(work)
