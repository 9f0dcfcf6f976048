"""The providers that are live: built from what is stored, rebuilt when that changes, found for a proof.

A provider whose configuration or secret cannot be used is told in the log and lets nobody in; the others go on.
Proofs say by themselves whose they are: a token by its issuer and audience, a certificate by its authority. A
password goes to one directory only, and a webhook's token to one webhook: where several are stored, the caller
names the one, for no secret is to be tried out on strangers. One that is disabled, or cannot be used, is among
them: what was meant for it goes to no other.

Not here: what is stored of providers (`control`, `access`), and what a login comes to.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from authz.access.ports import StoredProvider
from authz.clock import Clock
from authz.errors import (
    AuthzError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    quote,
)
from authz.federation.certificates import CertificateProvider
from authz.federation.ldap import LdapProvider
from authz.federation.oidc import OidcProvider, peek_issuer
from authz.federation.outbound import Outbound
from authz.federation.webhook import WebhookProvider
from authz.formats.provider_certificate import COMMON_NAME, CertificateConfig
from authz.formats.provider_configs import check_config, parse_config
from authz.formats.provider_ldap import LdapConfig
from authz.formats.provider_oidc import OidcConfig
from authz.formats.provider_webhook import WebhookConfig
from authz.identity import jwt
from authz.identity.claims import ClaimNames, read_claims
from authz.identity.credential import Secret, check_external_name
from authz.identity.external import ExternalIdentity, Login, ProviderKind, Trace, no_trace
from authz.identity.records import Provider, Status
from authz.identity.sealing import KeyRing
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

Live = OidcProvider | LdapProvider | CertificateProvider | WebhookProvider
L = TypeVar("L", OidcProvider, LdapProvider, CertificateProvider, WebhookProvider)

_KINDS: Final[Mapping[type[Live], ProviderKind]] = {
    OidcProvider: ProviderKind.OIDC,
    LdapProvider: ProviderKind.LDAP,
    CertificateProvider: ProviderKind.CERTIFICATE,
    WebhookProvider: ProviderKind.WEBHOOK,
}

NO_PROVIDER: Final = "no identity provider here takes this proof"
SEVERAL: Final = "there are several identity providers for such a proof; name the one"


@dataclass(frozen=True, slots=True)
class _Held:
    """A stored provider and what asks it; `None` for one that is disabled or cannot be used."""

    stored: StoredProvider
    live: Live | None


class Registry:
    """Every provider in use."""

    def __init__(self, key_ring: KeyRing, clock: Clock, metrics: Metrics) -> None:
        self._key_ring = key_ring
        self._clock = clock
        self._metrics = metrics
        self._held: dict[str, _Held] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._log = get_logger("federation")

    # --- following what is stored ---

    def follow(self, stored: Mapping[str, StoredProvider]) -> None:
        """Make live what is stored and enabled; close what is no more. Awaits nothing."""
        before, self._held = self._held, {}
        try:
            for provider_id, one in sorted(stored.items(), key=lambda item: item[1].provider.name):
                known = before.pop(provider_id, None)
                if known is not None and _is_same(known.stored, one):
                    self._held[provider_id] = _Held(one, known.live)
                else:
                    self._close(known)
                    self._held[provider_id] = _Held(one, self._build(one))
        finally:
            for gone in before.values():
                self._close(gone)

    async def close(self) -> None:
        """Close everything, and wait until that is done."""
        self.follow({})
        if self._closing:
            await asyncio.wait(self._closing)

    def _build(self, stored: StoredProvider) -> Live | None:
        provider = stored.provider
        if provider.status is not Status.ENABLED:
            return None
        live: Live | None = None
        try:
            live = self._make(provider, self._unseal(stored))
            if isinstance(live, OidcProvider):
                live.start()
        except AuthzError as error:
            problem = error.message
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one, the others go on
            # Its message may hold anything, so only its kind is told.
            problem = f"unexpected {type(error).__name__}"
        else:
            return live
        self._log.error("provider_unusable", provider=provider.name, problem=problem)
        self._close(_Held(stored, live))
        return None

    def _make(self, provider: Provider, secret: Secret | None) -> Live:
        """Build what asks a provider; raises `InvalidError` for a configuration that cannot be used."""
        name, clock = provider.name, self._clock
        config = check_config(provider.kind, provider.config, secret is not None)
        observe = self._observer(name)
        if isinstance(config, OidcConfig):
            outbound = Outbound(clock, ca_file=config.ca_file, observe=observe)
            return OidcProvider(name, config, secret, outbound, clock)
        if isinstance(config, LdapConfig):
            return LdapProvider(name, config, secret, clock, observe)
        if isinstance(config, WebhookConfig):
            outbound = Outbound(clock, ca_file=config.ca_file, observe=observe)
            return WebhookProvider(name, config, secret, outbound, clock)
        return CertificateProvider(name, config, clock)

    def _observer(self, name: str) -> Callable[[str, float], None]:
        family = self._metrics.provider_seconds
        return lambda outcome, seconds: family.child(name, outcome).observe(seconds)

    def _unseal(self, stored: StoredProvider) -> Secret | None:
        if stored.sealed_secret is None:
            return None
        opened = self._key_ring.unseal(stored.sealed_secret, stored.provider.id.encode())
        return Secret(opened.decode())

    def _close(self, held: _Held | None) -> None:
        if held is None or held.live is None or isinstance(held.live, CertificateProvider):
            return
        task = asyncio.get_running_loop().create_task(held.live.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    # --- proofs ---

    def resolve(self, kind: ProviderKind, name: str) -> str:
        """Return the name of the provider that is meant: the only one of its kind where none is named."""
        stored = [held.stored.provider for held in self._held.values()]
        names = [provider.name for provider in stored if provider.kind is kind]
        return names[0] if not name and len(names) == 1 else name

    def find_provider(self, token: str) -> str:
        """Return the id of the provider that an ID token says to be from and for; nothing is verified.

        Raises `UnauthenticatedError` for what is no token, and for one of nobody here.
        """
        issuer, audience = peek_issuer(token)
        for provider, live in self._all(OidcProvider):
            if live.matches(issuer, audience):
                return provider.id
        raise UnauthenticatedError("InvalidIdentityToken", NO_PROVIDER)

    async def take_token(
        self,
        token: str,
        *,
        access_token: str = "",
        provider: str = "",
        trace: Trace = no_trace,
    ) -> Login:
        """Return whom an ID token vouches for, by the provider that its issuer and audience name.

        `provider` names one of several that both name. Raises `UnauthenticatedError`, `UnavailableError`, and
        `InvalidError` where it must be named and is not.
        """
        parsed = jwt.parse_token(token)
        issuer, audience = jwt.find_issuer(parsed)
        found = [
            pair
            for pair in self._all(OidcProvider)
            if provider in {"", pair[0].name} and pair[1].matches(issuer, audience)
        ]
        if not found:
            raise UnauthenticatedError("InvalidIdentityToken", NO_PROVIDER)
        if len(found) > 1:
            # Whichever came first would be a matter of names, and of what else there is today.
            raise InvalidError(SEVERAL, field="provider")
        one, live = found[0]
        return _login(one, await live.verify(parsed, access_token=access_token, trace=trace))

    async def try_token(
        self, token: str, *, access_token: str, provider: str, trace: Trace
    ) -> Login:
        """Return whom an ID token vouches for, if it is for the provider of this name.

        `trace` hears of a token for others, too, what is wrong with it. Raises as `take_token`, and
        `NotFoundError`.
        """
        found, live = self._one(OidcProvider, provider)
        return _login(found, await live.verify(token, access_token=access_token, trace=trace))

    async def take_password(
        self, username: str, password: Secret, *, provider: str = "", trace: Trace = no_trace
    ) -> Login:
        """Return whom a directory knows by this name and password; `provider` names the directory.

        Raises `InvalidError` where it must be named and is not, and what the directory raises.
        """
        found, live = self._one(LdapProvider, provider)
        return _login(found, await live.login(username, password, trace=trace))

    def take_certificate(
        self,
        leaf: bytes,
        intermediates: Sequence[bytes] = (),
        *,
        provider: str = "",
        trace: Trace = no_trace,
    ) -> Login:
        """Return whom a client's certificate (DER) stands for, by the first provider whose authority made it.

        Raises `UnauthenticatedError`.
        """
        refusal = UnauthenticatedError("AccessDenied", NO_PROVIDER)
        for found, live in self._all(CertificateProvider):
            if provider in {"", found.name}:
                try:
                    return _login(found, live.verify(leaf, intermediates, trace))
                except UnauthenticatedError as error:
                    refusal = error
        raise refusal

    async def take_custom_token(
        self, token: str, *, provider: str = "", trace: Trace = no_trace
    ) -> Login:
        """Return whom a webhook vouches for; `provider` names it. Raises as `take_password`."""
        found, live = self._one(WebhookProvider, provider)
        return _login(found, await live.verify(token, trace))

    # --- what administrators ask ---

    def canonical_user(self, provider: Provider, name: str) -> str:
        """Return how the provider names this user; raises `InvalidError`."""
        live = self._find(provider)
        if isinstance(live, LdapProvider):
            return live.canonical_user(name)
        check_external_name(name)
        if isinstance(live, CertificateProvider):
            # What is live was built from what is held, which may be older than `provider`.
            return _canonical_client(self._held[provider.id].stored.provider, name)
        _check_claimed(name)
        return name

    def canonical_group(self, provider: Provider, name: str) -> str:
        """Return how the provider names this group; raises `InvalidError`."""
        live = self._find(provider)
        if isinstance(live, LdapProvider):
            return live.canonical_group(name)
        check_external_name(name)
        return name

    async def look_up(self, provider_id: str, name: str) -> ExternalIdentity | bool | None:
        """Return what a provider says of one of its users now: the identity, or whether it is still there.

        `None`: this provider cannot be asked. Raises `UnavailableError` when it does not answer.
        """
        held = self._held.get(provider_id)
        live = None if held is None else held.live
        if isinstance(live, LdapProvider):
            return await live.find_user(name) or False
        if isinstance(live, OidcProvider):
            return await live.is_present(name)
        return None

    def list_askable(self) -> Sequence[Provider]:
        """Return the providers that can be asked about their users."""
        return [
            held.stored.provider
            for held in self._held.values()
            if isinstance(held.live, LdapProvider)
            or (isinstance(held.live, OidcProvider) and held.live.config.vendor != "")
        ]

    def _find(self, provider: Provider) -> Live:
        held = self._held.get(provider.id)
        if held is None or held.live is None:
            raise UnavailableError(f"provider {quote(provider.name)} cannot be used; see the log")
        return held.live

    def _all(self, kind: type[L]) -> Sequence[tuple[Provider, L]]:
        return [
            (held.stored.provider, held.live)
            for held in self._held.values()
            if isinstance(held.live, kind)
        ]

    def _one(self, kind: type[L], name: str) -> tuple[Provider, L]:
        """Return the provider of this name, or the only one where none is named, if it is live.

        INVARIANT: which one is meant depends on what is stored, not on which of it is in use at the moment.
        """
        found = [
            held
            for held in self._held.values()
            if held.stored.provider.kind is _KINDS[kind] and name in {"", held.stored.provider.name}
        ]
        if len(found) > 1:
            raise InvalidError(SEVERAL, field="provider")
        if not found:
            raise NotFoundError("there is no such identity provider")
        provider, live = found[0].stored.provider, found[0].live
        if provider.status is not Status.ENABLED:
            raise UnauthenticatedError("AccessDenied", "the identity provider is disabled")
        if not isinstance(live, kind):
            raise UnavailableError(f"provider {quote(provider.name)} cannot be used; see the log")
        return provider, live


def _is_same(before: StoredProvider, now: StoredProvider) -> bool:
    """Tell whether what is live may stay: policies and revocations are no business of it."""
    return (
        before.provider.config == now.provider.config
        and before.provider.status is now.provider.status
        and before.provider.kind is now.provider.kind
        and before.sealed_secret == now.sealed_secret
    )


def _canonical_client(provider: Provider, name: str) -> str:
    """Return how certificates name a client (`certificates.py`); raises `InvalidError`."""
    config = parse_config(provider.kind, provider.config)
    source = config.identity_from if isinstance(config, CertificateConfig) else ""
    is_dns = source == "dns"
    if (
        name != name.strip()
        or (source != COMMON_NAME and not name.isascii())
        or (is_dns and "*" in name)
    ):
        raise InvalidError(f"no certificate gives its holder the name {quote(name)}", field="name")
    return name.lower() if is_dns else name


def _check_claimed(name: str) -> None:
    """Refuse a name by which nobody logs in, as logins do; raises `InvalidError`."""
    try:
        read_claims({"sub": name}, ClaimNames(), issuer="", audience="", expires_at=0.0)
    except UnauthenticatedError:
        raise InvalidError(f"no login is of anybody called {quote(name)}", field="name") from None


def _login(provider: Provider, identity: ExternalIdentity) -> Login:
    return Login(provider.id, provider.name, ProviderKind(provider.kind), identity)
