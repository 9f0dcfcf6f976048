"""Sessions of roles: how long they last, what passes on from one to the next, and what cannot be changed."""

from dataclasses import replace
from hashlib import sha512

import pytest

from authz.control.limits import CHAINED_SESSION_MAX, TAGS_LIMIT
from authz.control.sessions import AssumedRole, Parent, Sessions, SessionTags
from authz.errors import InvalidError, ParseError
from authz.identity.session import SessionKeys
from tests.store.fixtures import Control

ROLE = AssumedRole(id="AROAROLE", max_session_duration=7200.0)
ALICE = Parent(principal_id="AIDAALICE", expires_at=None, is_narrowed=False, is_session=False)
TEAM = "aws:principaltag/team"


def chained(control: Control, **more: object) -> Parent:
    """Return a session of a role that asks for another one's."""
    fields = {"is_session": True, "is_role": True, "expires_at": control.clock.now() + 3600.0}
    return replace(ALICE, principal_id="AROAOTHER", **{**fields, **more})


async def test_a_session_of_a_role_is_the_roles_and_tells_who_asked(control: Control) -> None:
    session = (await control.sessions.assume(ROLE, ALICE, name="s1")).session
    assert (session.parent_id, session.issuer_id, session.name) == ("AROAROLE", "AIDAALICE", "s1")
    assert session.expires_at == control.clock.now() + 3600.0
    assert not session.is_chained


async def test_it_lasts_as_long_as_the_role_allows(control: Control) -> None:
    made = await control.sessions.assume(ROLE, ALICE, name="s1", duration=7200.0)
    assert made.session.expires_at == control.clock.now() + 7200.0
    for seconds in (7201.0, 899.0, float("nan")):
        with pytest.raises(InvalidError, match="900 to 7200 seconds"):
            await control.sessions.assume(ROLE, ALICE, name="s1", duration=seconds)


async def test_it_lasts_no_longer_than_the_site_allows(control: Control) -> None:
    keys = SessionKeys(control.ring)
    short = Sessions(
        control.store, control.clock, keys, lambda _: None, lambda _: None, max_duration=1800.0
    )
    assert (await short.assume(ROLE, ALICE, name="s1")).session.expires_at == (
        control.clock.now() + 1800.0
    )
    with pytest.raises(InvalidError, match="900 to 1800 seconds"):
        await short.assume(ROLE, ALICE, name="s1", duration=3600.0)


async def test_a_chain_of_roles_has_an_hour_and_never_more_than_its_first_link(
    control: Control,
) -> None:
    link = chained(control, expires_at=control.clock.now() + 7200.0)
    with pytest.raises(InvalidError, match="900 to 3600 seconds"):
        await control.sessions.assume(ROLE, link, name="s2", duration=CHAINED_SESSION_MAX + 1)
    ends = [control.clock.now() + 2000.0]
    for _ in range(5):
        link = chained(control, expires_at=ends[-1])
        made = await control.sessions.assume(ROLE, link, name="s2", duration=CHAINED_SESSION_MAX)
        assert made.session.is_chained
        ends.append(made.session.expires_at)
        control.clock.advance(300.0)
    assert set(ends) == {ends[0]}


async def test_an_access_key_that_ends_ends_its_sessions_of_roles(control: Control) -> None:
    ends = control.clock.now() + 1000.0
    made = await control.sessions.assume(ROLE, replace(ALICE, expires_at=ends), name="s1")
    assert made.session.expires_at == ends


async def test_narrowed_keys_and_sessions_may_ask_when_it_was_decided_so(control: Control) -> None:
    for caller in (replace(ALICE, is_narrowed=True), replace(ALICE, is_session=True)):
        assert (await control.sessions.assume(ROLE, caller, name="s1")).session.policies == ()


async def test_tags_and_a_source_identity_become_facts(control: Control) -> None:
    tags = SessionTags(tags={"team": "red"}, transitive=("team",), source_identity="alice")
    session = (await control.sessions.assume(ROLE, ALICE, name="s1", tags=tags)).session
    assert session.facts == {TEAM: ("red",), "aws:sourceidentity": ("alice",)}
    assert session.transitive == ("team",)


