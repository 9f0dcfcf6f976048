"""Time as a value that is handed in, so that tests can move it.

Two clocks, because they answer different questions: `now` is the wall clock in epoch seconds (signatures,
policy conditions, records), `monotonic` only ever grows (staleness, time-outs, latencies). The core (`policy`,
`identity`) never sees a clock: it is handed `now`.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> float:
        """Return the wall-clock time in seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back; only differences mean something."""
        ...


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)  # noqa: TID251 - this is the clock
    monotonic = staticmethod(time.monotonic)


class ManualClock:
    """A clock that moves only when told; both hands move together."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self._now = now
        self._monotonic = 1_000.0

    def now(self) -> float:
        """Return the time last set."""
        return self._now

    def monotonic(self) -> float:
        """Return the monotonic time last reached."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Move both hands forward by `seconds`."""
        self._now += seconds
        self._monotonic += seconds
