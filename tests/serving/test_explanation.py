"""People ask why: who may, of what is in force, of what was decided, and of what would be if."""

import asyncio
import json
import threading

import pytest

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
from authz.policy.decide import decide
from authz.serving import explanation as explanation_module
from authz.serving.explanation import CONCURRENT
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2
from tests.access.world import ACCOUNT, GET, OBJECT, PUT, ROOT_ID, ROOT_SECRET, policy
from tests.serving.surfaces import AUTHORIZATION

AUTHORIZE, EXPLAIN = (f"{AUTHORIZATION}/{name}" for name in ("Authorize", "Explain"))
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
ACTION = "iam:SimulatePrincipalPolicy"
BUCKET = "arn:aws:s3:::b"

ALLOWED = ("ALLOWED", "STATEMENT")
NO_MATCH = ("IMPLICITLY_DENIED", "NO_MATCH")
UNKNOWN = ("IMPLICITLY_DENIED", "PRINCIPAL_UNKNOWN")
DISABLED = ("IMPLICITLY_DENIED", "PRINCIPAL_DISABLED")
BY_RESOURCE = ("ALLOWED", "RESOURCE_POLICY")


def a_check(action=GET, resource=OBJECT, **principal) -> wire.Check:
    return wire.Check(action=action, resource=resource, **(principal or {"user_name": "alice"}))


def verdict(decision) -> tuple[str, str]:
    return (
        decision_pb2.Verdict.Name(decision.verdict).removeprefix("VERDICT_"),
        decision_pb2.Reason.Name(decision.reason).removeprefix("REASON_"),
    )


