"""Administrators ask ahead: what may this principal do, who may do that; by whom, how much of it, and amid changes."""

import asyncio
import json
import math
import time

import pytest

from authz.access.ports import ChangeKind
from authz.control.groups import Groups
from authz.control.users import Users
from authz.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.identity.records import Status, TargetKind
from authz.policy import catalog
from authz.serving import reach
from authz.wire.authz.v1 import authorization_pb2 as wire
from tests.access.world import (
    ACCOUNT,
    BUCKET,
    GET,
    OBJECT,
    PUT,
    ROOT_ID,
    ROOT_SECRET,
    InTransaction,
    bucket_policy,
    policy,
)
from tests.serving.surfaces import AUTHORIZATION
from tests.store.fixtures import LowerCaseNames

LIST, WHO = f"{AUTHORIZATION}/ListAllowedActions", f"{AUTHORIZATION}/WhoCan"
ROOT = (ROOT_ID, ROOT_SECRET.decode())
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
CONDITIONAL, ALWAYS = wire.CERTAINTY_CONDITIONAL, wire.CERTAINTY_ALWAYS


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def from_home(effect="Allow", action="*") -> str:
    document = json.loads(policy(effect, action))
    document["Statement"][0]["Condition"] = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    return json.dumps(document)


@pytest.fixture
def list_actions(surfaces, world):
    async def ask(resource=OBJECT, credential=ROOT, at=0, context=None, **principal):
        request = wire.ListAllowedActionsRequest(
            resource=resource, at_least_revision=at, **(principal or {"user_name": "alice"})
        )
        for key, value in (context or {}).items():
            request.context[key].values.append(value)
        raw = request.SerializeToString()
        world.clock.advance(1)  # a signature is good for one call
        answer = await surfaces.send(LIST, raw, surfaces.signed(LIST, raw, credential))
        return wire.ListAllowedActionsResponse.FromString(answer)

    return ask


@pytest.fixture
def start(surfaces, world):
    """Begin a walk, of which the test takes as many messages as it wants."""

    def begin(action=GET, resource=OBJECT, credential=ROOT, context=None, **parts):
        request = wire.WhoCanRequest(action=action, resource=resource, **parts)
        for key, value in (context or {}).items():
            request.context[key].values.append(value)
        raw = request.SerializeToString()
        world.clock.advance(1)
        return surfaces.stream(WHO, raw, surfaces.signed(WHO, raw, credential))

    return begin


@pytest.fixture
def who_can(start):
    async def walk(*arguments, **parts):
        raws = [raw async for raw in start(*arguments, **parts)]
        return [wire.WhoCanResponse.FromString(raw) for raw in raws]

    return walk


def named(messages) -> list[tuple[str, int]]:
    return [
        (one.principal.arn, one.certainty) for message in messages for one in message.principals
    ]


async def give(world, user, **attached) -> None:
    """Create a user with policies by name → document."""
    control = world.control
    await control.users.create(user)
    for name, document in attached.items():
        if name not in {policy.name for policy in (await control.policies.list()).items}:
            await control.policies.create(name, document)
        await control.attachments.attach(name, TargetKind.USER, user)


@pytest.fixture
async def staff(world):
    """Alice may read, bob from home, carol is denied, dave is disabled, erin has nothing."""
    await give(world, "alice", reads=policy(action="s3:Get*"))
    await give(world, "bob", home=from_home())
    await give(world, "carol", reads=policy(action="s3:Get*"), stop=policy("Deny", "s3:GetObject"))
    await give(world, "dave", reads=policy(action="s3:Get*"))
    await give(world, "erin")
    await world.control.users.update("dave", status=Status.DISABLED)
    await world.settle()


STAFF = [(ROOT_ARN, ALWAYS), (arn("alice"), ALWAYS), (arn("bob"), CONDITIONAL)]


async def test_who_can_is_root_then_users_by_name_with_how_certain_it_is(who_can, staff, world):
    messages = await who_can()
    assert named(messages) == STAFF
    assert messages[-1].next_page_token == ""
    assert {message.revision for message in messages} == {world.refresher.applied}


