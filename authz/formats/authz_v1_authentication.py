"""`authz.v1.AuthenticationService` messages ↔ a proof of identity, and whose it is.

The caller hands over a token, a certificate, or a request it received, raw; the answer says whose. The text of
a request must be what was on the wire: a path that was decoded and encoded again verifies wrongly, so what can be
no raw path is refused here with the field's name instead of a puzzling `SignatureDoesNotMatch`. Non-ASCII text
in the path is taken as its UTF-8 bytes, read as Latin-1, as `identity/http.py` keeps all raw text.

Not here: verifying (`identity/sigv4.py`), or looking the key up.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

from authz.errors import InvalidError, UnauthenticatedError, quote
from authz.formats.authz_v1 import fill_duration, parse_message, parse_revision
from authz.formats.client_certificates import CERTIFICATE_LIMIT
from authz.identity.http import HttpRequest
from authz.identity.jwt import TOKEN_LIMIT
from authz.policy.request import Principal, PrincipalKind
from authz.wire.authz.v1 import authentication_pb2 as wire

HEADER_LIMIT: Final = 200
"""Most header lines (Envoy's default is 100)."""
REQUEST_BYTES_LIMIT: Final = 98_304
"""Largest message in bytes: 64 KiB of headers (Envoy's default is 60 KiB), and path and query."""
SERVICES_LIMIT: Final = 16
"""Most service names to accept signatures for."""

# RFC 9110, 5.6.2: token.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}")
_RAW_PATH: Final = re.compile(r"/[^\x00-\x20\x7f?#]*")
_RAW_QUERY: Final = re.compile(r"[^\x00-\x20\x7f#]*")
_SERVICE: Final = re.compile(r"[a-z0-9-]{1,64}")
_SCHEMES: Final = frozenset({"", "http", "https"})


class AnyProof:
    """What is to be authenticated; `repr` shows nothing of it.

    A `request`, or else a `token` or a `certificate` (DER). `services` is empty for those the server is
    configured for. `accepts_narrowed` tells that the caller understands what is narrowed.
    """

    __slots__ = (
        "accepts_narrowed",
        "at_least_revision",
        "certificate",
        "request",
        "services",
        "token",
    )

    def __init__(
        self,
        request: HttpRequest | None,
        *,
        token: str = "",
        certificate: bytes = b"",
        services: frozenset[str],
        at_least_revision: int,
        accepts_narrowed: bool,
    ) -> None:
        self.request = request
        self.token = token
        self.certificate = certificate
        self.services = services
        self.at_least_revision = at_least_revision
        self.accepts_narrowed = accepts_narrowed


def parse_authenticate(raw: bytes) -> AnyProof:
    """Read an `AuthenticateRequest`."""
    if len(raw) > REQUEST_BYTES_LIMIT:
        raise InvalidError(
            f"a request has at most {REQUEST_BYTES_LIMIT} bytes, this one has {len(raw)}"
        )
    message = parse_message(wire.AuthenticateRequest, raw)
    services = _parse_services(message.services)
    revision = parse_revision(message.at_least_revision)
    token, certificate = message.bearer_token, message.client_certificate
    kind = message.WhichOneof("proof")
    if kind == "bearer_token":
        _demand(0 < len(token) <= TOKEN_LIMIT, f"1 to {TOKEN_LIMIT} characters", kind)
    if kind == "client_certificate":
        _demand(0 < len(certificate) <= CERTIFICATE_LIMIT, f"1 to {CERTIFICATE_LIMIT} bytes", kind)
    return AnyProof(
        None if token or certificate else _parse_request(message.request),
        token=token,
        certificate=certificate,
        services=services,
        at_least_revision=revision,
        accepts_narrowed=message.accepts_narrowed,
    )


def _parse_services(services: Iterable[str]) -> frozenset[str]:
    names = frozenset(services)
    if len(names) > SERVICES_LIMIT:
        raise InvalidError(f"at most {SERVICES_LIMIT} services", field="services")
    for name in names:
        _demand(_SERVICE.fullmatch(name), f"{quote(name)} is not a service name", "services")
    return names


def _parse_request(message: wire.HttpRequest) -> HttpRequest:
    method, path, query = message.method, message.raw_path, message.raw_query
    _demand(_TOKEN.fullmatch(method), f"{quote(method)} is not a method", "request.method")
    _demand(_RAW_PATH.fullmatch(path), f"{quote(path)} is not a raw path", "request.raw_path")
    _demand(_RAW_QUERY.fullmatch(query), f"{quote(query)} is not a raw query", "request.raw_query")
    _demand(message.scheme in _SCHEMES, "the scheme is `http` or `https`", "request.scheme")
    headers, repeated = _parse_headers(message.headers)
    return HttpRequest(
        method,
        _latin(path),
        _latin(query),
        headers,
        repeated=repeated,
        scheme=message.scheme or "http",
        source_ip=_parse_address(message.source_ip),
    )


def _parse_headers(lines: Iterable[wire.HttpHeader]) -> tuple[dict[str, str], frozenset[str]]:
    headers: dict[str, str] = {}
    repeated: set[str] = set()
    for index, line in enumerate(lines):
        _demand(index < HEADER_LIMIT, f"at most {HEADER_LIMIT} header lines", "request.headers")
        place = f"request.headers[{index}]"
        _demand(
            _TOKEN.fullmatch(line.name), f"{quote(line.name)} is not a header name", f"{place}.name"
        )
        name, value = line.name.lower(), line.value.decode("latin-1")
        # RFC 9110, 5.5: these three never stand in a value; a line break in one would forge a signed line.
        _demand(not set(value) & _FORBIDDEN, "a header value is one line", f"{place}.value")
        if name in headers:
            repeated.add(name)
            value = f"{headers[name]},{value}"
        headers[name] = value
    return headers, frozenset(repeated)


_FORBIDDEN: Final = frozenset("\r\n\0")


def _parse_address(text: str) -> str:
    if text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            problem = f"{quote(text)} is not an IP address"
            raise InvalidError(problem, field="request.source_ip") from None
    return text


def _latin(text: str) -> str:
    return text if text.isascii() else text.encode().decode("latin-1")


def _demand(holds: object, problem: str, field: str) -> None:
    if not holds:
        raise InvalidError(problem, field=field)


KINDS: Final[Mapping[PrincipalKind, wire.PrincipalKind]] = {
    PrincipalKind.ROOT: wire.PRINCIPAL_KIND_ROOT,
    PrincipalKind.USER: wire.PRINCIPAL_KIND_USER,
    PrincipalKind.ASSUMED_ROLE: wire.PRINCIPAL_KIND_ASSUMED_ROLE,
    PrincipalKind.ANONYMOUS: wire.PRINCIPAL_KIND_ANONYMOUS,
}


def render_authentication(
    principal: Principal,
    access_key_id: str,
    revision: int,
    staleness: float,
    *,
    is_narrowed: bool = False,
) -> bytes:
    """Write the `AuthenticateResponse` of a proof that held; `staleness` in seconds."""
    response = wire.AuthenticateResponse(revision=revision)
    fill_duration(response.staleness, staleness)
    response.authentication.access_key_id = access_key_id
    response.authentication.narrowed = is_narrowed
    fill_principal(response.authentication.principal, principal)
    return response.SerializeToString()


def fill_principal(message: wire.Principal, principal: Principal) -> None:
    """Write who somebody is into `message`."""
    message.arn = principal.arn
    message.kind = KINDS[principal.kind]
    message.account = principal.account
    message.id = principal.id
    message.name = principal.name


def render_authentication_failure(
    error: UnauthenticatedError, revision: int, staleness: float
) -> bytes:
    """Write the `AuthenticateResponse` of a proof that did not hold; `staleness` in seconds."""
    response = wire.AuthenticateResponse(revision=revision)
    fill_duration(response.staleness, staleness)
    response.failure.code = error.code
    response.failure.message = error.message
    return response.SerializeToString()
