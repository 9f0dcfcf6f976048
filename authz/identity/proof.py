"""What a signed request claims: the proof, read from its `Authorization` header or its presigned query.

Everything here is text that a stranger wrote. It is read strictly: what is missing, doubled, misspelt, unsorted
or beyond a bound is refused with the code S3 gives the case, and nothing that looks like a proof is ever taken
for an anonymous request. A `Proof` is therefore well-formed, and nothing more: whether it is true is for
`sigv4.py` to say.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference; error codes from its
"Error Responses".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from itertools import pairwise
from typing import Final, NamedTuple, NoReturn

from authz.errors import ParseError, UnauthenticatedError, quote
from authz.identity.canonical import QUERY_LIMIT
from authz.identity.http import HttpRequest, percent_decode, split_query

ALGORITHM: Final = "AWS4-HMAC-SHA256"
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

LONGEST_PRESIGNED: Final = 7 * 24 * 3600
"""Longest life of a presigned URL in seconds (S3); the shortest is 1."""
AUTHORIZATION_LIMIT: Final = 4_096
"""Longest `Authorization` header in characters; SDKs send about 300."""
CREDENTIAL_LIMIT: Final = 256
"""Longest credential (access key id and scope) in characters; access key ids have up to 128 (IAM)."""
HEADER_COUNT_LIMIT: Final = 128
"""Most headers in a request; Envoy takes 100."""

UNSIGNED_HEADERS_ALLOWED: Final = frozenset({"x-amz-cf-id", "x-amz-user-agent"})
"""`x-amz-*` headers that need no signature: CloudFront adds the one, browsers' SDKs the other; neither means
anything to a decision. (`x-amzn-trace-id`, added by load balancers, does not begin with `x-amz-`.)"""

_PROOF_HEADERS: Final = frozenset(
    {
        "authorization",
        "date",
        "host",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-amz-security-token",
    }
)
_PROOF_PARAMETERS: Final = {
    name.lower(): name
    for name in (
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
    )
}
_QUERY_EXTRAS: Final = {
    name.lower(): name for name in ("X-Amz-Content-Sha256", "X-Amz-Security-Token")
}
_V2_PARAMETERS: Final = frozenset({"awsaccesskeyid", "signature"})
# Looked for in `&` + query; a name with an escape in it is decoded before it is judged.
_MAY_HOLD_PROOF: Final = re.compile(
    r"&(?:x-amz-|signature|awsaccesskeyid|[^=&%]*+%)", re.IGNORECASE
)
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


class Credential(NamedTuple):
    """An access key id and the scope its signing key is derived for."""

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str


class Proof(NamedTuple):
    """What a request says about who signed it; nothing in it is verified yet.

    `date` is the scope's `YYYYMMDD`, `timestamp` the signed `YYYYMMDDTHHMMSSZ`, `signed_at` the same in
    epoch seconds, `age` the seconds since then (negative when it lies ahead). `expires` is a presigned URL's
    life in seconds, `None` for signed headers. `kind` is the value of `s3:authType`. `session_token` is empty
    without one.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    scope: str
    signed_headers: tuple[str, ...]
    signature: str
    kind: str
    timestamp: str
    signed_at: int
    age: float
    expires: int | None
    payload_hash: str
    session_token: str

    def __repr__(self) -> str:
        return (
            f"Proof(access_key_id={self.access_key_id!r}, scope={self.scope!r}, kind={self.kind!r})"
        )


def find_proof(request: HttpRequest, now: float) -> Proof | None:
    """Read who the request says signed it; `None` when it says nothing at all (an anonymous request).

    Raises `UnauthenticatedError` with S3's code for anything that looks like a proof and is not a whole,
    unambiguous one: such a request is never taken for anonymous.
    """
    headers = request.headers
    if len(headers) > HEADER_COUNT_LIMIT:
        raise UnauthenticatedError("RequestHeaderSectionTooLarge", "too many headers")
    if request.repeated and not request.repeated.isdisjoint(_PROOF_HEADERS):
        raise UnauthenticatedError(
            "InvalidRequest", "a header of the signature is sent more than once"
        )
    parameters = _proof_parameters(request.query) if request.query else None
    authorization = headers.get("authorization")
    if authorization is None:
        if parameters is not None:
            return _presigned_proof(request, parameters, now)
        if (
            "x-amz-security-token" in headers
            or headers.get("x-amz-content-sha256") in STREAMING_SIGNED
        ):
            raise UnauthenticatedError("AccessDenied", "the request needs a signature and has none")
        return None
    if parameters is not None:
        raise UnauthenticatedError(
            "InvalidArgument", "only one kind of signature may be sent, header or query"
        )
    return _header_proof(request, authorization, now)


