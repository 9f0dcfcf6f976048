"""Roles with real clients: boto3 and aws assume one through Envoy, and use the store as it."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from google.protobuf.message import Message

from authz.wire.authz.admin.v1 import (
    attachment_service_pb2,
    policy_service_pb2,
    role_service_pb2,
    session_service_pb2,
)
from tests.acceptance.stack import PolicyUser, Stack, make_user
from tests.acceptance.test_sts import ACCOUNT, Sts, client, code, session_policy, with_session
from tests.servers.admin_client import document, statement
from tests.servers.processes import PATIENCE, wait_for

ROLE = f"arn:aws:iam::{ACCOUNT}:role/reader"
NAMED = {"RoleArn": ROLE, "RoleSessionName": "ci"}
DENIED = ("AccessDenied", 403)
PACKAGE = "/authz.admin.v1"


def ask(stack: Stack, method: str, request: Message, answer: type[Message]) -> Any:
    """Call the admin API, and wait until what it changed is enforced."""
    answered = stack.authz.admin.call(f"{PACKAGE}.{method}", request, answer)
    stack.authz.wait_for_revision(answered.revision)
    return answered


@pytest.fixture(scope="module")
def alice(stack: Stack) -> PolicyUser:
    """A user who may do nothing but what roles let her."""
    return make_user(stack.authz, "role-alice")


@pytest.fixture
def sts(stack: Stack, alice: PolicyUser) -> Sts:
    return client(stack, "sts", alice.credential)


def trusting(alice: PolicyUser, condition: dict[str, Any] | None = None) -> str:
    one = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{alice.name}"},
        "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    }
    return document(one if condition is None else {**one, "Condition": condition})


@pytest.fixture
def reader(stack: Stack, alice: PolicyUser, bucket: str) -> Iterator[str]:
    """A role that trusts alice and may get what is in the bucket with `open` and `other`; the bucket's name."""
    roles, policies, attachments = role_service_pb2, policy_service_pb2, attachment_service_pb2
    request: Message = roles.CreateRoleRequest(name="reader", trust_policy=trusting(alice))
    ask(stack, "RoleService/CreateRole", request, roles.CreateRoleResponse)
    may = document(statement("Allow", "s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    request = policies.CreatePolicyRequest(name=f"reads-{bucket}", document=may)
    ask(stack, "PolicyService/CreatePolicy", request, policies.CreatePolicyResponse)
    request = attachments.AttachPolicyRequest(policy_name=f"reads-{bucket}", role_name="reader")
    ask(stack, "AttachmentService/AttachPolicy", request, attachments.AttachPolicyResponse)
    for key in ("open", "other"):
        stack.backdoor.put_object(Bucket=bucket, Key=key, Body=key.encode())
    yield bucket
    if stack.authz.cli_json("role", "list")["roles"]:
        stack.authz.cli("role", "delete", "reader", "--cascade")


def test_who_is_trusted_uses_the_store_as_the_role(stack: Stack, sts: Sts, reader: str) -> None:
    answer = sts.assume_role(**NAMED)
    session_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/reader/ci"
    assert answer["AssumedRoleUser"]["Arn"] == session_arn
    assert answer["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")
    told = with_session(stack, "sts", answer).get_caller_identity()
    assert told["Arn"] == session_arn
    assert told["UserId"] == answer["AssumedRoleUser"]["AssumedRoleId"]
    s3 = with_session(stack, "s3", answer)
    assert s3.get_object(Bucket=reader, Key="open")["Body"].read() == b"open"
    assert code(s3.put_object, Bucket=reader, Key="new", Body=b"x") == DENIED


def test_a_session_policy_narrows_the_role(stack: Stack, sts: Sts, reader: str) -> None:
    one = session_policy(reader, "s3:*", key="open")
    s3 = with_session(stack, "s3", sts.assume_role(**NAMED, Policy=one))
    s3.get_object(Bucket=reader, Key="open")
    assert code(s3.get_object, Bucket=reader, Key="other") == DENIED
    assert code(s3.put_object, Bucket=reader, Key="open", Body=b"x") == DENIED


def test_an_external_id_that_is_asked_for_must_be_given(
    stack: Stack, alice: PolicyUser, sts: Sts, reader: str
) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "e-1"}}
    request = role_service_pb2.UpdateTrustPolicyRequest(
        role_name="reader", trust_policy=trusting(alice, condition)
    )
    ask(
        stack,
        "RoleService/UpdateTrustPolicy",
        request,
        role_service_pb2.UpdateTrustPolicyResponse,
    )
    assert code(sts.assume_role, **NAMED) == DENIED
    assert code(sts.assume_role, **NAMED, ExternalId="e-2") == DENIED
    sts.assume_role(**NAMED, ExternalId="e-1")


def test_nobody_else_assumes_it_and_no_other_role_is_told_apart(
    stack: Stack, sts: Sts, reader: str
) -> None:
    other = client(stack, "sts", make_user(stack.authz, "role-bob").credential)
    assert code(other.assume_role, **NAMED) == DENIED
    assert code(client(stack, "sts", stack.authz.credential).assume_role, **NAMED) == DENIED
    nowhere = {**NAMED, "RoleArn": f"{ROLE}s"}
    assert code(sts.assume_role, **nowhere) == DENIED
    assert code(sts.assume_role, **NAMED, DurationSeconds=3601) == ("ValidationError", 400)


def test_tags_and_a_source_identity_are_told_back(sts: Sts, reader: str) -> None:
    tags = [{"Key": "team", "Value": "red"}]
    answer = sts.assume_role(**NAMED, Tags=tags, TransitiveTagKeys=["team"], SourceIdentity="alice")
    assert answer["SourceIdentity"] == "alice"
    assert 0 < answer["PackedPolicySize"] <= 100


def test_revoking_the_roles_sessions_ends_them(stack: Stack, sts: Sts, reader: str) -> None:
    s3 = with_session(stack, "s3", sts.assume_role(**NAMED))
    s3.get_object(Bucket=reader, Key="open")
    request = session_service_pb2.RevokeSessionsRequest(role_name="reader")
    answer = session_service_pb2.RevokeSessionsResponse
    ask(stack, "SessionService/RevokeSessions", request, answer)
    assert code(s3.get_object, Bucket=reader, Key="open")[0] == "ExpiredToken"


def test_deleting_the_role_ends_its_sessions(stack: Stack, sts: Sts, reader: str) -> None:
    s3 = with_session(stack, "s3", sts.assume_role(**NAMED))
    s3.get_object(Bucket=reader, Key="open")
    stack.authz.cli("role", "delete", "reader", "--cascade")

    def is_refused() -> bool:
        try:
            s3.get_object(Bucket=reader, Key="open")
        except ClientError as error:
            return str(error.response["Error"]["Code"]) == "InvalidAccessKeyId"
        return False

    wait_for(is_refused, PATIENCE, "the role's end")
    assert code(sts.assume_role, **NAMED) == DENIED
