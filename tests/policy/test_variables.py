"""Policy variables: what is substituted, what is literal, and what an unresolved one means."""

import pytest

from authz.errors import ParseError
from authz.policy.conditions import OPERATOR_NAMES
from authz.policy.decide import decide
from authz.policy.decision import Verdict
from authz.policy.variables import parse_template
from tests.policy.builders import a_policy, a_request, a_set, a_statement

ALLOWED, DENIED, NOTHING = Verdict.ALLOWED, Verdict.EXPLICITLY_DENIED, Verdict.IMPLICITLY_DENIED
HOME = "arn:aws:s3:::home/${aws:username}/*"


def verdict(statement, resource="arn:aws:s3:::home/alice/k", version="2012-10-17", **facts):
    policies = a_set(statement, version=version)
    return decide(
        a_request(resource=resource, facts={k.replace("__", ":"): v for k, v in facts.items()}),
        policies,
    ).verdict


@pytest.mark.parametrize(
    ("pattern", "name", "key", "expected"),
    [
        (HOME, "alice", "alice/k", ALLOWED),
        (HOME, "alice", "bob/k", NOTHING),
        (HOME, "alice", "alicex/k", NOTHING),
        (HOME, "*", "*/k", ALLOWED),
        (HOME, "*", "bob/k", NOTHING),
        (HOME, "?????", "alice/k", NOTHING),
        (HOME, "${aws:username}", "${aws:username}/k", ALLOWED),
        (HOME, "a:b", "a:b/k", ALLOWED),
        ("arn:aws:s3:::home/${AWS:UserName}", "alice", "alice", ALLOWED),
        ("arn:aws:s3:::home/${aws:username}", "alice", "alice2", NOTHING),
        ("arn:aws:s3:::home/${aws:username}${*}", "a", "a*", ALLOWED),
        ("arn:aws:s3:::home/${aws:username}${*}", "a", "ab", NOTHING),
        ("arn:aws:s3:::home/${?}${$}{x}", "a", "?${x}", ALLOWED),
        ("arn:aws:s3:::home/${aws:username}?", "a", "ab", ALLOWED),
        ("arn:aws:s3:::home/${aws:username}?", "a", "a", NOTHING),
        ("arn:aws:s3:::home/${aws:username}?", "a", "abc", NOTHING),
        ("arn:aws:s3:::home/*/x${*}y", "a", "b/x*y", ALLOWED),
        ("arn:aws:s3:::home/*/x${*}y", "a", "b/xzy", NOTHING),
        ("arn:aws:s3:::home/*/x${*}y", "a", "x*y", NOTHING),
        ("arn:aws:s3:::home/*${aws:username}", "a", "b/a", ALLOWED),
        ("arn:aws:s3:::home/*${aws:username}", "a", "b/ab", NOTHING),
        ("arn:aws:s3:::${aws:username}/*/k", "a", "a/b/k", NOTHING),
        ("arn:aws:s3:::home/${aws:username}/*/k", "a", "a/b/k", ALLOWED),
        ("arn:aws:s3:::home/${aws:username}/*/k", "a", "a/b/l", NOTHING),
        ("arn:aws:s3:::home/*/${aws:username}?*", "a", "x/y/ab", ALLOWED),
        ("arn:aws:s3:::home/*/${aws:username}?*", "?", "x/y/ab", NOTHING),
        ("arn:aws:s3:::home/*${aws:username}*z", "b*", "ab*cz", ALLOWED),
        ("arn:aws:s3:::home/*${aws:username}*z", "b*", "abcz", NOTHING),
        ("arn:*:s3:::home/${aws:username}", "alice", "alice", ALLOWED),
    ],
)
def test_what_a_variable_puts_into_a_resource_is_literal(pattern, name, key, expected):
    assert (
        verdict(a_statement(Resource=pattern), f"arn:aws:s3:::home/{key}", aws__username=name)
        is expected
    )


@pytest.mark.parametrize(
    ("template", "value", "expected"),
    [
        ("${aws:PrincipalTag/team, 'none'}", None, "none"),
        ("${aws:PrincipalTag/team,'none'}", None, "none"),
        ("${aws:PrincipalTag/team, 'none'}", "red", "red"),
        ("${aws:PrincipalTag/team, '*'}", None, "*"),
        ("${aws:PrincipalTag/team, ''}x", None, "x"),
        ("${ aws:PrincipalTag/team , 'none' }", None, "none"),
        ("${ aws:PrincipalTag/team , 'none' }", "red", "red"),
    ],
)
def test_a_default_stands_in_for_a_missing_value(template, value, expected):
    facts = {} if value is None else {"aws:principaltag/team": value}
    policies = a_set(a_statement(Resource=f"arn:aws:s3:::{template}"))
    for resource, is_allowed in ((expected, True), (expected + "y", False)):
        assert (
            decide(a_request(resource=f"arn:aws:s3:::{resource}", facts=facts), policies).is_allowed
            is is_allowed
        )


