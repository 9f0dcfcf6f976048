"""Sessions issued on the word of an OpenID Connect provider, a second: the whole surface of STS, in memory.

Prints how many a core issues to users who are known, with and without verifying the token's RSA signature; and
with a policy claim (one read of the database) or a session policy. A user whose token says nothing new costs no
statement (`tests/serving/test_sts_logins.py`).
"""

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authz.control.providers import Providers
from authz.federation.registry import Registry
from authz.formats.provider_configs import check_config
from authz.identity.external import Login, ProviderKind
from authz.identity.http import HttpRequest
from authz.identity.records import TargetKind
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.store import SqlStore
from authz.telemetry import logs
from tests.access.world import World, following, policy
from tests.servers.issuer import CLIENT_ID, Issuer
from tests.serving.sts_clients import FORM, HOST, VERSION, build_sts
from tests.store.fixtures import Control

ROUNDS = 7
CALLS = 400
SESSION_POLICY = policy(action="s3:GetObject", resource="arn:aws:s3:::photos/open/*")


class Remembering(Registry):
    """The providers, verifying each token once: what is left is everything but the proof."""

    seen: dict[str, Login]

    async def take_token(self, token: str, **parts: Any) -> Login:
        """Return what the token was worth the first time."""
        if token not in self.seen:
            self.seen[token] = await super().take_token(token, **parts)
        return self.seen[token]


async def _rate(surface: Any, **parameters: str) -> tuple[float, float]:
    """Return sessions a second of one core: the median of the rounds, and the slowest."""
    asked = {"Action": "AssumeRoleWithWebIdentity", "Version": VERSION, **parameters}
    body = urlencode(asked).encode()

    async def read_body() -> bytes:
        return body

    async def one() -> None:
        headers = {"host": HOST, "content-type": FORM}
        request = HttpRequest("POST", "/", "", headers, source_ip="192.0.2.7")
        answer = await surface.answer(request, read_body)
        if answer.status != 200:
            raise RuntimeError(answer.body.decode())

    rates = []
    for _ in range(ROUNDS):
        for _ in range(20):
            await one()
        started = time.perf_counter()
        for _ in range(CALLS):
            await one()
        rates.append(CALLS / (time.perf_counter() - started))
    return statistics.median(rates), min(rates)


async def _provide(
    world: World, providers: Providers, issuer: Issuer, name: str, **more: Any
) -> None:
    config = {"issuer": issuer.url, "client_ids": [name], "insecure_http": True, **more}
    await providers.create(name, ProviderKind.OIDC, json.dumps(config))
    await world.control.attachments.attach("reads", TargetKind.PROVIDER, name)


async def _measure(folder: Path, issuer: Issuer) -> None:
    url = f"sqlite:///{folder / 'authz.db'}"
    async with Database.open(url, DatabaseOptions()) as database:
        await database.migrate(now=0.0, canned=())
        control = Control(SqlStore(database))
        world = World(database, control)  # type: ignore[no-untyped-call] # of the tests
        async with following(world):
            world.clock.advance(time.time() - world.clock.now())  # noqa: TID251 - the issuer's clock
            world.refresher.verified_at = world.clock.monotonic()
            providers = Providers(control.store, world.clock, control.ring, check_config)
            await control.policies.create("reads", policy(action="s3:Get*"))
            await _provide(world, providers, issuer, CLIENT_ID)
            await _provide(world, providers, issuer, "claims", policy_claim="policy")
            await world.settle()
            kinds = {"verifying": Registry, "verified before": Remembering}
            for name, kind in kinds.items():
                registry = kind(control.ring, world.clock, world.metrics)
                if isinstance(registry, Remembering):
                    registry.seen = {}
                world.providers.follow(registry.follow)
                surface = build_sts(world, registry)
                token = issuer.token()
                _print(f"{name}", *await _rate(surface, WebIdentityToken=token))
                narrow = {"WebIdentityToken": token, "Policy": SESSION_POLICY}
                _print(f"{name}, a session policy", *await _rate(surface, **narrow))
                granted = issuer.token(aud="claims", policy="reads")
                _print(f"{name}, a policy claim", *await _rate(surface, WebIdentityToken=granted))
                await registry.close()


def _print(name: str, median: float, worst: float) -> None:
    print(f"{name:36} {median:8,.0f} a second   worst round {worst:8,.0f}", flush=True)


def main() -> None:
    """Print the table."""
    logs.configure("text", "error")
    folder = Path(tempfile.mkdtemp())
    try:
        with Issuer() as issuer:
            asyncio.run(_measure(folder, issuer))
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
