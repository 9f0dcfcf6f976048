"""The HTTP server: uvicorn on the service's own event loop, with bounds, started and stopped by it.

uvicorn installs signal handlers of its own; here the service owns the signals, because one SIGTERM must
end both servers in order. uvicorn ends idle connections between requests, but waits for ever for the head of a
request that has begun, or never does; here both have the same time.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from authz.errors import InvalidError

MAX_CONCURRENT: Final = 200
"""Connections and requests at a time; more get 503."""

HEAD_LIMIT: Final = 40_960
"""Bytes of a request's head: what Envoy takes from a client (32 KiB), and what it adds."""

KEEP_ALIVE: Final = 15
"""Seconds a connection may be without a whole head of a request."""

SHUTDOWN_LIMIT: Final = 2
"""Seconds a request in flight may take once the server stops."""


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Protocol(H11Protocol):
    """One connection, closed when it is too long without a request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the parent
        super().connection_made(transport)
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
        """Let the time run while no request is being answered, from when that began."""
        # None before the first request, whatever its type says.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self._disarm()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(KEEP_ALIVE, self.transport.close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class HttpServer:
    """Serves an ASGI application from `start` to `stop`."""

    def __init__(self, address: str, app: Any) -> None:
        """Serve `app` at `address` (`host:port`; port 0 picks a free one)."""
        self._address = address
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
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
            )
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
    listener = socket.socket(family, socket.SOCK_STREAM)
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
