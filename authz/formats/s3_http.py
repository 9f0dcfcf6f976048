"""An S3 request → the actions it needs, on which resources, with which condition values.

In steps: the query says the operation, path and host say bucket and key, `s3_actions.py` says the actions, and
the functions here add what headers and body ask for besides. It must be the same operation that the store will
perform; what could be two is refused (`InvalidRequest`), what is none of the table's is `NotImplemented` or
`MethodNotAllowed`. Nothing is guessed.

Needs no valid signature, and says nothing about one. Not here: POST form uploads, which are refused.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from authz.errors import quote
from authz.formats.check import Check, as_fact
from authz.formats.s3_actions import BUCKET, OBJECT, SERVICE, Operation
from authz.formats.s3_address import CopySource, S3Config, parse_address, parse_copy_source
from authz.formats.s3_body import (
    body_at_hand,
    may_have_body,
    parse_delete,
    parse_legal_hold,
    parse_location,
    parse_retention,
    parse_tagging,
    unseen_body,
)
from authz.formats.s3_facts import (
    BYPASS,
    COPY_SOURCE,
    FORCE_DELETE,
    LOCK_ENABLED,
    REPLICATION_STATUS,
    SNOWBALL,
    TAGGING,
    TAGGING_DIRECTIVE,
    Facts,
    action_facts,
    common_facts,
    copy_facts,
    remaining_days,
    tag_facts,
)
from authz.formats.s3_query import S3Query, parse_query
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import Proof
from authz.policy.arn import ANY, bucket_arn, object_arn

__all__ = ["S3Config", "S3Operation", "S3RequestError", "parse_s3"]

_Stated = TypeVar("_Stated")

_COPIES: Final = frozenset({"PutObject", "UploadPart"})


class S3Operation(NamedTuple):
    """What a request does: the operation's name, its bucket and key (empty for none), and all it needs."""

    name: str
    bucket: str
    key: str
    checks: tuple[Check, ...]


class _Asked(NamedTuple):
    """A request read so far. `headers` are those that may say something to policies."""

    request: HttpRequest
    proof: Proof | None
    operation: Operation
    bucket: str
    key: str
    query: S3Query
    headers: Mapping[str, str]
    common: Facts
    config: S3Config

    @property
    def resource(self) -> str:
        return object_arn(self.bucket, self.key) if self.key else bucket_arn(self.bucket)

    def check(self, action: str, extra: Facts | None = None) -> Check:
        facts = action_facts(action, self.common, self.headers, self.query.values)
        facts = remaining_days(action, facts, self.proof)
        return Check(f"s3:{action}", self.resource, {**facts, **extra} if extra else facts)


def parse_s3(request: HttpRequest, proof: Proof | None, config: S3Config) -> S3Operation:
    """Return the operation with its checks, at least one, all of which must be allowed.

    `proof` is what the request claims (`None` for an anonymous one); it only gives condition values. Raises
    `S3RequestError` with S3's code and HTTP status for what is ambiguous or not supported.
    """
    query = parse_query(request.query)
    bucket, key = parse_address(request, config)
    operation = _operation(request, query, bucket, key, config)
    headers = _headers(request, query, config)
    if COPY_SOURCE in headers and operation.name not in _COPIES:
        # MinIO copies whenever this header is there, whatever subresource is.
        raise S3RequestError("InvalidRequest", f"`{COPY_SOURCE}` does not go with {operation.name}")
    common = common_facts(request, proof)
    asked = _Asked(request, proof, operation, bucket, key, query, headers, common, config)
    more = _MORE.get(operation.name)
    checks = _plain(asked) if more is None else more(asked)
    return S3Operation(operation.name, bucket, key, tuple(checks))


def _operation(
    request: HttpRequest, query: S3Query, bucket: str, key: str, config: S3Config
) -> Operation:
    subresource = query.subresource
    if subresource in config.unknown_subresources:
        raise S3RequestError("NotImplemented", f"the store does not know `{subresource}`")
    table = OBJECT if key else BUCKET if bucket else SERVICE
    operation = table.get((request.method, subresource))
    if operation is None:
        raise _no_operation(request, table, subresource)
    if query.values:
        _check_parameters(request, query, config)
    return operation


def _no_operation(
    request: HttpRequest, table: Mapping[tuple[str, str], Operation], subresource: str
) -> S3RequestError:
    if request.method == "POST" and not subresource and table is BUCKET:
        return S3RequestError("NotImplemented", "uploads by form are not supported")
    if any(known == subresource for _, known in table):
        return S3RequestError(
            "MethodNotAllowed", f"the method {quote(request.method)} does nothing here"
        )
    return S3RequestError("NotImplemented", f"`{subresource}` is not supported here")


