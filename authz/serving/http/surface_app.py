"""Surfaces of the HTTP port over ASGI: the head as it came, the body, bounded, where it is wanted, the answer.

Only what `parse_scope` reads reaches a surface: no framework's idea of paths, queries or headers, because the
signature is over the bytes. A body is read to a limit in bytes and in seconds, and only so many requests are
held at a time, of all clients and of one; the server bounds heads, connections and how long an answer may take
to be fetched (`server.py`). Which surface a request is for is told by `app.py`.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from starlette.types import Receive, Scope, Send

from authz.formats.asgi import Network, parse_scope
from authz.identity.http import HttpRequest
from authz.serving.http_surface import HttpAnswer, HttpSurface
from authz.serving.login_limits import network_of

BODY_SECONDS: Final = 10.0
"""How long a body may take; it fits into a few packets."""

MAX_IN_FLIGHT: Final = 64
"""Requests held at a time by a surface; of two of them two thirds of what the server takes, so that probes and
scrapes always pass."""


MAX_OF_ONE_SOURCE: Final = 16
"""Of these, the most from one address, or one network of IPv6: a quarter of them, and a third of what a proxy
sends at a time (`deploy/envoy.yaml`)."""


class SurfaceApp:
    """The ASGI application of one surface."""

    def __init__(
        self,
        surface: HttpSurface,
        *,
        proxies: Sequence[Network],
        trusted_hops: int,
        believes_certificates: bool = False,
        asks_for_others: bool = False,
    ) -> None:
        """Believe peers in `proxies` about the client, with `trusted_hops` further proxies before them.

        About its certificate only with `believes_certificates`. With `asks_for_others` a source is a service
        that asks for all of its clients, and may have all places.
        """
        self._asks_for_others = asks_for_others
        self._surface = surface
        self._proxies = proxies
        self._trusted_hops = trusted_hops
        self._believes_certificates = believes_certificates
        # By the client's network; one that is not known is one client.
        self._in_flight: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = self._parse(scope)
        source, held = network_of(request.source_ip), self._in_flight
        of_one_source = MAX_IN_FLIGHT if self._asks_for_others else MAX_OF_ONE_SOURCE
        if held[source] >= of_one_source or held.total() >= MAX_IN_FLIGHT:
            await _send(send, self._surface.turn_away(request))
            return
        held[source] += 1
        try:
            answer = await self._surface.answer(
                request, lambda: _read_body(receive, self._surface.body_limit)
            )
            await _send(send, answer)
        finally:
            held[source] -= 1
            if not held[source]:
                del held[source]

    def _parse(self, scope: Scope) -> HttpRequest:
        return parse_scope(
            scope,
            proxies=self._proxies,
            trusted_hops=self._trusted_hops,
            believes_certificates=self._believes_certificates,
        )


async def _read_body(receive: Receive, limit: int) -> bytes | None:
    """Return the body, cut off somewhere past the limit; `None` if it did not come whole, or not in time."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) <= limit:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        return None
    return bytes(body)


async def _send(send: Send, answer: HttpAnswer) -> None:
    headers = {"content-length": str(len(answer.body)), **answer.headers}
    if answer.status == 204:
        del headers["content-length"]  # RFC 9110, 8.6
    lines = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": lines})
    await send({"type": "http.response.body", "body": answer.body})
