"""Health, readiness and metrics over a real HTTP port."""

import asyncio

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from authz.errors import InvalidError
from authz.serving.http.app import build_app
from authz.serving.http.server import HttpServer
from authz.telemetry.metrics import Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Site:
    """The server, with a switch for what keeps the service from answering."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.problems: list[str] = []
        self.server = HttpServer("127.0.0.1:0", build_app(self.metrics, lambda: self.problems))

    async def get(self, path, *, method="GET", accept="*/*") -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode())
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        lines, _, body = answer.partition(b"\r\n\r\n")
        status, *headers = lines.decode().split("\r\n")
        pairs = (header.partition(": ") for header in headers)
        return int(status.split()[1]), {name.lower(): value for name, _, value in pairs}, body


@pytest.fixture
async def site():
    one = Site()
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
    async with asyncio.timeout(10):
        await reader.read()
    writer.close()
    assert (await site.get("/livez"))[0] == 200


async def test_a_port_that_is_taken_is_said_in_one_sentence(site):
    with pytest.raises(InvalidError, match="is another process listening there"):
        await HttpServer(f"127.0.0.1:{site.server.port}", None).start()


async def test_a_host_that_is_not_ours_is_said_in_one_sentence():
    with pytest.raises(InvalidError, match="cannot be bound"):
        await HttpServer("192.0.2.1:0", None).start()


async def test_a_server_that_stops_at_once_stops(site):
    one = Site()
    await one.server.start()
    await one.server.stop()
    with pytest.raises(ConnectionError):
        await asyncio.open_connection("127.0.0.1", one.server.port)
