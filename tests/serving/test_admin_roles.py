"""Roles through the admin API: each right opens what it is for and nothing else."""

import json

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from authz.control.limits import REVOCATION_REACH
from authz.errors import ForbiddenError, InUseError, InvalidError, ParseError
from authz.wire.authz.admin.v1 import attachment_service_pb2 as attachments
from authz.wire.authz.admin.v1 import role_service_pb2 as roles
from authz.wire.authz.admin.v1 import session_service_pb2 as sessions
from tests.access.world import ACCOUNT

ARN = f"arn:aws:iam::{ACCOUNT}"
EVERYONE = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}],
})  # fmt: skip
BY_ALICE = EVERYONE.replace('"*"', f'"{ARN}:user/alice"')
WITHIN = {"StringEquals": {"iam:PermissionsBoundary": f"{ARN}:policy/devs"}}


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = f"{ARN}:role/*", **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def as_alice(surfaces, world, credential):
    """Give alice these statements and make one call as her; its module says what answers it."""

    async def call(path: str, message, *statements: dict):
        if statements:
            await world.control.policies.update("gets", document=document(*statements))
        await world.settle()
        world.clock.advance(1)
        path, raw = f"/authz.admin.v1.{path}", message.SerializeToString()
        service = {"Role": roles, "Atta": attachments, "Sess": sessions}[path[16:20]]
        answer = getattr(service, message.DESCRIPTOR.name.replace("Request", "Response"))
        return answer.FromString(
            await surfaces.send(path, raw, surfaces.signed(path, raw, credential))
        )

    return call


@pytest.fixture
async def ops(world) -> None:
    """The role `Ops` is within the boundary `devs`, `free` within none; `power` is a policy to attach."""
    for name in ("devs", "lax", "power"):
        await world.control.policies.create(name, document(allow("s3:*", "*")))
    await world.control.roles.create("Ops", BY_ALICE, boundary="devs", tags={"team": "blue"})
    await world.control.roles.create("free", BY_ALICE)


async def test_a_role_lives_its_life(as_alice, world):
    iam = allow("iam:*", "*")
    await world.control.policies.create("devs", document(allow("s3:*", "*")))
    made = await as_alice(
        "RoleService/CreateRole",
        roles.CreateRoleRequest(
            name="Ops", trust_policy=BY_ALICE, description="night", tags={"team": "blue"},
            max_session_duration=Duration(seconds=7200), permissions_boundary="devs",
        ),
        iam,
    )  # fmt: skip
    assert made.role.arn == f"{ARN}:role/Ops"
    assert made.role.trust_policy == BY_ALICE
    assert made.role.permissions_boundary == f"{ARN}:policy/devs"
    assert not made.findings
    got = await as_alice("RoleService/GetRole", roles.GetRoleRequest(name="Ops"))
    assert got.role == made.role
    listed = await as_alice("RoleService/ListRoles", roles.ListRolesRequest())
    assert [(role.name, role.trust_policy) for role in listed.roles] == [("Ops", "")]
    updated = await as_alice(
        "RoleService/UpdateRole",
        roles.UpdateRoleRequest(
            role=roles.Role(name="Ops", description="day", trust_policy=EVERYONE),
            update_mask=FieldMask(paths=["description", "tags"]),
        ),
    )
    assert (updated.role.description, dict(updated.role.tags)) == ("day", {})
    trusted = await as_alice(
        "RoleService/UpdateTrustPolicy",
        roles.UpdateTrustPolicyRequest(role_name="Ops", trust_policy=EVERYONE),
    )
    assert trusted.role.trust_policy == EVERYONE
    assert [finding.id for finding in trusted.findings] == ["AZ401"]
    attached = await as_alice(
        "AttachmentService/AttachPolicy",
        attachments.AttachPolicyRequest(policy_name="devs", role_name="Ops"),
    )
    assert attached.attachment.role_name == "Ops"
    for request in (
        attachments.ListAttachmentsRequest(role_name="Ops"),
        attachments.ListAttachmentsRequest(policy_name="devs"),
    ):
        answer = await as_alice("AttachmentService/ListAttachments", request)
        assert list(answer.attachments) == [attached.attachment]
    with pytest.raises(InUseError):
        await as_alice("RoleService/DeleteRole", roles.DeleteRoleRequest(name="Ops"))
    detach = attachments.DetachPolicyRequest(policy_name="devs", role_name="Ops")
    await as_alice("AttachmentService/DetachPolicy", detach)
    free = await as_alice(
        "RoleService/DeleteRolePermissionsBoundary",
        roles.DeleteRolePermissionsBoundaryRequest(role_name="Ops"),
    )
    assert free.role.permissions_boundary == ""
    gone = await as_alice("RoleService/DeleteRole", roles.DeleteRoleRequest(name="Ops"))
    assert gone.revision > free.revision


