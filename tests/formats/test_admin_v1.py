"""Messages of the admin API: what an update names, where pages end, and what is never shown."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from authz.errors import InvalidError
from authz.formats import admin_v1, admin_v1_policies
from authz.identity.credential import Secret
from authz.identity.records import (
    AccessKey,
    Attachment,
    Group,
    ManagedPolicy,
    PolicyOrigin,
    Status,
    TargetKind,
    User,
)
from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    policy_service_pb2,
    status_pb2,
    user_service_pb2,
)

ACCOUNT = "123456789012"


def an_update(*paths: str, **fields) -> user_service_pb2.UpdateUserRequest:
    return user_service_pb2.UpdateUserRequest(
        user=user_service_pb2.User(name="alice", **fields), update_mask=FieldMask(paths=paths)
    )


def a_key(**changes) -> AccessKey:
    fields = {
        "id": "AKIAEXAMPLE",
        "user_id": "AIDA1",
        "user_name": "alice",
        "status": Status.ENABLED,
        "created_at": 1_700_000_000.0,
    }
    return AccessKey(**{**fields, **changes})


def a_policy(**changes) -> ManagedPolicy:
    fields = {
        "id": "ANPA1",
        "name": "readers",
        "version": 2,
        "document": '{"Statement": []}',
        "description": "for readers",
        "created_at": 1_700_000_000.0,
        "updated_at": 1_700_000_001.5,
    }
    return ManagedPolicy(**{**fields, **changes})


def test_an_update_changes_what_its_mask_names_and_nothing_else():
    change = admin_v1.parse_user_change(
        an_update("tags", status=status_pb2.STATUS_DISABLED, tags={"team": "blue"})
    )
    assert change == admin_v1.UserChange(name="alice", status=None, tags={"team": "blue"})


def test_an_update_can_empty_what_its_mask_names():
    assert admin_v1.parse_user_change(an_update("tags")).tags == {}
    key = access_key_service_pb2.UpdateAccessKeyRequest(
        access_key=access_key_service_pb2.AccessKey(id="AKIA1", user_name="alice"),
        update_mask=FieldMask(paths=["description"]),
    )
    change = admin_v1.parse_access_key_change(key)
    assert (change.id, change.user_name, change.status, change.description) == (
        "AKIA1",
        "alice",
        None,
        "",
    )


def test_a_policy_update_tells_document_from_description():
    request = policy_service_pb2.UpdatePolicyRequest(
        policy=policy_service_pb2.Policy(name="p", document="{}", description="d"),
        update_mask=FieldMask(paths=["description"]),
    )
    change = admin_v1_policies.parse_policy_change(request)
    assert (change.name, change.document, change.description) == ("p", None, "d")


def test_a_group_update_says_its_status():
    request = group_service_pb2.UpdateGroupRequest(
        group=group_service_pb2.Group(name="ops", status=status_pb2.STATUS_DISABLED),
        update_mask=FieldMask(paths=["status"]),
    )
    assert admin_v1.parse_group_status(request) is Status.DISABLED


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (an_update(), "update_mask"),
        (an_update("arn"), "update_mask"),
        (an_update("*"), "update_mask"),
        (an_update("status", "name"), "update_mask"),
        (an_update("status"), "user.status"),
        (an_update("status", status=9), "user.status"),
    ],
)
def test_an_update_that_names_nothing_or_too_much_is_refused(request_message, field):
    with pytest.raises(InvalidError) as caught:
        admin_v1.parse_user_change(request_message)
    assert caught.value.field == field


def test_a_target_is_a_user_a_group_or_a_role():
    kind = attachment_service_pb2.AttachPolicyRequest
    assert admin_v1.parse_target(kind(user_name="alice")) == (TargetKind.USER, "alice")
    assert admin_v1.parse_target(kind(group_name="")) == (TargetKind.GROUP, "")
    assert admin_v1.parse_target(kind(role_name="ops")) == (TargetKind.ROLE, "ops")
    with pytest.raises(InvalidError):
        admin_v1.parse_target(kind(policy_name="p"))


def test_a_user_is_rendered_whole():
    user = User(
        id="AIDA1",
        name="alice",
        status=Status.DISABLED,
        created_at=1_700_000_000.25,
        tags={"team": "blue"},
    )
    message = admin_v1.render_user(user, ACCOUNT)
    assert (message.name, message.id) == ("alice", "AIDA1")
    assert message.arn == "arn:aws:iam::123456789012:user/alice"
    assert message.status == status_pb2.STATUS_DISABLED
    assert dict(message.tags) == {"team": "blue"}
    assert message.create_time.ToJsonString() == "2023-11-14T22:13:20.250Z"


def test_a_group_is_rendered_whole():
    group = Group(id="AGPA1", name="ops", status=Status.ENABLED, created_at=0.0)
    message = admin_v1.render_group(group, ACCOUNT)
    assert (message.name, message.id, message.arn) == (
        "ops",
        "AGPA1",
        "arn:aws:iam::123456789012:group/ops",
    )
    assert message.status == status_pb2.STATUS_ENABLED


@pytest.mark.parametrize(
    ("origin", "account"),
    [(PolicyOrigin.CUSTOMER, ACCOUNT), (PolicyOrigin.AWS, "aws")],
)
def test_a_policys_arn_stands_under_its_origins_account(origin, account):
    assert (
        admin_v1_policies.render_policy(a_policy(origin=origin), ACCOUNT).arn
        == f"arn:aws:iam::{account}:policy/readers"
    )


def test_a_policy_is_rendered_with_its_document_except_in_lists():
    message = admin_v1_policies.render_policy(a_policy(), ACCOUNT)
    assert (message.version, message.document, message.description) == (
        2,
        '{"Statement": []}',
        "for readers",
    )
    assert message.update_time.ToJsonString() == "2023-11-14T22:13:21.500Z"
    assert admin_v1_policies.render_policy(a_policy(), ACCOUNT, with_document=False).document == ""


def test_an_attachment_names_its_target():
    user = Attachment(policy_name="p", target_kind=TargetKind.USER, target_name="alice")
    group = Attachment(policy_name="p", target_kind=TargetKind.GROUP, target_name="ops")
    assert admin_v1.render_attachment(user).user_name == "alice"
    assert admin_v1.render_attachment(group).WhichOneof("target") == "group_name"
    role = Attachment(policy_name="p", target_kind=TargetKind.ROLE, target_name="admin")
    assert admin_v1.render_attachment(role).role_name == "admin"


def test_a_secret_is_shown_by_its_creation_alone():
    secret = Secret("correct horse battery staple")
    answer = admin_v1.render_secret(a_key(description="laptop"), secret, 7)
    assert answer.secret_access_key == secret.reveal()
    assert answer.revision == 7
    assert "secret" not in " ".join(answer.access_key.DESCRIPTOR.fields_by_name)
    assert secret.reveal() not in str(admin_v1.render_access_key(a_key(description="laptop")))


def test_a_secret_is_redacted_wherever_its_message_is_shown():
    for kind in (
        access_key_service_pb2.CreateAccessKeyResponse,
        access_key_service_pb2.CreateAccessKeyRequest,
    ):
        assert kind.DESCRIPTOR.fields_by_name["secret_access_key"].GetOptions().debug_redact


def test_every_status_has_its_own_number():
    assert set(admin_v1.STATUSES) == set(Status)
    assert all(
        admin_v1.parse_status(number, "status") is status
        for status, number in admin_v1.STATUSES.items()
    )
    assert admin_v1.parse_status(0, "status") is None
