"""Sessions over STS: of the caller itself, which can be denied, and of roles, which must be granted.

A session of oneself needs no right (docs/decisions/0018): the caller's policies are asked for a deny of the
action on `*`. One of a role needs the role's trust policy and the caller's own, as they are in memory at one
moment (docs/decisions/0020). A role that does not exist is refused like one that trusts nobody, by the same
steps.

Not here: how a request is proved and what else STS tells (`sts.py`), what a session is (`control/sessions.py`).
"""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Final, NamedTuple

from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry, RoleEntry
from authz.access.exact_loads import LOAD_ATTEMPTS
from authz.access.roles import Roles
from authz.control.limits import SESSION_DURATION_DEFAULT
from authz.control.session_trail import Origin
from authz.control.sessions import AssumedRole, IssuedSession, Sessions, SessionTags
from authz.errors import ForbiddenError, UnavailableError
from authz.formats.aws_query import QueryError
from authz.formats.iam_json import SESSION_POLICY
from authz.formats.sts import ASSUME_ROLE, GET_SESSION_TOKEN, SessionRequest, render_session
from authz.identity.http import HttpRequest
from authz.identity.principal import SOURCE_IDENTITY, session_principal
from authz.identity.session import TOKEN_LIMIT
from authz.identity.sigv4 import Proof
from authz.policy.arn import ANY, role_arn
from authz.policy.request import AccessRequest, Context, Principal, Values
from authz.serving.admin_session_handlers import own_parent_of, parent_of
from authz.serving.http_mappings import server_facts
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

SURFACE: Final = "sts"

DURATIONS: Final = {ASSUME_ROLE: SESSION_DURATION_DEFAULT, GET_SESSION_TOKEN: 43_200.0}
"""How long a session lasts for which no duration is asked, in seconds (AWS)."""


class Admitted(NamedTuple):
    """A request that is proved: by which credential, and what a decision is to know of it."""

    request: HttpRequest
    proof: Proof
    credential: KeyEntry
    age: float
    now: float

    @property
    def asked(self) -> Asked:
        """What the decision log says about the asker."""
        return Asked(SURFACE, self.credential.id, self.request.source_ip)

    def need(self, action: str, facts: Mapping[str, Values], resource: str = ANY) -> AccessRequest:
        """Return the question whether the caller may do this action of STS."""
        principal = self.credential.acting.principal
        server = server_facts(self.request, self.proof)
        context = Context(principal.facts, server, facts, self.now)
        return AccessRequest(principal, f"sts:{action}", resource, context)


class DeniedError(ForbiddenError):
    """A decision that has been counted and recorded under its id."""

    def __init__(self, need: AccessRequest, decision_id: str) -> None:
        on = "" if need.resource == ANY else f" on resource: {need.resource}"
        super().__init__(
            f"User: {need.principal.arn} is not authorized to perform: {need.action}{on}"
        )
        self.decision_id = decision_id


