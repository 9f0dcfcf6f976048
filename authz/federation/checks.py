"""Whether a provider could be asked as its configuration says, as far as that can be known without asking it.

A mistake is told to who writes the configuration, and not to who logs in. Nothing is sent anywhere: a provider
that is down today can be configured. Files are looked for on this replica.

Not here: what a configuration says (`formats/provider_configs.py`).
"""

import ssl
from typing import Final

from authz.clock import Clock
from authz.errors import InvalidError
from authz.federation.certificates import CertificateProvider
from authz.formats.provider_certificate import CertificateConfig
from authz.formats.provider_configs import check_config, parse_config
from authz.identity.external import ProviderKind


class ProviderChecks:
    """Checks configurations before they are stored."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def check(self, kind: ProviderKind, text: str, has_secret: bool) -> None:  # noqa: FBT001 - a port's shape
        """Refuse a configuration that cannot be used; raises `InvalidError` with the member as its `field`."""
        config = check_config(kind, text, has_secret)
        if isinstance(config, CertificateConfig):
            CertificateProvider("check", config, self._clock)
        elif config.ca_file:
            _check_authorities(config.ca_file)

    def check_kept_secret(self, kind: ProviderKind, before: str, after: str) -> None:
        """Refuse to send the secret that was given for one place to another one; raises `InvalidError`."""
        if before != after and _find_place(kind, before) != _find_place(kind, after):
            raise InvalidError(
                "the secret was given for another place; give it again with this change",
                field="secret",
            )


_PLACE: Final = (
    "url", "host", "port", "encryption", "bind_dn", "issuer", "discovery_url", "keycloak_realm",
    "keycloak_admin_url", "ca_file", "insecure_http",
)  # fmt: skip
"""The members, of any kind, that say where a secret is sent, who is believed to be there, and how safely."""


def _find_place(kind: ProviderKind, text: str) -> tuple[object, ...] | None:
    """Return where a secret is sent, `None` where that can no longer be read."""
    try:
        config = parse_config(kind, text)
    except InvalidError:
        return None
    return tuple(getattr(config, name, None) for name in _PLACE)


def _check_authorities(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):  # `ssl.SSLError` is an `OSError`
        raise InvalidError(
            "the file of `ca_file` cannot be read here, or is not one of certificates",
            field="config.ca_file",
        ) from None
