"""A load that a change overtakes, between its read and its end, never leaves stale data behind."""

import asyncio

import pytest

from authz.errors import UnavailableError
from authz.identity.records import Status, TargetKind
from tests.access.world import ACCOUNT, BUCKET, PUT, bucket_policy, policy, trust

USER, GROUP = TargetKind.USER, TargetKind.GROUP


@pytest.fixture
async def key_id(world) -> str:
    """A key of alice, who may do everything by her group."""
    control = world.control
    await control.users.create("alice")
    await control.groups.create("staff")
    await control.groups.add_members("staff", ["alice"])
    await control.policies.create("all", policy())
    await control.policies.create("none", policy("Deny"))
    await control.attachments.attach("all", GROUP, "staff")
    made = (await control.access_keys.create("alice")).value.key.id
    await world.settle()
    return made


async def overtaken(world, method, load, change):
    """Hold the read of a load, let a change pass it, and return what the load gives."""
    pause = world.source.hold(method)
    task = asyncio.create_task(load)
    await pause.reached.wait()
    await change
    await world.settle()
    pause.released.set()
    return await task


CHANGES = {
    "user disabled": lambda c: c.users.update("alice", status=Status.DISABLED),
    "group disabled": lambda c: c.groups.update("staff", status=Status.DISABLED),
    "left the group": lambda c: c.groups.remove_members("staff", ["alice"]),
    "policy detached": lambda c: c.attachments.detach("all", GROUP, "staff"),
    "deny attached to the user": lambda c: c.attachments.attach("none", USER, "alice"),
    "deny attached to the group": lambda c: c.attachments.attach("none", GROUP, "staff"),
    "policy edited": lambda c: c.policies.update("all", document=policy(action=PUT)),
    "policy deleted": lambda c: c.policies.delete("all", cascade=True),
    "group deleted": lambda c: c.groups.delete("staff", cascade=True),
    "boundary set": lambda c: c.users.put_boundary("alice", "none"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_user_loaded_while_it_loses_a_right_does_not_have_it(world, key_id, change):
    entry = await overtaken(
        world, "find_user", world.principals.load_user("alice"), change(world.control)
    )
    assert not world.decide(entry).is_allowed
    assert not await world.can()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_the_owner_of_a_key_loaded_while_it_loses_a_right_does_not_have_it(
    world, key_id, change
):
    entry = await overtaken(
        world, "find_access_key", world.principals.load_key(key_id), change(world.control)
    )
    assert not world.decide(entry.owner).is_allowed
    assert not world.decide((await world.key(key_id)).owner).is_allowed


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_the_parent_of_a_session_loaded_while_it_loses_a_right_does_not_have_it(
    world, key_id, change
):
    issued = await world.session()
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    found = await overtaken(world, "find_user_by_id", load, change(world.control))
    assert not world.decide(found.acting).is_allowed
    assert not world.decide((await world.credential(issued)).acting).is_allowed


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_what_is_held_already_follows_the_same_changes(world, key_id, change):
    issued = await world.session()
    assert await world.can()
    assert world.decide((await world.key(key_id)).owner).is_allowed
    assert world.decide((await world.credential(issued)).acting).is_allowed
    await change(world.control)
    await world.settle()
    assert not await world.can()
    assert not world.decide((await world.key(key_id)).owner).is_allowed
    assert not world.decide((await world.credential(issued)).acting).is_allowed


async def test_a_parent_deleted_while_its_session_is_loaded_is_gone(world, key_id):
    issued = await world.session()
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    change = world.control.users.delete("alice", cascade=True)
    found = await overtaken(world, "find_user_by_id", load, change)
    assert not found.is_usable(world.clock.now())
    assert not (await world.credential(issued)).is_usable(world.clock.now())


async def test_sessions_voided_while_one_is_loaded_are_void(world, key_id):
    issued = await world.session()
    world.control.clock.advance(1.0)
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    change = world.control.sessions.revoke_user("alice")
    found = await overtaken(world, "find_user_by_id", load, change)
    assert issued.session.issued_at < found.owner.sessions_void_before


async def test_a_session_revoked_while_it_is_loaded_has_ended(world, key_id):
    issued = await world.session()
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    change = world.control.sessions.revoke(issued.session.access_key_id)
    await overtaken(world, "find_user_by_id", load, change)
    assert world.sessions.has_ended(issued.session, world.clock.now())


async def test_a_policy_given_to_a_key_while_it_is_loaded_narrows_it(world, key_id):
    change = world.control.access_keys.update(key_id, policy=policy(action=PUT))
    entry = await overtaken(world, "find_access_key", world.principals.load_key(key_id), change)
    assert not world.decide(entry.acting).is_allowed
    assert not world.decide((await world.key(key_id)).acting).is_allowed


async def test_a_key_deleted_while_it_is_loaded_is_gone(world, key_id):
    change = world.control.access_keys.delete(key_id)
    load = world.principals.load_key(key_id)
    assert await overtaken(world, "find_access_key", load, change) is None
    assert await world.key(key_id) is None


async def test_a_key_disabled_while_it_is_loaded_is_disabled(world, key_id):
    change = world.control.access_keys.update(key_id, status=Status.DISABLED)
    load = world.principals.load_key(key_id)
    entry = await overtaken(world, "find_access_key", load, change)
    assert not entry.is_enabled
    assert not (await world.key(key_id)).is_enabled


async def test_a_user_deleted_while_it_is_loaded_is_gone(world, key_id):
    change = world.control.users.delete("alice", cascade=True)
    load = world.principals.load_user("alice")
    assert await overtaken(world, "find_user", load, change) is None
    assert await world.user() is None
    assert await world.key(key_id) is None


async def test_a_user_renamed_while_it_is_loaded_is_nobody_under_its_old_name(world, key_id):
    change = world.control.users.update("alice", new_name="Alicia")
    load = world.principals.load_user("alice")
    assert await overtaken(world, "find_user", load, change) is None
    assert (await world.user("alicia")).principal.name == "Alicia"
    assert (await world.key(key_id)).owner.principal.name == "Alicia"


async def test_a_key_created_while_its_absence_is_loaded_is_found(world, key_id):
    change = world.control.access_keys.create("alice", access_key_id="NEWKEY")
    load = world.principals.load_key("NEWKEY")
    entry = await overtaken(world, "find_access_key", load, change)
    assert entry.owner.principal.name == "alice"


async def test_a_user_created_while_its_absence_is_loaded_is_found(world, key_id):
    change = world.control.users.create("bob")
    entry = await overtaken(world, "find_user", world.principals.load_user("bob"), change)
    assert entry.principal.name == "bob"


async def test_a_load_that_reads_ahead_waits_for_the_log(world, key_id):
    held = world.source.hold("changes_after")
    revision = (await world.control.users.update("alice", status=Status.DISABLED)).revision
    world.refresher.hint(revision)
    await held.reached.wait()
    load = asyncio.create_task(world.principals.load_user("alice"))
    await world.source.called("find_user")
    assert world.refresher.applied < revision
    held.released.set()
    entry = await load
    assert world.refresher.applied == revision
    assert not entry.is_enabled


async def test_a_load_that_is_overtaken_every_time_gives_up_as_unavailable(world, key_id):
    async def overtake():
        for status in [Status.DISABLED, Status.ENABLED] * 3:
            pause = world.source.hold("find_user")
            pauses.append(pause)
            await pause.reached.wait()
            await world.control.users.update("alice", status=status)
            await world.settle()
            pause.released.set()

    pauses: list = []
    overtaking = asyncio.create_task(overtake())
    await asyncio.sleep(0)
    with pytest.raises(UnavailableError, match="changes faster"):
        await world.principals.load_user("alice")
    pauses[-1].released.set()
    overtaking.cancel()
    assert world.source.calls["find_user"] == 5


async def test_a_document_newer_than_the_log_is_not_shown_before_what_came_ahead_of_it(
    world, key_id
):
    control = world.control
    await control.policies.update("all", document=policy(action=PUT))
    await world.settle()
    assert not await world.can()
    first, second = world.source.hold("changes_after"), world.source.hold("changes_after")
    revision = (await control.policies.update("all", document=policy(action="s3:Put*"))).revision
    world.refresher.hint(revision)
    await first.reached.wait()
    # Behind the batch: a deny first, and only then the wider document.
    await control.attachments.attach("none", USER, "alice")
    last = (await control.policies.update("all", document=policy())).revision
    first.released.set()
    await second.reached.wait()
    assert not await world.can()
    second.released.set()
    await world.refresher.wait_for(last)
    assert not await world.can()
    assert world.refresher.applied == last
    await control.attachments.detach("none", USER, "alice")
    await world.settle()
    assert await world.can()


async def test_a_deny_attached_after_a_document_was_read_again_is_not_missed(world, key_id):
    control = world.control
    assert await world.can()
    pause = world.source.hold("load_policies")
    revision = (await control.policies.update("all", document=policy(action="s3:*"))).revision
    world.refresher.hint(revision)
    await pause.reached.wait()
    last = (await control.attachments.attach("none", GROUP, "staff")).revision
    pause.released.set()
    await world.refresher.wait_for(last)
    assert not await world.can()


async def test_all_changes_of_a_batch_become_visible_at_once(world, key_id):
    control = world.control
    await control.users.create("bob")
    await control.policies.create("gets", policy(action="s3:List*"))
    await control.attachments.attach("gets", USER, "bob")
    await world.settle()
    assert (await world.can("alice"), await world.can("bob")) == (True, False)
    pause = world.source.hold("load_policies")
    seen = set()
    await control.attachments.detach("all", GROUP, "staff")
    last = (await control.policies.update("gets", document=policy())).revision
    world.refresher.hint(last)
    await pause.reached.wait()
    seen.add((await world.can("alice"), await world.can("bob")))
    pause.released.set()
    while world.refresher.applied < last:
        seen.add((await world.can("alice"), await world.can("bob")))
        await asyncio.sleep(0)
    seen.add((await world.can("alice"), await world.can("bob")))
    assert seen == {(True, False), (False, True)}


async def test_a_boundary_that_is_replaced_while_its_user_is_loaded_is_not_the_limit(world, key_id):
    control = world.control
    await control.policies.create("edge", policy())
    await control.users.put_boundary("alice", "edge")
    await world.settle()
    for change in (
        control.policies.update("edge", document=policy(action=PUT)),
        control.users.put_boundary("alice", "none"),
    ):
        load = world.principals.load_user("alice")
        entry = await overtaken(world, "find_user", load, change)
        assert not world.decide(entry).is_allowed
        assert not await world.can()
        await control.policies.update("edge", document=policy())
        await world.settle()


async def test_a_resources_policy_newer_than_the_log_is_not_shown_before_what_came_ahead_of_it(
    world, key_id
):
    put = world.resource_policies.put
    await put(BUCKET, bucket_policy("Deny"))
    await world.settle()
    assert not await world.can()
    first, second = world.source.hold("changes_after"), world.source.hold("changes_after")
    revision = (await put(BUCKET, bucket_policy("Deny", "s3:*"))).revision
    world.refresher.hint(revision)
    await first.reached.wait()
    # Behind the batch: a deny for alice first, and only then is the bucket opened.
    await world.control.attachments.attach("none", USER, "alice")
    last = (await put(BUCKET, bucket_policy())).revision
    first.released.set()
    await second.reached.wait()
    assert not await world.can()
    assert not world.decide(world.anonymous).is_allowed
    second.released.set()
    await world.refresher.wait_for(last)
    assert world.refresher.applied == last
    assert not await world.can()
    assert world.decide(world.anonymous).is_allowed


async def test_a_resources_policy_is_not_read_again_for_changes_that_are_not_about_documents(
    world, key_id
):
    pause = world.source.hold("load_policies")
    before = world.source.calls["load_policies"]
    revision = (await world.resource_policies.put(BUCKET, bucket_policy("Deny"))).revision
    world.refresher.hint(revision)
    await pause.reached.wait()
    last = (await world.control.users.create("bob")).revision
    pause.released.set()
    await world.refresher.wait_for(last)
    assert not await world.can()
    assert world.source.calls["load_policies"] == before + 1


async def test_a_managed_policy_and_one_of_a_resource_of_one_batch_become_visible_at_once(
    world, key_id
):
    put, update = world.resource_policies.put, world.control.policies.update
    await put(BUCKET, bucket_policy("Deny"))
    await world.settle()
    await world.user()
    pause = world.source.hold("load_policies")
    await update("all", document=policy(action=PUT))
    last = (await put(BUCKET, bucket_policy(action="s3:List*"))).revision
    world.refresher.hint(last)
    await pause.reached.wait()
    seen = {(await world.can(), await world.can(action=PUT))}
    pause.released.set()
    while world.refresher.applied < last:
        seen.add((await world.can(), await world.can(action=PUT)))
        await asyncio.sleep(0)
    seen.add((await world.can(), await world.can(action=PUT)))
    assert seen == {(False, False), (False, True)}


async def test_a_policy_of_a_resource_written_again_and_again_is_the_last_one(world, key_id):
    for n in range(30):
        effect = "Deny" if n % 2 else "Allow"
        await world.resource_policies.put(BUCKET, bucket_policy(effect))
        if n % 3 == 0:
            world.refresher.hint(0)
            world.decide(world.anonymous)
            await asyncio.sleep(0)
    await world.settle()
    assert not await world.can()
    assert world.count("resyncs") == 0


# --- roles ---

ROLE_CHANGES = {
    "policy detached": lambda c: c.attachments.detach("all", TargetKind.ROLE, "auditor"),
    "deny attached": lambda c: c.attachments.attach("none", TargetKind.ROLE, "auditor"),
    "policy edited": lambda c: c.policies.update("all", document=policy(action=PUT)),
    "boundary set": lambda c: c.roles.put_boundary("auditor", "none"),
}


@pytest.fixture
async def auditor(world, key_id):
    """A role that may do everything, and that anybody may assume."""
    control = world.control
    await control.roles.create("auditor", trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/alice"}))
    await control.attachments.attach("all", TargetKind.ROLE, "auditor")
    await world.settle()


@pytest.mark.parametrize("change", ROLE_CHANGES.values(), ids=ROLE_CHANGES)
async def test_the_role_of_a_session_loaded_while_it_loses_a_right_does_not_have_it(
    world, auditor, change
):
    issued = await world.assumed()
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    found = await overtaken(world, "find_role_by_id", load, change(world.control))
    assert not world.decide(found.acting).is_allowed
    assert not world.decide((await world.credential(issued)).acting).is_allowed


@pytest.mark.parametrize("change", ROLE_CHANGES.values(), ids=ROLE_CHANGES)
async def test_a_held_session_of_a_role_follows_the_same_changes(world, auditor, change):
    issued = await world.assumed()
    assert world.decide((await world.credential(issued)).acting).is_allowed
    await change(world.control)
    await world.settle()
    assert not world.decide((await world.credential(issued)).acting).is_allowed


async def test_a_role_loaded_while_it_is_deleted_or_made_anew_is_gone(world, auditor):
    issued = await world.assumed()
    load = world.sessions.load(issued.session.access_key_id, issued.token)

    async def replaced():
        await world.control.roles.delete("auditor", cascade=True)
        await world.control.roles.create("auditor", trust())

    found = await overtaken(world, "find_role_by_id", load, replaced())
    assert not found.is_usable(world.clock.now())
    assert not (await world.credential(issued)).is_usable(world.clock.now())


async def test_a_role_loaded_while_it_stops_trusting_somebody_does_not_trust(world, auditor):
    alice = await world.user()
    change = world.control.roles.update_trust("auditor", trust({"AWS": "123456789012"}))
    role = await overtaken(world, "find_role", world.principals.roles.load("auditor"), change)
    assert not world.decide_trust(alice, role).is_allowed


async def test_a_role_created_while_it_is_found_absent_is_found(world, key_id):
    change = world.control.roles.create("auditor", trust())
    role = await overtaken(world, "find_role", world.principals.roles.load("auditor"), change)
    assert role is not None


async def test_sessions_of_a_role_voided_while_one_is_loaded_are_void(world, auditor):
    issued = await world.assumed()
    world.control.clock.advance(1.0)
    load = world.sessions.load(issued.session.access_key_id, issued.token)
    change = world.control.sessions.revoke_role("auditor")
    found = await overtaken(world, "find_role_by_id", load, change)
    assert issued.session.issued_at < found.owner.sessions_void_before
