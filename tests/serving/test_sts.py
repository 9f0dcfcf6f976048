"""STS as its clients use it: who gets a session and of what, who is refused, and what strangers try."""

import json
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import urlencode

import pytest

from authz.control.limits import ISSUING_AGE
from authz.errors import UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.records import Status, TargetKind
from authz.identity.sigv4 import CLOCK_SKEW, find_proof
from authz.serving.sts import BODY_LIMIT, SURFACE
from tests.access.world import ACCOUNT, ROOT_ID, policy
from tests.serving.sts_clients import (
    FORM,
    MAX_DURATION,
    VERSION,
    StsClient,
    build_sts,
    error_of,
    presigned,
    read,
    signed_by_botocore,
)
from tests.serving.surfaces import question

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
ONE_OBJECT = policy(action="s3:GetObject", resource="arn:aws:s3:::box/open")
SESSIONS = ("AssumeRole", "GetSessionToken")


@pytest.fixture
def surface(world):
    return build_sts(world)


@pytest.fixture
def root(surface, world) -> StsClient:
    return StsClient(surface, world.clock)


@pytest.fixture
def nobody(surface, world) -> StsClient:
    return StsClient(surface, world.clock, None)


@pytest.fixture
def alice(surface, world, credential) -> StsClient:
    """A user who may get objects and orders, and of STS nothing."""
    return StsClient(surface, world.clock, credential)


@pytest.fixture
def attach(world):
    async def attach_to_alice(name, document):
        await world.control.policies.create(name, document)
        await world.control.attachments.attach(name, TargetKind.USER, "alice")
        await world.settle()

    return attach_to_alice


@pytest.fixture
def gets(surfaces, world):
    """Tell whether Envoy would let through who gets this object."""

    async def ask(client: StsClient, path: str, method="GET") -> bool:
        key_id, secret, *token = client.credential
        signed = (("x-amz-security-token", token[0]),) if token else ()
        asked = question((key_id, secret), world.clock.now(), method, path, signed=signed)
        return (await surfaces.check(asked.SerializeToString())).status.code == 0

    return ask


# --- what is served -----------------------------------------------------------------------------------------


async def test_who_asks_hears_who_that_is(root, alice, world):
    user = await world.user()
    told = await alice.ask()
    assert (told["UserId"], told["Account"], told["Arn"]) == (user.principal.id, ACCOUNT, ALICE)
    told = await root.ask()
    assert (told["UserId"], told["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")
    session = await alice.session()
    assert (await session.ask())["Arn"] == ALICE


@pytest.mark.parametrize("action", SESSIONS)
async def test_a_session_may_what_its_user_may(alice, gets, action):
    session = await alice.session(action)
    assert session.credential[0].startswith("ASIA")
    assert await gets(session, "/box/open")
    assert not await gets(session, "/box/open", "PUT")


async def test_a_session_with_a_policy_may_the_intersection(alice, gets):
    session = await alice.session(Policy=ONE_OBJECT)
    assert await gets(session, "/box/open")
    assert not await gets(session, "/box/other")
    wider = await alice.session(Policy=policy())
    assert await gets(wider, "/box/other")
    assert not await gets(wider, "/box/other", "PUT")


async def test_managed_policies_narrow_a_session(alice, gets, world):
    await world.control.policies.create("open", ONE_OBJECT)
    await world.settle()
    named = {"PolicyArns.member.1.arn": f"arn:aws:iam::{ACCOUNT}:policy/open"}
    session = await alice.session(**named)
    assert await gets(session, "/box/open")
    assert not await gets(session, "/box/other")
    unknown = {"PolicyArns.member.1.arn": f"arn:aws:iam::{ACCOUNT}:policy/none"}
    assert error_of(await alice.send("AssumeRole", **unknown)) == ("InvalidParameterValue", 400)


async def test_the_answer_names_the_caller_as_the_user_it_is(alice, world):
    user = await world.user()
    role = "arn:xxx:xxx:xxx:xxxx"
    answer = await alice.ask("AssumeRole", RoleArn=role, RoleSessionName="ci", ExternalId="ext")
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{user.principal.id}:ci",
        "Arn": ALICE,
    }
    assert set(answer["Credentials"]) == {
        "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
    }  # fmt: skip
    assert set(await alice.ask("GetSessionToken")) == {"Credentials", "ResponseMetadata"}


