"""The evaluation: deny overrides, allow suffices, everything else is denied; and what decides is named."""

import pytest

from authz.errors import ParseError
from authz.policy import arn
from authz.policy.compile import (
    EMPTY_POLICY_SET,
    QuarantinedPolicy,
    compile_policy,
    compile_policy_set,
)
from authz.policy.decide import decide
from authz.policy.decision import NO_MATCH, ROOT, Reason, StatementRef, Verdict
from authz.policy.index import ACTION_MEMO_LENGTH, ACTION_MEMO_SIZE, INDEX_MINIMUM
from authz.policy.model import Effect, Policy, PrincipalElement, Statement
from authz.policy.request import PrincipalKind
from tests.policy.builders import a_policy, a_request, a_set, a_statement

ALLOWED, DENIED, NOTHING = Verdict.ALLOWED, Verdict.EXPLICITLY_DENIED, Verdict.IMPLICITLY_DENIED
ALLOW, DENY = a_statement(), a_statement("Deny")
BUCKET, OBJECT = "arn:aws:s3:::b", "arn:aws:s3:::b/k"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([ALLOW], ALLOWED),
        ([DENY], DENIED),
        ([ALLOW, DENY], DENIED),
        ([DENY, ALLOW], DENIED),
        ([a_statement(Action="s3:PutObject")], NOTHING),
        ([a_statement(Resource="arn:aws:s3:::c/*")], NOTHING),
        ([ALLOW, a_statement("Deny", Action="s3:PutObject")], ALLOWED),
        ([ALLOW, a_statement("Deny", Resource="arn:aws:s3:::c/*")], ALLOWED),
        ([ALLOW, a_statement("Deny", Condition={"Null": {"aws:x": "false"}})], ALLOWED),
        ([ALLOW, a_statement("Deny", Condition={"Null": {"aws:x": "true"}})], DENIED),
    ],
)
def test_a_deny_wins_an_allow_suffices_and_everything_else_is_denied(statements, expected):
    assert decide(a_request(), a_set(*statements)).verdict is expected


def test_without_policies_everything_is_denied():
    assert decide(a_request(), EMPTY_POLICY_SET) is NO_MATCH


def test_a_deny_in_a_group_overrides_the_users_allow():
    policies = compile_policy_set([a_policy(ALLOW, arn="user's"), a_policy(DENY, arn="group's")])
    decision = decide(a_request(), policies)
    assert decision.verdict is DENIED
    assert decision.statement == StatementRef(policy="group's", version=1, index=0, sid="")


def test_the_determining_statement_is_the_first_that_matches():
    policies = compile_policy_set([
        a_policy(a_statement(Action="s3:PutObject"), a_statement(Sid="one"), arn="p", number=3),
        a_policy(a_statement(Sid="two"), arn="q"),
    ])  # fmt: skip
    assert decide(a_request(), policies).statement == StatementRef(
        policy="p", version=3, index=1, sid="one"
    )


def test_a_decision_is_prepared_beforehand():
    policies = a_set(ALLOW)
    assert decide(a_request(), policies) is decide(a_request(resource=BUCKET), policies)


def test_the_root_credential_is_not_limited_by_identity_policies():
    request = a_request(kind=PrincipalKind.ROOT)
    assert decide(request, EMPTY_POLICY_SET) is ROOT
    assert decide(request, a_set(DENY)) is ROOT


def test_a_quarantined_policy_denies_and_is_named():
    broken = QuarantinedPolicy("arn:broken", 4, "it does not parse")
    for policies in (
        compile_policy_set([a_policy(ALLOW), broken]),
        compile_policy_set([a_policy(ALLOW)], deny_only=[broken]),
    ):
        decision = decide(a_request(), policies)
        assert (decision.verdict, decision.reason) == (DENIED, Reason.QUARANTINE)
        assert decision.statement == StatementRef(policy="arn:broken", version=4, index=0, sid="")


