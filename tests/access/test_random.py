"""Whatever order writes, loads and catching up come in: memory decides like a process that just started."""

import asyncio
import random
from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest

from authz.control.providers import ProviderChange
from authz.control.sessions import Parent
from authz.errors import AuthzError
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Status, TargetKind
from tests.access.world import ACCOUNT, World, bucket_policy, following, policy, trust

USERS = ["u0", "u1", "u2"]
KEYS = ["KEY0", "KEY1", "KEY2"]
GROUPS = ["g0", "g1"]
ROLES = ["r0", "r1"]
PROVIDERS = ["i0", "i1"]
VOUCHED = ["i0=v0", "i0=v1", "i1=v0"]
VOUCHED_GROUPS = ["i0=g0", "i1=g0"]
EVERYBODY = USERS + VOUCHED
POLICIES = ["p0", "p1", "p2"]
ACTIONS = ["s3:GetObject", "s3:PutObject"]
BUCKETS = ["arn:aws:s3:::b", "arn:aws:s3:::c"]
RESOURCES = ["arn:aws:s3:::b/x", "arn:aws:s3:::b/y", "arn:aws:s3:::c/x"]
KINDS = list(TargetKind)
STATUSES = list(Status)
ROUNDS, WRITES = 5, 16
STRANGER = Parent(principal_id="AIDASTRANGER", expires_at=None, is_narrowed=False, is_session=False)


def a_document(rng) -> str:
    return policy(
        rng.choice(["Allow", "Allow", "Deny"]), rng.choice(ACTIONS), rng.choice(RESOURCES)
    )


def a_bucket_policy(rng, bucket) -> str:
    effect = rng.choice(["Allow", "Allow", "Deny"])
    name = f"arn:aws:iam::{ACCOUNT}:user/{rng.choice(USERS)}"
    return bucket_policy(effect, rng.choice(ACTIONS), rng.choice(["*", {"AWS": name}]), bucket)


async def a_write(rng, world) -> None:
    """Do something at random; that it is refused is fine too."""
    control, of_resources = world.control, world.resource_policies
    bucket = rng.choice(BUCKETS)
    user, name = rng.choice(EVERYBODY), rng.choice(POLICIES)
    group = rng.choice(GROUPS + VOUCHED_GROUPS)
    kind = rng.choice(KINDS)
    role, provider = rng.choice(ROLES), rng.choice(PROVIDERS)
    target = dict(zip(TargetKind, (user, group, role, provider), strict=True))[kind]
    key, status = rng.choice(KEYS), rng.choice(STATUSES)
    writes = [
        (4, lambda: control.users.create(user)),
        (1, lambda: control.users.delete(user, cascade=True)),
        (2, lambda: control.users.update(user, status=status)),
        (1, lambda: control.users.update(user, new_name=rng.choice(USERS))),
        (2, lambda: control.users.update(user, tags={"n": str(rng.random())})),
        (3, lambda: control.groups.create(group)),
        (1, lambda: control.groups.delete(group, cascade=True)),
        (2, lambda: control.groups.update(group, status=status)),
        (4, lambda: control.groups.add_members(group, [user])),
        (1, lambda: control.groups.remove_members(group, [user])),
        (4, lambda: control.policies.create(name, a_document(rng))),
        (3, lambda: control.policies.update(name, document=a_document(rng))),
        (1, lambda: control.policies.delete(name, cascade=True)),
        (6, lambda: control.attachments.attach(name, kind, target)),
        (2, lambda: control.attachments.detach(name, kind, target)),
        (4, lambda: control.access_keys.create(user, access_key_id=key)),
        (3, lambda: control.access_keys.update(key, policy=rng.choice(["", a_document(rng)]))),
        (8, lambda: issue_session(rng, world, user)),
        (3, lambda: revoke_session(rng, world)),
        (1, lambda: control.sessions.revoke_user(user)),
        (4, lambda: control.roles.create(role, a_trust(rng))),
        (1, lambda: control.roles.delete(role, cascade=True)),
        (3, lambda: control.roles.update_trust(role, a_trust(rng))),
        (1, lambda: control.roles.update(role, tags={"n": str(rng.random())})),
        (2, lambda: control.roles.put_boundary(role, name)),
        (1, lambda: control.roles.delete_boundary(role)),
        (8, lambda: issue_role_session(rng, world, role)),
        (1, lambda: control.sessions.revoke_role(role)),
        (2, lambda: control.access_keys.update(key, status=status)),
        (1, lambda: control.access_keys.delete(key)),
        (3, lambda: control.users.put_boundary(user, name)),
        (1, lambda: control.users.delete_boundary(user)),
        (4, lambda: control.providers.create(provider, ProviderKind.OIDC, "{}")),
        (3, lambda: control.providers.update(provider, ProviderChange(status=status))),
        (1, lambda: control.providers.delete(provider)),
        (1, lambda: control.providers.revoke(provider)),
        (8, lambda: log_in(rng, world)),
        (1, lambda: be_absent(world, rng.choice(VOUCHED))),
        (4, lambda: of_resources.put(bucket, a_bucket_policy(rng, bucket))),
        (2, lambda: of_resources.delete(bucket)),
    ]
    weights = [weight for weight, _ in writes]
    _, write = rng.choices(writes, weights)[0]
    with suppress(AuthzError):
        await write()


