"""How the text of a setting is read: one function a kind, each from text or TOML to a value that is right.

What is not of its kind, or beyond its bounds, is an `InvalidError` that says what would be; who names the
setting is the caller (`settings.py`). Bounds are the setting's own.
"""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from authz.errors import InvalidError, quote
from authz.identity.credential import Secret


def text(value: object) -> str:
    """Read a text."""
    if not isinstance(value, str):
        raise InvalidError("expected a text")
    return value


def secret(value: object) -> Secret:
    """Read a text that is never shown."""
    return Secret(text(value))


def path(value: object) -> Path:
    """Read a path, with `~` for the home folder."""
    return Path(text(value)).expanduser()


def flag(value: object) -> bool:
    """Read true or false, in the words that people use for them."""
    if isinstance(value, bool):
        return value
    known = {"true": True, "yes": True, "on": True, "1": True}
    known |= {"false": False, "no": False, "off": False, "0": False}
    try:
        return known[text(value).lower()]
    except KeyError:
        raise InvalidError(f"{quote(str(value))} is neither true nor false") from None


def _number(value: object, kind: type[int] | type[float], low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidError("expected a number")
    try:
        number = kind(value)
    except ValueError:
        raise InvalidError(f"{quote(str(value))} is not a number") from None
    if not low <= number <= high:
        raise InvalidError(f"{quote(str(value))} is not between {low:g} and {high:g}")
    return number


def whole(low: int, high: int) -> Callable[[object], int]:
    """Read a whole number from `low` to `high`."""
    return lambda value: int(_number(value, int, low, high))


def share(value: object) -> float:
    """Read a share, from 0 to 1."""
    return _number(value, float, 0.0, 1.0)


_UNITS: Final = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|)")


def duration(low: float, high: float) -> Callable[[object], float]:
    """Read a duration as seconds, from `low` to `high`."""

    def parse(value: object) -> float:
        match = _DURATION.fullmatch(str(value).strip()) if not isinstance(value, bool) else None
        if match is None:
            raise InvalidError(
                f"{quote(str(value))} is not a duration, such as `250ms`, `30s`, `5m`"
            )
        return _number(float(match[1]) * _UNITS[match[2]], float, low, high)

    return parse


def address(value: object) -> str:
    """Read `host:port`."""
    host, _, port = text(value).rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise InvalidError(f"{quote(str(value))} is not an address, such as `127.0.0.1:50051`")
    return text(value)


def names(value: object) -> tuple[str, ...]:
    """Read a list, in text separated by commas."""
    listed = value if isinstance(value, list) else text(value).split(",")
    return tuple(text(name).strip() for name in listed if text(name).strip())


def networks(value: object) -> tuple[str, ...]:
    """Read a list of IP addresses and networks."""
    for name in (listed := names(value)):
        try:
            ipaddress.ip_network(name)
        except ValueError:
            raise InvalidError(
                f"{quote(name)} is neither an IP address nor a network, such as `10.0.0.0/8`"
            ) from None
    return listed


def choice(*known: str) -> Callable[[object], str]:
    """Read one of the `known` words."""

    def parse(value: object) -> str:
        if text(value) not in known:
            raise InvalidError(f"{quote(str(value))} is none of {', '.join(known)}")
        return text(value)

    return parse


def account(value: object) -> str:
    """Read an account id: 12 digits, or none."""
    if not re.fullmatch(r"([0-9]{12})?", text(value)):
        raise InvalidError(f"{quote(str(value))} is not an account id: 12 digits, or empty")
    return text(value)
