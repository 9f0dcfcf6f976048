"""Every sealed secret in the database, whatever it belongs to: counted by key, and sealed anew.

A secret sealed anew is the same secret, so nothing changes for anybody: no revision, no change log. Each part
is one transaction, and a row is replaced only as it was read, so a secret that changes meanwhile stays as it
became. Which rows are left is asked of the database, so whoever is interrupted starts again.

Not here: keys (`identity/sealing.py`), and when a key may go (`cli/keyring.py`).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.store.sql.engine import Database
from authz.store.sql.tables import access_keys, providers

TABLES: Final[tuple[Table, ...]] = (access_keys, providers)
"""What holds sealed secrets: each in `sealed_secret`, with the row's `id` as associated data."""

BATCH: Final = 500
"""Secrets sealed anew in one transaction."""

Reseal = Callable[[bytes, bytes], bytes | None]
"""From a sealed secret and its associated data to the same sealed anew, or `None` to leave it."""


class SqlSealedSecrets:
    """The sealed secrets of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, prefix: bytes | None = None) -> int:
        """Return how many secrets there are, or how many begin with `prefix`: those that one key sealed."""

        async def work(connection: AsyncConnection) -> int:
            total = 0
            for table in TABLES:
                column = table.c.sealed_secret
                wanted = column.is_not(None) if prefix is None else _begins(table, prefix)
                counted = select(func.count()).select_from(table).where(wanted)
                total += (await connection.execute(counted)).scalar_one()
            return total

        return await self._database.read(work)

    async def reseal(self, prefix: bytes, reseal: Reseal) -> None:
        """Seal anew all secrets that do not begin with `prefix`, `BATCH` in a transaction."""
        for table in TABLES:
            after: str | None = ""
            while after is not None:
                after = await self._reseal_part(table, after, prefix, reseal)

    async def _reseal_part(
        self, table: Table, after: str, prefix: bytes, reseal: Reseal
    ) -> str | None:
        """Return the id of the last row of the part, `None` when nothing follows."""
        old = (
            select(table.c.id, table.c.sealed_secret)
            .where(table.c.id > after, table.c.sealed_secret.is_not(None), ~_begins(table, prefix))
            .order_by(table.c.id)
            .limit(BATCH)
        )

        async def work(connection: AsyncConnection) -> str | None:
            rows: Sequence[Any] = (await connection.execute(old)).all()
            await _replace(connection, table, rows, reseal)
            return rows[-1].id if len(rows) == BATCH else None

        return await self._database.write(work)


def _begins(table: Table, prefix: bytes) -> ColumnElement[bool]:
    return func.substr(table.c.sealed_secret, 1, len(prefix)) == prefix


async def _replace(
    connection: AsyncConnection, table: Table, rows: Sequence[Any], reseal: Reseal
) -> None:
    as_read = table.c.id == bindparam("row_id"), table.c.sealed_secret == bindparam("before")
    statement = update(table).where(*as_read).values(sealed_secret=bindparam("after"))
    changed = [
        {"row_id": row.id, "before": row.sealed_secret, "after": sealed}
        for row in rows
        if (sealed := reseal(row.sealed_secret, row.id.encode())) is not None
    ]
    if changed:
        await connection.execute(statement, changed)
