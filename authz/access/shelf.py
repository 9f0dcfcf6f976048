"""A bounded place for what was loaded and may be asked for again.

Which things are held is up to those who ask, and some of them are strangers; how many is not.
"""

from collections import OrderedDict
from typing import TypeVar

E = TypeVar("E")


class Shelf(OrderedDict[str, E]):
    """A dictionary bounded by `limit`: adding one more drops the least recently used."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def put(self, key: str, entry: E) -> None:
        """Hold `entry`, the most recently used from now on."""
        self[key] = entry
        self.move_to_end(key)
        if len(self) > self._limit:
            self.popitem(last=False)
