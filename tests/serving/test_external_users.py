"""Users whom providers vouch for, as those see them who ask about users: by name, by ARN, why, and who can."""

import pytest

from authz.errors import InvalidError
from authz.identity.records import Status, TargetKind
from authz.wire.authz.v1 import authorization_pb2 as wire
from tests.access.test_providers import change, key_of, login, make_provider, session
from tests.access.world import ACCOUNT, GET, OBJECT, PUT, ROOT_ID, ROOT_SECRET, policy
from tests.serving.sts_clients import StsClient, build_sts
from tests.serving.surfaces import AUTHORIZATION, question
from tests.serving.test_explanation import ALLOWED, DISABLED, NO_MATCH, UNKNOWN, verdict

AUTHORIZE, EXPLAIN, WHO = (f"{AUTHORIZATION}/{name}" for name in ("Authorize", "Explain", "WhoCan"))
ANN = "corp=Ann"
ROOT = (ROOT_ID, ROOT_SECRET.decode())


def arn(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


@pytest.fixture
async def corp(world):
    """A provider whose users may get."""
    return await make_provider(world)


@pytest.fixture
async def puts(world):
    """The id of a policy that nothing is attached to."""
    made = (await world.control.policies.create("puts", policy(action=PUT))).value
    await world.settle()
    return made.id


@pytest.fixture
def explain(surfaces):
    async def ask(decision_id):
        raw = wire.ExplainRequest(decision_id=decision_id).SerializeToString()
        # No two calls of a test are the same call signed twice.
        surfaces.world.clock.advance(1)
        answer = await surfaces.send(EXPLAIN, raw, surfaces.signed(EXPLAIN, raw, ROOT))
        return wire.ExplainResponse.FromString(answer)

    return ask


@pytest.fixture
def authorize(surfaces):
    async def ask(action=GET, **principal):
        request = wire.AuthorizeRequest(action=action, resource=OBJECT, **principal)
        return (await surfaces.ask(AUTHORIZE, request, wire.AuthorizeResponse)).decision

    return ask


async def put_by_session(surfaces, issued) -> tuple[bool, str]:
    """Put an object with a session, through Envoy; return whether it may, and the decision's id."""
    credential = (issued.session.access_key_id, issued.secret.reveal())
    signed = {"x-amz-security-token": issued.token}.items()
    asked = question(credential, surfaces.world.clock.now(), "PUT", "/box/k", signed=signed)
    answer = await surfaces.check(asked.SerializeToString())
    facts = answer.dynamic_metadata.fields
    return answer.HasField("ok_response"), facts["decision_id"].string_value


# --- named by who asks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["Ann", "uid=ann,ou=people,dc=example,dc=org", "zoë/1"])
async def test_a_service_asks_about_them_by_name_and_by_arn(corp, authorize, world, user):
    await login(world, corp, user)
    for principal in ({"user_name": f"corp={user}"}, {"principal_arn": arn(f"corp={user}")}):
        assert verdict(await authorize(**principal)) == ALLOWED
        assert verdict(await authorize(PUT, **principal)) == NO_MATCH
    await change(world, status=Status.DISABLED)
    for principal in ({"user_name": f"corp={user}"}, {"principal_arn": arn(f"corp={user}")}):
        assert verdict(await authorize(**principal)) == DISABLED


@pytest.mark.parametrize("name", ["corp=ann", "Corp=Ann", "corp=Ann ", "corp=", "other=Ann", "Ann"])
async def test_their_names_are_compared_by_their_characters(corp, authorize, name):
    try:
        told = verdict(await authorize(user_name=name))
    except InvalidError:
        return
    assert told == UNKNOWN


async def test_by_a_key_of_theirs_its_login_counts_too(corp, puts, authorize, world):
    key_id = await key_of(world, granted=(puts,), facts={"jwt:team": ("blue",)})
    assert verdict(await authorize(PUT, access_key_id=key_id)) == ALLOWED
    assert verdict(await authorize(PUT, user_name=ANN)) == NO_MATCH


# --- why ----------------------------------------------------------------------------------------------------


async def test_a_decision_about_a_session_is_explained_with_what_its_login_granted(
    corp, puts, explain, surfaces, world
):
    is_allowed, decision_id = await put_by_session(surfaces, await session(world, granted=(puts,)))
    assert is_allowed
    told = await explain(decision_id)
    assert verdict(told.decision_now) == verdict(told.decision) == ALLOWED
    # Explained on the policies of now, and as the user is now.
    await world.control.policies.update("puts", document=policy(action="s3:DeleteObject"))
    await world.settle()
    told = await explain(decision_id)
    assert (verdict(told.decision), verdict(told.decision_now)) == (ALLOWED, NO_MATCH)
    await change(world, status=Status.DISABLED)
    assert verdict((await explain(decision_id)).decision_now) == DISABLED


async def test_what_another_login_was_granted_explains_nothing(
    corp, puts, explain, surfaces, world
):
    await put_by_session(surfaces, await session(world, granted=(puts,)))
    is_allowed, decision_id = await put_by_session(surfaces, await session(world))
    assert not is_allowed
    assert verdict((await explain(decision_id)).decision_now) == NO_MATCH


async def test_a_decision_about_a_key_is_explained_with_what_its_makers_login_granted(
    corp, puts, authorize, explain, world
):
    key_id = await key_of(world, granted=(puts,))
    made = await authorize(PUT, access_key_id=key_id)
    assert verdict((await explain(made.decision_id)).decision_now) == ALLOWED


async def test_a_grant_that_was_attached_too_is_still_one_without_the_attachment(
    corp, puts, explain, surfaces, world
):
    attachments = world.control.attachments
    await attachments.attach("puts", TargetKind.PROVIDER, "corp")
    await world.settle()
    issued = await session(world, granted=(puts,))
    is_allowed, decision_id = await put_by_session(surfaces, issued)
    assert is_allowed
    await attachments.detach("puts", TargetKind.PROVIDER, "corp")
    await world.settle()
    assert verdict((await explain(decision_id)).decision_now) == ALLOWED
    world.clock.advance(1)
    assert (await put_by_session(surfaces, issued))[0]


# --- who am I, who can --------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["Ann", "uid=ann,ou=people,dc=example,dc=org"])
async def test_boto3_is_told_who_they_are(corp, world, user):
    await login(world, corp, user)
    name = f"corp={user}"
    issued = await session(world, name)
    credential = (issued.session.access_key_id, issued.secret.reveal(), issued.token)
    told = await StsClient(build_sts(world), world.clock, credential).ask()
    stored = await world.control.users.get(name)
    assert told["Arn"] == arn(name)
    assert told["UserId"] == stored.id
    assert told["Account"] == ACCOUNT


async def test_they_are_among_who_can_until_their_provider_is_disabled(corp, surfaces, world):
    await login(world, corp, "uid=ann,dc=x")
    await make_provider(world, "other", "Bob")

    async def who_can() -> list[str]:
        raw = wire.WhoCanRequest(action=GET, resource=OBJECT).SerializeToString()
        world.clock.advance(1)
        parts = [part async for part in surfaces.stream(WHO, raw, surfaces.signed(WHO, raw, ROOT))]
        messages = [wire.WhoCanResponse.FromString(part) for part in parts]
        return [one.principal.arn for message in messages for one in message.principals]

    everybody = {arn(ANN), arn("corp=uid=ann,dc=x"), arn("other=Bob")}
    assert everybody <= set(await who_can())
    await change(world, status=Status.DISABLED)
    assert set(await who_can()) & everybody == {arn("other=Bob")}
    await change(world, status=Status.ENABLED)
    assert everybody <= set(await who_can())
