"""Providers in memory: what they say of their users, what they end, and what a login gives besides."""

import asyncio
from dataclasses import replace

import pytest

from authz.access.ports import ChangeKind, StoredProvider
from authz.access.providers import Providers
from authz.control.limits import REVOCATION_REACH
from authz.control.providers import ProviderChange
from authz.control.sessions import Parent
from authz.errors import NotFoundError
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Provider, Status, TargetKind
from authz.policy.decision import Reason
from tests.access.world import ACCOUNT, GET, PUT, following, policy, trust

USER, GROUP, PROVIDER = TargetKind.USER, TargetKind.GROUP, TargetKind.PROVIDER
DELETE = "s3:DeleteObject"
ANN = "corp=Ann"


@pytest.fixture
async def corp(world):
    """A provider whose users may get, and one of them."""
    return await make_provider(world)


async def make_provider(world, name="corp", user="Ann"):
    control = world.control
    made = (await control.providers.create(name, ProviderKind.OIDC, "{}")).value
    await control.policies.create(f"gets of {name}", policy(action=GET))
    await control.attachments.attach(f"gets of {name}", PROVIDER, name)
    await login(world, made, user)
    return made


async def login(world, provider, name="Ann", *groups):
    identity = ExternalIdentity(name=name, groups=groups, display_name=f"{name} X.")
    made = await world.control.logins.adopt(provider.id, identity, has_policies=True)
    await world.settle()
    return made.value


async def change(world, name="corp", **wanted):
    await world.control.providers.update(name, ProviderChange(**wanted))
    await world.settle()


async def session(world, name=ANN, **more):
    """Issue a session as a login does; what it says itself is `policy` and `policy_names`."""
    user = await world.control.users.get(name)
    narrowed = {key: more.pop(key) for key in ("policy", "policy_names") if key in more}
    parent = Parent(
        principal_id=user.id, expires_at=None, is_narrowed=False, is_session=False,
        provider=user.provider_id,
    )  # fmt: skip
    return await world.control.sessions.issue(replace(parent, **more), **narrowed)


async def role_session(world, provider):
    await world.control.roles.create("auditor", trust())
    await world.control.attachments.attach("gets of corp", TargetKind.ROLE, "auditor")
    await world.settle()
    caller = Parent(
        principal_id="AIDAANN", expires_at=None, is_narrowed=False, is_session=True,
        provider=provider.id,
    )  # fmt: skip
    return await world.assumed(caller=caller)


async def is_good(world, issued) -> bool:
    """Tell whether a session is let in, as the authenticator does."""
    found, now = await world.credential(issued), world.clock.now()
    is_void = issued.session.issued_at < found.owner.sessions_void_before
    return (
        found.is_usable(now) and not is_void and not world.sessions.has_ended(issued.session, now)
    )


async def may(world, issued, action=GET):
    return world.decide((await world.credential(issued)).acting, action)


async def key_of(world, name=ANN, **said):
    """Make an access key with what its maker's login said."""
    made = (await world.control.access_keys.create(name)).value.key

    async def tell(unit):
        await unit.access_keys.replace(made, replace(made, **said))

    await world.control.store.write(tell)
    await world.settle()
    return made.id


# --- while a provider is disabled ---


async def test_users_of_a_disabled_provider_are_out_at_once_and_in_again(world, corp):
    key_id, issued = await key_of(world), await session(world)
    of_role = await role_session(world, corp)
    await world.control.users.create("local")
    now = world.clock.now()
    for _ in range(2):
        held = await world.key(key_id), await world.user(ANN), await world.user("local")
        assert held[0].is_usable(now)
        assert held[1].is_enabled
        assert await is_good(world, issued)
        assert await is_good(world, of_role)
        await change(world, status=Status.DISABLED)
        assert [one.is_current for one in (held[0].owner, *held[1:])] == [False, False, True]
        assert not (await world.key(key_id)).is_usable(now)
        assert not (await world.user(ANN)).is_enabled
        assert not await is_good(world, issued)
        assert not await is_good(world, of_role)
        assert world.sessions.has_ended(of_role.session, now)
        await change(world, status=Status.ENABLED)


