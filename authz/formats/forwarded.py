"""`X-Forwarded-For`: where a request came from, as the proxies that it passed say.

Each proxy appends its own peer, so the list is only as true as the proxies are: what stands left of the hops
that are known to be ours was written by strangers. Both ways in read it here (`envoy_v3.py`, `asgi.py`).

Not here: which peers are proxies of ours, and how many stand in front of them (settings).
"""

import ipaddress
from collections.abc import Mapping
from typing import Final

FORWARDED_FOR: Final = "x-forwarded-for"
FORWARDED_PROTO: Final = "x-forwarded-proto"

ADDRESS_LIMIT: Final = 64
"""Longest text of an IP address that is looked at; the longest there is has 45 characters."""


def find_hop(headers: Mapping[str, str], position: int) -> str:
    """Return the address at `position` from the right, counted from 0; empty where no address stands."""
    hops = headers.get(FORWARDED_FOR, "").split(",")
    if position >= len(hops):
        return ""
    hop = hops[-1 - position].strip()
    return hop if _is_address(hop) else ""


def _is_address(text: str) -> bool:
    if len(text) > ADDRESS_LIMIT or "%" in text:
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
