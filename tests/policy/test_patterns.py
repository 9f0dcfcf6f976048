"""Wildcards: what matches, part by part, for whole resources and for everything below a prefix."""

import pytest

from authz.policy import patterns
from authz.policy.patterns.automaton import Automaton
from tests.policy.builders import a_context

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
]


@pytest.mark.parametrize(("pattern", "text", "matches"), GLOBS)
def test_a_glob_matches_exactly_what_it_says(pattern, text, matches):
    assert patterns.compile_glob((pattern,))(text, CONTEXT) is matches


@pytest.mark.parametrize(("pattern", "text", "matches"), GLOBS)
def test_the_automaton_matches_exactly_what_a_glob_says(pattern, text, matches):
    symbols = {"*": patterns.Wildcard.RUN, "?": patterns.Wildcard.ONE}
    assert Automaton([symbols.get(c, c) for c in pattern]).accepts(text) is matches


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


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", HOSTILE.values(), ids=HOSTILE)
def test_hostile_patterns_finish_and_agree_with_the_automaton(pattern):
    match = patterns.compile_glob((pattern,))
    symbols = {"*": patterns.Wildcard.RUN, "?": patterns.Wildcard.ONE}
    automaton = Automaton([symbols.get(c, c) for c in pattern])
    for text in TEXTS:
        assert match(text, CONTEXT) is automaton.accepts(text)
