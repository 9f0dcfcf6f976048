"""Principals and their credentials, loaded on demand into a bounded cache.

Ten million users cost no more memory than the ten thousand that are active. Look-ups of what is held are
plain dictionary reads; a miss is loaded once however many requests wait for it (single flight), and what
does not exist is remembered too, apart and bounded, so that made-up keys neither reach the database twice
nor push out real ones.

Exactness. A load says the revision it was read at. Before its result is installed, memory has caught up with
that revision, and no change that came after it concerns the result; otherwise it is read again. Nothing here
expires by time: entries leave because a change names them, or because the cache is full.

Not here: deciding (`authorizer.py`), verifying (`authenticator.py`), reading changes (`refresher.py`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, ClassVar, Final, Protocol, TypeVar
from weakref import WeakSet, WeakValueDictionary

from authz.access.policies import Policies, PolicySetHandle
from authz.access.ports import At, Change, ChangeKind, Source, StoredAccessKey, StoredPrincipal
from authz.errors import OverloadedError, UnavailableError
from authz.identity.principal import user_principal
from authz.identity.records import Status, fold_name
from authz.identity.sealing import KeyRing
from authz.identity.sigv4 import derive_signing_key
from authz.policy.request import Principal
from authz.telemetry.metrics import Metrics

LOAD_ATTEMPTS: Final = 5
"""Times a load is repeated when changes keep overtaking it, before the caller is told to come back."""

SIGNING_KEYS_PER_CREDENTIAL: Final = 8
"""Derived keys kept for one credential: a few regions and services, today's and yesterday's date."""


class UserEntry:
    """A principal in memory: who it is, whether it may act at all, and the set of policies that decides.

    `is_current` turns false when a change concerns it; whoever finds that loads it again. There is at
    most one current entry for a user, shared by its keys.
    """

    __slots__ = ("__weakref__", "handle", "is_current", "is_enabled", "principal")

    def __init__(self, principal: Principal, handle: PolicySetHandle, *, is_enabled: bool) -> None:
        self.principal = principal
        self.handle = handle
        self.is_enabled = is_enabled
        self.is_current = True


class KeyEntry:
    """A credential in memory.

    The secret, whether it may be used, its owner, and signing keys derived so far.
    """

    __slots__ = ("_secret", "_signing_keys", "id", "is_enabled", "owner")

    def __init__(self, key_id: str, secret: bytes, owner: UserEntry, *, is_enabled: bool) -> None:
        self.id = key_id
        self.is_enabled = is_enabled
        self.owner = owner
        self._secret = secret
        self._signing_keys: dict[tuple[str, str, str], bytes] = {}

    def signing_key(self, date: str, region: str, service: str) -> bytes:
        """Return the SigV4 signing key of this scope, derived once and kept as long as the entry."""
        scope = (date, region, service)
        key = self._signing_keys.get(scope)
        if key is None:
            key = derive_signing_key(self._secret, date, region, service)
            if len(self._signing_keys) >= SIGNING_KEYS_PER_CREDENTIAL:
                self._signing_keys.pop(next(iter(self._signing_keys)))
            self._signing_keys[scope] = key
        return key

    def __repr__(self) -> str:
        return f"KeyEntry({self.id!r})"


class Freshness(Protocol):
    """What the cache needs to know about the change log; the refresher is it."""

    async def wait_for(self, revision: int) -> None:
        """Return once memory holds `revision`; raises `UnavailableError` after a bounded time."""
        ...

    def changes_since(self, revision: int) -> Iterable[Change] | None:
        """Return the applied changes after `revision`, or `None` where that is too long ago to tell."""
        ...


E = TypeVar("E")


class _Shelf(OrderedDict[str, E]):
    """A dictionary bounded by `limit`: adding one more drops the least recently used."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, key: str, entry: E) -> None:
        self[key] = entry
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)


