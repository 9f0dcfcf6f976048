"""The composition root: builds every object once, in the order of their needs, and owns their lives.

Everything else takes what it needs as arguments; this file is where the rooms meet. `serve` runs until it
is told to stop (SIGTERM, SIGINT) and then ends in order: health says NOT_SERVING, calls in flight finish,
ports close, what was recorded is written.

A database that is down at start stops nothing: the ports open, health and readiness say no, and the state
is loaded as soon as it can be.
"""

import asyncio
import gc
import platform
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from authz import __version__
from authz.bootstrap.building import build_data_plane, build_surfaces
from authz.bootstrap.building_background import build_presence_check, build_trail
from authz.bootstrap.building_http import (
    build_bucket_policies,
    build_sts,
    build_token_surfaces,
    http_tls,
)
from authz.bootstrap.opening import decision_stream, grpc_config, open_database
from authz.bootstrap.service import Service, Site
from authz.bootstrap.tasks import follow, supervised
from authz.clock import Clock, SystemClock
from authz.federation.registry import Registry
from authz.serving.grpc.server import GrpcServer
from authz.serving.http.app import build_app
from authz.serving.http.server import HttpServer
from authz.serving.login_limits import LoginLimits
from authz.settings import Settings, is_loopback
from authz.store import local_files
from authz.store.sql.source import SqlSource
from authz.telemetry import logs
from authz.telemetry.decision_log import DecisionLog
from authz.telemetry.metrics import Metrics

__all__ = ["Service", "migrate", "running", "serve", "tame_garbage_collector"]

GC_THRESHOLDS: Final = (10_000, 50, 1_000)
"""Net allocations before a young collection, young ones before a middle one, middle ones before a full one."""


async def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit code: 1 when a part of it failed, else 0.

    Raises `InvalidError` for settings that cannot be served.
    """
    logs.configure(settings.log_format, settings.log_level)
    log = logs.get_logger("bootstrap")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    tame_garbage_collector()
    async with running(settings, stop) as service:
        log.info(
            "started", version=__version__, grpc_port=service.grpc_port, http_port=service.http_port
        )
        _greet(service)
        await stop.wait()
        log.info("stopping", grace_period=settings.serving_grace_period)
    log.info("stopped")
    return 1 if service.has_failed else 0


async def migrate(settings: Settings) -> int:
    """Bring the database's schema and canned policies to this version; return the revision."""
    async with open_database(settings) as database:
        return await database.migrate(now=SystemClock().now())


@asynccontextmanager
async def running(settings: Settings, stop: asyncio.Event | None = None) -> AsyncIterator[Service]:
    """Run the service inside this context; `stop` is set should one of its tasks end on its own."""
    metrics, clock = Metrics(), SystemClock()
    service = Service(settings, metrics, clock)
    _describe_build(metrics, clock)
    root = local_files.root_credential(
        settings.root_credentials_file, settings.root_access_key, settings.root_secret_key
    )
    key_ring = local_files.key_ring(settings.effective_master_key_file)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(
            open_database(settings, lambda mode: metrics.database_errors.inc((mode,)))
        )
        decision_log = DecisionLog(
            stack.enter_context(decision_stream(settings)),
            metrics,
            allow_sample_rate=settings.decision_log_allow_sample_rate,
        )
        source = SqlSource(database)
        plane = build_data_plane(service, source, key_ring, root, decision_log)
        service.data_plane = plane
        federation = Registry(key_ring, clock, metrics)
        stack.push_async_callback(federation.close)
        plane.providers.follow(federation.follow)
        trail = build_trail(service, plane, database)
        site = Site(service, plane, database, key_ring, federation, LoginLimits(clock), trail)
        service.surfaces = build_surfaces(site)
        tasks = await stack.enter_async_context(supervised(service, stop))
        tasks.start(decision_log.run(), "decision log")
        app = build_app(
            metrics,
            service.problems,
            build_bucket_policies(site),
            build_sts(site),
            build_token_surfaces(site),
        )
        http_server = HttpServer(settings.http_address, app, http_tls(settings))
        await http_server.start()
        stack.push_async_callback(http_server.stop)
        grpc_server = GrpcServer(
            grpc_config(settings), service.surfaces, lambda: not service.problems(), metrics
        )
        await grpc_server.start()
        stack.push_async_callback(grpc_server.stop)
        service.grpc_port, service.http_port = grpc_server.port, http_server.port
        tasks.start(grpc_server.run_health(), "health")
        tasks.start(follow(service, database, plane.refresher), "follow the store")
        tasks.start(plane.refresher.listen(), "listen for hints")
        tasks.start(trail.run(), "write the trail of sessions")
        presence_check = build_presence_check(site)
        if presence_check is not None:
            tasks.start(presence_check.run(), "ask providers about their users")
        stack.callback(service.stop)
        yield service


def tame_garbage_collector() -> None:
    """Keep the collector from walking the caches; see docs/decisions/0013."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _describe_build(metrics: Metrics, clock: Clock) -> None:
    started = clock.now()
    metrics.build_info.read_from(lambda: 1.0, __version__, platform.python_version())
    metrics.start_time.read_from(lambda: started)


def _invocation() -> str:
    """Return how this program was called, for the next command to be called the same way."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m authz"
    return str(program) if "/" in sys.argv[0] and not program.is_absolute() else program.name


def _greet(service: Service) -> None:
    """Say on a terminal or in `make run` where everything is and what to try next."""
    settings = service.settings
    host, grpc_port, http_port = (
        settings.grpc_address.rpartition(":")[0],
        service.grpc_port,
        service.http_port,
    )
    root = (
        "from the settings"
        if settings.root_access_key
        else f"in {settings.root_credentials_file} (mode 0600)"
    )
    lines = [
        f"authz {__version__}",
        f"  gRPC (Envoy, services, admin)  {host}:{grpc_port}",
        f"  HTTP (health, metrics, STS)    {settings.http_address.rpartition(':')[0]}:{http_port}",
        f"  root credential                {root}",
        f"  next                           {_invocation()} user create alice",
    ]
    if not is_loopback(settings.grpc_address) and settings.tls_cert_file is None:
        lines.append(
            "  warning                        the gRPC port is open to the network without TLS"
        )
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201 - what a person who starts it reads
