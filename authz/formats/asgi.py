"""An ASGI `http` scope → an HTTP request, raw: for the requests that a proxy hands to this service itself.

The target is taken as it was sent (`raw_path`, `query_string`), header bytes as Latin-1, repeated headers
apart: what a signature is over. The peer is a proxy of ours or it is not. If it is, it says where the client
came from and by which scheme; if not, the peer is the client, and what it says of itself is not believed.

Source: the ASGI specification, "HTTP & WebSocket", connection scope. Not here: reading bodies
(`serving/http/bucket_policies.py`).
"""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

from authz.formats.forwarded import FORWARDED_PROTO, find_hop
from authz.identity.http import HttpRequest

Network = IPv4Network | IPv6Network


def parse_scope(
    scope: Mapping[str, Any],
    body: bytes | None,
    *,
    proxies: Sequence[Network],
    trusted_hops: int,
) -> HttpRequest:
    """Read the head of a request; `body` is what came after it, `None` when it did not come whole.

    `proxies` are the networks of the proxies that connect to us, `trusted_hops` how many stand in front of
    those. A proxy that names no client leaves the address unknown.
    """
    headers, repeated = _join(scope["headers"])
    peer = _address_of(scope.get("client"))
    scheme, source_ip = "http", peer
    if _is_within(peer, proxies):
        # Fewer hops than promised: somebody came around the outer proxies, so only the last one is certain.
        source_ip = find_hop(headers, trusted_hops) or find_hop(headers, 0)
        scheme = "https" if headers.get(FORWARDED_PROTO) == "https" else "http"
    return HttpRequest(
        scope["method"],
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        repeated=repeated,
        scheme=scheme,
        source_ip=source_ip,
        body=body,
    )


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
