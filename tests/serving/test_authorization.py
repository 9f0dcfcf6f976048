"""Internal services ask: by name, ARN or key, one or a thousand, on a revision they name."""

import asyncio
import json

import pytest

from authz.errors import (
    InvalidError,
    ParseError,
    UnavailableError,
)
from authz.identity.records import Status
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2
from tests.access.world import (
    ACCOUNT,
    GET,
    OBJECT,
    PUT,
    ROOT_ID,
    following,
    policy,
    until,
)
from tests.serving.surfaces import AUTHORIZATION, Surfaces

AUTHORIZE, BATCH = (f"{AUTHORIZATION}/{name}" for name in ("Authorize", "BatchAuthorize"))
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
INVALID, UNAVAILABLE, EXHAUSTED = 3, 14, 8


@pytest.fixture
def ask(surfaces):
    async def authorize(action=GET, resource=OBJECT, at_least_revision=0, **principal):
        request = wire.AuthorizeRequest(
            action=action, resource=resource, at_least_revision=at_least_revision, **principal
        )
        answer = await surfaces.ask(AUTHORIZE, request, wire.AuthorizeResponse)
        return answer.decision

    return authorize


@pytest.fixture
def batch(surfaces):
    async def authorize(*checks, at_least_revision=0):
        request = wire.BatchAuthorizeRequest(checks=checks, at_least_revision=at_least_revision)
        answer = await surfaces.ask(BATCH, request, wire.BatchAuthorizeResponse)
        return list(answer.answers)

    return authorize


def a_check(action=GET, resource=OBJECT, **principal) -> wire.Check:
    return wire.Check(action=action, resource=resource, **(principal or {"user_name": "alice"}))


def verdict(decision) -> tuple[str, str]:
    return (
        decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_"),
        decision_pb2.Reason.Name(decision.reason).removeprefix("REASON_"),
    )


ALLOWED = ("ALLOWED", "STATEMENT")
NO_MATCH = ("IMPLICITLY_DENIED", "NO_MATCH")
UNKNOWN = ("IMPLICITLY_DENIED", "PRINCIPAL_UNKNOWN")
DISABLED = ("IMPLICITLY_DENIED", "PRINCIPAL_DISABLED")


async def test_a_principal_is_found_by_name_arn_and_key(ask, credential, world):
    for principal in (
        {"user_name": "alice"},
        {"user_name": "ALICE"},
        {"principal_arn": ALICE},
        {"access_key_id": credential[0]},
    ):
        decision = await ask(**principal)
        assert verdict(decision) == ALLOWED
        assert decision.statement.policy_arn == f"arn:aws:iam::{ACCOUNT}:policy/gets"
        assert decision.revision == world.refresher.applied
        assert verdict(await ask(PUT, **principal)) == NO_MATCH


async def test_root_is_found_by_arn_and_key_and_by_no_name(ask, world):
    for principal in (
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:root"},
        {"access_key_id": ROOT_ID},
    ):
        assert verdict(await ask("s3:DeleteBucket", **principal)) == ("ALLOWED", "ROOT")
    assert verdict(await ask(user_name="root")) == UNKNOWN
    assert verdict(await ask(principal_arn=f"arn:aws:iam::{ACCOUNT}:user/root")) == UNKNOWN
    assert world.source.calls["find_access_key"] == 0


@pytest.mark.parametrize(
    "principal",
    [
        {"user_name": "nobody"},
        {"user_name": "a,b"},
        {"user_name": " alice"},
        {"user_name": "x" * 2000},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:user/nobody"},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:user/"},
        {"principal_arn": "arn:aws:iam::111111111111:user/alice"},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:group/alice"},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:role/alice"},
        {"principal_arn": "alice"},
        {"access_key_id": "UNKNOWNKEY"},
        {"access_key_id": "a b"},
        {"access_key_id": "\u00e9"},
    ],
)
async def test_a_principal_that_does_not_exist_is_denied_and_recorded(
    ask, credential, world, principal
):
    assert verdict(await ask(**principal)) == UNKNOWN
    key = ("authz_v1", "IMPLICITLY_DENIED", "PRINCIPAL_UNKNOWN")
    assert world.count("decisions", *key) == 1