class StsSessions:
    """Issues what STS clients ask for."""

    def __init__(
        self,
        authenticate: Callable[[HttpRequest, Proof, float], Awaitable[KeyEntry]],
        authorizer: Authorizer,
        roles: Roles,
        sessions: Sessions,
        metrics: Metrics,
        *,
        account: str,
        max_duration: float,
    ) -> None:
        """Issue `sessions` of at most `max_duration` seconds; every role is of `account`."""
        self._authenticate = authenticate
        self._authorizer = authorizer
        self._roles = roles
        self._sessions = sessions
        self._issued = metrics.sessions_issued
        self._account = account
        self._max_duration = max_duration
        self._log = get_logger("serving")

    async def issue(self, asked: SessionRequest, admitted: Admitted) -> tuple[str, bytes]:
        """Return the request's id and the answer with a new session."""
        make = self._assume if asked.role_arn else self._issue_own
        return await make(asked, admitted)

    async def _issue_own(self, asked: SessionRequest, admitted: Admitted) -> tuple[str, bytes]:
        acting = admitted.credential.acting
        need = admitted.need(asked.action, self._facts(asked))
        denied = self._authorizer.find_deny(acting, [need], admitted.asked, admitted.age)
        if denied is not None:
            raise DeniedError(need, denied.decision_id)
        check_size(asked.policy)
        issued = await self._sessions.issue(
            own_parent_of(admitted.credential),
            duration=self._duration(asked),
            policy=asked.policy,
            policy_names=asked.policy_names,
            name=asked.name,
            origin=Origin(asked.action, admitted.request.source_ip),
        )
        request_id = self._authorizer.next_id()
        return request_id, self._render(asked, admitted, issued, acting.principal, request_id)

    async def _assume(self, asked: SessionRequest, admitted: Admitted) -> tuple[str, bytes]:
        admitted, role = await self._find_role(asked.role_arn, admitted)
        caller = parent_of(admitted.credential)
        facts = self._facts(asked)
        source_identity = asked.source_identity or caller.source_identity
        actions = [asked.action]
        if asked.tags or caller.tags:
            actions.append("TagSession")
        if source_identity:
            actions.append("SetSourceIdentity")
            facts |= {"sts:sourceidentity": (source_identity,)}
        answer = self._authorizer.authorize_assuming(
            admitted.credential.acting,
            role,
            [admitted.need(action, facts, asked.role_arn) for action in actions],
            admitted.asked,
            admitted.age,
        )
        if role is None or not answer.decision.is_allowed:
            raise DeniedError(answer.request, answer.decision_id)
        check_size(asked.policy)
        issued = await self._sessions.assume(
            AssumedRole(id=role.principal.id, max_session_duration=role.max_session_duration),
            caller,
            name=asked.name,
            duration=self._duration(asked),
            policy=asked.policy,
            policy_names=asked.policy_names,
            tags=SessionTags(
                tags=asked.tags,
                transitive=asked.transitive,
                source_identity=asked.source_identity,
            ),
            origin=Origin(asked.action, admitted.request.source_ip),
        )
        principal = session_principal(role.principal, issued.session)
        return answer.decision_id, self._render(
            asked, admitted, issued, principal, answer.decision_id
        )

    async def _find_role(self, arn: str, admitted: Admitted) -> tuple[Admitted, RoleEntry | None]:
        """Return the role with exactly this ARN, and the caller as of the same moment; `None` is no role."""
        for _ in range(LOAD_ATTEMPTS):
            role = await find_role(self._roles, arn, self._account)
            if role is None:
                return admitted, None
            # What was loaded meanwhile may be later than what the caller was found to be.
            proof, now = admitted.proof, admitted.now
            credential = await self._authenticate(admitted.request, proof, now)
            if role.is_current:
                return admitted._replace(credential=credential), role
        raise UnavailableError("the role changes faster than it can be read")

    def _duration(self, asked: SessionRequest) -> int:
        if asked.duration is not None:
            return asked.duration
        return int(min(DURATIONS[asked.action], self._max_duration))

    def _facts(self, asked: SessionRequest) -> dict[str, Values]:
        return {**asked.facts, "sts:durationseconds": (str(self._duration(asked)),)}

    def _render(
        self,
        asked: SessionRequest,
        admitted: Admitted,
        issued: IssuedSession,
        principal: Principal,
        request_id: str,
    ) -> bytes:
        """Count and record what was issued to whom, and render it."""
        session = issued.session
        self._issued.inc((asked.action,))
        self._log.info(
            "session_issued",
            request_id=request_id,
            access_key_id=admitted.credential.id,
            principal=admitted.credential.acting.principal.arn,
            role=asked.role_arn,
            session=session.access_key_id,
            name=session.name,
            expires_at=session.expires_at,
            source_ip=admitted.request.source_ip,
        )
        return render_session(
            asked,
            principal,
            request_id,
            access_key_id=session.access_key_id,
            secret=issued.secret.reveal(),
            token=issued.token,
            expires_at=session.expires_at,
            packed_percent=ceil(100 * len(issued.token) / TOKEN_LIMIT),
            source_identity=next(iter(session.facts.get(SOURCE_IDENTITY, ())), ""),
        )


async def find_role(roles: Roles, arn: str, account: str) -> RoleEntry | None:
    """Return the role with exactly this ARN; `None` is no role."""
    prefix = role_arn(account, "")
    name = arn.removeprefix(prefix) if arn.startswith(prefix) else ""
    role = roles.find(name) or await roles.load(name)
    return None if role is None or role.principal.arn != arn else role


def check_size(policy: str) -> None:
    """Refuse a session policy that is too long, as AWS words it."""
    if len(policy.encode()) > SESSION_POLICY.byte_limit:
        raise QueryError(
            "PackedPolicyTooLarge",
            f"{SESSION_POLICY.name} has at most {SESSION_POLICY.byte_limit:,} bytes",
        )
