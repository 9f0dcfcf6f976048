"""The operator table, row by row: types, missing keys, several values, quantifiers, and what cannot be read."""

import pytest

from authz.errors import ParseError
from authz.policy.conditions import OPERATOR_NAMES, compile_condition
from authz.policy.decide import decide
from authz.policy.decision import Verdict
from authz.policy.model import Condition, Quantifier
from tests.policy.builders import a_context, a_request, a_set, a_statement

U = None  # unevaluable


def outcome(operator, listed, value, *, quantifier="", if_exists=False, key="aws:k"):
    """Evaluate one condition; `value` is one value, a tuple of values, or `...` for a missing key."""
    condition = Condition(
        operator=operator,
        quantifier=Quantifier(quantifier),
        if_exists=if_exists,
        key=key,
        values=(listed,) if isinstance(listed, str) else tuple(listed),
        place="here",
    )
    facts = {} if value is ... else {"aws:k": value}
    return compile_condition(condition, has_variables=True)(a_context(facts))


VALUES = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", "a", "A", False),
    ("StringEquals", ["a", "b"], "b", True),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a*", "a*", True),
    ("StringEquals", "${*}", "*", True),
    ("StringEquals", "", "", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", ["a", "b"], "c", True),
    ("StringEqualsIgnoreCase", "Straße", "STRASSE", True),
    ("StringEqualsIgnoreCase", "a", "b", False),
    ("StringNotEqualsIgnoreCase", "a", "A", False),
    ("StringNotEqualsIgnoreCase", "a", "b", True),
    ("StringLike", "a*", "ab", True),
    ("StringLike", "a?", "ab", True),
    ("StringLike", "a${*}", "ab", False),
    ("StringLike", ["x", "*/y"], "a/b/y", True),
    ("StringLike", "a*", "Ab", False),
    ("StringNotLike", "a*", "ab", False),
    ("StringNotLike", "a*", "b", True),
    ("NumericEquals", "1", "1.0", True),
    ("NumericEquals", "1", "+1", True),
    ("NumericEquals", ["1", "2"], "2", True),
    ("NumericEquals", "9007199254740993", "9007199254740992", False),
    ("NumericEquals", "0.1", "0.10000000000000001", False),
    ("NumericEquals", "1e3", "1000", True),
    ("NumericEquals", "1e3", "1E+3", True),
    ("NumericEquals", "1000e-3", "-1", False),
    ("NumericEquals", "1000e-3", "1", True),
    ("NumericNotEquals", "1", "2", True),
    ("NumericNotEquals", "1", "1", False),
    ("NumericLessThan", "10", "9", True),
    ("NumericLessThan", "10", "10", False),
    ("NumericLessThanEquals", "10", "10", True),
    ("NumericLessThanEquals", "10", "10.5", False),
    ("NumericGreaterThan", "10", "-11", False),
    ("NumericGreaterThan", "10", "11", True),
    ("NumericGreaterThanEquals", "10", "10", True),
    ("NumericGreaterThanEquals", "10", "9", False),
    ("DateEquals", "2020-01-01T00:00:00Z", "1577836800", True),
    ("DateEquals", "2020-01-01", "2020-01-01T01:00:00+01:00", True),
    ("DateEquals", "2020-01-01T00:00:00.5Z", "1577836800.5", True),
    ("DateEquals", "2020-01-01T00:00Z", "2019-12-31T23:00:00-01:00", True),
    ("DateEquals", "2020-01-01", "2020-01-01T05:30:00+05:30", True),
    ("DateEquals", "2020-01-01", "2020-01-01T05:45+0545", True),
    ("DateEquals", "2020-01-01", "2019-12-31t20:30:00-03:30", True),
    ("DateEquals", "2020-01-01T12:34:56Z", "2020-01-01 12:34:56z", True),
    ("DateEquals", "2020-01-01T12:34:56Z", "2020-01-01T12:34:57Z", False),
    ("DateEquals", "2020-01-01T00:00:00.5Z", "1577836800.500000000", True),
    # What is finer than a nanosecond is cut off, on both sides.
    ("DateEquals", "2020-01-01T00:00:00.0000000019Z", "1577836800.000000001", True),
    ("DateEquals", "2020-01-01T00:00:00.000000001Z", "1577836800.0000000019", True),
    (
        "DateEquals",
        "1577836800.123456789123456789",
        "2020-01-01T00:00:00.123456789123456789Z",
        True,
    ),
    ("DateNotEquals", "2020-01-01", "2020-01-02", True),
    ("DateNotEquals", "2020-01-01", "2020-01-01", False),
    ("DateLessThan", "2020-01-01", "2019-12-31T23:59:59.999999999Z", True),
    ("DateLessThan", "2020-01-01", "2020-01-01", False),
    ("DateLessThan", "-1", "-1.5", True),
    ("DateLessThanEquals", "2020-01-01", "2020-01-01", True),
    ("DateGreaterThan", "2020-01-01", "2020-01-01T00:00:00.000000001Z", True),
    ("DateGreaterThan", "2020-01-01", "2020-01-01", False),
    ("DateGreaterThanEquals", "2020-01-01", "2020-01-01", True),
    ("DateGreaterThanEquals", "2020-01-01", "-1", False),
    ("Bool", "true", "true", True),
    ("Bool", "True", "TRUE", True),
    ("Bool", "false", "true", False),
    ("Bool", ["true", "false"], "false", True),
    ("BinaryEquals", "YQ==", "YQ==", True),
    ("BinaryEquals", "YQ==", "Yg==", False),
    ("IpAddress", "10.0.0.0/8", "10.255.0.1", True),
    ("IpAddress", "10.0.0.0/8", "11.0.0.1", False),
    ("IpAddress", "10.1.2.3/8", "10.9.9.9", True),
    ("IpAddress", "10.0.0.1", "10.0.0.1", True),
    ("IpAddress", "10.0.0.1", "10.0.0.2", False),
    ("IpAddress", "2001:db8::1", "2001:db8::1", True),
    ("IpAddress", "2001:db8::1", "2001:db8:ffff::9", False),
    ("IpAddress", "2001:db8::/32", "2001:db8:ffff::9", True),
    ("IpAddress", "10.0.0.0/8", "::ffff:10.0.0.1", True),
    ("IpAddress", "::ffff:10.0.0.0/104", "10.0.0.1", True),
    ("IpAddress", "::ffff:10.0.0.1", "10.0.0.1", True),
    ("IpAddress", "0.0.0.0/0", "2001:db8::1", False),
    ("IpAddress", "::/0", "10.0.0.1", False),
    ("NotIpAddress", ["10.0.0.0/8", "11.0.0.0/8"], "11.0.0.1", False),
    ("NotIpAddress", "10.0.0.0/8", "::ffff:10.0.0.1", False),
    ("NotIpAddress", "10.0.0.0/8", "12.0.0.1", True),
    ("ArnEquals", "arn:aws:iam::*:user/a?", "arn:aws:iam::1:user/ab", True),
    ("ArnEquals", "arn:aws:iam::*:user/a", "arn:aws:iam::1:x:user/a", False),
    ("ArnLike", "arn:aws:s3:::b*", "arn:aws:s3:::b/k", True),
    ("ArnLike", "*", "arn:aws:s3:::b/k", True),
    ("ArnNotEquals", "arn:aws:s3:::b", "arn:aws:s3:::c", True),
    ("ArnNotLike", "arn:aws:s3:::*", "arn:aws:s3:::c", False),
]


