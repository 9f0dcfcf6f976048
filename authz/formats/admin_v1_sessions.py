"""`authz.admin.v1` messages about sessions ↔ the values of the control plane.

The secret and the token leave through one function, `render_issued_session`, for the one answer that shows
them.

Not here: who may have a session (`control/sessions.py`), and what a token holds (`identity/session.py`).
"""

from collections.abc import Mapping
from typing import Final

from authz.control.session_trail import ListedSession, SessionState
from authz.control.sessions import IssuedSession
from authz.formats.admin_v1 import render_time
from authz.wire.authz.admin.v1 import session_service_pb2


def parse_duration(message: session_service_pb2.CreateSessionRequest) -> float | None:
    """Return how long a session is to last, in seconds; `None` where nothing is said."""
    if not message.HasField("duration"):
        return None
    return message.duration.seconds + message.duration.nanos / 1e9


def render_issued_session(issued: IssuedSession) -> session_service_pb2.CreateSessionResponse:
    """Write the one answer that shows a session's secret and token."""
    return session_service_pb2.CreateSessionResponse(
        access_key_id=issued.session.access_key_id,
        secret_access_key=issued.secret.reveal(),
        session_token=issued.token,
        expire_time=render_time(issued.session.expires_at),
    )


_STATES: Final[Mapping[SessionState, session_service_pb2.SessionState]] = {
    SessionState.ACTIVE: session_service_pb2.SESSION_STATE_ACTIVE,
    SessionState.REVOKED: session_service_pb2.SESSION_STATE_REVOKED,
    SessionState.SUSPENDED: session_service_pb2.SESSION_STATE_SUSPENDED,
}


def render_listed_session(listed: ListedSession) -> session_service_pb2.ListedSession:
    """Write a session of the trail."""
    entry = listed.entry
    return session_service_pb2.ListedSession(
        access_key_id=entry.access_key_id,
        user_name=listed.user_name,
        role_name=listed.role_name,
        is_root=listed.is_of_root,
        issued_to=listed.issuer_name,
        provider_name=listed.provider_name,
        action=entry.action,
        session_name=entry.name,
        source_ip=entry.source_ip,
        issue_time=render_time(entry.issued_at),
        expire_time=render_time(entry.expires_at),
        state=_STATES[listed.state],
    )
