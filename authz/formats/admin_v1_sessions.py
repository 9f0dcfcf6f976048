"""`authz.admin.v1` messages about sessions ↔ the values of the control plane.

The secret and the token leave through one function, `render_issued_session`, for the one answer that shows
them.

Not here: who may have a session (`control/sessions.py`), and what a token holds (`identity/session.py`).
"""

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