class Principals:
    """The cache of users and access keys."""

    def __init__(
        self,
        source: Source,
        policies: Policies,
        key_ring: KeyRing,
        metrics: Metrics,
        *,
        account: str,
        limit: int,
        concurrent_loads: int,
    ) -> None:
        """Hold at most `limit` users and `limit` keys; read at most `concurrent_loads` at a time.

        As many loads again may wait; further ones raise `OverloadedError`.
        """
        self._source = source
        self._policies = policies
        self._key_ring = key_ring
        self._account = account
        self._keys: _Shelf[KeyEntry] = _Shelf(limit)
        self._users: _Shelf[UserEntry] = _Shelf(limit)
        self._absent: _Shelf[bool] = _Shelf(limit)
        # How a change finds the entries it concerns; entries leave these by themselves when no shelf holds
        # them.
        self._by_id: WeakValueDictionary[str, UserEntry] = WeakValueDictionary()
        self._by_group: dict[str, WeakSet[UserEntry]] = {}
        self._loads: dict[str, asyncio.Task[Any]] = {}
        self._load_limit = 2 * concurrent_loads
        self._slots = asyncio.Semaphore(concurrent_loads)
        self._freshness: Freshness | None = None
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self._keys), "access_key")
        metrics.cache_entries.read_from(lambda: len(self._users), "user")
        metrics.cache_entries.read_from(lambda: len(self._absent), "absent")

    def follow(self, freshness: Freshness) -> None:
        """Tell the cache who knows about changes; once, before the first load."""
        self._freshness = freshness

    # --- reading what is held: synchronous, no allocation ---

    def find_key(self, access_key_id: str) -> KeyEntry | None:
        """Return the held entry of an access key, or `None` when it must be loaded."""
        entry = self._keys.get(access_key_id)
        if entry is None or not entry.owner.is_current:
            return None
        self._keys.move_to_end(access_key_id)
        self._count(_KEY_HIT)
        return entry

    def find_user(self, name: str) -> UserEntry | None:
        """Return the held entry of the user of this name (ignoring case).

        Or `None` when it must be loaded.
        """
        name_key = fold_name(name)
        entry = self._users.get(name_key)
        if entry is None or not entry.is_current:
            return None
        self._users.move_to_end(name_key)
        self._count(_USER_HIT)
        return entry

    # --- loading what is not ---

    async def load_key(self, access_key_id: str) -> KeyEntry | None:
        """Load an access key and its owner, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        if f"key:{access_key_id}" in self._absent:
            self._count(_KEY_NEGATIVE)
            return None
        self._count(_KEY_MISS)
        for _ in range(LOAD_ATTEMPTS):
            entry = await self._once(f"key:{access_key_id}", lambda: self._read_key(access_key_id))
            # A change may have been applied between the load's end and this task's turn.
            if entry is None or entry.owner.is_current:
                return entry
        raise _changing()

    async def load_user(self, name: str) -> UserEntry | None:
        """Load a user, or learn that it does not exist (`None`); raises as `load_key`."""
        name_key = fold_name(name)
        if f"user:{name_key}" in self._absent:
            self._count(_USER_NEGATIVE)
            return None
        self._count(_USER_MISS)
        for _ in range(LOAD_ATTEMPTS):
            entry = await self._once(f"user:{name_key}", lambda: self._read_user(name_key))
            if entry is None or entry.is_current:
                return entry
        raise _changing()

    async def _once(self, key: str, read: Callable[[], Coroutine[Any, Any, E]]) -> E:
        task = self._loads.get(key)
        if task is None:
            if len(self._loads) >= self._load_limit:
                raise OverloadedError("too many principals are being loaded at once")
            task = asyncio.create_task(
                self._with_slot(read), name=f"load a {key.partition(':')[0]}"
            )
            self._loads[key] = task
            task.add_done_callback(lambda _: self._loads.pop(key, None))
        # The load belongs to everybody who waits for it: one caller's cancellation must not end it.
        result: E = await asyncio.shield(task)
        return result

    async def _with_slot(self, read: Callable[[], Coroutine[Any, Any, E]]) -> E:
        async with self._slots:
            return await read()

    async def _read_key(self, access_key_id: str) -> KeyEntry | None:
        def concerns(found: StoredAccessKey | None, change: Change) -> bool:
            if change.kind is ChangeKind.ACCESS_KEY:
                return change.key == access_key_id
            return found is not None and _concerns_principal(found.owner, change)

        stored = await self._read_exactly(
            lambda: self._source.find_access_key(access_key_id), concerns
        )
        if stored is None:
            self._absent.put(f"key:{access_key_id}", entry=True)
            return None
        secret = self._key_ring.unseal(stored.sealed_secret, access_key_id.encode())
        is_enabled = stored.key.status is Status.ENABLED
        entry = KeyEntry(access_key_id, secret, self._adopt(stored.owner), is_enabled=is_enabled)
        self._keys.put(access_key_id, entry)
        return entry

    async def _read_user(self, name_key: str) -> UserEntry | None:
        def concerns(found: StoredPrincipal | None, change: Change) -> bool:
            if change.kind is ChangeKind.USER_NAME:
                return change.key == name_key
            return found is not None and _concerns_principal(found, change)

        stored = await self._read_exactly(lambda: self._source.find_user(name_key), concerns)
        if stored is None:
            self._absent.put(f"user:{name_key}", entry=True)
            return None
        entry = self._adopt(stored)
        self._users.put(name_key, entry)
        return entry

    async def _read_exactly(
        self, read: Callable[[], Awaitable[At[E]]], concerns: Callable[[E, Change], bool]
    ) -> E:
        """Read until no applied change after the read concerns the result. See the module's docstring."""
        assert self._freshness is not None, "follow() comes first"
        for _ in range(LOAD_ATTEMPTS):
            found = await read()
            await self._freshness.wait_for(found.revision)
            changes = self._freshness.changes_since(found.revision)
            if changes is not None and not any(concerns(found.value, c) for c in changes):
                return found.value
        raise _changing()

    # --- installing and forgetting: synchronous, so no request sees half of it ---

    def _adopt(self, stored: StoredPrincipal) -> UserEntry:
        held = self._by_id.get(stored.user.id)
        if held is not None and held.is_current:
            return held
        entry = UserEntry(
            user_principal(stored.user, stored.groups, self._account),
            self._policies.handle(stored.policy_ids, stored.deny_only_policy_ids),
            is_enabled=stored.user.status is Status.ENABLED,
        )
        self._by_id[stored.user.id] = entry
        for group in stored.groups:
            self._by_group.setdefault(group.id, WeakSet()).add(entry)
        return entry

    def forget(self, changes: Iterable[Change]) -> None:
        """Let go of every entry that one of `changes` concerns."""
        for change in changes:
            forget = self._forgetters.get(change.kind)
            if forget is not None:
                forget(self, change.key)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        for entry in list(self._by_id.values()):
            entry.is_current = False
        for held in (self._keys, self._users, self._absent, self._by_id, self._by_group):
            held.clear()

    def _forget_user(self, user_id: str) -> None:
        entry = self._by_id.pop(user_id, None)
        if entry is not None:
            entry.is_current = False

    def _forget_user_name(self, name_key: str) -> None:
        self._absent.pop(f"user:{name_key}", None)
        self._users.pop(name_key, None)

    def _forget_group(self, group_id: str) -> None:
        for entry in self._by_group.pop(group_id, ()):
            entry.is_current = False

    def _forget_access_key(self, access_key_id: str) -> None:
        self._absent.pop(f"key:{access_key_id}", None)
        self._keys.pop(access_key_id, None)

    # A changed policy is no row here: entries point to handles, and `Policies` empties those.
    _forgetters: ClassVar[Mapping[ChangeKind, Callable[["Principals", str], None]]] = {
        ChangeKind.USER: _forget_user,
        ChangeKind.USER_NAME: _forget_user_name,
        ChangeKind.GROUP: _forget_group,
        ChangeKind.ACCESS_KEY: _forget_access_key,
    }


def _changing() -> UnavailableError:
    return UnavailableError("the principal changes faster than it can be read")


def _concerns_principal(found: StoredPrincipal, change: Change) -> bool:
    if change.kind is ChangeKind.USER:
        return change.key == found.user.id
    if change.kind is ChangeKind.GROUP:
        return any(change.key == group.id for group in found.groups)
    return False


_KEY_HIT: Final = ("access_key", "hit")
_KEY_MISS: Final = ("access_key", "miss")
_KEY_NEGATIVE: Final = ("access_key", "negative")
_USER_HIT: Final = ("user", "hit")
_USER_MISS: Final = ("user", "miss")
_USER_NEGATIVE: Final = ("user", "negative")