async def test_what_passes_on_stays(control: Control) -> None:
    link = chained(control, tags={"team": "red"}, source_identity="alice")
    more = SessionTags(tags={"cost": "1"}, transitive=("cost",), source_identity="alice")
    session = (await control.sessions.assume(ROLE, link, name="s2", tags=more)).session
    assert session.facts[TEAM] == ("red",)
    assert session.facts["aws:sourceidentity"] == ("alice",)
    assert session.transitive == ("team", "cost")
    plain = (await control.sessions.assume(ROLE, link, name="s2")).session
    assert plain.facts == {TEAM: ("red",), "aws:sourceidentity": ("alice",)}


@pytest.mark.parametrize(
    "tags",
    [
        SessionTags(tags={"team": "blue"}),
        SessionTags(tags={"TEAM": "red"}),
        SessionTags(tags={"cost": "1"}, transitive=("team", "other")),
        SessionTags(source_identity="bob"),
    ],
)
async def test_what_passes_on_cannot_be_changed(tags: SessionTags, control: Control) -> None:
    link = chained(control, tags={"team": "red"}, source_identity="alice")
    with pytest.raises(InvalidError):
        await control.sessions.assume(ROLE, link, name="s2", tags=tags)


@pytest.mark.parametrize(
    "tags",
    [
        SessionTags(tags={f"t{n}": "x" for n in range(TAGS_LIMIT + 1)}),
        SessionTags(tags={"aws:username": "root"}),
        SessionTags(tags={"AWS:x": "root"}),
        SessionTags(tags={"a": "x", "A": "y"}),
        SessionTags(tags={"": "x"}),
        SessionTags(tags={"k" * 129: "x"}),
        SessionTags(tags={"k": "v" * 257}),
        SessionTags(tags={"k": "\0"}),
        SessionTags(transitive=("team",)),
        SessionTags(source_identity="x"),
        SessionTags(source_identity="a b"),
        SessionTags(source_identity="aws:root"),
    ],
)
async def test_tags_that_aws_would_refuse_are_refused(tags: SessionTags, control: Control) -> None:
    with pytest.raises(InvalidError):
        await control.sessions.assume(ROLE, ALICE, name="s1", tags=tags)


@pytest.mark.parametrize("name", ["", "x", "a/b", "a:b", "x" * 65, "s1\n"])
async def test_a_session_of_a_role_has_a_name_as_aws_allows(name: str, control: Control) -> None:
    with pytest.raises(InvalidError):
        await control.sessions.assume(ROLE, ALICE, name=name)


async def test_tags_that_make_too_long_a_token_are_refused(control: Control) -> None:
    tags = {
        f"t{n}": sha512(bytes([n])).hexdigest() + sha512(bytes([n, n])).hexdigest()
        for n in range(TAGS_LIMIT)
    }
    with pytest.raises(InvalidError, match="token"):
        await control.sessions.assume(ROLE, ALICE, name="s1", tags=SessionTags(tags=tags))


async def test_a_policy_that_means_nothing_is_refused(control: Control) -> None:
    with pytest.raises(ParseError):
        await control.sessions.assume(ROLE, ALICE, name="s1", policy="{")


async def test_what_a_login_said_goes_along_and_its_tags_only_where_they_pass_on(
    control: Control,
) -> None:
    said = {"jwt:sub": ("ann",), TEAM: ("blue",), "aws:principaltag/cost": ("1",)}
    caller = replace(ALICE, is_session=True, provider="AIDPCORP", granted=("ANPA1",), facts=said)
    session = (await control.sessions.assume(ROLE, caller, name="s1")).session
    assert (session.provider, session.granted) == ("AIDPCORP", ())
    assert session.facts == {"jwt:sub": ("ann",)}
    passing = replace(caller, tags={"team": "blue"})
    session = (await control.sessions.assume(ROLE, passing, name="s1")).session
    assert session.facts == {"jwt:sub": ("ann",), TEAM: ("blue",)}
    assert session.transitive == ("team",)


async def test_a_session_of_ones_own_keeps_what_the_login_said(control: Control) -> None:
    said = {"jwt:sub": ("ann",), TEAM: ("blue",)}
    parent = replace(ALICE, provider="AIDPCORP", granted=("ANPA1",), facts=said)
    session = (await control.sessions.issue(parent)).session
    assert (session.provider, session.granted, session.facts) == ("AIDPCORP", ("ANPA1",), said)
