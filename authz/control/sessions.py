"""Sessions: temporary credentials of whoever asks for one, issued without a write, ended by one.

A session may do what its parent may do at the moment, and, where it has policies, what one of them allows. It
ends with the credential that asked for it, even if less than the shortest duration is left, as AWS does with
SAML assertions and MinIO with certificates. Everything about it is in its token (`identity/session.py`):
only managed policies that are named are looked up, and nothing is stored but what was revoked.

For one of itself no credential that is narrowed may ask, as what it would get is not narrowed with it
(CVE-2025-62506), nor may a session (AWS: `GetSessionToken`). Sessions of a role are what the role may do,
whoever asks; who may is decided before (`access`), and so is how a token is opened again.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from authz.clock import Clock
from authz.control.limits import (
    CHAINED_SESSION_MAX,
    ISSUING_AGE,
    REVOCATION_REACH,
    REVOKED_SESSIONS,
    SESSION_DURATION_CEILING,
    SESSION_DURATION_DEFAULT,
    SESSION_DURATION_MIN,
    SESSION_POLICIES,
    check_session_name,
    check_source_identity,
    check_tags,
)
from authz.control.lookup import get_policy, get_role, get_user
from authz.control.ports import Store, Unit, Written
from authz.control.session_trail import UNKNOWN, Origin
from authz.errors import ForbiddenError, InUseError, InvalidError, quote
from authz.identity.credential import Secret, check_access_key_id
from authz.identity.principal import SOURCE_IDENTITY, TAG_PREFIX
from authz.identity.records import Provider, RevokedSession, Role, User, fold_name
from authz.identity.session import (
    SALT_SIZE,
    SESSION_KEY_BYTES,
    SESSION_KEY_PREFIX,
    Session,
    SessionKeys,
    make_session_key_id,
)
from authz.policy.request import NO_FACTS, Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """Who asks for a session, as the credential that signed tells.

    `principal_id` is its incarnation: the id of a user or role, or root's (`SessionKeys.incarnate_root`).
    `expires_at` is when the credential ends (epoch seconds; `None`: never); `is_narrowed` tells whether it has
    policies of its own. A session of a role (`is_role`) passes `tags` and its `source_identity` on to those it
    asks for.

    Of somebody who logged in, `provider` is the provider's id, `granted` and `facts` are what the login said.
    """

    principal_id: str
    expires_at: float | None
    is_narrowed: bool
    is_session: bool
    is_role: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    source_identity: str = ""
    provider: str = ""
    granted: tuple[str, ...] = ()
    facts: Mapping[str, Values] = field(default_factory=lambda: NO_FACTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class AssumedRole:
    """The role that is assumed, as far as its sessions depend on it; the duration is in seconds."""

    id: str
    max_session_duration: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTags:
    """What a session says of whom it is for: its tags, those of them that pass on, and its source identity."""

    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: Sequence[str] = ()
    source_identity: str = ""


NO_TAGS: Final = SessionTags()


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
        check_recent: Callable[[float], object],
        *,
        max_duration: float,
        note: Callable[[Session, Origin], object] = lambda _session, _origin: None,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Take the longest duration in seconds; `check_policy` raises `ParseError` with the place.

        `check_recent` raises `UnavailableError` when memory may be so many seconds behind. `note` hears of each
        session that is issued.
        """
        self._store = store
        self._clock = clock
        self._keys = keys
        self._check_policy = check_policy
        self._check_recent = check_recent
        self._max_duration = max_duration
        self._note = note
        self._random_bytes = random_bytes

    async def issue(
        self,
        parent: Parent,
        *,
        duration: float | None = None,
        policy: str = "",
        policy_names: Sequence[str] = (),
        name: str = "",
        origin: Origin = UNKNOWN,
    ) -> IssuedSession:
        """Issue a session of `parent` for `duration` seconds (`None`: an hour), or as long as `parent` lasts.

        `policy` is a document, `policy_names` name managed policies. Raises `ForbiddenError` for a parent that
        may have none, `InvalidError`, `ParseError` for the document, `NotFoundError` for a policy,
        `UnavailableError` when memory is too old to say who asks.
        """
        _require_plain(parent)
        if name:
            check_session_name(name)
        lasting = _duration(duration, self._max_duration)
        session = replace(
            self._session(parent.principal_id, parent, lasting, name),
            granted=parent.granted,
            facts=parent.facts,
        )
        return await self._issue(session, policy, policy_names, origin)

    async def assume(
        self,
        role: AssumedRole,
        caller: Parent,
        *,
        name: str,
        duration: float | None = None,
        policy: str = "",
        policy_names: Sequence[str] = (),
        tags: SessionTags = NO_TAGS,
        origin: Origin = UNKNOWN,
    ) -> IssuedSession:
        """Issue a session of `role` to `caller`, who was found to be allowed, called `name`.

        It lasts `duration` seconds (`None`: an hour), at most what the role and the site say, and an hour where
        the caller is a role's session itself; never longer than the caller's credential, so that no chain of
        them goes on for ever. Tags and source identity that the caller passes on stay. Raises as `issue`.
        """
        check_session_name(name)
        longest = min(role.max_session_duration, self._max_duration)
        if caller.is_role:
            longest = min(longest, CHAINED_SESSION_MAX)
        facts, transitive = _carry(caller, tags)
        session = replace(
            self._session(role.id, caller, _duration(duration, longest), name),
            facts={**_said_of(caller), **facts},
            transitive=transitive,
            is_chained=caller.is_role,
        )
        return await self._issue(session, policy, policy_names, origin)

    def _session(self, parent_id: str, issuer: Parent, lasting: float, name: str) -> Session:
        # INVARIANT: so a revocation that memory does not know yet ends this one, too (`REVOCATION_REACH`).
        self._check_recent(ISSUING_AGE)
        now = self._clock.now()
        ends = now + lasting
        return Session(
            access_key_id=make_session_key_id(self._random_bytes(SESSION_KEY_BYTES)),
            parent_id=parent_id,
            issuer_id=issuer.principal_id,
            issued_at=now,
            expires_at=ends if issuer.expires_at is None else min(ends, issuer.expires_at),
            name=name,
            provider=issuer.provider,
        )

    async def _issue(
        self, session: Session, policy: str, policy_names: Sequence[str], origin: Origin
    ) -> IssuedSession:
        if policy:
            self._check_policy(policy)
        narrowed = replace(
            session,
            policies=(policy,) if policy else (),
            policy_ids=await self._policy_ids(policy_names),
        )
        token, secret = self._keys.seal(narrowed, self._random_bytes(SALT_SIZE))
        self._note(narrowed, origin)
        return IssuedSession(narrowed, token, secret)

    async def revoke_user(self, user_name: str) -> Written[User]:
        """End all sessions of a user that are issued before now and `REVOCATION_REACH`.

        Raises `NotFoundError`.
        """

        async def change(unit: Unit) -> User:
            now = self._clock.now()
            await unit.revoked_sessions.remove_expired(now)
            old = await get_user(unit, user_name)
            new = replace(old, sessions_void_before=void_before(old, now))
            if new != old:
                await unit.users.replace(old, new)
            return new

        return await self._store.write(change)

    async def revoke_role(self, role_name: str) -> Written[Role]:
        """End all sessions of a role that are issued before now and `REVOCATION_REACH`.

        Raises `NotFoundError`.
        """

        async def change(unit: Unit) -> Role:
            now = self._clock.now()
            await unit.revoked_sessions.remove_expired(now)
            old = await get_role(unit, role_name)
            new = replace(old, sessions_void_before=void_before(old, now))
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