def _header_proof(request: HttpRequest, authorization: str, now: float) -> Proof:
    if len(authorization) > AUTHORIZATION_LIMIT or not authorization.isascii():
        raise malformed(HEADER, "the header is too long or not ascii")
    # A client's header differs from its last one in the signature alone, which all SDKs put last.
    head = _authorization_head(authorization[:-64])
    signature = authorization[-64:]
    if head is None:
        credential_text, signed_text, signature = _authorization_parts(authorization)
        head = _credential(credential_text, HEADER), _signed_headers(signed_text, HEADER)
    credential, signed = head
    headers = request.headers
    _check_all_signed(tuple(headers), signed)
    timestamp = headers.get("x-amz-date")
    if timestamp is None:
        timestamp = _timestamp_of_date(headers.get("date"), signed)
    signed_at = _epoch(timestamp, "AccessDenied")
    if credential.date != timestamp[:8]:
        raise malformed(HEADER, "the date of the credential is not the date of the request")
    return Proof(
        *credential,
        signed,
        _signature(signature, HEADER),
        HEADER,
        timestamp,
        signed_at,
        now - signed_at,
        None,
        _payload_hash(request, credential.service, headers.get("x-amz-content-sha256"), HEADER),
        headers.get("x-amz-security-token", ""),
    )


@lru_cache(maxsize=1024)
def _authorization_head(text: str) -> tuple[Credential, tuple[str, ...]] | None:
    """Read all of an `Authorization` header but a signature at its end; `None` if it stands elsewhere."""
    if not text.endswith("Signature="):
        return None
    credential, signed, _ = _authorization_parts(text)
    return _credential(credential, HEADER), _signed_headers(signed, HEADER)


def _authorization_parts(text: str) -> tuple[str, str, str]:
    """Return credential, signed headers and signature of an `Authorization` header, each given exactly once."""
    scheme, _, rest = text.partition(" ")
    if scheme != ALGORITHM:
        _refuse_scheme(scheme)
    parts = {}
    pieces = rest.split(",")
    for piece in pieces:
        name, _, value = piece.strip(" ").partition("=")
        parts[name] = value
    if len(pieces) != 3 or len(parts) != 3:
        raise malformed(HEADER, "it needs exactly a credential, signed headers and a signature")
    try:
        return parts["Credential"], parts["SignedHeaders"], parts["Signature"]
    except KeyError:
        raise malformed(
            HEADER, "it needs exactly a credential, signed headers and a signature"
        ) from None


def _refuse_scheme(scheme: str) -> NoReturn:
    if scheme.upper().startswith("AWS"):
        raise _old_signature()
    raise UnauthenticatedError(
        "InvalidArgument", f"authorization type {quote(scheme)} is not supported"
    )


def _old_signature() -> UnauthenticatedError:
    return UnauthenticatedError(
        "InvalidRequest", f"this signature version is not supported, sign with {ALGORITHM}"
    )


def _proof_parameters(query: str) -> dict[str, str] | None:
    """Return the query's decoded signature parameters by their proper names, or `None` without any.

    Names are recognised however they are encoded and in any case, because some store might; only the proper
    spelling, once, is accepted.
    """
    if _MAY_HOLD_PROOF.search(f"&{query}") is None:
        return None
    if len(query) > QUERY_LIMIT:
        raise UnauthenticatedError("InvalidURI", "the query is too long")
    found: dict[str, str] = {}
    for raw_name, raw_value in split_query(query):
        name = _decoded(raw_name) if "%" in raw_name else raw_name
        folded = name.lower()
        proper = _PROOF_PARAMETERS.get(folded) or _QUERY_EXTRAS.get(folded)
        if proper is None:
            if folded in _V2_PARAMETERS:
                raise _old_signature()
            continue
        if name != proper or name in found:
            raise malformed(PRESIGNED, f"the parameter {quote(name)} is repeated or misspelt")
        found[proper] = _decoded(raw_value)
    return found or None


def _decoded(text: str) -> str:
    try:
        return percent_decode(text)
    except ParseError as error:
        raise UnauthenticatedError("InvalidURI", f"the query has {error.message}") from None


