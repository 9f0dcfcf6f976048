import math
from dataclasses import replace

import pytest
from sqlalchemy import event, func, insert, select

from authz.control import sessions as sessions_module
from authz.control.limits import (
    ISSUING_AGE,
    REVOCATION_REACH,
    SESSION_DURATION_CEILING,
    SESSION_DURATION_DEFAULT,
    SESSION_DURATION_MIN,
    SESSION_POLICIES,
)
from authz.control.sessions import AssumedRole, Parent, Sessions
from authz.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ParseError,
    UnavailableError,
)
from authz.formats.iam_json import SESSION_POLICY
from authz.identity.records import RevokedSession, Status
from authz.identity.session import SessionKeys
from authz.store.sql import revoked_sessions as rows
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.tables import revoked_sessions
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, MAX_DURATION, Control

ALICE = Parent(principal_id="AIDAALICE", expires_at=None, is_narrowed=False, is_session=False)


async def test_a_token_opens_to_the_session_and_secret_that_were_shown(control: Control) -> None:
    issued = await control.sessions.issue(ALICE, name="nightly", policy=DENY_ALL)
    assert SessionKeys(control.ring).open(issued.token) == (issued.session, issued.secret)
    session = issued.session
    assert (session.parent_id, session.issuer_id) == ("AIDAALICE", "AIDAALICE")
    assert (session.name, session.policies, session.policy_ids) == ("nightly", (DENY_ALL,), ())
    assert session.issued_at == control.clock.now()
    assert session.expires_at == control.clock.now() + SESSION_DURATION_DEFAULT


async def test_no_two_sessions_share_anything(control: Control) -> None:
    issued = [await control.sessions.issue(ALICE) for _ in range(20)]
    shown = [
        text
        for one in issued
        for text in (one.token, one.secret.reveal(), one.session.access_key_id)
    ]
    assert len(set(shown)) == len(shown)


async def test_a_session_as_it_is_shown_to_people_shows_neither_token_nor_secret(
    control: Control,
) -> None:
    issued = await control.sessions.issue(ALICE)
    assert issued.token not in repr(issued)
    assert issued.secret.reveal() not in repr(issued)


