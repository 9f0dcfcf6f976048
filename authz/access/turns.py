"""Long work on the loop that decides, in turns: others go first every few milliseconds, and it ends in time.

A request may need a thousand decisions, and somebody else's policy says what each costs. Done at once they
would hold up everybody; in a thread they could not use the indexes that the loop uses. So they are done here, a
little at a time: one turn of whoever's work, then whatever else is ready.

All of one piece of work is of one state: where a change comes in between it must be begun again. Not here: what
the work is, and what it begins again with (`authorizer.py`, the surfaces).
"""

import asyncio
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Final, TypeVar

from authz.errors import OverloadedError

TURN: Final = 0.002
"""Seconds of work after which others go first; what a check may have to wait longer."""

WORK_LIMIT: Final = 1.0
"""Seconds from its beginning until work is given up, with all that it waits for; what a proxy waits
(`deploy/envoy.yaml`)."""

ATTEMPTS: Final = 5
"""Times work is begun because changes keep overtaking it, before the caller is told to come back."""

T = TypeVar("T")


class Turns:
    """Gives turns to work on this loop."""

    def __init__(self, moment: Callable[[], object], *, work_limit: float = WORK_LIMIT) -> None:
        """Take `moment`, which tells one state of memory from another; give up after `work_limit` seconds."""
        self._moment = moment
        self._work_limit = work_limit
        # One turn at a time: a hundred such requests hold up others no more than one does.
        self._turn = asyncio.Lock()

    async def do(self, steps: Iterator[T], started: float) -> list[T] | None:
        """Take all `steps` and return what they yield, or `None` when memory moved on before the last one.

        Memory stands still within a step and between steps of one turn. `started` is on `perf_counter`. Raises
        `OverloadedError` when the work takes too long, as do several beginnings of it together.
        """
        moment = self._moment()
        done: list[T] = []
        while True:
            async with self._turn:
                now = perf_counter()
                if now - started > self._work_limit:
                    raise OverloadedError("so many checks take too long at once; ask about fewer")
                if self._moment() != moment:
                    return None
                if self._take_turn(steps, done, now + TURN):
                    return done
                await asyncio.sleep(0)

    @staticmethod
    def _take_turn(steps: Iterator[T], done: list[T], ends_at: float) -> bool:
        """Take steps until the turn is over; tell whether these were all."""
        for step in steps:
            done.append(step)
            if perf_counter() > ends_at:
                return False
        return True