def _presigned_proof(request: HttpRequest, parameters: dict[str, str], now: float) -> Proof:
    for name in _PROOF_PARAMETERS.values():
        if not parameters.get(name):
            raise malformed(PRESIGNED, f"a presigned request needs the parameter `{name}`")
    if parameters["X-Amz-Algorithm"] != ALGORITHM:
        raise malformed(PRESIGNED, f"the algorithm must be {ALGORITHM}")
    credential = _credential(parameters["X-Amz-Credential"], PRESIGNED)
    signed = _signed_headers(parameters["X-Amz-SignedHeaders"], PRESIGNED)
    headers = request.headers
    _check_all_signed(tuple(headers), signed)
    timestamp = parameters["X-Amz-Date"]
    signed_at = _epoch(timestamp, _CODES[PRESIGNED])
    if credential.date != timestamp[:8]:
        raise malformed(PRESIGNED, "the date of the credential is not the date of the request")
    return Proof(
        *credential,
        signed,
        _signature(parameters["X-Amz-Signature"], PRESIGNED),
        PRESIGNED,
        timestamp,
        signed_at,
        now - signed_at,
        _expires(parameters["X-Amz-Expires"]),
        _payload_hash(
            request,
            credential.service,
            _only("X-Amz-Content-Sha256", parameters, headers),
            PRESIGNED,
        ),
        _only("X-Amz-Security-Token", parameters, headers) or "",
    )


def _only(name: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> str | None:
    """Return what the query or the header of this name says; both is one too many."""
    value = parameters.get(name)
    other = headers.get(name.lower())
    if value is not None and other is not None and value != other:
        raise UnauthenticatedError("InvalidArgument", f"`{name}` is both in the query and a header")
    return other if value is None else value


def _expires(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 6 and 1 <= int(text) <= LONGEST_PRESIGNED:
        return int(text)
    raise malformed(
        PRESIGNED, f"`X-Amz-Expires` must be a number of seconds from 1 to {LONGEST_PRESIGNED}"
    )


@lru_cache(maxsize=4096)
def _credential(text: str, kind: str) -> Credential:
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
def _signed_headers(text: str, kind: str) -> tuple[str, ...]:
    names = tuple(text.split(";"))
    if _SIGNED_HEADERS.fullmatch(text) is None or len(names) > HEADER_COUNT_LIMIT:
        raise malformed(kind, "the signed headers must be lower-case names with `;` between them")
    if any(left >= right for left, right in pairwise(names)):
        raise malformed(kind, "the signed headers must be sorted, each once")
    if "host" not in names:
        raise malformed(kind, "the `host` header must be signed")
    return names


@lru_cache(maxsize=1024)
def _check_all_signed(names: tuple[str, ...], signed: tuple[str, ...]) -> None:
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


def _signature(text: str, kind: str) -> str:
    if len(text) != 64 or not text.isascii():
        raise malformed(kind, "the signature must be 64 lower-case hexadecimal digits")
    return text


def _payload_hash(request: HttpRequest, service: str, stated: str | None, kind: str) -> str:
    """Return what stands for the body in the canonical request.

    S3 wants it stated (and takes `UNSIGNED-PAYLOAD` for presigned URLs that do not); other services hash the
    body they receive, so it must be here unless it is empty.
    """
    if stated is not None:
        if stated in _COMMON_PAYLOADS or _HEX64.fullmatch(stated) is not None:
            return stated
        raise UnauthenticatedError(
            "InvalidArgument", "`x-amz-content-sha256` is neither a hash nor a known marker"
        )
    if service != "s3":
        return sha256(request.body).hexdigest() if request.body else EMPTY_SHA256
    if kind == PRESIGNED:
        return UNSIGNED_PAYLOAD
    raise UnauthenticatedError("InvalidRequest", "the header `x-amz-content-sha256` is missing")


@lru_cache(maxsize=1024)
def _epoch(timestamp: str, code: str) -> int:
    problem = UnauthenticatedError(code, "the date of the request must be YYYYMMDDTHHMMSSZ")
    match = _TIMESTAMP.fullmatch(timestamp)
    if match is None:
        raise problem
    year, month, day, hour, minute, second = map(int, match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        raise problem from None


def _timestamp_of_date(date: str | None, signed: tuple[str, ...]) -> str:
    """Return the `Date` header (RFC 9110, 5.6.7, IMF-fixdate, or already basic ISO 8601) as a timestamp."""
    if date is None or "date" not in signed:
        raise UnauthenticatedError(
            "AccessDenied", "a signed request needs an `x-amz-date` or a signed `date`"
        )
    match = _HTTP_DATE.fullmatch(date.strip())
    if match is None or match["month"] not in _MONTHS:
        return date.strip()
    return f"{match['year']}{_MONTHS[match['month']]:02d}{match['day']}T{''.join(match.group(4, 5, 6))}Z"


def malformed(kind: str, message: str) -> UnauthenticatedError:
    """Make the error for a proof of `kind` that is not well-formed."""
    return UnauthenticatedError(_CODES[kind], message)
