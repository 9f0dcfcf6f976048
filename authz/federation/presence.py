"""Deprovisioning: providers are asked, on a schedule, whether they still know the users they vouched for.

Who logs in is asked about anyway; this is for those whose access keys go on without a login. One who is gone,
or no longer matches the user filter, may do nothing from then on, with keys and sessions, until the next login;
one who is there has the groups that the directory says now. Who is absent is not asked about: that somebody is
there again by that name shows nobody to be that user.

Only a clear answer counts. A provider that gives none for several users on end, or is disabled meanwhile, is
left alone until the next round, and nobody is disabled. Of several replicas the one asks that claims the
provider first; asking twice does no harm.

Not here: what a provider is asked (`ldap.py`, `keycloak.py`), what absence means (`control/logins.py`).
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from authz.clock import Clock
from authz.control.logins import Logins
from authz.control.ports import Slice
from authz.errors import AuthzError, UnauthenticatedError
from authz.identity.external import ExternalIdentity
from authz.identity.records import EXTERNAL_SIGN, Provider, User, key_of_name
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

AT_ONCE: Final = 4
"""Users that a provider is asked about at a time; logins go through the same connections."""
PAGE: Final = 200
"""Users read from the store at a time."""
LOOK: Final = 30.0
"""Longest time between two looks at what is due, in seconds."""

Claim = Callable[[str, float, float], Awaitable[bool]]
"""Claims a provider (id, now, interval) among all replicas; tells whether it is ours to ask."""


Answer = ExternalIdentity | bool | None
"""What a provider says of a user: the identity, whether it is there, or nothing."""


class Asked(Protocol):
    """The providers, as far as they are asked here."""

    def list_askable(self) -> Sequence[Provider]:
        """Return the providers that can be asked about their users."""
        ...

    async def look_up(self, provider_id: str, name: str) -> Answer:
        """Return what a provider says of one of its users now."""
        ...


class _Round:
    """How one round goes: a user about whom there is no answer ends nothing, one after the other do."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.problem = ""
        self._in_a_row = 0

    def succeed(self) -> None:
        self._in_a_row = 0

    def fail(self, problem: str) -> None:
        self.problem = problem
        self._in_a_row += 1

    def is_over(self) -> bool:
        return self._in_a_row >= AT_ONCE


class PresenceCheck:
    """Asks providers about their users."""

    def __init__(
        self,
        providers: Asked,
        logins: Logins,
        claim: Claim,
        metrics: Metrics,
        clock: Clock,
        *,
        interval: float,
    ) -> None:
        """Ask each provider every `interval` seconds."""
        self._providers = providers
        self._logins = logins
        self._claim = claim
        self._metrics = metrics
        self._clock = clock
        self._interval = interval
        self._log = get_logger("federation")

    async def run(self) -> None:
        """Ask whenever it is time, until cancelled."""
        while True:
            # Jittered, so that replicas that start together do not go on together.
            wait = min(self._interval, LOOK) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
            await asyncio.sleep(wait)
            await self.check_due()

    async def check_due(self) -> None:
        """Ask each provider that nobody has asked for an interval, all at a time."""
        askable = self._providers.list_askable()
        await asyncio.gather(*(self._check(provider) for provider in askable))

    async def _check(self, provider: Provider) -> None:
        current = _Round(provider)
        try:
            if not await self._claim(provider.id, self._clock.now(), self._interval):
                return
            await self._check_users(current)
        except AuthzError as error:
            current.fail(error.message)
        if current.problem:
            self._metrics.provider_check_failures.inc((provider.name,))
            self._log.warning(
                "provider_check_failed", provider=provider.name, problem=current.problem
            )
        elif self._is_askable(provider):
            done = self._clock.now()
            self._metrics.provider_checked.read_from(lambda: done, provider.name)

    async def _check_users(self, current: _Round) -> None:
        part = Slice("", PAGE)
        while not current.is_over() and self._is_askable(current.provider):
            users = await self._logins.list_of_provider(current.provider.id, part)
            present = [user for user in users if user.absent_since is None]
            for start in range(0, len(present), AT_ONCE):
                some = present[start : start + AT_ONCE]
                await asyncio.gather(*(self._check_user(current, user) for user in some))
                if current.is_over():
                    return
            if len(users) < part.limit:
                return
            part = Slice(key_of_name(users[-1].name), PAGE)

    def _is_askable(self, provider: Provider) -> bool:
        return any(one.id == provider.id for one in self._providers.list_askable())

    async def _check_user(self, current: _Round, user: User) -> None:
        name = user.name.partition(EXTERNAL_SIGN)[2]
        try:
            said = await self._providers.look_up(user.provider_id, name)
            outcome = await self._take(user, name, said)
        except UnauthenticatedError as error:
            # It is there, but could not log in: in too many groups, say. That is for people to mend.
            outcome = "unusable"
            self._log_of("user_unusable", user, problem=error.message)
        except AuthzError as error:
            current.fail(error.message)
            outcome = "unanswered"
        else:
            current.succeed()
        self._metrics.provider_users_checked.inc((current.provider.name, outcome))

    async def _take(self, user: User, name: str, said: Answer) -> str:
        """Do what follows from what the provider said; return how that is called."""
        if said is None:
            return "unanswered"
        if said is True:
            return "present"
        if said is False or said.name != name:
            await self._logins.set_absent(user)
            self._log_of("user_absent", user)
            return "absent"
        groups = tuple(sorted(said.groups))
        # Most are as they were, and are not worth a turn among the writers.
        if (user.display_name, user.external_groups) != (said.display_name, groups):
            await self._logins.refresh(user, said)
            gained, lost = {*groups} - {*user.external_groups}, {*user.external_groups} - {*groups}
            self._log_of("user_refreshed", user, gained=sorted(gained), lost=sorted(lost))
        return "present"

    def _log_of(self, event: str, user: User, **facts: object) -> None:
        provider, _, name = user.name.partition(EXTERNAL_SIGN)
        self._log.warning(event, provider=provider, name=name, user_id=user.id, **facts)
