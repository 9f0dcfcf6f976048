"""Where things stand in a JSON text: the place a message names (`Statement[2].Action[0]`) → line and column.

A reading of its own, because the standard reader forgets positions. It is for texts that have been parsed
already; of others it tells as much as it understands. A lone statement, which may stand without its list, is
found as `Statement[0]`, as the parser calls it.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_ESCAPE: Final = re.compile(r"\\(.)")


class Position(NamedTuple):
    """Line and column, both counted from 1."""

    line: int
    column: int


START: Final = Position(1, 1)


def locate(document: str) -> Mapping[str, Position]:
    """Return the position of every value of a JSON text by its place."""
    found: dict[str, Position] = {}
    parents: list[tuple[str, int | None]] = []
    place, line, line_start, done = "", 1, 0, 0
    for token in _TOKEN.finditer(document):
        text, start = token.group(), token.start()
        line += document.count("\n", done, start)
        line_start = (
            document.rfind("\n", 0, start) + 1 if "\n" in document[done:start] else line_start
        )
        done = start
        if text in "{[":
            found.setdefault(place, Position(line, start - line_start + 1))
            parents.append((place, 0 if text == "[" else None))
            place = f"{place}[0]" if text == "[" else place
        elif text in "}]":
            place = parents.pop()[0] if parents else ""
        elif text == "," and parents:
            above, index = parents[-1]
            if index is not None:
                parents[-1] = (above, index + 1)
                place = f"{above}[{index + 1}]"
            else:
                place = above
        elif text.startswith('"') and _is_key(document, token.end(), parents):
            above = parents[-1][0]
            name = _ESCAPE.sub(r"\1", text[1:-1])
            place = f"{above}.{name}" if above else name
        elif text != ":":
            found.setdefault(place, Position(line, start - line_start + 1))
    return found


def _is_key(document: str, end: int, parents: list[tuple[str, int | None]]) -> bool:
    if not parents or parents[-1][1] is not None:
        return False
    return document[end : end + 64].lstrip().startswith(":")


def find_position(places: Mapping[str, Position], place: str) -> Position:
    """Return the position of a place, or of the nearest one around it."""
    while place:
        for form in (place, place.replace("Statement[0]", "Statement", 1)):
            if form in places:
                return places[form]
        place = (
            re.sub(r"(?:\.[^.\[]*|\[\d+\]|^[^.\[]+)$", "", place)
            if re.search(r"[.\[]", place)
            else ""
        )
    return places.get("", START)
