"""The table of the acceptance tests: a boto3 call, and every action on every resource that it needs.

A row says how the call is made in a bucket that was prepared for it, and what it needs, AWS's names throughout.
Sources: Amazon S3 API reference, each operation's "Permissions".
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.servers.admin_client import document, statement

S3 = Any

KEY = "cat.jpg"
BODY = b"meow"


class Prepared(NamedTuple):
    """A bucket in the store: `cat.jpg` with a version, an upload under way with one part."""

    bucket: str
    version: str = ""
    upload: str = ""
    etag: str = ""

    @property
    def object(self) -> dict[str, str]:
        """Which object: the parameters of most calls."""
        return {"Bucket": self.bucket, "Key": KEY}

    @property
    def part(self) -> dict[str, str]:
        """Which upload."""
        return {**self.object, "UploadId": self.upload}


def prepare(backdoor: S3, bucket: str, row: "Row") -> Prepared:
    """Put into the bucket, around authz, what the row's call works on."""
    version = upload = etag = ""
    if "version" in row.works_on:
        backdoor.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    if "nothing" not in row.works_on:
        put = backdoor.put_object(Bucket=bucket, Key=KEY, Body=BODY, Tagging="kind=cat")
        version = put.get("VersionId", "")
    if "upload" in row.works_on:
        upload = backdoor.create_multipart_upload(Bucket=bucket, Key=KEY)["UploadId"]
        part = {"Bucket": bucket, "Key": KEY, "UploadId": upload, "PartNumber": 1}
        etag = backdoor.upload_part(**part, Body=BODY)["ETag"]
    return Prepared(bucket, version, upload, etag)


def _nobodys_policy(bucket: str) -> str:
    """Return a policy of a bucket that changes nothing for anybody."""
    resource = f"arn:aws:s3:::{bucket}/none"
    return document({**statement("Deny", "s3:GetObject", resource), "Principal": "*"})


class Row(NamedTuple):
    """One operation. `needs` are actions (without `s3:`) and resources (`{b}` is the bucket's ARN)."""

    name: str
    call: Callable[[S3, Prepared], Any]
    needs: tuple[tuple[str, str], ...]
    works_on: str = ""


def _object(action: str) -> tuple[tuple[str, str], ...]:
    return ((action, "{b}/" + KEY),)


def _bucket(action: str) -> tuple[tuple[str, str], ...]:
    return ((action, "{b}"),)


def _copy(p: Prepared) -> dict[str, Any]:
    return {"Bucket": p.bucket, "Key": "copy.jpg", "CopySource": p.object}


TAGS = {"TagSet": [{"Key": "kind", "Value": "dog"}]}
OBJECT_LOCK = {"ObjectLockEnabledForBucket": True}
CORS = {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}
LIFECYCLE = {
    "Rules": [
        {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "x"}, "Expiration": {"Days": 1}}
    ]
}

OBJECTS = (
    Row("put", lambda s, p: s.put_object(**p.object, Body=BODY), _object("PutObject")),
    Row(
        "put with tags",
        lambda s, p: s.put_object(**p.object, Body=BODY, Tagging="kind=cat"),
        (*_object("PutObject"), *_object("PutObjectTagging")),
    ),
    Row(
        "put with acl",
        lambda s, p: s.put_object(**p.object, Body=BODY, ACL="private"),
        (*_object("PutObject"), *_object("PutObjectAcl")),
    ),
    Row("put a stream", lambda s, p: s.upload_fileobj(io.BytesIO(BODY), p.bucket, KEY), _object("PutObject")),
    Row("get", lambda s, p: s.get_object(**p.object)["Body"].read(), _object("GetObject")),
    Row("get a range", lambda s, p: s.get_object(**p.object, Range="bytes=0-1"), _object("GetObject")),
    Row("head", lambda s, p: s.head_object(**p.object), _object("GetObject")),
    Row("get attributes", lambda s, p: s.get_object_attributes(**p.object, ObjectAttributes=["ETag"]),
        (*_object("GetObjectAttributes"), *_object("GetObject"))),
    Row("delete", lambda s, p: s.delete_object(**p.object), _object("DeleteObject")),
    Row("get acl", lambda s, p: s.get_object_acl(**p.object), _object("GetObjectAcl")),
    Row("put acl", lambda s, p: s.put_object_acl(**p.object, ACL="private"), _object("PutObjectAcl")),
    Row("get tags", lambda s, p: s.get_object_tagging(**p.object), _object("GetObjectTagging")),
    Row("put tags", lambda s, p: s.put_object_tagging(**p.object, Tagging=TAGS), _object("PutObjectTagging")),
    Row("delete tags", lambda s, p: s.delete_object_tagging(**p.object), _object("DeleteObjectTagging")),
)  # fmt: skip

