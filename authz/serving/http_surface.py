"""What a surface of the HTTP port is: a request in, its body if it is asked for, an answer out.

The surfaces (`bucket_policies.py`, `sts.py`) know no server, and the server's adapter
(`http/surface_app.py`) knows no surface: this is what they both know.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from authz.identity.http import HttpRequest

ReadBody = Callable[[], Awaitable[bytes | None]]
"""Reads the body of a request: all of it, or more than the limit; `None` if it did not come in time."""


class HttpAnswer(NamedTuple):
    """What the client gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSurface(Protocol):
    """Answers requests; what goes wrong is an answer, too."""

    body_limit: int
    """Longest body in bytes that is of any use."""

    async def answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        """Answer one request, whose body is still to be read, if it matters."""
        ...

    def turn_away(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that there is no room for."""
        ...
