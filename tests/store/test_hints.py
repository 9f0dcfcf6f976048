import asyncio
from contextlib import aclosing

import pytest

from authz.errors import UnavailableError
from authz.store.sql import hints
from authz.store.sql.change_log import CHANNEL
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.servers.postgres import PostgresServer
from tests.store.fixtures import OPTIONS, Control

BOUND = 60.0
"""Seconds to wait for what comes in milliseconds."""


async def test_each_commit_is_announced_even_by_another_process(
    database: Database, database_url: str
) -> None:
    async with Database.open(database_url, OPTIONS) as other, asyncio.timeout(BOUND):
        writer = Control(SqlStore(other))
        async with aclosing(hints.hints(database)) as heard:
            assert await anext(heard) == 0
            for n in range(5):
                revision = (await writer.users.create(f"user{n}")).revision
                assert await anext(heard) in {0, revision}


async def test_our_own_commits_are_announced_too(database: Database, control: Control) -> None:
    async with aclosing(hints.hints(database)) as heard, asyncio.timeout(BOUND):
        await anext(heard)
        revision = (await control.users.create("alice")).revision
        assert await anext(heard) in {0, revision}


async def test_following_hints_never_misses_the_last_revision(
    database: Database, control: Control, source: SqlSource
) -> None:
    async def follow() -> int:
        reached = 0
        async with aclosing(hints.hints(database)) as heard:
            async for _ in heard:
                reached = (await source.changes_after(reached, 1000)).revision
                if reached == 30:
                    return reached
        raise AssertionError("hints ended")

    async with asyncio.timeout(BOUND), asyncio.TaskGroup() as tasks:
        follower = tasks.create_task(follow())
        for n in range(30):
            tasks.create_task(control.users.create(f"user{n}"))
    assert follower.result() == 30


async def test_without_notify_only_the_first_look_is_asked_for(database_url: str) -> None:
    async with Database.open(database_url, DatabaseOptions(use_notify=False)) as database:
        await database.migrate(now=1.0)
        async with aclosing(hints.hints(database)) as heard:
            assert await anext(heard) == 0
            waiting = asyncio.ensure_future(anext(heard))
            await Control(SqlStore(database)).users.create("alice")
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert not done


async def test_a_killed_listener_is_an_error_and_can_be_opened_again(
    postgres: PostgresServer,
) -> None:
    async with Database.open(postgres.create_database("killed_listener"), OPTIONS) as database:
        await database.migrate(now=1.0)
        async with asyncio.timeout(BOUND):
            async with aclosing(hints.hints(database)) as heard:
                await anext(heard)
                assert postgres.kill_backends("authz listener") == 1
                with pytest.raises(UnavailableError):
                    await anext(heard)
            async with aclosing(hints.hints(database)) as heard:
                assert await anext(heard) == 0


async def test_odd_notifications_only_say_look(postgres: PostgresServer) -> None:
    async with Database.open(postgres.create_database("odd_notifications"), OPTIONS) as database:  # noqa: SIM117 - too long in one
        async with aclosing(hints.hints(database)) as heard, asyncio.timeout(BOUND):
            await anext(heard)
            for payload in ("", "x", "-1", "9" * 30, "\u0663"):
                await database.write(
                    lambda c, p=payload: c.exec_driver_sql(f"NOTIFY {CHANNEL}, '{p}'")
                )
                assert await anext(heard) == 0


async def test_a_silent_peer_is_noticed_by_the_heartbeat(postgres: PostgresServer) -> None:
    """A relay that stops relaying without closing anything is what a lost network looks like."""
    is_dead = asyncio.Event()
    relays: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not is_dead.is_set():
                writer.write(data)
                await writer.drain()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", postgres.port)
        relays.add(asyncio.create_task(pump(reader, up_writer)))
        relays.add(asyncio.create_task(pump(up_reader, writer)))
        writers.extend([writer, up_writer])

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options = DatabaseOptions(heartbeat_interval=0.1, heartbeat_timeout=1.5)
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres?sslmode=disable"
    try:
        async with Database.open(url, options) as database, asyncio.timeout(BOUND):  # noqa: SIM117 - too long in one
            async with aclosing(hints.hints(database)) as heard:
                assert await anext(heard) == 0
                is_dead.set()
                with pytest.raises(UnavailableError):
                    await anext(heard)
    finally:
        server.close()
        for task in relays:
            task.cancel()
        await asyncio.gather(*relays, return_exceptions=True)
        for writer in writers:
            writer.close()
