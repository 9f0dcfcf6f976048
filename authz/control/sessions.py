"""Sessions: temporary credentials of whoever asks for one, issued without a write, ended by one.

A session may do what its parent may do at the moment, and, where it has policies, what one of them allows. It
ends with the credential that asked for it, even if less than the shortest duration is left, as AWS does with
SAML assertions and MinIO with certificates. Everything about it is in its token (`identity/session.py`):
only managed policies that are named are looked up, and nothing is stored but what was revoked.

No credential that is narrowed may ask, as what it would get is not narrowed with it (CVE-2025-62506), nor may a
session (AWS: `GetSessionToken`). Not here: who may ask at all, and how a token is opened again (`access`).
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from authz.clock import Clock
from authz.control.limits import (
    REVOKED_SESSIONS,
    SESSION_DURATION_CEILING,
    SESSION_DURATION_DEFAULT,
    SESSION_DURATION_MIN,
    SESSION_POLICIES,
    check_session_name,
)
from authz.control.lookup import get_policy, get_role, get_user
from authz.control.ports import Store, Unit, Written
from authz.errors import ForbiddenError, InUseError, InvalidError, quote
from authz.identity.credential import Secret, check_access_key_id
from authz.identity.records import RevokedSession, Role, User
from authz.identity.session import (
    SALT_SIZE,
    SESSION_KEY_BYTES,
    SESSION_KEY_PREFIX,
    Session,
    SessionKeys,
    make_session_key_id,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Who asks for a session, as the credential that signed tells.

    `principal_id` is a user's incarnation, or the account id for root. `expires_at` is when the credential ends
    (epoch seconds; `None`: never); `is_narrowed` tells whether it has policies of its own.
    """

    principal_id: str
    expires_at: float | None
    is_narrowed: bool
    is_session: bool


@dataclass(frozen=True, slots=True)
class IssuedSession:
    """A new session with its token and secret, which are shown now and never again."""

    session: Session
    token: str = field(repr=False)
    secret: Secret


class Sessions:
    """The use cases about sessions."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        keys: SessionKeys,
        check_policy: Callable[[str], object],
        *,
        max_duration: float,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Take the longest duration in seconds; `check_policy` raises `ParseError` with the place."""
        self._store = store
        self._clock = clock
        self._keys = keys
        self._check_policy = check_policy
        self._max_duration = max_duration
        self._random_bytes = random_bytes

    async def issue(
        self,
        parent: Parent,
        *,
        duration: float | None = None,
        policy: str = "",
        policy_names: Sequence[str] = (),
        name: str = "",
    ) -> IssuedSession:
        """Issue a session of `parent` for `duration` seconds (`None`: an hour), or as long as `parent` lasts.

        `policy` is a document, `policy_names` name managed policies. Raises `ForbiddenError` for a parent that
        may have none, `InvalidError`, `ParseError` for the document, `NotFoundError` for a policy.
        """
        _require_plain(parent)
        lasting = self._duration(duration)
        if name:
            check_session_name(name)
        if policy:
            self._check_policy(policy)
        policy_ids = await self._policy_ids(policy_names)
        now = self._clock.now()
        ends = now + lasting
        session = Session(
            access_key_id=make_session_key_id(self._random_bytes(SESSION_KEY_BYTES)),
            parent_id=parent.principal_id,
            issuer_id=parent.principal_id,
            issued_at=now,
            expires_at=ends if parent.expires_at is None else min(ends, parent.expires_at),
            name=name,
            policies=(policy,) if policy else (),
            policy_ids=policy_ids,
        )
        token, secret = self._keys.seal(session, self._random_bytes(SALT_SIZE))
        return IssuedSession(session, token, secret)

    async def revoke_user(self, user_name: str) -> Written[User]:
        """End all sessions of a user that were issued before now. Raises `NotFoundError`."""
        now = self._clock.now()

        async def change(unit: Unit) -> User:
            await unit.revoked_sessions.remove_expired(now)
            old = await get_user(unit, user_name)
            new = replace(old, sessions_void_before=max(now, old.sessions_void_before))
            if new != old:
                await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def revoke_role(self, role_name: str) -> Written[Role]:
        """End all sessions of a role that were issued before now. Raises `NotFoundError`."""
        now = self._clock.now()

        async def change(unit: Unit) -> Role:
            await unit.revoked_sessions.remove_expired(now)
            old = await get_role(unit, role_name)
            new = replace(old, sessions_void_before=max(now, old.sessions_void_before))
            if new != old:
                await unit.roles.replace(old, new)
            return new

        return await self._store.write(change)

    async def revoke(self, access_key_id: str) -> Written[RevokedSession]:
        """End one session, whoever's it is; that there is one cannot be known here.

        It is remembered for as long as any session may last, whatever the setting says now or said when it was
        issued. Raises `InvalidError` for what is no session's id, `ConflictError` when `REVOKED_SESSIONS` are
        remembered.
        """
        check_access_key_id(access_key_id)
        if not access_key_id.startswith(SESSION_KEY_PREFIX):
            raise InvalidError(
                f"{quote(access_key_id)} is no session's id; they begin with `{SESSION_KEY_PREFIX}`",
                field="access_key_id",
            )
        now = self._clock.now()
        session = RevokedSession(
            access_key_id=access_key_id, expires_at=now + SESSION_DURATION_CEILING
        )

        async def change(unit: Unit) -> RevokedSession:
            await unit.revoked_sessions.remove_expired(now)
            known = await unit.revoked_sessions.find(access_key_id)
            if known is not None:
                return known
            await _require_room(unit)
            await unit.revoked_sessions.add(session)
            return session

        return await self._store.write(change)

    def _duration(self, duration: float | None) -> float:
        if duration is None:
            return min(SESSION_DURATION_DEFAULT, self._max_duration)
        if not SESSION_DURATION_MIN <= duration <= self._max_duration:
            raise InvalidError(
                f"a session lasts {SESSION_DURATION_MIN:g} to {self._max_duration:g} seconds",
                field="duration",
            )
        return duration

    async def _policy_ids(self, names: Sequence[str]) -> tuple[str, ...]:
        if len(names) > SESSION_POLICIES:
            raise InvalidError(
                f"a session has at most {SESSION_POLICIES} managed policies", field="policy_names"
            )
        if not names:
            return ()

        async def question(unit: Unit) -> tuple[str, ...]:
            found = [await get_policy(unit, name, field="policy_names") for name in names]
            return tuple(dict.fromkeys(policy.id for policy in found))

        return await self._store.read(question)


def _require_plain(parent: Parent) -> None:
    if parent.is_session:
        raise ForbiddenError("a session cannot create sessions; sign with the access key of a user")
    if parent.is_narrowed:
        raise ForbiddenError(
            "an access key with a policy of its own cannot create sessions, which would not be held to it"
        )


async def _require_room(unit: Unit) -> None:
    if await unit.revoked_sessions.count() >= REVOKED_SESSIONS:
        raise InUseError(
            f"{REVOKED_SESSIONS} sessions are revoked one by one, the most; revoke all of the user's"
        )
