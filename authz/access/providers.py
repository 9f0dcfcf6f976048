"""The identity providers, all of them, as memory holds them.

They are few, and whoever logs in or shows a session of theirs needs one at once. The refresher replaces what
changed in the same step as everything else; who keeps something live for a provider (`federation`) is told.

Not here: asking a provider anything, and what its users may do (`principals.py`).
"""

from collections.abc import Callable, Collection, Mapping, Sequence

from authz.access.ports import StoredProvider
from authz.identity.records import Status
from authz.telemetry.logs import get_logger

Follow = Callable[[Mapping[str, StoredProvider]], None]
"""Hears of all providers, by id, whenever one has changed."""


class Providers:
    """Every identity provider, by id."""

    def __init__(self) -> None:
        self._by_id: dict[str, StoredProvider] = {}
        self._followers: list[Follow] = []
        self._log = get_logger("access")

    def __len__(self) -> int:
        return len(self._by_id)

    def follow(self, follower: Follow) -> None:
        """Tell `follower`, which awaits nothing, of all providers now and after every change."""
        self._followers.append(follower)
        follower(self._by_id)

    def replace_all(self, stored: Sequence[StoredProvider]) -> None:
        """Hold exactly the providers `stored`."""
        self._by_id = {one.provider.id: one for one in stored}
        self._tell()

    def replace(self, ids: Collection[str], stored: Sequence[StoredProvider]) -> None:
        """Hold for the providers `ids` what `stored` says; others of them are gone."""
        if not ids:
            return
        kept = {key: one for key, one in self._by_id.items() if key not in ids}
        self._by_id = kept | {one.provider.id: one for one in stored}
        self._tell()

    def is_good(self, provider_id: str, issued_at: float) -> bool:
        """Tell whether what was issued at this time (epoch seconds) on the word of a provider still counts."""
        held = self._by_id.get(provider_id)
        return (
            held is not None
            and held.provider.status is Status.ENABLED
            and issued_at >= held.provider.sessions_void_before
        )

    def _tell(self) -> None:
        for follower in self._followers:
            try:
                follower(self._by_id)
            except Exception:  # noqa: BLE001 - one provider's surprise must not keep memory from the rest
                self._log.exception("provider_not_followed")
