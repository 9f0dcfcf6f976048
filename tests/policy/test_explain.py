"""Explanations: every element with its reason, and the nearest miss."""

import pytest

from authz.identity.principal import ANONYMOUS
from authz.policy.applicable import Applicable
from authz.policy.compile import QuarantinedPolicy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import NO_MATCH, ROOT, Layer, Reason, Verdict
from authz.policy.explain import (
    SHOWN_VALUES,
    ElementOutcome,
    FactSource,
    Hypothesis,
    explain,
    list_facts,
)
from authz.policy.request import Context, PrincipalKind
from tests.policy.builders import (
    ALICE,
    NOW,
    a_boundary,
    a_policy,
    a_request,
    a_resource_policy,
    a_role_session,
    a_service_account,
    a_session,
    a_set,
    a_statement,
    asked_by,
)

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
            "`s3:prefix` is `tmp/` from the server, StringLike lists `home/*`",
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


def in_context(statement, *, identity=(), server=(), facts=()):
    request = a_request()
    request.context = Context(dict(identity), dict(server), dict(facts), NOW)
    (policy,) = explain(request, a_set(statement)).policies
    return policy.statements[0].elements[-1].why


@pytest.mark.parametrize(
    ("sources", "said"),
    [
        ({"identity": {"k:a": ("i",)}, "server": {"k:a": ("s",)}, "facts": {"k:a": ("r",)}}, "`k:a` is `i` from the identity"),
        ({"server": {"k:a": ("s",)}, "facts": {"k:a": ("r",)}}, "`k:a` is `s` from the server"),
        ({"facts": {"k:a": ("r", "q")}}, "`k:a` is `r`, `q` from the request"),
        ({}, "`k:a` is missing"),
    ],
)  # fmt: skip
def test_a_condition_says_where_its_value_comes_from(sources, said):
    statement = a_statement(Condition={"StringEquals": {"k:a": "x"}})
    assert in_context(statement, **sources) == f"{said}, StringEquals lists `x`"


def test_the_time_is_the_servers():
    statement = a_statement(Condition={"NumericLessThan": {"aws:EpochTime": "1"}})
    assert in_context(statement).startswith("`aws:EpochTime` is `1700000000` from the server")


def test_a_resource_says_what_its_variables_stand_for():
    statement = a_statement(Resource="arn:aws:s3:::b/${aws:username}/${*}${k:missing}")
    why = in_context(statement, identity={"aws:username": ("alice",)})
    assert why == (
        "`arn:aws:s3:::b/k` matches none of `arn:aws:s3:::b/${aws:username}/${*}${k:missing}`; "
        "`aws:username` is `alice` from the identity; "
        "a variable has no value in `arn:aws:s3:::b/${aws:username}/${*}${k:missing}`"
    )


def test_the_facts_of_a_request_are_listed_by_source_and_none_twice():
    context = Context({"k:b": ("i",)}, {"k:b": ("s",), "k:a": ("s",)}, {"k:a": ("r",), "k:0": ("r",)}, NOW)  # fmt: skip
    assert [(fact.key, fact.values, fact.source) for fact in list_facts(context)] == [
        ("k:b", ("i",), FactSource.IDENTITY),
        ("aws:currenttime", ("2023-11-14T22:13:20.500000+00:00",), FactSource.SERVER),
        ("aws:epochtime", ("1700000000",), FactSource.SERVER),
        ("k:a", ("s",), FactSource.SERVER),
        ("k:0", ("r",), FactSource.REQUEST),
    ]


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


# --- layers -------------------------------------------------------------------------------------------------

ROLE = "arn:aws:iam::000000000000:role/deploy"
OTHER = a_statement(Action="s3:PutObject")


def principal_of(element, *, effect="Allow", who=None):
    resource = a_resource_policy(a_statement(effect, **element))
    request = a_request() if who is None else asked_by(who)
    (statement,) = explain(request, Applicable(resource=resource)).policies[-1].statements
    found = statement.elements[2]
    return found.element, found.outcome, found.why


@pytest.mark.parametrize(
    ("effect", "element", "outcome", "why"),
    [
        ("Allow", {"Principal": "*"}, MATCHED, f"`{ALICE}` is named in `*`"),
        ("Allow", {"Principal": {"AWS": ["bob", "alice"]}}, MATCHED, f"`{ALICE}` is named in `bob`, `alice`"),
        ("Allow", {"Principal": {"AWS": "bob"}}, MISSED, f"`{ALICE}` is none of `bob`"),
        ("Allow", {"Principal": {"AWS": "000000000000"}}, MISSED,
         f"`{ALICE}` is named by its account alone in `000000000000`, which leaves it to the policies of the account"),
        ("Deny", {"Principal": {"AWS": "000000000000"}}, MATCHED, f"`{ALICE}` is named by its account alone in `000000000000`"),
        ("Allow", {"NotPrincipal": {"AWS": "bob"}}, MATCHED, f"`{ALICE}` has no name among `bob`"),
        ("Allow", {"NotPrincipal": {"AWS": "alice"}}, MISSED, f"`{ALICE}` has a name among `alice`"),
        ("Deny", {"NotPrincipal": {"AWS": "alice"}}, MATCHED,
         f"`{ALICE}` has a name (its account, its role or its own) that is not among `alice`"),
        ("Deny", {"NotPrincipal": {"AWS": ["alice", "000000000000"]}}, MISSED,
         f"`{ALICE}` has all its names among `alice`, `000000000000`"),
    ],
)  # fmt: skip
def test_the_principal_element_says_how_it_names_who_asks(effect, element, outcome, why):
    assert principal_of(element, effect=effect) == (next(iter(element)), outcome, why)


