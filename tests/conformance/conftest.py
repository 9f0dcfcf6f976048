"""The services the scenarios are asked of."""

import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest_asyncio

from authz.store.sql.engine import Database
from authz.store.sql.store import SqlStore
from tests.access.world import World, following
from tests.conformance.runner import Engine, Placed, create_records, place
from tests.conformance.scenarios import read_all
from tests.store.fixtures import OPTIONS, Control


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def engines():
    """Scenario id → the service that holds its records, and what they are called there."""
    askable = [s for s in read_all() if "invalid" not in s.then]
    found: dict[str, tuple[Engine, Placed]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        empty = folder / "empty.db"
        async with Database.open(f"sqlite:///{empty}", OPTIONS) as database:
            await database.migrate(now=0.0)
        for number, scenarios in enumerate(place(askable)):
            path = folder / f"{number}.db"
            shutil.copyfile(empty, path)
            database = await stack.enter_async_context(Database.open(f"sqlite:///{path}", OPTIONS))
            world = World(database, Control(SqlStore(database)), limit=10_000)
            await create_records(world, scenarios)
            await stack.enter_async_context(following(world))
            engine = Engine(world)
            found |= {placed.scenario.id: (engine, placed) for placed in scenarios}
        yield found
