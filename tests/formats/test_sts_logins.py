"""What logins over STS mean: as botocore and minio-py write them, and as nobody should."""

import re
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.formats.aws_query import QueryError
from authz.formats.sts import parse_sts, status_of
from authz.formats.sts_logins import (
    CERTIFICATE,
    CLIENT_GRANTS,
    CUSTOM_TOKEN,
    LDAP_IDENTITY,
    LOGIN_PARSERS,
    PROVIDER_LIMIT,
    WEB_IDENTITY,
    IssuedCredentials,
    LoginRequest,
    render_login,
)
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, Login, ProviderKind
from authz.policy.request import Principal, PrincipalKind
from tests.formats.test_sts import ACCOUNT, POLICY, ROLE, code_of, form, written_by_botocore

OURS = f"arn:aws:iam::{ACCOUNT}:role/auditor"
PROOFS = {
    WEB_IDENTITY: {"WebIdentityToken": "t0ken"},
    CLIENT_GRANTS: {"Token": "t0ken"},
    LDAP_IDENTITY: {"LDAPUsername": "ann", "LDAPPassword": "p4ssword"},
    CERTIFICATE: {},
    CUSTOM_TOKEN: {"Token": "t0ken"},
}
EACH = pytest.mark.parametrize("action", list(PROOFS))
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


def parse(action, **parameters) -> LoginRequest:
    return parse_sts(form(action, **parameters), ACCOUNT)


def refused(action, **parameters) -> str:
    return code_of(form(action, **PROOFS[action], **parameters))


def test_every_action_is_tried():
    assert set(LOGIN_PARSERS) == set(PROOFS)


def test_a_web_identity_as_botocore_writes_it():
    asked = parse_sts(
        written_by_botocore(
            WEB_IDENTITY,
            RoleArn=ROLE,
            RoleSessionName="ci",
            WebIdentityToken="t0ken",
            ProviderId="corp",
            Policy=POLICY,
            PolicyArns=[{"arn": f"arn:aws:iam::{ACCOUNT}:policy/mine"}],
            DurationSeconds=900,
        ),
        ACCOUNT,
    )
    assert (asked.action, asked.token.reveal(), asked.provider) == (WEB_IDENTITY, "t0ken", "corp")
    assert (asked.role_arn, asked.name, asked.duration) == ("", "ci", 900)
    assert (asked.policy, asked.policy_names) == (POLICY, ("mine",))
    assert asked.facts == {"sts:rolesessionname": ("ci",)}


@EACH
def test_the_query_is_as_good_as_a_form(action):
    query = urlencode({"Action": action, "Version": "2011-06-15", **PROOFS[action]})
    request = form(action)
    request.body, request.query = b"", query
    asked, as_form = parse_sts(request, ACCOUNT), parse(action, **PROOFS[action])
    for name in ("token", "secret", "access_token"):
        assert getattr(asked, name).reveal() == getattr(as_form, name).reveal()
    assert (asked.action, asked.username) == (action, as_form.username)


@EACH
def test_a_proof_is_not_in_the_repr(action):
    asked = parse(action, **PROOFS[action])
    for value in PROOFS[action].values():
        assert value not in repr(asked)


@EACH
def test_all_of_them_take_what_every_session_takes(action):
    asked = parse(
        action,
        **PROOFS[action],
        RoleArn=OURS,
        RoleSessionName="ci",
        Policy=POLICY,
        DurationSeconds="3600",
        ProviderId="corp",
        **{"PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/readonly"},
    )
    assert (asked.role_arn, asked.name, asked.policy, asked.duration, asked.provider) == (OURS, "ci", POLICY, 3600, "corp")  # fmt: skip
    assert asked.policy_names == ("readonly",)


