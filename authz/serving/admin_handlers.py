"""What each method of the admin API does once the gate is passed: read the message, call the use-case, answer.

A method of a handler is named for its rpc (`CreateUser`: `create_user`).

Not here: policies and where they hold (`admin_policy_handlers.py`), and how requests become values
(`formats/admin_v1.py`).
"""

from typing import Final

from authz.access.entries import KeyEntry
from authz.control.access_keys import NOTHING_SAID, AccessKeys
from authz.control.groups import Groups
from authz.control.policies import Policies
from authz.control.users import Users
from authz.errors import NotFoundError
from authz.formats.admin_v1 import (
    arn_of_policy,
    parse_access_key_change,
    parse_expiry,
    parse_group_status,
    parse_status,
    parse_user_change,
    render_access_key,
    render_group,
    render_secret,
    render_user,
)
from authz.identity.credential import Secret
from authz.identity.records import Status
from authz.serving.admin_fields import demand_spelling, parse_page
from authz.serving.logged_in import said_of
from authz.wire.authz.admin.v1 import access_key_service_pb2 as keys_wire
from authz.wire.authz.admin.v1 import group_service_pb2 as groups_wire
from authz.wire.authz.admin.v1 import user_service_pb2 as users_wire

NEW: Final = Status.ENABLED
"""The status of what is created without one."""