DOES = {
    "iam:GetRole": ("RoleService/GetRole", roles.GetRoleRequest(name="Ops")),
    "iam:UpdateRole": (
        "RoleService/UpdateRole",
        roles.UpdateRoleRequest(
            role=roles.Role(name="Ops", description="x"), update_mask=FieldMask(paths=["description"])
        ),
    ),
    "iam:UpdateAssumeRolePolicy": (
        "RoleService/UpdateTrustPolicy",
        roles.UpdateTrustPolicyRequest(role_name="Ops", trust_policy=EVERYONE),
    ),
    "iam:PutRolePermissionsBoundary": (
        "RoleService/PutRolePermissionsBoundary",
        roles.PutRolePermissionsBoundaryRequest(role_name="Ops", policy_name="lax"),
    ),
    "iam:DeleteRolePermissionsBoundary": (
        "RoleService/DeleteRolePermissionsBoundary",
        roles.DeleteRolePermissionsBoundaryRequest(role_name="Ops"),
    ),
    "iam:AttachRolePolicy": (
        "AttachmentService/AttachPolicy",
        attachments.AttachPolicyRequest(policy_name="power", role_name="Ops"),
    ),
    "iam:DetachRolePolicy": (
        "AttachmentService/DetachPolicy",
        attachments.DetachPolicyRequest(policy_name="power", role_name="Ops"),
    ),
    "iam:ListAttachedRolePolicies": (
        "AttachmentService/ListAttachments",
        attachments.ListAttachmentsRequest(role_name="Ops"),
    ),
    "authz:RevokeSessions": (
        "SessionService/RevokeSessions",
        sessions.RevokeSessionsRequest(role_name="Ops"),
    ),
    "iam:DeleteRole": ("RoleService/DeleteRole", roles.DeleteRoleRequest(name="Ops")),
}  # fmt: skip


@pytest.mark.parametrize("action", DOES)
async def test_each_call_needs_its_own_right_on_its_own_role(as_alice, ops, action):
    path, request = DOES[action]
    others = [one for one in DOES if one != action]
    for statement in (
        allow([*others, "admin:*"], "*"),
        allow(action, f"{ARN}:role/free"),
        allow(action, f"{ARN}:user/Ops"),
        allow(action, f"{ARN}:role/ops"),
    ):
        with pytest.raises(ForbiddenError):
            await as_alice(path, request, statement)
    await as_alice(path, request, allow(action, f"{ARN}:role/Ops"))


@pytest.mark.parametrize("action", DOES)
async def test_another_spelling_of_a_role_is_refused(as_alice, ops, action):
    path, request = DOES[action]
    other = type(request).FromString(request.SerializeToString().replace(b"Ops", b"OPS"))
    with pytest.raises(InvalidError, match="`Ops`"):
        await as_alice(path, other, allow("*", "*"))


@pytest.mark.parametrize(
    "action", ["iam:UpdateRole", "iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"]
)  # fmt: skip
async def test_a_right_to_change_a_role_is_none_to_see_whom_it_trusts(as_alice, ops, action):
    answer = await as_alice(*DOES[action], allow(action))
    assert answer.role.name == "Ops"
    assert answer.role.trust_policy == ""


