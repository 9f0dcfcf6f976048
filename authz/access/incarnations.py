"""Entries of one kind by the incarnation they are of, and on a bounded shelf those that are asked for by name.

What users and roles have in common as things in memory: who asks by name may get another incarnation later, who
asks by incarnation never does. An entry is made once, shared by all who hold it, and told by `is_current` that
a change concerns it; off the shelf it stays for as long as somebody holds it.

Not here: why a load is exact (`exact_loads.py`), what an entry is (`entries.py`), and which changes concern it.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from authz.access.entries import UserEntry
from authz.access.exact_loads import ExactLoads, Wanted, is_name
from authz.access.ports import At, Change, ChangeKind
from authz.access.shelf import Shelf
from authz.identity.records import key_of_name
from authz.telemetry.metrics import Metrics

S = TypeVar("S")
E = TypeVar("E", bound=UserEntry)


class Incarnations(Generic[S, E]):
    """The entries of one kind, made of what is stored (`S`)."""

    def __init__(
        self,
        loads: ExactLoads,
        metrics: Metrics,
        cache: str,
        *,
        limit: int,
        id_of: Callable[[S], str],
        make: Callable[[S], E],
        concerns: Callable[[S, Change], bool],
    ) -> None:
        """Hold at most `limit` entries by name; `cache` is what metrics call them.

        `make` makes an entry without awaiting anything; `concerns` tells whether a change is about what was
        read.
        """
        self._loads = loads
        self._cache = cache
        self._id_of = id_of
        self._make = make
        self._concerns = concerns
        self._by_name: Shelf[E] = Shelf(limit)
        # How a change finds the entry it concerns; entries leave by themselves when nobody holds them.
        self._by_id: WeakValueDictionary[str, E] = WeakValueDictionary()
        self._count = metrics.cache_requests.inc
        self._hit = (cache, "hit")
        metrics.cache_entries.read_from(lambda: len(self._by_name), cache)

    def find(self, name: str) -> E | None:
        """Return the held entry of this name (ignoring case), or `None` when it must be loaded."""
        name_key = key_of_name(name)
        entry = self._by_name.get(name_key)
        if entry is None or not entry.is_current:
            return None
        self._by_name.move_to_end(name_key)
        self._count(self._hit)
        return entry

    def find_by_id(self, record_id: str) -> E | None:
        """Return the held entry of this incarnation, or `None` when it must be loaded."""
        entry = self._by_id.get(record_id)
        if entry is None or not entry.is_current:
            return None
        self._count(self._hit)
        return entry

    async def load(
        self, name: str, kind: ChangeKind, find: Callable[[str], Awaitable[At[S | None]]]
    ) -> E | None:
        """Load what `find` gives for a name, by which changes of `kind` know it; `None` when nobody has it.

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        if not is_name(name):
            return None
        name_key = key_of_name(name)

        def install(stored: S) -> E:
            entry = self.adopt(stored)
            self._by_name.put(name_key, entry)
            return entry

        # By the name itself: folded, one that may be given can be longer than names are.
        return await self._loads.load(self._wanted(kind, name_key, lambda _: find(name), install))

    async def load_by_id(
        self, record_id: str, kind: ChangeKind, find: Callable[[str], Awaitable[At[S | None]]]
    ) -> E | None:
        """Load the incarnation of this id, which we gave; `None` when it is no more. Raises as `load`.

        The entry is held for as long as the caller holds it.
        """
        return await self._loads.load(self._wanted(kind, record_id, find, self.adopt))

    def _wanted(
        self,
        kind: ChangeKind,
        key: str,
        find: Callable[[str], Awaitable[At[S | None]]],
        install: Callable[[S], E],
    ) -> Wanted[S, E]:
        return Wanted(
            kind=kind,
            key=key,
            find=find,
            concerns=self._concerns,
            install=install,
            is_current=lambda entry: entry.is_current,
            cache=self._cache,
        )

    def adopt(self, stored: S) -> E:
        """Return the one current entry of what was read, made now if there is none."""
        record_id = self._id_of(stored)
        held = self._by_id.get(record_id)
        if held is not None and held.is_current:
            return held
        entry = self._make(stored)
        self._by_id[record_id] = entry
        return entry

    def forget(self, record_id: str) -> None:
        """Let go of this incarnation, which changed or is gone."""
        entry = self._by_id.pop(record_id, None)
        if entry is not None:
            entry.is_current = False

    def forget_name(self, name_key: str) -> None:
        """Let go of who has this folded name: somebody came or went."""
        self._by_name.pop(name_key, None)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        for entry in list(self._by_id.values()):
            entry.is_current = False
        self._by_name.clear()
        self._by_id.clear()
