"""Which of many texts does a text begin with: found by one search, told by trying them all."""

from hypothesis import given
from hypothesis import strategies as st

from authz.policy.prefixes import Prefixes
from tests.properties.policies import deterministic

texts = st.text("ab/\0", max_size=5)


@deterministic
@given(st.lists(texts, max_size=12), texts)
def test_the_longest_is_found_and_its_parents_are_the_others(listed, asked):
    prefixes = Prefixes(listed)
    place = prefixes.find(asked)
    found = [prefixes.texts[place]]
    while place:
        place = prefixes.parents[place]
        found.append(prefixes.texts[place])
    begins = {text for text in ("", *listed) if asked.startswith(text)}
    assert found == sorted(begins, key=len, reverse=True)


@deterministic
@given(st.lists(texts, max_size=12), texts)
def test_the_range_is_of_those_that_go_on(listed, start):
    prefixes = Prefixes(listed)
    found = [prefixes.texts[place] for place in prefixes.find_range(start)]
    assert found == sorted({one for one in listed if one.startswith(start) and one != start})