@pytest.mark.parametrize(
    ("action", "asked", "seconds"),
    [
        ("AssumeRole", {}, 3_600),
        ("AssumeRole", {"DurationSeconds": "900"}, 900),
        ("AssumeRole", {"DurationSeconds": "86400"}, 86_400),
        ("GetSessionToken", {}, 43_200),
    ],
)
async def test_a_session_lasts_as_long_as_is_asked(alice, world, action, asked, seconds):
    ends = (await alice.ask(action, **asked))["Credentials"]["Expiration"]
    assert ends == datetime.fromtimestamp(world.clock.now() + seconds, UTC)


@pytest.mark.parametrize("seconds", ["0", "899", str(int(MAX_DURATION) + 1), "999999999"])
async def test_no_session_is_shorter_or_longer_than_allowed(alice, seconds):
    answer = await alice.send("AssumeRole", DurationSeconds=seconds)
    assert error_of(answer) == ("ValidationError", 400)


async def test_whose_access_key_it_is_hears_who_is_allowed_to(root, alice, attach):
    told = await root.ask("GetAccessKeyInfo", AccessKeyId=alice.credential[0])
    assert told["Account"] == ACCOUNT
    assert (await root.ask("GetAccessKeyInfo", AccessKeyId=ROOT_ID))["Account"] == ACCOUNT
    for unknown in ("AKIANONENONENONENONE", "x", "a b", "\0", "x" * 5000):
        answer = await root.send("GetAccessKeyInfo", AccessKeyId=unknown)
        assert error_of(answer) == ("InvalidParameterValue", 400)
    for asked in (ROOT_ID, "AKIANONENONENONENONE"):
        answer = await alice.send("GetAccessKeyInfo", AccessKeyId=asked)
        assert error_of(answer) == ("AccessDenied", 403)
    await attach("info", policy(action="sts:GetAccessKeyInfo"))
    assert (await alice.ask("GetAccessKeyInfo", AccessKeyId=ROOT_ID))["Account"] == ACCOUNT


async def test_what_was_decided_on_hears_who_is_allowed_to(root, alice, attach):
    await attach("no", policy("Deny", "sts:GetAccessKeyInfo"))
    refused = await alice.send("GetAccessKeyInfo", AccessKeyId=ROOT_ID)
    assert error_of(refused)[0] == "AccessDenied"
    decision_id = refused.headers["x-amzn-requestid"]
    assert (
        await alice.send("DecodeAuthorizationMessage", EncodedMessage=decision_id)
    ).status == 403
    told = await root.ask("DecodeAuthorizationMessage", EncodedMessage=decision_id)
    message = json.loads(told["DecodedMessage"])
    assert (message["allowed"], message["explicitDeny"]) == (False, True)
    assert message["matchedStatements"]["items"][0]["policy"].endswith(":policy/no")
    context = message["context"]
    assert context["principal"]["arn"] == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert (context["action"], context["resource"]) == ("sts:GetAccessKeyInfo", "*")
    keys = {item["key"]: item["values"]["items"] for item in context["conditions"]["items"]}
    assert keys["aws:username"] == [{"value": "alice"}]
    for unknown in (decision_id[:-1] + "F", "0" * 22, "no id", "é"):
        answer = await root.send("DecodeAuthorizationMessage", EncodedMessage=unknown)
        assert error_of(answer)[0] == "InvalidAuthorizationMessageException"


async def test_an_access_key_that_has_expired_is_nobodys(root, alice, world):
    ends = world.clock.now() + 3600.0
    made = await world.control.access_keys.create("alice", expires_at=ends)
    await world.settle()
    key_id = made.value.key.id
    assert (await root.ask("GetAccessKeyInfo", AccessKeyId=key_id))["Account"] == ACCOUNT
    world.clock.advance(3600.0)
    world.refresher.verified_at = world.clock.monotonic()
    answer = await root.send("GetAccessKeyInfo", AccessKeyId=key_id)
    assert error_of(answer) == ("InvalidParameterValue", 400)


# --- who is refused -----------------------------------------------------------------------------------------


async def test_a_deny_refuses_a_session_and_nothing_else_does(alice, attach):
    await attach("no", policy("Deny", "sts:AssumeRole"))
    answer = await alice.send("AssumeRole")
    assert error_of(answer) == ("AccessDenied", 403)
    assert f"{ALICE} is not authorized to perform: sts:AssumeRole" in answer.body.decode()
    assert "Credentials" in await alice.ask("GetSessionToken")
    await attach("none", policy("Deny", "sts:*"))
    assert error_of(await alice.send("GetSessionToken")) == ("AccessDenied", 403)
    assert (await alice.ask())["Arn"] == ALICE


