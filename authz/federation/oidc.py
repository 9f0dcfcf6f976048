"""An OpenID Connect provider: turns an ID token into the identity it vouches for.

What can be refused without the provider's keys is refused first, so that garbage makes nobody fetch anything;
then the key is found, the signature verified, and only then is what the token says believed.

The client secret is for the provider's own endpoints. No token is ever verified with it: whoever knew it could
make tokens for everybody (CVE-2026-33322).

Sources: OpenID Connect Core 1.0 §3.1.3.7 (ID token), §5.3 (userinfo); identity-and-sessions §3. Not here:
tokens (`identity/jwt.py`), keys (`jwks.py`), what an identity comes to among our users (`control`).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from authz.clock import Clock
from authz.errors import AuthzError, UnauthenticatedError, UnavailableError, quote
from authz.federation.jwks import ProviderKeys
from authz.federation.keycloak import KeycloakUsers, is_header_safe
from authz.federation.outbound import Outbound, UnreachableError, parse_json
from authz.formats.provider_oidc import KEYCLOAK, OidcConfig
from authz.identity import jwt
from authz.identity.claims import read_claims, rejected
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, LoginStep, Trace, no_trace
from authz.policy.patterns.globs import compile_glob
from authz.policy.request import Context

USERINFO_LIMIT: Final = 64 * 1024
"""Longest answer of the userinfo endpoint, in bytes."""

_NO_CONTEXT: Final = Context({}, {}, {}, 0.0)


class OidcProvider:
    """One provider. `start` keeps its keys fresh; it verifies without having been started, too."""

    def __init__(
        self,
        name: str,
        config: OidcConfig,
        secret: Secret | None,
        outbound: Outbound,
        clock: Clock,
    ) -> None:
        """Own `outbound`, which trusts the configuration's `ca_file`: `close` closes it."""
        self.name = name
        self.config = config
        self._secret = secret
        self._outbound = outbound
        self._clock = clock
        self._keys = ProviderKeys(name, config, outbound, clock)
        self._allowed = [compile_glob((pattern,)) for pattern in config.policies_allowed]
        self._users: KeycloakUsers | None = None
        if config.vendor == KEYCLOAK and secret is not None:
            self._users = KeycloakUsers(config, secret, self._keys, outbound, clock)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to keep the keys fresh, in the background: nobody waits for a provider that is down."""
        if self._task is None:
            self._task = asyncio.create_task(self._keys.run(), name=f"provider {self.name}")

    async def refresh(self) -> None:
        """Fetch the keys if that is due; a provider that is down is no error."""
        await self._keys.refresh()

    async def close(self) -> None:
        """End the background task and every request."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await self._keys.close()
        await self._outbound.close()

    def matches(self, issuer: str, audience: tuple[str, ...]) -> bool:
        """Tell whether a token of this `iss` and `aud` (`peek_issuer`) is this provider's to verify."""
        return issuer == self.config.issuer and any(
            client_id in audience for client_id in self.config.client_ids
        )

    async def verify(
        self, token: str | jwt.Token, *, access_token: str = "", trace: Trace = no_trace
    ) -> ExternalIdentity:
        """Return whom an ID token vouches for. `access_token` is for the userinfo endpoint, where it is asked.

        Whoever has taken the token apart to find its provider passes it on so: that is the costliest part of
        refusing garbage.

        Raises `UnauthenticatedError` (`InvalidIdentityToken`, `ExpiredToken`, `IDPRejectedClaim`) and
        `UnavailableError`.
        """
        with _step(trace, "token") as tell:
            parsed = token if isinstance(token, jwt.Token) else jwt.parse_token(token)
            named = f", key {quote(parsed.kid)}" if parsed.kid is not None else ""
            tell(f"algorithm {parsed.algorithm}{named}")
        with _step(trace, "issuer and audience") as tell:
            audience = jwt.check_origin(parsed, self.config.issuer, self.config.client_ids)
            tell(f"for client {quote(audience)}")
        with _step(trace, "time") as tell:
            expires_at = jwt.check_times(parsed, self._clock.now())
            tell(f"{max(0, int(expires_at - self._clock.now()))} seconds left")
        with _step(trace, "signature"):
            await self._check_signature(parsed)
        claims = parsed.claims
        if self.config.claims_from_userinfo:
            with _step(trace, "userinfo") as tell:
                claims = await self._add_userinfo(claims, access_token)
                tell(f"{len(claims) - len(parsed.claims)} more claims")
        with _step(trace, "claims") as tell:
            identity = read_claims(
                claims,
                self.config.claim_names,
                issuer=self.config.issuer,
                audience=audience,
                issued_at=jwt.find_issued_at(parsed),
                expires_at=expires_at,
            )
            tell(f"{len(claims)} claims: {_list_names(claims)}")
        return self._hold_to_allowed(identity, trace)

    async def is_present(self, name: str) -> bool | None:
        """Tell whether the provider still has the user whose `sub` is `name`, enabled.

        `None`: this provider cannot be asked. Raises `UnavailableError` when it gives no clear answer.
        """
        if self.config.vendor != KEYCLOAK:
            return None
        if self._users is None:
            raise UnavailableError(f"provider {quote(self.name)} has no client secret to ask with")
        return await self._users.is_present(name)

    async def _check_signature(self, token: jwt.Token) -> None:
        keys = jwt.find_keys(token, await self._keys.fetch())
        if not keys:
            # Made with a key that is not known (yet): the provider may have a new one.
            keys = jwt.find_keys(token, await self._keys.fetch_newer())
        if not keys:
            raise UnauthenticatedError(
                jwt.INVALID, "the identity token is signed with a key that its issuer does not have"
            )
        jwt.check_signature(token, keys)

    def _hold_to_allowed(self, identity: ExternalIdentity, trace: Trace) -> ExternalIdentity:
        """Return the identity without the policies that this provider may not grant; the login goes on."""
        if not self._allowed:
            return identity
        kept = tuple(
            policy
            for policy in identity.policies
            if any(match(policy, _NO_CONTEXT) for match in self._allowed)
        )
        dropped = ", ".join(quote(policy) for policy in identity.policies if policy not in kept)
        told = f"not in `policies_allowed`, and so dropped: {dropped}" if dropped else ""
        trace(LoginStep("policies", is_ok=True, detail=told))
        return replace(identity, policies=kept)

    async def _add_userinfo(
        self, claims: Mapping[str, Any], access_token: str
    ) -> Mapping[str, Any]:
        """Return the claims and those that only the userinfo endpoint has; none is overridden."""
        if not is_header_safe(access_token):
            raise rejected("an access token is needed: some claims are at the userinfo endpoint")
        endpoint = (await self._keys.fetch_discovery()).userinfo
        if not endpoint:
            raise UnreachableError("no userinfo endpoint")
        fetched = await self._outbound.fetch(
            endpoint,
            headers={"authorization": f"Bearer {access_token}"},
            body_limit=USERINFO_LIMIT,
        )
        if fetched.status in {401, 403}:
            raise UnauthenticatedError(jwt.INVALID, "the provider does not take the access token")
        more = parse_json(fetched)
        # §5.3.2: without this, somebody else's access token would lend his groups.
        if more.get("sub") is None or more["sub"] != claims.get("sub"):
            raise UnauthenticatedError(jwt.INVALID, "the access token is somebody else's")
        return {**more, **claims}


def peek_issuer(token: str) -> tuple[str, tuple[str, ...]]:
    """Return the `iss` and `aud` that a token says it has, to find the provider that verifies it.

    Nothing is verified. Raises `UnauthenticatedError` for what is no token at all.
    """
    return jwt.find_issuer(jwt.parse_token(token))


@contextmanager
def _step(trace: Trace, name: str) -> Iterator[Callable[[str], None]]:
    """Tell `trace` how a step went; what is yielded takes what there is to say of one that went well."""
    told: list[str] = []
    try:
        yield told.append
    except AuthzError as error:
        trace(LoginStep(name, False, error.message))
        raise
    trace(LoginStep(name, True, "".join(told)))


def _list_names(claims: Mapping[str, Any]) -> str:
    return ", ".join(quote(name) for name in sorted(claims))
