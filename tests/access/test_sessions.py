"""Sessions in memory: what a token stands for, how little it costs, and that nothing outlives its parent."""

import asyncio

import pytest

from authz.access import sessions
from authz.access.authorizer import Asked
from authz.access.ports import ChangeKind
from authz.access.revocation import LONGEST_SESSION, SWEEP_MIN, RevokedSessions
from authz.clock import ManualClock
from authz.control.limits import REVOCATION_REACH
from authz.errors import OverloadedError, UnavailableError
from authz.identity.credential import Secret
from authz.identity.principal import root_principal, session_principal
from authz.identity.records import RevokedSession, Status, TargetKind
from authz.identity.sealing import KEY_SIZE
from authz.identity.session import TOKEN_LIMIT, Session, SessionKeys
from authz.policy.decision import Reason
from authz.policy.request import NO_FACTS, AccessRequest, Context
from tests.access.world import ACCOUNT, GET, OBJECT, PUT, ROOT_ID, following, policy

USER = TargetKind.USER
FIND = "find_user_by_id"


@pytest.fixture
async def alice(world):
    """Give alice the right to everything."""
    await allow_all(world)


async def allow_all(world, name="alice"):
    await world.control.users.create(name)
    await world.control.policies.create(f"all-of-{name}", policy())
    await world.control.attachments.attach(f"all-of-{name}", USER, name)
    await world.settle()


def sealed(world, **parts) -> tuple[Session, str]:
    """Make a session that no use case would make."""
    now = world.clock.now()
    given = {
        "access_key_id": "ASIAASIAASIAASIAASIA",
        "parent_id": "AIDAGONE",
        "issuer_id": "AIDAGONE",
        "issued_at": now,
        "expires_at": now + 3600.0,
    }
    session = Session(**given | parts)
    return session, world.session_keys.seal(session, bytes(16))[0]


# --- what a token stands for ---


async def test_a_session_may_do_what_its_parent_may_do_at_the_moment(world, alice):
    issued = await world.session()
    found = await world.credential(issued)
    assert found.owner is await world.user()
    assert not found.is_narrowed
    assert world.decide(found.acting).is_allowed
    await world.control.attachments.detach("all-of-alice", USER, "alice")
    await world.settle()
    assert not world.decide((await world.credential(issued)).acting).is_allowed


async def test_a_session_may_do_no_more_than_its_own_policies(world, alice):
    found = await world.credential(await world.session(policy=policy(action=GET)))
    assert found.is_narrowed
    assert world.decide(found.acting, GET).is_allowed
    refused = world.decide(found.acting, PUT)
    assert (refused.is_allowed, refused.reason) == (False, Reason.SESSION_POLICY)
    assert world.decide(found.owner, PUT).is_allowed


async def test_what_the_parent_may_not_do_no_session_policy_grants(world):
    await world.control.users.create("alice")
    found = await world.credential(await world.session(policy=policy()))
    assert world.decide(found.acting).reason is Reason.NO_MATCH


async def test_managed_policies_of_a_session_are_live_and_join_its_document(world, alice):
    control = world.control
    await control.policies.create("reads", policy(action=GET))
    await world.settle()
    issued = await world.session(policy=policy(action=PUT), policy_names=["reads"])

    async def verdicts():
        entry = (await world.credential(issued)).acting
        return [world.decide(entry, action).is_allowed for action in (GET, PUT, "s3:DeleteObject")]

    assert await verdicts() == [True, True, False]
    await control.policies.update("reads", document=policy(action="s3:Delete*"))
    await world.settle()
    assert await verdicts() == [False, True, True]
    held = await world.credential(issued)
    await control.policies.delete("reads", cascade=True)
    await world.settle()
    assert await world.credential(issued) is held
    assert world.decide(held.acting, PUT).reason is Reason.QUARANTINE


async def test_a_session_policy_that_does_not_compile_denies_everything(world, alice):
    user = await world.user()
    for index, document in enumerate(["", "{", policy().replace("Allow", "Maybe")]):
        key_id = f"ASIAASIAASIAASIAASI{index}"
        session, token = sealed(
            world, parent_id=user.principal.id, access_key_id=key_id, policies=(document,)
        )
        found = world.sessions.find(session.access_key_id, token)
        assert world.decide(found.acting).reason is Reason.QUARANTINE


async def test_a_session_of_root_is_root_within_its_own_policies(world):
    plain = await world.credential(await world.session(""))
    narrow = await world.credential(await world.session("", policy=policy(action=GET)))
    assert plain.owner is narrow.owner is world.root.owner
    assert world.decide(plain.acting, PUT).reason is Reason.ROOT
    assert world.decide(narrow.acting, GET).is_allowed
    assert world.decide(narrow.acting, PUT).reason is Reason.SESSION_POLICY
    assert world.source.calls[FIND] == 0


