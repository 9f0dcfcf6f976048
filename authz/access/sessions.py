"""From a session token to the credential it stands for.

A token is opened once and its credential kept on a bounded shelf, under its access key id and as long as its
parent's entry is current. What is not one of our tokens, or has ended, is never put there and makes no read of
the database; what makes one, at most once, is a token of ours whose parent is not in memory.

INVARIANT: nothing here depends on whether the parent exists but the entry that is returned, and that verifies a
signature like any other; who has a token without its secret learns nothing of the parent.

Not here: the format of a token (`identity/session.py`), verifying and refusing (`authenticator.py`), loading
users and roles (`principals.py`, `roles.py`).
"""

import hmac
from hashlib import sha256
from typing import Final, NamedTuple

from authz.access.entries import KeyEntry, RootEntry, UserEntry
from authz.access.narrowing import Narrowing
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.revocation import RevokedSessions
from authz.access.shelf import Shelf
from authz.clock import Clock
from authz.errors import UnauthenticatedError
from authz.identity.credential import ROLE_ID_PREFIX, Secret
from authz.identity.principal import ANONYMOUS, session_principal
from authz.identity.session import Session, SessionKeys
from authz.policy.decision import Layer
from authz.telemetry.metrics import Metrics

SESSIONS_HELD: Final = 10_000
"""Most sessions held: with its tags and documents one may be as heavy as its token says, up to 64 KiB. One that
is not held costs some 0.1 ms more, and no read while its parent is in memory."""


class Ended(NamedTuple):
    """What ends sessions before their time, beside their parents."""

    revoked: RevokedSessions
    providers: Providers


class _Held(NamedTuple):
    """A credential, and the digest of the one token that stands for it."""

    digest: bytes
    entry: KeyEntry

    def is_of(self, token: str) -> bool:
        """Tell whether this is the token, in a time that does not tell how much of it is right."""
        return hmac.compare_digest(self.digest, _digest(token))


