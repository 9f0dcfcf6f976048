"""Bucket policies as S3 clients set them: who may, what is stored, what is refused and in which words."""

import base64
import hashlib
import zlib
from urllib.parse import quote, urlencode
from xml.etree import ElementTree as ET

import pytest

from authz.errors import UnavailableError
from authz.identity.records import TargetKind
from authz.identity.sigv4 import _sign as sign
from authz.identity.sigv4 import derive_signing_key, find_proof
from authz.serving.bucket_policies import BODY_LIMIT, SURFACE
from tests.access.world import ACCOUNT, REGION, policy
from tests.serving.bucket_clients import (
    BOX,
    Client,
    a_bucket_policy,
    build_bucket_policies,
    code_of,
    statement,
)

ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@pytest.fixture
def surface(world):
    return build_bucket_policies(world)


@pytest.fixture
def root(surface, world) -> Client:
    return Client(surface, world.clock)


@pytest.fixture
def nobody(surface, world) -> Client:
    return Client(surface, world.clock, None)


@pytest.fixture
async def alice(surface, world) -> Client:
    """A user without any policy."""
    await world.control.users.create("alice")
    made = (await world.control.access_keys.create("alice")).value
    await world.settle()
    return Client(surface, world.clock, (made.key.id, made.secret.reveal()))


async def allow(world, action, resource=BOX):
    await world.control.policies.create("box", policy(action=action, resource=resource))
    await world.control.attachments.attach("box", TargetKind.USER, "alice")
    await world.settle()


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


# --- what the four operations do ----------------------------------------------------------------------------


async def test_a_policy_is_kept_byte_for_byte_until_it_is_deleted(root):
    document = a_bucket_policy(statement(ALICE)).replace(b": ", b" :  ") + b"\n"
    assert (await root.put(body=document)).status == 204
    got = await root.send()
    assert (got.status, got.body) == (200, document)
    assert got.headers["content-type"] == "application/json"
    assert (await root.send("DELETE")).status == 204
    gone = await root.send()
    assert (gone.status, code_of(gone)) == (404, "NoSuchBucketPolicy")


async def test_deleting_a_policy_that_is_not_there_is_done_already(root):
    assert (await root.send("DELETE")).status == 204


@pytest.mark.parametrize(("principal", "expected"), [("*", "true"), ({"AWS": ALICE}, "false")])
async def test_the_status_says_whether_a_policy_is_public(root, principal, expected):
    await root.put(statement(principal))
    status = await root.send(query="policyStatus")
    assert status.status == 200
    document = ET.fromstring(status.body)
    assert document.tag == f"{NAMESPACE}PolicyStatus"
    assert document.findtext(f"{NAMESPACE}IsPublic") == expected


async def test_without_a_policy_there_is_no_status(root):
    assert code_of(await root.send(query="policyStatus")) == "NoSuchBucketPolicy"


async def test_a_write_is_in_force_when_it_is_answered_and_says_its_revision(root, world):
    entry = build_bucket_policies(world)._anonymous
    assert not world.decide(entry, resource=f"{BOX}/k").is_allowed
    put = await root.put()
    assert world.decide(entry, resource=f"{BOX}/k").is_allowed
    assert int(put.headers["x-authz-revision"]) == world.refresher.applied
    deleted = await root.send("DELETE")
    assert not world.decide(entry, resource=f"{BOX}/k").is_allowed
    assert int(deleted.headers["x-authz-revision"]) > int(put.headers["x-authz-revision"])


async def test_a_write_that_memory_does_not_follow_in_time_is_a_write_all_the_same(
    root, world, monkeypatch
):
    async def too_late(revision):
        raise UnavailableError("not here yet")

    monkeypatch.setattr(world.refresher, "wait_for", too_late)
    assert (await root.put()).status == 204


@pytest.mark.parametrize("path", ["/box", "/box/"])
async def test_a_bucket_is_named_with_or_without_a_slash_or_by_the_host(root, path):
    await root.put(path=path)
    assert (await root.send()).status == 200
    assert (await root.send(path="/", host="box.buckets.example.com")).status == 200


