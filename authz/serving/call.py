"""The seam between surfaces and transports: bytes in, bytes out.

A surface offers methods; a transport (grpcio today) finds the method by its full name, hands over the
message's bytes and what it knows about the call, and sends back the bytes. A method answers at once when
everything it needs is in memory, and with an awaitable when something must be loaded. Refusals are
`AuthzError`s, which the transport renders by `serving/errors.py`.

A second transport is an adapter around this and nothing else.
"""

from collections.abc import Awaitable, Callable, Mapping


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

Methods = Mapping[str, Method]
"""A surface's methods by full name."""
