"""AuthZEN's requests and answers: the specification's and the certification's shapes, and what is no request.

Shapes: OpenID AuthZEN, Authorization API 1.0, and its certification scenario (sections 2 and 3).
"""

import json

import pytest

from authz.errors import InvalidError, ParseError
from authz.formats.authz_v1 import Answered, PrincipalBy, PrincipalRef, Question, Unanswered
from authz.formats.authzen import (
    Semantic,
    parse_evaluation,
    parse_evaluations,
    render_evaluation,
    render_evaluations,
    render_metadata,
)
from authz.policy.decision import NO_MATCH, Decision, Reason, StatementRef, Verdict

ALICE = {"type": "user", "id": "alice"}
RECORD = {"type": "record", "id": "record-1"}
READ = {"subject": ALICE, "action": {"name": "read"}, "resource": RECORD}


def one(**changes) -> Question:
    members = {name: value for name, value in {**READ, **changes}.items() if value is not None}
    return parse_evaluation(json.dumps(members).encode())


def many(*items, **members):
    return parse_evaluations(json.dumps({**members, "evaluations": list(items)}).encode())


def test_a_bare_action_belongs_to_the_type_of_the_resource():
    question = one()
    assert question.principal == PrincipalRef(PrincipalBy.USER_NAME, "alice")
    assert (question.action, question.resource) == ("record:read", "arn:aws:record:::record-1")
    assert question.facts == {}


@pytest.mark.parametrize(
    ("resource", "action", "expected"),
    [
        ({"type": "s3_bucket", "id": "box"}, "ListBucket", ("s3:ListBucket", "arn:aws:s3:::box")),
        (
            {"type": "s3_object", "id": "box/a/b"},
            "s3:GetObject",
            ("s3:GetObject", "arn:aws:s3:::box/a/b"),
        ),
        (
            {"type": "arn", "id": "arn:aws:s3:::box/k"},
            "s3:GetObject",
            ("s3:GetObject", "arn:aws:s3:::box/k"),
        ),
        ({"type": "arn", "id": "*"}, "iam:ListUsers", ("iam:ListUsers", "*")),
        # An ARN in an id is an id: what a user typed in must not become another resource.
        (
            {"type": "doc", "id": "arn:aws:s3:::box"},
            "read",
            ("doc:read", "arn:aws:doc:::arn:aws:s3:::box"),
        ),
        ({"type": "doc", "id": "1"}, "orders:Get", ("orders:Get", "arn:aws:doc:::1")),
    ],
)
def test_resources_and_actions(resource, action, expected):
    question = one(resource=resource, action={"name": action})
    assert (question.action, question.resource) == expected


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        (
            {"type": "access_key", "id": "AKIA1"},
            PrincipalRef(PrincipalBy.ACCESS_KEY_ID, "AKIA1"),
        ),
        (
            {"type": "arn", "id": "arn:aws:iam::1:user/a"},
            PrincipalRef(PrincipalBy.ARN, "arn:aws:iam::1:user/a"),
        ),
        ({"type": "anonymous", "id": "-"}, PrincipalRef(PrincipalBy.ANONYMOUS, "")),
        (
            {"type": "user", "id": "google=1234"},
            PrincipalRef(PrincipalBy.USER_NAME, "google=1234"),
        ),
    ],
)
def test_principals(principal, expected):
    assert one(subject=principal).principal == expected


def test_condition_keys_of_the_context_are_facts_and_other_names_are_passed_over():
    facts = one(
        context={
            "time": "2025-06-27T18:03-07:00",
            "ip": {"nested": [1]},
            "aws:SourceIp": "192.0.2.1",
            "aws:SecureTransport": True,
            "s3:max-keys": 5,
            "orders:Kinds": ["a", "b"],
        }
    ).facts
    assert facts == {
        "aws:sourceip": ("192.0.2.1",),
        "aws:securetransport": ("true",),
        "s3:max-keys": ("5",),
        "orders:kinds": ("a", "b"),
    }


def test_properties_and_members_that_are_not_known_do_not_enter_a_question():
    with_properties = one(
        subject={**ALICE, "properties": {"role": "admin", "aws:PrincipalTag/x": "y"}},
        resource={**RECORD, "properties": {"status": "active"}, "ownerID": "bob"},
        action={"name": "read", "properties": {"method": "GET"}},
        futureField={"nested": True},
    )
    assert with_properties == one()


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": None},
        {"action": None},
        {"resource": None},
        {"subject": "alice"},
        {"subject": {"id": "alice"}},
        {"subject": {"type": "user"}},
        {"subject": {"type": "user", "id": ""}},
        {"subject": {"type": "user", "id": 7}},
        {"subject": {"type": "user", "id": "x" * 3000}},
        {"subject": {"type": "role", "id": "auditor"}},
        {"subject": {"type": "root", "id": "x"}},
        {"subject": {**ALICE, "properties": "x"}},
        {"action": {}},
        {"action": {"name": 123}},
        {"action": {"name": "read write"}},
        {"action": {"name": "*"}},
        {"action": {"name": "x" * 300}},
        {"action": []},
        {"resource": {"id": "record-1"}},
        {"resource": {"type": "record"}},
        {"resource": {"type": "a:b", "id": "1"}},
        {"resource": {"type": "*", "id": "1"}},
        {"resource": {"type": "arn", "id": "record-1"}},
        {"resource": {"type": "arn", "id": "arn:aws:s3:::box"}},
        {"resource": {"type": "s3_object", "id": "box"}},
        {"resource": {"type": "s3_object", "id": "/key"}},
        {"resource": {"type": "s3_bucket", "id": "box/key"}},
        {"resource": {"type": "record", "id": "x" * 5000}},
        {"context": []},
        {"context": {"aws:username": "bob"}},
        {"context": {"AWS:UserName": "bob"}},
        {"context": {"aws:PrincipalTag/team": "x"}},
        {"context": {"jwt:sub": "x"}},
        {"context": {"aws:CurrentTime": "2001-01-01T00:00:00Z"}},
        {"context": {"aws:SourceIp": None}},
        {"context": {"aws:SourceIp": {}}},
        {"context": {"aws:SourceIp": []}},
        {"context": {"aws:SourceIp": ["x"] * 101}},
        {"context": {"aws:SourceIp": "1", "aws:sourceip": "2"}},
        {"context": {f"x:{number}": "y" for number in range(101)}},
        {"context": {"x:y": "z" * 9000}},
    ],
)
def test_what_is_no_question_is_refused(changes):
    with pytest.raises((InvalidError, ParseError)):
        one(**changes)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        b"[" * 60_000,
        b'{"subject":{"type":"user","id":"a"},"subject":{"type":"user","id":"b"}}',
        b'{"subject":{"type":"user","id":"a","id":"b"}}',
        b'{"a":NaN}',
    ],
)
@pytest.mark.parametrize("parse", [parse_evaluation, parse_evaluations])
def test_bytes_that_are_no_request_are_refused(raw, parse):
    with pytest.raises((InvalidError, ParseError)):
        parse(raw)


