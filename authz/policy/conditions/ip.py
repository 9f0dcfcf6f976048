"""`IpAddress`: IPv4 and IPv6 addresses and networks (CIDR, RFC 4632 and RFC 4291).

A bare address is one host. An IPv4-mapped IPv6 address (`::ffff:192.0.2.1`) is its IPv4 address, on both sides,
because which form a request shows depends on the socket it came through. Host bits in a network are ignored.
"""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from authz.policy.conditions.outcome import UNEVALUABLE, Listed, Outcome
from authz.policy.patterns import Match
from authz.policy.request import Context

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_MAPPED_BITS: Final = 96

Address = tuple[int, int]
"""IP version and the address as a number."""
Network = IPv4Network | IPv6Network


@lru_cache(4096)
def parse_address(text: str) -> Address | None:
    """Read an address, or return `None`; zone identifiers (`%eth0`) are refused."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return 4, int(address)
    if address.scope_id is not None:
        return None
    mapped = address.ipv4_mapped
    return (6, int(address)) if mapped is None else (4, int(mapped))


def parse_network(text: str) -> Network | None:
    """Read a network in CIDR form or a bare host, or return `None`."""
    _, slash, bits = text.partition("/")
    if slash and not (bits.isascii() and bits.isdecimal()):
        return None  # the library would take a netmask here
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network):
        if network.network_address.scope_id is not None:
            return None
        if network.subnet_of(_MAPPED):
            host = int(network.network_address) & 0xFFFF_FFFF
            return IPv4Network((host, network.prefixlen - _MAPPED_BITS))
    return network


def compile_address(listed: Listed) -> Match:
    """Compile `IpAddress`."""
    networks: list[Network] = listed.parse(parse_network, "an IP address or network")
    ranges = [_range(network) for network in networks]

    def match(value: str, _context: Context) -> Outcome:
        address = parse_address(value)
        if address is None:
            return UNEVALUABLE
        return any(low <= address <= high for low, high in ranges)

    return match


def _range(network: Network) -> tuple[Address, Address]:
    return (
        (network.version, int(network.network_address)),
        (network.version, int(network.broadcast_address)),
    )
