"""The configuration of an OpenID Connect provider, and how a provider describes itself."""

from typing import Any

import pytest

from authz.errors import InvalidError, ParseError
from authz.formats.provider_oidc import CLIENT_IDS, Discovery, parse_discovery, parse_oidc_config
from authz.identity.claims import ClaimNames

LEAST: dict[str, Any] = {"issuer": "https://id.example.com/realms/one", "client_ids": ["authz"]}
KEYCLOAK = LEAST | {"vendor": "keycloak", "keycloak_realm": "one", "keycloak_admin_url": "https://id.example.com/admin"}  # fmt: skip


def test_the_least_is_an_issuer_and_a_client() -> None:
    config = parse_oidc_config(LEAST)
    assert config.issuer == LEAST["issuer"]
    assert config.client_ids == ("authz",)
    assert (
        config.discovery_url == "https://id.example.com/realms/one/.well-known/openid-configuration"
    )
    assert config.claim_names == ClaimNames()
    assert config.keys_max_age == 86_400
    assert not config.claims_from_userinfo
    assert not config.insecure_http


def test_an_issuer_with_a_slash_keeps_it_and_is_found_below_it() -> None:
    config = parse_oidc_config(LEAST | {"issuer": "https://example.auth0.com/"})
    assert config.issuer == "https://example.auth0.com/"
    assert config.discovery_url == "https://example.auth0.com/.well-known/openid-configuration"


def test_everything_that_can_be_said_is_read() -> None:
    config = parse_oidc_config(
        KEYCLOAK
        | {
            "discovery_url": "https://internal.example.com/discovery?x=y",
            "policy_claim": "policy",
            "policy_claim_prefix": "https://example.com/",
            "policies_allowed": ["team-*", "readonly"],
            "groups_claim": "realm_access.roles",
            "display_claim": "email",
            "claims_from_userinfo": True,
            "keys_max_age": "2h",
            "ca_file": "/etc/ssl/id.pem",
        }
    )
    assert config.claim_names == ClaimNames(
        policies="https://example.com/policy", groups="realm_access.roles", display="email"
    )
    assert config.discovery_url == "https://internal.example.com/discovery?x=y"
    assert config.keys_max_age == 7200
    assert config.vendor == "keycloak"
    assert config.policies_allowed == ("team-*", "readonly")


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"issuer": ""}, "issuer"),
        ({"issuer": "http://id.example.com"}, "issuer"),
        ({"issuer": "http://127.0.0.1:8080"}, "issuer"),
        ({"issuer": "https://id.example.com?realm=one"}, "issuer"),
        ({"issuer": "https://id.example.com#one"}, "issuer"),
        ({"client_ids": []}, "client_ids"),
        ({"client_ids": "authz"}, "client_ids"),
        ({"client_ids": [f"c{n}" for n in range(CLIENT_IDS + 1)]}, "client_ids"),
        ({"client_id": "authz"}, "client_id"),
        ({"client_secret": "x"}, "client_secret"),
        ({"role_policy": "readonly"}, "role_policy"),
        ({"discovery_url": "http://id.example.com/discovery"}, "discovery_url"),
        ({"policy_claim_prefix": "x"}, "policy_claim_prefix"),
        ({"policies_allowed": ["team-*"]}, "policies_allowed"),
        ({"policy_claim": "p", "policies_allowed": "team-*"}, "policies_allowed"),
        ({"policy_claim": "p", "policies_allowed": [""]}, "policies_allowed"),
        (
            {"policy_claim": "p", "policies_allowed": [f"p{n}" for n in range(65)]},
            "policies_allowed",
        ),
        ({"claims_from_userinfo": "on"}, "claims_from_userinfo"),
        ({"insecure_http": "false"}, "insecure_http"),
        ({"keys_max_age": "1s"}, "keys_max_age"),
        ({"keys_max_age": "30d"}, "keys_max_age"),
        ({"vendor": "okta"}, "vendor"),
        ({"vendor": "keycloak"}, "keycloak_realm"),
        ({"keycloak_realm": "one"}, "keycloak_realm"),
        ({"keycloak_admin_url": "https://id.example.com"}, "keycloak_admin_url"),
    ],
)
def test_what_is_not_acceptable_is_refused_by_its_member(
    change: dict[str, Any], member: str
) -> None:
    with pytest.raises(InvalidError) as error:
        parse_oidc_config(LEAST | change)
    assert error.value.field == f"config.{member}"


@pytest.mark.parametrize("missing", LEAST)
def test_what_is_missing_is_named(missing: str) -> None:
    with pytest.raises(InvalidError, match="is missing") as error:
        parse_oidc_config({name: value for name, value in LEAST.items() if name != missing})
    assert error.value.field == f"config.{missing}"


def test_a_keycloak_is_not_asked_over_http() -> None:
    with pytest.raises(InvalidError) as error:
        parse_oidc_config(KEYCLOAK | {"keycloak_admin_url": "http://id.example.com/admin"})
    assert error.value.field == "config.keycloak_admin_url"


# --- the provider's own description ---

CONFIG = parse_oidc_config(LEAST)
DOCUMENT = {
    "issuer": LEAST["issuer"],
    "jwks_uri": "https://id.example.com/keys",
    "token_endpoint": "https://id.example.com/token",
    "other": {"anything": 1},
}


def test_a_description_says_where_the_parts_are() -> None:
    assert parse_discovery(DOCUMENT, CONFIG) == Discovery(
        keys="https://id.example.com/keys", token="https://id.example.com/token", userinfo=""
    )


@pytest.mark.parametrize("issuer", [None, 7, "", "https://id.example.com/realms/one/", "https://id.example.com/realms/two", "https://login.microsoftonline.com/{tenantid}/v2.0"])  # fmt: skip
def test_a_description_of_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(ParseError, match="another issuer"):
        parse_discovery(DOCUMENT | {"issuer": issuer}, CONFIG)


@pytest.mark.parametrize("url", [None, "", 7, "/keys", "file:///etc/passwd", "http://id.example.com/keys", "https://user@id.example.com/keys", "https://id.example.com/" + "x" * 2000])  # fmt: skip
def test_keys_are_not_fetched_from_just_anywhere(url: object) -> None:
    with pytest.raises(ParseError, match="jwks_uri"):
        parse_discovery(DOCUMENT | {"jwks_uri": url}, CONFIG)


def test_keys_over_http_are_let_by_the_configuration_alone() -> None:
    plain = DOCUMENT | {"jwks_uri": "http://id.example.com/keys"}
    config = parse_oidc_config(LEAST | {"insecure_http": True})
    assert parse_discovery(plain, config).keys == "http://id.example.com/keys"
