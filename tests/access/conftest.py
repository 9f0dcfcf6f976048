import asyncio
import shutil
from pathlib import Path

import pytest

from authz.store.sql.engine import Database
from tests.access.world import World, following
from tests.store.fixtures import OPTIONS, control, source, store

__all__ = ["control", "source", "store"]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory) -> Path:
    """A migrated, empty SQLite file; migrating one for every test would take most of the time."""
    path = tmp_path_factory.mktemp("migrated") / "authz.db"

    async def migrate() -> None:
        async with Database.open(f"sqlite:///{path}", OPTIONS) as database:
            await database.migrate(now=0.0, canned=())

    asyncio.run(migrate())
    return path


@pytest.fixture
async def database(migrated, tmp_path):
    path = tmp_path / "authz.db"
    shutil.copyfile(migrated, path)
    async with Database.open(f"sqlite:///{path}", OPTIONS) as opened:
        yield opened


@pytest.fixture
async def world(database, control):
    """The data plane over an empty database, in step with it."""
    async with following(World(database, control)) as followed:
        yield followed


@pytest.fixture
async def make_world(database, control):
    """Make a data plane with other bounds; the test follows the log itself."""
    return lambda **bounds: World(database, control, **bounds)
