"""How a database says "something changed": `LISTEN` in PostgreSQL, a counter in a SQLite file.

Each is one connection of its own, for as long as the caller iterates. Hints are never the data: one may be
lost, late or repeated, and several may become one. The first is always 0, said once listening has begun, so
that whoever starts to listen also looks for what came before.

A connection whose peer vanished says nothing at all, so PostgreSQL's is asked for a sign of life at an interval
(asyncpg does not notice a dead socket by itself).
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, Final

import aiosqlite
import asyncpg

from authz.errors import UnavailableError
from authz.store.sql.change_log import CHANNEL
from authz.store.sql.engine import APPLICATION, Database
from authz.store.sql.faults import ASYNCPG_ERRORS

_ENDED: Final = "the connection that hears of changes ended"


def hints(database: Database) -> AsyncGenerator[int, None]:
    """Yield hints until closed; see `access.ports.Source.hints`."""
    if not database.options.use_notify:
        return _silence()
    return _notifications(database) if database.is_postgresql else _counter(database)


async def _silence() -> AsyncGenerator[int, None]:
    yield 0
    await asyncio.Event().wait()


class _Inbox:
    """Remembers the newest revision announced, and whether the connection has ended."""

    def __init__(self) -> None:
        self.wake: Final = asyncio.Event()
        self.is_closed = False
        self._newest = 0

    def receive(self, _connection: object, _pid: int, _channel: str, payload: str) -> None:
        # Anyone who may connect may notify: what is not a number means "look".
        number = (
            int(payload) if payload.isascii() and payload.isdecimal() and len(payload) < 19 else 0
        )
        self._newest = max(self._newest, number)
        self.wake.set()

    def close(self, _connection: object) -> None:
        self.is_closed = True
        self.wake.set()

    def take(self) -> int:
        self.wake.clear()
        newest, self._newest = self._newest, 0
        return newest


async def _notifications(database: Database) -> AsyncGenerator[int, None]:
    options = database.options
    inbox = _Inbox()
    connection = None
    try:
        connection = await asyncpg.connect(
            database.dsn,
            timeout=options.connect_timeout,
            command_timeout=options.heartbeat_timeout,
            server_settings={"application_name": f"{APPLICATION} listener"},
        )
        connection.add_termination_listener(inbox.close)
        await connection.add_listener(CHANNEL, inbox.receive)
        yield 0
        while True:
            if await _woken(inbox.wake, options.heartbeat_interval):
                if inbox.is_closed:
                    raise UnavailableError(_ENDED)
                yield inbox.take()
            else:
                await connection.execute("SELECT 1")
    except ASYNCPG_ERRORS as error:
        raise UnavailableError(_ENDED) from error
    finally:
        if connection is not None:
            # Not `close`, which waits for the peer's answer.
            connection.remove_termination_listener(inbox.close)
            connection.terminate()


async def _woken(wake: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return False
    return True


async def _counter(database: Database) -> AsyncGenerator[int, None]:
    """Poll `PRAGMA data_version`, which moves when any *other* connection commits, ours in this process too."""
    try:
        async with aiosqlite.connect(database.dsn) as connection:
            known = await _data_version(connection)
            yield 0
            while True:
                await asyncio.sleep(database.options.sqlite_poll_interval)
                version = await _data_version(connection)
                if version != known:
                    known = version
                    yield 0
    except (aiosqlite.Error, OSError, ValueError) as error:
        raise UnavailableError(_ENDED) from error


async def _data_version(connection: aiosqlite.Connection) -> Any:
    async with connection.execute("PRAGMA data_version") as cursor:
        return await cursor.fetchone()