async def test_replacing_the_root_credential_ends_its_sessions(world, make_world):
    issued = await world.session("")
    assert (await world.credential(issued)).is_usable(world.clock.now())
    async with following(make_world(root_secret=b"another-secret-another-secret")) as replaced:
        assert not (await replaced.credential(issued)).is_usable(world.clock.now())
        # What calls root by its account alone was never issued here.
        session, token = sealed(replaced, parent_id=ACCOUNT)
        found = await replaced.sessions.load(session.access_key_id, token)
        assert not found.is_usable(world.clock.now())


def test_rotating_the_ring_ends_no_sessions_of_root(world):
    ring, secret = world.control.ring, Secret("root-secret-root-secret")
    before = SessionKeys(ring).incarnate_root(ACCOUNT, ROOT_ID, secret)
    rotated = SessionKeys(ring.with_primary("new", bytes(KEY_SIZE)))
    after = rotated.incarnate_root(ACCOUNT, ROOT_ID, secret)
    assert before[0] in after
    assert after[0] not in before
    others = [
        rotated.incarnate_root(ACCOUNT, "OTHERID", secret),
        rotated.incarnate_root(ACCOUNT, ROOT_ID, Secret("another-secret")),
    ]
    for other in others:
        assert set(other).isdisjoint(after)
        assert len(other[0]) == len(after[0])


async def test_a_boundary_and_a_session_policy_both_narrow(world, alice):
    await world.control.policies.create("reads", policy(action=GET))
    await world.control.users.put_boundary("alice", "reads")
    await world.settle()
    found = await world.credential(await world.session(policy=policy(action=PUT)))
    assert world.decide(found.acting, GET).reason is Reason.SESSION_POLICY
    assert world.decide(found.acting, PUT).reason is Reason.PERMISSIONS_BOUNDARY


# --- who acts ---


async def test_a_session_is_its_parent_and_says_when_it_was_issued(world, alice):
    found = await world.credential(await world.session())
    owner, acting = found.owner.principal, found.acting.principal
    assert (acting.arn, acting.id, acting.kind) == (owner.arn, owner.id, owner.kind)
    assert acting.facts == {**owner.facts, "aws:tokenissuetime": ("2023-11-14T22:13:20Z",)}


def test_nothing_in_a_session_changes_who_acts():
    root = root_principal(ACCOUNT)
    claimed = {
        "aws:username": ("admin",), "aws:userid": ("AIDAADMIN",), "aws:groups": ("admins",),
        "aws:principalarn": ("arn:aws:iam::1:user/admin",), "aws:principaltype": ("User",),
        "aws:principalaccount": ("1",), "aws:tokenissuetime": ("1970-01-01T00:00:00Z",),
        "sts:externalid": ("x",), "aws:principaltag/new": ("yes",),
    }  # fmt: skip
    session = Session(
        access_key_id="ASIA", parent_id=ACCOUNT, issuer_id=ACCOUNT, issued_at=60.5, expires_at=99.0,
        facts=claimed,
    )  # fmt: skip
    assert session_principal(root, session).facts == {
        **root.facts,
        "sts:externalid": ("x",),
        "aws:principaltag/new": ("yes",),
        "aws:tokenissuetime": ("1970-01-01T00:01:00Z",),
    }


async def test_a_tag_of_the_parent_wins_over_one_of_the_session(world, alice):
    await world.control.users.update("alice", tags={"team": "red"})
    await world.settle()
    user = await world.user()
    session, token = sealed(
        world, parent_id=user.principal.id, facts={"aws:principaltag/team": ("blue",)}
    )
    found = world.sessions.find(session.access_key_id, token)
    assert found.acting.principal.facts["aws:principaltag/team"] == ("red",)


# --- what it costs ---


async def test_a_hundred_requests_of_a_session_cost_one_read(world, alice):
    issued = await world.session()
    key_id = issued.session.access_key_id
    await asyncio.gather(*(world.sessions.load(key_id, issued.token) for _ in range(100)))
    assert world.source.calls[FIND] == 1
    assert world.sessions.find(key_id, issued.token) is world.sessions.find(key_id, issued.token)


async def test_a_session_of_a_user_in_memory_costs_no_read(world, alice):
    user = await world.user()
    assert (await world.credential(await world.session())).owner is user
    assert world.source.calls[FIND] == 0


