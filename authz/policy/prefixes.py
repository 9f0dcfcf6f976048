"""Texts by what they begin with: which of many does this text begin with?

The texts are sorted, and each knows the longest other one that it begins with. All that a text begins with sort
before it, and the last one that does begins with all the others; so one binary search and a few steps up find
them, however many there are.

Not here: what the texts stand for (`index.py`).
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence


class Prefixes:
    """Texts by place, in order; `parents` has for each the place of the longest other one it begins with.

    The first is the empty text, which everything begins with.
    """

    __slots__ = ("parents", "texts")

    def __init__(self, texts: Iterable[str]) -> None:
        self.texts: Sequence[str] = sorted({"", *texts})
        self.parents = [0]
        path = [0]
        for place in range(1, len(self.texts)):
            while not self.texts[place].startswith(self.texts[path[-1]]):
                path.pop()
            self.parents.append(path[-1])
            path.append(place)

    def find(self, text: str) -> int:
        """Return the place of the longest one that `text` begins with; its parents are the others."""
        texts = self.texts
        place = bisect_right(texts, text) - 1
        while not text.startswith(texts[place]):
            place = self.parents[place]
        return place

    def find_range(self, start: str) -> range:
        """Return the places of those that begin with `start` and go on."""
        size = len(start)
        first = bisect_right(self.texts, start)
        return range(first, bisect_right(self.texts, start, first, key=lambda text: text[:size]))
