"""What boto3 really sends is verified and is the operation that was called."""

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse

from authz.formats.s3_http import S3Config, S3Operation, parse_s3
from authz.formats.s3_xml import render_error
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import find_proof
from tests.identity.clients import ACCESS_KEY_ID, REGION, SECRET, accept, wall_clock

KEYS = [
    "key",
    "a b",
    "a+b",
    "a%41b",
    "a//b",
    "/a",
    "ü/€/🐘",
    "a&b=c?d#e",
    "~a-_.!*'()",
    "a/b/",
    "a\\b",
    "a:b;c,d@e$f",
]
CONFIG = S3Config(domains=("s3.example.test",), keeps_leading_slash=True)


class Wire:
    """An end of the wire that keeps what comes in and answers 403."""

    def __init__(self, scheme: str, style: str) -> None:
        self.requests: list[HttpRequest] = []
        self.client = boto3.client(
            "s3",
            endpoint_url=f"{scheme}://s3.example.test",
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET,
            config=Config(
                signature_version="s3v4",  # or it presigns by version 2, which is refused
                s3={"addressing_style": style},
                retries={"total_max_attempts": 1},
            ),
        )
        self.client.meta.events.register("before-send.s3", self._receive)

    def _receive(self, request: Any, **_: Any) -> AWSResponse:
        url = urlsplit(request.url)
        headers = {
            name.lower(): value.decode() if isinstance(value, bytes) else str(value)
            for name, value in request.headers.items()
        }
        headers.setdefault("host", url.netloc)
        body = request.body if isinstance(request.body, bytes) else None
        self.requests.append(HttpRequest(request.method, url.path, url.query, headers, body=body))
        answer = io.BytesIO(render_error("AccessDenied", "access denied", url.path, "id-1"))
        raw = HTTPResponse(answer, status=403, preload_content=False)
        return AWSResponse(request.url, 403, {}, raw)

    def call(self, call: Callable[[Any], object]) -> S3Operation:
        with pytest.raises(ClientError) as caught:
            call(self.client)
        if self.requests[-1].method != "HEAD":
            assert caught.value.response["Error"]["Code"] == "AccessDenied"
        return understood(self.requests[-1])


def understood(request: HttpRequest) -> S3Operation:
    accept(request, wall_clock())
    return parse_s3(request, find_proof(request, wall_clock()), CONFIG)


@pytest.fixture(
    scope="module", params=[("http", "path"), ("http", "virtual"), ("https", "path")], ids=str
)
def wire(request: pytest.FixtureRequest) -> Wire:
    return Wire(*request.param)


@pytest.mark.parametrize("key", KEYS)
def test_the_key_that_is_named_is_the_key_that_is_authorized(wire: Wire, key: str) -> None:
    for call in (
        lambda s3: s3.get_object(Bucket="bucket", Key=key),
        lambda s3: s3.put_object(Bucket="bucket", Key=key, Body=b"content"),
        lambda s3: s3.delete_object(Bucket="bucket", Key=key, VersionId="v"),
        lambda s3: s3.put_object_tagging(
            Bucket="bucket", Key=key, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]}
        ),
    ):
        operation = wire.call(call)
        assert (operation.bucket, operation.key) == ("bucket", key)
        assert operation.checks[0].resource == f"arn:aws:s3:::bucket/{key}"


@pytest.mark.parametrize("key", KEYS)
def test_the_source_of_a_copy_is_the_one_that_is_named(wire: Wire, key: str) -> None:
    source = {"Bucket": "src-bucket", "Key": key, "VersionId": "v1"}
    operation = wire.call(lambda s3: s3.copy_object(Bucket="bucket", Key="to", CopySource=source))
    assert [(check.action, check.resource) for check in operation.checks[:2]] == [
        ("s3:PutObject", "arn:aws:s3:::bucket/to"),
        ("s3:GetObjectVersion", f"arn:aws:s3:::src-bucket/{key}"),
    ]


def test_the_keys_of_many_deletes_are_those_that_are_named(wire: Wire) -> None:
    objects = {"Objects": [{"Key": key} for key in KEYS]}
    operation = wire.call(lambda s3: s3.delete_objects(Bucket="bucket", Delete=objects))
    assert [check.resource for check in operation.checks] == [
        f"arn:aws:s3:::bucket/{key}" for key in KEYS
    ]


B: dict[str, Any] = {"Bucket": "bucket"}
K: dict[str, Any] = {"Bucket": "bucket", "Key": "key"}