async def test_what_is_known_of_the_request_settles_its_conditions(who_can, staff):
    assert (arn("bob"), ALWAYS) in named(await who_can(context={"aws:SourceIp": "10.9.9.9"}))
    assert arn("bob") not in dict(named(await who_can(context={"aws:SourceIp": "192.0.2.1"})))


async def test_nobody_makes_us_wait_for_a_revision_who_may_not_ask(
    list_actions, start, credential, world, monkeypatch
):
    awaited, wait_for = [], world.refresher.wait_for

    async def note(revision):
        awaited.append(revision)
        await wait_for(min(revision, world.refresher.applied))

    monkeypatch.setattr(world.refresher, "wait_for", note)
    with pytest.raises(ForbiddenError):
        await list_actions(at=99, credential=credential)
    with pytest.raises(ForbiddenError):
        await anext(start(at_least_revision=99, credential=credential))
    assert 99 not in awaited
    await list_actions(at=99)
    assert 99 in awaited


async def test_everyone_comes_second_when_the_resource_lets_everyone(who_can, staff, world):
    await world.resource_policies.put(BUCKET, bucket_policy(action=GET))
    await world.settle()
    found = named(await who_can())
    assert found[:2] == [(ROOT_ARN, ALWAYS), ("*", ALWAYS)]
    # Whom a policy of their own denies, everyone's allow does not help.
    assert [one for one, _ in found[2:]] == [arn("alice"), arn("bob"), arn("erin")]
    assert named(await who_can(PUT)) == [(ROOT_ARN, ALWAYS), (arn("bob"), CONDITIONAL)]


async def test_a_resource_names_single_users_among_those_who_share_their_policies(
    who_can, staff, world
):
    await give(world, "frank")
    named_one = bucket_policy(action=PUT, principal={"AWS": arn("frank")})
    await world.resource_policies.put(BUCKET, named_one)
    await world.settle()
    assert named(await who_can(PUT)) == [(ROOT_ARN, ALWAYS), (arn("bob"), CONDITIONAL), (arn("frank"), ALWAYS)]  # fmt: skip


async def test_a_boundary_holds(who_can, staff, world):
    await world.control.policies.create("puts", policy(action=PUT))
    await world.control.users.put_boundary("alice", "puts")
    await world.settle()
    assert arn("alice") not in dict(named(await who_can()))


async def test_a_policy_that_cannot_be_read_takes_its_users_out(who_can, staff, world):
    policy_id = (await world.control.policies.get("reads")).id
    await world.by_sql(
        "UPDATE policy_versions SET document = '{' WHERE policy_id = :id",
        (ChangeKind.POLICY, policy_id),
        id=policy_id,
    )
    await world.settle()
    assert named(await who_can()) == [(ROOT_ARN, ALWAYS), (arn("bob"), CONDITIONAL)]


async def test_a_disabled_group_grants_nothing_and_still_denies(who_can, staff, world):
    control = world.control
    for name in ("givers", "takers"):
        await control.groups.create(name)
    await control.policies.create("puts", policy(action=PUT))
    await control.attachments.attach("puts", TargetKind.GROUP, "givers")
    await control.attachments.attach("stop", TargetKind.GROUP, "takers")
    await control.groups.add_members("givers", ["erin"])
    await control.groups.add_members("takers", ["alice"])
    await world.settle()
    assert arn("erin") in dict(named(await who_can(PUT)))
    for name in ("givers", "takers"):
        await control.groups.update(name, status=Status.DISABLED)
    await world.settle()
    assert arn("erin") not in dict(named(await who_can(PUT)))
    assert arn("alice") not in dict(named(await who_can()))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
async def test_pages_join_up_whatever_their_size(who_can, staff, world, size):
    await world.resource_policies.put(BUCKET, bucket_policy(action=GET))
    await world.settle()
    everything = named(await who_can())
    found, token = [], ""
    for _ in range(10):
        messages = await who_can(page_size=size, page_token=token)
        assert len(named(messages)) <= size
        found += named(messages)
        token = messages[-1].next_page_token
        if not token:
            break
    assert found == everything


