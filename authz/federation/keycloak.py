"""Whether a user is still there, asked of Keycloak: its Admin REST API, with the client's own service account.

Whoever is told to be gone loses service accounts, so only a clear answer counts as one. Keycloak answers 404
for a user that is gone, and so does anything at a misspelt address; so the list of users must be there when a
user of it is not.

Sources: Keycloak Admin REST API (`GET /realms/{realm}/users/{id}`, `…/users/count`); RFC 6749 §4.4, §2.3.1 (the
client's credentials). The service account needs the role `view-users` of the client `realm-management`. Not
here: what follows from it (`control`).
"""

import base64
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote as percent_encode

from authz.clock import Clock
from authz.federation.jwks import ProviderKeys
from authz.federation.outbound import (
    Fetched,
    Outbound,
    UnreachableError,
    parse_json,
    parse_json_list,
)
from authz.formats.provider_oidc import OidcConfig
from authz.identity.credential import Secret

TOKEN_MARGIN: Final = 10.0
"""Seconds before its end from which an access token is not used any more."""
TOKEN_LIFETIME_MAX: Final = 300.0
"""Longest use of an access token, in seconds."""
TOKEN_LIMIT: Final = 16 * 1024
"""Longest access token, in characters."""

_FORM: Final = "application/x-www-form-urlencoded"


class KeycloakUsers:
    """Asks one realm about its users."""

    def __init__(
        self,
        config: OidcConfig,
        secret: Secret,
        keys: ProviderKeys,
        outbound: Outbound,
        clock: Clock,
    ) -> None:
        realm = percent_encode(config.keycloak_realm, safe="")
        self._users = f"{config.keycloak_admin_url.rstrip('/')}/realms/{realm}/users"
        self._client_id = config.client_ids[0]
        self._secret = secret
        self._keys = keys
        self._outbound = outbound
        self._clock = clock
        self._token = Secret("")
        self._token_ends_at = float("-inf")

    async def is_present(self, name: str) -> bool | None:
        """Tell whether the user whose `sub` is `name` is there and enabled; raises `UnavailableError`.

        `None`: Keycloak cannot be asked about such a name.
        """
        if name in {".", ".."}:  # a path would lead elsewhere; no id of Keycloak's is so
            return None
        fetched = await self._ask(f"/{percent_encode(name, safe='')}")
        if fetched.status == 404:
            await self._check_address()
            return False
        return _read_enabled(parse_json(fetched)) or await self._is_only_locked(name)

    async def _is_only_locked(self, name: str) -> bool:
        """Tell whether a user who is said to be disabled only had too many failed logins.

        While its brute force protection holds, Keycloak says `enabled: false` of a user who is asked for alone,
        and not in lists. Whoever sends wrong passwords would shut the user out here.
        """
        fetched = await self._ask(f"?search={percent_encode(f'id:{name}', safe='')}")
        for user in parse_json_list(fetched):
            if user.get("id") == name:
                return _read_enabled(user)
        raise UnreachableError("no user in the list")

    async def _check_address(self) -> None:
        if (await self._ask("/count")).status != 200:
            raise UnreachableError("no realm at this address")

    async def _ask(self, rest: str) -> Fetched:
        """Ask below the list of users; once more with a new token where the old one is not taken."""
        url = f"{self._users}{rest}"
        used = await self._authorization()
        fetched = await self._outbound.fetch(url, headers=used)
        if fetched.status == 401:  # ended early: the key that signed it is withdrawn, say
            self._drop_token(used)
            fetched = await self._outbound.fetch(url, headers=await self._authorization())
        if fetched.status in {401, 403}:
            self._token_ends_at = float("-inf")
        return fetched

    def _drop_token(self, used: Mapping[str, str]) -> None:
        """Drop the token unless somebody else who asks has a newer one by now."""
        if used["authorization"] == f"Bearer {self._token.reveal()}":
            self._token_ends_at = float("-inf")

    async def _authorization(self) -> dict[str, str]:
        now = self._clock.monotonic()
        if now >= self._token_ends_at:
            self._token, lifetime = await self._fetch_token()
            self._token_ends_at = now + min(lifetime, TOKEN_LIFETIME_MAX) - TOKEN_MARGIN
        return {"authorization": f"Bearer {self._token.reveal()}"}

    async def _fetch_token(self) -> tuple[Secret, float]:
        endpoint = (await self._keys.fetch_discovery()).token
        if not endpoint:
            raise UnreachableError("no token endpoint")
        pair = f"{_form_encode(self._client_id)}:{_form_encode(self._secret.reveal())}"
        fetched = await self._outbound.fetch(
            endpoint,
            method="POST",
            headers={
                "authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                "content-type": _FORM,
            },
            body=b"grant_type=client_credentials",
        )
        answer = parse_json(fetched)
        token, lifetime = answer.get("access_token"), answer.get("expires_in", 0)
        if not isinstance(token, str) or not is_header_safe(token):
            raise UnreachableError("no access token")
        is_number = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
        return Secret(token), float(lifetime) if is_number else 0.0  # type: ignore[arg-type]  # told above


def _read_enabled(user: Mapping[str, object]) -> bool:
    enabled = user.get("enabled")
    if not isinstance(enabled, bool):
        raise UnreachableError("no user")
    return enabled


def is_header_safe(token: str) -> bool:
    """Tell whether a token may stand in a header: printable ASCII without spaces, within bounds."""
    return (
        0 < len(token) <= TOKEN_LIMIT
        and token.isascii()
        and token.isprintable()
        and " " not in token
    )


def _form_encode(text: str) -> str:
    """RFC 6749 §2.3.1: both parts are form-encoded before they are joined."""
    return percent_encode(text, safe="")
