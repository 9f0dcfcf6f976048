"""Random documents and requests: the fast evaluator, the naive one and the explanation agree; the laws hold."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.formats.iam_json import parse_policy
from authz.policy.compile import PolicySet, compile_policy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import Verdict
from authz.policy.explain import ElementOutcome, explain
from authz.policy.patterns import compile_glob
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind
from tests.properties.policies import (
    INDEXINGS,
    TEXTS,
    deterministic,
    document_lists,
    glob_text,
    indexed,
    requests,
    statements,
)
from tests.reference import evaluator


def compiled(listed: list[dict[str, Any]]) -> PolicySet:
    return compile_policy_set(
        compile_policy(parse_policy(json.dumps(document)), arn=f"arn:{index}", version=1)
        for index, document in enumerate(listed)
    )


@pytest.mark.parametrize("indexing", INDEXINGS)
@deterministic
@given(listed=document_lists, asked=st.lists(requests(), min_size=1, max_size=8))
def test_decide_agrees_with_the_reference_evaluator(indexing, listed, asked):
    with indexed(indexing):
        policies = compiled(listed)
        for request in asked:
            expected = evaluator.evaluate(
                listed, request.action, request.resource, request.context.find
            )
            assert decide(request, policies).verdict == expected


@pytest.mark.parametrize("indexing", [name for name in INDEXINGS if name != "never"])
@deterministic
@given(listed=document_lists, asked=st.lists(requests(is_prefix=True), min_size=1, max_size=8))
def test_questions_about_a_prefix_find_the_same_with_and_without_an_index(indexing, listed, asked):
    with indexed("never"):
        policies = compiled(listed)
        expected = [decide(request, policies).verdict for request in asked]
    with indexed(indexing):
        policies = compiled(listed)
        assert [decide(request, policies).verdict for request in asked] == expected


@deterministic
@given(
    document_lists, st.lists(requests(), min_size=1, max_size=4), st.sampled_from(list(INDEXINGS))
)
def test_an_index_names_the_same_statement_as_a_scan(listed, asked, indexing):
    with indexed("never"):
        policies = compiled(listed)
        expected = [decide(request, policies) for request in asked]
    with indexed(indexing):
        policies = compiled(listed)
        assert [decide(request, policies).statement for request in asked] == [
            decision.statement for decision in expected
        ]


@deterministic
@given(document_lists, st.lists(requests(), min_size=1, max_size=4), st.booleans())
def test_explain_agrees_with_decide(listed, asked, is_prefix):
    policies = compiled(listed)
    for request in asked:
        request.is_prefix = is_prefix
        explanation = explain(request, policies)
        decision = decide(request, policies)
        assert explanation.decision == decision
        matched = [s.statement for p in explanation.policies for s in p.statements if s.is_matched]
        assert decision.statement is None or decision.statement in matched


@deterministic
@given(document_lists, statements(effects=("Deny",)), requests(), st.booleans())
def test_adding_a_deny_never_allows(listed, deny, request_, is_prefix):
    request_.is_prefix = is_prefix
    before = decide(request_, compiled(listed))
    after = decide(request_, compiled([*listed, {"Version": "2012-10-17", "Statement": [deny]}]))
    assert before.is_allowed or not after.is_allowed


@deterministic
@given(document_lists, statements(effects=("Allow",)), requests(), st.booleans())
def test_adding_an_allow_never_takes_away(listed, allow, request_, is_prefix):
    request_.is_prefix = is_prefix
    before = decide(request_, compiled(listed))
    after = decide(request_, compiled([*listed, {"Version": "2012-10-17", "Statement": [allow]}]))
    assert after.is_allowed or not before.is_allowed


@deterministic
@given(document_lists, requests(), st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_statements_and_policies_is_irrelevant(listed, request_, random, is_prefix):
    request_.is_prefix = is_prefix
    shuffled = [{**document, "Statement": random.sample(document["Statement"], len(document["Statement"]))}
                for document in random.sample(listed, len(listed))]  # fmt: skip
    assert (
        decide(request_, compiled(listed)).verdict == decide(request_, compiled(shuffled)).verdict
    )


EXTENSIONS = [
    "".join(letters) for size in range(4) for letters in itertools.product("ab/:", repeat=size)
]


@pytest.mark.parametrize("indexing", ["never", "by action, each"])
@deterministic
@given(listed=document_lists, request_=requests(is_prefix=True))
def test_a_prefix_is_allowed_only_if_everything_below_it_is(indexing, listed, request_):
    with indexed(indexing):
        assert_is_about_everything_below(listed, request_)


def assert_is_about_everything_below(listed: list[dict[str, Any]], request_: AccessRequest) -> None:
    policies = compiled(listed)
    decision = decide(request_, policies)
    for extension in EXTENSIONS:
        below = AccessRequest(
            request_.principal, request_.action, request_.resource + extension, request_.context
        )
        verdict = decide(below, policies).verdict
        assert verdict is Verdict.ALLOWED or not decision.is_allowed
        assert (
            verdict is not Verdict.EXPLICITLY_DENIED
            or decision.verdict is Verdict.EXPLICITLY_DENIED
        )


@deterministic
@given(glob_text, st.text("ab/:*?$", max_size=4), st.sampled_from(TEXTS))
def test_what_a_variable_puts_in_is_literal(before, asked, name):
    statement = {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::h/${aws:username}/k"}
    policies = compiled([{"Version": "2012-10-17", "Statement": [statement]}])
    context = Context({"aws:username": (name,)}, {}, {"s3:prefix": (before,)}, 0.0)
    principal = Principal(
        arn="arn", kind=PrincipalKind.USER, account="1", id="i", name=name, facts={}
    )
    request = AccessRequest(principal, "s3:GetObject", f"arn:aws:s3:::h/{asked}/k", context)
    assert decide(request, policies).is_allowed is (asked == name)


symbol = st.sampled_from(("a", "b", "é", "\n", "*", "?", "aab"))
few = st.text("abé\n", max_size=3)


@st.composite
def globs_and_texts(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a pattern and a text that often matches it or nearly does."""
    symbols = draw(st.lists(symbol, max_size=12))
    shapes = {"*": few, "?": st.text("abé\n", min_size=0, max_size=1)}
    parts = [draw(shapes[one]) if one in shapes else one for one in symbols]
    return "".join(symbols), "".join(parts) + draw(st.one_of(st.just(""), few))


@deterministic
@given(globs_and_texts())
def test_every_kind_of_matcher_agrees_with_trying_both_ways_at_every_star(drawn):
    pattern, text = drawn
    context = Context({}, {}, {}, 0.0)
    expected = evaluator.wildcard(
        evaluator.symbols(pattern, "2008-10-17", evaluator.find_nothing), text
    )
    assert compile_glob((pattern,))(text, context) is expected
    padded = f"{'x' * 70}{pattern}"  # long enough for the automaton
    assert compile_glob((padded,))("x" * 70 + text, context) is expected


@deterministic
@given(document_lists, requests())
def test_an_implicit_deny_has_no_matching_allow_and_its_nearest_miss_missed(listed, request_):
    explanation = explain(request_, compiled(listed))
    if (
        explanation.decision.verdict is Verdict.IMPLICITLY_DENIED
        and explanation.nearest is not None
    ):
        outcomes = {element.outcome for element in explanation.nearest.elements}
        assert not explanation.nearest.is_matched
        assert outcomes != {ElementOutcome.MATCHED}
