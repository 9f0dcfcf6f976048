"""The gRPC transport on a real port: statuses and details, streams, health, reflection, limits, an orderly end."""

import asyncio
from contextlib import asynccontextmanager
from functools import partial

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from authz.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.serving.grpc import transport
from authz.serving.grpc.server import GrpcConfig, GrpcServer
from authz.telemetry.metrics import Metrics
from tests.access.world import PATIENCE, until

SERVICE = "test.v1.EchoService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LIMIT = 65_536
CODE = grpc.StatusCode

ERRORS = {
    "Parse": (ParseError("not a message"), CODE.INVALID_ARGUMENT),
    "Invalid": (InvalidError("too long", field="user.name"), CODE.INVALID_ARGUMENT),
    "Unauthenticated": (UnauthenticatedError("SignatureDoesNotMatch", "no"), CODE.UNAUTHENTICATED),
    "Forbidden": (ForbiddenError("you may not"), CODE.PERMISSION_DENIED),
    "NotFound": (NotFoundError("there is no user `J\u00f6rg`"), CODE.NOT_FOUND),
    "Conflict": (ConflictError("the name is taken"), CODE.ALREADY_EXISTS),
    "Unavailable": (UnavailableError("come back"), CODE.UNAVAILABLE),
    "Overloaded": (OverloadedError("too many"), CODE.RESOURCE_EXHAUSTED),
    "Bug": (ValueError("password=hunter2"), CODE.INTERNAL),
}


class Echo:
    """A surface whose methods answer at once, later, never, or with an error."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.may_end = asyncio.Event()
        self.calls: list = []
        self.sent = 0
        self.streams = 0
        self.methods = {
            f"/{SERVICE}/{name}": method
            for name, method in {
                "Now": self.now, "Later": self.later, "Wait": self.wait,
                "Each": self.each, "Endless": self.endless, "EachStuck": self.each_stuck,
                **{f"{kind}Midway": self.failing_midway(error) for kind, (error, _) in ERRORS.items()},
                **{kind: self.failing(error) for kind, (error, _) in ERRORS.items()},
                **{f"{kind}Later": self.failing_later(error) for kind, (error, _) in ERRORS.items()},
            }.items()
        }  # fmt: skip

    def now(self, raw, call):
        self.calls.append((call.method, dict(call.metadata), call.peer))
        return raw

    async def later(self, raw, call):
        await asyncio.sleep(0)
        return raw

    async def wait(self, raw, call):
        self.started.set()
        await self.may_end.wait()
        return raw

    async def each(self, raw, call):
        for byte in raw:
            yield bytes([byte])

    async def endless(self, raw, call):
        self.streams += 1
        try:
            while True:
                self.sent += 1
                yield bytes(10_000)
        finally:
            self.streams -= 1

    async def each_stuck(self, raw, call):
        self.streams += 1
        try:
            yield raw
            self.started.set()
            await asyncio.Event().wait()
        finally:
            self.streams -= 1

    @staticmethod
    def failing_midway(error):
        async def method(raw, call):
            yield raw
            raise error

        return method

    @staticmethod
    def failing(error):
        def method(raw, call):
            raise error

        return method

    @staticmethod
    def failing_later(error):
        async def method(raw, call):
            await asyncio.sleep(0)
            raise error

        return method


class Running:
    """A server, a client's channel to it, and a switch for readiness."""

    def __init__(self, **config) -> None:
        self.echo = Echo()
        self.metrics = Metrics()
        self.is_ready = True
        given = {
            "address": "127.0.0.1:0", "max_message_bytes": LIMIT, "max_concurrent_calls": 100,
            "grace_period": 5.0, "drain_delay": 0.0, "with_reflection": True, **config,
        }  # fmt: skip
        self.server = GrpcServer(
            GrpcConfig(**given), {"echo": self.echo.methods}, lambda: self.is_ready, self.metrics
        )

    async def call(self, name, raw=b"", metadata=None) -> bytes:
        unary = self.channel.unary_unary(f"/{SERVICE}/{name}", None, None)
        return await unary(raw, timeout=PATIENCE, metadata=metadata)

    async def fail(self, name, raw=b"") -> grpc.aio.AioRpcError:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.call(name, raw)
        return failed.value

    async def health(self, service="") -> int:
        stub = health_pb2_grpc.HealthStub(self.channel)
        request = health_pb2.HealthCheckRequest(service=service)
        return (await stub.Check(request, timeout=PATIENCE)).status

    async def has_health(self, service, status) -> bool:
        return await self.health(service) == status

    async def is_refusing(self) -> bool:
        try:
            await self.call("Now")
        except grpc.aio.AioRpcError as error:
            return error.code() is CODE.UNAVAILABLE
        return False

    def stream(self, name, raw=b""):
        return self.channel.unary_stream(f"/{SERVICE}/{name}", None, None)(raw, timeout=PATIENCE)

    def handled(self, name, code, kind="unary") -> float:
        return self.metrics.rpc_handled.values.get((kind, SERVICE, name, code), 0)


