"""Envoy's question in, Envoy's answer out: what is let through, what is said, and what strangers try."""

import json
from xml.etree import ElementTree as ET

import pytest

from authz.access.authorizer import DECISION_ID_LENGTH
from authz.errors import InvalidError, ParseError, UnavailableError
from authz.identity.records import Status, TargetKind
from tests.access.world import ACCOUNT, ROOT_ID, ROOT_SECRET, policy
from tests.serving.surfaces import Surfaces, question

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


@pytest.fixture
def ask(surfaces, world):
    async def check(credential, *arguments, **more):
        request = question(credential, world.clock.now(), *arguments, **more)
        return await surfaces.check(request.SerializeToString())

    return check


def headers_of(answer) -> dict[str, str]:
    part = answer.ok_response if answer.HasField("ok_response") else answer.denied_response
    assert len({option.header.key for option in part.headers}) == len(part.headers)
    # Whatever a client sent under these names is replaced, never kept beside ours.
    assert all(option.append_action == option.OVERWRITE_IF_EXISTS_OR_ADD for option in part.headers)
    return {option.header.key: option.header.value for option in part.headers}


def metadata_of(answer) -> dict[str, str]:
    return {k: v.string_value for k, v in answer.dynamic_metadata.fields.items()}


def code_of(answer) -> str:
    assert answer.HasField("denied_response")
    return ET.fromstring(answer.denied_response.body).findtext("Code")


async def test_an_allowed_request_tells_the_upstream_who_asks(ask, credential, world):
    answer = await ask(credential)
    headers, metadata = headers_of(answer), metadata_of(answer)
    assert answer.status.code == 0
    assert headers["x-authz-principal"] == ALICE
    assert headers["x-authz-revision"] == str(world.refresher.applied)
    assert len(headers["x-authz-decision-id"]) == DECISION_ID_LENGTH
    assert metadata == {
        "decision_id": headers["x-authz-decision-id"],
        "principal": ALICE,
        "revision": str(world.refresher.applied),
        "verdict": "ALLOWED",
        "action": "s3:GetObject",
        "policy": f"arn:aws:iam::{ACCOUNT}:policy/gets",
        "sid": "One",
    }


async def test_answers_from_one_template_differ_in_nothing_but_their_id(ask, credential):
    answers = [await ask(credential) for _ in range(20)]
    ids = [headers_of(answer).pop("x-authz-decision-id") for answer in answers]
    assert len(set(ids)) == 20
    for answer, decision_id in zip(answers, ids, strict=True):
        assert metadata_of(answer)["decision_id"] == decision_id
        answer.dynamic_metadata.fields["decision_id"].string_value = ""
        for option in answer.ok_response.headers:
            if option.header.key == "x-authz-decision-id":
                option.header.value = ""
    assert len({answer.SerializeToString(deterministic=True) for answer in answers}) == 1


async def test_nothing_of_one_answer_shows_in_another(ask, credential, world):
    """Two users, two actions, two revisions, two statements: all mixed, every field right in each."""
    control = world.control
    await control.users.create("bob")
    await control.policies.create("all", policy(action="s3:*"))
    await control.attachments.attach("all", TargetKind.USER, "bob")
    made = (await control.access_keys.create("bob")).value
    await world.settle()
    bob = (made.key.id, made.secret.reveal())
    seen = set()
    for round_number in range(3):
        for name, who, policy_name in (("alice", credential, "gets"), ("bob", bob, "all")):
            for path, action in (("/box/k", "s3:GetObject"), ("/box/k?acl", "s3:GetObjectAcl")):
                answer = await ask(who, "GET", path)
                headers, metadata = headers_of(answer), metadata_of(answer)
                arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
                assert headers["x-authz-principal"] == metadata["principal"] == arn
                assert metadata["action"] == action
                assert metadata["policy"].endswith(f":policy/{policy_name}")
                assert metadata["revision"] == headers["x-authz-revision"]
                assert metadata["revision"] == str(world.refresher.applied)
                seen.add(metadata["decision_id"])
        document = policy(action="s3:*").replace("One", f"Round{round_number}")
        await control.policies.update("all", document=document)
        await world.settle()
        assert metadata_of(await ask(bob))["sid"] == f"Round{round_number}"
    assert len(seen) == 12


