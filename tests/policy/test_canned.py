"""The policies that come with the software compile and grant what their names say."""

import pytest

from authz.formats.iam_json import parse_policy
from authz.policy.canned import CANNED_POLICIES
from authz.policy.compile import compile_policy, compile_policy_set
from authz.policy.decide import decide
from tests.policy.builders import a_request


def allows(name, action):
    canned = CANNED_POLICIES[f"arn:aws:iam::aws:policy/{name}"]
    policies = compile_policy_set(
        [compile_policy(parse_policy(canned.document), arn=canned.arn, version=1)]
    )
    return decide(a_request(action), policies).is_allowed


def test_each_is_found_under_its_own_arn():
    assert {policy.name for policy in CANNED_POLICIES.values()} == {
        "readwrite", "readonly", "writeonly", "diagnostics", "consoleAdmin", "iamAdmin", "securityAudit",
        "AdministratorAccess", "IAMFullAccess", "IAMReadOnlyAccess", "AmazonS3FullAccess", "AmazonS3ReadOnlyAccess",
    }  # fmt: skip
    assert all(arn == policy.arn and policy.description for arn, policy in CANNED_POLICIES.items())


@pytest.mark.parametrize(
    ("name", "granted", "refused"),
    [
        ("readwrite", ["s3:PutObject", "s3:DeleteBucket"], ["admin:CreateUser", "iam:CreateUser"]),
        (
            "readonly",
            ["s3:GetObject", "s3:ListBucket", "s3:GetBucketLocation"],
            ["s3:PutObject", "s3:GetBucketPolicy"],
        ),
        ("writeonly", ["s3:PutObject"], ["s3:GetObject", "s3:DeleteObject"]),
        ("diagnostics", ["admin:ServerInfo"], ["admin:CreateUser", "s3:GetObject"]),
        ("consoleAdmin", ["admin:CreateUser", "kms:CreateKey", "s3:PutObject"], ["iam:CreateUser"]),
        ("iamAdmin", ["admin:CreateUser", "iam:CreateUser"], ["s3:GetObject", "admin:ServerInfo"]),
        (
            "securityAudit",
            ["admin:ListUsers", "iam:GetUser"],
            ["admin:ExportIAM", "iam:CreateUser", "admin:CreateUser"],
        ),
        ("AdministratorAccess", ["s3:PutObject", "iam:CreateUser", "x:Y"], []),
        ("IAMFullAccess", ["iam:CreateUser"], ["s3:GetObject", "admin:CreateUser"]),
        ("IAMReadOnlyAccess", ["iam:ListUsers"], ["iam:CreateUser"]),
        ("AmazonS3FullAccess", ["s3:PutObject"], ["iam:GetUser"]),
        ("AmazonS3ReadOnlyAccess", ["s3:GetObject", "s3:ListBucket"], ["s3:PutObject"]),
    ],
)
def test_each_grants_what_its_name_says(name, granted, refused):
    assert all(allows(name, action) for action in granted)
    assert not any(allows(name, action) for action in refused)
