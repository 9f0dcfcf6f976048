"""Which bucket and key a request addresses, read once and in one way.

The key is the percent-decoded path, byte for byte what the store will act on; whatever two parsers could read
as two different keys is refused. `+` in a path is itself (RFC 3986), as in MinIO and Ceph. A host is read in
one spelling only, and path style only where no store could take the host for a bucket's name.

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

MINIO_REFUSED_IN_KEYS: Final = ("//", "__XLDIR__")
"""What MinIO reads as another key: it deletes `a/b` for `a//b`, and `a__XLDIR__` is how it keeps `a/`."""

# Legacy names (us-east-1 before 2018, Ceph) may be long and hold capitals and underscores.
_BUCKET: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){1,253}[A-Za-z0-9]")

# One spelling only: no capitals, no trailing dot, no empty or second port.
_HOST: Final = re.compile(
    r"(?P<name>[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?"
)
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IP_ADDRESS: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}|\[.*\]")
_HOST_LIMIT: Final = 255

# A raw `#` ends a URL, a `;` once separated parameters, a `\\` is a slash to some; SDKs encode them all.
_NOT_IN_VERSIONS: Final = "\0#&;"
_COPY_SOURCE: Final = re.compile(
    r"(?P<path>[!$%&'()*+,./0-9:=@A-Z_a-z~-]+)(?:\?versionId=(?P<version>[!$%'()*+,./0-9:@A-Z_a-z~-]+))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Config:
    """What the store behind the proxy is like.

    `domains`: below these, the host's first labels name the bucket (virtual-hosted style). `endpoints`: hosts,
    without port, that name no bucket, so that the path does (path style), as it does on the domains themselves.
    Without endpoints, it also does on IP addresses; without either, on `localhost` and single labels, too.
    `keeps_leading_slash`: the store takes a key that begins with `/` as it is; otherwise it is refused.
    `refused_in_keys`: texts for which the store reads another key (`MINIO_REFUSED_IN_KEYS`).
    `requires_bodies`: a body that says what a request does must be at hand, or the request is refused.
    `unknown_subresources`: those the store does not know; it would take the request for another operation, so
    they are refused (`s3_actions.MINIO_UNKNOWN`); `refused_parameters`: other parameters that make it answer
    more than was asked (`s3_actions.MINIO_PARAMETERS`). `accepts_hoisted_headers`: the store reads `x-amz-*`
    headers also from the query, as AWS does for presigned URLs; otherwise ones that matter are refused.
    """

    domains: tuple[str, ...] = ()
    endpoints: tuple[str, ...] = ()
    keeps_leading_slash: bool = False
    refused_in_keys: tuple[str, ...] = ()
    requires_bodies: bool = True
    reserved_buckets: frozenset[str] = RESERVED_BUCKETS
    unknown_subresources: frozenset[str] = frozenset()
    refused_parameters: frozenset[str] = frozenset()
    accepts_hoisted_headers: bool = False

    def __post_init__(self) -> None:
        for name in ("domains", "endpoints"):
            hosts = tuple(host.lower().strip(".") for host in getattr(self, name))
            object.__setattr__(self, name, hosts)


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
    bucket = _bucket_of_host(request.headers.get("host", ""), config.domains, config.endpoints)
    if bucket:
        key = path[1:]
    elif first or key:
        bucket = first
    else:
        return "", ""
    _check_bucket(bucket)
    return bucket, parse_key(_decode(key), config) if key else ""


def _is_plain(path: str) -> bool:
    # Several scans in C beat one by a pattern.
    return path.isprintable() and not (" " in path or "#" in path or "?" in path or "\\" in path)


@lru_cache(maxsize=1024)
def _bucket_of_host(host: str, domains: tuple[str, ...], endpoints: tuple[str, ...]) -> str:
    """Return the bucket that the host names, empty where the path does."""
    match = _HOST.fullmatch(host) if len(host) <= _HOST_LIMIT else None
    if match is None:
        raise S3RequestError(
            "InvalidRequest",
            f"the host {quote(host)} must be lower case, with at most one port after it",
        )
    name = match["name"]
    if name in endpoints or name in domains:
        return ""
    matching = [domain for domain in domains if name.endswith(f".{domain}")]
    if matching:
        # The longest is the most specific: `b.eu.test` is `b` below `eu.test`, not `b.eu` below `test`.
        return name[: -len(max(matching, key=len)) - 1]
    if not endpoints and (_IP_ADDRESS.fullmatch(name) or ("." not in name and not domains)):
        return ""
    # A store could take such a host for a bucket, and the path for a key in it.
    raise S3RequestError(
        "InvalidRequest",
        f"the host {quote(name)} is in neither AUTHZ_S3_ENDPOINTS nor AUTHZ_S3_DOMAINS",
    )


def is_bucket_name(text: str) -> bool:
    """Tell whether a bucket can be called `text`."""
    return _BUCKET.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def _check_bucket(bucket: str) -> None:
    if not is_bucket_name(bucket):
        raise S3RequestError("InvalidBucketName", f"{quote(bucket)} is not a bucket's name")


def _decode(text: str) -> str:
    try:
        return percent_decode(text)
    except ParseError as error:
        raise S3RequestError("InvalidRequest", f"the path has {error.message}") from None


def parse_key(key: str, config: S3Config) -> str:
    """Return the decoded `key` if it is one that the store will not change.

    Bounded, no NUL, no `.` or `..` segment, no leading slash unless the store keeps it.
    """
    if len(key) > KEY_LIMIT or (not key.isascii() and len(key.encode()) > KEY_LIMIT):
        raise S3RequestError("KeyTooLongError", "the key is too long")
    if "\0" in key:
        raise S3RequestError("InvalidRequest", "the key holds a NUL")
    if (key[0] == "." or "/." in key) and not {".", ".."}.isdisjoint(key.split("/")):
        raise S3RequestError("InvalidRequest", "the key has a dot segment")
    if key[0] == "/" and not config.keeps_leading_slash:
        raise S3RequestError("InvalidRequest", "the key begins with a slash, which stores drop")
    for text in config.refused_in_keys:
        if text in key:
            raise S3RequestError(
                "InvalidRequest", f"the store takes a key with {quote(text)} for another"
            )
    return key


def parse_copy_source(header: str, config: S3Config) -> CopySource:
    """Read `x-amz-copy-source`: `bucket/key`, percent-encoded, maybe after a slash, maybe `?versionId=…`."""
    match = _COPY_SOURCE.fullmatch(header.strip(" \t"))
    if match is None:
        raise _bad_source()
    try:
        bucket, _, key = percent_decode(match["path"]).removeprefix("/").partition("/")
        version = percent_decode((match["version"] or "").replace("+", " "))
        _check_bucket(bucket)
        if not key or any(mark in version for mark in _NOT_IN_VERSIONS):
            raise _bad_source()
        return CopySource(bucket, parse_key(key, config), version)
    except ParseError:
        raise _bad_source() from None


def _bad_source() -> S3RequestError:
    return S3RequestError("InvalidArgument", "`x-amz-copy-source` does not name an object")
