"""Who a question means: from a name, an ARN or an access key id to the principal in memory.

Shared by the surfaces that are asked about principals (`authorization.py`, `explanation.py`): what is held is
found at once, what is not is loaded. Nothing here proves anything: an access key id names its owner as that key
lets it act, no more. A session is only known by its token, so by its access key id it is nobody.

Not here: how a question is read (`formats/authz_v1.py`), or how principals are kept (`access/principals.py`).
"""

from dataclasses import replace

from authz.access.entries import KeyEntry, UserEntry
from authz.access.exact_loads import Moment
from authz.access.ports import ChangeKind
from authz.access.principals import Principals
from authz.clock import Clock
from authz.errors import AuthzError
from authz.formats.authz_v1 import PrincipalBy, PrincipalRef
from authz.identity.credential import check_known_name
from authz.identity.principal import user_principal
from authz.identity.records import Status, User, key_of_name
from authz.policy.arn import user_arn
from authz.policy.request import NO_FACTS, Principal, PrincipalKind

Found = KeyEntry | UserEntry | None
"""A principal as a question names it: by credential, by user, or nobody."""


class PrincipalRefs:
    """Finds the principals that questions name."""

    def __init__(
        self, principals: Principals, root: KeyEntry, anonymous: UserEntry, clock: Clock
    ) -> None:
        self._principals = principals
        self._clock = clock
        self._root = root
        self._root_arn = root.owner.principal.arn
        self.anonymous = anonymous
        self.account = root.owner.principal.account

    def find(self, ref: PrincipalRef) -> Found:
        """Return the principal when it is in memory; a credential that has expired is nobody's."""
        return self._unless_expired(self._find_held(ref))

    def _unless_expired(self, found: Found) -> Found:
        if isinstance(found, KeyEntry) and found.has_expired(self._clock.now()):
            return None
        return found

    def _find_held(self, ref: PrincipalRef) -> Found:
        if ref.by is PrincipalBy.BEARER_TOKEN:
            # INVARIANT: a token is never a name; who takes tokens looks them up elsewhere.
            return None
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return (
                self._root if ref.value == self._root.id else self._principals.find_key(ref.value)
            )
        if ref.value == self._root_arn:
            return self._root
        if ref.by is PrincipalBy.ANONYMOUS:
            return self.anonymous
        name = self._user_name(ref)
        return self._principals.find_user(name) if name else None

    async def load(self, ref: PrincipalRef) -> Found:
        """Return the principal, from the store when it is not in memory; `None` when there is none.

        Raises `UnavailableError` when the store cannot be read, `OverloadedError` when too many loads wait.
        """
        found = self._find_held(ref)
        if found is not None:
            return self._unless_expired(found)
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return self._unless_expired(await self._principals.load_key(ref.value))
        name = self._user_name(ref)
        return await self._principals.load_user(name) if name else None

    def moment(self) -> Moment:
        """Return the moment that memory is at."""
        return self._principals.moment()

    def is_outdated(self, ref: PrincipalRef, found: Found | AuthzError, since: Moment) -> bool:
        """Tell whether a change after `since` may make `found` wrong for `ref`."""
        if isinstance(found, AuthzError) or found is self._root or found is self.anonymous:
            return False
        owner = found.owner if isinstance(found, KeyEntry) else found
        if owner is not None and not owner.is_current:
            return True
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return self._principals.has_changed(ChangeKind.ACCESS_KEY, ref.value, since)
        name_key = key_of_name(self._user_name(ref))
        return self._principals.has_changed(ChangeKind.USER_NAME, name_key, since)

    def _user_name(self, ref: PrincipalRef) -> str:
        """Return the user's name that `ref` means.

        Empty for an ARN of anything but a user of this account.
        """
        if ref.by is PrincipalBy.USER_NAME:
            return ref.value
        if ref.by is not PrincipalBy.ARN:
            return ""
        prefix = user_arn(self.account, "")
        return ref.value.removeprefix(prefix) if ref.value.startswith(prefix) else ""

    def stranger(self, ref: PrincipalRef) -> Principal:
        """Return a principal for the record of a question about one that does not exist."""
        by_name = ref.by is PrincipalBy.USER_NAME
        # Whatever a token says, it is in no record.
        value = "" if ref.by is PrincipalBy.BEARER_TOKEN else ref.value
        arn = user_arn(self.account, value) if by_name else value
        return Principal(
            arn=arn,
            kind=PrincipalKind.ANONYMOUS,
            account=self.account,
            id="",
            name=value,
            facts=NO_FACTS,
        )

    def imagine(self, ref: PrincipalRef) -> Principal | None:
        """Return the user that `ref` names as if it existed, without tags, groups or an id.

        `None` for what is no way to name a user of this account; `InvalidError` for a name that no user has.
        """
        name = "" if ref.by is PrincipalBy.ACCESS_KEY_ID else self._user_name(ref)
        if not name:
            return None
        check_known_name(name, field=f"check.{ref.by.value}")
        user = User(id="", name=name, status=Status.ENABLED, created_at=0.0)
        principal = user_principal(user, (), self.account)
        facts = {key: values for key, values in principal.facts.items() if key != "aws:userid"}
        return replace(principal, facts=facts)


def acting_of(found: Found) -> UserEntry | None:
    """Return what decisions are made for: the principal, or what its credential leaves of it."""
    return found.acting if isinstance(found, KeyEntry) else found
