"""What administrators write to bound other administrators holds: by policy, by tag, in either vocabulary, counted once."""

import json

import pytest

from authz.errors import ForbiddenError
from authz.identity.records import TargetKind
from authz.wire.authz.admin.v1 import attachment_service_pb2 as attachments
from authz.wire.authz.admin.v1 import user_service_pb2 as users

ATTACH = "/authz.admin.v1.AttachmentService/AttachPolicy"
UPDATE = "/authz.admin.v1.UserService/UpdateUser"
CREATE = "/authz.admin.v1.UserService/CreateUser"
GET = "/authz.admin.v1.UserService/GetUser"
POWER = "arn:aws:iam::aws:policy/AdministratorAccess"


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def deny(action: str | list[str], **more) -> dict:
    return {"Effect": "Deny", "Action": action, "Resource": "*", **more}


@pytest.fixture
def call(surfaces, world, credential):
    """Give alice these statements, make one call as her, and tell whether it was admitted."""

    async def admitted(path: str, message, *statements: dict) -> bool:
        control = world.control
        await control.policies.update("gets", document=document(*statements))
        await world.settle()
        world.clock.advance(1)
        raw = message.SerializeToString()
        try:
            await surfaces.send(path, raw, surfaces.signed(path, raw, credential))
        except ForbiddenError:
            return False
        return True

    return admitted


def attach(policy_name: str):
    return attachments.AttachPolicyRequest(policy_name=policy_name, user_name="alice")


@pytest.fixture
async def canned(world) -> None:
    await world.control.policies.create("harmless", document(allow("s3:ListBucket")))


@pytest.mark.parametrize(
    "guards",
    [
        [allow("iam:AttachUserPolicy", Condition={"ArnNotEquals": {"iam:PolicyARN": POWER}})],
        [
            allow("iam:AttachUserPolicy"),
            deny("iam:AttachUserPolicy", Condition={"ArnEquals": {"iam:PolicyARN": POWER}}),
        ],
        [
            allow("admin:AttachUserOrGroupPolicy"),
            deny(
                "iam:Attach*",
                Condition={"ArnLike": {"iam:PolicyARN": "arn:aws:iam::*:policy/Admin*"}},
            ),
        ],
    ],
)
async def test_a_guard_by_policy_arn_keeps_administrator_access_from_being_attached(
    call, canned, guards
):
    assert not await call(ATTACH, attach("AdministratorAccess"), *guards)
    assert await call(ATTACH, attach("harmless"), *guards)


def change_tags(**tags: str):
    request = users.UpdateUserRequest(user={"name": "alice", "tags": tags})
    request.update_mask.paths.append("tags")
    return request


@pytest.mark.parametrize("action", ["iam:UpdateUser", "admin:EnableUser"])
async def test_who_may_change_a_users_status_may_not_change_its_tags(call, action):
    assert not await call(UPDATE, change_tags(team="red"), allow(action))
    assert not await call(
        UPDATE, change_tags(team="red"), allow([action, "iam:TagUser"]), deny("iam:UntagUser")
    )
    assert await call(UPDATE, change_tags(team="red"), allow([action, "iam:*tagUser"]))


async def test_a_user_is_not_created_with_tags_by_who_may_only_create_users(call):
    tagged = users.CreateUserRequest(name="eve", tags={"team": "red"})
    assert not await call(CREATE, tagged, allow("iam:CreateUser"))
    assert await call(CREATE, users.CreateUserRequest(name="eve"), allow("iam:CreateUser"))


async def test_a_guard_by_requested_tags_holds(call):
    may = allow(["iam:UpdateUser", "iam:TagUser", "iam:UntagUser"])
    not_red = deny("iam:TagUser", Condition={"StringEquals": {"aws:RequestTag/team": "red"}})
    only_team = deny(
        "iam:TagUser", Condition={"ForAnyValue:StringNotEquals": {"aws:TagKeys": "team"}}
    )
    assert not await call(UPDATE, change_tags(team="red"), may, not_red)
    assert not await call(UPDATE, change_tags(team="blue", cost="1"), may, only_team)
    assert await call(UPDATE, change_tags(team="blue"), may, not_red, only_team)


@pytest.mark.parametrize("action", ["iam:GetUser", "admin:GetUser"])
async def test_an_allowed_call_is_one_allowed_decision_in_either_vocabulary(call, world, action):
    assert await call(GET, users.GetUserRequest(name="alice"), allow(action))
    assert world.count("decisions", "admin", "ALLOWED", "STATEMENT") == 1
    assert world.count("decisions", "admin", "IMPLICITLY_DENIED", "NO_MATCH") == 0


async def test_a_group_of_administrators_is_bounded_like_its_members(call, world, canned):
    control = world.control
    await control.groups.create("admins")
    await control.groups.add_members("admins", ["alice"])
    await control.policies.create(
        "bounds", document(deny("iam:Attach*", Condition={"ArnEquals": {"iam:PolicyARN": POWER}}))
    )
    await control.attachments.attach("bounds", TargetKind.GROUP, "admins")
    assert not await call(ATTACH, attach("AdministratorAccess"), allow("iam:*"))
