"""Roles as parents of sessions, loaded on demand into a bounded cache, exactly as users are.

A session asks for its role by incarnation, so that a role created anew under a name has none of the old one's
sessions; who assumes a role asks by its name.

Not here: why a load is exact (`exact_loads.py`), what a session makes of its role (`sessions.py`), who may
assume one (`authorizer.py`).
"""

from collections.abc import Awaitable, Callable
from typing import Final
from weakref import WeakValueDictionary

from authz.access.entries import RoleEntry
from authz.access.exact_loads import ExactLoads, Wanted, is_name
from authz.access.policies import Policies
from authz.access.ports import At, Change, ChangeKind, Source, StoredRole
from authz.access.shelf import Shelf
from authz.identity.principal import role_principal
from authz.identity.records import fold_name
from authz.policy.decision import Layer
from authz.telemetry.metrics import Metrics

_FindRole = Callable[[str], Awaitable[At[StoredRole | None]]]


class Roles:
    """The cache of roles."""

    def __init__(
        self,
        source: Source,
        policies: Policies,
        loads: ExactLoads,
        metrics: Metrics,
        *,
        account: str,
        limit: int,
    ) -> None:
        """Hold at most `limit` roles by their names; `loads` is shared with the cache of users."""
        self._source = source
        self._policies = policies
        self._loads = loads
        self._account = account
        self._by_name: Shelf[RoleEntry] = Shelf(limit)
        # Those of sessions besides: held for as long as a session holds them.
        self._by_id: WeakValueDictionary[str, RoleEntry] = WeakValueDictionary()
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self._by_name), "role")

    def find(self, name: str) -> RoleEntry | None:
        """Return the held entry of the role of this name (ignoring case), `None` when it must be loaded."""
        name_key = fold_name(name)
        entry = self._by_name.get(name_key)
        if entry is None or not entry.is_current:
            return None
        self._by_name.move_to_end(name_key)
        self._count(_HIT)
        return entry

    def find_by_id(self, role_id: str) -> RoleEntry | None:
        """Return the held entry of the role of this incarnation, or `None` when it must be loaded."""
        entry = self._by_id.get(role_id)
        if entry is None or not entry.is_current:
            return None
        self._count(_HIT)
        return entry

    async def load(self, name: str) -> RoleEntry | None:
        """Load a role, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        if not is_name(name):
            return None
        return await self._load(ChangeKind.ROLE_NAME, fold_name(name), self._source.find_role)

    async def load_by_id(self, role_id: str) -> RoleEntry | None:
        """Load the role of this incarnation, or learn that it is no more (`None`); raises as `load`.

        `role_id` is one that we gave: from a session's token, which was authenticated.
        """
        return await self._load(ChangeKind.ROLE, role_id, self._source.find_role_by_id)

    async def _load(self, kind: ChangeKind, key: str, find: _FindRole) -> RoleEntry | None:
        def install(stored: StoredRole) -> RoleEntry:
            entry = self._adopt(stored)
            if kind is ChangeKind.ROLE_NAME:
                self._by_name.put(key, entry)
            return entry

        return await self._loads.load(
            Wanted(
                kind=kind,
                key=key,
                find=find,
                concerns=_concerns_role,
                install=install,
                is_current=lambda entry: entry.is_current,
                cache="role",
            )
        )

    def _adopt(self, stored: StoredRole) -> RoleEntry:
        role = stored.role
        held = self._by_id.get(role.id)
        if held is not None and held.is_current:
            return held
        handle, boundary = self._policies.handle, stored.boundary_id
        entry = RoleEntry(
            role_principal(role, self._account),
            handle(stored.policy_ids, ()),
            boundary=handle((boundary,), (), Layer.PERMISSIONS_BOUNDARY) if boundary else None,
            sessions_void_before=role.sessions_void_before,
            trust_document=role.trust,
            max_session_duration=role.max_session_duration,
        )
        self._by_id[role.id] = entry
        return entry

    def forget(self, role_id: str) -> None:
        """Let go of the role of this incarnation, which changed or is gone."""
        entry = self._by_id.pop(role_id, None)
        if entry is not None:
            entry.is_current = False

    def forget_name(self, name_key: str) -> None:
        """Let go of the role of this folded name, which came or went."""
        self._by_name.pop(name_key, None)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        for entry in list(self._by_id.values()):
            entry.is_current = False
        self._by_name.clear()
        self._by_id.clear()


def _concerns_role(found: StoredRole, change: Change) -> bool:
    return change.kind is ChangeKind.ROLE and change.key == found.role.id


_HIT: Final = ("role", "hit")