def void_before(parent: User | Role | Provider, now: float) -> float:
    """Return until when sessions of `parent` must have been issued to be ended by a revocation at `now`."""
    return max(now + REVOCATION_REACH, parent.sessions_void_before)


def _duration(duration: float | None, longest: float) -> float:
    if duration is None:
        return min(SESSION_DURATION_DEFAULT, longest)
    if not SESSION_DURATION_MIN <= duration <= longest:
        raise InvalidError(
            f"a session lasts {SESSION_DURATION_MIN:g} to {longest:g} seconds", field="duration"
        )
    return duration


def _carry(caller: Parent, asked: SessionTags) -> tuple[Mapping[str, Values], tuple[str, ...]]:
    """Return the facts of a role's session, and which of its tags pass on: what comes by the caller stays."""
    inherited = {fold_name(key) for key in caller.tags}
    for key in asked.tags:
        if fold_name(key) in inherited:
            raise InvalidError(f"tag {quote(key)} is passed on and cannot be changed", field="tags")
    tags = {**caller.tags, **asked.tags}
    check_tags(tags)
    if not set(asked.transitive) <= set(asked.tags):
        raise InvalidError("only tags of the session are passed on", field="transitive_tag_keys")
    source = asked.source_identity
    if source:
        check_source_identity(source)
    if source and caller.source_identity not in {"", source}:
        raise InvalidError(
            "the source identity is set already and cannot be changed", field="source_identity"
        )
    source = source or caller.source_identity
    facts: dict[str, Values] = {TAG_PREFIX + key: (value,) for key, value in tags.items()}
    if source:
        facts[SOURCE_IDENTITY] = (source,)
    return facts, tuple(dict.fromkeys((*caller.tags, *asked.transitive)))


def _said_of(caller: Parent) -> Mapping[str, Values]:
    """Return what the caller's login said, without tags: which of those pass on is decided by `_carry`."""
    return {key: values for key, values in caller.facts.items() if not key.startswith(TAG_PREFIX)}


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
