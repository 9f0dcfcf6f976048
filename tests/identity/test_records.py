import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidError
from authz.identity.credential import check_known_name, check_name
from authz.identity.records import external_name, fold_name, key_of_name


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"]), max_size=20))
def test_folding_is_stable_and_ignores_normal_form(name: str) -> None:
    folded = fold_name(name)
    assert fold_name(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)
    assert fold_name(unicodedata.normalize("NFD", name)) == folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ALICE", "alice"),
        ("STRASSE", "stra\u00dfe"),
        ("\u00c9", "e\u0301"),
        ("\u03a3", "\u03c2"),
        ("\u212a", "k"),
    ],
)
def test_names_that_differ_in_case_or_form_fold_to_one_key(one: str, other: str) -> None:
    assert fold_name(one) == fold_name(other)


@pytest.mark.parametrize(("one", "other"), [("i", "\u0131"), ("e", "\u00e9"), ("a", "\u0430")])
def test_names_of_other_letters_fold_to_other_keys(one: str, other: str) -> None:
    assert fold_name(one) != fold_name(other)


# --- names of whom a provider vouches for ---

ANY_NAME = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"]), max_size=12)
NEAR_THE_SIGN = st.text(alphabet="=\u2260\u0338\uff1d\ufe66\u2a74\ua78aaA\u212ak", max_size=6)
NAMES = st.one_of(ANY_NAME, NEAR_THE_SIGN)
PROVIDERS = st.sampled_from(["k", "a", "corp", "corp2", "corp.x", "corp-", "a_b", "0"])


def is_own(name: str) -> bool:
    try:
        check_name(name)
    except InvalidError:
        return False
    return True


def is_known(name: str) -> bool:
    try:
        check_known_name(name)
    except InvalidError:
        return False
    return True


@given(PROVIDERS, NAMES, PROVIDERS, NAMES)
def test_two_external_names_are_one_only_when_both_parts_are(
    provider: str, name: str, other_provider: str, other: str
) -> None:
    one, two = external_name(provider, name), external_name(other_provider, other)
    is_one = (provider, name) == (other_provider, other)
    assert (key_of_name(one) == key_of_name(two)) is is_one


@given(PROVIDERS, NAMES, NAMES)
def test_no_name_of_our_own_is_compared_as_an_external_one(
    provider: str, name: str, own: str
) -> None:
    external = external_name(provider, name)
    assert not is_own(external)
    for text in (own, f"{provider}{own}", f"{provider}\u2260{name}", f"{provider}\uff1d{name}"):
        if is_own(text):
            assert "=" not in key_of_name(text)
            assert key_of_name(text) == fold_name(text)
            assert key_of_name(text) != key_of_name(external)


@given(NAMES, NAMES)
def test_who_is_looked_up_by_an_external_name_has_exactly_that_name(one: str, two: str) -> None:
    """Whatever passes as a name of somebody known and holds the sign is its own key."""
    for text in (one, f"{one}={two}", f"k={two}"):
        if "=" in text and is_known(text):
            assert key_of_name(text) == text
            assert not is_own(text)


@given(PROVIDERS, NAMES)
def test_keys_of_names_are_stable(provider: str, name: str) -> None:
    for text in (name, external_name(provider, name)):
        assert key_of_name(key_of_name(text)) == key_of_name(text)
