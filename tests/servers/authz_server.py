"""`authz serve` as a real process: environment in, addresses and a root credential out.

What a user would start, with a data directory of its own and settings through the environment only. Readiness is
asked where a proxy or an orchestrator asks it (`/readyz`).
"""

import contextlib
import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.servers.admin_client import AdminClient
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import (
    PATIENCE,
    ServerProcess,
    bare_environment,
    http_status,
    http_text,
    start,
    wait_for,
)

ROOT = Path(__file__).parents[2]
ROOT_CREDENTIAL = ("AKIAROOTROOTROOTROOT", "root-secret-of-the-tests-0123456789abcdef")

READY_TIMEOUT = 90.0
"""Seconds a server may take until it is ready; the first start also migrates the database."""

CLI_TIMEOUT = 90.0
"""Seconds a command may take."""


class CommandError(Exception):
    """A command ended with another exit code than expected; the message holds what it printed."""


@dataclass(slots=True)
class AuthzServer:
    """A running `authz serve`."""

    process: ServerProcess
    grpc_port: int
    http_port: int
    env: dict[str, str]
    credential: tuple[str, str] = ROOT_CREDENTIAL
    _admins: list[AdminClient] = field(default_factory=list)
    _settled: int = -1

    @property
    def http_url(self) -> str:
        """Where health, readiness and metrics are."""
        return f"http://{LOOPBACK}:{self.http_port}"

    @property
    def admin(self) -> AdminClient:
        """A client of the admin API, as root."""
        if not self._admins:
            self._admins.append(AdminClient(self.grpc_port, self.credential))
        return self._admins[0]

    def is_ready(self) -> bool:
        """Tell whether the server says that it is ready."""
        return http_status(f"{self.http_url}/readyz") == 200

    def wait_ready(self, timeout: float = READY_TIMEOUT) -> None:
        """Wait until the server says that it is ready."""
        self.process.wait_until(self.is_ready, timeout)

    def problems(self) -> list[str]:
        """Return what the server says keeps it from being ready."""
        return list(json.loads(http_text(f"{self.http_url}/readyz"))["problems"])

    def health(self, service: str = "envoy.service.auth.v3.Authorization") -> str:
        """Return the status that gRPC health gives this service, as a proxy would ask."""
        return self.admin.health(service)

    def cli(self, *args: str, exit_code: int = 0) -> str:
        """Run `authz ARGS` as root against this server and return what it prints, once it is in force."""
        printed = run_command(args, self._client_env(), exit_code=exit_code)
        self.settle()
        return printed

    def cli_json(self, *args: str) -> Any:
        """Run `authz ARGS --json` and return the document it prints."""
        return json.loads(self.cli(*args, "--json"))

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Return every sample of `/metrics`: name and labels → value."""
        text = http_text(f"{self.http_url}/metrics")
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of this name that have these labels; 0 when there is none."""
        wanted = set(labels.items())
        return sum(
            value
            for (found, has), value in self.metrics().items()
            if found == name and wanted <= has
        )

    def wait_for_revision(self, revision: int, timeout: float = PATIENCE) -> None:
        """Wait until decisions are made on this revision or a newer one."""
        wait_for(lambda: self.metric("authz_revision") >= revision, timeout, f"revision {revision}")

    def settle(self) -> None:
        """Wait until decisions are made on all that is committed; only of a server with a file of its own.

        A write is answered when it is committed. Memory follows a moment later, which on a loaded machine is
        longer than the next command takes to come.
        """
        if "AUTHZ_DATABASE_URL" in self.env:
            return
        path = Path(self.env["AUTHZ_DATA_DIR"]) / "authz.db"
        with contextlib.closing(sqlite3.connect(path, timeout=PATIENCE)) as database:
            (committed,) = database.execute("SELECT revision FROM state").fetchone()
        if committed > self._settled:
            self.wait_for_revision(committed)
            self._settled = committed

    def stop(self) -> int:
        """End the server as an orchestrator would (SIGTERM) and return its exit code."""
        for admin in self._admins:
            admin.__exit__(None, None, None)
        self._admins.clear()
        return self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _client_env(self) -> dict[str, str]:
        return {
            "AUTHZ_ADDRESS": f"{LOOPBACK}:{self.grpc_port}",
            "AUTHZ_ACCESS_KEY": self.credential[0],
            "AUTHZ_SECRET_KEY": self.credential[1],
        }


def start_authz(
    directory: Path, *, name: str = "authz", wait: bool = True, env: Mapping[str, str] | None = None
) -> AuthzServer:
    """Start `authz serve` with its data and log under `directory` and `env` on top of the settings made here.

    Replicas that share a database must share `directory`, where the key ring lies. With `wait`, returns when it
    is ready.
    """
    grpc_port, http_port = free_port(), free_port()
    settings = {
        "AUTHZ_GRPC_ADDRESS": f"{LOOPBACK}:{grpc_port}",
        "AUTHZ_HTTP_ADDRESS": f"{LOOPBACK}:{http_port}",
        "AUTHZ_DATA_DIR": str(directory / "data"),
        "AUTHZ_ROOT_ACCESS_KEY": ROOT_CREDENTIAL[0],
        "AUTHZ_ROOT_SECRET_KEY": ROOT_CREDENTIAL[1],
        "AUTHZ_LOG_FORMAT": "json",
        **(env or {}),
    }
    command = [sys.executable, "-m", "authz", "serve"]
    process = start(command, name=name, log_path=directory / f"{name}.log", env=settings, cwd=ROOT)
    server = AuthzServer(process, grpc_port, http_port, settings)
    try:
        if wait:
            server.wait_ready()
    except BaseException:
        process.kill()
        raise
    return server


def migrate(directory: Path, database_url: str) -> None:
    """Run `authz migrate` on a database, as a deployment does before it starts the service."""
    env = {"AUTHZ_DATABASE_URL": database_url, "AUTHZ_DATA_DIR": str(directory / "data")}
    run_command(["migrate"], env)


def run_command(args: Sequence[str], env: Mapping[str, str], *, exit_code: int = 0) -> str:
    """Run `authz ARGS` and return what it prints; raises `CommandError` for another exit code."""
    ran = subprocess.run(
        [sys.executable, "-m", "authz", *args],
        env=bare_environment() | dict(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=CLI_TIMEOUT,
        check=False,
    )
    if ran.returncode != exit_code:
        said = ran.stdout + ran.stderr
        raise CommandError(f"authz {' '.join(args)}: exit {ran.returncode}\n{said}")
    return ran.stdout
