"""`authz doctor`: look at everything a working service needs, on the service's machine; say what to do.

A check yields findings: ok, warn or fail, what was seen, and what to do about it. Nothing is changed, and no
secret is shown. The command fails when a finding does.

Not here: what the service itself reports while it runs (`/readyz`, `/metrics`).
"""

import asyncio
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, print_table
from authz.cli.service import with_config
from authz.cli.session import Session, pass_session, with_json
from authz.clock import SystemClock
from authz.errors import AuthzError

if TYPE_CHECKING:
    from authz.settings import Settings

OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
SKEW_WARNING: Final = 5.0
"""Seconds between two clocks worth a word; signatures are refused from 300 on."""
SKEW_LIMIT: Final = 300.0


class Level(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw: `todo` says what to do, empty where nothing is to be done."""

    check: str
    level: Level
    seen: str
    todo: str = ""


Check = Callable[[Session, "Settings"], Iterator[Finding]]


@click.command()
@with_config
@with_json
@pass_session
def doctor(session: Session, config_file: Path | None) -> None:
    """Check settings, files, database and service, and say what to do.

    Run it on the service's machine, in the service's environment.
    """
    findings = list(examine(session, config_file))
    rows = [
        {"check": f.check, "result": f.level.value, "seen": f.seen, "todo": f.todo}
        for f in findings
    ]
    if session.as_json:
        print_json({"findings": rows})
    else:
        print_table(("result", "check", "seen", "todo"), rows, empty="nothing to check")
    if any(finding.level is Level.FAIL for finding in findings):
        raise CliError("", exit_code=ExitCode.FAILURE)


def examine(session: Session, config_file: Path | None) -> Iterator[Finding]:
    """Run every check; without readable settings there is nothing else to look at."""
    from authz import settings

    try:
        loaded = settings.load(config_file=config_file)
    except AuthzError as error:
        yield Finding("settings", Level.FAIL, error.message, "see `authz config --help`")
        return
    yield Finding("settings", Level.OK, f"{len(loaded.sources)} set, the others by default")
    session = _follow_settings(session, loaded.settings)
    for check in CHECKS:
        yield from check(session, loaded.settings)


def _follow_settings(session: Session, settings: "Settings") -> Session:
    """Return a client's options as the settings have them, where the command line says nothing else."""
    context = click.get_current_context().find_root()

    def is_given(option: str) -> bool:
        return context.get_parameter_source(option) is not ParameterSource.DEFAULT

    session = replace(
        session,
        address=session.address if is_given("address") else settings.grpc_address,
        data_dir=session.data_dir if is_given("data_dir") else settings.data_dir,
        region=session.region if is_given("region") else settings.region,
    )
    secret = settings.root_secret_key
    if not (session.access_key or session.credentials) and settings.root_access_key and secret:
        session.access_key, session.secret_key = settings.root_access_key, secret.reveal()
    return session


def _check_listening(_: Session, settings: "Settings") -> Iterator[Finding]:
    from authz.settings import is_loopback

    if is_loopback(settings.grpc_address) or settings.tls_cert_file:
        yield Finding("listening", Level.OK, f"gRPC on {settings.grpc_address}")
        return
    yield Finding(
        "listening",
        Level.WARN,
        f"gRPC on {settings.grpc_address} without TLS",
        "set AUTHZ_TLS_CERT_FILE and AUTHZ_TLS_KEY_FILE, or keep strangers off the network",
    )


def _check_files(_: Session, settings: "Settings") -> Iterator[Finding]:
    folder = settings.data_dir
    if not folder.is_dir():
        todo = f"`authz serve` makes it, or: mkdir -m 700 {folder}"
        yield Finding("data folder", Level.WARN, f"{folder} is not there", todo)
    else:
        yield Finding("data folder", Level.OK, str(folder.resolve()))
    if settings.root_access_key:
        yield Finding("root credential", Level.OK, "set by the environment or a file of settings")
    else:
        yield _look_at_private("root credential", settings.root_credentials_file)
    yield _look_at_private("master keys", settings.effective_master_key_file)


def _look_at_private(check: str, path: Path) -> Finding:
    try:
        mode = path.stat().st_mode
        path.read_bytes()
    except FileNotFoundError:
        return Finding(check, Level.WARN, f"{path} is not there", "`authz serve` makes it")
    except OSError as error:
        seen = f"{path} cannot be read ({error.strerror})"
        return Finding(check, Level.FAIL, seen, "run this as the service's user")
    if mode & OTHERS:
        return Finding(check, Level.FAIL, f"others can read {path}", f"chmod 600 {path}")
    return Finding(check, Level.OK, str(path))


def _check_database(_: Session, settings: "Settings") -> Iterator[Finding]:
    url = settings.effective_database_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        seen = f"{url.removeprefix('sqlite:///')} is not there"
        yield Finding("database", Level.WARN, seen, "`authz serve` or `authz migrate` makes it")
        return
    yield asyncio.run(_look_at_database(url))


async def _look_at_database(url: str) -> Finding:
    from authz.store.sql.engine import Database
    from authz.store.sql.schema import SchemaState

    kind = url.partition(":")[0]
    try:
        async with Database.open(url) as database:
            state = await database.schema_state()
    except AuthzError as error:
        todo = "check AUTHZ_DATABASE_URL, and that the database runs and lets this user in"
        return Finding("database", Level.FAIL, f"{kind}: {error.message}", todo)
    if state is SchemaState.CURRENT:
        return Finding("database", Level.OK, f"{kind}, schema up to date")
    if state is SchemaState.BEHIND:
        return Finding("database", Level.FAIL, f"{kind}, schema is behind", "run `authz migrate`")
    todo = "run a version of the software that knows it"
    return Finding("database", Level.FAIL, f"{kind}, schema of another version", todo)


def _check_grpc(session: Session, settings: "Settings") -> Iterator[Finding]:
    from google.protobuf.message import Message
    from grpc_health.v1 import health_pb2

    from authz.cli.client import call_unary, open_channel

    kind: Any = health_pb2
    answer: type[Message] = kind.HealthCheckResponse
    try:
        with open_channel(session.address, session.ca_file) as channel:
            health: Any = call_unary(
                channel, "/grpc.health.v1.Health/Check", b"", answer, session.timeout
            )
    except CliError as error:
        is_mismatch = settings.tls_cert_file and session.ca_file is None
        todo = "the port speaks TLS: name its CA with --ca-file" if is_mismatch else error.hint
        yield Finding("gRPC", Level.FAIL, f"{session.address}: {error.message}", todo)
        return
    if health.status == kind.HealthCheckResponse.SERVING:
        yield Finding("gRPC", Level.OK, f"{session.address} is serving")
    else:
        seen = f"{session.address} answers, but is not serving"
        yield Finding("gRPC", Level.FAIL, seen, "the line `ready` and the service's log say why")


def _check_http(session: Session, settings: "Settings") -> Iterator[Finding]:
    import json
    from http.client import HTTPConnection, HTTPException

    host, _, port = settings.http_address.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=session.timeout)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        body = json.loads(response.read(65_536))
    except (OSError, HTTPException, ValueError) as error:
        seen = f"{settings.http_address} does not answer ({type(error).__name__})"
        yield Finding("ready", Level.FAIL, seen, "is the service running? start it: `authz serve`")
        return
    finally:
        connection.close()
    yield _read_readiness(settings.http_address, body)
    yield from _read_clock(response.getheader("date", ""))


