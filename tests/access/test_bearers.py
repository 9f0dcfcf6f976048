"""What is held of tokens and certificates: as long as nothing changes that they stand on, and no longer."""

import pytest

from authz.access.bearers import REFUSED_FOR, Bearers, Refused, Taken
from authz.access.ports import StoredPolicies, StoredProvider
from authz.identity.external import ProviderKind
from authz.identity.records import ManagedPolicy, Provider, Status
from tests.access.world import policy

NO = Refused("InvalidIdentityToken", "no")


class Held:
    """Bearers over a world, at a revision that the test says."""

    def __init__(self, world, owner, limit=100) -> None:
        self.world, self.owner, self.revision = world, owner, 1
        self.bearers = Bearers(
            world.policies, world.providers, lambda: self.revision, world.metrics, world.clock, limit=limit
        )  # fmt: skip

    def taken(self, seconds=600.0, *, grants=False) -> Taken:
        return Taken(self.owner, self.owner, self.world.clock.now() + seconds, grants)

    def hold(self, digest="a", **more) -> bool:
        return self.bearers.hold(digest, self.taken(**more), self.bearers.moment())

    def refuse(self, key="a") -> None:
        self.bearers.refuse(key, NO, self.bearers.moment())

    def is_held(self, digest="a") -> bool:
        return isinstance(self.bearers.find(digest), Taken)


@pytest.fixture
async def held(world):
    await world.control.users.create("alice")
    await world.settle()
    return Held(world, await world.user())


def provider(status=Status.ENABLED) -> StoredProvider:
    record = Provider(
        id="P1", name="corp", kind=ProviderKind.OIDC, status=status, config="{}", created_at=0.0, updated_at=0.0
    )  # fmt: skip
    return StoredProvider(provider=record)


def managed(policy_id) -> ManagedPolicy:
    return ManagedPolicy(
        id=policy_id,
        name=policy_id,
        document=policy(),
        description="",
        version=1,
        created_at=0.0,
        updated_at=0.0,
    )


def test_it_is_held_until_it_ends(held):
    assert held.bearers.find("a") is None
    assert held.hold()
    assert held.is_held()
    assert not held.is_held("b")
    held.world.clock.advance(599)
    assert held.is_held()
    held.world.clock.advance(1)
    assert held.bearers.find("a") is None


async def test_it_is_held_until_its_user_changes(held):
    held.hold()
    await held.world.control.users.update("alice", status=Status.DISABLED)
    await held.world.settle()
    assert held.bearers.find("a") is None
    assert not held.hold()


@pytest.mark.parametrize("change", ["replace", "replace_all", "disable"])
def test_it_is_held_until_any_provider_changes(held, change):
    providers = held.world.providers
    since = held.bearers.moment()
    held.hold()
    held.refuse("b")
    if change == "replace_all":
        providers.replace_all([provider()])
    else:
        status = Status.DISABLED if change == "disable" else Status.ENABLED
        providers.replace(["P1"], [provider(status)])
    assert held.bearers.find("a") is None
    assert held.bearers.find("b") is None
    # What was looked at before is not believed either.
    assert not held.bearers.hold("a", held.taken(), since)
    held.bearers.refuse("b", NO, since)
    assert held.bearers.find("b") is None
    assert held.hold()


def test_what_names_policies_is_held_while_names_mean_the_same(held):
    policies = held.world.policies
    policies.replace(["p1"], (), StoredPolicies([managed("p1")], ()))
    since = held.bearers.moment()
    held.hold("plain")
    held.hold("grants", grants=True)
    policies.replace(["p1"], (), StoredPolicies([managed("p1")], ()))
    assert held.is_held("grants")
    for stored in ([managed("p2")], []):
        held.hold("grants", grants=True)
        policies.replace(["p2"], (), StoredPolicies(stored, ()))
        assert held.bearers.find("grants") is None
        assert held.is_held("plain")
    assert not held.bearers.hold("grants", held.taken(grants=True), since)
    assert held.bearers.hold("plain", held.taken(), since)


def test_a_refusal_is_held_for_a_moment_and_while_nothing_changes(held):
    held.refuse()
    assert held.bearers.find("a") == NO
    held.world.clock.advance(REFUSED_FOR)
    assert held.bearers.find("a") is None
    held.refuse()
    held.revision += 1
    assert held.bearers.find("a") is None
    # One that took a while is of then, not of now.
    since = held.bearers.moment()
    held.revision += 1
    held.bearers.refuse("a", NO, since)
    assert held.bearers.find("a") is None


async def test_refusals_push_out_nothing_that_was_taken(world):
    await world.control.users.create("alice")
    await world.settle()
    held = Held(world, await world.user(), limit=10)
    held.hold()
    for number in range(100):
        held.refuse(str(number))
    assert held.is_held()
    assert sum(held.bearers.find(str(n)) == NO for n in range(100)) == 10
    for number in range(10):
        held.hold(f"t{number}")
    assert not held.is_held()
    assert world.count("cache_requests", "bearer", "hit") == 1
