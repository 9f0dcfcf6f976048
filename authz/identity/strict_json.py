"""JSON from strangers: one object, read so that no two readers could differ about it.

Tokens and sets of keys are what identities stand on. A member that is there twice, numbers that JSON does not
have (`NaN`), half a surrogate pair, or nesting without end are refused rather than settled somehow. Whoever
sends it pays for it, not who else waits for the loop: parts are counted before anything is made of them, and
what is looked at afterwards is only what could be wrong.

Source: RFC 8259 §4 (names should be unique), RFC 7519 §4 (claim names must be). Not here: what is in it.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from authz.errors import ParseError, quote

DEPTH_LIMIT: Final = 16
"""Most levels of objects and lists; claims that hold roles of clients have four."""
ANSWER_PARTS: Final = 10_000
"""Most parts of what a provider answers: a thousand distinguished names as groups have 7,000, sets of keys and
descriptions some hundreds."""

_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
"""What half a surrogate pair is written with, and a whole one, too."""
_OPENING: Final = (b"[", b"{")
_STRUCTURE: Final = (*_OPENING, b",", b":")


def parse_object(text: bytes, *, parts_limit: int | None = None) -> Mapping[str, Any]:
    """Read a JSON object in UTF-8; raises `ParseError`. How long it may be is the caller's.

    `parts_limit` is the most `,`, `:`, `[` and `{` in it, those in texts counted with the others: as many as
    there are, as long does reading take.
    """
    if parts_limit is not None and sum(map(text.count, _STRUCTURE)) > parts_limit:
        raise ParseError(f"JSON of more than {parts_limit:,} parts")
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
    if sum(map(text.count, _OPENING)) > DEPTH_LIMIT:
        _check_depth(parsed)
    if _HALF.search(text):
        _check_texts(parsed)
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


def _check_depth(parsed: dict[str, Any]) -> None:
    level: list[Any] = [parsed]
    for _ in range(DEPTH_LIMIT):
        level = [
            member
            for container in level
            for member in (container.values() if isinstance(container, dict) else container)
            if isinstance(member, dict | list)
        ]
        if not level:
            return
    raise ParseError(f"more than {DEPTH_LIMIT} levels")


def _check_texts(parsed: dict[str, Any]) -> None:
    """Refuse text that UTF-8 cannot say; what is checked is not nested deeply any more."""
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ParseError("a text with half a surrogate pair") from None
