"""The gate of the control plane: only calls that are signed whole, once, now, by who may make them."""

import hashlib
import json

import pytest

from authz.errors import (
    ForbiddenError,
    InvalidError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.identity.records import Status, TargetKind
from authz.serving import gate as gate_module
from authz.serving.call import Call
from authz.serving.gate import CALL_SKEW, peer_ip
from authz.wire.authz.admin.v1 import user_service_pb2 as wire
from tests.access.world import ACCOUNT, ROOT_ID, ROOT_SECRET, policy
from tests.serving.surfaces import USERS

GET = f"{USERS}/GetUser"
DELETE = f"{USERS}/DeleteUser"
ROOT = (ROOT_ID, ROOT_SECRET)
BOB = wire.GetUserRequest(name="bob").SerializeToString()


@pytest.fixture
async def bob(world) -> None:
    await world.control.users.create("bob")
    await world.settle()


@pytest.fixture
def get_bob(surfaces, bob):
    """Ask for bob, signed as told, and return his name."""

    async def get(credential=ROOT, raw=BOB, path=GET, metadata=None, **parts) -> str:
        signed = surfaces.signed(path, BOB, credential, **parts) if metadata is None else metadata
        return wire.GetUserResponse.FromString(await surfaces.send(GET, raw, signed)).user.name

    return get


async def refused(call) -> str:
    with pytest.raises(UnauthenticatedError) as failed:
        await call
    return failed.value.code


async def may(world, *documents: str) -> None:
    """Let alice have exactly these policies."""
    await world.control.attachments.detach("gets", TargetKind.USER, "alice")
    for number, document in enumerate(documents):
        await world.control.policies.create(f"admin{number}", document)
        await world.control.attachments.attach(f"admin{number}", TargetKind.USER, "alice")
    await world.settle()


async def test_root_may_call(get_bob):
    assert await get_bob() == "bob"


@pytest.mark.parametrize("change", ["disable", "delete", "detach"])
async def test_a_caller_let_go_of_while_facts_are_read_is_not_admitted_by_what_it_was(
    surfaces, world, credential, bob, change
):
    await may(world, policy())
    control = world.control

    async def find_facts():
        if change == "disable":
            await control.users.update("alice", status=Status.DISABLED)
        elif change == "delete":
            await control.access_keys.delete(credential[0])
        else:
            await control.attachments.detach("admin0", TargetKind.USER, "alice")
        await world.settle()
        return {}

    call = Call(GET, surfaces.signed(GET, BOB, credential), "")
    admit = surfaces.gate.admit(call, BOB, "iam:GetUser", None, "*", find_facts=find_facts)
    with pytest.raises(UnavailableError):
        await admit
    again = Call(GET, surfaces.signed(GET, BOB, credential, now=world.clock.now() + 1.0), "")
    with pytest.raises((UnauthenticatedError, ForbiddenError)):
        await surfaces.gate.admit(again, BOB, "iam:GetUser", None, "*")


async def test_an_unsigned_call_is_refused(get_bob, world):
    assert await refused(get_bob(metadata={})) == "MissingAuthenticationToken"
    key = ("admin", "MissingAuthenticationToken")
    assert world.count("authentication_failures", *key) == 1


@pytest.mark.parametrize("secret", ["wrong-secret", ROOT_SECRET.decode().upper()])
async def test_a_wrong_signature_is_refused(get_bob, secret):
    assert await refused(get_bob((ROOT_ID, secret))) == "SignatureDoesNotMatch"


async def test_an_unknown_key_is_refused(get_bob):
    assert await refused(get_bob(("UNKNOWNKEY", "any-secret"))) == "InvalidAccessKeyId"


async def test_a_disabled_users_call_is_refused(get_bob, credential, world):
    await may(world, policy())
    assert await get_bob(credential) == "bob"
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    world.clock.advance(1)
    assert await refused(get_bob(credential)) == "InvalidAccessKeyId"


async def test_a_call_is_good_once(get_bob, surfaces, world):
    signed = surfaces.signed(GET, BOB, ROOT)
    assert await get_bob(metadata=signed) == "bob"
    for _ in range(2):
        assert await refused(get_bob(metadata=signed)) == "RequestReplayed"
    world.clock.advance(CALL_SKEW - 1)
    assert await refused(get_bob(metadata=signed)) == "RequestReplayed"


async def test_a_call_signed_ahead_is_never_good_again(get_bob, surfaces, world):
    signed = surfaces.signed(GET, BOB, ROOT, now=world.clock.now() + CALL_SKEW)
    assert await get_bob(metadata=signed) == "bob"
    for _ in range(40):
        world.clock.advance(CALL_SKEW / 20)
        await world.settle()
        code = await refused(get_bob(metadata=signed))
        assert code in {"RequestReplayed", "RequestTimeTooSkewed"}
        await catch_up(world)
    world.clock.advance(1)
    assert await refused(get_bob(metadata=signed)) == "RequestTimeTooSkewed"


async def catch_up(world) -> None:
    """Confirm memory, which is what keeps it young."""
    await world.control.users.create(f"user{world.clock.now():.0f}")
    await world.settle()


async def test_an_unrefused_call_that_is_not_allowed_is_used_up_too(get_bob, surfaces, credential):
    signed = surfaces.signed(GET, BOB, credential)
    with pytest.raises(ForbiddenError):
        await get_bob(metadata=signed)
    assert await refused(get_bob(metadata=signed)) == "RequestReplayed"


@pytest.mark.parametrize("seconds", [CALL_SKEW + 1, -CALL_SKEW - 1])
async def test_a_call_of_another_time_is_refused(get_bob, world, seconds):
    now = world.clock.now() + seconds
    assert await refused(get_bob(now=now)) == "RequestTimeTooSkewed"


@pytest.mark.parametrize("seconds", [CALL_SKEW - 1, 1 - CALL_SKEW])
async def test_a_clock_within_five_minutes_will_do(get_bob, world, seconds):
    assert await get_bob(now=world.clock.now() + seconds) == "bob"


@pytest.mark.parametrize(
    "payload", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"]
)  # fmt: skip
async def test_an_unsigned_message_is_refused(get_bob, payload):
    assert await refused(get_bob(payload=payload)) == "IncompleteSignature"


async def test_a_changed_message_is_refused(get_bob):
    other = wire.GetUserRequest(name="alice").SerializeToString()
    assert await refused(get_bob(raw=other)) == "XAmzContentSHA256Mismatch"


async def test_the_hash_of_another_message_is_refused(get_bob):
    payload = hashlib.sha256(b"another").hexdigest()
    assert await refused(get_bob(payload=payload)) == "XAmzContentSHA256Mismatch"


async def test_the_signature_of_another_method_is_refused(get_bob):
    assert await refused(get_bob(path=DELETE)) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    ("part", "value"), [("service", "s3"), ("service", "iam"), ("region", "eu-west-1")]
)
async def test_the_signature_of_another_scope_is_refused(get_bob, part, value):
    assert await refused(get_bob(**{part: value})) == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-content-sha256", "host"])
