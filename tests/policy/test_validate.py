"""Findings: every check speaks where it should, and none does on documents that are as they should be."""

import json

import pytest

from authz.formats.iam_json import IDENTITY_POLICY, RESOURCE_POLICY, TRUST_POLICY, parse_policy
from authz.policy.canned import CANNED_POLICIES
from authz.policy.validate import CHECKS, FINDING_LIMIT, SEVERITIES, PolicyKind, Severity, validate
from authz.policy.validate.relations import covers, covers_arn, overlaps_type
from tests.policy.builders import NOW, a_document, a_statement

OBJECTS = "arn:aws:s3:::photos/*"
BUCKET = "arn:aws:s3:::photos"
USERS = "arn:aws:iam::123456789012:user/*"


def find(*statements, kind=PolicyKind.IDENTITY, version="2012-10-17", **surroundings):
    format_kinds = {PolicyKind.RESOURCE: RESOURCE_POLICY, PolicyKind.TRUST: TRUST_POLICY}
    policy = parse_policy(
        a_document(*statements, version=version), kind=format_kinds.get(kind, IDENTITY_POLICY)
    )
    return validate(policy, kind=kind, **surroundings)


def ids(*statements, **surroundings):
    return {finding.id for finding in find(*statements, **surroundings)}


def a_condition(operator, key, *values, effect="Allow", action="s3:GetObject", resource=OBJECTS):
    return a_statement(
        effect, Action=action, Resource=resource, Condition={operator: {key: list(values)}}
    )


def two_conditions(first, second, action="s3:GetObject"):
    return a_statement(Action=action, Resource=OBJECTS, Condition={**first, **second})


def a_grant(principal, effect="Allow", **elements):
    return a_statement(effect, Resource=OBJECTS, Principal=principal, **elements)


def an_action(action, resource=OBJECTS, effect="Allow"):
    return a_statement(effect, Action=action, Resource=resource)


READ = an_action("s3:GetObject")
ALICE = {"AWS": "arn:aws:iam::123456789012:user/alice"}
IDP = {"Federated": "arn:aws:iam::123456789012:oidc-provider/idp.example.com/realms/x"}
DIRECTORY = {"Federated": "arn:aws:iam::123456789012:identity-provider/corp"}
LOGIN = "sts:AssumeRoleWithWebIdentity"
BLUE = {"StringEquals": {"idp.example.com/realms/x:sub": "blue"}}


def a_trust(principal, action=LOGIN, condition=None, effect="Allow"):
    statement = {"Effect": effect, "Principal": principal, "Action": action}
    return statement | ({"Condition": condition} if condition else {})


def trust_ids(*statements):
    return ids(*statements, kind=PolicyKind.TRUST)


