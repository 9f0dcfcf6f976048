"""Where the characters of a text stand, as integers: finding what lies between two stars of a pattern.

Bit `j` of an integer says that something begins at `text[j]`. A whole segment begins where each of its
characters stands, shifted back by its place in the segment, all joined by AND; `?` leaves out its turn. That
takes one operation of `len(text)` bits for each character of the pattern, whatever both are, and nothing is
compiled: what is built belongs to the text, and all patterns that are tried on it share it.

Not here: what stands before the first star and after the last (`globs.py`). Source: the shift-and method of
Baeza-Yates and Gonnet, "A New Approach to Text Searching" (1992), turned round: the bits are the text's.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from authz.policy.patterns.tokens import Fixed

CHARACTERS_KEPT: Final = 256
"""How many characters of a text are kept as they were found; others are put together again from their bytes."""

LITERALS_KEPT: Final = 64
"""How many long literals are kept as they were found in a text."""

LONG_LITERAL: Final = 32
"""A longer literal is looked for once a text: one value of a request may stand in each pattern of a document,
which takes only a few characters of the document each time."""

TEXTS_KEPT: Final = 8
"""How many texts are kept: a resource, its parts, some values. What one takes is linear in its length."""


class Occurrences:
    """The places of characters and literals in one text, each found when first asked for."""

    __slots__ = ("_bytes", "_characters", "_literals", "_planes", "_text")

    def __init__(self, text: str) -> None:
        """Take the text apart, backwards, because the lowest bit of a number is its last digit."""
        self._text = text
        backwards = text[::-1]
        # One row for each byte of a code point: there are few bytes to tell apart, but many characters.
        encoded = backwards.encode("utf-32-le", "surrogatepass")
        self._planes = tuple(encoded[byte::4] for byte in range(1 if text.isascii() else 3))
        self._bytes: dict[tuple[int, int], int] = {}
        self._characters: dict[str, int] = {}
        self._literals: dict[str, int] = {}

    def find_end(self, segment: Iterable[Fixed], position: int) -> int:
        """Return where the first `segment` ends that begins at `position` or later, or -1.

        The segment has no run in it. With a `?` at its end it may reach beyond the text, which is for the
        caller to see.
        """
        starts, offset = -1, position
        for token in segment:
            if not isinstance(token, str):
                offset += 1
                continue
            if len(token) > LONG_LITERAL:
                starts &= self._find_literal(token) >> offset
            else:
                starts = self._narrow(starts, token, offset)
            if not starts:
                return -1
            offset += len(token)
        return offset + (starts & -starts).bit_length() - 1

    def _narrow(self, starts: int, literal: str, offset: int) -> int:
        """Keep those `starts` from which `literal` stands `offset` characters further on."""
        characters = self._characters
        for character in literal:
            found = characters.get(character)
            if found is None:
                found = self._find_character(character)
            starts &= found >> offset
            if not starts:
                break
            offset += 1
        return starts

    def _find_literal(self, literal: str) -> int:
        found = self._literals.get(literal)
        if found is None:
            if len(self._literals) >= LITERALS_KEPT:
                self._literals.clear()
            found = self._literals[literal] = self._narrow(-1, literal, 0)
        return found

    def _find_character(self, character: str) -> int:
        found = 0
        if character in self._text:
            found = -1
            code = ord(character)
            for plane in range(len(self._planes)):
                found &= self._find_byte(plane, code >> 8 * plane & 0xFF)
        if len(self._characters) < CHARACTERS_KEPT:
            self._characters[character] = found
        return found

    def _find_byte(self, plane: int, value: int) -> int:
        found = self._bytes.get((plane, value))
        if found is None:
            digits = b"0" * value + b"1" + b"0" * (255 - value)
            found = int(self._planes[plane].translate(digits), 2)
            self._bytes[plane, value] = found
        return found


find_occurrences = lru_cache(TEXTS_KEPT)(Occurrences)
"""The occurrences in a text, shared by the patterns that are tried on it."""
