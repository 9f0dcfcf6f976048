"""Services that take signed requests ask whose they are; that nobody proves anything is an answer too."""

import hashlib

import pytest

from authz.errors import InvalidError, ParseError, UnavailableError
from authz.identity.records import Status
from authz.identity.sigv4 import sign_headers
from authz.wire.authz.v1 import authentication_pb2 as wire
from tests.access.world import ACCOUNT, REGION, ROOT_ID, ROOT_SECRET, policy
from tests.serving.surfaces import AUTHENTICATE


def a_request(
    credential, now, *, service="s3", path="/box/k", token="", **fields
) -> wire.AuthenticateRequest:
    headers = {"host": "s3.example.com"}
    if token:
        headers["x-amz-security-token"] = token
    if credential is not None:
        headers |= sign_headers(
            "GET", path, "", headers, hashlib.sha256(b"").hexdigest(),
            access_key_id=credential[0], secret=credential[1], region=REGION, service=service, now=now,
        )  # fmt: skip
    lines = [wire.HttpHeader(name=name, value=value.encode()) for name, value in headers.items()]
    request = wire.HttpRequest(method="GET", raw_path=path, headers=lines, source_ip="198.51.100.1")
    return wire.AuthenticateRequest(request=request, **fields)


@pytest.fixture
def ask(surfaces, world):
    async def authenticate(credential, **more):
        request = a_request(credential, world.clock.now(), **more)
        return await surfaces.ask(AUTHENTICATE, request, wire.AuthenticateResponse)

    return authenticate


async def test_a_signed_request_is_its_signers(ask, credential, world):
    for _ in range(2):
        answer = await ask(credential)
        assert answer.authentication.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"
        assert answer.authentication.principal.kind == wire.PRINCIPAL_KIND_USER
        assert answer.authentication.access_key_id == credential[0]
        assert answer.revision == world.refresher.applied
    root = await ask((ROOT_ID, ROOT_SECRET))
    assert root.authentication.principal.kind == wire.PRINCIPAL_KIND_ROOT


async def test_an_unsigned_request_is_anonymous(ask):
    answer = await ask(None)
    assert answer.authentication.principal.kind == wire.PRINCIPAL_KIND_ANONYMOUS
    assert answer.authentication.access_key_id == ""


async def test_unknown_and_disabled_are_one_answer(ask, credential, world):
    unknown = (await ask(("UNKNOWNKEY", "any-secret"))).failure
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    disabled = (await ask(credential)).failure
    assert (unknown.code, unknown.message) == (disabled.code, disabled.message)
    assert unknown.code == "InvalidAccessKeyId"
    assert world.count("authentication_failures", "authenticate", "InvalidAccessKeyId") == 2


async def test_a_session_is_its_parent_and_a_narrowed_one_is_nobody(ask, credential, world):
    for document, expected in (("", f"arn:aws:iam::{ACCOUNT}:user/alice"), (policy(), "")):
        issued = await world.session(policy=document)
        session = issued.session.access_key_id, issued.secret.reveal()
        answer = await ask(session, token=issued.token)
        assert answer.authentication.principal.arn == expected
        assert answer.failure.code == ("" if expected else "AccessDenied")
        assert (await ask(session)).failure.code == "InvalidAccessKeyId"
        assert (await ask(session, token="x")).failure.code == "InvalidToken"


async def test_a_service_account_with_a_policy_is_nobody_who_could_be_named(ask, credential, world):
    keys = world.control.access_keys
    for document, code in (("", ""), (policy(), "AccessDenied")):
        made = (await keys.create("alice", policy=document)).value
        await world.settle()
        answer = await ask((made.key.id, made.secret.reveal()))
        assert answer.failure.code == code
        # Whoever says so can ask about the key.
        answer = await ask((made.key.id, made.secret.reveal()), accepts_narrowed=True)
        assert answer.authentication.narrowed is bool(document)
        assert answer.authentication.access_key_id == made.key.id


async def test_a_wrong_signature_is_an_answer(ask, credential):
    answer = await ask((credential[0], "wrong-secret"))
    assert answer.failure.code == "SignatureDoesNotMatch"
    assert not answer.HasField("authentication")


async def test_a_service_that_is_not_expected_is_refused(ask, credential):
    assert (await ask(credential, service="orders")).HasField("authentication")
    assert (await ask(credential, service="sqs")).HasField("failure")
    assert (await ask(credential, service="sqs", services=["sqs"])).HasField("authentication")
    assert (await ask(credential, service="s3", services=["sqs"])).HasField("failure")


async def test_a_header_that_is_no_proof_is_an_answer(surfaces, world):
    request = a_request(None, world.clock.now())
    request.request.headers.add(name="Authorization", value=b"AWS4-HMAC-SHA256 nonsense")
    answer = await surfaces.ask(AUTHENTICATE, request, wire.AuthenticateResponse)
    assert answer.HasField("failure")


async def test_a_revision_that_is_asked_for_is_waited_for(ask, credential, world):
    assert (await ask(credential)).HasField("authentication")
    revision = (await world.control.access_keys.delete(credential[0])).revision
    answer = await ask(credential, at_least_revision=revision)
    assert answer.failure.code == "InvalidAccessKeyId"
    assert answer.revision >= revision
    assert (await ask(None, at_least_revision=revision)).HasField("authentication")


async def test_memory_too_old_says_nothing_about_anybody(surfaces, credential, world):
    now = world.clock.now() + 301
    requests = [a_request(who, now) for who in (credential, None, ("UNKNOWNKEY", "any-secret"))]
    world.clock.advance(301)
    for request in requests:
        with pytest.raises(UnavailableError):
            await surfaces.ask(AUTHENTICATE, request, wire.AuthenticateResponse)


async def test_bytes_that_are_no_request_are_refused(surfaces):
    with pytest.raises(ParseError):
        await surfaces.send(AUTHENTICATE, b"\xff")
    with pytest.raises(InvalidError):
        await surfaces.send(AUTHENTICATE, b"")
