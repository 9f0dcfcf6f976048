"""What may be done always, on conditions or never, told before there is a request."""

import pytest

from authz.formats.context_facts import is_reserved
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.identity.principal import ANONYMOUS, root_principal, user_principal
from authz.identity.records import Group, Status, User
from authz.policy import catalog
from authz.policy.applicable import Applicable
from authz.policy.compile import (
    EMPTY_POLICY_SET,
    QuarantinedPolicy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decision import Layer
from authz.policy.reach import Certainty, Reach, find_reach, is_identity_key, list_spelled_actions
from authz.policy.request import AccessRequest, Context, fold_key
from tests.policy.builders import a_document, a_set, a_statement

NO, CONDITIONAL, ALWAYS = Certainty
ACCOUNT = "000000000000"
CAT = "arn:aws:s3:::photos/alice/cat.jpg"
ALICE = user_principal(
    User(id="1", name="alice", status=Status.ENABLED, created_at=0.0, tags={"team": "blue"}),
    [Group(id="g", name="staff", status=Status.ENABLED, created_at=0.0)],
    ACCOUNT,
)
BOB = user_principal(
    User(id="2", name="bob", status=Status.ENABLED, created_at=0.0), [], ACCOUNT
)  # fmt: skip
ROOT = root_principal(ACCOUNT)


def ask(policies, principal=ALICE, resource=CAT, action="s3:GetObject", **known) -> Reach:
    facts = {fold_key(key.replace("__", ":")): (value,) for key, value in known.items()}
    context = Context(principal.facts, {}, facts, 1e9)
    return find_reach(AccessRequest(principal, action, resource, context), policies)


def a_resource_set(*statements):
    document = parse_policy(a_document(*statements), kind=RESOURCE_POLICY)
    compiled = compile_resource_policy(document, arn="arn:aws:s3:::photos", version=1)
    return compile_policy_set([compiled], layer=Layer.RESOURCE_POLICY)


def when(operator: str, key: str, value: str) -> dict:
    return {"Condition": {operator: {key: value}}}


FROM_HOME = when("IpAddress", "aws:SourceIp", "10.0.0.0/8")
BY_NIGHT = when("DateLessThan", "aws:CurrentTime", "2030-01-01")

CASES = [
    ("nothing allows it", [], NO),
    ("an allow without conditions", [a_statement()], ALWAYS),
    ("an allow of something else", [a_statement(Action="s3:PutObject")], NO),
    ("an allow under a condition", [a_statement(**FROM_HOME)], CONDITIONAL),
    ("time passes", [a_statement(**BY_NIGHT)], CONDITIONAL),
    ("one allow with and one without", [a_statement(**FROM_HOME), a_statement()], ALWAYS),
    ("a deny", [a_statement(), a_statement("Deny")], NO),
    ("a deny under a condition", [a_statement(), a_statement("Deny", **FROM_HOME)], CONDITIONAL),
    ("a deny under a condition of what is not allowed", [a_statement("Deny", **FROM_HOME)], NO),
    ("who acts is known", [a_statement(**when("StringEquals", "aws:username", "alice"))], ALWAYS),
    ("and who does not", [a_statement(**when("StringEquals", "aws:username", "bob"))], NO),
    ("a tag", [a_statement(**when("StringEquals", "aws:PrincipalTag/team", "blue"))], ALWAYS),
    ("a tag it has not", [a_statement(**when("Null", "aws:PrincipalTag/age", "true"))], ALWAYS),
    ("a group", [a_statement(**when("StringEquals", "aws:groups", "staff"))], ALWAYS),
    ("a claim that no user has", [a_statement(**when("StringLike", "jwt:sub", "*"))], NO),
    (
        "one condition that fails, whatever another says",
        [a_statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"aws:username": "bob"}})],
        NO,
    ),
    ("a variable of who acts", [a_statement(Resource="arn:aws:s3:::photos/${aws:username}/*")], ALWAYS),
    ("of another", [a_statement(Resource="arn:aws:s3:::photos/${aws:PrincipalTag/age}/*")], NO),
    ("a variable of the request", [a_statement(Resource="arn:aws:s3:::photos/${s3:prefix}/*")], CONDITIONAL),
    ("that cannot come to this", [a_statement(Resource="arn:aws:s3:::videos/${s3:prefix}/*")], NO),
    (
        "beside one that does",
        [a_statement(Resource=["arn:aws:s3:::photos/${s3:prefix}/*", "arn:aws:s3:::photos/*"])],
        ALWAYS,
    ),
    (
        "a complement with a variable that may have no value",
        [a_statement(NotResource="arn:aws:s3:::videos/${s3:prefix}/*")],
        CONDITIONAL,
    ),
    (
        "a deny of a complement that the resource is surely not in",
        [a_statement(), a_statement("Deny", NotResource="arn:aws:s3:::videos/${s3:prefix}/*")],
        NO,
    ),
    (
        "a value with a variable of the request",
        [a_statement(**when("StringEquals", "aws:username", "${s3:prefix}"))],
        CONDITIONAL,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("statements", "certainty"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_a_users_policies_come_to(statements, certainty):
    policies = a_set(*statements) if statements else EMPTY_POLICY_SET
    assert ask(policies).certainty is certainty


def test_what_is_known_of_the_request_decides_its_conditions():
    policies = a_set(a_statement(**FROM_HOME))
    assert ask(policies, aws__SourceIp="10.1.2.3").certainty is ALWAYS
    assert ask(policies, aws__SourceIp="192.0.2.1").certainty is NO


def test_many_statements_are_found_by_their_resource():
    buckets = [a_statement(Resource=f"arn:aws:s3:::b{n}/*") for n in range(100)]
    policies = a_set(*buckets, a_statement("Deny", Resource="arn:aws:s3:::b7/*"))
    assert ask(policies, resource="arn:aws:s3:::b8/k").certainty is ALWAYS
    assert ask(policies, resource="arn:aws:s3:::b7/k").certainty is NO
    assert ask(policies, resource="arn:aws:s3:::other/k").certainty is NO


def test_many_statements_behind_an_open_variable_are_all_weighed():
    folders = [a_statement(Resource=f"arn:aws:s3:::photos/${{s3:prefix}}/{n}") for n in range(100)]
    policies = a_set(*folders)
    assert ask(policies, resource="arn:aws:s3:::photos/x/7").certainty is CONDITIONAL
    assert ask(policies, resource="arn:aws:s3:::photos/x/100").certainty is NO
    assert ask(policies, resource="arn:aws:s3:::photos/x/7", s3__prefix="x").certainty is ALWAYS
    assert ask(policies, resource="arn:aws:s3:::photos/x/7", s3__prefix="y").certainty is NO


def test_root_may_do_everything_but_what_a_resource_denies():
    assert ask(EMPTY_POLICY_SET, ROOT).certainty is ALWAYS
    denying = a_resource_set(a_statement("Deny", Principal="*", Action="s3:*"))
    assert ask(Applicable(resource=denying), ROOT).certainty is NO
    exempt = ask(Applicable(resource=denying), ROOT, action="s3:PutBucketPolicy")
    assert exempt.certainty is ALWAYS
    from_home = a_resource_set(a_statement("Deny", Principal="*", **FROM_HOME))
    assert ask(Applicable(resource=from_home), ROOT).certainty is CONDITIONAL


def test_nobody_in_particular_has_what_resources_give_everyone():
    assert ask(a_set(a_statement()), ANONYMOUS).certainty is NO
    for principal, certainty in (("*", ALWAYS), ({"AWS": ALICE.arn}, NO)):
        policy = a_resource_set(a_statement(Principal=principal))
        assert ask(Applicable(resource=policy), ANONYMOUS).certainty is certainty


def test_a_resource_grants_to_whom_it_names():
    policy = Applicable(resource=a_resource_set(a_statement(Principal={"AWS": ALICE.arn})))
    assert ask(policy) == Reach(ALWAYS, is_personal=True)
    assert ask(policy, BOB) == Reach(NO, is_personal=True)


@pytest.mark.parametrize("identity", [[a_statement()], [a_statement(**FROM_HOME)], []])
@pytest.mark.parametrize("boundary", [[a_statement()], [a_statement(**FROM_HOME)], []])
def test_a_boundary_lets_through_no_more_than_it_is_certain_of(identity, boundary):
    def compiled(listed):
        return a_set(*listed) if listed else EMPTY_POLICY_SET

    def certainty(listed):
        return ask(compiled(listed)).certainty

    within = Applicable(compiled(identity), boundary=compiled(boundary))
    assert ask(within).certainty is min(certainty(identity), certainty(boundary))


def test_a_policy_that_cannot_be_read_leaves_nothing():
    broken = compile_policy_set([QuarantinedPolicy("arn:broken", 1, "?")])
    assert ask(broken).certainty is NO
    assert ask(Applicable(a_set(a_statement()), boundary=broken)).certainty is NO
    assert ask(broken, ROOT).certainty is ALWAYS


def test_groups_that_are_disabled_only_deny():
    allow, deny = a_set(a_statement()), a_set(a_statement("Deny"))
    assert ask(compile_policy_set((), deny_only=allow.policies)).certainty is NO
    assert (
        ask(compile_policy_set(allow.policies, deny_only=deny.policies)).certainty is NO
    )  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "is_personal"),
    [
        ({}, False),
        (FROM_HOME, False),
        (when("StringEquals", "aws:PrincipalTag/team", "blue"), True),
        ({"Resource": "arn:aws:s3:::photos/${aws:username}/*"}, True),
        ({"Resource": "arn:aws:s3:::videos/${aws:username}/*"}, True),
        ({"Action": "s3:PutObject", **when("StringEquals", "aws:username", "bob")}, False),
    ],
)
def test_an_answer_is_personal_when_who_acts_was_looked_at(elements, is_personal):
    assert ask(a_set(a_statement(**elements))).is_personal is is_personal


def test_what_policies_spell_out_are_exact_actions_of_allows():
    policies = Applicable(
        a_set(
            a_statement(Action=["orders:Get", "s3:*", "orders:G?t"]),
            a_statement("Deny", Action="orders:Drop"),
            {"Effect": "Allow", "NotAction": "orders:Put", "Resource": "*"},
        ),
        resource=a_resource_set(a_statement(Principal="*", Action="Orders:List")),
    )
    assert set(list_spelled_actions(policies)) == {"orders:Get", "Orders:List"}


def test_no_caller_can_write_a_key_that_counts_as_known():
    identity = [fold_key(key.name) for key in catalog.all_keys() if is_identity_key(key.name)]
    assert "aws:username" in identity
    assert [key for key in identity if not is_reserved(key)] == []
    assert is_identity_key("aws:principaltag/Team")
    assert not is_identity_key("aws:sourceip")
    assert not is_identity_key("aws:currenttime")
    assert not is_identity_key("unheard:of")
