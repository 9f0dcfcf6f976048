import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.identity.records import fold_name


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