async def test_who_starts_while_a_provider_is_disabled_knows_it(make_world, world, corp):
    key_id, issued = await key_of(world), await session(world)
    of_role = await role_session(world, corp)
    async with following(make_world()) as early:
        assert await is_good(early, issued)
        assert await is_good(early, of_role)
    await change(world, status=Status.DISABLED)
    async with following(make_world()) as late:
        assert not (await late.key(key_id)).is_usable(late.clock.now())
        assert not await is_good(late, issued)
        assert not await is_good(late, of_role)
        page = await late.principals.list_users("", 10)
        assert [entry.is_enabled for entry in page.entries] == [False]


async def test_another_provider_and_our_own_users_go_on(world, corp):
    await make_provider(world, "corp2")
    await world.control.users.create("corp")
    issued = [await session(world, name) for name in (ANN, "corp2=Ann", "corp")]
    await change(world, status=Status.DISABLED)
    assert [await is_good(world, one) for one in issued] == [False, True, True]


async def test_a_user_who_is_disabled_is_out_whatever_the_provider_is(world, corp):
    issued = await session(world)
    await world.control.users.update(ANN, status=Status.DISABLED)
    await change(world, status=Status.DISABLED)
    await change(world, status=Status.ENABLED)
    assert not (await world.user(ANN)).is_enabled
    assert not await is_good(world, issued)


async def test_who_is_known_no_more_is_out_until_the_next_login(world, corp):
    key_id, issued = await key_of(world), await session(world)
    await world.control.logins.set_absent(await world.control.users.get(ANN))
    await world.settle()
    assert not (await world.key(key_id)).is_usable(world.clock.now())
    assert not await is_good(world, issued)
    assert (await world.user(ANN)).vouched.is_absent
    await login(world, corp)
    assert (await world.key(key_id)).is_usable(world.clock.now())
    assert not await is_good(world, issued)
    world.control.clock.advance(REVOCATION_REACH)
    assert await is_good(world, await session(world))


async def test_a_user_whose_provider_is_gone_may_nothing(world, corp):
    issued = await session(world)
    await world.by_sql("DELETE FROM provider_policies")
    await world.by_sql("DELETE FROM providers", (ChangeKind.PROVIDER, corp.id))
    await world.settle()
    entry = await world.user(ANN)
    assert not entry.is_enabled
    assert world.decide(entry).reason is Reason.PRINCIPAL_DISABLED
    assert not await is_good(world, issued)
    page = await world.principals.list_users("", 10)
    assert [entry.is_enabled for entry in page.entries] == [False]


# --- sessions that came by a provider ---


async def test_a_revocation_of_a_provider_ends_all_that_came_by_it(world, corp):
    await make_provider(world, "corp2")
    ended = [await session(world), await role_session(world, corp)]
    kept = [await session(world, "corp2=Ann"), await world.assumed()]
    for one in (*ended, *kept):
        assert await is_good(world, one)
    world.control.clock.advance(1.0)
    await world.control.providers.revoke("corp")
    await world.settle()
    assert [await is_good(world, one) for one in (*ended, *kept)] == [False, False, True, True]
    assert (await world.user(ANN)).is_enabled
    ended = [await session(world)]
    world.control.clock.advance(REVOCATION_REACH)
    kept = [await session(world)]
    assert [await is_good(world, one) for one in (*ended, *kept)] == [False, True]


async def test_a_users_own_revocation_counts_beside_the_providers(world, corp):
    first = await session(world)
    world.control.clock.advance(1.0)
    await world.control.sessions.revoke_user(ANN)
    await world.settle()
    assert not await is_good(world, first)
    world.control.clock.advance(100.0)
    second = await session(world)
    assert await is_good(world, second)
    world.control.clock.advance(1.0)
    await world.control.providers.revoke("corp")
    await world.settle()
    void_before = world.control.clock.now() + REVOCATION_REACH
    assert (await world.user(ANN)).sessions_void_before == void_before
    assert not await is_good(world, second)


async def test_a_session_that_came_by_nobody_known_has_ended(world, corp):
    for provider in ("AIDPGONE", corp.id.lower(), corp.name, " "):
        issued = await session(world, provider=provider)
        assert world.sessions.has_ended(issued.session, world.clock.now())
        assert not await is_good(world, issued)


