"""Permissions boundaries: what a user's policies grant counts within them, as of the revision in memory."""

import pytest
from sqlalchemy import text

from authz.access.ports import ChangeKind
from authz.identity.records import TargetKind
from authz.policy.applicable import Applicable
from tests.access.world import ACCOUNT, BUCKET, GET, OBJECT, PUT, bucket_policy, policy

USER = TargetKind.USER
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"


@pytest.fixture
async def alice(world) -> None:
    """Let alice do everything, within a boundary that lets only reads through."""
    control = world.control
    await control.users.create("alice")
    await control.policies.create("all", policy())
    await control.policies.create("reads", policy(action=GET))
    await control.attachments.attach("all", USER, "alice")
    await control.users.put_boundary("alice", "reads")
    await world.settle()


async def test_a_boundary_limits_what_the_policies_grant_and_grants_nothing(world, alice):
    assert await world.can(action=GET)
    decision = world.decide(await world.user(), PUT)
    assert (decision.verdict, decision.reason) == ("IMPLICITLY_DENIED", "PERMISSIONS_BOUNDARY")
    await world.control.attachments.detach("all", USER, "alice")
    await world.settle()
    assert world.decide(await world.user(), GET).reason == "NO_MATCH"


async def test_every_change_of_the_boundary_is_enforced_once_it_is_applied(world, alice):
    control = world.control
    assert not await world.can(action=PUT)
    await control.policies.update("reads", document=policy(action=PUT))
    await world.settle()
    assert (await world.can(action=GET), await world.can(action=PUT)) == (False, True)
    await control.policies.create("nothing", policy("Deny"))
    await control.users.put_boundary("alice", "nothing")
    await world.settle()
    assert not await world.can(action=PUT)
    await control.users.delete_boundary("alice")
    await world.settle()
    assert await world.can(action=PUT)


async def test_an_entry_that_is_held_follows_the_boundarys_document(world, alice):
    held = await world.user()
    assert not world.decide(held, PUT).is_allowed
    await world.control.policies.update("reads", document=policy())
    await world.settle()
    assert held.is_current
    assert world.decide(held, PUT).is_allowed


async def test_users_with_the_same_boundary_share_its_set(world, alice):
    await world.control.users.create("bob", boundary="reads")
    await world.settle()
    first, second = await world.user("alice"), await world.user("bob")
    assert first.boundary is second.boundary
    policies_for = world.authorizer.policies_for
    narrowing = policies_for(first, OBJECT).narrowing
    assert narrowing == policies_for(second, OBJECT).narrowing


async def test_one_policy_as_boundary_and_attached_is_two_sets(world, alice):
    await world.control.users.create("bob", boundary="reads")
    await world.control.attachments.attach("reads", USER, "bob")
    await world.settle()
    bob = await world.user("bob")
    assert bob.boundary is not bob.handle
    assert isinstance(world.authorizer.policies_for(bob, OBJECT), Applicable)
    assert world.decide(bob, GET).reason == "STATEMENT"
    assert world.decide(bob, PUT).reason == "NO_MATCH"


async def test_a_boundary_that_does_not_compile_denies(world, alice):
    made = (await world.control.policies.get("reads")).id
    await world.by_sql(
        "UPDATE policy_versions SET document = '{' WHERE policy_id = :id",
        (ChangeKind.POLICY, made),
        id=made,
    )
    await world.settle()
    decision = world.decide(await world.user())
    assert (decision.verdict, decision.reason) == ("EXPLICITLY_DENIED", "QUARANTINE")
    assert decision.statement.policy.endswith(":policy/reads")


async def test_a_boundary_that_is_not_there_denies_and_is_never_ignored(world, alice):
    assert await world.can()
    made = (await world.control.policies.get("reads")).id

    async def lose(connection):
        await connection.execute(text("PRAGMA foreign_keys = OFF"))
        await connection.execute(text("DELETE FROM policies WHERE id = :id"), {"id": made})

    await world.database.ask(lose)
    await world.by_sql("SELECT 1", (ChangeKind.POLICY, made))
    await world.settle()
    assert world.decide(await world.user()).reason == "QUARANTINE"


async def test_a_bucket_that_names_the_user_lets_it_past_its_boundary_but_not_past_a_deny(
    world, alice
):
    """AWS: an allow of the resource's policy for the user itself is not limited by the boundary's silence."""
    await world.resource_policies.put(BUCKET, bucket_policy(action=PUT, principal={"AWS": ALICE}))
    await world.settle()
    assert await world.can(action=PUT)
    assert not await world.can(action="s3:DeleteObject")
    await world.control.policies.update("reads", document=policy("Deny", PUT))
    await world.settle()
    assert not await world.can(action=PUT)