# --- who may ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "query", "action"),
    [
        ("PUT", "policy", "s3:PutBucketPolicy"),
        ("GET", "policy", "s3:GetBucketPolicy"),
        ("DELETE", "policy", "s3:DeleteBucketPolicy"),
        ("GET", "policyStatus", "s3:GetBucketPolicyStatus"),
    ],
)
async def test_each_operation_needs_its_action_on_the_bucket(
    world, root, alice, method, query, action
):
    await root.put()
    body = a_bucket_policy() if method == "PUT" else b""
    refused = await alice.send(method, query=query, body=body)
    assert (refused.status, code_of(refused)) == (403, "AccessDenied")
    await allow(world, action)
    assert (await alice.send(method, query=query, body=body)).status in {200, 204}
    elsewhere = await alice.send(method, "/other", query, body.replace(b":::box", b":::other"))
    assert code_of(elsewhere) == "AccessDenied"
    assert world.count("decisions", SURFACE, "ALLOWED", "STATEMENT") == 1


async def test_the_policy_itself_may_let_somebody_change_it(root, alice):
    own = statement(ALICE, ["s3:PutBucketPolicy", "s3:GetBucketPolicy"], BOX)
    await root.put(own)
    assert (await alice.put(own, statement())).status == 204
    assert (await alice.send()).status == 200
    assert code_of(await alice.send("DELETE")) == "AccessDenied"


async def test_a_deny_in_the_policy_holds_for_who_an_identity_policy_allows(world, root, alice):
    await allow(world, "s3:*BucketPolicy*")
    await root.put(statement(ALICE, "s3:GetBucketPolicy", BOX, "Deny"))
    assert code_of(await alice.send()) == "AccessDenied"


async def test_root_may_whatever_the_policy_says(root):
    assert (await root.put(statement("*", "s3:*", [BOX, f"{BOX}/*"], "Deny"))).status == 204
    assert (await root.send()).status == 200
    assert (await root.send("DELETE")).status == 204


async def test_who_does_not_sign_reads_what_the_policy_lets_everyone_read(root, nobody):
    assert code_of(await nobody.send()) == "AccessDenied"
    await root.put(statement("*", "s3:GetBucketPolicy", BOX))
    assert (await nobody.send()).status == 200
    assert code_of(await nobody.send(query="policyStatus")) == "AccessDenied"


async def test_who_does_not_sign_never_writes(root, nobody):
    await root.put(statement("*", "s3:*", [BOX, f"{BOX}/*"]))
    for method in ("PUT", "DELETE"):
        answer = await nobody.send(method, body=a_bucket_policy() if method == "PUT" else b"")
        assert (answer.status, code_of(answer)) == (405, "MethodNotAllowed")
    assert b"s3:*" in (await root.send()).body


async def test_conditions_see_the_client_as_the_proxy_does(world, root, alice):
    office = {
        "IpAddress": {"aws:SourceIp": "192.0.2.0/24"},
        "Bool": {"aws:SecureTransport": "true"},
    }
    await root.put(statement(ALICE, "s3:GetBucketPolicy", BOX, Condition=office))
    assert (await alice.send(scheme="https")).status == 200
    assert code_of(await alice.send()) == "AccessDenied"
    assert code_of(await alice.send(scheme="https", source_ip="198.51.100.1")) == "AccessDenied"
    assert code_of(await alice.send(scheme="https", source_ip="")) == "AccessDenied"


async def test_another_owner_than_expected_is_refused(root):
    await root.put()
    for method in ("GET", "DELETE", "PUT"):
        answer = await root.send(
            method,
            body=a_bucket_policy() if method == "PUT" else b"",
            signed={"x-amz-expected-bucket-owner": "111111111111"},
        )
        assert (answer.status, code_of(answer)) == (403, "AccessDenied")
    assert (await root.send(signed={"x-amz-expected-bucket-owner": ACCOUNT})).status == 200


