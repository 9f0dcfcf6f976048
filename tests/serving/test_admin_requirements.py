"""The table of rights: complete, in words that exist, and about the right thing."""

import re

import pytest

from authz.errors import InvalidError
from authz.formats.admin_v1_policies import HolderKind
from authz.serving.admin import SERVICES, list_methods
from authz.serving.admin_requirements import CALLER, REQUIREMENTS, find_requirement, resource_of
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    policy_service_pb2,
    provider_service_pb2,
    resource_policy_service_pb2,
    role_service_pb2,
    session_service_pb2,
    user_service_pb2,
)

METHODS = list(list_methods())
PACKAGE = "/authz.admin.v1."
ACCOUNT = "000000000000"


def choices_of(kind) -> list[str]:
    oneofs = kind.DESCRIPTOR.oneofs
    if oneofs:
        return [field.name for field in oneofs[0].fields]
    return (
        [kind.value for kind in HolderKind] if "resource" in kind.DESCRIPTOR.fields_by_name else []
    )


@pytest.mark.parametrize(("path", "name", "kind"), METHODS, ids=[path for path, _, _ in METHODS])
def test_every_method_has_a_row_for_everything_it_can_be_about(path, name, kind):
    keys = [path] if path in REQUIREMENTS else [f"{path}/{choice}" for choice in choices_of(kind)]
    assert keys
    assert set(keys) <= set(REQUIREMENTS)


def test_every_row_belongs_to_a_method():
    known = {path for path, _, _ in METHODS}
    assert {"/".join(key.split("/")[:3]) for key in REQUIREMENTS} == known


def test_all_services_of_the_package_are_served():
    assert {service.name for service in SERVICES} == {
        "UserService", "AccessKeyService", "GroupService", "RoleService", "PolicyService",
        "ResourcePolicyService", "AttachmentService", "SessionService", "ProviderService",
    }  # fmt: skip


@pytest.mark.parametrize("key", REQUIREMENTS)
def test_a_row_speaks_both_vocabularies(key):
    needed = REQUIREMENTS[key]
    assert re.fullmatch(r"(iam|s3|sts|authz):[A-Z][A-Za-z]+", needed.action)
    assert needed.admin_action is None or re.fullmatch(r"admin:[A-Z][A-Za-z]+", needed.admin_action)


@pytest.mark.parametrize(("path", "name", "kind"), METHODS, ids=[path for path, _, _ in METHODS])
def test_a_row_names_a_text_field_of_its_request(path, name, kind):
    for key in (key for key in REQUIREMENTS if key == path or key.startswith(f"{path}/")):
        fields, field = kind.DESCRIPTOR.fields_by_name, None
        for part in filter(None, REQUIREMENTS[key].name.split(".")):
            field = fields[part]
            fields = field.message_type.fields_by_name if field.message_type else {}
        assert field is None or field.type == field.TYPE_STRING


