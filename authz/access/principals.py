"""Principals and their credentials, loaded on demand into a bounded cache.

Ten million users cost no more memory than the ten thousand that are active. Look-ups of what is held are
plain dictionary reads; a miss is loaded once however many requests wait for it (single flight), and what
does not exist is remembered too, apart and bounded, so that made-up keys neither reach the database twice
nor push out real ones. Nothing here expires by time: entries leave because a change names them, or because the
cache is full.

Not here: why a load is exact (`exact_loads.py`), how entries are held by name and by incarnation
(`incarnations.py`), what an entry is (`entries.py`), roles' own part (`roles.py`), deciding (`authorizer.py`),
verifying (`authenticator.py`), reading changes (`refresher.py`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final
from weakref import WeakSet

from authz.access.entries import KeyEntry, UserEntry, UserPage, Vouched
from authz.access.exact_loads import ExactLoads, Freshness, Moment, Wanted
from authz.access.incarnations import Incarnations
from authz.access.narrowing import Narrowing
from authz.access.policies import Policies
from authz.access.ports import Change, ChangeKind, Source, StoredAccessKey, StoredPrincipal
from authz.access.roles import Roles
from authz.access.shelf import Shelf
from authz.errors import UnavailableError
from authz.identity.credential import is_access_key_id
from authz.identity.principal import key_principal, user_principal
from authz.identity.records import AccessKey, Status, User, key_of_name
from authz.identity.sealing import KeyRing
from authz.policy.decision import Layer
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics


class Principals:
    """The cache of users and access keys, and of roles (`roles`)."""

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
        """Hold at most `limit` users, keys and roles each; read at most `concurrent_loads` at a time.

        As many loads again may wait; further ones raise `OverloadedError`.
        """
        self._source = source
        self._policies = policies
        self._key_ring = key_ring
        self._account = account
        self._keys: Shelf[KeyEntry] = Shelf(limit)
        # How a change finds the users it concerns; they leave this by themselves when nobody holds them.
        self._by_group: dict[str, WeakSet[UserEntry]] = {}
        self._by_provider: dict[str, WeakSet[UserEntry]] = {}
        self._loads = ExactLoads(metrics, limit=limit, concurrent_loads=concurrent_loads)
        self._users = Incarnations(
            self._loads,
            metrics,
            "user",
            limit=limit,
            id_of=lambda stored: stored.user.id,
            make=self._make_user,
            concerns=_concerns_principal,
        )
        self.roles = Roles(source, policies, self._loads, metrics, account=account, limit=limit)
        self._log = get_logger("access")
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self._keys), "access_key")

    def follow(self, freshness: Freshness) -> None:
        """Tell the cache who knows about changes; once, before the first load."""
        self._loads.follow(freshness)

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
        return self._users.find(name)

    def find_user_by_id(self, user_id: str) -> UserEntry | None:
        """Return the held entry of the user of this incarnation, or `None` when it must be loaded."""
        return self._users.find_by_id(user_id)

    # --- loading what is not ---

    async def load_key(self, access_key_id: str) -> KeyEntry | None:
        """Load an access key and its owner, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        if not is_access_key_id(access_key_id):
            return None
        return await self._loads.load(
            Wanted(
                kind=ChangeKind.ACCESS_KEY,
                key=access_key_id,
                find=self._source.find_access_key,
                concerns=lambda found, change: _concerns_principal(found.owner, change),
                install=self._install_key,
                is_current=lambda entry: entry.owner.is_current,
                cache="access_key",
            )
        )

    async def load_user(self, name: str) -> UserEntry | None:
        """Load a user, or learn that it does not exist (`None`); raises as `load_key`."""
        return await self._users.load(name, ChangeKind.USER_NAME, self._source.find_user)

    async def load_user_by_id(self, user_id: str) -> UserEntry | None:
        """Load the user of this incarnation, or learn that it is no more (`None`); raises as `load_key`.

        `user_id` is one that we gave: from a session's token, which was authenticated. The entry is held for as
        long as the caller holds it.
        """
        return await self._users.load_by_id(user_id, ChangeKind.USER, self._source.find_user_by_id)

    async def list_users(self, after: str, limit: int) -> UserPage:
        """Load at most `limit` users in the order of their folded names, from the first after `after`.

        Installs none of them: who looks through all users must not push out those that are active. Raises
        `UnavailableError` when the store cannot be read or the users keep changing.
        """

        def concerns(found: Sequence[StoredPrincipal], change: Change) -> bool:
            if change.kind is ChangeKind.USER_NAME:
                last = key_of_name(found[-1].user.name) if len(found) == limit else change.key
                return after < change.key <= last
            return any(_concerns_principal(one, change) for one in found)

        async with self._loads.slots:
            stored = await self._loads.read(lambda: self._source.list_users(after, limit), concerns)
        next_after = key_of_name(stored[-1].user.name) if len(stored) == limit else ""
        return UserPage([self._entry(one) for one in stored], next_after, self.moment().revision)

    # --- what is still so, for who holds on to an entry while others load ---

    def moment(self) -> Moment:
        """Return the moment that memory is at."""
        return self._loads.moment()

    def has_changed(self, kind: ChangeKind, key: str, since: Moment) -> bool:
        """Tell whether a change applied after `since` names this thing, or may have."""
        return self._loads.has_changed(kind, key, since)

    # --- installing and forgetting: synchronous, so no request sees half of it ---

    def _install_key(self, stored: StoredAccessKey) -> KeyEntry:
        secret = self._unseal(stored)
        owner = self._users.adopt(stored.owner)
        entry = KeyEntry(
            stored.key.id,
            secret,
            owner,
            is_enabled=stored.key.status is Status.ENABLED,
            acting=self._acting(stored.key, owner),
            expires_at=stored.key.expires_at,
        )
        self._keys.put(stored.key.id, entry)
        return entry

    def _acting(self, key: AccessKey, owner: UserEntry) -> UserEntry:
        if not (key.policy or key.granted or key.facts):
            return owner
        own = None
        if key.policy:
            own = Narrowing(self._policies, Layer.SERVICE_ACCOUNT_POLICY, (key.policy,))
        handle = self._policies.granting(owner.handle, key.granted) if key.granted else None
        return owner.derived(own, key_principal(owner.principal, key), handle)

    def _unseal(self, stored: StoredAccessKey) -> bytes:
        try:
            return self._key_ring.unseal(stored.sealed_secret, stored.key.id.encode())
        except UnavailableError as error:
            # Nobody but an operator can mend this: the key ring is not the one that sealed it.
            self._log.error("secret_not_unsealed", access_key=stored.key.id, problem=error.message)
            raise

    def _make_user(self, stored: StoredPrincipal) -> UserEntry:
        entry = self._entry(stored)
        for group in stored.groups:
            self._by_group.setdefault(group.id, WeakSet()).add(entry)
        if stored.user.provider_id:
            self._by_provider.setdefault(stored.user.provider_id, WeakSet()).add(entry)
        return entry

    def _entry(self, stored: StoredPrincipal) -> UserEntry:
        handle, boundary, user = self._policies.handle, stored.boundary_id, stored.user
        statuses = {user.status, stored.provider_status}
        return UserEntry(
            user_principal(user, stored.groups, self._account),
            handle(stored.policy_ids, stored.deny_only_policy_ids),
            is_enabled=statuses == {Status.ENABLED} and user.absent_since is None,
            boundary=handle((boundary,), (), Layer.PERMISSIONS_BOUNDARY) if boundary else None,
            sessions_void_before=max(user.sessions_void_before, stored.provider_void_before),
            vouched=_vouched(user),
        )

    def forget(self, changes: Iterable[Change]) -> None:
        """Let go of every entry that one of `changes` concerns."""
        for change in changes:
            self._loads.forget(change)
            forget = self._forgetters.get(change.kind)
            if forget is not None:
                forget(self, change.key)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        self._loads.forget_all()
        self.roles.forget_all()
        self._users.forget_all()
        self._keys.clear()
        self._by_group.clear()
        self._by_provider.clear()

    def _forget_user(self, user_id: str) -> None:
        self._users.forget(user_id)

    def _forget_user_name(self, name_key: str) -> None:
        self._users.forget_name(name_key)

    def _forget_group(self, group_id: str) -> None:
        for entry in self._by_group.pop(group_id, ()):
            entry.is_current = False

    def _forget_provider(self, provider_id: str) -> None:
        for entry in self._by_provider.pop(provider_id, ()):
            entry.is_current = False

    def _forget_access_key(self, access_key_id: str) -> None:
        self._keys.pop(access_key_id, None)

    def _forget_role(self, role_id: str) -> None:
        self.roles.forget(role_id)

    def _forget_role_name(self, name_key: str) -> None:
        self.roles.forget_name(name_key)

    # A changed policy is no row here: entries point to handles, and `Policies` empties those.
    _forgetters: ClassVar[Mapping[ChangeKind, Callable[["Principals", str], None]]] = {
        ChangeKind.USER: _forget_user,
        ChangeKind.USER_NAME: _forget_user_name,
        ChangeKind.GROUP: _forget_group,
        ChangeKind.ROLE: _forget_role,
        ChangeKind.ROLE_NAME: _forget_role_name,
        ChangeKind.PROVIDER: _forget_provider,
        ChangeKind.ACCESS_KEY: _forget_access_key,
    }


def _concerns_principal(found: StoredPrincipal, change: Change) -> bool:
    if change.kind is ChangeKind.USER:
        return change.key == found.user.id
    if change.kind is ChangeKind.GROUP:
        return any(change.key == group.id for group in found.groups)
    return change.kind is ChangeKind.PROVIDER and change.key == found.user.provider_id


def _vouched(user: User) -> Vouched | None:
    if not user.provider_id:
        return None
    is_absent = user.absent_since is not None
    return Vouched(user.provider_id, user.display_name, user.external_groups, is_absent)


_KEY_HIT: Final = ("access_key", "hit")
