"""The trail of issued sessions in SQL: implements `control.session_trail.TrailRecords`.

It stands beside the records: no revision, no change log, no turn among the writers, since nothing is decided by
it. What has become of a session is read from the records that do decide, as they are when somebody lists.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

from sqlalchemy import Insert, Row, Select, delete, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.control.ports import Slice
from authz.control.session_trail import (
    ListedSession,
    SessionState,
    TrailEntry,
    TrailFilter,
    parse_place,
)
from authz.errors import InvalidError
from authz.identity.records import Status
from authz.store.sql.engine import Database
from authz.store.sql.tables import issued_sessions, providers, revoked_sessions, roles, users

_PARENT: Final = users.alias("parent")
_ISSUER: Final = users.alias("issuer")
_BY: Final = providers.alias("by_provider")
"""The provider that the session came by."""
_VOUCHER: Final = providers.alias("voucher")
"""The provider of the user whose session it is."""

_LISTED: Final = (
    select(
        issued_sessions,
        _PARENT.c.name.label("user_name"),
        _PARENT.c.status.label("user_status"),
        _PARENT.c.absent_since.label("absent_since"),
        _PARENT.c.sessions_void_before.label("user_void"),
        _PARENT.c.provider_id.label("voucher_id"),
        roles.c.name.label("role_name"),
        roles.c.sessions_void_before.label("role_void"),
        _ISSUER.c.name.label("issuer_name"),
        _BY.c.name.label("provider_name"),
        _BY.c.status.label("provider_status"),
        _BY.c.sessions_void_before.label("provider_void"),
        _VOUCHER.c.status.label("voucher_status"),
        _VOUCHER.c.sessions_void_before.label("voucher_void"),
        revoked_sessions.c.access_key_id.label("revoked_id"),
    )
    .outerjoin(_PARENT, _PARENT.c.id == issued_sessions.c.parent_id)
    .outerjoin(roles, roles.c.id == issued_sessions.c.parent_id)
    .outerjoin(_ISSUER, _ISSUER.c.id == issued_sessions.c.issuer_id)
    .outerjoin(_BY, _BY.c.id == issued_sessions.c.provider_id)
    .outerjoin(_VOUCHER, _VOUCHER.c.id == _PARENT.c.provider_id)
    .outerjoin(
        revoked_sessions, revoked_sessions.c.access_key_id == issued_sessions.c.access_key_id
    )
)


class SqlSessionTrail:
    """The rows of `issued_sessions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, entries: Sequence[TrailEntry]) -> None:
        """Store these; nothing happens for those that are there."""
        rows = [_row_of(entry) for entry in entries]

        async def work(connection: AsyncConnection) -> None:
            await connection.execute(_insert(is_postgresql=self._database.is_postgresql), rows)

        await self._database.write(work)

    async def remove_expired(self, now: float, limit: int) -> int:
        """Remove at most `limit` of those whose time is over at `now`; return how many."""
        expired = (
            select(issued_sessions.c.access_key_id)
            .where(issued_sessions.c.expires_at <= now)
            .order_by(issued_sessions.c.expires_at)
            .limit(limit)
            # Replicas that trim at the same time do not wait for each other.
            .with_for_update(skip_locked=True)
        )
        statement = delete(issued_sessions).where(issued_sessions.c.access_key_id.in_(expired))

        async def work(connection: AsyncConnection) -> int:
            return (await connection.execute(statement)).rowcount

        return await self._database.write(work)

    async def list(
        self, wanted: TrailFilter, roots: Collection[str], now: float, part: Slice
    ) -> Sequence[ListedSession]:
        """Return those that have not expired at `now`, the newest first."""
        columns = issued_sessions.c
        statement: Select[Any] = _LISTED.where(columns.expires_at > now)
        if wanted.principal_id:
            of_parent = columns.parent_id == wanted.principal_id
            statement = statement.where(or_(of_parent, columns.issuer_id == wanted.principal_id))
        if wanted.provider_id:
            statement = statement.where(columns.provider_id == wanted.provider_id)
        place = tuple_(columns.issued_at, columns.access_key_id)
        if part.after:
            statement = statement.where(place < tuple_(*_parse_after(part.after)))
        order = columns.issued_at.desc(), columns.access_key_id.desc()
        asked = statement.order_by(*order).limit(part.limit)

        async def work(connection: AsyncConnection) -> Sequence[Row[Any]]:
            found: Sequence[Row[Any]] = (await connection.execute(asked)).all()
            return found

        return [_listed_of(row, roots) for row in await self._database.ask(work)]


def _insert(*, is_postgresql: bool) -> Insert:
    if is_postgresql:
        return postgresql.insert(issued_sessions).on_conflict_do_nothing()
    return sqlite.insert(issued_sessions).on_conflict_do_nothing()


def _parse_after(text: str) -> tuple[float, str]:
    try:
        return parse_place(text)
    except ValueError:
        raise InvalidError(
            "the page token is not one that a list returned", field="page_token"
        ) from None


def _row_of(entry: TrailEntry) -> dict[str, object]:
    return {column.name: getattr(entry, column.name) for column in issued_sessions.c}


def _listed_of(row: Row[Any], roots: Collection[str]) -> ListedSession:
    return ListedSession(
        entry=TrailEntry(
            **{column.name: getattr(row, column.name) for column in issued_sessions.c}
        ),
        user_name=row.user_name or "",
        role_name=row.role_name or "",
        is_of_root=row.parent_id in roots,
        issuer_name=row.issuer_name or "" if row.issuer_id != row.parent_id else "",
        provider_name=row.provider_name or "",
        state=_state_of(row, roots),
    )


def _state_of(row: Row[Any], roots: Collection[str]) -> SessionState:
    void = (row.user_void, row.role_void, row.provider_void, row.voucher_void)
    is_parent_there = row.user_name is not None or row.role_name is not None
    is_provider_there = not row.provider_id or row.provider_name is not None
    if (
        row.revoked_id is not None
        or not (is_parent_there or row.parent_id in roots)
        or not is_provider_there
        or any(before is not None and row.issued_at < before for before in void)
    ):
        return SessionState.REVOKED
    statuses = {row.user_status, row.provider_status, row.voucher_status}
    is_suspended = Status.DISABLED.value in statuses or row.absent_since is not None
    # Of a user who is disabled or absent all have been ended; this is for rows that say otherwise.
    return SessionState.SUSPENDED if is_suspended else SessionState.ACTIVE
