from collections.abc import AsyncIterator

import pytest

from authz.identity.records import TargetKind
from tests.access.conftest import control, database, make_world, migrated_file, source, store, world
from tests.access.world import policy
from tests.serving.surfaces import Surfaces

__all__ = ["control", "database", "make_world", "migrated_file", "source", "store", "world"]


@pytest.fixture
async def surfaces(world) -> AsyncIterator[Surfaces]:
    made = Surfaces(world)
    yield made
    await made.registry.close()


@pytest.fixture
async def credential(world) -> tuple[str, str]:
    """A key of alice, who may get objects and orders."""
    control = world.control
    await control.users.create("alice")
    await control.policies.create("gets", policy(action=["s3:Get*", "orders:Get"]))
    await control.attachments.attach("gets", TargetKind.USER, "alice")
    made = (await control.access_keys.create("alice")).value
    await world.settle()
    return made.key.id, made.secret.reveal()
