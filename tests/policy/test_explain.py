"""Explanations: every element with its reason, and the nearest miss."""

from authz.policy.compile import QuarantinedPolicy, compile_policy_set
from authz.policy.decision import NO_MATCH, ROOT, Reason, Verdict
from authz.policy.explain import SHOWN_VALUES, ElementOutcome, explain
from authz.policy.request import PrincipalKind
from tests.policy.builders import a_policy, a_request, a_set, a_statement

MATCHED, MISSED, UNEVALUABLE = (
    ElementOutcome.MATCHED,
    ElementOutcome.NOT_MATCHED,
    ElementOutcome.UNEVALUABLE,
)


def elements_of(statement, **request):
    explanation = explain(a_request(**request), a_set(statement))
    return {
        one.element: (one.outcome, one.why)
        for one in explanation.policies[0].statements[0].elements
    }


def test_every_element_says_what_matched_or_failed():
    statement = a_statement(
        Action=["s3:Get*", "s3:PutObject"],
        Resource=["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"],
        Condition={
            "StringLike": {"s3:prefix": "home/*"},
            "ForAllValues:NumericEqualsIfExists": {"aws:n": 1},
        },
    )
    found = elements_of(statement, facts={"s3:prefix": "tmp/"})
    assert found == {
        "Action": (MATCHED, "`s3:GetObject` matches `s3:Get*`"),
        "Resource": (MATCHED, "`arn:aws:s3:::b/k` matches `arn:aws:s3:::b/*`"),
        "Condition.StringLike.s3:prefix": (
            MISSED,
            "`s3:prefix` is `tmp/`, StringLike lists `home/*`",
        ),
        "Condition.ForAllValues:NumericEqualsIfExists.aws:n": (
            MATCHED,
            "`aws:n` is missing, ForAllValues:NumericEqualsIfExists lists `1`",
        ),
    }


def test_complements_say_which_pattern_excluded_the_request():
    statement = a_statement(NotAction="s3:Get*", NotResource="arn:aws:s3:::c")
    assert elements_of(statement) == {
        "NotAction": (MISSED, "`s3:GetObject` matches `s3:Get*`"),
        "NotResource": (MATCHED, "`arn:aws:s3:::b/k` matches none of `arn:aws:s3:::c`"),
    }


def test_an_unresolved_variable_is_named():
    outcome, why = elements_of(a_statement(Resource="arn:aws:s3:::${aws:x}"))["Resource"]
    assert outcome is MISSED
    assert why.endswith("; a variable has no value in `arn:aws:s3:::${aws:x}`")
    outcome, _ = elements_of(a_statement(NotResource="arn:aws:s3:::${aws:x}"))["NotResource"]
    assert outcome is UNEVALUABLE


def test_a_value_that_cannot_be_read_is_unevaluable():
    statement = a_statement("Deny", Condition={"NumericEquals": {"aws:n": 1}})
    explanation = explain(a_request(facts={"aws:n": "x"}), a_set(statement))
    (statement,) = explanation.policies[0].statements
    assert statement.is_matched
    assert statement.elements[-1].outcome is UNEVALUABLE
    assert explanation.decision.verdict is Verdict.EXPLICITLY_DENIED


def test_a_prefix_says_what_covers_it_or_may_match_below_it():
    allow, deny = (
        a_statement(Resource="arn:aws:s3:::b/k*"),
        a_statement("Deny", Resource="arn:aws:s3:::b/k*"),
    )
    request = {"resource": "arn:aws:s3:::b/", "is_prefix": True}
    assert elements_of(allow, **request)["Resource"] == (
        MISSED,
        "`arn:aws:s3:::b/` as a prefix is covered by none of `arn:aws:s3:::b/k*`",
    )
    assert elements_of(deny, **request)["Resource"] == (
        MATCHED,
        "`arn:aws:s3:::b/` as a prefix may match `arn:aws:s3:::b/k*`",
    )


def test_an_implicit_deny_names_the_allow_that_came_nearest():
    policies = a_set(
        a_statement(Sid="other action", Action="s3:PutObject"),
        a_statement(
            Sid="two misses", Resource="arn:aws:s3:::c", Condition={"Bool": {"aws:x": "true"}}
        ),
        a_statement(Sid="one miss", Condition={"Bool": {"aws:x": "true"}}),
        a_statement("Deny", Sid="no allow", Resource="arn:aws:s3:::c"),
    )
    explanation = explain(a_request(), policies)
    assert explanation.decision is NO_MATCH
    assert explanation.nearest.statement.sid == "one miss"
    assert explain(a_request("iam:GetUser"), policies).nearest is None


def test_policies_of_disabled_groups_and_quarantined_ones_are_shown_as_such():
    policies = compile_policy_set(
        [QuarantinedPolicy("arn:broken", 2, "unknown element")],
        deny_only=[a_policy(a_statement(), arn="arn:off")],
    )
    explanation = explain(a_request(), policies)
    assert explanation.decision.reason is Reason.QUARANTINE
    broken, off = explanation.policies
    assert (broken.arn, broken.version, broken.problem, broken.statements) == (
        "arn:broken",
        2,
        "unknown element",
        (),
    )
    assert off.is_deny_only
    assert off.statements[0].is_matched


def test_an_allow_of_a_disabled_group_is_neither_decision_nor_nearest():
    explanation = explain(a_request(), compile_policy_set([], deny_only=[a_policy(a_statement())]))
    assert explanation.decision is NO_MATCH
    assert explanation.nearest is None


def test_root_is_explained_as_root():
    assert explain(a_request(kind=PrincipalKind.ROOT), a_set(a_statement("Deny"))).decision is ROOT


def test_long_lists_are_cut():
    listed = [f"arn:aws:s3:::c{number}" for number in range(SHOWN_VALUES + 3)]
    _, why = elements_of(a_statement(Resource=listed))["Resource"]
    assert why.endswith(f"`arn:aws:s3:::c{SHOWN_VALUES - 1}` and 3 more")
