"""`authz.admin.v1` messages ↔ the values of the control plane.

Requests become plain values here: a status that was left out is `None`, an update names exactly what its field
mask lists. Records become messages with the ARN and the times that callers expect. Secrets
leave through one function, `render_secret`, for the one answer that shows one.

Not here: policies (`admin_v1_policies.py`), which names are acceptable (`control`), or who may ask
(`serving/admin_requirements.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from authz.control.access_keys import KEEP, Keep
from authz.errors import InvalidError, quote
from authz.identity.credential import Secret
from authz.identity.records import (
    EXTERNAL_SIGN,
    AccessKey,
    Attachment,
    Group,
    ManagedPolicy,
    PolicyOrigin,
    PolicyRef,
    Status,
    TargetKind,
    User,
)
from authz.policy.arn import canned_policy_arn, group_arn, policy_arn, user_arn
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    status_pb2,
    user_service_pb2,
)

_MICROS: Final = 1_000_000
_STATUSES: Final[Mapping[int, Status | None]] = {
    status_pb2.STATUS_UNSPECIFIED: None,
    status_pb2.STATUS_ENABLED: Status.ENABLED,
    status_pb2.STATUS_DISABLED: Status.DISABLED,
}
STATUSES: Final[Mapping[Status, status_pb2.Status]] = {
    Status.ENABLED: status_pb2.STATUS_ENABLED,
    Status.DISABLED: status_pb2.STATUS_DISABLED,
}

_CHANGEABLE_OF_KEY: Final = frozenset({"status", "description", "name", "expire_time", "policy"})

AnyTargeted = (
    attachment_service_pb2.AttachPolicyRequest
    | attachment_service_pb2.DetachPolicyRequest
    | attachment_service_pb2.ListAttachmentsRequest
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChange:
    """What an update of a user changes; `None` is left as it is."""

    name: str
    status: Status | None
    tags: Mapping[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessKeyChange:
    """What an update of an access key changes; `None` is left as it is, an expiry at `KEEP`."""

    id: str
    user_name: str
    status: Status | None
    description: str | None
    name: str | None
    policy: str | None
    expires_at: float | Keep | None


# --- requests → values ---


def parse_status(number: int, field: str) -> Status | None:
    """Return the status a request names, `None` for none."""
    if number not in _STATUSES:
        raise InvalidError(f"{number} is not a status", field=field)
    return _STATUSES[number]


def parse_mask(mask: FieldMask, known: frozenset[str]) -> frozenset[str]:
    """Return the fields that an update names, at least one of `known` and no others."""
    paths = frozenset(mask.paths)
    listed = ", ".join(quote(name) for name in sorted(known))
    if not paths:
        raise InvalidError(f"name what to change: {listed}", field="update_mask")
    for path in sorted(paths - known):
        problem = f"{quote(path)} cannot be changed, only {listed}"
        raise InvalidError(problem, field="update_mask")
    return paths


def parse_user_change(message: user_service_pb2.UpdateUserRequest) -> UserChange:
    """Read an `UpdateUserRequest`."""
    paths = parse_mask(message.update_mask, frozenset({"status", "tags"}))
    user = message.user
    return UserChange(
        name=user.name,
        status=parse_changed_status(user.status, "user.status") if "status" in paths else None,
        tags=dict(user.tags) if "tags" in paths else None,
    )


def parse_access_key_change(
    message: access_key_service_pb2.UpdateAccessKeyRequest,
) -> AccessKeyChange:
    """Read an `UpdateAccessKeyRequest`."""
    paths = parse_mask(message.update_mask, _CHANGEABLE_OF_KEY)
    key = message.access_key
    return AccessKeyChange(
        id=key.id,
        user_name=key.user_name,
        status=parse_changed_status(key.status, "access_key.status") if "status" in paths else None,
        description=key.description if "description" in paths else None,
        name=key.name if "name" in paths else None,
        policy=key.policy if "policy" in paths else None,
        expires_at=parse_expiry(key) if "expire_time" in paths else KEEP,
    )


def parse_expiry(
    message: access_key_service_pb2.AccessKey | access_key_service_pb2.CreateAccessKeyRequest,
) -> float | None:
    """Return until when an access key signs, in epoch seconds; `None`, where no time is set, for ever."""
    if not message.HasField("expire_time"):
        return None
    return message.expire_time.seconds + message.expire_time.nanos / 1e9


def parse_group_status(message: group_service_pb2.UpdateGroupRequest) -> Status:
    """Read what an `UpdateGroupRequest` makes the group's status."""
    parse_mask(message.update_mask, frozenset({"status"}))
    return parse_changed_status(message.group.status, "group.status")


