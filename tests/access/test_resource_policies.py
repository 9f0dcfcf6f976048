"""The policies of resources: in force for everybody who asks, as of the revision memory stands at, and cheap."""

import pytest
from structlog.testing import capture_logs

from authz.access import policies as policies_module
from authz.access.ports import ChangeKind, StoredPolicies
from authz.identity.records import ResourcePolicy, Status, TargetKind
from authz.policy.applicable import Applicable
from authz.policy.compile import PolicySet
from authz.policy.decision import Layer
from tests.access.world import BUCKET, GET, OBJECT, PUT, bucket_policy, following, policy

USER = TargetKind.USER
OTHER = "arn:aws:s3:::other"


async def put(world, document, resource=BUCKET) -> None:
    await world.resource_policies.put(resource, document)
    await world.settle()


async def break_policy(world, resource=BUCKET, document="{") -> None:
    await world.by_sql(
        "UPDATE resource_policies SET document = :document WHERE resource = :resource",
        (ChangeKind.RESOURCE_POLICY, resource),
        document=document,
        resource=resource,
    )
    await world.settle()


def quarantined(world) -> float:
    return world.metrics.quarantined_policies.collect().samples[0].value


def held(world) -> float:
    return world.metrics.resource_policies.collect().samples[0].value


@pytest.fixture
async def alice(world):
    """A user who may do everything by her own policy."""
    await world.control.users.create("alice")
    await world.control.policies.create("all", policy())
    await world.control.attachments.attach("all", USER, "alice")
    await world.settle()
    return await world.user()


async def test_everyone_is_let_in_by_a_policy_of_the_bucket(world):
    assert not world.decide(world.anonymous).is_allowed
    await put(world, bucket_policy(action=GET))
    decision = world.decide(world.anonymous)
    assert (decision.verdict, decision.reason) == ("ALLOWED", "RESOURCE_POLICY")
    assert decision.statement.policy == BUCKET
    assert not world.decide(world.anonymous, PUT).is_allowed
    assert not world.decide(world.anonymous, resource=f"{OTHER}/k").is_allowed


async def test_a_deny_of_the_bucket_beats_what_the_identity_allows(world, alice):
    assert world.decide(alice).is_allowed
    await put(world, bucket_policy("Deny", GET))
    decision = world.decide(alice)
    assert (decision.verdict, decision.reason) == ("EXPLICITLY_DENIED", "RESOURCE_POLICY")
    assert world.decide(alice, PUT).is_allowed
    assert world.decide(alice, resource=f"{OTHER}/k").is_allowed


async def test_another_resource_has_its_own_policy_under_its_exact_name(world, alice):
    queue = "arn:aws:sqs:us-east-1:000000000000:jobs"
    await put(world, bucket_policy("Deny", bucket=queue), queue)
    assert not world.decide(alice, resource=queue).is_allowed
    assert world.decide(alice, resource=f"{queue}/1").is_allowed


async def test_a_bucket_whose_name_begins_like_another_is_another(world, alice):
    await put(world, bucket_policy("Deny"))
    assert world.decide(alice, resource=f"{BUCKET}b/k").is_allowed


async def test_every_change_is_enforced_once_it_is_applied(world, alice):
    await put(world, bucket_policy("Deny", GET))
    assert not world.decide(alice).is_allowed
    await put(world, bucket_policy("Deny", PUT))
    assert (world.decide(alice).is_allowed, world.decide(alice, PUT).is_allowed) == (True, False)
    await world.resource_policies.delete(BUCKET)
    await world.settle()
    assert world.decide(alice, PUT).is_allowed
    assert held(world) == 0


async def test_policies_that_were_there_before_the_start_are_in_force(make_world):
    world = make_world()
    await world.resource_policies.put(BUCKET, bucket_policy(action=GET))
    async with following(world):
        assert world.decide(world.anonymous).is_allowed
        assert held(world) == 1
        assert len(world.policies) == 0


async def test_a_disabled_user_is_nobody_whomever_the_bucket_lets_in(world, alice):
    await put(world, bucket_policy())
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    decision = world.decide(await world.user())
    assert (decision.verdict, decision.reason) == ("IMPLICITLY_DENIED", "PRINCIPAL_DISABLED")
    assert world.decide(world.anonymous).is_allowed


# --- what does not compile ------------------------------------------------------------------------------------


@pytest.mark.parametrize("broken", ["", "{", "[" * 100_000, policy(), bucket_policy("Perhaps")])
async def test_a_policy_that_does_not_compile_denies_everyone_on_that_resource(
    world, alice, broken
):
    await put(world, bucket_policy())
    await put(world, bucket_policy(bucket=OTHER), OTHER)
    await break_policy(world, document=broken)
    for entry in (alice, world.anonymous, world.root.owner):
        decision = world.decide(entry)
        assert (decision.verdict, decision.reason) == ("EXPLICITLY_DENIED", "QUARANTINE")
        assert decision.statement.policy == BUCKET
        assert world.decide(entry, resource=f"{OTHER}/k").is_allowed
    assert quarantined(world) == 1


