"""The database: connections, transactions and their modes, for SQLite and PostgreSQL alike.

Callers hand in what to do with a connection rather than take one, because that lets the whole of it be tried
again on a fresh connection when a pooled one turns out to be dead, and lets every driver error be translated
in one place (`faults.py`).

| mode | SQLite | PostgreSQL |
|---|---|---|
| `ask` (one statement) | no transaction | autocommit: one round trip |
| `read` (several) | `BEGIN` | `REPEATABLE READ READ ONLY` |
| `write` | `BEGIN IMMEDIATE` | `READ COMMITTED`; callers lock the state row first |

Opening does no I/O towards PostgreSQL: a database that is down fails the calls, not the start.
"""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import asyncpg
from sqlalchemy import Connection, event
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from authz.errors import AuthzError, InvalidError, UnavailableError
from authz.policy.canned import CANNED_POLICIES, CannedPolicy
from authz.store.sql import schema
from authz.store.sql.canned import refresh_canned_policies
from authz.store.sql.faults import DRIVER_ERRORS, is_lost, is_retryable, translate
from authz.store.sql.schema import SchemaState

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]
"""What to do with a connection; may be called again on another one, so it has no other effects."""

ATTEMPTS: Final = 3
"""How often a call is tried in all when its connection was dead or its transaction was undone."""

APPLICATION: Final = "authz"
"""How our connections call themselves in `pg_stat_activity`."""

