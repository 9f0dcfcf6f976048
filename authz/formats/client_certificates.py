"""Client certificates as proxies write them into text: Envoy's `X-Forwarded-Client-Cert`, and URL-encoded PEM.

A certificate is public, so a header that names one proves nothing; the proxy that wrote it has seen the proof,
and whether it is believed is not asked here (`asgi.py`). Of all that the header can say only `Cert` is read,
because that alone can be verified again. A header of several elements is refused: the last one is what the
nearest proxy saw, which is another proxy, and taking that for the client would make one of all clients.

Source: Envoy's "HTTP header manipulation", x-forwarded-client-cert; RFC 7468 (PEM). Not here: whether the
certificate is any good (`federation/certificates.py`).
"""

import base64
import binascii
import re
from typing import Final

from authz.errors import ParseError
from authz.identity.http import percent_decode

FORWARDED_CLIENT_CERT: Final = "x-forwarded-client-cert"

HEADER_LIMIT: Final = 64 * 1024
"""Longest header that is looked at, in bytes; a certificate takes some two thousand."""
CERTIFICATE_LIMIT: Final = 16 * 1024
"""Largest certificate that is taken, in bytes of DER; one of RSA with many names has four thousand."""

_ELEMENT: Final = re.compile(
    r'(?P<name>[A-Za-z]{1,16})=(?P<value>"(?:[^"\\]|\\.)*+"|[^",;]*+)(?P<end>;|,|\Z)'
)
_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\r?\n((?:[A-Za-z0-9+/=]{1,76}\r?\n)++)-----END CERTIFICATE-----\r?\n?"
)
_WRITTEN_BY_HOLDERS: Final = frozenset({"uri", "dns"})
"""Envoy does not quote these, and who holds the certificate may have chosen them."""


def parse_xfcc(value: str) -> bytes:
    """Return the certificate (DER) in a header of one element, `b""` when it names none.

    Raises `ParseError` for a header that is too long, malformed, or of several elements, and for one whose
    `Cert` comes twice, or behind a name that the holder of a certificate could have written it into.
    """
    if len(value) > HEADER_LIMIT:
        raise ParseError("the forwarded client certificate is too long")
    if not value.isascii() or not value.isprintable():
        raise ParseError("the forwarded client certificate is not printable ascii")
    pairs = _split(value)
    names = [name for name, _ in pairs]
    if "cert" not in names:
        return b""
    at = names.index("cert")
    if names.count("cert") > 1 or not _WRITTEN_BY_HOLDERS.isdisjoint(names[:at]):
        raise ParseError("the forwarded client certificate is ambiguous")
    return parse_pem_url_encoded(pairs[at][1])


def parse_pem_url_encoded(text: str) -> bytes:
    """Return the one certificate (DER) in percent-encoded PEM, as in Envoy's `source.certificate`.

    `+` is itself, as Envoy and nginx write it. Raises `ParseError` for anything but exactly one certificate.
    """
    if len(text) > HEADER_LIMIT:
        raise ParseError("the certificate is too long")
    match = _PEM.fullmatch(percent_decode(text))
    if match is None:
        raise ParseError("the certificate is not the PEM of exactly one certificate")
    try:
        der = base64.b64decode(re.sub(r"[\r\n]", "", match[1]), validate=True)
    except (binascii.Error, ValueError):
        raise ParseError("the certificate is not base64") from None
    if len(der) > CERTIFICATE_LIMIT:
        raise ParseError("the certificate is too large")
    return der


def _split(value: str) -> list[tuple[str, str]]:
    """Return lower-cased names and values of the one element of the header."""
    pairs: list[tuple[str, str]] = []
    position, end = 0, ";"
    while end == ";":
        match = _ELEMENT.match(value, position)
        if match is None:
            raise ParseError("the forwarded client certificate is malformed")
        text = match["value"]
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        pairs.append((match["name"].lower(), text))
        position, end = match.end(), match["end"]
    if end == ",":
        raise ParseError("the forwarded client certificate has several elements")
    return pairs
