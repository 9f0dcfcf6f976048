"""What a surface of the HTTP port is: a request with its body in, an answer out.

The surfaces (`bucket_policies.py`, `sts.py`) know no server, and the server's adapter
(`http/surface_app.py`) knows no surface: this is what they both know.
"""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from authz.identity.http import HttpRequest


class HttpAnswer(NamedTuple):
    """What the client gets."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpSurface(Protocol):
    """Answers requests; what goes wrong is an answer, too."""

    body_limit: int
    """Longest body in bytes that is of any use."""

    async def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer one request.

        Its body is whole, or longer than `body_limit`, or `None`, which means that it did not come in time.
        """
        ...

    def turn_away(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that there is no room for."""
        ...