async def test_a_provider_made_anew_under_the_name_revives_nothing(world, corp):
    issued = await role_session(world, corp)
    assert await is_good(world, issued)
    control = world.control
    await control.users.delete(ANN)
    await control.attachments.detach("gets of corp", PROVIDER, "corp")
    await control.providers.delete("corp")
    await control.providers.create("corp", ProviderKind.OIDC, "{}")
    await world.settle()
    assert not await is_good(world, issued)


# --- policies of a provider ---


async def test_policies_of_a_provider_are_its_users_live(world, corp):
    control = world.control
    await make_provider(world, "corp2", "Bob")
    for name in ("local", "corp"):
        await control.users.create(name)
    await control.policies.create("puts", policy(action=PUT))
    key_id, issued = await key_of(world), await session(world)

    async def verdicts():
        entries = [await world.user(name) for name in (ANN, "corp2=Bob", "local", "corp")]
        entries += [(await world.key(key_id)).acting, (await world.credential(issued)).acting]
        return [world.decide(entry, PUT).is_allowed for entry in entries]

    nobody, all_of_corp = [False] * 6, [True, False, False, False, True, True]
    assert await verdicts() == nobody
    await control.attachments.attach("puts", PROVIDER, "corp")
    await world.settle()
    assert await verdicts() == all_of_corp
    page = await world.principals.list_users("", 10)
    allowed = {e.principal.name for e in page.entries if world.decide(e, PUT).is_allowed}
    assert allowed == {ANN}
    await control.policies.update("puts", document=policy("Deny", PUT))
    await control.policies.create("all", policy())
    await control.attachments.attach("all", USER, ANN)
    await world.settle()
    assert await verdicts() == nobody
    await control.attachments.detach("puts", PROVIDER, "corp")
    await world.settle()
    assert await verdicts() == all_of_corp


async def test_a_policy_that_is_deleted_everywhere_leaves_the_provider_too(world, corp):
    assert await world.can(ANN)
    await world.control.policies.delete("gets of corp", cascade=True)
    await world.settle()
    assert world.decide(await world.user(ANN)).reason is Reason.NO_MATCH


async def test_the_provider_says_who_is_in_its_groups_and_they_say_what_that_is_worth(world, corp):
    control = world.control
    await control.policies.create("puts", policy(action=PUT))
    await control.groups.create("corp=devs")
    await control.attachments.attach("puts", GROUP, "corp=devs")
    await login(world, corp, "Ann", "devs", "unknown")
    assert await world.can(ANN, PUT)
    entry = await world.user(ANN)
    assert entry.principal.facts["aws:groups"] == ("corp=devs",)
    assert entry.vouched[:3] == (corp.id, "Ann X.", ("devs", "unknown"))
    await login(world, corp, "Ann")
    assert not await world.can(ANN, PUT)
    assert not entry.is_current
    assert "aws:groups" not in (await world.user(ANN)).principal.facts


# --- what a login granted besides ---


async def granted(world, **documents):
    """Create policies, and return their ids."""
    ids = []
    for name, document in documents.items():
        ids.append((await world.control.policies.create(name, document)).value.id)
    await world.settle()
    return tuple(ids)


async def acting_with(world, way, ids, **more):
    """Return what acts by a session, or by an access key, with policies that a login granted."""
    if way == "session":
        issued = await session(world, granted=ids, **more)
        return lambda: credential_of(world, issued)
    key_id = await key_of(world, granted=ids, **more)
    return lambda: acting_of_key(world, key_id)


async def credential_of(world, issued):
    return (await world.credential(issued)).acting


async def acting_of_key(world, key_id):
    return (await world.key(key_id)).acting


WAYS = pytest.mark.parametrize("way", ["session", "key"])


@WAYS
async def test_what_a_login_granted_counts_beside_what_the_user_may(way, world, corp):
    ids = await granted(world, puts=policy(action=PUT))
    acting = await acting_with(world, way, ids)
    decided = [world.decide(await acting(), action).is_allowed for action in (GET, PUT, DELETE)]
    assert decided == [True, True, False]
    for other in (await world.user(ANN), await credential_of(world, await session(world))):
        assert not world.decide(other, PUT).is_allowed
    await world.control.policies.update("puts", document=policy(action=DELETE))
    await world.settle()
    decided = [world.decide(await acting(), action).is_allowed for action in (GET, PUT, DELETE)]
    assert decided == [True, False, True]


