"""The facts about who acts come from stored records, and from nothing else."""

from authz.identity.principal import ANONYMOUS, root_principal, user_principal
from authz.identity.records import Group, Status, User
from authz.policy.request import PrincipalKind

ACCOUNT = "000000000000"


def a_user(name="alice", **tags) -> User:
    return User(id="AIDAALICE", name=name, status=Status.ENABLED, created_at=0.0, tags=tags)


def a_group(name, status=Status.ENABLED) -> Group:
    return Group(id=f"AGPA{name}", name=name, status=status, created_at=0.0)


def test_a_user_has_its_arn_its_id_and_its_name():
    principal = user_principal(a_user(), (), ACCOUNT)
    assert principal.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert (principal.kind, principal.id, principal.name) == (
        PrincipalKind.USER,
        "AIDAALICE",
        "alice",
    )
    assert principal.facts == {
        "aws:username": ("alice",),
        "aws:userid": ("AIDAALICE",),
        "aws:principalarn": (principal.arn,),
        "aws:principaltype": ("User",),
        "aws:principalaccount": (ACCOUNT,),
    }


def test_only_enabled_groups_are_facts():
    groups = [a_group("ops"), a_group("old", Status.DISABLED), a_group("dev")]
    assert user_principal(a_user(), groups, ACCOUNT).facts["aws:groups"] == ("ops", "dev")
    disabled = [a_group("old", Status.DISABLED)]
    assert "aws:groups" not in user_principal(a_user(), disabled, ACCOUNT).facts


def test_tags_keep_the_case_of_their_keys():
    facts = user_principal(a_user(Team="blue", team="red"), (), ACCOUNT).facts
    assert facts["aws:principaltag/Team"] == ("blue",)
    assert facts["aws:principaltag/team"] == ("red",)


def test_no_tag_can_pass_for_another_fact():
    tags = {"aws:username": "root", "../aws:userid": "x", "": "y", "/": "z"}
    principal = user_principal(a_user(**tags), (), ACCOUNT)
    plain = user_principal(a_user(), (), ACCOUNT)
    added = {key: value for key, value in principal.facts.items() if key not in plain.facts}
    assert all(key.startswith("aws:principaltag/") for key in added)
    assert len(added) == 4
    assert {key: principal.facts[key] for key in plain.facts} == plain.facts


def test_a_user_called_root_is_not_root():
    user, root = user_principal(a_user("root"), (), ACCOUNT), root_principal(ACCOUNT)
    assert user.kind is PrincipalKind.USER
    assert root.kind is PrincipalKind.ROOT
    assert user.arn != root.arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert root.facts["aws:userid"] == (ACCOUNT,)
    assert "aws:username" not in root.facts


def test_nobody_has_no_facts_at_all():
    assert ANONYMOUS.facts == {}
    assert ANONYMOUS.arn == ""
    assert ANONYMOUS.kind is PrincipalKind.ANONYMOUS


def test_an_account_may_be_empty():
    assert user_principal(a_user(), (), "").arn == "arn:aws:iam:::user/alice"
    assert root_principal("").arn == "arn:aws:iam:::root"