@pytest.mark.parametrize(("operator", "listed", "value", "expected"), VALUES)
def test_one_value_is_compared_as_the_operator_says(operator, listed, value, expected):
    assert outcome(operator, listed, value) is expected
    assert outcome(operator, listed, value, if_exists=True) is expected
    # With one value both quantifiers ask the same.
    assert outcome(operator, listed, value, quantifier="ForAllValues") is expected
    assert outcome(operator, listed, value, quantifier="ForAnyValue") is expected


LISTED = {"String": "a", "Numeric": "1", "Date": "2020-01-01", "Bool": "true", "Binary": "YQ==", "Ip": "10.0.0.1",
          "NotIp": "10.0.0.1", "Arn": "arn:aws:s3:::b"}  # fmt: skip
TYPED = sorted(OPERATOR_NAMES - {"Null"})


def a_listed(operator):
    return next(value for prefix, value in LISTED.items() if operator.startswith(prefix))


@pytest.mark.parametrize("operator", TYPED)
def test_a_missing_key_follows_the_table(operator):
    listed = a_listed(operator)
    for value in (..., ()):
        assert outcome(operator, listed, value) is ("Not" in operator)
        assert outcome(operator, listed, value, if_exists=True) is True
        assert outcome(operator, listed, value, quantifier="ForAllValues") is True
        assert outcome(operator, listed, value, quantifier="ForAnyValue") is False
        assert outcome(operator, listed, value, quantifier="ForAnyValue", if_exists=True) is True


