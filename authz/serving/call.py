"""The seam between surfaces and transports: bytes in, bytes out.

A surface offers methods; a transport (grpcio today) finds the method by its full name, hands over the
message's bytes and what it knows about the call, and sends back the bytes. A method answers at once when
everything it needs is in memory, and with an awaitable when something must be loaded. A stream answers with
many messages, each made when the one before it has been sent. Refusals are `AuthzError`s, which the transport
renders by `serving/errors.py`.

A second transport is an adapter around this and nothing else.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from inspect import isasyncgenfunction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import TypeIs  # in `typing` from Python 3.13 on


class Call:
    """What a transport knows about one call besides its message.

    `method` is the full name (`/authz.v1.AuthorizationService/Authorize`), `metadata` the headers by
    lower-cased name, `peer` the caller's address as the transport writes it.
    """

    __slots__ = ("metadata", "method", "peer")

    def __init__(self, method: str, metadata: Mapping[str, str], peer: str) -> None:
        self.method = method
        self.metadata = metadata
        self.peer = peer


Method = Callable[[bytes, Call], bytes | Awaitable[bytes]]
"""One method of a surface; raises `AuthzError` children and nothing else on purpose."""

Stream = Callable[[bytes, Call], AsyncGenerator[bytes, None]]
"""A method with many answers: an async generator function, which a transport closes in any case."""

Methods = Mapping[str, Method | Stream]
"""A surface's methods by full name."""


def is_stream(method: Method | Stream) -> "TypeIs[Stream]":
    """Tell whether a method is a stream."""
    return isasyncgenfunction(method)
