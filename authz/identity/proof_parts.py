"""The parts of a proof, each read by one function: credential, signed headers, dates, signature, payload hash.

The `Authorization` header and a presigned query hold the same parts under other names (`proof.py` finds them
there), so each is read here for both, as strictly as S3 does or more: what is misspelt, unsorted or beyond a
bound raises `UnauthenticatedError` with the code S3 gives it for that kind of proof.

What clients repeat from request to request is remembered by its text; none of it says whether a proof is true.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference; error codes from its
"Error Responses".
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple

from authz.errors import UnauthenticatedError, quote
from authz.identity.http import HttpRequest

TERMINATOR: Final = "aws4_request"
HEADER: Final = "REST-HEADER"
PRESIGNED: Final = "REST-QUERY-STRING"

EMPTY_SHA256: Final = sha256(b"").hexdigest()
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
STREAMING_SIGNED: Final = frozenset(
    {
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    }
)
PAYLOAD_MARKERS: Final = STREAMING_SIGNED | {UNSIGNED_PAYLOAD, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}

_COMMON_PAYLOADS: Final = PAYLOAD_MARKERS | {EMPTY_SHA256}

# Methods whose requests have no body unless their head announces one (RFC 9110, 9.3).
_BODILESS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS"})

LONGEST_PRESIGNED: Final = 7 * 24 * 3600
"""Longest life of a presigned URL in seconds (S3); the shortest is 1."""
CREDENTIAL_LIMIT: Final = 256
"""Longest credential (access key id and scope) in characters; access key ids have up to 128 (IAM)."""
HEADER_COUNT_LIMIT: Final = 128
"""Most headers in a request; Envoy takes 100."""

UNSIGNED_HEADERS_ALLOWED: Final = frozenset({"x-amz-cf-id", "x-amz-user-agent"})
"""`x-amz-*` headers that need no signature: CloudFront adds the one, browsers' SDKs the other; neither means
anything to a decision. (`x-amzn-trace-id`, added by load balancers, does not begin with `x-amz-`.)"""

_HEX64: Final = re.compile(r"[0-9a-f]{64}")
_TIMESTAMP: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})([0-9]{2})Z")
_HTTP_DATE: Final = re.compile(
    r"[A-Z][a-z]{2}, (?P<day>[0-9]{2}) (?P<month>[A-Z][a-z]{2}) (?P<year>[0-9]{4})"
    r" ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|UTC|[+-]0000)"
)
_SIGNED_HEADERS: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+(?:;[!#$%&'*+.^_`|~0-9a-z-]+)*")
_MONTHS: Final = {
    "JanFebMarAprMayJunJulAugSepOctNovDec"[at : at + 3]: at // 3 + 1 for at in range(0, 36, 3)
}
_CODES: Final = {
    HEADER: "AuthorizationHeaderMalformed",
    PRESIGNED: "AuthorizationQueryParametersError",
}
_DATE_CODES: Final = _CODES | {HEADER: "AccessDenied"}


class Credential(NamedTuple):
    """An access key id and the scope its signing key is derived for."""

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str


@lru_cache(maxsize=4096)
def parse_credential(text: str, kind: str) -> Credential:
    """Split `KEY/DATE/REGION/SERVICE/aws4_request`, from the right: MinIO's access key ids may hold a slash."""
    if len(text) > CREDENTIAL_LIMIT or not text.isascii() or not text.isprintable():
        raise malformed(kind, "the credential is too long or not printable ascii")
    parts = text.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise malformed(kind, "the credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
    access_key_id, date, region, service, terminator = parts
    if terminator != TERMINATOR or len(date) != 8 or not date.isdigit() or not service:
        raise malformed(kind, "the credential must be KEY/YYYYMMDD/REGION/SERVICE/aws4_request")
    return Credential(
        access_key_id, date, region, service, f"{date}/{region}/{service}/{TERMINATOR}"
    )


@lru_cache(maxsize=1024)
def parse_signed_headers(text: str, kind: str) -> tuple[str, ...]:
    """Split `host;x-amz-date;…`: lower-case names, sorted, each once, `host` among them."""
    names = tuple(text.split(";"))
    if _SIGNED_HEADERS.fullmatch(text) is None or len(names) > HEADER_COUNT_LIMIT:
        raise malformed(kind, "the signed headers must be lower-case names with `;` between them")
    if any(left >= right for left, right in pairwise(names)):
        raise malformed(kind, "the signed headers must be sorted, each once")
    if "host" not in names:
        raise malformed(kind, "the `host` header must be signed")
    return names


@lru_cache(maxsize=1024)
def check_all_signed(names: tuple[str, ...], signed: tuple[str, ...]) -> None:
    """Refuse a request with an `x-amz-*` header (or MinIO's `x-minio-*`) that a stranger could have added."""
    for name in names:
        if (
            name.startswith(("x-amz-", "x-minio-"))
            and name not in signed
            and name not in UNSIGNED_HEADERS_ALLOWED
        ):
            raise UnauthenticatedError(
                "AccessDenied",
                f"there were headers present in the request which were not signed: {quote(name)}",
            )


def parse_signature(text: str, kind: str) -> str:
    """Return the signature; that its characters are right is for the comparison to find out."""
    if len(text) != 64 or not text.isascii():
        raise malformed(kind, "the signature must be 64 lower-case hexadecimal digits")
    return text


def payload_hash(request: HttpRequest, service: str, stated: str | None, kind: str) -> str:
    """Return what stands for the body in the canonical request.

    S3 wants it stated (and takes `UNSIGNED-PAYLOAD` for presigned URLs that do not). Other services hash the
    body they receive, so it must be here, or the request must be one without: an unseen one is not empty.
    """
    if stated is not None:
        if stated in _COMMON_PAYLOADS or _HEX64.fullmatch(stated) is not None:
            if service != "s3":
                _check_stated(request, stated)
            return stated
        raise UnauthenticatedError(
            "InvalidArgument", "`x-amz-content-sha256` is neither a hash nor a known marker"
        )
    if service != "s3":
        return _hash_of_body(request)
    if kind == PRESIGNED:
        return UNSIGNED_PAYLOAD
    raise UnauthenticatedError("InvalidRequest", "the header `x-amz-content-sha256` is missing")


def _check_stated(request: HttpRequest, stated: str) -> None:
    """Refuse a stated hash that the body at hand does not have, or that is none's where one is announced."""
    if stated in PAYLOAD_MARKERS:
        return
    if request.body is None and (stated != EMPTY_SHA256 or _announces_no_body(request)):
        return
    if request.body is None or sha256(request.body).hexdigest() != stated:
        raise UnauthenticatedError(
            "XAmzContentSHA256Mismatch", "the body is not the one whose hash is stated"
        )


def _hash_of_body(request: HttpRequest) -> str:
    if request.body is not None:
        return sha256(request.body).hexdigest()
    may_be_without = request.method in _BODILESS or "content-length" in request.headers
    if not (may_be_without and _announces_no_body(request)):
        raise UnauthenticatedError(
            "InvalidRequest",
            "the body is not at hand: sign `x-amz-content-sha256`, or let the proxy send the body along",
        )
    return EMPTY_SHA256


def _announces_no_body(request: HttpRequest) -> bool:
    headers = request.headers
    return headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers


@lru_cache(maxsize=1024)
def parse_timestamp(timestamp: str, kind: str) -> int:
    """Read `YYYYMMDDTHHMMSSZ` as seconds since the epoch."""
    problem = UnauthenticatedError(
        _DATE_CODES[kind], "the date of the request must be YYYYMMDDTHHMMSSZ"
    )
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        raise problem
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        raise problem from None


def timestamp_of_date(date: str | None, signed: tuple[str, ...]) -> str:
    """Return the `Date` header (RFC 9110, 5.6.7, IMF-fixdate, or already basic ISO 8601) as a timestamp."""
    if date is None or "date" not in signed:
        raise UnauthenticatedError(
            "AccessDenied", "a signed request needs an `x-amz-date` or a signed `date`"
        )
    match = _HTTP_DATE.fullmatch(date.strip())
    if match is None or match["month"] not in _MONTHS:
        return date.strip()
    return f"{match['year']}{_MONTHS[match['month']]:02d}{match['day']}T{''.join(match.group(4, 5, 6))}Z"


def parse_expires(text: str) -> int:
    """Read `X-Amz-Expires`, a presigned URL's life in seconds."""
    if text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LONGEST_PRESIGNED:
        return int(text)
    raise malformed(
        PRESIGNED, f"`X-Amz-Expires` must be a number of seconds from 1 to {LONGEST_PRESIGNED}"
    )


def malformed(kind: str, message: str) -> UnauthenticatedError:
    """Make the error for a proof of `kind` that is not well-formed."""
    return UnauthenticatedError(_CODES[kind], message)