def test_a_disabled_groups_policies_deny_but_never_allow():
    mixed = a_policy(ALLOW, a_statement("Deny", Action="s3:PutObject"))
    policies = compile_policy_set([], deny_only=[mixed])
    assert decide(a_request(), policies) is NO_MATCH
    policies = compile_policy_set([a_policy(a_statement(Action="*"))], deny_only=[mixed])
    assert decide(a_request(), policies).verdict is ALLOWED
    assert decide(a_request("s3:PutObject"), policies).verdict is DENIED


@pytest.mark.parametrize(
    ("pattern", "action", "matches"),
    [
        ("*", "s3:GetObject", True),
        ("s3:*", "s3:GetObject", True),
        ("s3:*", "s3-outposts:GetObject", False),
        ("s3:Get*", "s3:getobject", True),
        ("S3:GETOBJECT", "s3:GetObject", True),
        ("s3:Get?bject", "s3:GetObject", True),
        ("s3:Get*", "s3:PutObject", False),
        ("s3:GetObject", "s3:GetObjectVersion", False),
        ("s3:GetObjectVersion", "s3:GetObject", False),
        ("*:*", "s3:GetObject", None),
        ("s3:*Object", "s3:GetObject", True),
        ("admin:*", "s3:GetObject", False),
    ],
)
def test_actions_match_ignoring_case_with_wildcards(pattern, action, matches):
    if matches is None:
        with pytest.raises(ParseError):
            a_set(a_statement(Action=pattern))
        return
    assert decide(a_request(action), a_set(a_statement(Action=pattern))).is_allowed is matches
    complement = a_statement(NotAction=[pattern, "x:y"])
    assert decide(a_request(action), a_set(complement)).is_allowed is not matches


