"""Whom a role trusts on a provider's word: its trust policy alone decides, and only by the provider's name."""

import pytest

from authz.identity.external import ExternalIdentity, Login, ProviderKind
from authz.identity.principal import federated_principal
from authz.policy.compile import QuarantinedPolicy, compile_policy_set
from authz.policy.decide import decide, decide_federated_trust
from authz.policy.decision import Layer, Reason, Verdict
from authz.policy.request import AccessRequest, Context
from tests.policy.builders import a_resource_policy, a_set, a_statement

ACCOUNT = "000000000000"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/auditor"
LOGIN = "sts:AssumeRoleWithWebIdentity"
ISSUER = "idp.example.com/realms/x"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"
IDP = {"Federated": ARN}
OTHER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/idp.example.com/realms/y"

TOKEN = Login(
    "P1",
    "keycloak",
    ProviderKind.OIDC,
    ExternalIdentity(
        name="u-1",
        issuer=f"https://{ISSUER}",
        audience="app",
        facts={f"{ISSUER}:sub": ("u-1",), "jwt:level": ("three",), "jwt:roles": ("a", "b")},
    ),
)
BIND = Login("P2", "corp", ProviderKind.LDAP, ExternalIdentity(name="uid=a,dc=x"))


def trusting(*statements):
    return a_resource_policy(*statements)


def allow(principal=IDP, effect="Allow", action=LOGIN, **elements):
    element = elements.pop("element", "Principal")
    return a_statement(effect, Action=action, **{element: principal}, **elements)


def decided(trust, *, login=TOKEN, action=LOGIN, facts=None):
    principal = federated_principal(login, ACCOUNT)
    asked = {key: (value,) for key, value in (facts or {}).items()}
    context = Context(principal.facts, {}, asked, 1_700_000_000.0)
    return decide_federated_trust(AccessRequest(principal, action, ROLE, context), trust)


def may(*statements, **parts):
    return decided(trusting(*statements), **parts).is_allowed


def test_a_role_that_names_the_provider_lets_its_users_in_and_nobody_elses():
    assert may(allow())
    assert not may(allow(), login=BIND)
    directory = {"Federated": f"arn:aws:iam::{ACCOUNT}:identity-provider/corp"}
    assert may(allow(directory), login=BIND)
    assert not may(allow(directory))


@pytest.mark.parametrize(
    "named",
    [
        OTHER, ARN.upper(), f"{ARN}/", ARN.replace(ACCOUNT, "123456789012"), ISSUER, f"https://{ISSUER}",
        f"arn:aws:iam::{ACCOUNT}:identity-provider/keycloak", "keycloak",
    ],
)  # fmt: skip
def test_a_provider_is_named_by_its_one_arn(named):
    assert decided(trusting(allow({"Federated": named}))).reason is Reason.NO_MATCH
    assert may(allow({"Federated": [named, ARN]}))