def parse_changed_status(number: int, field: str) -> Status:
    """Return the status that an update makes it; raises `InvalidError` for none."""
    status = parse_status(number, field)
    if status is None:
        raise InvalidError("say which status it gets", field=field)
    return status


def find_target(message: AnyTargeted) -> tuple[TargetKind, str] | None:
    """Return the user, group, role or provider a request names, `None` when it names none."""
    # A set oneof field may be empty text; that is a bad name, not a missing one.
    if message.HasField("user_name"):
        return TargetKind.USER, message.user_name
    if message.HasField("group_name"):
        return TargetKind.GROUP, message.group_name
    if message.HasField("role_name"):
        return TargetKind.ROLE, message.role_name
    if message.HasField("provider_name"):
        return TargetKind.PROVIDER, message.provider_name
    return None


def parse_target(
    message: attachment_service_pb2.AttachPolicyRequest
    | attachment_service_pb2.DetachPolicyRequest,
) -> tuple[TargetKind, str]:
    """Return the user, group, role or provider a request names."""
    target = find_target(message)
    if target is None:
        raise InvalidError("name a user, a group, a role or a provider", field="target")
    return target


# --- records → messages ---


def arn_of_policy(policy: ManagedPolicy | PolicyRef, account: str) -> str:
    """Return a managed policy's ARN: those that come with the software stand in the account called `aws`."""
    if policy.origin is PolicyOrigin.AWS:
        return canned_policy_arn(policy.name)
    return policy_arn(account, policy.name)


def render_user(user: User, account: str) -> user_service_pb2.User:
    """Write a user of `account`."""
    return user_service_pb2.User(
        name=user.name,
        id=user.id,
        arn=user_arn(account, user.name),
        status=STATUSES[user.status],
        tags=user.tags,
        create_time=render_time(user.created_at),
        permissions_boundary=arn_of_policy(user.boundary, account) if user.boundary else "",
        provider=_provider_of(user),
        display_name=user.display_name,
        external_groups=user.external_groups,
        absent_time=None if user.absent_since is None else render_time(user.absent_since),
    )


def _provider_of(record: User | Group) -> str:
    """Return the name of the provider that vouches for it, empty for none: a provider keeps its name."""
    return record.name.partition(EXTERNAL_SIGN)[0] if record.provider_id else ""


def render_access_key(
    key: AccessKey, *, with_policy: bool = True
) -> access_key_service_pb2.AccessKey:
    """Write the public half of an access key, with its policy for those who may see it."""
    return access_key_service_pb2.AccessKey(
        id=key.id,
        user_name=key.user_name,
        status=STATUSES[key.status],
        description=key.description,
        create_time=render_time(key.created_at),
        name=key.name,
        expire_time=None if key.expires_at is None else render_time(key.expires_at),
        policy=key.policy if with_policy else "",
        is_narrowed=bool(key.policy),
    )


def render_secret(
    key: AccessKey, secret: Secret, revision: int
) -> access_key_service_pb2.CreateAccessKeyResponse:
    """Write the one answer that shows a secret."""
    return access_key_service_pb2.CreateAccessKeyResponse(
        access_key=render_access_key(key), secret_access_key=secret.reveal(), revision=revision
    )


def render_group(group: Group, account: str) -> group_service_pb2.Group:
    """Write a group of `account`."""
    return group_service_pb2.Group(
        name=group.name,
        id=group.id,
        arn=group_arn(account, group.name),
        status=STATUSES[group.status],
        create_time=render_time(group.created_at),
        provider=_provider_of(group),
    )


def render_attachment(attachment: Attachment) -> attachment_service_pb2.Attachment:
    """Write an attachment."""
    target = {f"{attachment.target_kind.value}_name": attachment.target_name}
    return attachment_service_pb2.Attachment(policy_name=attachment.policy_name, **target)


def render_time(seconds: float) -> Timestamp:
    """Write a time that is given in epoch seconds."""
    # A double holds today's epoch seconds to a quarter of a microsecond; more digits would be noise.
    whole, micros = divmod(round(seconds * _MICROS), _MICROS)
    return Timestamp(seconds=whole, nanos=micros * 1000)
