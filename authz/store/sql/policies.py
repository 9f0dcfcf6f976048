"""Managed policies and their versions in SQL: implements `control.ports.PolicyRecords`.

A document is kept as text, byte for byte as its author sent it, and never looked into here. Each version is a
row of its own that never changes; the policy's row says which one is in force. One that is not decides
nothing, so it comes and goes without a note in the change log.

Which policies may be changed at all (those that come with the software may not), and how many versions are
kept, is for `control/policies.py`.
"""

from collections.abc import Sequence

from sqlalchemy import and_, delete, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import ManagedPolicy, PolicyVersion, key_of_name
from authz.store.sql.families import Family
from authz.store.sql.rows import policy_of, policy_row, policy_version_of, policy_version_row
from authz.store.sql.selections import POLICIES
from authz.store.sql.tables import policies, policy_versions


class SqlPolicies(Family):
    """The rows of `policies` and `policy_versions`."""

    async def find(self, name: str) -> ManagedPolicy | None:
        """Return the policy of this name, ignoring case."""
        row = await self._first(POLICIES.where(policies.c.name_key == key_of_name(name)))
        return None if row is None else policy_of(row)

    async def list(self, part: Slice) -> Sequence[ManagedPolicy]:
        """Return policies whose folded name is after `part.after`."""
        found = await self._slice(POLICIES, policies.c.name_key, part)
        return [policy_of(row) for row in found]

    async def add(self, policy: ManagedPolicy) -> None:
        """Store a new policy and its version in force."""
        self._changes.note(ChangeKind.POLICY, policy.id)
        await self._connection.execute(insert(policies).values(**policy_row(policy)))
        await self.add_version(
            PolicyVersion(
                policy_id=policy.id,
                version=policy.version,
                document=policy.document,
                created_at=policy.created_at,
            )
        )

    async def replace(self, old: ManagedPolicy, new: ManagedPolicy) -> None:
        """Store `new` in place of `old`; the version that it puts in force is stored already."""
        self._changes.note(ChangeKind.POLICY, old.id)
        await self._connection.execute(
            update(policies).where(policies.c.id == old.id).values(**policy_row(new))
        )

    async def remove(self, policy: ManagedPolicy) -> None:
        """Delete a policy with all its versions."""
        self._changes.note(ChangeKind.POLICY, policy.id)
        await self._connection.execute(
            delete(policy_versions).where(policy_versions.c.policy_id == policy.id)
        )
        await self._connection.execute(delete(policies).where(policies.c.id == policy.id))

    async def list_versions(self, policy_id: str) -> Sequence[PolicyVersion]:
        """Return the stored versions of a policy, newest first."""
        wanted = select(policy_versions).where(policy_versions.c.policy_id == policy_id)
        found = await self._all(wanted.order_by(policy_versions.c.version.desc()))
        return [policy_version_of(row) for row in found]

    async def add_version(self, version: PolicyVersion) -> None:
        """Store a version, whose number is the highest of its policy from now on."""
        await self._connection.execute(
            insert(policy_versions).values(**policy_version_row(version))
        )
        await self._connection.execute(
            update(policies)
            .where(policies.c.id == version.policy_id)
            .values(last_version=version.version)
        )

    async def remove_version(self, version: PolicyVersion) -> None:
        """Delete a version that is not in force."""
        await self._connection.execute(
            delete(policy_versions).where(
                and_(
                    policy_versions.c.policy_id == version.policy_id,
                    policy_versions.c.version == version.version,
                )
            )
        )
