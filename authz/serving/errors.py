"""The one table from errors to what a transport says: gRPC code and HTTP status.

Codes are numbers of `google.rpc.Code`, so that this file knows the protocol but no library of it.
"""

from typing import Final, NamedTuple

from google.rpc import code_pb2

from authz.errors import (
    AuthzError,
    ConflictError,
    ForbiddenError,
    InUseError,
    InvalidError,
    NotFoundError,
    OutdatedError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)


class Rendering(NamedTuple):
    """How an error looks from outside: `google.rpc.Code` number and HTTP status."""

    grpc: int
    http: int


RENDERINGS: Final[dict[type[AuthzError], Rendering]] = {
    ParseError: Rendering(code_pb2.INVALID_ARGUMENT, 400),
    InvalidError: Rendering(code_pb2.INVALID_ARGUMENT, 400),
    UnauthenticatedError: Rendering(code_pb2.UNAUTHENTICATED, 401),
    ForbiddenError: Rendering(code_pb2.PERMISSION_DENIED, 403),
    NotFoundError: Rendering(code_pb2.NOT_FOUND, 404),
    ConflictError: Rendering(code_pb2.ALREADY_EXISTS, 409),
    InUseError: Rendering(code_pb2.FAILED_PRECONDITION, 409),
    OutdatedError: Rendering(code_pb2.ABORTED, 409),
    UnavailableError: Rendering(code_pb2.UNAVAILABLE, 503),
    OverloadedError: Rendering(code_pb2.RESOURCE_EXHAUSTED, 429),
}

INTERNAL: Final = Rendering(code_pb2.INTERNAL, 500)
"""Everything else: a fault of ours, whose text stays in our log."""


def render(error: Exception) -> Rendering:
    """Return how `error` looks from outside, by the nearest class in the table."""
    for kind in type(error).__mro__:
        rendering = RENDERINGS.get(kind)
        if rendering is not None:
            return rendering
    return INTERNAL


def public_message(error: Exception) -> str:
    """Return the text a caller may read: ours for an `AuthzError`, nothing of anybody else's."""
    return error.message if isinstance(error, AuthzError) else "internal error"
