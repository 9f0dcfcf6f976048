"""What each method about policies does once the gate is passed: managed ones, those of resources, attachments.

A write answers with what `policy/validate` finds about the very document it stored. That is slow work on text
that somebody sent, so it is done in a thread, and never on a document that the caller did not bring: findings
quote what they are about, and a right to write is none to read.

Not here: users, keys and groups (`admin_handlers.py`), and whether a document is accepted (`control`).
"""

import asyncio
from typing import Final

from authz.access.entries import KeyEntry
from authz.clock import Clock
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.paging import Page
from authz.control.policies import Policies
from authz.control.providers import Providers
from authz.control.resource_policies import ResourcePolicies
from authz.control.roles import Roles
from authz.control.users import Users
from authz.formats.admin_v1 import find_target, parse_target, render_attachment
from authz.formats.admin_v1_policies import (
    parse_policy_change,
    render_findings,
    render_policy,
    render_policy_version,
    render_resource_policy,
)
from authz.formats.findings import find_findings
from authz.identity.records import Attachment, TargetKind
from authz.policy.request import PrincipalKind
from authz.policy.validate import PolicyKind
from authz.serving.admin_fields import demand_spelling, parse_page
from authz.wire.authz.admin.v1 import attachment_service_pb2 as attachments_wire
from authz.wire.authz.admin.v1 import finding_pb2
from authz.wire.authz.admin.v1 import policy_service_pb2 as policies_wire
from authz.wire.authz.admin.v1 import resource_policy_service_pb2 as resources_wire

RESOURCE_POLICIES_A_PAGE: Final = 100
"""Most resource policies of one page; each is read to tell whether it is public."""


class Advice:
    """Findings about documents that have been written, as messages."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def about(
        self, document: str, kind: PolicyKind = PolicyKind.IDENTITY
    ) -> list[finding_pb2.Finding]:
        """Return what is found about a document that was accepted, worst first."""
        found = await asyncio.to_thread(
            find_findings, document.encode(), kind=kind, now=self._clock.now()
        )
        return render_findings(found)


class PolicyHandlers:
    """The methods of `PolicyService`."""

    def __init__(self, policies: Policies, account: str, clock: Clock) -> None:
        self._policies = policies
        self._account = account
        self._advice = Advice(clock)

    async def create_policy(
        self, request: policies_wire.CreatePolicyRequest
    ) -> policies_wire.CreatePolicyResponse:
        """Create a policy."""
        made = await self._policies.create(
            request.name, request.document, description=request.description
        )
        return policies_wire.CreatePolicyResponse(
            policy=render_policy(made.value, self._account),
            revision=made.revision,
            findings=await self._advice.about(request.document),
        )

    async def get_policy(
        self, request: policies_wire.GetPolicyRequest
    ) -> policies_wire.GetPolicyResponse:
        """Return a policy with its document."""
        policy = await self._policies.get(request.name)
        demand_spelling(request.name, policy.name, "name")
        return policies_wire.GetPolicyResponse(policy=render_policy(policy, self._account))

    async def list_policies(
        self, request: policies_wire.ListPoliciesRequest
    ) -> policies_wire.ListPoliciesResponse:
        """Return a page of policies without their documents."""
        page = await self._policies.list(**parse_page(request))
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
        document = change.document
        return policies_wire.UpdatePolicyResponse(
            policy=render_policy(made.value, self._account, with_document=document is not None),
            revision=made.revision,
            findings=await self._advice.about(document) if document is not None else (),
        )

    async def delete_policy(
        self, request: policies_wire.DeletePolicyRequest
    ) -> policies_wire.DeletePolicyResponse:
        """Delete a policy that is attached to nothing."""
        await self._demand_policy(request.name, "name")
        made = await self._policies.delete(request.name)
        return policies_wire.DeletePolicyResponse(revision=made.revision)

    async def create_policy_version(
        self, request: policies_wire.CreatePolicyVersionRequest
    ) -> policies_wire.CreatePolicyVersionResponse:
        """Store a version of a policy's document."""
        await self._demand_policy(request.policy_name, "policy_name")
        made = await self._policies.create_version(
            request.policy_name, request.document, set_as_default=request.set_as_default
        )
        stored = made.value
        return policies_wire.CreatePolicyVersionResponse(
            version=render_policy_version(stored.version, is_default=stored.is_default),
            revision=made.revision,
            findings=await self._advice.about(request.document),
        )

    async def get_policy_version(
        self, request: policies_wire.GetPolicyVersionRequest
    ) -> policies_wire.GetPolicyVersionResponse:
        """Return a version of a policy's document."""
        stored = await self._policies.get_version(request.policy_name, request.version)
        demand_spelling(request.policy_name, stored.policy.name, "policy_name")
        version = render_policy_version(stored.version, is_default=stored.is_default)
        return policies_wire.GetPolicyVersionResponse(version=version)

    async def list_policy_versions(
        self, request: policies_wire.ListPolicyVersionsRequest
    ) -> policies_wire.ListPolicyVersionsResponse:
        """Return the versions of a policy without their documents."""
        await self._demand_policy(request.policy_name, "policy_name")
        return policies_wire.ListPolicyVersionsResponse(
            versions=[
                render_policy_version(one.version, is_default=one.is_default, with_document=False)
                for one in await self._policies.list_versions(request.policy_name)
            ]
        )

    async def set_default_policy_version(
        self, request: policies_wire.SetDefaultPolicyVersionRequest
    ) -> policies_wire.SetDefaultPolicyVersionResponse:
        """Put a stored version in force."""
        await self._demand_policy(request.policy_name, "policy_name")
        made = await self._policies.set_default_version(request.policy_name, request.version)
        policy = render_policy(made.value, self._account, with_document=False)
        return policies_wire.SetDefaultPolicyVersionResponse(policy=policy, revision=made.revision)

    async def delete_policy_version(
        self, request: policies_wire.DeletePolicyVersionRequest
    ) -> policies_wire.DeletePolicyVersionResponse:
        """Delete a version that is not in force."""
        await self._demand_policy(request.policy_name, "policy_name")
        made = await self._policies.delete_version(request.policy_name, request.version)
        return policies_wire.DeletePolicyVersionResponse(revision=made.revision)

    async def _demand_policy(self, name: str, field: str) -> None:
        demand_spelling(name, (await self._policies.get(name)).name, field)


