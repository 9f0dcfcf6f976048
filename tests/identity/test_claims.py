"""What claims come to: names, groups, policies, facts and tags, and what of them is refused rather than cut."""

from typing import Any

import pytest

from authz.errors import UnauthenticatedError
from authz.identity.claims import (
    CLAIMS_LIMIT,
    LIST_LIMIT,
    POLICIES_LIMIT,
    SOURCE_IDENTITY_CLAIM,
    TAGS_CLAIM,
    VALUE_LIMIT,
    ClaimNames,
    find_claim,
    read_claims,
)
from authz.identity.external import EXTERNAL_GROUPS, ExternalIdentity
from tests.identity.provider_claims import (
    CLIENT_ID,
    DEX,
    ENDS,
    ENTRA_ID,
    GITLAB_JOB,
    GOOGLE,
    KEYCLOAK,
    OKTA,
    SHAPES,
)

ISSUER = "https://id.example.com/realms/One"


def read(claims: dict[str, Any], *, issuer: str = ISSUER, **names: str) -> ExternalIdentity:
    return read_claims(
        {"sub": "alice"} | claims,
        ClaimNames(**names),
        issuer=issuer,
        audience=CLIENT_ID,
        expires_at=ENDS,
    )


def refusal(claims: dict[str, Any], **names: str) -> str:
    with pytest.raises(UnauthenticatedError) as error:
        read(claims, **names)
    assert error.value.code == "IDPRejectedClaim"
    return error.value.message


# --- the shapes of well-known providers ---


@pytest.mark.parametrize(
    ("claims", "names", "name", "groups", "policies", "display"),
    [
        (KEYCLOAK, {"groups": "groups"}, KEYCLOAK["sub"], ("/staff", "/staff/admins"), (), "Alice Adams"),
        (KEYCLOAK, {"policies": "realm_access.roles", "display": "preferred_username"}, KEYCLOAK["sub"], (), ("offline_access", "uma_authorization", "readonly"), "alice"),
        (KEYCLOAK, {"policies": f"resource_access.{CLIENT_ID}.roles"}, KEYCLOAK["sub"], (), ("readwrite",), "Alice Adams"),
        (OKTA, {"groups": "groups"}, OKTA["sub"], ("Everyone", "Data Team"), (), "Alice Adams"),
        (ENTRA_ID, {"groups": "groups", "policies": "roles"}, ENTRA_ID["sub"], tuple(ENTRA_ID["groups"]), ("consoleAdmin",), "Alice Adams"),
        (GOOGLE, {"display": "email"}, GOOGLE["sub"], (), (), "alice@example.com"),
        (DEX, {"groups": "groups"}, DEX["sub"], ("org:team-a", "org:team-b"), (), "Alice"),
        (GITLAB_JOB, {"groups": "groups_direct", "display": "project_path"}, GITLAB_JOB["sub"], ("my-group/sub",), (), "my-group/my-project"),
    ],
)  # fmt: skip
def test_tokens_of_well_known_providers_come_to_an_identity(
    claims: dict[str, Any],
    names: dict[str, str],
    name: str,
    groups: tuple[str, ...],
    policies: tuple[str, ...],
    display: str,
) -> None:
    identity = read(claims, issuer=claims["iss"], **names)
    assert (identity.name, identity.display_name) == (name, display)
    assert (identity.groups, identity.policies) == (groups, policies)
    assert identity.expires_at == ENDS
    assert (identity.issuer, identity.audience) == (claims["iss"], CLIENT_ID)


@pytest.mark.parametrize("claims", SHAPES.values(), ids=SHAPES)
def test_without_configured_names_no_claim_grants_anything(claims: dict[str, Any]) -> None:
    identity = read(claims, issuer=claims["iss"])
    assert (identity.groups, identity.policies, dict(identity.tags)) == ((), (), {})


def test_policies_may_use_the_claims_under_the_names_of_minio_and_of_aws() -> None:
    facts = read(GITLAB_JOB, issuer=GITLAB_JOB["iss"]).facts
    assert facts["jwt:ref_protected"] == ("false",)
    assert facts["jwt:runner_id"] == ("1",)
    assert facts["jwt:groups_direct"] == ("my-group/sub",)
    assert facts["gitlab.example.com:sub"] == (GITLAB_JOB["sub"],)
    assert facts["gitlab.example.com:aud"] == (CLIENT_ID,)
    assert facts["gitlab.example.com:project_path"] == ("my-group/my-project",)
    assert "gitlab.example.com:runner_id" not in facts
    assert read(GOOGLE, issuer=GOOGLE["iss"]).facts["accounts.google.com:azp"] == (CLIENT_ID,)
    assert read(OKTA, issuer=OKTA["iss"]).facts["example.okta.com/oauth2/default:amr"] == ("mfa", "otp", "pwd")  # fmt: skip