async def test_a_broken_stream_is_taken_up_again_with_its_last_token(start, who_can, staff):
    stream = start()
    first = wire.WhoCanResponse.FromString(await anext(stream))
    await stream.aclose()
    rest = await who_can(page_token=first.next_page_token)
    assert named([first, *rest]) == STAFF


@pytest.mark.parametrize(
    "token", ["x", "MQ", "MXRhbWU", "MTNhbGljZQ", "MTBhbGljZQ", "MTFhbGljZQ", "MTJhAGI", "A" * 4097]
)
async def test_a_token_that_is_not_ours_is_refused(who_can, token):
    with pytest.raises(InvalidError) as failed:
        await who_can(page_token=token)
    assert failed.value.field == "page_token"


async def test_a_made_up_place_is_a_place_like_any_other(who_can, staff):
    # `12alicf`: after a user that is not there.
    assert named(await who_can(page_token="MTJhbGljZg")) == [(arn("bob"), CONDITIONAL)]


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"action": "s3:*"}, "action"),
        ({"resource": "k"}, "resource"),
        ({"page_size": -1}, "page_size"),
        ({"at_least_revision": -1}, "at_least_revision"),
        ({"context": {"aws:username": "alice"}}, "context[`aws:username`]"),
    ],
)
async def test_what_is_no_question_is_refused(who_can, parts, field):
    with pytest.raises(InvalidError) as failed:
        await who_can(**parts)
    assert failed.value.field == field


async def test_bytes_that_are_no_message_are_refused(surfaces):
    with pytest.raises(ParseError):
        await surfaces.send(LIST, b"\xff", {})
    with pytest.raises(ParseError):
        await anext(surfaces.stream(WHO, b"\xff", {}))


async def test_only_who_may_see_policies_may_ask(surfaces, who_can, list_actions, credential):
    for ask in (who_can, list_actions):
        with pytest.raises(ForbiddenError):
            await ask(credential=credential)
    question = {LIST: wire.ListAllowedActionsRequest(user_name="alice", resource="*"),
                WHO: wire.WhoCanRequest(action=GET, resource="*")}  # fmt: skip
    with pytest.raises(UnauthenticatedError):
        await surfaces.send(LIST, question[LIST].SerializeToString())
    with pytest.raises(UnauthenticatedError):
        await anext(surfaces.stream(WHO, question[WHO].SerializeToString()))


async def test_who_may_see_the_policies_of_one_may_ask_about_that_one(
    list_actions, who_can, staff, world
):
    control = world.control
    about_bob = policy(action="iam:SimulatePrincipalPolicy", resource=arn("bob"))
    await give(world, "helper", about=about_bob)
    made = (await control.access_keys.create("helper")).value
    await world.settle()
    credential = (made.key.id, made.secret.reveal())
    assert (await list_actions(user_name="BOB", credential=credential)).actions
    for refused in (
        list_actions(user_name="alice", credential=credential),
        list_actions(user_name="nobody", credential=credential),
        list_actions(anonymous=True, credential=credential),
        who_can(credential=credential),
    ):
        with pytest.raises(ForbiddenError):
            await refused


async def test_a_signed_question_is_answered_once(surfaces, staff):
    raw = wire.WhoCanRequest(action=GET, resource=OBJECT).SerializeToString()
    metadata = surfaces.signed(WHO, raw, ROOT)
    assert [raw async for raw in surfaces.stream(WHO, raw, metadata)]
    with pytest.raises(UnauthenticatedError):
        await anext(surfaces.stream(WHO, raw, metadata))


async def test_a_few_walks_run_at_a_time_and_a_closed_one_makes_room(start, list_actions, staff):
    running = [start() for _ in range(reach.CONCURRENT)]
    for stream in running:
        await anext(stream)
    with pytest.raises(OverloadedError):
        await anext(start())
    with pytest.raises(OverloadedError):
        await list_actions()
    await running[0].aclose()
    running.append(start())
    await anext(running[-1])
    for stream in running:
        await stream.aclose()
    assert (await list_actions()).actions


