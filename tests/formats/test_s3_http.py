"""Every row of the S3 table, and what must never be guessed."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.formats.check import Check
from authz.formats.s3_actions import BUCKET, MINIO_PARAMETERS, MINIO_UNKNOWN, OBJECT
from authz.formats.s3_address import MINIO_REFUSED_IN_KEYS
from authz.formats.s3_body import parse_delete
from authz.formats.s3_http import S3Config, S3Operation, S3RequestError, parse_s3
from authz.identity.http import HttpRequest
from authz.identity.proof import HEADER, PRESIGNED, Proof

HOST = "s3.example.test"
CONFIG = S3Config(endpoints=(HOST,))
UNSEEN = S3Config(endpoints=(HOST,), requires_bodies=False)
MINIO = S3Config(
    endpoints=(HOST,),
    refused_in_keys=MINIO_REFUSED_IN_KEYS,
    unknown_subresources=MINIO_UNKNOWN,
    refused_parameters=MINIO_PARAMETERS,
)
B = "arn:aws:s3:::bucket"
K = "arn:aws:s3:::bucket/key"


def ask(
    line: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = None,
    config: S3Config = CONFIG,
    proof: Proof | None = None,
    repeated: frozenset[str] = frozenset(),
) -> S3Operation:
    """Parse a request line like `GET /bucket/key?acl`; one with a body is signed."""
    if body is not None and proof is None:
        proof = a_proof()
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    request = HttpRequest(
        method, path, query, {"host": HOST, **(headers or {})}, body=body, repeated=repeated
    )
    return parse_s3(request, proof, config)


def needs(operation: S3Operation) -> list[tuple[str, str]]:
    return [
        (check.action.removeprefix("s3:"), check.resource + ("…" if check.is_prefix else ""))
        for check in operation.checks
    ]


def refusal(line: str, headers: Mapping[str, str] | None = None, **more: Any) -> str:
    with pytest.raises(S3RequestError) as caught:
        ask(line, headers, **more)
    return caught.value.code


def facts_of(operation: S3Operation, action: str) -> Mapping[str, tuple[str, ...]]:
    (check,) = [check for check in operation.checks if check.action == f"s3:{action}"]
    return check.facts


def a_proof(**parts: Any) -> Proof:
    values: dict[str, Any] = {
        "access_key_id": "AK", "date": "20260101", "region": "us-east-1", "service": "s3",
        "scope": "20260101/us-east-1/s3/aws4_request", "signed_headers": ("host",), "signature": "0" * 64,
        "kind": HEADER, "timestamp": "20260101T000000Z", "signed_at": 1_767_225_600, "age": 1.5,
        "expires": None, "payload_hash": "UNSIGNED-PAYLOAD", "session_token": "", **parts,
    }  # fmt: skip
    return Proof(**values)


# --- objects: every row

OBJECT_ROWS = [
    ("GET", "GetObject", ["GetObject"]),
    ("HEAD", "HeadObject", ["GetObject"]),
    ("GET ?versionId=v", "GetObject", ["GetObjectVersion"]),
    ("HEAD ?versionId=v", "HeadObject", ["GetObjectVersion"]),
    ("GET ?versionId=null", "GetObject", ["GetObjectVersion"]),
    ("GET ?partNumber=2", "GetObject", ["GetObject"]),
    ("GET ?response-content-type=text%2Fplain&x-id=GetObject", "GetObject", ["GetObject"]),
    ("GET ?acl", "GetObjectAcl", ["GetObjectAcl"]),
    ("GET ?acl&versionId=v", "GetObjectAcl", ["GetObjectVersionAcl"]),
    ("GET ?tagging", "GetObjectTagging", ["GetObjectTagging"]),
    ("GET ?tagging&versionId=v", "GetObjectTagging", ["GetObjectVersionTagging"]),
    ("GET ?torrent", "GetObjectTorrent", ["GetObjectTorrent"]),
    ("GET ?torrent&versionId=v", "GetObjectTorrent", ["GetObjectVersionTorrent"]),
    ("GET ?attributes", "GetObjectAttributes", ["GetObjectAttributes", "GetObject"]),
    (
        "GET ?attributes&versionId=v",
        "GetObjectAttributes",
        ["GetObjectVersionAttributes", "GetObjectVersion"],
    ),
    ("GET ?retention", "GetObjectRetention", ["GetObjectRetention"]),
    ("GET ?retention&versionId=v", "GetObjectRetention", ["GetObjectRetention"]),
    ("GET ?legal-hold", "GetObjectLegalHold", ["GetObjectLegalHold"]),
    ("HEAD ?acl", "GetObjectAcl", ["GetObjectAcl", "GetObject"]),
    (
        "HEAD ?tagging&versionId=v",
        "GetObjectTagging",
        ["GetObjectVersionTagging", "GetObjectVersion"],
    ),
    ("HEAD ?attributes", "GetObjectAttributes", ["GetObjectAttributes", "GetObject"]),
    ("PUT", "PutObject", ["PutObject"]),
    ("PUT ?x-id=PutObject", "PutObject", ["PutObject"]),
    ("PUT ?partNumber=1&uploadId=u", "UploadPart", ["PutObject"]),
    ("POST ?uploads", "CreateMultipartUpload", ["PutObject"]),
    ("POST ?uploadId=u", "CompleteMultipartUpload", ["PutObject"]),
    ("GET ?uploadId=u&max-parts=5", "ListParts", ["ListMultipartUploadParts"]),
    ("DELETE ?uploadId=u", "AbortMultipartUpload", ["AbortMultipartUpload"]),
    ("PUT ?acl", "PutObjectAcl", ["PutObjectAcl"]),
    ("PUT ?acl&versionId=v", "PutObjectAcl", ["PutObjectVersionAcl"]),
    ("PUT ?tagging", "PutObjectTagging", ["PutObjectTagging"]),
    ("PUT ?tagging&versionId=v", "PutObjectTagging", ["PutObjectVersionTagging"]),
    ("PUT ?retention", "PutObjectRetention", ["PutObjectRetention"]),
    ("PUT ?legal-hold", "PutObjectLegalHold", ["PutObjectLegalHold"]),
    ("DELETE", "DeleteObject", ["DeleteObject"]),
    ("DELETE ?versionId=v", "DeleteObject", ["DeleteObjectVersion"]),
    ("DELETE ?tagging", "DeleteObjectTagging", ["DeleteObjectTagging"]),
    ("DELETE ?tagging&versionId=v", "DeleteObjectTagging", ["DeleteObjectVersionTagging"]),
    ("POST ?select&select-type=2", "SelectObjectContent", ["GetObject"]),
    ("POST ?restore", "RestoreObject", ["RestoreObject"]),
    ("POST ?restore&versionId=v", "RestoreObject", ["RestoreObject"]),
]


@pytest.mark.parametrize(("request_", "name", "actions"), OBJECT_ROWS)
def test_an_object_request_needs_its_actions_on_the_object(
    request_: str, name: str, actions: list[str]
) -> None:
    method, _, query = request_.partition(" ")
    operation = ask(f"{method} /bucket/key{query}", config=UNSEEN)
    assert (operation.name, operation.bucket, operation.key) == (name, "bucket", "key")
    assert needs(operation) == [(action, K) for action in actions]


LOCK_UNTIL = {"x-amz-object-lock-retain-until-date": "2026-01-11T00:00:00Z"}

HEADER_ROWS: list[tuple[str, dict[str, str], list[str]]] = [
    ("PUT", {"x-amz-acl": "private"}, ["PutObject", "PutObjectAcl"]),
    ("PUT", {"x-amz-grant-read": "id=1"}, ["PutObject", "PutObjectAcl"]),
    ("PUT", {"x-amz-grant-write-acp": "id=1", "x-amz-acl": "a"}, ["PutObject", "PutObjectAcl"]),
    ("PUT", {"x-amz-tagging": "a=b"}, ["PutObject", "PutObjectTagging"]),
    ("PUT", {"x-amz-object-lock-mode": "GOVERNANCE"}, ["PutObject", "PutObjectRetention"]),
    ("PUT", LOCK_UNTIL, ["PutObject", "PutObjectRetention"]),
    ("PUT", {"x-amz-object-lock-legal-hold": "ON"}, ["PutObject", "PutObjectLegalHold"]),
    ("PUT", {"x-amz-replication-status": "REPLICA"}, ["PutObject", "ReplicateObject"]),
    ("POST ?uploads", {"x-amz-acl": "private"}, ["PutObject", "PutObjectAcl"]),
    ("POST ?uploads", {"x-amz-tagging": "a=b"}, ["PutObject", "PutObjectTagging"]),
    ("PUT ?partNumber=1&uploadId=u", {"x-amz-storage-class": "STANDARD"}, ["PutObject"]),
    (
        "PUT ?retention",
        {"x-amz-bypass-governance-retention": "true"},
        ["PutObjectRetention", "BypassGovernanceRetention"],
    ),
    ("PUT ?retention", {"x-amz-bypass-governance-retention": "false"}, ["PutObjectRetention"]),
    (
        "DELETE ?versionId=v",
        {"x-amz-bypass-governance-retention": "True"},
        ["DeleteObjectVersion", "BypassGovernanceRetention"],
    ),
]


@pytest.mark.parametrize(("request_", "headers", "actions"), HEADER_ROWS)
def test_headers_that_ask_for_more_need_more(
    request_: str, headers: dict[str, str], actions: list[str]
) -> None:
    method, _, query = request_.partition(" ")
    operation = ask(f"{method} /bucket/key{query}", headers, config=UNSEEN)
    assert needs(operation) == [(action, K) for action in actions]


S = "arn:aws:s3:::src-bucket/a b+c"

COPY_ROWS: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = [
    ("PUT", {}, [("PutObject", K), ("GetObject", S), ("GetObjectTagging", S)]),
    ("PUT", {"x-amz-tagging-directive": "COPY"}, [("PutObject", K), ("GetObject", S), ("GetObjectTagging", S)]),
    (
        "PUT",
        {"x-amz-tagging-directive": "REPLACE", "x-amz-tagging": "a=b"},
        [("PutObject", K), ("PutObjectTagging", K), ("GetObject", S)],
    ),
    ("PUT", {"x-amz-acl": "private"}, [("PutObject", K), ("PutObjectAcl", K), ("GetObject", S), ("GetObjectTagging", S)]),
    ("PUT ?partNumber=1&uploadId=u", {}, [("PutObject", K), ("GetObject", S)]),
]  # fmt: skip


@pytest.mark.parametrize(("request_", "headers", "expected"), COPY_ROWS)
@pytest.mark.parametrize(
    "source", ["src-bucket/a%20b%2Bc", "/src-bucket/a%20b%2bc", "src-bucket%2Fa%20b+c"]
)
def test_a_copy_also_reads_its_source(
    request_: str, headers: dict[str, str], expected: list[tuple[str, str]], source: str
) -> None:
    method, _, query = request_.partition(" ")
    operation = ask(f"{method} /bucket/key{query}", {"x-amz-copy-source": source, **headers})
    assert needs(operation) == expected
    assert facts_of(operation, "PutObject")["s3:x-amz-copy-source"] == ("src-bucket/a b+c",)


def test_a_copy_of_a_version_reads_that_version() -> None:
    operation = ask("PUT /bucket/key", {"x-amz-copy-source": "src-bucket/k?versionId=v%2B1"})
    source = "arn:aws:s3:::src-bucket/k"
    assert needs(operation)[1:] == [
        ("GetObjectVersion", source),
        ("GetObjectVersionTagging", source),
    ]
    assert facts_of(operation, "GetObjectVersion")["s3:versionid"] == ("v+1",)
    assert "s3:versionid" not in facts_of(operation, "PutObject")


@pytest.mark.parametrize(
    "source",
    [
        "", "/", "bucket", "bucket/", "//key", "src-bucket/k?versionId", "src-bucket/k?versionId=",
        "src-bucket/k?version=1", "src-bucket/k?versionId=1&versionId=2", "src-bucket/../k",
        "src-bucket/a/%2E%2E/k", "src-bucket/%00", "src-bucket/%ZZ", "src-bucket/%FF",
        "src-bucket/k?versionId=%00", "src-bucket/k#x", "src-bucket/k#", "src-bucket/k;x", "src-bucket/a\\b",
        "src-bucket/k?versionId=1?versionId=2", "src-bucket/k?versionId=1#2", "src-bucket/k?versionId=1;2",
        "src-bucket/k?versionId=1%232", "src-bucket/k?versionId=1%262", "src-bucket/k?versionId=1%3B2",
        "src-bucket/a b", "src-bucket/a\tb", "src-bucket/a\x01", "src-bucket/k\xa0", "src-bucket/k?", "src-bucket/k?#",
        "src-bucket//k", "/src-bucket//k", "src-bucket/%2Fk", "//src-bucket/k", "src-bucket/k,src-bucket/l\u00e9", "b*cket/k",
        "arn:aws:s3:us-east-1:000000000000:accesspoint/a/object/k", f"src-bucket/{'k' * 1025}",
    ],
)  # fmt: skip
def test_a_copy_source_that_names_no_object_is_refused(source: str) -> None:
    assert refusal("PUT /bucket/key", {"x-amz-copy-source": source}) == "InvalidArgument"


@pytest.mark.parametrize(
    "request_",
    ["PUT /bucket/key?acl", "PUT /bucket/key?retention", "GET /bucket/key", "PUT /bucket"],
)
def test_a_copy_source_with_another_operation_is_ambiguous(request_: str) -> None:
    assert refusal(request_, {"x-amz-copy-source": "src-bucket/k"}) == "InvalidRequest"


def test_a_forced_delete_needs_everything_that_begins_with_the_key() -> None:
    operation = ask("DELETE /bucket/key", {"x-minio-force-delete": "true"})
    assert needs(operation) == [
        ("DeleteObject", K),
        ("DeleteObject", f"{K}…"),
        ("DeleteObjectVersion", f"{K}…"),
    ]


def test_an_archive_that_is_unpacked_may_write_anywhere_below_the_bucket() -> None:
    operation = ask("PUT /bucket/key", {"x-amz-meta-snowball-auto-extract": "true"})
    assert needs(operation) == [("PutObject", K), ("PutObject", f"{B}/…")]


# --- buckets: every row

BUCKET_ROWS = [
    ("PUT", "CreateBucket", ["CreateBucket"]),
    ("DELETE", "DeleteBucket", ["DeleteBucket"]),
    ("HEAD", "HeadBucket", ["ListBucket"]),
    ("GET", "ListObjects", ["ListBucket"]),
    ("GET ?prefix=a&marker=b", "ListObjects", ["ListBucket"]),
    ("GET ?list-type=2&prefix=a", "ListObjectsV2", ["ListBucket"]),
    ("GET ?versions", "ListObjectVersions", ["ListBucketVersions"]),
    ("GET ?uploads", "ListMultipartUploads", ["ListBucketMultipartUploads"]),
    ("GET ?location", "GetBucketLocation", ["GetBucketLocation"]),
    ("GET ?policy", "GetBucketPolicy", ["GetBucketPolicy"]),
    ("PUT ?policy", "PutBucketPolicy", ["PutBucketPolicy"]),
    ("DELETE ?policy", "DeleteBucketPolicy", ["DeleteBucketPolicy"]),
    ("GET ?policyStatus", "GetBucketPolicyStatus", ["GetBucketPolicyStatus"]),
    ("GET ?acl", "GetBucketAcl", ["GetBucketAcl"]),
    ("PUT ?acl", "PutBucketAcl", ["PutBucketAcl"]),
    ("GET ?cors", "GetBucketCors", ["GetBucketCORS"]),
    ("PUT ?cors", "PutBucketCors", ["PutBucketCORS"]),
    ("DELETE ?cors", "DeleteBucketCors", ["PutBucketCORS"]),
    ("GET ?lifecycle", "GetBucketLifecycleConfiguration", ["GetLifecycleConfiguration"]),
    ("PUT ?lifecycle", "PutBucketLifecycleConfiguration", ["PutLifecycleConfiguration"]),
    ("DELETE ?lifecycle", "DeleteBucketLifecycle", ["PutLifecycleConfiguration"]),
    ("GET ?versioning", "GetBucketVersioning", ["GetBucketVersioning"]),
    ("PUT ?versioning", "PutBucketVersioning", ["PutBucketVersioning"]),
    ("GET ?encryption", "GetBucketEncryption", ["GetEncryptionConfiguration"]),
    ("PUT ?encryption", "PutBucketEncryption", ["PutEncryptionConfiguration"]),
    ("DELETE ?encryption", "DeleteBucketEncryption", ["PutEncryptionConfiguration"]),
    ("GET ?tagging", "GetBucketTagging", ["GetBucketTagging"]),
    ("PUT ?tagging", "PutBucketTagging", ["PutBucketTagging"]),
    ("DELETE ?tagging", "DeleteBucketTagging", ["PutBucketTagging"]),
    ("GET ?notification", "GetBucketNotificationConfiguration", ["GetBucketNotification"]),
    ("PUT ?notification", "PutBucketNotificationConfiguration", ["PutBucketNotification"]),
    ("GET ?replication", "GetBucketReplication", ["GetReplicationConfiguration"]),
    ("PUT ?replication", "PutBucketReplication", ["PutReplicationConfiguration"]),
    ("DELETE ?replication", "DeleteBucketReplication", ["PutReplicationConfiguration"]),
    ("GET ?website", "GetBucketWebsite", ["GetBucketWebsite"]),
    ("PUT ?website", "PutBucketWebsite", ["PutBucketWebsite"]),
    ("DELETE ?website", "DeleteBucketWebsite", ["DeleteBucketWebsite"]),
    ("GET ?logging", "GetBucketLogging", ["GetBucketLogging"]),
    ("PUT ?logging", "PutBucketLogging", ["PutBucketLogging"]),
    ("GET ?requestPayment", "GetBucketRequestPayment", ["GetBucketRequestPayment"]),
    ("PUT ?requestPayment", "PutBucketRequestPayment", ["PutBucketRequestPayment"]),
    ("GET ?accelerate", "GetBucketAccelerateConfiguration", ["GetAccelerateConfiguration"]),
    ("PUT ?accelerate", "PutBucketAccelerateConfiguration", ["PutAccelerateConfiguration"]),
    ("GET ?object-lock", "GetObjectLockConfiguration", ["GetBucketObjectLockConfiguration"]),
    ("PUT ?object-lock", "PutObjectLockConfiguration", ["PutBucketObjectLockConfiguration"]),
    ("GET ?publicAccessBlock", "GetPublicAccessBlock", ["GetBucketPublicAccessBlock"]),
    ("PUT ?publicAccessBlock", "PutPublicAccessBlock", ["PutBucketPublicAccessBlock"]),
    ("DELETE ?publicAccessBlock", "DeletePublicAccessBlock", ["PutBucketPublicAccessBlock"]),
    ("GET ?ownershipControls", "GetBucketOwnershipControls", ["GetBucketOwnershipControls"]),
    ("PUT ?ownershipControls", "PutBucketOwnershipControls", ["PutBucketOwnershipControls"]),
    ("DELETE ?ownershipControls", "DeleteBucketOwnershipControls", ["PutBucketOwnershipControls"]),
    ("GET ?inventory&id=1", "GetBucketInventoryConfiguration", ["GetInventoryConfiguration"]),
    ("PUT ?inventory&id=1", "PutBucketInventoryConfiguration", ["PutInventoryConfiguration"]),
    ("DELETE ?inventory&id=1", "DeleteBucketInventoryConfiguration", ["PutInventoryConfiguration"]),
    ("GET ?analytics&id=1", "GetBucketAnalyticsConfiguration", ["GetAnalyticsConfiguration"]),
    ("PUT ?analytics&id=1", "PutBucketAnalyticsConfiguration", ["PutAnalyticsConfiguration"]),
    ("DELETE ?analytics&id=1", "DeleteBucketAnalyticsConfiguration", ["PutAnalyticsConfiguration"]),
    ("GET ?metrics&id=1", "GetBucketMetricsConfiguration", ["GetMetricsConfiguration"]),
    ("PUT ?metrics&id=1", "PutBucketMetricsConfiguration", ["PutMetricsConfiguration"]),
    ("DELETE ?metrics&id=1", "DeleteBucketMetricsConfiguration", ["PutMetricsConfiguration"]),
    (
        "GET ?intelligent-tiering&id=1",
        "GetBucketIntelligentTieringConfiguration",
        ["GetIntelligentTieringConfiguration"],
    ),
    (
        "PUT ?intelligent-tiering&id=1",
        "PutBucketIntelligentTieringConfiguration",
        ["PutIntelligentTieringConfiguration"],
    ),
    (
        "DELETE ?intelligent-tiering&id=1",
        "DeleteBucketIntelligentTieringConfiguration",
        ["PutIntelligentTieringConfiguration"],
    ),
]


@pytest.mark.parametrize(("request_", "name", "actions"), BUCKET_ROWS)
@pytest.mark.parametrize("path", ["/bucket", "/bucket/"])
def test_a_bucket_request_needs_its_action_on_the_bucket(
    request_: str, name: str, actions: list[str], path: str
) -> None:
    method, _, query = request_.partition(" ")
    operation = ask(f"{method} {path}{query}")
    assert (operation.name, operation.bucket, operation.key) == (name, "bucket", "")
    assert needs(operation) == [(action, B) for action in actions]


def test_the_rows_of_this_file_are_all_there_are() -> None:
    """A row added to the tables must be added here."""

    def keys(rows: list[Any]) -> set[tuple[str, str]]:
        lines = [row[0].partition(" ") for row in rows]
        return {(method, query[1:].split("&")[0].partition("=")[0]) for method, _, query in lines}

    written = keys(OBJECT_ROWS) | {("PUT", "uploadId")}
    assert set(OBJECT) - written == {
        ("HEAD", "torrent"),
        ("HEAD", "retention"),
        ("HEAD", "legal-hold"),
    }
    assert set(BUCKET) - keys(BUCKET_ROWS) == {("POST", "delete")}


def test_listing_the_buckets_is_on_everything() -> None:
    operation = ask("GET /?max-buckets=10")
    assert (operation.name, needs(operation)) == (
        "ListBuckets",
        [("ListAllMyBuckets", "arn:aws:s3:::*")],
    )


def test_creating_a_bucket_with_more_needs_more() -> None:
    headers = {
        "x-amz-bucket-object-lock-enabled": "true",
        "x-amz-acl": "private",
        "x-amz-object-ownership": "x",
    }
    assert needs(ask("PUT /bucket", headers)) == [
        ("CreateBucket", B),
        ("PutBucketObjectLockConfiguration", B),
        ("PutBucketVersioning", B),
        ("PutBucketAcl", B),
        ("PutBucketOwnershipControls", B),
    ]


def test_a_forced_delete_of_a_bucket_needs_all_that_is_in_it() -> None:
    assert needs(ask("DELETE /bucket", {"x-minio-force-delete": "true"})) == [
        ("DeleteBucket", B),
        ("ForceDeleteBucket", B),
        ("DeleteObject", f"{B}/…"),
        ("DeleteObjectVersion", f"{B}/…"),
    ]


# --- many deletes

DELETE = b"""<?xml version="1.0" encoding="UTF-8"?>
<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet>
<Object><Key>a &amp; b</Key></Object><Object><Key>c/\xc3\xbc</Key><VersionId>v1</VersionId><ETag>x</ETag></Object>
<Object><Key>a &amp; b</Key></Object></Delete>"""


def test_many_deletes_are_one_check_for_each_entry() -> None:
    operation = ask("POST /bucket?delete", body=DELETE)
    assert needs(operation) == [("DeleteObject", f"{B}/a & b"), ("DeleteObjectVersion", f"{B}/c/ü")]
    assert facts_of(operation, "DeleteObjectVersion")["s3:versionid"] == ("v1",)
    assert "s3:versionid" not in facts_of(operation, "DeleteObject")


def test_many_deletes_with_bypass_need_it_for_each_entry() -> None:
    operation = ask(
        "POST /bucket?delete", {"x-amz-bypass-governance-retention": "true"}, body=DELETE
    )
    assert [action for action, _ in needs(operation)].count("BypassGovernanceRetention") == 2


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, None),
        ({"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}, b"5\r\nhello\r\n0\r\n"),
    ],
)
def test_many_deletes_with_a_body_unseen_need_everything_below_the_bucket(
    headers: dict[str, str], body: bytes | None
) -> None:
    operation = ask("POST /bucket?delete", headers, body=body)
    assert needs(operation) == [("DeleteObject", f"{B}/…"), ("DeleteObjectVersion", f"{B}/…")]


@pytest.mark.parametrize("line", ["POST /bucket?delete", "PUT /bucket/key?tagging", "PUT /bucket"])
def test_nobody_makes_us_read_a_document_without_a_signature(line: str) -> None:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    request = HttpRequest(method, path, query, {"host": HOST}, body=b"<not even a document")
    with pytest.raises(S3RequestError) as caught:
        parse_s3(request, None, CONFIG)
    assert caught.value.code == "AccessDenied"


STREAMED = {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}


@pytest.mark.parametrize(
    "line",
    ["PUT /bucket/key?tagging", "PUT /bucket/key?retention", "PUT /bucket/key?legal-hold"],
)
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-length": "9"}, None),
        ({"transfer-encoding": "chunked"}, None),
        ({}, None),
        (STREAMED, b"1\r\nx\r\n0\r\n"),
    ],
)
def test_what_a_body_states_is_not_taken_for_unset_when_the_body_is_unseen(
    line: str, headers: dict[str, str], body: bytes | None
) -> None:
    assert refusal(line, headers, body=body, proof=a_proof()) == "InvalidRequest"
    assert ask(line, headers, body=body, config=UNSEEN).checks


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"content-length": "9"}, None),
        ({"transfer-encoding": "chunked"}, None),
        (STREAMED, b"1\r\nx\r\n0\r\n"),
        ({**STREAMED, "content-length": "9"}, None),
    ],
)
def test_a_bucket_is_not_created_with_a_location_unseen(
    headers: dict[str, str], body: bytes | None
) -> None:
    assert refusal("PUT /bucket", headers, body=body, proof=a_proof()) == "InvalidRequest"
    assert ask("PUT /bucket", {"content-length": "0"}).name == "CreateBucket"
    assert ask("PUT /bucket").name == "CreateBucket"


TAG = "<Tag><Key>approved</Key><Value>yes</Value></Tag>"


@pytest.mark.parametrize(
    "inner",
    [
        "<Decoy><Key>approved</Key><Value>yes</Value></Decoy><Tag><Key>evil</Key><Value>1</Value></Tag>",
        "<tag><Key>approved</Key><Value>yes</Value></tag>",
        '<z:Tag xmlns:z="q"><Key>approved</Key><Value>yes</Value></z:Tag>',
        '<Tag xmlns="q"><Key>approved</Key><Value>yes</Value></Tag>',
        "<Tag><Key>approved</Key></Tag>",
        "<Tag><Key>approved</Key><Value>yes</Value><Value/></Tag>",
        "<Tag><Key>approved</Key><Value>yes</Value><Extra/></Tag>",
        "<Tag><Key>approved</Key><Value> yes</Value></Tag>",
        "<Tag><Key>approved\n</Key><Value>yes</Value></Tag>",
    ],
)
def test_a_tag_that_a_store_could_pass_over_is_refused(inner: str) -> None:
    body = f"<Tagging><TagSet>{inner}</TagSet></Tagging>".encode()
    assert refusal("PUT /bucket/key?tagging", body=body) == "MalformedXML"


def test_a_second_set_of_tags_is_refused() -> None:
    for extra in (f"<TagSet>{TAG}</TagSet>", f"<Decoy>{TAG}</Decoy>"):
        body = f"<Tagging><TagSet>{TAG}</TagSet>{extra}</Tagging>".encode()
        assert refusal("PUT /bucket/key?tagging", body=body) == "MalformedXML"


@pytest.mark.parametrize("directive", [{}, {"x-amz-tagging-directive": "COPY"}, {"x-amz-tagging-directive": "replace"}])  # fmt: skip
def test_tags_that_a_copy_would_not_set_are_refused(directive: dict[str, str]) -> None:
    headers = {"x-amz-copy-source": "src-bucket/k", "x-amz-tagging": "approved=yes", **directive}
    assert refusal("PUT /bucket/key", headers) == "InvalidRequest"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_a_body_that_is_not_utf_8_is_refused(encoding: str) -> None:
    body = entry("<Key>\u00fc</Key>").encode(encoding)
    assert refusal("POST /bucket?delete", body=body) == "MalformedXML"


def test_text_between_elements_is_refused_unless_it_is_white_space() -> None:
    """A text that is glued together piece by piece, each copying all before it, costs gigabytes of copies."""
    listed = "<Object><Key>k</Key></Object>"
    between = f"<Delete>{'a' * 1_900_000}{'<Quiet/>a' * 15_000}{listed}</Delete>"
    assert refusal("POST /bucket?delete", body=between.encode()) == "MalformedXML"
    indented = f"<Delete>{' ' * 1_900_000}{'<Quiet/> ' * 15_000}{listed}</Delete>"
    assert parse_delete(indented.encode(), CONFIG) == [("k", "")]


def test_the_body_must_be_the_one_whose_hash_is_stated() -> None:
    right = {"x-amz-content-sha256": sha256(DELETE).hexdigest()}
    wrong = {"x-amz-content-sha256": sha256(b"").hexdigest()}
    assert len(ask("POST /bucket?delete", right, body=DELETE).checks) == 2
    assert refusal("POST /bucket?delete", wrong, body=DELETE) == "XAmzContentSHA256Mismatch"


def entry(inner: str) -> str:
    return f"<Delete><Object>{inner}</Object></Delete>"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<Delete/>",
        "<Delete>",
        "<Other><Object><Key>a</Key></Object></Other>",
        entry(""),
        entry("<Key/>"),
        entry("<Key>a</Key><Key>b</Key>"),
        entry("<Key>a<b/></Key>"),
        entry("<Key>a</Key><VersionId>1</VersionId><VersionId>2</VersionId>"),
        "<Delete><Objekt><Key>a</Key></Objekt></Delete>",
        "<!DOCTYPE Delete>" + entry("<Key>a</Key>"),
        '<!DOCTYPE d [<!ENTITY a "aaaa">]>' + entry("<Key>&a;</Key>"),
        '<!DOCTYPE d SYSTEM "file:///etc/passwd">' + entry("<Key>a</Key>"),
        '<?xml version="1.0" encoding="UTF-16"?>' + entry("<Key>a</Key>"),
        entry("<Key>a</Key>") * 2,
        "<a>" * 30 + "</a>" * 30,
        "<Delete>" + "<Object><Key>a</Key></Object>" * 1001 + "</Delete>",
        "<Delete>" + "<Quiet/>" * 20_000 + "</Delete>",
        entry(f"<Key>a</Key><ETag>{'x' * 2_100_000}</ETag>"),
    ],
    ids=range(19),
)
def test_a_body_that_lists_no_objects_is_refused(body: str) -> None:
    assert refusal("POST /bucket?delete", body=body.encode()) == "MalformedXML"


@pytest.mark.parametrize(
    ("key", "code"),
    [("../a", "InvalidRequest"), ("a/./b", "InvalidRequest"), ("k" * 1025, "KeyTooLongError")],
)
def test_a_listed_key_obeys_the_rules_of_keys(key: str, code: str) -> None:
    assert refusal("POST /bucket?delete", body=entry(f"<Key>{key}</Key>").encode()) == code


def test_a_thousand_deletes_are_a_thousand_checks() -> None:
    inner = "".join(f"<Object><Key>k{number}</Key></Object>" for number in range(1000))
    assert len(ask("POST /bucket?delete", body=f"<Delete>{inner}</Delete>".encode()).checks) == 1000


# --- addresses

HOSTED = S3Config(domains=("S3.example.test", "eu.s3.example.test."))


@pytest.mark.parametrize(
    ("host", "path", "bucket", "key"),
    [
        ("bucket.s3.example.test", "/key", "bucket", "key"),
        ("bucket.s3.example.test:9000", "/bucket/key", "bucket", "bucket/key"),
        ("bucket.s3.example.test:80", "/", "bucket", ""),
        ("my.bucket.s3.example.test", "/a", "my.bucket", "a"),
        ("bucket.eu.s3.example.test", "/a", "bucket", "a"),
        ("eu.s3.example.test", "/bucket/a", "bucket", "a"),
        ("s3.example.test:9000", "/bucket/a", "bucket", "a"),
        ("127.0.0.1:9000", "/bucket/a", "bucket", "a"),
        ("[::1]:9000", "/bucket/a", "bucket", "a"),
        ("[::1]", "/bucket/a", "bucket", "a"),
        ("bucket.s3.example.test", "/a//b", "bucket", "a//b"),
        ("bucket.s3.example.test", "/minio-a/b", "bucket", "minio-a/b"),
    ],
)
def test_the_host_or_the_path_names_the_bucket(host: str, path: str, bucket: str, key: str) -> None:
    operation = ask(f"GET {path}", {"host": host}, config=HOSTED)
    assert (operation.bucket, operation.key) == (bucket, key)


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("a%20b", "a b"), ("a+b", "a+b"), ("a%2Bb", "a+b"), ("a%2541", "a%41"), ("a//b", "a//b"),
        ("a%2Fb", "a/b"), ("a///b/", "a///b/"), ("%C3%BC", "ü"), (".hidden/..b/c.", ".hidden/..b/c."), ("a*b%3F", "a*b?"),
        ("%24%7Baws%3Ausername%7D", "${aws:username}"), ("a%0Ab", "a\nb"), ("...", "..."), ("k" * 1024, "k" * 1024),
    ],
)  # fmt: skip
def test_the_key_is_the_decoded_path(path: str, key: str) -> None:
    operation = ask(f"GET /bucket/{path}")
    assert operation.key == key
    assert operation.checks[0].resource == f"{B}/{key}"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("", "InvalidURI"),
        ("*", "InvalidURI"),
        ("bucket/key", "InvalidURI"),
        ("http://x/bucket/key", "InvalidURI"),
        ("/bucket/a b", "InvalidURI"),
        ("/bucket/a\0", "InvalidURI"),
        ("/bucket/a\\b", "InvalidURI"),
        ("/bucket/a#b", "InvalidURI"),
        ("/" + "a" * 10_000, "InvalidURI"),
        ("/bucket/.", "InvalidRequest"),
        ("/bucket/..", "InvalidRequest"),
        ("/bucket/../other/key", "InvalidRequest"),
        ("/bucket/a/./b", "InvalidRequest"),
        ("/bucket/a/%2e%2E/b", "InvalidRequest"),
        ("/bucket/a%2F..%2Fb", "InvalidRequest"),
        ("/bucket/a/%2e", "InvalidRequest"),
        ("/bucket/a%00b", "InvalidRequest"),
        ("/bucket/%FF", "InvalidRequest"),
        ("/bucket/%ED%A0%80", "InvalidRequest"),
        ("/bucket/%C0%AE%C0%AE/a", "InvalidRequest"),
        ("/bucket/%", "InvalidRequest"),
        ("/bucket/%2", "InvalidRequest"),
        ("/bucket/%GG", "InvalidRequest"),
        ("/bucket/\u00fc", "InvalidRequest"),
        ("/bucket/" + "k" * 1025, "KeyTooLongError"),
        ("/bucket/" + "%C3%BC" * 513, "KeyTooLongError"),
        ("//key", "InvalidBucketName"),
        ("/../key", "InvalidBucketName"),
        ("/%2E%2E/key", "InvalidBucketName"),
        ("/buck%2Fet/key", "InvalidBucketName"),
        ("/b*/key", "InvalidBucketName"),
        ("/b%2A/key", "InvalidBucketName"),
        ("/b%3Fx/key", "InvalidBucketName"),
        ("/a..b/key", "InvalidBucketName"),
        ("/ab/key", "InvalidBucketName"),
        ("/tenant:bucket/key", "InvalidBucketName"),
        ("/minio/admin/v3/add-user", "AccessDenied"),
        ("/min%69o/admin/v3/add-user", "AccessDenied"),
        ("/admin/user", "AccessDenied"),
    ],
)
def test_a_path_that_is_ambiguous_or_no_address_is_refused(path: str, code: str) -> None:
    assert refusal(f"GET {path}") == code


def test_a_host_whose_label_is_no_bucket_is_refused() -> None:
    for host in ("x.s3.example.test", "-a-.s3.example.test", f"{'a' * 100}_.s3.example.test"):
        assert refusal("GET /key", {"host": host}, config=HOSTED) == "InvalidBucketName"


@pytest.mark.parametrize(
    "host",
    [
        "", "*.s3.example.test", ".s3.example.test", "a..b.s3.example.test", "VICTIM.s3.example.test",
        "victim.S3.example.test", "victim.s3.example.test.", "victim.s3.example.test..",
        "victim.s3.example.test.:80", "victim.s3.example.test:", "victim.s3.example.test:80:80",
        "victim.s3.example.test:80x", "victim.s3.example.test:٨", "victim.s3.example.test:123456",
        " victim.s3.example.test", "victim.s3.example.test ", "u@victim.s3.example.test",
        "victim.s3.example.test/", "victim.s3.example.test,s3.example.test", "vıctim.s3.example.test",
        "[::1", "[::1].s3.example.test", "[v1.a]", f"{'a.' * 200}s3.example.test", "LOCALHOST", "127.0.0.1.",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "config", [HOSTED, CONFIG, S3Config()], ids=["domains", "endpoints", "neither"]
)
def test_a_host_in_another_spelling_is_refused(host: str, config: S3Config) -> None:
    """One parser would find a bucket in it that another does not."""
    assert refusal("GET /mine/key", {"host": host}, config=config) == "InvalidRequest"


@pytest.mark.parametrize(
    ("config", "hosts"),
    [
        (S3Config(), ["victim.example.com", "victim.s3.amazonaws.com", "1.2.3", "1.2.3.256", "01.2.3.4"]),
        (HOSTED, ["elsewhere.test", "xs3.example.test", "victim", "localhost", "s3.example.test.evil.test"]),
        (CONFIG, ["victim.s3.example.test", "victim", "localhost", "127.0.0.1", "[::1]", "example.test"]),
    ],
    ids=["neither", "domains", "endpoints"],
)  # fmt: skip
def test_path_style_below_a_host_that_a_store_could_take_for_a_bucket_is_refused(
    config: S3Config, hosts: list[str]
) -> None:
    for host in hosts:
        with pytest.raises(S3RequestError, match="AUTHZ_S3_ENDPOINTS") as caught:
            ask("GET /mine/key", {"host": host}, config=config)
        assert caught.value.code == "InvalidRequest"


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9000", "10.0.0.255", "[::1]:9000", "localhost", "localhost:80", "envoy:9000", "s3_1"]
)  # fmt: skip
def test_addresses_and_single_labels_are_endpoints_by_themselves(host: str) -> None:
    assert ask("GET /bucket/key", {"host": host}, config=S3Config()).bucket == "bucket"


@pytest.mark.parametrize("key", ["/a", "//a", "/", "%2Fa", "%2f%2Fa"])
@pytest.mark.parametrize("config", [CONFIG, MINIO], ids=["generic", "minio"])
def test_a_key_that_begins_with_a_slash_is_refused_unless_the_store_keeps_it(
    key: str, config: S3Config
) -> None:
    assert refusal(f"GET /mine/{key}", config=config) == "InvalidRequest"
    source = {"x-amz-copy-source": f"mine/{key}"}
    assert refusal("PUT /mine/out", source, config=config) == "InvalidArgument"
    body = entry(f"<Key>{unquote(key)}</Key>").encode()
    assert refusal("POST /mine?delete", body=body, config=config) == "InvalidRequest"

    keeping = S3Config(endpoints=(HOST,), keeps_leading_slash=True)
    assert ask(f"GET /mine/{key}", config=keeping).key == unquote(key)


@pytest.mark.parametrize("key", ["a//b", "a//", "a%2F/b", "a__XLDIR__", "a__XLDIR__/b"])
def test_a_key_that_minio_takes_for_another_is_refused(key: str) -> None:
    assert refusal(f"GET /mine/{key}", config=MINIO) == "InvalidRequest"
    source = {"x-amz-copy-source": f"mine/{key}"}
    assert refusal("PUT /mine/out", source, config=MINIO) == "InvalidArgument"
    body = entry(f"<Key>{unquote(key)}</Key>").encode()
    assert refusal("POST /mine?delete", body=body, config=MINIO) == "InvalidRequest"
    assert ask(f"GET /mine/{key}").key == unquote(key)


def test_a_listing_that_minio_would_add_metadata_to_is_refused() -> None:
    for query in ("list-type=2&metadata=true", "metadata=true", "versions&metadata=true"):
        assert refusal(f"GET /bucket?{query}", config=MINIO) == "NotImplemented"
    assert refusal("GET /bucket?list-type=2&Metadata=true", config=MINIO) == "InvalidRequest"
    assert ask("GET /bucket?list-type=2&metadata=true").name == "ListObjectsV2"


def test_a_stores_own_surfaces_are_refused_below_any_host() -> None:
    headers = {"host": "bucket.s3.example.test"}
    assert refusal("PUT /minio/admin/v3/add-user", headers, config=HOSTED) == "AccessDenied"


# --- queries


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("GET /bucket/key?acl&tagging", "InvalidRequest"),
        ("GET /bucket/key?acl&acl", "InvalidRequest"),
        ("GET /bucket/key?%61cl&acl", "InvalidRequest"),
        ("GET /bucket/key?versionId=1&versionId=2", "InvalidRequest"),
        ("GET /bucket/key?versionId=1&versionid=2", "InvalidRequest"),
        ("GET /bucket/key?versionid=1", "InvalidRequest"),
        ("GET /bucket/key?ACL", "InvalidRequest"),
        ("GET /bucket?prefix=a&prefix=b", "InvalidRequest"),
        ("GET /bucket?list-type=2&versions", "InvalidRequest"),
        ("GET /bucket/key?a=%ZZ", "InvalidRequest"),
        ("GET /bucket/key?a=%FF", "InvalidRequest"),
        ("GET /bucket/key?%=1", "InvalidRequest"),
        ("GET /bucket/key?a=%00", "InvalidRequest"),
        ("GET /bucket/key?a;acl", "InvalidRequest"),
        ("GET /bucket/key?a=1;acl", "InvalidRequest"),
        ("GET /bucket/key?\u00e9", "InvalidRequest"),
        ("GET /bucket/key?" + "a=1&" * 200, "InvalidURI"),
        ("GET /bucket/key?" + "a" * 17_000, "InvalidURI"),
        ("PUT /bucket/key?uploadId=u", "InvalidRequest"),
        ("PUT /bucket/key?partNumber=1", "InvalidRequest"),
        ("POST /bucket/key?uploads&uploadId=u", "InvalidRequest"),
        ("GET /bucket/key?versionId=", "InvalidArgument"),
        ("GET /bucket/key?uploadId", "InvalidArgument"),
        ("GET /bucket?list-type=1", "InvalidArgument"),
        ("POST /bucket/key?select", "InvalidArgument"),
        ("POST /bucket/key?select&select-type=1", "InvalidArgument"),
        ("DELETE /bucket/key?acl", "MethodNotAllowed"),
        ("POST /bucket/key", "MethodNotAllowed"),
        ("PATCH /bucket/key", "MethodNotAllowed"),
        ("get /bucket/key", "MethodNotAllowed"),
        ("OPTIONS /bucket/key", "MethodNotAllowed"),
        ("DELETE /", "MethodNotAllowed"),
        ("POST /", "MethodNotAllowed"),
        ("POST /?Action=ListUsers", "NotImplemented"),
        ("GET /?events", "NotImplemented"),
        ("GET /bucket?events", "NotImplemented"),
        ("GET /bucket?session", "NotImplemented"),
        ("HEAD /bucket?acl", "MethodNotAllowed"),
        ("GET /bucket/key?policy", "NotImplemented"),
        ("DELETE /bucket/key?policy", "NotImplemented"),
        ("DELETE /bucket?retention", "NotImplemented"),
        ("PUT /bucket/key?renameObject", "NotImplemented"),
        ("PUT /bucket/key?append&position=0", "NotImplemented"),
        ("GET /bucket/key?lambdaArn=x", "NotImplemented"),
        ("POST /bucket", "NotImplemented"),
        ("GET /bucket/key?rgwx-zonegroup=1", "AccessDenied"),
    ],
)
def test_a_query_that_is_ambiguous_or_no_operation_is_refused(line: str, code: str) -> None:
    assert refusal(line) == code


@pytest.mark.parametrize("name", sorted(MINIO_UNKNOWN))
def test_what_the_store_does_not_know_is_refused(name: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert refusal(f"{method} /bucket?{name}", config=MINIO) == "NotImplemented"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-minio-source-replication-request": "true"},
        {"x-minio-source-mtime": "1"},
        {"x-minio-extract": "true"},
    ],
)
def test_headers_of_a_stores_own_traffic_are_refused(headers: dict[str, str]) -> None:
    assert refusal("GET /bucket/a.zip/b", headers) == "AccessDenied"


def test_appending_is_refused() -> None:
    assert refusal("PUT /bucket/key", {"x-amz-write-offset-bytes": "1"}) == "NotImplemented"


@pytest.mark.parametrize(
    "name", ["x-amz-acl", "x-amz-copy-source", "x-amz-tagging", "x-minio-force-delete"]
)
def test_a_repeated_header_that_matters_is_refused(name: str) -> None:
    assert refusal("PUT /bucket/key", {name: "a,b"}, repeated=frozenset({name})) == "InvalidRequest"


def test_headers_hoisted_into_the_query_count_only_where_the_store_reads_them() -> None:
    line = "PUT /bucket/key?x-amz-acl=public-read&X-Amz-Tagging=a%3Db"
    assert refusal(line) == "InvalidRequest"
    config = S3Config(endpoints=(HOST,), accepts_hoisted_headers=True)
    assert [action for action, _ in needs(ask(line, config=config))] == [
        "PutObject",
        "PutObjectAcl",
        "PutObjectTagging",
    ]
    assert refusal(line, {"x-amz-acl": "private"}, config=config) == "InvalidRequest"
    assert refusal(f"{line}&X-AMZ-ACL=private", config=config) == "InvalidRequest"


# --- condition values


@pytest.mark.parametrize(
    ("line", "headers", "action", "key", "values"),
    [
        ("GET /bucket?prefix=a%2Fb+c&delimiter=%2F", {}, "ListBucket", "s3:prefix", ("a/b c",)),
        ("GET /bucket?prefix=&delimiter=%2F", {}, "ListBucket", "s3:prefix", ("",)),
        ("GET /bucket?list-type=2&delimiter=%2F", {}, "ListBucket", "s3:delimiter", ("/",)),
        ("GET /bucket?versions&max-keys=7", {}, "ListBucketVersions", "s3:max-keys", ("7",)),
        ("GET /bucket/key?versionId=v", {}, "GetObjectVersion", "s3:versionid", ("v",)),
        ("PUT /bucket/key", {"x-amz-acl": " private "}, "PutObject", "s3:x-amz-acl", ("private",)),
        ("PUT /bucket/key", {"x-amz-acl": "private"}, "PutObjectAcl", "s3:x-amz-acl", ("private",)),
        ("PUT /bucket", {"x-amz-acl": "private"}, "CreateBucket", "s3:x-amz-acl", ("private",)),
        ("PUT /bucket?acl", {"x-amz-grant-read": "id=1"}, "PutBucketAcl", "s3:x-amz-grant-read", ("id=1",)),
        ("PUT /bucket/key", {"x-amz-server-side-encryption": "aws:kms"}, "PutObject", "s3:x-amz-server-side-encryption", ("aws:kms",)),
        ("PUT /bucket/key", {"x-amz-server-side-encryption-aws-kms-key-id": "k"}, "PutObject", "s3:x-amz-server-side-encryption-aws-kms-key-id", ("k",)),
        ("GET /bucket/key", {"x-amz-server-side-encryption-customer-algorithm": "AES256"}, "GetObject", "s3:x-amz-server-side-encryption-customer-algorithm", ("AES256",)),
        ("PUT /bucket/key", {"x-amz-storage-class": "GLACIER"}, "PutObject", "s3:x-amz-storage-class", ("GLACIER",)),
        ("PUT /bucket/key", {"x-amz-metadata-directive": "COPY"}, "PutObject", "s3:x-amz-metadata-directive", ("COPY",)),
        ("PUT /bucket/key", {"x-amz-object-lock-mode": "GOVERNANCE"}, "PutObjectRetention", "s3:object-lock-mode", ("GOVERNANCE",)),
        ("PUT /bucket/key", LOCK_UNTIL, "PutObject", "s3:object-lock-retain-until-date", ("2026-01-11T00:00:00Z",)),
        ("PUT /bucket/key", LOCK_UNTIL, "PutObjectRetention", "s3:object-lock-remaining-retention-days", ("9",)),
        ("PUT /bucket/key", {"x-amz-object-lock-legal-hold": "ON"}, "PutObjectLegalHold", "s3:object-lock-legal-hold", ("ON",)),
        ("PUT /bucket/key", {"x-amz-tagging": "Team=a%20b&x=+"}, "PutObject", "s3:requestobjecttag/Team", ("a b",)),
        ("PUT /bucket/key", {"x-amz-tagging": "Team=a&x="}, "PutObjectTagging", "s3:requestobjecttagkeys", ("Team", "x")),
        ("GET /bucket/key", {"user-agent": "curl/8"}, "GetObject", "aws:useragent", ("curl/8",)),
        ("GET /", {"referer": "https://a.test/"}, "ListAllMyBuckets", "aws:referer", ("https://a.test/",)),
        ("GET /bucket/key", {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}, "GetObject", "s3:x-amz-content-sha256", ("UNSIGNED-PAYLOAD",)),
        ("GET /bucket/key", {}, "GetObject", "s3:authtype", ("REST-HEADER",)),
        ("GET /bucket/key", {}, "GetObject", "s3:signatureversion", ("AWS4-HMAC-SHA256",)),
    ],
)  # fmt: skip
def test_a_condition_value_comes_from_its_own_place(
    line: str, headers: dict[str, str], action: str, key: str, values: tuple[str, ...]
) -> None:
    assert facts_of(ask(line, headers, proof=a_proof()), action)[key] == values


def test_the_age_of_a_signature_is_known_for_presigned_requests_only() -> None:
    presigned = a_proof(kind=PRESIGNED, expires=300)
    assert facts_of(ask("GET /bucket/key", proof=presigned), "GetObject")["s3:signatureage"] == (
        "1500",
    )
    assert "s3:signatureage" not in facts_of(ask("GET /bucket/key", proof=a_proof()), "GetObject")


def test_an_anonymous_request_has_no_values_of_a_signature() -> None:
    assert facts_of(ask("GET /bucket/key"), "GetObject") == {}


@pytest.mark.parametrize(
    ("line", "headers"),
    [
        ("GET /bucket/key?prefix=a&s3:prefix=a", {}),
        ("GET /bucket/key?SourceIp=10.0.0.1&aws:username=root&username=root&groups=admins", {}),
        ("GET /bucket/key?ExistingObjectTag/a=b&s3:ExistingObjectTag/a=b", {}),
        ("GET /bucket/key", {"x-amz-tagging": "a=b", "sourceip": "10.0.0.1", "username": "root"}),
        ("GET /bucket/key", {"s3:prefix": "a", "securetransport": "true", "x-amz-acl": "private"}),
        ("GET /bucket/key", {"x-amz-object-lock-mode": "GOVERNANCE"}),
    ],
)
def test_nothing_becomes_a_condition_value_by_its_name(line: str, headers: dict[str, str]) -> None:
    assert facts_of(ask(line, headers), "GetObject") == {}


def test_a_part_of_a_bodys_operation_is_not_taken_from_headers() -> None:
    headers = {
        "x-amz-tagging": "a=b",
        "x-amz-object-lock-mode": "GOVERNANCE",
        "x-amz-object-lock-legal-hold": "ON",
    }
    for line in (
        "PUT /bucket/key?tagging",
        "PUT /bucket/key?retention",
        "PUT /bucket/key?legal-hold",
        "DELETE /bucket/key",
    ):
        bypassing = {**headers, "x-amz-bypass-governance-retention": "true"}
        for check in ask(line, bypassing, config=UNSEEN).checks:
            assert check.facts == {}, check


SIGNED_FACTS = {"s3:authtype": (HEADER,), "s3:signatureversion": ("AWS4-HMAC-SHA256",)}


def test_bodies_that_are_at_hand_give_their_values() -> None:
    tags = b"<Tagging><TagSet><Tag><Key>Team</Key><Value>a</Value></Tag></TagSet></Tagging>"
    tagging = ask("PUT /bucket/key?tagging&versionId=v", body=tags)
    assert facts_of(tagging, "PutObjectVersionTagging") == {
        **SIGNED_FACTS,
        "s3:versionid": ("v",),
        "s3:requestobjecttag/Team": ("a",),
        "s3:requestobjecttagkeys": ("Team",),
    }
    lock = b"<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2026-01-11T00:00:00Z</RetainUntilDate></Retention>"
    assert facts_of(
        ask("PUT /bucket/key?retention", body=lock, proof=a_proof()), "PutObjectRetention"
    ).items() >= {
        ("s3:object-lock-mode", ("COMPLIANCE",)),
        ("s3:object-lock-retain-until-date", ("2026-01-11T00:00:00Z",)),
        ("s3:object-lock-remaining-retention-days", ("9",)),
    }
    hold = ask("PUT /bucket/key?legal-hold", body=b"<LegalHold><Status>OFF</Status></LegalHold>")
    assert facts_of(hold, "PutObjectLegalHold") == {
        **SIGNED_FACTS,
        "s3:object-lock-legal-hold": ("OFF",),
    }
    place = b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>"
    created = ask("PUT /bucket", body=place)
    assert facts_of(created, "CreateBucket") == {
        **SIGNED_FACTS,
        "s3:locationconstraint": ("eu-west-1",),
    }


@pytest.mark.parametrize(
    ("tagging", "code"),
    [
        ("a=1&a=2", "InvalidTag"),
        ("&".join(f"k{number}=v" for number in range(11)), "InvalidTag"),
        ("a=%ZZ", "InvalidArgument"),
        ("a=%FF", "InvalidArgument"),
    ],
)
def test_tags_that_cannot_be_are_refused(tagging: str, code: str) -> None:
    assert refusal("PUT /bucket/key", {"x-amz-tagging": tagging}) == code


def test_a_retention_date_that_is_none_is_refused() -> None:
    headers = {"x-amz-object-lock-retain-until-date": "tomorrow"}
    assert refusal("PUT /bucket/key", headers, proof=a_proof()) == "InvalidArgument"


# --- anything at all

NOISE = st.text(
    st.sampled_from("/.%2EeFf0?&=;+*:{}\\ aclversionIduploadsx-amz\u00e9\0"), max_size=40
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    path=NOISE,
    query=NOISE,
    source=NOISE,
    body=st.none() | NOISE.map(str.encode),
)
@settings(max_examples=500, deadline=None)
def test_noise_is_refused_or_checked(
    method: str, path: str, query: str, source: str, body: bytes | None
) -> None:
    headers = {"host": f"{source}.{HOST}", "x-amz-copy-source": source, "x-amz-tagging": source}
    for chosen in ({}, headers):
        request = HttpRequest(method, f"/{path}", query, chosen, body=body)
        operation = parse_or_refuse(request)
        if operation is not None:
            assert operation.checks
            assert all(isinstance(check, Check) for check in operation.checks)
            assert {".", ".."}.isdisjoint(operation.key.split("/"))


def parse_or_refuse(request: HttpRequest) -> S3Operation | None:
    try:
        return parse_s3(request, None, HOSTED)
    except S3RequestError:
        return None
