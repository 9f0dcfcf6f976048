"""What a decision costs, counted in lines of Python run, which are the same on every machine.

A stranger picks action and resource, and the author of one policy must not slow down the decisions of others: work may
grow with what can match, never with what is merely there.
"""

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import authz
from authz.formats.iam_json import parse_policy
from authz.policy.compile import PolicySet, compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import Verdict
from authz.policy.patterns import (
    compile_arn,
    compile_arns,
    compile_cover,
    compile_glob,
    compile_overlap,
)
from authz.policy.patterns.occurrences import TEXTS_KEPT
from authz.policy.variables import Variable
from tests.policy.builders import a_context, a_document, a_policy, a_request, a_statement

OURS = str(Path(authz.__file__).parent)
ALLOWED, DENIED, NOTHING = Verdict.ALLOWED, Verdict.EXPLICITLY_DENIED, Verdict.IMPLICITLY_DENIED
SMALL, LARGE = 300, 3_000
BINARY_SEARCH = 4
"""Steps that a binary search takes more among ten times as many."""


def count_lines(call: Callable[[], Any]) -> int:
    """Run `call` and return how many lines of ours it ran."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(OURS):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


def a_large_set(*statements: dict[str, Any]) -> PolicySet:
    return compile_policy_set(
        a_policy(*statements[start : start + 50], arn=f"arn:{start}")
        for start in range(0, len(statements), 50)
    )


def cost(request: Any, policies: PolicySet, expected: Verdict) -> int:
    """Return the lines of a decision, once what it asks for has been asked before."""
    assert decide(request, policies).verdict is expected
    return count_lines(lambda: decide(request, policies))


# What many statements are about, the resource of the last one, and one of nobody's.
SHAPES = {
    "a bucket each": ("b-{:05}/*", "b-{:05}/k", "c/k"),
    "a name each": ("b/{:05}", "b/{:05}", "b/x"),
    "below one bucket": ("b/f-{:05}*", "b/f-{:05}k", "b/g"),
    "far below": ("b/1/2/3/4/5/6/7/8/9/{:05}/*", "b/1/2/3/4/5/6/7/8/9/{:05}/k", "b/1/2/3/4/5/6/7/8/9/x/k"),
    "a wildcard in the bucket": ("b-{:05}?-*/*", "b-{:05}x-y/k", "b-/k"),
    "after a variable": ("home-${{aws:username}}/{:05}/*", "home-alice/{:05}/k", "home-alice/x/k"),
    "somebody else's": ("home-${{aws:username}}/{:05}/*", "home-alice/{:05}/k", "home-bob/00001/k"),
}  # fmt: skip


@pytest.mark.parametrize(("pattern", "asked", "unlisted"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_a_decision_among_ten_times_as_many_statements_does_the_same(
    pattern, asked, unlisted, effect
):
    lines = []
    for size in (SMALL, LARGE):
        policies = a_large_set(
            *[
                a_statement(effect, Resource=f"arn:aws:s3:::{pattern.format(one)}")
                for one in range(size)
            ]
        )
        found = ALLOWED if effect == "Allow" else DENIED
        facts = {"aws:username": "alice"}
        last = a_request(resource=f"arn:aws:s3:::{asked.format(size - 1)}", facts=facts)
        nobodys = a_request(resource=f"arn:aws:s3:::{unlisted}", facts=facts)
        lines.append((cost(last, policies, found), cost(nobodys, policies, NOTHING)))
    (found_among_few, none_among_few), (found_among_many, none_among_many) = lines
    assert found_among_many <= found_among_few
    assert none_among_many <= none_among_few


def test_a_question_about_a_prefix_among_ten_times_as_many_statements_does_the_same():
    lines = []
    for size in (SMALL, LARGE):
        statements = [a_statement(Resource=f"arn:aws:s3:::b-{one:05}/*") for one in range(size)]
        statements += [
            a_statement("Deny", Resource=f"arn:aws:s3:::d-{one:05}/k") for one in range(size)
        ]
        policies = a_large_set(*statements)
        for resource, expected in (
            ("b-00007/", ALLOWED),
            ("b-00007", NOTHING),
            ("d-00007/", DENIED),
        ):
            request = a_request(resource=f"arn:aws:s3:::{resource}", is_prefix=True)
            lines.append(cost(request, policies, expected))
    among_few, among_many = lines[: len(lines) // 2], lines[len(lines) // 2 :]
    assert all(many <= few + BINARY_SEARCH for few, many in zip(among_few, among_many, strict=True))


def test_an_action_never_asked_about_costs_the_same_among_ten_times_as_many_statements():
    lines = []
    for size in (SMALL, LARGE):
        policies = a_large_set(
            *[
                a_statement(Action=["s3:Get*", f"s3:Made{one:05}*"], Resource=f"arn:aws:s3:::{one:05}/*")
                for one in range(size)
            ]
        )  # fmt: skip
        request = a_request("s3:GetFirst", "arn:aws:s3:::00007/k")
        assert decide(request, policies).verdict is ALLOWED
        request.action = "s3:GetSecond"
        lines.append(count_lines(lambda r=request, p=policies: decide(r, p)))
    assert lines[1] <= lines[0]


def test_all_actions_about_the_same_statements_share_what_is_built_for_one():
    listed = ["s3:GetObject", "s3:PutObject", "s3:List*", "s3:Get*"]
    policies = a_large_set(
        *[a_statement(Action=listed, Resource=f"arn:aws:s3:::{one}/*") for one in range(SMALL)]
    )
    first = policies.index.find("s3:GetObject")
    assert policies.index.find("s3:PutObject") is first
    assert policies.index.find("s3:ListAnything") is first
    assert policies.index.find("S3:GETOBJECT") is first
    assert policies.index.find("s3:DeleteObject") is not first


def test_a_principal_with_a_hundred_policies_costs_what_one_with_ten_does():
    def attached(count: int) -> PolicySet:
        return a_large_set(
            *[
                statement
                for one in range(count)
                for statement in (
                    a_statement(Action="s3:ListBucket", Resource=f"arn:aws:s3:::team-{one:03}"),
                    a_statement(Action=["s3:GetObject", "s3:PutObject"], Resource=f"arn:aws:s3:::team-{one:03}/*"),
                    a_statement("Deny", Action="s3:Delete*", Resource=f"arn:aws:s3:::team-{one:03}/audit/*"),
                )
            ]
        )  # fmt: skip

    asked = a_request(resource="arn:aws:s3:::team-009/k")
    assert cost(asked, attached(100), ALLOWED) <= cost(asked, attached(10), ALLOWED)


def longest_document(element: Callable[[int], dict[str, Any]]) -> str:
    """Return the longest document of such statements that is accepted."""
    statements: list[dict[str, Any]] = []
    while len(text := a_document(*statements, element(len(statements)))) <= 20_480:
        statements.append(element(len(statements)))
        accepted = text
    return accepted


@pytest.mark.parametrize(
    "element",
    [
        lambda number: a_statement(Resource=f"arn:aws:s3:::b{number}/*"),
        lambda number: a_statement(Resource=f"arn:aws:s3:::b/{'*?a' * 20}{number}"),
        lambda number: a_statement(Resource=f"arn:aws:s3:::b/{'${aws:username}/' * 20}{number}"),
        lambda number: a_statement(Condition={"StringLike": {"s3:prefix": [f"{one}*" for one in range(number % 9)] + ["x"]}}),
    ],
    ids=["statements", "wildcards", "variables", "conditions"],
)  # fmt: skip
def test_the_longest_document_compiles_in_proportion_to_its_length(element):
    document = longest_document(element)
    halved = json.loads(document)
    halved["Statement"] = halved["Statement"][::2]
    texts = (json.dumps(halved), document)
    lines = [count_lines(lambda text=text: a_policy(*json.loads(text)["Statement"])) for text in texts]  # fmt: skip
    assert lines[1] <= 2.2 * lines[0]


@pytest.mark.parametrize(
    "pattern",
    ["*a" * 9_000, "?*" * 9_000, "a*" * 9_000 + "b", "*" * 18_000 + "b", "*a?" * 6_000],
    ids=["stars", "questions", "nearly", "runs", "mixed"],
)
def test_the_longest_pattern_is_matched_in_proportion_to_the_text(pattern):
    context = a_context()
    for match, start in (
        (compile_glob((pattern,)), ""),
        (compile_arns([(f"arn:aws:s3:::{pattern}",)]), "arn:aws:s3:::"),
    ):
        lines = [
            count_lines(lambda text=f"{start}{'a' * size}": match(text, context))  # noqa: B023 # run at once
            for size in (4_096, 8_192)
        ]
        assert lines[1] <= 2.1 * lines[0] + 10


def a_list(count: int, pattern: str) -> list[str]:
    return [pattern.format(f"{one:04}") for one in range(count)]


DISTINCT = "".join(map(chr, range(0x4E00, 0x4E00 + 6_600)))
HOSTILE = {
    # patterns of one document, and the character that a text is full of
    "one long segment": (["*" + "a" * 10_000 + "?" + "a" * 10_000 + "b*"], "a"),
    "a question at every other place": (["*" + "a?" * 10_000 + "b*"], "a"),
    "two thousand of ten": (a_list(2_000, "*a?aa{}*"), "a"),
    "two thousand plain ones": (a_list(2_000, "*aaaa{}*"), "a"),
    "hundreds of sixty": (a_list(300, "*a?" + "a" * 56 + "{}*"), "a"),
    "distinct characters": (["*" + DISTINCT + "?x"], "a"),
    "many segments": (["*a?" * 6_000 + "b"], "a"),
}


@pytest.mark.parametrize(("listed", "character"), HOSTILE.values(), ids=HOSTILE)
def test_the_steps_of_hostile_wildcards_grow_with_the_patterns_and_not_with_the_text(
    listed, character
):
    context = a_context()
    characters = sum(map(len, listed))
    for size in (2_048, 8_192, 65_536):
        text = character * size
        for matches in (
            [compile_glob((one,)) for one in listed],
            [compile_arns([(f"arn:aws:s3:::{one}",)]) for one in listed],
        ):
            asked = f"arn:aws:s3:::{text}"
            lines = count_lines(lambda m=matches, t=asked: [one(t, context) for one in m])
            # A line does at most one pass over the text, in C.
            assert lines <= 10 * characters + 60 * len(listed) + 300


def test_a_value_that_stands_in_many_patterns_is_looked_for_once():
    listed = [("*a?", Variable(key="aws:useragent"), f"?{one}*") for one in range(800)]
    matches = [compile_glob(pieces) for pieces in listed]
    for size in (1_024, 8_192):
        context = a_context({"aws:useragent": "a" * (size // 2)})
        lines = count_lines(lambda c=context, t="a" * size: [match(t, c) for match in matches])
        assert lines <= 6 * size + 300 * len(listed)


def test_a_value_that_stands_in_a_pattern_a_thousand_times_is_not_written_a_thousand_times():
    value = Variable(key="aws:useragent")
    context = a_context({"aws:useragent": "a" * 8_192})
    for pieces in ((value,) * 1_000, ("*", *(value,) * 1_000), ("*", *("?", value) * 1_000, "*")):
        match = compile_glob(pieces)
        assert match("a" * 8_192, context) is False
        assert peak_of(lambda m=match: m("a" * 8_192, context)) <= 100_000


def held_by(build: Callable[[], Any]) -> int:
    """Return how many bytes are held by what `build` returns, and by what is remembered of it."""
    gc.collect()
    tracemalloc.start()
    try:
        built = build()
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    del built
    return held


def peak_of(call: Callable[[], Any]) -> int:
    """Return how many bytes `call` had at once at most."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "pattern",
    [
        "*" + DISTINCT + "?x",
        "*" + "?".join(DISTINCT[:3_300]),
        "*" + "a" * 10_000 + "?" + "a" * 10_000,
        "*a?" * 6_600,
        "*ab" * 6_600,
        "?ab" * 6_600,
    ],
    ids=["distinct", "distinct and questions", "long", "segments", "literals", "questions"],
)
def test_a_matcher_holds_little_more_than_its_pattern(pattern):
    size = sys.getsizeof(pattern)
    for build in (compile_glob, compile_arn, compile_cover, compile_overlap):
        pieces = (pattern,) if build is compile_glob else (f"arn:aws:s3:::{pattern}",)
        assert held_by(lambda b=build, p=pieces: b(p)) <= 30 * size


