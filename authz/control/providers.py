"""Identity providers: create, get, list, update, delete, and the end of all sessions that came by one.

What a configuration means is the business of the provider's kind; that it says something is checked by the
parser that is injected. The secret (a client's, a directory's) is sealed with the provider's id as associated
data, and shown to nobody again. A provider keeps its name, for its users and groups are called by it.

Deleting one that still has users, groups or attachments is refused: all of them would be gone, and with them
the access keys of its users. Disabling it shuts them all out at once, and back in when it is enabled.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from authz.clock import Clock
from authz.control.limits import PROVIDERS, check_description
from authz.control.lookup import get_provider, require_free, require_unused
from authz.control.paging import Page, read_page
from authz.control.ports import ONE, Slice, Store, Unit, Written
from authz.control.sessions import void_before
from authz.errors import InUseError, InvalidError, quote
from authz.identity.credential import (
    PROVIDER_ID_PREFIX,
    RECORD_ID_BYTES,
    Secret,
    check_provider_name,
    make_record_id,
)
from authz.identity.external import ProviderKind
from authz.identity.records import Provider, Status, TargetKind, key_of_name
from authz.identity.sealing import NONCE_SIZE, KeyRing

SECRET_LIMIT = 4096
"""Longest secret of a provider, in characters."""

CheckConfig = Callable[[ProviderKind, str, bool], object]
"""The kind, the configuration's text, and whether there is a secret; raises `InvalidError` or `ParseError`."""

CheckKeptSecret = Callable[[ProviderKind, str, str], object]
"""The kind and the configurations before and after; raises `InvalidError` where the secret must be given anew.

Or who may change a provider could have its secret sent to a place of their own.
"""


FindOrigin = Callable[[ProviderKind, str], object]
"""The kind and a configuration's text: what decides who its users are, and vouches for them; to be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderChange:
    """What is to change of a provider; `None` leaves it, an empty `secret` takes it away."""

    status: Status | None = None
    config: str | None = None
    description: str | None = None
    secret: Secret | None = None


class Providers:
    """The use cases about identity providers."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ring: KeyRing,
        check_config: CheckConfig,
        check_kept_secret: CheckKeptSecret = lambda _kind, _before, _after: None,
        find_origin: FindOrigin = lambda _kind, _config: None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ring = ring
        self._check_config = check_config
        self._check_kept_secret = check_kept_secret
        self._find_origin = find_origin
        self._random_bytes = random_bytes

    async def create(
        self,
        name: str,
        kind: ProviderKind,
        config: str,
        *,
        secret: Secret | None = None,
        description: str = "",
        status: Status = Status.ENABLED,
    ) -> Written[Provider]:
        """Create a provider that is asked as `config`, a JSON object, says.

        Raises `InvalidError` and `ParseError` for what is not acceptable, `ConflictError` when the name is
        taken or there are `PROVIDERS` already.
        """
        check_provider_name(name)
        check_description(description)
        self._check_config(kind, config, secret is not None)
        now = self._clock.now()
        provider = Provider(
            id=make_record_id(PROVIDER_ID_PREFIX, self._random_bytes(RECORD_ID_BYTES)),
            name=name,
            kind=kind,
            status=status,
            config=config,
            created_at=now,
            updated_at=now,
            description=description,
            has_secret=secret is not None,
        )
        sealed = self._seal(provider, secret)

        async def change(unit: Unit) -> Provider:
            await require_free(unit.providers.find, "provider", name)
            if len(await unit.providers.list(Slice("", PROVIDERS))) == PROVIDERS:
                raise InUseError(f"there are {PROVIDERS} providers, the most")
            await unit.providers.add(provider, sealed)
            return provider

        return await self._store.write(change)

    async def get(self, name: str) -> Provider:
        """Return a provider. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: get_provider(unit, name, field="name"))

    async def list(self, *, page_size: int = 0, page_token: str = "") -> Page[Provider]:
        """Return a page of the providers, ordered by name."""
        return await self._store.read(
            lambda unit: read_page(
                unit.providers.list, lambda one: key_of_name(one.name), page_size, page_token
            )
        )

    async def update(self, name: str, wanted: ProviderChange) -> Written[Provider]:
        """Change what `wanted` gives and nothing else; with who vouches, all sessions that came by it end.

        Raises as `create`, `NotFoundError`, and `InUseError` for another issuer of users that are there.
        """
        check_description(wanted.description or "")

        async def change(unit: Unit) -> Provider:
            old = await get_provider(unit, name, field="name")
            secret = wanted.secret
            has_secret = old.has_secret if secret is None else bool(secret.reveal())
            new = replace(
                old,
                status=wanted.status or old.status,
                config=old.config if wanted.config is None else wanted.config,
                description=(old.description if wanted.description is None else wanted.description),
                has_secret=has_secret,
            )
            # One that can no longer be used can still be disabled.
            if wanted.config is not None or secret is not None:
                self._check_config(new.kind, new.config, has_secret)
            if has_secret and secret is None:
                self._check_kept_secret(new.kind, old.config, new.config)
            before = self._find_origin(old.kind, old.config)
            if before != self._find_origin(new.kind, new.config):
                # One that cannot be read vouches for nobody, and must be mendable.
                if before is not None:
                    await _require_no_heirs(unit, old)
                new = replace(new, sessions_void_before=void_before(old, self._clock.now()))
            if new != old or secret is not None:
                new = replace(new, updated_at=self._clock.now())
                await unit.providers.replace(old, new)
            if secret is not None:
                sealed = self._seal(new, secret if has_secret else None)
                await unit.providers.replace_secret(new, sealed)
            return new

        return await self._store.write(change)

    async def revoke(self, name: str) -> Written[Provider]:
        """End all sessions that came by a provider and are issued before now and `REVOCATION_REACH`.

        Raises `NotFoundError`.
        """

        async def change(unit: Unit) -> Provider:
            now = self._clock.now()
            await unit.revoked_sessions.remove_expired(now)
            old = await get_provider(unit, name, field="provider_name")
            new = replace(old, sessions_void_before=void_before(old, now))
            if new != old:
                await unit.providers.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(self, name: str) -> Written[Provider]:
        """Delete a provider. Raises `NotFoundError`, and `InUseError` when it still has anything."""

        async def change(unit: Unit) -> Provider:
            provider = await get_provider(unit, name, field="name")
            kind = TargetKind.PROVIDER
            uses = {
                "users": await unit.users.list_of_provider(provider.id, ONE),
                "groups": await unit.groups.list_of_provider(provider.id, ONE),
                "attached policies": await unit.attachments.list_of_target(kind, provider.id, ONE),
            }
            require_unused("provider", provider.name, uses)
            await unit.providers.remove(provider)
            return provider

        return await self._store.write(change)

    def _seal(self, provider: Provider, secret: Secret | None) -> bytes | None:
        if secret is None:
            return None
        text = secret.reveal()
        if not 1 <= len(text) <= SECRET_LIMIT:
            raise InvalidError(
                f"a provider's secret has 1 to {SECRET_LIMIT:,} characters", field="secret"
            )
        nonce = self._random_bytes(NONCE_SIZE)
        return self._ring.seal(text.encode(), provider.id.encode(), nonce)


async def _require_no_heirs(unit: Unit, provider: Provider) -> None:
    """Refuse another issuer while there are users: the same `sub` of another one is somebody else."""
    if provider.kind is ProviderKind.OIDC and await unit.users.list_of_provider(provider.id, ONE):
        raise InUseError(
            f"provider {quote(provider.name)} has users, who are those of its issuer; "
            "make another provider for another one"
        )