@pytest.mark.parametrize(
    ("operator", "quantifier", "values", "expected"),
    [
        ("StringEquals", "", ("x", "a"), True),
        ("StringEquals", "", ("x", "y"), False),
        ("StringNotEquals", "", ("x", "a"), False),
        ("StringNotEquals", "", ("x", "y"), True),
        ("StringEquals", "ForAllValues", ("a", "b"), True),
        ("StringEquals", "ForAllValues", ("a", "x"), False),
        ("StringEquals", "ForAnyValue", ("a", "x"), True),
        ("StringEquals", "ForAnyValue", ("x", "y"), False),
        ("StringNotEquals", "ForAllValues", ("x", "y"), True),
        ("StringNotEquals", "ForAllValues", ("x", "a"), False),
        ("StringNotEquals", "ForAnyValue", ("x", "a"), True),
        ("StringNotEquals", "ForAnyValue", ("a", "b"), False),
    ],
)
def test_several_values_follow_the_quantifier(operator, quantifier, values, expected):
    assert outcome(operator, ["a", "b"], values, quantifier=quantifier) is expected


UNREADABLE = {
    "Numeric": ("", "x", "1,0", "0x10", "NaN", "Infinity", "1e999", "1_0", "١", "1" * 100, " 1"),
    "Date": ("", "x", "2020-13-01", "2020-01-01T00:00:00", "2020-01-01T25:00:00Z", "9999-99-99", "1" * 40,
             "2020-01-01T00:00:00+99:00", "٢٠٢٠-٠١-٠١", "2020-1-1", "20200101T000000Z", "2020-01-01T00Z",
             "2020-01-01T00:00:00.Z", "1577836800.", ".5", "+1", "2020-01-01Z", "2020-01-01T00:00:00+1",
             "1577836800000"),  # milliseconds
    "Bool": ("", "yes", "1", "true "),
    "Binary": ("a", "YQ", "Y Q==", "é"),
    "Ip": ("", "x", "10.0.0", "10.0.0.0/8", "010.0.0.1", "fe80::1%eth0", "10.0.0.1\n"),
    "NotIp": ("unknown",),
    "Arn": ("", "x", "arn:aws:s3", "x:aws:s3:::b"),
}  # fmt: skip


@pytest.mark.parametrize("operator", [name for name in TYPED if not name.startswith("String")])
def test_a_value_that_cannot_be_read_is_unevaluable(operator):
    family = next(prefix for prefix in UNREADABLE if operator.startswith(prefix))
    for value in UNREADABLE[family]:
        for quantifier in ("", "ForAllValues", "ForAnyValue"):
            for if_exists in (False, True):
                found = outcome(
                    operator, a_listed(operator), value, quantifier=quantifier, if_exists=if_exists
                )
                assert found is U, value


@pytest.mark.parametrize(
    ("operator", "quantifier", "values", "expected"),
    [
        ("NumericEquals", "", ("x", "1"), True),
        ("NumericEquals", "", ("x", "2"), U),
        ("NumericNotEquals", "", ("x", "1"), False),
        ("NumericNotEquals", "", ("x", "2"), U),
        ("NumericEquals", "ForAnyValue", ("x", "1"), True),
        ("NumericEquals", "ForAnyValue", ("x", "2"), U),
        ("NumericEquals", "ForAllValues", ("x", "1"), U),
        ("NumericEquals", "ForAllValues", ("x", "2"), False),
    ],
)
def test_what_is_definite_wins_over_what_cannot_be_read(operator, quantifier, values, expected):
    assert outcome(operator, "1", values, quantifier=quantifier) is expected


@pytest.mark.parametrize(
    ("listed", "value", "expected"),
    [
        ("true", ..., True),
        ("false", ..., False),
        ("true", (), True),
        ("true", "x", False),
        ("false", "x", True),
        ("false", "", True),
        (["true", "false"], ..., True),
    ],
)
def test_null_asks_whether_the_key_is_there(listed, value, expected):
    for quantifier in ("", "ForAllValues", "ForAnyValue"):
        assert outcome("Null", listed, value, quantifier=quantifier) is expected


