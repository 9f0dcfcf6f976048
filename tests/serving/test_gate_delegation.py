"""What may be handed out safely: users within a boundary, buckets to their owners, writing without reading."""

import json

import pytest

from authz.errors import ForbiddenError, InvalidError, ParseError
from authz.wire.authz.admin.v1 import attachment_service_pb2 as attachments
from authz.wire.authz.admin.v1 import policy_service_pb2 as policies
from authz.wire.authz.admin.v1 import resource_policy_service_pb2 as resources
from authz.wire.authz.admin.v1 import user_service_pb2 as users
from tests.access.world import ACCOUNT

USER = "/authz.admin.v1.UserService"
ATTACHMENT = "/authz.admin.v1.AttachmentService"
POLICY = "/authz.admin.v1.PolicyService"
RESOURCE = "/authz.admin.v1.ResourcePolicyService"
BUCKET = "arn:aws:s3:::box"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
WITHIN = {"StringEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/devs"}}


def document(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str | list[str], resource: str = "*", **more) -> dict:
    return {**allow(action, resource, **more), "Effect": "Deny"}


@pytest.fixture
def as_alice(surfaces, world, credential):
    """Give alice these statements and make one call as her."""

    async def call(path: str, message, answer, *statements: dict):
        if statements:
            await world.control.policies.update("gets", document=document(*statements))
        await world.settle()
        world.clock.advance(1)
        raw = message.SerializeToString()
        return answer.FromString(
            await surfaces.send(path, raw, surfaces.signed(path, raw, credential))
        )

    return call


@pytest.fixture
async def people(world) -> None:
    """Bob is within the boundary `devs`, carol within none; `power` is a policy to attach."""
    control = world.control
    for name in ("devs", "lax", "power"):
        await control.policies.create(name, document(allow("s3:*")))
    await control.users.create("bob", boundary="devs")
    await control.users.create("carol")


DELEGATED = allow(
    ["iam:CreateUser", "iam:PutUserPermissionsBoundary", "iam:AttachUserPolicy", "iam:DetachUserPolicy"],
    Condition=WITHIN,
)  # fmt: skip


@pytest.mark.parametrize(
    ("boundary", "is_allowed"), [("devs", True), ("", False), ("lax", False), ("DEVS", False)]
)
async def test_a_delegate_creates_users_within_the_boundary_only(
    as_alice, people, boundary, is_allowed
):
    made = as_alice(
        f"{USER}/CreateUser",
        users.CreateUserRequest(name="dave", permissions_boundary=boundary),
        users.CreateUserResponse,
        DELEGATED,
    )
    if is_allowed:
        answer = await made
        assert answer.user.permissions_boundary == f"arn:aws:iam::{ACCOUNT}:policy/devs"
    else:
        with pytest.raises(ForbiddenError):
            await made


@pytest.mark.parametrize("method", ["AttachPolicy", "DetachPolicy"])
@pytest.mark.parametrize(
    ("user_name", "is_allowed"),
    [("bob", True), ("carol", False), ("alice", False), ("nobody", False)],
)
async def test_a_delegate_attaches_policies_within_the_boundary_only(
    as_alice, people, method, user_name, is_allowed
):
    request = getattr(attachments, f"{method}Request")(policy_name="power", user_name=user_name)
    made = as_alice(
        f"{ATTACHMENT}/{method}", request, getattr(attachments, f"{method}Response"), DELEGATED
    )
    if is_allowed:
        assert (await made).revision
    else:
        with pytest.raises(ForbiddenError):
            await made


async def test_a_delegate_neither_clears_nor_widens_a_boundary(as_alice, people):
    clear = users.DeletePermissionsBoundaryRequest(user_name="bob")
    widen = users.PutPermissionsBoundaryRequest(user_name="bob", policy_name="lax")
    for request, answer in (
        (clear, users.DeletePermissionsBoundaryResponse),
        (widen, users.PutPermissionsBoundaryResponse),
    ):
        path = f"{USER}/{request.DESCRIPTOR.name.removesuffix('Request')}"
        with pytest.raises(ForbiddenError):
            await as_alice(path, request, answer, DELEGATED, allow("admin:*"))