class Sessions:
    """Finds the credentials of sessions by their tokens."""

    def __init__(
        self,
        keys: SessionKeys,
        policies: Policies,
        principals: Principals,
        ended: Ended,
        root: RootEntry,
        metrics: Metrics,
        clock: Clock,
        *,
        limit: int,
    ) -> None:
        """Open tokens with `keys`; hold at most `limit` sessions, and never more than `SESSIONS_HELD`.

        `root` is the parent that is not stored.
        """
        self._keys = keys
        self._policies = policies
        self._principals = principals
        self._ended = ended
        self._root = root
        self._clock = clock
        self._shelf: Shelf[_Held] = Shelf(min(limit, SESSIONS_HELD))
        # Digest of a token → the access key id it says; for those that come without.
        self._ids: Shelf[str] = Shelf(min(limit, SESSIONS_HELD))
        self._count = metrics.cache_requests.inc
        metrics.cache_entries.read_from(lambda: len(self), "session")
        self._nobody = UserEntry(ANONYMOUS, policies.handle((), ()), is_enabled=False)
        # What a token that is not one of ours stands for: no session, nothing that could be verified.
        self._invalid = KeyEntry("", b"", self._nobody, is_enabled=False)

    def __len__(self) -> int:
        return len(self._shelf)

    def find(self, access_key_id: str, token: str) -> KeyEntry | None:
        """Return the credential that `token` stands for; `None` asks the caller to `load` its parent.

        A token that is not one of ours, or another access key's, gives a credential without a session.
        """
        held = self._shelf.get(access_key_id)
        if held is not None and not self._is_good(held):
            del self._shelf[access_key_id]
        elif held is not None and held.is_of(token):
            self._shelf.move_to_end(access_key_id)
            self._count(_HIT)
            return held.entry
        try:
            session, secret = self._open(access_key_id, token)
        except UnauthenticatedError:
            return self._invalid
        if self.has_ended(session, self._clock.now()):
            return _credential(session, secret, self._nobody, self._nobody)
        parent = self._find_parent(session)
        return None if parent is None else self._hold(token, session, secret, parent)

    def find_by_token(self, token: str) -> KeyEntry | None:
        """Return the credential that `token` alone stands for; `None` asks the caller for `load_by_token`."""
        access_key_id = self._find_id(token)
        return self.find(access_key_id, token) if access_key_id else self._invalid

    async def load_by_token(self, token: str) -> KeyEntry:
        """Return the credential that `token` alone stands for; raises as `load`."""
        access_key_id = self._find_id(token)
        return await self.load(access_key_id, token) if access_key_id else self._invalid

    def _find_id(self, token: str) -> str:
        """Return the access key id that a token of ours says, empty for any other."""
        digest = _digest(token).hex()
        known = self._ids.get(digest)
        if known is not None:
            self._ids.move_to_end(digest)
            return known
        try:
            session, _ = self._keys.open(token)
        except UnauthenticatedError:
            return ""
        self._ids.put(digest, session.access_key_id)
        return session.access_key_id

    async def load(self, access_key_id: str, token: str) -> KeyEntry:
        """Return the credential that `token` stands for, its parent loaded from the store if need be.

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        found = self.find(access_key_id, token)
        if found is not None:
            return found
        self._count(_MISS)
        session, secret = self._open(access_key_id, token)
        parent = await self._load_parent(session.parent_id)
        if parent is None:
            return _credential(session, secret, self._nobody, self._nobody)
        return self._hold(token, session, secret, parent)

    def has_ended(self, session: Session, now: float) -> bool:
        """Tell whether its time is over at `now`, or it was revoked, or the provider it came by is no good.

        Of its parent nothing is said here.
        """
        return (
            session.expires_at <= now
            or session.access_key_id in self._ended.revoked
            or (
                session.provider != ""
                and not self._ended.providers.is_good(session.provider, session.issued_at)
            )
        )

    def _is_good(self, held: _Held) -> bool:
        """Tell whether it can be used again: it has not ended, and its parent has not changed."""
        entry = held.entry
        assert entry.session is not None, "only sessions are held"
        return entry.owner.is_current and not self.has_ended(entry.session, self._clock.now())

    def _open(self, access_key_id: str, token: str) -> tuple[Session, Secret]:
        session, secret = self._keys.open(token)
        if session.access_key_id != access_key_id:
            raise UnauthenticatedError("InvalidToken", "the security token is not valid")
        return session, secret

    def _find_parent(self, session: Session) -> UserEntry | None:
        if session.parent_id in self._root.incarnations:
            return self._root
        if session.parent_id.startswith(ROLE_ID_PREFIX):
            return self._principals.roles.find_by_id(session.parent_id)
        return self._principals.find_user_by_id(session.parent_id)

    async def _load_parent(self, parent_id: str) -> UserEntry | None:
        if parent_id.startswith(ROLE_ID_PREFIX):
            return await self._principals.roles.load_by_id(parent_id)
        return await self._principals.load_user_by_id(parent_id)

    def _hold(self, token: str, session: Session, secret: Secret, parent: UserEntry) -> KeyEntry:
        own = None
        if session.policies or session.policy_ids:
            own = Narrowing(
                self._policies,
                Layer.SESSION_POLICY,
                session.policies,
                session.policy_ids,
            )
        principal = session_principal(parent.principal, session)
        if session.granted:
            handle = self._policies.granting(parent.handle, session.granted)
            acting = parent.derived(own, principal, handle)
        else:
            acting = parent.derived(own, principal)
        entry = _credential(session, secret, parent, acting)
        # What has ended and is met here does not wait for the shelf to be full.
        while self._shelf and not self._is_good(next(iter(self._shelf.values()))):
            self._shelf.popitem(last=False)
        self._shelf.put(session.access_key_id, _Held(_digest(token), entry))
        return entry


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def _credential(session: Session, secret: Secret, parent: UserEntry, acting: UserEntry) -> KeyEntry:
    return KeyEntry(
        session.access_key_id,
        secret.reveal().encode(),
        parent,
        is_enabled=True,
        acting=acting,
        expires_at=session.expires_at,
        session=session,
    )


_HIT: Final = ("session", "hit")
_MISS: Final = ("session", "miss")
