"""Whom a statement of a resource policy names, and how: as everyone, itself, through its role, by its account."""

import pytest

from authz.errors import ParseError
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.identity.principal import ANONYMOUS
from authz.policy.compile import compile_policy, compile_resource_policy
from authz.policy.model import PrincipalElement
from authz.policy.principals import Naming, compile_principals, find_role
from authz.policy.request import Principal, PrincipalKind
from tests.policy.builders import a_document, a_statement

ACCOUNT, OTHER = "000000000000", "111111111111"
USER_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice"
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/deploy"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/s1"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/id.example"


def a_principal(kind=PrincipalKind.USER, arn=USER_ARN, name="alice", **fields):
    return Principal(
        arn=arn, kind=kind, account=ACCOUNT, id="AIDA", name=name, **{"facts": {}, **fields}
    )


ALICE = a_principal()
ROOT = a_principal(PrincipalKind.ROOT, ROOT_ARN, "root")
SESSION = a_principal(PrincipalKind.ASSUMED_ROLE, SESSION_ARN, "s1")
FEDERATED = a_principal(
    PrincipalKind.ASSUMED_ROLE, SESSION_ARN, "s1", facts={"aws:federatedprovider": (PROVIDER,)}
)
NOT, BY_ACCOUNT, BY_ROLE, BY_USER, ITSELF = Naming


def naming(ids, principal, *, negated=False, is_allow=True):
    if isinstance(ids, (str, list)):
        ids = {"AWS": ids}
    listed = tuple(
        (kind, tuple(value) if isinstance(value, list) else (value,)) for kind, value in ids.items()
    )
    element = PrincipalElement(negated=negated, ids=listed)
    return compile_principals(element, "Statement[0]").naming(principal, is_allow=is_allow)


@pytest.mark.parametrize(
    ("ids", "principal", "expected"),
    [
        ("*", ALICE, ITSELF),
        ("*", ANONYMOUS, ITSELF),
        (["x", "*"], SESSION, ITSELF),
        (ACCOUNT, ALICE, BY_ACCOUNT),
        (ROOT_ARN, ALICE, BY_ACCOUNT),
        (ROOT_ARN, ROOT, BY_USER),
        (ACCOUNT, ANONYMOUS, NOT),
        (OTHER, ALICE, NOT),
        ("arn:aws:iam:::root", ANONYMOUS, NOT),
        (USER_ARN, ALICE, BY_USER),
        (USER_ARN.upper().replace("ARN:AWS:IAM", "arn:aws:iam").replace("USER", "user"), ALICE, NOT),
        (USER_ARN.replace(ACCOUNT, OTHER), ALICE, NOT),
        (USER_ARN + "x", ALICE, NOT),
        (USER_ARN, SESSION, NOT),
        (USER_ARN, ANONYMOUS, NOT),
        ([OTHER, USER_ARN, ACCOUNT], ALICE, BY_USER),
        (ROLE_ARN, SESSION, BY_ROLE),
        (ROLE_ARN, ALICE, NOT),
        ([ROLE_ARN, SESSION_ARN], SESSION, ITSELF),
        (SESSION_ARN, SESSION, ITSELF),
        (SESSION_ARN.replace("s1", "s2"), SESSION, NOT),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/alice", ALICE, NOT),
        ("alice", ALICE, BY_USER),
        ("Alice", ALICE, NOT),
        ("s1", SESSION, NOT),
        ("root", ROOT, NOT),
        ({"Federated": PROVIDER}, FEDERATED, BY_ROLE),
        ({"Federated": PROVIDER}, SESSION, NOT),
        ({"Federated": PROVIDER, "AWS": SESSION_ARN}, FEDERATED, ITSELF),
        ({"Service": "logging.s3.amazonaws.com"}, ALICE, NOT),
    ],
)  # fmt: skip
def test_a_principal_is_named_as_everyone_itself_its_user_its_role_or_its_account(
    ids, principal, expected
):
    assert naming(ids, principal) is expected


