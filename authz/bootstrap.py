"""The composition root: builds every object once, in the order of their needs, and owns their lives.

Everything else takes what it needs as arguments; this file is where the rooms meet. `serve` runs until it
is told to stop (SIGTERM, SIGINT) and then ends in order: health says NOT_SERVING, calls in flight finish,
ports close, what was recorded is written.

A database that is down at start stops nothing: the ports open, health and readiness say no, and the state
is loaded as soon as it can be.
"""

import asyncio
import contextlib
import gc
import platform
import signal
import sys
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from os import open as os_open
from pathlib import Path
from typing import Any, Final, NamedTuple, TextIO

from authz import __version__
from authz.access.authenticator import Authenticator
from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.refresher import Refresher
from authz.clock import Clock, SystemClock
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.policies import Policies as PolicyRecords
from authz.control.users import Users
from authz.errors import AuthzError, InvalidError, ParseError
from authz.formats.http_routes import HttpRoutes, parse_mappings
from authz.formats.iam_json import parse_policy
from authz.formats.s3_http import MINIO_UNKNOWN, S3Config
from authz.identity.principal import ANONYMOUS, root_principal
from authz.identity.records import ManagedPolicy, PolicyOrigin
from authz.identity.sealing import KeyRing
from authz.policy.arn import canned_policy_arn, policy_arn
from authz.policy.compile import compile_policy
from authz.serving import admin_handlers
from authz.serving.admin import AdminSurface
from authz.serving.authentication import AuthenticationSurface
from authz.serving.authorization import AuthorizationSurface
from authz.serving.call import Methods
from authz.serving.ext_authz import ExtAuthz
from authz.serving.gate import Gate
from authz.serving.grpc.server import GrpcConfig, GrpcServer
from authz.serving.http.app import build_app
from authz.serving.http.server import HttpServer
from authz.serving.http_mappings import S3, HttpMapping, RoutesMapping, S3Mapping
from authz.settings import Settings, is_loopback
from authz.store import local_files
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.schema import SchemaState
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from authz.telemetry import logs
from authz.telemetry.decision_log import DecisionLog
from authz.telemetry.metrics import Metrics

SCHEMA_RETRY: Final = 0.5
"""Seconds between looks at a database that is away or not migrated yet."""

GC_THRESHOLDS: Final = (10_000, 50, 1_000)
"""Net allocations before a young collection, young ones before a middle one, middle ones before a full one."""


class DataPlane(NamedTuple):
    """What decides: everything that is in memory, and what keeps it fresh."""

    policies: Policies
    principals: Principals
    refresher: Refresher
    authorizer: Authorizer
    authenticator: Authenticator
    root: KeyEntry
    anonymous: UserEntry


class Service:
    """A running service: its ports as really bound, its surfaces, and what keeps it from answering."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.schema_problem = "the database has not been reached yet"
        self.is_stopping = False
        self.grpc_port = 0
        self.http_port = 0
        self.data_plane: DataPlane | None = None
        self.surfaces: Mapping[str, Methods] = {}

    def problems(self) -> Sequence[str]:
        """Return why new requests should not come here now, empty when they may."""
        if self.is_stopping:
            return ["the service is stopping"]
        if self.schema_problem:
            return [self.schema_problem]
        assert self.data_plane is not None
        if self.data_plane.refresher.applied < 0:
            return ["the policies have not been loaded yet"]
        age = self.data_plane.refresher.age()
        if age > self.settings.access_max_staleness:
            return [f"the state in memory was last confirmed {age:.0f} seconds ago"]
        return []

    def stop(self) -> None:
        """Say from now on that new requests should go elsewhere."""
        self.is_stopping = True


async def serve(settings: Settings) -> int:
    """Run the service until SIGTERM or SIGINT; return the exit code.

    Raises `InvalidError` for settings that cannot be served.
    """
    logs.configure(settings.log_format, settings.log_level)
    log = logs.get_logger("bootstrap")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    _tame_garbage_collector()
    async with running(settings, stop) as service:
        log.info(
            "started", version=__version__, grpc_port=service.grpc_port, http_port=service.http_port
        )
        _greet(service)
        await stop.wait()
        log.info("stopping", grace_period=settings.serving_grace_period)
    log.info("stopped")
    return 0


async def migrate(settings: Settings) -> int:
    """Bring the database's schema and canned policies to this version; return the revision."""
    async with _open_database(settings) as database:
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
            _open_database(settings, lambda mode: metrics.database_errors.inc((mode,)))
        )
        decision_log = DecisionLog(
            stack.enter_context(_decision_stream(settings)),
            metrics,
            allow_sample_rate=settings.decision_log_allow_sample_rate,
        )
        source = SqlSource(database)
        plane = _build_data_plane(service, source, key_ring, root, decision_log)
        service.data_plane = plane
        service.surfaces = _build_surfaces(service, plane, database, key_ring)
        tasks = await stack.enter_async_context(_supervised(stop))
        tasks.start(decision_log.run(), "decision log")
        http_server = HttpServer(settings.http_address, build_app(metrics, service.problems))
        await http_server.start()
        stack.push_async_callback(http_server.stop)
        grpc_server = GrpcServer(
            _grpc_config(settings), service.surfaces, lambda: not service.problems(), metrics
        )
        await grpc_server.start()
        stack.push_async_callback(grpc_server.stop)
        service.grpc_port, service.http_port = grpc_server.port, http_server.port
        tasks.start(grpc_server.run_health(), "health")
        tasks.start(_follow(service, database, plane.refresher), "follow the store")
        tasks.start(plane.refresher.listen(), "listen for hints")
        stack.callback(service.stop)
        yield service


