"""Roles in memory: what their sessions are and may do, whom they trust, and that nothing outlives them."""

import pytest

from authz.access.ports import ChangeKind
from authz.control.sessions import SessionTags
from authz.identity.records import Status, TargetKind
from authz.policy.decision import Reason
from authz.policy.request import PrincipalKind
from tests.access.world import ACCOUNT, GET, PUT, following, policy, trust

ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/auditor"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROLE = TargetKind.ROLE


@pytest.fixture
async def auditor(world):
    """A role that may get, with tags, which trusts alice."""
    control = world.control
    await control.users.create("alice")
    await control.policies.create("gets", policy(action=GET))
    tags = {"team": "red", "Cost": "1"}
    await control.roles.create("auditor", trust({"AWS": ALICE}), tags=tags)
    await control.attachments.attach("gets", ROLE, "auditor")
    await world.settle()


async def tag(world, **tags):
    """Return the facts of a session of the role that was asked for with these tags."""
    issued = await world.assumed(tags=SessionTags(tags=tags))
    return (await world.credential(issued)).acting.principal.facts


# --- what a session of a role is ---


async def test_a_session_of_a_role_is_the_role_under_the_sessions_name(world, auditor):
    role = await world.role()
    found = await world.credential(await world.assumed())
    acting = found.acting.principal
    assert acting.kind is PrincipalKind.ASSUMED_ROLE
    assert acting.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/s1"
    assert acting.id == f"{role.principal.id}:s1"
    assert acting.id.startswith("AROA")
    assert acting.role == ROLE_ARN
    assert acting.facts == {
        "aws:userid": (acting.id,),
        "aws:principalarn": (ROLE_ARN,),
        "aws:principaltype": ("AssumedRole",),
        "aws:principalaccount": (ACCOUNT,),
        "aws:principaltag/team": ("red",),
        "aws:principaltag/Cost": ("1",),
        "aws:tokenissuetime": ("2023-11-14T22:13:20Z",),
    }
    assert found.owner is role


async def test_it_may_do_what_the_role_may_do_and_nothing_of_who_asked(world, auditor):
    found = await world.credential(await world.assumed())
    assert world.decide(found.acting, GET).is_allowed
    assert world.decide(found.acting, PUT).reason is Reason.NO_MATCH
    narrow = await world.credential(await world.assumed(policy=policy(action=PUT)))
    assert world.decide(narrow.acting, GET).reason is Reason.SESSION_POLICY
    assert world.decide(narrow.acting, PUT).reason is Reason.NO_MATCH


async def test_a_boundary_of_the_role_bounds_its_sessions(world, auditor):
    found = await world.credential(await world.assumed())
    await world.control.policies.create("puts", policy(action=PUT))
    await world.control.roles.put_boundary("auditor", "puts")
    await world.settle()
    assert not found.owner.is_current
    found = await world.credential(await world.assumed())
    assert world.decide(found.acting, GET).reason is Reason.PERMISSIONS_BOUNDARY


async def test_tags_of_a_session_are_put_over_those_of_the_role_whatever_their_case(world, auditor):
    facts = await tag(world, team="blue", cost="2", more="x")
    tags = {key: value for key, value in facts.items() if key.startswith("aws:principaltag/")}
    assert tags == {
        "aws:principaltag/team": ("blue",),
        "aws:principaltag/cost": ("2",),
        "aws:principaltag/more": ("x",),
    }


async def test_no_tag_says_who_acts(world, auditor):
    facts = await tag(world, username="root", userid="x", PrincipalArn="x")
    assert "aws:username" not in facts
    assert facts["aws:principalarn"] == (ROLE_ARN,)
    assert facts["aws:userid"][0].startswith("AROA")


# --- how it ends ---


async def test_a_role_made_anew_under_the_name_has_none_of_the_old_ones_sessions(world, auditor):
    issued = await world.assumed()
    assert (await world.credential(issued)).is_usable(world.clock.now())
    await world.control.roles.delete("auditor", cascade=True)
    await world.control.roles.create("auditor", trust())
    await world.control.attachments.attach("gets", ROLE, "auditor")
    await world.settle()
    found = await world.credential(issued)
    assert not found.is_usable(world.clock.now())
    assert not world.decide(found.acting).is_allowed


async def test_who_asked_may_be_disabled_and_the_session_goes_on(world, auditor):
    issued = await world.assumed()
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    found = await world.credential(issued)
    assert found.is_usable(world.clock.now())
    assert world.decide(found.acting).is_allowed


# --- how little it costs ---


async def test_a_role_is_read_once_and_an_absent_one_too(world, auditor):
    for _ in range(3):
        assert await world.role() is not None
        assert await world.role("AUDITOR") is await world.role()
        assert await world.role("nobody") is None
        assert await world.role("no,name") is None
    assert world.source.calls["find_role"] == 2
    for _ in range(3):
        await world.credential(await world.assumed())
    assert world.source.calls["find_role_by_id"] == 0


async def test_made_up_roles_push_out_no_real_ones(make_world, control):
    async with following(make_world(limit=5)) as world:
        await control.roles.create("auditor", trust())
        await world.settle()
        held = await world.role()
        for n in range(20):
            assert await world.role(f"made-up-{n}") is None
        assert await world.role() is held


async def test_a_full_reload_forgets_roles(world, auditor):
    held = await world.role()
    world.principals.forget_all()
    assert not held.is_current
    assert await world.role() is not held


# --- whom it trusts ---


async def test_a_role_trusts_whom_it_names_until_that_changes(world, auditor):
    alice = await world.user()
    assert world.decide_trust(alice, await world.role()).is_allowed
    await world.control.roles.update_trust("auditor", trust({"AWS": f"{ALICE}2"}))
    await world.settle()
    assert world.decide_trust(alice, await world.role()).reason is Reason.NO_MATCH


async def test_a_trust_policy_that_cannot_be_read_lets_nobody_in(world, auditor):
    alice = await world.user()
    role_id = (await world.role()).principal.id
    await world.by_sql(
        "update roles set trust = '{' where id = :id", (ChangeKind.ROLE, role_id), id=role_id
    )
    await world.settle()
    assert world.decide_trust(alice, await world.role()).reason is Reason.QUARANTINE


async def test_no_role_trusts_nobody(world, auditor):
    assert world.decide_trust(await world.user(), None).reason is Reason.NO_MATCH
    assert not world.decide_trust(world.root.owner, None).is_allowed