async def test_users_allowed_by_the_same_statement_are_told_apart(ask, credential, world):
    control = world.control
    await control.users.create("bob")
    await control.attachments.attach("gets", TargetKind.USER, "bob")
    made = (await control.access_keys.create("bob")).value
    await world.settle()
    bob = (made.key.id, made.secret.reveal())
    for who, name in ((credential, "alice"), (bob, "bob"), (credential, "alice")):
        answer = await ask(who)
        arn = f"arn:aws:iam::{ACCOUNT}:user/{name}"
        assert headers_of(answer)["x-authz-principal"] == metadata_of(answer)["principal"] == arn


async def test_the_upstream_learns_by_which_narrowed_key_to_ask_again(ask, credential, world):
    made = (await world.control.access_keys.create("alice", policy=policy())).value
    await world.settle()
    names = ["x-authz-access-key-id", "x-authz-narrowed"]
    for _ in range(2):
        answer = await ask((made.key.id, made.secret.reveal()))
        headers, metadata = headers_of(answer), metadata_of(answer)
        assert [headers[name] for name in names] == [made.key.id, "true"]
        assert (metadata["access_key_id"], metadata["narrowed"]) == (made.key.id, "true")
        assert list(answer.ok_response.headers_to_remove) == []
        assert headers["x-authz-principal"] == ALICE
        # Of who is not narrowed nothing of it is told, and what a client claims goes.
        answer = await ask(credential)
        assert headers_of(answer).keys().isdisjoint(names)
        assert list(answer.ok_response.headers_to_remove) == names
        assert "narrowed" not in metadata_of(answer)


