"""`authz.v1` over the wire: a batch in order, and whose signed request it is."""

import hashlib
import json

import grpc
import pytest

from authz.clock import SystemClock
from authz.identity.sigv4 import sign_headers
from authz.wire.authz.v1 import authentication_pb2, authorization_pb2, decision_pb2
from tests.servers.authz_server import start_authz
from tests.servers.ports import LOOPBACK

AUTHORIZATION = "/authz.v1.AuthorizationService"
ALLOW_S3 = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Sid": "S3", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
})  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service where alice may do everything in S3."""
    folder = tmp_path_factory.mktemp("service")
    document = folder / "allow-s3.json"
    document.write_text(ALLOW_S3)
    with start_authz(folder) as running:
        running.cli("user", "create", "alice")
        running.cli("policy", "create", "allow-s3", str(document))
        running.cli("policy", "attach", "allow-s3", "--user", "alice")
        yield running


@pytest.fixture
def ask(server):
    """Call a method with a message and return the answer."""
    with grpc.insecure_channel(f"{LOOPBACK}:{server.grpc_port}") as channel:

        def call(method, request, answer):
            unary = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
            return answer.FromString(unary(request.SerializeToString(), timeout=60))

        yield call


def a_signed_request(credential, **signed):
    headers = {"host": "s3.example.com"}
    digest = hashlib.sha256(b"").hexdigest()
    parts = {"service": "s3", "region": "us-east-1", "now": SystemClock().now(), **signed}
    headers |= sign_headers(
        "GET",
        "/b/k",
        "",
        headers,
        digest,
        access_key_id=credential[0],
        secret=credential[1],
        **parts,
    )
    lines = [authentication_pb2.HttpHeader(name=n, value=v.encode()) for n, v in headers.items()]
    return authentication_pb2.AuthenticateRequest(
        request=authentication_pb2.HttpRequest(method="GET", raw_path="/b/k", headers=lines)
    )


def test_a_batch_of_a_thousand_is_answered_in_order_and_one_bad_check_fails_alone(ask):
    request = authorization_pb2.BatchAuthorizeRequest()
    for number in range(1000):
        request.checks.add(
            user_name="nobody" if number % 3 == 0 else "alice",
            action="nonsense" if number % 5 == 0 else "s3:GetObject",
            resource=f"arn:aws:s3:::b/{number}",
        )
    response = ask(
        f"{AUTHORIZATION}/BatchAuthorize", request, authorization_pb2.BatchAuthorizeResponse
    )
    assert len(response.answers) == 1000
    for number, answer in enumerate(response.answers):
        if number % 5 == 0:
            assert answer.error.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        elif number % 3 == 0:
            assert answer.decision.reason == decision_pb2.REASON_PRINCIPAL_UNKNOWN
        else:
            assert answer.decision.verdict == decision_pb2.VERDICT_ALLOWED
            assert answer.decision.statement.sid == "S3"
    decided = [answer.decision for answer in response.answers if answer.HasField("decision")]
    assert len({decision.revision for decision in decided}) == 1
    assert len({decision.decision_id for decision in decided}) == len(decided)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"action": "s3:*"}, "action"),
        ({"user_name": ""}, "user_name"),
        ({"resource": "b/k"}, "resource"),
    ],
)
def test_a_question_that_is_none_is_an_invalid_argument(ask, changes, field):
    question = {"user_name": "alice", "action": "s3:GetObject", "resource": "*", **changes}
    with pytest.raises(grpc.RpcError) as caught:
        ask(
            f"{AUTHORIZATION}/Authorize",
            authorization_pb2.AuthorizeRequest(**question),
            authorization_pb2.AuthorizeResponse,
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def authenticate(ask, request):
    return ask(
        "/authz.v1.AuthenticationService/Authenticate",
        request,
        authentication_pb2.AuthenticateResponse,
    )


def test_a_signed_request_is_its_signers(ask, server):
    created = server.cli_json("key", "create", "alice")
    credential = (created["access_key"]["id"], created["secret_access_key"])
    proved = authenticate(ask, a_signed_request(credential)).authentication
    assert proved.access_key_id == credential[0]
    assert proved.principal.arn == "arn:aws:iam::000000000000:user/alice"
    assert proved.principal.kind == authentication_pb2.PRINCIPAL_KIND_USER


def test_a_request_that_does_not_verify_is_a_normal_answer(ask, server):
    created = server.cli_json("key", "create", "alice")
    credential = (created["access_key"]["id"], created["secret_access_key"])
    moved = a_signed_request(credential)
    moved.request.raw_path = "/b/other"
    failures = {
        "SignatureDoesNotMatch": moved,
        "InvalidAccessKeyId": a_signed_request(("AKIANOBODYNOBODYNOBO", "x" * 40)),
        "RequestTimeTooSkewed": a_signed_request(credential, now=SystemClock().now() - 3600),
    }
    for code, request in failures.items():
        assert authenticate(ask, request).failure.code == code


def test_a_request_without_any_proof_is_anonymous(ask):
    bare = authentication_pb2.HttpRequest(method="GET", raw_path="/b/k")
    answer = authenticate(ask, authentication_pb2.AuthenticateRequest(request=bare))
    assert answer.authentication.principal.kind == authentication_pb2.PRINCIPAL_KIND_ANONYMOUS
    assert answer.authentication.access_key_id == ""
