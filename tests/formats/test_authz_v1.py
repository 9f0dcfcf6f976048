"""Questions of `authz.v1`: what is read, what is refused and where, and how answers look."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import AuthzError, InvalidError, ParseError
from authz.formats import authz_v1, context_facts
from authz.formats.authz_v1 import (
    Answered,
    PrincipalBy,
    PrincipalRef,
    Unanswered,
    parse_authorize,
    parse_batch,
    render_authorize,
    render_batch,
)
from authz.policy.decision import (
    NO_MATCH,
    ROOT,
    Decision,
    Reason,
    StatementRef,
    Verdict,
)
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2

READ = StatementRef(
    policy="arn:aws:iam::000000000000:policy/readers", version=3, index=1, sid="Read"
)
ALLOWED = Decision(verdict=Verdict.ALLOWED, reason=Reason.STATEMENT, statement=READ)


def a_question(**changes) -> dict:
    question = {
        "user_name": "alice",
        "action": "s3:GetObject",
        "resource": "arn:aws:s3:::photos/cat.jpg",
    }
    return {**question, **changes}


def facts(mapping: dict[str, list[str]]) -> dict:
    return {k: decision_pb2.ContextValues(values=v) for k, v in mapping.items()}


def authorize(**changes) -> bytes:
    return wire.AuthorizeRequest(**a_question(**changes)).SerializeToString()


def refusal(raw: bytes) -> InvalidError:
    with pytest.raises(InvalidError) as caught:
        parse_authorize(raw)
    return caught.value


def test_a_question_is_read_whole():
    question = parse_authorize(
        authorize(
            at_least_revision=7, context=facts({"aws:SourceIp": ["192.0.2.7"], "s3:prefix": ["a/"]})
        )
    )
    assert question.principal == PrincipalRef(PrincipalBy.USER_NAME, "alice")
    assert question.action == "s3:GetObject"
    assert question.resource == "arn:aws:s3:::photos/cat.jpg"
    assert question.facts == {"aws:sourceip": ("192.0.2.7",), "s3:prefix": ("a/",)}
    assert question.at_least_revision == 7


@pytest.mark.parametrize("by", [by for by in PrincipalBy if by is not PrincipalBy.ANONYMOUS])
def test_a_principal_may_be_named_in_three_ways(by):
    raw = wire.AuthorizeRequest(
        **{by.value: "x", "action": "s3:GetObject", "resource": "*"}
    ).SerializeToString()
    assert parse_authorize(raw).principal == PrincipalRef(by, "x")


def test_nobody_in_particular_may_ask():
    asked = parse_authorize(authorize(user_name=None, anonymous=True))
    assert asked.principal == PrincipalRef(PrincipalBy.ANONYMOUS, "")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"user_name": None}, "principal"),
        ({"user_name": ""}, "user_name"),
        ({"user_name": None, "anonymous": False}, "anonymous"),
        ({"user_name": None, "principal_arn": "a" * 2049}, "principal_arn"),
        ({"action": ""}, "action"),
        ({"action": "GetObject"}, "action"),
        ({"action": "s3:Get*"}, "action"),
        ({"action": "s3:Get?bject"}, "action"),
        ({"action": "s3:Get Object"}, "action"),
        ({"action": "s3:"}, "action"),
        ({"action": ":GetObject"}, "action"),
        ({"action": "s3:Get\nObject"}, "action"),
        ({"action": "s3:Get\x00Object"}, "action"),
        ({"action": "ſ3:GetObject"}, "action"),
        ({"action": "s3:" + "a" * 254}, "action"),
        ({"resource": ""}, "resource"),
        ({"resource": "photos/cat.jpg"}, "resource"),
        ({"resource": "arn:aws:s3::photos"}, "resource"),
        ({"resource": "arn:aws:s3:::" + "a" * 4084}, "resource"),
        ({"at_least_revision": -1}, "at_least_revision"),
        ({"at_least_revision": 2**63 - 1}, "at_least_revision"),
    ],
)
def test_a_question_that_is_none_is_refused_by_its_field(changes, field):
    assert refusal(authorize(**changes)).field == field


def test_the_longest_action_and_resource_are_taken():
    raw = authorize(action="s3:" + "a" * 253, resource="arn:aws:s3:::" + "ü" * 4083)
    assert len(parse_authorize(raw).resource) == 4096


@pytest.mark.parametrize(
    "key",
    [
        "aws:username",
        "AWS:UserName",
        "aws:userid",
        "aws:PrincipalArn",
        "aws:PrincipalTag/team",
        "aws:principaltype",
        "aws:groups",
        "aws:FederatedProvider",
        "aws:SourceIdentity",
        "aws:TokenIssueTime",
        "aws:MultiFactorAuthPresent",
        "aws:MultiFactorAuthAge",
        "aws:CurrentTime",
        "aws:EpochTime",
        "jwt:sub",
        "JWT:groups",
        "ldap:user",
        "saml:aud",
        "accounts.google.com:aud",
        "oidc.example.com/id/1:sub",
        "aws:Principal\u212atag",  # KELVIN SIGN lower-cases to k: still under aws:principal
        "aws:to\u212aenIssueTime",
    ],
)
def test_a_caller_may_not_say_who_somebody_is_or_what_time_it_is(key):
    error = refusal(authorize(context=facts({key: ["x"]})))
    assert error.field.startswith("context[")
    assert "set by the service" in error.message


@pytest.mark.parametrize(
    "key",
    ["aws:SourceIp", "aws:SecureTransport", "aws:UserAgent", "aws:Referer", "aws:RequestTag/Team",
     "aws:RequestedRegion", "s3:prefix", "s3:RequestObjectTag/a.b:c", "sts:ExternalId", "photos:Album"],
)  # fmt: skip
def test_a_caller_may_say_what_it_knows_of_the_request(key):
    name, slash, tag = key.partition("/")
    question = parse_authorize(authorize(context=facts({key: ["x", "y"]})))
    assert question.facts == {name.lower() + slash + tag: ("x", "y")}


def many(count: int, value: str = "v") -> dict:
    return facts({f"k:{i}": [value] for i in range(count)})


@pytest.mark.parametrize(
    "given_context",
    [
        many(101),
        facts({"k:a": ["v"] * 101}),
        facts({"k:" + "a" * 511: ["v"]}),
        facts({"k:a": []}),
        facts({"": ["v"]}),
        facts({"nocolon": ["v"]}),
        facts({":x": ["v"]}),
        facts({"x:": ["v"]}),
        facts({"aws:SourceIp": ["192.0.2.1"], "aws:sourceip": ["192.0.2.2"]}),
        facts({"k:a": ["x" * 8192]}),
        facts({"k:a": ["ü" * 4096]}),
    ],
)
def test_a_context_out_of_bounds_or_ambiguous_is_refused(given_context):
    assert refusal(authorize(context=given_context)).field.startswith("context")


def test_a_context_at_its_bounds_is_taken():
    assert len(parse_authorize(authorize(context=many(100))).facts) == 100
    value = "x" * (context_facts.BYTES_LIMIT - len("k:a"))
    assert parse_authorize(authorize(context=facts({"k:a": [value]}))).facts == {"k:a": (value,)}


def test_a_huge_question_is_refused_before_it_is_read():
    with pytest.raises(InvalidError, match="bytes"):
        parse_authorize(b"\xff" * (authz_v1.QUESTION_BYTES_LIMIT + 1))


@pytest.mark.parametrize("parse", [parse_authorize, parse_batch])
def test_bytes_that_are_no_message_are_a_parse_error(parse):
    with pytest.raises(ParseError):
        parse(b"\xff\xff\xff")


def test_text_that_is_not_utf8_is_a_parse_error():
    with pytest.raises(ParseError):
        parse_authorize(b"\x0a\x02\xc3\x28")


@given(st.binary(max_size=300))
def test_no_bytes_get_anything_but_our_own_errors_out(raw):
    for parse in (parse_authorize, parse_batch):
        try:
            parse(raw)
        except AuthzError as error:
            assert "\n" not in error.message  # noqa: PT017 - most bytes raise nothing


def test_a_bad_check_of_a_batch_stands_in_its_place():
    batch = parse_batch(
        wire.BatchAuthorizeRequest(
            checks=[
                wire.Check(**a_question()),
                wire.Check(**a_question(action="nonsense")),
                wire.Check(**a_question(user_name="bob")),
            ],
            at_least_revision=9,
        ).SerializeToString()
    )
    first, second, third = batch.checks
    assert first.principal.value == "alice"
    assert isinstance(second, InvalidError)
    assert second.field == "checks[1].action"
    assert third.principal.value == "bob"
    assert batch.at_least_revision == first.at_least_revision == 9


def test_a_batch_has_at_most_a_thousand_checks():
    check = wire.Check(**a_question())
    assert (
        len(
            parse_batch(
                wire.BatchAuthorizeRequest(checks=[check] * 1000).SerializeToString()
            ).checks
        )
        == 1000
    )
    with pytest.raises(InvalidError) as caught:
        parse_batch(wire.BatchAuthorizeRequest(checks=[check] * 1001).SerializeToString())
    assert caught.value.field == "checks"


def test_a_decision_is_rendered_whole():
    response = wire.AuthorizeResponse.FromString(render_authorize(ALLOWED, "D1", 42, 1.25))
    decision = response.decision
    assert decision.verdict == decision_pb2.VERDICT_ALLOWED
    assert decision.reason == decision_pb2.REASON_STATEMENT
    assert decision.statement.policy_arn == READ.policy
    assert (decision.statement.version, decision.statement.index, decision.statement.sid) == (
        3,
        1,
        "Read",
    )
    assert (decision.decision_id, decision.revision) == ("D1", 42)
    assert (decision.staleness.seconds, decision.staleness.nanos) == (1, 250_000_000)


def test_a_decision_without_a_statement_has_none():
    response = wire.AuthorizeResponse.FromString(render_authorize(ROOT, "D1", 1, -3.0))
    assert not response.decision.HasField("statement")
    assert response.decision.staleness.ToTimedelta().total_seconds() == 0


@pytest.mark.parametrize("staleness", [0.0, 1e-9, 0.999999999, 299.5, math.ulp(1.0)])
def test_a_staleness_is_a_valid_duration(staleness):
    response = wire.AuthorizeResponse.FromString(render_authorize(ROOT, "D1", 1, staleness))
    duration = response.decision.staleness
    assert 0 <= duration.nanos < 1_000_000_000
    assert duration.seconds + duration.nanos / 1e9 == pytest.approx(staleness, abs=2e-9)


def test_a_batch_answers_in_order():
    raw = render_batch(
        [Answered(NO_MATCH, "D1"), Unanswered(3, "bad"), Answered(ALLOWED, "D3")], 5, 0.0
    )
    first, second, third = wire.BatchAuthorizeResponse.FromString(raw).answers
    assert first.decision.verdict == decision_pb2.VERDICT_IMPLICITLY_DENIED
    assert (second.error.code, second.error.message) == (3, "bad")
    assert third.decision.decision_id == "D3"
    assert first.decision.revision == third.decision.revision == 5


def test_every_verdict_and_reason_has_its_own_number():
    assert set(authz_v1.VERDICTS) == set(Verdict)
    assert set(authz_v1.REASONS) == set(Reason)
    for table in (authz_v1.VERDICTS, authz_v1.REASONS):
        assert len(set(table.values())) == len(table)
        assert 0 not in table.values()
    assert all(decision_pb2.Verdict.Name(n) == f"VERDICT_{v}" for v, n in authz_v1.VERDICTS.items())
    assert all(decision_pb2.Reason.Name(n) == f"REASON_{r}" for r, n in authz_v1.REASONS.items())
