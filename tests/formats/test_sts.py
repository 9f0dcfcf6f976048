"""What requests to STS mean: as botocore writes them, and as nobody should."""

import botocore.serialize
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.formats.aws_query import QueryError
from authz.formats.sts import CallerRequest, KeyRequest, SessionRequest, parse_sts, status_of
from authz.identity.http import HttpRequest
from tests.serving.sts_clients import FORM, MODEL, VERSION, StsClient

ACCOUNT = "000000000000"
ROLE = "arn:xxx:xxx:xxx:xxxx"
POLICY = '{"Version": "2012-10-17", "Statement": []}'


def written_by_botocore(action, **parameters) -> HttpRequest:
    """Return the request that botocore makes of these parameters."""
    made = botocore.serialize.create_serializer("query").serialize_to_request(
        parameters, MODEL.operation_model(action)
    )
    values = {name: str(value) for name, value in made["body"].items()}
    del values["Action"], values["Version"]
    return form(action, **values)


def form(action="AssumeRole", **parameters) -> HttpRequest:
    return StsClient(None, None, None).request(action, **parameters)


def code_of(request) -> str:
    with pytest.raises(QueryError) as caught:
        parse_sts(request, ACCOUNT)
    return caught.value.code


def test_assume_role_as_botocore_writes_it():
    request = written_by_botocore(
        "AssumeRole",
        RoleArn=ROLE,
        RoleSessionName="ci",
        Policy=POLICY,
        PolicyArns=[
            {"arn": "arn:aws:iam::aws:policy/readonly"},
            {"arn": f"arn:aws:iam::{ACCOUNT}:policy/mine"},
        ],
        DurationSeconds=900,
        ExternalId="ext-1",
    )
    assert parse_sts(request, ACCOUNT) == SessionRequest(
        action="AssumeRole",
        duration=900,
        policy=POLICY,
        policy_names=("readonly", "mine"),
        name="ci",
        facts={"sts:rolesessionname": ("ci",), "sts:externalid": ("ext-1",)},
    )


def test_the_other_actions_as_botocore_writes_them():
    ask = written_by_botocore("GetSessionToken", DurationSeconds=1000)
    assert parse_sts(ask, ACCOUNT) == SessionRequest(
        action="GetSessionToken", duration=1000, facts={}
    )
    assert parse_sts(written_by_botocore("GetCallerIdentity"), ACCOUNT) == CallerRequest()
    ask = written_by_botocore("GetAccessKeyInfo", AccessKeyId="AKIA0123456789ABCDEF")
    assert parse_sts(ask, ACCOUNT) == KeyRequest(access_key_id="AKIA0123456789ABCDEF")


def test_an_empty_list_of_botocores_is_none():
    request = written_by_botocore("AssumeRole", RoleArn=ROLE, RoleSessionName="ci", PolicyArns=[])
    parsed = parse_sts(request, ACCOUNT)
    assert isinstance(parsed, SessionRequest)
    assert parsed.policy_names == ()


def test_minios_clients_leave_the_role_out():
    assert parse_sts(form(DurationSeconds="3600"), ACCOUNT) == SessionRequest(
        action="AssumeRole", duration=3600, facts={}
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"Tags": [{"Key": "team", "Value": "red"}]},
        {"TransitiveTagKeys": ["team"]},
        {"SourceIdentity": "bob"},
        {"SerialNumber": "arn:aws:iam::123456789012:mfa/bob", "TokenCode": "123456"},
        {"ProvidedContexts": [{"ProviderArn": ROLE, "ContextAssertion": "abcd"}]},
        {"Tags": []},
    ],
)
def test_what_would_be_believed_of_a_session_and_is_not_held_is_refused(parameters):
    request = written_by_botocore("AssumeRole", RoleArn=ROLE, RoleSessionName="ci", **parameters)
    assert code_of(request) == "InvalidParameterValue"