@WAYS
async def test_a_deny_that_a_login_granted_denies(way, world, corp):
    ids = await granted(world, no_gets=policy("Deny", GET))
    acting = await acting_with(world, way, ids)
    assert world.decide(await acting()).verdict == "EXPLICITLY_DENIED"
    assert await world.can(ANN)


@WAYS
async def test_a_granted_policy_that_is_deleted_says_nothing_any_more(way, world, corp):
    ids = await granted(world, puts=policy(action=PUT), no_gets=policy("Deny", GET))
    acting = await acting_with(world, way, (*ids, "ANPAGONE"))
    decided = [world.decide(await acting(), action).is_allowed for action in (GET, PUT)]
    assert decided == [False, True]
    await world.control.policies.delete("no_gets")
    await world.settle()
    decided = [world.decide(await acting(), action).is_allowed for action in (GET, PUT)]
    assert decided == [True, True]
    await world.control.policies.delete("puts")
    await world.settle()
    assert world.decide(await acting(), PUT).reason is Reason.NO_MATCH
    assert world.decide(await acting()).is_allowed
    await granted(world, puts=policy(action=PUT))
    assert not world.decide(await acting(), PUT).is_allowed


@WAYS
async def test_a_granted_policy_that_does_not_compile_denies(way, world, corp):
    ids = await granted(world, puts=policy(action=PUT))
    acting = await acting_with(world, way, ids)
    await world.by_sql(
        "UPDATE policy_versions SET document = '{' WHERE policy_id = :id",
        (ChangeKind.POLICY, ids[0]),
        id=ids[0],
    )
    await world.settle()
    assert world.decide(await acting()).reason is Reason.QUARANTINE
    assert await world.can(ANN)


@WAYS
async def test_a_policy_granted_to_who_has_it_already_changes_nothing(way, world, corp):
    held = (await world.control.policies.get("gets of corp")).id
    acting = await acting_with(world, way, (held, held))
    assert world.decide(await acting()).is_allowed
    await world.control.attachments.detach("gets of corp", PROVIDER, "corp")
    await world.settle()
    assert world.decide(await acting()).is_allowed
    assert not await world.can(ANN)


@WAYS
async def test_a_boundary_bounds_what_a_login_granted(way, world, corp):
    ids = await granted(world, puts=policy(action=PUT), most=policy(action=GET))
    await world.control.users.put_boundary(ANN, "most")
    await world.settle()
    acting = await acting_with(world, way, ids[:1])
    assert world.decide(await acting()).is_allowed
    assert world.decide(await acting(), PUT).reason is Reason.PERMISSIONS_BOUNDARY


async def test_the_policies_of_a_session_narrow_what_its_login_granted(world, corp):
    ids = await granted(world, puts=policy(action=PUT), shown=policy(action=[PUT, DELETE]))
    for narrowed in ({"policy": policy(action=[PUT, DELETE])}, {"policy_names": ["shown"]}):
        issued = await session(world, granted=ids[:1], **narrowed)
        assert (await may(world, issued, PUT)).is_allowed
        assert (await may(world, issued)).reason is Reason.SESSION_POLICY
        assert (await may(world, issued, DELETE)).reason is Reason.NO_MATCH


async def test_the_policy_of_an_access_key_narrows_what_its_makers_login_granted(world, corp):
    ids = await granted(world, puts=policy(action=PUT))
    key_id = await key_of(world, granted=ids, policy=policy(action=[PUT, DELETE]))
    acting = await acting_of_key(world, key_id)
    assert world.decide(acting, PUT).is_allowed
    assert world.decide(acting, GET).reason is Reason.SERVICE_ACCOUNT_POLICY
    assert world.decide(acting, DELETE).reason is Reason.NO_MATCH