# --- who ---


@pytest.mark.parametrize("sub", [None, "", "x" * 256, 7, ["alice"], "a\nb", "a\x00", " alice", "alice ", "a\u202eb"])  # fmt: skip
def test_a_sub_that_names_nobody_is_refused(sub: object) -> None:
    assert "`sub`" in refusal({"sub": sub})


def test_a_missing_sub_is_refused() -> None:
    with pytest.raises(UnauthenticatedError, match="`sub`"):
        read_claims({}, ClaimNames(), issuer=ISSUER, audience=CLIENT_ID, expires_at=ENDS)


def test_a_sub_is_taken_to_the_character() -> None:
    assert read({"sub": "uid=Älice,dc=x|" + "x" * 200}).name == "uid=Älice,dc=x|" + "x" * 200


@pytest.mark.parametrize("name", [None, 7, "", "a\nb", "x" * 257])
def test_a_display_name_that_is_not_usable_is_passed_over(name: object) -> None:
    assert read({"name": name, "email": "a@b"}).display_name == "a@b"
    assert read({"name": name}, display="name").display_name == ""


# --- groups ---


def test_one_group_may_be_a_text() -> None:
    assert read({"groups": "staff"}, groups="groups").groups == ("staff",)


def test_repeated_groups_are_one() -> None:
    assert read({"groups": ["b", "a", "b"]}, groups="groups").groups == ("b", "a")


@pytest.mark.parametrize("claims", [{}, {"groups": None}, {"groups": []}])
def test_no_groups_are_no_groups(claims: dict[str, Any]) -> None:
    assert read(claims, groups="groups").groups == ()


@pytest.mark.parametrize("groups", [7, True, {"a": 1}, ["a", 7], [["a"]], [""], ["a\nb"], ["x" * 1025], [f"g{n}" for n in range(EXTERNAL_GROUPS + 1)]])  # fmt: skip
def test_groups_of_another_shape_or_beyond_bounds_are_refused(groups: object) -> None:
    assert "`groups`" in refusal({"groups": groups}, groups="groups")


@pytest.mark.parametrize("overage", [{"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph"}}}, {"hasgroups": True}])  # fmt: skip
def test_groups_that_the_token_only_points_at_are_not_taken_for_none(
    overage: dict[str, Any],
) -> None:
    """Entra ID leaves out the groups of whoever has more than 200; a deny may rest on one of them."""
    assert "points elsewhere" in refusal(overage, groups="groups")
    assert read(overage).groups == ()


# --- claims by path ---


@pytest.mark.parametrize(
    ("claims", "name", "found"),
    [
        ({"a": 1}, "a", 1),
        ({"a": {"b": {"c": 1}}}, "a.b.c", 1),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"resource_access": {"minio.example.com": {"roles": 1}}}, "resource_access.minio.example.com.roles", 1),
        ({"https://example.com/groups": 1}, "https://example.com/groups", 1),
        ({"a": "text"}, "a.b", None),
        ({"a": {"b": 1}}, "a.c", None),
        ({"a": {"b": 1}}, "b", None),
        ({"a": ["b"]}, "a.0", None),
        ({}, "a.b.c.d", None),
    ],
)  # fmt: skip
def test_a_claim_is_found_by_its_name_or_a_path(
    claims: dict[str, Any], name: str, found: object
) -> None:
    assert find_claim(claims, name) == found


# --- policies ---


@pytest.mark.parametrize(
    ("value", "policies"),
    [
        ("readonly", ("readonly",)),
        ("readonly, readwrite ,,readonly", ("readonly", "readwrite")),
        (["a", "b,c", " d "], ("a", "b", "c", "d")),
        ("", ()),
        ([], ()),
        (None, ()),
    ],
)
def test_policies_are_a_text_or_a_list(value: object, policies: tuple[str, ...]) -> None:
    assert read({"policy": value}, policies="policy").policies == policies


@pytest.mark.parametrize("value", [7, True, {"a": 1}, ["a", 7], ",".join(f"p{n}" for n in range(LIST_LIMIT + 1))])  # fmt: skip
def test_policies_of_another_shape_or_beyond_bounds_are_refused(value: object) -> None:
    refusal({"policy": value}, policies="policy")


def test_a_claim_names_a_hundred_policies_at_most() -> None:
    names = [f"p{n}" for n in range(POLICIES_LIMIT + 1)]
    assert len(read({"policy": names[1:]}, policies="policy").policies) == 100
    for value in (names, ",".join(names)):
        assert "more than 100 policies" in refusal({"policy": value}, policies="policy")


# --- facts ---