@pytest.mark.parametrize(
    ("operator", "listed", "message"),
    [
        ("NumericEquals", "x", "`x` is not a number at here"),
        (
            "DateEquals",
            "2020-01-01T00:00:00",
            "is not a date, a date-time with its zone, or epoch seconds at here",
        ),
        # The others take no variables: what looks like one is a value of the wrong type.
        ("NumericNotEquals", "${", "`${` is not a number at here"),
        (
            "DateNotEquals",
            "${",
            "is not a date, a date-time with its zone, or epoch seconds at here",
        ),
        ("NotIpAddress", "${", "is not an IP address or network at here"),
        ("Bool", "yes", "is not `true` or `false` at here"),
        ("Null", "yes", "is not `true` or `false` at here"),
        ("BinaryEquals", "x", "is not base64 at here"),
        ("IpAddress", "10.0.0.0/33", "is not an IP address or network at here"),
        ("IpAddress", "10.0.0.0/255.0.0.0", "is not an IP address or network at here"),
        ("NotIpAddress", "fe80::1%eth0", "is not an IP address or network at here"),
        ("ArnLike", "user/a", "is not an ARN at here"),
        ("StringLike", "${", "malformed policy variable in `${` at here"),
        ("StringEqualz", "a", "unknown condition operator `StringEqualz` at here"),
    ],
)
def test_a_listed_value_of_the_wrong_type_is_refused_with_its_place(operator, listed, message):
    with pytest.raises(ParseError) as caught:
        outcome(operator, listed, ...)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("effect", "condition", "expected"),
    [
        # unevaluable alone; beside a true condition; beside a false one, which wins
        ("Allow", {"NumericEquals": {"aws:k": 1}}, Verdict.IMPLICITLY_DENIED),
        ("Allow", {"NumericNotEquals": {"aws:k": 1}}, Verdict.IMPLICITLY_DENIED),
        (
            "Allow",
            {"NumericEquals": {"aws:k": 1}, "StringEquals": {"aws:k": "x"}},
            Verdict.IMPLICITLY_DENIED,
        ),
        ("Deny", {"NumericEquals": {"aws:k": 1}}, Verdict.EXPLICITLY_DENIED),
        ("Deny", {"NumericNotEquals": {"aws:k": 1}}, Verdict.EXPLICITLY_DENIED),
        (
            "Deny",
            {"NumericEquals": {"aws:k": 1}, "StringEquals": {"aws:k": "x"}},
            Verdict.EXPLICITLY_DENIED,
        ),
        ("Deny", {"NumericEquals": {"aws:k": 1}, "StringEquals": {"aws:k": "y"}}, Verdict.ALLOWED),
        ("Deny", {"StringEquals": {"aws:k": "y"}, "NumericEquals": {"aws:k": 1}}, Verdict.ALLOWED),
    ],
)
def test_an_unevaluable_condition_stops_an_allow_and_never_a_deny(effect, condition, expected):
    statements = [a_statement(effect, Condition=condition)]
    if effect == "Deny":
        statements.append(a_statement())
    assert decide(a_request(facts={"aws:k": "x"}), a_set(*statements)).verdict is expected


@pytest.mark.parametrize("quantifier", ["", "ForAllValues:", "ForAnyValue:"])
@pytest.mark.parametrize("operator", ["NumericEquals", "NumericNotEquals"])
def test_a_condition_that_cannot_be_evaluated_is_counted_in_the_request(operator, quantifier):
    policies = a_set(a_statement(Condition={quantifier + operator: {"aws:k": 1}}))
    for values, count in (("x", 1), (("x", "y"), 1), ("1", 0), ("2", 0), ((), 0)):
        request = a_request(facts={"aws:k": values})
        decide(request, policies)
        assert request.context.unevaluable == count
        decide(request, policies)
        assert request.context.unevaluable == 2 * count


def test_operators_and_keys_are_joined_by_and():
    condition = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "NumericLessThan": {"aws:a": 5}}
    policies = a_set(a_statement(Condition=condition))
    assert decide(a_request(facts={"aws:a": "1", "aws:b": "2"}), policies).is_allowed
    assert not decide(a_request(facts={"aws:a": "1", "aws:b": "3"}), policies).is_allowed
    assert not decide(a_request(facts={"aws:a": "1"}), policies).is_allowed


def test_key_names_ignore_case_but_tag_names_do_not():
    policies = a_set(a_statement(Condition={"StringEquals": {"AWS:principalTAG/Team": "x"}}))
    assert decide(a_request(facts={"aws:principaltag/Team": "x"}), policies).is_allowed
    assert not decide(a_request(facts={"aws:principaltag/team": "x"}), policies).is_allowed


@pytest.mark.parametrize(
    ("condition", "is_allowed"),
    [
        ({"DateGreaterThan": {"aws:CurrentTime": "2023-11-14T22:13:20Z"}}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2023-11-14T22:13:21Z"}}, False),
        ({"NumericEquals": {"aws:EpochTime": 1_700_000_000}}, True),
        ({"DateEquals": {"aws:EpochTime": "2023-11-14T22:13:20Z"}}, True),
    ],
)
def test_the_time_of_the_request_can_be_asked_for(condition, is_allowed):
    assert decide(a_request(), a_set(a_statement(Condition=condition))).is_allowed is is_allowed
