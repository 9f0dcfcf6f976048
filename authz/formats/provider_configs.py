"""The configuration of a provider of any kind: the text of a JSON object → the kind's own value.

Not here: the members of each kind (`provider_oidc.py`, `provider_ldap.py`, …).
"""

import json
from collections.abc import Callable, Mapping
from typing import Final

from authz.errors import InvalidError, ParseError
from authz.formats.provider_certificate import CertificateConfig, parse_certificate_config
from authz.formats.provider_ldap import LdapConfig, parse_ldap_config
from authz.formats.provider_oidc import KEYCLOAK, OidcConfig, parse_oidc_config
from authz.formats.provider_webhook import WebhookConfig, parse_webhook_config
from authz.identity.external import ProviderKind
from authz.identity.strict_json import parse_object

CONFIG_LIMIT: Final = 128 * 1024
"""Longest configuration in bytes: certificates of authorities are in some."""

Config = OidcConfig | LdapConfig | CertificateConfig | WebhookConfig
"""How a provider is asked."""

_PARSERS: Final[Mapping[ProviderKind, Callable[[Mapping[str, object]], Config]]] = {
    ProviderKind.OIDC: parse_oidc_config,
    ProviderKind.LDAP: parse_ldap_config,
    ProviderKind.CERTIFICATE: parse_certificate_config,
    ProviderKind.WEBHOOK: parse_webhook_config,
}


def parse_config(kind: ProviderKind, text: str) -> Config:
    """Read a configuration; raises `InvalidError` whose `field` is `config.MEMBER`, or `config`."""
    if len(text.encode("utf-8", "replace")) > CONFIG_LIMIT:
        raise InvalidError(f"a configuration has at most {CONFIG_LIMIT:,} bytes", field="config")
    try:
        raw = parse_object(text.encode("utf-8", "surrogatepass"))
    except ParseError as error:
        raise InvalidError(f"the configuration is {error.message}", field="config") from None
    return _PARSERS[kind](raw)


def check_config(kind: ProviderKind, text: str, has_secret: bool) -> Config:  # noqa: FBT001 - a port's shape
    """Read a configuration that goes with a secret or goes without; raises as `parse_config`."""
    config = parse_config(kind, text)
    if isinstance(config, LdapConfig) and bool(config.bind_dn) != has_secret:
        reason = (
            "`bind_dn` needs a secret, its password"
            if config.bind_dn
            else "users are looked up anonymously, so there is no secret"
        )
        raise InvalidError(reason, field="secret")
    if isinstance(config, CertificateConfig) and has_secret:
        raise InvalidError("certificates need no secret", field="secret")
    if isinstance(config, OidcConfig) and config.vendor == KEYCLOAK and not has_secret:
        raise InvalidError("Keycloak is asked with the client's secret", field="secret")
    return config


def find_origin(kind: ProviderKind, text: str) -> object:
    """Return what decides who a provider's users are and vouches for them; it is only compared.

    `None` where the configuration can no longer be read, and so differs from every one that can.
    """
    try:
        config = parse_config(kind, text)
    except InvalidError:
        return None
    if isinstance(config, OidcConfig):
        return config.issuer
    if isinstance(config, LdapConfig):
        bases = frozenset(base.name.text for base in config.user_bases)
        return (config.host, config.port, config.encryption, bases)
    if isinstance(config, CertificateConfig):
        return frozenset(config.authorities)
    return config.url


def render_config(text: str) -> str:
    """Return a stored configuration as people read it: indented."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
