"""How often somebody may try to log in: growing delays for an account, a source, and one at the other.

Whoever guesses passwords is slowed down by where it comes from and by whom it is after. An account alone is
slowed least, or anybody could keep its owner out; it is slowed soon, for directories lock accounts after some
ten failures. An account is one of the provider that was named: who is called the same elsewhere is somebody
else. An attempt counts from its beginning, so that many at once are many, and is taken back when it was good,
or when nobody could tell. What failed is forgotten little by little: among the many who share an address
somebody mistypes a password every day.

What is remembered is bounded; when it is full, the oldest is forgotten first. Each replica counts for itself.
Not here: how a password is verified, and what a login is answered with (`sts_logins.py`).
"""

import unicodedata
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from math import ceil, log2
from typing import Final, NamedTuple

from authz.clock import Clock
from authz.errors import OverloadedError

REMEMBERED: Final = 50_000
"""Accounts and sources remembered, at some 200 bytes each."""
NAME_REMEMBERED: Final = 256
"""Characters of a name that are; directories take no longer ones."""
FORGOTTEN_AFTER: Final = 900.0
"""Seconds in which as many failures are forgotten as cost nothing."""


class Limit(NamedTuple):
    """Attempts that cost nothing, and the longest wait afterwards in seconds; it doubles from one second."""

    free: int
    longest: float

    def delay(self, failures: float) -> float:
        """Return the seconds to wait after so many failures."""
        over = ceil(failures) - self.free
        return 0.0 if over <= 0 else min(self.longest, 2.0 ** min(over - 1, 30))

    def left(self, failures: float, seconds: float) -> float:
        """Return how many of so many failures still count after this time; more than matter never do."""
        most = self.free + 1 + ceil(log2(self.longest))
        return max(0.0, min(failures, most) - seconds * self.free / FORGOTTEN_AFTER)


ACCOUNT_AT_SOURCE: Final = Limit(5, 900.0)
SOURCE: Final = Limit(50, 60.0)
ACCOUNT: Final = Limit(10, 10.0)

_IGNORED: Final = frozenset("\u1806\ufffc")
"""What RFC 4518 §2.2 maps to nothing and is neither a mark nor invisible."""


class _Tries:
    __slots__ = ("at", "count")

    def __init__(self) -> None:
        self.count = 0.0
        self.at = 0.0


Key = tuple[str, str, str]
"""A provider, an account of it, a source; those that do not matter are empty."""


class Attempt:
    """An attempt that was let in. Exactly one of its methods is called, or none where it failed."""

    __slots__ = ("_keys", "_limits")

    def __init__(self, limits: "LoginLimits", keys: tuple[tuple[Key, Limit], ...]) -> None:
        self._limits = limits
        self._keys = keys

    def succeed(self) -> None:
        """Say that it was good: what came before it counts no more against this account from this source."""
        self._limits.take_back(self._keys, forgives=True)

    def undo(self) -> None:
        """Say that nobody could tell."""
        self._limits.take_back(self._keys, forgives=False)


class LoginLimits:
    """Counts attempts to log in."""

    def __init__(self, clock: Clock, *, remembered: int = REMEMBERED) -> None:
        self._clock = clock
        self._remembered = remembered
        self._tries: OrderedDict[Key, _Tries] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tries)

    def begin(self, account: str, source_ip: str, *, provider: str = "") -> Attempt:
        """Let an attempt in; `account` is empty where the proof names none, as is an unknown source.

        `provider` is the one that was named, if any. Raises `OverloadedError` when it comes too soon.
        """
        now = self._clock.monotonic()
        keys = _keys(provider[:NAME_REMEMBERED], account, network_of(source_ip))
        counts = [self._count(key, limit, now) for key, limit in keys]
        for (key, limit), count in zip(keys, counts, strict=True):
            if limit.delay(count) > self._since(key, now):
                raise OverloadedError("too many attempts to log in; wait before the next one")
        for (key, _), count in zip(keys, counts, strict=True):
            tries = self._tries.setdefault(key, _Tries())
            tries.count, tries.at = count + 1, now
            self._tries.move_to_end(key)
        while len(self._tries) > self._remembered:
            self._tries.popitem(last=False)
        return Attempt(self, keys)

    def take_back(self, keys: tuple[tuple[Key, Limit], ...], *, forgives: bool) -> None:
        """Count an attempt no more; with `forgives`, nor those before it of the account at its source."""
        for key, limit in keys:
            tries = self._tries.get(key)
            if tries is None:
                continue
            tries.count = 0 if forgives and limit is ACCOUNT_AT_SOURCE else tries.count - 1
            if tries.count <= 0:
                del self._tries[key]

    def _count(self, key: Key, limit: Limit, now: float) -> float:
        tries = self._tries.get(key)
        return 0.0 if tries is None else limit.left(tries.count, now - tries.at)

    def _since(self, key: Key, now: float) -> float:
        tries = self._tries.get(key)
        return 0.0 if tries is None else now - tries.at


def _keys(provider: str, account: str, source: str) -> tuple[tuple[Key, Limit], ...]:
    folded = _fold(account)
    keys: list[tuple[Key, Limit]] = []
    if account:
        keys.append(((provider, folded, ""), ACCOUNT))
    if source:
        keys.append((("", "", source), SOURCE))
    if account and source:
        keys.append(((provider, folded, source), ACCOUNT_AT_SOURCE))
    return tuple(keys)


def _fold(account: str) -> str:
    """Return what spellings of a name have in common that a directory may take for one.

    That is those of RFC 4518, and accents, which Active Directory does not tell apart.
    """
    text = "".join(
        character
        for character in unicodedata.normalize("NFKD", account[:NAME_REMEMBERED])
        if character.isspace()
        or (unicodedata.category(character)[0] not in "CM" and character not in _IGNORED)
    ).casefold()
    return " ".join(text.split()) or account[:NAME_REMEMBERED]


def network_of(source_ip: str) -> str:
    """Return what one client is known by: an IPv4 address, or the network an IPv6 one is of."""
    try:
        address = ip_address(source_ip)
    except ValueError:
        return ""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(int(address) >> 64)
    return source_ip
