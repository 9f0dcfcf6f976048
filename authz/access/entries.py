"""Principals and credentials as memory holds them, ready for a request.

An entry is made once when a record is loaded and shared by all requests until a change names it. Who loads
and forgets entries is `principals.py`; the root credential's and the anonymous one are made at the start and
never change.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from authz.access.policies import PolicySetHandle
from authz.identity.sigv4 import derive_signing_key
from authz.policy.request import Principal

SIGNING_KEYS_PER_CREDENTIAL: Final = 8
"""Derived keys kept for one credential: a few regions and services, today's and yesterday's date."""


class UserEntry:
    """A principal in memory: who it is, whether it may act at all, and the set of policies that decides.

    `boundary` is the set of its permissions boundary, `None` for who has none.

    `is_current` turns false when a change concerns it; whoever finds that loads it again. There is at
    most one current entry for a user, shared by its keys.
    """

    __slots__ = ("__weakref__", "boundary", "handle", "is_current", "is_enabled", "principal")

    def __init__(
        self,
        principal: Principal,
        handle: PolicySetHandle,
        *,
        is_enabled: bool,
        boundary: PolicySetHandle | None = None,
    ) -> None:
        self.principal = principal
        self.handle = handle
        self.boundary = boundary
        self.is_enabled = is_enabled
        self.is_current = True


class UserPage(NamedTuple):
    """Some users, all as they are at `revision`; `next_after` is where the next page begins, empty at the end.

    The entries are nobody else's and hear of no change: who asks decides before anything else can happen.
    """

    entries: Sequence[UserEntry]
    next_after: str
    revision: int


class KeyEntry:
    """A credential in memory.

    The secret, whether it may be used, its owner, and signing keys derived so far.
    """

    __slots__ = ("_secret", "_signing_keys", "id", "is_enabled", "owner")

    def __init__(self, key_id: str, secret: bytes, owner: UserEntry, *, is_enabled: bool) -> None:
        self.id = key_id
        self.is_enabled = is_enabled
        self.owner = owner
        self._secret = secret
        self._signing_keys: dict[tuple[str, str, str], bytes] = {}

    def signing_key(self, date: str, region: str, service: str) -> bytes:
        """Return the SigV4 signing key of this scope, derived once and kept as long as the entry."""
        scope = (date, region, service)
        key = self._signing_keys.get(scope)
        if key is None:
            key = derive_signing_key(self._secret, date, region, service)
            if len(self._signing_keys) >= SIGNING_KEYS_PER_CREDENTIAL:
                self._signing_keys.pop(next(iter(self._signing_keys)))
            self._signing_keys[scope] = key
        return key

    def __repr__(self) -> str:
        return f"KeyEntry({self.id!r})"
