"""Policy documents: what is read, and everything that is refused, with its place."""

import json

import pytest

from authz.errors import ParseError
from authz.formats import iam_json
from authz.formats.iam_json import parse_policy
from authz.policy.model import Condition, Effect, PrincipalElement, Quantifier, Statement

ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(*statements, **elements):
    return json.dumps(
        {"Version": "2012-10-17", "Statement": list(statements) or [ALLOW], **elements}
    )


def statement(**elements):
    """A document of one statement; an element that is `...` is left out."""
    return document(
        {name: value for name, value in {**ALLOW, **elements}.items() if value is not ...}
    )


def refusal(text, **kwargs):
    with pytest.raises(ParseError) as caught:
        parse_policy(text, **kwargs)
    message = caught.value.message
    assert "\n" not in message
    assert len(message) < 500
    return message


def test_a_whole_document_is_read():
    text = """{
      "Version": "2012-10-17", "Id": "mine",
      "Statement": [{
        "Sid": "One", "Effect": "Deny", "NotAction": ["s3:Get*", "iam:*"], "NotResource": "arn:aws:s3:::b/*",
        "Condition": {
          "ForAnyValue:StringLikeIfExists": {"aws:TagKeys": ["a", "b*"]},
          "NumericLessThan": {"s3:max-keys": 10.50, "aws:x": [1, "2"]},
          "Bool": {"aws:SecureTransport": false}
        }
      }]
    }"""
    policy = parse_policy(text)
    assert (policy.version, policy.id) == ("2012-10-17", "mine")
    place = "Statement[0].Condition"

    def line(operator, key, values, where, quantifier=Quantifier.NONE, *, if_exists=False):
        return Condition(
            operator=operator, quantifier=quantifier, if_exists=if_exists, key=key, values=values,
            place=f"{place}.{where}.{key}",
        )  # fmt: skip

    assert policy.statements == (
        Statement(
            sid="One",
            effect=Effect.DENY,
            actions=("s3:Get*", "iam:*"),
            not_actions=True,
            resources=("arn:aws:s3:::b/*",),
            not_resources=True,
            conditions=(
                line("StringLike", "aws:TagKeys", ("a", "b*"), "ForAnyValue:StringLikeIfExists",
                     Quantifier.FOR_ANY_VALUE, if_exists=True),
                line("NumericLessThan", "s3:max-keys", ("10.50",), "NumericLessThan"),
                line("NumericLessThan", "aws:x", ("1", "2"), "NumericLessThan"),
                line("Bool", "aws:SecureTransport", ("false",), "Bool"),
            ),
            principal=None,
        ),
    )  # fmt: skip


def test_a_lone_statement_needs_no_list_and_bytes_are_utf_8():
    text = json.dumps({"Statement": {**ALLOW, "Sid": "é"}}, ensure_ascii=False)
    assert parse_policy(text) == parse_policy(text.encode())
    assert parse_policy(text).statements[0].sid == "é"


def test_a_missing_version_is_the_old_one():
    assert parse_policy(json.dumps({"Statement": ALLOW})).version == "2008-10-17"


def test_the_id_may_be_spelled_both_ways():
    assert parse_policy(document(ID="x")).id == parse_policy(document(Id="x")).id == "x"


@pytest.mark.parametrize(
    "action", ["admin:CreateUser", "sts:AssumeRole", "KMS:CreateKey", ["admin:*", "kms:*"]]
)
def test_administrative_statements_may_leave_the_resource_out(action):
    (parsed,) = parse_policy(statement(Action=action, Resource=...)).statements
    assert (parsed.resources, parsed.not_resources) == (("*",), False)


def test_an_empty_condition_is_none_as_in_aws():
    assert parse_policy(statement(Condition={})).statements[0].conditions == ()


