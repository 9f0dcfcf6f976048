"""Sessions on the word of an identity provider: proved by it, then like any other.

Without a role the session is the provider's user's own; it needs no right but can be denied, as every session
of oneself. With one, the role's trust policy alone decides, and it must name the provider; but a user who is
disabled here gets none. A session ends with its proof at the latest.

Not here: what a proof is worth (`federation`), who the user is (`external_users.py`), requests and answers
(`formats/sts_logins.py`).
"""

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Final, NamedTuple

from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import RoleEntry
from authz.access.roles import Roles
from authz.clock import Clock
from authz.control.limits import SESSION_DURATION_DEFAULT
from authz.control.session_trail import Origin
from authz.control.sessions import AssumedRole, IssuedSession, Parent, Sessions, SessionTags
from authz.errors import AuthzError, OverloadedError, UnauthenticatedError, UnavailableError
from authz.formats.aws_query import QueryError
from authz.formats.sts_logins import (
    CERTIFICATE,
    CLIENT_GRANTS,
    CUSTOM_TOKEN,
    LDAP_IDENTITY,
    WEB_IDENTITY,
    IssuedCredentials,
    LoginRequest,
    render_login,
)
from authz.identity.external import Login, ProviderKind
from authz.identity.http import HttpRequest
from authz.identity.principal import federated_principal, session_principal
from authz.identity.session import TOKEN_LIMIT
from authz.policy.arn import ANY
from authz.policy.request import AccessRequest, Context, Principal, Values
from authz.serving.external_users import ExternalUsers
from authz.serving.federation import Federation
from authz.serving.http_mappings import server_facts
from authz.serving.login_limits import Attempt, LoginLimits
from authz.serving.sts_sessions import SURFACE, DeniedError, check_size, find_role
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics


class ProviderAwayError(UnavailableError):
    """A provider gave no answer; everything of our own is there."""


class Proven(NamedTuple):
    """A request whose proof a provider took; `age` of memory in seconds, `now` in epoch seconds."""

    asked: LoginRequest
    login: Login
    request: HttpRequest
    age: float
    now: float

    @property
    def by(self) -> Asked:
        """What the decision log says about the asker."""
        return Asked(SURFACE, "", self.request.source_ip)

    def need(
        self, principal: Principal, action: str, facts: dict[str, Values], resource: str = ANY
    ) -> AccessRequest:
        """Return the question whether `principal` may do this action of STS."""
        server = server_facts(self.request, None)
        context = Context(principal.facts, server, facts, self.now)
        return AccessRequest(principal, f"sts:{action}", resource, context)


