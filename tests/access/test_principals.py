"""The cache of users and keys: one read for many, nothing remembered that is not so, bounds on everything."""

import asyncio
import gc

import pytest
from sqlalchemy import text

from authz.access.ports import ChangeKind
from authz.errors import OverloadedError, UnavailableError
from authz.identity.records import Status, TargetKind
from tests.access.world import GET, OBJECT, PUT, following, policy, trust

USER, GROUP = TargetKind.USER, TargetKind.GROUP


async def make_key(world, name="alice", **more) -> str:
    await world.control.users.create(name)
    made = (await world.control.access_keys.create(name, **more)).value.key.id
    await world.settle()
    return made


async def test_a_hundred_requests_for_one_key_cost_one_read(world):
    key_id = await make_key(world)
    entries = await asyncio.gather(*(world.principals.load_key(key_id) for _ in range(100)))
    assert world.source.calls["find_access_key"] == 1
    assert {id(entry) for entry in entries} == {id(world.principals.find_key(key_id))}


async def test_a_hundred_requests_for_one_user_in_any_case_cost_one_read(world):
    await make_key(world)
    names = ["alice", "ALICE", "Alice", "aLiCe"] * 25
    entries = await asyncio.gather(*(world.principals.load_user(name) for name in names))
    assert world.source.calls["find_user"] == 1
    assert len({id(entry) for entry in entries}) == 1


async def test_what_is_held_is_not_read_again(world):
    key_id = await make_key(world)
    for _ in range(5):
        assert await world.key(key_id) is not None
        assert await world.user() is not None
    assert (world.source.calls["find_access_key"], world.source.calls["find_user"]) == (1, 1)
    assert world.count("cache_requests", "access_key", "hit") == 4
    assert world.count("cache_requests", "access_key", "miss") == 1


async def test_all_keys_of_a_user_share_one_entry(world):
    first = await make_key(world)
    second = (await world.control.access_keys.create("alice")).value.key.id
    await world.settle()
    owner = (await world.key(first)).owner
    assert (await world.key(second)).owner is owner
    assert await world.user() is owner


async def test_an_unknown_key_is_read_once_and_found_as_soon_as_it_exists(world):
    await world.control.users.create("alice")
    for _ in range(5):
        assert await world.key("NEWKEY") is None
    assert world.source.calls["find_access_key"] == 1
    assert world.count("cache_requests", "access_key", "negative") == 4
    await world.control.access_keys.create("alice", access_key_id="NEWKEY")
    await world.settle()
    assert (await world.key("NEWKEY")).owner.principal.name == "alice"


async def test_an_unknown_user_is_read_once_and_found_as_soon_as_it_exists(world):
    for _ in range(5):
        assert await world.user("bob") is None
    assert world.source.calls["find_user"] == 1
    await world.control.users.create("Bob")
    await world.settle()
    assert (await world.user("bob")).principal.name == "Bob"


async def test_a_change_about_somebody_else_forgets_nothing(world):
    key_id = await make_key(world)
    await world.key(key_id)
    assert await world.key("MADEUP") is None
    await make_key(world, "bob", access_key_id="BOBSKEY")
    held = world.principals.find_key(key_id)
    assert held is not None
    assert await world.key("MADEUP") is None
    assert world.source.calls["find_access_key"] == 2


async def test_made_up_keys_and_names_push_out_no_real_ones(database, control, make_world):
    async with following(make_world(limit=10)) as world:
        key_id = await make_key(world)
        await world.key(key_id)
        await world.user()
        for n in range(50):
            assert await world.key(f"MADEUP{n}") is None
            assert await world.user(f"madeup{n}") is None
        assert world.principals.find_key(key_id) is not None
        assert world.principals.find_user("alice") is not None


async def test_no_shelf_grows_beyond_the_bound(make_world):
    async with following(make_world(limit=4)) as world:
        for n in range(10):
            key_id = await make_key(world, f"user{n}", access_key_id=f"KEY{n}")
            await world.key(key_id)
            await world.user(f"user{n}")
            await world.key(f"MADEUP{n}")
            await world.credential(await world.session(f"user{n}"))
            await world.control.roles.create(f"role{n}", trust())
            await world.settle()
            await world.role(f"role{n}")
        for sample in world.metrics.cache_entries.collect().samples:
            assert sample.value == 4, sample.labels
        held = [n for n in range(10) if world.principals.find_key(f"KEY{n}") is not None]
        assert held == [6, 7, 8, 9]


async def test_the_least_recently_used_leaves_first(make_world):
    async with following(make_world(limit=2)) as world:
        for n in range(3):
            await make_key(world, f"user{n}", access_key_id=f"KEY{n}")
        await world.key("KEY0")
        await world.key("KEY1")
        assert world.principals.find_key("KEY0") is not None
        await world.key("KEY2")
        assert world.principals.find_key("KEY1") is None
        assert world.principals.find_key("KEY0") is not None


async def test_a_change_reaches_entries_that_only_a_caller_still_holds(make_world):
    async with following(make_world(limit=1)) as world:
        await make_key(world, "alice", access_key_id="KEY0")
        await make_key(world, "bob", access_key_id="KEY1")
        held = await world.key("KEY0")
        await world.key("KEY1")
        await world.control.users.update("alice", status=Status.DISABLED)
        await world.settle()
        assert not held.owner.is_current