REFUSED = [
    # JSON
    ("", "the document is not valid JSON at line 1 column 1"),
    ("{", "the document is not valid JSON at line 1 column 2"),
    ('{"Statement": [],}', "the document is not valid JSON"),
    ("\ufeff{}", "the document is not valid JSON"),
    ('{"Id": "\t"}', "the document is not valid JSON"),
    ("[]", "the document must be an object, not an empty list"),
    ("null", "the document must be an object, not null"),
    ('"x"', "the document must be an object, not text"),
    ("1", "the document must be an object, not a number"),
    ("true", "the document must be an object, not a boolean"),
    (b"\xff", "the document is not valid UTF-8"),
    ('{"Id": "\ud800"}', "the document is not valid UTF-8"),
    ('{"Id": "\\ud800", "Statement": 1}', "the text holds half of a surrogate pair at Id"),
    ('{"\\ud800": 1}', "the text holds half of a surrogate pair"),
    ('{"Id": NaN}', "`NaN` is not a JSON number"),
    ('{"Id": -Infinity}', "`-Infinity` is not a JSON number"),
    ('{"Statement": 1, "Statement": 2}', "duplicate member `Statement`"),
    ("[" * 10_000, "the document is nested too deeply"),
    ('{"Statement":' * 1_500, "the document is nested too deeply"),
    ('{"Id": ' + "[" * 5_000 + "]" * 5_000 + "}", "the document is nested too deeply"),
    ('{"Statement": [{}], "Id": ' + "9" * 10_000 + "}", "expected text, not a number at Id"),
    # the document
    ("{}", "a policy needs `Statement`"),
    (document(Version="2012-10-18"), "unknown policy version `2012-10-18`; use `2012-10-17` at Version"),
    (document(Version=20121017), "expected text, not a number at Version"),
    (document(Version=None), "expected text, not null at Version"),
    (document(Id="a", ID="b"), "both `Id` and `ID` are given"),
    (document(statement=1), "unknown element `statement`; did you mean `Statement`?"),
    (document(Zzz=1), "unknown element `Zzz`"),
    (document(Statement=[]), "the list is empty at Statement"),
    (document(Statement=None), "`Statement[0]` must be an object, not null at Statement[0]"),
    (document(Statement=[ALLOW, "x"]), "`Statement[1]` must be an object, not text at Statement[1]"),
    (document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}), "duplicate Sid `a` at Statement[1].Sid"),
    # statements
    (statement(Effect=...), "a statement needs `Effect` at Statement[0]"),
    (statement(Effect="allow"), "unknown effect `allow`; use `Allow` or `Deny` at Statement[0].Effect"),
    (statement(Effect=["Allow"]), "expected text, not a list at Statement[0].Effect"),
    (statement(Sid=1), "expected text, not a number at Statement[0].Sid"),
    (statement(Actions="s3:*"), "unknown element `Actions`; did you mean `Action`? at Statement[0]"),
    (statement(Action=...), "a statement needs one of `Action` and `NotAction` at Statement[0]"),
    (statement(NotAction="s3:*"), "a statement takes only one of `Action` and `NotAction` at Statement[0]"),
    (statement(Action=[]), "the list is empty at Statement[0].Action"),
    (statement(Action=["s3:*", 1]), "expected text, not a number at Statement[0].Action[1]"),
    (statement(Action=[["s3:*"]]), "expected text, not a list at Statement[0].Action[0]"),
    (statement(Action={}), "expected text, not an object at Statement[0].Action"),
    *((statement(Action=text), f"`{text}` is not an action such as `s3:GetObject` at Statement[0].Action")
      for text in ("", "GetObject", "s3:", ":Get", "**", "s*:Get", "s3:Get Object", "s3:Get\u00e9", "a:b:c")),
    (statement(Resource=...), "a statement needs one of `Resource` and `NotResource` at Statement[0]"),
    (statement(Action=["admin:*", "s3:*"], Resource=...), "a statement needs one of `Resource`"),
    (statement(Action=..., NotAction="admin:*", Resource=...), "a statement needs one of `Resource`"),
    (statement(Action="*", Resource=...), "a statement needs one of `Resource`"),
    (statement(NotResource="*"), "a statement takes only one of `Resource` and `NotResource` at Statement[0]"),
    (statement(Resource=[]), "the list is empty at Statement[0].Resource"),
    (statement(Resource=["*", ""]), "the resource is empty at Statement[0].Resource[1]"),
    (statement(Resource=True), "expected text, not a boolean at Statement[0].Resource"),
    (statement(Principal="*"), "an identity policy has no `Principal`: it applies to what it is attached to"),
    (statement(NotPrincipal={"AWS": "*"}), "an identity policy has no `NotPrincipal`"),
    # conditions
    (statement(Condition=[]), "`Condition` must be an object, not an empty list at Statement[0].Condition"),
    (statement(Condition={"StringEqualz": {"aws:k": "v"}}),
     "unknown condition operator `StringEqualz`; did you mean `StringEquals`? at Statement[0].Condition"),
    (statement(Condition={"stringequals": {"aws:k": "v"}}), "did you mean `StringEquals`?"),
    (statement(Condition={"ForSomeValues:StringEquals": {"aws:k": "v"}}),
     "unknown condition operator `ForSomeValues:StringEquals`"),
    (statement(Condition={":StringEquals": {"aws:k": "v"}}), "unknown condition operator `:StringEquals`"),
    (statement(Condition={"": {"aws:k": "v"}}), "unknown condition operator ``"),
    (statement(Condition={"StringEqualsIfExistsIfExists": {"aws:k": "v"}}), "unknown condition operator"),
    (statement(Condition={"NullIfExists": {"aws:k": "true"}}), "`Null` takes no `IfExists` at Statement[0].Condition"),
    (statement(Condition={"x" * 5_000: {"aws:k": "v"}}), "unknown condition operator `xxx"),
    (statement(Condition={"Bool": "x"}), "`Bool` must be an object, not text at Statement[0].Condition.Bool"),
    (statement(Condition={"Bool": {}}), "the operator has no keys at Statement[0].Condition.Bool"),
    (statement(Condition={"Bool": {"x": "true"}}), "`x` is not a condition key such as `aws:SourceIp`"),
    (statement(Condition={"Bool": {"a:\n": "true"}}), "is not a condition key such as"),
    (statement(Condition={"Bool": {"a:" + "b" * 400: "true"}}), "is not a condition key such as"),
    (statement(Condition={"Bool": {"aws:k": []}}), "the list is empty at Statement[0].Condition.Bool.aws:k"),
    (statement(Condition={"Bool": {"aws:k": None}}), "expected text, not null at Statement[0].Condition.Bool.aws:k"),
    (statement(Condition={"Bool": {"aws:k": ["true", {}]}}),
     "expected text, not an object at Statement[0].Condition.Bool.aws:k[1]"),
    (('{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": '
     '{"Bool": {"aws:k": "true", "aws:k": "false"}}}}'), "duplicate member `aws:k` at Statement[0].Condition.Bool"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_is_not_understood_is_refused_with_its_place(text, message):
    assert message in refusal(text)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        (iam_json.IDENTITY_POLICY, 20_480),
        (iam_json.RESOURCE_POLICY, 20_480),
        (iam_json.TRUST_POLICY, 4_096),
        (iam_json.SESSION_POLICY, 2_048),
        (iam_json.SERVICE_ACCOUNT_POLICY, 4_096),
    ],
)
def test_a_document_has_at_most_so_many_bytes(kind, limit):
    elements = {"Principal": "*"} if kind.has_principal else {}
    text = document(TRUST if kind is iam_json.TRUST_POLICY else {**ALLOW, **elements})
    full = text + " " * (limit - len(text))
    assert parse_policy(full, kind=kind).statements
    assert f"has at most {limit:,} bytes, this one {limit + 1:,}" in refusal(full + " ", kind=kind)


