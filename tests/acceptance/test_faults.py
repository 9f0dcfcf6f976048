"""What happens when parts fail: the database is down, is lost, comes back; the service is told to stop; callers send junk.

Closed whenever it cannot know, honest about it (`/readyz`, gRPC health, Envoy's 503), and back by itself.
"""

import contextlib
import random
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from envoy.service.auth.v3 import external_auth_pb2
from google.protobuf.empty_pb2 import Empty
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.serving.admin_requirements import REQUIREMENTS
from bench.freshness import replicas
from tests.acceptance.stack import Stack, make_user, s3_client, status_of_list
from tests.servers.admin_client import AdminClient, statement
from tests.servers.authz_server import AuthzServer, migrate, start_authz
from tests.servers.envoy import start_envoy
from tests.servers.ports import LOOPBACK
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.processes import PATIENCE, http_status, wait_for

MAX_STALENESS = 3.0
"""Seconds without the database until the service closes, in these tests."""

RECOVERY = 60.0
"""Seconds within which the service must be back after the database is."""

CHECK = "/envoy.service.auth.v3.Authorization/Check"


@pytest.fixture
def fragile_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the test's own, which it may stop and start."""
    with running_postgres() as server:
        yield server


def test_a_database_that_is_down_at_start_is_waited_for(
    fragile_postgres: PostgresServer, tmp_path: Path
) -> None:
    migrate(tmp_path, fragile_postgres.url)
    fragile_postgres.stop()
    env = {"AUTHZ_DATABASE_URL": fragile_postgres.url}
    with start_authz(tmp_path, wait=False, env=env) as server:
        wait_for(lambda: http_status(f"{server.http_url}/livez") == 200, PATIENCE, "alive")
        assert http_status(f"{server.http_url}/readyz") == 503
        assert any("database" in problem for problem in server.problems())
        assert server.health() == "NOT_SERVING"
        with pytest.raises(grpc.RpcError) as caught:
            server.admin.is_allowed("anybody", "s3:GetObject", "*")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        fragile_postgres.start()
        server.wait_ready(RECOVERY)
        wait_for(lambda: server.health() == "SERVING", PATIENCE, "health follows readiness")


def test_a_database_that_is_lost_and_comes_back(
    fragile_postgres: PostgresServer, stack: Stack, tmp_path: Path, bucket: str
) -> None:
    migrate(tmp_path, fragile_postgres.url)
    env = {
        "AUTHZ_DATABASE_URL": fragile_postgres.url,
        "AUTHZ_ACCESS_MAX_STALENESS": f"{MAX_STALENESS}s",
    }
    with start_authz(tmp_path, env=env) as server:
        known, unknown = (make_user(server, name) for name in ("known", "unknown"))
        for user in (known, unknown):
            user.may(statement("Allow", "s3:ListBucket", f"arn:aws:s3:::{bucket}"))
        clusters = {"authz": [server.grpc_port], "store": [stack.store.port]}
        with start_envoy(tmp_path, clusters) as envoy:
            asks_known = s3_client(envoy.url("s3"), known.credential)
            asks_unknown = s3_client(envoy.url("s3"), unknown.credential)
            assert status_of_list(asks_known, bucket) == 200

            fragile_postgres.stop()
            # Whoever is in memory is decided, also the other way; who is not cannot be known.
            assert status_of_list(asks_known, bucket) == 200
            assert status_of_list(asks_known, "another-bucket") == 403
            assert status_of_list(asks_unknown, bucket) == 503

            wait_for(
                lambda: status_of_list(asks_known, bucket) == 503,
                MAX_STALENESS + PATIENCE,
                "closed",
            )
            assert server.metric("authz_snapshot_age_seconds") >= MAX_STALENESS
            assert http_status(f"{server.http_url}/readyz") == 503
            assert http_status(f"{server.http_url}/livez") == 200
            wait_for(lambda: server.health() == "NOT_SERVING", PATIENCE, "health follows")
            assert server.metric("authz_database_errors_total") > 0

            fragile_postgres.start()
            server.wait_ready(RECOVERY)
            wait_for(lambda: status_of_list(asks_known, bucket) == 200, RECOVERY, "open again")
            wait_for(lambda: status_of_list(asks_unknown, bucket) == 200, RECOVERY, "all known")