class ResourcePolicyHandlers:
    """The methods of `ResourcePolicyService`."""

    def __init__(self, resource_policies: ResourcePolicies, clock: Clock) -> None:
        self._resource_policies = resource_policies
        self._advice = Advice(clock)

    async def put_resource_policy(
        self, request: resources_wire.PutResourcePolicyRequest, caller: KeyEntry
    ) -> resources_wire.PutResourcePolicyResponse:
        """Set the policy of a resource."""
        made = await self._resource_policies.put(
            request.resource,
            request.document,
            is_root=caller.acting.principal.kind is PrincipalKind.ROOT,
        )
        return resources_wire.PutResourcePolicyResponse(
            resource_policy=render_resource_policy(made.value),
            revision=made.revision,
            findings=await self._advice.about(request.document, PolicyKind.RESOURCE),
        )

    async def get_resource_policy(
        self, request: resources_wire.GetResourcePolicyRequest
    ) -> resources_wire.GetResourcePolicyResponse:
        """Return the policy of a resource with its document."""
        policy = await self._resource_policies.get(request.resource)
        return resources_wire.GetResourcePolicyResponse(
            resource_policy=render_resource_policy(policy)
        )

    async def list_resource_policies(
        self, request: resources_wire.ListResourcePoliciesRequest
    ) -> resources_wire.ListResourcePoliciesResponse:
        """Return a page of resource policies without their documents."""
        page = await self._resource_policies.list(**parse_page(request, RESOURCE_POLICIES_A_PAGE))

        def render() -> list[resources_wire.ResourcePolicy]:
            return [render_resource_policy(policy, with_document=False) for policy in page.items]

        return resources_wire.ListResourcePoliciesResponse(
            resource_policies=await asyncio.to_thread(render), next_page_token=page.next_page_token
        )

    async def delete_resource_policy(
        self, request: resources_wire.DeleteResourcePolicyRequest
    ) -> resources_wire.DeleteResourcePolicyResponse:
        """Delete the policy of a resource."""
        made = await self._resource_policies.delete(request.resource)
        return resources_wire.DeleteResourcePolicyResponse(revision=made.revision)


class AttachmentHandlers:
    """The methods of `AttachmentService`."""

    def __init__(
        self,
        attachments: Attachments,
        users: Users,
        groups: Groups,
        roles: Roles,
        providers: Providers,
        policies: Policies,
    ) -> None:
        self._attachments = attachments
        self._policies = policies
        self._targets: dict[TargetKind, Users | Groups | Roles | Providers] = {
            TargetKind.USER: users,
            TargetKind.GROUP: groups,
            TargetKind.ROLE: roles,
            TargetKind.PROVIDER: providers,
        }

    async def attach_policy(
        self, request: attachments_wire.AttachPolicyRequest
    ) -> attachments_wire.AttachPolicyResponse:
        """Attach a policy."""
        kind, name = parse_target(request)
        await self._demand_target(kind, name)
        await self._demand_policy(request.policy_name)
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
        await self._demand_policy(request.policy_name)
        made = await self._attachments.detach(request.policy_name, kind, name)
        return attachments_wire.DetachPolicyResponse(revision=made.revision)

    async def list_attachments(
        self, request: attachments_wire.ListAttachmentsRequest
    ) -> attachments_wire.ListAttachmentsResponse:
        """Return a page of the attachments of a user, a group, a role, a provider or a policy."""
        page = await self._list(request)
        return attachments_wire.ListAttachmentsResponse(
            attachments=[render_attachment(one) for one in page.items],
            next_page_token=page.next_page_token,
        )

    async def _list(self, request: attachments_wire.ListAttachmentsRequest) -> Page[Attachment]:
        target = find_target(request)
        if target is None:
            await self._demand_policy(request.policy_name)
            return await self._attachments.list_of_policy(
                request.policy_name, **parse_page(request)
            )
        await self._demand_target(*target)
        return await self._attachments.list_of_target(*target, **parse_page(request))

    async def _demand_target(self, kind: TargetKind, name: str) -> None:
        stored = await self._targets[kind].get(name)
        demand_spelling(name, stored.name, f"{kind.value}_name")

    async def _demand_policy(self, name: str) -> None:
        demand_spelling(name, (await self._policies.get(name)).name, "policy_name")