async def test_host_date_and_payload_must_be_signed(get_bob, surfaces, name):
    signed = surfaces.signed(GET, BOB, ROOT)
    names = "host;x-amz-content-sha256;x-amz-date"
    assert names in signed["authorization"]
    fewer = ";".join(one for one in names.split(";") if one != name)
    signed["authorization"] = signed["authorization"].replace(names, fewer)
    assert await refused(get_bob(metadata=signed)) != ""


@pytest.mark.parametrize("name", ["x-amz-date", "x-amz-content-sha256"])
async def test_a_call_without_its_signed_metadata_is_refused(get_bob, surfaces, name):
    signed = surfaces.signed(GET, BOB, ROOT)
    del signed[name]
    assert await refused(get_bob(metadata=signed)) != ""


async def test_a_presigned_form_is_not_taken(get_bob):
    presigned = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-expires": "604800", "x-amz-signature": "0" * 64,
        "x-amz-credential": f"{ROOT_ID}/20231114/us-east-1/authz/aws4_request",
    }  # fmt: skip
    assert await refused(get_bob(metadata=presigned)) != ""


async def test_the_host_that_was_dialled_does_not_matter_but_the_signed_one_does(get_bob, surfaces):
    signed = surfaces.signed(GET, BOB, ROOT) | {"host": "evil.example.com"}
    assert await get_bob(metadata=signed) == "bob"