SPEAKS = {
    "AZ002": lambda: ids(READ, version=None),
    "AZ003": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::b/${aws:username}/*"), version=None),
    "AZ004": lambda: ids(READ, size=900, size_limit=1000),
    "AZ005": lambda: ids({**READ, "Sid": "A"}, an_action("s3:PutObject")),
    "AZ006": lambda: ids({**READ, "Sid": "read it"}),
    "AZ007": lambda: ids(an_action("s3:GetObject", effect="Deny"), kind=PolicyKind.SESSION),
    "AZ101": lambda: ids(an_action("s33:GetObject")),
    "AZ102": lambda: ids(an_action("s3:GetObjet")),
    "AZ103": lambda: ids(an_action("s3:Nope*")),
    "AZ104": lambda: ids(an_action("*")),
    "AZ105": lambda: ids(an_action("s3:PutObject", "*")),
    "AZ106": lambda: ids({"Effect": "Allow", "NotAction": "s3:DeleteObject", "Resource": OBJECTS}),
    "AZ107": lambda: ids(an_action(["s3:GetObject", "s3:getobject*"])),
    "AZ108": lambda: ids({"Effect": "Deny", "NotAction": "s3:GetObject", "Resource": "*"}),
    "AZ109": lambda: ids(an_action("s3:GetObjectAc?")),
    "AZ110": lambda: ids(an_action("s3:getobject")),
    "AZ111": lambda: ids(an_action("s3:GetObjectVersion")),
    "AZ112": lambda: ids(an_action("s3:HeadBucket", BUCKET)),
    "AZ113": lambda: ids(an_action("s3:Put*")),
    "AZ114": lambda: ids(an_action("s3:DeleteBucketCors", BUCKET)),
    "AZ115": lambda: ids(an_action("orders:GetOrder", "arn:aws:orders:::order/1")),
    "AZ201": lambda: ids(an_action("s3:GetObject", BUCKET)),
    "AZ202": lambda: ids(an_action("s3:GetObject", [BUCKET, OBJECTS])),
    "AZ203": lambda: ids(an_action("s3:GetObject", "arn:aws-cn:s3:::photos/*")),
    "AZ204": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:us-east-1::photos/*")),
    "AZ205": lambda: ids(an_action("iam:GetUser", "arn:aws:iam::1234:user/a")),
    "AZ206": lambda: ids(an_action(["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::photos*")),
    "AZ208": lambda: ids({"Effect": "Allow", "Action": "s3:GetObject", "NotResource": OBJECTS}),
    "AZ209": lambda: ids(an_action("s3:GetObject", [OBJECTS, "arn:aws:s3:::photos/a/*"])),
    "AZ210": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::My_Photos/*")),
    "AZ211": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::photos//a")),
    "AZ212": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::home/${aws:username}*")),
    "AZ213": lambda: ids(an_action("iam:GetAccountSummary", "arn:aws:s3:::photos/*")),
    "AZ301": lambda: ids(a_condition("IpAddress", "aws:SourceIpp", "192.0.2.0/24")),
    "AZ302": lambda: ids(a_condition("StringEquals", "orders:Region", "eu")),
    "AZ303": lambda: ids(a_condition("StringLike", "s3:prefix", "a/*")),
    "AZ304": lambda: ids(a_condition("StringLike", "s3:prefix", "a/*", action=["s3:ListBucket", "s3:GetObject"], resource=[BUCKET, OBJECTS])),
    "AZ305": lambda: ids(a_condition("Bool", "aws:username", "true")),
    "AZ306": lambda: ids(a_condition("StringEquals", "aws:SourceIp", "192.0.2.1")),
    "AZ307": lambda: ids(a_condition("StringEquals", "s3:ExistingObjectTag/a", "b")),
    "AZ308": lambda: ids(a_condition("StringEquals", "s3:ExistingObjectTag/a", "b", effect="Deny")),
    "AZ309": lambda: ids(a_condition("StringEquals", "aws:groups", "admins")),
    "AZ310": lambda: ids(a_condition("ForAnyValue:StringEquals", "aws:username", "alice")),
    "AZ311": lambda: ids(a_condition("ForAllValues:StringEquals", "aws:groups", "admins")),
    "AZ312": lambda: ids(a_condition("ForAnyValue:StringNotEquals", "aws:groups", "admins")),
    "AZ313": lambda: ids(a_condition("StringNotEquals", "aws:username", "alice")),
    "AZ314": lambda: ids(a_condition("StringEqualsIfExists", "aws:username", "alice")),
    "AZ315": lambda: ids(a_condition("StringNotEqualsIfExists", "aws:username", "a", effect="Deny")),
    "AZ316": lambda: ids(a_condition("StringLike", "aws:Referer", "https://example.com/*")),
    "AZ317": lambda: ids(a_condition("StringLike", "aws:username", "alice")),
    "AZ318": lambda: ids(a_condition("StringEquals", "aws:username", "ali*")),
    "AZ319": lambda: ids(a_condition("IpAddress", "aws:SourceIp", "0.0.0.0/0")),
    "AZ320": lambda: ids(a_condition("IpAddress", "aws:SourceIp", "192.0.2.7/24")),
    "AZ322": lambda: ids(a_condition("DateLessThan", "aws:CurrentTime", "2001-01-01"), now=NOW),
    "AZ323": lambda: ids(a_condition("Bool", "aws:SecureTransport", "true", "false")),
    "AZ324": lambda: ids(two_conditions({"Null": {"aws:username": "true"}}, {"StringEquals": {"aws:username": "a"}})),
    "AZ325": lambda: ids(two_conditions({"NumericGreaterThan": {"s3:max-keys": "10"}}, {"NumericLessThan": {"s3:max-keys": "5"}})),
    "AZ326": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::b/${aws:usrname}/*")),
    "AZ327": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::b/${s3:ExistingObjectTag/a}/*")),
    "AZ328": lambda: ids(an_action("s3:GetObject", "arn:aws:s3:::b/${aws:UserAgent}/*")),
    "AZ332": lambda: ids(a_condition("StringEquals", "aws:username", "a", "a")),
    "AZ333": lambda: ids(a_condition("StringEquals", "s3:x-amz-server-side-encryption", "AES265", action="s3:PutObject")),
    "AZ334": lambda: ids(a_condition("Bool", "aws:SecureTransport", "false")),
    "AZ335": lambda: ids(a_condition("StringLike", "aws:username", "*")),
    "AZ401": lambda: ids(a_grant("*"), kind=PolicyKind.RESOURCE),
    "AZ402": lambda: ids(a_grant("*", Condition={"Bool": {"aws:SecureTransport": "true"}}), kind=PolicyKind.RESOURCE),
    "AZ403": lambda: ids(a_statement(Resource=OBJECTS, NotPrincipal=ALICE), kind=PolicyKind.RESOURCE),
    "AZ404": lambda: ids(a_statement("Deny", Resource=OBJECTS, NotPrincipal=ALICE), kind=PolicyKind.RESOURCE),
    "AZ405": lambda: ids(a_grant({"AWS": "arn:aws:iam::123456789012:user/a*"}), kind=PolicyKind.RESOURCE),
    "AZ406": lambda: ids(a_grant({"AWS": "alice"}), kind=PolicyKind.RESOURCE),
    "AZ407": lambda: ids(a_grant({"Service": "ec2.amazonaws.com"}), kind=PolicyKind.RESOURCE),
    "AZ408": lambda: ids(a_grant({"AWS": "arn:aws:iam::123456789012:group/a"}), kind=PolicyKind.RESOURCE),
    "AZ409": lambda: ids(a_grant({"AWS": ["*", "123456789012"]}), kind=PolicyKind.RESOURCE),
    "AZ410": lambda: trust_ids(a_trust({"Federated": "accounts.google.com"}, condition=BLUE)),
    "AZ411": lambda: trust_ids(a_trust(IDP, "sts:AssumeRole", BLUE)),
    "AZ412": lambda: trust_ids(a_trust(IDP)),
    "AZ413": lambda: trust_ids(a_trust("*")),
    "AZ501": lambda: ids(an_action("iam:*", "*")),
    "AZ502": lambda: ids(an_action("iam:PassRole", "*")),
    "AZ503": lambda: ids(an_action("iam:CreatePolicyVersion", "*")),
    "AZ504": lambda: ids(an_action("iam:AttachUserPolicy", USERS)),
    "AZ505": lambda: ids(an_action("iam:PutUserPolicy", "*")),
    "AZ506": lambda: ids(an_action("iam:CreateAccessKey", USERS)),
    "AZ507": lambda: ids(an_action("iam:AddUserToGroup", "*")),
    "AZ508": lambda: ids(an_action("iam:UpdateAssumeRolePolicy", "*")),
    "AZ509": lambda: ids(an_action("sts:AssumeRole", "*")),
    "AZ510": lambda: ids(an_action("iam:DeleteUserPermissionsBoundary", "*")),
    "AZ511": lambda: ids(an_action("s3:PutBucketPolicy", "arn:aws:s3:::*")),
    "AZ512": lambda: ids(an_action("admin:ExportIAM", "*")),
    "AZ513": lambda: ids(an_action("admin:CreateUser", "*")),
    "AZ514": lambda: ids(an_action("kms:CreateGrant", "*")),
    "AZ515": lambda: ids(an_action("s3:BypassGovernanceRetention", "*")),
    "AZ516": lambda: ids(an_action("iam:CreateSAMLProvider", "*")),
    "AZ601": lambda: ids(READ, READ),
    "AZ602": lambda: ids(READ, an_action("s3:*", "*", "Deny")),
    "AZ603": lambda: ids(READ, an_action("s3:Get*")),
    "AZ604": lambda: ids(an_action("s3:GetObject", effect="Deny"), an_action("s3:*", "*", "Deny")),
    "AZ605": lambda: ids(READ, an_action("s3:PutObject")),
}  # fmt: skip
"""The smallest document that each check is for."""

QUIET = {
    "read and list": [an_action(["s3:GetObject"]), an_action("s3:ListBucket", BUCKET)],
    "read and list in one": [an_action(["s3:GetObject", "s3:ListBucket"], [BUCKET, OBJECTS])],
    "own folder": [an_action("s3:*", "arn:aws:s3:::home/${aws:username}/*")],
    "own folder, listed": [
        a_condition("StringLike", "s3:prefix", "${aws:username}/*", action="s3:ListBucket", resource=BUCKET)
    ],
    "all buckets": [an_action("s3:ListAllMyBuckets", "arn:aws:s3:::*")],
    "office only": [a_condition("NotIpAddress", "aws:SourceIp", "192.0.2.0/24", effect="Deny")],
    "own keys": [an_action("iam:CreateAccessKey", "arn:aws:iam::*:user/${aws:username}")],
    "all users are listed": [an_action("iam:ListUsers", "arn:aws:iam::*:user/")],
    "encrypted": [
        a_condition("StringNotEquals", "s3:x-amz-server-side-encryption", "aws:kms", effect="Deny", action="s3:PutObject")
    ],
    "a group, by all values": [
        two_conditions(
            {"ForAllValues:StringEquals": {"aws:groups": ["a", "b"]}}, {"Null": {"aws:groups": "false"}}
        )
    ],
    "a time": [a_condition("DateLessThan", "aws:CurrentTime", "2100-01-01")],
    "a number": [a_condition("NumericLessThanEquals", "s3:max-keys", "100", action="s3:ListBucket", resource=BUCKET)],
    "sharing within a bucket": [an_action(["s3:PutObject", "s3:PutObjectAcl"])],
    "own keys, by wildcard": [an_action("iam:*AccessKey*", "arn:aws:iam::*:user/${aws:username}")],
    "two services": [READ, an_action("sts:AssumeRole", "arn:aws:iam::123456789012:role/dev")],
    "everyone, in a deny": [an_action("s3:DeleteBucket", "*", "Deny")],
}  # fmt: skip


def test_every_check_has_an_example():
    assert set(SPEAKS) == set(CHECKS) - {"AZ001"}
    assert len(CHECKS) >= 40


@pytest.mark.parametrize("check", SPEAKS)
def test_a_check_speaks_on_its_example(check):
    assert check in SPEAKS[check]()


@pytest.mark.parametrize("name", QUIET)
def test_nothing_is_found_where_nothing_is_wrong(name):
    assert [(one.id, one.message) for one in find(*QUIET[name], now=NOW)] == []


@pytest.mark.parametrize("policy", CANNED_POLICIES.values(), ids=lambda policy: policy.name)
def test_no_canned_policy_has_errors(policy):
    found = validate(parse_policy(policy.document))
    assert [one for one in found if one.severity is Severity.ERROR] == []


def test_a_finding_says_where_what_and_what_to_do():
    [found] = find(an_action(["s3:GetObject", "s3:GetObjet"]))
    assert (found.id, found.severity, found.place) == (
        "AZ102",
        Severity.ERROR,
        "Statement[0].Action[1]",
    )
    assert found.message == "Amazon S3 has no action `GetObjet`"
    assert found.suggestion == "did you mean `s3:GetObject`"


def test_a_bucket_action_on_objects_is_told_the_form_of_a_bucket():
    [found] = find(an_action("s3:ListBucket", OBJECTS))
    assert found.id == "AZ201"
    assert "`arn:aws:s3:::BUCKET`" in found.suggestion


def test_findings_come_worst_first_and_are_bounded():
    found = find(*[an_action([f"s3:Nope{n}", "s3:getobject"]) for n in range(150)])
    assert len(found) == FINDING_LIMIT
    order = [SEVERITIES.index(one.severity) for one in found]
    assert order == sorted(order)


def test_messages_keep_the_grammar_of_errors():
    for example in [*QUIET.values()]:
        assert find(*example) == ()
    texts = [check.summary for check in CHECKS.values()]
    assert [text for text in texts if text.endswith(".") or "\n" in text] == []


def test_a_deny_that_covers_part_of_an_allow_is_no_finding():
    assert "AZ602" not in ids(
        READ, an_action("s3:GetObject", "arn:aws:s3:::photos/secret/*", "Deny")
    )


def test_a_conditional_deny_shadows_nothing():
    deny = a_condition(
        "Bool", "aws:SecureTransport", "false", effect="Deny", action="s3:*", resource="*"
    )
    assert "AZ602" not in ids(READ, deny)


def test_an_allow_for_one_principal_is_covered_by_an_allow_for_everyone():
    assert "AZ603" in ids(a_grant(ALICE), a_grant("*"), kind=PolicyKind.RESOURCE)
    assert "AZ603" not in ids(
        a_grant(ALICE), a_grant({"AWS": "123456789012"}), kind=PolicyKind.RESOURCE
    )


@pytest.mark.parametrize(
    ("pattern", "other", "expected"),
    [
        ("s3:*", "s3:Get*", True), ("s3:Get*", "s3:*", False), ("a*c", "abc", True), ("a*c", "a*b*c", True),
        ("a?c", "abc", True), ("a?c", "a*c", False), ("a*", "a${aws:username}", True), ("a?", "a${aws:username}", False),
        ("a*b", "a${x:y}b", True), ("*a*b*", "xaxb", True), ("*a*b", "xaxbx", False), ("a*" * 200, "a" * 400, True),
    ],
)  # fmt: skip
def test_covering_is_never_claimed_wrongly(pattern, other, expected):
    assert covers(pattern, other) is expected


def test_arns_are_covered_part_by_part():
    assert covers_arn("arn:aws:s3:::*", "arn:aws:s3:::b/*")
    assert not covers_arn("arn:aws:*", "arn:aws:s3:::b/*")
    assert covers_arn("*", "arn:aws:s3:::b/*")


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        (BUCKET, "arn:aws:s3:::{bucket}", True), (OBJECTS, "arn:aws:s3:::{bucket}", False),
        (BUCKET, "arn:aws:s3:::{bucket}/{key+}", False), ("arn:aws:s3:::p*", "arn:aws:s3:::{bucket}/{key+}", True),
        ("arn:aws:s3:::p*", "arn:aws:s3:::*", False), ("arn:aws:s3:::*", "arn:aws:s3:::*", True),
        ("arn:aws:s3:::${aws:username}", "arn:aws:s3:::{bucket}", True), ("*", "arn:aws:s3:::{bucket}", True),
        ("arn:aws:iam::*:role/a", "arn:aws:iam::{account}:user/{name+}", False),
    ],
)  # fmt: skip
def test_a_pattern_and_a_type_of_resource_meet_or_do_not(pattern, arn, expected):
    assert overlaps_type(pattern, arn) is expected


def test_the_largest_document_is_checked_in_bounded_work():
    actions = [f"s3:G{'*' * (n % 5)}et{n}*" for n in range(400)]
    resources = [f"arn:aws:s3:::{'a*' * 20}{n}/*" for n in range(150)]
    document = json.dumps(a_statement(Action=actions, Resource=resources))
    assert len(document) <= IDENTITY_POLICY.byte_limit
    assert find(json.loads(document))


def test_a_trust_policy_is_about_its_one_role():
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    for kind, expected in (
        (PolicyKind.TRUST, {"AZ401"}),
        (PolicyKind.RESOURCE, {"AZ105", "AZ401", "AZ509"}),
    ):
        resource = {"Resource": "*"} if kind is PolicyKind.RESOURCE else {}
        assert ids(trust | resource, kind=kind) == expected
    denial = {**trust, "Effect": "Deny"}
    assert ids(denial, kind=PolicyKind.TRUST) == set()


@pytest.mark.parametrize(
    ("principal", "action", "condition"),
    [
        (IDP, LOGIN, BLUE),
        (IDP, [LOGIN, "sts:TagSession"], {"StringLike": {"idp.example.com/realms/x:aud": "app-*"}}),
        (IDP, LOGIN, {"ForAnyValue:StringEquals": {"jwt:roles": "reader"}}),
        (IDP, "sts:AssumeRoleWithClientGrants", {"StringEquals": {"aws:RequestTag/team": "blue"}}),
        (DIRECTORY, "sts:AssumeRoleWithLDAPIdentity", {"StringEquals": {"ldap:department": "it"}}),
        (DIRECTORY, "sts:AssumeRoleWithCertificate", {"StringEquals": {"jwt:sub": "build"}}),
        (DIRECTORY, "sts:AssumeRoleWithCustomToken", {"StringEquals": {"sts:SourceIdentity": "a"}}),
    ],
)
def test_a_provider_trusted_with_its_login_for_somebody_is_as_it_should_be(
    principal, action, condition
):
    assert trust_ids(a_trust(principal, action, condition)) == set()
    # A deny is for everybody rightly.
    assert trust_ids(a_trust(principal, action, effect="Deny")) == set()


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceIp": "192.0.2.1"}},
        {"Null": {"jwt:sub": "false"}},
        {"StringEquals": {"jwt:iss": "https://idp.example.com/realms/x"}},
        {"StringEquals": {"idp.example.com/realms/x:iss": "https://idp.example.com/realms/x"}},
    ],
)
def test_what_a_provider_says_of_everybody_tells_nobody_apart(condition):
    assert "AZ412" in trust_ids(a_trust(IDP, condition=condition))


@pytest.mark.parametrize(
    "principal", ["*", ALICE, {"AWS": "123456789012"}, {"Service": "ec2.amazonaws.com"}]
)
@pytest.mark.parametrize("action", [LOGIN, "STS:assumerolewithldapidentity"])
def test_a_login_is_allowed_to_no_other_kind_of_principal(principal, action):
    found = trust_ids(a_trust(principal, action))
    assert "AZ413" in found
    assert "AZ401" not in found
    assert "AZ413" not in trust_ids(a_trust(principal, action, effect="Deny"))


@pytest.mark.parametrize(
    "name",
    [
        "saml-provider/x", "oidc-provider/", "identity-provider/A", "identity-provider/a/b", "user/alice",
    ],
)  # fmt: skip
def test_other_arns_are_of_no_provider(name):
    arn = f"arn:aws:iam::123456789012:{name}"
    assert "AZ410" in trust_ids(a_trust({"Federated": [IDP["Federated"], arn]}, condition=BLUE))
    assert "AZ410" in ids(a_grant({"Federated": arn}), kind=PolicyKind.RESOURCE)


@pytest.mark.parametrize(
    "key",
    [
        "idp.example.com/realms/x:sub", "idp.example.com:8443/x:team", "accounts.google.com:aud",
        "idp.example.com:https://example.com/role", "token.actions.githubusercontent.com:repository",
        "jwt:anything", "jwt:https://example.com/groups", "jwt:cognito:groups", "ldap:department",
        "aws:FederatedProvider", "aws:SourceIdentity", "ldap:username", "jwt:preferred_username",
    ],
)  # fmt: skip
def test_what_logins_say_is_known_and_set_for_every_action(key):
    found = ids(a_condition("StringEquals", key, "x"))
    assert found.isdisjoint({"AZ301", "AZ302", "AZ303", "AZ304", "AZ305", "AZ307"})
    assert "AZ308" not in ids(a_condition("StringEquals", key, "x", effect="Deny"))
    assert found.isdisjoint({"AZ326", "AZ327"})
    of_variable = ids(an_action("s3:GetObject", f"arn:aws:s3:::b/${{{key}}}/*"))
    assert of_variable.isdisjoint({"AZ326", "AZ327", "AZ328"})


@pytest.mark.parametrize("operator", ["Bool", "NumericEquals", "ForAnyValue:StringEquals"])
def test_a_claim_may_be_of_any_type_and_number(operator):
    for key in ("jwt:email_verified", "idp.example.com:level", "ldap:department"):
        found = ids(a_condition(operator, key, "1" if operator == "NumericEquals" else "true"))
        assert found.isdisjoint({"AZ305", "AZ306", "AZ309", "AZ310"})


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("aws:Usrname", "AZ301"), ("s3:prefx", "AZ301"), ("sts:ExternalIdd", "AZ301"), ("aws:PrincipalTagg/a:b", "AZ301"),
        ("kms:EncryptionContex:app", "AZ301"), ("orders:Region", "AZ302"), ("svc:x", "AZ301"),
        # A host without a dot could be a service's name, so its claims have no keys of their own.
        ("localhost:8080:sub", "AZ307"), ("keycloak/realms/x:sub", "AZ307"), ("jwt:address", "AZ307"),
    ],
)  # fmt: skip
def test_slips_in_keys_are_still_found(key, expected):
    assert expected in ids(a_condition("StringEquals", key, "x"))