# --- building ---


def _build_data_plane(
    service: Service,
    source: SqlSource,
    key_ring: KeyRing,
    root: local_files.RootCredential,
    decision_log: DecisionLog,
) -> DataPlane:
    settings, metrics, clock = service.settings, service.metrics, service.clock
    policies = Policies(parse_policy, lambda policy: arn_of_policy(policy, settings.account_id))
    principals = Principals(
        source,
        policies,
        key_ring,
        metrics,
        account=settings.account_id,
        limit=settings.access_cache_size,
        concurrent_loads=settings.access_concurrent_loads,
    )
    refresher = Refresher(
        source,
        policies,
        principals,
        metrics,
        clock,
        poll_interval=settings.access_poll_interval,
        wait_limit=settings.access_revision_wait,
    )
    authorizer = Authorizer(
        policies,
        refresher,
        decision_log,
        metrics,
        clock,
        max_staleness=settings.access_max_staleness,
    )
    nothing = policies.handle((), ())
    root_entry = KeyEntry(
        root.access_key_id,
        root.secret.reveal().encode(),
        UserEntry(root_principal(settings.account_id), nothing, is_enabled=True),
        is_enabled=True,
    )
    return DataPlane(
        policies,
        principals,
        refresher,
        authorizer,
        Authenticator(principals, root_entry, regions=settings.regions),
        root_entry,
        UserEntry(ANONYMOUS, nothing, is_enabled=True),
    )


def _build_surfaces(
    service: Service, plane: DataPlane, database: Database, key_ring: KeyRing
) -> dict[str, Methods]:
    metrics, clock = service.metrics, service.clock
    gate = Gate(plane.authenticator, plane.authorizer, metrics, clock)
    mappings = _build_mappings(service.settings)
    services = frozenset(name for mapping in mappings.values() for name in mapping.services)
    ext_authz = ExtAuthz(
        plane.authenticator,
        plane.authorizer,
        mappings,
        plane.anonymous,
        metrics,
        clock,
        trusted_hops=service.settings.trusted_hops,
    )
    authorization = AuthorizationSurface(
        plane.principals, plane.authorizer, plane.refresher, gate, plane.root, metrics, clock
    )
    authentication = AuthenticationSurface(
        plane.authenticator,
        plane.authorizer,
        plane.refresher,
        metrics,
        clock,
        services=services,
    )
    return {
        "ext_authz": ext_authz.methods,
        "authz_v1": {**authorization.methods, **authentication.methods},
        "admin": _build_admin(service, plane, database, key_ring, gate),
    }


def _build_admin(
    service: Service, plane: DataPlane, database: Database, key_ring: KeyRing, gate: Gate
) -> Methods:
    account, clock = service.settings.account_id, service.clock
    # A write of our own needs no hint from the database to be seen here.
    store = SqlStore(database, on_commit=plane.refresher.hint)
    users, groups = Users(store, clock), Groups(store, clock)
    policies = PolicyRecords(store, clock, check_document)
    access_keys = AccessKeys(store, clock, key_ring, root_access_key_id=plane.root.id)
    handlers = (
        admin_handlers.UserHandlers(users, account),
        admin_handlers.AccessKeyHandlers(access_keys, users),
        admin_handlers.GroupHandlers(groups, users, account),
        admin_handlers.PolicyHandlers(policies, account),
        admin_handlers.AttachmentHandlers(Attachments(store), users, groups, policies),
    )
    return AdminSurface(gate, account, handlers).methods


def _build_mappings(settings: Settings) -> dict[str, HttpMapping]:
    config = S3Config(
        domains=settings.s3_domains,
        unknown_subresources=MINIO_UNKNOWN if settings.s3_store == "minio" else frozenset(),
    )
    routes = _read_routes(settings.http_routes_file)
    return {S3: S3Mapping(config), **{one.name: RoutesMapping(one) for one in routes}}


