"""The configuration of a provider, as JSON: reads its members one by one, strictly.

A configuration decides whom a stranger's word is believed about, so nothing in it is guessed: a member nobody
knows is an error that names the nearest known one, a value of another type is not converted, and everything is
bounded. Each kind of provider has a file of its own that says which members there are (`provider_oidc.py`, …).

Not here: secrets, which no configuration holds, and what a member is for.
"""

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from authz.errors import InvalidError, quote

TEXT_LIMIT: Final = 1_024
"""Longest text, in characters: a URL or a distinguished name is long, nothing here is longer."""
LIST_LIMIT: Final = 64
"""Most members of a list."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)")
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


class Members:
    """The members of one configuration. Each is read once, by its kind; all raise `InvalidError`.

    The error's `field` is `config.MEMBER`. A member without a `default` must be there.
    """

    def __init__(self, raw: Mapping[str, object], known: Collection[str]) -> None:
        """Refuse members that are not `known`: a misspelt bound is no bound."""
        for name in raw:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else ""
                raise InvalidError(
                    f"there is no member {quote(str(name))}{hint}", field=_field(str(name))
                )
        self._raw = raw

    def has(self, name: str) -> bool:
        """Tell whether the member is there."""
        return name in self._raw

    def text(self, name: str, default: str | None = None, *, limit: int = TEXT_LIMIT) -> str:
        """Read a text of at most `limit` printable characters; one without a default is not empty."""
        value = self._take(name, default)
        if value == "" and default is None:
            raise refuse(name, "is empty")
        return _text(name, value, limit)

    def choice(self, name: str, known: Collection[str], default: str | None = None) -> str:
        """Read one of the `known` words."""
        value = self.text(name, default)
        if value not in known:
            words = ", ".join(quote(word) for word in known if word)
            raise refuse(name, f"is {quote(value)}, and none of {words}")
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Read true or false."""
        value = self._take(name, default)
        if not isinstance(value, bool):
            raise refuse(name, "is neither true nor false")
        return value

    def names(
        self, name: str, default: tuple[str, ...] | None = None, *, limit: int = LIST_LIMIT
    ) -> tuple[str, ...]:
        """Read a list of texts, none of them empty or twice; one without a default is not empty."""
        value = self._take(name, default)
        if not isinstance(value, list | tuple) or len(value) > limit:
            raise refuse(name, f"is not a list of at most {limit} texts")
        if not value and default is None:
            raise refuse(name, "is empty")
        texts = tuple(_text(name, member, TEXT_LIMIT) for member in value)
        if "" in texts or len(set(texts)) != len(texts):
            raise refuse(name, "has a member that is empty or repeated")
        return texts

    def whole(self, name: str, default: int | None = None, *, low: int, high: int) -> int:
        """Read a whole number from `low` to `high`."""
        value = self._take(name, default)
        if isinstance(value, float) and value.is_integer():  # every number, where protobuf read it
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise refuse(name, f"is not a whole number from {low:,} to {high:,}")
        return value

    def seconds(self, name: str, default: float | None = None, *, low: float, high: float) -> float:
        """Read a duration from `low` to `high` seconds: a number of seconds, or a text such as `5m`."""
        value = self._take(name, default)
        if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
            value = float(match[1]) * _UNITS[match[2]]
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(name, "is not a duration, such as `250ms`, `30s`, `5m`")
        if not low <= value <= high:
            raise refuse(name, f"is not a duration from {low:g} to {high:g} seconds")
        return float(value)

    def url(self, name: str, default: str | None = None, *, is_http_let: bool = False) -> str:
        """Read a URL of https; of http only where the configuration says so (`is_http_let`).

        It names a host, and neither a user nor a fragment. The loopback interface is no exception.
        """
        value = self.text(name, default)
        if value and not is_url(value):
            raise refuse(name, "is not a URL, such as `https://id.example.com/path`")
        if value and not value.startswith("https://") and not is_http_let:
            raise refuse(name, "is not a URL of https; for tests, `insecure_http` lets it")
        return value

    def _take(self, name: str, default: object) -> object:
        value = self._raw.get(name, default)
        if name not in self._raw and default is None:
            raise InvalidError(f"the member {quote(name)} is missing", field=_field(name))
        return value


def refuse(name: str, reason: str) -> InvalidError:
    """Return the error of the member `name`; `reason` is said about it."""
    return InvalidError(f"the member {quote(name)} {reason}", field=_field(name))


def _field(name: str) -> str:
    return f"config.{name[:TEXT_LIMIT]}"


def _text(name: str, value: object, limit: int) -> str:
    if not isinstance(value, str):
        raise refuse(name, "is not a text")
    if len(value) > limit:
        raise refuse(name, f"has more than {limit:,} characters")
    if not value.isprintable() or value != value.strip():
        raise refuse(name, "has invisible characters, or spaces at its ends")
    return value


def is_url(text: str) -> bool:
    """Tell whether `text` is a URL of http or https: with a host, without user, fragment, odd characters."""
    if (
        len(text) > TEXT_LIMIT
        or not text.isascii()
        or not text.isprintable()
        or " " in text
        or "\\" in text
        or "#" in text
    ):
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.netloc if port is None else parts.netloc.rpartition(":")[0]
    return (
        text.startswith(("https://", "http://")) and _HOST.fullmatch(host) is not None and port != 0
    )
