"""Reads of the store whose results are exact when they are installed: the machinery of every cache of records.

A load says the revision it was read at. Before its result is installed, memory has caught up with that
revision, and no change that came after it concerns the result; otherwise it is read again. What does not exist
is remembered too, apart and bounded, until a change names it.

Not here: what is loaded and held (`principals.py`, `roles.py`), how many load at a time (`loads.py`), or
reading changes (`refresher.py`).
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from authz.access.loads import Loads
from authz.access.ports import At, Change, ChangeKind
from authz.access.shelf import Shelf
from authz.errors import InvalidError, UnavailableError
from authz.identity.credential import check_known_name
from authz.telemetry.metrics import Metrics

LOAD_ATTEMPTS: Final = 5
"""Times a load is repeated when changes keep overtaking it, before the caller is told to come back."""


class Freshness(Protocol):
    """What a cache needs to know about the change log; the refresher is it."""

    @property
    def applied(self) -> int:
        """The revision memory stands at."""
        ...

    async def wait_for(self, revision: int) -> None:
        """Return once memory holds `revision`; raises `UnavailableError` after a bounded time."""
        ...

    def changes_since(self, revision: int) -> Iterable[Change] | None:
        """Return the applied changes after `revision`, or `None` where that is too long ago to tell."""
        ...


class Moment(NamedTuple):
    """A point in the life of memory: full reloads so far, and the revision applied."""

    reloads: int
    revision: int


S = TypeVar("S")
E = TypeVar("E")


class Wanted(NamedTuple, Generic[S, E]):
    """One thing to load: by which changes of `kind` its `key` is known, how it is found, and what it becomes.

    `concerns` tells whether a change is about what was found, `install` makes and holds the entry without
    awaiting anything, `is_current` tells whether nothing has changed it since. `cache` is its name in metrics.
    """

    kind: ChangeKind
    key: str
    find: Callable[[str], Awaitable[At[S | None]]]
    concerns: Callable[[S, Change], bool]
    install: Callable[[S], E]
    is_current: Callable[[E], bool]
    cache: str


class _Loaded(NamedTuple, Generic[E]):
    """What a load found, and when that was so."""

    entry: E
    moment: Moment


class ExactLoads:
    """Loads records into caches, each of them whole and as of one moment."""

    def __init__(self, metrics: Metrics, *, limit: int, concurrent_loads: int) -> None:
        """Remember at most `limit` absent things; read at most `concurrent_loads` at a time.

        As many loads again may wait; further ones raise `OverloadedError`.
        """
        self._absent: Shelf[bool] = Shelf(limit)
        self._loads = Loads(concurrent_loads)
        self._freshness: Freshness | None = None
        self._reloads = 0
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self._absent), "absent")

    def follow(self, freshness: Freshness) -> None:
        """Tell who knows about changes; once, before the first load."""
        self._freshness = freshness

    @property
    def slots(self) -> AbstractAsyncContextManager[None]:
        """One of the places to read in, for who reads what is not installed."""
        return self._loads.slots

    async def load(self, wanted: Wanted[S, E]) -> E | None:
        """Load what is wanted, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        name = f"{wanted.kind.value}:{wanted.key}"
        if name in self._absent:
            self._count((wanted.cache, "negative"))
            return None
        self._count((wanted.cache, "miss"))
        for _ in range(LOAD_ATTEMPTS):
            entry, moment = await self._loads.once(name, lambda: self._load(name, wanted))
            # A change may have been applied between the load's end and this task's turn.
            is_current = entry is None or wanted.is_current(entry)
            if is_current and not self.has_changed(wanted.kind, wanted.key, moment):
                return entry
        raise _changing()

    async def _load(self, name: str, wanted: Wanted[S, E]) -> _Loaded[E | None]:
        def concerns(found: S | None, change: Change) -> bool:
            if change.kind is wanted.kind and change.key == wanted.key:
                return True
            return found is not None and wanted.concerns(found, change)

        stored = await self.read(lambda: wanted.find(wanted.key), concerns)
        if stored is None:
            self._absent.put(name, entry=True)
            return _Loaded(None, self.moment())
        return _Loaded(wanted.install(stored), self.moment())

    async def read(
        self, read: Callable[[], Awaitable[At[E]]], concerns: Callable[[E, Change], bool]
    ) -> E:
        """Read until no applied change after the read concerns the result. See the module's docstring."""
        assert self._freshness is not None, "follow() comes first"
        for _ in range(LOAD_ATTEMPTS):
            reloads = self._reloads
            found = await read()
            await self._freshness.wait_for(found.revision)
            changes = self._freshness.changes_since(found.revision)
            # After a full reload, `found.revision` may be one of another history (a restored backup).
            if changes is None or reloads != self._reloads:
                continue
            if not any(concerns(found.value, c) for c in changes):
                return found.value
        raise _changing()

    def moment(self) -> Moment:
        """Return the moment that memory is at."""
        assert self._freshness is not None, "follow() comes first"
        return Moment(self._reloads, self._freshness.applied)

    def has_changed(self, kind: ChangeKind, key: str, since: Moment) -> bool:
        """Tell whether a change applied after `since` names this thing, or may have."""
        assert self._freshness is not None, "follow() comes first"
        if since.reloads != self._reloads:
            return True
        changes = self._freshness.changes_since(since.revision)
        return changes is None or any(c.key == key and c.kind is kind for c in changes)

    def forget(self, change: Change) -> None:
        """Forget that what a change names does not exist."""
        self._absent.pop(f"{change.kind.value}:{change.key}", None)

    def forget_all(self) -> None:
        """Forget all that does not exist; what is being read is read again."""
        self._reloads += 1
        self._absent.clear()


def is_name(name: str) -> bool:
    """Tell whether a record could have this name; what never can is neither read nor remembered."""
    try:
        check_known_name(name)
    except InvalidError:
        return False
    return True


def _changing() -> UnavailableError:
    return UnavailableError("the principal changes faster than it can be read")