def test_a_value_may_be_empty_and_is_then_no_text():
    facts = {"aws:x": ""}
    policies = a_set(a_statement(Resource="arn:aws:s3:::b/${aws:x}*"))
    assert decide(a_request(facts=facts), policies).is_allowed
    below = a_request(resource="arn:aws:s3:::b/", facts=facts, is_prefix=True)
    assert decide(below, policies).is_allowed
    inside = a_set(a_statement(Resource="arn:aws:s3:::b/${aws:x}k"))
    assert decide(a_request(facts=facts), inside).is_allowed
    assert not decide(below, inside).is_allowed


def test_the_part_of_a_tag_key_after_the_slash_keeps_its_case():
    statement = a_statement(Resource="arn:aws:s3:::${aws:PrincipalTag/Team}")
    assert verdict(statement, "arn:aws:s3:::red", **{"aws:principaltag/Team": "red"}) is ALLOWED
    assert verdict(statement, "arn:aws:s3:::red", **{"aws:principaltag/team": "red"}) is NOTHING


def test_a_variable_in_the_old_version_is_plain_text():
    statement = a_statement(Resource=HOME)
    assert verdict(statement, version="2008-10-17", aws__username="alice") is NOTHING
    assert (
        verdict(
            statement, "arn:aws:s3:::home/${aws:username}/k", "2008-10-17", aws__username="alice"
        )
        is ALLOWED
    )
    assert (
        verdict(statement, "arn:aws:s3:::home/${aws:username}/k", None, aws__username="alice")
        is ALLOWED
    )


UNRESOLVED = [
    # effect, elements, verdict where aws:username is missing; a catch-all allow stands beside each deny
    ("Allow", {"Resource": HOME}, NOTHING),
    ("Allow", {"NotResource": HOME}, NOTHING),
    ("Allow", {"NotResource": [HOME, "arn:aws:s3:::other"]}, NOTHING),
    ("Deny", {"Resource": HOME}, ALLOWED),
    ("Deny", {"NotResource": HOME}, DENIED),
    ("Deny", {"NotResource": [HOME, "arn:aws:s3:::home/*"]}, ALLOWED),
    ("Allow", {"Condition": {"StringEquals": {"aws:k": "${aws:username}"}}}, NOTHING),
    ("Allow", {"Condition": {"StringEquals": {"aws:k": ["${aws:username}", "v"]}}}, ALLOWED),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:k": "${aws:username}"}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotLike": {"aws:k": "${aws:username}*"}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotEqualsIgnoreCase": {"aws:k": "${aws:username}"}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:none": "${aws:username}"}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotEqualsIfExists": {"aws:none": "${aws:username}"}}}, NOTHING),
    (
        "Allow",
        {"Condition": {"ForAllValues:StringNotEquals": {"aws:none": "${aws:username}"}}},
        NOTHING,
    ),
    ("Allow", {"Condition": {"StringNotLike": {"aws:none": "home/${aws:username}/*"}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:none": ["x", "${aws:username}"]}}}, NOTHING),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:none": "x${*}"}}}, ALLOWED),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:none": "${aws:k}"}}}, ALLOWED),
    ("Allow", {"Condition": {"StringNotEquals": {"aws:none": "${aws:k}${aws:username}"}}}, NOTHING),
    ("Allow", {"Condition": {"StringEqualsIfExists": {"aws:none": "${aws:username}"}}}, ALLOWED),
    ("Deny", {"Condition": {"StringEquals": {"aws:k": "${aws:username}"}}}, ALLOWED),
    ("Deny", {"Condition": {"StringNotEquals": {"aws:k": "${aws:username}"}}}, DENIED),
    ("Deny", {"Condition": {"StringNotEquals": {"aws:k": ["${aws:username}", "v"]}}}, ALLOWED),
    ("Deny", {"Condition": {"StringNotEquals": {"aws:none": "${aws:username}"}}}, DENIED),
    (
        "Allow",
        {"Condition": {"ArnNotLike": {"aws:a": "arn:aws:iam::1:user/${aws:username}"}}},
        NOTHING,
    ),
    (
        "Deny",
        {"Condition": {"ArnNotLike": {"aws:a": "arn:aws:iam::1:user/${aws:username}"}}},
        DENIED,
    ),
    ("Deny", {"Condition": {"ArnLike": {"aws:a": "arn:aws:iam::1:user/${aws:username}"}}}, ALLOWED),
]


@pytest.mark.parametrize(("effect", "elements", "expected"), UNRESOLVED)
def test_a_variable_without_a_value_never_widens_a_grant_nor_hides_a_deny(
    effect, elements, expected
):
    statements = [a_statement(effect, **elements)]
    if effect == "Deny":
        statements.append(a_statement())
    facts = {"aws:k": "v", "aws:a": "arn:aws:iam::1:user/x"}
    request = a_request(resource="arn:aws:s3:::home/alice/k", facts=facts)
    assert decide(request, a_set(*statements)).verdict is expected


def test_a_key_with_several_values_is_no_variable_even_with_a_default():
    statement = a_statement(Resource="arn:aws:s3:::${aws:x, 'd'}")
    assert verdict(statement, "arn:aws:s3:::d", aws__x=("d",)) is ALLOWED
    assert verdict(statement, "arn:aws:s3:::d", aws__x=("d", "e")) is NOTHING


