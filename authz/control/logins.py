"""Users that a provider vouches for: known from their first login on, in the groups the provider says.

There is a record of one who logged in, so that it can be disabled, put into groups of our own, given policies
and access keys like any user, and looked up when nobody is logged in. A login that finds the record as the
provider describes it writes nothing. Which groups of the provider there are here is for administrators to say,
who give them policies; a user's membership in those, and in no others, follows the provider.

Somebody to whom no policy would apply gets no record: strangers whom a provider knows fill no table.

Not here: how a provider vouches (`federation`), sessions (`sessions.py`).
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from authz.clock import Clock
from authz.control.lookup import list_all_groups
from authz.control.ports import ONE, Slice, Store, Unit, Written
from authz.control.sessions import void_before
from authz.errors import InvalidError, UnauthenticatedError
from authz.identity.credential import (
    RECORD_ID_BYTES,
    USER_ID_PREFIX,
    check_known_name,
    check_name,
    make_record_id,
)
from authz.identity.external import ExternalIdentity
from authz.identity.records import (
    Group,
    Provider,
    Status,
    TargetKind,
    User,
    external_name,
)

NO_POLICY = "no policy applies to who logged in"
GONE = "the provider said since that it knows the user no more"
OUTDATED = "the provider said otherwise since; log in again"


class Logins:
    """The use cases about whom providers vouch for."""

    def __init__(
        self, store: Store, clock: Clock, random_bytes: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._store = store
        self._clock = clock
        self._random_bytes = random_bytes

    async def find_policies(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return the ids of those managed policies of these names that exist, sorted.

        A provider may say any text; what no policy can be called is none.
        """
        wanted = [name for name in names if _is_name(name)]
        if not wanted:
            return ()

        async def question(unit: Unit) -> tuple[str, ...]:
            return tuple(sorted(policy.id for policy in await unit.policies.find_all(wanted)))

        return await self._store.read(question)

    async def adopt(
        self, provider_id: str, identity: ExternalIdentity, *, has_policies: bool
    ) -> Written[User]:
        """Make what is stored of `identity` what its provider says; create it at its first login.

        `has_policies` tells that its proof itself grants some. Raises `UnauthenticatedError` when the provider
        is gone or disabled, no policy applies, or the proof is older than what is stored and says otherwise:
        whoever was taken out of a group, or left, keeps old proofs.
        """
        groups = tuple(sorted(identity.groups))
        made_at = self._clock.now() if identity.issued_at is None else identity.issued_at
        if not has_policies:
            # Strangers, whom a provider may have many of, wait for no turn to write.
            await self._store.read(lambda unit: self._require_welcome(unit, provider_id, identity))

        async def change(unit: Unit) -> User:
            provider = await _get_provider(unit, provider_id)
            name = external_name(provider.name, identity.name)
            check_known_name(name)
            belongs_to = await _find_groups(unit, provider, groups)
            old = await unit.users.find(name)
            if old is None:
                if not has_policies:
                    await _require_policies(unit, provider, belongs_to)
                user = replace(self._new(provider, name, identity, groups), vouched_at=made_at)
                await unit.users.add(user)
            else:
                _check_news(old, provider, groups, made_at)
                user = replace(
                    old,
                    display_name=identity.display_name,
                    external_groups=groups,
                    absent_since=None,
                )
                if user.external_groups != old.external_groups:
                    await _tell_keys(unit, user, identity)
                if user != old:
                    user = replace(user, vouched_at=max(made_at, old.vouched_at or made_at))
                    await unit.users.replace(old, user)
            await _join(unit, user, belongs_to)
            return user

        return await self._store.write(change)

    async def _require_welcome(
        self, unit: Unit, provider_id: str, identity: ExternalIdentity
    ) -> None:
        """Refuse who is not known and to whom no policy would apply."""
        provider = await _get_provider(unit, provider_id)
        if await unit.users.find(external_name(provider.name, identity.name)) is None:
            groups = await _find_groups(unit, provider, identity.groups)
            await _require_policies(unit, provider, groups)

    async def set_absent(self, user: User) -> Written[User]:
        """Say that the provider knows this user no more: until it logs in again it may do nothing.

        Its sessions are over for good.
        """

        async def change(unit: Unit) -> User:
            old = await unit.users.find(user.name)
            if old is None or old.id != user.id or old.absent_since is not None:
                return old or user
            now = self._clock.now()
            new = replace(old, absent_since=now, sessions_void_before=void_before(old, now))
            await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def refresh(self, user: User, identity: ExternalIdentity) -> Written[User]:
        """Make what is stored of `user` what its provider says of it now, though nobody logged in.

        Its access keys follow. Who is absent stays so: nobody has shown to be that user again. Nothing happens
        where the user has changed since it was read as `user`, as by a login, which knows better.
        """
        groups = tuple(sorted(identity.groups))

        async def change(unit: Unit) -> User:
            old = await unit.users.find(user.name)
            provider = await unit.providers.find_by_id(user.provider_id)
            if old != user or user.absent_since is not None or provider is None:
                return old or user
            new = replace(old, display_name=identity.display_name, external_groups=groups)
            if new != old:
                new = replace(new, vouched_at=self._clock.now())
                await unit.users.replace(old, new)
            await _join(unit, new, await _find_groups(unit, provider, groups))
            await _tell_keys(unit, new, identity)
            return new

        return await self._store.write(change)

    async def list_of_provider(self, provider_id: str, part: Slice) -> Sequence[User]:
        """Return users that a provider vouches for, ordered by name."""
        return await self._store.read(lambda unit: unit.users.list_of_provider(provider_id, part))

    def _new(
        self,
        provider: Provider,
        name: str,
        identity: ExternalIdentity,
        groups: tuple[str, ...],
    ) -> User:
        return User(
            id=make_record_id(USER_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            status=Status.ENABLED,
            created_at=self._clock.now(),
            provider_id=provider.id,
            display_name=identity.display_name,
            external_groups=groups,
        )


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except InvalidError:
        return False
    return True


async def _get_provider(unit: Unit, provider_id: str) -> Provider:
    provider = await unit.providers.find_by_id(provider_id)
    if provider is None or provider.status is not Status.ENABLED:
        raise UnauthenticatedError("AccessDenied", "the identity provider is not in use here")
    return provider


def _check_news(known: User, provider: Provider, groups: tuple[str, ...], made_at: float) -> None:
    """Refuse a proof that may not change what is stored of a user."""
    if known.provider_id != provider.id:
        # INVARIANT: whoever another provider vouched for under this name is not this one's.
        raise UnauthenticatedError("AccessDenied", "the user is another provider's")
    if known.absent_since is not None and made_at < known.absent_since:
        raise UnauthenticatedError("AccessDenied", GONE)
    is_old = known.vouched_at is not None and made_at < known.vouched_at
    if is_old and groups != known.external_groups:
        raise UnauthenticatedError("ExpiredToken", OUTDATED)


async def _find_groups(unit: Unit, provider: Provider, names: Sequence[str]) -> Sequence[Group]:
    wanted = [external_name(provider.name, name) for name in names]
    return await unit.groups.find_all_of_provider(provider.id, wanted) if wanted else ()


async def _require_policies(unit: Unit, provider: Provider, groups: Sequence[Group]) -> None:
    targets = [(TargetKind.PROVIDER, provider.id)]
    targets += [(TargetKind.GROUP, group.id) for group in groups]
    for kind, target_id in targets:
        if await unit.attachments.list_of_target(kind, target_id, ONE):
            return
    raise UnauthenticatedError("AccessDenied", NO_POLICY)


async def _join(unit: Unit, user: User, belongs_to: Sequence[Group]) -> None:
    """Put a user into these groups of its provider and take it out of the provider's others."""
    mine = await list_all_groups(unit, user.id)
    held = {group.id for group in mine if group.provider_id == user.provider_id}
    wanted = {group.id for group in belongs_to}
    for group_id in sorted(wanted - held):
        await unit.groups.add_member(group_id, user.id)
    for group_id in sorted(held - wanted):
        await unit.groups.remove_member(group_id, user.id)


async def _tell_keys(unit: Unit, user: User, identity: ExternalIdentity) -> None:
    """Replace what a user's access keys keep of a login by what `identity` says of the same."""
    said = {_space(key) for key in identity.facts}
    after: str | None = ""
    while after is not None:
        part = Slice(after, 1000)
        keys = await unit.access_keys.list_of_user(user.id, part)
        for key in keys:
            if key.facts:
                kept = {name: fact for name, fact in key.facts.items() if _space(name) not in said}
                new = replace(key, facts={**kept, **identity.facts})
                if new != key:
                    await unit.access_keys.replace(key, new)
        after = keys[-1].id if len(keys) == part.limit else None


def _space(key: str) -> str:
    return key.partition(":")[0]