# --- several ------------------------------------------------------------------------------------------------


def test_defaults_are_inherited_and_overridden():
    asked = many(
        {"resource": RECORD},
        {"subject": {"type": "access_key", "id": "K"}, "resource": RECORD},
        {"action": {"name": "write"}, "resource": RECORD, "context": {"x:y": "own"}},
        subject=ALICE,
        action={"name": "read"},
        context={"x:y": "default", "x:z": "default"},
    )
    assert asked.semantic is Semantic.EXECUTE_ALL
    first, second, third = asked.checks
    assert first.facts == {"x:y": ("default",), "x:z": ("default",)}
    assert second.principal.by is PrincipalBy.ACCESS_KEY_ID
    assert (third.action, third.facts) == ("record:write", {"x:y": ("own",)})


def test_a_type_that_an_item_lacks_is_the_default_s():
    asked = many({"resource": {"id": "record-2"}}, **{**READ, "resource": {"type": "record"}})
    assert asked.checks[0].resource == "arn:aws:record:::record-2"


def test_an_item_that_is_no_question_is_its_own_error():
    good, bad, worse, named = many(
        {"resource": RECORD}, {}, "x", {"resource": {"type": "arn", "id": "x"}},
        subject=ALICE, action={"name": "read"},
    ).checks  # fmt: skip
    assert isinstance(good, Question)
    assert (bad.field, worse.field) == ("evaluations[1].resource", "evaluations[2]")
    assert named.field == "evaluations[3].resource"


@pytest.mark.parametrize("evaluations", [{}, {"evaluations": []}, {"evaluations": None}])
def test_without_evaluations_it_is_one_question(evaluations):
    assert parse_evaluations(json.dumps({**READ, **evaluations}).encode()) == one()


@pytest.mark.parametrize("semantic", Semantic)
def test_semantics(semantic):
    assert many(READ, options={"evaluations_semantic": semantic, "x": 1}).semantic is semantic


@pytest.mark.parametrize(
    "members",
    [
        {"options": []},
        {"options": {"evaluations_semantic": "all"}},
        {"options": {"evaluations_semantic": 1}},
        {"options": {"evaluations_semantic": None}},
        {"evaluations": {}},
        {"evaluations": "x"},
        {"evaluations": [{}] * 1001},
    ],
)
def test_what_is_wrong_for_all_refuses_all(members):
    with pytest.raises(InvalidError):
        parse_evaluations(json.dumps({"evaluations": [READ], **members}).encode())


# --- answers ------------------------------------------------------------------------------------------------


def test_an_answer_says_why():
    where = StatementRef(policy="arn:p", version=1, index=0, sid="One")
    allowed = Decision(verdict=Verdict.ALLOWED, reason=Reason.STATEMENT, statement=where)
    assert json.loads(render_evaluation(Answered(allowed, "ID"), 7)) == {
        "decision": True,
        "context": {
            "decision_id": "ID",
            "verdict": "ALLOWED",
            "reason": "STATEMENT",
            "revision": 7,
            "policy": "arn:p",
            "sid": "One",
        },
    }


def test_an_error_is_a_no():
    answers = [Answered(NO_MATCH, "ID"), Unanswered(400, "`id` is missing")]
    no, error = json.loads(render_evaluations(answers, 7))["evaluations"]
    assert no["decision"] is False
    assert error == {
        "decision": False,
        "context": {"error": {"status": 400, "message": "`id` is missing"}},
    }


def test_metadata_names_what_is_offered_and_nothing_else():
    assert json.loads(render_metadata("https", "pdp.example.com:8443")) == {
        "policy_decision_point": "https://pdp.example.com:8443",
        "access_evaluation_endpoint": "https://pdp.example.com:8443/access/v1/evaluation",
        "access_evaluations_endpoint": "https://pdp.example.com:8443/access/v1/evaluations",
    }


@pytest.mark.parametrize("host", ["", "a/b", 'a"', "a b", "a@b", "a:b", "a\r\nb", "é"])
def test_metadata_of_a_host_that_is_none_is_refused(host):
    with pytest.raises(InvalidError):
        render_metadata("https", host)
