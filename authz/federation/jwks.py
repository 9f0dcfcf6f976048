"""The keys of an OpenID Connect provider: fetched ahead of need, held while it is away.

A background task reads the provider's own description and its key set before what is held grows old; how long
that takes is what the provider says, within bounds. A token signed with an unknown key asks for the set at
once, so that a rotation is noticed, but at most every few seconds, whoever sends how many of them. All who need
the same answer wait for one request. Keys that could not be confirmed for too long are not believed any more.

Each provider has keys of its own: one with the same `kid` at another provider is another key.

Sources: OpenID Connect Discovery 1.0 §4; OpenID Connect Core 1.0 §10.1.1 (rotation); RFC 9111 §5.2.2. Not here:
what a key is good for (`identity/jwk.py`), HTTP (`outbound.py`).
"""

import asyncio
import random
import re
from typing import Final

from authz.clock import Clock
from authz.errors import ParseError, UnavailableError
from authz.federation.outbound import Fetched, Outbound, UnreachableError, parse_json
from authz.formats.provider_oidc import Discovery, OidcConfig, parse_discovery
from authz.identity.jwk import VerificationKey, parse_key_set
from authz.telemetry.logs import get_logger

LIFETIME_MIN: Final = 300.0
"""Shortest time until a set is read again, in seconds, whatever the provider says."""
LIFETIME_MAX: Final = 86_400.0
"""Longest time until a set is read again, in seconds: by then a withdrawn key is gone from here, too."""
LIFETIME_DEFAULT: Final = 3_600.0
"""Time until a set is read again where the provider says nothing, in seconds."""
NEED_INTERVAL: Final = 10.0
"""Seconds between two requests that tokens with unknown keys cause."""
RETRY_START: Final = 1.0
RETRY_LIMIT: Final = 60.0
"""Seconds until a provider that gave no answer is asked again: first and longest, each doubled and jittered."""

_AHEAD: Final = (0.7, 0.9)
"""Part of a set's lifetime after which it is read again; random, so that replicas do not come all at once."""
_MAX_AGE: Final = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,10})(?:$|[\s,])")
_NOT_KEPT: Final = re.compile(r"(?:^|[\s,])no-(?:store|cache)(?:$|[\s,])")


class ProviderKeys:
    """The keys of one provider, and where its parts are."""

    def __init__(self, name: str, config: OidcConfig, outbound: Outbound, clock: Clock) -> None:
        self._name = name
        self._config = config
        self._outbound = outbound
        self._clock = clock
        self._log = get_logger("federation")
        self._discovery: Discovery | None = None
        self._keys: tuple[VerificationKey, ...] | None = None
        self._confirmed_at = float("-inf")
        self._due_at = float("-inf")
        self._asked_at = float("-inf")
        self._retry = RETRY_START
        self._failure: UnavailableError | None = None
        self._loading: asyncio.Task[None] | None = None

    async def fetch(self) -> tuple[VerificationKey, ...]:
        """Return the keys that are held, or fetch the first ones; raises `UnavailableError`."""
        if not self._is_held():
            await self._load_at_need()
        if self._keys is None or not self._is_held():
            raise self._failure or UnreachableError("no keys")
        return self._keys

    async def fetch_newer(self) -> tuple[VerificationKey, ...]:
        """Return the keys after asking for them, unless that was done a moment ago: then those that are held.

        An unreachable provider is no error here: it says nothing about the keys that are held.
        """
        await self._load_at_need()
        return await self.fetch()

    async def fetch_discovery(self) -> Discovery:
        """Return where the provider's parts are; raises `UnavailableError`."""
        if self._discovery is None:
            await self._load_at_need()
        if self._discovery is None:
            raise self._failure or UnreachableError("no discovery document")
        return self._discovery

    async def refresh(self) -> None:
        """Read the provider's documents again, if that is due. A failure is logged, and due again soon."""
        if self._clock.monotonic() >= self._due_at:
            await self._load(is_whole=True)

    async def run(self) -> None:
        """Refresh for ever; runs as a task with a name."""
        while True:
            await self.refresh()
            await asyncio.sleep(max(self._due_at - self._clock.monotonic(), 0.05))

    async def close(self) -> None:
        """End a request that is under way."""
        if self._loading is not None:
            self._loading.cancel()
            await asyncio.wait([self._loading])

    def _is_held(self) -> bool:
        return (
            self._keys is not None
            and self._clock.monotonic() - self._confirmed_at <= self._config.keys_max_age
        )

    async def _load_at_need(self) -> None:
        """Load, or wait for a load that is under way; do nothing when there was one a moment ago."""
        now = self._clock.monotonic()
        if self._loading is None:
            if now - self._asked_at < NEED_INTERVAL:
                return
            self._asked_at = now
        await self._load(is_whole=self._discovery is None)

    async def _load(self, *, is_whole: bool) -> None:
        """Load once for all who wait, of whom none takes the others down; `close` ends it for all."""
        if self._loading is None:
            self._loading = asyncio.create_task(
                self._try_to_read(is_whole=is_whole), name=f"keys of {self._name}"
            )
        await asyncio.wait([self._loading])

    async def _try_to_read(self, *, is_whole: bool) -> None:
        failure: UnavailableError | None = None
        try:
            await self._read(is_whole=is_whole)
        except UnavailableError as error:
            failure = error
        except Exception:  # noqa: BLE001 - a fault of ours is told as one, and does not end the refreshing
            self._log.exception("provider_refresh_failed", provider=self._name)
            failure = UnreachableError("internal error")
        finally:
            self._loading = None
        if failure is not None:
            self._due_at = self._clock.monotonic() + self._retry * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load
            self._retry = min(self._retry * 2, RETRY_LIMIT)
            if self._failure is None:
                self._log.warning(
                    "provider_unreachable", provider=self._name, reason=failure.message
                )
        elif self._failure is not None:
            self._log.info("provider_reachable", provider=self._name)
        self._failure = failure

    async def _read(self, *, is_whole: bool) -> None:
        discovery = self._discovery
        if discovery is None or is_whole:
            document = parse_json(await self._outbound.fetch(self._config.discovery_url))
            try:
                discovery = parse_discovery(document, self._config)
            except ParseError as error:
                raise UnreachableError(f"its description says {error.message}") from None
            self._discovery = discovery
        fetched = await self._outbound.fetch(discovery.keys)
        try:
            self._keys = parse_key_set(parse_json(fetched))
        except ParseError:
            raise UnreachableError("no key set") from None
        if self._confirmed_at == float("-inf"):
            self._asked_at = float(
                "-inf"
            )  # what came first was not asked for because of a token's key
        self._confirmed_at = self._clock.monotonic()
        seconds = min(lifetime(fetched), self._config.keys_max_age)
        self._due_at = self._confirmed_at + seconds * random.uniform(*_AHEAD)  # noqa: S311 - spreads load
        self._retry = RETRY_START


def lifetime(fetched: Fetched) -> float:
    """Return for how many seconds a key set is good, by its `Cache-Control` and within our bounds."""
    said = fetched.headers.get("cache-control", "").lower()
    if _NOT_KEPT.search(said):
        return LIFETIME_MIN
    found = _MAX_AGE.search(said)
    seconds = float(found[1]) if found else LIFETIME_DEFAULT
    return min(max(seconds, LIFETIME_MIN), LIFETIME_MAX)
