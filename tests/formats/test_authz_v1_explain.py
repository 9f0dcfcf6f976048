"""Explanations of `authz.v1`: what may be asked and assumed, what is refused and where, and how answers look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import AuthzError, InvalidError, ParseError
from authz.formats.authz_v1 import parse_authorize
from authz.formats.authz_v1_explain import (
    ASSUMED_LIMIT,
    EFFECTS,
    EXPLAIN_BYTES_LIMIT,
    LAYERS,
    OUTCOMES,
    SOURCES,
    Explained,
    Given,
    parse_explain,
    render_explain,
)
from authz.formats.iam_json import (
    IDENTITY_POLICY,
    RESOURCE_POLICY,
    SERVICE_ACCOUNT_POLICY,
    SESSION_POLICY,
)
from authz.identity.principal import ANONYMOUS
from authz.policy.decision import NO_MATCH, PRINCIPAL_UNKNOWN, Layer, StatementRef
from authz.policy.explain import (
    ElementExplanation,
    ElementOutcome,
    Explanation,
    FactSource,
    PolicyExplanation,
    StatementExplanation,
)
from authz.policy.model import Effect
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind
from authz.wire.authz.v1 import authentication_pb2, decision_pb2
from authz.wire.authz.v1 import authorization_pb2 as wire
from tests.policy.builders import NOW, a_document, a_statement

QUESTION = {
    "user_name": "alice",
    "action": "s3:GetObject",
    "resource": "arn:aws:s3:::photos/cat.jpg",
}
READ = StatementRef(
    policy="arn:aws:iam::000000000000:policy/readers", version=3, index=1, sid="Read"
)
DOCUMENT = a_document(a_statement())
OF_BUCKET = a_document(a_statement(Principal="*", Resource="arn:aws:s3:::photos/*"))


def facts(mapping: dict[str, list[str]]) -> dict:
    return {k: decision_pb2.ContextValues(values=v) for k, v in mapping.items()}


def asked(**assumed) -> bytes:
    hypothesis = wire.Hypothesis(**assumed)
    return wire.ExplainRequest(check=wire.Check(**QUESTION), hypothesis=hypothesis).SerializeToString()  # fmt: skip


def read(**assumed):
    return parse_explain(asked(**assumed)).read_hypothesis()


def refusal(**assumed) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        read(**assumed)
    return caught.value


def test_explain_asks_the_same_question():
    message = wire.ExplainRequest(check=wire.Check(**QUESTION), at_least_revision=3)
    inquiry = parse_explain(message.SerializeToString())
    same = wire.AuthorizeRequest(**QUESTION, at_least_revision=3)
    assert inquiry.asked == parse_authorize(same.SerializeToString())
    assert inquiry.at_least_revision == 3
    assert inquiry.read_hypothesis is None


def test_a_decision_is_asked_for_by_its_id_alone():
    inquiry = parse_explain(wire.ExplainRequest(decision_id="D1").SerializeToString())
    assert (inquiry.asked, inquiry.read_hypothesis) == ("D1", None)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (wire.ExplainRequest(), "check.principal"),
        (wire.ExplainRequest(check=wire.Check(**{**QUESTION, "action": "x"})), "check.action"),
        (wire.ExplainRequest(decision_id="D1", check=wire.Check(**QUESTION)), "decision_id"),
        (wire.ExplainRequest(decision_id="D1", hypothesis=wire.Hypothesis()), "decision_id"),
        (wire.ExplainRequest(decision_id="D" * 65), "decision_id"),
        (wire.ExplainRequest(decision_id="D1", at_least_revision=-1), "at_least_revision"),
    ],
)
def test_what_cannot_be_explained_is_refused_by_its_field(message, field):
    with pytest.raises(InvalidError) as caught:
        parse_explain(message.SerializeToString())
    assert caught.value.field == field


def test_a_hypothesis_is_read_whole():
    hypothesis = read(
        identity_policies=[DOCUMENT, DOCUMENT],
        without_own_policies=True,
        permissions_boundary=DOCUMENT,
        session_policies=[DOCUMENT],
        service_account_policy=DOCUMENT,
        resource_policy=OF_BUCKET,
        principal_context=facts({"aws:PrincipalTag/Team": ["blue"]}),
    )
    assert [one.arn for one in hypothesis.identity] == [
        "hypothesis.identity_policies[0]",
        "hypothesis.identity_policies[1]",
    ]
    assert [one.arn for one in hypothesis.sessions] == ["hypothesis.session_policies[0]"]
    assert hypothesis.boundary.arn == "hypothesis.permissions_boundary"
    assert hypothesis.service_account.arn == "hypothesis.service_account_policy"
    assert hypothesis.resource.arn == "hypothesis.resource_policy"
    assert hypothesis.is_without_own
    assert hypothesis.facts == {"aws:principaltag/Team": ("blue",)}


def test_a_hypothesis_may_assume_nothing():
    hypothesis = read()
    assert (hypothesis.identity, hypothesis.sessions, hypothesis.facts) == ((), (), {})
    assert hypothesis.boundary is hypothesis.service_account is hypothesis.resource is None


ELSEWHERE = a_document(a_statement(Principal="*", Resource="arn:aws:s3:::videos/*"))


@pytest.mark.parametrize(
    ("assumed", "field"),
    [
        ({"identity_policies": [DOCUMENT, "{"]}, "hypothesis.identity_policies[1]"),
        ({"identity_policies": [OF_BUCKET]}, "hypothesis.identity_policies[0]"),
        ({"session_policies": ["[]"]}, "hypothesis.session_policies[0]"),
        ({"permissions_boundary": ""}, "hypothesis.permissions_boundary"),
        ({"service_account_policy": "null"}, "hypothesis.service_account_policy"),
        ({"resource_policy": DOCUMENT}, "hypothesis.resource_policy"),
        ({"resource_policy": ELSEWHERE}, "hypothesis.resource_policy"),
        ({"resource_policy": a_document(a_statement(Principal={"AWS": "a*"}))}, "hypothesis.resource_policy"),
        ({"principal_context": facts({"s3:prefix": ["a"]})}, "hypothesis.principal_context[`s3:prefix`]"),
        ({"principal_context": facts({"aws:username": []})}, "hypothesis.principal_context[`aws:username`]"),
        ({"principal_context": facts({"aws:username": ["x" * 8192]})}, "hypothesis.principal_context"),
    ],
)  # fmt: skip
def test_what_cannot_be_assumed_is_refused_by_its_field(assumed, field):
    error = refusal(**assumed)
    assert error.field == field
    assert "\n" not in error.message


def test_a_refused_document_says_where_in_it():
    broken = a_document(a_statement(Condition={"StringEqualz": {"k:a": "v"}}))
    error = refusal(identity_policies=[DOCUMENT, broken])
    assert error.message.startswith("hypothesis.identity_policies[1]: unknown condition operator")
    assert "at Statement[0].Condition" in error.message


@pytest.mark.parametrize("field", ["identity_policies", "session_policies"])
def test_no_more_policies_than_ten_are_assumed(field):
    read(**{field: [DOCUMENT] * ASSUMED_LIMIT})
    assert refusal(**{field: [DOCUMENT] * (ASSUMED_LIMIT + 1)}).field == f"hypothesis.{field}"


@pytest.mark.parametrize(
    ("field", "kind", "document"),
    [
        ("identity_policies", IDENTITY_POLICY, DOCUMENT),
        ("permissions_boundary", IDENTITY_POLICY, DOCUMENT),
        ("session_policies", SESSION_POLICY, DOCUMENT),
        ("service_account_policy", SERVICE_ACCOUNT_POLICY, DOCUMENT),
        ("resource_policy", RESOURCE_POLICY, OF_BUCKET),
    ],
)
def test_a_document_is_held_to_the_limit_of_its_kind(field, kind, document):
    longest = document.ljust(kind.byte_limit)
    too_long = longest + " "
    is_list = field.endswith("ies")
    read(**{field: [longest] if is_list else longest})
    assert "bytes" in refusal(**{field: [too_long] if is_list else too_long}).message


def test_the_largest_question_is_taken_and_a_larger_one_is_not_even_read():
    identity, session = DOCUMENT.ljust(IDENTITY_POLICY.byte_limit), DOCUMENT.ljust(SESSION_POLICY.byte_limit)  # fmt: skip
    raw = asked(
        identity_policies=[identity] * ASSUMED_LIMIT,
        permissions_boundary=identity,
        session_policies=[session] * ASSUMED_LIMIT,
        service_account_policy=DOCUMENT.ljust(SERVICE_ACCOUNT_POLICY.byte_limit),
        resource_policy=OF_BUCKET.ljust(RESOURCE_POLICY.byte_limit),
    )
    assert len(raw) < EXPLAIN_BYTES_LIMIT
    parse_explain(raw).read_hypothesis()
    with pytest.raises(InvalidError, match="bytes"):
        parse_explain(b"\xff" * (EXPLAIN_BYTES_LIMIT + 1))


def test_bytes_that_are_no_message_are_a_parse_error():
    with pytest.raises(ParseError):
        parse_explain(b"\xff\xff\xff")


@given(st.binary(max_size=300))
def test_no_bytes_get_anything_but_our_own_errors_out(raw):
    try:
        inquiry = parse_explain(raw)
        if inquiry.read_hypothesis is not None:
            inquiry.read_hypothesis()
    except AuthzError as error:
        assert "\n" not in error.message  # noqa: PT017 - most bytes raise nothing


# --- answers ------------------------------------------------------------------------------------------------

ALICE = Principal(
    arn="arn:aws:iam::000000000000:user/alice",
    kind=PrincipalKind.USER,
    account="000000000000",
    id="AIDA1",
    name="alice",
    facts={"aws:username": ("alice",)},
)


def a_request(principal=ALICE, *, is_prefix=False) -> AccessRequest:
    context = Context(principal.facts, {}, {"s3:prefix": ("a/", "b/")}, NOW)
    resource = QUESTION["resource"]
    return AccessRequest(principal, "s3:GetObject", resource, context, is_prefix=is_prefix)


def render(request, explanation=None, *, now=None, changes=()) -> wire.ExplainResponse:
    given_ = Given(NO_MATCH, "D1", 4, 0.5)
    raw = render_explain(Explained(request, given_, now, explanation, changes))
    return wire.ExplainResponse.FromString(raw)


def test_every_effect_outcome_layer_and_source_has_its_own_number():
    tables = {Effect: EFFECTS, ElementOutcome: OUTCOMES, Layer: LAYERS, FactSource: SOURCES}
    for kind, table in tables.items():
        assert set(table) == set(kind)
        assert len(set(table.values())) == len(table)
        assert 0 not in table.values()
    assert all(wire.Layer.Name(n) == f"LAYER_{layer}" for layer, n in LAYERS.items())
    assert all(wire.FactSource.Name(n) == f"FACT_SOURCE_{source}" for source, n in SOURCES.items())


def test_an_explanation_is_rendered_whole():
    element = ElementExplanation(
        element="Action", outcome=ElementOutcome.MATCHED, why="`a:B` matches `a:*`"
    )
    miss = StatementExplanation(
        statement=READ, effect=Effect.ALLOW, is_matched=False, elements=(element,)
    )
    policy = PolicyExplanation(
        arn=READ.policy, version=3, is_deny_only=True, problem="", statements=(miss,)
    )
    broken = PolicyExplanation(
        arn="arn:b", version=1, is_deny_only=False, problem="no such operator", statements=(),
        layer=Layer.RESOURCE_POLICY,
    )  # fmt: skip
    explanation = Explanation(
        decision=NO_MATCH, policies=(policy, broken), nearest=miss, changes=("allow it",)
    )
    response = render(a_request(), explanation, changes=("enable it",))
    assert response.decision.reason == decision_pb2.REASON_NO_MATCH
    assert (response.decision.decision_id, response.decision.revision) == ("D1", 4)
    assert not response.HasField("decision_now")
    shown = response.policies[0]
    assert (shown.policy_arn, shown.version, shown.deny_only) == (READ.policy, 3, True)
    assert shown.statements[0].elements[0].detail == "`a:B` matches `a:*`"
    assert shown.statements[0].elements[0].outcome == wire.ELEMENT_OUTCOME_MATCHED
    assert response.policies[1].problem == "no such operator"
    assert [one.layer for one in response.policies] == [wire.LAYER_IDENTITY, wire.LAYER_RESOURCE_POLICY]  # fmt: skip
    assert response.nearest_miss == shown.statements[0]
    assert list(response.changes) == ["enable it", "allow it"]


def test_what_was_asked_is_shown_with_the_source_of_every_value():
    request = render(a_request(is_prefix=True)).request
    assert (request.principal.arn, request.principal.id) == (ALICE.arn, "AIDA1")
    assert (request.action, request.resource, request.is_prefix) == (
        "s3:GetObject", QUESTION["resource"], True,
    )  # fmt: skip
    assert [(one.key, list(one.values), one.source) for one in request.facts] == [
        ("aws:username", ["alice"], wire.FACT_SOURCE_IDENTITY),
        ("aws:currenttime", ["2023-11-14T22:13:20.500000+00:00"], wire.FACT_SOURCE_SERVER),
        ("aws:epochtime", ["1700000000"], wire.FACT_SOURCE_SERVER),
        ("s3:prefix", ["a/", "b/"], wire.FACT_SOURCE_REQUEST),
    ]


def test_an_earlier_decision_stands_beside_the_one_of_now():
    response = render(a_request(ANONYMOUS), now=Given(PRINCIPAL_UNKNOWN, "", 9, 0.0))
    assert response.decision.decision_id == "D1"
    assert response.decision_now.reason == decision_pb2.REASON_PRINCIPAL_UNKNOWN
    assert (response.decision_now.decision_id, response.decision_now.revision) == ("", 9)
    assert response.request.principal.kind == authentication_pb2.PRINCIPAL_KIND_ANONYMOUS
    assert not response.policies
    assert not response.HasField("nearest_miss")