def _read_routes(path: Path | None) -> Sequence[HttpRoutes]:
    if path is None:
        return ()
    try:
        return parse_mappings(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidError(f"{path} cannot be read as TOML: {error}") from None
    except ParseError as error:
        raise InvalidError(f"{path}: {error.message}") from None


def check_document(document: str) -> None:
    """Refuse a policy document that would not be enforced as written; raises `ParseError` with the place."""
    compile_policy(parse_policy(document), arn="", version=1)


def arn_of_policy(policy: ManagedPolicy, account: str) -> str:
    """Return a managed policy's ARN: those that come with the software stand in the account called `aws`."""
    if policy.origin is PolicyOrigin.AWS:
        return canned_policy_arn(policy.name)
    return policy_arn(account, policy.name)


def _grpc_config(settings: Settings) -> GrpcConfig:
    return GrpcConfig(
        address=settings.grpc_address,
        max_message_bytes=settings.serving_max_message_bytes,
        max_concurrent_calls=settings.serving_max_concurrent_calls,
        grace_period=settings.serving_grace_period,
        drain_delay=settings.serving_drain_delay,
        with_reflection=settings.serving_reflection,
        tls_cert_file=settings.tls_cert_file,
        tls_key_file=settings.tls_key_file,
        tls_client_ca_file=settings.tls_client_ca_file,
    )


def _open_database(
    settings: Settings, on_fault: Callable[[str], None] = lambda _: None
) -> Database:
    options = DatabaseOptions(
        pool_size=settings.store_pool_size, use_notify=settings.store_use_notify
    )
    return Database.open(settings.effective_database_url, options, on_fault)


@contextlib.contextmanager
def _decision_stream(settings: Settings) -> Any:
    """Open where decisions are recorded, private to the owner when it is a file."""
    if settings.decision_log == "off":
        yield None
    elif settings.decision_log == "stdout":
        yield sys.stdout
    else:
        try:
            stream: TextIO = open(  # noqa: SIM115 - closed by the with below
                settings.decision_log, "a", encoding="utf-8", opener=_private
            )
        except OSError:
            raise InvalidError(
                f"the decision log {settings.decision_log} cannot be opened"
            ) from None
        with stream:
            yield stream


def _private(path: str, flags: int) -> int:
    return os_open(path, flags, 0o600)


# --- running ---


class _Tasks:
    """Named background tasks; one that ends unexpectedly is reported and stops the service."""

    def __init__(self, stop: asyncio.Event | None) -> None:
        self._stop = stop
        self._tasks: list[asyncio.Task[None]] = []
        self._log = logs.get_logger("bootstrap")

    def start(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self._log.error("task_ended_unexpectedly", task=task.get_name(), exc_info=task.exception())
        if self._stop is not None:
            self._stop.set()

    async def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def _supervised(stop: asyncio.Event | None) -> AsyncIterator[_Tasks]:
    tasks = _Tasks(stop)
    try:
        yield tasks
    finally:
        await tasks.cancel()


async def _follow(service: Service, database: Database, refresher: Refresher) -> None:
    """Wait for a database with the right schema, then follow its change log."""
    log = logs.get_logger("bootstrap")
    while True:
        problem = await _schema_problem(service, database)
        if not problem:
            break
        if problem != service.schema_problem:
            log.warning("not_ready", problem=problem)
        service.schema_problem = problem
        await asyncio.sleep(SCHEMA_RETRY)
    service.schema_problem = ""
    await refresher.run()


async def _schema_problem(service: Service, database: Database) -> str:
    try:
        state = await database.schema_state()
        # The embedded database belongs to this software alone, so nobody else would migrate it; and it is
        # migrated at every start, because a new version may bring other canned policies with the same schema.
        if state is not SchemaState.UNKNOWN and not database.is_postgresql:
            await database.migrate(now=service.clock.now())
            return ""
    except AuthzError as error:
        return f"the database cannot be used: {error.message}"
    if state is SchemaState.BEHIND:
        return "the database's schema is older than this software; run `authz migrate`"
    if state is SchemaState.UNKNOWN:
        return "the database's schema is newer than this software; upgrade it"
    return ""


def _tame_garbage_collector() -> None:
    """Keep the collector from walking the caches; see docs/decisions/0013."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _describe_build(metrics: Metrics, clock: Clock) -> None:
    started = clock.now()
    metrics.build_info.read_from(lambda: 1.0, __version__, platform.python_version())
    metrics.start_time.read_from(lambda: started)


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
        f"  HTTP (health, metrics)         {settings.http_address.rpartition(':')[0]}:{http_port}",
        f"  root credential                {root}",
        "  next                           authz user create alice && authz --help",
    ]
    if not is_loopback(settings.grpc_address) and settings.tls_cert_file is None:
        lines.append(
            "  warning                        the gRPC port is open to the network without TLS"
        )
    print("\n".join(lines), file=sys.stderr, flush=True)  # noqa: T201 - what a person who starts it reads