async def test_a_deny_may_ask_for_the_duration_the_default_one_included(alice, attach):
    document = json.loads(policy("Deny", "sts:*"))
    longer = {"NumericGreaterThan": {"sts:DurationSeconds": "3600"}}
    document["Statement"][0]["Condition"] = longer
    await attach("short", json.dumps(document))
    assert "Credentials" in await alice.ask("AssumeRole")
    assert error_of(await alice.send("AssumeRole", DurationSeconds="3601"))[0] == "AccessDenied"
    assert error_of(await alice.send("GetSessionToken"))[0] == "AccessDenied"
    assert "Credentials" in await alice.ask("GetSessionToken", DurationSeconds="3600")


@pytest.mark.parametrize("action", SESSIONS)
async def test_no_session_makes_a_session(alice, action):
    for narrowing in ({}, {"Policy": policy()}):
        session = await alice.session(**narrowing)
        assert error_of(await session.send(action)) == ("AccessDenied", 403)


@pytest.mark.parametrize("action", SESSIONS)
async def test_no_access_key_with_a_policy_makes_a_session(surface, alice, world, action):
    made = (await world.control.access_keys.create("alice", policy=policy())).value
    await world.settle()
    narrowed = StsClient(surface, world.clock, (made.key.id, made.secret.reveal()))
    assert error_of(await narrowed.send(action)) == ("AccessDenied", 403)
    assert (await narrowed.ask())["Arn"] == ALICE


@pytest.mark.parametrize("action", ["GetCallerIdentity", *SESSIONS])
async def test_nobody_in_particular_gets_nothing(nobody, action):
    assert error_of(await nobody.send(action)) == ("MissingAuthenticationToken", 403)


async def test_a_wrong_secret_an_unknown_key_and_a_disabled_user_get_nothing(surface, alice, world):
    key_id, secret = alice.credential
    wrong = StsClient(surface, world.clock, (key_id, "x" * 40))
    assert error_of(await wrong.send()) == ("SignatureDoesNotMatch", 403)
    unknown = StsClient(surface, world.clock, ("AKIANONENONENONENONE", secret))
    assert error_of(await unknown.send()) == ("InvalidClientTokenId", 403)
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert error_of(await alice.send("AssumeRole")) == ("InvalidClientTokenId", 403)


async def test_an_ended_session_hears_so(alice, world):
    session, revoked = await alice.session(DurationSeconds="900"), await alice.session()
    await world.control.sessions.revoke(revoked.credential[0])
    await world.settle()
    assert error_of(await revoked.send()) == ("ExpiredToken", 403)
    assert (await session.ask())["Arn"] == ALICE
    world.clock.advance(900)
    world.refresher.verified_at = world.clock.monotonic()
    assert error_of(await session.send()) == ("ExpiredToken", 403)


async def test_a_token_of_another_session_is_none(surface, alice, world):
    one, two = await alice.session(), await alice.session()
    mixed = (*one.credential[:2], two.credential[2])
    assert (
        error_of(await StsClient(surface, world.clock, mixed).send())[0] == "InvalidClientTokenId"
    )
    plain = (*alice.credential, one.credential[2])
    assert (
        error_of(await StsClient(surface, world.clock, plain).send())[0] == "InvalidClientTokenId"
    )


# --- policies -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", ["{", "[]", "\0", "{}", policy("Maybe"), "null", "\ud7ff"])
async def test_a_document_that_means_nothing_is_malformed(alice, document):
    answer = await alice.send("AssumeRole", Policy=document)
    assert error_of(answer) == ("MalformedPolicyDocument", 400)


async def test_a_document_that_is_too_long_is_packed_too_large(alice):
    long = ONE_OBJECT + " " * 2048
    for document in (long, "[" * 20_000):
        answer = await alice.send("AssumeRole", Policy=document)
        assert error_of(answer) == ("PackedPolicyTooLarge", 400)


@pytest.mark.parametrize("name", ["x", "a b", "<x/>", "x" * 65, "n\u00e4me"])
async def test_a_session_is_named_as_aws_allows(alice, name):
    assert error_of(await alice.send("AssumeRole", RoleSessionName=name)) == (
        "ValidationError",
        400,
    )


# --- the signature ------------------------------------------------------------------------------------------


async def test_the_region_may_be_left_out_and_otherwise_is_ours(alice):
    assert (await alice.ask(region=""))["Arn"] == ALICE
    assert error_of(await alice.send(region="mars-1")) == ("IncompleteSignature", 400)