def test_a_session_is_named_through_its_role_and_an_anonymous_caller_has_no_name():
    _, outcome, why = principal_of({"Principal": {"AWS": ROLE}}, who=a_role_session())
    assert (outcome, why.split("`")[2]) == (
        MATCHED,
        " is named by what stands behind its session in ",
    )
    _, outcome, why = principal_of({"Principal": {"AWS": ROLE}}, who=ANONYMOUS)
    assert (outcome, why) == (MISSED, f"an anonymous caller is none of `{ROLE}`")


def test_every_layer_is_shown_as_what_it_is():
    applicable = Applicable(
        a_set(a_statement()),
        boundary=a_boundary(a_statement()),
        sessions=(a_session(a_statement()), a_session(a_statement())),
        service_account=a_service_account(a_statement()),
        resource=a_resource_policy(a_statement(Principal="*")),
    )
    explanation = explain(a_request(), applicable)
    assert [policy.layer for policy in explanation.policies] == [
        Layer.IDENTITY,
        Layer.PERMISSIONS_BOUNDARY,
        Layer.SESSION_POLICY,
        Layer.SESSION_POLICY,
        Layer.SERVICE_ACCOUNT_POLICY,
        Layer.RESOURCE_POLICY,
    ]
    assert explanation.decision.reason is Reason.RESOURCE_POLICY
    assert explanation.changes == ()


WANTED = "`s3:GetObject` on `arn:aws:s3:::b/k`"


@pytest.mark.parametrize(
    ("applicable", "who", "changes"),
    [
        (Applicable(), None, [f"a policy of the principal must allow {WANTED}"]),
        (Applicable(a_set(OTHER)), None, [f"a policy of the principal must allow {WANTED}"]),
        (Applicable(), ANONYMOUS, [f"a policy of the resource must allow {WANTED} to everyone"]),
        (
            Applicable(a_set(a_statement(Sid="S", Resource="arn:aws:s3:::c"))),
            None,
            [(f"statement 0 (`S`) of `arn:p` must allow {WANTED}, which it misses by Resource")],
        ),
        (
            Applicable(resource=a_resource_policy(a_statement(Principal={"AWS": "bob"}))),
            None,
            [(f"statement 0 of `arn:aws:s3:::b` must allow {WANTED}, which it misses by Principal")],
        ),
        (
            Applicable(
                a_set(a_statement()),
                boundary=a_boundary(OTHER),
                sessions=(a_session(a_statement()), a_session(OTHER)),
                service_account=a_service_account(OTHER),
            ),
            None,
            [f"the permissions boundary must allow {WANTED}",
             f"each set of session policies must allow {WANTED}",
             f"the service account's own policy must allow {WANTED}"],
        ),
        (
            Applicable(a_set(a_statement("Deny", Sid="No"), a_statement("Deny")), boundary=a_boundary(OTHER)),
            None,
            ["statement 0 (`No`) of `arn:p` must not deny it", "statement 1 of `arn:p` must not deny it",
             f"a policy of the principal must allow {WANTED}", f"the permissions boundary must allow {WANTED}"],
        ),
        (
            Applicable(
                a_set(a_statement("Deny")), boundary=a_boundary(OTHER),
                resource=a_resource_policy(a_statement(Principal="*")),
            ),
            None,
            ["statement 0 of `arn:p` must not deny it"],
        ),
        (
            Applicable(a_set(a_statement("Deny")), boundary=compile_policy_set([QuarantinedPolicy("arn:q", 2, "no JSON")])),
            None,
            ["`arn:q` version 2 must be replaced: it cannot be read (no JSON), so what it denies is unknown"],
        ),
    ],
)  # fmt: skip
def test_what_would_have_to_change_is_said_for_everything_that_stands_in_the_way(
    applicable, who, changes
):
    request = a_request() if who is None else asked_by(who)
    explanation = explain(request, applicable)
    assert explanation.decision == decide(request, applicable)
    assert list(explanation.changes) == changes