async def test_who_would_lock_themselves_out_must_confirm_it(world, root, alice):
    await allow(world, "s3:PutBucketPolicy")
    lock = statement(ALICE, "s3:PutBucketPolicy", BOX, "Deny")
    refused = await alice.put(lock)
    assert (refused.status, code_of(refused)) == (400, "InvalidRequest")
    assert b"x-amz-confirm-remove-self-bucket-access" in refused.body
    assert code_of(await root.send()) == "NoSuchBucketPolicy"
    confirmed = await alice.put(lock, signed={"x-amz-confirm-remove-self-bucket-access": "true"})
    assert confirmed.status == 204
    assert code_of(await alice.put(lock)) == "AccessDenied"


async def test_who_may_by_the_policy_alone_does_not_lose_that_by_mistake(root, alice):
    await root.put(statement(ALICE, "s3:PutBucketPolicy", BOX))
    assert code_of(await alice.put(statement(ALICE))) == "InvalidRequest"


# --- documents ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b"", "line 1"),
        (b"{}", "Statement"),
        (b"\xff\xfe", "UTF-8"),
        (a_bucket_policy(statement(resource="arn:aws:s3:::other/*")), "Statement[0].Resource"),
        (a_bucket_policy(statement(resource="*")), "Statement[0].Resource"),
        (a_bucket_policy(statement({"AWS": "arn:aws:iam::000000000000:group/g"})), "Principal.AWS"),
        (a_bucket_policy(statement(Condition={"StringEqualz": {"a:b": "c"}})), "Condition"),
        (b'{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}', "Statement[0]"),
    ],
)  # fmt: skip
async def test_a_document_that_means_nothing_here_is_malformed_and_says_where(root, body, place):
    answer = await root.send("PUT", body=body)
    assert (answer.status, code_of(answer)) == (400, "MalformedPolicy")
    assert place in answer.body.decode()
    assert code_of(await root.send()) == "NoSuchBucketPolicy"


async def test_confirming_a_lock_out_does_not_let_a_malformed_document_pass(root):
    answer = await root.put(body=b"{}", signed={"x-amz-confirm-remove-self-bucket-access": "true"})
    assert code_of(answer) == "MalformedPolicy"


async def test_a_body_beyond_the_limit_is_too_large(root):
    document = a_bucket_policy()
    assert (await root.put(body=document + b" " * (BODY_LIMIT - len(document)))).status == 204
    answer = await root.put(body=document + b" " * (BODY_LIMIT - len(document) + 1))
    assert (answer.status, code_of(answer)) == (400, "EntityTooLarge")


async def test_a_body_that_does_not_come_in_time_is_no_body(root):
    answer = await root.send("PUT", body=None)
    assert (answer.status, code_of(answer)) == (400, "RequestTimeout")


# --- signatures ---------------------------------------------------------------------------------------------


async def test_a_body_that_was_not_signed_is_refused(root):
    request = root.request("PUT", body=a_bucket_policy(statement(ALICE)))
    request.body = a_bucket_policy()
    assert code_of(await root.surface.answer(request)) == "XAmzContentSHA256Mismatch"


async def test_an_unsigned_payload_needs_a_signed_digest_of_the_body(root):
    body = a_bucket_policy()
    unsigned = {"body": body, "payload": "UNSIGNED-PAYLOAD"}
    assert code_of(await root.put(**unsigned)) == "InvalidRequest"
    added = {"content-md5": md5(body)}
    assert code_of(await root.put(**unsigned, unsigned=added)) == "InvalidRequest"
    assert (await root.put(**unsigned, signed=added)).status == 204
    digests = {
        "x-amz-checksum-sha256": hashlib.sha256(body).digest(),
        "x-amz-checksum-sha1": hashlib.sha1(body).digest(),
    }
    for name, digest in digests.items():
        signed = {name: base64.b64encode(digest).decode()}
        assert (await root.put(**unsigned, signed=signed)).status == 204


