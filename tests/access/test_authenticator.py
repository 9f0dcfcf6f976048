"""Who a proof proves: the answers tell a stranger nothing, and only the right key gives the right one."""

import hashlib

import pytest

from authz.access.entries import SIGNING_KEYS_PER_CREDENTIAL, KeyEntry, UserEntry
from authz.errors import UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.records import Status
from authz.identity.sigv4 import derive_signing_key, find_proof, sign_headers
from tests.access.world import REGION, ROOT_ID, ROOT_SECRET

S3 = frozenset({"s3"})


def a_request(now, access_key_id, secret, *, region=REGION, service="s3", add=()) -> HttpRequest:
    headers = {"host": "s3.example.com", **dict(add)}
    headers |= sign_headers(
        "GET", "/b/k", "", headers, hashlib.sha256(b"").hexdigest(),
        access_key_id=access_key_id, secret=secret, region=region, service=service, now=now,
    )  # fmt: skip
    return HttpRequest("GET", "/b/k", "", headers)


async def authenticate(world, request, *, services=S3) -> KeyEntry:
    now = world.clock.now()
    proof = find_proof(request, now)
    found = world.authenticator.find_credential(proof.access_key_id)
    if found is None:
        found = await world.authenticator.load_credential(proof.access_key_id)
    return world.authenticator.authenticate(request, proof, found, services=services, now=now)


async def refused(world, request, **more) -> tuple[str, str]:
    with pytest.raises(UnauthenticatedError) as failed:
        await authenticate(world, request, **more)
    return failed.value.code, failed.value.message


@pytest.fixture
async def credential(world) -> tuple[str, str]:
    await world.control.users.create("alice")
    made = (await world.control.access_keys.create("alice")).value
    await world.settle()
    return made.key.id, made.secret.reveal()


async def test_the_right_signature_proves_the_owner(world, credential):
    proved = await authenticate(world, a_request(world.clock.now(), *credential))
    assert proved.owner.principal.name == "alice"


async def test_the_root_credential_is_proved_without_a_read(world):
    proved = await authenticate(world, a_request(world.clock.now(), ROOT_ID, ROOT_SECRET))
    assert proved is world.root
    assert world.source.calls["find_access_key"] == 0
    assert await world.authenticator.load_credential(ROOT_ID) is world.root
    code, _ = await refused(world, a_request(world.clock.now(), ROOT_ID, "not-the-secret"))
    assert code == "SignatureDoesNotMatch"


async def test_unknown_and_disabled_in_every_way_are_one_answer(world, credential):
    now, control = world.clock.now(), world.control
    answers = {await refused(world, a_request(now, "UNKNOWNKEY", "any-secret"))}
    await control.access_keys.update(credential[0], status=Status.DISABLED)
    await world.settle()
    answers.add(await refused(world, a_request(now, *credential)))
    answers.add(await refused(world, a_request(now, credential[0], "wrong-secret")))
    await control.access_keys.update(credential[0], status=Status.ENABLED)
    await control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    answers.add(await refused(world, a_request(now, *credential)))
    answers.add(await refused(world, a_request(now, credential[0], "wrong-secret")))
    await control.users.delete("alice", cascade=True)
    await world.settle()
    answers.add(await refused(world, a_request(now, *credential)))
    assert len(answers) == 1
    assert answers.pop()[0] == "InvalidAccessKeyId"


async def test_a_wrong_secret_of_a_known_key_is_a_wrong_signature(world, credential):
    request = a_request(world.clock.now(), credential[0], "wrong-secret")
    assert (await refused(world, request))[0] == "SignatureDoesNotMatch"


async def test_a_key_enabled_again_proves_again(world, credential):
    await world.control.access_keys.update(credential[0], status=Status.DISABLED)
    await world.settle()
    await refused(world, a_request(world.clock.now(), *credential))
    await world.control.access_keys.update(credential[0], status=Status.ENABLED)
    await world.settle()
    assert await authenticate(world, a_request(world.clock.now(), *credential))


async def test_a_session_token_with_a_long_lived_key_is_refused(world, credential):
    add = {"x-amz-security-token": "anything"}
    request = a_request(world.clock.now(), *credential, add=add)
    assert (await refused(world, request))[0] == "InvalidToken"
    request = a_request(world.clock.now(), "UNKNOWNKEY", "any-secret", add=add)
    assert (await refused(world, request))[0] == "InvalidToken"


@pytest.mark.parametrize(
    "scope", [{"region": "eu-west-1"}, {"region": ""}, {"service": "iam"}, {"service": "authz"}]
)
async def test_a_scope_of_elsewhere_is_refused_though_the_signature_is_right(
    world, credential, scope
):
    request = a_request(world.clock.now(), *credential, **scope)
    assert (await refused(world, request))[0] == "AuthorizationHeaderMalformed"


@pytest.mark.parametrize("seconds", [901, -901])
async def test_a_proof_of_another_time_is_refused_whosever_it_is(world, credential, seconds):
    for signer in (credential, ("UNKNOWNKEY", "any-secret")):
        request = a_request(world.clock.now() + seconds, *signer)
        assert (await refused(world, request))[0] == "RequestTimeTooSkewed"


def test_signing_keys_are_derived_once_and_only_a_few_are_kept():
    entry = KeyEntry("KEY", b"secret", None, is_enabled=True)
    first = entry.signing_key("20260101", REGION, "s3")
    assert first == derive_signing_key(b"secret", "20260101", REGION, "s3")
    assert entry.signing_key("20260101", REGION, "s3") is first
    for day in range(10, 30):
        entry.signing_key(f"202601{day}", REGION, "s3")
    assert len(entry._signing_keys) == SIGNING_KEYS_PER_CREDENTIAL
    assert entry.signing_key("20260101", REGION, "s3") == first


def test_an_entry_shows_no_secret():
    owner = UserEntry(None, None, is_enabled=True)
    entry = KeyEntry("KEY", b"hunter2", owner, is_enabled=True)
    entry.signing_key("20260101", REGION, "s3")
    assert repr(entry) == "KeyEntry('KEY')"