def test_what_is_remembered_of_texts_is_in_proportion_to_them():
    match = compile_glob(("*" + DISTINCT + "?x",))
    texts = [DISTINCT[one:] + "a" * one for one in range(100)]
    held = held_by(lambda: [match(text, a_context()) for text in texts])
    assert held <= TEXTS_KEPT * 120 * len(DISTINCT)


def test_what_is_remembered_of_patterns_filled_in_is_little():
    long = compile_glob(("*", Variable(key="aws:useragent"), DISTINCT + "?x"))
    short = compile_glob(("*", Variable(key="aws:useragent"), "?x"))
    questions = compile_glob((Variable(key="aws:useragent"), "?" * 9_000))
    contexts = [a_context({"aws:useragent": f"{one}-{'u' * 200}"}) for one in range(300)]
    held = held_by(
        lambda: [match("a", one) for one in contexts for match in (long, short, questions)]
    )
    assert held <= 300_000


def test_a_list_of_hundreds_of_resources_is_one_statement_among_others():
    names = [f"arn:aws:s3:::b-{number:03}/*" for number in range(400)]
    policies = a_large_set(a_statement(Resource=names), *[a_statement(Resource=one) for one in names[:20]])  # fmt: skip
    asked = a_request(resource="arn:aws:s3:::b-399/k")
    alone = a_large_set(*[a_statement(Resource=one) for one in names[-20:]])
    assert cost(asked, policies, ALLOWED) <= cost(asked, alone, ALLOWED)
    below = a_request(resource="arn:aws:s3:::b-399/k/", is_prefix=True)
    assert cost(below, policies, ALLOWED) <= cost(below, alone, ALLOWED)
    assert parse_policy(a_document(a_statement(Resource=names)))