async def test_a_checksum_that_anybody_can_match_covers_nothing(root):
    body = a_bucket_policy()
    crc = {"x-amz-checksum-crc32": base64.b64encode(zlib.crc32(body).to_bytes(4)).decode()}
    assert (await root.put(body=body, signed=crc)).status == 204
    assert code_of(await root.put(body=body, signed=crc, payload="UNSIGNED-PAYLOAD")) == "InvalidRequest"  # fmt: skip
    newer = {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA="}
    assert (await root.put(body=body, signed=newer)).status == 204
    assert code_of(await root.put(body=body, signed=newer, payload="UNSIGNED-PAYLOAD")) == "InvalidRequest"  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("content-md5", md5(b"another"), "BadDigest"),
        ("content-md5", "no base64!", "InvalidDigest"),
        ("content-md5", "AAAA", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-sha1", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-sha256", "", "BadDigest"),
    ],
)
async def test_a_digest_that_is_sent_is_compared(root, name, value, code):
    assert code_of(await root.put(signed={name: value})) == code


@pytest.mark.parametrize(
    ("payload", "signed"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", {}),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", {}),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", {}),
        (None, {"content-encoding": "AWS-Chunked"}),
        (None, {"x-amz-decoded-content-length": "10"}),
        (None, {"x-amz-trailer": "x-amz-checksum-crc32"}),
    ],
)
async def test_a_body_in_signed_chunks_is_refused(root, payload, signed):
    answer = await root.put(payload=payload, signed=signed)
    assert (answer.status, code_of(answer)) == (400, "InvalidRequest")
    assert b"signed chunks" in answer.body


def presigned(client, method="GET", query="policy", *, expires=60, headers=(), body=b""):
    """Return a request that a presigned URL makes."""
    key, secret = client.credential
    timestamp = client.request().headers["x-amz-date"]
    headers = {"host": "s3.example.com", **dict(headers)}
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{key}/{timestamp[:8]}/{REGION}/s3/aws4_request",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(sorted(headers)),
    }
    bare = f"{query}&{urlencode(parameters, quote_via=quote, safe='')}"
    request = client.request(method, query=f"{bare}&X-Amz-Signature={'0' * 64}", body=body)
    request.headers = headers
    proof = find_proof(request, client.clock.now())
    signature = sign(request, proof, derive_signing_key(secret, proof.date, REGION, "s3"))
    request.query = f"{bare}&X-Amz-Signature={signature}"
    return request


async def test_a_presigned_url_may_what_its_signer_may_until_it_expires(world, root, alice):
    await root.put()
    assert code_of(await alice.surface.answer(presigned(alice))) == "AccessDenied"
    await allow(world, "s3:GetBucketPolicy")
    url = presigned(alice)
    assert (await alice.surface.answer(url)).status == 200
    world.clock.advance(61)
    assert code_of(await alice.surface.answer(url)) == "AccessDenied"


