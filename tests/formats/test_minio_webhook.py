"""What a MinIO server really sends, and what its clients write into it.

The bodies were taken from a server of 2025-09-07; signatures and tokens are left out.
"""

import base64
import json
from pathlib import Path

import pytest

from authz.errors import InvalidError, ParseError
from authz.formats.minio_webhook import parse_question, render_answer
from authz.policy.decision import Layer

BODIES = json.loads(
    Path(__file__).with_name("minio_webhook_bodies.json").read_text(encoding="utf-8")
)
BAD = {"made-up parameters", "made-up address", "a key with two slashes"}


def asked(what, **changes):
    """Parse the captured body with members of `input` changed."""
    return parse_question(json.dumps({"input": {**BODIES[what]["input"], **changes}}).encode())


def with_slots(what, **slots):
    conditions = {**BODIES[what]["input"]["conditions"]}
    conditions |= {name.replace("__", "/").replace("_", "-"): each for name, each in slots.items()}
    return asked(what, conditions=conditions)


def encoded(policy) -> str:
    text = policy if isinstance(policy, str) else json.dumps(policy)
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("what", sorted(BODIES.keys() - BAD))
def test_what_minio_sends_is_understood_and_says_nothing_of_who_acts(what):
    question = asked(what)
    assert question.account == BODIES[what]["input"]["account"]
    assert question.server["aws:sourceip"] in {("127.0.0.1",), ("10.1.1.1",)}
    assert question.server["aws:securetransport"] == ("false",)
    keys = {key for check in question.checks for key in check.facts} | question.doubtful.keys()
    own = ("aws:username", "aws:userid", "aws:principal", "aws:groups", "aws:current", "aws:epoch")
    assert not [key for key in keys if key.startswith((*own, "jwt:", "ldap:"))]


@pytest.mark.parametrize("what", sorted(BAD))
def test_what_a_client_made_up_where_it_counts_is_refused(what):
    with pytest.raises((InvalidError, ParseError)):
        asked(what)


def test_a_listing_has_its_prefix_from_its_own_parameter_alone():
    (check,) = asked("list with prefix").checks
    assert (check.action, check.resource) == ("s3:ListBucket", "arn:aws:s3:::box")
    assert check.facts["s3:prefix"] == ("a/",)
    assert check.facts["s3:delimiter"] == ("/",)
    assert check.facts["s3:max-keys"] == ("5",)
    bare = {**BODIES["list with prefix"]["input"]["conditions"]}
    del bare["prefix"]
    (check,) = asked("list with prefix", conditions={**bare, "Prefix": ["a/"]}).checks
    assert "s3:prefix" not in check.facts
    with pytest.raises(InvalidError, match="several values"):
        with_slots("list with prefix", prefix=["a/", "b/"])


def test_headers_that_are_called_like_what_minio_writes_count_for_nothing():
    question = asked("made-up headers")
    assert question.is_root is False
    # This one MinIO itself believes.
    assert question.server["aws:sourceip"] == ("10.1.1.1",)
    assert question.server["aws:securetransport"] == ("false",)
    assert "s3:prefix" not in question.checks[0].facts


@pytest.mark.parametrize(
    "slot",
    ["SourceIp", "SecureTransport", "UserAgent", "authType", "principaltype", "versionid"],
)
def test_a_second_value_where_minio_writes_one_is_refused(slot):
    values = BODIES["get a tagged object"]["input"]["conditions"].get(slot, ["x"])
    conditions = {**BODIES["get a tagged object"]["input"]["conditions"], slot: [*values, "other"]}
    with pytest.raises(InvalidError, match="several values"):
        asked("get a tagged object", conditions=conditions)