@EACH
@pytest.mark.parametrize(("parameters", "code"), [
    ({"Polcy": POLICY}, "ValidationError"),
    ({"Policy": ""}, "ValidationError"),
    ({"DurationSeconds": "1e3"}, "ValidationError"),
    ({"DurationSeconds": "٩٠٠"}, "ValidationError"),
    ({"RoleArn": OURS}, "MissingParameter"),
    ({"RoleArn": "x" * 2049}, "ValidationError"),
    ({"ProviderId": "x" * (PROVIDER_LIMIT + 1)}, "ValidationError"),
    ({"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}, "InvalidParameterValue"),
    ({"SourceIdentity": "root"}, "InvalidParameterValue"),
    ({"TransitiveTagKeys.member.1": "a"}, "InvalidParameterValue"),
    ({"SerialNumber": "1"}, "InvalidParameterValue"),
    ({"TokenRevokeType": "x"}, "InvalidParameterValue"),
    ({"ExternalId": "e-1"}, "ValidationError"),
    ({"PolicyArns.member.1.arn": "arn:aws:iam::999999999999:policy/mine"}, "InvalidParameterValue"),
    ({"PolicyArns.member.2.arn": "arn:aws:iam::aws:policy/readonly"}, "ValidationError"),
])  # fmt: skip
def test_what_would_not_be_held_is_refused(action, parameters, code):
    assert refused(action, **parameters) == code


@pytest.mark.parametrize(("action", "parameters"), [
    (action, {name: value})
    for action, proof in PROOFS.items() for name in proof for value in ("", None)
])  # fmt: skip
def test_a_proof_that_is_missing_or_empty_is_told_as_such(action, parameters):
    proof = {**PROOFS[action], **parameters}
    request = form(action, **{name: value for name, value in proof.items() if value is not None})
    with pytest.raises(QueryError) as caught:
        parse_sts(request, ACCOUNT)
    assert caught.value.code == "MissingParameter"
    assert next(iter(parameters)) in caught.value.message


def test_a_proof_of_another_action_is_none_of_this_one():
    assert refused(LDAP_IDENTITY, Token="t") == "ValidationError"
    assert refused(CLIENT_GRANTS, WebIdentityToken="t") == "ValidationError"
    assert refused(CERTIFICATE, Token="t") == "ValidationError"
    assert refused(WEB_IDENTITY, Token="t") == "MalformedInput"


@pytest.mark.parametrize("arn", [
    "", ROLE, "arn:minio:iam:::role/dummy-internal", "arn:minio:iam:us-east-1:1:role/x", "role", "*",
])  # fmt: skip
def test_an_arn_that_names_no_role_of_iams_is_passed_over(arn):
    assert parse(WEB_IDENTITY, **PROOFS[WEB_IDENTITY], RoleArn=arn).role_arn == ""


@pytest.mark.parametrize("arn", [OURS, OURS.upper(), f" {OURS}", "arn:aws:iam:::role/", "x:iam:x:role/arn:minio:"])  # fmt: skip
def test_an_arn_that_could_be_meant_for_a_role_is_never_passed_over(arn):
    proof = PROOFS[WEB_IDENTITY]
    assert parse(WEB_IDENTITY, **proof, RoleArn=arn, RoleSessionName="ci").role_arn == arn


@pytest.mark.parametrize(("arn", "provider"), [
    ("arn:minio:iam:::role/idmp-hook", "hook"),
    ("arn:minio:iam:us-east-1:1:role/idmp-a-b.c", "a-b.c"),
    ("arn:minio:iam:::role/other", ""),
    ("arn:aws:iam::1:role/idmp-hook", ""),
    ("xarn:minio:iam:::role/idmp-hook", ""),
    ("arn:minio:iam:::role/idmp-", ""),
])  # fmt: skip
def test_minios_arn_names_a_webhook(arn, provider):
    asked = parse(CUSTOM_TOKEN, Token="t", RoleArn=arn, RoleSessionName="ci")
    assert asked.provider == provider
    assert parse(CUSTOM_TOKEN, Token="t", RoleArn=arn, RoleSessionName="ci", ProviderId="named").provider == "named"  # fmt: skip


@given(st.sampled_from(list(PROOFS)), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))  # fmt: skip
def test_whatever_strangers_send_is_read_or_refused(action, parameters):
    known = {"action", "body", "method", "query", "now", "without", "self"}
    extra = {name: value for name, value in parameters.items() if name not in known}
    body = urlencode({"Action": action, "Version": "2011-06-15", **extra}, errors="replace")
    asked = refusal = None
    try:
        asked = parse_sts(form(body=body.encode()), ACCOUNT)
    except QueryError as error:
        refusal = status_of(error.code)
    assert refusal in {400, 413} or isinstance(asked, LoginRequest)


# --- answers ------------------------------------------------------------------------------------------------


def rendered(action, *, role="", name="ci", **identity) -> ET.Element:
    asked = LoginRequest(action=action, role_arn=role, name=name, facts={})
    who = ExternalIdentity(name="<a&b>", issuer="https://i.example", audience="app", **identity)
    login = Login("P1", "corp", ProviderKind.OIDC, who)
    arn = f"arn:aws:iam::{ACCOUNT}:user/corp=a"
    principal = Principal(
        arn=arn, kind=PrincipalKind.USER, account=ACCOUNT, id="AIDA1", name="", facts={}
    )
    issued = IssuedCredentials(
        access_key_id="ASIA1",
        secret=Secret("s"),
        token="t",
        expires_at=1_700_000_000.9,
        packed_percent=7,
    )
    return ET.fromstring(render_login(asked, login, principal, issued, "request-1"))


def texts(document: ET.Element) -> dict[str, str]:
    return {
        re.sub(r"\{.*\}", "", element.tag): element.text or ""
        for element in document.iter()
        if len(element) == 0
    }


@EACH
def test_every_answer_has_what_minios_clients_read(action):
    document = rendered(action)
    made = document.find(f".//{NAMESPACE}{action}Result/{NAMESPACE}Credentials")
    assert [re.sub(r"\{.*\}", "", one.tag) for one in made] == [
        "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration",
    ]  # fmt: skip
    assert texts(document)["Expiration"] == "2023-11-14T22:13:20Z"
    assert texts(document)["RequestId"] == "request-1"


def test_whose_token_it_was_is_told_where_aws_and_minio_do():
    assert texts(rendered(WEB_IDENTITY))["SubjectFromWebIdentityToken"] == "<a&b>"
    assert texts(rendered(CLIENT_GRANTS))["SubjectFromToken"] == "<a&b>"
    assert texts(rendered(CUSTOM_TOKEN))["AssumedUser"] == "<a&b>"
    shown = texts(rendered(WEB_IDENTITY, source_identity="s"))
    assert (shown["Provider"], shown["Audience"]) == ("https://i.example", "app")
    assert shown["AssumedRoleId"] == "AIDA1:ci"
    assert "SourceIdentity" not in shown  # only a role's session has one
    assert "AssumedRoleId" not in texts(rendered(LDAP_IDENTITY))


@EACH
def test_a_roles_session_is_told_by_each(action):
    shown = texts(rendered(action, role=OURS, source_identity="s"))
    assert (shown["AssumedRoleId"], shown["SourceIdentity"]) == ("AIDA1", "s")
    assert shown["PackedPolicySize"] == "7"
