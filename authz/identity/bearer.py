"""What a request presents instead of a signature: a token in its `Authorization` header (RFC 6750, §2.1).

A token is good for whoever shows it, so it is taken from that one place and in one form: exactly one header,
one scheme, one token, nothing beside it. What would be a second proof (a signature in the query, a session's
token in a header of its own) makes the request nobody's.

Not here: where tokens are taken at all (`formats/http_routes.py`), and what one is worth. Pure.
"""

import re
from typing import Final

from authz.errors import UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.jwt import TOKEN_LIMIT
from authz.identity.proof import find_proof

_SCHEME: Final = re.compile(r"(?i:bearer)(?![!#$%&'*+\-.^_`|~0-9A-Za-z])")
# RFC 7515, §7.1, of two dots, or one part of the same letters: what our own tokens are.
_CREDENTIALS: Final = re.compile(
    r"(?i:bearer) {1,8}([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+)?)"
)
_HEADER_LIMIT: Final = TOKEN_LIMIT + 16


def find_bearer(request: HttpRequest, now: float) -> str | None:
    """Return the token that a request presents, `None` when its `Authorization` is not of this scheme.

    Raises `UnauthenticatedError` (`InvalidRequest`) for one that could be read in two ways, and for a request
    that brings another proof besides.
    """
    authorization = request.headers.get("authorization")
    if authorization is None or _SCHEME.match(authorization) is None:
        return None
    if "authorization" in request.repeated:
        raise _invalid("the `Authorization` header is sent more than once")
    if len(authorization) > _HEADER_LIMIT:
        raise _invalid(f"the token has more than {TOKEN_LIMIT:,} characters")
    match = _CREDENTIALS.fullmatch(authorization)
    if match is None:
        raise _invalid("the `Authorization` header is not `Bearer` and one token")
    _check_alone(request, now)
    return match[1]


def _check_alone(request: HttpRequest, now: float) -> None:
    """Refuse a request that without its token would be signed, or look as if it were."""
    rest = {name: value for name, value in request.headers.items() if name != "authorization"}
    unsigned = HttpRequest(
        request.method, request.path, request.query, rest, repeated=request.repeated
    )
    try:
        is_alone = find_proof(unsigned, now) is None
    except UnauthenticatedError:
        is_alone = False
    if not is_alone:
        raise _invalid("only one proof may be sent, a token or a signature")


def _invalid(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError("InvalidRequest", reason)