@pytest.mark.parametrize(
    ("ids", "principal", "allows", "denies"),
    [
        ("*", ALICE, False, False),
        ("*", ANONYMOUS, False, False),
        (USER_ARN, ANONYMOUS, True, True),
        (USER_ARN, SESSION, True, True),
        # AWS: the account must be listed beside the user, or the deny still holds.
        (USER_ARN, ALICE, False, True),
        ([USER_ARN, ROOT_ARN], ALICE, False, False),
        (["alice", ACCOUNT], ALICE, False, False),
        ([USER_ARN.replace("alice", "bob"), ROOT_ARN], ALICE, False, True),
        (ROOT_ARN, ROOT, False, False),
        (OTHER, ROOT, True, True),
        ([SESSION_ARN, ROOT_ARN], SESSION, False, True),
        ([ROLE_ARN, ROOT_ARN], SESSION, False, True),
        ([ROLE_ARN, SESSION_ARN, ROOT_ARN], SESSION, False, False),
        ({"Federated": PROVIDER, "AWS": ACCOUNT}, FEDERATED, False, False),
        ({"Federated": PROVIDER}, FEDERATED, False, True),
        ({"Service": "s3.amazonaws.com"}, ALICE, True, True),
    ],
)
def test_a_complement_spares_from_a_deny_whom_it_lists_by_all_names_and_grants_to_whom_it_lists_by_none(
    ids, principal, allows, denies
):
    assert naming(ids, principal, negated=True) is (ITSELF if allows else NOT)
    assert naming(ids, principal, negated=True, is_allow=False) is (ITSELF if denies else NOT)


@pytest.mark.parametrize(
    "ids",
    [
        "",
        "a*",
        "alice?",
        f"arn:aws:iam::{ACCOUNT}:user/*",
        f"arn:aws:iam::{ACCOUNT}:*",
        f"arn:aws:iam::{ACCOUNT}:user/",
        f"arn:aws:iam::{ACCOUNT}:group/staff",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/",
        f"arn:aws:sts::{ACCOUNT}:assumed-role//s1",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/s1/x",
        f"arn:aws:sts::{ACCOUNT}:federated-user/",
        "arn:aws:s3:::bucket",
        "arn:aws",
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
        {"Federated": "*"},
        {"Federated": "id.example/*"},
        {"Federated": "id.exampl?"},
        {"Federated": ""},
    ],
)
def test_an_id_that_can_name_nobody_known_is_refused_with_its_place(ids):
    with pytest.raises(ParseError, match=r" at Statement\[0\]\.NotPrincipal\.[A-Z][A-Za-z]+$"):
        naming(ids, ALICE, negated=True)


def test_a_role_with_a_path_is_told_by_the_principal_and_another_by_the_session():
    assert find_role(SESSION) == ROLE_ARN
    with_path = f"arn:aws:iam::{ACCOUNT}:role/team/deploy"
    session = a_principal(PrincipalKind.ASSUMED_ROLE, SESSION_ARN, "s1", role=with_path)
    assert find_role(session) == with_path
    assert naming(with_path, session) is BY_ROLE
    assert naming(ROLE_ARN, session) is NOT
    assert find_role(ALICE) == ""
    for arn in ("s1", SESSION_ARN.replace("deploy", ""), SESSION_ARN.replace("s1", ""), SESSION_ARN + "/x"):  # fmt: skip
        assert not find_role(a_principal(PrincipalKind.ASSUMED_ROLE, arn))


def test_everyone_stays_everyone_whatever_is_listed_beside():
    for ids in ([("AWS", ("*",)), ("AWS", ("bob",))], [("AWS", ("bob",)), ("AWS", ("*",))]):
        compiled = compile_principals(PrincipalElement(negated=False, ids=tuple(ids)), "here")
        assert compiled.naming(ALICE, is_allow=False) is ITSELF


def test_a_name_that_looks_like_a_wildcard_is_named_by_nobodys_pattern():
    star = a_principal(arn=f"arn:aws:iam::{ACCOUNT}:user/*", name="*")
    assert naming(USER_ARN, star) is NOT
    assert naming("*", star) is ITSELF


def test_only_a_resource_policy_has_principals_and_all_its_statements_do():
    with_principal = parse_policy(a_document(a_statement(Principal="*")), kind=RESOURCE_POLICY)
    without = parse_policy(a_document(a_statement()))
    with pytest.raises(ParseError, match=r"has no `Principal`.* at Statement\[0\]$"):
        compile_policy(with_principal, arn="a", version=1)
    with pytest.raises(ParseError, match=r"needs `Principal` or `NotPrincipal` at Statement\[0\]$"):
        compile_resource_policy(without, arn="a", version=1)