async def test_disabled_principals_and_keys_are_denied(ask, credential, world):
    key = {"access_key_id": credential[0]}
    await world.control.access_keys.update(credential[0], status=Status.DISABLED)
    await world.settle()
    assert verdict(await ask(**key)) == DISABLED
    assert verdict(await ask(user_name="alice")) == ALLOWED
    await world.control.access_keys.update(credential[0], status=Status.ENABLED)
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    for principal in (key, {"user_name": "alice"}, {"principal_arn": ALICE}):
        assert verdict(await ask(**principal)) == DISABLED


async def test_an_access_key_with_a_policy_is_decided_within_it_until_it_expires(
    ask, batch, credential, world
):
    ends = world.clock.now() + 3600.0
    made = await world.control.access_keys.create(
        "alice", policy=policy(action=PUT), expires_at=ends
    )
    await world.control.policies.update("gets", document=policy())
    await world.settle()
    key = {"access_key_id": made.value.key.id}
    assert verdict(await ask(PUT, **key)) == ALLOWED
    assert verdict(await ask(GET, **key)) == ("IMPLICITLY_DENIED", "SERVICE_ACCOUNT_POLICY")
    assert verdict((await batch(a_check(GET, **key)))[0].decision)[0] == "IMPLICITLY_DENIED"
    world.clock.advance(3600.0)
    world.refresher.verified_at = world.clock.monotonic()
    reads = world.source.calls["find_access_key"]
    for _ in range(3):
        assert verdict(await ask(PUT, **key)) == UNKNOWN
        assert verdict((await batch(a_check(PUT, **key)))[0].decision) == UNKNOWN
    assert world.source.calls["find_access_key"] == reads


async def test_a_session_is_nobody_by_its_access_key_id(ask, credential, world):
    issued = await world.session()
    await world.credential(issued)
    assert verdict(await ask(access_key_id=issued.session.access_key_id)) == UNKNOWN


async def test_a_revision_that_is_asked_for_is_waited_for(ask, credential, world):
    assert verdict(await ask(user_name="alice")) == ALLOWED
    attached = world.control.policies.update("gets", document=policy("Deny"))
    revision = (await attached).revision
    assert world.refresher.applied < revision
    decision = await ask(user_name="alice", at_least_revision=revision)
    assert verdict(decision) == ("EXPLICITLY_DENIED", "STATEMENT")
    assert decision.revision >= revision


async def test_a_revision_that_does_not_come_is_unavailable(make_world):
    async with following(make_world(wait_limit=0.02)) as world:
        surfaces = Surfaces(world)
        for path, request in (
            (
                AUTHORIZE,
                wire.AuthorizeRequest(
                    user_name="a", action=GET, resource="*", at_least_revision=99
                ),
            ),
            (BATCH, wire.BatchAuthorizeRequest(checks=[a_check()], at_least_revision=99)),
        ):
            with pytest.raises(UnavailableError):
                await surfaces.send(path, request.SerializeToString())


@pytest.mark.parametrize("revision", [-1, 2**63 - 1])
async def test_a_revision_that_never_was_is_invalid(ask, revision):
    with pytest.raises(InvalidError) as failed:
        await ask(user_name="alice", at_least_revision=revision)
    assert failed.value.field == "at_least_revision"


async def test_memory_too_old_answers_nothing(ask, batch, credential, world):
    assert verdict(await ask(user_name="alice")) == ALLOWED
    world.clock.advance(301)
    with pytest.raises(UnavailableError):
        await ask(user_name="alice")
    with pytest.raises(UnavailableError):
        await batch(a_check())


async def test_the_age_of_an_answer_is_told(ask, credential, world):
    await ask(user_name="alice")
    world.clock.advance(12.5)
    decision = await ask(user_name="alice")
    assert (decision.staleness.seconds, decision.staleness.nanos) == (12, 500_000_000)


async def test_a_batch_answers_in_order_and_a_bad_check_fails_alone(batch, credential):
    answers = await batch(
        a_check(),
        a_check(PUT),
        a_check("nonsense"),
        a_check(user_name="nobody"),
        wire.Check(action=GET, resource=OBJECT),
        a_check(access_key_id=credential[0]),
        a_check(resource="not-an-arn"),
        a_check(),
    )
    assert [verdict(answers[n].decision) for n in (0, 1, 3, 5, 7)] == [
        ALLOWED, NO_MATCH, UNKNOWN, ALLOWED, ALLOWED,
    ]  # fmt: skip
    assert [answers[n].error.code for n in (2, 4, 6)] == [INVALID] * 3
    assert all(answers[n].error.message for n in (2, 4, 6))
    ids = [answer.decision.decision_id for answer in answers if answer.HasField("decision")]
    assert len(set(ids)) == 5


