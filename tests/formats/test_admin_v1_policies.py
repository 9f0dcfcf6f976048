"""Messages about policies: whose policy a call is about, what of a record is told, and findings."""

import json

import pytest

from authz.errors import InvalidError
from authz.formats.admin_v1 import render_user
from authz.formats.admin_v1_policies import (
    SEVERITIES,
    HolderKind,
    parse_holder,
    render_findings,
    render_policy,
    render_policy_version,
    render_resource_policy,
)
from authz.formats.findings import find_findings
from authz.identity.records import (
    ManagedPolicy,
    PolicyOrigin,
    PolicyRef,
    PolicyVersion,
    ResourcePolicy,
    Status,
    User,
)
from authz.policy.validate import PolicyKind, Severity
from authz.wire.authz.admin.v1 import finding_pb2

ACCOUNT = "123456789012"
BUCKET = "arn:aws:s3:::photos"
NOW = 1_700_000_000.0


def a_resource_policy(principal, **changes) -> ResourcePolicy:
    statement = {
        "Effect": "Allow", "Principal": principal, "Action": "s3:GetObject", "Resource": f"{BUCKET}/*",
    }  # fmt: skip
    fields = {
        "resource": BUCKET,
        "version": 3,
        "document": json.dumps({"Version": "2012-10-17", "Statement": statement}),
        "created_at": NOW,
        "updated_at": NOW + 60,
    }
    return ResourcePolicy(**{**fields, **changes})


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        (BUCKET, HolderKind.BUCKET),
        ("arn:aws:s3:::Legacy_Bucket", HolderKind.BUCKET),
        ("arn:aws:orders:eu-1:123456789012:order/7", HolderKind.OTHER),
        ("arn:aws:s3express:eu-1:123456789012:bucket/b", HolderKind.OTHER),
        ("arn:minio:kms:::key-1", HolderKind.OTHER),
    ],
)
def test_a_holder_is_a_bucket_or_something_else_with_an_arn(resource, kind):
    assert parse_holder(resource) is kind


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "*",
        "photos",
        f"{BUCKET}/",
        f"{BUCKET}/cat.jpg",
        "arn:aws:s3:::",
        "arn:aws:s3:::*",
        "arn:aws:s3:::photo?",
        "arn:aws:s3:::${aws:username}",
        "arn:aws:s3:us-east-1::photos",
        "arn:aws:s3::123456789012:photos",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/photos",
        "arn:aws-cn:s3:::photos",
        "arn:minio:s3:::photos",
        "arn:aws:S3:::photos",
        "ARN:aws:s3:::photos",
        " arn:aws:s3:::photos",
        "arn:aws:s3:::photos ",
        "arn:aws:s3:::pho\u200btos",
        "arn:aws:s3:::pho\ntos",
        "arn:aws:s3::::photos",
        f"arn:aws:orders:::{'x' * 3000}",
    ],
)
def test_no_other_text_stands_for_a_bucket(resource):
    with pytest.raises(InvalidError) as caught:
        parse_holder(resource)
    assert caught.value.field == "resource"


@pytest.mark.parametrize(
    "resource",
    [
        f"arn:aws:iam::{ACCOUNT}:user/alice",
        f"arn:aws:IAM::{ACCOUNT}:user/alice",
        f"arn:aws:iam::{ACCOUNT}:user/",
        f"arn:aws-cn:iam::{ACCOUNT}:group/ops",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/r/s",
    ],
)
def test_who_acts_has_no_resource_policy(resource):
    with pytest.raises(InvalidError, match="have no resource policy"):
        parse_holder(resource)


@pytest.mark.parametrize(
    ("principal", "is_public"), [("*", True), ({"AWS": f"arn:aws:iam::{ACCOUNT}:user/a"}, False)]
)
def test_a_resource_policy_tells_whether_it_is_public(principal, is_public):
    policy = a_resource_policy(principal)
    message = render_resource_policy(policy)
    assert (message.resource, message.version, message.is_public) == (BUCKET, 3, is_public)
    assert message.document == policy.document
    assert message.update_time.seconds == NOW + 60
    assert render_resource_policy(policy, with_document=False).document == ""


def test_a_stored_document_that_cannot_be_read_is_not_public():
    assert not render_resource_policy(a_resource_policy("*", document="{}")).is_public


def test_a_version_says_whether_it_is_in_force():
    version = PolicyVersion(policy_id="ANPA1", version=2, document="{}", created_at=NOW)
    message = render_policy_version(version, is_default=True)
    assert (message.version, message.is_default, message.document) == (2, True, "{}")
    assert render_policy_version(version, is_default=False, with_document=False).document == ""


def test_a_policy_shows_its_document_only_where_it_may():
    policy = ManagedPolicy(
        id="ANPA1", name="p", version=1, document="{}", description="", created_at=NOW, updated_at=NOW
    )  # fmt: skip
    assert render_policy(policy, ACCOUNT).document == "{}"
    assert render_policy(policy, ACCOUNT, with_document=False).document == ""


@pytest.mark.parametrize(
    ("origin", "arn"),
    [
        (PolicyOrigin.CUSTOMER, f"arn:aws:iam::{ACCOUNT}:policy/devs"),
        (PolicyOrigin.AWS, "arn:aws:iam::aws:policy/devs"),
    ],
)
def test_a_user_shows_its_boundary_by_arn(origin, arn):
    boundary = PolicyRef(id="ANPA1", name="devs", origin=origin)
    user = User(id="AIDA1", name="alice", status=Status.ENABLED, created_at=NOW, boundary=boundary)
    assert render_user(user, ACCOUNT).permissions_boundary == arn


def test_a_user_without_a_boundary_shows_none():
    user = User(id="AIDA1", name="alice", status=Status.ENABLED, created_at=NOW)
    assert render_user(user, ACCOUNT).permissions_boundary == ""


def test_findings_carry_severity_place_and_what_to_do():
    document = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"},
        }
    )
    found = find_findings(document.encode(), kind=PolicyKind.IDENTITY, now=None)
    first = render_findings(found)[0]
    assert (first.id, first.severity) == ("AZ104", finding_pb2.SEVERITY_SECURITY)
    assert first.place == "Statement[0].Action"
    assert first.message.endswith("; list the services or actions that are needed")


def test_every_severity_has_its_number_worst_first():
    assert list(SEVERITIES) == list(Severity)
    assert list(SEVERITIES.values()) == sorted(SEVERITIES.values())
