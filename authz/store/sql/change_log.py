"""The change log: what changed at which revision, written in the transaction that changed it.

A write transaction locks the one row of `state` first, so writers go one after the other, and takes its
revision from it at the end, so revisions commit in order and without gaps; a transaction that changed nothing
takes none. Readers follow the log by revision; `NOTIFY` (sent by the same transaction, delivered by
PostgreSQL after its commit) only tells them to look.

The log is trimmed by count. `state.trimmed` remembers how far, so that a reader that fell behind learns
that it must reload. Source: architecture §3.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Row, and_, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import Change, ChangeBatch, ChangeKind
from authz.store.sql.tables import changes, state

CHANNEL: Final = "authz_changes"
"""Name of the PostgreSQL notification channel."""
RETAINED_REVISIONS: Final = 100_000
"""Revisions kept in the log: hours of heavy administration for a reader to come back."""
CHANGES_PER_REVISION: Final = 10_000
"""Most rows logged for one revision. A bigger change (a group of a million members goes) is cheaper to follow
by reloading everything, which is what readers do when the log does not reach back."""


_KINDS: Final = frozenset(kind.value for kind in ChangeKind)


class Changes:
    """What one transaction changes, collected until its end; each thing once, in the order it came."""

    def __init__(self) -> None:
        self._rows: dict[tuple[ChangeKind, str], None] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def note(self, kind: ChangeKind, *keys: str) -> None:
        """Say that the things of `kind` called `keys` change."""
        self._rows.update(((kind, key), None) for key in keys)

    def numbered(self, revision: int) -> list[dict[str, object]]:
        """Return the rows of the log for `revision`."""
        return [
            {"revision": revision, "seq": seq, "kind": kind.value, "key": key}
            for seq, (kind, key) in enumerate(self._rows)
        ]


async def lock_revision(connection: AsyncConnection) -> int:
    """Wait for our turn to write, and return the newest revision. The first statement of every write."""
    # SQLite has no FOR UPDATE and needs none: BEGIN IMMEDIATE has locked already.
    locked = await connection.execute(select(state.c.revision).with_for_update())
    return int(locked.scalar_one())


async def append(
    connection: AsyncConnection, noted: Changes, retained: int = RETAINED_REVISIONS
) -> int:
    """Take the next revision, log what was noted, announce it, trim the log to `retained` revisions."""
    taken = await connection.execute(
        update(state).values(revision=state.c.revision + 1).returning(state.c.revision)
    )
    revision = int(taken.scalar_one())
    if len(noted) > CHANGES_PER_REVISION:
        await _trim(connection, revision)
    else:
        await connection.execute(insert(changes), noted.numbered(revision))
        if revision > retained:
            await _trim(connection, revision - retained)
    if connection.dialect.name == "postgresql":
        await connection.execute(
            text("SELECT pg_notify(:channel, :revision)"),
            {"channel": CHANNEL, "revision": str(revision)},
        )
    return revision


async def _trim(connection: AsyncConnection, through: int) -> None:
    await connection.execute(delete(changes).where(changes.c.revision <= through))
    await connection.execute(update(state).where(state.c.trimmed < through).values(trimmed=through))


async def read_revision(connection: AsyncConnection) -> int:
    """Return the newest committed revision."""
    return int((await connection.execute(select(state.c.revision))).scalar_one())


async def read_changes(connection: AsyncConnection, after: int, limit: int) -> ChangeBatch:
    """Return the changes after a revision in one statement, about `limit` rows, whole revisions only."""
    # Up to and including the revision that the limit falls into.
    last = (
        select(changes.c.revision)
        .where(changes.c.revision > after)
        .order_by(changes.c.revision, changes.c.seq)
        .limit(1)
        .offset(max(limit, 1) - 1)
        .scalar_subquery()
    )
    wanted = and_(
        changes.c.revision > after, changes.c.revision <= func.coalesce(last, state.c.revision)
    )
    rows = await connection.execute(
        select(state.c.revision.label("newest"), state.c.trimmed, changes)
        .select_from(state.outerjoin(changes, wanted))
        .order_by(changes.c.revision, changes.c.seq)
    )
    return _batch(rows.all(), after)


def _batch(rows: Sequence[Row[Any]], after: int) -> ChangeBatch:
    newest, trimmed = rows[0].newest, rows[0].trimmed
    # A reader ahead of the log has followed a database that is no more (one restored from a backup).
    if after < trimmed or after > newest:
        return ChangeBatch(revision=newest, changes=(), is_gap=True)
    if not _KINDS.issuperset(row.kind for row in rows if row.kind):
        # Written by a newer version during an upgrade: what it means is unknown here, so everything may have
        # changed.
        return ChangeBatch(revision=newest, changes=(), is_gap=True)
    found = [Change(row.revision, ChangeKind(row.kind), row.key) for row in rows if row.kind]
    reached = found[-1].revision if found else newest
    return ChangeBatch(revision=reached, changes=found, is_truncated=reached < newest)
