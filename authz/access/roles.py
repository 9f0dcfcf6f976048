"""Roles as parents of sessions, loaded on demand into a bounded cache, exactly as users are.

A session asks for its role by incarnation, so that a role created anew under a name has none of the old one's
sessions; who assumes a role asks by its name.

Not here: why a load is exact (`exact_loads.py`), what a session makes of its role (`sessions.py`), who may
assume one (`authorizer.py`).
"""

from authz.access.entries import RoleEntry
from authz.access.exact_loads import ExactLoads
from authz.access.incarnations import Incarnations
from authz.access.policies import Policies
from authz.access.ports import Change, ChangeKind, Source, StoredRole
from authz.identity.principal import role_principal
from authz.policy.decision import Layer
from authz.telemetry.metrics import Metrics


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
        self._account = account
        self._held = Incarnations(
            loads,
            metrics,
            "role",
            limit=limit,
            id_of=lambda stored: stored.role.id,
            make=self._make,
            concerns=_concerns_role,
        )

    def find(self, name: str) -> RoleEntry | None:
        """Return the held entry of the role of this name (ignoring case), `None` when it must be loaded."""
        return self._held.find(name)

    def find_by_id(self, role_id: str) -> RoleEntry | None:
        """Return the held entry of the role of this incarnation, or `None` when it must be loaded."""
        return self._held.find_by_id(role_id)

    async def load(self, name: str) -> RoleEntry | None:
        """Load a role, or learn that it does not exist (`None`).

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        return await self._held.load(name, ChangeKind.ROLE_NAME, self._source.find_role)

    async def load_by_id(self, role_id: str) -> RoleEntry | None:
        """Load the role of this incarnation, or learn that it is no more (`None`); raises as `load`.

        `role_id` is one that we gave: from a session's token, which was authenticated.
        """
        return await self._held.load_by_id(role_id, ChangeKind.ROLE, self._source.find_role_by_id)

    def _make(self, stored: StoredRole) -> RoleEntry:
        role = stored.role
        handle, boundary = self._policies.handle, stored.boundary_id
        return RoleEntry(
            role_principal(role, self._account),
            handle(stored.policy_ids, ()),
            boundary=handle((boundary,), (), Layer.PERMISSIONS_BOUNDARY) if boundary else None,
            sessions_void_before=role.sessions_void_before,
            trust_document=role.trust,
            max_session_duration=role.max_session_duration,
        )

    def forget(self, role_id: str) -> None:
        """Let go of the role of this incarnation, which changed or is gone."""
        self._held.forget(role_id)

    def forget_name(self, name_key: str) -> None:
        """Let go of the role of this folded name, which came or went."""
        self._held.forget_name(name_key)

    def forget_all(self) -> None:
        """Let go of everything, because the change log no longer tells what changed."""
        self._held.forget_all()


def _concerns_role(found: StoredRole, change: Change) -> bool:
    return change.kind is ChangeKind.ROLE and change.key == found.role.id