async def test_the_region_may_not_be_left_out_anywhere_else(alice, world):
    request, now = alice.request(region=""), world.clock.now()
    proof, credential = find_proof(request, now), world.principals.find_key(alice.credential[0])
    with pytest.raises(UnauthenticatedError, match="region"):
        world.authenticator.authenticate(
            request, proof, credential, services=frozenset({"sts"}), now=now
        )


@pytest.mark.parametrize("service", ["s3", "authz", "STS", "iam"])
async def test_a_signature_for_another_service_is_none_here(alice, service):
    assert error_of(await alice.send("AssumeRole", service=service)) == ("IncompleteSignature", 400)


async def test_a_signature_for_sts_is_none_for_a_store(alice, surfaces, world):
    asked = question(alice.credential, world.clock.now(), service="sts")
    answer = await surfaces.check(asked.SerializeToString())
    assert answer.status.code != 0


async def test_sdks_sign_the_form_without_saying_its_hash(alice, world):
    now = world.clock.now()
    request = signed_by_botocore(alice.credential, now, "AssumeRole", Policy=ONE_OBJECT)
    assert "x-amz-content-sha256" not in request.headers
    assert "Credentials" in read("AssumeRole", await alice.hand_over(request))
    request.body = alice.request("AssumeRole").body
    assert error_of(await alice.hand_over(request)) == ("SignatureDoesNotMatch", 403)


@pytest.mark.parametrize(
    "marker",
    ["UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"],
)  # fmt: skip
async def test_a_form_is_signed_and_not_left_out_of_the_signature(alice, marker):
    answer = await alice.send("AssumeRole", payload=marker)
    assert error_of(answer) == ("IncompleteSignature", 400)


async def test_another_form_than_the_one_that_was_signed_is_refused(alice):
    signed = alice.request("AssumeRole", Policy=ONE_OBJECT)
    wider = alice.request("AssumeRole").body
    stated = {"x-amz-content-sha256": sha256(wider).hexdigest()}
    for headers in (signed.headers, {**signed.headers, **stated}):
        forged = HttpRequest("POST", "/", "", headers, body=wider)
        assert error_of(await alice.hand_over(forged)) == ("SignatureDoesNotMatch", 403)
    forged = HttpRequest("POST", "/", "Policy=", signed.headers, body=signed.body)
    assert error_of(await alice.hand_over(forged)) == ("MalformedInput", 400)


async def test_an_action_in_the_query_is_none_beside_one_in_the_body(alice):
    query = urlencode({"Action": "GetCallerIdentity", "Version": VERSION})
    for method in ("GET", "POST"):
        answer = await alice.send("AssumeRole", query=query, method=method)
        assert error_of(answer) == ("MalformedInput", 400)
        answer = await alice.send(query=query, method=method, body=b"")
        assert read("GetCallerIdentity", answer)["Arn"] == ALICE


async def test_an_old_signature_is_none(alice, world):
    now = world.clock.now()
    for at in (now - CLOCK_SKEW - 1, now + CLOCK_SKEW + 1):
        assert error_of(await alice.send(now=at)) == ("SignatureDoesNotMatch", 403)


async def test_a_presigned_url_tells_who_and_makes_no_session(alice, world):
    now = world.clock.now()
    for method in ("GET", "POST"):
        request = presigned(alice.credential, now, method=method)
        answer = await alice.hand_over(request)
        assert read("GetCallerIdentity", answer)["Arn"] == ALICE
        request.method = "GET" if method == "POST" else "POST"
        answer = await alice.hand_over(request)
        assert error_of(answer) == ("SignatureDoesNotMatch", 403)
    session = await alice.session()
    answer = await alice.hand_over(presigned(session.credential, now))
    assert read("GetCallerIdentity", answer)["Arn"] == ALICE
    for action in SESSIONS:
        refused = await alice.hand_over(presigned(alice.credential, now, action=action))
        assert error_of(refused) == ("MalformedInput", 400)
    info = presigned(alice.credential, now, action="GetAccessKeyInfo", AccessKeyId=ROOT_ID)
    assert error_of(await alice.hand_over(info)) == ("IncompleteSignature", 400)
    refused = await alice.hand_over(presigned(alice.credential, now, service="s3"))
    assert error_of(refused) == ("IncompleteSignature", 400)