async def test_walks_that_run_together_answer_as_one_alone(who_can, staff):
    together = await asyncio.gather(*(who_can() for _ in range(reach.CONCURRENT)))
    assert [named(messages) for messages in together] == [STAFF] * reach.CONCURRENT


async def test_a_revision_that_is_asked_for_is_waited_for(who_can, list_actions, staff, world):
    made = await world.control.attachments.attach("reads", TargetKind.USER, "erin")
    assert world.refresher.applied < made.revision
    messages = await who_can(at_least_revision=made.revision)
    assert (arn("erin"), ALWAYS) in named(messages)
    made = await world.control.attachments.detach("reads", TargetKind.USER, "erin")
    assert not (await list_actions(user_name="erin", at=made.revision)).actions


async def test_a_walk_goes_on_after_others_had_their_turn(who_can, start, staff, monkeypatch):
    monkeypatch.setattr(reach, "BUDGET", -1.0)
    assert named(await who_can()) == STAFF
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert named(await who_can()) == STAFF
    task.cancel()
    assert turns > len(STAFF)


async def test_a_change_within_a_page_is_in_what_comes_after_it(start, staff, world, monkeypatch):
    monkeypatch.setattr(reach, "BUDGET", -1.0)
    rests, reached, released = 0, asyncio.Event(), asyncio.Event()

    async def rest(_):
        nonlocal rests
        rests += 1
        if rests == 2:  # before the second user
            reached.set()
            await released.wait()

    monkeypatch.setattr(reach._Pace, "rest", rest)
    stream = start()
    messages = [await anext(stream), await anext(stream)]
    walking = asyncio.create_task(anext(stream))
    await reached.wait()
    await world.control.attachments.attach("reads", TargetKind.USER, "erin")
    await world.control.users.delete("bob", cascade=True)
    await world.settle()
    released.set()
    messages += [await walking, *[raw async for raw in stream]]
    answers = [wire.WhoCanResponse.FromString(raw) for raw in messages]
    assert named(answers) == [(ROOT_ARN, ALWAYS), (arn("alice"), ALWAYS), (arn("erin"), ALWAYS)]
    assert answers[2].revision == answers[0].revision < answers[3].revision


async def test_a_walk_that_takes_too_long_ends_like_a_full_page(start, who_can, staff, monkeypatch):
    stream = start()
    first = wire.WhoCanResponse.FromString(await anext(stream))
    monkeypatch.setattr(reach, "perf_counter", lambda: math.inf)
    assert [raw async for raw in stream] == []
    monkeypatch.setattr(reach, "perf_counter", time.perf_counter)
    assert named([first, *await who_can(page_token=first.next_page_token)]) == STAFF


async def test_one_decision_over_many_statements_lets_others_go_first(
    who_can, staff, monkeypatch, world
):
    statement = json.loads(from_home())["Statement"][0]
    del statement["Sid"]
    many = json.dumps({"Version": "2012-10-17", "Statement": [statement] * 100})
    await give(world, "zoe", many=many)
    await world.settle()
    monkeypatch.setattr(reach, "BUDGET", -1.0)
    rests = 0
    real = reach._Pace.rest

    async def rest(pace):
        nonlocal rests
        rests += 1
        await real(pace)

    monkeypatch.setattr(reach._Pace, "rest", rest)
    assert named(await who_can())[-1] == (arn("zoe"), CONDITIONAL)
    users = 6
    assert rests > users


async def test_many_users_come_in_bounded_messages_in_order(who_can, world):
    await world.control.policies.create("reads", policy(action="s3:Get*"))
    await world.control.groups.create("all")
    await world.control.attachments.attach("reads", TargetKind.GROUP, "all")
    names = [f"u{number:04}" for number in range(600)]

    async def join(unit) -> None:
        store, clock = InTransaction(unit), world.control.clock
        for name in names:
            await Users(store, clock).create(name)
        await Groups(store, clock, LowerCaseNames()).add_members("all", names)

    await world.control.store.write(join)
    await world.settle()
    messages = await who_can()
    assert [one for one, _ in named(messages)[1:]] == [arn(name) for name in names]
    assert max(len(message.principals) for message in messages) <= reach.USERS_PER_PAGE
    # A walk leaves the cache to those who are active.
    assert world.principals.find_user("u0000") is None