@pytest.mark.parametrize(
    "named",
    [
        "*", {"AWS": "*"}, {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}, {"AWS": "u-1"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:user/keycloak=u-1"}, {"Service": ISSUER},
    ],
)  # fmt: skip
def test_whoever_else_is_named_everyone_included_is_not_enough(named):
    assert decided(trusting(allow(named))).reason is Reason.NO_MATCH


def test_everyone_beside_the_provider_takes_nothing_away():
    assert may(allow({"AWS": "*", "Federated": ARN}))


@pytest.mark.parametrize("named", [IDP, {"Federated": OTHER}, {"AWS": ACCOUNT}, "*"])
def test_an_allow_for_all_but_somebody_names_no_provider(named):
    assert not may(allow(named, element="NotPrincipal"))


@pytest.mark.parametrize("named", [IDP, "*", {"AWS": "*"}])
def test_a_deny_wins_wherever_it_stands(named):
    for statements in ((allow(), allow(named, "Deny")), (allow(named, "Deny"), allow())):
        assert decided(trusting(*statements)).verdict is Verdict.EXPLICITLY_DENIED


def test_a_deny_of_another_provider_is_about_its_users_only():
    assert may(allow(), allow({"Federated": OTHER}, "Deny"))
    assert may(allow(), allow({"AWS": ACCOUNT}, "Deny"))


def test_a_deny_for_all_but_a_provider_spares_its_users_and_nobody_else():
    def spares(named):
        return may(allow(), allow(named, "Deny", element="NotPrincipal"))

    assert spares(IDP)
    assert spares({"AWS": ACCOUNT, "Federated": [OTHER, ARN]})
    assert not spares({"Federated": OTHER})
    assert not spares({"AWS": ACCOUNT})


@pytest.mark.parametrize(
    "condition",
    [
        {"NumericGreaterThan": {"jwt:level": "2"}},
        {"NumericNotEquals": {"jwt:level": "2"}},
        {"DateLessThan": {f"{ISSUER}:sub": "2030-01-01"}},
        {"IpAddress": {"jwt:level": "192.0.2.0/24"}},
        {"StringNotEquals": {"jwt:level": "${jwt:nothing}"}},
    ],
)
def test_a_condition_that_cannot_be_evaluated_never_allows_and_keeps_a_deny(condition):
    assert not may(allow(Condition=condition))
    denied = decided(trusting(allow(), allow(effect="Deny", Condition=condition)))
    assert denied.verdict is Verdict.EXPLICITLY_DENIED


def test_conditions_are_about_what_the_provider_says():
    def on(**condition):
        return may(allow(Condition=condition))

    assert on(StringEquals={f"{ISSUER}:sub": "u-1"})
    assert on(StringEquals={f"{ISSUER.replace('idp', 'IDP')}:sub": "u-1"})
    assert not on(StringEquals={f"{ISSUER}:sub": "u-2"})
    assert not on(StringEquals={f"{ISSUER}:team": "blue"})
    assert on(**{"ForAnyValue:StringEquals": {"jwt:roles": "b"}})
    assert on(ArnEquals={"aws:FederatedProvider": ARN})
    assert on(StringEquals={"aws:PrincipalType": "FederatedUser"})
    # Who is asking for a session is no user of ours yet.
    assert not on(Null={"aws:username": "false"})
    assert not on(Null={"aws:PrincipalArn": "false"})


def test_what_the_request_says_counts_beside_it_and_never_instead():
    of_session = {"StringEquals": {"sts:RoleSessionName": "s-1"}}
    assert may(allow(Condition=of_session), facts={"sts:rolesessionname": "s-1"})
    assert not may(allow(Condition=of_session))
    of_token = {"StringEquals": {f"{ISSUER}:sub": "u-2"}}
    assert not may(allow(Condition=of_token), facts={f"{ISSUER}:sub": "u-2"})


@pytest.mark.parametrize("listed", ["STS:assumerolewithwebidentity", "sts:*WebIdentity", "sts:*"])
@pytest.mark.parametrize("asked", [LOGIN, LOGIN.lower(), LOGIN.upper()])
def test_the_case_of_an_action_does_not_matter(listed, asked):
    assert may(allow(action=listed), action=asked)
    assert not may(allow(), allow(effect="Deny", action=listed), action=asked)


def test_another_login_or_tags_are_actions_of_their_own():
    for action in ("sts:AssumeRole", "sts:AssumeRoleWithLDAPIdentity", "sts:TagSession"):
        assert not may(allow(), action=action)


def test_a_trust_policy_that_cannot_be_read_keeps_everybody_out():
    broken = compile_policy_set([QuarantinedPolicy(ROLE, 1, "?")], layer=Layer.RESOURCE_POLICY)
    assert decided(broken).reason is Reason.QUARANTINE
    assert decided(compile_policy_set((), layer=Layer.RESOURCE_POLICY)).reason is Reason.NO_MATCH


def test_who_is_known_by_a_providers_word_alone_has_no_identity_policies():
    principal = federated_principal(TOKEN, ACCOUNT)
    request = AccessRequest(principal, LOGIN, ROLE, Context(principal.facts, {}, {}, 0.0))
    everything = a_set(a_statement(Action="*"))
    assert decide(request, everything).reason is Reason.NO_MATCH
