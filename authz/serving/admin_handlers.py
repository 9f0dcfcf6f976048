"""What each method of the admin API does once the gate is passed: read the message, call the use-case, answer.

A method of a handler is named for its rpc (`CreateUser`: `create_user`).

What exists must be spelt as it is stored. The store takes `alice` and `Alice` for one name while policies tell
their ARNs apart, and the gate has asked about the ARN with the caller's spelling: if another spelling did, a
deny on `user/alice` would be dodged by asking for `ALICE`.
"""

from typing import Any, Final, TypedDict

from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.paging import PAGE_LIMIT, Page
from authz.control.policies import Policies
from authz.control.users import Users
from authz.errors import InvalidError, quote
from authz.formats.admin_v1 import (
    find_target,
    parse_access_key_change,
    parse_group_status,
    parse_policy_change,
    parse_status,
    parse_target,
    parse_user_change,
    render_access_key,
    render_attachment,
    render_group,
    render_policy,
    render_secret,
    render_user,
)
from authz.identity.credential import Secret
from authz.identity.records import Attachment, Status, TargetKind
from authz.wire.authz.admin.v1 import access_key_service_pb2 as keys_wire
from authz.wire.authz.admin.v1 import attachment_service_pb2 as attachments_wire
from authz.wire.authz.admin.v1 import group_service_pb2 as groups_wire
from authz.wire.authz.admin.v1 import policy_service_pb2 as policies_wire
from authz.wire.authz.admin.v1 import user_service_pb2 as users_wire

NEW: Final = Status.ENABLED
"""The status of what is created without one."""


class _PageArguments(TypedDict):
    page_size: int
    page_token: str


def _page(request: Any) -> _PageArguments:
    # AIP-158: a larger wish than the most is cut down, not refused.
    return {
        "page_size": min(request.page_size, PAGE_LIMIT),
        "page_token": request.page_token,
    }


def _demand_spelling(given: str, stored: str, field: str) -> None:
    if given != stored:
        raise InvalidError(f"{quote(given)} is spelt {quote(stored)}", field=field)


