"""Managed policies: create, get, list, update, delete.

A document is kept byte for byte as its author sent it; that it says something is checked by the parser that is
injected (formats are another room). Each change of the document counts the version up and is in force at once
wherever the policy is attached. Deleting one that is attached is refused, as in AWS, unless the caller says
`cascade`. Those that come with the software are read-only.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace

from authz.clock import Clock
from authz.control.limits import check_description
from authz.control.lookup import get_policy, require_free
from authz.control.paging import Page, read_page
from authz.control.ports import ONE, Store, Unit, Written
from authz.errors import InUseError, InvalidError, OutdatedError, quote
from authz.identity.credential import (
    POLICY_ID_PREFIX,
    RECORD_ID_BYTES,
    check_name,
    make_record_id,
)
from authz.identity.records import ManagedPolicy, TargetKind, fold_name


class Policies:
    """The use cases about managed policies."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        check_document: Callable[[str], object],
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Take `check_document`, which raises `ParseError` with the place of a mistake."""
        self._store = store
        self._clock = clock
        self._check_document = check_document
        self._random_bytes = random_bytes

    async def create(
        self, name: str, document: str, *, description: str = ""
    ) -> Written[ManagedPolicy]:
        """Create a policy. Raises `ParseError` for its document, `ConflictError` when the name is taken."""
        check_name(name)
        check_description(description)
        self._check_document(document)
        now = self._clock.now()
        policy = ManagedPolicy(
            id=make_record_id(POLICY_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            version=1,
            document=document,
            description=description,
            created_at=now,
            updated_at=now,
        )

        async def change(unit: Unit) -> ManagedPolicy:
            await require_free(unit.policies.find, "policy", name)
            await unit.policies.add(policy)
            return policy

        return await self._store.write(change)

    async def get(self, name: str) -> ManagedPolicy:
        """Return a policy by name, ignoring case. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: get_policy(unit, name, field="name"))

    async def list(self, *, page_size: int = 0, page_token: str = "") -> Page[ManagedPolicy]:
        """Return a page of the policies with their documents, ordered by name ignoring case."""
        return await self._store.read(
            lambda unit: read_page(
                unit.policies.list, lambda policy: fold_name(policy.name), page_size, page_token
            )
        )

    async def update(
        self,
        name: str,
        *,
        document: str | None = None,
        description: str | None = None,
        expected_version: int | None = None,
    ) -> Written[ManagedPolicy]:
        """Change what is given and nothing else; the very same document makes no new version.

        Raises `ParseError` for the document, `NotFoundError`, `InvalidError` for one that comes with the
        software, and `ConflictError` when `expected_version` is given and is not the one that is stored.
        """
        check_description(description or "")
        if document is not None:
            self._check_document(document)
        now = self._clock.now()

        async def change(unit: Unit) -> ManagedPolicy:
            old = await get_policy(unit, name, field="name")
            _require_changeable(old)
            _require_version(old, expected_version)
            new = _edited(old, document, description)
            if new != old:
                new = replace(new, updated_at=now)
                await unit.policies.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(
        self, name: str, *, cascade: bool = False, expected_version: int | None = None
    ) -> Written[ManagedPolicy]:
        """Delete a policy; with `cascade`, detach it from everything first.

        Raises `NotFoundError`, `InvalidError` for one that comes with the software, and `ConflictError` when
        it is attached or `expected_version` is not the one that is stored.
        """

        async def change(unit: Unit) -> ManagedPolicy:
            policy = await get_policy(unit, name, field="name")
            _require_changeable(policy)
            _require_version(policy, expected_version)
            if cascade:
                await unit.attachments.detach_policy(policy.id)
            else:
                await _require_unattached(unit, policy)
            await unit.policies.remove(policy)
            return policy

        return await self._store.write(change)


def _edited(old: ManagedPolicy, document: str | None, description: str | None) -> ManagedPolicy:
    is_new = document is not None and document != old.document
    return replace(
        old,
        document=old.document if document is None else document,
        version=old.version + is_new,
        description=old.description if description is None else description,
    )


def _require_changeable(policy: ManagedPolicy) -> None:
    if policy.is_managed_by_service:
        raise InvalidError(
            f"policy {quote(policy.name)} comes with the software and is read-only; create one of your own",
            field="name",
        )


def _require_version(policy: ManagedPolicy, expected: int | None) -> None:
    if expected is not None and policy.version != expected:
        raise OutdatedError(
            f"policy {quote(policy.name)} is at version {policy.version}, not {expected}"
        )


async def _require_unattached(unit: Unit, policy: ManagedPolicy) -> None:
    for kind in TargetKind:
        targets = await unit.attachments.list_of_policy(kind, policy.id, ONE)
        if targets:
            raise InUseError(
                f"policy {quote(policy.name)} is attached to {kind.value} {quote(targets[0].target_name)}"
            )