COPIES = (
    Row(
        "copy",
        lambda s, p: s.copy_object(**_copy(p)),
        (
            ("PutObject", "{b}/copy.jpg"),
            ("GetObject", "{b}/cat.jpg"),
            ("GetObjectTagging", "{b}/cat.jpg"),
        ),
    ),
    Row(
        "copy with other tags",
        lambda s, p: s.copy_object(**_copy(p), TaggingDirective="REPLACE", Tagging="kind=dog"),
        (
            ("PutObject", "{b}/copy.jpg"),
            ("PutObjectTagging", "{b}/copy.jpg"),
            ("GetObject", "{b}/cat.jpg"),
        ),
    ),
    Row(
        "copy a version",
        lambda s, p: s.copy_object(
            Bucket=p.bucket, Key="copy.jpg", CopySource={**p.object, "VersionId": p.version}
        ),
        (
            ("PutObject", "{b}/copy.jpg"),
            ("GetObjectVersion", "{b}/cat.jpg"),
            ("GetObjectVersionTagging", "{b}/cat.jpg"),
        ),
        "version",
    ),
)

MULTIPART = (
    Row("create", lambda s, p: s.create_multipart_upload(**p.object), _object("PutObject")),
    Row("upload part", lambda s, p: s.upload_part(**p.part, PartNumber=2, Body=BODY), _object("PutObject"), "upload"),
    Row(
        "copy part",
        lambda s, p: s.upload_part_copy(
            **p.part, PartNumber=2, CopySource={"Bucket": p.bucket, "Key": "cat.jpg"}
        ),
        (*_object("PutObject"), *_object("GetObject")),
        "upload",
    ),
    Row(
        "complete",
        lambda s, p: s.complete_multipart_upload(
            **p.part, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": p.etag}]}
        ),
        _object("PutObject"),
        "upload",
    ),
    Row("list parts", lambda s, p: s.list_parts(**p.part), _object("ListMultipartUploadParts"), "upload"),
    Row("abort", lambda s, p: s.abort_multipart_upload(**p.part), _object("AbortMultipartUpload"), "upload"),
    Row("list uploads", lambda s, p: s.list_multipart_uploads(Bucket=p.bucket),
        _bucket("ListBucketMultipartUploads"), "upload"),
)  # fmt: skip

VERSIONS = (
    Row("get version", lambda s, p: s.get_object(**p.object, VersionId=p.version), _object("GetObjectVersion"),
        "version"),
    Row("head version", lambda s, p: s.head_object(**p.object, VersionId=p.version), _object("GetObjectVersion"),
        "version"),
    Row("delete version", lambda s, p: s.delete_object(**p.object, VersionId=p.version),
        _object("DeleteObjectVersion"), "version"),
    Row("get version's tags", lambda s, p: s.get_object_tagging(**p.object, VersionId=p.version),
        _object("GetObjectVersionTagging"), "version"),
    Row("put version's tags", lambda s, p: s.put_object_tagging(**p.object, VersionId=p.version, Tagging=TAGS),
        _object("PutObjectVersionTagging"), "version"),
    Row("list versions", lambda s, p: s.list_object_versions(Bucket=p.bucket), _bucket("ListBucketVersions"),
        "version"),
    Row("get versioning", lambda s, p: s.get_bucket_versioning(Bucket=p.bucket), _bucket("GetBucketVersioning")),
    Row(
        "put versioning",
        lambda s, p: s.put_bucket_versioning(
            Bucket=p.bucket, VersioningConfiguration={"Status": "Enabled"}
        ),
        _bucket("PutBucketVersioning"),
    ),
)  # fmt: skip


