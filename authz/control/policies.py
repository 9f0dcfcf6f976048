"""Managed policies: create, get, list, update, delete; and the versions of their documents.

A document is kept byte for byte as its author sent it; that it says something is checked by the parser that is
injected (formats are another room). A version that is put in force (AWS: the default version) is so at once
wherever the policy is attached, or is a permissions boundary. Deleting one that is attached is refused, as in
AWS, unless the caller says `cascade`; one that is a boundary is never deleted, for that would widen what users
or roles may do. Those that come with the software are read-only.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from authz.clock import Clock
from authz.control.limits import check_description
from authz.control.lookup import get_policy, get_version, require_free
from authz.control.paging import Page, read_page
from authz.control.policy_versions import (
    StoredVersion,
    add_version,
    make_room,
    put_in_force,
    require_room,
)
from authz.control.ports import ONE, Store, Unit, Written
from authz.errors import InUseError, InvalidError, OutdatedError, quote
from authz.identity.credential import (
    POLICY_ID_PREFIX,
    RECORD_ID_BYTES,
    check_name,
    make_record_id,
)
from authz.identity.records import ManagedPolicy, Role, TargetKind, User, key_of_name


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
                unit.policies.list, lambda policy: key_of_name(policy.name), page_size, page_token
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
        """Change what is given and nothing else; a document that is not the one in force makes a new version.

        It is in force at once. Of the versions that are not, the oldest is deleted if there is no room.
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
            new = old
            if document is not None and document != old.document:
                await make_room(unit.policies, old)
                new = put_in_force(await add_version(unit.policies, old, document, now), now)
            if description is not None and description != old.description:
                new = replace(new, description=description, updated_at=now)
            if new != old:
                await unit.policies.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(
        self, name: str, *, cascade: bool = False, expected_version: int | None = None
    ) -> Written[ManagedPolicy]:
        """Delete a policy with its versions; with `cascade`, detach it from everything first.

        Raises `NotFoundError`, `InvalidError` for one that comes with the software, and `ConflictError` when
        it is attached, is a permissions boundary (`cascade` or not), or `expected_version` is not in force.
        """

        async def change(unit: Unit) -> ManagedPolicy:
            policy = await get_policy(unit, name, field="name")
            _require_changeable(policy)
            _require_version(policy, expected_version)
            await _require_no_boundary(unit, policy)
            if cascade:
                await unit.attachments.detach_policy(policy.id)
            else:
                await _require_unattached(unit, policy)
            await unit.policies.remove(policy)
            return policy

        return await self._store.write(change)

    async def create_version(
        self, name: str, document: str, *, set_as_default: bool = False
    ) -> Written[StoredVersion]:
        """Store a version of the document, and put it in force if `set_as_default`.

        One that is not in force decides nothing, so storing it makes no revision. Raises `ParseError` for the
        document, `NotFoundError`, `InvalidError` for a policy that comes with the software, and `ConflictError`
        when it has `VERSIONS_PER_POLICY` already.
        """
        self._check_document(document)
        now = self._clock.now()

        async def change(unit: Unit) -> StoredVersion:
            old = await get_policy(unit, name)
            _require_changeable(old, field="policy_name")
            await require_room(unit.policies, old)
            stored = await add_version(unit.policies, old, document, now)
            if set_as_default:
                new = put_in_force(stored, now)
                await unit.policies.replace(old, new)
                stored = StoredVersion(new, stored.version)
            return stored

        return await self._store.write(change)

    async def get_version(self, name: str, version: int) -> StoredVersion:
        """Return a stored version. Raises `NotFoundError`."""

        async def question(unit: Unit) -> StoredVersion:
            policy = await get_policy(unit, name)
            return StoredVersion(policy, await get_version(unit, policy, version))

        return await self._store.read(question)

    async def list_versions(self, name: str) -> Sequence[StoredVersion]:
        """Return the stored versions with their documents, newest first. Raises `NotFoundError`."""

        async def question(unit: Unit) -> Sequence[StoredVersion]:
            policy = await get_policy(unit, name)
            versions = await unit.policies.list_versions(policy.id)
            return [StoredVersion(policy, version) for version in versions]

        return await self._store.read(question)

    async def set_default_version(self, name: str, version: int) -> Written[ManagedPolicy]:
        """Put a stored version in force wherever the policy is attached or a permissions boundary.

        Raises `NotFoundError`, `InvalidError` for a policy that comes with the software, and `ParseError` for a
        document that this version of the software would not enforce as written.
        """
        now = self._clock.now()

        async def change(unit: Unit) -> ManagedPolicy:
            old = await get_policy(unit, name)
            _require_changeable(old, field="policy_name")
            stored = StoredVersion(old, await get_version(unit, old, version))
            if stored.is_default:
                return old
            self._check_document(stored.version.document)
            new = put_in_force(stored, now)
            await unit.policies.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete_version(self, name: str, version: int) -> Written[ManagedPolicy]:
        """Delete a stored version, which makes no revision.

        Raises `NotFoundError`, `InvalidError` for a policy that comes with the software, and `ConflictError`
        for the version in force.
        """

        async def change(unit: Unit) -> ManagedPolicy:
            policy = await get_policy(unit, name)
            _require_changeable(policy, field="policy_name")
            stored = StoredVersion(policy, await get_version(unit, policy, version))
            if stored.is_default:
                raise InUseError(
                    f"version {version} of policy {quote(policy.name)} is in force; put another in force first"
                )
            await unit.policies.remove_version(stored.version)
            return policy

        return await self._store.write(change)


def _require_changeable(policy: ManagedPolicy, *, field: str = "name") -> None:
    if policy.is_managed_by_service:
        raise InvalidError(
            f"policy {quote(policy.name)} comes with the software and is read-only; create one of your own",
            field=field,
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


async def _require_no_boundary(unit: Unit, policy: ManagedPolicy) -> None:
    found: dict[str, Sequence[User | Role]] = {
        "user": await unit.users.list_bounded_by(policy.id, ONE),
        "role": await unit.roles.list_bounded_by(policy.id, ONE),
    }
    for kind, bounded in found.items():
        if bounded:
            holder = f"{kind} {quote(bounded[0].name)}"
            raise InUseError(f"policy {quote(policy.name)} is the permissions boundary of {holder}")