async def test_a_sid_full_of_marks_changes_nothing_else(ask, credential, world):
    document = json.loads(policy(action="s3:Get*"))
    for length in (21, 22, 23, 44, 50):
        document["Statement"][0]["Sid"] = "\0" * length
        try:
            await world.control.policies.update("gets", document=json.dumps(document))
        except ParseError:
            continue
        await world.settle()
        for _ in range(2):
            answer = await ask(credential)
            headers, metadata = headers_of(answer), metadata_of(answer)
            assert headers["x-authz-principal"] == metadata["principal"] == ALICE
            assert metadata["decision_id"] == headers["x-authz-decision-id"]
            assert len(metadata["sid"]) == length


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("J\u00f6rg", "user/J%C3%B6rg"),
        ("J%C3%B6rg", "user/J%25C3%25B6rg"),
        ("a%41", "user/a%2541"),
        ("a b+c@d", "user/a b+c@d"),
        ("\u6f22\u5b57", "user/%E6%BC%A2%E5%AD%97"),
    ],
)
async def test_a_name_in_a_header_is_ascii_and_no_other_users(ask, world, name, shown):
    control = world.control
    await control.users.create(name)
    await control.policies.create("all", policy())
    await control.attachments.attach("all", TargetKind.USER, name)
    made = (await control.access_keys.create(name)).value
    await world.settle()
    answer = await ask((made.key.id, made.secret.reveal()))
    assert headers_of(answer)["x-authz-principal"] == f"arn:aws:iam::{ACCOUNT}:{shown}"
    assert metadata_of(answer)["principal"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"


async def test_root_is_allowed_and_named(ask):
    answer = await ask((ROOT_ID, ROOT_SECRET), "DELETE", "/box/k")
    assert headers_of(answer)["x-authz-principal"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert "policy" not in metadata_of(answer)


async def test_a_denied_request_gets_an_s3_error(ask, credential):
    answer = await ask(credential, "PUT", "/box/k%20%26")
    assert answer.status.code == 7
    assert answer.denied_response.status.code == 403
    error = ET.fromstring(answer.denied_response.body)
    said = {element.tag: element.text for element in error}
    headers = headers_of(answer)
    assert said == {
        "Code": "AccessDenied",
        "Message": "Access Denied",
        "Resource": "/box/k%20%26",
        "RequestId": headers["x-amz-request-id"],
    }
    assert headers["content-type"] == "application/xml"
    assert metadata_of(answer)["verdict"] == "IMPLICITLY_DENIED"
    assert metadata_of(answer)["decision_id"] == said["RequestId"]
    assert not answer.HasField("ok_response")


async def test_a_denied_head_has_no_body(ask, credential, world):
    await world.control.policies.update("gets", document=policy("Deny"))
    await world.settle()
    answer = await ask(credential, "HEAD")
    assert answer.denied_response.status.code == 403
    assert answer.denied_response.body == ""
    assert metadata_of(answer)["verdict"] == "EXPLICITLY_DENIED"


async def test_who_proves_nothing_may_do_nothing(ask, world):
    answer = await ask(None)
    assert code_of(answer) == "AccessDenied"
    assert metadata_of(answer)["principal"] == ""
    assert world.count("authentication_failures", "ext_authz", "AccessDenied") == 0


@pytest.mark.parametrize(
    ("mangle", "code", "status"),
    [
        (lambda c: ("UNKNOWNKEY", c[1]), "InvalidAccessKeyId", 403),
        (lambda c: (c[0], "wrong-secret"), "SignatureDoesNotMatch", 403),
    ],
)
async def test_a_proof_that_proves_nothing_is_refused_and_counted(
    ask, credential, world, mangle, code, status
):
    for _ in range(2):
        answer = await ask(mangle(credential))
        assert code_of(answer) == code
        assert answer.denied_response.status.code == status
    assert world.count("authentication_failures", "ext_authz", code) == 2


@pytest.mark.parametrize(
    "header", ["AWS4-HMAC-SHA256 nonsense", "Basic YTpi", "AWS a:b", "\xff\xfe"]
)
async def test_an_authorization_that_is_no_proof_is_not_anonymous(ask, world, header):
    answer = await ask(None, extra=[("authorization", header)])
    assert answer.denied_response.status.code in {400, 403}
    assert sum(world.metrics.authentication_failures.values.values()) == 1


async def test_two_authorization_lines_are_refused(ask, credential):
    answer = await ask(credential, extra=[("authorization", "AWS4-HMAC-SHA256 x")])
    assert answer.HasField("denied_response")


async def test_a_signed_header_that_is_sent_twice_is_seen_twice(ask, credential):
    assert (await ask(credential, signed=[("x-amz-meta-a", "1")])).HasField("ok_response")
    twice = await ask(credential, signed=[("x-amz-meta-a", "1")], extra=[("x-amz-meta-a", "2")])
    assert code_of(twice) == "SignatureDoesNotMatch"


async def test_a_disabled_user_is_refused_like_an_unknown_key(ask, credential, world):
    assert (await ask(credential)).HasField("ok_response")
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert code_of(await ask(credential)) == "InvalidAccessKeyId"


async def test_a_question_without_raw_header_lines_is_a_fault(ask, credential):
    with pytest.raises(InvalidError, match="encode_raw_headers: true"):
        await ask(credential, raw=False)


@pytest.mark.parametrize("raw", [b"\xff", b"\x0a", b"\x0a\x05abc", b"not a message at all"])
async def test_bytes_that_are_no_question_are_a_fault(surfaces, raw):
    with pytest.raises(ParseError):
        await surfaces.check(raw)


@pytest.mark.parametrize("change", [{"method": ""}, {"path": ""}, {"path": "no-slash"}])
async def test_a_question_without_a_request_is_a_fault(surfaces, credential, world, change):
    request = question(credential, world.clock.now())
    for name, value in change.items():
        setattr(request.attributes.request.http, name, value)
    with pytest.raises(ParseError):
        await surfaces.check(request.SerializeToString())
    with pytest.raises(ParseError):
        await surfaces.check(b"")


async def test_a_mapping_that_is_not_configured_is_a_fault(ask, credential):
    with pytest.raises(InvalidError, match="there is no mapping `nowhere`"):
        await ask(credential, mapping="nowhere")


async def test_memory_too_old_is_a_fault_and_no_denial(ask, credential, world):
    request = question(credential, world.clock.now())
    world.clock.advance(301)
    with pytest.raises(UnavailableError):
        await Surfaces(world).check(request.SerializeToString())


async def test_a_key_that_cannot_be_loaded_is_a_fault_and_no_denial(ask, credential, world):
    world.source.is_lost = True
    with pytest.raises(UnavailableError):
        await ask(credential)


async def test_a_path_that_means_nothing_is_refused_and_counted(ask, credential, world):
    answer = await ask(credential, "GET", "/box/%zz")
    assert answer.denied_response.status.code == 400
    assert (
        sum(world.metrics.rejected_requests.values.values())
        + sum(world.metrics.authentication_failures.values.values())
        == 1
    )


@pytest.mark.parametrize(
    "value", ["\r\nx-evil: 1", "a\0b", "\xff" * 100, "x" * 100_000, "</Code><Code>", "&", " "]
)
async def test_a_hostile_header_gets_an_answer(ask, credential, value):
    for name in ("x-amz-meta-a", "x-amz-copy-source", "x-amz-tagging", "range", "user-agent"):
        answer = await ask(credential, extra=[(name, value)])
        assert answer.HasField("ok_response") or answer.HasField("denied_response")
        for shown in headers_of(answer).values():
            assert shown.isascii()
            assert shown.isprintable()


async def test_every_check_is_timed_and_decisions_counted(ask, credential, world):
    await ask(credential)
    await ask(credential, "PUT")
    await ask(None)
    counts = {
        sample.labels["surface"]: sample.value
        for sample in world.metrics.check_seconds.collect().samples
        if sample.name == "authz_check_seconds_count"
    }
    assert counts["ext_authz"] == 3
    decisions = world.metrics.decisions.values
    assert decisions["ext_authz", "ALLOWED", "STATEMENT"] == 1
    assert decisions["ext_authz", "IMPLICITLY_DENIED", "NO_MATCH"] == 2


# --- configured routes ---


async def test_a_configured_route_is_decided_by_its_own_action(ask, credential):
    answer = await ask(credential, "GET", "/orders/7", service="orders", mapping="orders")
    assert metadata_of(answer)["action"] == "orders:Get"


@pytest.mark.parametrize(
    ("method", "path", "service", "code", "status"),
    [
        ("POST", "/orders/7", "orders", "AccessDenied", 403),
        ("GET", "/elsewhere", "orders", "AccessDenied", 403),
        ("GET", "/orders/7", "s3", "AuthorizationHeaderMalformed", 400),
        ("GET", "/orders/%zz", "orders", "InvalidURI", 400),
    ],
)
async def test_a_refused_route_answers_in_json(
    ask, credential, method, path, service, code, status
):
    answer = await ask(credential, method, path, service=service, mapping="orders")
    assert answer.denied_response.status.code == status
    document = json.loads(answer.denied_response.body)
    assert set(document) == {"code", "message", "requestId"}
    assert document["code"] == code
    headers = headers_of(answer)
    assert headers["content-type"] == "application/json"
    assert headers["x-authz-decision-id"] == document["requestId"]


async def test_a_refused_head_of_a_route_has_no_body(ask, credential):
    answer = await ask(credential, "HEAD", "/orders/7", service="orders", mapping="orders")
    assert answer.denied_response.body == ""


# --- where a request comes from ---


@pytest.mark.parametrize(
    ("hops", "forwarded", "source_ip"),
    [
        (0, [], "192.0.2.7"),
        (0, ["198.51.100.1"], "192.0.2.7"),
        (1, ["198.51.100.1, 10.0.0.1"], "198.51.100.1"),
        (1, ["198.51.100.1", "10.0.0.1"], "198.51.100.1"),
        (1, ["6.6.6.6, 198.51.100.1, 10.0.0.1"], "198.51.100.1"),
        (1, ["6.6.6.6", "7.7.7.7", "198.51.100.1,10.0.0.1"], "198.51.100.1"),
        (2, ["6.6.6.6, 198.51.100.1, 10.0.0.2, 10.0.0.1"], "198.51.100.1"),
        (1, ["10.0.0.1"], "192.0.2.7"),
        (2, ["6.6.6.6, 10.0.0.1"], "192.0.2.7"),
        (1, [], "192.0.2.7"),
        (1, [" , 10.0.0.1"], "192.0.2.7"),
        (1, [""], "192.0.2.7"),
    ],
)
async def test_only_what_trusted_proxies_added_says_where_a_client_is(
    world, credential, hops, forwarded, source_ip
):
    condition = {"IpAddress": {"aws:SourceIp": f"{source_ip}/32"}}
    document = json.loads(policy())
    document["Statement"][0]["Condition"] = condition
    await world.control.policies.update("gets", document=json.dumps(document))
    await world.settle()
    surfaces = Surfaces(world, trusted_hops=hops)
    lines = [("x-forwarded-for", line) for line in forwarded]
    request = question(credential, world.clock.now(), extra=lines)
    assert (await surfaces.check(request.SerializeToString())).HasField("ok_response")