DELEGATED = allow(
    ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:AttachRolePolicy",
     "iam:DetachRolePolicy", "iam:DeleteRolePermissionsBoundary"],
    Condition=WITHIN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("boundary", "is_allowed"), [("devs", True), ("", False), ("lax", False), ("DEVS", False)]
)
async def test_a_delegate_creates_roles_within_the_boundary_only(
    as_alice, ops, boundary, is_allowed
):
    request = roles.CreateRoleRequest(
        name="new", trust_policy=BY_ALICE, permissions_boundary=boundary
    )
    if is_allowed:
        made = await as_alice("RoleService/CreateRole", request, DELEGATED)
        assert made.role.permissions_boundary == f"{ARN}:policy/devs"
    else:
        with pytest.raises(ForbiddenError):
            await as_alice("RoleService/CreateRole", request, DELEGATED)


@pytest.mark.parametrize("method", ["AttachPolicy", "DetachPolicy"])
@pytest.mark.parametrize(("role", "is_allowed"), [("Ops", True), ("free", False), ("none", False)])
async def test_a_delegate_attaches_to_roles_within_the_boundary_only(
    as_alice, ops, method, role, is_allowed
):
    request = getattr(attachments, f"{method}Request")(policy_name="power", role_name=role)
    path = f"AttachmentService/{method}"
    if is_allowed:
        assert (await as_alice(path, request, DELEGATED)).revision
    else:
        with pytest.raises(ForbiddenError):
            await as_alice(path, request, DELEGATED)


async def test_a_delegate_does_not_widen_a_boundary(as_alice, ops):
    with pytest.raises(ForbiddenError):
        await as_alice(*DOES["iam:PutRolePermissionsBoundary"], DELEGATED)


async def test_a_guard_by_policy_arn_holds_for_roles(as_alice, ops):
    guard = allow(
        "iam:AttachRolePolicy",
        Condition={"ArnNotEquals": {"iam:PolicyARN": f"{ARN}:policy/power"}},
    )
    with pytest.raises(ForbiddenError):
        await as_alice(*DOES["iam:AttachRolePolicy"], guard)
    other = attachments.AttachPolicyRequest(policy_name="lax", role_name="Ops")
    await as_alice("AttachmentService/AttachPolicy", other)


async def test_tags_of_roles_need_the_rights_on_tags(as_alice, ops):
    create = roles.CreateRoleRequest(name="new", trust_policy=BY_ALICE, tags={"team": "red"})
    with pytest.raises(ForbiddenError):
        await as_alice("RoleService/CreateRole", create, allow("iam:CreateRole"))
    wrong = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    both = ["iam:CreateRole", "iam:TagRole"]
    with pytest.raises(ForbiddenError):
        await as_alice("RoleService/CreateRole", create, allow(both, Condition=wrong))
    await as_alice("RoleService/CreateRole", create, allow(both))
    change = roles.UpdateRoleRequest(
        role=roles.Role(name="new", tags={}), update_mask=FieldMask(paths=["tags"])
    )
    with pytest.raises(ForbiddenError):
        await as_alice("RoleService/UpdateRole", change, allow(["iam:UpdateRole", "iam:TagRole"]))
    rights = ["iam:UpdateRole", "iam:TagRole", "iam:UntagRole"]
    assert not (await as_alice("RoleService/UpdateRole", change, allow(rights))).role.tags


@pytest.mark.parametrize(
    "trust",
    [
        "",
        document(allow("s3:GetObject", "*")),
        EVERYONE.replace("sts:AssumeRole", "*"),
        EVERYONE.replace('"AWS": "*"', f'"AWS": "{ARN}:group/devs"'),
        EVERYONE.replace('"AWS": "*"', f'"AWS": "{ARN}:user/*"'),
        EVERYONE.replace('"AWS": "*"', '"CanonicalUser": "x"'),
        EVERYONE.replace('"Principal"', '"Resource": "*", "Principal"'),
    ],
)
async def test_a_trust_policy_that_would_not_hold_as_written_is_refused(as_alice, ops, trust):
    with pytest.raises(ParseError):
        await as_alice(
            "RoleService/UpdateTrustPolicy",
            roles.UpdateTrustPolicyRequest(role_name="Ops", trust_policy=trust),
            allow("iam:*", "*"),
        )


async def test_a_roles_sessions_are_ended_by_its_name(as_alice, ops, world):
    answer = await as_alice(*DOES["authz:RevokeSessions"], allow("authz:RevokeSessions"))
    assert answer.revision
    stored = await world.control.roles.get("ops")
    assert stored.sessions_void_before == world.control.clock.now() + REVOCATION_REACH
