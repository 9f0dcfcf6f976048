"""Condition values of S3: which keys an action defines, and the one place each value comes from.

A key is set only for the actions that define it, and only from its own header or parameter, so that no header
or parameter becomes a condition value by being called like one.

Source: service authorization reference, "Actions, resources, and condition keys for Amazon S3"; keys that only
MinIO sets for an action (`s3:versionid` on `GetObject`, the encryption keys on reads) are kept.
`s3:ExistingObjectTag/*` is known to the store alone and never set here; `s3:TlsVersion` neither, as the proxy
does not report it.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from authz.errors import ParseError
from authz.formats.check import as_fact, client_facts
from authz.formats.s3_address import CopySource
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest, percent_decode, split_query
from authz.identity.sigv4 import Proof
from authz.policy.request import Values

TAG_LIMIT: Final = 10
"""Most tags on an object (S3)."""
TAG_KEY_LIMIT: Final = 128
TAG_VALUE_LIMIT: Final = 256
"""Longest key and value of an object's tag in characters (S3)."""

Sources = tuple[tuple[str, str], ...]
"""Pairs of condition key (folded) and the header or parameter its value comes from."""

_SSE: Final[Sources] = tuple(
    (f"s3:{name}", name)
    for name in (
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-server-side-encryption-customer-algorithm",
    )
)
_GRANTS: Final[Sources] = tuple(
    (f"s3:{name}", name)
    for name in (
        "x-amz-acl",
        "x-amz-grant-full-control",
        "x-amz-grant-read",
        "x-amz-grant-read-acp",
        "x-amz-grant-write",
        "x-amz-grant-write-acp",
    )
)
_LEGAL_HOLD: Final = ("s3:object-lock-legal-hold", "x-amz-object-lock-legal-hold")
_LOCK_MODE: Final = ("s3:object-lock-mode", "x-amz-object-lock-mode")
_LOCK_UNTIL: Final = ("s3:object-lock-retain-until-date", "x-amz-object-lock-retain-until-date")
_CLASS: Final = ("s3:x-amz-storage-class", "x-amz-storage-class")

HEADER_FACTS: Final[Mapping[str, Sources]] = {
    "GetObject": _SSE,
    "GetObjectRetention": _SSE,
    "PutObject": (
        *_SSE,
        *_GRANTS,
        _CLASS,
        _LEGAL_HOLD,
        _LOCK_MODE,
        _LOCK_UNTIL,
        ("s3:x-amz-metadata-directive", "x-amz-metadata-directive"),
        ("s3:x-amz-website-redirect-location", "x-amz-website-redirect-location"),
        ("s3:if-match", "if-match"),
        ("s3:if-none-match", "if-none-match"),
    ),
    "PutObjectAcl": (*_GRANTS, _CLASS),
    "PutObjectVersionAcl": (*_GRANTS, _CLASS),
    "PutObjectRetention": (*_SSE, _LOCK_MODE, _LOCK_UNTIL),
    "PutObjectLegalHold": (*_SSE, _LEGAL_HOLD),
    "BypassGovernanceRetention": (_LEGAL_HOLD, _LOCK_MODE, _LOCK_UNTIL),
    "CreateBucket": (*_GRANTS, ("s3:x-amz-object-ownership", "x-amz-object-ownership")),
    "PutBucketAcl": _GRANTS,
    "PutBucketOwnershipControls": (("s3:x-amz-object-ownership", "x-amz-object-ownership"),),
}

_VERSION: Final[Sources] = (("s3:versionid", "versionId"),)
_LISTING: Final[Sources] = (
    ("s3:prefix", "prefix"),
    ("s3:delimiter", "delimiter"),
    ("s3:max-keys", "max-keys"),
)
PARAMETER_FACTS: Final[Mapping[str, Sources]] = {
    "ListBucket": _LISTING,
    "ListBucketVersions": _LISTING,
    **dict.fromkeys(
        (
            "BypassGovernanceRetention", "DeleteObject", "DeleteObjectTagging", "DeleteObjectVersion",
            "DeleteObjectVersionTagging", "GetObject", "GetObjectLegalHold", "GetObjectRetention",
            "GetObjectTagging", "GetObjectVersion", "GetObjectVersionAcl", "GetObjectVersionAttributes",
            "GetObjectVersionTagging", "GetObjectVersionTorrent", "PutObject", "PutObjectLegalHold",
            "PutObjectRetention", "PutObjectTagging", "PutObjectVersionAcl", "PutObjectVersionTagging",
            "RestoreObject",
        ),
        _VERSION,
    ),
}  # fmt: skip