def test_told_to_stop_it_turns_away_finishes_what_runs_and_ends_well(
    postgres: PostgresServer, tmp_path: Path
) -> None:
    url = postgres.create_database("stopping")
    env = {"AUTHZ_ACCESS_REVISION_WAIT": "30s", "AUTHZ_SERVING_DRAIN_DELAY": "1s"}
    with replicas(tmp_path, url, env) as (writer, stopping):
        writer.admin.create_user("somebody")
        revision = writer.admin.create_user("somebody-else")
        # A call that waits for a revision which nobody has written yet.
        waiting = Waiting(stopping, revision + 1)
        watch = HealthWatch(stopping)
        wait_for(lambda: watch.seen == ["SERVING"], PATIENCE, "the watch says SERVING")

        stopping.process.send_signal(signal.SIGTERM)
        wait_for(lambda: watch.seen[-1] == "NOT_SERVING", PATIENCE, "the watch says NOT_SERVING")
        assert waiting.is_alive()
        writer.admin.create_user("the-one-waited-for")
        waiting.join(PATIENCE)
        assert waiting.outcome == "answered"
        watch.close()
        assert stopping.process.wait(PATIENCE) == 0
        assert "Traceback" not in stopping.process.log()


def test_told_to_stop_it_does_not_wait_longer_than_the_grace_period(tmp_path: Path) -> None:
    env = {
        "AUTHZ_ACCESS_REVISION_WAIT": "60s",
        "AUTHZ_SERVING_GRACE_PERIOD": "500ms",
        "AUTHZ_SERVING_DRAIN_DELAY": "0s",
    }
    with start_authz(tmp_path, env=env) as server:
        server.admin.create_user("somebody")
        waiting = Waiting(server, 1_000_000)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
        waiting.join(PATIENCE)
        assert waiting.outcome in {"UNAVAILABLE", "CANCELLED"}


class Waiting(threading.Thread):
    """A check that demands a revision, in a thread; under way when the constructor returns."""

    def __init__(self, server: AuthzServer, revision: int) -> None:
        super().__init__(daemon=True)
        self.outcome = ""
        self._admin = server.admin
        self._revision = revision
        self.start()
        self.join(0.5)
        assert self.is_alive()

    def run(self) -> None:
        try:
            self._admin.is_allowed(
                "somebody", "s3:GetObject", "*", at_least_revision=self._revision
            )
        except grpc.RpcError as error:
            self.outcome = error.code().name
        else:
            self.outcome = "answered"


class HealthWatch(threading.Thread):
    """Listens to gRPC health, as a proxy may, and keeps what it says."""

    def __init__(self, server: AuthzServer) -> None:
        super().__init__(daemon=True)
        self.seen: list[str] = []
        self._channel = grpc.insecure_channel(
            f"{LOOPBACK}:{server.grpc_port}", [("grpc.enable_http_proxy", 0)]
        )
        request = health_pb2.HealthCheckRequest(service="authz.v1.AuthorizationService")
        self._answers = health_pb2_grpc.HealthStub(self._channel).Watch(
            request, timeout=5 * PATIENCE
        )
        self.start()

    def run(self) -> None:
        with contextlib.suppress(grpc.RpcError):
            self.seen.extend(
                health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
                for answer in self._answers
            )

    def close(self) -> None:
        self._answers.cancel()
        self._channel.close()
        self.join(PATIENCE)


JUNK_SEED = 20260823
JUNK_PER_METHOD = 40
JUNK_LIMIT = 4096
"""Longest junk message, in bytes."""

METHODS = (
    CHECK,
    "/authz.v1.AuthorizationService/Authorize",
    "/authz.v1.AuthorizationService/BatchAuthorize",
    "/authz.v1.AuthorizationService/Explain",
    "/authz.v1.AuthenticationService/Authenticate",
    *sorted({name.rsplit("/", 1)[0] if name.count("/") > 2 else name for name in REQUIREMENTS}),
)

TOLERABLE = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
}
"""What junk may be answered with: that it is junk, or what it happens to mean. Never a fault of ours."""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed by root"])
def test_junk_gets_a_status_and_harms_nothing(
    stack: Stack, method: str, *, is_signed: bool
) -> None:
    admin = stack.authz.admin
    source = random.Random(f"{JUNK_SEED}{method}")
    faults = stack.authz.metric("authz_internal_errors_total")
    for _ in range(JUNK_PER_METHOD):
        raw = source.randbytes(source.choice([0, 1, 2, 16, 256, JUNK_LIMIT]))
        metadata = admin.signed(method, raw) if is_signed else ()
        assert status_of(admin, method, raw, metadata) in TOLERABLE
    assert stack.authz.metric("authz_internal_errors_total") == faults
    assert stack.authz.is_ready()


