"""What the families of records share: a connection, the changes noted, and rows in a stable order.

A family sees the one transaction it was made for and neither begins nor commits (`store.py` does). Whatever it
writes it also notes in `Changes`, or the data plane would not learn of it. Slices go by key, not by offset, so
that a page costs the same however deep it lies and rows that come or go shift nothing.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Row, Select
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.control.ports import Slice
from authz.store.sql.change_log import Changes


class Family:
    """Records of one kind, as one transaction sees them."""

    def __init__(self, connection: AsyncConnection, changes: Changes) -> None:
        self._connection = connection
        self._changes = changes

    async def _first(self, statement: Select[Any]) -> Row[Any] | None:
        found: Row[Any] | None = (await self._connection.execute(statement)).first()
        return found

    async def _all(self, statement: Select[Any]) -> Sequence[Row[Any]]:
        found: Sequence[Row[Any]] = (await self._connection.execute(statement)).all()
        return found

    async def _slice(
        self, statement: Select[Any], order: Column[str], part: Slice
    ) -> Sequence[Row[Any]]:
        wanted = statement.where(order > part.after).order_by(order).limit(part.limit)
        return await self._all(wanted)

    async def _keys(self, statement: Select[Any]) -> tuple[str, ...]:
        return tuple(row[0] for row in await self._all(statement))