def test_facts_are_texts_numbers_flags_and_lists_of_texts() -> None:
    facts = read({
        "Text": "Value", "whole": 7, "half": 0.5, "big": 1e3, "yes": True, "no": False, "list": ["a", "b"],
        "none": None, "empty": [], "mixed": ["a", 1], "object": {"a": "b"},
    }).facts  # fmt: skip
    assert facts == {
        "jwt:sub": ("alice",), "jwt:text": ("Value",), "jwt:whole": ("7",), "jwt:half": ("0.5",), "jwt:big": ("1000",),
        "jwt:yes": ("true",), "jwt:no": ("false",), "jwt:list": ("a", "b"),
        "id.example.com/realms/One:sub": ("alice",), "id.example.com/realms/One:Text": ("Value",),
    }  # fmt: skip


def test_no_claim_of_one_issuer_writes_a_key_of_another() -> None:
    """`id.example.com` and `id.example.com:8443/realms/b`: a claim's name could be the rest of an issuer's."""
    odd = {
        "8443/realms/b:sub": "ceo",
        "8443:sub": "ceo",
        "/realms/b": "ceo",
        "https://x.example/team": "a",
    }
    facts = read(odd, issuer="https://id.example.com").facts
    assert {key for key in facts if not key.startswith("jwt:")} == {"id.example.com:sub"}
    assert facts["jwt:8443/realms/b:sub"] == ("ceo",)
    assert facts["jwt:https://x.example/team"] == ("a",)


def test_a_key_is_folded_as_policies_look_it_up() -> None:
    facts = read({"HTTPS://Example.com/Team": "blue"}).facts
    assert facts["jwt:https://Example.com/Team"] == ("blue",)
    assert read({"Team": "blue"}, issuer="https://ID.example.com").facts["id.example.com:team"] == ("blue",)  # fmt: skip


@pytest.mark.parametrize("issuer", ["https://aws", "https://jwt", "http://localhost:8080/aws.x"])
def test_an_issuer_without_a_domain_name_writes_no_keys_of_its_own(issuer: str) -> None:
    """`https://aws` with a claim `username` would say `aws:username`."""
    facts = read({"username": "root"}, issuer=issuer).facts
    assert set(facts) == {"jwt:sub", "jwt:username"}


def test_two_claims_that_differ_in_case_only_are_refused() -> None:
    assert "case" in refusal({"Role": "a", "role": "b"})


@pytest.mark.parametrize(
    "claims",
    [
        {f"c{n}": n for n in range(CLAIMS_LIMIT)},
        {"text": "x" * (VALUE_LIMIT + 1)},
        {"list": ["x" * (VALUE_LIMIT + 1)]},
        {"list": ["x"] * (LIST_LIMIT + 1)},
        {"n" * 257: "x"},
        {"": "x"},
        {"a\nb": "x"},
    ],
)
def test_claims_beyond_bounds_are_refused_and_not_cut(claims: dict[str, Any]) -> None:
    message = refusal(claims)
    assert len(message) < 200
    assert "\n" not in message


# --- session tags and source identity ---


@pytest.mark.parametrize(
    "claim",
    [
        {"principal_tags": {"Team": ["blue"], "Cost": ["7"]}, "transitive_tag_keys": ["Team"]},
        {"principal_tags": {"Team": "blue", "Cost": "7"}, "transitive_tag_keys": "Team"},
        {"principal_tags": [{"Team": ["blue"], "Cost": "7"}], "transitive_tag_keys": ["Team"]},
    ],
)
def test_session_tags_are_read_in_the_shapes_that_providers_write(claim: object) -> None:
    identity = read({TAGS_CLAIM: claim})
    assert identity.tags == {"Team": "blue", "Cost": "7"}
    assert identity.transitive == ("Team",)


@pytest.mark.parametrize(
    "claim",
    [
        "Team",
        ["Team"],
        {"principal_tags": "Team"},
        {"principal_tags": [{"a": "b"}, {"c": "d"}]},
        {"principal_tags": {"Team": ["blue", "red"]}},
        {"principal_tags": {"Team": 7}},
        {"principal_tags": {f"t{n}": "x" for n in range(51)}},
        {"principal_tags": {"Team": "blue"}, "transitive_tag_keys": ["Cost"]},
        {"principal_tags": {"Team": "blue"}, "transitive_tag_keys": [7]},
        {"principal_tags": {}, "other": 1},
    ],
)
def test_session_tags_of_another_shape_are_refused(claim: object) -> None:
    assert TAGS_CLAIM in refusal({TAGS_CLAIM: claim})


def test_a_source_identity_is_a_text() -> None:
    assert read({SOURCE_IDENTITY_CLAIM: "alice"}).source_identity == "alice"
    assert read({}).source_identity == ""
    refusal({SOURCE_IDENTITY_CLAIM: ["alice"]})
