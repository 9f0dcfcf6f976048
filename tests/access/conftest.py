import shutil

import pytest

from authz.store.sql.engine import Database
from tests.access.world import World, following
from tests.store.fixtures import OPTIONS, control, migrated_file, source, store

__all__ = ["control", "migrated_file", "source", "store"]


@pytest.fixture
async def database(migrated_file, tmp_path):
    path = tmp_path / "authz.db"
    shutil.copyfile(migrated_file, path)
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