async def test_a_parent_that_is_gone_is_read_once_for_all_its_sessions(world):
    for n in range(5):
        session, token = sealed(world, access_key_id=f"ASIAASIAASIAASIAASI{n}")
        found = await world.sessions.load(session.access_key_id, token)
        assert not found.is_usable(world.clock.now())
        assert found.session == session
    assert world.source.calls[FIND] == 1


async def test_a_parent_that_is_there_after_all_is_found_as_soon_as_it_is(world, alice):
    session, token = sealed(world)
    assert not (await world.sessions.load(session.access_key_id, token)).owner.is_enabled
    await world.control.users.create("bob")
    await world.by_sql(
        "UPDATE users SET id = 'AIDAGONE' WHERE name = 'bob'", (ChangeKind.USER, "AIDAGONE")
    )
    await world.settle()
    found = await world.sessions.load(session.access_key_id, token)
    assert found.owner.principal.name == "bob"


async def test_garbage_reads_nothing_and_pushes_nothing_out(database, control, make_world):
    async with following(make_world(limit=2)) as world:
        await allow_all(world)
        issued = await world.session()
        held = await world.credential(issued)
        reads = sum(world.source.calls.values())
        key_id, token = issued.session.access_key_id, issued.token
        swapped = token[:-8] + token[-1] + token[-7:-1] + token[-8]
        garbage = [
            "x",
            "é",
            "\ud800",
            "A" * TOKEN_LIMIT,
            "A" * 100_000,
            swapped,
            token + "A",
            token[:-1],
        ]
        for wrong in garbage:
            for n in range(10):
                for claimed in (key_id, f"ASIAMADEUP{n}"):
                    assert (await world.sessions.load(claimed, wrong)).session is None
        # Tokens that were ours and have ended are no better.
        for n in range(10):
            session, old = sealed(world, access_key_id=f"ASIAOLD{n}", expires_at=world.clock.now())
            assert (await world.sessions.load(session.access_key_id, old)).session == session
        assert sum(world.source.calls.values()) == reads
        assert world.sessions.find(key_id, token) is held


async def test_a_token_is_good_for_its_own_access_key_id_only(world, alice):
    mine, other = await world.session(), await world.session()
    await world.credential(mine)
    await world.credential(other)
    for issued, token in ((mine, other.token), (other, mine.token)):
        assert world.sessions.find(issued.session.access_key_id, token).session is None


async def test_too_many_parents_at_once_are_turned_away(make_world):
    async with following(make_world(concurrent_loads=1)) as world:
        pause = world.source.hold(FIND)
        loads = []
        for n in range(4):
            session, token = sealed(world, parent_id=f"AIDAGONE{n}", access_key_id=f"ASIA{n}")
            loads.append(asyncio.create_task(world.sessions.load(session.access_key_id, token)))
        await pause.reached.wait()
        pause.released.set()
        ended = await asyncio.gather(*loads, return_exceptions=True)
        assert sum(isinstance(end, OverloadedError) for end in ended) == 2


async def test_a_lost_database_is_no_verdict_on_a_session(world):
    session, token = sealed(world)
    world.source.is_lost = True
    with pytest.raises(UnavailableError):
        await world.sessions.load(session.access_key_id, token)
    world.source.is_lost = False
    await world.sessions.load(session.access_key_id, token)


# --- what ends it ---


async def test_a_recreated_user_does_not_revive_the_sessions_of_the_old_one(world, alice):
    issued = await world.session()
    assert (await world.credential(issued)).is_usable(world.clock.now())
    await world.control.users.delete("alice", cascade=True)
    await world.control.users.create("alice")
    await world.settle()
    assert await world.user() is not None
    assert not (await world.credential(issued)).is_usable(world.clock.now())


async def test_a_disabled_parent_stops_its_sessions_until_it_is_enabled(world, alice):
    issued = await world.session()
    for status in (Status.DISABLED, Status.ENABLED):
        await world.control.users.update("alice", status=status)
        await world.settle()
        found = await world.credential(issued)
        assert found.is_usable(world.clock.now()) is (status is Status.ENABLED)


async def test_a_revoked_session_is_known_to_those_who_were_there_and_those_who_come(
    world, alice, make_world
):
    issued, other = await world.session(), await world.session()
    now = world.clock.now()
    assert not world.sessions.has_ended(issued.session, now)
    await world.control.sessions.revoke(issued.session.access_key_id)
    await world.settle()
    async with following(make_world()) as late:
        for one in (world, late):
            assert one.sessions.has_ended(issued.session, now)
            assert not one.sessions.has_ended(other.session, now)