def test_tags_on_an_object_are_kept_apart_because_clients_can_make_them_up():
    real, made_up = asked("get a tagged object"), asked("made-up tag of an object")
    assert real.doubtful == {"s3:existingobjecttag/k": ("v",)}
    assert made_up.doubtful == {"s3:existingobjecttag/k": ("fake",)}
    assert "s3:existingobjecttag/k" not in real.checks[0].facts
    many = {f"ExistingObjectTag/{number}": ["v"] for number in range(11)}
    conditions = {**BODIES["get a tagged object"]["input"]["conditions"], **many}
    with pytest.raises(InvalidError, match="more tags"):
        asked("get a tagged object", conditions=conditions)


def test_facts_of_a_put_are_what_its_headers_say():
    tagged = asked("put with tags").checks[0].facts
    assert tagged["s3:requestobjecttag/x"] == ("1",)
    assert set(tagged["s3:requestobjecttagkeys"]) == {"x", "y"}
    other = asked("put with encryption and class").checks[0].facts
    assert other["s3:x-amz-server-side-encryption"] == ("AES256",)
    assert other["s3:x-amz-storage-class"] == ("REDUCED_REDUNDANCY",)
    with pytest.raises(InvalidError, match="several values"):
        with_slots("put with encryption and class", x_amz_storage_class=["STANDARD"])
    held = asked("put retention").checks[0].facts
    assert held["s3:object-lock-mode"] == ("GOVERNANCE",)
    assert held["s3:object-lock-remaining-retention-days"] == ("38",)


def test_a_copy_has_its_source_and_asks_for_the_version_it_reads():
    (to,) = asked("copy of a version, to").checks
    assert to.facts["s3:x-amz-copy-source"] == ("box/copy",)
    assert [check.action for check in asked("copy of a version, from").checks] == [
        "s3:GetObject",
        "s3:GetObjectVersion",
    ]


def test_the_age_of_a_signature_is_only_known_of_one_that_minio_measured():
    (check,) = asked("presigned, version 4").checks
    assert check.facts["s3:signatureage"] == ("444",)
    for what in ("presigned, version 2", "get a tagged object"):
        assert "s3:signatureage" not in with_slots(what, signatureAge=["1"]).checks[0].facts


def test_an_address_of_ipv4_is_read_as_one():
    asked_from = with_slots("list with prefix", SourceIp=["::ffff:10.0.0.1"])
    assert asked_from.server["aws:sourceip"] == ("10.0.0.1",)


def test_a_forced_delete_is_asked_about_all_below():
    first, *below = asked("force delete").checks
    assert not first.is_prefix
    assert {(each.action, each.is_prefix) for each in below} == {
        ("s3:DeleteObject", True),
        ("s3:DeleteObjectVersion", True),
    }
    assert len(with_slots("delete a version", x_minio_force_delete=["false"]).checks) == 1
    assert len(with_slots("delete a version", x_minio_force_delete=["1"]).checks) == 3


@pytest.mark.parametrize(
    ("what", "resource"),
    [
        ("list buckets", "arn:aws:s3:::*"),
        ("root creates a bucket", "arn:aws:s3:::box"),
        ("get a tagged object", "arn:aws:s3:::box/a/é b.txt"),
        ("delete several, before all", "arn:aws:s3:::box"),
        ("admin call of a user", "*"),
    ],
)
def test_resources(what, resource):
    assert asked(what).checks[0].resource == resource


