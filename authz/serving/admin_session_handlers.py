"""What the methods about sessions do once the gate is passed: issue one to the caller, list and end others'.

Whose session it is comes from the credential that signed the call and from nothing the call says, so that no
field of a request can name another parent. Whether a credential may have sessions is told by the use-case.

Not here: how requests become values (`formats/admin_v1_sessions.py`), and the same over STS.
"""

from dataclasses import replace

from authz.access.entries import KeyEntry, RoleEntry
from authz.control.providers import Providers
from authz.control.roles import Roles
from authz.control.session_trail import Origin, SessionTrail
from authz.control.sessions import Parent, Sessions
from authz.control.users import Users
from authz.errors import InvalidError
from authz.formats.admin_v1_sessions import (
    parse_duration,
    render_issued_session,
    render_listed_session,
)
from authz.identity.principal import SOURCE_IDENTITY, TAG_PREFIX
from authz.policy.request import NO_FACTS
from authz.serving.admin_fields import demand_spelling
from authz.serving.logged_in import said_of
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics
from authz.wire.authz.admin.v1 import session_service_pb2 as wire


class SessionHandlers:
    """The methods of `SessionService`."""

    def __init__(
        self,
        sessions: Sessions,
        trail: SessionTrail,
        users: Users,
        roles: Roles,
        providers: Providers,
        metrics: Metrics,
    ) -> None:
        self._sessions = sessions
        self._trail = trail
        self._users = users
        self._roles = roles
        self._providers = providers
        self._issued = metrics.sessions_issued
        self._log = get_logger("serving")

    async def create_session(
        self, request: wire.CreateSessionRequest, caller: KeyEntry
    ) -> wire.CreateSessionResponse:
        """Create a session of the caller; the answer shows its secret and token."""
        issued = await self._sessions.issue(
            own_parent_of(caller),
            duration=parse_duration(request),
            policy=request.policy,
            policy_names=request.policy_names,
            origin=Origin("CreateSession"),
        )
        self._issued.inc(("CreateSession",))
        self._log.info(
            "session_issued",
            access_key_id=caller.id,
            principal=caller.acting.principal.arn,
            session=issued.session.access_key_id,
            expires_at=issued.session.expires_at,
        )
        return render_issued_session(issued)

    async def list_sessions(self, request: wire.ListSessionsRequest) -> wire.ListSessionsResponse:
        """List the sessions of the trail: all, or those of a user, a role or a provider."""
        await self._demand_spelling(request)
        page = await self._trail.list(
            user_name=request.user_name,
            role_name=request.role_name,
            provider_name=request.provider_name,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return wire.ListSessionsResponse(
            sessions=[render_listed_session(listed) for listed in page.items],
            next_page_token=page.next_page_token,
        )

    async def _demand_spelling(self, request: wire.ListSessionsRequest) -> None:
        if request.HasField("user_name"):
            stored = (await self._users.get(request.user_name)).name
            demand_spelling(request.user_name, stored, "user_name")
        elif request.HasField("role_name"):
            stored = (await self._roles.get(request.role_name)).name
            demand_spelling(request.role_name, stored, "role_name")
        elif request.HasField("provider_name"):
            stored = (await self._providers.get(request.provider_name)).name
            demand_spelling(request.provider_name, stored, "provider_name")
        elif not request.all:
            raise InvalidError("set `all` to list everybody's", field="all")

    async def revoke_sessions(
        self, request: wire.RevokeSessionsRequest, caller: KeyEntry
    ) -> wire.RevokeSessionsResponse:
        """End the sessions of a user or a role, or of all who came by a provider, or one session."""
        of = request.WhichOneof("target") or "user_name"
        name = str(getattr(request, of))
        revision = await self._revoke(of, name)
        self._log.info(
            "sessions_revoked",
            access_key_id=caller.id,
            principal=caller.acting.principal.arn,
            of=of,
            name=name,
            revision=revision,
        )
        return wire.RevokeSessionsResponse(revision=revision)

    async def _revoke(self, of: str, name: str) -> int:
        if of == "access_key_id":
            return (await self._sessions.revoke(name)).revision
        if of == "role_name":
            demand_spelling(name, (await self._roles.get(name)).name, of)
            return (await self._sessions.revoke_role(name)).revision
        if of == "provider_name":
            demand_spelling(name, (await self._providers.get(name)).name, of)
            return (await self._providers.revoke(name)).revision
        demand_spelling(name, (await self._users.get(name)).name, of)
        return (await self._sessions.revoke_user(name)).revision


def own_parent_of(caller: KeyEntry) -> Parent:
    """Return the same for a session of the caller itself, which is told what the caller's login said."""
    said = said_of(caller)
    return replace(parent_of(caller), granted=said.granted, facts=said.facts)


def parent_of(caller: KeyEntry) -> Parent:
    """Return what a session that `caller` asks for needs to know of it."""
    session, vouched = caller.session, caller.owner.vouched
    facts = NO_FACTS if session is None else session.facts
    provider = vouched.provider_id if vouched is not None else ""
    passed_on = () if session is None else session.transitive
    return Parent(
        principal_id=caller.owner.incarnation,
        expires_at=caller.expires_at,
        is_narrowed=caller.is_narrowed,
        is_session=session is not None,
        is_role=isinstance(caller.owner, RoleEntry),
        tags={key: facts[TAG_PREFIX + key][0] for key in passed_on},
        source_identity=next(iter(facts.get(SOURCE_IDENTITY, ())), ""),
        # What ends with a provider ends with it also one role further on.
        provider=provider if session is None else session.provider,
    )
