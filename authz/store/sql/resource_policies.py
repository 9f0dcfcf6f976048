"""Policies of resources in SQL: implements `control.ports.ResourcePolicyRecords`.

One row a resource, found by its ARN byte for byte. Which resources may have one is for
`control/resource_policies.py`; which policy is in force for an object is `policy/arn.py`'s.
"""

from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import ResourcePolicy
from authz.store.sql.families import Family
from authz.store.sql.rows import resource_policy_of, resource_policy_row
from authz.store.sql.tables import resource_policies


class SqlResourcePolicies(Family):
    """The rows of `resource_policies`."""

    async def find(self, resource: str) -> ResourcePolicy | None:
        """Return the policy of exactly this resource."""
        wanted = select(resource_policies).where(resource_policies.c.resource == resource)
        row = await self._first(wanted)
        return None if row is None else resource_policy_of(row)

    async def list(self, part: Slice) -> Sequence[ResourcePolicy]:
        """Return policies of resources whose ARN is after `part.after`."""
        found = await self._slice(select(resource_policies), resource_policies.c.resource, part)
        return [resource_policy_of(row) for row in found]

    async def count(self) -> int:
        """Return how many resources have a policy."""
        counted = await self._connection.execute(
            select(func.count()).select_from(resource_policies)
        )
        return counted.scalar_one()

    async def put(self, policy: ResourcePolicy) -> None:
        """Store the policy of a resource, in place of the one it has."""
        self._changes.note(ChangeKind.RESOURCE_POLICY, policy.resource)
        row = resource_policy_row(policy)
        replaced = await self._connection.execute(
            update(resource_policies)
            .where(resource_policies.c.resource == policy.resource)
            .values(**row)
        )
        if not replaced.rowcount:
            await self._connection.execute(insert(resource_policies).values(**row))

    async def remove(self, policy: ResourcePolicy) -> None:
        """Delete the policy of a resource."""
        self._changes.note(ChangeKind.RESOURCE_POLICY, policy.resource)
        await self._connection.execute(
            delete(resource_policies).where(resource_policies.c.resource == policy.resource)
        )