async def test_memory_too_old_answers_nothing(who_can, list_actions, staff, world):
    world.clock.advance(301)
    for ask in (who_can, list_actions):
        with pytest.raises(UnavailableError):
            await ask()


async def test_a_store_that_is_lost_ends_the_stream_with_an_error(start, staff, world):
    stream = start()
    await anext(stream)
    await anext(stream)
    world.source.is_lost = True
    with pytest.raises(UnavailableError):
        await anext(stream)


# --- what may this principal do ------------------------------------------------------------------------------


async def test_actions_are_those_of_the_catalog_in_order(list_actions, staff, world):
    answer = await list_actions()
    expected = [a.text for a in catalog.all_actions() if a.text.lower().startswith("s3:get")]
    assert [one.action for one in answer.actions] == sorted(expected, key=str.lower)
    assert {one.certainty for one in answer.actions} == {ALWAYS}
    assert answer.revision == world.refresher.applied


async def test_actions_on_conditions_are_said_to_be(list_actions, staff):
    answer = await list_actions(user_name="bob")
    assert {one.certainty for one in answer.actions} == {CONDITIONAL}
    assert len(answer.actions) == len(catalog.all_actions())
    home = await list_actions(user_name="bob", context={"aws:SourceIp": "10.1.1.1"})
    assert {one.certainty for one in home.actions} == {ALWAYS}


async def test_actions_that_policies_spell_out_are_there_too(list_actions, world):
    document = policy(action=["orders:Ship", "Orders:Drop", "s3:getobject", "orders:*"])
    await give(world, "alice", orders=document, stop=policy("Deny", "orders:drop"))
    await world.settle()
    answer = await list_actions(resource="arn:aws:orders:::order/1")
    assert [one.action for one in answer.actions] == ["orders:Ship", "s3:GetObject"]


async def test_principals_are_named_in_every_way(list_actions, staff, world, surfaces):
    everything = len(catalog.all_actions())
    for principal, count in (
        ({"principal_arn": ROOT_ARN}, everything),
        ({"access_key_id": ROOT_ID}, everything),
        ({"anonymous": True}, 0),
        ({"user_name": "dave"}, 0),
        ({"user_name": "erin"}, 0),
    ):
        assert len((await list_actions(**principal)).actions) == count
    with pytest.raises(NotFoundError):
        await list_actions(user_name="nobody")


async def test_a_disabled_key_may_do_nothing(list_actions, credential, world):
    assert (await list_actions(access_key_id=credential[0])).actions
    await world.control.access_keys.update(credential[0], status=Status.DISABLED)
    await world.settle()
    assert not (await list_actions(access_key_id=credential[0])).actions


async def test_more_actions_than_fit_an_answer_are_refused(list_actions, staff, world, monkeypatch):
    monkeypatch.setattr(reach, "ACTIONS_LIMIT", len(catalog.all_actions()))
    await give(world, "grace", orders=policy(action="orders:Ship"))
    await world.settle()
    assert (await list_actions()).actions
    with pytest.raises(InvalidError):
        await list_actions(user_name="grace")


async def test_a_listing_that_takes_too_long_is_given_up(list_actions, staff, monkeypatch):
    monkeypatch.setattr(reach, "BUDGET", -1.0)
    monkeypatch.setattr(reach, "LIST_LIMIT", 0.0)
    with pytest.raises(OverloadedError):
        await list_actions()


async def test_both_agree_with_each_other(list_actions, who_can, staff):
    for name in ("alice", "bob", "carol", "dave", "erin"):
        listed = {one.action: one.certainty for one in (await list_actions(user_name=name)).actions}
        for action in (GET, PUT, "s3:GetBucketPolicy"):
            found = dict(named(await who_can(action)))
            assert listed.get(action) == found.get(arn(name))
