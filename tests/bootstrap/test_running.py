"""The whole service in this process: what it says of itself from its start to its end."""

import asyncio
import json
from functools import partial

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.bootstrap import running
from authz.errors import InvalidError
from authz.settings import Settings
from tests.access.world import PATIENCE, until
from tests.servers.ports import free_port

ROUTE = '[[mapping.route]]\nmethod = "GET"\npath = "/a"\naction = "a:Get"\nresource = "*"\n'
MAPPING = f'[[mapping]]\nname = "a"\nservices = ["a"]\n{ROUTE}'


def settings(folder, **more) -> Settings:
    given = {
        "data_dir": folder, "grpc_address": "127.0.0.1:0", "http_address": "127.0.0.1:0",
        "decision_log": "off", "log_level": "error", "serving_drain_delay": 0.0, **more,
    }  # fmt: skip
    return Settings(**given)


async def ready(service) -> tuple[int, dict]:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


async def health(service) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        request = health_pb2.HealthCheckRequest()
        return (await health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE)).status


async def is_serving(service) -> bool:
    return await health(service) == health_pb2.HealthCheckResponse.SERVING


async def test_a_fresh_start_becomes_ready_with_the_policies_that_come_with_it(tmp_path):
    async with running(settings(tmp_path)) as service:
        await until(lambda: not service.problems())
        assert await ready(service) == (200, {"ready": True, "problems": []})
        await until(partial(is_serving, service))
        assert service.metrics.policies.collect().samples[0].value > 0
        assert service.metrics.quarantined_policies.collect().samples[0].value == 0


async def test_on_the_way_down_it_is_no_longer_ready_while_calls_are_still_taken(tmp_path):
    async def stop_after(service_seen: asyncio.Future, may_end: asyncio.Event) -> None:
        async with running(settings(tmp_path, serving_drain_delay=2.0)) as service:
            service_seen.set_result(service)
            await may_end.wait()

    seen, may_end = asyncio.get_running_loop().create_future(), asyncio.Event()
    life = asyncio.create_task(stop_after(seen, may_end))
    service = await seen
    await until(lambda: not service.problems())
    may_end.set()
    await until(lambda: service.is_stopping)
    status, said = await ready(service)
    assert (status, said["problems"]) == (503, ["the service is stopping"])
    assert await health(service) == health_pb2.HealthCheckResponse.NOT_SERVING
    await life
    with pytest.raises(ConnectionError):
        await ready(service)


async def test_a_database_that_is_down_at_the_start_is_said_and_nothing_serves(tmp_path):
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/nothing"
    async with running(settings(tmp_path, database_url=url)) as service:
        status, said = await ready(service)
        assert status == 503
        assert len(said["problems"]) == 1
        assert "hunter2" not in said["problems"][0]
        assert await health(service) == health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not toml",
        MAPPING.replace("[[mapping]]", "[[mappings]]").replace("mapping.route", "mappings.route"),
        MAPPING + 'surprise = "x"\n',
        MAPPING + MAPPING,
        MAPPING.replace('name = "a"', 'name = "s3"'),
        MAPPING.replace('"a:Get"', '"get"'),
        MAPPING.replace('"*"', '"not-an-arn"'),
        '[[mapping]]\nname = "a"\nservices = ["a"]\n',
    ],
)
async def test_a_routes_file_that_says_something_else_stops_the_start(tmp_path, text):
    path = tmp_path / "routes.toml"
    path.write_text(text)
    with pytest.raises(InvalidError) as failed:
        async with running(settings(tmp_path, http_routes_file=path)):
            pass
    assert str(path) in failed.value.message


async def test_certificates_of_the_proxy_before_envoy_are_nobodys(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text(MAPPING.replace('name = "a"', 'name = "a"\ncertificates = true'))
    with pytest.raises(InvalidError) as failed:
        async with running(settings(tmp_path, http_routes_file=path, trusted_hops=1)):
            pass
    assert "AUTHZ_TRUSTED_HOPS" in failed.value.message


async def test_a_routes_file_that_is_right_serves(tmp_path):
    path = tmp_path / "routes.toml"
    path.write_text(MAPPING)
    async with running(settings(tmp_path, http_routes_file=path)) as service:
        await until(lambda: not service.problems())