@pytest.mark.parametrize(
    ("method", "request_message", "action", "resource"),
    [
        ("UserService/CreateUser", user_service_pb2.CreateUserRequest(name="alice"), "iam:CreateUser", "user/alice"),
        ("UserService/ListUsers", user_service_pb2.ListUsersRequest(), "iam:ListUsers", "user/"),
        (
            "UserService/UpdateUser",
            user_service_pb2.UpdateUserRequest(user=user_service_pb2.User(name="bob")),
            "iam:UpdateUser",
            "user/bob",
        ),
        (
            "AccessKeyService/DeleteAccessKey",
            access_key_service_pb2.DeleteAccessKeyRequest(id="AKIA", user_name="bob"),
            "iam:DeleteAccessKey",
            "user/bob",
        ),
        (
            "GroupService/AddGroupMembers",
            group_service_pb2.AddGroupMembersRequest(group_name="ops", user_names=["bob"]),
            "iam:AddUserToGroup",
            "group/ops",
        ),
        ("PolicyService/GetPolicy", policy_service_pb2.GetPolicyRequest(name="p"), "iam:GetPolicy", "policy/p"),
        (
            "AttachmentService/AttachPolicy",
            attachment_service_pb2.AttachPolicyRequest(policy_name="p", group_name="ops"),
            "iam:AttachGroupPolicy",
            "group/ops",
        ),
        (
            "AttachmentService/ListAttachments",
            attachment_service_pb2.ListAttachmentsRequest(policy_name="p"),
            "iam:ListEntitiesForPolicy",
            "policy/p",
        ),
        (
            "UserService/PutPermissionsBoundary",
            user_service_pb2.PutPermissionsBoundaryRequest(user_name="bob", policy_name="devs"),
            "iam:PutUserPermissionsBoundary",
            "user/bob",
        ),
        (
            "UserService/DeletePermissionsBoundary",
            user_service_pb2.DeletePermissionsBoundaryRequest(user_name="bob"),
            "iam:DeleteUserPermissionsBoundary",
            "user/bob",
        ),
        (
            "PolicyService/CreatePolicyVersion",
            policy_service_pb2.CreatePolicyVersionRequest(policy_name="p", set_as_default=True),
            "iam:CreatePolicyVersion",
            "policy/p",
        ),
        (
            "PolicyService/SetDefaultPolicyVersion",
            policy_service_pb2.SetDefaultPolicyVersionRequest(policy_name="p", version=2),
            "iam:SetDefaultPolicyVersion",
            "policy/p",
        ),
        ("RoleService/CreateRole", role_service_pb2.CreateRoleRequest(name="ops"), "iam:CreateRole", "role/ops"),
        ("RoleService/ListRoles", role_service_pb2.ListRolesRequest(), "iam:ListRoles", "role/"),
        (
            "RoleService/UpdateRole",
            role_service_pb2.UpdateRoleRequest(role=role_service_pb2.Role(name="ops")),
            "iam:UpdateRole",
            "role/ops",
        ),
        (
            "RoleService/UpdateTrustPolicy",
            role_service_pb2.UpdateTrustPolicyRequest(role_name="ops"),
            "iam:UpdateAssumeRolePolicy",
            "role/ops",
        ),
        (
            "AttachmentService/AttachPolicy",
            attachment_service_pb2.AttachPolicyRequest(policy_name="p", role_name="ops"),
            "iam:AttachRolePolicy",
            "role/ops",
        ),
        (
            "AttachmentService/AttachPolicy",
            attachment_service_pb2.AttachPolicyRequest(policy_name="p", provider_name="corp"),
            "iam:AttachGroupPolicy",
            "identity-provider/corp",
        ),
        (
            "ProviderService/CreateProvider",
            provider_service_pb2.CreateProviderRequest(name="corp"),
            "iam:CreateOpenIDConnectProvider",
            "identity-provider/corp",
        ),
        (
            "ProviderService/UpdateProvider",
            provider_service_pb2.UpdateProviderRequest(provider=provider_service_pb2.Provider(name="corp")),
            "iam:UpdateSAMLProvider",
            "identity-provider/corp",
        ),
        (
            "ProviderService/TestProvider",
            provider_service_pb2.TestProviderRequest(name="corp"),
            "authz:TestProvider",
            "identity-provider/corp",
        ),
        (
            "SessionService/RevokeSessions",
            session_service_pb2.RevokeSessionsRequest(provider_name="corp"),
            "authz:RevokeSessions",
            "identity-provider/corp",
        ),
        (
            "SessionService/RevokeSessions",
            session_service_pb2.RevokeSessionsRequest(role_name="ops"),
            "authz:RevokeSessions",
            "role/ops",
        ),
    ],
)  # fmt: skip
def test_a_call_is_about_what_it_names(method, request_message, action, resource):
    needed = find_requirement(PACKAGE + method, request_message)
    assert needed.action == action
    assert resource_of(needed, request_message, ACCOUNT) == f"arn:aws:iam::{ACCOUNT}:{resource}"


def test_a_call_that_does_not_say_what_it_is_about_is_refused():
    with pytest.raises(InvalidError) as caught:
        find_requirement(
            f"{PACKAGE}AttachmentService/AttachPolicy", attachment_service_pb2.AttachPolicyRequest()
        )
    assert caught.value.field == "target"


