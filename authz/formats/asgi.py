"""An ASGI `http` scope → an HTTP request, raw: for the requests that a proxy hands to this service itself.

The target is taken as it was sent (`raw_path`, `query_string`), header bytes as Latin-1, repeated headers
apart: what a signature is over. The peer is a proxy of ours or it is not. If it is, it says where the client
came from, by which scheme and, where that is switched on, with which certificate; its own certificate is
nobody else's. If not, the peer is the client, and what it says of itself is not believed.

Source: the ASGI specification, "HTTP & WebSocket", connection scope. Not here: reading bodies
(`serving/http/bucket_policies.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from authz.errors import ParseError
from authz.formats.client_certificates import FORWARDED_CLIENT_CERT, parse_xfcc
from authz.formats.forwarded import FORWARDED_PROTO, find_hop
from authz.identity.http import HttpRequest

Network = IPv4Network | IPv6Network

CLIENT_CERTIFICATE: Final = "client_certificate"
"""Where in a scope's `state` the server puts the certificate (DER) that the peer showed to it, if it did."""


def parse_scope(
    scope: Mapping[str, Any],
    *,
    proxies: Sequence[Network],
    trusted_hops: int,
    believes_certificates: bool = False,
) -> HttpRequest:
    """Read the head of a request; its body is not at hand.

    `proxies` are the networks of the proxies that connect to us, `trusted_hops` how many stand in front of
    those; with `believes_certificates` they say with which certificate a client came. A proxy that names no
    client leaves the address unknown, and one that names a certificate in any unusual way leaves it out.
    """
    headers, repeated = _join(scope["headers"])
    peer = _address_of(scope.get("client"))
    if _is_within(peer, proxies):
        # Fewer hops than promised: somebody came around the outer proxies, so only the last one is certain.
        source_ip = find_hop(headers, trusted_hops) or find_hop(headers, 0)
        scheme = "https" if headers.get(FORWARDED_PROTO) == "https" else "http"
        # INVARIANT: never the proxy's own, or all its clients would be taken for the proxy.
        is_named = believes_certificates and FORWARDED_CLIENT_CERT not in repeated
        certificate = _forwarded_certificate(headers) if is_named else b""
    else:
        source_ip, scheme = peer, scope["scheme"]
        certificate = scope.get("state", {}).get(CLIENT_CERTIFICATE, b"")
    return HttpRequest(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        repeated=repeated,
        scheme=scheme,
        source_ip=source_ip,
        client_certificate=certificate,
    )


def _forwarded_certificate(headers: Mapping[str, str]) -> bytes:
    value = headers.get(FORWARDED_CLIENT_CERT)
    try:
        return parse_xfcc(value) if value is not None else b""
    except ParseError:
        return b""


def _join(lines: Iterable[tuple[bytes, bytes]]) -> tuple[dict[str, str], frozenset[str]]:
    values: dict[str, list[str]] = {}
    for name, value in lines:
        values.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    joined = {name: ",".join(each) for name, each in values.items()}
    return joined, frozenset(name for name, each in values.items() if len(each) > 1)


def _address_of(client: Sequence[Any] | None) -> str:
    """Return the peer's address; one of IPv4 that came over an IPv6 port as what it is."""
    if not client:
        return ""
    try:
        address = ip_address(client[0])
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _is_within(peer: str, networks: Sequence[Network]) -> bool:
    return bool(peer) and any(ip_address(peer) in network for network in networks)