class UserHandlers:
    """The methods of `UserService`."""

    def __init__(self, users: Users, policies: Policies, account: str) -> None:
        self._users = users
        self._policies = policies
        self._account = account

    async def create_user(
        self, request: users_wire.CreateUserRequest
    ) -> users_wire.CreateUserResponse:
        """Create a user."""
        status = parse_status(request.status, "status") or NEW
        boundary = request.permissions_boundary
        if boundary:
            await self._demand_policy(boundary, "permissions_boundary")
        # A provider may spell it otherwise, and the gate has asked about this spelling.
        demand_spelling(request.name, await self._users.spell(request.name), "name")
        made = await self._users.create(
            request.name, status=status, tags=dict(request.tags), boundary=boundary or None
        )
        user = render_user(made.value, self._account)
        return users_wire.CreateUserResponse(user=user, revision=made.revision)

    async def get_user(self, request: users_wire.GetUserRequest) -> users_wire.GetUserResponse:
        """Return a user."""
        user = await self._users.get(request.name)
        demand_spelling(request.name, user.name, "name")
        return users_wire.GetUserResponse(user=render_user(user, self._account))

    async def list_users(
        self, request: users_wire.ListUsersRequest
    ) -> users_wire.ListUsersResponse:
        """Return a page of users."""
        page = await self._users.list(provider_name=request.provider, **parse_page(request))
        return users_wire.ListUsersResponse(
            users=[render_user(user, self._account) for user in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_user(
        self, request: users_wire.UpdateUserRequest
    ) -> users_wire.UpdateUserResponse:
        """Change what the mask names."""
        change = parse_user_change(request)
        demand_spelling(change.name, (await self._users.get(change.name)).name, "user.name")
        made = await self._users.update(change.name, status=change.status, tags=change.tags)
        user = render_user(made.value, self._account)
        return users_wire.UpdateUserResponse(user=user, revision=made.revision)

    async def delete_user(
        self, request: users_wire.DeleteUserRequest
    ) -> users_wire.DeleteUserResponse:
        """Delete a user that has nothing left."""
        demand_spelling(request.name, (await self._users.get(request.name)).name, "name")
        made = await self._users.delete(request.name)
        return users_wire.DeleteUserResponse(revision=made.revision)

    async def put_permissions_boundary(
        self, request: users_wire.PutPermissionsBoundaryRequest
    ) -> users_wire.PutPermissionsBoundaryResponse:
        """Set a user's permissions boundary."""
        await self._demand_user(request.user_name)
        await self._demand_policy(request.policy_name, "policy_name")
        made = await self._users.put_boundary(request.user_name, request.policy_name)
        user = render_user(made.value, self._account)
        return users_wire.PutPermissionsBoundaryResponse(user=user, revision=made.revision)

    async def delete_permissions_boundary(
        self, request: users_wire.DeletePermissionsBoundaryRequest
    ) -> users_wire.DeletePermissionsBoundaryResponse:
        """Take a user's permissions boundary away."""
        await self._demand_user(request.user_name)
        made = await self._users.delete_boundary(request.user_name)
        user = render_user(made.value, self._account)
        return users_wire.DeletePermissionsBoundaryResponse(user=user, revision=made.revision)

    async def find_boundary(self, name: str) -> str:
        """Return the ARN of a user's permissions boundary, empty for none and for no such user."""
        try:
            user = await self._users.get(name)
        except NotFoundError:
            return ""
        return arn_of_policy(user.boundary, self._account) if user.boundary else ""

    async def _demand_user(self, name: str) -> None:
        demand_spelling(name, (await self._users.get(name)).name, "user_name")

    async def _demand_policy(self, name: str, field: str) -> None:
        demand_spelling(name, (await self._policies.get(name)).name, field)


class AccessKeyHandlers:
    """The methods of `AccessKeyService`."""

    def __init__(self, access_keys: AccessKeys, users: Users) -> None:
        self._access_keys = access_keys
        self._users = users

    async def create_access_key(
        self, request: keys_wire.CreateAccessKeyRequest, caller: KeyEntry
    ) -> keys_wire.CreateAccessKeyResponse:
        """Create an access key; the answer shows its secret. One of the caller's own is held to its login."""
        owner = await self._users.get(request.user_name)
        demand_spelling(request.user_name, owner.name, "user_name")
        is_own = owner.id == caller.owner.principal.id
        secret = Secret(request.secret_access_key) if request.secret_access_key else None
        made = await self._access_keys.create(
            request.user_name,
            access_key_id=request.access_key_id or None,
            secret=secret,
            description=request.description,
            name=request.name,
            policy=request.policy,
            expires_at=parse_expiry(request),
            said=said_of(caller) if is_own else NOTHING_SAID,
        )
        return render_secret(made.value.key, made.value.secret, made.revision)

    async def get_access_key(
        self, request: keys_wire.GetAccessKeyRequest
    ) -> keys_wire.GetAccessKeyResponse:
        """Return an access key of a user, without its secret."""
        key = await self._access_keys.get(request.id, user_name=request.user_name)
        demand_spelling(request.user_name, key.user_name, "user_name")
        return keys_wire.GetAccessKeyResponse(access_key=render_access_key(key))

    async def list_access_keys(
        self, request: keys_wire.ListAccessKeysRequest
    ) -> keys_wire.ListAccessKeysResponse:
        """Return a page of a user's access keys."""
        await self._demand_owner(request.user_name)
        page = await self._access_keys.list(request.user_name, **parse_page(request))
        return keys_wire.ListAccessKeysResponse(
            access_keys=[render_access_key(key, with_policy=False) for key in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_access_key(
        self, request: keys_wire.UpdateAccessKeyRequest
    ) -> keys_wire.UpdateAccessKeyResponse:
        """Change what the mask names."""
        change = parse_access_key_change(request)
        key = await self._access_keys.get(change.id, user_name=change.user_name)
        demand_spelling(change.user_name, key.user_name, "access_key.user_name")
        made = await self._access_keys.update(
            change.id,
            user_name=change.user_name,
            status=change.status,
            description=change.description,
            name=change.name,
            policy=change.policy,
            expires_at=change.expires_at,
        )
        access_key = render_access_key(made.value, with_policy=change.policy is not None)
        return keys_wire.UpdateAccessKeyResponse(access_key=access_key, revision=made.revision)

    async def delete_access_key(
        self, request: keys_wire.DeleteAccessKeyRequest
    ) -> keys_wire.DeleteAccessKeyResponse:
        """Delete an access key of a user."""
        key = await self._access_keys.get(request.id, user_name=request.user_name)
        demand_spelling(request.user_name, key.user_name, "user_name")
        made = await self._access_keys.delete(request.id, user_name=request.user_name)
        return keys_wire.DeleteAccessKeyResponse(revision=made.revision)

    async def _demand_owner(self, user_name: str) -> None:
        demand_spelling(user_name, (await self._users.get(user_name)).name, "user_name")


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
        demand_spelling(request.name, await self._groups.spell(request.name), "name")
        made = await self._groups.create(request.name, status=status)
        group = render_group(made.value, self._account)
        return groups_wire.CreateGroupResponse(group=group, revision=made.revision)

    async def get_group(self, request: groups_wire.GetGroupRequest) -> groups_wire.GetGroupResponse:
        """Return a group."""
        group = await self._groups.get(request.name)
        demand_spelling(request.name, group.name, "name")
        return groups_wire.GetGroupResponse(group=render_group(group, self._account))

    async def list_groups(
        self, request: groups_wire.ListGroupsRequest
    ) -> groups_wire.ListGroupsResponse:
        """Return a page of groups."""
        page = await self._groups.list(provider_name=request.provider, **parse_page(request))
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
        page = await self._groups.list_members(request.group_name, **parse_page(request))
        return groups_wire.ListGroupMembersResponse(
            user_names=[user.name for user in page.items], next_page_token=page.next_page_token
        )

    async def list_groups_for_user(
        self, request: groups_wire.ListGroupsForUserRequest
    ) -> groups_wire.ListGroupsForUserResponse:
        """Return a page of the groups a user is in."""
        user = await self._users.get(request.user_name)
        demand_spelling(request.user_name, user.name, "user_name")
        page = await self._groups.list_of_user(request.user_name, **parse_page(request))
        return groups_wire.ListGroupsForUserResponse(
            groups=[render_group(group, self._account) for group in page.items],
            next_page_token=page.next_page_token,
        )

    async def _demand_group(self, name: str, field: str) -> None:
        demand_spelling(name, (await self._groups.get(name)).name, field)
