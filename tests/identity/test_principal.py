"""The facts about who acts come from stored records, and from nothing else."""

import pytest

from authz.identity.principal import (
    ANONYMOUS,
    key_principal,
    role_principal,
    root_principal,
    session_principal,
    user_principal,
)
from authz.identity.records import AccessKey, Group, Role, Status, User
from authz.identity.session import Session
from authz.policy.model import PrincipalElement
from authz.policy.principals import Naming, compile_principals
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


# --- what a login said ---

OWNER = user_principal(a_user(Team="red"), (), ACCOUNT)
SAID = {"jwt:sub": ("ann",), "aws:principaltag/cost": ("1",), "aws:principaltag/TEAM": ("blue",)}
ACTING = [
    "aws:username", "aws:userid", "aws:principalarn", "aws:principaltype", "aws:principalaccount",
    "aws:groups", "aws:tokenissuetime",
]  # fmt: skip


def a_key(**facts) -> AccessKey:
    return AccessKey(
        id="KEY", user_id="AIDAALICE", user_name="alice", status=Status.ENABLED, created_at=0.0,
        facts=facts,
    )  # fmt: skip


def a_session(parent_id="AIDAALICE", **facts) -> Session:
    return Session(
        access_key_id="ASIA", parent_id=parent_id, issuer_id="AIDAALICE", issued_at=0, expires_at=1,
        name="s1", facts=facts,
    )  # fmt: skip


def test_a_key_that_says_nothing_acts_as_its_owner():
    assert key_principal(OWNER, a_key()) is OWNER


def test_a_key_and_a_session_say_what_a_login_said_beside_what_is_known():
    for seen in (key_principal(OWNER, a_key(**SAID)), session_principal(OWNER, a_session(**SAID))):
        assert {key: seen.facts[key] for key in OWNER.facts} == OWNER.facts
        added = seen.facts.keys() - OWNER.facts.keys() - {"aws:tokenissuetime"}
        assert added == {"jwt:sub", "aws:principaltag/cost"}
        assert (seen.arn, seen.id, seen.name, seen.kind) == (
            OWNER.arn, OWNER.id, OWNER.name, OWNER.kind,
        )  # fmt: skip


@pytest.mark.parametrize("owner", [OWNER, root_principal(ACCOUNT)])
def test_no_key_and_no_session_says_who_acts(owner):
    lies = dict.fromkeys(ACTING, ("somebody else",))
    assert key_principal(owner, a_key(**lies)).facts == owner.facts
    issued_at = {"aws:tokenissuetime": ("1970-01-01T00:00:00Z",)}
    assert session_principal(owner, a_session(**lies)).facts == {**owner.facts, **issued_at}


def test_of_a_roles_session_no_login_says_who_acts_and_its_tags_are_put_over_the_roles():
    role = role_principal(
        Role(id="AROA1", name="ops", trust="", created_at=0.0, tags={"Team": "red", "a": "b"}),
        ACCOUNT,
    )
    lies = dict.fromkeys(ACTING, ("somebody else",))
    seen = session_principal(role, a_session("AROA1", **lies, **SAID)).facts
    assert seen == {
        "aws:userid": ("AROA1:s1",),
        "aws:principalarn": (role.arn,),
        "aws:principaltype": ("AssumedRole",),
        "aws:principalaccount": (ACCOUNT,),
        "aws:tokenissuetime": ("1970-01-01T00:00:00Z",),
        "aws:principaltag/TEAM": ("blue",),
        "aws:principaltag/cost": ("1",),
        "aws:principaltag/a": ("b",),
        "jwt:sub": ("ann",),
    }


def test_a_providers_user_is_nobody_else_in_any_policy():
    names = ["corp=alice", "corp=Alice", "corp2=alice", "corp=root", "corp==alice", "alice", "root"]
    principals = [user_principal(a_user(name), (), ACCOUNT) for name in names]
    assert len({principal.arn for principal in principals}) == len(names)
    for name, principal in zip(names, principals, strict=True):
        assert principal.arn == f"arn:aws:iam::{ACCOUNT}:user/{name}"
        assert principal.facts["aws:username"] == (name,)
        document = [{"AWS": principal.arn}, {"AWS": name}]
        for said in document:
            element = PrincipalElement(ids=tuple((k, (v,)) for k, v in said.items()), negated=False)
            compiled = compile_principals(element, "Statement[0]")
            named = [compiled.naming(each, is_allow=True) for each in principals]
            assert [naming is Naming.USER for naming in named] == [
                each is principal for each in principals
            ]