def status_of(
    admin: AdminClient, method: str, raw: bytes, metadata: Sequence[tuple[str, str]]
) -> grpc.StatusCode:
    try:
        admin.call_raw(method, raw, Empty, metadata=metadata)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_hostile_requests_are_denied_not_faults(stack: Stack) -> None:
    source = random.Random(JUNK_SEED)
    faults = stack.authz.metric("authz_internal_errors_total")
    for _ in range(400):
        raw = hostile_check(source).SerializeToString()
        answer = stack.authz.admin.call_raw(CHECK, raw, external_auth_pb2.CheckResponse)
        assert answer.status.code in {7, 16}
        assert 400 <= answer.denied_response.status.code < 502
    assert stack.authz.metric("authz_internal_errors_total") == faults


HOSTILE = (
    "", "/", "//", "/..", "%", "%zz", "%00", "%ff", "\u202e", "ünï", "a" * 3000, "'\"<>&", "\\", ";", ",", "=", "&", "?",
    "#", "AWS4-HMAC-SHA256 Credential=", "Credential=A/20260101/us-east-1/s3/aws4_request", "SignedHeaders=host",
    ", Signature=", "0" * 64, "20260101T000000Z", "AWS AKIA:c2ln", "Bearer x", "UNSIGNED-PAYLOAD",
)  # fmt: skip

NAMES = ("authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-copy-source", "host", "x-amz-acl",
         "x-amz-tagging", "content-length", "x-amz-security-token", "x-forwarded-for")  # fmt: skip

PARAMETERS = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders",
              "X-Amz-Signature", "versionId", "uploadId", "delete", "tagging", "prefix")  # fmt: skip


def hostile_check(source: random.Random) -> external_auth_pb2.CheckRequest:
    """Return a well-formed question of Envoy about a request that nobody honest sends."""

    def piece() -> str:
        return "".join(source.choice(HOSTILE) for _ in range(source.randrange(4)))

    check = external_auth_pb2.CheckRequest()
    http = check.attributes.request.http
    http.method = source.choice(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "X", "get"])
    query = "&".join(f"{source.choice(PARAMETERS)}={piece()}" for _ in range(source.randrange(8)))
    http.path = f"/{piece()}?{query}"
    # Envoy always has raw lines, at least those of the request line.
    http.header_map.headers.add(key=":method", raw_value=http.method.encode())
    for name in source.sample(NAMES, source.randrange(len(NAMES))):
        for _ in range(source.choice([1, 1, 1, 2])):
            http.header_map.headers.add(key=name, raw_value=piece().encode())
    http.raw_body = source.choice([b"", b"<Delete>", b"\xff" * 100])
    return check


def test_a_message_over_the_limit_is_refused(stack: Stack) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stack.authz.admin.call_raw(CHECK, b"\0" * 5_000_000, Empty)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert stack.authz.is_ready()


def test_junk_on_the_ports_harms_nothing(stack: Stack) -> None:
    source = random.Random(JUNK_SEED)
    for port in (stack.authz.grpc_port, stack.authz.http_port):
        for _ in range(20):
            with socket.create_connection((LOOPBACK, port), timeout=PATIENCE) as connection:
                connection.sendall(source.randbytes(200) + b"\r\n\r\n")
    assert stack.authz.is_ready()
    assert stack.authz.health() == "SERVING"


def test_a_route_that_names_a_mapping_nobody_made_is_closed(stack: Stack) -> None:
    check = external_auth_pb2.CheckRequest()
    check.attributes.request.http.method = "GET"
    check.attributes.request.http.path = "/b/k"
    check.attributes.request.http.header_map.headers.add(key=":method", raw_value=b"GET")
    check.attributes.context_extensions["authz.mapping"] = "nobody-made-this"
    with pytest.raises(grpc.RpcError) as caught:
        stack.authz.admin.call_raw(
            CHECK, check.SerializeToString(), external_auth_pb2.CheckResponse
        )
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