async def test_sessions_issued_before_their_users_were_revoked_are_void(world, alice):
    before = await world.session()
    await world.credential(before)
    world.control.clock.advance(1.0)
    await world.control.sessions.revoke_user("alice")
    await world.settle()
    at_once = await world.session()
    world.control.clock.advance(REVOCATION_REACH)
    after = await world.session()
    voids = [
        one.session.issued_at < (await world.credential(one)).owner.sessions_void_before
        for one in (before, at_once, after)
    ]
    assert voids == [True, True, False]


def test_revocations_are_forgotten_with_their_sessions_and_not_before():
    clock = ManualClock()
    revoked = RevokedSessions(clock)
    now = clock.now()
    revoked.replace_all(
        [RevokedSession(access_key_id=f"ASIA{n}", expires_at=now + n) for n in range(SWEEP_MIN)]
    )
    assert "ASIA0" not in revoked
    clock.advance(SWEEP_MIN / 2)
    for n in range(SWEEP_MIN + 2):
        revoked.add(f"ASIANEW{n}")
    assert "ASIA400" not in revoked
    assert "ASIA501" in revoked
    assert "ASIANEW0" in revoked
    clock.advance(LONGEST_SESSION)
    for n in range(4 * SWEEP_MIN):
        revoked.add(f"ASIALATER{n}")
    assert "ASIANEW0" not in revoked
    assert "ASIALATER0" in revoked
    assert len(revoked) == 4 * SWEEP_MIN


# --- service accounts ---


async def test_a_service_account_follows_its_owner_within_its_own_policy(world, alice):
    control = world.control
    key_id = (await control.access_keys.create("alice", policy=policy(action=GET))).value.key.id
    await world.settle()
    found = await world.key(key_id)
    assert found.is_narrowed
    assert found.acting.principal is found.owner.principal
    assert world.decide(found.acting, GET, OBJECT).is_allowed
    assert world.decide(found.acting, PUT, OBJECT).reason is Reason.SERVICE_ACCOUNT_POLICY
    await control.attachments.detach("all-of-alice", USER, "alice")
    await world.settle()
    assert world.decide((await world.key(key_id)).acting, GET).reason is Reason.NO_MATCH


async def test_a_service_account_follows_changes_of_its_own_policy(world, alice):
    keys = world.control.access_keys
    key_id = (await keys.create("alice", policy=policy(action=GET))).value.key.id
    await world.settle()
    assert not world.decide((await world.key(key_id)).acting, PUT).is_allowed
    await keys.update(key_id, policy="")
    await world.settle()
    found = await world.key(key_id)
    assert found.acting is found.owner
    assert world.decide(found.acting, PUT).is_allowed


async def test_a_service_account_whose_policy_does_not_compile_may_nothing(world, alice):
    key_id = (await world.control.access_keys.create("alice", policy=policy())).value.key.id
    await world.by_sql("UPDATE access_keys SET policy = '{'")
    await world.settle()
    assert world.decide((await world.key(key_id)).acting).reason is Reason.QUARANTINE


# --- the shelf ---


async def test_sessions_that_have_ended_leave_the_shelf_when_they_are_met(world, alice):
    first, second = await world.session(), await world.session(duration=7200.0)
    for one in (first, second):
        await world.credential(one)
    assert len(world.sessions) == 2
    world.clock.advance(3600.0)
    assert world.sessions.find(first.session.access_key_id, first.token).owner.is_enabled is False
    assert len(world.sessions) == 1
    world.clock.advance(3600.0)
    world.control.clock.advance(7200.0)
    await world.credential(await world.session())
    assert len(world.sessions) == 1


async def test_the_shelf_of_sessions_has_a_limit_of_its_own(make_world, world, alice, monkeypatch):
    monkeypatch.setattr(sessions, "SESSIONS_HELD", 2)
    async with following(make_world()) as small:
        for _ in range(3):
            await small.credential(await world.session())
        assert len(small.sessions) == 2


async def test_a_deny_by_a_keys_own_policy_is_remembered_with_it(world, alice):
    made = await world.control.access_keys.create("alice", policy=policy("Deny", "sts:*"))
    await world.settle()
    acting = (await world.key(made.value.key.id)).acting
    context = Context(acting.principal.facts, NO_FACTS, NO_FACTS, world.clock.now())
    need = AccessRequest(acting.principal, "sts:GetSessionToken", "*", context)
    answer = world.authorizer.find_deny(acting, [need], Asked("test"), 0.0)
    assert (answer.decision.reason, answer.own) == (Reason.SERVICE_ACCOUNT_POLICY, acting.own)
