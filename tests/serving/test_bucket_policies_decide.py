"""Bucket policies and permissions boundaries as a client behind Envoy meets them."""

from xml.etree import ElementTree as ET

import pytest

from authz.access.ports import ChangeKind
from authz.identity.records import Status, TargetKind
from tests.access.world import ACCOUNT, ROOT_ID, ROOT_SECRET, bucket_policy, policy
from tests.serving.surfaces import question

ROOT = (ROOT_ID, ROOT_SECRET.decode())
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOX, SOURCE = "arn:aws:s3:::box", "arn:aws:s3:::source"
GET, PUT = "s3:GetObject", "s3:PutObject"
COPY = {"x-amz-copy-source": "/source/k"}


@pytest.fixture
def code(surfaces, world):
    """Ask as Envoy does; return the error code the client gets, or `OK`."""

    async def ask(credential, *arguments, **more) -> str:
        request = question(credential, world.clock.now(), *arguments, **more)
        answer = await surfaces.check(request.SerializeToString())
        if answer.HasField("ok_response"):
            return "OK"
        return ET.fromstring(answer.denied_response.body).findtext("Code")

    return ask


@pytest.fixture
def put(world):
    async def put(document, resource=BOX) -> None:
        await world.resource_policies.put(resource, document)
        await world.settle()

    return put


async def test_the_anonymous_get_what_a_bucket_gives_everyone_and_nothing_else(code, put):
    assert await code(None) == "AccessDenied"
    await put(bucket_policy(action=GET, bucket=BOX))
    assert await code(None) == "OK"
    assert await code(None, "PUT") == "AccessDenied"
    assert await code(None, path="/box2/k") == "AccessDenied"
    assert await code(None, path="/?x-id=ListBuckets") == "AccessDenied"


async def test_an_anonymous_request_that_is_let_in_names_nobody_to_the_upstream(
    surfaces, world, put
):
    await put(bucket_policy(bucket=BOX))
    answer = await surfaces.check(question(None, world.clock.now()).SerializeToString())
    headers = {o.header.key: o.header.value for o in answer.ok_response.headers}
    assert headers["x-authz-principal"] == world.anonymous.principal.arn
    assert answer.dynamic_metadata.fields["policy"].string_value == BOX


async def test_a_deny_of_the_bucket_beats_the_users_own_allow(code, put, credential):
    assert await code(credential) == "OK"
    await put(bucket_policy("Deny", GET, {"AWS": ALICE}, BOX))
    assert await code(credential) == "AccessDenied"
    assert await code(credential, path="/other/k") == "OK"


async def test_a_bucket_that_names_a_user_lets_it_do_what_its_own_policies_do_not(
    code, put, credential
):
    assert await code(credential, "PUT") == "AccessDenied"
    await put(bucket_policy(action=PUT, principal={"AWS": ALICE}, bucket=BOX))
    assert await code(credential, "PUT") == "OK"
    assert await code(None, "PUT") == "AccessDenied"


async def test_a_change_is_enforced_at_the_next_request_after_it_is_applied(
    code, put, world, credential
):
    for _ in range(3):
        await put(bucket_policy("Deny", GET, bucket=BOX))
        assert await code(credential) == "AccessDenied"
        await put(bucket_policy("Allow", GET, bucket=BOX))
        assert (await code(credential), await code(None)) == ("OK", "OK")
        await world.resource_policies.delete(BOX)
        await world.settle()
        assert (await code(credential), await code(None)) == ("OK", "AccessDenied")


async def test_a_copy_needs_what_each_of_its_two_buckets_says(code, put, credential):
    async def copies() -> str:
        return await code(credential, "PUT", signed=COPY)

    await put(bucket_policy(action=PUT, principal={"AWS": ALICE}, bucket=BOX))
    assert await copies() == "OK"
    await put(bucket_policy("Deny", GET, bucket=SOURCE), SOURCE)
    assert await copies() == "AccessDenied"
    assert await code(credential, "PUT") == "OK"
    await put(bucket_policy("Deny", PUT, bucket=SOURCE), SOURCE)
    assert await copies() == "OK"
    await put(bucket_policy("Deny", PUT, bucket=BOX))
    assert await copies() == "AccessDenied"


async def test_the_anonymous_copy_only_from_what_is_open_to_what_is_open(code, put):
    await put(bucket_policy(bucket=BOX))
    assert await code(None, "PUT") == "OK"
    assert await code(None, "PUT", signed=COPY) == "AccessDenied"
    await put(bucket_policy(action="s3:Get*", bucket=SOURCE), SOURCE)
    assert await code(None, "PUT", signed=COPY) == "OK"


async def test_a_boundary_limits_what_a_client_may(code, world, credential):
    assert await code(credential, path="/box/k?acl") == "OK"
    await world.control.policies.create("objects", policy(action=[GET, PUT]))
    await world.control.users.put_boundary("alice", "objects")
    await world.settle()
    assert await code(credential) == "OK"
    assert await code(credential, path="/box/k?acl") == "AccessDenied"
    assert await code(credential, "PUT") == "AccessDenied"


async def test_a_bucket_policy_that_does_not_compile_shuts_the_bucket_for_all_but_its_mending(
    code, put, world, credential
):
    await put(bucket_policy(bucket=BOX))
    await world.by_sql(
        "UPDATE resource_policies SET document = '{'", (ChangeKind.RESOURCE_POLICY, BOX)
    )
    await world.settle()
    for who in (None, credential, ROOT):
        assert await code(who) == "AccessDenied"
    assert await code(credential, path="/other/k") == "OK"
    assert await code(ROOT, "DELETE", "/box?policy") == "OK"
    assert await code(credential, "DELETE", "/box?policy") == "AccessDenied"


async def test_a_disabled_user_does_not_come_in_as_one_of_everyone(code, put, world, credential):
    await put(bucket_policy(bucket=BOX))
    await world.control.attachments.detach("gets", TargetKind.USER, "alice")
    await world.settle()
    assert await code(credential) == "OK"
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert await code(credential) == "InvalidAccessKeyId"
