"""How many proofs that turn out to be no good are looked at for one source: a few a second, more at first.

To see that a token is forged costs some ten times what a signed request costs. Who sends many waits, and nobody
else does; what is in memory already is not asked about here. Unlike a guessed password a forged token is not
closer to a right one, so nobody is locked out for longer than it takes to earn the next attempt.

What is remembered is bounded, and each replica counts for itself. Not here: logins (`login_limits.py`).
"""

from typing import Final

from authz.access.shelf import Shelf
from authz.clock import Clock
from authz.errors import OverloadedError
from authz.serving.login_limits import network_of

FAILURES: Final = 100.0
"""Failures that a source has at once."""
FAILURES_PER_SECOND: Final = 10.0
"""What comes back in a second: a source costs at most some hundredth of a core."""
REMEMBERED: Final = 10_000
"""Sources remembered."""


class FailureBudget:
    """Counts failures by source; an unknown one (empty) is a caller that is trusted not to make any."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # Source → what it had left, and when (monotonic seconds).
        self._left: Shelf[tuple[float, float]] = Shelf(REMEMBERED)

    def check(self, source_ip: str) -> None:
        """Raise `OverloadedError` for a source that has none left."""
        if self._of(network_of(source_ip)) < 1.0:
            raise OverloadedError("too many proofs that were no good; wait before the next one")

    def spend(self, source_ip: str) -> None:
        """Count a failure of this source."""
        source = network_of(source_ip)
        if source:
            self._left.put(source, (self._of(source) - 1.0, self._clock.monotonic()))

    def _of(self, source: str) -> float:
        left, at = self._left.get(source, (FAILURES, 0.0))
        return min(FAILURES, left + FAILURES_PER_SECOND * (self._clock.monotonic() - at))
