"""The HTTP server: uvicorn on the service's own event loop, with bounds, started and stopped by it.

uvicorn installs signal handlers of its own; here the service owns the signals, because one SIGTERM must
end both servers in order. uvicorn ends idle connections between requests, but waits for ever for the head of a
request that has begun, or never does, and for a client that does not read its answer; here all have a time, at
whose end the connection is cut. So has a TLS handshake. What certificate the peer showed goes into the scope.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ssl import SSLContext
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from authz.errors import InvalidError
from authz.formats.asgi import CLIENT_CERTIFICATE
from authz.serving.http.tls import TlsFiles, build_tls, find_peer_certificate

MAX_CONCURRENT: Final = 200
"""Connections and requests at a time; more get 503."""

HEAD_LIMIT: Final = 40_960
"""Bytes of a request's head: what Envoy takes from a client (32 KiB), and what it adds."""

KEEP_ALIVE: Final = 15
"""Seconds a connection may be without a whole head of a request."""

ANSWER_LIMIT: Final = 30
"""Seconds from a whole head until the answer has been taken off our hands: twice what a proxy waits (15;
`deploy/envoy.yaml`), and enough for a body (10) and for a write that has to wait for the database (15)."""

SHUTDOWN_LIMIT: Final = 2
"""Seconds a request in flight may take once the server stops."""


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, tls: SSLContext | None) -> None:
        super().__init__(config)
        self._tls = tls

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve the sockets; as the parent, which bounds neither a TLS handshake nor its end."""

        def make_protocol() -> _Protocol:
            return _Protocol(self.config, self.server_state, app_state={})

        limits: dict[str, Any] = {
            "ssl": self._tls,
            "ssl_handshake_timeout": KEEP_ALIVE,
            "ssl_shutdown_timeout": SHUTDOWN_LIMIT,
        }
        loop = asyncio.get_running_loop()
        self.servers = [
            await loop.create_server(make_protocol, sock=each, **limits if self._tls else {})
            for each in sockets or ()
        ]
        self.started = True


class _Protocol(H11Protocol):
    """One connection, cut when it is too long without a request, or a request without its answer."""

    _deadline: asyncio.TimerHandle | None = None
    _watched: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the parent
        super().connection_made(transport)
        if certificate := find_peer_certificate(transport):
            self.app_state = {CLIENT_CERTIFICATE: certificate}
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._disarm()

    def _watch(self) -> None:
        """Let the time run anew for each request, and while there is none, from when that began."""
        # None before the first request, whatever its type says.
        is_answering = self.cycle is not None and not self.cycle.response_complete  # type: ignore[redundant-expr]
        watched = self.cycle if is_answering else None
        if self._deadline is not None:
            if watched is self._watched:
                return
            self._deadline.cancel()
        self._watched = watched
        limit = ANSWER_LIMIT if is_answering else KEEP_ALIVE
        # Not closed: that would wait until the client has read what is left for it.
        self._deadline = self.loop.call_later(limit, self.transport.abort)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _end_quietly(app: ASGIApp) -> ASGIApp:
    """Wrap `app` so that a request cancelled as the server stops ends without an error of its own."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


class HttpServer:
    """Serves an ASGI application from `start` to `stop`."""

    def __init__(self, address: str, app: ASGIApp, tls: TlsFiles | None = None) -> None:
        """Serve `app` at `address` (`host:port`; port 0 picks a free one), by TLS if there are files for it.

        Raises `InvalidError` when one of them cannot be used.
        """
        self._address = address
        self._server = _Uvicorn(
            uvicorn.Config(
                _end_quietly(app),
                http=_Protocol,
                ws="none",
                interface="asgi3",
                # Who the peer is must not be rewritten by what the peer says.
                proxy_headers=False,
                h11_max_incomplete_event_size=HEAD_LIMIT,
                limit_concurrency=MAX_CONCURRENT,
                timeout_keep_alive=KEEP_ALIVE,
                timeout_graceful_shutdown=SHUTDOWN_LIMIT,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
            ),
            build_tls(tls) if tls else None,
        )
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> None:
        """Open the port. Raises `InvalidError` when it cannot be bound."""
        listener = _listen(self._address)
        self.port = listener.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([listener]), name="http server")

    async def stop(self) -> None:
        """Close the port and let requests in flight finish, for a bounded time."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def _listen(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol said, asyncio sends small answers at once (TCP_NODELAY); without, 40 ms late.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, int(port)))
        # Whoever connects from now on waits until the server takes over.
        listener.listen()
    except OSError:
        listener.close()
        raise InvalidError(
            f"{address} cannot be bound; is another process listening there?"
        ) from None
    return listener
