"""An HTTP request as a signature sees it: the raw text of every part, nothing decoded.

Signatures are computed over what was sent, and stores act on what it decodes to; keeping the raw text here
and decoding in one place (`formats/s3_http.py`) is what keeps the two from drifting apart. Header bytes are
read as Latin-1, so that encoding them back gives the very bytes that were on the wire.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from authz.errors import ParseError

_STRAY_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


class HttpRequest:
    """A request as it came in over the wire, head first; built once per check by a format.

    `path` is raw (percent-encoded as sent), without the query; `query` is raw, without its `?`. `headers` maps
    lower-cased names to values; a header sent several times has its values joined with `,` in order, and its
    name is in `repeated`. `host` is among the headers. `scheme` is `http` or `https` as the proxy saw it;
    `source_ip` the client's address as trusted hops report it, empty when unknown. `body` is `None` when the
    body was not sent along (the usual case), `b""` when there is none. Header values are unstripped.
    `client_certificate` (DER, empty without) is the one whose key the client proved to hold, to this service
    or to a proxy that is believed; whether it is any good has not been asked.
    """

    __slots__ = (
        "body",
        "client_certificate",
        "headers",
        "method",
        "path",
        "query",
        "repeated",
        "scheme",
        "source_ip",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Mapping[str, str],
        *,
        repeated: frozenset[str] = frozenset(),
        scheme: str = "http",
        source_ip: str = "",
        body: bytes | None = None,
        client_certificate: bytes = b"",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.repeated = repeated
        self.scheme = scheme
        self.source_ip = source_ip
        self.body = body
        self.client_certificate = client_certificate


def split_query(query: str) -> list[tuple[str, str]]:
    """Split a raw query into raw (name, value) pairs, in order; `acl` is `("acl", "")`."""
    pairs = [piece.partition("=") for piece in query.split("&") if piece]
    return [(name, value) for name, _, value in pairs]


def percent_decode(text: str) -> str:
    """Decode `%XX` (RFC 3986, section 2.1) once, as UTF-8; `+` is left as it is.

    Raises `ParseError` for what two parsers could read differently: a stray `%`, invalid UTF-8, and bytes
    outside ASCII that should have been encoded.
    """
    if not text.isascii():
        raise ParseError("a character outside ascii is not percent-encoded")
    if "%" not in text:
        return text
    if _STRAY_PERCENT.search(text) is not None:
        raise ParseError("a percent sign without two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise ParseError("percent-encoded bytes that are not utf-8") from None