@pytest.mark.parametrize(
    ("elements", "resource", "matches"),
    [
        ({"Resource": "*"}, "*", True),
        ({"Resource": "*"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:::*"}, "*", False),
        ({"Resource": "arn:aws:s3:::b/*"}, OBJECT, True),
        ({"Resource": "arn:aws:s3:::b/*"}, BUCKET, False),
        ({"Resource": "arn:aws:s3:::b*"}, "arn:aws:s3:::bevil/k", True),
        ({"Resource": BUCKET}, OBJECT, False),
        ({"Resource": [BUCKET, OBJECT]}, OBJECT, True),
        ({"Resource": ["arn:aws:s3:::a/*", "arn:aws:s3:::b/*"]}, OBJECT, True),
        ({"Resource": ["arn:aws:s3:::*/x", "arn:aws:s3:::?/k", OBJECT + "x"]}, OBJECT, True),
        ({"NotResource": "arn:aws:s3:::b/*"}, OBJECT, False),
        ({"NotResource": "arn:aws:s3:::b/*"}, BUCKET, True),
        ({"NotResource": ["arn:aws:s3:::a/*", OBJECT]}, OBJECT, False),
        ({"NotResource": "*"}, OBJECT, False),
    ],
)
def test_resources_match_and_complements_do_not(elements, resource, matches):
    for effect, verdict in (("Allow", ALLOWED), ("Deny", DENIED)):
        decision = decide(a_request(resource=resource), a_set(a_statement(effect, **elements)))
        assert decision.verdict is (verdict if matches else NOTHING)


def many(statement, count=INDEX_MINIMUM):
    """Add so many statements about other things that they are indexed by resource."""
    fillers = [
        a_statement(Sid=f"f{n}", Resource=f"arn:aws:s3:::filler{n}/x/*") for n in range(count)
    ]
    return a_set(*fillers, statement, *[{**one, "Sid": f"g{n}"} for n, one in enumerate(fillers)])


@pytest.mark.parametrize(
    ("pattern", "resource", "matches"),
    [
        ("*", OBJECT, True),
        ("arn:aws:s3:::*", OBJECT, True),
        ("arn:aws:s3:::b*", OBJECT, True),
        (BUCKET, BUCKET, True),
        (BUCKET, OBJECT, False),
        (OBJECT, OBJECT, True),
        ("arn:aws:s3:::b/*", OBJECT, True),
        ("arn:aws:s3:::b/a/b/c/*", "arn:aws:s3:::b/a/b/c/d/e", True),
        ("arn:aws:s3:::b/a/b/c/*", "arn:aws:s3:::b/a/b/c", False),
        ("arn:aws:s3:::b/1/2/3/4/5/6/7/8/9/*", "arn:aws:s3:::b/1/2/3/4/5/6/7/8/9/x", True),
        ("arn:aws:s3:::b/1/2/3/4/5/6/7/8/9/*", "arn:aws:s3:::b/1/2/3/4/5/6/7/8/x", False),
        ("arn:aws:s3:::b//", "arn:aws:s3:::b//", True),
        ("arn:*:s3:::b/k", OBJECT, True),
        ("arn:aws:s3:::filler1/x/*", "arn:aws:s3:::filler1/x/y", True),
    ],
)
def test_an_index_by_resource_changes_no_answer(pattern, resource, matches):
    for effect, verdict in (("Allow", ALLOWED), ("Deny", DENIED)):
        policies = many(a_statement(effect, Resource=pattern))
        expected = verdict if matches else NOTHING
        assert decide(a_request(resource=resource), policies).verdict is expected
    assert policies.index.memo["s3:GetObject"][2] is not None


def test_a_complement_and_a_general_deny_are_found_beside_indexed_statements():
    policies = many(a_statement(NotResource="arn:aws:s3:::other/*"))
    assert decide(a_request(), policies).verdict is ALLOWED
    assert decide(a_request(resource="arn:aws:s3:::other/k"), policies).verdict is NOTHING
    policies = many(a_statement("Deny", Resource="arn:aws:s3:::*/y"))
    assert decide(a_request(resource="arn:aws:s3:::filler1/x/z"), policies).verdict is ALLOWED
    assert decide(a_request(resource="arn:aws:s3:::filler1/x/y"), policies).verdict is DENIED


def test_the_first_statement_decides_also_where_they_are_indexed():
    policies = many(a_statement(Sid="general"))
    assert decide(a_request(resource="arn:aws:s3:::filler1/x/y"), policies).statement.sid == "f1"
    assert decide(a_request(), policies).statement.sid == "general"
    policies = a_set(
        a_statement(Sid="general"),
        *[a_statement(Sid=f"f{n}", Resource=f"{BUCKET}/*") for n in range(20)],
    )
    assert decide(a_request(), policies).statement.sid == "general"


@pytest.mark.parametrize(
    ("statements", "prefix", "expected"),
    [
        ([a_statement(Resource="arn:aws:s3:::b/*")], "arn:aws:s3:::b/", ALLOWED),
        ([a_statement(Resource="arn:aws:s3:::b/*")], "arn:aws:s3:::b/x", ALLOWED),
        ([a_statement(Resource="arn:aws:s3:::b/*")], "arn:aws:s3:::b", NOTHING),
        ([a_statement(Resource="arn:aws:s3:::b/x*")], "arn:aws:s3:::b/", NOTHING),
        (
            [a_statement(Resource=["arn:aws:s3:::b/*k", "arn:aws:s3:::b/*"])],
            "arn:aws:s3:::b/",
            ALLOWED,
        ),
        ([ALLOW, a_statement("Deny", Resource="arn:aws:s3:::b/secret")], "arn:aws:s3:::b/", DENIED),
        (
            [ALLOW, a_statement("Deny", Resource="arn:aws:s3:::b/secret")],
            "arn:aws:s3:::b/s",
            DENIED,
        ),
        (
            [ALLOW, a_statement("Deny", Resource="arn:aws:s3:::b/secret")],
            "arn:aws:s3:::b/t",
            ALLOWED,
        ),
        ([a_statement(NotResource="arn:aws:s3:::b/x")], "arn:aws:s3:::b/", NOTHING),
        ([a_statement(NotResource="arn:aws:s3:::b/x")], "arn:aws:s3:::b/y", ALLOWED),
        ([ALLOW, a_statement("Deny", NotResource="arn:aws:s3:::b/x")], "arn:aws:s3:::b/x", DENIED),
        ([ALLOW, a_statement("Deny", NotResource="arn:aws:s3:::b/*")], "arn:aws:s3:::b/x", ALLOWED),
        (
            [ALLOW, a_statement("Deny", NotResource=["arn:aws:s3:::b/a*", "arn:aws:s3:::b/*"])],
            "arn:aws:s3:::b/x",
            ALLOWED,
        ),
        ([a_statement(Resource="arn:aws:s3:::b/${aws:x}/*")], "arn:aws:s3:::b/v/", ALLOWED),
        ([a_statement(Resource="arn:aws:s3:::b/${aws:none}*")], "arn:aws:s3:::b/v/", NOTHING),
        ([a_statement(NotResource="arn:aws:s3:::c/${aws:none}")], "arn:aws:s3:::b/v/", NOTHING),
        (
            [ALLOW, a_statement("Deny", Resource="arn:aws:s3:::b/${aws:x}/k")],
            "arn:aws:s3:::b/v",
            DENIED,
        ),
    ],
)
def test_a_prefix_is_allowed_as_a_whole_and_denied_in_part(statements, prefix, expected):
    request = a_request(resource=prefix, facts={"aws:x": "v"}, is_prefix=True)
    assert decide(request, a_set(*statements)).verdict is expected


def test_the_memo_of_actions_is_bounded_and_forgets_the_oldest():
    policies = a_set(a_statement(Action=["s3:*"]))
    for number in range(ACTION_MEMO_SIZE * 3):
        assert decide(a_request(f"s3:Made{number}Up"), policies).is_allowed
    assert len(policies.index.memo) == ACTION_MEMO_SIZE
    assert f"s3:Made{ACTION_MEMO_SIZE * 3 - 1}Up" in policies.index.memo
    assert decide(a_request("s3:" + "x" * ACTION_MEMO_LENGTH), policies).is_allowed
    assert "s3:" + "x" * ACTION_MEMO_LENGTH not in policies.index.memo


@pytest.mark.parametrize("resource", ["b/k", "b*", "**", "arn:aws:s3", "arn:aws:s3:::${", ""])
def test_what_is_no_resource_is_refused_with_its_place(resource):
    statement = Statement(
        sid="", effect=Effect.ALLOW, actions=("*",), not_actions=False, resources=(resource,), not_resources=True,
        conditions=(), principal=None,
    )  # fmt: skip
    with pytest.raises(ParseError, match=r"at Statement\[0\]\.NotResource$"):
        compile_policy(
            Policy(version="2012-10-17", id="", statements=(statement,)), arn="p", version=1
        )


def test_a_principal_in_an_identity_policy_is_refused():
    statement = Statement(
        sid="", effect=Effect.ALLOW, actions=("*",), not_actions=False, resources=("*",), not_resources=False,
        conditions=(), principal=PrincipalElement(negated=False, ids=(("AWS", ("*",)),)),
    )  # fmt: skip
    with pytest.raises(ParseError, match="an identity policy has no `Principal`"):
        compile_policy(
            Policy(version="2012-10-17", id="", statements=(statement,)), arn="p", version=1
        )


def test_names_are_spelled_as_arns():
    assert arn.root_arn("1") == "arn:aws:iam::1:root"
    assert arn.user_arn("1", "a") == "arn:aws:iam::1:user/a"
    assert arn.group_arn("1", "g") == "arn:aws:iam::1:group/g"
    assert arn.role_arn("1", "r") == "arn:aws:iam::1:role/r"
    assert arn.policy_arn("1", "p") == "arn:aws:iam::1:policy/p"
    assert arn.canned_policy_arn("p") == "arn:aws:iam::aws:policy/p"
    assert arn.assumed_role_arn("1", "r", "s") == "arn:aws:sts::1:assumed-role/r/s"
    assert arn.bucket_arn("b") == "arn:aws:s3:::b"
    assert arn.object_arn("b", "k/l") == "arn:aws:s3:::b/k/l"
