"""Random documents and requests: the fast evaluator, the naive one and the explanation agree; the laws hold."""

import itertools
import json
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.formats.iam_json import parse_policy
from authz.policy import compile as compile_module
from authz.policy.compile import HEAD_INDEX_MINIMUM, PolicySet, compile_policy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import Verdict
from authz.policy.explain import ElementOutcome, explain
from authz.policy.patterns import compile_glob
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind
from tests.reference import evaluator

# The same examples in every run: a failure on one machine is a failure on all.
deterministic = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

KEYS = (
    "aws:username",
    "s3:prefix",
    "aws:PrincipalTag/T",
    "s3:max-keys",
    "aws:SourceIp",
    "aws:d",
    "aws:arn",
)
# Few values, many of them hostile to a matcher, a parser, or a type.
TEXTS = ("a", "ab", "b/a", "*", "?", "", "A", "a:b", "${*}", "$")
TYPED = ("1", "1.0", "2", "x", "10.0.0.1", "::ffff:10.0.0.1", "2001:db8::1", "true", "False", "YQ==",
         "2020-01-01", "2020-01-01T00:00:00Z", "1577836800", "arn:aws:s3:::a", "arn:aws:iam::1:user/a")  # fmt: skip
ACTIONS = ("s3:GetObject", "s3:PutObject", "S3:getobject", "iam:GetUser", "s3:Get")
RESOURCES = ("*", *(f"arn:aws:s3:::{name}" for name in ("a", "ab", "a/", "a/b", "a/b/a", "b:a", "*", "a/${*}", "")),
             "arn:aws:iam::1:user/a", "arn:aws:s3:r:1:a", "x")  # fmt: skip

VARIABLES = (
    "${aws:username}",
    "${s3:prefix}",
    "${aws:PrincipalTag/T, 'ab'}",
    "${*}",
    "${?}",
    "${$}",
)
glob_text = st.lists(
    st.sampled_from(("a", "b", "/", ":", "*", "?", "**", "*?", *VARIABLES)), max_size=5
).map("".join)
action_pattern = st.sampled_from(
    ("*", "s3:*", "s3:Get*", "s3:G?tObject", "s3:GetObject", "S3:PUTOBJECT", "iam:*")
)
resource_pattern = st.one_of(
    st.just("*"),
    glob_text.map(lambda text: f"arn:aws:s3:::{text}"),
    glob_text.map(lambda text: f"arn:aws:s3:::a{text}"),
    st.sampled_from(
        (
            "arn:*:s3:::a*",
            "arn:aws:s3:*:?:a",
            "arn:aws:iam::1:user/${aws:username}",
            "arn:a*:*:*:*:a*",
        )
    ),
)


def lists_of(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(strategy, st.lists(strategy, min_size=1, max_size=3))


PLAIN_VALUES = {
    "Numeric": ("1", 2, 1.5, "-1"),
    "Date": ("2020-01-01", "2020-01-01T00:00:00.5Z", "2019-12-31T23:00:00-01:00", "1577836800"),
    "Bool": ("true", False),
    "BinaryEquals": ("YQ==", "eA=="),
    "IpAddress": ("10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "::/0", "0.0.0.0/0"),
    "NotIpAddress": ("10.0.0.0/8", "2001:db8::1"),
    "Null": ("true", False),
}
COMPARED = ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
OPERATORS = (
    *(f"String{n}{k}" for n in ("", "Not") for k in ("Equals", "EqualsIgnoreCase", "Like")),
    *(f"Arn{n}{k}" for n in ("", "Not") for k in ("Equals", "Like")),
    *(f"{family}{name}" for family in ("Numeric", "Date") for name in COMPARED),
    "Bool", "BinaryEquals", "IpAddress", "NotIpAddress", "Null",
)  # fmt: skip


def values_of(operator: str) -> st.SearchStrategy[Any]:
    for family, values in PLAIN_VALUES.items():
        if operator.startswith(family):
            return lists_of(st.sampled_from(values))
    if operator.startswith("Arn"):
        return lists_of(resource_pattern)
    return lists_of(st.one_of(glob_text, st.sampled_from((*TEXTS[:6], *VARIABLES))))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 2))):
        operator = draw(st.sampled_from(OPERATORS))
        quantifier = draw(st.sampled_from(("", "", "ForAllValues:", "ForAnyValue:")))
        if_exists = "" if operator == "Null" else draw(st.sampled_from(("", "", "IfExists")))
        name = f"{quantifier}{operator}{if_exists}"
        block.setdefault(name, {})[draw(st.sampled_from(KEYS))] = draw(values_of(operator))
    return block


@st.composite
def statements(
    draw: st.DrawFn, effects: tuple[str, ...] = ("Allow", "Allow", "Deny")
) -> dict[str, Any]:
    statement = {
        "Effect": draw(st.sampled_from(effects)),
        draw(st.sampled_from(("Action", "Action", "NotAction"))): draw(lists_of(action_pattern)),
        draw(st.sampled_from(("Resource", "Resource", "NotResource"))): draw(
            lists_of(resource_pattern)
        ),
    }
    if draw(st.booleans()):
        statement["Condition"] = draw(conditions())
    return statement


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    # Some have enough statements to be indexed by resource.
    listed = draw(st.lists(statements(), min_size=1, max_size=draw(st.sampled_from((2, 24)))))
    return {
        "Version": draw(st.sampled_from(("2012-10-17", "2012-10-17", "2008-10-17"))),
        "Statement": listed,
    }


document_lists = st.lists(documents(), min_size=1, max_size=2)
facts = st.dictionaries(
    st.sampled_from(KEYS).map(evaluator.fold),
    st.one_of(
        st.sampled_from((*TEXTS, *TYPED)).map(lambda value: (value,)),
        st.lists(st.sampled_from((*TEXTS, *TYPED)), max_size=3).map(tuple),
    ),
)


@st.composite
def requests(draw: st.DrawFn, *, is_prefix: bool = False) -> AccessRequest:
    principal = Principal(
        arn="arn", kind=PrincipalKind.USER, account="1", id="i", name="n", facts={}
    )
    context = Context({}, draw(facts), {}, 0.0)
    resource = draw(st.sampled_from(RESOURCES))
    return AccessRequest(
        principal, draw(st.sampled_from(ACTIONS)), resource, context, is_prefix=is_prefix
    )


def compiled(listed: list[dict[str, Any]]) -> PolicySet:
    return compile_policy_set(
        compile_policy(parse_policy(json.dumps(document)), arn=f"arn:{index}", version=1)
        for index, document in enumerate(listed)
    )


@pytest.mark.parametrize("minimum", [1, HEAD_INDEX_MINIMUM], ids=["always indexed", "as shipped"])
@deterministic
@given(listed=document_lists, asked=st.lists(requests(), min_size=1, max_size=8))
def test_decide_agrees_with_the_reference_evaluator(minimum, listed, asked):
    with mock.patch.object(compile_module, "HEAD_INDEX_MINIMUM", minimum):
        policies = compiled(listed)
        for request in asked:
            expected = evaluator.evaluate(
                listed, request.action, request.resource, request.context.find
            )
            assert decide(request, policies).verdict == expected


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


@deterministic
@given(document_lists, requests(is_prefix=True))
def test_a_prefix_is_allowed_only_if_everything_below_it_is(listed, request_):
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
