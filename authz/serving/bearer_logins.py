"""Whose a request is that presents a token or a certificate instead of a signature.

What was taken a moment ago is answered from memory at once (`access/bearers.py`). Anything else is looked at as
a login is, once for all who present it, a few at a time for each provider; the user it stands for is known from
then on, like one who asks for a session. A session's own token is opened here and needs no provider.

A provider's newest word about a user counts: a proof older than one that was seen changes no groups, and its
holder acts as the user is. What ends sessions ends tokens that were made before it, too.

Not here: where proofs may be presented (`formats/http_routes.py`), what they are worth (`federation`).
"""

from enum import StrEnum
from hashlib import sha256
from typing import Final, NamedTuple

from authz.access.authenticator import ENDED, Authenticator
from authz.access.bearers import Bearers, Moment, Refused, Taken
from authz.access.entries import KeyEntry, UserEntry
from authz.access.loads import Loads
from authz.access.principals import Principals
from authz.access.shelf import Shelf
from authz.clock import Clock
from authz.control.logins import NO_POLICY
from authz.errors import (
    AuthzError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.identity.external import Login, ProviderKind
from authz.identity.records import external_name
from authz.policy.request import PrincipalKind
from authz.serving.external_users import SHUT_OUT, External, ExternalUsers
from authz.serving.failure_budget import FailureBudget
from authz.serving.federation import Federation
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

CONCURRENT: Final = 8
"""Proofs of one provider that are looked at at a time; as many again may wait."""
ATTEMPTS: Final = 3
"""Times one is looked at, because what it stands on keeps changing, before its holder is told to come back."""
WORDS_HELD: Final = 10_000
"""Users of whom it is known how new the newest proof was."""
WORD_INTERVAL: Final = 5.0
"""Seconds between two changes of a user by proofs that are equally new: two that disagree take no turns."""


class PresentedKind(StrEnum):
    """What may be presented; the value is what a file of mappings calls it."""

    ID_TOKEN = "id_token"  # noqa: S105 - the name of a kind of token
    SESSION_TOKEN = "session_token"  # noqa: S105 - as above
    CERTIFICATE = "certificate"


_ACTIONS: Final = {
    PresentedKind.ID_TOKEN: "sts:AssumeRoleWithWebIdentity",
    PresentedKind.CERTIFICATE: "sts:AssumeRoleWithCertificate",
}
"""What presenting a proof is to policies: a deny of it on `*` keeps its holder out, as it does over STS."""
_OF_A_SESSION: Final = frozenset({"aws:tokenissuetime"})


class Presented:
    """A proof that somebody shows; `repr` shows nothing of it."""

    __slots__ = ("content", "digest", "kind")

    def __init__(self, kind: PresentedKind, content: bytes) -> None:
        """Take a token's characters, or a certificate in DER."""
        self.kind = kind
        self.content = content
        self.digest = f"{kind.value}:{sha256(content).hexdigest()}"

    @classmethod
    def of_token(cls, token: str) -> "Presented":
        """Tell an ID token, which has dots, from a session's, which has none."""
        kind = PresentedKind.ID_TOKEN if "." in token else PresentedKind.SESSION_TOKEN
        return cls(kind, token.encode("utf-8", "surrogatepass"))

    @property
    def text(self) -> str:
        """The characters of a token."""
        return self.content.decode("utf-8", "surrogatepass")

    def __repr__(self) -> str:
        return f"Presented({self.kind.value})"


class Proven(NamedTuple):
    """Who presents it: what decisions are made for, and the access key id of a session, empty for others.

    `is_as_named` tells that it may do just what its principal may, so that asking about that one is the same:
    no policies of its own, none that a login granted, and nothing that a login said, on which a deny may rest.
    """

    acting: UserEntry
    access_key_id: str
    is_as_named: bool

    @classmethod
    def of_credential(cls, credential: KeyEntry) -> "Proven":
        """Return who has proved to hold a credential."""
        is_as_named = _is_as_named(credential.acting, credential.owner)
        return cls(credential.acting, credential.id, is_as_named)


def _is_as_named(acting: UserEntry, owner: UserEntry) -> bool:
    if acting.own is not None or acting.handle.granted_ids:
        return False
    # A role's session has a name of its own: who asks about the role's asks about nobody.
    is_user = acting.principal.kind is PrincipalKind.USER
    return (
        not is_user or acting.principal.facts.keys() - _OF_A_SESSION <= owner.principal.facts.keys()
    )


class BearerLogins:
    """Finds whose a proof is."""

    def __init__(
        self,
        federation: Federation,
        users: ExternalUsers,
        principals: Principals,
        bearers: Bearers,
        authenticator: Authenticator,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._federation = federation
        self._users = users
        self._principals = principals
        self._bearers = bearers
        self._authenticator = authenticator
        self._clock = clock
        self._logins = metrics.logins
        self._failures = FailureBudget(clock)
        self._loads: dict[str, Loads] = {}
        # User → when the newest proof was made, and when it last changed the record (monotonic).
        self._words: Shelf[tuple[float, float]] = Shelf(WORDS_HELD)
        self._log = get_logger("serving")

    def find(self, presented: Presented) -> Proven | None:
        """Return whose it is, if memory knows; `None` asks the caller to `load`.

        Raises `UnauthenticatedError` for what is refused.
        """
        if presented.kind is PresentedKind.SESSION_TOKEN:
            credential = self._authenticator.find_session(presented.text)
            return None if credential is None else self._of_session(credential)
        found = self._bearers.find(presented.digest)
        if isinstance(found, Refused):
            raise UnauthenticatedError(found.code, found.message)
        return None if found is None else self._let_in(found, presented)

    async def load(self, presented: Presented, source_ip: str = "") -> Proven:
        """Return whose it is, asking whoever must be asked; `source_ip` is where it came from, if known.

        Raises `UnauthenticatedError` for what is refused, `UnavailableError` when nobody can tell, and
        `OverloadedError` when too many wait, or too many from there were no good.
        """
        if presented.kind is PresentedKind.SESSION_TOKEN:
            return self._of_session(await self._authenticator.load_session(presented.text))
        # Certificates are anybody's whose authority made them: they share one bound.
        provider_id = ""
        if presented.kind is PresentedKind.ID_TOKEN:
            # What is no token, or nobody's here, waits for nothing and costs nobody else a place.
            provider_id = self._federation.find_provider(presented.text)
        loads = self._loads.setdefault(provider_id, Loads(CONCURRENT))
        self._failures.check(source_ip)
        try:
            taken = await loads.once(presented.digest, lambda: self._take(presented))
        except UnauthenticatedError:
            self._failures.spend(source_ip)
            raise
        return self._let_in(taken, presented)

    def _let_in(self, taken: Taken, presented: Presented) -> Proven:
        """Refuse whom a deny keeps from logging in, as policies are now."""
        acting = taken.acting
        self._users.check_not_denied(acting, _ACTIONS[presented.kind])
        # A certificate says who its holder is, and of that no more than its name: nobody asks with one again.
        owner = acting if presented.kind is PresentedKind.CERTIFICATE else taken.owner
        return Proven(acting, "", _is_as_named(acting, owner))

    def _of_session(self, credential: KeyEntry) -> Proven:
        proved = self._authenticator.check_session(credential, self._clock.now())
        return Proven.of_credential(proved)

    # --- what a provider is asked about ---

    async def _take(self, presented: Presented) -> Taken:
        for _ in range(ATTEMPTS):
            since = self._bearers.moment()
            try:
                taken = await self._find_user(await self._prove(presented), since)
            except UnauthenticatedError as error:
                refused = Refused(error.code, error.message)
                self._bearers.refuse(presented.digest, refused, since)
                raise
            if self._bearers.hold(presented.digest, taken, since):
                return taken
        raise UnavailableError("what the proof stands on keeps changing; ask again in a moment")

    async def _prove(self, presented: Presented) -> Login:
        is_token = presented.kind is PresentedKind.ID_TOKEN
        kind = ProviderKind.OIDC if is_token else ProviderKind.CERTIFICATE
        try:
            if is_token:
                login = await self._federation.take_token(presented.text)
            else:
                login = self._federation.take_certificate(presented.content)
            _check_lasts(login, self._clock.now())
        except UnauthenticatedError as error:
            self._logins.inc((kind.value, error.code))
            raise
        except (InvalidError, NotFoundError):
            # Several providers take it, and nothing here says which one is meant.
            self._logins.inc((kind.value, "InvalidIdentityToken"))
            raise UnauthenticatedError(
                "InvalidIdentityToken", "the proof does not say which provider's it is"
            ) from None
        except AuthzError:
            self._logins.inc((kind.value, "unavailable"))
            raise
        self._logins.inc((kind.value, "accepted"))
        return login

    async def _find_user(self, login: Login, since: Moment) -> Taken:
        identity = login.identity
        name = external_name(login.provider_name, identity.name)
        # Whom nobody lets in costs the database once, however many tokens say the same.
        key = _word_key(name, login)
        refused = self._bearers.find_refused(key)
        if refused is not None:
            raise UnauthenticatedError(refused.code, refused.message)
        if login.kind is ProviderKind.OIDC:
            await self._check_revoked(login, name)
        is_news = self._is_news(name, identity.issued_at or 0.0)
        try:
            external = await self._users.find(login, is_news=is_news)
        except UnauthenticatedError as error:
            # Of the rest the next proof may say otherwise.
            if error.message in {NO_POLICY, SHUT_OUT}:
                self._bearers.refuse(key, Refused(error.code, error.message), since)
            raise
        except ForbiddenError as error:
            raise UnauthenticatedError("AccessDenied", error.message) from None
        if is_news:
            self._words.put(name, (identity.issued_at or 0.0, self._clock.monotonic()))
        self._log.info(
            "bearer_taken",
            provider=login.provider_name,
            external_name=identity.name,
            principal=external.acting.principal.arn,
            expires_at=identity.expires_at,
        )
        return _as_taken(login, external)

    async def _check_revoked(self, login: Login, name: str) -> None:
        """Refuse a token made before all sessions of its user, or by its provider, were revoked."""
        issued_at = login.identity.issued_at or 0.0
        known = self._principals.find_user(name) or await self._principals.load_user(name)
        # Of who is disabled all have ended, too, but it is answered as one who is shut out.
        is_void = (
            known is not None
            and issued_at < known.sessions_void_before
            and (known.is_enabled or known.vouched is None or known.vouched.is_absent)
        )
        if is_void or not self._bearers.is_good(login.provider_id, issued_at):
            raise UnauthenticatedError("ExpiredToken", ENDED)

    def _is_news(self, name: str, issued_at: float) -> bool:
        newest, at = self._words.get(name, (float("-inf"), float("-inf")))
        is_due = self._clock.monotonic() - at >= WORD_INTERVAL
        return issued_at > newest or (issued_at == newest and is_due)


def _check_lasts(login: Login, now: float) -> None:
    """Refuse what is only taken for clocks that differ a little: it is to be good for a while."""
    ends = login.identity.expires_at
    if ends is not None and ends <= now:
        raise UnauthenticatedError("ExpiredToken", "the proof has expired")


def _word_key(name: str, login: Login) -> str:
    """Return what stands for all that a provider says of a user and that may let it in."""
    identity = login.identity
    said = repr((name, sorted(identity.groups), sorted(identity.policies)))
    return f"user:{sha256(said.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _as_taken(login: Login, external: External) -> Taken:
    identity = login.identity
    ends = float("inf") if identity.expires_at is None else identity.expires_at
    return Taken(external.entry, external.acting, ends, grants=bool(identity.policies))
