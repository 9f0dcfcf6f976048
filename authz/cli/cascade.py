"""What must go before something that is in use can be deleted, when the caller says `--cascade`.

The service refuses to delete what is in use. Here each thing that uses it is taken away by a call of its own,
each under its own right, so that nobody can lift a deny by deleting the group it hangs on without the right to
detach. It is no transaction: what fails in the middle leaves the rest, and can be run again.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from authz.cli.calls import PACKAGE, list_all
from authz.cli.client import Client
from authz.identity.records import EXTERNAL_SIGN
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    provider_service_pb2,
    status_pb2,
    user_service_pb2,
)


def clear_user(client: Client, name: str) -> None:
    """Delete a user's access keys, take it out of its groups, detach its policies."""
    keys = list_all(
        client,
        "AccessKeyService/ListAccessKeys",
        access_key_service_pb2.ListAccessKeysRequest(user_name=name),
        access_key_service_pb2.ListAccessKeysResponse,
    )
    for key in keys:
        gone = access_key_service_pb2.DeleteAccessKeyRequest(id=key["id"], user_name=name)
        answer = access_key_service_pb2.DeleteAccessKeyResponse
        _call(client, "AccessKeyService/DeleteAccessKey", gone, answer)
    groups = list_all(
        client,
        "GroupService/ListGroupsForUser",
        group_service_pb2.ListGroupsForUserRequest(user_name=name),
        group_service_pb2.ListGroupsForUserResponse,
    )
    for group in groups:
        if EXTERNAL_SIGN not in group["name"]:
            _remove_members(client, group["name"], [name])
    _detach_all(client, attachment_service_pb2.ListAttachmentsRequest(user_name=name))


def clear_group(client: Client, name: str) -> None:
    """Take everybody out of a group and detach its policies; of a provider's, the members go with it."""
    if EXTERNAL_SIGN not in name:
        _remove_all_members(client, name)
    _detach_all(client, attachment_service_pb2.ListAttachmentsRequest(group_name=name))


def _remove_all_members(client: Client, name: str) -> None:
    members = list_all(
        client,
        "GroupService/ListGroupMembers",
        group_service_pb2.ListGroupMembersRequest(group_name=name),
        group_service_pb2.ListGroupMembersResponse,
    )
    for start in range(0, len(members), MEMBERS_A_CALL):
        _remove_members(client, name, members[start : start + MEMBERS_A_CALL])


def clear_provider(client: Client, name: str) -> None:
    """Disable a provider, so that nobody comes back; delete its users and groups; detach its policies."""
    disabled = provider_service_pb2.UpdateProviderRequest(
        provider=provider_service_pb2.Provider(name=name, status=status_pb2.STATUS_DISABLED),
        update_mask=FieldMask(paths=["status"]),
    )
    answer = provider_service_pb2.UpdateProviderResponse
    _call(client, "ProviderService/UpdateProvider", disabled, answer)
    for user in _each(client, "User", user_service_pb2, name):
        clear_user(client, user)
        gone = user_service_pb2.DeleteUserRequest(name=user)
        _call(client, "UserService/DeleteUser", gone, user_service_pb2.DeleteUserResponse)
    for group in _each(client, "Group", group_service_pb2, name):
        clear_group(client, group)
        of_group = group_service_pb2.DeleteGroupRequest(name=group)
        _call(client, "GroupService/DeleteGroup", of_group, group_service_pb2.DeleteGroupResponse)
    _detach_all(client, attachment_service_pb2.ListAttachmentsRequest(provider_name=name))


def _each(client: Client, kind: str, module: Any, provider: str) -> Iterator[str]:
    """Yield the names of a provider's users or groups, a page at a time, while they are deleted."""
    request = getattr(module, f"List{kind}sRequest")(provider=provider)
    answer = getattr(module, f"List{kind}sResponse")
    for page in client.pages(f"/{PACKAGE}.{kind}Service/List{kind}s", request, answer):
        for one in getattr(page, f"{kind.lower()}s"):
            yield one.name


def clear_role(client: Client, name: str) -> None:
    """Detach the policies of a role."""
    _detach_all(client, attachment_service_pb2.ListAttachmentsRequest(role_name=name))


def clear_policy(client: Client, name: str) -> None:
    """Detach a policy from everything."""
    _detach_all(client, attachment_service_pb2.ListAttachmentsRequest(policy_name=name))


MEMBERS_A_CALL = 1000
"""Most members the service takes out of a group in one call."""


def _remove_members(client: Client, group: str, names: list[str]) -> None:
    request = group_service_pb2.RemoveGroupMembersRequest(group_name=group, user_names=names)
    answer = group_service_pb2.RemoveGroupMembersResponse
    _call(client, "GroupService/RemoveGroupMembers", request, answer)


def _detach_all(client: Client, request: Any) -> None:
    answer = attachment_service_pb2.ListAttachmentsResponse
    for attachment in list_all(client, "AttachmentService/ListAttachments", request, answer):
        gone = attachment_service_pb2.DetachPolicyRequest(**attachment)
        _call(
            client,
            "AttachmentService/DetachPolicy",
            gone,
            attachment_service_pb2.DetachPolicyResponse,
        )


def _call(client: Client, method: str, request: Message, answer: type[Message]) -> None:
    client.call(f"/{PACKAGE}.{method}", request, answer)