def _delete_both(s3: S3, p: Prepared) -> Any:
    objects = [{"Key": "cat.jpg"}, {"Key": "with space & <é>.jpg"}]
    return s3.delete_objects(Bucket=p.bucket, Delete={"Objects": objects, "Quiet": True})


DELETES = (
    Row(
        "delete two",
        _delete_both,
        (("DeleteObject", "{b}/cat.jpg"), ("DeleteObject", "{b}/with space & <é>.jpg")),
    ),
    Row(
        "delete one and a version",
        lambda s, p: s.delete_objects(
            Bucket=p.bucket,
            Delete={"Objects": [{"Key": "a"}, {"Key": KEY, "VersionId": p.version}]},
        ),
        (("DeleteObject", "{b}/a"), ("DeleteObjectVersion", "{b}/cat.jpg")),
        "version",
    ),
)

BUCKETS = (
    Row("list objects v1", lambda s, p: s.list_objects(Bucket=p.bucket), _bucket("ListBucket")),
    Row("list objects v2", lambda s, p: s.list_objects_v2(Bucket=p.bucket), _bucket("ListBucket")),
    Row("head", lambda s, p: s.head_bucket(Bucket=p.bucket), _bucket("ListBucket")),
    Row("get location", lambda s, p: s.get_bucket_location(Bucket=p.bucket), _bucket("GetBucketLocation")),
    Row("create", lambda s, p: s.create_bucket(Bucket=p.bucket + "-new"), (("CreateBucket", "{b}-new"),)),
    Row("create with locks", lambda s, p: s.create_bucket(Bucket=p.bucket + "-new", **OBJECT_LOCK),
        (("CreateBucket", "{b}-new"), ("PutBucketObjectLockConfiguration", "{b}-new"),
         ("PutBucketVersioning", "{b}-new"))),
    Row("delete", lambda s, p: s.delete_bucket(Bucket=p.bucket), _bucket("DeleteBucket"), "nothing"),
    Row("list buckets", lambda s, _: s.list_buckets(), (("ListAllMyBuckets", "arn:aws:s3:::*"),)),
    Row("get acl", lambda s, p: s.get_bucket_acl(Bucket=p.bucket), _bucket("GetBucketAcl")),
    Row("put cors", lambda s, p: s.put_bucket_cors(Bucket=p.bucket, CORSConfiguration=CORS),
        _bucket("PutBucketCORS")),
    Row("put tags", lambda s, p: s.put_bucket_tagging(Bucket=p.bucket, Tagging=TAGS), _bucket("PutBucketTagging")),
    Row("put lifecycle",
        lambda s, p: s.put_bucket_lifecycle_configuration(Bucket=p.bucket, LifecycleConfiguration=LIFECYCLE),
        _bucket("PutLifecycleConfiguration")),
    Row("put policy", lambda s, p: s.put_bucket_policy(Bucket=p.bucket, Policy=_nobodys_policy(p.bucket)),
        _bucket("PutBucketPolicy")),
    Row("delete policy", lambda s, p: s.delete_bucket_policy(Bucket=p.bucket), _bucket("DeleteBucketPolicy")),
)  # fmt: skip

FAMILIES = {
    "object": OBJECTS,
    "copy": COPIES,
    "multipart": MULTIPART,
    "version": VERSIONS,
    "multi-delete": DELETES,
    "bucket": BUCKETS,
}
"""Every row, by family."""

KEYS = (
    "plain", "a b", "a+b", "a%b", "a%2Fb", "a%20b", "a//b", "a///b//", "a/", "ünï/日本/🐈", "a&b=c", "a?b", "a#b",
    "a;b", "a:b@c", "a'b(c)!d*e", "a=b,c", 'a"b', "a<b>", "a$b${c}", "a~b", "e\u0301", "\u00e9", "a\\b", "a^b`c|d", "{a}[b]",
    "tab\there",
)  # fmt: skip
"""Keys whose way through client, proxy, authz and store has corners."""
