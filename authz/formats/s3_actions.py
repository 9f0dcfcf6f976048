"""The table of S3: method, scope and subresource → operation and the actions it needs.

AWS's names are the rule. At most one operation subresource may stand in a request, so the order in which a
store tries its routes cannot matter: what has no row here is refused, not tried as something else.

Source: Amazon S3 API reference (each operation's "Permissions") and the service authorization reference,
"Actions, resources, and condition keys for Amazon S3". Rows that follow MinIO say so.
Not here: what headers add to an operation (`s3_http.py`), condition values (`s3_facts.py`).
"""

from typing import Final, NamedTuple


class Operation(NamedTuple):
    """An S3 operation, and the actions it needs (without `s3:`), in general and on a version of an object."""

    name: str
    actions: tuple[str, ...]
    version_actions: tuple[str, ...] = ()


def _one(name: str, action: str = "", version_action: str = "") -> Operation:
    action = action or name
    return Operation(name, (action,), (version_action or action,))


def _with_get(operation: Operation) -> Operation:
    """Return what a HEAD with a subresource needs: MinIO answers with the object's own head, so that too."""
    return Operation(
        operation.name,
        tuple(dict.fromkeys((*operation.actions, "GetObject"))),
        tuple(dict.fromkeys((*operation.version_actions, "GetObjectVersion"))),
    )


Key = tuple[str, str]
"""Method and subresource (empty for none)."""

_OBJECT_GETS: Final[dict[str, Operation]] = {
    "acl": _one("GetObjectAcl", "GetObjectAcl", "GetObjectVersionAcl"),
    "tagging": _one("GetObjectTagging", "GetObjectTagging", "GetObjectVersionTagging"),
    "torrent": _one("GetObjectTorrent", "GetObjectTorrent", "GetObjectVersionTorrent"),
    "attributes": Operation(
        "GetObjectAttributes",
        ("GetObjectAttributes", "GetObject"),
        ("GetObjectVersionAttributes", "GetObjectVersion"),
    ),
    "retention": _one("GetObjectRetention"),
    "legal-hold": _one("GetObjectLegalHold"),
}

OBJECT: Final[dict[Key, Operation]] = {
    ("GET", ""): _one("GetObject", "GetObject", "GetObjectVersion"),
    ("HEAD", ""): _one("HeadObject", "GetObject", "GetObjectVersion"),
    **{("GET", name): operation for name, operation in _OBJECT_GETS.items()},
    **{("HEAD", name): _with_get(operation) for name, operation in _OBJECT_GETS.items()},
    ("PUT", ""): _one("PutObject"),
    ("PUT", "uploadId"): _one("UploadPart", "PutObject"),
    ("POST", "uploads"): _one("CreateMultipartUpload", "PutObject"),
    ("POST", "uploadId"): _one("CompleteMultipartUpload", "PutObject"),
    ("GET", "uploadId"): _one("ListParts", "ListMultipartUploadParts"),
    ("DELETE", "uploadId"): _one("AbortMultipartUpload"),
    ("PUT", "acl"): _one("PutObjectAcl", "PutObjectAcl", "PutObjectVersionAcl"),
    ("PUT", "tagging"): _one("PutObjectTagging", "PutObjectTagging", "PutObjectVersionTagging"),
    ("PUT", "retention"): _one("PutObjectRetention"),
    ("PUT", "legal-hold"): _one("PutObjectLegalHold"),
    ("DELETE", ""): _one("DeleteObject", "DeleteObject", "DeleteObjectVersion"),
    ("DELETE", "tagging"): _one(
        "DeleteObjectTagging", "DeleteObjectTagging", "DeleteObjectVersionTagging"
    ),
    ("POST", "select"): _one("SelectObjectContent", "GetObject", "GetObjectVersion"),
    ("POST", "restore"): _one("RestoreObject"),
}

