"""The catalog: its files are whole, and it knows what the S3 mapping, the admin API and the canned policies name."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest

import authz.serving
from authz.formats.s3_actions import BUCKET, OBJECT, SERVICE
from authz.formats.s3_facts import HEADER_FACTS, PARAMETER_FACTS
from authz.policy.canned import CANNED_POLICIES
from authz.policy.catalog import (
    CATALOG_FILES,
    KeyType,
    Level,
    Origin,
    Source,
    all_actions,
    all_services,
    find_action,
    find_actions,
    find_key,
    find_service,
    is_key_of,
    nearest,
)

MAPPED = sorted(
    {
        action
        for operation in (*OBJECT.values(), *BUCKET.values(), *SERVICE.values())
        for action in (*operation.actions, *operation.version_actions)
    }
)


@pytest.mark.parametrize("action", MAPPED)
def test_every_action_of_the_s3_mapping_is_known(action):
    assert find_action(f"s3:{action}").name == action


@pytest.mark.parametrize("action", sorted({*HEADER_FACTS, *PARAMETER_FACTS}))
def test_every_key_that_the_s3_mapping_sets_belongs_to_the_action_and_is_set(action):
    known = find_action(f"s3:{action}")
    keys = [key for key, _ in (*HEADER_FACTS.get(action, ()), *PARAMETER_FACTS.get(action, ()))]
    assert [key for key in keys if not is_key_of(key, known)] == []
    assert all(find_key(key).is_set for key in keys)


def test_every_action_of_the_admin_api_is_known():
    serving = Path(authz.serving.__file__).parent
    text = "".join(path.read_text() for path in serving.glob("admin_*.py"))
    named = set(re.findall(r'"((?:iam|admin|s3|authz):[A-Z][A-Za-z]+)"', text))
    assert len(named) > 20
    assert sorted(action for action in named if find_action(action) is None) == []


@pytest.mark.parametrize("policy", CANNED_POLICIES.values(), ids=lambda policy: policy.name)
def test_every_action_of_a_canned_policy_is_known(policy):
    statements = json.loads(policy.document)["Statement"]
    assert [a for one in statements for a in one["Action"] if not find_actions(a)] == []


@pytest.mark.parametrize("service", all_services(), ids=lambda service: service.prefix)
def test_a_service_names_only_resource_types_and_keys_that_exist(service):
    for action in service.actions.values():
        assert set(action.resources) <= set(service.resources), action
        assert [key for key in action.keys if find_key(key) is None] == [], action


@pytest.mark.parametrize("name", CATALOG_FILES)
def test_a_data_file_names_its_source_and_lists_every_name_once(name):
    def refuse_duplicates(members):
        assert len({key.lower() for key, _ in members}) == len(members)
        return dict(members)

    text = resources.files("authz.policy.catalog.data").joinpath(name).read_text()
    data = json.loads(text, object_pairs_hook=refuse_duplicates)
    assert data["source"]


def test_actions_are_found_in_any_case_and_by_pattern():
    assert find_action("S3:getobject").text == "s3:GetObject"
    assert find_action("s3:GetObjekt") is None
    assert find_action("nothing:GetObject") is None
    assert {action.name for action in find_actions("S3:GetObjectVersionT*")} == {
        "GetObjectVersionTagging",
        "GetObjectVersionTorrent",
    }
    assert find_actions("*") == all_actions()
    assert find_actions("s3:Nope*") == ()


def test_levels_resources_and_origins_are_those_of_the_references():
    assert find_action("s3:GetObject").level is Level.READ
    assert find_action("s3:PutBucketPolicy").level is Level.GRANTING
    assert find_action("s3:PutObjectTagging").level is Level.TAGGING
    assert "object" in find_action("s3:GetObject").resources
    assert find_action("iam:ListUsers").resources == ()
    assert find_action("s3:ForceDeleteBucket").origin is Origin.MINIO
    assert find_action("admin:CreateUser").level is Level.GRANTING
    assert find_service("S3").name == "Amazon S3"


def test_keys_and_families_of_keys_are_found_in_any_case():
    assert find_key("AWS:sourceip").type is KeyType.IP
    assert find_key("aws:PrincipalTag/Team").source is Source.IDENTITY
    assert find_key("jwt:something").name == "jwt:*"
    assert find_key("kms:EncryptionContext:app").name == "kms:EncryptionContext:*"
    assert find_key("aws:groups").is_many
    assert not find_key("s3:ExistingObjectTag/a").is_set
    assert find_key("aws:SourceIpp") is None
    assert find_key("aws:CurrentTime").is_always_there
    assert not find_key("aws:Referer").is_always_there


def test_keys_belong_to_the_actions_that_define_them():
    listing, reading = find_action("s3:ListBucket"), find_action("s3:GetObject")
    assert is_key_of("s3:Prefix", listing)
    assert not is_key_of("s3:prefix", reading)
    for everywhere in ("aws:SourceIp", "JWT:sub", "ldap:user"):
        assert is_key_of(everywhere, reading)
    assert is_key_of("s3:ExistingObjectTag/team", reading)


def test_a_near_name_is_suggested_and_a_far_one_is_not():
    names = [action.name for action in find_service("s3").actions.values()]
    assert nearest("GetObjct", names) == "GetObject"
    assert nearest("Frobnicate", names) == ""


def test_every_key_that_the_admin_api_sets_belongs_to_its_action_and_is_set():
    for key, action in (
        ("iam:PermissionsBoundary", "iam:PutUserPermissionsBoundary"),
        ("iam:PermissionsBoundary", "iam:DeleteUserPermissionsBoundary"),
        ("iam:PermissionsBoundary", "iam:CreateUser"),
        ("iam:PermissionsBoundary", "iam:AttachUserPolicy"),
        ("iam:PermissionsBoundary", "iam:DetachUserPolicy"),
        ("iam:PolicyARN", "iam:AttachUserPolicy"),
    ):
        assert is_key_of(key, find_action(action)), (key, action)
        assert find_key(key).is_set


def test_this_services_own_actions_are_known_and_are_no_other_ones():
    assert find_action("authz:PutResourcePolicy").level is Level.GRANTING
    assert find_action("authz:PutResourcePolicy").origin is Origin.AUTHZ
    assert find_action("authz:ListResourcePolicies").resources == ()
