"""Memory follows the log: gaps, outages, restored databases, and those who wait for a revision."""

import asyncio

import pytest
from sqlalchemy import text

from authz.access import refresher as refresher_module
from authz.errors import UnavailableError
from authz.identity.records import Status, TargetKind
from authz.store.sql.store import SqlStore
from tests.access.world import following, policy, until
from tests.store.fixtures import Control

USER = TargetKind.USER


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch):
    """Try again at once when the database is away."""
    monkeypatch.setattr(refresher_module, "BACKOFF_START", 0.001)
    monkeypatch.setattr(refresher_module, "BACKOFF_LIMIT", 0.002)


async def alice_may(world, control=None) -> None:
    control = control or world.control
    await control.users.create("alice")
    await control.policies.create("all", policy())
    await control.attachments.attach("all", USER, "alice")
    await world.settle()


async def test_before_the_first_load_nothing_is_decided(make_world):
    world = make_world(wait_limit=0.01)
    assert world.refresher.applied == -1
    with pytest.raises(UnavailableError):
        world.authorizer.check_age()
    with pytest.raises(UnavailableError):
        await world.principals.load_user("alice")
    assert world.metrics.snapshot_age.collect().samples[0].value == float("inf")


async def test_a_revision_that_is_committed_arrives(world):
    revision = (await world.control.users.create("alice")).revision
    await world.refresher.wait_for(revision)
    assert world.refresher.applied == revision
    assert world.metrics.revision.collect().samples[0].value == revision


async def test_a_revision_that_does_not_come_is_unavailable_after_the_limit(make_world):
    async with following(make_world(wait_limit=0.05)) as world:
        with pytest.raises(UnavailableError, match="revision 99 has not arrived"):
            await world.refresher.wait_for(99)
        assert world.refresher._waiting == set()


async def test_a_waiter_that_is_cancelled_leaves_nothing(world):
    waiter = asyncio.create_task(world.refresher.wait_for(99))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    assert world.refresher._waiting == set()


async def test_every_waiter_is_woken_by_its_own_revision(world):
    waiters = [asyncio.create_task(world.refresher.wait_for(n)) for n in (1, 2, 3)]
    await world.control.users.create("alice")
    world.refresher.hint(1)
    await waiters[0]
    await world.control.users.create("bob")
    world.refresher.hint(2)
    await waiters[1]
    assert not waiters[2].done()
    await world.control.users.create("carol")
    world.refresher.hint(3)
    await waiters[2]


async def test_a_gap_in_the_log_loads_everything_again(make_world, database):
    world = make_world()
    control = Control(SqlStore(database, retained_revisions=3))
    async with following(world):
        await alice_may(world, control)
        assert await world.can()
        pause = world.source.hold("changes_after")
        world.refresher.hint(0)
        await pause.reached.wait()
        await control.policies.update("all", document=policy("Deny"))
        for n in range(10):
            await control.users.create(f"user{n}")
        pause.released.set()
        await world.settle()
        assert world.count("resyncs") == 1
        assert not await world.can()
        await control.policies.update("all", document=policy())
        await world.settle()
        assert await world.can()
        assert world.count("resyncs") == 1


async def test_what_was_unknown_before_a_gap_is_asked_again(make_world, database):
    world = make_world()
    control = Control(SqlStore(database, retained_revisions=3))
    async with following(world):
        assert await world.user("user0") is None
        pause = world.source.hold("changes_after")
        world.refresher.hint(0)
        await pause.reached.wait()
        for n in range(10):
            await control.users.create(f"user{n}")
        pause.released.set()
        await world.settle()
        assert await world.user("user0") is not None


async def test_more_changes_than_one_batch_all_arrive(monkeypatch, world):
    monkeypatch.setattr(refresher_module, "BATCH_LIMIT", 2)
    await alice_may(world)
    pause = world.source.hold("changes_after")
    world.refresher.hint(0)
    await pause.reached.wait()
    for n in range(10):
        await world.control.policies.update("all", document=policy(action=f"s3:Get{n}"))
        await world.control.users.create(f"user{n}")
    pause.released.set()
    await world.settle()
    assert await world.can(action="s3:Get9")
    assert not await world.can(action="s3:Get8")
    assert world.count("resyncs") == 0


