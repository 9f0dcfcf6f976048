"""From a login to the user it is here: what memory holds when it says the same, else what is stored, made so.

A login that changes nothing touches the database not at all. Not here: what is stored (`control/logins.py`),
and sessions (`sts_logins.py`).
"""

from typing import NamedTuple

from authz.access.entries import UserEntry, Vouched
from authz.access.exact_loads import LOAD_ATTEMPTS
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.refresher import Refresher
from authz.control.logins import NO_POLICY, Logins
from authz.errors import UnauthenticatedError, UnavailableError
from authz.identity.external import Login
from authz.identity.principal import login_facts
from authz.identity.records import external_name
from authz.policy.request import Principal, Values

SHUT_OUT = "the user may not log in here"


class External(NamedTuple):
    """A user that a login is: its entry, what the login granted (policy ids) and says, and how it acts."""

    entry: UserEntry
    granted: tuple[str, ...]
    facts: dict[str, Values]
    acting: UserEntry


class ExternalUsers:
    """Finds and makes the users that logins are."""

    def __init__(
        self,
        logins: Logins,
        principals: Principals,
        policies: Policies,
        refresher: Refresher,
        *,
        account: str,
    ) -> None:
        self._logins = logins
        self._principals = principals
        self._policies = policies
        self._refresher = refresher
        self._account = account

    async def find(self, login: Login, *, is_news: bool = True) -> External:
        """Return the user that `login` is, known from now on.

        Without `is_news` a user who is known stays as it is stored, whatever the login says of its groups.
        Raises `UnauthenticatedError` when it may not log in or no policy applies to it.
        """
        identity = login.identity
        granted = await self._logins.find_policies(identity.policies)
        entry = await self._find_entry(login, has_policies=bool(granted), is_news=is_news)
        if not entry.is_enabled:
            raise UnauthenticatedError("AccessDenied", SHUT_OUT)
        if not (granted or entry.handle.ids or entry.handle.deny_only_ids):
            raise UnauthenticatedError("AccessDenied", NO_POLICY)
        facts = login_facts(login, self._account)
        return External(entry, granted, facts, self._acting(entry, granted, facts))

    async def check(self, login: Login) -> None:
        """Refuse who is known here and may not log in; nobody gets known by it.

        For sessions of roles: the role says who gets one, and a disabled user is out all the same. Raises as
        `find`.
        """
        name = external_name(login.provider_name, login.identity.name)
        entry = self._principals.find_user(name) or await self._principals.load_user(name)
        if entry is not None and entry.vouched is not None and entry.vouched.is_absent:
            # It is back; whether it is disabled besides, only what is stored then tells.
            entry = await self._find_entry(login, has_policies=True, is_news=True)
        if entry is not None and not entry.is_enabled:
            raise UnauthenticatedError("AccessDenied", SHUT_OUT)

    async def _find_entry(self, login: Login, *, has_policies: bool, is_news: bool) -> UserEntry:
        identity = login.identity
        name = external_name(login.provider_name, identity.name)
        said = Vouched(
            login.provider_id, identity.display_name, tuple(sorted(identity.groups)), False
        )
        for _ in range(LOAD_ATTEMPTS):
            entry = self._principals.find_user(name) or await self._principals.load_user(name)
            if entry is not None and entry.vouched is not None:
                is_same_user = entry.vouched.provider_id == login.provider_id
                if entry.vouched == said or (is_same_user and not is_news):
                    return entry
            adopted = await self._logins.adopt(
                login.provider_id, identity, has_policies=has_policies
            )
            await self._refresher.wait_for(adopted.revision)
        raise UnavailableError("the user changes faster than it can be read")

    def _acting(
        self, entry: UserEntry, granted: tuple[str, ...], facts: dict[str, Values]
    ) -> UserEntry:
        who = entry.principal
        principal = Principal(
            arn=who.arn,
            kind=who.kind,
            account=who.account,
            id=who.id,
            name=who.name,
            facts={**facts, **who.facts},
        )
        handle = self._policies.granting(entry.handle, granted) if granted else None
        return entry.derived(None, principal, handle)
