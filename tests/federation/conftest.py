import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from authz.clock import ManualClock
from authz.federation.oidc import OidcProvider
from authz.federation.outbound import Outbound
from authz.formats.provider_oidc import parse_oidc_config
from authz.identity.credential import Secret
from tests.servers.issuer import CLIENT_ID, Issuer

MakeOidc = Callable[..., OidcProvider]


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@pytest.fixture
def clock() -> ManualClock:
    """A clock that starts now: the servers' own are real."""
    return ManualClock(time.time())  # noqa: TID251 - see above


@pytest.fixture
async def make_oidc(clock: ManualClock) -> AsyncIterator[MakeOidc]:
    """Make OpenID Connect providers of an issuer's URL; members of the configuration are keyword arguments."""
    made: list[OidcProvider] = []

    def make(
        url: str, name: str = "one", *, secret: str | None = None, timeout: float = 10.0, **members: Any
    ) -> OidcProvider:  # fmt: skip
        least = {"issuer": url, "client_ids": [CLIENT_ID], "insecure_http": True}
        config = parse_oidc_config(least | members)
        outbound = Outbound(clock, ca_file=config.ca_file, timeout=timeout)
        provider = OidcProvider(
            name, config, Secret(secret) if secret is not None else None, outbound, clock
        )
        made.append(provider)
        return provider

    yield make
    for provider in made:
        await provider.close()
