"""Envoy's `ext_authz` v3: `CheckRequest` → an HTTP request, raw; a verdict → `CheckResponse`.

Headers are read from `header_map` (`encode_raw_headers: true`), where Envoy keeps raw bytes and repeated
lines apart; without it from `headers`, where repeated lines are already joined and cannot be seen. The
path is taken as Envoy sends it: raw and with its query, provided its path normalisation is off
(`deploy/envoy.yaml`).

Source: Envoy's `envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`.
Not here: what the request means (`s3_http.py`, `http_routes.py`), and every decision.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from authz.errors import ParseError
from authz.identity.http import HttpRequest

MAPPING_EXTENSION: Final = "authz.mapping"
"""The `context_extensions` key by which a route chooses how its requests are read; absent means `s3`."""

S3_MAPPING: Final = "s3"

PARTIAL_BODY_HEADER: Final = "x-envoy-auth-partial-body"
"""Envoy sets this to `true` when it buffered only the beginning of a body."""

OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD

_NO_REPEATS: Final[frozenset[str]] = frozenset()


class EnvoyCheck(NamedTuple):
    """One question of Envoy: the client's request, and which mapping the route chose."""

    request: HttpRequest
    mapping: str


def parse_check(raw: bytes, *, trusted_hops: int = 0) -> EnvoyCheck:
    """Read a serialized `CheckRequest`.

    The client's address is the peer that Envoy reports, or, with `trusted_hops` proxies in front of
    Envoy, the one the outermost of them added to `X-Forwarded-For`. Raises `ParseError` when the bytes
    are no such message or hold no HTTP request.
    """
    try:
        attributes = external_auth_pb2.CheckRequest.FromString(raw).attributes
    except DecodeError:
        raise ParseError("the message is not a CheckRequest") from None
    http = attributes.request.http
    if not http.method or not http.path.startswith(("/", "*")):
        raise ParseError("the CheckRequest holds no HTTP request with a path")
    lines = http.header_map.headers
    headers, repeated = _join_lines(lines) if lines else (dict(http.headers), _NO_REPEATS)
    host = headers.pop(":authority", None) or http.host
    if host:
        headers["host"] = host
    path, _, query = http.path.partition("?")
    request = HttpRequest(
        http.method,
        path,
        query,
        headers,
        repeated=repeated,
        scheme=http.scheme,
        source_ip=_client_address(attributes, headers, trusted_hops),
        body=_body(http, headers),
    )
    extensions = attributes.context_extensions
    mapping = extensions.get(MAPPING_EXTENSION, S3_MAPPING)
    return EnvoyCheck(request, mapping)


def _join_lines(lines: Iterable[Any]) -> tuple[dict[str, str], frozenset[str]]:
    headers: dict[str, str] = {}
    repeated: set[str] | None = None
    for line in lines:
        name = line.key
        # Latin-1 maps every byte to one character and back: what is hashed later is what was sent.
        value = line.raw_value.decode("latin-1") or line.value
        if name in headers:
            repeated = repeated or set()
            repeated.add(name)
            value = f"{headers[name]},{value}"
        headers[name] = value
    return headers, frozenset(repeated) if repeated else _NO_REPEATS


def _client_address(attributes: Any, headers: Mapping[str, str], trusted_hops: int) -> str:
    peer: str = attributes.source.address.socket_address.address
    if not trusted_hops:
        return peer
    # Envoy has appended its own peer, the innermost proxy; each trusted hop is one step further left.
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",")]
    position = len(hops) - trusted_hops - 1
    # Fewer hops than promised: somebody came around the outer proxies, so only the peer is certain.
    return hops[position] if position >= 0 and hops[position] else peer


def _body(http: Any, headers: Mapping[str, str]) -> bytes | None:
    if headers.get(PARTIAL_BODY_HEADER) == "true":
        return None
    body: bytes = http.raw_body or http.body.encode()
    if body:
        return body
    return b"" if headers.get("content-length") == "0" else None


def render_allowed(
    headers: Mapping[str, str], metadata: Mapping[str, str], remove: Iterable[str] = ()
) -> bytes:
    """Render "go ahead": `headers` for the upstream (replacing the client's).

    Metadata, headers to `remove`.
    """
    response = external_auth_pb2.CheckResponse()
    response.status.code = code_pb2.OK
    ok = response.ok_response
    for name, value in headers.items():
        option = ok.headers.add(append_action=OVERWRITE)
        option.header.key = name
        option.header.value = value
    ok.headers_to_remove.extend(remove)
    fields = response.dynamic_metadata.fields
    for name, value in metadata.items():
        fields[name].string_value = value
    rendered: bytes = response.SerializeToString()
    return rendered


def render_denied(
    http_status: int, headers: Mapping[str, str], body: bytes, metadata: Mapping[str, str]
) -> bytes:
    """Render a refusal: what the client gets, and metadata for Envoy's access log."""
    response = external_auth_pb2.CheckResponse()
    unauthenticated = http_status == 401
    response.status.code = (
        code_pb2.UNAUTHENTICATED if unauthenticated else code_pb2.PERMISSION_DENIED
    )
    denied = response.denied_response
    denied.status.code = http_status
    for name, value in headers.items():
        option = denied.headers.add(append_action=OVERWRITE)
        option.header.key = name
        option.header.value = value
    denied.body = body.decode()
    fields = response.dynamic_metadata.fields
    for name, value in metadata.items():
        fields[name].string_value = value
    rendered: bytes = response.SerializeToString()
    return rendered