async def test_a_user_may_manage_only_whom_a_policy_names(surfaces, credential, world, bob):
    document = json.loads(policy(action="iam:*", resource=f"arn:aws:iam::{ACCOUNT}:user/bob"))
    await may(world, json.dumps(document))
    await world.control.users.create("carol")
    for name, is_allowed in (("bob", True), ("carol", False), ("bob2", False)):
        raw = wire.GetUserRequest(name=name).SerializeToString()
        call = surfaces.send(GET, raw, surfaces.signed(GET, raw, credential))
        if is_allowed:
            assert wire.GetUserResponse.FromString(await call).user.name == name
        else:
            with pytest.raises(ForbiddenError):
                await call
    raw = wire.GetUserRequest(name="BOB").SerializeToString()
    with pytest.raises((ForbiddenError, InvalidError)):
        await surfaces.send(GET, raw, surfaces.signed(GET, raw, credential))
    raw = wire.CreateUserRequest(name="dave").SerializeToString()
    path = f"{USERS}/CreateUser"
    with pytest.raises(ForbiddenError):
        await surfaces.send(path, raw, surfaces.signed(path, raw, credential))
    assert [user.name for user in (await world.control.users.list()).items] == [
        "alice",
        "bob",
        "carol",
    ]


@pytest.mark.parametrize(
    ("documents", "is_allowed"),
    [
        ([policy(action="iam:GetUser")], True),
        ([policy(action="admin:GetUser")], True),
        ([policy(action="iam:GetUser"), policy("Deny", "admin:GetUser")], False),
        ([policy(action="admin:GetUser"), policy("Deny", "iam:GetUser")], False),
        ([policy(), policy("Deny", "admin:*")], False),
        ([policy(), policy("Deny", "iam:DeleteUser")], True),
        ([policy(action="s3:*")], False),
        ([], False),
    ],
)
async def test_an_allow_in_either_vocabulary_suffices_and_a_deny_in_either_refuses(
    get_bob, credential, world, documents, is_allowed
):
    await may(world, *documents)
    if is_allowed:
        assert await get_bob(credential) == "bob"
    else:
        with pytest.raises(ForbiddenError):
            await get_bob(credential)


async def test_a_refusal_names_who_what_and_on_what_and_no_policy(get_bob, credential, world):
    await may(world, policy("Deny", "iam:*"))
    with pytest.raises(ForbiddenError) as failed:
        await get_bob(credential)
    user = f"arn:aws:iam::{ACCOUNT}:user"
    message = failed.value.message
    assert message.startswith(f"{user}/alice may not iam:GetUser on {user}/bob (decision ")
    assert "admin0" not in message


async def test_memory_too_old_lets_nobody_in(get_bob, world):
    world.clock.advance(301)
    with pytest.raises(UnavailableError):
        await get_bob(now=world.clock.now())


async def test_more_calls_than_can_be_remembered_are_shed_until_some_expire(
    monkeypatch, get_bob, world
):
    monkeypatch.setattr(gate_module, "REMEMBERED_SIGNATURES", 2)
    for second in range(2):
        assert await get_bob(now=world.clock.now() + second) == "bob"
    with pytest.raises(OverloadedError):
        await get_bob(now=world.clock.now() + 2)
    for _ in range(3):
        world.clock.advance(CALL_SKEW - 50)
        await catch_up(world)
    assert await get_bob(now=world.clock.now()) == "bob"


async def test_one_principal_can_use_up_no_others_calls(
    monkeypatch, get_bob, credential, surfaces, world
):
    monkeypatch.setattr(gate_module, "REMEMBERED_OF_ONE", 2)
    for second in range(2):
        with pytest.raises(ForbiddenError):
            await get_bob(credential, now=world.clock.now() + second)
    with pytest.raises(OverloadedError):
        await get_bob(credential, now=world.clock.now() + 2)
    assert await get_bob() == "bob"
    for _ in range(3):
        world.clock.advance(CALL_SKEW - 50)
        await catch_up(world)
    with pytest.raises(ForbiddenError):
        await get_bob(credential, now=world.clock.now())
    assert len(surfaces.gate._seen_of) == 1


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:192.0.2.7:1234", "192.0.2.7"),
        ("ipv6:%5B::1%5D:1234", "::1"),
        ("ipv6:[2001:db8::1]:1234", "2001:db8::1"),
        ("unix:/run/authz.sock", ""),
        ("unix:", ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_callers_address_is_read_from_the_transports_text(peer, address):
    assert peer_ip(peer) == address


async def test_a_policy_can_ask_where_a_call_comes_from(get_bob, credential, world):
    document = json.loads(policy())
    document["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "192.0.2.0/28"}}
    await may(world, json.dumps(document))
    assert await get_bob(credential) == "bob"
    document["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
    await world.control.policies.update("admin0", document=json.dumps(document))
    await world.settle()
    world.clock.advance(1)
    with pytest.raises(ForbiddenError):
        await get_bob(credential)