BUCKET: Final[dict[Key, Operation]] = {
    ("PUT", ""): _one("CreateBucket"),
    ("DELETE", ""): _one("DeleteBucket"),
    ("HEAD", ""): _one("HeadBucket", "ListBucket"),
    ("GET", ""): _one("ListObjects", "ListBucket"),
    ("GET", "list-type"): _one("ListObjectsV2", "ListBucket"),
    ("GET", "versions"): _one("ListObjectVersions", "ListBucketVersions"),
    ("GET", "uploads"): _one("ListMultipartUploads", "ListBucketMultipartUploads"),
    ("POST", "delete"): _one("DeleteObjects", "DeleteObject", "DeleteObjectVersion"),
    ("GET", "location"): _one("GetBucketLocation"),
    ("GET", "policy"): _one("GetBucketPolicy"),
    ("PUT", "policy"): _one("PutBucketPolicy"),
    ("DELETE", "policy"): _one("DeleteBucketPolicy"),
    ("GET", "policyStatus"): _one("GetBucketPolicyStatus"),
    ("GET", "acl"): _one("GetBucketAcl"),
    ("PUT", "acl"): _one("PutBucketAcl"),
    ("GET", "cors"): _one("GetBucketCors", "GetBucketCORS"),
    ("PUT", "cors"): _one("PutBucketCors", "PutBucketCORS"),
    ("DELETE", "cors"): _one("DeleteBucketCors", "PutBucketCORS"),
    ("GET", "lifecycle"): _one("GetBucketLifecycleConfiguration", "GetLifecycleConfiguration"),
    ("PUT", "lifecycle"): _one("PutBucketLifecycleConfiguration", "PutLifecycleConfiguration"),
    ("DELETE", "lifecycle"): _one("DeleteBucketLifecycle", "PutLifecycleConfiguration"),
    ("GET", "versioning"): _one("GetBucketVersioning"),
    ("PUT", "versioning"): _one("PutBucketVersioning"),
    ("GET", "encryption"): _one("GetBucketEncryption", "GetEncryptionConfiguration"),
    ("PUT", "encryption"): _one("PutBucketEncryption", "PutEncryptionConfiguration"),
    ("DELETE", "encryption"): _one("DeleteBucketEncryption", "PutEncryptionConfiguration"),
    ("GET", "tagging"): _one("GetBucketTagging"),
    ("PUT", "tagging"): _one("PutBucketTagging"),
    ("DELETE", "tagging"): _one("DeleteBucketTagging", "PutBucketTagging"),
    ("GET", "notification"): _one("GetBucketNotificationConfiguration", "GetBucketNotification"),
    ("PUT", "notification"): _one("PutBucketNotificationConfiguration", "PutBucketNotification"),
    ("GET", "replication"): _one("GetBucketReplication", "GetReplicationConfiguration"),
    ("PUT", "replication"): _one("PutBucketReplication", "PutReplicationConfiguration"),
    ("DELETE", "replication"): _one("DeleteBucketReplication", "PutReplicationConfiguration"),
    ("GET", "website"): _one("GetBucketWebsite"),
    ("PUT", "website"): _one("PutBucketWebsite"),
    ("DELETE", "website"): _one("DeleteBucketWebsite"),
    ("GET", "logging"): _one("GetBucketLogging"),
    ("PUT", "logging"): _one("PutBucketLogging"),
    ("GET", "requestPayment"): _one("GetBucketRequestPayment"),
    ("PUT", "requestPayment"): _one("PutBucketRequestPayment"),
    ("GET", "accelerate"): _one("GetBucketAccelerateConfiguration", "GetAccelerateConfiguration"),
    ("PUT", "accelerate"): _one("PutBucketAccelerateConfiguration", "PutAccelerateConfiguration"),
    ("GET", "object-lock"): _one("GetObjectLockConfiguration", "GetBucketObjectLockConfiguration"),
    ("PUT", "object-lock"): _one("PutObjectLockConfiguration", "PutBucketObjectLockConfiguration"),
    ("GET", "publicAccessBlock"): _one("GetPublicAccessBlock", "GetBucketPublicAccessBlock"),
    ("PUT", "publicAccessBlock"): _one("PutPublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("DELETE", "publicAccessBlock"): _one("DeletePublicAccessBlock", "PutBucketPublicAccessBlock"),
    ("GET", "ownershipControls"): _one("GetBucketOwnershipControls"),
    ("PUT", "ownershipControls"): _one("PutBucketOwnershipControls"),
    ("DELETE", "ownershipControls"): _one(
        "DeleteBucketOwnershipControls", "PutBucketOwnershipControls"
    ),
    **{
        (method, subresource): _one(
            f"{verb}Bucket{name}Configuration",
            f"{'Get' if verb == 'Get' else 'Put'}{name}Configuration",
        )
        for subresource, name in (
            ("inventory", "Inventory"),
            ("analytics", "Analytics"),
            ("metrics", "Metrics"),
            ("intelligent-tiering", "IntelligentTiering"),
        )
        for method, verb in (("GET", "Get"), ("PUT", "Put"), ("DELETE", "Delete"))
    },
}

SERVICE: Final[dict[Key, Operation]] = {("GET", ""): _one("ListBuckets", "ListAllMyBuckets")}

_WITHOUT_ROWS: Final = (
    # AWS operations that are not mapped.
    "abac", "annotation", "metadataAnnotationTable", "metadataConfiguration", "metadataInventoryTable",
    "metadataJournalTable", "metadataTable", "renameObject", "session",
    # MinIO: listening to events, replication, Lambda, quality of service.
    "events", "lambdaArn", "qos", "replication-check", "replication-metrics", "replication-reset",
    "replication-reset-status",
    # Ceph: appending, usage, search, and its bucket notifications.
    "append", "mdsearch", "usage",
    # The query protocols of IAM, STS and SNS, which stores serve beside S3.
    "Action",
)  # fmt: skip

SUBRESOURCES: Final = (
    frozenset(subresource for _, subresource in (*OBJECT, *BUCKET)) | frozenset(_WITHOUT_ROWS)
) - {""}
"""Every query parameter that makes a request another operation, mapped here or not."""

PARAMETERS: Final = frozenset({
    "delimiter", "max-keys", "metadata", "partNumber", "prefix", "select-type", "versionId",
})  # fmt: skip
"""The other parameters that mean something here; all others are the store's own affair."""

MINIO_UNKNOWN: Final = frozenset({
    "accelerate", "analytics", "intelligent-tiering", "inventory", "logging", "metrics", "ownershipControls",
    "publicAccessBlock", "requestPayment", "torrent", "website",
})  # fmt: skip
"""Subresources that MinIO does not route in all methods: `PUT ?website` would create the bucket, and
`DELETE ?publicAccessBlock` delete it."""

MINIO_PARAMETERS: Final = frozenset({"metadata"})
"""Parameters that make MinIO answer more than was asked: a listing with `metadata=true` holds every object's
metadata and tags."""
