"""What `deploy/envoy.yaml` promises, seen from a client and from the services behind it."""

import http.client
import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.acceptance.stack import Credential, PolicyUser, Stack, make_user, status_of_list
from tests.servers.admin_client import statement
from tests.servers.authz_server import start_authz
from tests.servers.envoy import Envoy, start_envoy
from tests.servers.ports import LOOPBACK
from tests.servers.processes import PATIENCE, http_status, http_text, wait_for

BODY_LIMIT = 2 * 1024 * 1024
"""Most bytes of a body that Envoy sends along."""


PAYLOAD = "x-amz-content-sha256"
NO_HEADERS: Mapping[str, str] = {}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What reached the service behind."""
        document: dict[str, Any] = json.loads(self.body)
        return document

    @property
    def headers_seen(self) -> dict[str, str]:
        return dict(self.seen["headers"])


@contextmanager
def connected(envoy: Envoy, listener: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(LOOPBACK, envoy.ports[listener], timeout=60)
    try:
        yield connection
    finally:
        connection.close()


def send(
    envoy: Envoy,
    listener: str,
    method: str,
    target: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
    credential: Credential | None = None,
    service: str = "s3",
    host: str = "",
) -> Answer:
    """Send exactly this request, signed when a credential is given."""
    with connected(envoy, listener) as connection:
        host = host or f"{LOOPBACK}:{envoy.ports[listener]}"
        signed = signature(method, host, target, body, credential, service) if credential else []
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in [("host", host), ("content-length", str(len(body))), *signed, *headers]:
            connection.putheader(name, value)
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())


def signature(
    method: str,
    host: str,
    target: str,
    body: bytes,
    credential: Credential,
    service: str,
    *,
    headers: Mapping[str, str] = NO_HEADERS,
) -> list[tuple[str, str]]:
    # The signer of S3 states the body's own hash, whatever the headers say.
    signer = S3SigV4Auth if service == "s3" and PAYLOAD not in headers else SigV4Auth
    request = AWSRequest(method, f"http://{host}{target}", data=body, headers=dict(headers))
    signer(Credentials(*credential), service, "us-east-1").add_auth(request)
    return [(name, value) for name, value in request.headers.items() if name.lower() != "host"]


@pytest.fixture(scope="module")
def echoing(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Envoy]:
    """Envoy with the echo behind every route."""
    clusters = {
        "authz": [stack.authz.grpc_port],
        "store": [stack.orders.port],
        "orders": [stack.orders.port],
    }
    with start_envoy(tmp_path_factory.mktemp("echoing"), clusters) as envoy:
        yield envoy


@pytest.fixture(scope="module")
def caller(stack: Stack) -> PolicyUser:
    user = make_user(stack.authz, "envoy-caller")
    user.may(statement("Allow", "s3:*", "*"))
    return user


FORGED = [
    ("x-authz-principal", "arn:aws:iam::000000000000:root"),
    ("X-Authz-Revision", "9"),
    ("x_authz_principal", "arn:aws:iam::000000000000:root"),
    ("x-authz-anything", "x"),
]


def test_the_identity_that_reaches_the_service_is_ours_whatever_the_client_sends(
    echoing: Envoy, caller: PolicyUser
) -> None:
    forged = [(name, value) for name, value in FORGED if "_" not in name]
    for headers in ([], forged, FORGED):
        answer = send(
            echoing, "s3", "GET", "/photos/k", headers=headers, credential=caller.credential
        )
        assert answer.status == 200
        identity = {n: v for n, v in answer.seen["headers"] if "authz" in n}
        assert identity.keys() == {"x-authz-principal", "x-authz-decision-id", "x-authz-revision"}
        assert identity["x-authz-principal"] == f"arn:aws:iam::000000000000:user/{caller.name}"
        assert [n for n, _ in answer.seen["headers"]].count("x-authz-principal") == 1


def test_a_route_without_authorization_lets_no_forged_identity_through(
    echoing: Envoy, stack: Stack
) -> None:
    checks = stack.authz.metric("authz_check_seconds_count")
    answer = send(echoing, "http", "GET", "/healthz", headers=FORGED[:2])
    assert answer.status == 200
    assert stack.authz.metric("authz_check_seconds_count") == checks


def test_control_headers_of_envoy_are_taken_from_nobody(echoing: Envoy, caller: PolicyUser) -> None:
    headers = [("x-envoy-upstream-rq-timeout-ms", "1"), ("x-envoy-internal", "true")]
    answer = send(echoing, "s3", "GET", "/photos/k", headers=headers, credential=caller.credential)
    assert answer.status == 200
    assert answer.headers_seen.keys().isdisjoint(name for name, _ in headers)


def only_from(address: str) -> dict[str, Any]:
    condition = {"IpAddress": {"aws:SourceIp": address}}
    return {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}


def test_clients_do_not_choose_their_address(echoing: Envoy, caller: PolicyUser) -> None:
    forged = [("x-forwarded-for", "192.0.2.7")]
    try:
        for address, expected in (("127.0.0.1/32", 200), ("192.0.2.7/32", 403)):
            caller.may(only_from(address))
            answer = send(
                echoing, "s3", "GET", "/photos/k", headers=forged, credential=caller.credential
            )
            assert answer.status == expected
    finally:
        caller.may(statement("Allow", "s3:*", "*"))


def test_behind_a_trusted_proxy_the_address_is_the_one_it_saw(stack: Stack, tmp_path: Path) -> None:
    with start_authz(tmp_path, env={"AUTHZ_TRUSTED_HOPS": "1"}) as server:
        user = make_user(server, "far-away")
        clusters = {"authz": [server.grpc_port], "store": [stack.orders.port]}
        with start_envoy(tmp_path, clusters) as envoy:
            # The client claims to be 198.51.100.9; the proxy, which this test plays, saw 192.0.2.7.
            seen = [("x-forwarded-for", "198.51.100.9, 192.0.2.7")]
            for address, expected in (("192.0.2.7/32", 200), ("198.51.100.9/32", 403)):
                user.may(only_from(address))
                answer = send(
                    envoy, "s3", "GET", "/photos/k", headers=seen, credential=user.credential
                )
                assert answer.status == expected


def test_a_body_that_is_no_text_is_denied_not_a_fault(echoing: Envoy, caller: PolicyUser) -> None:
    answer = send(
        echoing,
        "s3",
        "POST",
        "/photos?delete=",
        body=b"\xff\xfe\x00",
        credential=caller.credential,
    )
    assert answer.status == 400
    assert b"<Code>MalformedXML</Code>" in answer.body


@pytest.mark.parametrize(
    "target",
    [
        "/photos/a///b",
        "/photos/a%2Fb",
        "/photos/a%2fb",
        "/photos/%41",
        "/photos/a+b%2B%20",
        "/photos/k/",
    ],
)
def test_the_path_reaches_the_store_byte_for_byte(
    echoing: Envoy, caller: PolicyUser, target: str
) -> None:
    # Clients sign a path as S3 would spell it, however they send it.
    host = f"{LOOPBACK}:{echoing.ports['s3']}"
    spelt = quote(unquote(target), safe="/~")
    headers = signature("GET", host, spelt, b"", caller.credential, "s3")
    answer = send(echoing, "s3", "GET", target, headers=headers)
    assert answer.status == 200
    assert answer.seen["path"] == target


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/photos?delete"),
        ("PUT", "/photos/k?tagging"),
        ("PUT", "/photos/k?retention"),
        ("PUT", "/photos"),
    ],
)
def test_a_document_over_the_limit_is_refused_unread(
    echoing: Envoy, stack: Stack, caller: PolicyUser, method: str, target: str
) -> None:
    body = b"x" * (BODY_LIMIT + 1)
    checks = stack.authz.metric("authz_check_seconds_count")
    answer = send(echoing, "s3", method, target, body=body, credential=caller.credential)
    assert answer.status == 413
    assert stack.authz.metric("authz_check_seconds_count") == checks


def test_object_data_is_bounded_by_no_buffer(echoing: Envoy, caller: PolicyUser) -> None:
    body = b"x" * (2 * BODY_LIMIT)
    answer = send(echoing, "s3", "PUT", "/photos/k", body=body, credential=caller.credential)
    assert answer.status == 200
    assert answer.seen["body_length"] == len(body)


def test_a_body_that_was_swapped_under_a_signed_delete_is_refused(
    echoing: Envoy, caller: PolicyUser
) -> None:
    def delete(key: str) -> bytes:
        return f"<Delete><Object><Key>{key}</Key></Object></Delete>".encode()

    host = f"{LOOPBACK}:{echoing.ports['s3']}"
    headers = signature("POST", host, "/photos?delete=", delete("mine"), caller.credential, "s3")
    assert (
        send(echoing, "s3", "POST", "/photos?delete=", headers=headers, body=delete("mine")).status
        == 200
    )
    swapped = send(echoing, "s3", "POST", "/photos?delete=", headers=headers, body=delete("your"))
    assert swapped.status == 400
    assert b"<Code>XAmzContentSHA256Mismatch</Code>" in swapped.body


@pytest.mark.parametrize(
    "name",
    [
        "tagging",
        "%74agging",
    ],
)
def test_tags_cannot_be_hidden_from_policies(echoing: Envoy, caller: PolicyUser, name: str) -> None:
    """However the parameter is spelt: Envoy sends a body along by its plain name only."""
    condition = {"StringEquals": {"s3:RequestObjectTag/kind": "secret"}}
    denied = {
        "Effect": "Deny",
        "Action": "s3:PutObjectTagging",
        "Resource": "*",
        "Condition": condition,
    }
    body = b"<Tagging><TagSet><Tag><Key>kind</Key><Value>secret</Value></Tag></TagSet></Tagging>"
    caller.may(statement("Allow", "s3:*", "*"), denied)
    host = f"{LOOPBACK}:{echoing.ports['s3']}"
    headers = signature("PUT", host, "/photos/k?tagging=", body, caller.credential, "s3")
    try:
        answer = send(echoing, "s3", "PUT", f"/photos/k?{name}=", headers=headers, body=body)
    finally:
        caller.may(statement("Allow", "s3:*", "*"))
    assert b"SignatureDoesNotMatch" not in answer.body
    assert answer.status in {400, 403}


@pytest.fixture
def confined(stack: Stack, user: PolicyUser, bucket: str) -> PolicyUser:
    """A user to whom one bucket belongs, but for one object in it."""
    stack.backdoor.put_object(Bucket=bucket, Key="secret", Body=b"TOP SECRET")
    mine = f"arn:aws:s3:::{bucket}"
    user.may(
        statement("Allow", "s3:*", mine),
        statement("Allow", "s3:*", f"{mine}/*"),
        statement("Deny", "s3:*", f"{mine}/secret"),
    )
    return user


@pytest.mark.parametrize("domain", ["example.com", "s3.amazonaws.com"])
def test_a_host_that_the_store_takes_for_a_bucket_is_refused(
    stack: Stack, confined: PolicyUser, bucket: str, make_bucket: Callable[[], str], domain: str
) -> None:
    victim = make_bucket()
    host = f"{victim}.{domain}"
    for method, target in (("PUT", f"/{bucket}/planted"), ("GET", f"/{bucket}/k"), ("GET", "/")):
        answer = send(stack.envoy, "s3", method, target, credential=confined.credential, host=host)
        assert answer.status == 400
        assert b"AUTHZ_S3_ENDPOINTS" in answer.body
    assert "Contents" not in stack.backdoor.list_objects_v2(Bucket=victim)


@pytest.mark.parametrize(
    "source",
    ["{}/secret#x", "{}/secret#", "/{}/secret;x", "{}/secret?versionId=null#", "{}//secret"],
)
def test_a_copy_does_not_read_what_its_source_hides(
    stack: Stack, confined: PolicyUser, bucket: str, source: str
) -> None:
    headers = {"x-amz-copy-source": source.format(bucket)}
    host = f"{LOOPBACK}:{stack.envoy.ports['s3']}"
    signed = signature(
        "PUT", host, f"/{bucket}/out", b"", confined.credential, "s3", headers=headers
    )
    answer = send(stack.envoy, "s3", "PUT", f"/{bucket}/out", headers=signed)
    assert (answer.status, b"<Code>InvalidArgument</Code>" in answer.body) == (400, True)
    listed = stack.backdoor.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == ["secret"]


@pytest.mark.parametrize("key", ["/secret", "//secret", "%2Fsecret", "%2f/secret", "/"])
def test_a_key_that_begins_with_a_slash_reaches_no_store(
    stack: Stack, confined: PolicyUser, bucket: str, key: str
) -> None:
    target = f"/{bucket}/{key}"
    host = f"{LOOPBACK}:{stack.envoy.ports['s3']}"
    spelt = quote(unquote(target), safe="/~")
    for method in ("GET", "PUT", "DELETE"):
        headers = signature(method, host, spelt, b"", confined.credential, "s3")
        answer = send(stack.envoy, "s3", method, target, headers=headers)
        assert (answer.status, b"begins with a slash" in answer.body) == (400, True)


@pytest.mark.parametrize(
    ("set_of_tags", "payload"),
    [
        ("<Decoy>{approved}</Decoy><Tag><Key>evil</Key><Value>1</Value></Tag>", None),
        ("<Tag>{approved}</Tag>", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
    ],
    ids=["decoy", "streamed"],
)
def test_tags_that_were_not_seen_as_the_store_sees_them_are_not_set(
    stack: Stack, user: PolicyUser, bucket: str, set_of_tags: str, payload: str | None
) -> None:
    stack.backdoor.put_object(Bucket=bucket, Key="k", Body=b"x")
    condition = {"StringEquals": {"s3:RequestObjectTag/approved": "yes"}}
    user.may(statement("Allow", "s3:PutObjectTagging", "*") | {"Condition": condition})
    approved = "<Key>approved</Key><Value>yes</Value>"
    tags = set_of_tags.format(approved=approved)
    body = f"<Tagging><TagSet>{tags}</TagSet></Tagging>".encode()
    target, host = f"/{bucket}/k?tagging=", f"{LOOPBACK}:{stack.envoy.ports['s3']}"
    stated = {PAYLOAD: payload} if payload else {}
    signed = signature("PUT", host, target, body, user.credential, "s3", headers=stated)
    answer = send(stack.envoy, "s3", "PUT", target, headers=signed, body=body)
    assert b"SignatureDoesNotMatch" not in answer.body
    assert answer.status == 400
    assert stack.backdoor.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


SETTINGS: list[tuple[dict[str, str], dict[str, int]]] = [
    (
        {"AUTHZ_S3_STORE": "minio", "AUTHZ_S3_ENDPOINTS": "s3.example.com,other.example.com"},
        {
            "GET s3.example.com /bucket/k": 403,
            "GET other.example.com:9000 /bucket/k": 403,
            "GET localhost /bucket/k": 400,
            "GET s3.example.com /bucket/a//b": 400,
            "GET s3.example.com /bucket?metadata=true": 501,
        },
    ),
    (
        {
            "AUTHZ_S3_DOMAINS": "s3.example.com",
            "AUTHZ_S3_KEEPS_LEADING_SLASH": "true",
            "AUTHZ_S3_REQUIRES_BODIES": "false",
        },
        {
            "GET bucket.s3.example.com //k": 403,
            "GET s3.example.com /bucket//k": 403,
            "GET bucket.example.com /k": 400,
            "PUT s3.example.com /bucket/k?tagging": 403,
        },
    ),
]


@pytest.mark.parametrize(("env", "answers"), SETTINGS, ids=["minio", "domains"])
def test_settings_say_what_the_store_is_like(
    tmp_path: Path, env: dict[str, str], answers: dict[str, int]
) -> None:
    """403 is the answer to a request that means something and comes from nobody."""
    with (
        start_authz(tmp_path, env=env) as server,
        start_envoy(tmp_path, {"authz": [server.grpc_port]}) as envoy,
    ):
        for line, expected in answers.items():
            method, host, target = line.split(" ")
            assert (line, send(envoy, "s3", method, target, host=host).status) == (line, expected)


@pytest.mark.parametrize("stated", [{}, {PAYLOAD: sha256(b"").hexdigest()}])
def test_a_body_put_under_a_signature_over_none_is_refused(
    echoing: Envoy, user: PolicyUser, stated: dict[str, str]
) -> None:
    user.may(statement("Allow", "orders:*", "*"))
    host = f"{LOOPBACK}:{echoing.ports['http']}"
    signed = signature("POST", host, "/orders", b"", user.credential, "orders", headers=stated)
    assert send(echoing, "http", "POST", "/orders", headers=signed).status == 200
    answer = send(echoing, "http", "POST", "/orders", headers=signed, body=b'{"amount": 1000000}')
    assert answer.status == 400


@pytest.mark.parametrize(
    ("method", "target", "action", "resource"),
    [
        ("GET", "/orders", "orders:ListOrders", "arn:aws:orders:::order/"),
        ("POST", "/orders", "orders:CreateOrder", "arn:aws:orders:::order/"),
        ("GET", "/orders/17", "orders:GetOrder", "arn:aws:orders:::order/17"),
        ("PATCH", "/orders/17", "orders:UpdateOrder", "arn:aws:orders:::order/17"),
        ("DELETE", "/orders/17", "orders:DeleteOrder", "arn:aws:orders:::order/17"),
        (
            "GET",
            "/orders/17/files/a/b.pdf",
            "orders:GetOrderFile",
            "arn:aws:orders:::order/17/a/b.pdf",
        ),
    ],
)
def test_another_http_service_is_authorized_by_its_own_mapping(
    echoing: Envoy, user: PolicyUser, method: str, target: str, action: str, resource: str
) -> None:
    user.may_nothing_but((action, resource))
    answer = send(echoing, "http", method, target, credential=user.credential, service="orders")
    assert answer.status == 200
    assert answer.seen["path"] == target

    user.may_all_but(action, resource)
    answer = send(echoing, "http", method, target, credential=user.credential, service="orders")
    assert answer.status == 403
    refusal = json.loads(answer.body)
    assert refusal["code"] == "AccessDenied"
    assert refusal["requestId"]


def test_a_request_that_no_route_of_the_mapping_means_is_refused(
    echoing: Envoy, user: PolicyUser
) -> None:
    user.may(statement("Allow", "*", "*"))
    answer = send(echoing, "http", "PUT", "/orders", credential=user.credential, service="orders")
    assert answer.status == 403


@pytest.mark.parametrize(
    "target", ["/orders/1%2F..", "/orders%5c..", "/elsewhere", "/orders/../elsewhere"]
)
def test_other_paths_do_not_get_near_the_http_service(
    echoing: Envoy, user: PolicyUser, target: str
) -> None:
    user.may(statement("Allow", "*", "*"))
    answer = send(echoing, "http", "GET", target, credential=user.credential, service="orders")
    assert answer.status in {400, 404}


def test_a_signature_for_one_service_is_none_for_another(echoing: Envoy, user: PolicyUser) -> None:
    user.may(statement("Allow", "*", "*"))
    answer = send(echoing, "http", "GET", "/orders", credential=user.credential, service="s3")
    assert answer.status in {400, 403}


def test_the_admin_interface_shows_two_pages_and_no_more(echoing: Envoy) -> None:
    url = echoing.url("stats")
    assert http_status(f"{url}/ready") == 200
    assert "envoy_http_ext_authz_ok" in http_text(f"{url}/stats/prometheus")
    for page in (
        "/config_dump",
        "/",
        "/stats",
        "/server_info",
        "/stats/prometheus/../../config_dump",
    ):
        assert http_status(f"{url}{page}") == 404
    assert send(echoing, "stats", "POST", "/quitquitquit").status == 404
    assert send(echoing, "stats", "POST", "/stats/prometheus").status == 404


def test_without_authz_nothing_passes(stack: Stack, tmp_path: Path, caller: PolicyUser) -> None:
    with start_envoy(
        tmp_path, {"store": [stack.orders.port], "orders": [stack.orders.port]}
    ) as envoy:
        for listener, target in (("s3", "/photos/k"), ("http", "/orders")):
            answer = send(envoy, listener, "GET", target, credential=caller.credential)
            assert answer.status == 503


def test_one_of_two_dying_is_noticed_by_no_client_for_long(
    stack: Stack, tmp_path: Path, bucket: str
) -> None:
    """Two replicas of one embedded database cannot be had, so both stand alone with the same root."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    with start_authz(tmp_path / "one") as staying, start_authz(tmp_path / "two") as dying:
        clusters = {"authz": [staying.grpc_port, dying.grpc_port], "store": [stack.store.port]}
        with start_envoy(tmp_path, clusters) as envoy:
            s3 = Stack(staying, envoy, stack.store, stack.orders).s3(staying.credential)
            assert [status_of_list(s3, bucket) for _ in range(20)] == [200] * 20
            dying.process.kill()
            # Calls in flight at that moment fail closed; then health checks and ejection take over.
            wait_for(
                lambda: [status_of_list(s3, bucket) for _ in range(20)] == [200] * 20,
                PATIENCE,
                "only one",
            )


def test_a_replica_that_stops_as_it_should_costs_no_request(
    stack: Stack, tmp_path: Path, bucket: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    env = {"AUTHZ_SERVING_DRAIN_DELAY": "5s"}
    with (
        start_authz(tmp_path / "one") as staying,
        start_authz(tmp_path / "two", env=env) as leaving,
    ):
        clusters = {"authz": [staying.grpc_port, leaving.grpc_port], "store": [stack.store.port]}
        with start_envoy(tmp_path, clusters) as envoy:
            s3 = Stack(staying, envoy, stack.store, stack.orders).s3(staying.credential)
            assert status_of_list(s3, bucket) == 200
            leaving.process.send_signal(signal.SIGTERM)
            statuses = []
            while leaving.process.exit_code is None:
                statuses.append(status_of_list(s3, bucket))
            assert set(statuses) == {200}
            assert leaving.process.exit_code == 0
