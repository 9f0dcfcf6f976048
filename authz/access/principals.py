"""Principals and their credentials, loaded on demand into a bounded cache.

Ten million users cost no more memory than the ten thousand that are active. Look-ups of what is held are
plain dictionary reads; a miss is loaded once however many requests wait for it (single flight), and what
does not exist is remembered too, apart and bounded, so that made-up keys neither reach the database twice
nor push out real ones.

Exactness. A load says the revision it was read at. Before its result is installed, memory has caught up with
that revision, and no change that came after it concerns the result; otherwise it is read again. Nothing here
expires by time: entries leave because a change names them, or because the cache is full.

Not here: what an entry is (`entries.py`), deciding (`authorizer.py`), verifying (`authenticator.py`), reading
changes (`refresher.py`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar
from weakref import WeakSet, WeakValueDictionary

from authz.access.entries import KeyEntry, UserEntry, UserPage
from authz.access.loads import Loads
from authz.access.narrowing import Narrowing
from authz.access.policies import Policies
from authz.access.ports import At, Change, ChangeKind, Source, StoredAccessKey, StoredPrincipal
from authz.access.shelf import Shelf
from authz.errors import InvalidError, UnavailableError
from authz.identity.credential import check_name, is_access_key_id
from authz.identity.principal import user_principal
from authz.identity.records import AccessKey, Status, fold_name
from authz.identity.sealing import KeyRing
from authz.policy.decision import Layer
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

LOAD_ATTEMPTS: Final = 5
"""Times a load is repeated when changes keep overtaking it, before the caller is told to come back."""


class Freshness(Protocol):
    """What the cache needs to know about the change log; the refresher is it."""

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


E = TypeVar("E")

_FindUser = Callable[[str], Awaitable[At[StoredPrincipal | None]]]


class _Loaded(NamedTuple, Generic[E]):
    """What a load found, and when that was so."""

    entry: E
    moment: Moment


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
        self._keys: Shelf[KeyEntry] = Shelf(limit)
        self._users: Shelf[UserEntry] = Shelf(limit)
        self._absent: Shelf[bool] = Shelf(limit)
        # How a change finds the entries it concerns; entries leave these by themselves when no shelf holds
        # them.
        self._by_id: WeakValueDictionary[str, UserEntry] = WeakValueDictionary()
        self._by_group: dict[str, WeakSet[UserEntry]] = {}
        self._loads = Loads(concurrent_loads)
        self._freshness: Freshness | None = None
        self._log = get_logger("access")
        self._reloads = 0
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

    def find_user_by_id(self, user_id: str) -> UserEntry | None:
        """Return the held entry of the user of this incarnation, or `None` when it must be loaded."""
        entry = self._by_id.get(user_id)
        if entry is None or not entry.is_current:
            return None
        self._count(_USER_HIT)
        return entry

    # --- loading what is not ---

    async def load_key(self, access_key_id: str) -> KeyEntry | None:
        """Load an access key and its owner, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        if not is_access_key_id(access_key_id):
            return None
        if f"key:{access_key_id}" in self._absent:
            self._count(_KEY_NEGATIVE)
            return None
        self._count(_KEY_MISS)
        for _ in range(LOAD_ATTEMPTS):
            entry, moment = await self._loads.once(
                f"key:{access_key_id}", lambda: self._read_key(access_key_id)
            )
            # A change may have been applied between the load's end and this task's turn.
            is_current = entry is None or entry.owner.is_current
            if is_current and not self.has_changed(ChangeKind.ACCESS_KEY, access_key_id, moment):
                return entry
        raise _changing()

    async def load_user(self, name: str) -> UserEntry | None:
        """Load a user, or learn that it does not exist (`None`); raises as `load_key`."""
        if not _is_name(name):
            return None
        name_key = fold_name(name)
        return await self._load_user(ChangeKind.USER_NAME, name_key, self._source.find_user)

    async def load_user_by_id(self, user_id: str) -> UserEntry | None:
        """Load the user of this incarnation, or learn that it is no more (`None`); raises as `load_key`.

        `user_id` is one that we gave: from a session's token, which was authenticated. The entry is held for as
        long as the caller holds it.
        """
        return await self._load_user(ChangeKind.USER, user_id, self._source.find_user_by_id)

    async def _load_user(self, kind: ChangeKind, key: str, find: _FindUser) -> UserEntry | None:
        """Load the user that `find` gives for `key`, by which changes of `kind` know it."""
        name = f"{kind.value}:{key}"
        if name in self._absent:
            self._count(_USER_NEGATIVE)
            return None
        self._count(_USER_MISS)
        for _ in range(LOAD_ATTEMPTS):
            entry, moment = await self._loads.once(name, lambda: self._read_user(kind, key, find))
            is_current = entry is None or entry.is_current
            if is_current and not self.has_changed(kind, key, moment):
                return entry
        raise _changing()

    async def list_users(self, after: str, limit: int) -> UserPage:
        """Load at most `limit` users in the order of their folded names, from the first after `after`.

        Installs none of them: who looks through all users must not push out those that are active. Raises
        `UnavailableError` when the store cannot be read or the users keep changing.
        """
        assert self._freshness is not None, "follow() comes first"

        def concerns(found: Sequence[StoredPrincipal], change: Change) -> bool:
            if change.kind is ChangeKind.USER_NAME:
                last = fold_name(found[-1].user.name) if len(found) == limit else change.key
                return after < change.key <= last
            return any(_concerns_principal(one, change) for one in found)

        async with self._loads.slots:
            stored = await self._read_exactly(
                lambda: self._source.list_users(after, limit), concerns
            )
        next_after = fold_name(stored[-1].user.name) if len(stored) == limit else ""
        return UserPage([self._entry(one) for one in stored], next_after, self._freshness.applied)

    # --- what is still so, for who holds on to an entry while others load ---

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

    async def _read_key(self, access_key_id: str) -> _Loaded[KeyEntry | None]:
        def concerns(found: StoredAccessKey | None, change: Change) -> bool:
            if change.kind is ChangeKind.ACCESS_KEY:
                return change.key == access_key_id
            return found is not None and _concerns_principal(found.owner, change)

        stored = await self._read_exactly(
            lambda: self._source.find_access_key(access_key_id), concerns
        )
        if stored is None:
            self._absent.put(f"key:{access_key_id}", entry=True)
            return _Loaded(None, self.moment())
        secret = self._unseal(stored)
        owner = self._adopt(stored.owner)
        entry = KeyEntry(
            access_key_id,
            secret,
            owner,
            is_enabled=stored.key.status is Status.ENABLED,
            acting=self._acting(stored.key, owner),
            expires_at=stored.key.expires_at,
        )
        self._keys.put(access_key_id, entry)
        return _Loaded(entry, self.moment())

    def _acting(self, key: AccessKey, owner: UserEntry) -> UserEntry:
        if not key.policy:
            return owner
        own = Narrowing(self._policies, Layer.SERVICE_ACCOUNT_POLICY, key.id, (key.policy,))
        return owner.narrowed(own, owner.principal)

    def _unseal(self, stored: StoredAccessKey) -> bytes:
        try:
            return self._key_ring.unseal(stored.sealed_secret, stored.key.id.encode())
        except UnavailableError as error:
            # Nobody but an operator can mend this: the key ring is not the one that sealed it.
            self._log.error("secret_not_unsealed", access_key=stored.key.id, problem=error.message)
            raise

    async def _read_user(
        self, kind: ChangeKind, key: str, find: _FindUser
    ) -> _Loaded[UserEntry | None]:
        def concerns(found: StoredPrincipal | None, change: Change) -> bool:
            if change.kind is kind and change.key == key:
                return True
            return found is not None and _concerns_principal(found, change)

        stored = await self._read_exactly(lambda: find(key), concerns)
        if stored is None:
            self._absent.put(f"{kind.value}:{key}", entry=True)
            return _Loaded(None, self.moment())
        entry = self._adopt(stored)
        if kind is ChangeKind.USER_NAME:
            self._users.put(key, entry)
        return _Loaded(entry, self.moment())

    async def _read_exactly(
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

    # --- installing and forgetting: synchronous, so no request sees half of it ---

    def _adopt(self, stored: StoredPrincipal) -> UserEntry:
        held = self._by_id.get(stored.user.id)
        if held is not None and held.is_current:
            return held
        entry = self._entry(stored)
        self._by_id[stored.user.id] = entry
        for group in stored.groups:
            self._by_group.setdefault(group.id, WeakSet()).add(entry)
        return entry

    def _entry(self, stored: StoredPrincipal) -> UserEntry:
        handle, boundary = self._policies.handle, stored.boundary_id
        return UserEntry(
            user_principal(stored.user, stored.groups, self._account),
            handle(stored.policy_ids, stored.deny_only_policy_ids),
            is_enabled=stored.user.status is Status.ENABLED,
            boundary=handle((boundary,), (), Layer.PERMISSIONS_BOUNDARY) if boundary else None,
            sessions_void_before=stored.user.sessions_void_before,
        )

    def forget(self, changes: Iterable[Change]) -> None:
        """Let go of every entry that one of `changes` concerns."""
        for change in changes:
            forget = self._forgetters.get(change.kind)
            if forget is not None:
                forget(self, change.key)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        self._reloads += 1
        for entry in list(self._by_id.values()):
            entry.is_current = False
        for held in (self._keys, self._users, self._absent, self._by_id, self._by_group):
            held.clear()

    def _forget_user(self, user_id: str) -> None:
        self._absent.pop(f"user:{user_id}", None)
        entry = self._by_id.pop(user_id, None)
        if entry is not None:
            entry.is_current = False

    def _forget_user_name(self, name_key: str) -> None:
        self._absent.pop(f"user_name:{name_key}", None)
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


def _is_name(name: str) -> bool:
    """Tell whether a user could have this name; what never can is neither read nor remembered."""
    try:
        check_name(name)
    except InvalidError:
        return False
    return True


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
