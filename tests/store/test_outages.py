"""What callers see when the database goes away, and that it heals by itself."""

import asyncio
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import text

from authz.errors import AuthzError, ConflictError, UnavailableError
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer, running_postgres
from tests.store.fixtures import OPTIONS, Control


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of our own, to stop and start."""
    with running_postgres() as own:
        yield own


async def test_a_database_that_is_down_fails_the_calls_and_not_the_start() -> None:
    url = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/nothing"
    async with Database.open(url, OPTIONS) as database:
        for call in (SqlSource(database).revision, database.schema_state):
            with pytest.raises(UnavailableError) as failed:
                await call()
            assert "hunter2" not in failed.value.message
            assert "127.0.0.1" not in failed.value.message
        assert "hunter2" not in repr(database)
        with pytest.raises(UnavailableError):
            await anext(aiter(SqlSource(database).hints()))


async def test_a_stopped_server_is_unavailable_and_heals_when_it_is_back(
    server: PostgresServer,
) -> None:
    async with Database.open(server.create_database("restart"), OPTIONS) as database:
        await database.migrate(now=1.0, canned=())
        control, source = Control(SqlStore(database)), SqlSource(database)
        await control.users.create("alice")
        server.stop()
        for call in (source.revision(), control.users.create("bob"), source.find_user("alice")):
            with pytest.raises(UnavailableError):
                await call
        server.start()
        assert await source.revision() == 1
        assert (await control.users.create("bob")).revision == 2


async def test_killed_backends_lose_no_change_and_break_no_read(server: PostgresServer) -> None:
    async with Database.open(server.create_database("killed"), OPTIONS) as database:
        await database.migrate(now=1.0, canned=())
        control, source = Control(SqlStore(database)), SqlSource(database)
        acknowledged = 0
        for n in range(40):
            if n % 10 == 5:
                server.kill_backends("authz")
            acknowledged = (await control.users.create(f"user{n}")).revision
            assert (await source.find_user(f"user{n}")).value is not None
        batch = await source.changes_after(0, 1000)
        assert acknowledged == batch.revision == 40
        assert {change.revision for change in batch.changes} == set(range(1, 41))


async def test_backends_killed_under_concurrent_writers_leave_no_gap_and_no_half_change(
    server: PostgresServer,
) -> None:
    async with Database.open(server.create_database("killed_under"), OPTIONS) as database:
        await database.migrate(now=1.0, canned=())
        control, source = Control(SqlStore(database)), SqlSource(database)

        async def create(n: int) -> int | None:
            try:
                return (await control.users.create(f"user{n}")).revision
            except AuthzError:
                return None  # told that it is not, or may not be, stored

        writers = [asyncio.create_task(create(n)) for n in range(60)]
        killed = 0
        for _ in range(5):
            await asyncio.sleep(0.02)
            killed += await asyncio.to_thread(server.kill_backends, "authz")
        assert killed
        acknowledged = {r for r in await asyncio.gather(*writers) if r is not None}
        newest = await source.revision()
        batch = await source.changes_after(0, 1000)
        assert {change.revision for change in batch.changes} == set(range(1, newest + 1))
        assert acknowledged <= set(range(1, newest + 1))
        assert len((await control.users.list(page_size=1000)).items) == newest


async def test_a_connection_lost_before_the_commit_is_tried_again(server: PostgresServer) -> None:
    async with Database.open(server.create_database("lost_before"), OPTIONS) as database:
        await database.migrate(now=1.0, canned=())
        control, store, calls = Control(SqlStore(database)), SqlStore(database), []

        async def change(unit) -> None:
            calls.append(await unit.users.find("alice"))
            if len(calls) == 1:
                await asyncio.to_thread(server.kill_backends, "authz")
            await unit.users.find("alice")

        await control.users.create("bob")
        assert (await store.write(change)).revision == 1
        assert len(calls) == 2


async def test_a_connection_lost_in_the_commit_is_reported_and_not_tried_again(
    server: PostgresServer,
) -> None:
    async with Database.open(server.create_database("lost_in"), OPTIONS) as database:
        await database.migrate(now=1.0, canned=())
        calls = []

        async def work(connection) -> None:
            calls.append(await connection.execute(text("UPDATE state SET revision = 7")))
            await asyncio.to_thread(server.kill_backends, "authz")

        with pytest.raises(UnavailableError, match="may or may not be stored"):
            await database.write(work)
        assert len(calls) == 1
        assert await SqlSource(database).revision() == 0


async def test_a_statement_that_takes_too_long_is_given_up(server: PostgresServer) -> None:
    options = DatabaseOptions(command_timeout=1.0)
    async with Database.open(server.url, options) as database:
        with pytest.raises(UnavailableError, match="in time"):
            await database.ask(lambda connection: connection.execute(text("SELECT pg_sleep(30)")))
        answer = await database.ask(lambda connection: connection.execute(text("SELECT 1")))
        assert answer.scalar_one() == 1


async def test_a_sqlite_file_that_somebody_else_keeps_locked_is_unavailable(tmp_path: Path) -> None:
    path = tmp_path / "authz.db"
    async with Database.open(f"sqlite:///{path}", DatabaseOptions(busy_timeout=0.05)) as database:
        await database.migrate(now=1.0, canned=())
        control = Control(SqlStore(database))
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError):
            await control.users.create("alice")
        assert await SqlSource(database).revision() == 0
        holder.close()
        assert (await control.users.create("alice")).revision == 1


async def test_a_broken_constraint_is_a_conflict_that_repeats_no_driver_text(
    store: SqlStore, control: Control
) -> None:
    user = (await control.users.create("alice")).value
    with pytest.raises(ConflictError) as refused:
        await store.write(lambda unit: unit.users.add(user))
    assert refused.value.message == "the change conflicts with what is stored"
    assert refused.value.__cause__ is not None
    assert (await control.users.create("bob")).revision == 2


async def test_more_callers_than_connections_wait_for_their_turn(
    database_url: str,
) -> None:
    async with Database.open(database_url, replace(OPTIONS, pool_size=2)) as database:
        await database.migrate(now=1.0, canned=())
        source, control = SqlSource(database), Control(SqlStore(database))
        await asyncio.gather(
            *(source.revision() for _ in range(50)),
            *(control.users.create(f"user{n}") for n in range(10)),
        )
        assert await source.revision() == 10
