"""JSON from strangers: one object, read so that no two readers could differ about it.

Tokens and sets of keys are what identities stand on. A member that is there twice, numbers that JSON does not
have (`NaN`), half a surrogate pair, or nesting without end are refused rather than settled somehow.

Source: RFC 8259 §4 (names should be unique), RFC 7519 §4 (claim names must be). Not here: what is in it.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from authz.errors import ParseError, quote

DEPTH_LIMIT: Final = 16
"""Most levels of objects and lists; claims that hold roles of clients have four."""


def parse_object(text: bytes) -> Mapping[str, Any]:
    """Read a JSON object in UTF-8; raises `ParseError`. How long it may be is the caller's."""
    try:
        parsed = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse_number,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise ParseError("not UTF-8") from None
    except (ValueError, RecursionError):  # of numbers with too many digits, too
        raise ParseError("not JSON") from None
    if not isinstance(parsed, dict):
        raise ParseError("not a JSON object")
    _check(parsed, DEPTH_LIMIT)
    return parsed


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = next(name for name, count in Counter(n for n, _ in pairs).items() if count > 1)
        raise ParseError(f"the member {quote(twice)} is there twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _refuse_number(_: str) -> NoReturn:
    raise ParseError("a number that is none, or without bound")


def _check(value: object, depth: int) -> None:
    """Refuse what is nested too deeply, and text that UTF-8 cannot say; it was parsed, so it ends."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ParseError("a text with half a surrogate pair") from None
    elif isinstance(value, dict | list):
        if depth == 0:
            raise ParseError(f"more than {DEPTH_LIMIT} levels")
        if isinstance(value, dict):
            for name in value:
                _check(name, depth)
        for member in value.values() if isinstance(value, dict) else value:
            _check(member, depth - 1)