def test_the_nearest_miss_is_looked_for_where_an_allow_is_missing():
    applicable = Applicable(
        a_set(a_statement()),
        boundary=a_boundary(a_statement(Sid="near", Resource="arn:aws:s3:::c")),
        resource=a_resource_policy(a_statement(Sid="far", Principal={"AWS": "bob"})),
    )
    explanation = explain(a_request(), applicable)
    assert explanation.decision.reason is Reason.PERMISSIONS_BOUNDARY
    assert explanation.nearest.statement.sid == "near"


def test_layers_that_do_not_apply_are_not_shown():
    applicable = Applicable(
        a_set(a_statement("Deny")), resource=a_resource_policy(a_statement(Principal="*"))
    )
    assert [one.layer for one in explain(asked_by(ANONYMOUS), applicable).policies] == [
        Layer.RESOURCE_POLICY
    ]
    root = explain(a_request(kind=PrincipalKind.ROOT), applicable)
    assert root.decision is ROOT
    assert [one.layer for one in root.policies] == [Layer.RESOURCE_POLICY]


# --- hypotheses ---------------------------------------------------------------------------------------------

ALL = a_statement(Action="*")


def own(**changed):
    layers = {
        "boundary": a_boundary(ALL),
        "resource": a_resource_policy(OTHER | {"Principal": "*"}),
    }
    return Applicable(a_set(OTHER), **{**layers, **changed})


def of_resource(*statements):
    return a_resource_policy(*statements).policies[0]


@pytest.mark.parametrize(
    ("hypothesis", "layers", "reason"),
    [
        (Hypothesis(), "arn:p PERMISSIONS_BOUNDARY arn:aws:s3:::b", Reason.NO_MATCH),
        (Hypothesis(identity=(a_policy(ALL, arn="new"),)),
         "arn:p new PERMISSIONS_BOUNDARY arn:aws:s3:::b", Reason.STATEMENT),
        (Hypothesis(identity=(a_policy(ALL, arn="new"),), is_without_own=True), "new arn:aws:s3:::b", Reason.STATEMENT),
        (Hypothesis(identity=(a_policy(ALL, arn="new"),), boundary=a_policy(OTHER, arn="limit")),
         "arn:p new limit arn:aws:s3:::b", Reason.PERMISSIONS_BOUNDARY),
        (Hypothesis(is_without_own=True, identity=(a_policy(ALL, arn="new"),), boundary=a_policy(ALL, arn="limit")),
         "new limit arn:aws:s3:::b", Reason.STATEMENT),
        (Hypothesis(identity=(a_policy(ALL, arn="new"),), sessions=(a_policy(OTHER, arn="a"), a_policy(ALL, arn="b"))),
         "arn:p new PERMISSIONS_BOUNDARY a b arn:aws:s3:::b", Reason.STATEMENT),
        (Hypothesis(identity=(a_policy(ALL, arn="new"),), service_account=a_policy(OTHER, arn="a")),
         "arn:p new PERMISSIONS_BOUNDARY a arn:aws:s3:::b", Reason.SERVICE_ACCOUNT_POLICY),
        (Hypothesis(resource=of_resource(a_statement(Principal="*"))),
         "arn:p PERMISSIONS_BOUNDARY arn:aws:s3:::b", Reason.RESOURCE_POLICY),
    ],
)  # fmt: skip
def test_policies_are_assumed_beside_or_instead_of_those_that_are_there(hypothesis, layers, reason):
    applicable = hypothesis.applied_to(own())
    explanation = explain(a_request(), applicable)
    assert [policy.arn for policy in explanation.policies] == layers.split()
    assert explanation.decision.reason is reason
    assert explanation.decision == decide(a_request(), applicable)


def test_what_narrows_already_stays_under_a_hypothesis():
    everything = (a_policy(ALL),)
    hypothesis = Hypothesis(identity=everything, sessions=everything, is_without_own=True)
    for layers in (
        {"sessions": (a_session(OTHER),)},
        {"service_account": a_service_account(OTHER)},
    ):
        applicable = hypothesis.applied_to(own(**layers))
        assert decide(a_request(), applicable).verdict is Verdict.IMPLICITLY_DENIED


def test_denies_of_disabled_groups_stay_unless_all_of_its_own_is_left_out():
    denying = compile_policy_set([], deny_only=[a_policy(a_statement("Deny"))])
    allowing = (a_policy(ALL),)
    for is_without_own in (False, True):
        hypothesis = Hypothesis(identity=allowing, is_without_own=is_without_own)
        assert (
            decide(a_request(), hypothesis.applied_to(Applicable(denying))).is_allowed
            is is_without_own
        )


def test_who_asks_is_described_by_the_hypothesis():
    principal = a_request().principal
    hypothesis = Hypothesis(facts={"aws:principaltag/team": ("blue",)})
    assert hypothesis.describes(principal).facts == {"aws:principaltag/team": ("blue",)}
    assert principal.facts == {}