async def test_root_can_mend_a_policy_that_does_not_compile_and_nobody_else_can(world, alice):
    await put(world, bucket_policy())
    await break_policy(world)
    for action in ("s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"):
        assert world.decide(world.root.owner, action, BUCKET).is_allowed
        assert not world.decide(alice, action, BUCKET).is_allowed
    assert not world.decide(world.root.owner, "s3:DeleteBucket", BUCKET).is_allowed
    await put(world, bucket_policy(action=GET))
    assert world.decide(world.root.owner, "s3:DeleteBucket", BUCKET).is_allowed
    assert quarantined(world) == 0


async def test_a_quarantine_is_logged_once_however_often_it_is_compiled(world, monkeypatch):
    monkeypatch.setattr(policies_module, "COMPILED_RESOURCE_POLICIES", 1)
    await put(world, bucket_policy(bucket=OTHER), OTHER)
    await put(world, bucket_policy())
    await break_policy(world)
    with capture_logs() as logs:
        for _ in range(3):
            assert not world.decide(world.anonymous).is_allowed
            assert world.decide(world.anonymous, resource=f"{OTHER}/k").is_allowed
    found = [log for log in logs if log["event"] == "policy_quarantined"]
    assert [(log["policy"], log["version"]) for log in found] == [(BUCKET, 1)]
    assert quarantined(world) == 1


async def test_loading_everything_anew_leaves_nothing_of_what_was(world):
    await put(world, bucket_policy())
    await break_policy(world)
    assert not world.decide(world.anonymous).is_allowed
    whole = bucket_policy(bucket=OTHER)
    stored = ResourcePolicy(
        resource=OTHER, version=1, document=whole, created_at=0.0, updated_at=0.0
    )
    world.policies.replace_all(StoredPolicies((), (stored,)))
    assert (held(world), quarantined(world), len(world.policies._ready)) == (1, 0, 0)
    assert world.decide(world.anonymous).reason == "NO_MATCH"
    assert world.decide(world.anonymous, resource=f"{OTHER}/k").is_allowed


# --- what it costs --------------------------------------------------------------------------------------------


def compiled(world) -> list[str]:
    return [name for name, one in world.policies._of_resources.items() if one.policies is not None]


async def test_a_policy_is_compiled_when_it_is_first_asked_about_and_once(world):
    await put(world, bucket_policy())
    assert compiled(world) == []
    first = world.policies.resource_set(OBJECT)
    assert first.layer is Layer.RESOURCE_POLICY
    assert world.policies.resource_set(BUCKET) is first
    assert compiled(world) == [BUCKET]


async def test_no_more_than_the_bound_is_compiled_and_all_of_it_is_in_force(world, monkeypatch):
    monkeypatch.setattr(policies_module, "COMPILED_RESOURCE_POLICIES", 3)
    buckets = [f"{BUCKET}{n}" for n in range(6)]
    for bucket in buckets:
        await put(world, bucket_policy(bucket=bucket), bucket)
    for bucket in buckets * 2:
        assert world.decide(world.anonymous, resource=f"{bucket}/k").is_allowed
        assert len(compiled(world)) == len(world.policies._ready) <= 3
    assert compiled(world) == buckets[3:]
    await put(world, bucket_policy("Deny", bucket=buckets[4]), buckets[4])
    assert compiled(world) == [buckets[3], buckets[5]]
    assert list(world.policies._ready) == [buckets[3], buckets[5]]
    assert not world.decide(world.anonymous, resource=f"{buckets[4]}/k").is_allowed


async def test_asking_about_resources_without_a_policy_leaves_nothing_in_memory(world):
    await put(world, bucket_policy())
    for n in range(1000):
        assert not world.decide(world.anonymous, resource=f"arn:aws:s3:::made-up-{n}/k").is_allowed
    assert len(world.policies._of_resources) == 1
    assert len(world.policies._ready) == 0


async def test_who_has_neither_boundary_nor_policy_of_a_resource_is_decided_by_a_bare_set(
    world, alice
):
    policies_for = world.authorizer.policies_for
    bare = policies_for(alice, OBJECT)
    assert isinstance(bare, PolicySet)
    await put(world, bucket_policy())
    assert policies_for(alice, f"{OTHER}/k") is bare
    both = policies_for(alice, OBJECT)
    assert isinstance(both, Applicable)
    assert both.identity is bare
    assert both.resource is world.policies.resource_set(BUCKET)
    assert both.narrowing == ()