def _check_parameters(request: HttpRequest, query: S3Query, config: S3Config) -> None:
    values = query.values
    for name in config.refused_parameters:
        if name in values:
            raise S3RequestError("NotImplemented", f"the parameter `{name}` is not supported")
    for name in ("versionId", "uploadId"):
        if values.get(name) == "":
            raise S3RequestError("InvalidArgument", f"`{name}` is empty")
    if request.method == "PUT" and ("uploadId" in values) != ("partNumber" in values):
        raise S3RequestError("InvalidRequest", "`uploadId` and `partNumber` go together")
    if values.get("list-type", "2") != "2" or (
        query.subresource == "select" and values.get("select-type") != "2"
    ):
        raise S3RequestError("InvalidArgument", "`list-type` and `select-type` can only be 2")


def _headers(request: HttpRequest, query: S3Query, config: S3Config) -> Mapping[str, str]:
    """Return the headers, with those hoisted into the query where the store reads them there too."""
    headers = request.headers
    for name in request.repeated:
        if name.startswith(("x-amz-", "x-minio-")) and not name.startswith("x-amz-meta-"):
            raise S3RequestError(
                "InvalidRequest", f"the header {quote(name)} is sent more than once"
            )
    _check_names(tuple(headers))
    if not query.hoisted:
        return headers
    if not config.accepts_hoisted_headers:
        raise S3RequestError("InvalidRequest", f"{quote(min(query.hoisted))} must be a header")
    if not query.hoisted.keys().isdisjoint(headers):
        raise S3RequestError("InvalidRequest", "a header is also in the query")
    return {**headers, **query.hoisted}


@lru_cache(maxsize=1024)
def _check_names(names: tuple[str, ...]) -> None:
    # Nearly all requests have one of a few sets of headers, so the answer is kept.
    for name in names:
        if name.startswith("x-minio-") and name != FORCE_DELETE:
            raise S3RequestError("AccessDenied", f"{quote(name)} is for a store's own traffic")


def _plain(asked: _Asked) -> list[Check]:
    versioned = "versionId" in asked.query.values and asked.operation.version_actions
    actions = asked.operation.version_actions if versioned else asked.operation.actions
    return [asked.check(action) for action in actions]


def _put(asked: _Asked) -> list[Check]:
    headers = asked.headers
    if "x-amz-write-offset-bytes" in headers:
        raise S3RequestError("NotImplemented", "appending to objects is not supported")
    source = _copy_source(asked)
    extra = copy_facts(source) if source is not None else None
    checks = [asked.check("PutObject", extra)]
    checks += [asked.check(action) for action in _asked_by_headers(headers)]
    if headers.get(SNOWBALL, "false").strip().lower() != "false":
        # The archive's members are written wherever it says below the bucket.
        checks.append(_anything_below(asked, "PutObject"))
    if source is not None:
        copies_tags = headers.get(TAGGING_DIRECTIVE, "COPY").strip() != "REPLACE"
        if copies_tags and TAGGING in headers:
            # The store would ignore these tags, and policies would not.
            raise S3RequestError(
                "InvalidRequest", f"`{TAGGING}` on a copy needs `{TAGGING_DIRECTIVE}: REPLACE`"
            )
        checks += _read_source(asked, source, with_tags=copies_tags)
    return checks


def _copy_source(asked: _Asked) -> CopySource | None:
    header = asked.headers.get(COPY_SOURCE)
    return None if header is None else parse_copy_source(header, asked.config)


def _asked_by_headers(headers: Mapping[str, str]) -> list[str]:
    actions = []
    if "x-amz-acl" in headers or any(name.startswith("x-amz-grant-") for name in headers):
        actions.append("PutObjectAcl")
    if TAGGING in headers:
        actions.append("PutObjectTagging")
    if "x-amz-object-lock-mode" in headers or "x-amz-object-lock-retain-until-date" in headers:
        actions.append("PutObjectRetention")
    if "x-amz-object-lock-legal-hold" in headers:
        actions.append("PutObjectLegalHold")
    if REPLICATION_STATUS in headers:
        actions.append("ReplicateObject")
    return actions


def _read_source(asked: _Asked, source: CopySource, *, with_tags: bool) -> list[Check]:
    resource = object_arn(source.bucket, source.key)
    values = {"versionId": source.version} if source.version else {}
    actions = ["GetObjectVersion" if source.version else "GetObject"]
    if with_tags:
        actions.append("GetObjectVersionTagging" if source.version else "GetObjectTagging")
    return [
        Check(f"s3:{action}", resource, action_facts(action, asked.common, {}, values))
        for action in actions
    ]


def _put_part(asked: _Asked) -> list[Check]:
    source = _copy_source(asked)
    if source is None:
        return [asked.check("PutObject")]
    # A part takes bytes of its source, never its tags.
    return [
        asked.check("PutObject", copy_facts(source)),
        *_read_source(asked, source, with_tags=False),
    ]


def _create_multipart(asked: _Asked) -> list[Check]:
    actions = ["PutObject", *_asked_by_headers(asked.headers)]
    return [asked.check(action) for action in actions]


