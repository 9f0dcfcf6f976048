"""The gRPC server: port, limits, TLS, health, reflection, and a shutdown that drops nothing.

Health is honest: SERVING only while decisions can be made on state that is fresh enough, per service,
with Watch. On shutdown it says NOT_SERVING first, so that proxies turn away, and the port closes after
that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio
from grpc_reflection.v1alpha import reflection

from authz.errors import InvalidError
from authz.serving.call import Methods
from authz.serving.grpc.transport import SurfaceHandlers
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

HEALTH_INTERVAL: Final = 0.1
"""Seconds between looks at whether this process may answer."""

HEALTH_LIMIT: Final = 1.0
"""Seconds that telling the watchers of one service may take."""

MAX_CONNECTION_AGE: Final = 3_600_000
"""Milliseconds after which a client is asked to connect again, so that load spreads over new replicas."""

KEEPALIVE_MIN_INTERVAL: Final = 10_000
"""Milliseconds a client must leave between keepalive pings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcConfig:
    """How the port is served. Sizes in bytes, times in seconds."""

    address: str
    max_message_bytes: int
    max_concurrent_calls: int
    grace_period: float
    drain_delay: float
    with_reflection: bool
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = None


class GrpcServer:
    """Serves surfaces over gRPC from `start` to `stop`."""

    def __init__(
        self,
        config: GrpcConfig,
        surfaces: Mapping[str, Methods],
        is_ready: Callable[[], bool],
        metrics: Metrics,
    ) -> None:
        """Serve `surfaces`; health is SERVING while `is_ready` says so."""
        self._config = config
        self._is_ready = is_ready
        self._log = get_logger("serving")
        self._services = _service_names(surfaces)
        self._health = health_aio.HealthServicer()
        self._is_draining = False
        self.port = 0
        self._server = grpc.aio.server(
            maximum_concurrent_rpcs=config.max_concurrent_calls,
            options=[
                ("grpc.max_receive_message_length", config.max_message_bytes),
                ("grpc.max_send_message_length", config.max_message_bytes),
                ("grpc.max_connection_age_ms", MAX_CONNECTION_AGE),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", KEEPALIVE_MIN_INTERVAL),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.so_reuseport", 0),
            ],
        )
        self._server.add_generic_rpc_handlers((SurfaceHandlers(surfaces, metrics),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if config.with_reflection:
            names = (*self._services, "grpc.health.v1.Health", reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)

    async def start(self) -> None:
        """Open the port. Raises `InvalidError` when it cannot be bound."""
        await self._set_health(is_serving=False)
        try:
            self.port = self._bind()
        except RuntimeError:
            raise InvalidError(
                f"{self._config.address} cannot be bound; is another process listening there?"
            ) from None
        await self._server.start()

    async def run_health(self) -> None:
        """Keep health in step with readiness until cancelled."""
        said = False
        while True:
            is_serving = self._is_ready() and not self._is_draining
            if is_serving != said and await self._set_health(is_serving=is_serving):
                said = is_serving
            await asyncio.sleep(HEALTH_INTERVAL)

    async def stop(self) -> None:
        """Say NOT_SERVING, give proxies time to notice, let calls in flight finish, close."""
        self._is_draining = True
        await self._set_health(is_serving=False)
        await asyncio.sleep(self._config.drain_delay)
        await self._server.stop(self._config.grace_period)

    def _bind(self) -> int:
        credentials = _credentials(self._config)
        if credentials is None:
            return self._server.add_insecure_port(self._config.address)
        return self._server.add_secure_port(self._config.address, credentials)

    async def _set_health(self, *, is_serving: bool) -> bool:
        kinds = health_pb2.HealthCheckResponse
        status = kinds.SERVING if is_serving else kinds.NOT_SERVING
        told = await asyncio.gather(
            *(self._set_one(service, status) for service in ("", *self._services))
        )
        self._log.info("health_changed", serving=is_serving)
        return all(told)

    async def _set_one(self, service: str, status: Any) -> bool:
        # Setting waits for every watcher to be told; one that does not read must hold up nobody.
        try:
            async with asyncio.timeout(HEALTH_LIMIT):
                await self._health.set(service, status)
        except TimeoutError:
            return False
        return True


def _service_names(surfaces: Mapping[str, Methods]) -> Sequence[str]:
    methods = [name for methods in surfaces.values() for name in methods]
    return sorted({name.split("/")[1] for name in methods})


def _credentials(config: GrpcConfig) -> Any:
    """Return server credentials when a certificate is configured; with a client CA, mutual TLS."""
    if config.tls_cert_file is None or config.tls_key_file is None:
        return None
    try:
        pair = (config.tls_key_file.read_bytes(), config.tls_cert_file.read_bytes())
        client_ca = config.tls_client_ca_file.read_bytes() if config.tls_client_ca_file else None
    except OSError:
        raise InvalidError("a file of the TLS settings cannot be read") from None
    return grpc.ssl_server_credentials([pair], client_ca, require_client_auth=client_ca is not None)