_TAGGED: Final = frozenset({
    "BypassGovernanceRetention", "PutObject", "PutObjectTagging", "PutObjectVersionTagging",
})  # fmt: skip
_RETAINED: Final = frozenset({"BypassGovernanceRetention", "PutObject", "PutObjectRetention"})

BYPASS: Final = "x-amz-bypass-governance-retention"
COPY_SOURCE: Final = "x-amz-copy-source"
FORCE_DELETE: Final = "x-minio-force-delete"
LOCK_ENABLED: Final = "x-amz-bucket-object-lock-enabled"
REPLICATION_STATUS: Final = "x-amz-replication-status"
SNOWBALL: Final = "x-amz-meta-snowball-auto-extract"
TAGGING: Final = "x-amz-tagging"
TAGGING_DIRECTIVE: Final = "x-amz-tagging-directive"

DECISIVE_HEADERS: Final = frozenset(
    {header for sources in HEADER_FACTS.values() for _, header in sources if header[:2] == "x-"}
    | {
        BYPASS,
        COPY_SOURCE,
        FORCE_DELETE,
        LOCK_ENABLED,
        REPLICATION_STATUS,
        SNOWBALL,
        TAGGING,
        TAGGING_DIRECTIVE,
    }
)
"""Headers that change what a request needs, or a condition value."""

Facts = dict[str, Values]


def common_facts(request: HttpRequest, proof: Proof | None) -> Facts:
    """Return the facts that every S3 action defines."""
    facts = client_facts(request)
    content = request.headers.get("x-amz-content-sha256")
    if content is not None:
        facts["s3:x-amz-content-sha256"] = (as_fact("x-amz-content-sha256", content.strip()),)
    if proof is not None:
        facts["s3:authtype"] = (proof.kind,)
        facts["s3:signatureversion"] = ("AWS4-HMAC-SHA256",)
        if proof.expires is not None:
            facts["s3:signatureage"] = (str(max(0, int(proof.age * 1000))),)
    return facts


def action_facts(
    action: str, common: Facts, headers: Mapping[str, str], values: Mapping[str, str]
) -> Facts:
    """Return `common` and what `headers` and query `values` give the keys that `action` defines."""
    found = [
        (key, (as_fact(name, headers[name].strip()),))
        for key, name in HEADER_FACTS.get(action, ())
        if name in headers
    ]
    if values:
        found += [
            (key, (as_fact(name, values[name]),))
            for key, name in PARAMETER_FACTS.get(action, ())
            if name in values
        ]
    facts = {**common, **dict(found)} if found else common
    if action in _TAGGED and TAGGING in headers:
        facts = {**facts, **tag_facts(parse_tags(headers[TAGGING]))}
    return facts


def remaining_days(action: str, facts: Facts, proof: Proof | None) -> Facts:
    """Add the days until the retention date that `facts` hold, for the actions that define them."""
    until = facts.get("s3:object-lock-retain-until-date")
    if until is None or proof is None or action not in _RETAINED:
        return facts
    try:
        moment = datetime.fromisoformat(until[0])
    except ValueError:
        raise S3RequestError("InvalidArgument", "the retain-until date is not a date") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    days = int((moment.timestamp() - proof.signed_at - proof.age) // 86_400)
    return {**facts, "s3:object-lock-remaining-retention-days": (str(days),)}


def copy_facts(source: CopySource) -> Facts:
    """Return the facts of the destination about where its content comes from."""
    return {"s3:x-amz-copy-source": (f"{source.bucket}/{source.key}",)}


def parse_tags(header: str) -> list[tuple[str, str]]:
    """Read `x-amz-tagging`: `k=v&k2=v2`, form-encoded, each key once."""
    try:
        return [
            (percent_decode(name.replace("+", " ")), percent_decode(value.replace("+", " ")))
            for name, value in split_query(header.strip())
        ]
    except ParseError:
        raise S3RequestError("InvalidArgument", "`x-amz-tagging` cannot be read") from None


def tag_facts(tags: list[tuple[str, str]]) -> Facts:
    """Return the facts of the tags a request sends along."""
    if len(tags) > TAG_LIMIT or len(dict(tags)) != len(tags):
        raise S3RequestError("InvalidTag", f"more than {TAG_LIMIT} tags, or a tag twice")
    if any(len(name) > TAG_KEY_LIMIT or len(value) > TAG_VALUE_LIMIT for name, value in tags):
        raise S3RequestError(
            "InvalidTag",
            f"a tag has a key of at most {TAG_KEY_LIMIT} characters and a value of {TAG_VALUE_LIMIT}",
        )
    facts: Facts = {f"s3:requestobjecttag/{name}": (value,) for name, value in tags}
    if tags:
        facts["s3:requestobjecttagkeys"] = tuple(name for name, _ in tags)
    return facts
