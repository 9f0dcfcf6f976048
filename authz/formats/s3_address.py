"""Which bucket and key a request addresses, read once and in one way.

The key is the percent-decoded path, byte for byte what the store will act on; whatever two parsers could read
as two different keys is refused. `+` in a path is itself (RFC 3986), as in MinIO and Ceph.

Source: Amazon S3 user guide, "Virtual hosting of buckets", "Creating object key names"; copy source: API
reference, CopyObject. Not here: what is done to the object (`s3_actions.py`).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from authz.errors import ParseError, quote
from authz.formats.s3_xml import S3RequestError
from authz.identity.canonical import PATH_LIMIT
from authz.identity.http import HttpRequest, percent_decode

KEY_LIMIT: Final = 1_024
"""Longest object key in bytes of UTF-8 (S3)."""

RESERVED_BUCKETS: Final = frozenset({"admin", "minio", "moto-api", "swift"})
"""First path segments under which stores keep surfaces that are not S3: Ceph's admin and Swift APIs, MinIO's
admin API, moto's. As buckets they would let an S3 policy reach those, so they are refused."""

# Legacy names (us-east-1 before 2018, Ceph) may be long and hold capitals and underscores.
_BUCKET: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){1,253}[A-Za-z0-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """What the store behind the proxy is like.

    `domains`: below these, the host's first label names the bucket (virtual-hosted style); without a match the
    path does. `unknown_subresources`: those the store does not know; it would take the request for another
    operation, so they are refused (`s3_actions.MINIO_UNKNOWN`). `accepts_hoisted_headers`: the store reads
    `x-amz-*` headers also from the query, as AWS does for presigned URLs; otherwise ones that matter are
    refused.
    """

    domains: tuple[str, ...] = ()
    reserved_buckets: frozenset[str] = RESERVED_BUCKETS
    unknown_subresources: frozenset[str] = frozenset()
    accepts_hoisted_headers: bool = False

    def __post_init__(self) -> None:
        domains = tuple(domain.lower().strip(".") for domain in self.domains)
        object.__setattr__(self, "domains", domains)


class CopySource(NamedTuple):
    """The object a copy reads; `version` is empty for the current one."""

    bucket: str
    key: str
    version: str


def parse_address(request: HttpRequest, config: S3Config) -> tuple[str, str]:
    """Return bucket and decoded key; the key is empty for a bucket, both are for the service itself."""
    path = request.path
    if len(path) > PATH_LIMIT or path[:1] != "/" or not _is_plain(path):
        raise S3RequestError("InvalidURI", "the path is too long or holds an unencoded character")
    first, _, key = path[1:].partition("/")
    first = _decode(first)
    # Stores look for their own surfaces before they look at the host.
    if first in config.reserved_buckets:
        raise S3RequestError("AccessDenied", f"{quote(first)} is not a bucket")
    bucket = _bucket_of_host(request, config.domains) if config.domains else None
    if bucket is not None:
        key = path[1:]
    elif first or key:
        bucket = first
    else:
        return "", ""
    _check_bucket(bucket)
    return bucket, parse_key(_decode(key)) if key else ""


def _is_plain(path: str) -> bool:
    # Several scans in C beat one by a pattern.
    return path.isprintable() and not (" " in path or "#" in path or "?" in path or "\\" in path)


def _bucket_of_host(request: HttpRequest, domains: tuple[str, ...]) -> str | None:
    host = request.headers.get("host", "").lower()
    if not host.endswith("]"):
        name, colon, port = host.rpartition(":")
        host = name if colon and port.isdigit() else host
    host = host.removesuffix(".")
    if host in domains:
        return None
    matching = [domain for domain in domains if host.endswith(f".{domain}")]
    # The longest is the most specific: `b.eu.example` is `b` below `eu.example`, not `b.eu` below `example`.
    return host[: -len(max(matching, key=len)) - 1] if matching else None


@lru_cache(maxsize=4096)
def _check_bucket(bucket: str) -> None:
    if _BUCKET.fullmatch(bucket) is None:
        raise S3RequestError("InvalidBucketName", f"{quote(bucket)} is not a bucket's name")


def _decode(text: str) -> str:
    try:
        return percent_decode(text)
    except ParseError as error:
        raise S3RequestError("InvalidRequest", f"the path has {error.message}") from None


def parse_key(key: str) -> str:
    """Return the decoded `key` if it is one: bounded, no NUL, no `.` or `..` segment."""
    if len(key) > KEY_LIMIT or (not key.isascii() and len(key.encode()) > KEY_LIMIT):
        raise S3RequestError("KeyTooLongError", "the key is too long")
    if "\0" in key:
        raise S3RequestError("InvalidRequest", "the key holds a NUL")
    if (key[0] == "." or "/." in key) and not {".", ".."}.isdisjoint(key.split("/")):
        raise S3RequestError("InvalidRequest", "the key has a dot segment")
    return key


def parse_copy_source(header: str) -> CopySource:
    """Read `x-amz-copy-source`: `bucket/key`, percent-encoded, maybe after a slash, maybe `?versionId=…`."""
    path, mark, query = header.strip().partition("?")
    name, _, version = query.partition("=")
    if mark and (name != "versionId" or not version or "&" in version):
        raise _bad_source()
    try:
        bucket, _, key = percent_decode(path).removeprefix("/").partition("/")
        version = percent_decode(version.replace("+", " "))
        _check_bucket(bucket)
        if not key or "\0" in version:
            raise _bad_source()
        return CopySource(bucket, parse_key(key), version)
    except ParseError:
        raise _bad_source() from None


def _bad_source() -> S3RequestError:
    return S3RequestError("InvalidArgument", "`x-amz-copy-source` does not name an object")