async def test_changes_beyond_what_is_remembered_make_an_old_load_read_again(monkeypatch, world):
    await alice_may(world)
    monkeypatch.setattr(refresher_module, "REMEMBERED_CHANGES", 4)
    world.refresher._remembered = type(world.refresher._remembered)(maxlen=4)
    world.refresher._remembered_from = world.refresher.applied
    pause = world.source.hold("find_user")
    load = asyncio.create_task(world.principals.load_user("alice"))
    await pause.reached.wait()
    await world.control.users.update("alice", status=Status.DISABLED)
    for n in range(10):
        await world.control.users.create(f"user{n}")
        await world.settle()
    pause.released.set()
    assert not (await load).is_enabled
    assert world.source.calls["find_user"] == 2


async def restore(world, revision) -> None:
    """Turn the database into a backup in which alice has no policy."""

    async def work(connection):
        await connection.execute(text("DELETE FROM user_policies"))
        await connection.execute(text("DELETE FROM changes WHERE revision > :r"), {"r": revision})
        await connection.execute(text("UPDATE state SET revision = :r"), {"r": revision})

    await world.database.write(work)


async def catch_up(world) -> None:
    """Let the log be read once more from now on."""
    pause = world.source.hold("changes_after")
    world.refresher.hint(0)
    await pause.reached.wait()
    again = world.source.hold("changes_after")
    pause.released.set()
    world.refresher.hint(0)
    await again.reached.wait()
    again.released.set()


async def test_a_reader_ahead_of_a_restored_database_starts_anew(world):
    await alice_may(world)
    assert await world.can()
    await restore(world, 1)
    await catch_up(world)
    assert world.refresher.applied == 1
    assert world.count("resyncs") == 1
    assert not await world.can()


async def test_a_load_from_before_a_restore_is_not_installed_after_it(world):
    await alice_may(world)
    pause = world.source.hold("find_user")
    load = asyncio.create_task(world.principals.load_user("alice"))
    await pause.reached.wait()
    await restore(world, 1)
    await catch_up(world)
    for n in range(5):
        await world.control.users.create(f"user{n}")
    await world.settle()
    assert world.refresher.applied > 3
    pause.released.set()
    assert not world.decide(await load).is_allowed
    assert world.source.calls["find_user"] == 2


async def test_a_lost_database_still_decides_what_is_held_until_it_is_too_old(make_world):
    async with following(make_world(max_staleness=300.0)) as world:
        await alice_may(world)
        await world.control.users.create("bob")
        await world.settle()
        assert await world.can()
        world.source.is_lost = True
        before = world.source.calls["changes_after"]
        world.refresher.hint(0)
        await until(lambda: world.source.calls["changes_after"] > before + 2)
        with pytest.raises(UnavailableError):
            await world.user("bob")
        world.clock.advance(299)
        assert await world.can()
        assert world.authorizer.check_age() == 299
        world.clock.advance(2)
        with pytest.raises(UnavailableError, match="too old"):
            await world.can()
        world.source.is_lost = False
        await world.control.users.create("carol")
        await world.settle()
        assert await world.can()
        assert world.authorizer.check_age() == 0
        assert await world.user("bob") is not None


async def test_a_read_that_takes_long_makes_memory_as_old_as_its_question(world):
    pause, again = world.source.hold("changes_after"), world.source.hold("changes_after")
    world.refresher.hint(0)
    await pause.reached.wait()
    world.clock.advance(7)
    world.refresher.hint(0)
    pause.released.set()
    await again.reached.wait()
    assert world.refresher.age() == 7
    again.released.set()
    await until(lambda: world.refresher.age() == 0)


async def test_hints_make_changes_arrive_without_anybody_asking(world):
    listening = asyncio.create_task(world.refresher.listen())
    revision = (await world.control.users.create("alice")).revision
    await until(lambda: world.refresher.applied == revision)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


async def test_a_lost_listener_is_opened_again_and_the_log_read(world):
    world.source.is_lost = True
    listening = asyncio.create_task(world.refresher.listen())
    await until(lambda: world.count("watch_restarts") >= 3)
    revision = (await world.control.users.create("alice")).revision
    world.source.is_lost = False
    await until(lambda: world.refresher.applied == revision)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
