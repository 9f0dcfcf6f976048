"""Wildcards: what matches, part by part, for whole resources and for everything below a prefix."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.policy import patterns
from authz.policy.patterns.globs import SHORT_TEXT
from authz.policy.patterns.occurrences import LONG_LITERAL
from authz.policy.variables import Variable
from tests.policy.builders import a_context

deterministic = settings(derandomize=True, deadline=None)

CONTEXT = a_context()

GLOBS = [
    # pattern, text, matches
    ("", "", True),
    ("", "a", False),
    ("a", "a", True),
    ("a", "A", False),
    ("a", "ab", False),
    ("*", "", True),
    ("*", "a/b:c\nd", True),
    ("**", "", True),
    ("a*", "a", True),
    ("a*", "ba", False),
    ("*a", "ba", True),
    ("*a", "ab", False),
    ("a*a", "a", False),
    ("a*a", "aa", True),
    ("ab*ba", "aba", False),
    ("ab*ba", "abba", True),
    ("a*b*c", "a-b-b-c", True),
    ("a*b*c", "ac", False),
    ("a*b*bc", "abc", False),
    ("a*b*bc", "axxbc", False),
    ("a*bb*b", "abbb", True),
    ("a*bb*b", "abb", False),
    # What stands before, between and after the runs must be there, in order, and each for itself.
    ("a*c", "abc", True),
    ("a*c", "xc", False),
    ("a*c", "ax", False),
    ("a*b*c", "abc", True),
    ("a*b*c", "xbc", False),
    ("a*b*c", "abx", False),
    ("a*b*c", "axc", False),
    ("ab*c*ba", "aba", False),
    ("*a*b*", "aba", True),
    ("*a*b*", "ba", False),
    ("*ab*b*", "ab", False),
    ("*ab*b*", "aab", False),
    ("*aa*aa*", "baaa", False),
    ("*ab*b*", "abb", True),
    ("*aa*aa*", "aaa", False),
    ("*aa*aa*", "aaaa", True),
    ("*a*", "abb", True),
    ("*a*", "bab", True),
    ("*a*", "bbb", False),
    ("?", "", False),
    ("?", "é", True),
    ("?", "\n", True),
    ("?", "\U0001f600", True),
    ("?", "ab", False),
    ("a?c", "abc", True),
    ("*?", "", False),
    ("*?", "a", True),
    ("?*", "", False),
    ("?*?", "a", False),
    ("?*?", "ab", True),
    ("*a?c*", "xxabcxx", True),
    ("*a?c*", "xxacxx", False),
    ("a?*b?", "a1bb2", True),
    (".*", "ab", False),
    ("[a]", "a", False),
    ("a\\*", "a\\b", True),
    # Characters whose code points differ from that of `a` in one byte.
    ("*a?c*", "a\U00010061bc", False),
    ("*a?c*", "a\u0161bc", False),
    ("*\U00010061?c*", "abc", False),
    ("*\U00010061?c*", "\U00010061bc", True),
]


@pytest.mark.parametrize(("pattern", "text", "matches"), GLOBS)
def test_a_glob_matches_exactly_what_it_says(pattern, text, matches):
    assert patterns.compile_glob((pattern,))(text, CONTEXT) is matches


@pytest.mark.parametrize(("pattern", "text", "matches"), GLOBS)
def test_a_glob_matches_the_same_in_a_long_text(pattern, text, matches):
    long = "<" * SHORT_TEXT
    assert patterns.compile_glob((long + pattern,))(long + text, CONTEXT) is matches
    assert patterns.compile_glob(("*" + long + pattern,))(">" + long + text, CONTEXT) is matches
    assert patterns.compile_glob((pattern + long,))(text + long, CONTEXT) is matches


@pytest.mark.parametrize(("pattern", "text", "matches"), GLOBS)
@pytest.mark.parametrize("value", ["", "x", "*?", "x" * LONG_LITERAL, "x" * SHORT_TEXT])
def test_a_glob_matches_the_same_about_a_variable(pattern, text, matches, value):
    context = a_context({"aws:username": (value,)})
    name = Variable(key="aws:username")
    for pieces, asked in (
        ((pattern, name), text + value),
        ((name, pattern), value + text),
        (("*", name, "-", name, pattern), f"{value}-{value}{text}"),
        ((pattern, "-", name, "*"), f"{text}-{value}"),
    ):
        assert patterns.compile_glob(pieces)(asked, context) is matches


def test_text_without_wildcards_takes_them_for_themselves():
    match = patterns.compile_text(("a*?",))
    assert match("a*?", CONTEXT)
    assert not match("abc", CONTEXT)


ARNS = [
    ("*", "anything", True),
    ("*", "arn:aws:s3:::b/k", True),
    ("arn:aws:s3:::b", "arn:aws:s3:::b", True),
    ("arn:aws:s3:::b", "arn:aws:s3:::b/", False),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/l:m", True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::B/k", False),
    ("arn:aws:s3:::b*", "arn:aws:s3:::bb/k", True),
    ("arn:aws:s3:::*", "arn:aws:s3:us-east-1:1:b", False),
    ("arn:aws:s3:*:*:*", "arn:aws:s3:us-east-1:1:b", True),
    ("arn:*:s3:::b", "arn:aws-cn:s3:::b", True),
    ("arn:aws:*:::b", "arn:aws:s3:x::b", False),
    ("arn:aws:*:b", "arn:aws:s3:::b", False),  # four parts: refused at compile time
    ("arn:aws:s?:::b", "arn:aws:s3:::b", True),
    ("arn:aws:iam::*:user/a", "arn:aws:iam::1:2:user/a", False),
    ("arn:aws:s3:::a:*", "arn:aws:s3:::a:b", True),
    ("arn:*:s3:::b/*", "arn:aws:s3:::b/k:l:m", True),
    ("arn:*:s3:::b/*", "arn:aws:s3:::c/k:l:m", False),
    ("arn:*:s3:::*:*", "arn:aws:s3:::b/k:l:m", True),
    ("arn:*:s3:::*:*", "arn:aws:s3:::b/k", False),
    ("arn:aws:s3:::?", "arn:aws:s3:::é", True),
    ("arn:aws:s3:::b", "*", False),
    ("arn:aws:s3:::*", "*", False),
]


@pytest.mark.parametrize(("pattern", "resource", "matches"), ARNS)
def test_an_arn_pattern_matches_part_by_part(pattern, resource, matches):
    if not patterns.is_arn_pattern((pattern,)):
        assert not matches
        return
    assert patterns.compile_arn((pattern,))(resource, CONTEXT) is matches
    assert patterns.compile_arns([(pattern,), ("arn:aws:x:::y",)])(resource, CONTEXT) is matches


@pytest.mark.parametrize(
    "pattern", ["", "b", "b/*", "**", "arn:aws:s3", "arn:aws:s3::", "x:aws:s3:::b", "*:a:b:c:d:e"]
)
def test_what_is_neither_a_star_nor_an_arn_is_no_resource_pattern(pattern):
    assert not patterns.is_arn_pattern((pattern,))


PREFIXES = [
    # pattern, prefix, covers, overlaps
    ("*", "arn:aws:s3:::b/", True, True),
    ("*", "x", True, True),
    ("arn:aws:s3:::*", "x", False, True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/", True, True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k", True, True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False, True),
    ("arn:aws:s3:::b/k*", "arn:aws:s3:::b/", False, True),
    ("arn:aws:s3:::b/*k", "arn:aws:s3:::b/", False, True),
    ("arn:aws:s3:::b/k", "arn:aws:s3:::b/k", False, True),
    ("arn:aws:s3:::b/k", "arn:aws:s3:::b/l", False, False),
    ("arn:aws:s3:::b/k", "arn:aws:s3:::b/kk", False, False),
    ("arn:aws:s3:::c/*", "arn:aws:s3:::b/", False, False),
    ("arn:aws:s3:::b/?*", "arn:aws:s3:::b/", False, True),
    ("arn:aws:s3:::b/*?", "arn:aws:s3:::b/k", True, True),
    ("arn:aws:s3:::?*", "arn:aws:s3:::b/", True, True),
    ("arn:aws:s3:::b/??", "arn:aws:s3:::b/kkk", False, False),
    ("arn:*:s3:::b/*", "arn:aws:s3:::b/", True, True),
    ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k:l:m", True, True),
    ("arn:aws:s3:::b/k:*", "arn:aws:s3:::b/k:l:m", True, True),
    ("arn:aws:s3:::b/k:*", "arn:aws:s3:::b/k", False, True),
    ("arn:aws:sqs:::b/*", "arn:aws:s3:::b/", False, False),
    ("arn:aws:s3:r::*", "arn:aws:s3:::b/", False, False),
]


@pytest.mark.parametrize(("pattern", "prefix", "covers", "overlaps"), PREFIXES)
def test_a_pattern_covers_all_or_overlaps_some_of_what_begins_with_a_prefix(
    pattern, prefix, covers, overlaps
):
    assert patterns.compile_cover((pattern,))(prefix, CONTEXT) is covers
    assert patterns.compile_overlap((pattern,))(prefix, CONTEXT) is overlaps


HOSTILE = {
    "many stars": "*a" * 10_000,
    "many stars and questions": "*a?" * 6_000 + "b",
    "a long segment that nearly matches": "*" + "a" * 4_000 + "b*",
    "a long segment with a question": "*" + "a" * 2_000 + "?" + "a" * 2_000 + "b*",
    "halves": "*" + "a" * 4_000 + "b" + "a" * 4_000 + "*",
    "only questions": "?" * 8_191,
    "short with stars and questions": "*a?a" * 15 + "b",
    "doubled": ("*" + "ab" * 30) * 300,
}
TEXTS = ["a" * 8_192, "ab" * 4_096, "a" * 8_191 + "b", "é" * 8_192]


def live_states(pattern: str, text: str) -> int:
    """Return, as bits, how many symbols of `pattern` may have been matched by all of `text`."""
    literal, ones, runs = {}, 0, 0
    last = 1
    for symbol in pattern:
        if symbol == "*":
            runs |= last
            continue
        last <<= 1
        if symbol == "?":
            ones |= last
        else:
            literal[symbol] = literal.get(symbol, 0) | last
    states = 1
    for character in text:
        states = (states << 1 & (literal.get(character, 0) | ones)) | (states & runs)
    return states


def accepts(pattern: str, text: str) -> bool:
    """Tell whether `pattern` matches, by following all ways at once."""
    return bool(live_states(pattern, text) >> len(pattern.replace("*", "")))


@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
def test_hostile_patterns_finish_and_say_what_following_all_ways_says(pattern):
    match = patterns.compile_glob((pattern,))
    for text in TEXTS:
        assert match(text, CONTEXT) is accepts(pattern, text)


# Characters that differ in one byte of their code points only, and one that no encoding allows.
ALPHABET = "abcɡaᅡ\U00010061\udc61"
symbols = st.lists(st.sampled_from([*ALPHABET, *"**??", "aab", "aba" * LONG_LITERAL]), max_size=12)
values = st.text(ALPHABET + "*?", max_size=3) | st.just("ab" * LONG_LITERAL)


@st.composite
def nearly_matching(draw: st.DrawFn, pattern: list[str]) -> str:
    """Draw a text that often matches `pattern`, or would but for a little."""
    runs, ones = st.text(ALPHABET, max_size=4), st.text(ALPHABET, max_size=1)
    texts = {"*": runs, "?": ones}
    return "".join(draw(texts[one]) if one in texts else one for one in pattern) + draw(ones)


padding = st.sampled_from(["", "a" * SHORT_TEXT, "é" * SHORT_TEXT])


@deterministic
@given(st.data(), symbols, padding)
def test_a_glob_says_what_following_all_ways_says(data, symbols, before):
    pattern = "".join(symbols)
    text = data.draw(nearly_matching(symbols))
    expected = accepts(pattern, text)
    assert patterns.compile_glob((pattern,))(text, CONTEXT) is expected
    assert patterns.compile_glob((f"{before}{pattern}",))(before + text, CONTEXT) is expected
    starred = patterns.compile_glob((f"*{pattern}",))
    assert starred(before + text, CONTEXT) is accepts(f"*{pattern}", before + text)


@deterministic
@given(st.data(), symbols, values, symbols, padding)
def test_a_glob_with_a_variable_says_what_its_text_would(data, first, value, second, before):
    context = a_context({"aws:username": (value,)})
    pieces = ("".join(first), Variable(key="aws:username"), "".join(second))
    marks = value.translate({ord("*"): "\ue000", ord("?"): "\ue001"})
    text = data.draw(nearly_matching([*first, marks, *second]))
    asked = text.replace("\ue000", "*").replace("\ue001", "?")
    expected = accepts(f"*{pieces[0]}{marks}{pieces[2]}", before + text)
    assert patterns.compile_glob(("*", *pieces))(before + asked, context) is expected
    plain = accepts(f"{pieces[0]}{marks}{pieces[2]}", text)
    assert patterns.compile_glob(pieces)(asked, context) is plain


@deterministic
@given(st.data(), symbols, values, symbols)
def test_a_prefix_is_overlapped_if_a_way_is_left_and_covered_if_all_ends_in_a_run(
    data, first, value, second
):
    context = a_context({"aws:username": (value,)})
    pieces = ("arn:aws:s3:::" + "".join(first), Variable(key="aws:username"), "".join(second))
    marks = value.translate({ord("*"): "\ue000", ord("?"): "\ue001"})
    pattern = "".join([*first, marks, *second])
    prefix = data.draw(nearly_matching([*first, marks, *second]))
    prefix = prefix[: data.draw(st.integers(0, len(prefix)))]
    asked = "arn:aws:s3:::" + prefix.replace("\ue000", "*").replace("\ue001", "?")
    overlaps = live_states(pattern, prefix) != 0
    covers = accepts(pattern, prefix) and "*" in pattern[len(pattern.rstrip("*?")) :]
    assert patterns.compile_overlap(pieces)(asked, context) is overlaps
    assert patterns.compile_cover(pieces)(asked, context) is covers
