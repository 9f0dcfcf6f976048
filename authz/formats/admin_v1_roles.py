"""`authz.admin.v1` messages about roles ↔ the values of the control plane.

A trust policy leaves only in the answer to a call that is allowed to read it, or back to who has just written
it: a right to change a role is none to see who may assume it.

Not here: what makes a trust policy acceptable (`formats/iam_json.py`, `bootstrap/building.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration

from authz.errors import InvalidError
from authz.formats.admin_v1 import arn_of_policy, parse_mask, render_time
from authz.identity.records import Role
from authz.policy.arn import role_arn
from authz.wire.authz.admin.v1 import role_service_pb2

_CHANGEABLE: Final = frozenset({"description", "max_session_duration", "tags"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleChange:
    """What an update of a role changes; `None` is left as it is."""

    name: str
    description: str | None
    max_session_duration: int | None
    tags: Mapping[str, str] | None


def parse_max_duration(
    message: role_service_pb2.CreateRoleRequest | role_service_pb2.Role,
    field: str = "max_session_duration",
) -> int | None:
    """Return how long sessions of a role may last, in seconds; `None` where nothing is said."""
    if not message.HasField("max_session_duration"):
        return None
    if message.max_session_duration.nanos:
        raise InvalidError("say it in whole seconds", field=field)
    return message.max_session_duration.seconds


def parse_role_change(message: role_service_pb2.UpdateRoleRequest) -> RoleChange:
    """Read an `UpdateRoleRequest`."""
    paths = parse_mask(message.update_mask, _CHANGEABLE)
    role = message.role
    seconds = None
    if "max_session_duration" in paths:
        seconds = parse_max_duration(role, "role.max_session_duration")
        if seconds is None:
            raise InvalidError("say how long", field="role.max_session_duration")
    return RoleChange(
        name=role.name,
        description=role.description if "description" in paths else None,
        max_session_duration=seconds,
        tags=dict(role.tags) if "tags" in paths else None,
    )


def render_role(role: Role, account: str, *, with_trust: bool = True) -> role_service_pb2.Role:
    """Write a role of `account`, with its trust policy for those who may see it."""
    return role_service_pb2.Role(
        name=role.name,
        id=role.id,
        arn=role_arn(account, role.name),
        trust_policy=role.trust if with_trust else "",
        description=role.description,
        max_session_duration=Duration(seconds=role.max_session_duration),
        tags=role.tags,
        create_time=render_time(role.created_at),
        permissions_boundary=arn_of_policy(role.boundary, account) if role.boundary else "",
    )
