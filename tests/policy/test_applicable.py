"""Everything that applies to a request: which layer grants, which narrows, which denies, and which is named."""

import pytest

from authz.identity.principal import ANONYMOUS, root_principal
from authz.policy.applicable import Applicable
from authz.policy.compile import EMPTY_POLICY_SET, QuarantinedPolicy, compile_policy_set
from authz.policy.decide import decide
from authz.policy.decision import NO_MATCH, ROOT, Layer, Reason, Verdict
from tests.policy.builders import (
    ALICE,
    a_boundary,
    a_request,
    a_resource_policy,
    a_role_session,
    a_service_account,
    a_session,
    a_set,
    a_statement,
    asked_by,
)

ALLOWED, DENIED, NOTHING = Verdict.ALLOWED, Verdict.EXPLICITLY_DENIED, Verdict.IMPLICITLY_DENIED
ALLOW, DENY = a_statement(), a_statement("Deny")
OTHER_ALLOW = a_statement(Action="s3:PutObject")
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deploy"
ROOT_PRINCIPAL = root_principal(ACCOUNT)
SESSION = a_role_session()
USER = a_request().principal

NARROWING = {
    "boundary": (a_boundary, Reason.PERMISSIONS_BOUNDARY),
    "sessions": (lambda *statements: (a_session(*statements),), Reason.SESSION_POLICY),
    "service_account": (a_service_account, Reason.SERVICE_ACCOUNT_POLICY),
}
narrowing_layers = pytest.mark.parametrize("layer", NARROWING)


def narrowed(layer, *statements):
    return {layer: NARROWING[layer][0](*statements)}


def granting(principal, effect="Allow", **elements):
    return a_resource_policy(a_statement(effect, Principal=principal, **elements))


def outcome(decision):
    where = decision.statement and decision.statement.policy
    return decision.verdict, decision.reason, where


@narrowing_layers
def test_a_layer_that_narrows_lets_through_what_it_allows_and_names_itself_where_it_does_not(layer):
    reason = NARROWING[layer][1]
    through = Applicable(a_set(ALLOW), **narrowed(layer, ALLOW))
    assert outcome(decide(a_request(), through)) == (ALLOWED, Reason.STATEMENT, "arn:p")
    stopped = Applicable(a_set(ALLOW), **narrowed(layer, OTHER_ALLOW))
    assert outcome(decide(a_request(), stopped)) == (NOTHING, reason, None)
    denied = Applicable(a_set(ALLOW), **narrowed(layer, ALLOW, DENY))
    assert outcome(decide(a_request(), denied)) == (DENIED, reason, Layer[reason].value)


@narrowing_layers
def test_a_layer_that_narrows_grants_nothing(layer):
    assert decide(a_request(), Applicable(**narrowed(layer, ALLOW))) is NO_MATCH
    assert decide(a_request(), Applicable(a_set(OTHER_ALLOW), **narrowed(layer, ALLOW))) is NO_MATCH


@narrowing_layers
def test_an_empty_set_lets_nothing_through(layer):
    sets = (EMPTY_POLICY_SET,) if layer == "sessions" else EMPTY_POLICY_SET
    assert decide(a_request(), Applicable(a_set(ALLOW), **{layer: sets})).verdict is NOTHING


def test_every_set_of_session_policies_must_allow():
    allow, other = a_session(ALLOW), a_session(OTHER_ALLOW)
    for sessions, expected in (((allow, allow), ALLOWED), ((allow, other), NOTHING), ((other, allow), NOTHING)):  # fmt: skip
        assert decide(a_request(), Applicable(a_set(ALLOW), sessions=sessions)).verdict is expected


