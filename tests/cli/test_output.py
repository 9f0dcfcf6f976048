"""Shapes of `--json`, and text that a terminal cannot be tricked with."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from authz.cli.output import printable, to_plain
from authz.wire.authz.admin.v1 import attachment_service_pb2, status_pb2, user_service_pb2
from authz.wire.authz.v1 import authorization_pb2, decision_pb2


def test_a_message_becomes_plain_values():
    response = user_service_pb2.CreateUserResponse(
        user=user_service_pb2.User(
            name="alice",
            id="AIDA1",
            arn="arn:aws:iam::1:user/alice",
            status=status_pb2.STATUS_ENABLED,
            tags={"team": "blue"},
            create_time=Timestamp(seconds=1_700_000_000),
        ),
        revision=2**40,
    )
    assert to_plain(response) == {
        "user": {
            "name": "alice",
            "id": "AIDA1",
            "arn": "arn:aws:iam::1:user/alice",
            "status": "enabled",
            "tags": {"team": "blue"},
            "create_time": "2023-11-14T22:13:20Z",
            "permissions_boundary": "",
            "provider": "",
            "display_name": "",
            "external_groups": [],
            "absent_time": None,
        },
        "revision": 2**40,
    }


def test_a_shape_does_not_depend_on_what_is_empty():
    assert to_plain(authorization_pb2.ExplainResponse()) == {
        "decision": None,
        "policies": [],
        "nearest_miss": None,
        "changes": [],
        "request": None,
        "decision_now": None,
    }
    decision = to_plain(decision_pb2.Decision())
    assert decision["statement"] is None
    assert set(decision) == set(decision_pb2.Decision.DESCRIPTOR.fields_by_name)


def test_of_a_choice_only_what_is_chosen_is_there():
    attachment = attachment_service_pb2.Attachment(policy_name="p", group_name="ops")
    assert to_plain(attachment) == {"policy_name": "p", "group_name": "ops"}


def test_durations_are_seconds_and_enums_lose_their_prefix():
    decision = decision_pb2.Decision(verdict=decision_pb2.VERDICT_EXPLICITLY_DENIED)
    decision.staleness.nanos = 250_000_000
    plain = to_plain(decision)
    assert (plain["verdict"], plain["staleness"]) == ("explicitly_denied", 0.25)


def test_an_enum_of_a_newer_service_is_shown_as_its_number():
    assert to_plain(decision_pb2.Decision(verdict=99))["verdict"] == "99"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü", "plain ü"),
        ("\x1b[31mred", "?[31mred"),
        ("two\nlines\t", "two lines "),
        ("\u202egnp", "?gnp"),
    ],
)
def test_text_of_others_cannot_command_a_terminal(text, shown):
    assert printable(text) == shown
