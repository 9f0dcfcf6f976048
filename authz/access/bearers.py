"""Tokens and certificates that a provider took a moment ago, so that the next request need not ask again.

A proof is known by its digest; itself it is not held. One that was taken counts until it ends, as long as
nothing has changed that it stands on: the user's entry is current, no provider has changed in any way, and what
a proof grants by name is called so by the same policies. One that was refused is refused again for a few
seconds, so that showing the same garbage over and over costs nothing, but not once anything here has changed.

INVARIANT: nothing here is found by a part of a proof, and how much of a digest is right says nothing about it.

Not here: taking proofs (`serving/bearer_logins.py`), sessions' own tokens (`sessions.py`).
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from authz.access.entries import UserEntry
from authz.access.policies import Policies
from authz.access.ports import StoredProvider
from authz.access.providers import Providers
from authz.access.shelf import Shelf
from authz.clock import Clock
from authz.telemetry.metrics import Metrics

TAKEN_HELD: Final = 10_000
"""Most proofs held that were taken: with all its claims one may be as heavy as a token, 16 KiB."""
REFUSED_HELD: Final = 10_000
"""Most refusals held, of some 300 bytes, apart from those: garbage pushes nobody out."""
REFUSED_FOR: Final = 10.0
"""Longest time that one is held, in seconds; as long as an unknown key of a provider is not asked for again."""


class Moment(NamedTuple):
    """What was so when a proof began to be looked at."""

    providers: int
    policies: int
    revision: int


class Taken(NamedTuple):
    """A proof that was taken: whose it is, and how its holder acts until `expires_at` (epoch seconds).

    `grants` tells that it names policies, by names that must go on meaning the same.
    """

    owner: UserEntry
    acting: UserEntry
    expires_at: float
    grants: bool


class Refused(NamedTuple):
    """Why a proof was not taken."""

    code: str
    message: str


class _HeldRefusal(NamedTuple):
    refused: Refused
    revision: int
    until: float


class Bearers:
    """What is known of proofs that were shown."""

    def __init__(
        self,
        policies: Policies,
        providers: Providers,
        revision: Callable[[], int],
        metrics: Metrics,
        clock: Clock,
        *,
        limit: int,
    ) -> None:
        """Hold at most `limit` of either, and never more than the constants say; `revision` is memory's."""
        self._policies = policies
        self._providers = providers
        self._revision = revision
        self._clock = clock
        self._changes = 0
        self._taken: Shelf[tuple[Taken, int]] = Shelf(min(limit, TAKEN_HELD))
        self._refused: Shelf[_HeldRefusal] = Shelf(min(limit, REFUSED_HELD))
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self._taken), "bearer")
        metrics.cache_entries.read_from(lambda: len(self._refused), "bearer_refused")
        providers.follow(self._forget_all)

    def moment(self) -> Moment:
        """Return what is so now."""
        return Moment(self._changes, self._policies.comings, self._revision())

    def find(self, digest: str) -> Taken | Refused | None:
        """Return what came of the proof with this digest; `None` asks the caller to have it looked at."""
        held = self._taken.get(digest)
        if held is not None:
            taken, comings = held
            if (
                taken.owner.is_current
                and self._clock.now() < taken.expires_at
                and (not taken.grants or comings == self._policies.comings)
            ):
                self._taken.move_to_end(digest)
                self._count(_HIT)
                return taken
            del self._taken[digest]
        refused = self.find_refused(digest)
        self._count(_MISS if refused is None else _REFUSED)
        return refused

    def find_refused(self, key: str) -> Refused | None:
        """Return why what `key` stands for was refused, if that was a moment ago and nothing has changed."""
        held = self._refused.get(key)
        if held is None:
            return None
        if held.revision != self._revision() or self._clock.monotonic() >= held.until:
            del self._refused[key]
            return None
        return held.refused

    def hold(self, digest: str, taken: Taken, since: Moment) -> bool:
        """Hold a proof that was taken; tell whether all that it stands on has stood still since `since`."""
        if (
            since.providers != self._changes
            or not taken.owner.is_current
            or (taken.grants and since.policies != self._policies.comings)
        ):
            return False
        self._taken.put(digest, (taken, since.policies))
        return True

    def refuse(self, key: str, refused: Refused, since: Moment) -> None:
        """Hold a refusal of what `key` stands for, which was looked at from `since` on."""
        if since.providers == self._changes:
            until = self._clock.monotonic() + REFUSED_FOR
            self._refused.put(key, _HeldRefusal(refused, since.revision, until))

    def is_good(self, provider_id: str, issued_at: float) -> bool:
        """Tell whether what a provider said at this time (epoch seconds) still counts."""
        return self._providers.is_good(provider_id, issued_at)

    def _forget_all(self, _: Mapping[str, StoredProvider]) -> None:
        """Let go of everything: providers change seldom, and looking again is cheap."""
        self._changes += 1
        self._taken.clear()
        self._refused.clear()


_HIT: Final = ("bearer", "hit")
_MISS: Final = ("bearer", "miss")
_REFUSED: Final = ("bearer", "negative")