@pytest.mark.parametrize("field", ["identity", "boundary", "service_account", "sessions", "resource"])  # fmt: skip
def test_a_policy_that_cannot_be_read_denies_in_any_layer(field):
    broken = compile_policy_set([QuarantinedPolicy("arn:broken", 3, "?")])
    sets = {"identity": a_set(ALLOW), field: (broken,) if field == "sessions" else broken}
    decision = decide(a_request(), Applicable(**sets))
    assert outcome(decision) == (DENIED, Reason.QUARANTINE, "arn:broken")


# --- policies of resources ----------------------------------------------------------------------------------

EVERYWHERE = {
    "nothing": {},
    "a boundary that does not allow": narrowed("boundary", OTHER_ALLOW),
    "a session policy that does not allow": narrowed("sessions", OTHER_ALLOW),
    "a service account's policy that does not allow": narrowed("service_account", OTHER_ALLOW),
}


@pytest.mark.parametrize(
    ("principal", "named", "expected"),
    [
        # principal, how it is named → the verdict under: nothing, boundary, session policy, service account's.
        (USER, "*", (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
        (USER, {"AWS": ALICE}, (ALLOWED, ALLOWED, NOTHING, NOTHING)),
        (USER, {"AWS": "alice"}, (ALLOWED, ALLOWED, NOTHING, NOTHING)),
        (USER, {"AWS": ACCOUNT}, (NOTHING, NOTHING, NOTHING, NOTHING)),
        (USER, {"AWS": "bob"}, (NOTHING, NOTHING, NOTHING, NOTHING)),
        (SESSION, "*", (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
        (SESSION, {"AWS": SESSION.arn}, (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
        (SESSION, {"AWS": ROLE}, (ALLOWED, NOTHING, NOTHING, NOTHING)),
        (SESSION, {"AWS": [ROLE, SESSION.arn]}, (ALLOWED, ALLOWED, ALLOWED, ALLOWED)),
        (SESSION, {"AWS": ACCOUNT}, (NOTHING, NOTHING, NOTHING, NOTHING)),
    ],
)
def test_a_resource_policy_grants_by_itself_to_whom_it_names_and_within_the_layers_through_a_role(
    principal, named, expected
):
    for fields, verdict in zip(EVERYWHERE.values(), expected, strict=True):
        applicable = Applicable(resource=granting(named), **fields)
        assert decide(asked_by(principal), applicable).verdict is verdict


@pytest.mark.parametrize("layer", NARROWING)
def test_a_grant_through_the_role_passes_the_layers_that_allow(layer):
    applicable = Applicable(resource=granting({"AWS": ROLE}), **narrowed(layer, ALLOW))
    assert outcome(decide(asked_by(SESSION), applicable)) == (
        ALLOWED,
        Reason.RESOURCE_POLICY,
        "arn:aws:s3:::b",
    )


def test_a_grant_through_the_role_and_one_by_itself_in_one_policy_grant_by_themselves():
    resource = a_resource_policy(
        a_statement(Sid="role", Principal={"AWS": ROLE}), a_statement(Sid="all", Principal="*")
    )
    applicable = Applicable(boundary=a_boundary(OTHER_ALLOW), resource=resource)
    decision = decide(asked_by(SESSION), applicable)
    assert decision.statement.sid == "all"


def test_of_several_grants_through_the_role_the_first_is_named():
    resource = a_resource_policy(
        a_statement(Sid="put", Action="s3:PutObject", Principal={"AWS": ROLE}),
        a_statement(Sid="one", Principal={"AWS": ROLE}),
        a_statement(Sid="two", Principal={"AWS": ROLE}),
    )
    assert decide(asked_by(SESSION), Applicable(resource=resource)).statement.sid == "one"


def test_a_resource_policy_denies_whom_it_names_by_any_of_its_names():
    for principal, named in [
        (USER, "*"),
        (USER, {"AWS": ALICE}),
        (USER, {"AWS": ACCOUNT}),
        (SESSION, {"AWS": ROLE}),
        (SESSION, {"AWS": SESSION.arn}),
        (ROOT_PRINCIPAL, {"AWS": ACCOUNT}),
    ]:
        applicable = Applicable(a_set(ALLOW), resource=granting(named, "Deny"))
        decision = decide(asked_by(principal), applicable)
        assert outcome(decision) == (DENIED, Reason.RESOURCE_POLICY, "arn:aws:s3:::b")
    bystander = Applicable(a_set(ALLOW), resource=granting({"AWS": "bob"}, "Deny"))
    assert decide(a_request(), bystander).is_allowed


def test_an_identity_policy_decides_where_the_resource_policy_is_silent():
    applicable = Applicable(a_set(ALLOW), resource=granting({"AWS": "bob"}))
    assert outcome(decide(a_request(), applicable)) == (ALLOWED, Reason.STATEMENT, "arn:p")
    assert decide(a_request(), Applicable(resource=granting({"AWS": "bob"}))) is NO_MATCH


def test_who_is_anonymous_is_decided_by_resource_policies_alone():
    request = asked_by(ANONYMOUS)
    assert decide(request, a_set(ALLOW)) is NO_MATCH
    assert decide(request, Applicable(a_set(ALLOW))) is NO_MATCH
    assert decide(request, Applicable(a_set(ALLOW), resource=granting({"AWS": ALICE}))) is NO_MATCH
    assert decide(request, Applicable(a_set(DENY), resource=granting("*"))).is_allowed
    everyone_but = a_resource_policy(a_statement(NotPrincipal={"AWS": "bob"}))
    assert decide(request, Applicable(resource=everyone_but)).is_allowed
    both = a_resource_policy(a_statement(Principal="*"), a_statement("Deny", Principal="*"))
    assert decide(request, Applicable(resource=both)).verdict is DENIED


# --- root ---------------------------------------------------------------------------------------------------


def test_root_is_not_limited_by_identity_policies_but_denied_by_a_resources():
    request = asked_by(ROOT_PRINCIPAL)
    assert decide(request, Applicable(a_set(DENY))) is ROOT
    assert decide(request, Applicable(resource=granting({"AWS": "bob"}))) is ROOT
    assert decide(request, Applicable(resource=granting("*"))) is ROOT
    assert decide(request, Applicable(resource=granting("*", "Deny"))).verdict is DENIED


@pytest.mark.parametrize(
    "action",
    [
        "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy", "s3:putbucketpolicy",
        "authz:GetResourcePolicy", "authz:PutResourcePolicy", "authz:DeleteResourcePolicy",
    ],
)  # fmt: skip
def test_no_resource_policy_locks_root_out_of_itself(action):
    everything = granting("*", "Deny", Action="*")
    broken = compile_policy_set([QuarantinedPolicy("arn:b", 1, "?")], layer=Layer.RESOURCE_POLICY)
    for resource in (everything, broken):
        request = asked_by(ROOT_PRINCIPAL, action)
        assert decide(request, Applicable(resource=resource)) is ROOT
        assert decide(asked_by(USER, action), Applicable(resource=resource)).verdict is DENIED
        derived = Applicable(service_account=a_service_account(a_statement(Action="s3:*")), resource=resource)  # fmt: skip
        assert decide(request, derived).verdict is DENIED


@narrowing_layers
def test_a_credential_derived_from_root_is_limited_by_its_own_policy(layer):
    request = asked_by(ROOT_PRINCIPAL)
    assert decide(request, Applicable(a_set(DENY), **narrowed(layer, ALLOW))) is ROOT
    assert decide(request, Applicable(**narrowed(layer, OTHER_ALLOW))).verdict is NOTHING
    assert decide(request, Applicable(**narrowed(layer, ALLOW, DENY))).verdict is DENIED


# --- prefixes -----------------------------------------------------------------------------------------------

ALL, PART = "arn:aws:s3:::b/*", "arn:aws:s3:::b/k"


@pytest.mark.parametrize("field", ["identity", "resource", *NARROWING])
def test_a_prefix_is_allowed_as_a_whole_and_denied_in_part_in_every_layer(field):
    def verdict(*statements):
        identity = a_set(a_statement(Resource=ALL))
        if field == "identity":
            applicable = Applicable(a_set(*statements))
        elif field == "resource":
            applicable = Applicable(resource=a_resource_policy(*[{**one, "Principal": "*"} for one in statements]))  # fmt: skip
        else:
            applicable = Applicable(identity, **narrowed(field, *statements))
        request = a_request(resource="arn:aws:s3:::b/", is_prefix=True)
        return decide(request, applicable).verdict

    assert verdict(a_statement(Resource=ALL)) is ALLOWED
    assert verdict(a_statement(Resource=PART)) is NOTHING
    assert verdict(a_statement(Resource=ALL), a_statement("Deny", Resource=PART)) is DENIED


def test_a_bare_policy_set_means_the_identity_policies():
    for statements in ((ALLOW,), (DENY,), (OTHER_ALLOW,)):
        policies = a_set(*statements)
        for principal in (USER, SESSION, ROOT_PRINCIPAL, ANONYMOUS):
            request = asked_by(principal)
            assert decide(request, policies) is decide(request, Applicable(policies))


def test_the_policies_of_a_resource_are_about_whom_they_name_also_where_they_stand_alone():
    assert decide(a_request(), granting({"AWS": "alice"})).is_allowed
    assert decide(a_request(), granting({"AWS": "bob"})) is NO_MATCH
    assert decide(a_request(), granting({"AWS": "bob"}, "Deny")) is NO_MATCH


@pytest.mark.parametrize("layer", list(Layer))
def test_a_decision_is_prepared_beforehand_and_gives_its_layer_as_the_reason(layer):
    policies = compile_policy_set(a_set(ALLOW).policies, layer=layer)
    assert {one.decision.reason.value for one in policies.statements} == {
        "STATEMENT" if layer is Layer.IDENTITY else layer.value
    }


# --- versions -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "resource", "matches"),
    [
        ("2012-10-17", "arn:aws:s3:::b/v", True),
        ("2012-10-17", "arn:aws:s3:::b/${aws:x}", False),
        ("2008-10-17", "arn:aws:s3:::b/v", False),
        ("2008-10-17", "arn:aws:s3:::b/${aws:x}", True),
        (None, "arn:aws:s3:::b/v", False),
        (None, "arn:aws:s3:::b/${aws:x}", True),
    ],
)
def test_only_the_newer_version_knows_variables_also_in_resource_policies(
    version, resource, matches
):
    statement = a_statement(Resource="arn:aws:s3:::b/${aws:x}")
    request = a_request(resource=resource, facts={"aws:x": "v"})
    assert decide(request, a_set(statement, version=version)).is_allowed is matches
    policies = a_resource_policy({**statement, "Principal": "*"}, version=version)
    assert decide(request, Applicable(resource=policies)).is_allowed is matches


@pytest.mark.parametrize(
    ("version", "values", "value", "matches"),
    [
        ("2012-10-17", "${aws:x}", "v", True),
        ("2008-10-17", "${aws:x}", "v", False),
        ("2008-10-17", "${aws:x}", "${aws:x}", True),
        ("2012-10-17", "${*}", "*", True),
        ("2012-10-17", "${*}", "a", False),
        ("2008-10-17", "${*}", "${anything}", True),
        ("2008-10-17", "${", "${", True),
        ("2008-10-17", "a*", "ab", True),
    ],
)
def test_in_the_older_version_a_variable_is_text_whose_wildcards_live(
    version, values, value, matches
):
    statement = a_statement(Condition={"StringLike": {"s3:prefix": values}})
    request = a_request(facts={"aws:x": "v", "s3:prefix": value})
    assert decide(request, a_set(statement, version=version)).is_allowed is matches