async def issue_session(rng, world, user) -> None:
    """Issue a session of somebody, narrowed or not, and remember it."""
    world.control.clock.advance(1.0)
    narrowed = rng.choice(
        [{}, {"policy": a_document(rng)}, {"policy_names": [rng.choice(POLICIES)]}]
    )
    world.issued.append(await world.session(rng.choice(["", user]), **narrowed))


async def issue_role_session(rng, world, role) -> None:
    world.control.clock.advance(1.0)
    provider = rng.choice([None, *(await world.control.providers.list()).items])
    caller = STRANGER if provider is None else replace(STRANGER, provider=provider.id)
    world.issued.append(await world.assumed(role, caller))


async def log_in(rng, world) -> None:
    """Let somebody log in, and remember the session that follows."""
    control = world.control
    control.clock.advance(1.0)
    provider, _, name = rng.choice(VOUCHED).partition("=")
    provider_id = (await control.providers.get(provider)).id
    identity = ExternalIdentity(
        name=name, groups=tuple(rng.sample(["g0", "g1"], rng.randint(0, 2)))
    )
    user = (await control.logins.adopt(provider_id, identity, has_policies=True)).value
    granted = await control.logins.find_policies(rng.sample(POLICIES, rng.randint(0, 2)))
    parent = replace(STRANGER, principal_id=user.id, provider=provider_id, granted=granted)
    narrowed = rng.choice([{}, {}, {"policy": a_document(rng)}])
    world.issued.append(await control.sessions.issue(parent, **narrowed))


async def be_absent(world, name) -> None:
    await world.control.logins.set_absent(await world.control.users.get(name))


def a_trust(rng) -> str:
    name = f"arn:aws:iam::{ACCOUNT}:user/{rng.choice(USERS)}"
    effect = rng.choice(["Allow", "Allow", "Deny"])
    return trust({"AWS": rng.choice([name, ACCOUNT])}, effect=effect)


async def revoke_session(rng, world) -> None:
    if world.issued:
        await world.control.sessions.revoke(rng.choice(world.issued).session.access_key_id)


async def keep_asking(rng, world) -> None:
    """Load and decide for ever, and let memory catch up now and then."""
    while True:
        if rng.random() < 0.3:
            world.refresher.hint(0)
        try:
            entry = await world.user(rng.choice(EVERYBODY))
            key = await world.key(rng.choice(KEYS))
            role = await world.role(rng.choice(ROLES))
            if entry is not None:
                world.decide_trust(entry, role)
            for found in (entry, key.acting if key else None, world.anonymous):
                if found is not None:
                    world.decide(found)
            if world.issued:
                world.decide((await world.credential(rng.choice(world.issued))).acting)
        except AuthzError:
            pass
        await asyncio.sleep(0.001)


async def verdicts(world, issued) -> dict:
    """Return everything that memory says, about everybody."""
    said = {"nobody": said_of(world, world.anonymous), "root": said_of(world, world.root.owner)}
    for name in EVERYBODY:
        said[name] = said_of(world, await world.user(name))
    for key_id in KEYS:
        key = await world.key(key_id)
        said[key_id] = key and (key.is_enabled, said_of(world, key.acting))
    for name, user in product(ROLES, EVERYBODY):
        role, entry = await world.role(name), await world.user(user)
        decision = entry and world.decide_trust(entry, role)
        said[name, user] = role and decision and (role.principal.id, decision.verdict)
    for one in issued:
        found = await world.credential(one)
        ended = world.sessions.has_ended(one.session, world.clock.now())
        is_void = one.session.issued_at < found.owner.sessions_void_before
        # What has ended stands for nobody, unless it was held before it did.
        said[one.session.access_key_id] = (
            "ended" if ended else (is_void, said_of(world, found.acting))
        )
    return said


def said_of(world, entry):
    if entry is None:
        return None
    decisions = [world.decide(entry, *asked) for asked in product(ACTIONS, RESOURCES)]
    whats = [(d.verdict, d.reason, d.statement) for d in decisions]
    return entry.principal.id, entry.is_enabled, dict(entry.principal.facts), whats


@pytest.mark.parametrize("seed", range(6))
async def test_memory_decides_like_a_process_that_just_started(seed, database, control):
    rng = random.Random(seed)
    async with following(World(database, control, limit=rng.choice([2, 1000]))) as world:
        world.issued = []
        asking = [asyncio.create_task(keep_asking(random.Random(n), world)) for n in range(3)]
        for _ in range(ROUNDS):
            for _ in range(WRITES):
                await a_write(rng, world)
            await world.settle()
            async with following(World(database, control)) as fresh:
                issued = world.issued
                assert await verdicts(world, issued) == await verdicts(fresh, issued)
        for task in asking:
            task.cancel()
        ended = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ended)
        assert world.count("resyncs") == 0