_MODE: Final = "authz_mode"
_BEGIN: Final = {"read": "BEGIN", "write": "BEGIN IMMEDIATE"}
_SQLITE_WAL: Final = "PRAGMA journal_mode = WAL"
_SQLITE_PRAGMAS: Final = (
    # FULL, not NORMAL: a revoked key must not come back with the power.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)
_ISOLATION: Final[Mapping[str, dict[str, Any]]] = {
    "ask": {"isolation_level": "AUTOCOMMIT"},
    "read": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
    "write": {"isolation_level": "READ COMMITTED"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseOptions:
    """How patient we are, in seconds, and how many connections we keep."""

    pool_size: int = 5
    """Connections kept open; as many again are opened under load (each costs the server a process)."""
    connect_timeout: float = 5.0
    command_timeout: float = 10.0
    """Longest a statement may take; ours take milliseconds."""
    pool_timeout: float = 5.0
    """Longest wait for a free connection."""
    busy_timeout: float = 5.0
    """Longest wait for another process's write to a SQLite file."""
    heartbeat_interval: float = 3.0
    """Between two signs of life on the connection that hears hints; a dead one is noticed this late."""
    heartbeat_timeout: float = 2.0
    sqlite_poll_interval: float = 0.1
    """Between two looks at a SQLite file's change counter."""
    use_notify: bool = True
    """Whether to hear hints at all; without, readers follow by polling the log (hot standby, tests)."""


class Database:
    """An open database; `close` it, or use it as an async context manager."""

    def __init__(
        self,
        engine: AsyncEngine,
        dsn: str,
        options: DatabaseOptions,
        on_fault: Callable[[str], None],
    ) -> None:
        """Take a prepared engine; use `open`. `dsn` is a file's path or what asyncpg connects to."""
        self._on_fault = on_fault
        self.dsn: Final = dsn
        self.options: Final = options
        self.is_postgresql: Final = engine.dialect.name == "postgresql"
        self._engine = engine
        self._modes = {
            mode: engine.execution_options(
                **{_MODE: mode}, **(isolation if self.is_postgresql else {})
            )
            for mode, isolation in _ISOLATION.items()
        }
        # SQLite has one writer, and queueing here is fair, which its own lock is not. In PostgreSQL, writers
        # that wait for the state row must not take every connection from the readers.
        self._turn = asyncio.Semaphore(options.pool_size if self.is_postgresql else 1)

    @classmethod
    def open(
        cls,
        url: str,
        options: DatabaseOptions | None = None,
        on_fault: Callable[[str], None] = lambda _: None,
    ) -> Self:
        """Open `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://…` (as libpq writes it).

        `on_fault` is told the mode of each call that failed for good. Raises `InvalidError` for another URL,
        `UnavailableError` when a SQLite file cannot be made.
        """
        options = options or DatabaseOptions()
        if url.startswith(("postgresql://", "postgres://", "postgresql+asyncpg://")):
            dsn = url.replace("postgresql+asyncpg://", "postgresql://", 1)
            return cls(_postgresql_engine(dsn, options), dsn, options, on_fault)
        parsed = _parse_sqlite(url)
        path = str(parsed.database)
        _create_file(Path(path))
        return cls(_sqlite_engine(parsed, options), path, options, on_fault)

    async def close(self) -> None:
        """Close every connection."""
        await self._engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"Database({self._engine.dialect.name})"

    async def ask(self, work: Work[T]) -> T:
        """Run one reading statement, which is a snapshot by itself."""
        return await self._repeated("ask", work)

    async def read(self, work: Work[T]) -> T:
        """Run several reading statements in one snapshot."""
        return await self._repeated("read", work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one write transaction and commit it.

        `UnavailableError` from a commit means that the outcome is unknown; nothing is tried again then.
        """
        async with self._turn:
            return await self._repeated("write", work)

    async def migrate(
        self, *, now: float, canned: Iterable[CannedPolicy] = tuple(CANNED_POLICIES.values())
    ) -> int:
        """Bring schema and canned policies to this version of the software; return the revision.

        `now` is the time noted on changed policies, epoch seconds. Safe at the same time in several processes,
        and again when nothing is to do. Raises `ConflictError` when the database is newer than the software.
        """

        async def work(connection: AsyncConnection) -> int:
            await connection.run_sync(schema.upgrade)
            return await refresh_canned_policies(connection, tuple(canned), now)

        return await self.write(work)

    async def schema_state(self) -> SchemaState:
        """Tell whether the database has the schema that this software needs."""
        return await self.read(lambda connection: connection.run_sync(schema.state_of))

    async def _repeated(self, mode: str, work: Work[T]) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            call = _Call(self._modes[mode], is_write=mode == "write")
            try:
                return await call.run(work)
            except AuthzError:
                raise
            except DRIVER_ERRORS as error:
                if call.is_committing:
                    self._on_fault(mode)
                    raise UnavailableError(
                        "the database was lost during a commit; the change may or may not be stored"
                    ) from error
                if attempt == ATTEMPTS or not (call.was_lost or is_retryable(error)):
                    self._on_fault(mode)
                    raise translate(error) from error
        raise AssertionError("the last attempt returns or raises")


class _Call:
    """One attempt at a piece of work."""

    def __init__(self, engine: AsyncEngine, *, is_write: bool) -> None:
        self.is_committing = False
        self.was_lost = False
        self._engine = engine
        self._is_write = is_write

    async def run(self, work: Work[T]) -> T:
        async with self._engine.connect() as connection:
            try:
                result = await work(connection)
                if self._is_write:
                    self.is_committing = True
                    await connection.commit()
            except DRIVER_ERRORS as error:
                self.was_lost = is_lost(error)
                # A connection that timed out or broke is not asked again by anybody.
                if self.was_lost or isinstance(error, OSError):
                    await connection.invalidate()
                raise
            return result


def _postgresql_engine(dsn: str, options: DatabaseOptions) -> AsyncEngine:
    async def connect(**_: Any) -> Any:
        return await asyncpg.connect(
            dsn,
            timeout=options.connect_timeout,
            command_timeout=options.command_timeout,
            # A transaction whose client vanished must not hold the state row for long.
            server_settings={
                "application_name": APPLICATION,
                "idle_in_transaction_session_timeout": str(int(options.command_timeout * 1000)),
            },
        )

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=options.pool_size,
        max_overflow=options.pool_size,
        pool_timeout=options.pool_timeout,
        pool_use_lifo=True,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "checkout", _refuse_closed)
    event.listen(engine.sync_engine, "handle_error", _notice_lost)
    return engine


def _refuse_closed(connection: Any, *_: object) -> None:
    """Keep a connection that the server closed out of anybody's hands; costs no round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _notice_lost(context: ExceptionContext) -> None:
    """Let the pool drop all its connections when the server says that it is going away."""
    if is_lost(context.original_exception):
        context.is_disconnect = True


def _sqlite_engine(url: URL, options: DatabaseOptions) -> AsyncEngine:
    engine = create_async_engine(
        url,
        isolation_level="AUTOCOMMIT",  # the driver begins nothing by itself; `_begin` does
        connect_args={"timeout": options.busy_timeout},
        pool_size=options.pool_size,
        max_overflow=options.pool_size,
        pool_timeout=options.pool_timeout,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    for pragma in _SQLITE_PRAGMAS:
        cursor.execute(pragma)
    # The mode belongs to the file. Switching a new file waits for nobody: who comes second is refused at once,
    # and finds it switched the next time.
    with contextlib.suppress(sqlite3.OperationalError):
        cursor.execute(_SQLITE_WAL)
    cursor.close()


def _begin(connection: Connection) -> None:
    statement = _BEGIN.get(connection.get_execution_options().get(_MODE, ""))
    if statement:
        connection.exec_driver_sql(statement)


def _parse_sqlite(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = URL.create("")
    if parsed.drivername not in {"sqlite", "sqlite+aiosqlite"} or not parsed.database:
        # Not quoted: a URL may hold a password.
        raise InvalidError(
            "a database URL is sqlite:///PATH or postgresql://USER@HOST/NAME", field="url"
        )
    if parsed.database == ":memory:":
        raise InvalidError("a SQLite database is a file", field="url")
    return parsed.set(drivername="sqlite+aiosqlite")


def _create_file(path: Path) -> None:
    """Make the file readable by its owner alone; SQLite gives its side files the same mode."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise UnavailableError("the database file cannot be opened for writing") from error
