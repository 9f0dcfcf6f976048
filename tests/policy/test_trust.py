"""Whom a role trusts: what naming somebody is worth, what the caller's own policies add and take away."""

import pytest

from authz.identity.principal import ANONYMOUS, root_principal
from authz.policy.applicable import Applicable
from authz.policy.compile import EMPTY_POLICY_SET, QuarantinedPolicy, compile_policy_set
from authz.policy.decide import decide_trust
from authz.policy.decision import Layer, Reason, Verdict
from authz.policy.request import AccessRequest, Context
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
)

ASSUME = "sts:AssumeRole"
ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/auditor"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
USER = a_request().principal
ROOT = root_principal(ACCOUNT)
SESSION = a_role_session()

MAY = a_set(a_statement(Action=ASSUME, Resource=ROLE))
OTHERS = a_set(a_statement(Action=ASSUME, Resource=f"{ROLE}2"))
ASSUMES = a_statement(Action=ASSUME)
GETS = a_statement(Action="s3:GetObject")


def trusting(principal, *, condition=None, action=ASSUME):
    conditions = {"Condition": condition} if condition else {}
    return a_resource_policy(a_statement(Principal=principal, Action=action, **conditions))


def decided(trust, *, by=USER, identity=EMPTY_POLICY_SET, action=ASSUME, facts=None, **layers):
    values = {key: (value,) for key, value in (facts or {}).items()}
    context = Context(by.facts, {}, values, 1_700_000_000.0)
    request = AccessRequest(by, action, ROLE, context)
    return decide_trust(request, Applicable(identity, resource=trust, **layers))


def may(*args, **parts):
    return decided(*args, **parts).is_allowed


@pytest.mark.parametrize("named", [{"AWS": ALICE}, {"AWS": "alice"}, {"AWS": "*"}, "*"])
def test_a_role_that_names_the_user_or_everyone_needs_nothing_else(named):
    assert may(trusting(named))
    assert may(trusting(named), identity=OTHERS)


@pytest.mark.parametrize("named", [{"AWS": ACCOUNT}, {"AWS": ROOT_ARN}])
def test_a_role_that_names_the_account_leaves_it_to_the_accounts_policies(named):
    assert not may(trusting(named))
    assert not may(trusting(named), identity=OTHERS)
    assert may(trusting(named), identity=MAY)


@pytest.mark.parametrize(
    "named",
    [
        {"AWS": f"{ALICE}2"},
        {"AWS": ALICE.replace("alice", "Alice")},
        {"AWS": "123456789012"},
        {"Service": "ec2.amazonaws.com"},
        {"Federated": "accounts.example.com"},
    ],
)
def test_being_allowed_to_assume_is_not_enough_where_the_role_names_somebody_else(named):
    assert decided(trusting(named), identity=MAY).reason is Reason.NO_MATCH
    assert (
        decided(trusting(named), identity=a_set(a_statement(Action="*"))).reason is Reason.NO_MATCH
    )


def test_a_role_without_a_statement_about_the_action_is_not_assumed():
    assert not may(trusting("*", action="sts:TagSession"), identity=MAY)
    assert not may(None, identity=MAY)


@pytest.mark.parametrize("layer", ["identity", "boundary", "sessions", "service_account"])
def test_a_deny_anywhere_keeps_the_caller_out(layer):
    allow, deny = a_statement(Action="sts:*"), a_statement("Deny", Action=ASSUME, Resource=ROLE)
    made = {
        "identity": a_set(allow, deny),
        "boundary": a_boundary(allow, deny),
        "sessions": (a_session(allow, deny),),
        "service_account": a_service_account(allow, deny),
    }[layer]
    assert decided(trusting({"AWS": ALICE}), **{layer: made}).verdict is Verdict.EXPLICITLY_DENIED


def test_a_deny_of_the_role_keeps_the_caller_out():
    deny = a_statement("Deny", Principal={"AWS": ACCOUNT}, Action=ASSUME)
    trust = a_resource_policy(a_statement(Principal="*", Action=ASSUME), deny)
    assert decided(trust, identity=MAY).verdict is Verdict.EXPLICITLY_DENIED


def test_root_and_who_is_nobody_assume_no_role_whatever_it_says():
    for trust in (trusting("*"), trusting({"AWS": ROOT_ARN})):
        assert decided(trust, by=ROOT).reason is Reason.NO_MATCH
        assert not may(trust, by=ROOT, sessions=(a_session(ASSUMES),))
        assert not may(trust, by=ANONYMOUS)


@pytest.mark.parametrize("named", ["*", {"AWS": ALICE}, {"AWS": ACCOUNT}])
@pytest.mark.parametrize("layer", ["sessions", "service_account"])
def test_no_way_of_naming_lifts_a_credential_over_its_own_policies(named, layer):
    def of(*statements):
        return (a_session(*statements),) if layer == "sessions" else a_service_account(*statements)

    assert not may(trusting(named), identity=MAY, **{layer: of(GETS)})
    assert may(trusting(named), identity=MAY, **{layer: of(ASSUMES)})


def test_a_session_of_a_role_is_trusted_by_its_role_and_by_its_own_name():
    for named in (SESSION.arn, f"arn:aws:iam::{ACCOUNT}:role/deploy"):
        assert may(trusting({"AWS": named}), by=SESSION)
        assert not may(trusting({"AWS": named}), by=SESSION, sessions=(a_session(GETS),))
        assert may(trusting({"AWS": named}), by=SESSION, sessions=(a_session(ASSUMES),))
    assert not may(trusting({"AWS": f"{SESSION.arn}2"}), by=SESSION)


def test_a_boundary_bounds_whom_the_role_does_not_name_itself():
    assert not may(trusting({"AWS": ACCOUNT}), identity=MAY, boundary=a_boundary(GETS))
    assert may(trusting({"AWS": ACCOUNT}), identity=MAY, boundary=a_boundary(ASSUMES))
    assert may(trusting({"AWS": ALICE}), boundary=a_boundary(GETS))


def test_a_role_that_asks_for_an_external_id_is_not_assumed_without_it():
    trust = trusting({"AWS": ALICE}, condition={"StringEquals": {"sts:ExternalId": "e-1"}})
    assert not may(trust)
    assert not may(trust, facts={"sts:externalid": "e-2"})
    assert may(trust, facts={"sts:externalid": "e-1"})


def test_a_trust_policy_that_cannot_be_read_keeps_everybody_out():
    broken = compile_policy_set([QuarantinedPolicy(ROLE, 1, "?")], layer=Layer.RESOURCE_POLICY)
    assert decided(broken, identity=MAY).reason is Reason.QUARANTINE
    assert not may(broken, by=ROOT)