TRUST = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012"}}


def test_a_trust_policy_is_about_everything_it_is_asked_about_for_it_belongs_to_one_role():
    (parsed,) = parse_policy(document(TRUST), kind=iam_json.TRUST_POLICY).statements
    assert (parsed.resources, parsed.not_resources) == (("*",), False)
    several = {**TRUST, "Action": ["sts:AssumeRole*", "STS:TagSession", "sts:SetSourceIdentity"]}
    assert parse_policy(document(several), kind=iam_json.TRUST_POLICY).statements


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"Action": "*"}, "a trust policy has only `sts:` actions, not `*` at Statement[0]"),
        ({"Action": ["sts:AssumeRole", "s3:GetObject"]}, "not `s3:GetObject`"),
        ({"Action": None, "NotAction": "sts:TagSession"}, "not `NotAction`"),
        ({"Resource": "*"}, "a trust policy has no `Resource`: it is about what it belongs to"),
        ({"NotResource": "*"}, "a trust policy has no `NotResource`"),
        ({"Principal": None}, "exactly one of `Principal` and `NotPrincipal`"),
    ],
)
def test_what_a_trust_policy_has_not_is_refused(elements, message):
    statement = {name: value for name, value in (TRUST | elements).items() if value is not None}
    assert message in refusal(document(statement), kind=iam_json.TRUST_POLICY)


def test_bytes_are_counted_not_characters():
    assert "has at most 20,480 bytes" in refusal(document({**ALLOW, "Sid": "x"}) + "\u3000" * 7_000)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"Principal": "*"}, PrincipalElement(negated=False, ids=(("AWS", ("*",)),))),
        (
            {"Principal": {"AWS": ["1", "2"]}},
            PrincipalElement(negated=False, ids=(("AWS", ("1", "2")),)),
        ),
        (
            {"NotPrincipal": {"Federated": "x"}},
            PrincipalElement(negated=True, ids=(("Federated", ("x",)),)),
        ),
    ],
)
def test_a_resource_policy_names_principals(elements, expected):
    (parsed,) = parse_policy(statement(**elements), kind=iam_json.RESOURCE_POLICY).statements
    assert parsed.principal == expected


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({}, "takes exactly one of `Principal` and `NotPrincipal`"),
        ({"Principal": "*", "NotPrincipal": "*"}, "takes exactly one of"),
        (
            {"Principal": "alice"},
            "`Principal` must be an object, not text at Statement[0].Principal",
        ),
        ({"Principal": {}}, "the principal is empty at Statement[0].Principal"),
        (
            {"Principal": {"aws": "*"}},
            "unknown element `aws`; did you mean `AWS`? at Statement[0].Principal",
        ),
        ({"Principal": {"AWS": []}}, "the list is empty at Statement[0].Principal.AWS"),
    ],
)
def test_a_principal_that_is_not_understood_is_refused(elements, message):
    assert message in refusal(statement(**elements), kind=iam_json.RESOURCE_POLICY)


def test_messages_repeat_input_on_one_line_and_capped():
    assert refusal(statement(Effect="a\nb`c" + "x" * 1_000)).startswith("unknown effect `a?b?cxxx")