def test_resources_of_other_families():
    quota = asked("admin call of a user", action="admin:SetBucketQuota", bucket="box")
    assert quota.checks[0].resource == "arn:aws:s3:::box"
    key = asked("admin call of a user", action="kms:CreateKey", bucket="my-key")
    assert key.checks[0].resource == "arn:minio:kms:::my-key"


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "s3:*"},
        {"action": "s3tables:GetTable"},
        {"action": "s3:GetObject\n"},
        {"action": 7},
        {"bucket": "box/secret"},
        {"bucket": "b*x"},
        {"bucket": "", "object": "k"},
        {"object": "a/../b"},
        {"object": "/a"},
        {"object": "a\0b"},
        {"object": None},
        {"account": ""},
        {"account": "x" * 3000},
        {"owner": "true"},
        {"owner": 1},
        {"denyOnly": None},
        {"conditions": []},
        {"conditions": {"SourceIp": "127.0.0.1"}},
        {"conditions": {"SourceIp": [1]}},
        {"conditions": {str(number): ["x"] for number in range(513)}},
        {"conditions": {"SourceIp": ["10.0.0.1:80"]}},
        {"conditions": {"SourceIp": [""]}},
        {"sessionPolicies": []},
        {"claims": []},
    ],
)
def test_what_is_not_of_this_form_is_refused(changes):
    with pytest.raises((InvalidError, ParseError)):
        asked("get a tagged object", **changes)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"input":null}',
        b'{"input":{"account":"a"}}',
        b'{"input":{},"input":{}}',
        b"\xff",
        b"[" * 60_000,
        b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    ],
)
def test_bytes_that_are_no_question_are_refused(raw):
    with pytest.raises((InvalidError, ParseError)):
        parse_question(raw)


# --- derived credentials ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "parent", "layer", "has_document", "is_root"),
    [
        ("service account with a policy", "alice", Layer.SERVICE_ACCOUNT_POLICY, True, False),
        ("service account without a policy", "alice", Layer.SERVICE_ACCOUNT_POLICY, False, False),
        ("session with a policy", "alice", Layer.SESSION_POLICY, True, False),
        ("session without a policy", "alice", Layer.SESSION_POLICY, False, False),
        ("root's service account", "rootroot", Layer.SERVICE_ACCOUNT_POLICY, True, True),
        ("root's session", "rootroot", Layer.SESSION_POLICY, True, True),
    ],
)
def test_a_derived_credential_has_its_parent_and_its_policy(
    what, parent, layer, has_document, is_root
):
    question = asked(what)
    derived = question.derived
    assert (derived.parent, derived.layer, bool(derived.document)) == (parent, layer, has_document)
    assert question.is_root is is_root
    if has_document:
        assert json.loads(derived.document)["Statement"][0]["Action"] == ["s3:GetObject"]


def test_a_resource_of_everything_is_read_as_minio_keeps_it():
    claims = dict(BODIES["session with a policy"]["input"]["claims"])
    statement = {"Effect": "Allow", "Action": ["s3:*"], "Resource": ["**", "arn:aws:s3:::b/**"]}
    for resources in (["**", "arn:aws:s3:::b/**"], "**"):
        statement["Resource"] = resources
        claims["sessionPolicy"] = encoded({"Version": "2012-10-17", "Statement": [statement]})
        read = json.loads(asked("session with a policy", claims=claims).derived.document)
        wanted = "*" if resources == "**" else ["*", "arn:aws:s3:::b/**"]
        assert read["Statement"][0]["Resource"] == wanted


@pytest.mark.parametrize(
    "changes",
    [
        {"parent": ""},
        {"parent": None},
        {"parent": ["alice"]},
        {"accessKey": "somebody-else"},
        {"sa-policy": "other"},
        {"sa-policy": ["embedded-policy"]},
        {"sessionPolicy": None},
        {"sessionPolicy": ""},
        {"sessionPolicy": "é"},
        {"sessionPolicy": "%%%"},
        {"sessionPolicy": base64.b64encode(b"\xff").decode()},
        {"sessionPolicy": 7},
        {"iss": "https://idp.example.com"},
        {"sub": "x"},
        {"ldapUser": "cn=x"},
        {"roleArn": "arn:minio:iam:::role/x"},
        {"policy": "consoleAdmin"},
    ],
)
def test_claims_that_are_not_minios_own_are_refused(changes):
    claims = BODIES["service account with a policy"]["input"]["claims"]
    with pytest.raises((InvalidError, ParseError)):
        asked("service account with a policy", claims={**claims, **changes})


def test_the_answer_is_what_minio_reads():
    assert json.loads(render_answer(is_allowed=True)) == {"result": True}
    assert json.loads(render_answer(is_allowed=False)) == {"result": False}