async def test_issuing_asks_the_database_only_for_policies_that_are_named(
    control: Control, database: Database
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    before = await SqlSource(database).revision()
    asked: list[str] = []

    def note(*seen: object) -> None:
        asked.append(str(seen[2]))

    event.listen(database._engine.sync_engine, "before_cursor_execute", note)
    await control.sessions.issue(ALICE, policy=DENY_ALL, name="nightly")
    assert asked == []
    await control.sessions.issue(ALICE, policy_names=["open"])
    assert asked
    assert not any(text.startswith(("INSERT", "UPDATE", "DELETE")) for text in asked)
    assert await SqlSource(database).revision() == before


@pytest.mark.parametrize("duration", [SESSION_DURATION_MIN, 5000.5, MAX_DURATION])
async def test_a_session_lasts_as_long_as_is_asked(duration: float, control: Control) -> None:
    session = (await control.sessions.issue(ALICE, duration=duration)).session
    assert session.expires_at == control.clock.now() + duration


@pytest.mark.parametrize(
    "duration", [SESSION_DURATION_MIN - 1, MAX_DURATION + 1, 0.0, -900.0, math.nan, math.inf]
)
async def test_a_duration_out_of_bounds_is_refused(duration: float, control: Control) -> None:
    with pytest.raises(InvalidError, match="900 to 43200 seconds") as refused:
        await control.sessions.issue(ALICE, duration=duration)
    assert refused.value.field == "duration"


async def test_where_a_site_allows_less_than_an_hour_that_is_what_is_not_asked_for(
    control: Control,
) -> None:
    short = Sessions(
        control.store,
        control.clock,
        SessionKeys(control.ring),
        lambda _: None,
        lambda _: None,
        max_duration=SESSION_DURATION_MIN,
    )
    session = (await short.issue(ALICE)).session
    assert session.expires_at == control.clock.now() + SESSION_DURATION_MIN


@pytest.mark.parametrize(("left", "lasts"), [(10.0, 10.0), (2000.0, 2000.0), (4000.0, 3600.0)])
async def test_a_session_ends_with_the_credential_that_asked_even_if_little_is_left(
    left: float, lasts: float, control: Control
) -> None:
    now = control.clock.now()
    issued = await control.sessions.issue(replace(ALICE, expires_at=now + left), duration=3600.0)
    assert issued.session.expires_at == now + lasts


async def test_neither_a_session_nor_a_narrowed_key_may_ask_for_one(control: Control) -> None:
    for parent, reason in (
        (replace(ALICE, is_session=True), "a session cannot"),
        (replace(ALICE, is_narrowed=True), "a policy of its own cannot"),
        (replace(ALICE, is_narrowed=True, is_session=True), "a session cannot"),
    ):
        with pytest.raises(ForbiddenError, match=reason):
            await control.sessions.issue(parent)


async def test_managed_policies_are_named_ignoring_case_and_kept_by_id(control: Control) -> None:
    ids = [(await control.policies.create(name, ALLOW_ALL)).value.id for name in ("One", "Two")]
    issued = await control.sessions.issue(ALICE, policy_names=["two", "one", "TWO"])
    assert issued.session.policy_ids == (ids[1], ids[0])
    with pytest.raises(NotFoundError, match="`three`"):
        await control.sessions.issue(ALICE, policy_names=["one", "three"])


async def test_a_session_has_a_bounded_number_of_managed_policies(control: Control) -> None:
    names = [f"p{number}" for number in range(SESSION_POLICIES + 1)]
    for name in names:
        await control.policies.create(name, ALLOW_ALL)
    issued = await control.sessions.issue(ALICE, policy_names=names[:-1])
    assert len(issued.session.policy_ids) == SESSION_POLICIES
    for many in (names, names * 1000):
        with pytest.raises(InvalidError, match="at most 10 managed policies"):
            await control.sessions.issue(ALICE, policy_names=many)


async def test_a_session_policy_has_at_most_2048_bytes_and_must_parse(control: Control) -> None:
    longest = ALLOW_ALL + " " * (SESSION_POLICY.byte_limit - len(ALLOW_ALL))
    issued = await control.sessions.issue(ALICE, policy=longest)
    assert issued.session.policies == (longest,)
    for wrong in (longest + " ", " ", "{}"):
        with pytest.raises(ParseError):
            await control.sessions.issue(ALICE, policy=wrong)


@pytest.mark.parametrize("name", ["ab", "x" * 64, "jo+hn=a,b.c@d-e_1"])
async def test_a_session_may_have_a_name_as_in_aws(name: str, control: Control) -> None:
    assert (await control.sessions.issue(ALICE, name=name)).session.name == name


@pytest.mark.parametrize("name", ["a", "x" * 65, "a b", "a/b", "a:b", "caf\u00e9", "ab\n", "a\0b"])
async def test_a_name_that_aws_would_refuse_is_refused(name: str, control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.sessions.issue(ALICE, name=name)
    assert refused.value.field == "name"


async def test_all_sessions_of_a_user_are_ended_that_replicas_behind_may_still_issue(
    control: Control,
) -> None:
    user = (await control.users.create("Alice", tags={"a": "b"})).value
    assert user.sessions_void_before == 0.0
    control.clock.advance(10.0)
    revoked = await control.sessions.revoke_user("alice")
    assert revoked.value == replace(
        user, sessions_void_before=control.clock.now() + REVOCATION_REACH
    )
    assert await control.users.get("alice") == revoked.value
    again = await control.sessions.revoke_user("alice")
    assert again == revoked
    with pytest.raises(NotFoundError):
        await control.sessions.revoke_user("bob")


async def test_no_session_is_issued_where_memory_is_too_old_to_say_who_asks(
    control: Control,
) -> None:
    control.oldest = ISSUING_AGE
    await control.sessions.issue(ALICE)
    control.oldest += 0.1
    with pytest.raises(UnavailableError):
        await control.sessions.issue(ALICE)
    role = AssumedRole(id="AROA", max_session_duration=3600)
    with pytest.raises(UnavailableError):
        await control.sessions.assume(role, ALICE, name="s1")


def test_a_revocation_reaches_what_a_replica_behind_issues() -> None:
    assert ISSUING_AGE < REVOCATION_REACH


async def test_disabling_a_user_ends_its_sessions_for_good(control: Control) -> None:
    await control.users.create("alice")
    disabled = (await control.users.update("alice", status=Status.DISABLED)).value
    assert disabled.sessions_void_before == control.clock.now() + REVOCATION_REACH
    control.clock.advance(60.0)
    again = (await control.users.update("alice", status=Status.DISABLED, tags={"a": "b"})).value
    enabled = (await control.users.update("alice", status=Status.ENABLED)).value
    for user in (again, enabled):
        assert user.sessions_void_before == disabled.sessions_void_before


async def test_a_clock_that_went_back_revives_no_session(control: Control) -> None:
    await control.users.create("alice")
    before = (await control.sessions.revoke_user("alice")).value
    control.clock.advance(-100.0)
    assert (await control.sessions.revoke_user("alice")).value == before


async def test_what_else_changes_a_user_revives_no_session(control: Control) -> None:
    await control.users.create("alice")
    revoked = (await control.sessions.revoke_user("alice")).value
    renamed = (await control.users.update("alice", new_name="bob", tags={"a": "b"})).value
    assert renamed.sessions_void_before == revoked.sessions_void_before
    assert await control.users.get("bob") == renamed


async def test_a_revoked_session_is_remembered_as_long_as_any_may_last(
    control: Control, source: SqlSource
) -> None:
    issued = await control.sessions.issue(ALICE, duration=MAX_DURATION)
    key_id = issued.session.access_key_id
    revoked = (await control.sessions.revoke(key_id)).value
    ends = control.clock.now() + SESSION_DURATION_CEILING
    assert revoked == RevokedSession(access_key_id=key_id, expires_at=ends)
    assert (await source.load_policies()).value.revoked == [revoked]


async def test_revoking_a_session_again_changes_nothing(control: Control) -> None:
    key_id = (await control.sessions.issue(ALICE)).session.access_key_id
    revoked = await control.sessions.revoke(key_id)
    control.clock.advance(10.0)
    assert await control.sessions.revoke(key_id) == revoked


@pytest.mark.parametrize(
    "key_id", ["", "AS", "AKIAAAAAAAAAAAAAAAAA", "asiaaaaaaaaa", "ASIA\0", "x" * 999]
)
async def test_what_is_no_sessions_id_is_not_revoked(key_id: str, control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.sessions.revoke(key_id)
    assert refused.value.field == "access_key_id"


async def test_sessions_whose_time_is_over_are_forgotten_a_few_at_a_time(
    control: Control,
    source: SqlSource,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = control.clock.now()
    await control.users.create("alice")

    async def fill(connection) -> None:
        await connection.execute(
            insert(revoked_sessions),
            [{"access_key_id": f"ASIA{n}", "expires_at": now - 3 + n} for n in range(5)],
        )

    async def remembered() -> set[str]:
        return {each.access_key_id for each in (await source.load_policies()).value.revoked}

    monkeypatch.setattr(rows, "REMOVED_AT_ONCE", 2)
    await database.write(fill)
    await control.sessions.revoke("ASIANEW")
    assert await remembered() == {"ASIA2", "ASIA3", "ASIA4", "ASIANEW"}
    revision = await source.revision()
    with pytest.raises(NotFoundError):
        await control.sessions.revoke_user("bob")
    await control.sessions.revoke("ASIANEW")
    assert await remembered() == {"ASIA4", "ASIANEW"}
    assert await source.revision() == revision


async def test_a_bounded_number_of_sessions_is_revoked_one_by_one(
    control: Control, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "REVOKED_SESSIONS", 2)
    for key_id in ("ASIAONE", "ASIATWO"):
        await control.sessions.revoke(key_id)
    await control.sessions.revoke("ASIAONE")
    with pytest.raises(ConflictError, match="revoke all of the user's"):
        await control.sessions.revoke("ASIATHREE")
    control.clock.advance(SESSION_DURATION_CEILING)
    await control.sessions.revoke("ASIATHREE")
    counted = await database.ask(
        lambda connection: connection.scalar(select(func.count()).select_from(revoked_sessions))
    )
    assert counted == 1
