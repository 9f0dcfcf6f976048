"""Whether a provider could be asked as its configuration says, as far as that can be known without asking it.

A mistake is told to who writes the configuration, and not to who logs in. Nothing is sent anywhere: a provider
that is down today can be configured. Files are looked for on this replica.

Not here: what a configuration says (`formats/provider_configs.py`).
"""

import ssl

from authz.clock import Clock
from authz.errors import InvalidError
from authz.federation.certificates import CertificateProvider
from authz.formats.provider_certificate import CertificateConfig
from authz.formats.provider_configs import check_config
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


def _check_authorities(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except (OSError, ValueError):  # `ssl.SSLError` is an `OSError`
        raise InvalidError(
            "the file of `ca_file` cannot be read here, or is not one of certificates",
            field="config.ca_file",
        ) from None