async def test_what_one_login_granted_is_never_anothers(world, corp):
    await login(world, corp, "Bob")
    ids = await granted(world, puts=policy(action=PUT), deletes=policy(action=DELETE))
    mine, plain = await session(world, granted=ids), await session(world)
    less = await session(world, granted=ids[:1])
    of_bob = await session(world, "corp=Bob")
    key_id, other_id = await key_of(world, granted=ids[1:]), await key_of(world)

    async def verdicts():
        entries = [await credential_of(world, one) for one in (mine, plain, less, of_bob)]
        entries += [await acting_of_key(world, one) for one in (key_id, other_id)]
        entries.append(await world.user(ANN))
        return [
            "".join(str(int(world.decide(e, a).is_allowed)) for a in (PUT, DELETE)) for e in entries
        ]

    for _ in range(2):
        assert await verdicts() == ["11", "00", "10", "00", "01", "00", "00"]
        world.principals.forget_all()


# --- what a login said ---

LIES = {
    "aws:username": ("root",),
    "aws:userid": ("AIDAROOT",),
    "aws:principalarn": (f"arn:aws:iam::{ACCOUNT}:root",),
    "aws:principaltype": ("Account",),
    "aws:principalaccount": ("999999999999",),
    "aws:groups": ("admins",),
    "aws:tokenissuetime": ("1970-01-01T00:00:00Z",),
    "aws:principaltag/team": ("blue",),
    "aws:principaltag/Team": ("blue",),
}


@WAYS
@pytest.mark.parametrize("has_group", [False, True])
async def test_no_login_says_who_acts_nor_overrides_what_is_known(way, has_group, world, corp):
    if has_group:
        await world.control.groups.create("staff")
        await world.control.groups.add_members("staff", [ANN])
    await world.control.users.update(ANN, tags={"Team": "red"})
    await world.settle()
    said = LIES | {"jwt:sub": ("ann",), "aws:principaltag/cost": ("1",)}
    facts = (await (await acting_with(world, way, (), facts=said))()).principal.facts
    known = (await world.user(ANN)).principal.facts
    assert known["aws:principaltag/Team"] == ("red",)
    expected = {**known, "jwt:sub": ("ann",), "aws:principaltag/cost": ("1",)}
    if way == "session":
        expected["aws:tokenissuetime"] = ("2023-11-14T22:13:20Z",)
    assert facts == expected
    assert ("aws:groups" in facts) is has_group


async def test_facts_of_a_login_are_what_conditions_see(world, corp):
    document = policy(action=PUT).replace(
        '"Sid"', '"Condition": {"StringEquals": {"jwt:team": "red"}}, "Sid"'
    )
    ids = await granted(world, puts=document)
    red = await session(world, granted=ids, facts={"jwt:team": ("red",)})
    blue = await session(world, granted=ids, facts={"jwt:team": ("blue",)})
    key_id = await key_of(world, granted=ids, facts={"jwt:team": ("red",)})
    assert (await may(world, red, PUT)).is_allowed
    assert not (await may(world, blue, PUT)).is_allowed
    assert world.decide(await acting_of_key(world, key_id), PUT).is_allowed


# --- memory itself ---


async def test_a_change_of_a_provider_and_of_policies_arrive_in_one_step(world, corp):
    await world.user(ANN)
    seen = []
    world.providers.follow(
        lambda held: seen.append(
            (corp.id in held and held[corp.id].provider.status, len(world.policies))
        )
    )
    pause = world.source.hold("changes_after")
    world.refresher.hint(0)
    await pause.reached.wait()
    await world.control.policies.create("one more", policy())
    await world.control.providers.update("corp", ProviderChange(status=Status.DISABLED))
    await world.control.policies.create("and another", policy())
    pause.released.set()
    await world.settle()
    assert seen == [(Status.ENABLED, 1), (Status.DISABLED, 3)]


@pytest.mark.parametrize("read", ["find_user", "find_user_by_id", "find_access_key", "list_users"])
async def test_a_read_that_a_change_of_the_provider_overtakes_is_made_again(read, world, corp):
    key_id, user_id = await key_of(world), (await world.control.users.get(ANN)).id

    async def list_all():
        return (await world.principals.list_users("", 10)).entries[0]

    async def owner_of_key():
        return (await world.principals.load_key(key_id)).owner

    load = {
        "find_user": lambda: world.principals.load_user(ANN),
        "find_user_by_id": lambda: world.principals.load_user_by_id(user_id),
        "find_access_key": owner_of_key,
        "list_users": list_all,
    }[read]
    pause = world.source.hold(read)
    loading = asyncio.create_task(load())
    await pause.reached.wait()
    await world.control.providers.create("corp2", ProviderKind.LDAP, "{}")
    await change(world, status=Status.DISABLED)
    pause.released.set()
    assert not (await loading).is_enabled
    assert world.source.calls[read] == 2
    world.principals.forget_all()
    pause = world.source.hold(read)
    loading = asyncio.create_task(load())
    await pause.reached.wait()
    await change(world, "corp2", status=Status.DISABLED)
    pause.released.set()
    assert not (await loading).is_enabled
    assert world.source.calls[read] == 3


