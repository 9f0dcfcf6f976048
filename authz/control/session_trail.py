"""The trail of issued sessions: what administrators see of credentials that this service does not keep.

A session stands in its token and nowhere else, so what is listed here is written behind its issue, from a
bounded queue, and may miss some: one is issued though the queue is full, the database away or this process
about to die. Nothing is decided by the trail. What has expired leaves it.

Not here: issuing and ending sessions (`sessions.py`), and what a revocation does (`access`).
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from authz.clock import Clock
from authz.control.lookup import get_provider, get_role, get_user
from authz.control.paging import Page, read_page
from authz.control.ports import Slice, Store
from authz.errors import AuthzError
from authz.identity.session import Session

QUEUE_LIMIT: Final = 10_000
"""Most sessions waiting to be written; a few MiB."""
BATCH: Final = 500
"""Sessions written in one transaction."""
FLUSH_INTERVAL: Final = 1.0
"""Seconds between two writes; a crash loses at most this much."""
TRIM_INTERVAL: Final = 60.0
"""Seconds between two looks for what has expired."""
TRIMMED_AT_ONCE: Final = 1_000
"""Most rows removed in one transaction."""
TRIMS: Final = 60
"""Most such transactions in a row."""
LAST_FLUSH: Final = 3.0
"""Longest time for the last write of a process that ends, in seconds."""


@dataclass(frozen=True, slots=True)
class Origin:
    """How a session was asked for: by which action, and from where (empty: not known)."""

    action: str = ""
    source_ip: str = ""


UNKNOWN: Final = Origin()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailEntry:
    """A session that was issued. Ids are of incarnations, as in `Session`; times are epoch seconds."""

    access_key_id: str
    parent_id: str
    issuer_id: str
    provider_id: str
    name: str
    action: str
    source_ip: str
    issued_at: float
    expires_at: float


class SessionState(StrEnum):
    """What has become of a session that has not expired."""

    ACTIVE = "active"
    REVOKED = "revoked"
    """Over for good: revoked, or whose it was has been disabled, absent or deleted."""
    SUSPENDED = "suspended"
    """Refused as long as its provider is disabled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSession:
    """A session of the trail with the names of today; each is empty for what is not so, or is no more.

    It is of a user, a role or root (`is_of_root`); `issuer_name` is the user that asked for a role's.
    """

    entry: TrailEntry
    user_name: str = ""
    role_name: str = ""
    is_of_root: bool = False
    issuer_name: str = ""
    provider_name: str = ""
    state: SessionState = SessionState.ACTIVE


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Which sessions are asked for, by ids; empty for any.

    `principal_id` is whose they are or who asked for them.
    """

    principal_id: str = ""
    provider_id: str = ""


class TrailRecords(Protocol):
    """Where the trail is kept. All methods raise `UnavailableError` when it cannot be reached."""

    async def append(self, entries: Sequence[TrailEntry]) -> None:
        """Store these; nothing happens for those that are there."""
        ...

    async def remove_expired(self, now: float, limit: int) -> int:
        """Remove at most `limit` of those whose time is over at `now`; return how many."""
        ...

    async def list(
        self, wanted: TrailFilter, roots: Collection[str], now: float, part: Slice
    ) -> Sequence[ListedSession]:
        """Return those that have not expired at `now`, the newest first; `roots` are root's incarnations.

        `part.after` is a `place_of`.
        """
        ...


class SessionTrail:
    """Takes sessions as they are issued, writes them behind, and lists them."""

    def __init__(
        self,
        records: TrailRecords,
        store: Store,
        clock: Clock,
        count: Callable[[str, int], None],
        *,
        roots: Collection[str],
    ) -> None:
        """`count` hears how many were `written` or `dropped`; `roots` are what root's sessions call it."""
        self._records = records
        self._store = store
        self._clock = clock
        self._count = count
        self._roots = frozenset(roots)
        self._queue: deque[TrailEntry] = deque()

    def note(self, session: Session, origin: Origin) -> None:
        """Queue a session to be written, or drop and count it where the queue is full. Never blocks."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._count("dropped", 1)
            return
        self._queue.append(
            TrailEntry(
                access_key_id=session.access_key_id,
                parent_id=session.parent_id,
                issuer_id=session.issuer_id,
                provider_id=session.provider,
                name=session.name,
                action=origin.action,
                source_ip=origin.source_ip,
                issued_at=session.issued_at,
                expires_at=session.expires_at,
            )
        )

    async def run(self) -> None:
        """Write what is queued and remove what has expired, until cancelled; then write the rest."""
        trimmed_at = float("-inf")
        try:
            while True:
                await asyncio.sleep(FLUSH_INTERVAL)
                # What cannot be written now waits; the queue is bounded, and counts what it has no room for.
                with contextlib.suppress(AuthzError):
                    await self.flush()
                    if self._clock.monotonic() >= trimmed_at + TRIM_INTERVAL:
                        trimmed_at = self._clock.monotonic()
                        await self.trim()
        finally:
            with contextlib.suppress(AuthzError, TimeoutError):
                async with asyncio.timeout(LAST_FLUSH):
                    await self.flush()
            self._count("dropped", len(self._queue))

    async def flush(self) -> None:
        """Write what is queued; raises `UnavailableError`."""
        while self._queue:
            batch = [self._queue[n] for n in range(min(BATCH, len(self._queue)))]
            await self._records.append(batch)
            # One that was written with an outcome nobody heard of is written again, which does nothing.
            for _ in batch:
                self._queue.popleft()
            self._count("written", len(batch))

    async def trim(self) -> None:
        """Remove what has expired, a part at a time; raises `UnavailableError`."""
        for _ in range(TRIMS):
            removed = await self._records.remove_expired(self._clock.now(), TRIMMED_AT_ONCE)
            if removed < TRIMMED_AT_ONCE:
                return

    async def list(
        self,
        *,
        user_name: str = "",
        role_name: str = "",
        provider_name: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> Page[ListedSession]:
        """Return sessions that have not expired, the newest first: all, or of what is named.

        Of a user also those of roles that it asked for. Raises `NotFoundError`, `InvalidError`.
        """
        wanted = await self._find(user_name, role_name, provider_name)
        now = self._clock.now()
        return await read_page(
            lambda part: self._records.list(wanted, self._roots, now, part),
            lambda listed: place_of(listed.entry),
            page_size,
            page_token,
        )

    async def _find(self, user_name: str, role_name: str, provider_name: str) -> TrailFilter:
        read = self._store.read
        if user_name:
            return TrailFilter((await read(lambda unit: get_user(unit, user_name))).id)
        if role_name:
            return TrailFilter((await read(lambda unit: get_role(unit, role_name))).id)
        if provider_name:
            return TrailFilter("", (await read(lambda unit: get_provider(unit, provider_name))).id)
        return TrailFilter()


def place_of(entry: TrailEntry) -> str:
    """Return where an entry stands in a list of the newest first."""
    return f"{entry.issued_at!r} {entry.access_key_id}"


def parse_place(text: str) -> tuple[float, str]:
    """Read what `place_of` wrote; raises `ValueError`."""
    issued_at, _, access_key_id = text.partition(" ")
    return float(issued_at), access_key_id
