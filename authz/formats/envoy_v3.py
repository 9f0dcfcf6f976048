"""Envoy's `ext_authz` v3: `CheckRequest` → an HTTP request, raw; a verdict → `CheckResponse`.

Headers are read from `header_map` (`encode_raw_headers: true`), where Envoy keeps raw bytes and repeated
lines apart. In `headers`, repeated lines are already joined and cannot be told from one, so a question that has
only those is an error, which Envoy answers with 503. The path is taken as Envoy sends it: raw and with its
query, provided its path normalisation is off (`deploy/envoy.yaml`).

Source: Envoy's `envoy/service/auth/v3/external_auth.proto` and `attribute_context.proto`.
Not here: what the request means (`s3_http.py`, `http_routes.py`), and every decision.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.message import DecodeError
from google.rpc import code_pb2

from authz.errors import InvalidError, ParseError
from authz.formats.client_certificates import parse_pem_url_encoded
from authz.formats.forwarded import FORWARDED_PROTO, find_hop
from authz.identity.http import HttpRequest

MAPPING_EXTENSION: Final = "authz.mapping"
"""The `context_extensions` key by which a route chooses how its requests are read; absent means `s3`."""

S3_MAPPING: Final = "s3"

PARTIAL_BODY_HEADER: Final = "x-envoy-auth-partial-body"
"""Envoy sets this to `true` when it buffered only the beginning of a body."""

TEMPLATE_LIMIT: Final = 4_096
"""Templates of answers kept; about 2 MiB."""

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
    are no such message or hold no HTTP request, `InvalidError` when Envoy is not set up to send raw headers.
    """
    try:
        attributes = external_auth_pb2.CheckRequest.FromString(raw).attributes
    except DecodeError:
        raise ParseError("the message is not a CheckRequest") from None
    http = attributes.request.http
    if not http.method or not http.path.startswith(("/", "*")):
        raise ParseError("the CheckRequest holds no HTTP request with a path")
    lines = http.header_map.headers
    if not lines:
        raise InvalidError("the CheckRequest has no raw headers; set `encode_raw_headers: true`")
    headers, repeated = _join_lines(lines)
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
        scheme=_scheme(attributes, headers),
        source_ip=_client_address(attributes, headers, trusted_hops),
        body=_body(http, headers),
    )
    extensions = attributes.context_extensions
    mapping = extensions.get(MAPPING_EXTENSION, S3_MAPPING)
    return EnvoyCheck(request, mapping)


def parse_peer_certificate(raw: bytes) -> bytes:
    """Return the certificate (DER) of the client whose TLS a `CheckRequest`'s Envoy ended, `b""` without one.

    Only Envoy itself says so (`include_peer_certificate`); no header is read. Raises `ParseError`.
    """
    source = external_auth_pb2.CheckRequest.FromString(raw).attributes.source
    return parse_pem_url_encoded(source.certificate) if source.certificate else b""


def _join_lines(lines: Sequence[Any]) -> tuple[dict[str, str], frozenset[str]]:
    # Latin-1 maps every byte to one character and back: what is hashed later is what was sent.
    headers = {line.key: line.raw_value.decode("latin-1") for line in lines}
    if len(headers) == len(lines):
        return headers, _NO_REPEATS
    values: dict[str, list[str]] = {}
    for line in lines:
        values.setdefault(line.key, []).append(line.raw_value.decode("latin-1"))
    joined = {name: ",".join(each) for name, each in values.items()}
    return joined, frozenset(name for name, each in values.items() if len(each) > 1)


def _client_address(attributes: Any, headers: Mapping[str, str], trusted_hops: int) -> str:
    peer: str = attributes.source.address.socket_address.address
    # Envoy has appended its own peer, the innermost proxy; each trusted hop is one step further left.
    # Fewer hops than promised: somebody came around the outer proxies, so only the peer is certain.
    return (find_hop(headers, trusted_hops) or peer) if trusted_hops else peer


def _scheme(attributes: Any, headers: Mapping[str, str]) -> str:
    """Return how the client came, as Envoy knows it: by its TLS session, or by the header Envoy overwrites.

    Never by `:scheme`, which an HTTP/2 client writes as it likes.
    """
    if attributes.HasField("tls_session") or headers.get(FORWARDED_PROTO) == "https":
        return "https"
    return "http"


def _body(http: Any, headers: Mapping[str, str]) -> bytes | None:
    body: bytes = http.raw_body or http.body.encode()
    if not body:
        return b"" if headers.get("content-length") == "0" else None
    return None if headers.get(PARTIAL_BODY_HEADER) == "true" else body


class AllowedAnswers:
    """Renders "go ahead", by templates: answers that differ only in the decision's id are rendered once.

    A decision id has a fixed length, so putting another one into the serialized message leaves every
    length in it right. Templates are kept for what an answer says besides: the most recent few thousand
    of them.
    """

    def __init__(self, id_length: int) -> None:
        """Expect decision ids of exactly `id_length` ASCII characters."""
        # No header, ARN or name can hold a NUL, so the mark stands nowhere else in a template.
        self._mark = "\x00" * id_length
        self._mark_bytes = self._mark.encode()
        self._templates: dict[tuple[object, ...], bytes] = {}

    def render(
        self,
        decision_id: str,
        key: tuple[object, ...],
        describe: Callable[[str], tuple[Mapping[str, str | None], Mapping[str, str]]],
    ) -> bytes:
        """Return the answer whose headers for the upstream and metadata `describe` gives for a decision id.

        A header that is `None` is removed from the request. `key` stands for all they hold besides the id.
        """
        template = self._templates.get(key)
        if template is None:
            template = self._make(*describe(self._mark))
            if len(self._templates) >= TEMPLATE_LIMIT:
                self._templates.clear()
            self._templates[key] = template
        return template.replace(self._mark_bytes, decision_id.encode())

    @staticmethod
    def _make(headers: Mapping[str, str | None], metadata: Mapping[str, str]) -> bytes:
        response = external_auth_pb2.CheckResponse()
        response.status.code = code_pb2.OK
        for name, value in headers.items():
            if value is None:
                response.ok_response.headers_to_remove.append(name)
                continue
            option = response.ok_response.headers.add(append_action=OVERWRITE)
            option.header.key = name
            option.header.value = value
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