CALLS: list[tuple[str, dict[str, Any], str]] = [
    ("list_buckets", {}, "ListBuckets"),
    ("create_bucket", B, "CreateBucket"),
    ("create_bucket", {**B, "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}}, "CreateBucket"),
    ("delete_bucket", B, "DeleteBucket"),
    ("head_bucket", B, "HeadBucket"),
    ("list_objects", {**B, "Prefix": "a b/+", "Delimiter": "/"}, "ListObjects"),
    ("list_objects_v2", {**B, "Prefix": "ü&=", "MaxKeys": 5, "StartAfter": "a"}, "ListObjectsV2"),
    ("list_object_versions", {**B, "Prefix": "a"}, "ListObjectVersions"),
    ("list_multipart_uploads", B, "ListMultipartUploads"),
    ("head_object", K, "HeadObject"),
    ("get_object", {**K, "Range": "bytes=0-9", "ResponseContentType": "text/plain"}, "GetObject"),
    ("get_object_attributes", {**K, "ObjectAttributes": ["ETag", "ObjectSize"]}, "GetObjectAttributes"),
    ("put_object", {**K, "Body": b"x", "ACL": "private", "Tagging": "a=b", "Metadata": {"n": "v  w"}}, "PutObject"),
    ("put_object", {**K, "Body": io.BytesIO(b"stream"), "ContentType": "text/plain; charset=utf-8"}, "PutObject"),
    ("create_multipart_upload", K, "CreateMultipartUpload"),
    ("upload_part", {**K, "UploadId": "u", "PartNumber": 1, "Body": b"x"}, "UploadPart"),
    ("upload_part_copy", {**K, "UploadId": "u", "PartNumber": 1, "CopySource": "src-bucket/k"}, "UploadPart"),
    ("complete_multipart_upload", {**K, "UploadId": "u", "MultipartUpload": {"Parts": []}}, "CompleteMultipartUpload"),
    ("abort_multipart_upload", {**K, "UploadId": "u"}, "AbortMultipartUpload"),
    ("list_parts", {**K, "UploadId": "u"}, "ListParts"),
    ("get_object_tagging", {**K, "VersionId": "v"}, "GetObjectTagging"),
    ("delete_object_tagging", K, "DeleteObjectTagging"),
    ("get_object_acl", K, "GetObjectAcl"),
    ("put_object_acl", {**K, "ACL": "private"}, "PutObjectAcl"),
    ("put_object_retention", {**K, "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": "2030-01-01T00:00:00Z"}}, "PutObjectRetention"),
    ("get_object_retention", K, "GetObjectRetention"),
    ("put_object_legal_hold", {**K, "LegalHold": {"Status": "ON"}}, "PutObjectLegalHold"),
    ("get_object_legal_hold", K, "GetObjectLegalHold"),
    ("restore_object", {**K, "RestoreRequest": {"Days": 1}}, "RestoreObject"),
    ("get_bucket_location", B, "GetBucketLocation"),
    ("get_bucket_policy", B, "GetBucketPolicy"),
    ("put_bucket_policy", {**B, "Policy": "{}"}, "PutBucketPolicy"),
    ("get_bucket_versioning", B, "GetBucketVersioning"),
    ("put_bucket_versioning", {**B, "VersioningConfiguration": {"Status": "Enabled"}}, "PutBucketVersioning"),
    ("get_bucket_lifecycle_configuration", B, "GetBucketLifecycleConfiguration"),
    ("delete_bucket_lifecycle", B, "DeleteBucketLifecycle"),
    ("get_bucket_encryption", B, "GetBucketEncryption"),
    ("get_bucket_cors", B, "GetBucketCors"),
    ("get_bucket_tagging", B, "GetBucketTagging"),
    ("get_bucket_notification_configuration", B, "GetBucketNotificationConfiguration"),
    ("get_bucket_replication", B, "GetBucketReplication"),
    ("get_object_lock_configuration", B, "GetObjectLockConfiguration"),
    ("get_public_access_block", B, "GetPublicAccessBlock"),
    ("get_bucket_ownership_controls", B, "GetBucketOwnershipControls"),
    ("get_bucket_inventory_configuration", {**B, "Id": "1"}, "GetBucketInventoryConfiguration"),
    ("get_bucket_request_payment", B, "GetBucketRequestPayment"),
    ("get_bucket_policy_status", B, "GetBucketPolicyStatus"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arguments", "name"), CALLS)
def test_a_call_is_the_operation_of_its_name(
    wire: Wire, method: str, arguments: dict[str, Any], name: str
) -> None:
    assert wire.call(lambda s3: getattr(s3, method)(**arguments)).name == name


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("method", ["get_object", "put_object"])
def test_a_presigned_url_is_understood(wire: Wire, method: str, key: str) -> None:
    url = urlsplit(wire.client.generate_presigned_url(method, {"Bucket": "bucket", "Key": key}, 60))
    request = HttpRequest(
        "GET" if method == "get_object" else "PUT",
        url.path,
        url.query,
        {"host": url.netloc, "user-agent": "curl/8"},
    )
    assert understood(request).key == key
