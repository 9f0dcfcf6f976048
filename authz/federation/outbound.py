"""Outbound HTTP: what this service asks of identity providers, within bounds.

An answer is waited for so long and read so far; a redirect is an error, because it would let whoever controls
one URL choose where the next request (with its secret) goes; TLS certificates are verified, against the
system's authorities or a CA file; nothing of the environment (proxies, `.netrc`) is followed, and no cookie is
kept. What goes wrong is an `UnreachableError` with a short word for it, never text of the other side's.

Why this library: docs/decisions/0021-what-is-asked-of-identity-providers.md. Not here: what is asked, retries.
"""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from authz.clock import Clock
from authz.errors import ParseError, UnavailableError
from authz.identity.strict_json import ANSWER_PARTS, parse_object

TIMEOUT: Final = 5.0
"""Seconds for a whole answer, waiting for a connection included: somebody waits at a login form."""
BODY_LIMIT: Final = 128 * 1024
"""Longest answer in bytes. The largest real ones (sets of keys with certificates) have some tens of KiB, and
the loop waits while one is read: milliseconds for this much."""
CONNECTIONS: Final = 8
"""Connections to one provider at a time."""
HEADER_LIMIT: Final = 8_190
"""Longest line and longest header of an answer, in bytes."""

_CHUNK: Final = 16 * 1024
_USER_AGENT: Final = "authz"


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer: its status, its headers by lower-cased name, its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class UnreachableError(UnavailableError):
    """A provider gave no answer that could be used; `reason` is a short word of ours for why."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the identity provider gives no usable answer: {reason}")
        self.reason = reason


Observe = Callable[[str, float], None]
"""Hears of each answer: its outcome in a word, and how long it took in seconds."""


def observe_nothing(outcome: str, seconds: float) -> None:
    """Hear nothing."""
    del outcome, seconds


class Outbound:
    """A client for one provider. It connects when it is asked for something first; `close` it at the end."""

    def __init__(
        self,
        clock: Clock,
        *,
        ca_file: str = "",
        timeout: float = TIMEOUT,
        observe: Observe = observe_nothing,
    ) -> None:
        """Trust the authorities in `ca_file` (PEM) alone; without one the system's.

        `observe` hears of each answer how long it took, in seconds, and its outcome: `2xx` to `5xx`, or the
        word for why there was none.
        """
        self._clock = clock
        self._ca_file = ca_file
        self._timeout = timeout
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def fetch(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        body_limit: int = BODY_LIMIT,
    ) -> Fetched:
        """Return the answer, whatever its status but a redirect's. `url` goes out as it is written.

        Raises `UnreachableError`, with the reason `timeout`, `no connection`, `tls`, `redirect`, `too large`,
        `packed`, `not http`, `ca file`, `closed`.
        """
        started, outcome = self._clock.monotonic(), "cancelled"
        try:
            fetched = await self._fetch(url, method, headers or {}, body, body_limit)
            outcome = f"{fetched.status // 100}xx"
        except UnreachableError as error:
            outcome = error.reason
            raise
        finally:
            self._observe(outcome, self._clock.monotonic() - started)
        return fetched

    async def _fetch(
        self,
        url: str,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None,
        body_limit: int,
    ) -> Fetched:
        if self._is_closed:
            raise UnreachableError("closed")
        session = self._session or self._connect()
        wanted = {"accept": "application/json", "accept-encoding": "identity", **headers}
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                headers=wanted,
                data=body,
                allow_redirects=False,
            ) as response:
                if 300 <= response.status < 400:
                    raise UnreachableError("redirect")
                content = await _read(response, body_limit)
                return Fetched(response.status, _lowered(response.headers), content)
        except TimeoutError:
            raise UnreachableError("timeout") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise UnreachableError("tls") from None
        except aiohttp.ClientConnectionError:
            raise UnreachableError("no connection") from None
        except (aiohttp.ClientError, ValueError):
            raise UnreachableError("not http") from None

    async def close(self) -> None:
        """Give up every connection, for good."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()
            # aiohttp closes transports of TLS in the next turn of the loop ("Graceful Shutdown").
            await asyncio.sleep(0)

    def _connect(self) -> aiohttp.ClientSession:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=CONNECTIONS, ssl=self._make_context()),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"user-agent": _USER_AGENT},
            auto_decompress=False,
            trust_env=False,
            max_line_size=HEADER_LIMIT,
            max_field_size=HEADER_LIMIT,
        )
        return self._session

    def _make_context(self) -> ssl.SSLContext:
        """Read the CA file when it is needed: one that is missing must not keep the service from starting."""
        try:
            return ssl.create_default_context(cafile=self._ca_file or None)
        except (OSError, ValueError):
            raise UnreachableError("ca file") from None


def parse_json(fetched: Fetched) -> Mapping[str, object]:
    """Return the JSON object of an answer with status 200; raises `UnreachableError`."""
    if fetched.status != 200:
        raise UnreachableError(f"status {fetched.status}")
    try:
        return parse_object(fetched.body, parts_limit=ANSWER_PARTS)
    except ParseError:
        raise UnreachableError("not json") from None


def parse_json_list(fetched: Fetched) -> tuple[Mapping[str, object], ...]:
    """Return the JSON list of objects of an answer with status 200; raises `UnreachableError`."""
    if fetched.status != 200:
        raise UnreachableError(f"status {fetched.status}")
    try:
        # Read as the member of an object, as `parse_object` reads no lists.
        whole = parse_object(b'{"list":%b}' % fetched.body, parts_limit=ANSWER_PARTS)
    except ParseError:
        raise UnreachableError("not json") from None
    listed = whole["list"]
    if (
        len(whole) > 1
        or not isinstance(listed, list)
        or not all(isinstance(one, dict) for one in listed)
    ):
        raise UnreachableError("no list")
    return tuple(listed)


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body as it was sent: unpacking what was packed unasked could make it any size."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise UnreachableError("packed")
    if (response.content_length or 0) > limit:
        raise UnreachableError("too large")
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise UnreachableError("too large")
    return bytes(content)


def _lowered(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