class UserHandlers:
    """The methods of `UserService`."""

    def __init__(self, users: Users, account: str) -> None:
        self._users = users
        self._account = account

    async def create_user(
        self, request: users_wire.CreateUserRequest
    ) -> users_wire.CreateUserResponse:
        """Create a user."""
        status = parse_status(request.status, "status") or NEW
        made = await self._users.create(request.name, status=status, tags=dict(request.tags))
        user = render_user(made.value, self._account)
        return users_wire.CreateUserResponse(user=user, revision=made.revision)

    async def get_user(self, request: users_wire.GetUserRequest) -> users_wire.GetUserResponse:
        """Return a user."""
        user = await self._users.get(request.name)
        _demand_spelling(request.name, user.name, "name")
        return users_wire.GetUserResponse(user=render_user(user, self._account))

    async def list_users(
        self, request: users_wire.ListUsersRequest
    ) -> users_wire.ListUsersResponse:
        """Return a page of users."""
        page = await self._users.list(**_page(request))
        return users_wire.ListUsersResponse(
            users=[render_user(user, self._account) for user in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_user(
        self, request: users_wire.UpdateUserRequest
    ) -> users_wire.UpdateUserResponse:
        """Change what the mask names."""
        change = parse_user_change(request)
        _demand_spelling(change.name, (await self._users.get(change.name)).name, "user.name")
        made = await self._users.update(change.name, status=change.status, tags=change.tags)
        user = render_user(made.value, self._account)
        return users_wire.UpdateUserResponse(user=user, revision=made.revision)

    async def delete_user(
        self, request: users_wire.DeleteUserRequest
    ) -> users_wire.DeleteUserResponse:
        """Delete a user that has nothing left."""
        _demand_spelling(request.name, (await self._users.get(request.name)).name, "name")
        made = await self._users.delete(request.name)
        return users_wire.DeleteUserResponse(revision=made.revision)


class AccessKeyHandlers:
    """The methods of `AccessKeyService`."""

    def __init__(self, access_keys: AccessKeys, users: Users) -> None:
        self._access_keys = access_keys
        self._users = users

    async def create_access_key(
        self, request: keys_wire.CreateAccessKeyRequest
    ) -> keys_wire.CreateAccessKeyResponse:
        """Create an access key; the answer shows its secret."""
        await self._demand_owner(request.user_name)
        secret = Secret(request.secret_access_key) if request.secret_access_key else None
        made = await self._access_keys.create(
            request.user_name,
            access_key_id=request.access_key_id or None,
            secret=secret,
            description=request.description,
        )
        return render_secret(made.value.key, made.value.secret, made.revision)

    async def get_access_key(
        self, request: keys_wire.GetAccessKeyRequest
    ) -> keys_wire.GetAccessKeyResponse:
        """Return an access key of a user, without its secret."""
        key = await self._access_keys.get(request.id, user_name=request.user_name)
        _demand_spelling(request.user_name, key.user_name, "user_name")
        return keys_wire.GetAccessKeyResponse(access_key=render_access_key(key))

    async def list_access_keys(
        self, request: keys_wire.ListAccessKeysRequest
    ) -> keys_wire.ListAccessKeysResponse:
        """Return a page of a user's access keys."""
        await self._demand_owner(request.user_name)
        page = await self._access_keys.list(request.user_name, **_page(request))
        return keys_wire.ListAccessKeysResponse(
            access_keys=[render_access_key(key) for key in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_access_key(
        self, request: keys_wire.UpdateAccessKeyRequest
    ) -> keys_wire.UpdateAccessKeyResponse:
        """Change what the mask names."""
        change = parse_access_key_change(request)
        key = await self._access_keys.get(change.id, user_name=change.user_name)
        _demand_spelling(change.user_name, key.user_name, "access_key.user_name")
        made = await self._access_keys.update(
            change.id,
            user_name=change.user_name,
            status=change.status,
            description=change.description,
        )
        answer = keys_wire.UpdateAccessKeyResponse
        return answer(access_key=render_access_key(made.value), revision=made.revision)

    async def delete_access_key(
        self, request: keys_wire.DeleteAccessKeyRequest
    ) -> keys_wire.DeleteAccessKeyResponse:
        """Delete an access key of a user."""
        key = await self._access_keys.get(request.id, user_name=request.user_name)
        _demand_spelling(request.user_name, key.user_name, "user_name")
        made = await self._access_keys.delete(request.id, user_name=request.user_name)
        return keys_wire.DeleteAccessKeyResponse(revision=made.revision)

    async def _demand_owner(self, user_name: str) -> None:
        _demand_spelling(user_name, (await self._users.get(user_name)).name, "user_name")


class GroupHandlers:
    """The methods of `GroupService`."""

    def __init__(self, groups: Groups, users: Users, account: str) -> None:
        self._groups = groups
        self._users = users
        self._account = account

    async def create_group(
        self, request: groups_wire.CreateGroupRequest
    ) -> groups_wire.CreateGroupResponse:
        """Create a group."""
        status = parse_status(request.status, "status") or NEW
        made = await self._groups.create(request.name, status=status)
        group = render_group(made.value, self._account)
        return groups_wire.CreateGroupResponse(group=group, revision=made.revision)

    async def get_group(self, request: groups_wire.GetGroupRequest) -> groups_wire.GetGroupResponse:
        """Return a group."""
        group = await self._groups.get(request.name)
        _demand_spelling(request.name, group.name, "name")
        return groups_wire.GetGroupResponse(group=render_group(group, self._account))

    async def list_groups(
        self, request: groups_wire.ListGroupsRequest
    ) -> groups_wire.ListGroupsResponse:
        """Return a page of groups."""
        page = await self._groups.list(**_page(request))
        return groups_wire.ListGroupsResponse(
            groups=[render_group(group, self._account) for group in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_group(
        self, request: groups_wire.UpdateGroupRequest
    ) -> groups_wire.UpdateGroupResponse:
        """Change a group's status."""
        status = parse_group_status(request)
        await self._demand_group(request.group.name, "group.name")
        made = await self._groups.update(request.group.name, status=status)
        group = render_group(made.value, self._account)
        return groups_wire.UpdateGroupResponse(group=group, revision=made.revision)

    async def delete_group(
        self, request: groups_wire.DeleteGroupRequest
    ) -> groups_wire.DeleteGroupResponse:
        """Delete a group that has nothing left."""
        await self._demand_group(request.name, "name")
        made = await self._groups.delete(request.name)
        return groups_wire.DeleteGroupResponse(revision=made.revision)

    async def add_group_members(
        self, request: groups_wire.AddGroupMembersRequest
    ) -> groups_wire.AddGroupMembersResponse:
        """Put users into a group."""
        await self._demand_group(request.group_name, "group_name")
        made = await self._groups.add_members(request.group_name, tuple(request.user_names))
        return groups_wire.AddGroupMembersResponse(revision=made.revision)

    async def remove_group_members(
        self, request: groups_wire.RemoveGroupMembersRequest
    ) -> groups_wire.RemoveGroupMembersResponse:
        """Take users out of a group."""
        await self._demand_group(request.group_name, "group_name")
        made = await self._groups.remove_members(request.group_name, tuple(request.user_names))
        return groups_wire.RemoveGroupMembersResponse(revision=made.revision)

    async def list_group_members(
        self, request: groups_wire.ListGroupMembersRequest
    ) -> groups_wire.ListGroupMembersResponse:
        """Return a page of a group's members."""
        await self._demand_group(request.group_name, "group_name")
        page = await self._groups.list_members(request.group_name, **_page(request))
        return groups_wire.ListGroupMembersResponse(
            user_names=[user.name for user in page.items], next_page_token=page.next_page_token
        )

    async def list_groups_for_user(
        self, request: groups_wire.ListGroupsForUserRequest
    ) -> groups_wire.ListGroupsForUserResponse:
        """Return a page of the groups a user is in."""
        user = await self._users.get(request.user_name)
        _demand_spelling(request.user_name, user.name, "user_name")
        page = await self._groups.list_of_user(request.user_name, **_page(request))
        return groups_wire.ListGroupsForUserResponse(
            groups=[render_group(group, self._account) for group in page.items],
            next_page_token=page.next_page_token,
        )

    async def _demand_group(self, name: str, field: str) -> None:
        _demand_spelling(name, (await self._groups.get(name)).name, field)


class PolicyHandlers:
    """The methods of `PolicyService`."""

    def __init__(self, policies: Policies, account: str) -> None:
        self._policies = policies
        self._account = account

    async def create_policy(
        self, request: policies_wire.CreatePolicyRequest
    ) -> policies_wire.CreatePolicyResponse:
        """Create a policy."""
        made = await self._policies.create(
            request.name, request.document, description=request.description
        )
        policy = render_policy(made.value, self._account)
        return policies_wire.CreatePolicyResponse(policy=policy, revision=made.revision)

    async def get_policy(
        self, request: policies_wire.GetPolicyRequest
    ) -> policies_wire.GetPolicyResponse:
        """Return a policy with its document."""
        policy = await self._policies.get(request.name)
        _demand_spelling(request.name, policy.name, "name")
        return policies_wire.GetPolicyResponse(policy=render_policy(policy, self._account))

    async def list_policies(
        self, request: policies_wire.ListPoliciesRequest
    ) -> policies_wire.ListPoliciesResponse:
        """Return a page of policies without their documents."""
        page = await self._policies.list(**_page(request))
        return policies_wire.ListPoliciesResponse(
            policies=[render_policy(p, self._account, with_document=False) for p in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_policy(
        self, request: policies_wire.UpdatePolicyRequest
    ) -> policies_wire.UpdatePolicyResponse:
        """Change what the mask names."""
        change = parse_policy_change(request)
        await self._demand_policy(change.name, "policy.name")
        made = await self._policies.update(
            change.name, document=change.document, description=change.description
        )
        policy = render_policy(made.value, self._account)
        return policies_wire.UpdatePolicyResponse(policy=policy, revision=made.revision)

    async def delete_policy(
        self, request: policies_wire.DeletePolicyRequest
    ) -> policies_wire.DeletePolicyResponse:
        """Delete a policy that is attached to nothing."""
        await self._demand_policy(request.name, "name")
        made = await self._policies.delete(request.name)
        return policies_wire.DeletePolicyResponse(revision=made.revision)

    async def _demand_policy(self, name: str, field: str) -> None:
        _demand_spelling(name, (await self._policies.get(name)).name, field)


class AttachmentHandlers:
    """The methods of `AttachmentService`."""

    def __init__(
        self, attachments: Attachments, users: Users, groups: Groups, policies: Policies
    ) -> None:
        self._attachments = attachments
        self._users = users
        self._groups = groups
        self._policies = policies

    async def attach_policy(
        self, request: attachments_wire.AttachPolicyRequest
    ) -> attachments_wire.AttachPolicyResponse:
        """Attach a policy."""
        kind, name = parse_target(request)
        await self._demand_target(kind, name)
        made = await self._attachments.attach(request.policy_name, kind, name)
        attachment = render_attachment(made.value)
        answer = attachments_wire.AttachPolicyResponse
        return answer(attachment=attachment, revision=made.revision)

    async def detach_policy(
        self, request: attachments_wire.DetachPolicyRequest
    ) -> attachments_wire.DetachPolicyResponse:
        """Detach a policy."""
        kind, name = parse_target(request)
        await self._demand_target(kind, name)
        made = await self._attachments.detach(request.policy_name, kind, name)
        return attachments_wire.DetachPolicyResponse(revision=made.revision)

    async def list_attachments(
        self, request: attachments_wire.ListAttachmentsRequest
    ) -> attachments_wire.ListAttachmentsResponse:
        """Return a page of the attachments of a user, a group or a policy."""
        page = await self._list(request)
        return attachments_wire.ListAttachmentsResponse(
            attachments=[render_attachment(one) for one in page.items],
            next_page_token=page.next_page_token,
        )

    async def _list(self, request: attachments_wire.ListAttachmentsRequest) -> Page[Attachment]:
        target = find_target(request)
        if target is None:
            policy = await self._policies.get(request.policy_name)
            _demand_spelling(request.policy_name, policy.name, "policy_name")
            return await self._attachments.list_of_policy(policy.name, **_page(request))
        await self._demand_target(*target)
        return await self._attachments.list_of_target(*target, **_page(request))

    async def _demand_target(self, kind: TargetKind, name: str) -> None:
        of_kind = self._users if kind is TargetKind.USER else self._groups
        _demand_spelling(name, (await of_kind.get(name)).name, f"{kind.value}_name")