async def test_a_presigned_url_is_good_for_a_quarter_of_an_hour_at_most(alice, world):
    now = world.clock.now()
    week = 7 * 24 * 3600
    answer = await alice.hand_over(presigned(alice.credential, now - 899, expires=week))
    assert answer.status == 200
    answer = await alice.hand_over(presigned(alice.credential, now - 901, expires=week))
    assert error_of(answer) == ("SignatureDoesNotMatch", 403)
    answer = await alice.hand_over(presigned(alice.credential, now - 61))
    assert error_of(answer) == ("AccessDenied", 403)


async def test_a_header_that_nobody_signed_changes_nothing(alice):
    answer = await alice.send(unsigned=(("x-amz-security-token", "x"),))
    assert error_of(answer) == ("AccessDenied", 403)
    answer = await alice.send(unsigned=(("content-type", f"{FORM}; charset=utf-16"),))
    assert error_of(answer) == ("MalformedInput", 400)


# --- what strangers send ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (None, "RequestTimeout"),
        (b"x" * (BODY_LIMIT + 1), "RequestEntityTooLarge"),
        (b"\xff\xfe", "MalformedInput"),
        (b"Action=%00&Version=" + VERSION.encode(), "InvalidAction"),
        (b"Action=<Arn>&Version=" + VERSION.encode(), "InvalidAction"),
        (b"&" * BODY_LIMIT, "MalformedInput"),
        (b"%" * BODY_LIMIT, "MalformedInput"),
    ],
)
async def test_a_stranger_gets_a_refusal_that_clients_can_read(nobody, body, code):
    request = nobody.request(body=body or b"")
    request.body = body
    answer = await nobody.hand_over(request)
    assert error_of(answer)[0] == code
    assert answer.headers["cache-control"] == "no-store"


async def test_a_name_in_the_answer_is_text(surface, world):
    await world.control.users.create("<Arn>&amp;'")
    made = (await world.control.access_keys.create("<Arn>&amp;'")).value
    await world.settle()
    client = StsClient(surface, world.clock, (made.key.id, made.secret.reveal()))
    assert (await client.ask())["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/<Arn>&amp;'"


# --- what is counted ----------------------------------------------------------------------------------------


async def test_what_is_issued_and_refused_is_counted(alice, nobody, attach, world):
    await alice.ask("AssumeRole")
    await alice.send("AssumeRole", DurationSeconds="1")
    await nobody.send("GetSessionToken")
    assert world.count("sessions_issued", "AssumeRole") == 1
    assert world.count("sessions_refused", "AssumeRole", "ValidationError") == 1
    assert world.count("sessions_refused", "GetSessionToken", "MissingAuthenticationToken") == 1
    assert world.count("rejected_requests", SURFACE, "ValidationError") == 1
    assert world.count("authentication_failures", SURFACE, "MissingAuthenticationToken") == 1
    await attach("no", policy("Deny", "sts:*"))
    await alice.send("AssumeRole")
    assert world.count("decisions", SURFACE, "EXPLICITLY_DENIED", "STATEMENT") == 1
    assert world.count("sessions_refused", "AssumeRole", "AccessDenied") == 1


async def test_what_cannot_be_known_now_is_asked_again(alice, world):
    world.source.is_lost = True
    world.clock.advance(301)
    answer = await alice.send("AssumeRole")
    assert error_of(answer) == ("ServiceUnavailable", 503)
    assert answer.headers["retry-after"] == "1"


async def test_a_fault_of_ours_is_told_as_one(alice, world, monkeypatch):
    def fail(*_):
        raise RuntimeError("a secret of ours")

    monkeypatch.setattr(world.authorizer, "find_deny", fail)
    answer = await alice.send("AssumeRole")
    assert error_of(answer) == ("InternalFailure", 500)
    assert b"secret" not in answer.body
    assert world.count("internal_errors", SURFACE) == 1


async def test_who_there_is_no_room_for_is_turned_away(alice, surface):
    answer = surface.turn_away(alice.request())
    assert error_of(answer) == ("Throttling", 503)


# --- replicas that lag, and what is denied ---


async def test_a_replica_that_lags_issues_no_session_that_outlives_a_revocation(
    alice, world, credential
):
    await alice.send()
    # Elsewhere; the change log was not read here yet.
    await world.control.access_keys.delete(credential[0])
    await world.control.sessions.revoke_user("alice")
    for clock in (world.clock, world.control.clock):
        clock.advance(ISSUING_AGE)
    session = await alice.session()
    for clock in (world.clock, world.control.clock):
        clock.advance(0.1)
    assert error_of(await alice.send("GetSessionToken"))[0] == "ServiceUnavailable"
    await world.settle()
    assert error_of(await session.send()) == ("ExpiredToken", 403)
