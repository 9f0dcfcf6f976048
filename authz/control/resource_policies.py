"""Policies of resources: put, get, list, delete.

A resource has one policy or none, and need not be known here: buckets and whatever else has an ARN are kept
by the services that ask. The policy of a bucket is in force for its objects, which have none of their own.

A document is kept byte for byte as its author sent it; that it says something, and nothing about other
resources, is checked by the parser that is injected.
"""

from collections.abc import Callable
from dataclasses import replace

from authz.clock import Clock
from authz.control.limits import RESOURCE_POLICIES, check_resource
from authz.control.lookup import get_resource_policy
from authz.control.paging import Page, read_page
from authz.control.ports import Store, Unit, Written
from authz.errors import InUseError
from authz.identity.records import ResourcePolicy


class ResourcePolicies:
    """The use cases about policies of resources."""

    def __init__(
        self, store: Store, clock: Clock, check_document: Callable[[str, str], object]
    ) -> None:
        """Take `check_document` of a document and its resource, which raises `ParseError` with the place."""
        self._store = store
        self._clock = clock
        self._check_document = check_document

    async def put(self, resource: str, document: str) -> Written[ResourcePolicy]:
        """Set the policy of a resource, in place of the one it has; the very same document changes nothing.

        Raises `InvalidError` for the resource, `ParseError` for the document, and `ConflictError` when
        `RESOURCE_POLICIES` others have one.
        """
        check_resource(resource)
        self._check_document(document, resource)
        now = self._clock.now()

        async def change(unit: Unit) -> ResourcePolicy:
            old = await unit.resource_policies.find(resource)
            if old is None:
                await _require_room(unit)
                new = ResourcePolicy(
                    resource=resource, version=1, document=document, created_at=now, updated_at=now
                )
            elif old.document == document:
                return old
            else:
                new = replace(old, version=old.version + 1, document=document, updated_at=now)
            await unit.resource_policies.put(new)
            return new

        return await self._store.write(change)

    async def get(self, resource: str) -> ResourcePolicy:
        """Return the policy of exactly this resource. Raises `NotFoundError` when it has none."""
        return await self._store.read(lambda unit: get_resource_policy(unit, resource))

    async def list(self, *, page_size: int = 0, page_token: str = "") -> Page[ResourcePolicy]:
        """Return a page of the policies with their documents, ordered by the resource's ARN."""
        return await self._store.read(
            lambda unit: read_page(
                unit.resource_policies.list, lambda policy: policy.resource, page_size, page_token
            )
        )

    async def delete(self, resource: str) -> Written[ResourcePolicy]:
        """Delete the policy of a resource, which takes its denies away too. Raises `NotFoundError`."""

        async def change(unit: Unit) -> ResourcePolicy:
            policy = await get_resource_policy(unit, resource)
            await unit.resource_policies.remove(policy)
            return policy

        return await self._store.write(change)


async def _require_room(unit: Unit) -> None:
    if await unit.resource_policies.count() >= RESOURCE_POLICIES:
        raise InUseError(f"{RESOURCE_POLICIES} resources have a policy, the most; delete one first")