def _delete(asked: _Asked) -> list[Check]:
    # What the headers of a PUT would say about locks and tags, they do not say on a DELETE.
    headers = asked.headers
    asked = asked._replace(headers={})
    checks = _plain(asked)
    if _is_set(headers, BYPASS):
        checks.append(asked.check("BypassGovernanceRetention"))
    if REPLICATION_STATUS in headers:
        checks.append(asked.check("ReplicateDelete"))
    if _is_set(headers, FORCE_DELETE):
        # MinIO deletes everything whose key begins with this one, in all versions.
        checks += [
            Check(f"s3:{action}", asked.resource, asked.common, is_prefix=True)
            for action in ("DeleteObject", "DeleteObjectVersion")
        ]
    return checks


def _is_set(headers: Mapping[str, str], name: str) -> bool:
    return headers.get(name, "false").strip().lower() != "false"


def _delete_many(asked: _Asked) -> list[Check]:
    bypass = ("BypassGovernanceRetention",) if _is_set(asked.headers, BYPASS) else ()
    asked = asked._replace(headers={})
    body = _body(asked)
    if body is None:
        actions = ("DeleteObject", "DeleteObjectVersion", *bypass)
        return [_anything_below(asked, action) for action in actions]
    checks = []
    for key, version in dict.fromkeys(parse_delete(body, asked.config)):
        values = {"versionId": version} if version else {}
        entry = asked._replace(key=key, query=asked.query._replace(values=values))
        action = "DeleteObjectVersion" if version else "DeleteObject"
        checks += [entry.check(needed) for needed in (action, *bypass)]
    return checks


def _anything_below(asked: _Asked, action: str) -> Check:
    return Check(f"s3:{action}", object_arn(asked.bucket, ""), asked.common, is_prefix=True)


def _body(asked: _Asked) -> bytes | None:
    return body_at_hand(asked.request, asked.proof)


def _stated(asked: _Asked, parse: Callable[[bytes], _Stated], nothing: _Stated) -> _Stated:
    """Return what the body states, or `nothing` where bodies are known not to be sent along."""
    body = _body(asked)
    if body is not None:
        return parse(body)
    if asked.config.requires_bodies:
        raise unseen_body(asked.operation.name)
    return nothing


def _put_tagging(asked: _Asked) -> list[Check]:
    tags = tag_facts(_stated(asked, parse_tagging, []))
    checks = _plain(asked._replace(headers={}))
    return [check._replace(facts={**check.facts, **tags}) for check in checks]


def _put_retention(asked: _Asked) -> list[Check]:
    needs_bypass = _is_set(asked.headers, BYPASS)
    asked = asked._replace(headers=_stated(asked, parse_retention, {}))
    checks = _plain(asked)
    return [*checks, asked.check("BypassGovernanceRetention")] if needs_bypass else checks


def _put_legal_hold(asked: _Asked) -> list[Check]:
    return _plain(asked._replace(headers=_stated(asked, parse_legal_hold, {})))


def _create_bucket(asked: _Asked) -> list[Check]:
    location = _location(asked)
    checks = [
        asked.check("CreateBucket", {"s3:locationconstraint": (location,)} if location else None)
    ]
    if _is_set(asked.headers, LOCK_ENABLED):
        checks += [
            asked.check("PutBucketObjectLockConfiguration"),
            asked.check("PutBucketVersioning"),
        ]
    if "x-amz-acl" in asked.headers or any(n.startswith("x-amz-grant-") for n in asked.headers):
        checks.append(asked.check("PutBucketAcl"))
    if "x-amz-object-ownership" in asked.headers:
        checks.append(asked.check("PutBucketOwnershipControls"))
    return checks


def _location(asked: _Asked) -> str:
    body = _body(asked)
    if body:
        return as_fact("LocationConstraint", parse_location(body))
    if body is None and asked.config.requires_bodies and may_have_body(asked.request):
        raise unseen_body(asked.operation.name)
    return ""


def _delete_bucket(asked: _Asked) -> list[Check]:
    checks = _plain(asked)
    if _is_set(asked.headers, FORCE_DELETE):
        checks += [
            asked.check("ForceDeleteBucket"),
            _anything_below(asked, "DeleteObject"),
            _anything_below(asked, "DeleteObjectVersion"),
        ]
    return checks


def _list_buckets(asked: _Asked) -> list[Check]:
    # AWS documents it for `*` and for `arn:aws:s3:::*`; patterns of both kinds match this resource.
    return [Check("s3:ListAllMyBuckets", bucket_arn(ANY), asked.common)]


_MORE: Final[Mapping[str, Callable[[_Asked], list[Check]]]] = {
    "CreateBucket": _create_bucket,
    "CreateMultipartUpload": _create_multipart,
    "DeleteBucket": _delete_bucket,
    "DeleteObject": _delete,
    "DeleteObjects": _delete_many,
    "ListBuckets": _list_buckets,
    "PutObject": _put,
    "PutObjectLegalHold": _put_legal_hold,
    "PutObjectRetention": _put_retention,
    "PutObjectTagging": _put_tagging,
    "UploadPart": _put_part,
}
"""Operations that need more than their row says, by what the request's headers or body ask for."""
