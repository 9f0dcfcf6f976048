import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import ConflictError, NotFoundError, ParseError
from authz.identity.sealing import (
    KEY_SIZE,
    NONCE_SIZE,
    RING_LIMIT,
    KeyRing,
    UnsealError,
    parse_key_ring,
)

KEY, OTHER_KEY = bytes(range(KEY_SIZE)), bytes(KEY_SIZE)
NONCE = b"n" * NONCE_SIZE
RING = KeyRing({"k1": KEY})


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_what_was_sealed_opens_again(plaintext: bytes, associated: bytes) -> None:
    assert RING.unseal(RING.seal(plaintext, associated, NONCE), associated) == plaintext


def test_the_format_is_the_documented_one() -> None:
    sealed = RING.seal(b"secret", b"AKIA", NONCE)
    assert sealed[:4] == b"\x01\x02k1"
    assert sealed[4 : 4 + NONCE_SIZE] == NONCE
    assert len(sealed) == 4 + NONCE_SIZE + len(b"secret") + 16


def test_a_sealed_value_moved_to_another_row_does_not_open() -> None:
    with pytest.raises(UnsealError):
        RING.unseal(RING.seal(b"secret", b"AKIA1", NONCE), b"AKIA2")


def test_no_changed_byte_goes_unnoticed() -> None:
    sealed = RING.seal(b"secret", b"AKIA", NONCE)
    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(UnsealError):
            RING.unseal(changed, b"AKIA")


@given(st.binary(max_size=60))
def test_garbage_does_not_open(garbage: bytes) -> None:
    with pytest.raises(UnsealError):
        RING.unseal(garbage, b"")


def test_no_shortened_value_opens() -> None:
    sealed = RING.seal(b"", b"", NONCE)
    for length in range(len(sealed)):
        with pytest.raises(UnsealError):
            RING.unseal(sealed[:length], b"")


def test_the_same_key_under_another_id_does_not_open_it() -> None:
    sealed = RING.seal(b"secret", b"", NONCE)
    renamed = sealed.replace(b"k1", b"k2", 1)
    with pytest.raises(UnsealError):
        KeyRing({"k1": KEY, "k2": KEY}).unseal(renamed, b"")


def test_after_a_rotation_old_values_open_and_new_ones_use_the_new_key() -> None:
    old = RING.seal(b"secret", b"", NONCE)
    rotated = RING.with_primary("k2", OTHER_KEY)
    assert rotated.unseal(old, b"") == b"secret"
    assert not rotated.is_current(old)
    new = rotated.seal(b"secret", b"", NONCE)
    assert rotated.is_current(new)
    with pytest.raises(UnsealError):
        RING.unseal(new, b"")


def test_a_rendered_ring_parses_to_the_same_keys_with_the_primary_first() -> None:
    ring = KeyRing({"new": OTHER_KEY, "old": KEY})
    read = parse_key_ring(ring.render())
    assert read.primary == "new"
    assert read.render() == ring.render()
    assert read.unseal(ring.seal(b"secret", b"", NONCE), b"") == b"secret"


def test_a_ring_does_not_show_its_keys() -> None:
    shown = repr(RING) + str(RING)
    assert "k1" in shown
    assert base64.b64encode(KEY).decode() not in shown
    assert repr(KEY) not in shown


def entry(key_id: object = "k", key: object = base64.b64encode(KEY).decode()) -> dict[str, object]:
    return {"id": key_id, "key": key}


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"version": 2, "keys": [entry()]},
        {"version": 1, "keys": []},
        {"version": 1, "keys": {}},
        {"version": 1, "keys": ["x"]},
        {"version": 1, "keys": [entry(), entry()]},
        {"version": 1, "keys": [entry(key_id="")]},
        {"version": 1, "keys": [entry(key_id="a/b")]},
        {"version": 1, "keys": [entry(key_id="x" * 65)]},
        {"version": 1, "keys": [entry(key_id=1)]},
        {"version": 1, "keys": [entry(key="c2hvcnQ=")]},
        {"version": 1, "keys": [entry(key="no base64!")]},
        {"version": 1, "keys": [entry(key="\u00e9")]},
        {"version": 1, "keys": [entry() | {"extra": 1}]},
        {"version": 1, "keys": [entry(key_id=f"k{n}") for n in range(RING_LIMIT + 1)]},
    ],
)
def test_a_ring_file_that_does_not_say_what_it_should_is_refused(document: object) -> None:
    with pytest.raises(ParseError):
        parse_key_ring(json.dumps(document))


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ufeff{}"])
def test_a_ring_file_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_key_ring(text)


def test_a_refused_ring_file_repeats_no_key() -> None:
    key = base64.b64encode(b"0123456789").decode()
    with pytest.raises(ParseError) as refused:
        parse_key_ring(json.dumps({"version": 1, "keys": [entry(key=key)]}))
    assert key not in refused.value.message
    assert "0123" not in refused.value.message


def test_a_nonce_of_another_size_is_a_bug_of_the_caller() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        RING.seal(b"", b"", b"short")


def test_a_standby_key_opens_and_does_not_seal() -> None:
    ring = RING.with_standby("k2", OTHER_KEY)
    assert ring.ids == ("k1", "k2")
    assert ring.seal(b"x", b"", NONCE) == RING.seal(b"x", b"", NONCE)
    active = ring.activated("k2")
    assert active.ids == ("k2", "k1")
    assert ring.unseal(active.seal(b"x", b"", NONCE), b"") == b"x"
    assert active.seal(b"x", b"", NONCE).startswith(active.header("k2"))


def test_a_key_that_is_pruned_opens_nothing_more() -> None:
    ring = RING.with_primary("k2", OTHER_KEY).without("k1")
    assert ring.ids == ("k2",)
    with pytest.raises(UnsealError):
        ring.unseal(RING.seal(b"x", b"", NONCE), b"")


def test_no_change_of_a_ring_loses_or_mistakes_a_key() -> None:
    with pytest.raises(ConflictError):
        RING.with_primary("k1", OTHER_KEY)
    with pytest.raises(ConflictError):
        RING.with_standby("k1", OTHER_KEY)
    with pytest.raises(ConflictError):
        RING.without("k1")
    for change in (RING.activated, RING.without, RING.header):
        with pytest.raises(NotFoundError):
            change("k9")
    full = KeyRing({f"k{n}": KEY for n in range(RING_LIMIT)})
    with pytest.raises(ParseError):
        full.with_standby("more", KEY)
