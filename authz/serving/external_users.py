"""From a login to the user it is here: what memory holds when it says the same, else what is stored, made so.

A login that changes nothing touches the database not at all. Not here: what is stored (`control/logins.py`),
and sessions (`sts_logins.py`).
"""

from typing import NamedTuple

from authz.access.authenticator import ENDED
from authz.access.authorizer import Authorizer
from authz.access.entries import UserEntry, Vouched
from authz.access.exact_loads import LOAD_ATTEMPTS
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.control.limits import check_source_identity, check_tags
from authz.control.logins import NO_POLICY, Logins
from authz.errors import ForbiddenError, InvalidError, UnauthenticatedError, UnavailableError
from authz.identity.external import ExternalIdentity, Login
from authz.identity.principal import login_facts, vouched_principal
from authz.identity.records import external_name
from authz.policy.arn import ANY
from authz.policy.decision import Verdict
from authz.policy.request import NO_FACTS, AccessRequest, Context, Values

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
        authorizer: Authorizer,
        clock: Clock,
        *,
        account: str,
    ) -> None:
        """Let `authorizer` say whose login may bring tags; every user is of `account`."""
        self._authorizer = authorizer
        self._clock = clock
        self._logins = logins
        self._principals = principals
        self._policies = policies
        self._refresher = refresher
        self._account = account

    async def find(self, login: Login, *, is_news: bool = True) -> External:
        """Return the user that `login` is, known from now on.

        Without `is_news` a user who is known stays as it is stored, whatever the login says of its groups.
        Raises `UnauthenticatedError` when it may not log in, no policy applies to it, or its proof was made
        before its sessions were ended; `ForbiddenError` when it brings tags that nothing lets it bring.
        """
        identity = login.identity
        _check_tags(identity)
        granted = await self._logins.find_policies(identity.policies)
        entry = await self._find_entry(login, has_policies=bool(granted), is_news=is_news)
        _require_good(entry, identity)
        if not (granted or entry.handle.ids or entry.handle.deny_only_ids):
            raise UnauthenticatedError("AccessDenied", NO_POLICY)
        facts = login_facts(login, self._account)
        acting = self._acting(entry, granted, facts)
        self._require_tagging(self._acting(entry, granted, {}), identity)
        return External(entry, granted, facts, acting)

    def _require_tagging(self, entry: UserEntry, identity: ExternalIdentity) -> None:
        """Refuse tags and a source identity of a login unless a policy lets its user bring them (AWS).

        What conditions of others rest on is not for each provider to say. They are refused, not left out: a
        deny may rest on them, too.
        """
        tags = identity.tags
        facts: dict[str, Values] = {
            f"aws:requesttag/{key}": (value,) for key, value in tags.items()
        }
        if tags:
            facts["aws:tagkeys"] = tuple(tags)
        if identity.source_identity:
            facts["sts:sourceidentity"] = (identity.source_identity,)
        for action, is_needed in (
            ("sts:TagSession", bool(tags)),
            ("sts:SetSourceIdentity", bool(identity.source_identity)),
        ):
            if is_needed:
                who = entry.principal
                context = Context(who.facts, NO_FACTS, facts, self._clock.now())
                request = AccessRequest(who, action, ANY, context)
                if not self._authorizer.decide(entry, request).is_allowed:
                    raise ForbiddenError(f"{who.arn} may not {action}, and its login asks for that")

    def check_not_denied(self, acting: UserEntry, action: str) -> None:
        """Refuse somebody whom a deny of `action` on `*` keeps from logging in; raises as `find`."""
        who = acting.principal
        request = AccessRequest(
            who, action, ANY, Context(who.facts, NO_FACTS, NO_FACTS, self._clock.now())
        )
        if self._authorizer.decide(acting, request).verdict is Verdict.EXPLICITLY_DENIED:
            raise UnauthenticatedError("AccessDenied", SHUT_OUT)

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
        if entry is not None:
            _require_good(entry, login.identity)

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
        principal = vouched_principal(entry.principal, facts)
        handle = self._policies.granting(entry.handle, granted) if granted else None
        return entry.derived(None, principal, handle)


def _require_good(entry: UserEntry, identity: ExternalIdentity) -> None:
    """Refuse a user that is shut out, and a proof made before all of its sessions were ended."""
    if not entry.is_enabled:
        raise UnauthenticatedError("AccessDenied", SHUT_OUT)
    if identity.issued_at is not None and identity.issued_at < entry.sessions_void_before:
        raise UnauthenticatedError("ExpiredToken", ENDED)


def _check_tags(identity: ExternalIdentity) -> None:
    """Refuse tags and a source identity that none of our own could be."""
    try:
        check_tags(identity.tags)
        if identity.source_identity:
            check_source_identity(identity.source_identity)
    except InvalidError as error:
        raise UnauthenticatedError("IDPRejectedClaim", error.message) from None