async def test_clearing_can_be_bounded_by_the_boundary_there_is(as_alice, people):
    may = allow("iam:DeleteUserPermissionsBoundary")
    request = users.DeletePermissionsBoundaryRequest(user_name="bob")
    path, answer = f"{USER}/DeletePermissionsBoundary", users.DeletePermissionsBoundaryResponse
    with pytest.raises(ForbiddenError):
        await as_alice(path, request, answer, may, deny("iam:Delete*", Condition=WITHIN))
    assert (await as_alice(path, request, answer, may)).user.permissions_boundary == ""


async def test_nobody_drops_a_boundary_that_does_not_let_them(as_alice, world, people):
    await world.control.users.put_boundary("alice", "devs")
    everything = (allow("iam:*"), allow("admin:*"), allow("authz:*"), allow("s3:*"))
    for path, request, answer in (
        (
            f"{USER}/DeletePermissionsBoundary",
            users.DeletePermissionsBoundaryRequest(user_name="alice"),
            users.DeletePermissionsBoundaryResponse,
        ),
        (
            f"{USER}/PutPermissionsBoundary",
            users.PutPermissionsBoundaryRequest(user_name="alice", policy_name="lax"),
            users.PutPermissionsBoundaryResponse,
        ),
        (
            f"{POLICY}/CreatePolicyVersion",
            policies.CreatePolicyVersionRequest(
                policy_name="devs", document=document(allow("*")), set_as_default=True
            ),
            policies.CreatePolicyVersionResponse,
        ),
    ):
        with pytest.raises(ForbiddenError):
            await as_alice(path, request, answer, *everything)


async def test_a_policy_on_oneself_is_no_way_past_a_boundary(as_alice):
    grant = {
        "Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "iam:*", "Resource": ALICE,
    }  # fmt: skip
    request = resources.PutResourcePolicyRequest(resource=ALICE, document=document(grant))
    with pytest.raises(InvalidError, match="have no resource policy"):
        await as_alice(
            f"{RESOURCE}/PutResourcePolicy",
            request,
            resources.PutResourcePolicyResponse,
            allow("authz:*"),
        )