def test_a_second_factor_is_not_believed_to_have_been_checked():
    request = written_by_botocore("GetSessionToken", SerialNumber="123456789", TokenCode="123456")
    assert code_of(request) == "InvalidParameterValue"


@pytest.mark.parametrize(
    "parameters",
    [
        {"policy": POLICY},
        {"Polcy": POLICY},
        {"Policy ": POLICY},
        {"Policy\0": POLICY},
        {"Policy.member.1": POLICY},
        {"Policy": ""},
        {"PolicyArns.member.2.arn": "arn:aws:iam::aws:policy/readonly"},
        {"DurationSeconds": ""},
        {"DurationSeconds": "-900"},
        {"DurationSeconds": "900.5"},
        {"DurationSeconds": "9e3"},
        {"DurationSeconds": " 900"},
        {"DurationSeconds": "\u0669\u0660\u0660"},
        {"DurationSeconds": "9" * 5000},
        {"ExternalId": "<script>"},
        {"ExternalId": "x" * 1225},
    ],
)
def test_a_parameter_that_is_not_read_is_not_passed_over(parameters):
    assert code_of(form(**parameters)) == "ValidationError"


@pytest.mark.parametrize(
    "arn",
    [
        "readonly",
        "arn:aws:iam::aws:policy/mine",
        f"arn:aws:iam::{ACCOUNT}:policy/readonly",
        "arn:aws:iam::999999999999:policy/mine",
        "arn:aws:s3:::box:policy/mine",
        f"arn:aws:iam::{ACCOUNT}:role/mine",
        "",
    ],
)
def test_a_policy_is_named_by_its_own_arn(arn):
    assert code_of(form(**{"PolicyArns.member.1.arn": arn})) == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (f"Version={VERSION}", "MissingAction"),
        ("", "MissingAction"),
        ("Action=GetCallerIdentity", "MissingParameter"),
        ("Action=GetCallerIdentity&Version=2010-05-08", "InvalidAction"),
        (f"Action=ListUsers&Version={VERSION}", "InvalidAction"),
        (f"Action=getcalleridentity&Version={VERSION}", "InvalidAction"),
        (f"Action=AssumeRoleWithSAML&Version={VERSION}&SAMLAssertion=x", "InvalidAction"),
        (f"Action=AssumeRoleWithWebIdentity&Version={VERSION}", "MissingParameter"),
        (f"Action=AssumeRoleWithLDAPIdentity&Version={VERSION}", "MissingParameter"),
        (f"Action=GetAccessKeyInfo&Version={VERSION}", "MissingParameter"),
        (f"Action=GetCallerIdentity&Version={VERSION}&Action=AssumeRole", "MalformedInput"),
        (f"Action=GetCallerIdentity&Version={VERSION}&Policy=x", "ValidationError"),
    ],
)
def test_what_is_no_action_here_is_none(body, code):
    assert code_of(form(body=body.encode())) == code


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("action", ["AssumeRole", "GetSessionToken"])
def test_a_session_is_not_asked_for_in_a_query(method, action):
    query = f"Action={action}&Version={VERSION}"
    request = HttpRequest(method, "/", query, {"content-type": FORM}, body=b"")
    assert code_of(request) == "MalformedInput"


PIECES = st.sampled_from(
    ["Action", "Version", "AssumeRole", VERSION, "Policy", "PolicyArns", ".member.", "1", ".arn", "=", "&",
     "%", "%00", "%2E", "%C3%28", "+", ";", "DurationSeconds", "\xff", "\x00", "X-Amz-Date"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=4), max_size=30), st.sampled_from(["GET", "POST"]))
def test_whatever_is_sent_is_read_or_refused(pieces, method):
    text = "".join(pieces)
    body, query = (text.encode(), "") if method == "POST" else (b"", text)
    request = HttpRequest(method, "/", query, {"content-type": FORM}, body=body)
    try:
        parse_sts(request, ACCOUNT)
    except QueryError as error:
        assert status_of(error.code) < 500  # noqa: PT017 - either is right