async def test_providers_are_loaded_anew_after_a_gap(world, corp):
    issued, of_role = await session(world), await role_session(world, corp)
    assert await is_good(world, of_role)
    await world.by_sql("UPDATE providers SET status = 'disabled'")
    await world.refresher._load_all()
    assert not await is_good(world, issued)
    assert not await is_good(world, of_role)
    assert len(world.providers) == 1


async def test_a_secret_that_changes_is_told_with_its_configuration(world, corp):
    seen = []
    world.providers.follow(lambda held: seen.append(held[corp.id]))
    await change(world, config='{"a": 1}', secret=Secret("hunter2"))
    assert [(one.provider.config, one.sealed_secret is None) for one in seen] == [
        ("{}", True),
        ('{"a": 1}', False),
    ]
    opened = world.control.ring.unseal(seen[-1].sealed_secret, corp.id.encode())
    assert opened == b"hunter2"


def a_provider(provider_id="AIDPONE", **more) -> StoredProvider:
    fields = {"name": "corp", "kind": ProviderKind.LDAP, "status": Status.ENABLED, "config": "{}"}
    times = {"created_at": 0.0, "updated_at": 0.0}
    return StoredProvider(provider=Provider(id=provider_id, **fields | times | more))


def test_who_follows_hears_of_all_providers_now_and_after_every_change():
    one, two, other = a_provider(), a_provider("AIDPTWO"), a_provider(config='{"a": 1}')
    providers, heard = Providers(), []
    providers.replace_all([one])
    providers.follow(lambda held: heard.append(dict(held)))
    providers.replace(["AIDPTWO"], [two])
    providers.replace([], [])
    providers.replace(["AIDPONE", "AIDPGONE"], [other])
    providers.replace(["AIDPTWO"], [])
    providers.replace_all([])
    assert heard == [
        {"AIDPONE": one},
        {"AIDPONE": one, "AIDPTWO": two},
        {"AIDPONE": other, "AIDPTWO": two},
        {"AIDPONE": other},
        {},
    ]
    assert len(providers) == 0


def test_a_follower_that_fails_keeps_nobody_from_anything():
    def fail(_):
        raise RuntimeError

    providers, heard = Providers(), []
    providers.replace_all([a_provider()])
    providers._followers.append(fail)
    providers.follow(lambda held: heard.append(len(held)))
    providers.replace(["AIDPTWO"], [a_provider("AIDPTWO")])
    assert heard == [1, 2]
    assert providers.is_good("AIDPTWO", 0.0)


def test_what_counts_is_when_it_was_issued_and_by_whom():
    providers = Providers()
    assert not providers.is_good("AIDPONE", 1.0)
    providers.replace_all([a_provider(sessions_void_before=5.0)])
    assert [providers.is_good("AIDPONE", at) for at in (4.9, 5.0, 6.0)] == [False, True, True]
    assert not providers.is_good("aidpone", 6.0)
    assert not providers.is_good("", 6.0)
    providers.replace(["AIDPONE"], [a_provider(status=Status.DISABLED)])
    assert not providers.is_good("AIDPONE", 6.0)


async def test_no_other_spelling_of_a_providers_user_is_found(world, corp):
    for name in ("corp=ann", "corp=ANN", "CORP=Ann", "corp = Ann", "corp=Ann ", "Ann", "corp"):
        assert await world.user(name) is None
    assert (await world.user(ANN)).principal.arn == f"arn:aws:iam::{ACCOUNT}:user/corp=Ann"
    with pytest.raises(NotFoundError):
        await world.control.users.get("corp=ann")


async def test_a_longest_name_is_found_like_any(world, corp):
    for name in ("x" * 1024, "\u00e9" * 512):
        await login(world, corp, name)
        assert await world.can(f"corp={name}")
