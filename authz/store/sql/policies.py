"""Managed policies in SQL: implements `control.ports.PolicyRecords`.

A document is kept as text, byte for byte as its author sent it, and never looked into here. One row is the
policy at its newest version: the version counts up in place, and older documents are not kept.

Which policies may be changed at all (those that come with the software may not) is for `control/policies.py`.
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import ManagedPolicy, fold_name
from authz.store.sql.families import Family
from authz.store.sql.rows import policy_of, policy_row
from authz.store.sql.tables import policies


class SqlPolicies(Family):
    """The rows of `policies`."""

    async def find(self, name: str) -> ManagedPolicy | None:
        """Return the policy of this name, ignoring case."""
        row = await self._first(select(policies).where(policies.c.name_key == fold_name(name)))
        return None if row is None else policy_of(row)

    async def list(self, part: Slice) -> Sequence[ManagedPolicy]:
        """Return policies whose folded name is after `part.after`."""
        found = await self._slice(select(policies), policies.c.name_key, part)
        return [policy_of(row) for row in found]

    async def add(self, policy: ManagedPolicy) -> None:
        """Store a new policy."""
        self._changes.note(ChangeKind.POLICY, policy.id)
        await self._connection.execute(insert(policies).values(**policy_row(policy)))

    async def replace(self, old: ManagedPolicy, new: ManagedPolicy) -> None:
        """Store `new` in place of `old`."""
        self._changes.note(ChangeKind.POLICY, old.id)
        await self._connection.execute(
            update(policies).where(policies.c.id == old.id).values(**policy_row(new))
        )

    async def remove(self, policy: ManagedPolicy) -> None:
        """Delete a policy."""
        self._changes.note(ChangeKind.POLICY, policy.id)
        await self._connection.execute(delete(policies).where(policies.c.id == policy.id))
