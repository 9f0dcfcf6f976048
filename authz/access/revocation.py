"""The sessions that were ended before their time.

A session is known by its token alone, so nothing but its end needs to be remembered, and that no longer than
the token would be good. The set is loaded with all else and grows by changes (`refresher.py`).

Not here: the end of all sessions of a user, which is a fact about the user (`UserEntry.sessions_void_before`).
"""

from collections.abc import Iterable
from typing import Final

from authz.clock import Clock
from authz.identity.records import RevokedSession

LONGEST_SESSION: Final = 365 * 86_400.0
"""Seconds that any session lasts at most (MinIO's limit), and so its revocation when its end is not known."""

SWEEP_MIN: Final = 1_000
"""Revocations held before those of ended sessions are looked for; then again whenever they have doubled."""


class RevokedSessions:
    """The access key ids of revoked sessions, each until its session would have ended anyway."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}
        self._sweep_at = SWEEP_MIN

    def __contains__(self, access_key_id: str) -> bool:
        return access_key_id in self._until

    def __len__(self) -> int:
        return len(self._until)

    def replace_all(self, stored: Iterable[RevokedSession]) -> None:
        """Hold exactly the revocations `stored`."""
        self._until = {one.access_key_id: one.expires_at for one in stored}
        self._sweep()

    def add(self, access_key_id: str) -> None:
        """Hold one more; a change says no more of it than its id."""
        self._until[access_key_id] = self._clock.now() + LONGEST_SESSION
        if len(self._until) > self._sweep_at:
            self._sweep()

    def _sweep(self) -> None:
        now = self._clock.now()
        self._until = {key_id: until for key_id, until in self._until.items() if until > now}
        self._sweep_at = max(SWEEP_MIN, 2 * len(self._until))
