"""The table of rights: complete, in words that exist, and about the right thing."""

import re

import pytest

from authz.errors import InvalidError
from authz.serving.admin import SERVICES, list_methods
from authz.serving.admin_requirements import REQUIREMENTS, find_requirement, resource_of
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    policy_service_pb2,
    user_service_pb2,
)

METHODS = list(list_methods())
PACKAGE = "/authz.admin.v1."
ACCOUNT = "000000000000"


def choices_of(kind) -> list[str]:
    oneofs = kind.DESCRIPTOR.oneofs
    return [field.name for field in oneofs[0].fields] if oneofs else []


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
        "UserService", "AccessKeyService", "GroupService", "PolicyService", "AttachmentService",
    }  # fmt: skip


@pytest.mark.parametrize("key", REQUIREMENTS)
def test_a_row_speaks_both_vocabularies(key):
    needed = REQUIREMENTS[key]
    assert re.fullmatch(r"iam:[A-Z][A-Za-z]+", needed.action)
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
