"""The policy of a resource stays with its resource, and is public where it lets in whom nobody named."""

import pytest

from authz.errors import ParseError
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.policy.resource_policies import check_within, is_public
from tests.policy.builders import a_document, a_statement

BUCKET = "arn:aws:s3:::photos"
QUEUE = "arn:aws:sqs:::jobs"
ALICE = "arn:aws:iam::000000000000:user/alice"


def a_resource_policy(*statements):
    given = [one if "NotPrincipal" in one else {"Principal": "*", **one} for one in statements]
    return parse_policy(a_document(*given), kind=RESOURCE_POLICY)


def with_resource(resource):
    return a_resource_policy(a_statement(Resource=resource))


@pytest.mark.parametrize(
    ("pattern", "resource"),
    [
        (BUCKET, BUCKET),
        (f"{BUCKET}/*", BUCKET),
        (f"{BUCKET}/", BUCKET),
        (f"{BUCKET}/a?/${{aws:username}}/*", BUCKET),
        ([BUCKET, f"{BUCKET}/*"], BUCKET),
        (QUEUE, QUEUE),
        ("*", QUEUE),
    ],
)
def test_a_resource_policy_may_be_about_its_resource_and_what_is_in_it(pattern, resource):
    check_within(with_resource(pattern), resource)


@pytest.mark.parametrize(
    ("pattern", "resource"),
    [
        ("*", BUCKET),
        ("arn:aws:s3:::*", BUCKET),
        ("arn:aws:s3:::other", BUCKET),
        ("arn:aws:s3:::other/*", BUCKET),
        (f"{BUCKET}*", BUCKET),
        (f"{BUCKET}*/*", BUCKET),
        (f"{BUCKET}-2/*", BUCKET),
        (f"{BUCKET}?x", BUCKET),
        ("arn:aws:s3:::photo?/*", BUCKET),
        ("arn:aws:s3:::${aws:username}/*", BUCKET),
        ("arn:aws:s3:::Photos/*", BUCKET),
        ("arn:*:s3:::photos", BUCKET),
        ("arn:aws:s3:eu:000000000000:photos", BUCKET),
        (f"{QUEUE}/x", QUEUE),
        (f"{QUEUE}*", QUEUE),
        (BUCKET, QUEUE),
        (f"{BUCKET}/k/x", f"{BUCKET}/k"),
    ],
)
def test_what_is_not_within_the_resource_is_refused_with_its_place(pattern, resource):
    with pytest.raises(ParseError, match="is not within") as caught:
        check_within(with_resource(pattern), resource)
    assert caught.value.place == "Statement[0].Resource"


def test_the_place_of_one_of_several_is_told():
    policy = a_resource_policy(
        a_statement(Resource=BUCKET),
        a_statement("Deny", NotResource=[f"{BUCKET}/*", "arn:aws:s3:::other"]),
    )
    with pytest.raises(ParseError) as caught:
        check_within(policy, BUCKET)
    assert caught.value.place == "Statement[1].NotResource[1]"


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": [ALICE, "*"]},
        {"AWS": "arn:aws:iam::000000000000:user/*"},
        {"Federated": "*"},
    ],
)
def test_an_allow_for_everyone_is_public(principal):
    assert is_public(a_resource_policy(a_statement(Principal=principal)))


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": ALICE},
        {"AWS": "alice"},
        {"AWS": ["000000000000", "arn:aws:iam::111111111111:root"]},
        {"Service": "logging.s3.amazonaws.com"},
    ],
)
def test_an_allow_for_fixed_principals_is_not_public_whatever_their_account(principal):
    assert not is_public(a_resource_policy(a_statement(Principal=principal)))


def test_an_allow_for_all_but_some_is_public():
    assert is_public(a_resource_policy(a_statement(NotPrincipal={"AWS": ALICE})))


def test_a_deny_for_everyone_is_not_public_and_takes_nothing_from_an_allow():
    deny = a_statement("Deny", Action="s3:*")
    assert not is_public(a_resource_policy(deny))
    assert is_public(a_resource_policy(deny, a_statement()))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({}, True),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}}, False),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/1"]}}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/7"}}, True),
        ({"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}, True),
        ({"IpAddress": {"aws:SourceIp": "::ffff:0:0/96"}}, True),
        ({"IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}, True),
        ({"ForAllValues:IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, True),
        ({"StringEquals": {"AWS:principalarn": ALICE}}, False),
        ({"ArnLike": {"aws:PrincipalArn": ALICE}}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::000000000000:user/*"}}, True),
        ({"ArnNotEquals": {"aws:PrincipalArn": ALICE}}, True),
        ({"StringEquals": {"aws:PrincipalAccount": ["000000000000", "111111111111"]}}, False),
        ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"ForAnyValue:StringEquals": {"aws:PrincipalOrgID": "o-1"}}, False),
        ({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": "o-1"}}, True),
        ({"StringEquals": {"aws:SourceVpce": "vpce-1"}}, False),
        ({"StringLike": {"aws:SourceVpc": "vpc-*"}}, True),
        ({"StringEquals": {"aws:SourceArn": "${aws:PrincipalArn}"}}, True),
        ({"StringEquals": {"aws:userid": "AIDA1"}}, False),
        ({"StringLike": {"aws:userid": "AROA1:*"}}, True),
        ({"Null": {"aws:PrincipalArn": "false"}}, True),
        ({"StringEquals": {"aws:Referer": "https://example.com"}}, True),
        ({"StringEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "k"}}, True),
        ({"Bool": {"aws:SecureTransport": "true"}, "IpAddress": {"aws:SourceIp": "10.1.2.3"}}, False),
    ],
)  # fmt: skip
def test_an_allow_for_everyone_is_not_public_only_under_fixed_values_of_who_asks(
    condition, expected
):
    policy = a_resource_policy(a_statement(Condition=condition))
    assert is_public(policy) is expected