@pytest.mark.parametrize("count", [0, 1, 1000])
async def test_a_batch_has_up_to_a_thousand_checks(batch, credential, count):
    answers = await batch(*[a_check(PUT if n % 2 else GET) for n in range(count)])
    assert [verdict(answer.decision) for answer in answers] == [
        NO_MATCH if n % 2 else ALLOWED for n in range(count)
    ]


async def test_a_batch_of_more_is_refused_whole(batch):
    with pytest.raises(InvalidError) as failed:
        await batch(*[a_check() for _ in range(1001)])
    assert failed.value.field == "checks"


async def test_a_batch_of_many_principals_reads_each_once_a_few_at_a_time(batch, world):
    for n in range(60):
        await world.control.users.create(f"user{n}")
    await world.settle()
    names = [f"user{n % 60}" for n in range(300)]
    answers = await batch(*[a_check(user_name=name) for name in names])
    assert [verdict(answer.decision) for answer in answers] == [NO_MATCH] * 300
    assert world.source.calls["find_user"] == 60


async def test_a_principal_that_cannot_be_loaded_fails_its_own_checks(batch, credential, world):
    await batch(a_check())
    world.source.is_lost = True
    answers = await batch(a_check(), a_check(user_name="bob"))
    assert verdict(answers[0].decision) == ALLOWED
    assert answers[1].error.code == UNAVAILABLE


async def overtaken(world, batch, change, *checks):
    """Hold the load of bob, let a change pass everybody who is loaded already, and return the answers."""
    await world.control.users.create("bob")
    await world.settle()
    pause = world.source.hold("find_user")
    asked = asyncio.create_task(batch(*checks, a_check(user_name="bob")))
    await pause.reached.wait()
    await world.source.called("find_access_key")
    await until(lambda: world.principals._loads._loads._tasks.keys() == {"user_name:bob"})
    revision = (await change).revision
    await world.settle()
    pause.released.set()
    answers = await asked
    assert all(answer.decision.revision >= revision for answer in answers)
    return [verdict(answer.decision) for answer in answers[:-1]]


async def test_a_key_deleted_while_a_batch_loads_is_unknown_in_it(batch, credential, world):
    check = a_check(access_key_id=credential[0])
    change = world.control.access_keys.delete(credential[0])
    assert await overtaken(world, batch, change, check) == [UNKNOWN]


async def test_a_key_disabled_while_a_batch_loads_is_disabled_in_it(batch, credential, world):
    check = a_check(access_key_id=credential[0])
    change = world.control.access_keys.update(credential[0], status=Status.DISABLED)
    assert await overtaken(world, batch, change, check) == [DISABLED]


async def test_a_key_created_while_a_batch_loads_is_known_in_it(batch, credential, world):
    check = a_check(access_key_id="NEWKEY")
    change = world.control.access_keys.create("alice", access_key_id="NEWKEY")
    assert await overtaken(world, batch, change, check) == [ALLOWED]


async def test_a_user_disabled_while_a_batch_loads_is_disabled_in_it(batch, credential, world):
    check = a_check(access_key_id=credential[0])
    change = world.control.users.update("alice", status=Status.DISABLED)
    assert await overtaken(world, batch, change, check) == [DISABLED]


@pytest.mark.parametrize("path", [AUTHORIZE, BATCH])
async def test_bytes_that_are_no_message_are_refused(surfaces, path):
    with pytest.raises(ParseError):
        await surfaces.send(path, b"\xff\xff")


async def test_nobody_in_particular_is_decided_by_the_policies_of_resources(ask, batch, world):
    assert verdict(await ask(anonymous=True)) == NO_MATCH
    public = {"Effect": "Allow", "Principal": "*", "Action": GET, "Resource": "arn:aws:s3:::b/*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": public})
    await world.resource_policies.put("arn:aws:s3:::b", document)
    await world.settle()
    assert verdict(await ask(anonymous=True)) == ("ALLOWED", "RESOURCE_POLICY")
    answers = await batch(a_check(anonymous=True), a_check(PUT, anonymous=True))
    assert [verdict(answer.decision) for answer in answers] == [
        ("ALLOWED", "RESOURCE_POLICY"),
        NO_MATCH,
    ]
