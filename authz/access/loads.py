"""Reads of the store on behalf of requests: one for all who wait for the same, and not too many at a time.

What strangers ask for decides how many reads are wanted; how many are made is decided here, so that a flood of
made-up keys waits, or is turned away, and the database never notices.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from authz.errors import OverloadedError

E = TypeVar("E")


class Loads:
    """Loads on their way, by key; `slots` bounds how many read at a time."""

    def __init__(self, concurrent: int) -> None:
        """Read at most `concurrent` at a time; as many again may wait."""
        self.slots = asyncio.Semaphore(concurrent)
        self._limit = 2 * concurrent
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    async def once(self, key: str, read: Callable[[], Coroutine[Any, Any, E]]) -> E:
        """Return what `read` gives, or what the same load gives that is on its way already.

        Raises `OverloadedError` when too many wait.
        """
        task = self._tasks.get(key)
        if task is None:
            if len(self._tasks) >= self._limit:
                raise OverloadedError("too many principals are being loaded at once")
            task = asyncio.create_task(
                self._with_slot(read), name=f"load a {key.partition(':')[0]}"
            )
            self._tasks[key] = task
            task.add_done_callback(lambda ended: self._end(key, ended))
        # The load belongs to everybody who waits for it: one caller's cancellation must not end it.
        result: E = await asyncio.shield(task)
        return result

    def _end(self, key: str, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(key, None)
        # Where nobody waits any more, nobody else asks how it went.
        if not task.cancelled():
            task.exception()

    async def _with_slot(self, read: Callable[[], Coroutine[Any, Any, E]]) -> E:
        async with self.slots:
            return await read()