@pytest.mark.parametrize("garbage", ["", "a b", "x" * 200, "a\0b", "k=v", "\u00e9t\u00e9"])
async def test_a_key_id_that_cannot_be_is_neither_read_nor_remembered(world, garbage):
    assert await world.principals.load_key(garbage) is None
    assert world.source.calls["find_access_key"] == 0
    assert sample_of(world, "absent") == 0


@pytest.mark.parametrize(
    "garbage",
    ["", " edge ", "x" * 200, "a\0b", "K=v", "k k=v", "=v", "k=", "k=\0", "k=" + "x" * 1025, "a,b"],
)
async def test_a_name_that_cannot_be_is_neither_read_nor_remembered(world, garbage):
    assert await world.principals.load_user(garbage) is None
    assert world.source.calls["find_user"] == 0
    assert sample_of(world, "absent") == 0


def sample_of(world, cache) -> float:
    samples = world.metrics.cache_entries.collect().samples
    return next(sample.value for sample in samples if sample.labels["cache"] == cache)


async def test_more_loads_than_may_wait_are_refused_and_the_others_finish(make_world):
    async with following(make_world(concurrent_loads=2)) as world:
        for n in range(5):
            await make_key(world, f"user{n}", access_key_id=f"KEY{n}")
        pauses = [world.source.hold("find_access_key") for _ in range(2)]
        loads = [asyncio.create_task(world.principals.load_key(f"KEY{n}")) for n in range(4)]
        for pause in pauses:
            await pause.reached.wait()
        with pytest.raises(OverloadedError):
            await world.principals.load_key("KEY4")
        assert world.source.calls["find_access_key"] == 2
        joined = asyncio.create_task(world.principals.load_key("KEY0"))
        for pause in pauses:
            pause.released.set()
        assert all(await asyncio.gather(*loads, joined))
        assert await world.principals.load_key("KEY4") is not None


async def test_a_waiter_that_is_cancelled_ends_nobody_elses_load(world):
    key_id = await make_key(world)
    pause = world.source.hold("find_access_key")
    first = asyncio.create_task(world.principals.load_key(key_id))
    second = asyncio.create_task(world.principals.load_key(key_id))
    await pause.reached.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    pause.released.set()
    assert (await second).id == key_id
    assert world.source.calls["find_access_key"] == 1


async def test_a_load_nobody_waits_for_any_more_fails_in_silence(world):
    key_id = await make_key(world)
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, c: complaints.append(c))
    world.source.is_lost = True
    waiter = asyncio.create_task(world.principals.load_key(key_id))
    await asyncio.sleep(0)
    waiter.cancel()
    await asyncio.gather(waiter, return_exceptions=True)
    await world.source.called("find_access_key")
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []
    world.source.is_lost = False
    assert await world.key(key_id) is not None


async def test_a_failed_load_is_not_remembered(world):
    key_id = await make_key(world)
    world.source.is_lost = True
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await world.principals.load_key(key_id)
    world.source.is_lost = False
    assert await world.key(key_id) is not None


async def test_a_secret_that_does_not_open_is_unavailable_and_says_nothing_of_it(world):
    key_id = await make_key(world)
    await world.by_sql(
        "UPDATE access_keys SET sealed_secret = :sealed",
        (ChangeKind.ACCESS_KEY, key_id),
        sealed=b"\x01\x02k1" + bytes(60),
    )
    await world.settle()
    with pytest.raises(UnavailableError) as failed:
        await world.key(key_id)
    assert failed.value.message == "a sealed secret cannot be opened with the keys at hand"


async def test_a_user_recreated_under_its_name_is_somebody_else(world):
    key_id = await make_key(world)
    await world.control.policies.create("all", policy())
    await world.control.attachments.attach("all", USER, "alice")
    await world.settle()
    old = await world.user()
    assert await world.can()
    await world.control.users.delete("alice", cascade=True)
    await world.control.users.create("alice")
    await world.settle()
    new = await world.user()
    assert new.principal.id != old.principal.id
    assert new.principal.facts["aws:userid"] != old.principal.facts["aws:userid"]
    assert not await world.can()
    assert await world.key(key_id) is None


async def test_a_renamed_user_is_found_under_its_new_name_only(world):
    key_id = await make_key(world)
    await world.key(key_id)
    assert await world.user("alicia") is None
    await world.user("alice")
    await world.control.users.update("alice", new_name="alicia")
    await world.settle()
    assert await world.user("alice") is None
    assert (await world.user("alicia")).principal.facts["aws:username"] == ("alicia",)
    assert (await world.key(key_id)).owner.principal.arn.endswith(":user/alicia")


@pytest.mark.parametrize("name", ["\u00df" * 128, "\u0130" * 128, "\ufb03" * 128])
async def test_a_name_that_grows_when_it_is_folded_is_found_like_any(world, name):
    await world.control.users.create(name)
    await world.control.roles.create(name, trust())
    await world.settle()
    for _ in range(2):
        assert (await world.user(name)).principal.name == name
        assert (await world.role(name)).principal.name == name
    assert world.source.calls["find_user"] == world.source.calls["find_role"] == 1