@pytest.mark.parametrize(
    ("resource", "prefix", "noun"),
    [("arn:aws:s3:::photos", "s3", "BucketPolicy"), ("arn:aws:orders:::order/7", "authz", "ResourcePolicy")],
)  # fmt: skip
@pytest.mark.parametrize("verb", ["Put", "Get", "Delete"])
def test_a_resource_policy_is_asked_about_on_its_resource(verb, resource, prefix, noun):
    name = f"{verb}ResourcePolicy"
    message = getattr(resource_policy_service_pb2, f"{name}Request")(resource=resource)
    needed = find_requirement(f"{PACKAGE}ResourcePolicyService/{name}", message)
    assert (needed.action, needed.admin_action) == (f"{prefix}:{verb}{noun}", None)
    assert resource_of(needed, message, ACCOUNT) == resource


def test_resource_policies_are_listed_as_a_whole():
    message = resource_policy_service_pb2.ListResourcePoliciesRequest()
    needed = find_requirement(f"{PACKAGE}ResourcePolicyService/ListResourcePolicies", message)
    assert needed.action == "authz:ListResourcePolicies"
    assert resource_of(needed, message, ACCOUNT) == "*"


@pytest.mark.parametrize("verb", ["Put", "Get", "Delete"])
def test_what_can_have_no_resource_policy_is_refused_before_the_gate(verb):
    name = f"{verb}ResourcePolicy"
    message = getattr(resource_policy_service_pb2, f"{name}Request")(
        resource="arn:aws:s3:us-east-1:000000000000:photos"
    )
    with pytest.raises(InvalidError) as caught:
        find_requirement(f"{PACKAGE}ResourcePolicyService/{name}", message)
    assert caught.value.field == "resource"


def test_no_action_of_minio_lifts_a_boundary():
    rows = {k: needed for k, needed in REQUIREMENTS.items() if "Boundary" in needed.action}
    assert len(rows) == 4
    assert {needed.admin_action for needed in rows.values()} == {None}


def test_to_keep_providers_takes_words_that_all_but_iam_leaves_out():
    """As AWS's PowerUserAccess says it: whoever may do these can be anybody."""
    changing = {"CreateProvider", "UpdateProvider", "DeleteProvider", "AttachPolicy/provider_name"}
    rows = {k.partition("Service/")[2]: needed for k, needed in REQUIREMENTS.items()}
    assert {rows[name].action.partition(":")[0] for name in changing} == {"iam"}


def test_no_action_of_minio_keeps_roles():
    rows = [needed for needed in REQUIREMENTS.values() if needed.kind == "role"]
    assert len(rows) == 13
    assert {needed.admin_action for needed in rows} == {None}


def test_a_session_of_ones_own_needs_no_right_and_one_can_be_denied_it():
    message = session_service_pb2.CreateSessionRequest()
    needed = find_requirement(f"{PACKAGE}SessionService/CreateSession", message)
    assert needed == ("sts:GetSessionToken", None, CALLER, "")
    assert resource_of(needed, message, ACCOUNT) == "*"
    assert [key for key, row in REQUIREMENTS.items() if row.kind == CALLER] == [
        f"{PACKAGE}SessionService/CreateSession"
    ]


@pytest.mark.parametrize(
    ("target", "resource"),
    [({"user_name": "bob"}, f"arn:aws:iam::{ACCOUNT}:user/bob"), ({"access_key_id": "ASIAONE"}, "*")],
)  # fmt: skip
def test_sessions_are_revoked_by_who_may_on_their_user_and_a_single_one_by_who_may_on_everything(
    target, resource
):
    message = session_service_pb2.RevokeSessionsRequest(**target)
    needed = find_requirement(f"{PACKAGE}SessionService/RevokeSessions", message)
    assert needed[:2] == ("authz:RevokeSessions", "admin:RemoveServiceAccount")
    assert resource_of(needed, message, ACCOUNT) == resource


def test_revoking_nothing_in_particular_is_refused_before_the_gate():
    with pytest.raises(InvalidError):
        find_requirement(
            f"{PACKAGE}SessionService/RevokeSessions", session_service_pb2.RevokeSessionsRequest()
        )
