"""Outbound HTTP: what this service asks of identity providers, within bounds.

An answer is waited for so long and read so far; a redirect is an error, because it would let whoever controls
one URL choose where the next request (with its secret) goes; TLS certificates are verified, against the
system's authorities or a CA file; nothing of the environment (proxies, `.netrc`) is followed, and no cookie is
kept. What goes wrong is an `UnavailableError` with a short word for it, never text of the other side's.

Why this library: docs/decisions/0021-what-is-asked-of-identity-providers.md. Not here: what is asked, retries.
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from multidict import CIMultiDictProxy
from yarl import URL

from authz.errors import ParseError, UnavailableError
from authz.identity.strict_json import parse_object

TIMEOUT: Final = 5.0
"""Seconds for a whole answer, waiting for a connection included: somebody waits at a login form."""
BODY_LIMIT: Final = 512 * 1024
"""Longest answer in bytes. The largest real ones (sets of keys with certificates) have some tens of KiB."""
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


class Outbound:
    """A client for one provider. It connects when it is asked for something first; `close` it at the end."""

    def __init__(self, *, ca_file: str = "", timeout: float = TIMEOUT) -> None:
        """Trust the authorities in `ca_file` (PEM) alone; without one the system's."""
        self._ca_file = ca_file
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

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

        Raises `UnavailableError`: `timeout`, `no connection`, `tls`, `redirect`, `too large`, `packed`,
        `not http`, `ca file`.
        """
        session = self._session or self._connect()
        wanted = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
        try:
            async with session.request(
                method,
                URL(url, encoded=True),
                headers=wanted,
                data=body,
                allow_redirects=False,
            ) as response:
                if 300 <= response.status < 400:
                    raise unreachable("redirect")
                content = await _read(response, body_limit)
                return Fetched(response.status, _lowered(response.headers), content)
        except TimeoutError:
            raise unreachable("timeout") from None
        except (aiohttp.ClientSSLError, ssl.SSLError):
            raise unreachable("tls") from None
        except aiohttp.ClientConnectionError:
            raise unreachable("no connection") from None
        except (aiohttp.ClientError, ValueError):
            raise unreachable("not http") from None

    async def close(self) -> None:
        """Give up every connection; a later `fetch` connects again."""
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
            raise unreachable("ca file") from None


def unreachable(reason: str) -> UnavailableError:
    """Return the error of a provider that gives no answer that could be used; `reason` is a short word."""
    return UnavailableError(f"the identity provider gives no usable answer: {reason}")


def parse_json(fetched: Fetched) -> Mapping[str, object]:
    """Return the JSON object of an answer with status 200; raises `UnavailableError`."""
    if fetched.status != 200:
        raise unreachable(f"status {fetched.status}")
    try:
        return parse_object(fetched.body)
    except ParseError:
        raise unreachable("not json") from None


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body as it was sent: unpacking what was packed unasked could make it any size."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise unreachable("packed")
    if (response.content_length or 0) > limit:
        raise unreachable("too large")
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > limit:
            raise unreachable("too large")
    return bytes(content)


def _lowered(headers: CIMultiDictProxy[str]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in headers.items()}