async def test_a_renamed_group_is_seen_in_its_members_facts(world):
    await make_key(world)
    await world.control.groups.create("staff")
    await world.control.groups.add_members("staff", ["alice"])
    await world.settle()
    assert (await world.user()).principal.facts["aws:groups"] == ("staff",)
    await world.control.groups.update("staff", new_name="crew")
    await world.settle()
    assert (await world.user()).principal.facts["aws:groups"] == ("crew",)


async def test_a_disabled_group_grants_nothing_and_still_denies(world):
    control = world.control
    await make_key(world)
    await control.policies.create("all", policy())
    await control.policies.create("no puts", policy("Deny", PUT))
    await control.groups.create("staff")
    await control.groups.add_members("staff", ["alice"])
    await control.attachments.attach("all", USER, "alice")
    await control.attachments.attach("no puts", GROUP, "staff")
    await control.groups.update("staff", status=Status.DISABLED)
    await world.settle()
    assert await world.can()
    assert not await world.can(action=PUT)
    await control.attachments.attach("all", GROUP, "staff")
    await control.attachments.detach("all", USER, "alice")
    await world.settle()
    assert not await world.can()
    await control.groups.update("staff", status=Status.ENABLED)
    await world.settle()
    assert await world.can()
    assert not await world.can(action=PUT)
    await control.groups.remove_members("staff", ["alice"])
    await control.attachments.attach("all", USER, "alice")
    await world.settle()
    assert await world.can(action=PUT)


async def test_an_edited_policy_of_a_disabled_group_denies_what_it_says_now(world):
    control = world.control
    await make_key(world)
    await control.policies.create("all", policy())
    await control.policies.create("no puts", policy("Deny", PUT))
    await control.groups.create("staff", status=Status.DISABLED)
    await control.groups.add_members("staff", ["alice"])
    await control.attachments.attach("all", USER, "alice")
    await control.attachments.attach("no puts", GROUP, "staff")
    await world.settle()
    assert (await world.can(), await world.can(action=PUT)) == (True, False)
    await control.policies.update("no puts", document=policy("Deny", GET))
    await world.settle()
    assert (await world.can(), await world.can(action=PUT)) == (False, True)


async def test_users_with_the_same_attachments_share_one_compiled_set(world):
    await world.control.policies.create("all", policy())
    for name in ("alice", "bob"):
        await make_key(world, name)
        await world.control.attachments.attach("all", USER, name)
    await world.settle()
    first, second = await world.user("alice"), await world.user("bob")
    assert first.handle is second.handle
    assert world.authorizer.policies_for(first, "*") is world.authorizer.policies_for(second, "*")


BROKEN = [
    "", "{", "[]", "null", "[" * 100_000, '{"Version":"2012-10-17"}', "\U0001f600",
    policy().replace("Allow", "Perhaps"), policy(resource="not-an-arn"), policy() + policy(),
    policy().replace('"Sid"', '"Condition":{"NoSuchOperator":{"a":"b"}},"Sid"'),
    '{"a":' * 5000 + "1" + "}" * 5000, '{"Version": ' + "9" * 5000 + "}",
]  # fmt: skip


@pytest.mark.parametrize("document", BROKEN)
async def test_a_stored_document_that_does_not_compile_denies_whoever_it_is_attached_to(
    world, document
):
    control = world.control
    await make_key(world)
    await make_key(world, "bob")
    await control.policies.create("all", policy())
    broken = (await control.policies.create("broken", policy())).value
    for name, user in (("all", "alice"), ("all", "bob"), ("broken", "alice")):
        await control.attachments.attach(name, USER, user)
    await world.settle()
    assert await world.can()
    await world.by_sql(
        "UPDATE policy_versions SET document = :document WHERE policy_id = :id",
        (ChangeKind.POLICY, broken.id),
        document=document,
        id=broken.id,
    )
    await world.settle()
    decision = world.decide(await world.user(), resource=OBJECT)
    assert (decision.verdict, decision.reason) == ("EXPLICITLY_DENIED", "QUARANTINE")
    assert decision.statement.policy.endswith(":policy/broken")
    assert await world.can("bob")
    assert world.metrics.quarantined_policies.collect().samples[0].value == 1
    await control.policies.update("broken", document=policy())
    await world.settle()
    assert await world.can()
    assert world.metrics.quarantined_policies.collect().samples[0].value == 0


async def test_an_attachment_to_a_policy_that_is_not_there_denies(world):
    await make_key(world)
    made = (await world.control.policies.create("all", policy())).value
    await world.control.attachments.attach("all", USER, "alice")
    await world.settle()

    async def lose(connection):
        await connection.execute(text("PRAGMA foreign_keys = OFF"))
        await connection.execute(text("DELETE FROM policies"))

    await world.database.ask(lose)
    await world.by_sql("SELECT 1", (ChangeKind.POLICY, made.id))
    await world.settle()
    assert world.decide(await world.user()).reason == "QUARANTINE"