@asynccontextmanager
async def running(**config):
    one = Running(**config)
    await one.server.start()
    health = asyncio.create_task(one.server.run_health())
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}", options) as one.channel:
        yield one
        one.echo.may_end.set()
        await one.server.stop()
    health.cancel()
    await asyncio.gather(health, return_exceptions=True)


@pytest.fixture
async def grpc_server():
    async with running() as one:
        yield one


async def test_bytes_go_in_and_come_out_at_once_or_later(grpc_server):
    raw = bytes(range(256))
    for name in ("Now", "Later"):
        assert await grpc_server.call(name, raw) == raw
        assert await grpc_server.call(name) == b""
        assert grpc_server.handled(name, "OK") == 2


async def test_a_surface_sees_method_metadata_and_peer(grpc_server):
    await grpc_server.call("Now", metadata=[("authorization", "a, b"), ("x-bin", b"\xff")])
    method, metadata, peer = grpc_server.echo.calls[0]
    assert method == f"/{SERVICE}/Now"
    assert metadata["authorization"] == "a, b"
    assert "x-bin" not in metadata
    assert peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize("suffix", ["", "Later"])
@pytest.mark.parametrize("kind", ERRORS)
async def test_errors_become_statuses_and_are_counted(grpc_server, kind, suffix):
    error, code = ERRORS[kind]
    failed = await grpc_server.fail(kind + suffix)
    assert failed.code() is code
    assert failed.details() == getattr(error, "message", "internal error")
    # The client has its status a moment before the handler ends.
    await until(lambda: grpc_server.handled(kind + suffix, code.name) == 1)
    assert "hunter2" not in repr(failed)
    assert grpc_server.metrics.internal_errors.values.get(("echo",), 0) == (kind == "Bug")


def details_of(failed, kind):
    packed = dict(failed.trailing_metadata())["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    assert status.code == failed.code().value[0]
    assert status.message == failed.details()
    details = kind()
    assert status.details[0].Unpack(details)
    return details


async def test_a_bad_field_is_named_in_the_details(grpc_server):
    details = details_of(await grpc_server.fail("Invalid"), error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in details.field_violations] == [
        ("user.name", "too long")
    ]


async def test_a_failed_proof_has_its_code_in_the_details(grpc_server):
    details = details_of(await grpc_server.fail("Unauthenticated"), error_details_pb2.ErrorInfo)
    assert (details.reason, details.domain) == ("SignatureDoesNotMatch", "authz")


async def test_what_is_not_offered_is_unimplemented(grpc_server):
    assert (await grpc_server.fail("Nothing")).code() is CODE.UNIMPLEMENTED


async def test_a_message_over_the_limit_is_refused_before_it_is_read(grpc_server):
    assert len(await grpc_server.call("Now", bytes(LIMIT))) == LIMIT
    failed = await grpc_server.fail("Now", bytes(LIMIT + 1))
    assert failed.code() is CODE.RESOURCE_EXHAUSTED
    assert len(grpc_server.echo.calls) == 1


async def test_more_calls_than_the_limit_are_refused_at_once():
    async with running(max_concurrent_calls=1) as one:
        first = asyncio.create_task(one.call("Wait"))
        await one.echo.started.wait()
        assert (await one.fail("Now")).code() is CODE.RESOURCE_EXHAUSTED
        one.echo.may_end.set()
        await first


async def test_a_call_that_the_client_gives_up_is_counted_as_cancelled(grpc_server):
    call = grpc_server.channel.unary_unary(f"/{SERVICE}/Wait", None, None)(b"")
    await grpc_server.echo.started.wait()
    call.cancel()
    await until(lambda: grpc_server.handled("Wait", "CANCELLED") == 1)


async def test_a_stream_sends_what_it_makes_and_is_counted(grpc_server):
    assert [message async for message in grpc_server.stream("Each", b"abc")] == [b"a", b"b", b"c"]
    assert [message async for message in grpc_server.stream("Each")] == []
    await until(lambda: grpc_server.handled("Each", "OK", "server_streaming") == 2)


@pytest.mark.parametrize("kind", ERRORS)
async def test_an_error_within_a_stream_comes_after_what_was_sent(grpc_server, kind):
    error, code = ERRORS[kind]
    call = grpc_server.stream(f"{kind}Midway", b"x")
    assert await call.read() == b"x"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call.read()
    assert failed.value.code() is code
    assert failed.value.details() == getattr(error, "message", "internal error")
    await until(lambda: grpc_server.handled(f"{kind}Midway", code.name, "server_streaming") == 1)


@pytest.mark.parametrize("name", ["Endless", "EachStuck"])
async def test_a_stream_ends_when_its_client_goes(grpc_server, name):
    call = grpc_server.stream(name)
    await call.read()
    await until(lambda: grpc_server.echo.streams == 1)
    call.cancel()
    await until(lambda: grpc_server.echo.streams == 0)
    await until(lambda: grpc_server.handled(name, "CANCELLED", "server_streaming") == 1)


async def test_a_stream_goes_no_faster_than_its_client_reads(grpc_server):
    call = grpc_server.stream("Endless")
    await until(lambda: grpc_server.echo.sent)
    # What nobody reads fills the buffers: more would be sent with each read, and without an end with none.
    seen, same = grpc_server.echo.sent, 0
    while same < 20:
        await asyncio.sleep(0.01)
        same = same + 1 if grpc_server.echo.sent == seen else 0
        seen = grpc_server.echo.sent
        assert seen < 10_000
    for _ in range(2 * seen):
        await call.read()
    assert grpc_server.echo.sent > seen
    call.cancel()


async def test_a_stream_gives_up_on_a_client_that_does_not_read(grpc_server, monkeypatch):
    monkeypatch.setattr(transport, "READ_LIMIT", 0.05)
    call = grpc_server.stream("Endless")
    await until(lambda: grpc_server.echo.sent and grpc_server.echo.streams == 0)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        assert [message async for message in call]
    assert failed.value.code() is CODE.UNAVAILABLE


async def test_a_stream_that_does_not_end_is_cut_off_when_the_server_stops():
    one = Running(grace_period=0.05)
    await one.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}") as one.channel:
        call = one.stream("EachStuck", b"x")
        assert await call.read() == b"x"
        await one.server.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
        await until(lambda: one.echo.streams == 0)


