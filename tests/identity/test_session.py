import zlib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidError, UnauthenticatedError
from authz.identity.sealing import KeyRing
from authz.identity.session import (
    CONTENT_LIMIT,
    SALT_SIZE,
    TOKEN_LIMIT,
    Session,
    SessionKeys,
    make_session_key_id,
)

RING = KeyRing({"one": b"1" * 32})
KEYS = SessionKeys(RING)
SALT = bytes(range(SALT_SIZE))
DOCUMENT = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
)
SESSION = Session(
    access_key_id="ASIAXXXXXXXXXXXXXXXX",
    parent_id="AROAXXXXXXXXXXXXXXXXX",
    issuer_id="AIDAXXXXXXXXXXXXXXXXX",
    issued_at=1_700_000_000,
    expires_at=1_700_003_600,
    name="nightly",
    policies=(DOCUMENT,),
    policy_ids=("ANPAXXXXXXXXXXXXXXXXX",),
    facts={"aws:principaltag/Team": ("red", "blau"), "jwt:sub": ("jörg",)},
    transitive=("Team",),
    provider="AIDPXXXXXXXXXXXXXXXXX",
    granted=("ANPAYYYYYYYYYYYYYYYYY",),
    is_chained=True,
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)


@st.composite
def sessions(draw):
    return Session(
        access_key_id=draw(TEXTS),
        parent_id=draw(TEXTS),
        issuer_id=draw(TEXTS),
        issued_at=draw(st.integers(0, 2**40)),
        expires_at=draw(st.integers(0, 2**40)),
        name=draw(TEXTS),
        policies=tuple(draw(st.lists(TEXTS, max_size=2))),
        provider=draw(TEXTS),
        granted=tuple(draw(st.lists(TEXTS, max_size=2))),
        facts=draw(st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3).map(tuple), max_size=3)),
        is_chained=draw(st.booleans()),
    )


def refused(token: str, keys: SessionKeys = KEYS) -> None:
    with pytest.raises(UnauthenticatedError) as error:
        keys.open(token)
    assert (error.value.code, error.value.message) == (
        "InvalidToken",
        "the security token is not valid",
    )


def test_every_member_comes_back_with_the_same_secret():
    assert all(getattr(SESSION, member.name) for member in fields(Session))
    token, secret = KEYS.seal(SESSION, SALT)
    assert KEYS.open(token) == (SESSION, secret)


@given(sessions(), st.binary(min_size=SALT_SIZE, max_size=SALT_SIZE))
def test_whatever_a_session_says_comes_back(session, salt):
    complete = replace(
        session, access_key_id="A", parent_id="p", issuer_id="i", issued_at=1, expires_at=2
    )
    for one in (complete, replace(complete, facts=session.facts, name=session.name)):
        assert KEYS.open(KEYS.seal(one, salt)[0])[0] == one


def test_a_token_is_text_that_travels_in_a_header_and_shows_nothing():
    token, secret = KEYS.seal(SESSION, SALT)
    assert token.isascii()
    assert set(token).isdisjoint("+/= \r\n")
    assert SESSION.parent_id not in token
    assert len(secret.reveal()) == 40
    assert secret.reveal() not in repr((KEYS, secret))


def test_a_change_anywhere_in_a_token_is_refused():
    token, _ = KEYS.seal(SESSION, SALT)
    for place, character in enumerate(token):
        refused(token[:place] + ("A" if character != "A" else "B") + token[place + 1 :])


@pytest.mark.parametrize("cut", [0, 1, 2, 5, 20, 30, -1, -2])
def test_a_part_of_a_token_is_refused(cut):
    refused(KEYS.seal(SESSION, SALT)[0][:cut])


@pytest.mark.parametrize("change", ["{}=", "{}==", " {}", "{}\n", "{}AAAA", "{}.", "\u212a{}"])
def test_a_token_has_one_spelling(change):
    refused(change.format(KEYS.seal(SESSION, SALT)[0]))


@given(st.text(max_size=80))
def test_other_text_is_refused(text):
    refused(text)


def test_a_token_of_another_ring_is_refused_even_if_its_key_has_the_same_name():
    refused(KEYS.seal(SESSION, SALT)[0], SessionKeys(KeyRing({"one": b"2" * 32})))
    refused(KEYS.seal(SESSION, SALT)[0], SessionKeys(KeyRing({"two": b"1" * 32})))


def test_a_new_primary_key_ends_no_session():
    token, secret = KEYS.seal(SESSION, SALT)
    rotated = SessionKeys(RING.with_primary("two", b"2" * 32))
    assert rotated.open(token) == (SESSION, secret)
    again, other = rotated.seal(SESSION, SALT)
    assert rotated.open(again) == (SESSION, other)
    assert other != secret
    refused(again)


def test_two_sessions_have_two_secrets_and_the_same_one_has_another_token_each_time():
    other = replace(SESSION, access_key_id="ASIAYYYYYYYYYYYYYYYY")
    assert KEYS.seal(other, SALT)[1] != KEYS.seal(SESSION, SALT)[1]
    assert KEYS.seal(SESSION, SALT)[0] != KEYS.seal(SESSION, SALT[::-1])[0]


def test_what_does_not_fit_is_refused_when_it_is_issued():
    noise = "".join(chr(0x100 + (n * 7919) % 40_000) for n in range(TOKEN_LIMIT))
    with pytest.raises(InvalidError, match="6144 are the most"):
        KEYS.seal(replace(SESSION, policies=(noise,)), SALT)
    with pytest.raises(InvalidError, match=f"at most {CONTENT_LIMIT} bytes"):
        KEYS.seal(replace(SESSION, policies=("a" * CONTENT_LIMIT,)), SALT)


def test_a_token_is_inflated_to_a_bound(monkeypatch):
    monkeypatch.setattr("authz.identity.session._render", lambda _: b" " * 1_000_000 + b"{}")
    refused(KEYS.seal(SESSION, SALT)[0])


def test_content_of_another_version_is_refused(monkeypatch):
    for content in (b"[]", b"null", b'{"k": "A"}', b'{"zz": 1}', b"\xff"):
        monkeypatch.setattr("authz.identity.session._render", lambda _, content=content: content)
        refused(KEYS.seal(SESSION, SALT)[0])
    monkeypatch.setattr("authz.identity.session._render", lambda _: b"{}")
    monkeypatch.setattr(zlib, "compress", lambda content: content)
    refused(KEYS.seal(SESSION, SALT)[0])


def test_key_ids_of_sessions_look_like_amazons():
    assert make_session_key_id(bytes(range(16))) == "ASIAABCDEFGHIJKLMNOP"
    with pytest.raises(ValueError, match="16 random bytes"):
        make_session_key_id(b"")
