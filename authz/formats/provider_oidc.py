"""The configuration of an OpenID Connect provider, and the document in which a provider describes itself.

The members are those of MinIO's settings (`identity_openid`) that concern the verification of tokens, and what
it lacks. The issuer is compared character by character: with the document's, and with each token's.

Sources: OpenID Connect Discovery 1.0 §3, §4.3; identity-and-sessions §3; docs/providers-oidc.md for people.
Not here: how the documents are fetched (`federation`), what a token must say (`identity/jwt.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from authz.errors import ParseError
from authz.formats.provider_config import Members, is_url, refuse
from authz.identity.claims import ClaimNames

KEYCLOAK: Final = "keycloak"
VENDORS: Final = ("", KEYCLOAK)
CLIENT_IDS: Final = 16
"""Most client ids of a provider."""
KEYS_MAX_AGE: Final = 86_400.0
"""Seconds for which keys are believed while the provider cannot be asked whether they still are its own."""

_KEYS_MAX_AGE_MIN: Final = 600.0
_KEYS_MAX_AGE_MAX: Final = 7 * 86_400.0
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """A provider's configuration; `parse_oidc_config` is the only way to one. Durations are seconds.

    A token is for us when its `iss` is `issuer` and its `aud` holds one of `client_ids`. `policies_allowed` are
    patterns with `*` and `?`, one of which each policy that a token grants has to match; without any, all do.
    """

    issuer: str
    client_ids: tuple[str, ...]
    discovery_url: str = ""
    policy_claim: str = ""
    policy_claim_prefix: str = ""
    policies_allowed: tuple[str, ...] = ()
    groups_claim: str = ""
    display_claim: str = ""
    claims_from_userinfo: bool = False
    vendor: str = ""
    keycloak_realm: str = ""
    keycloak_admin_url: str = ""
    keys_max_age: float = KEYS_MAX_AGE
    ca_file: str = ""
    insecure_http: bool = False

    @property
    def claim_names(self) -> ClaimNames:
        """Return which claims are read for what."""
        return ClaimNames(
            # MinIO's `claim_prefix` is put before the claim's name, not before what it says.
            policies=self.policy_claim and self.policy_claim_prefix + self.policy_claim,
            groups=self.groups_claim,
            display=self.display_claim,
        )


@dataclass(frozen=True, slots=True)
class Discovery:
    """Where a provider's parts are; `token` and `userinfo` are empty where it has none."""

    keys: str
    token: str
    userinfo: str


def parse_oidc_config(raw: Mapping[str, object]) -> OidcConfig:
    """Read a configuration; raises `InvalidError` whose `field` is `config.MEMBER`."""
    members = Members(raw, [member.name for member in fields(OidcConfig)])
    is_http_let = members.flag("insecure_http")
    issuer = members.url("issuer", is_http_let=is_http_let)
    if "?" in issuer:
        raise refuse("issuer", "has a query, which no issuer has")
    config = OidcConfig(
        issuer=issuer,
        client_ids=members.names("client_ids", limit=CLIENT_IDS),
        discovery_url=members.url(
            "discovery_url", issuer.rstrip("/") + _WELL_KNOWN, is_http_let=is_http_let
        ),
        policy_claim=members.text("policy_claim", ""),
        policy_claim_prefix=members.text("policy_claim_prefix", ""),
        policies_allowed=members.names("policies_allowed", ()),
        groups_claim=members.text("groups_claim", ""),
        display_claim=members.text("display_claim", ""),
        claims_from_userinfo=members.flag("claims_from_userinfo"),
        vendor=members.choice("vendor", VENDORS, ""),
        keycloak_realm=members.text("keycloak_realm", ""),
        keycloak_admin_url=members.url("keycloak_admin_url", "", is_http_let=is_http_let),
        keys_max_age=members.seconds(
            "keys_max_age", KEYS_MAX_AGE, low=_KEYS_MAX_AGE_MIN, high=_KEYS_MAX_AGE_MAX
        ),
        ca_file=members.text("ca_file", ""),
        insecure_http=is_http_let,
    )
    _check(config)
    return config


def _check(config: OidcConfig) -> None:
    """Refuse members that say nothing without each other: who wrote them expects something of them."""
    for name in ("policy_claim_prefix", "policies_allowed"):
        if getattr(config, name) and not config.policy_claim:
            raise refuse(name, "needs `policy_claim`")
    for name in ("keycloak_realm", "keycloak_admin_url"):
        # A realm is not guessed: in another one nobody is found, and who is not found is disabled.
        if bool(getattr(config, name)) != (config.vendor == KEYCLOAK):
            raise refuse(name, "goes with `vendor` `keycloak`, and that with it")
    if "?" in config.keycloak_admin_url:
        raise refuse("keycloak_admin_url", "has a query")


def parse_discovery(document: Mapping[str, object], config: OidcConfig) -> Discovery:
    """Read what a provider says about itself; raises `ParseError` where it is not the one configured.

    §4.3: the issuer must be identical to the one asked, or one provider could speak for another.
    """
    if document.get("issuer") != config.issuer:
        raise ParseError("another issuer")
    return Discovery(
        keys=_endpoint(document, "jwks_uri", config, is_needed=True),
        token=_endpoint(document, "token_endpoint", config),
        userinfo=_endpoint(document, "userinfo_endpoint", config),
    )


def _endpoint(
    document: Mapping[str, object], name: str, config: OidcConfig, *, is_needed: bool = False
) -> str:
    url = document.get(name, "")
    if url == "" and not is_needed:
        return ""
    if not isinstance(url, str) or not is_url(url):
        raise ParseError(f"no usable `{name}`")
    if not config.insecure_http and not url.startswith("https://"):
        raise ParseError(f"a `{name}` without https")
    return url