async def test_health_follows_readiness_for_every_service(grpc_server):
    for is_ready, status in ((True, SERVING), (False, NOT_SERVING), (True, SERVING)):
        grpc_server.is_ready = is_ready
        for service in ("", SERVICE):
            await until(partial(grpc_server.has_health, service, status))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await grpc_server.health("unknown.Service")
    assert failed.value.code() is CODE.NOT_FOUND


async def test_a_server_that_is_not_ready_never_said_it_was():
    async with running() as one:
        pass
    one = Running()
    one.is_ready = False
    await one.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}") as one.channel:
        assert await one.health() == NOT_SERVING
        assert await one.health(SERVICE) == NOT_SERVING
        await one.server.stop()


async def test_a_watcher_is_told_of_every_turn_and_of_the_end(grpc_server):
    stub = health_pb2_grpc.HealthStub(grpc_server.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=PATIENCE)
    told = []

    async def next_of(status):
        while not told or told[-1] != status:
            told.append((await watch.read()).status)

    await next_of(SERVING)
    grpc_server.is_ready = False
    await next_of(NOT_SERVING)
    grpc_server.is_ready = True
    await next_of(SERVING)
    stopping = asyncio.create_task(grpc_server.server.stop())
    await next_of(NOT_SERVING)
    watch.cancel()
    await stopping
    assert told[-3:] == [NOT_SERVING, SERVING, NOT_SERVING]


async def test_reflection_lists_what_is_served(grpc_server):
    stub = reflection_pb2_grpc.ServerReflectionStub(grpc_server.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    call = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE)
    answer = await call.read()
    names = {service.name for service in answer.list_services_response.service}
    assert {SERVICE, "grpc.health.v1.Health"} <= names
    call.cancel()


async def test_reflection_can_be_left_out():
    async with running(with_reflection=False) as one:
        stub = reflection_pb2_grpc.ServerReflectionStub(one.channel)
        call = stub.ServerReflectionInfo(
            iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=PATIENCE
        )
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
        assert failed.value.code() is CODE.UNIMPLEMENTED


async def test_on_the_way_down_calls_in_flight_finish_and_new_ones_do_not_begin():
    one = Running(drain_delay=1.0)
    await one.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}") as one.channel:
        flying = asyncio.create_task(one.call("Wait", b"still here"))
        await one.echo.started.wait()
        stopping = asyncio.create_task(one.server.stop())
        await until(lambda: one.server._is_draining)
        assert await one.health() == NOT_SERVING
        # While proxies turn away, calls are still served.
        assert await one.call("Now", b"x") == b"x"
        await until(one.is_refusing)
        assert not stopping.done()
        one.echo.may_end.set()
        assert await flying == b"still here"
        await stopping
        assert (await one.fail("Now")).code() is CODE.UNAVAILABLE


async def test_a_call_that_does_not_end_is_cut_off_after_the_grace_period():
    one = Running(grace_period=0.05)
    await one.server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{one.server.port}") as one.channel:
        flying = asyncio.create_task(one.call("Wait"))
        await one.echo.started.wait()
        await one.server.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await flying


async def test_a_port_that_is_taken_is_said_in_one_sentence(grpc_server):
    second = Running(address=f"127.0.0.1:{grpc_server.server.port}")
    with pytest.raises(InvalidError, match="is another process listening there"):
        await second.server.start()
    await second.server.stop()


async def test_tls_files_that_cannot_be_read_are_said_so(tmp_path):
    one = Running(tls_cert_file=tmp_path / "no.crt", tls_key_file=tmp_path / "no.key")
    with pytest.raises(InvalidError, match="TLS settings"):
        await one.server.start()
    await one.server.stop()