def of_bucket(principal="*", effect="Allow", action="s3:*") -> str:
    statement = {
        "Effect": effect,
        "Principal": principal,
        "Action": action,
        "Resource": f"{BUCKET}/*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture
def explain(surfaces):
    """Ask as root, or with a credential of one's own."""

    async def ask(check=None, *, by=(ROOT_ID, ROOT_SECRET), **fields):
        request = wire.ExplainRequest(check=check, **fields)
        raw = request.SerializeToString()
        signed = surfaces.signed(EXPLAIN, raw, by) if by else {}
        # No two calls of a test are the same call signed twice.
        surfaces.world.clock.advance(1)
        return wire.ExplainResponse.FromString(await surfaces.send(EXPLAIN, raw, signed))

    return ask


@pytest.fixture
def authorize(surfaces):
    async def ask(action=GET, resource=OBJECT, context=None, **principal):
        request = wire.AuthorizeRequest(action=action, resource=resource, **principal)
        for key, value in (context or {}).items():
            request.context[key].values.append(value)
        return (await surfaces.ask(AUTHORIZE, request, wire.AuthorizeResponse)).decision

    return ask


@pytest.fixture
def grant(world):
    """Let a user do something, by a policy of its own."""

    async def attach(name, document, user="alice"):
        await world.control.policies.create(name, document)
        await world.control.attachments.attach(name, TargetKind.USER, user)
        await world.settle()

    return attach


# --- who may ask --------------------------------------------------------------------------------------------


async def test_explanations_are_for_signed_callers_who_may(explain, credential):
    with pytest.raises(UnauthenticatedError):
        await explain(a_check(), by=None)
    with pytest.raises(ForbiddenError, match=ALICE):
        await explain(a_check(), by=credential)


async def test_nobody_makes_us_wait_for_a_revision_who_may_not_ask(
    explain, credential, world, monkeypatch
):
    awaited, wait_for = [], world.refresher.wait_for

    async def note(revision):
        awaited.append(revision)
        await wait_for(min(revision, world.refresher.applied))

    monkeypatch.setattr(world.refresher, "wait_for", note)
    for asked in ({"check": a_check()}, {"decision_id": "x"}):
        with pytest.raises(UnauthenticatedError):
            await explain(by=None, at_least_revision=99, **asked)
        with pytest.raises(ForbiddenError):
            await explain(by=credential, at_least_revision=99, **asked)
    assert 99 not in awaited
    await explain(a_check(), at_least_revision=99)
    assert 99 in awaited


@pytest.mark.parametrize("resource", [ALICE, f"arn:aws:iam::{ACCOUNT}:user/*", "*"])
async def test_a_policy_written_for_aws_lets_ask_about_whom_it_names(
    explain, credential, grant, resource
):
    await grant("explain", policy(action=ACTION, resource=resource))
    for principal in (
        {"user_name": "alice"},
        {"user_name": "ALICE"},
        {"principal_arn": ALICE},
        {"access_key_id": credential[0]},
    ):
        answer = await explain(a_check(**principal), by=credential)
        assert verdict(answer.decision) == ALLOWED


async def test_a_deny_about_somebody_is_not_dodged_by_calling_it_otherwise(
    explain, credential, grant, world
):
    await world.control.users.create("boss")
    key = (await world.control.access_keys.create("boss")).value.key.id
    await grant("explain", policy(action=ACTION))
    await grant("not-boss", policy("Deny", ACTION, f"arn:aws:iam::{ACCOUNT}:user/boss"))
    for principal in ({"user_name": "BOSS"}, {"access_key_id": key}):
        with pytest.raises(ForbiddenError, match="user/boss"):
            await explain(a_check(**principal), by=credential)
        with pytest.raises(ForbiddenError, match="user/boss"):
            await explain(a_check(**principal), by=credential, hypothesis=wire.Hypothesis())


@pytest.mark.parametrize(
    ("principal", "resource"),
    [
        ({"principal_arn": f"arn:aws:iam::{ACCOUNT}:root"}, f"arn:aws:iam::{ACCOUNT}:root"),
        ({"user_name": "nobody"}, f"arn:aws:iam::{ACCOUNT}:user/nobody"),
        ({"access_key_id": "UNKNOWNKEY"}, "*"),
        ({"principal_arn": "alice"}, "*"),
        ({"anonymous": True}, "*"),
    ],
)
async def test_who_has_no_arn_is_asked_about_on_everything(
    explain, credential, principal, resource
):
    with pytest.raises(ForbiddenError) as refused:
        await explain(a_check(**principal), by=credential)
    assert f" on {resource} (" in refused.value.message


async def test_documents_are_read_for_callers_who_may_only(explain, credential):
    broken = wire.Hypothesis(identity_policies=["{"])
    with pytest.raises(ForbiddenError):
        await explain(a_check(), by=credential, hypothesis=broken)
    with pytest.raises(InvalidError) as refused:
        await explain(a_check(), hypothesis=broken)
    assert refused.value.field == "hypothesis.identity_policies[0]"


async def test_a_name_that_comes_to_mean_another_while_the_caller_is_loaded_is_not_explained(
    surfaces, world, credential, explain
):
    await world.control.users.create("bob")
    await world.settle()
    admin = (await world.control.access_keys.create("bob")).value
    await world.control.policies.create("explain", policy(action=ACTION))
    await world.control.attachments.attach("explain", TargetKind.USER, "bob")
    await world.control.users.create("Carol")
    await world.settle()
    world.source.calls.clear()
    pause = world.source.hold("find_access_key")
    asked = asyncio.create_task(
        explain(a_check(user_name="carol"), by=(admin.key.id, admin.secret.reveal()))
    )
    await pause.reached.wait()
    await world.control.users.delete("Carol")
    await world.control.users.create("CAROL")
    await world.settle()
    pause.released.set()
    with pytest.raises(UnavailableError):
        await asked


async def test_no_more_than_a_few_wait_for_their_explanations(surfaces, explain, credential):
    await explain(a_check())

    def ask(number):
        check = a_check(resource=f"{BUCKET}/{number}")
        raw = wire.ExplainRequest(check=check).SerializeToString()
        return surfaces.send(EXPLAIN, raw, surfaces.signed(EXPLAIN, raw, (ROOT_ID, ROOT_SECRET)))

    answers = await asyncio.gather(*map(ask, range(CONCURRENT + 3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [bytes] * CONCURRENT + [OverloadedError] * 3
    await explain(a_check())


async def test_bytes_that_are_no_message_are_refused(surfaces):
    with pytest.raises(ParseError):
        await surfaces.send(EXPLAIN, b"\xff\xff")


# --- what is in force ---------------------------------------------------------------------------------------


async def test_an_explanation_shows_the_statement_that_decided(explain, credential, grant):
    await grant("other", policy(action="s3:PutObject"))
    answer = await explain(a_check())
    assert verdict(answer.decision) == ALLOWED
    assert answer.decision.decision_id
    matched = {
        one.policy_arn.rpartition("/")[2]: [statement.matched for statement in one.statements]
        for one in answer.policies
    }
    assert matched == {"gets": [True], "other": [False]}
    assert {one.layer for one in answer.policies} == {wire.LAYER_IDENTITY}
    assert answer.request.principal.arn == ALICE


@pytest.mark.parametrize(
    ("principal", "expected", "changes"),
    [
        ({"user_name": "nobody"}, UNKNOWN, ["the principal must exist"]),
        ({"access_key_id": "UNKNOWNKEY"}, UNKNOWN, ["the principal must exist"]),
        ({"access_key_id": ROOT_ID}, ("ALLOWED", "ROOT"), []),
        ({"user_name": "alice"}, ALLOWED, []),
        (
            {"anonymous": True},
            NO_MATCH,
            [f"a policy of the resource must allow `{GET}` on `{OBJECT}` to everyone"],
        ),
    ],
)
async def test_everybody_can_be_explained(explain, credential, principal, expected, changes):
    answer = await explain(a_check(**principal))
    assert verdict(answer.decision) == expected
    assert list(answer.changes) == changes


async def test_a_disabled_principal_is_explained_and_must_be_enabled(explain, credential, world):
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    answer = await explain(a_check())
    assert verdict(answer.decision) == DISABLED
    assert list(answer.changes) == ["the principal, or its access key, must be enabled"]
    assert answer.policies[0].statements[0].matched


async def test_the_policy_of_a_resource_is_explained_to_everybody_it_is_about(
    explain, authorize, credential, world
):
    await world.resource_policies.put(BUCKET, of_bucket())
    await world.settle()
    for principal in ({"anonymous": True}, {"user_name": "alice"}):
        assert verdict(await authorize(PUT, **principal)) == BY_RESOURCE
        answer = await explain(a_check(PUT, **principal))
        assert verdict(answer.decision) == BY_RESOURCE
        assert answer.policies[-1].layer == wire.LAYER_RESOURCE_POLICY


# --- an earlier decision ------------------------------------------------------------------------------------


async def test_a_decision_is_explained_as_it_was_asked_on_the_policies_of_now(
    explain, authorize, credential, world
):
    made = await authorize(PUT, user_name="alice", context={"s3:prefix": "home/"})
    answer = await explain(decision_id=made.decision_id)
    assert answer.decision == made
    assert verdict(answer.decision_now) == NO_MATCH
    assert answer.decision_now.decision_id == ""
    request = answer.request
    assert (request.principal.arn, request.action, request.resource) == (ALICE, PUT, OBJECT)
    told = {one.key: (list(one.values), one.source) for one in request.facts}
    assert told["s3:prefix"] == (["home/"], wire.FACT_SOURCE_REQUEST)
    assert told["aws:username"] == (["alice"], wire.FACT_SOURCE_IDENTITY)
    await world.control.policies.update("gets", document=policy())
    await world.settle()
    answer = await explain(decision_id=made.decision_id)
    assert answer.decision == made
    assert verdict(answer.decision_now) == ALLOWED
    assert answer.policies[0].statements[0].matched


async def test_a_decision_about_a_narrowed_key_is_explained_within_its_policy(
    explain, authorize, credential, world
):
    await world.control.policies.update("gets", document=policy())
    made = await world.control.access_keys.create("alice", policy=policy(action=GET))
    await world.settle()
    refused = ("IMPLICITLY_DENIED", "SERVICE_ACCOUNT_POLICY")
    made = await authorize(PUT, access_key_id=made.value.key.id)
    assert verdict(made) == refused
    assert verdict((await explain(decision_id=made.decision_id)).decision_now) == refused


async def test_explaining_a_decision_makes_none(explain, authorize, credential, world):
    made = await authorize(user_name="alice")
    before = world.count("decisions", "authz_v1", "ALLOWED", "STATEMENT")
    await explain(decision_id=made.decision_id)
    assert world.count("decisions", "authz_v1", "ALLOWED", "STATEMENT") == before


async def test_a_user_created_anew_is_not_the_one_that_asked(explain, authorize, world):
    await world.control.users.create("carol")
    await world.control.policies.create("all", policy())
    await world.control.attachments.attach("all", TargetKind.USER, "carol")
    await world.settle()
    made = await authorize(user_name="carol")
    assert verdict(made) == ALLOWED
    await world.control.attachments.detach("all", TargetKind.USER, "carol")
    await world.control.users.delete("carol")
    await world.settle()
    gone = await explain(decision_id=made.decision_id)
    await world.control.users.create("carol")
    await world.control.attachments.attach("all", TargetKind.USER, "carol")
    await world.settle()
    assert verdict(await authorize(user_name="carol")) == ALLOWED
    for answer in (gone, await explain(decision_id=made.decision_id)):
        assert answer.decision == made
        assert verdict(answer.decision_now) == UNKNOWN
        assert not answer.policies


@pytest.mark.parametrize(
    ("principal", "now"),
    [
        ({"anonymous": True}, NO_MATCH),
        ({"access_key_id": ROOT_ID}, ("ALLOWED", "ROOT")),
        ({"user_name": "nobody"}, UNKNOWN),
        ({"access_key_id": "UNKNOWNKEY"}, UNKNOWN),
    ],
)
async def test_decisions_about_everybody_can_be_explained(explain, authorize, principal, now):
    made = await authorize(**principal)
    answer = await explain(decision_id=made.decision_id)
    assert (answer.decision, verdict(answer.decision_now)) == (made, now)


async def test_a_decision_about_who_is_disabled_now_says_so(explain, authorize, credential, world):
    made = await authorize(user_name="alice")
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    answer = await explain(decision_id=made.decision_id)
    assert (verdict(answer.decision), verdict(answer.decision_now)) == (ALLOWED, DISABLED)


async def test_a_decision_that_is_not_kept_is_not_found(explain, credential):
    with pytest.raises(NotFoundError, match="replicas"):
        await explain(decision_id="0123456789AB0000000001")


async def test_who_may_not_see_a_decision_does_not_learn_of_it(
    explain, authorize, credential, grant, world
):
    await world.control.users.create("boss")
    await grant("explain", policy(action=ACTION, resource=ALICE))
    ours = await authorize(user_name="alice")
    theirs = await authorize(user_name="boss")
    assert (await explain(decision_id=ours.decision_id, by=credential)).decision == ours
    told = set()
    for decision_id in (theirs.decision_id, "0123456789AB0000000001"):
        with pytest.raises(ForbiddenError) as refused:
            await explain(decision_id=decision_id, by=credential)
        told.add(refused.value.message.replace(decision_id, ""))
    assert len(told) == 1
    with pytest.raises(UnauthenticatedError):
        await explain(decision_id=theirs.decision_id, by=None)


# --- what would be if ---------------------------------------------------------------------------------------


async def test_a_hypothesis_leaves_no_trace(explain, credential, world):
    before = world.count("decisions", "authz_v1", *NO_MATCH)
    answer = await explain(a_check(PUT), hypothesis=wire.Hypothesis())
    assert verdict(answer.decision) == NO_MATCH
    assert answer.decision.decision_id == ""
    assert answer.decision.revision == world.refresher.applied
    assert world.count("decisions", "authz_v1", *NO_MATCH) == before


@pytest.mark.parametrize(
    ("assumed", "expected"),
    [
        ({"identity_policies": [policy(action=PUT)]}, ALLOWED),
        ({"identity_policies": [policy("Deny", PUT), policy()]}, ("EXPLICITLY_DENIED", "STATEMENT")),
        ({"resource_policy": of_bucket()}, BY_RESOURCE),
        ({"resource_policy": of_bucket({"AWS": "alice"}, action=PUT)}, BY_RESOURCE),
        ({"identity_policies": [policy()], "permissions_boundary": policy(action=GET)},
         ("IMPLICITLY_DENIED", "PERMISSIONS_BOUNDARY")),
        ({"identity_policies": [policy()], "session_policies": [policy(action=GET)]},
         ("IMPLICITLY_DENIED", "SESSION_POLICY")),
        ({"identity_policies": [policy()], "session_policies": [policy(action=GET), policy()]}, ALLOWED),
        ({"identity_policies": [policy()], "service_account_policy": policy(action=GET)},
         ("IMPLICITLY_DENIED", "SERVICE_ACCOUNT_POLICY")),
    ],
)  # fmt: skip
async def test_policies_are_assumed_by_layer(explain, credential, assumed, expected):
    answer = await explain(a_check(PUT), hypothesis=wire.Hypothesis(**assumed))
    assert verdict(answer.decision) == expected


async def test_a_hypothesis_is_decided_apart_from_the_loop_and_by_sets_of_its_own(
    explain, credential, world, monkeypatch
):
    await world.control.policies.create("all", policy())
    await world.control.users.put_boundary("alice", "all")
    await world.resource_policies.put(BUCKET, of_bucket(action=PUT))
    await world.settle()
    seen = []

    def note(request, policies):
        seen.append((threading.current_thread(), policies))
        return decide(request, policies)

    monkeypatch.setattr(explanation_module, "decide", note)
    answer = await explain(a_check(), hypothesis=wire.Hypothesis())
    assert verdict(answer.decision) == ALLOWED
    ((thread, assumed),) = seen
    assert thread is not threading.main_thread()
    own = world.authorizer.policies_for(world.principals.find_user("alice"), OBJECT)
    in_memory = (own.identity, *own.narrowing, own.resource)
    for one, other in zip(
        (assumed.identity, *assumed.narrowing, assumed.resource), in_memory, strict=True
    ):
        assert one.policies == other.policies
        assert one is not other
        assert one.index is not other.index


async def test_what_is_assumed_is_called_by_its_field(explain, credential):
    hypothesis = wire.Hypothesis(identity_policies=[policy(action=PUT)])
    answer = await explain(a_check(PUT), hypothesis=hypothesis)
    assert answer.decision.statement.policy_arn == "hypothesis.identity_policies[0]"
    assert [one.policy_arn.rpartition("/")[2] for one in answer.policies] == [
        "gets", "hypothesis.identity_policies[0]",
    ]  # fmt: skip


async def test_its_own_policies_can_be_left_out(explain, credential):
    hypothesis = wire.Hypothesis(without_own_policies=True)
    answer = await explain(a_check(), hypothesis=hypothesis)
    assert (verdict(answer.decision), len(answer.policies)) == (NO_MATCH, 0)


async def test_values_of_who_asks_can_be_assumed(explain, credential):
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    statement = {"Effect": "Allow", "Action": PUT, "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    for team, expected in (("blue", ALLOWED), ("red", NO_MATCH)):
        hypothesis = wire.Hypothesis(identity_policies=[document])
        hypothesis.principal_context["aws:PrincipalTag/team"].values.append(team)
        answer = await explain(a_check(PUT), hypothesis=hypothesis)
        assert verdict(answer.decision) == expected
        told = {one.key: one for one in answer.request.facts}
        assert told["aws:principaltag/team"].source == wire.FACT_SOURCE_IDENTITY
        assert list(told["aws:username"].values) == ["alice"]


async def test_a_user_that_does_not_exist_can_be_assumed_with_nothing_of_its_own(explain, world):
    everything = {"identity_policies": [policy()]}
    for principal in (
        {"user_name": "stranger"},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:user/stranger"},
    ):
        check = a_check(**principal)
        answer = await explain(check, hypothesis=wire.Hypothesis(**everything))
        assert verdict(answer.decision) == UNKNOWN
        answer = await explain(
            check, hypothesis=wire.Hypothesis(**everything, without_own_policies=True)
        )
        assert verdict(answer.decision) == ALLOWED
        told = {one.key: list(one.values) for one in answer.request.facts}
        assert told["aws:username"] == ["stranger"]
        assert "aws:userid" not in told


@pytest.mark.parametrize(
    "principal",
    [
        {"access_key_id": "UNKNOWNKEY"},
        {"access_key_id": f"arn:aws:iam::{ACCOUNT}:user/stranger"},
        {"principal_arn": f"arn:aws:iam::{ACCOUNT}:role/stranger"},
    ],
)
async def test_what_names_no_user_cannot_be_assumed(explain, principal):
    hypothesis = wire.Hypothesis(identity_policies=[policy()], without_own_policies=True)
    answer = await explain(a_check(**principal), hypothesis=hypothesis)
    assert (verdict(answer.decision), len(answer.policies)) == (UNKNOWN, 0)


async def test_a_name_that_no_user_can_have_is_refused(explain):
    hypothesis = wire.Hypothesis(without_own_policies=True)
    with pytest.raises(InvalidError) as refused:
        await explain(a_check(user_name="a,b"), hypothesis=hypothesis)
    assert refused.value.field == "check.user_name"


async def test_the_stored_policy_of_a_resource_is_there_for_a_stranger_too(explain, world):
    await world.resource_policies.put(BUCKET, of_bucket())
    await world.settle()
    hypothesis = wire.Hypothesis(without_own_policies=True)
    answer = await explain(a_check(user_name="stranger"), hypothesis=hypothesis)
    assert verdict(answer.decision) == BY_RESOURCE


async def test_a_disabled_user_stays_disabled_under_any_hypothesis(explain, credential, world):
    await world.control.access_keys.update(credential[0], status=Status.DISABLED)
    await world.settle()
    check = a_check(access_key_id=credential[0])
    hypothesis = wire.Hypothesis(identity_policies=[policy()])
    assert verdict((await explain(check, hypothesis=hypothesis)).decision) == DISABLED
    assert verdict((await explain(a_check(), hypothesis=hypothesis)).decision) == ALLOWED
