"""What the methods about roles do once the gate is passed: read the message, call the use-case, answer.

A trust policy that was written is answered with what `policy/validate` finds about it: an allow for everyone is
accepted, as in AWS, and said aloud.

Not here: how requests become values (`formats/admin_v1_roles.py`), attachments (`admin_policy_handlers.py`),
and who may become a role (`access`).
"""

from authz.clock import Clock
from authz.control.policies import Policies
from authz.control.roles import Roles
from authz.errors import NotFoundError
from authz.formats.admin_v1 import arn_of_policy
from authz.formats.admin_v1_roles import parse_max_duration, parse_role_change, render_role
from authz.policy.validate import PolicyKind
from authz.serving.admin_fields import demand_spelling, parse_page
from authz.serving.admin_policy_handlers import Advice
from authz.wire.authz.admin.v1 import role_service_pb2 as wire


class RoleHandlers:
    """The methods of `RoleService`."""

    def __init__(self, roles: Roles, policies: Policies, account: str, clock: Clock) -> None:
        self._roles = roles
        self._policies = policies
        self._account = account
        self._advice = Advice(clock)

    async def create_role(self, request: wire.CreateRoleRequest) -> wire.CreateRoleResponse:
        """Create a role."""
        boundary = request.permissions_boundary
        if boundary:
            await self._demand_policy(boundary, "permissions_boundary")
        made = await self._roles.create(
            request.name,
            request.trust_policy,
            description=request.description,
            max_session_duration=parse_max_duration(request),
            tags=dict(request.tags),
            boundary=boundary or None,
        )
        return wire.CreateRoleResponse(
            role=render_role(made.value, self._account),
            revision=made.revision,
            findings=await self._advice.about(request.trust_policy, PolicyKind.TRUST),
        )

    async def get_role(self, request: wire.GetRoleRequest) -> wire.GetRoleResponse:
        """Return a role with its trust policy."""
        role = await self._roles.get(request.name)
        demand_spelling(request.name, role.name, "name")
        return wire.GetRoleResponse(role=render_role(role, self._account))

    async def list_roles(self, request: wire.ListRolesRequest) -> wire.ListRolesResponse:
        """Return a page of roles without their trust policies."""
        page = await self._roles.list(**parse_page(request))
        return wire.ListRolesResponse(
            roles=[render_role(role, self._account, with_trust=False) for role in page.items],
            next_page_token=page.next_page_token,
        )

    async def update_role(self, request: wire.UpdateRoleRequest) -> wire.UpdateRoleResponse:
        """Change what the mask names."""
        change = parse_role_change(request)
        await self._demand_role(change.name, "role.name")
        made = await self._roles.update(
            change.name,
            description=change.description,
            max_session_duration=change.max_session_duration,
            tags=change.tags,
        )
        role = render_role(made.value, self._account, with_trust=False)
        return wire.UpdateRoleResponse(role=role, revision=made.revision)

    async def update_trust_policy(
        self, request: wire.UpdateTrustPolicyRequest
    ) -> wire.UpdateTrustPolicyResponse:
        """Say anew who may assume a role."""
        await self._demand_role(request.role_name)
        made = await self._roles.update_trust(request.role_name, request.trust_policy)
        return wire.UpdateTrustPolicyResponse(
            role=render_role(made.value, self._account),
            revision=made.revision,
            findings=await self._advice.about(request.trust_policy, PolicyKind.TRUST),
        )

    async def put_role_permissions_boundary(
        self, request: wire.PutRolePermissionsBoundaryRequest
    ) -> wire.PutRolePermissionsBoundaryResponse:
        """Set a role's permissions boundary."""
        await self._demand_role(request.role_name)
        await self._demand_policy(request.policy_name, "policy_name")
        made = await self._roles.put_boundary(request.role_name, request.policy_name)
        role = render_role(made.value, self._account, with_trust=False)
        return wire.PutRolePermissionsBoundaryResponse(role=role, revision=made.revision)

    async def delete_role_permissions_boundary(
        self, request: wire.DeleteRolePermissionsBoundaryRequest
    ) -> wire.DeleteRolePermissionsBoundaryResponse:
        """Take a role's permissions boundary away."""
        await self._demand_role(request.role_name)
        made = await self._roles.delete_boundary(request.role_name)
        role = render_role(made.value, self._account, with_trust=False)
        return wire.DeleteRolePermissionsBoundaryResponse(role=role, revision=made.revision)

    async def delete_role(self, request: wire.DeleteRoleRequest) -> wire.DeleteRoleResponse:
        """Delete a role that has no policies left."""
        await self._demand_role(request.name, "name")
        made = await self._roles.delete(request.name)
        return wire.DeleteRoleResponse(revision=made.revision)

    async def find_boundary(self, name: str) -> str:
        """Return the ARN of a role's permissions boundary, empty for none and for no such role."""
        try:
            role = await self._roles.get(name)
        except NotFoundError:
            return ""
        return arn_of_policy(role.boundary, self._account) if role.boundary else ""

    async def _demand_role(self, name: str, field: str = "role_name") -> None:
        demand_spelling(name, (await self._roles.get(name)).name, field)

    async def _demand_policy(self, name: str, field: str) -> None:
        demand_spelling(name, (await self._policies.get(name)).name, field)
