import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from authz.errors import InvalidError
from authz.formats.admin_v1_roles import parse_max_duration, parse_role_change, render_role
from authz.identity.records import PolicyOrigin, PolicyRef, Role
from authz.wire.authz.admin.v1 import role_service_pb2 as wire

ROLE = Role(
    id="AROA1",
    name="ops",
    trust='{"Statement": []}',
    created_at=1_700_000_000.25,
    description="night",
    max_session_duration=7200,
    tags={"team": "blue"},
    boundary=PolicyRef(id="ANPA1", name="readonly", origin=PolicyOrigin.AWS),
)


def an_update(*paths: str, **fields) -> wire.UpdateRoleRequest:
    return wire.UpdateRoleRequest(
        role=wire.Role(name="ops", **fields), update_mask=FieldMask(paths=paths)
    )


def test_a_role_is_rendered_whole_and_without_its_trust_policy_where_that_is_not_asked():
    message = render_role(ROLE, "123456789012")
    assert (message.name, message.id) == ("ops", "AROA1")
    assert message.arn == "arn:aws:iam::123456789012:role/ops"
    assert message.trust_policy == '{"Statement": []}'
    assert message.description == "night"
    assert message.max_session_duration == Duration(seconds=7200)
    assert dict(message.tags) == {"team": "blue"}
    assert message.create_time.ToJsonString() == "2023-11-14T22:13:20.250Z"
    assert message.permissions_boundary == "arn:aws:iam::aws:policy/readonly"
    without = render_role(ROLE, "123456789012", with_trust=False)
    assert without.trust_policy == ""
    without.trust_policy = message.trust_policy
    assert without == message


def test_an_update_changes_what_its_mask_names():
    filled = {
        "description": "x",
        "max_session_duration": Duration(seconds=3600),
        "tags": {"a": "b"},
        "trust_policy": "{}",
    }
    change = parse_role_change(an_update("description", **filled))
    assert (change.name, change.description) == ("ops", "x")
    assert (change.max_session_duration, change.tags) == (None, None)
    change = parse_role_change(an_update("max_session_duration", "tags", **filled))
    assert (change.description, change.max_session_duration, change.tags) == (
        None, 3600, {"a": "b"}
    )  # fmt: skip
    assert parse_role_change(an_update("tags")).tags == {}


@pytest.mark.parametrize(
    ("request_message", "field"),
    [
        (an_update(), "update_mask"),
        (an_update("trust_policy"), "update_mask"),
        (an_update("permissions_boundary"), "update_mask"),
        (an_update("name"), "update_mask"),
        (an_update("max_session_duration"), "role.max_session_duration"),
        (
            an_update("max_session_duration", max_session_duration=Duration(seconds=3600, nanos=1)),
            "role.max_session_duration",
        ),
    ],
)
def test_an_update_that_names_nothing_or_too_much_is_refused(request_message, field):
    with pytest.raises(InvalidError) as caught:
        parse_role_change(request_message)
    assert caught.value.field == field


def test_a_duration_that_is_not_said_is_none():
    assert parse_max_duration(wire.CreateRoleRequest()) is None
    zero = wire.CreateRoleRequest(max_session_duration=Duration())
    assert parse_max_duration(zero) == 0
