"""Going through all users: exact as any load, and none of it stays in memory."""

import asyncio

import pytest

from authz.errors import UnavailableError
from authz.identity.records import Status, TargetKind, fold_name
from tests.access.world import GET, PUT, policy

USER, GROUP = TargetKind.USER, TargetKind.GROUP
NAMES = ["Alice", "bob", "Carol", "dave", "Erin"]


@pytest.fixture
async def users(world) -> None:
    """Five users, who may do everything by their group."""
    control = world.control
    await control.groups.create("staff")
    for name in NAMES:
        await control.users.create(name)
    await control.groups.add_members("staff", NAMES)
    await control.policies.create("all", policy())
    await control.policies.create("none", policy("Deny"))
    await control.attachments.attach("all", GROUP, "staff")
    await world.settle()


def names(page) -> list[str]:
    return [entry.principal.name for entry in page.entries]


async def test_pages_hold_every_user_once_in_the_order_of_folded_names(world, users):
    page = await world.principals.list_users("", 2)
    assert (names(page), page.next_after) == (NAMES[:2], fold_name("bob"))
    page = await world.principals.list_users(page.next_after, 2)
    assert (names(page), page.next_after) == (NAMES[2:4], fold_name("dave"))
    page = await world.principals.list_users(page.next_after, 2)
    assert (names(page), page.next_after) == (NAMES[4:], "")
    assert page.revision == world.refresher.applied


async def test_what_is_listed_decides_as_what_is_loaded_does(world, users):
    control = world.control
    await control.policies.create("reads", policy(action=GET))
    await control.users.put_boundary("bob", "reads")
    await control.users.update("Carol", status=Status.DISABLED)
    await control.attachments.attach("none", USER, "dave")
    await world.settle()
    page = await world.principals.list_users("", 10)
    for action in (GET, PUT):
        for entry in page.entries:
            loaded = await world.user(entry.principal.name)
            assert world.decide(entry, action) is world.decide(loaded, action)
    assert [world.decide(e, PUT).is_allowed for e in page.entries] == [
        True,
        False,
        False,
        False,
        True,
    ]


async def test_nothing_that_is_listed_is_installed(world, users):
    held = await world.user("bob")
    page = await world.principals.list_users("", 10)
    assert world.principals.find_user("alice") is None
    assert await world.user("bob") is held
    assert page.entries[1] is not held
    assert len(world.principals._users._by_id) == 1


CHANGES = {
    "user disabled": lambda c: c.users.update("bob", status=Status.DISABLED),
    "group disabled": lambda c: c.groups.update("staff", status=Status.DISABLED),
    "left the group": lambda c: c.groups.remove_members("staff", ["bob"]),
    "deny attached to the user": lambda c: c.attachments.attach("none", USER, "bob"),
    "policy edited": lambda c: c.policies.update("all", document=policy(action=PUT)),
    "boundary set": lambda c: c.users.put_boundary("bob", "none"),
    "user deleted": lambda c: c.users.delete("bob", cascade=True),
    "user renamed": lambda c: c.users.update("bob", new_name="zoe"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_page_that_a_change_overtakes_says_what_is_so_after_it(world, users, change):
    pause = world.source.hold("list_users")
    task = asyncio.create_task(world.principals.list_users("", 3))
    await pause.reached.wait()
    await change(world.control)
    revision = await world.settle()
    pause.released.set()
    page = await task
    assert page.revision == revision
    bob = next((entry for entry in page.entries if entry.principal.name == "bob"), None)
    assert bob is None or not world.decide(bob).is_allowed


@pytest.mark.parametrize(("name", "reads"), [("aaa", 2), ("bobby", 2), ("carol2", 1), ("zoe", 1)])
async def test_a_user_that_comes_between_is_seen_and_one_that_comes_elsewhere_costs_no_read(
    world, users, name, reads
):
    pause = world.source.hold("list_users")
    task = asyncio.create_task(world.principals.list_users("", 3))
    await pause.reached.wait()
    await world.control.users.create(name)
    await world.settle()
    pause.released.set()
    assert names(await task) == sorted([*NAMES, name], key=fold_name)[:3]
    assert world.source.calls["list_users"] == reads


async def test_a_user_that_comes_at_the_end_is_on_the_last_page(world, users):
    pause = world.source.hold("list_users")
    task = asyncio.create_task(world.principals.list_users("dave", 3))
    await pause.reached.wait()
    await world.control.users.create("zoe")
    await world.settle()
    pause.released.set()
    assert names(await task) == ["Erin", "zoe"]


async def test_a_page_read_ahead_waits_for_the_log(world, users):
    held = world.source.hold("changes_after")
    revision = (await world.control.users.update("bob", status=Status.DISABLED)).revision
    world.refresher.hint(revision)
    await held.reached.wait()
    listing = asyncio.create_task(world.principals.list_users("", 10))
    await world.source.called("list_users")
    held.released.set()
    page = await listing
    assert page.revision == revision
    assert not page.entries[1].is_enabled


async def test_users_that_change_all_the_time_are_unavailable(world, users):
    async def overtake():
        for status in [Status.DISABLED, Status.ENABLED] * 3:
            pause = world.source.hold("list_users")
            pauses.append(pause)
            await pause.reached.wait()
            await world.control.users.update("bob", status=status)
            await world.settle()
            pause.released.set()

    pauses: list = []
    overtaking = asyncio.create_task(overtake())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="changes faster"):
        await world.principals.list_users("", 10)
    pauses[-1].released.set()
    overtaking.cancel()
