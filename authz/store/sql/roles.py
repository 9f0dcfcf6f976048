"""Roles in SQL: implements `control.ports.RoleRecords`.

A change is noted by the role's id, and also by name where a role comes or goes: sessions hold on to the id,
callers ask for the name. A role cannot be renamed, as in AWS. One created again under the name of a deleted one
is another row with another id, so that no session of the old one becomes one of the new.

Not here: how the data plane reads a role with its policies (`role_reads.py`).
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import Role, key_of_name
from authz.store.sql.families import Family
from authz.store.sql.rows import role_of, role_row
from authz.store.sql.selections import ROLES
from authz.store.sql.tables import roles


class SqlRoles(Family):
    """The rows of `roles`."""

    async def find(self, name: str) -> Role | None:
        """Return the role of this name, ignoring case."""
        row = await self._first(ROLES.where(roles.c.name_key == key_of_name(name)))
        return None if row is None else role_of(row)

    async def list(self, part: Slice) -> Sequence[Role]:
        """Return roles whose folded name is after `part.after`."""
        return [role_of(row) for row in await self._slice(ROLES, roles.c.name_key, part)]

    async def add(self, role: Role) -> None:
        """Store a new role."""
        self._note(role)
        await self._connection.execute(insert(roles).values(**role_row(role)))

    async def replace(self, old: Role, new: Role) -> None:
        """Store `new` in place of `old`, which has the same id and name."""
        self._changes.note(ChangeKind.ROLE, new.id)
        await self._connection.execute(
            update(roles).where(roles.c.id == old.id).values(**role_row(new))
        )

    async def remove(self, role: Role) -> None:
        """Delete a role."""
        self._note(role)
        await self._connection.execute(delete(roles).where(roles.c.id == role.id))

    async def list_bounded_by(self, policy_id: str, part: Slice) -> Sequence[Role]:
        """Return roles whose permissions boundary is this policy."""
        bounded = ROLES.where(roles.c.boundary_id == policy_id)
        return [role_of(row) for row in await self._slice(bounded, roles.c.name_key, part)]

    def _note(self, role: Role) -> None:
        self._changes.note(ChangeKind.ROLE, role.id)
        self._changes.note(ChangeKind.ROLE_NAME, key_of_name(role.name))
