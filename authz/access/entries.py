"""Principals and credentials as memory holds them, ready for a request.

An entry is made once when a record is loaded and shared by all requests until a change names it. Who loads
and forgets entries is `principals.py`; the root credential's and the anonymous one are made at the start and
never change.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from authz.access.narrowing import Narrowing
from authz.access.policies import PolicySetHandle
from authz.identity.session import Session
from authz.identity.sigv4 import derive_signing_key
from authz.policy.compile import PolicySet
from authz.policy.request import Principal

SIGNING_KEYS_PER_CREDENTIAL: Final = 8
"""Derived keys kept for one credential: a few regions and services, today's and yesterday's date."""


class Vouched(NamedTuple):
    """What a provider said of a user at its last login; of an absent one it has said nothing since."""

    provider_id: str
    display_name: str
    groups: tuple[str, ...]
    is_absent: bool


class UserEntry:
    """A principal in memory: who it is, whether it may act at all, and the set of policies that decides.

    `boundary` is the set of its permissions boundary, `None` for who has none. `own` is what narrows a
    credential derived from it (`narrowed`), `None` for the principal itself. Sessions issued before
    `sessions_void_before` (epoch seconds) have ended. `vouched` is `None` for a user of our own.

    `is_current` turns false when a change concerns it; whoever finds that loads it again. There is at
    most one current entry for a user, shared by its keys and sessions. Of a narrowed one it says nothing: it
    lives as long as the entry it was made from is current.
    """

    __slots__ = (
        "__weakref__",
        "boundary",
        "handle",
        "is_current",
        "is_enabled",
        "own",
        "principal",
        "sessions_void_before",
        "vouched",
    )

    def __init__(
        self,
        principal: Principal,
        handle: PolicySetHandle,
        *,
        is_enabled: bool,
        boundary: PolicySetHandle | None = None,
        own: Narrowing | None = None,
        sessions_void_before: float = 0.0,
        vouched: Vouched | None = None,
    ) -> None:
        self.principal = principal
        self.handle = handle
        self.boundary = boundary
        self.own = own
        self.is_enabled = is_enabled
        self.sessions_void_before = sessions_void_before
        self.vouched = vouched
        self.is_current = True

    @property
    def incarnation(self) -> str:
        """What a session's token calls its parent."""
        return self.principal.id

    def derived(
        self, own: Narrowing | None, principal: Principal, handle: PolicySetHandle | None = None
    ) -> "UserEntry":
        """Return this principal as a credential derived from it acts: limited by `own`, seen as `principal`.

        `handle` is the set of what it may do where a login granted more than the principal has.
        """
        return UserEntry(
            principal,
            handle or self.handle,
            is_enabled=self.is_enabled,
            boundary=self.boundary,
            own=own,
        )


class RootEntry(UserEntry):
    """The root principal, whose incarnations come from its credential: replacing that ends its sessions.

    The first of `incarnations` is that of new sessions; the others are as good (`SessionKeys.incarnate_root`).
    """

    __slots__ = ("incarnations",)

    def __init__(
        self, principal: Principal, handle: PolicySetHandle, incarnations: Sequence[str]
    ) -> None:
        super().__init__(principal, handle, is_enabled=True)
        self.incarnations = incarnations

    @property
    def incarnation(self) -> str:
        """What a session's token calls its parent."""
        return self.incarnations[0]


class RoleEntry(UserEntry):
    """A role in memory: what its sessions act as, and who may have one.

    Nobody acts as the role itself; a session narrows it, with a principal of its own, as it narrows a user.
    `trust` is its trust policy as a set, `None` until it is needed. `max_session_duration` is in seconds.
    """

    __slots__ = ("max_session_duration", "trust", "trust_document")

    def __init__(
        self,
        principal: Principal,
        handle: PolicySetHandle,
        *,
        boundary: PolicySetHandle | None,
        sessions_void_before: float,
        trust_document: str,
        max_session_duration: int,
    ) -> None:
        super().__init__(
            principal,
            handle,
            is_enabled=True,
            boundary=boundary,
            sessions_void_before=sessions_void_before,
        )
        self.trust_document = trust_document
        self.max_session_duration = max_session_duration
        self.trust: PolicySet | None = None


class UserPage(NamedTuple):
    """Some users, all as they are at `revision`; `next_after` is where the next page begins, empty at the end.

    The entries are nobody else's and hear of no change: who asks decides before anything else can happen.
    """

    entries: Sequence[UserEntry]
    next_after: str
    revision: int


class KeyEntry:
    """A credential in memory: long-lived, a service account, or a session's.

    The secret, whether and until when (`expires_at`, epoch seconds; `None` is for ever) it may be used, and
    signing keys derived so far. `owner` is whose it is, and tells whether this is current; decisions are made
    for `acting`: the owner itself, or what the credential leaves of it. `session` is `None` for what is stored.
    """

    __slots__ = (
        "_secret",
        "_signing_keys",
        "acting",
        "expires_at",
        "id",
        "is_enabled",
        "owner",
        "session",
    )

    def __init__(
        self,
        key_id: str,
        secret: bytes,
        owner: UserEntry,
        *,
        is_enabled: bool,
        acting: UserEntry | None = None,
        expires_at: float | None = None,
        session: Session | None = None,
    ) -> None:
        """Take what the credential is; without `acting` it acts as its owner."""
        self.id = key_id
        self.is_enabled = is_enabled
        self.owner = owner
        self.acting = owner if acting is None else acting
        self.expires_at = expires_at
        self.session = session
        self._secret = secret
        self._signing_keys: dict[tuple[str, str, str], bytes] = {}

    @property
    def is_narrowed(self) -> bool:
        """Whether it has policies of its own, and so may do less than its owner."""
        return self.acting.own is not None

    def is_usable(self, now: float) -> bool:
        """Tell whether it may be used at `now`, in epoch seconds: enabled, as its owner is, and not expired."""
        return self.is_enabled and self.owner.is_enabled and not self.has_expired(now)

    def has_expired(self, now: float) -> bool:
        """Tell whether its time is over at `now`, in epoch seconds."""
        return self.expires_at is not None and now >= self.expires_at

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
