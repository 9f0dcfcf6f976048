"""What is kept of answers: the last ones, found by their ids, bounded whatever strangers ask; and what is counted."""

import json

import pytest

from authz.access.authorizer import REMEMBERED_CHARACTERS, Asked
from authz.identity.records import TargetKind
from authz.policy.request import NO_FACTS, AccessRequest, Context
from tests.access.world import GET, OBJECT, following, policy

USER = TargetKind.USER
TEST = Asked("test")


def ask(world, entry=None, facts=NO_FACTS, resource=OBJECT, action=GET):
    entry = entry or world.anonymous
    context = Context(entry.principal.facts, NO_FACTS, facts, world.clock.now())
    request = AccessRequest(entry.principal, action, resource, context)
    return world.authorizer.authorize(entry, [request], TEST, 0.0)


# --- the last answers -----------------------------------------------------------------------------------------


async def test_the_last_answers_are_found_by_their_ids_and_no_others(make_world):
    async with following(make_world(remembered=10)) as world:
        answers = [ask(world) for _ in range(25)]
        for answer in answers[:15]:
            assert world.authorizer.find_answer(answer.decision_id) is None
        for answer in answers[15:]:
            assert world.authorizer.find_answer(answer.decision_id) is answer


async def test_refusals_have_ids_and_are_not_answers(make_world):
    async with following(make_world(remembered=10)) as world:
        answer = ask(world)
        refused = world.authorizer.refuse(TEST, "AccessDenied", OBJECT)
        assert world.authorizer.find_answer(refused) is None
        assert world.authorizer.find_answer(answer.decision_id) is answer


async def test_an_id_of_another_process_is_not_found(make_world):
    async with following(make_world()) as world, following(make_world()) as other:
        answer = ask(other)
        ask(world)
        assert world.authorizer.find_answer(answer.decision_id) is None


@pytest.mark.parametrize("garbage", ["", "0", "x" * 22, "\u0661" * 22, "-000000001", "9" * 100_000])
async def test_what_is_no_id_is_not_found(world, garbage):
    prefix = ask(world).decision_id[:12]
    assert world.authorizer.find_answer(garbage) is None
    assert world.authorizer.find_answer(prefix + garbage) is None


async def test_nothing_is_kept_where_nothing_is_to_be(make_world):
    async with following(make_world(remembered=0)) as world:
        assert world.authorizer.find_answer(ask(world).decision_id) is None


async def test_a_question_too_long_to_keep_is_answered_and_not_kept(world):
    long = "x" * REMEMBERED_CHARACTERS
    for facts, resource in (
        ({"aws:useragent": (long,)}, OBJECT),
        ({"s3:requestobjecttagkeys": (long[:5000], long[:5000])}, OBJECT),
        (NO_FACTS, OBJECT + long),
    ):
        answer = ask(world, facts=facts, resource=resource)
        assert world.authorizer.find_answer(answer.decision_id) is None
    assert ask(world, facts={"aws:useragent": (long[:7000],)}).decision_id
    assert world.count("decisions", "test", "IMPLICITLY_DENIED", "NO_MATCH") == 4


# --- conditions that cannot be evaluated ----------------------------------------------------------------------


@pytest.fixture
async def alice(world):
    """A user denied from outside of a network, and allowed to read small things."""
    document = json.loads(policy())
    document["Statement"][0]["Condition"] = {"NumericLessThan": {"s3:max-keys": "10"}}
    deny = json.loads(policy("Deny"))["Statement"][0]
    deny["Sid"], deny["Condition"] = "Two", {"NotIpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}
    document["Statement"].append(deny)
    await world.control.users.create("alice")
    await world.control.policies.create("small", json.dumps(document))
    await world.control.attachments.attach("small", USER, "alice")
    await world.settle()
    return await world.user()


INSIDE = {"aws:vpcsourceip": ("10.0.0.1",)}


async def test_a_condition_that_cannot_be_evaluated_is_counted_each_time(world, alice):
    assert ask(world, alice, {**INSIDE, "s3:max-keys": ("5",)}).decision.is_allowed
    assert not ask(world, alice, {**INSIDE, "s3:max-keys": ("50",)}).decision.is_allowed
    assert not ask(world, alice, INSIDE).decision.is_allowed
    assert world.count("unevaluable_conditions") == 0
    assert not ask(world, alice, {**INSIDE, "s3:max-keys": ("many",)}).decision.is_allowed
    assert world.count("unevaluable_conditions") == 1
    facts = {"aws:vpcsourceip": ("here",), "s3:max-keys": ("5",)}
    assert ask(world, alice, facts).decision.verdict == "EXPLICITLY_DENIED"
    assert world.count("unevaluable_conditions") == 2


async def test_questions_that_share_a_context_count_their_own(world, alice):
    facts = {**INSIDE, "s3:max-keys": ("many",)}
    context = Context(alice.principal.facts, NO_FACTS, facts, world.clock.now())
    requests = [AccessRequest(alice.principal, name, OBJECT, context) for name in (GET, "admin:X")]
    world.authorizer.authorize_either(alice, requests, TEST, 0.0)
    assert world.count("unevaluable_conditions") == 2
