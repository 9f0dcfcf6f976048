"""LDAP and Active Directory as identities: a login name and a password → whom the directory says it is.

A login is: find the one entry (as the lookup user), bind as it with the password on a connection of its own,
then find its groups (as the lookup user again). Whoever is not there, is there twice, or has another password
gets one and the same answer after the same time (`_Refusals`), and a bind is made for each of them. An empty
password is refused before any bind, since a bind without one succeeds as nobody (RFC 4513 §5.1.2).

The library blocks, so this runs in a few threads of the provider's own, with a bounded queue before them. Not
here: the protocol (`ldap_connection.py`), searches (`ldap_search.py`), how often somebody may try (`serving`).

Source: identity-and-sessions §4; minio-iam §11 (CVE-2026-33419).
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn, TypeVar

from authz.clock import Clock
from authz.errors import (
    AuthzError,
    InvalidError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
    quote,
)
from authz.federation.ldap_connection import BUSY_CODES, SUCCESS, Bound
from authz.federation.ldap_pool import Dialer, LookupPool
from authz.federation.ldap_search import (
    LOGIN_LIMIT,
    UnusableError,
    User,
    find_by_login,
    find_by_name,
    find_groups,
    read_display_name,
    read_facts,
)
from authz.formats.provider_ldap import LdapConfig, SearchBase
from authz.identity.credential import Secret
from authz.identity.distinguished_names import DistinguishedName, parse_distinguished_name
from authz.identity.external import ExternalIdentity, LoginStep, Trace, no_trace

PASSWORD_LIMIT: Final = 1_024
"""Longest password, in characters."""
QUEUE_FACTOR: Final = 8
"""Logins that wait, for each one that can be under way."""
LOGIN_TIMEOUTS: Final = 3
"""How many times the time-out of one operation a whole login may take, waiting included."""
REFUSAL_FLOOR: Final = 0.25
"""Seconds a refusal takes at least, where nothing slower is known: most directories bind in less."""
REFUSAL_MARGIN: Final = 1.25
"""By how much a refusal takes longer than the slowest bind: the next one may be a little slower."""
REFUSALS_RECENT: Final = 900.0
"""Seconds for which the slowest bind is remembered."""

AD_HINTS: Final = {
    "525": "no such user", "52e": "wrong password", "530": "not at this time",
    "531": "not from this workstation", "532": "the password has expired",
    "533": "the account is disabled", "701": "the account has expired",
    "773": "the password must be changed", "775": "the account is locked",
}  # fmt: skip
"""Why Active Directory refused a bind (the `data` of its message), for administrators."""

Observe = Callable[[str, float], None]
"""Hears of each login: `accepted`, `refused`, `unavailable` or `overloaded`, and the seconds it took."""
Answer = TypeVar("Answer")


def ignore_observation(outcome: str, seconds: float) -> None:
    """Hear nothing."""
    del outcome, seconds


class _Refusals:
    """How long refusals take: no less than what a directory recently took to refuse a password.

    A server that hashes slowly does so only for a user that is there, so a bind as nobody is no disguise.
    """

    def __init__(self, clock: Clock, least: float, most: float) -> None:
        self._clock = clock
        self._least = least
        self._most = most
        self._slowest = 0.0
        self._at = 0.0

    def hear(self, seconds: float) -> None:
        """Remember how long it took to refuse the password of somebody who is there."""
        now = self._clock.monotonic()
        if seconds >= self._slowest or now - self._at > REFUSALS_RECENT:
            self._slowest, self._at = seconds, now

    async def wait(self, began: float) -> None:
        """Wait until one that began at this monotonic time may be answered; holds neither place nor thread."""
        floor = min(self._most, max(self._least, REFUSAL_MARGIN * self._slowest))
        await asyncio.sleep(began + floor - self._clock.monotonic())


class LdapProvider:
    """Vouches for the users of one directory."""

    def __init__(
        self,
        name: str,
        config: LdapConfig,
        secret: Secret | None,
        clock: Clock,
        observe: Observe = ignore_observation,
        *,
        refusal_floor: float = REFUSAL_FLOOR,
    ) -> None:
        """Prepare; nothing is connected before somebody logs in. `secret` is the lookup password.

        A directory's refusal is answered no earlier than `refusal_floor` seconds after it was first asked.
        Raises `InvalidError` when the configuration wants a lookup password and there is none, or the reverse.
        """
        has_secret = secret is not None and bool(secret.reveal())
        if bool(config.bind_dn) != has_secret:
            reason = "`bind_dn` needs a password: without one a bind is as nobody"
            raise InvalidError(
                reason if config.bind_dn else "an anonymous lookup has no password", field="secret"
            )
        self.name = name
        self._config = config
        self._clock = clock
        self._observe = observe
        self._dialer = Dialer(config, clock)
        self._pool = LookupPool(config, secret, self._dialer, clock)
        self._threads = ThreadPoolExecutor(config.pool_size, thread_name_prefix=f"ldap-{name}")
        self._refusals = _Refusals(clock, refusal_floor, config.timeout)
        self._places = threading.BoundedSemaphore(config.pool_size * (1 + QUEUE_FACTOR))
        self._nobody = f"cn=authz-nobody-0f6c1d5e,{config.user_bases[0].text}"

    async def login(
        self, username: str, password: Secret, *, trace: Trace = no_trace
    ) -> ExternalIdentity:
        """Return whom a login name and a password stand for; `trace` hears each step.

        Raises `UnauthenticatedError` (`AccessDenied` without saying why, `IDPRejectedClaim` for an identity
        that cannot be taken over), `UnavailableError`, `OverloadedError`.
        """
        # When the work began: how long it waited for a thread tells of nobody. Nor does a refusal before it.
        began: list[float] = []
        try:
            return await self._log_in(username, password, trace, began)
        except UnauthenticatedError:
            if began:
                await self._refusals.wait(began[0])
            raise

    async def _log_in(
        self, username: str, password: Secret, trace: Trace, began: list[float]
    ) -> ExternalIdentity:
        started = self._clock.monotonic()
        loop = asyncio.get_running_loop()

        def report(step: LoginStep) -> None:
            loop.call_soon_threadsafe(trace, step)

        def work(until: float) -> ExternalIdentity:
            began.append(self._clock.monotonic())
            return self._login(username, password, report, until)

        outcome = "unavailable"
        try:
            self._check_input(username, password, trace)
            identity = await self._run(work)
            outcome = "accepted"
        except UnauthenticatedError:
            outcome = "refused"
            raise
        except OverloadedError:
            outcome = "overloaded"
            raise
        finally:
            self._observe(outcome, self._clock.monotonic() - started)
        return identity

    async def find_user(self, dn_or_login: str) -> ExternalIdentity | None:
        """Return a user as the directory has it now, by distinguished name or login name.

        `None` when the user filter matches it no more. Raises `UnavailableError` when that cannot be told.
        """
        name = self._find_name(dn_or_login)
        if name is None and not _is_login(dn_or_login):
            return None
        return await self._run(lambda until: self._find(dn_or_login, name, until))

    def canonical_user(self, text: str) -> str:
        """Return a user's distinguished name in the form that is compared.

        Raises `InvalidError` when it is none, or stands below none of the search bases of users.
        """
        return _canonical(text, self._config.user_bases, "user")

    def canonical_group(self, text: str) -> str:
        """Return a group's distinguished name in the form that is compared; raises as `canonical_user`."""
        return _canonical(text, self._config.group_bases, "group")

    async def close(self) -> None:
        """End what is under way, within its time-outs, and close all connections."""
        self._pool.close()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)
        self._pool.close()

    @staticmethod
    def _check_input(username: str, password: Secret, trace: Trace) -> None:
        if not 1 <= len(password.reveal()) <= PASSWORD_LIMIT:
            _refuse(trace, "input", "the password is empty or too long")
        if not _is_login(username):
            _refuse(trace, "input", "the user name is empty, too long, or none that can be")

    def _login(
        self, username: str, password: Secret, trace: Trace, until: float
    ) -> ExternalIdentity:
        began = self._clock.monotonic()
        user, reason = None, ""
        try:
            user = self._pool.run(lambda c: find_by_login(c, self._config, username), until)
        except UnusableError as error:
            reason = str(error)
        except AuthzError as error:
            trace(LoginStep("search", is_ok=False, detail=error.message))
            raise
        trace(
            LoginStep(
                "search", is_ok=user is not None, detail=quote(user.spelling) if user else reason
            )
        )
        # INVARIANT: the time tells nobody who is there. Who is not takes a bind, too, and every refusal is held
        # back until as long after its beginning as one after a real bind takes, or recently took.
        bound = self._bind(user.spelling if user else self._nobody, password, trace, until)
        if user is None:
            raise _denied()
        if bound.code != SUCCESS:
            self._refusals.hear(self._clock.monotonic() - began)
            _refuse(trace, "bind", _describe(bound))
        trace(LoginStep("bind", is_ok=True))
        return self._identify(user, trace, until)

    def _bind(self, name: str, password: Secret, trace: Trace, until: float) -> Bound:
        try:
            connection = self._dialer.dial(until)
            try:
                bound = connection.bind(name, password)
            finally:
                connection.close()
            if bound.code in BUSY_CODES:
                raise UnavailableError(f"the directory cannot bind now, result code {bound.code}")
        except AuthzError as error:
            trace(LoginStep("bind", is_ok=False, detail=error.message))
            raise
        return bound

    def _identify(self, user: User, trace: Trace, until: float) -> ExternalIdentity:
        try:
            facts = read_facts(self._config, user)
            display_name = read_display_name(self._config, user)
            groups = self._pool.run(lambda c: find_groups(c, self._config, user), until)
        except AuthzError as error:
            trace(LoginStep("groups", is_ok=False, detail=error.message))
            raise
        trace(LoginStep("groups", is_ok=True, detail=f"{len(groups)} groups"))
        if groups:
            facts["ldap:groups"] = groups
        return ExternalIdentity(
            name=user.name.text, display_name=display_name, groups=groups, facts=facts
        )

    def _find(
        self, login: str, name: DistinguishedName | None, until: float
    ) -> ExternalIdentity | None:
        try:
            if name is not None:
                user = self._pool.run(lambda c: find_by_name(c, self._config, name), until)
            else:
                user = self._pool.run(
                    lambda c: find_by_login(c, self._config, login, is_strict=True), until
                )
        except UnusableError:
            return None
        return self._identify(user, no_trace, until)

    def _find_name(self, text: str) -> DistinguishedName | None:
        """Read a distinguished name; one that is below no search base may still be a login name."""
        try:
            name = parse_distinguished_name(text)
        except ParseError:
            return None
        return name if any(name.is_below(b.name) for b in self._config.user_bases) else None

    async def _run(self, work: Callable[[float], Answer]) -> Answer:
        """Run `work` in a thread, handing it the monotonic time at which it must be over."""
        if not self._places.acquire(blocking=False):
            raise OverloadedError("too many logins at this directory are waiting; try again later")
        until = self._clock.monotonic() + LOGIN_TIMEOUTS * self._config.timeout
        try:
            future = self._threads.submit(self._in_time, work, until)
        except RuntimeError:  # it was closed meanwhile
            self._places.release()
            raise UnavailableError("the provider is being closed") from None
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def _in_time(self, work: Callable[[float], Answer], until: float) -> Answer:
        if self._clock.monotonic() >= until:
            raise OverloadedError("the login waited for too long; try again later")
        return work(until)


def _is_login(text: str) -> bool:
    # Samba 4.17 takes the value `*` for "any", also where it is escaped, and reads a value up to a NUL.
    return 1 <= len(text) <= LOGIN_LIMIT and text.isprintable() and bool(text.strip("* "))


def _canonical(text: str, bases: tuple[SearchBase, ...], what: str) -> str:
    try:
        name = parse_distinguished_name(text)
    except ParseError as error:
        raise InvalidError(error.message) from None
    if not any(name.is_below(base.name) for base in bases):
        raise InvalidError(f"{quote(text)} is below none of the provider's {what} search bases")
    return name.text


def _describe(bound: Bound) -> str:
    hint = AD_HINTS.get(bound.hint)
    return f"result code {bound.code}" + (f", {hint}" if hint else "")


def _refuse(trace: Trace, step: str, detail: str) -> NoReturn:
    trace(LoginStep(step, is_ok=False, detail=detail))
    raise _denied()


def _denied() -> UnauthenticatedError:
    return UnauthenticatedError("AccessDenied", "the user name or password is wrong")
