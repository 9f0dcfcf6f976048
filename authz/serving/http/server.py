"""The HTTP server: uvicorn on the service's own event loop, with bounds, started and stopped by it.

uvicorn installs signal handlers of its own; here the service owns the signals, because one SIGTERM must
end both servers in order.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from authz.errors import InvalidError

MAX_CONCURRENT: Final = 200
"""Connections and requests at a time; more get 503. Scrapers and probes are few."""

KEEP_ALIVE: Final = 15
"""Seconds an idle connection is kept."""

SHUTDOWN_LIMIT: Final = 2
"""Seconds a request in flight may take once the server stops."""


class _Uvicorn(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """Serves an ASGI application from `start` to `stop`."""

    def __init__(self, address: str, app: Any) -> None:
        """Serve `app` at `address` (`host:port`; port 0 picks a free one)."""
        self._address = address
        self._server = _Uvicorn(
            uvicorn.Config(
                app,
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
    except OSError:
        listener.close()
        raise InvalidError(
            f"{address} cannot be bound; is another process listening there?"
        ) from None
    return listener