def test_variables_work_in_the_values_of_string_and_arn_operators_only():
    facts = {
        "aws:username": "Alice",
        "s3:prefix": "home/Alice/x",
        "aws:a": "arn:aws:iam::1:user/Alice",
    }
    for condition in (
        {"StringLike": {"s3:prefix": "home/${aws:username}/*"}},
        {"StringEquals": {"aws:username": "${aws:username}"}},
        {"StringEqualsIgnoreCase": {"s3:prefix": "HOME/${aws:username}/X"}},
        {"ArnLike": {"aws:a": "arn:aws:iam::*:user/${aws:username}"}},
    ):
        assert (
            decide(a_request(facts=facts), a_set(a_statement(Condition=condition))).verdict
            is ALLOWED
        )
    with pytest.raises(ParseError, match="is not a number at"):
        a_policy(a_statement(Condition={"NumericEquals": {"aws:n": "${aws:username}"}}))


TEXTUAL = sorted(name for name in OPERATOR_NAMES if name.startswith(("String", "Arn")))


@pytest.mark.parametrize("operator", TEXTUAL)
def test_every_operator_of_text_and_of_arns_takes_variables_and_what_they_put_in_is_literal(
    operator,
):
    condition = {operator: {"aws:a": "arn:aws:iam::1:user/${aws:username}/${*}"}}
    policies = a_set(a_statement(Condition=condition))
    for name, user, matches in [
        ("Alice/*", "Alice", True),
        ("Alice/x", "Alice", False),
        ("Bob/*", "Alice", False),
        ("Bob/*", "*", False),
        ("*/*", "*", True),
    ]:
        facts = {"aws:username": user, "aws:a": f"arn:aws:iam::1:user/{name}"}
        expected = matches is not ("Not" in operator)
        assert decide(a_request(facts=facts), policies).is_allowed is expected


@pytest.mark.parametrize("operator", TEXTUAL)
def test_in_every_operator_a_variable_without_a_value_matches_nothing_and_widens_nothing(operator):
    alice, bob = "arn:aws:iam::1:user/alice", "arn:aws:iam::1:user/bob"
    is_negated = "Not" in operator
    for listed, allows, denies in [
        ("arn:aws:iam::1:user/${aws:username}", False, is_negated),
        (["arn:aws:iam::1:user/${aws:username}", alice], not is_negated, not is_negated),
        ([alice, "arn:aws:iam::1:user/${aws:username}"], not is_negated, not is_negated),
        ([bob, "arn:aws:iam::1:user/${aws:username}"], False, is_negated),
        (["arn:aws:iam::1:user/${aws:username}", bob], False, is_negated),
    ]:
        condition = {operator: {"aws:a": listed}}
        request = a_request(facts={"aws:a": alice})
        allow = a_set(a_statement(Condition=condition))
        deny = a_set(a_statement(), a_statement("Deny", Condition=condition))
        assert decide(request, allow).verdict is (ALLOWED if allows else NOTHING)
        assert decide(request, deny).verdict is (DENIED if denies else ALLOWED)


def test_of_no_value_at_all_none_differs_from_a_variable_that_has_none_either():
    condition = {"ForAnyValue:StringNotEquals": {"aws:none": "${aws:username}"}}
    deny = a_set(a_statement(), a_statement("Deny", Condition=condition))
    assert decide(a_request(), deny).verdict is ALLOWED


@pytest.mark.parametrize(
    "text",
    [
        "${",
        "${}",
        "${aws:a",
        "${aws:a,}",
        "${aws:a, b}",
        "${aws:${b}}",
        "${,'x'}",
        "a${*x}",
        "${aws:a*}",
        "${aws:a?}",
        "${aws:a$}",
        "${aws:a'}",
        "${aws:a{}",
        "${aws:a, 'b'c}",
        "${aws:a 'b'}",
    ],
)
def test_a_malformed_variable_is_refused_with_its_place(text):
    with pytest.raises(ParseError, match=r"malformed policy variable in `.*` at here"):
        parse_template(text, "here")


@pytest.mark.parametrize(("text", "message"), [
    ("${username}", "has no prefix"),
    ("${aws:groups}", "holds several values"),
    ("${JWT:Groups, 'x'}", "holds several values"),
    ("${ldap:groups}", "holds several values"),
    ("${aws:TagKeys}", "holds several values"),
    ("${aws:PrincipalOrgPaths}", "holds several values"),
    ("${s3:RequestObjectTagKeys}", "holds several values"),
])  # fmt: skip
def test_a_variable_that_can_never_have_a_value_is_refused(text, message):
    with pytest.raises(ParseError, match=message):
        parse_template(text, "here")


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text", ["${" * 10_000, "${a" + " " * 20_000, "${a,'" * 4_000, "${a:" + "b" * 20_000 + ","]
)
def test_hostile_templates_are_refused_in_linear_time(text):
    with pytest.raises(ParseError):
        parse_template(text, "here")
