"""Requests that need very many decisions: as right as any other, and nobody waits for them."""

import asyncio
from hashlib import sha256
from itertools import count
from xml.etree import ElementTree as ET

import pytest

from authz.access import turns as turns_module
from authz.access.turns import ATTEMPTS
from authz.errors import OverloadedError, UnavailableError
from authz.identity.records import Status, TargetKind
from authz.identity.sigv4 import sign_headers
from authz.serving import ext_authz
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2
from tests.access.world import REGION, bucket_policy, policy
from tests.serving.surfaces import AUTHORIZATION, question

BATCH = f"{AUTHORIZATION}/BatchAuthorize"
BOX = "arn:aws:s3:::box"


@pytest.fixture
def one_step_a_turn(monkeypatch):
    monkeypatch.setattr(turns_module, "TURN", -1.0)


@pytest.fixture
async def deletes(world, credential):
    """Let alice delete what is in the box, but for one object."""
    kept = policy("Deny", "s3:DeleteObject", f"{BOX}/kept")
    for name, document in (("deletes", policy(action="s3:DeleteObject")), ("kept", kept)):
        await world.control.policies.create(name, document)
        await world.control.attachments.attach(name, TargetKind.USER, "alice")
    await world.settle()
    return credential


@pytest.fixture
def delete(surfaces, world):
    """Ask to delete many objects; return the error code the client gets, or `OK`."""

    async def ask(credential, keys) -> str:
        objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        body = f"<Delete>{objects}</Delete>".encode()
        asked = question(None, world.clock.now(), "POST", "/box?delete=")
        headers = {"host": "s3.example.com"}
        headers |= sign_headers(
            "POST", "/box", "delete=", headers, sha256(body).hexdigest(), access_key_id=credential[0],
            secret=credential[1], region=REGION, service="s3", now=world.clock.now(),
        )  # fmt: skip
        http = asked.attributes.request.http
        for name, value in headers.items():
            if name != "host":
                http.header_map.headers.add(key=name, raw_value=value.encode())
        http.header_map.headers.add(key="content-length", raw_value=str(len(body)).encode())
        http.raw_body = body
        answer = await surfaces.check(asked.SerializeToString())
        if answer.HasField("ok_response"):
            return "OK"
        return ET.fromstring(answer.denied_response.body).findtext("Code")

    return ask


def keys(number: int) -> list[str]:
    return [f"k{n}" for n in range(number)]


async def change_meanwhile(world, change) -> None:
    """Let `change` reach memory between two turns of the work that is going on."""
    async with world.authorizer.turns._turn:
        await change
        await world.settle()


# --- Envoy --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, ext_authz.AT_ONCE, ext_authz.AT_ONCE + 1, 1000])
async def test_each_of_many_objects_must_be_allowed(delete, deletes, world, number):
    assert await delete(deletes, keys(number)) == "OK"
    assert await delete(deletes, [*keys(number - 1), "kept"]) == "AccessDenied"
    assert await delete(deletes, ["kept", *keys(number - 1)]) == "AccessDenied"
    assert world.count("decisions", "ext_authz", "ALLOWED", "STATEMENT") == 1
    assert world.count("decisions", "ext_authz", "EXPLICITLY_DENIED", "STATEMENT") == 2


async def test_other_requests_are_answered_before_a_thousand_checks_are(
    delete, deletes, surfaces, world, one_step_a_turn
):
    many = asyncio.create_task(delete(deletes, keys(1000)))
    await asyncio.sleep(0)
    other = question(deletes, world.clock.now())
    assert (await surfaces.check(other.SerializeToString())).HasField("ok_response")
    assert not many.done()
    assert await many == "OK"


async def test_a_key_that_is_disabled_before_the_last_check_proves_nothing(
    delete, deletes, world, one_step_a_turn
):
    many = asyncio.create_task(delete(deletes, keys(1000)))
    await asyncio.sleep(0)
    change = world.control.access_keys.update(deletes[0], status=Status.DISABLED)
    await change_meanwhile(world, change)
    assert await many == "InvalidAccessKeyId"
    assert world.count("decisions", "ext_authz", "ALLOWED", "STATEMENT") == 0


async def test_a_deny_that_comes_before_the_last_check_counts_for_all(
    delete, deletes, world, one_step_a_turn
):
    many = asyncio.create_task(delete(deletes, keys(1000)))
    await asyncio.sleep(0)
    first = bucket_policy("Deny", bucket=BOX)
    await change_meanwhile(world, world.resource_policies.put(BOX, first))
    assert await many == "AccessDenied"


async def test_what_keeps_changing_is_not_decided(delete, deletes, world, one_step_a_turn):
    moments = count()
    world.authorizer.turns._moment = lambda: next(moments)
    with pytest.raises(UnavailableError, match="keeps changing"):
        await delete(deletes, keys(100))
    assert next(moments) == 2 * ATTEMPTS
    assert world.count("decisions", "ext_authz", "ALLOWED", "STATEMENT") == 0


async def test_what_takes_too_long_is_not_decided(delete, deletes, world):
    world.authorizer.turns._work_limit = -1.0
    assert await delete(deletes, keys(ext_authz.AT_ONCE)) == "OK"
    with pytest.raises(OverloadedError):
        await delete(deletes, keys(ext_authz.AT_ONCE + 1))


# --- batches ------------------------------------------------------------------------------------------------


@pytest.fixture
def batch(surfaces):
    async def authorize(number):
        checks = [
            wire.Check(action="s3:DeleteObject", resource=f"{BOX}/k{n}", user_name="alice")
            for n in range(number)
        ]
        request = wire.BatchAuthorizeRequest(checks=checks)
        answer = await surfaces.ask(BATCH, request, wire.BatchAuthorizeResponse)
        return [one.decision for one in answer.answers]

    return authorize


async def test_a_batch_that_a_change_overtakes_is_of_the_new_revision_and_counted_once(
    batch, deletes, world, one_step_a_turn
):
    many = asyncio.create_task(batch(1000))
    await asyncio.sleep(0)
    await change_meanwhile(
        world, world.control.attachments.detach("deletes", TargetKind.USER, "alice")
    )
    decisions = await many
    assert {one.revision for one in decisions} == {world.refresher.applied}
    assert {one.verdict for one in decisions} == {decision_pb2.VERDICT_IMPLICITLY_DENIED}
    assert world.count("decisions", "authz_v1", "IMPLICITLY_DENIED", "NO_MATCH") == 1000
    assert world.count("decisions", "authz_v1", "ALLOWED", "STATEMENT") == 0


async def test_other_questions_are_answered_before_a_batch_is(
    batch, deletes, surfaces, world, one_step_a_turn
):
    await batch(1)
    many = asyncio.create_task(batch(1000))
    await asyncio.sleep(0)
    assert len(await batch(1)) == 1
    assert not many.done()
    assert len(await many) == 1000


async def test_a_batch_that_takes_too_long_or_keeps_changing_is_not_answered(
    batch, deletes, world, one_step_a_turn
):
    moments, turns = count(), world.authorizer.turns
    settled, turns._moment = turns._moment, lambda: next(moments)
    with pytest.raises(UnavailableError, match="keeps changing"):
        await batch(10)
    turns._moment = settled
    turns._work_limit = -1.0
    with pytest.raises(OverloadedError):
        await batch(10)
    assert world.count("decisions", "authz_v1", "ALLOWED", "STATEMENT") == 0