def _read_readiness(address: str, body: Any) -> Finding:
    problems = body.get("problems") if isinstance(body, dict) else None
    if problems == []:
        return Finding("ready", Level.OK, f"{address} is ready")
    seen = "; ".join(map(str, problems)) if problems else "is not this service"
    return Finding("ready", Level.FAIL, f"{address}: {seen}", "see the service's log")


def _read_clock(date: str | None) -> Iterator[Finding]:
    try:
        skew = abs(SystemClock().now() - parsedate_to_datetime(date or "").timestamp())
    except ValueError:
        return
    seen = f"{skew:.0f} s from the service's clock"
    if skew >= SKEW_LIMIT:
        yield Finding("clock", Level.FAIL, seen, "set this machine's clock: signatures are refused")
    elif skew >= SKEW_WARNING:
        yield Finding("clock", Level.WARN, seen, "let NTP set both machines' clocks")
    else:
        yield Finding("clock", Level.OK, seen)


def _check_credential(session: Session, _: "Settings") -> Iterator[Finding]:
    from authz.wire.authz.admin.v1 import policy_service_pb2 as wire

    try:
        with session.connect() as client:
            client.call(
                "/authz.admin.v1.PolicyService/ListPolicies",
                wire.ListPoliciesRequest(page_size=1),
                wire.ListPoliciesResponse,
            )
    except CliError as error:
        yield Finding("credential", Level.FAIL, error.message, error.hint)
        return
    yield Finding("credential", Level.OK, "signed calls are accepted")


CHECKS: Final[tuple[Check, ...]] = (
    _check_listening,
    _check_files,
    _check_database,
    _check_grpc,
    _check_http,
    _check_credential,
)