async def test_a_presigned_url_writes_only_the_body_it_was_made_for(root):
    body = a_bucket_policy()
    assert code_of(await root.surface.answer(presigned(root, "PUT", body=body))) == "InvalidRequest"
    bound = presigned(root, "PUT", headers={"content-md5": md5(body)}, body=body)
    assert (await root.surface.answer(bound)).status == 204
    bound.body = a_bucket_policy(statement(ALICE))
    assert code_of(await root.surface.answer(bound)) == "BadDigest"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda r: setattr(r, "method", "DELETE"), "SignatureDoesNotMatch"),
        (lambda r: setattr(r, "path", "/other"), "SignatureDoesNotMatch"),
        (lambda r: setattr(r, "query", "policyStatus"), "SignatureDoesNotMatch"),
        (lambda r: r.headers.update(host="other.buckets.example.com"), "SignatureDoesNotMatch"),
        (lambda r: r.headers.update({"x-amz-confirm-remove-self-bucket-access": "true"}), "AccessDenied"),
        (lambda r: r.headers.pop("authorization"), "AccessDenied"),
        (lambda r: r.headers.update(authorization="AWS4-HMAC-SHA256 x"), "AuthorizationHeaderMalformed"),
        (lambda r: setattr(r, "repeated", frozenset({"authorization"})), "InvalidRequest"),
    ],
)  # fmt: skip
async def test_a_request_that_was_changed_on_its_way_is_refused(root, world, change, code):
    await root.put()
    request = root.request()
    change(request)
    answer = await root.surface.answer(request)
    assert (answer.status // 100, code_of(answer)) == (4, code)


async def test_an_old_request_is_refused(root, world):
    for late in (15 * 60 + 1, -15 * 60 - 2):
        answer = await root.send(now=world.clock.now() - late)
        assert code_of(answer) == "RequestTimeTooSkewed"


async def test_refusals_are_counted_and_have_an_id(world, surface):
    stranger = Client(surface, world.clock, ("AKIASTRANGER", "secret-secret"))
    answer = await stranger.send()
    assert (answer.status, code_of(answer)) == (403, "InvalidAccessKeyId")
    assert answer.headers["x-amz-request-id"] in answer.body.decode()
    assert world.count("authentication_failures", SURFACE, "InvalidAccessKeyId") == 1
    await Client(surface, world.clock).send(query="policy&acl")
    assert world.count("rejected_requests", SURFACE, "InvalidRequest") == 1


# --- what could be something else ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "query", "code"),
    [
        ("PUT", "/box/key", "policy", "NotImplemented"),
        ("GET", "/box/key", "policy", "NotImplemented"),
        ("GET", "/box//", "policy", "InvalidRequest"),
        ("GET", "//box", "policy", "InvalidBucketName"),
        ("GET", "/", "policy", "NotImplemented"),
        ("GET", "/box%2Fkey", "policy", "InvalidBucketName"),
        ("GET", "/box%2F", "policy", "InvalidBucketName"),
        ("GET", "/b%6Fx%00", "policy", "InvalidBucketName"),
        ("GET", "/box/..", "policy", "InvalidRequest"),
        ("GET", "/../box", "policy", "InvalidBucketName"),
        ("GET", "http://s3.example.com/box", "policy", "InvalidURI"),
        ("GET", "/minio", "policy", "AccessDenied"),
        ("GET", "/*", "policy", "InvalidBucketName"),
        ("GET", "/box", "policy=&policy", "InvalidRequest"),
        ("GET", "/box", "policy&policyStatus", "InvalidRequest"),
        ("PUT", "/box", "policy&acl", "InvalidRequest"),
        ("POST", "/box", "delete&policy", "InvalidRequest"),
        ("GET", "/box", "policy&Policy", "InvalidRequest"),
        ("GET", "/box", "policy&%70olicy", "InvalidRequest"),
        ("GET", "/box", "policy&x=%zz", "InvalidRequest"),
        ("GET", "/box", "policy;acl", "InvalidRequest"),
        ("GET", "/box", "list-type=2", "NotImplemented"),
        ("HEAD", "/box", "policy", ""),
        ("POST", "/box", "policy", "MethodNotAllowed"),
        ("put", "/box", "policy", "MethodNotAllowed"),
        ("PUT", "/box", "policyStatus", "MethodNotAllowed"),
        ("OPTIONS", "/box", "policy", "MethodNotAllowed"),
    ],
)  # fmt: skip
async def test_what_is_not_one_of_the_four_on_one_bucket_is_refused_even_to_root(
    root, method, path, query, code
):
    await root.put()
    answer = await root.send(method, path, query)
    assert answer.status >= 400
    assert code_of(answer) == code
    assert (await root.send()).body == a_bucket_policy()


@pytest.mark.parametrize(
    "name", ["x-amz-confirm-remove-self-bucket-access", "X-Amz-Expected-Bucket-Owner"]
)
async def test_a_check_that_is_asked_for_in_the_query_is_not_silently_left_out(root, name):
    answer = await root.put(query=f"policy&{name}=true")
    assert (answer.status, code_of(answer)) == (400, "InvalidRequest")
    assert b"must be a header" in answer.body


async def test_a_state_that_is_too_old_decides_nothing(root, world):
    world.clock.advance(10_000)
    world.source.is_lost = True
    answer = await root.send()
    assert (answer.status, code_of(answer)) == (503, "ServiceUnavailable")


async def test_a_fault_of_ours_is_counted_and_tells_nothing(root, world, monkeypatch):
    def broken(*_):
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(world.authorizer, "authorize", broken)
    answer = await root.send()
    assert (answer.status, code_of(answer)) == (500, "InternalError")
    assert b"secret of the house" not in answer.body
    assert world.count("internal_errors", SURFACE) == 1
