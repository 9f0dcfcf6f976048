"""Health, readiness and metrics, and requests about bucket policies, over a real HTTP port."""

import asyncio
import json
import socket
from ipaddress import ip_network
from typing import NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from authz.errors import InvalidError
from authz.identity.http import HttpRequest
from authz.serving.bucket_policies import BODY_LIMIT
from authz.serving.http import server as http_server
from authz.serving.http import surface_app as adapter
from authz.serving.http.app import build_app
from authz.serving.http.server import HttpServer, _listen
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.sts import BODY_LIMIT as STS_BODY_LIMIT
from authz.telemetry.metrics import Metrics
from tests.access.world import PATIENCE, until
from tests.serving.bucket_clients import (
    BOX,
    HOST,
    Client,
    a_bucket_policy,
    build_bucket_policies,
    statement,
)
from tests.serving.sts_clients import ROOT, StsClient, build_sts, presigned

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Answered(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Site:
    """The server, with a switch for what keeps the service from answering."""

    def __init__(self, world, *, proxies: str = "127.0.0.1") -> None:
        self.metrics = Metrics()
        self.problems: list[str] = []
        self.client = Client(build_bucket_policies(world), world.clock)
        self.sts = StsClient(build_sts(world), world.clock)
        self.app, self.sts_app = (
            SurfaceApp(surface, proxies=[ip_network(proxies)], trusted_hops=0)
            for surface in (self.client.surface, self.sts.surface)
        )
        app = build_app(self.metrics, lambda: self.problems, self.app, self.sts_app)
        self.server = HttpServer("127.0.0.1:0", app)

    async def get(self, path, *, method="GET", accept="*/*") -> Answered:
        head = f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        return await self.send(head.encode())

    async def send(self, raw: bytes) -> Answered:
        """Send these bytes and return the one answer before the connection ends."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(raw)
        async with asyncio.timeout(PATIENCE):
            answer = await reader.read()
        writer.close()
        lines, _, body = answer.partition(b"\r\n\r\n")
        status, *headers = lines.decode().split("\r\n")
        pairs = (header.partition(": ") for header in headers)
        return Answered(
            int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, body
        )

    async def ask(self, *args, **parts) -> Answered:
        """Send a request about a bucket policy, signed by root."""
        return await self.send(on_the_wire(self.client.request(*args, **parts)))


def on_the_wire(request: HttpRequest, *, chunked: bool = False) -> bytes:
    headers = {**request.headers, "connection": "close"}
    body = request.body or b""
    if chunked:
        headers["transfer-encoding"] = "chunked"
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    elif "content-length" not in headers:
        headers["content-length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    target = f"{request.path}?{request.query}" if request.query else request.path
    return f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


@pytest.fixture
async def site(world):
    one = Site(world)
    await one.server.start()
    yield one
    await one.server.stop()


async def test_alive_whatever_is_wrong(site):
    site.problems = ["the database is away"]
    status, _, body = await site.get("/livez")
    assert (status, body) == (200, b"ok\n")


async def test_ready_when_nothing_is_wrong_and_otherwise_why_not(site):
    status, headers, body = await site.get("/readyz")
    assert (status, body) == (200, b'{"ready": true, "problems": []}\n')
    assert headers["content-type"] == "application/json"
    site.problems = ["the policies have not been loaded yet"]
    status, _, body = await site.get("/readyz")
    assert status == 503
    assert b"the policies have not been loaded yet" in body


async def test_metrics_are_for_prometheus_in_both_its_formats(site):
    site.metrics.rpc_handled.inc(("unary", "a.Service", "Do", "OK"))
    site.metrics.check_seconds.child("ext_authz").observe(0.000_02)
    site.metrics.decisions.inc(("ext_authz", "ALLOWED", "STATEMENT"))
    site.metrics.snapshot_age.read_from(lambda: float("inf"))
    site.metrics.build_info.read_from(lambda: 1.0, "0.1", "3.11")
    for accept, parse in (("text/plain", parse_text), (OPENMETRICS, parse_openmetrics)):
        status, headers, body = await site.get("/metrics", accept=accept)
        assert status == 200
        assert headers["content-type"].startswith(accept.partition(";")[0])
        samples = {
            (sample.name, frozenset(sample.labels.values())): sample.value
            for family in parse(body.decode())
            for sample in family.samples
        }
        assert (
            samples["grpc_server_handled_total", frozenset({"unary", "a.Service", "Do", "OK"})] == 1
        )
        assert (
            samples["authz_decisions_total", frozenset({"ext_authz", "ALLOWED", "STATEMENT"})] == 1
        )
        assert samples["authz_check_seconds_count", frozenset({"ext_authz"})] == 1
        assert samples["authz_check_seconds_sum", frozenset({"ext_authz"})] == 0.000_02
        assert samples["authz_snapshot_age_seconds", frozenset()] == float("inf")
        assert samples["authz_build_info", frozenset({"0.1", "3.11"})] == 1
        buckets = {
            next(iter(labels - {"ext_authz"})): value
            for (name, labels), value in samples.items()
            if name == "authz_check_seconds_bucket"
        }
        assert buckets["1e-05"] == 0
        assert set(buckets.values()) == {0, 1}
        assert buckets["+Inf"] == 1


async def test_every_metric_has_a_help_text_and_the_right_kind_of_name(site):
    _, _, body = await site.get("/metrics")
    families = list(parse_text(body.decode()))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation.endswith((".", ")."))
        assert family.name.startswith(("authz_", "grpc_server_", "process_"))


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/metrics/x", "/../etc/passwd", "/%00", "//livez"]
)
async def test_what_is_not_there_is_not_found(site, path):
    status, headers, _ = await site.get(path)
    assert status in {307, 404}
    assert "server" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "TRACE"])
async def test_only_reading_is_offered(site, method):
    assert (await site.get("/metrics", method=method))[0] == 405


async def test_bytes_that_are_no_request_end_the_connection_and_nothing_else(site):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(b"\x16\x03\x01\xff\xff nonsense\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        await reader.read()
    writer.close()
    assert (await site.get("/livez"))[0] == 200


async def test_a_port_that_is_taken_is_said_in_one_sentence(site):
    with pytest.raises(InvalidError, match="is another process listening there"):
        await HttpServer(f"127.0.0.1:{site.server.port}", None).start()


async def test_a_host_that_is_not_ours_is_said_in_one_sentence():
    with pytest.raises(InvalidError, match="cannot be bound"):
        await HttpServer("192.0.2.1:0", None).start()


async def test_a_server_that_stops_at_once_stops(world):
    one = Site(world)
    await one.server.start()
    await one.server.stop()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", one.server.port)


# --- bucket policies ----------------------------------------------------------------------------------------


async def test_a_bucket_policy_is_set_and_read_over_the_wire(site):
    document = a_bucket_policy()
    put = await site.ask("PUT", body=document)
    assert (put.status, put.body) == (204, b"")
    assert "content-length" not in put.headers
    got = await site.ask()
    assert (got.status, got.body) == (200, document)
    assert got.headers["content-type"] == "application/json"
    status = await site.ask(query="policyStatus")
    assert b"<IsPublic>true</IsPublic>" in status.body
    assert (await site.ask("DELETE")).status == 204
    assert (await site.ask()).status == 404


async def test_a_body_may_come_in_chunks_of_http(site):
    request = site.client.request("PUT", body=a_bucket_policy())
    assert (await site.send(on_the_wire(request, chunked=True))).status == 204


async def test_a_signature_is_over_the_bytes_of_path_query_and_headers(site):
    raw = {"x-amz-meta-note": "gr\u00fc\u00df  dich", "x-amz-meta-empty": ""}
    request = site.client.request(
        "PUT", "/b%6fx", "policy&y=a%2fb+c&x", a_bucket_policy(), signed=raw
    )
    assert (await site.send(on_the_wire(request))).status == 204
    assert (await site.ask()).status == 200


async def test_an_answer_to_head_has_no_body(site):
    answer = await site.ask("HEAD")
    assert (answer.status, answer.body) == (405, b"")


async def test_headers_that_are_sent_twice_are_seen_to_be(site):
    raw = on_the_wire(site.client.request())
    twice = raw.replace(b"connection:", b"x-amz-date: 20000101T000000Z\r\nconnection:")
    assert (await site.send(twice)).status == 400
    two_hosts = raw.replace(b"connection:", b"host: other\r\nconnection:")
    assert (await site.send(two_hosts)).status == 400


FROM_ABROAD = {"x-forwarded-for": "198.51.100.1, 192.0.2.7", "x-forwarded-proto": "https"}


async def seen_from(site, headers) -> list[int]:
    """Return the answers to requests allowed from 192.0.2.7 only, and by TLS only."""
    network = {"IpAddress": {"aws:SourceIp": "192.0.2.7"}}
    by_address = statement("*", "s3:GetBucketPolicy", BOX, Condition=network)
    by_scheme = statement(
        "*", "s3:GetBucketPolicyStatus", BOX, Condition={"Bool": {"aws:SecureTransport": "true"}}
    )
    assert (await site.ask("PUT", body=a_bucket_policy(by_address, by_scheme))).status == 204
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    seen = []
    for query in ("policy", "policyStatus"):
        head = f"GET /box?{query} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n{lines}\r\n"
        seen.append((await site.send(head.encode())).status)
    return seen


async def test_a_proxy_of_ours_says_who_the_client_is_and_how_it_came(site):
    assert await seen_from(site, FROM_ABROAD) == [200, 200]
    assert await seen_from(site, {}) == [403, 403]
    assert await seen_from(site, {"x-forwarded-for": "192.0.2.7, 198.51.100.1"}) == [403, 403]


async def test_anybody_else_says_nothing_of_the_kind(world):
    one = Site(world, proxies="203.0.113.0/24")
    await one.server.start()
    assert await seen_from(one, FROM_ABROAD) == [403, 403]
    await one.server.stop()


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz"])
async def test_a_bucket_called_like_a_page_of_ours_is_a_bucket(site, path):
    answer = await site.get(f"{path}?policy")
    assert answer.status == 403
    assert b"<Code>AccessDenied</Code>" in answer.body
    for query in ("%70olicy", "x", "Policy", "=policy"):
        assert (await site.get(f"{path}?{query}")).status == 404


async def test_other_requests_with_a_query_are_nobodys(site):
    for target in ("/box?acl", "/box?policies", "/?list-type=2", "/box/k?versionId=policy"):
        assert (await site.get(target)).status == 404


async def test_sts_is_asked_at_the_root_by_a_form_or_a_presigned_query(site):
    answer = await site.send(on_the_wire(site.sts.request()))
    assert answer.status == 200
    assert b"GetCallerIdentityResult" in answer.body
    assert answer.headers["content-length"] == str(len(answer.body))
    answer = await site.send(on_the_wire(site.sts.request(), chunked=True))
    assert answer.status == 200
    for method in ("GET", "POST"):
        request = presigned(ROOT, site.sts.clock.now(), method=method)
        assert (await site.send(on_the_wire(request))).status == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/?action=GetCallerIdentity", 404),
        ("GET", "/?%41ction=GetCallerIdentity", 404),
        ("PUT", "/?Action=GetCallerIdentity", 404),
        ("HEAD", "/?Action=GetCallerIdentity", 404),
        ("POST", "//", 404),
        ("POST", "/x", 404),
        ("POST", "/%2F", 404),
        ("POST", "/metrics", 405),
        ("GET", "/metrics?Action=GetCallerIdentity", 404),
        ("GET", "/?Action=GetCallerIdentity", 400),
        ("POST", "/", 400),
    ],
)
async def test_nothing_else_is_for_sts(site, method, target, status):
    answer = await site.get(target, method=method)
    assert answer.status == status
    assert (b"sts.amazonaws.com" in answer.body) is (status == 400)


async def test_a_bucket_policy_is_no_sts_whatever_else_the_query_says(site):
    answer = await site.get("/?Action=GetCallerIdentity&policy", method="POST")
    assert b"sts.amazonaws.com" not in answer.body
    assert b"<Error>" in answer.body


async def test_requests_to_sts_are_bounded_as_those_about_buckets(site, monkeypatch):
    monkeypatch.setattr(adapter, "MAX_IN_FLIGHT", 1)
    raw = on_the_wire(site.sts.request())
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(raw[:-1])
    await until(lambda: site.sts_app._in_flight.total() == 1)
    refused = await site.send(raw)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert b"<Code>Throttling</Code>" in refused.body
    assert (await site.ask()).status != 503
    writer.write(raw[-1:])
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    request = site.sts.request()
    request.headers["content-length"] = str(10**9)
    answer = await site.send(on_the_wire(request) + b" " * STS_BODY_LIMIT)
    assert answer.status == 413
    assert b"<Code>RequestEntityTooLarge</Code>" in answer.body


async def test_a_body_beyond_the_limit_is_not_read_to_its_end(site):
    request = site.client.request("PUT", body=a_bucket_policy())
    request.headers["content-length"] = str(10**9)
    raw = on_the_wire(request) + b" " * BODY_LIMIT
    answer = await site.send(raw)
    assert answer.status == 400
    assert b"<Code>EntityTooLarge</Code>" in answer.body


async def test_a_body_that_trickles_is_given_up(site, monkeypatch):
    monkeypatch.setattr(adapter, "BODY_SECONDS", 0.05)
    request = site.client.request("PUT", body=a_bucket_policy())
    raw = on_the_wire(request)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(raw[:-1])
    async with asyncio.timeout(PATIENCE):
        answer = await reader.readuntil(b"</Error>")
    writer.close()
    assert b"<Code>RequestTimeout</Code>" in answer


async def test_a_head_that_trickles_is_given_up_and_one_that_is_too_long(site, monkeypatch):
    monkeypatch.setattr(http_server, "KEEP_ALIVE", 0.05)
    for beginning in (b"", b"GET /livez HTTP/1.1\r\nHost:"):
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
        writer.write(beginning)
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
    monkeypatch.undo()
    long = b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 50_000
    assert (await site.send(long)).status == 400
    assert (await site.get("/livez")).status == 200


async def test_a_connection_is_kept_for_the_next_request(site, monkeypatch):
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    for _ in range(3):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_only_so_many_requests_are_held_at_a_time(site, monkeypatch):
    monkeypatch.setattr(adapter, "MAX_IN_FLIGHT", 1)
    raw = on_the_wire(site.client.request("PUT", body=a_bucket_policy()))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(raw[:-1])
    await until(lambda: site.app._in_flight.total() == 1)
    refused = await site.ask()
    assert refused.status == 503
    assert b"<Code>SlowDown</Code>" in refused.body
    assert (await site.get("/livez")).status == 200
    writer.write(raw[-1:])
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 204")
    writer.close()
    assert json.loads((await site.ask()).body)["Statement"]


@pytest.mark.parametrize(("first", "second", "another"), [
    ("198.51.100.1", "198.51.100.1", "198.51.100.2"),
    ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
])  # fmt: skip
async def test_one_source_holds_only_its_share_of_them(site, monkeypatch, first, second, another):
    monkeypatch.setattr(adapter, "MAX_OF_ONE_SOURCE", 1)
    begun, greedy, other = ({"x-forwarded-for": one} for one in (first, second, another))
    raw = on_the_wire(site.client.request("PUT", body=a_bucket_policy(), unsigned=begun))
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(raw[:-1])
    await until(lambda: site.app._in_flight.total() == 1)
    refused = await site.ask(unsigned=greedy)
    assert refused.status == 503
    assert b"<Code>SlowDown</Code>" in refused.body
    assert (await site.ask(unsigned=other)).status == 404
    writer.write(raw[-1:])
    async with asyncio.timeout(PATIENCE):
        assert (await reader.read()).startswith(b"HTTP/1.1 204")
    writer.close()
    assert (await site.ask(unsigned=greedy)).status == 200
    assert not site.app._in_flight


async def test_who_may_not_put_a_policy_is_answered_before_the_body_has_come(site):
    request = site.client.request("PUT", body=a_bucket_policy(), unsigned={"authorization": ""})
    reader, writer = await asyncio.open_connection("127.0.0.1", site.server.port)
    writer.write(on_the_wire(request).partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        assert b" 4" in (await reader.readuntil(b"</Error>"))[:13]
    writer.close()


async def test_a_client_that_never_reads_its_answers_is_cut_off(site, monkeypatch):
    document = a_bucket_policy(statement("*", "s3:GetBucketPolicy", BOX))
    document += b" " * (BODY_LIMIT - len(document))
    assert (await site.ask("PUT", body=document)).status == 204
    await until(lambda: not site.server._server.server_state.connections)
    monkeypatch.setattr(http_server, "ANSWER_LIMIT", 1.0)
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", site.server.port))
        asked = f"GET /box?policy HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode() * 1000
        await loop.sock_sendall(client, asked)
        await until(lambda: site.app._in_flight.total() == 1)
        await until(lambda: not site.server._server.server_state.connections)
        await until(lambda: not site.app._in_flight)


async def test_a_request_that_is_cut_off_as_the_server_stops_leaves_no_traceback(
    world, monkeypatch, caplog
):
    monkeypatch.setattr(http_server, "SHUTDOWN_LIMIT", 0.01)
    one = Site(world)
    await one.server.start()
    raw = on_the_wire(one.client.request("PUT", body=a_bucket_policy()))
    _, writer = await asyncio.open_connection("127.0.0.1", one.server.port)
    writer.write(raw[:-1])
    await until(lambda: one.app._in_flight.total() == 1)
    await one.server.stop()
    assert not one.app._in_flight
    assert [record for record in caplog.records if record.exc_info] == []
    writer.close()


def test_small_answers_are_sent_at_once():
    # asyncio asks for TCP_NODELAY where the listener says which protocol it is.
    with _listen("127.0.0.1:0") as listener:
        assert listener.proto == socket.IPPROTO_TCP