class StsLogins:
    """Issues sessions to whom a provider vouches for."""

    def __init__(
        self,
        federation: Federation,
        users: ExternalUsers,
        authorizer: Authorizer,
        roles: Roles,
        sessions: Sessions,
        limits: LoginLimits,
        metrics: Metrics,
        *,
        clock: Clock,
        account: str,
    ) -> None:
        """Issue `sessions` to `users`; every role is of `account`."""
        self._federation = federation
        self._users = users
        self._authorizer = authorizer
        self._roles = roles
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._clock = clock
        self._account = account
        self._log = get_logger("serving")

    async def issue(
        self, asked: LoginRequest, request: HttpRequest, age: float
    ) -> tuple[str, bytes]:
        """Return the request's id and the answer with a new session; raises what refuses it."""
        login = await self._prove(asked, request)
        proven = Proven(asked, login, request, age, self._clock.now())
        return await (self._assume if asked.role_arn else self._issue_own)(proven)

    # --- the proof ---

    async def _prove(self, asked: LoginRequest, request: HttpRequest) -> Login:
        kind = _KINDS[asked.action]
        attempt = self._begin(asked, request)
        try:
            login = await self._take[asked.action](self, asked, request)
        except UnauthenticatedError as error:
            self._metrics.logins.inc((kind, error.code))
            raise
        except AuthzError as error:
            # What nobody could tell counts for nothing; an attempt that its client gives up counts.
            if attempt is not None:
                attempt.undo()
            if isinstance(error, UnavailableError | OverloadedError):
                self._metrics.logins.inc((kind, "unavailable"))
            if isinstance(error, UnavailableError):
                raise ProviderAwayError(error.message) from None
            raise
        if attempt is not None:
            attempt.succeed()
        self._metrics.logins.inc((kind, "accepted"))
        ends = login.identity.expires_at
        if ends is not None and ends <= self._clock.now():
            # Taken for clocks that differ a little, but there is nothing left for a session.
            raise UnauthenticatedError("ExpiredToken", "the proof has expired")
        return login

    def _begin(self, asked: LoginRequest, request: HttpRequest) -> Attempt | None:
        """Let an attempt in, if it comes not too soon. What nobody can guess is not counted.

        Who has a forged or an old token, or a stranger's certificate, has nothing after the next one either;
        but all who come from the address of a client that goes on trying would have to wait for it.
        """
        if asked.action not in _GUESSED:
            return None
        provider = self._federation.resolve(_GUESSED[asked.action], asked.provider)
        return self._limits.begin(asked.username, request.source_ip, provider=provider)

    async def _take_token(self, asked: LoginRequest, _: HttpRequest) -> Login:
        return await self._federation.take_token(
            asked.token.reveal(),
            access_token=asked.access_token.reveal(),
            provider=asked.provider,
        )

    async def _take_password(self, asked: LoginRequest, _: HttpRequest) -> Login:
        return await self._federation.take_password(
            asked.username, asked.secret, provider=asked.provider
        )

    async def _take_certificate(self, asked: LoginRequest, request: HttpRequest) -> Login:
        if not request.client_certificate:
            raise QueryError("MissingParameter", "the client showed no certificate")
        return self._federation.take_certificate(
            request.client_certificate, provider=asked.provider
        )

    async def _take_custom_token(self, asked: LoginRequest, _: HttpRequest) -> Login:
        return await self._federation.take_custom_token(
            asked.token.reveal(), provider=asked.provider
        )

    _take: Final[
        dict[str, Callable[["StsLogins", LoginRequest, HttpRequest], Awaitable[Login]]]
    ] = {
        WEB_IDENTITY: _take_token,
        CLIENT_GRANTS: _take_token,
        LDAP_IDENTITY: _take_password,
        CERTIFICATE: _take_certificate,
        CUSTOM_TOKEN: _take_custom_token,
    }

    # --- the session ---

    async def _issue_own(self, proven: Proven) -> tuple[str, bytes]:
        asked, login = proven.asked, proven.login
        user = await self._users.find(login)
        need = proven.need(user.acting.principal, asked.action, _facts(asked))
        denied = self._authorizer.find_deny(user.acting, [need], proven.by, proven.age)
        if denied is not None:
            raise DeniedError(need, denied.decision_id)
        check_size(asked.policy)
        issued = await self._sessions.issue(
            Parent(
                principal_id=user.entry.incarnation,
                expires_at=login.identity.expires_at,
                is_narrowed=False,
                is_session=False,
                provider=login.provider_id,
                is_login=True,
                granted=user.granted,
                facts=user.facts,
            ),
            duration=asked.duration,
            policy=asked.policy,
            policy_names=asked.policy_names,
            name=asked.name,
            origin=Origin(asked.action, proven.request.source_ip),
        )
        request_id = self._authorizer.next_id()
        return request_id, self._render(proven, issued, user.entry.principal, request_id)

    async def _assume(self, proven: Proven) -> tuple[str, bytes]:
        asked, login = proven.asked, proven.login
        identity = login.identity
        await self._users.check(login)
        role = await self._find_role(asked.role_arn)
        principal = federated_principal(login, self._account)
        facts = _facts(asked)
        actions = [asked.action]
        if identity.tags:
            actions.append("TagSession")
            facts |= {f"aws:requesttag/{key}": (value,) for key, value in identity.tags.items()}
            facts["aws:tagkeys"] = tuple(identity.tags)
        if identity.source_identity:
            actions.append("SetSourceIdentity")
            facts["sts:sourceidentity"] = (identity.source_identity,)
        answer = self._authorizer.authorize_federated(
            role,
            [proven.need(principal, action, facts, asked.role_arn) for action in actions],
            proven.by,
            proven.age,
        )
        if role is None or not answer.decision.is_allowed:
            raise DeniedError(answer.request, answer.decision_id)
        check_size(asked.policy)
        caller = Parent(
            principal_id=login.provider_id,
            expires_at=identity.expires_at,
            is_narrowed=False,
            is_session=False,
            provider=login.provider_id,
            facts={
                key: values for key, values in principal.facts.items() if key != "aws:principaltype"
            },
        )
        issued = await self._sessions.assume(
            AssumedRole(id=role.principal.id, max_session_duration=role.max_session_duration),
            caller,
            name=asked.name,
            duration=asked.duration,
            policy=asked.policy,
            policy_names=asked.policy_names,
            tags=SessionTags(
                tags=identity.tags,
                transitive=identity.transitive,
                source_identity=identity.source_identity,
            ),
            origin=Origin(asked.action, proven.request.source_ip),
        )
        who = session_principal(role.principal, issued.session)
        return answer.decision_id, self._render(proven, issued, who, answer.decision_id)

    async def _find_role(self, arn: str) -> RoleEntry | None:
        return await find_role(self._roles, arn, self._account)

    def _render(
        self, proven: Proven, issued: IssuedSession, principal: Principal, request_id: str
    ) -> bytes:
        """Count and record what was issued to whom, and render it."""
        asked, session = proven.asked, issued.session
        self._metrics.sessions_issued.inc((asked.action,))
        self._log.info(
            "session_issued",
            request_id=request_id,
            action=asked.action,
            provider=proven.login.provider_name,
            external_name=proven.login.identity.name,
            principal=principal.arn,
            role=asked.role_arn,
            session=session.access_key_id,
            name=session.name,
            expires_at=session.expires_at,
            source_ip=proven.request.source_ip,
        )
        shown = IssuedCredentials(
            access_key_id=session.access_key_id,
            secret=issued.secret,
            token=issued.token,
            expires_at=session.expires_at,
            packed_percent=ceil(100 * len(issued.token) / TOKEN_LIMIT),
        )
        return render_login(asked, proven.login, principal, shown, request_id)


_KINDS: Final = {
    WEB_IDENTITY: "oidc",
    CLIENT_GRANTS: "oidc",
    LDAP_IDENTITY: "ldap",
    CERTIFICATE: "certificate",
    CUSTOM_TOKEN: "webhook",
}
"""Action → the kind of provider that takes its proof, for metrics."""


_GUESSED: Final = {
    LDAP_IDENTITY: ProviderKind.LDAP,
    CUSTOM_TOKEN: ProviderKind.WEBHOOK,
}
"""The actions whose proof people make up, and others may guess: a password, and a token of any kind."""


def _facts(asked: LoginRequest) -> dict[str, Values]:
    duration = SESSION_DURATION_DEFAULT if asked.duration is None else asked.duration
    return {**asked.facts, "sts:durationseconds": (f"{duration:g}",)}