async def test_another_spelling_of_a_policy_is_refused_where_a_condition_looked_at_it(
    as_alice, people
):
    not_power = {"ArnEquals": {"iam:PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/power"}}
    not_lax = {"ArnEquals": {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/lax"}}
    guards = allow("iam:*"), deny("iam:*", Condition=not_power), deny("iam:*", Condition=not_lax)
    for path, request, answer in (
        (
            f"{ATTACHMENT}/AttachPolicy",
            attachments.AttachPolicyRequest(policy_name="POWER", user_name="carol"),
            attachments.AttachPolicyResponse,
        ),
        (
            f"{USER}/PutPermissionsBoundary",
            users.PutPermissionsBoundaryRequest(user_name="carol", policy_name="LAX"),
            users.PutPermissionsBoundaryResponse,
        ),
        (
            f"{USER}/CreateUser",
            users.CreateUserRequest(name="dave", permissions_boundary="LAX"),
            users.CreateUserResponse,
        ),
    ):
        with pytest.raises(InvalidError, match="is spelt"):
            await as_alice(path, request, answer, *guards)


def a_bucket_policy(*actions: str) -> str:
    return document(
        {**allow(list(actions), BUCKET), "Principal": {"AWS": ALICE}},
        {**allow("s3:GetObject", f"{BUCKET}/*"), "Principal": "*"},
    )


async def test_the_owner_of_a_bucket_writes_reads_and_deletes_its_policy(as_alice):
    mine = allow(["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"], BUCKET)
    put = resources.PutResourcePolicyRequest(
        resource=BUCKET, document=a_bucket_policy("s3:ListBucket")
    )
    path = f"{RESOURCE}/PutResourcePolicy"
    answer = await as_alice(path, put, resources.PutResourcePolicyResponse, mine)
    assert answer.resource_policy.is_public
    assert any(one.severity for one in answer.findings)
    get = resources.GetResourcePolicyRequest(resource=BUCKET)
    got = await as_alice(f"{RESOURCE}/GetResourcePolicy", get, resources.GetResourcePolicyResponse)
    assert got.resource_policy.document == put.document
    gone = resources.DeleteResourcePolicyRequest(resource=BUCKET)
    await as_alice(f"{RESOURCE}/DeleteResourcePolicy", gone, resources.DeleteResourcePolicyResponse)
    other = resources.PutResourcePolicyRequest(
        resource=f"{BUCKET}2", document=put.document.replace("box", "box2")
    )
    with pytest.raises(ForbiddenError):
        await as_alice(path, other, resources.PutResourcePolicyResponse)


async def test_a_buckets_own_policy_has_its_say_in_who_may_change_it(as_alice, surfaces):
    get = resources.GetResourcePolicyRequest(resource=BUCKET)
    path, answer = f"{RESOURCE}/GetResourcePolicy", resources.GetResourcePolicyResponse
    await surfaces.resource_policies.put(BUCKET, a_bucket_policy("s3:GetBucketPolicy"))
    assert (await as_alice(path, get, answer, allow("s3:GetObject"))).resource_policy.document
    refusing = document({**deny("s3:GetBucketPolicy", BUCKET), "Principal": {"AWS": ALICE}})
    await surfaces.resource_policies.put(BUCKET, refusing)
    with pytest.raises(ForbiddenError):
        await as_alice(path, get, answer, allow("s3:*"))


async def test_a_policy_that_reaches_beyond_its_bucket_is_not_stored(as_alice):
    request = resources.PutResourcePolicyRequest(
        resource=BUCKET,
        document=document({**allow("s3:GetObject", "arn:aws:s3:::box*/*"), "Principal": "*"}),
    )
    with pytest.raises(ParseError) as caught:
        await as_alice(
            f"{RESOURCE}/PutResourcePolicy",
            request,
            resources.PutResourcePolicyResponse,
            allow("s3:PutBucketPolicy"),
        )
    assert caught.value.place == "Statement[0].Resource"


async def test_a_right_to_change_a_policy_is_none_to_read_it(as_alice, world):
    secret = document(allow("secret:Action"))
    await world.control.policies.create("hidden", secret)
    await world.control.policies.create_version("hidden", secret.replace("secret:Action", "secret:Other"))
    may = allow(
        ["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:ListPolicyVersions"]
    )
    describe = policies.UpdatePolicyRequest(policy={"name": "hidden", "description": "x"})
    describe.update_mask.paths.append("description")
    for method, request in (
        ("UpdatePolicy", describe),
        (
            "SetDefaultPolicyVersion",
            policies.SetDefaultPolicyVersionRequest(policy_name="hidden", version=1),
        ),
        ("ListPolicyVersions", policies.ListPolicyVersionsRequest(policy_name="hidden")),
    ):
        kind = getattr(policies, f"{method}Response")
        answer = await as_alice(f"{POLICY}/{method}", request, kind, may)
        assert b"secret:" not in answer.SerializeToString(), method
        assert not getattr(answer, "findings", ())
    with pytest.raises(ForbiddenError):
        await as_alice(
            f"{POLICY}/GetPolicyVersion",
            policies.GetPolicyVersionRequest(policy_name="hidden", version=1),
            policies.GetPolicyVersionResponse,
        )


async def test_findings_are_about_the_document_that_was_sent(as_alice):
    risky = document(allow("*"))
    may = allow(["iam:CreatePolicy", "iam:CreatePolicyVersion"])
    created = await as_alice(
        f"{POLICY}/CreatePolicy",
        policies.CreatePolicyRequest(name="risky", document=risky),
        policies.CreatePolicyResponse,
        may,
    )
    versioned = await as_alice(
        f"{POLICY}/CreatePolicyVersion",
        policies.CreatePolicyVersionRequest(policy_name="risky", document=risky + "\n"),
        policies.CreatePolicyVersionResponse,
    )
    update = policies.UpdatePolicyRequest(policy={"name": "risky", "document": risky + " "})
    update.update_mask.paths.append("document")
    updated = await as_alice(f"{POLICY}/UpdatePolicy", update, policies.UpdatePolicyResponse)
    for answer in (created, versioned, updated):
        assert answer.findings[0].id == "AZ104"
    assert updated.policy.document == risky + " "
    assert versioned.version.document == risky + "\n"
    assert not versioned.version.is_default
