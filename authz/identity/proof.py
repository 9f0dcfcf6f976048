"""What a signed request claims: the proof, read from its `Authorization` header or its presigned query.

Everything here is text that a stranger wrote. It is read strictly: what is missing, doubled, misspelt, unsorted
or beyond a bound is refused with the code S3 gives the case, and nothing that looks like a proof is ever taken
for an anonymous request. A `Proof` is therefore well-formed, and nothing more: whether it is true is for
`sigv4.py` to say.

Here is where a proof may stand and that it is whole; what is inside its parts is read by `proof_parts.py`.

Source: AWS, "Authenticating Requests (AWS Signature Version 4)" of the S3 API reference; error codes from its
"Error Responses".
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

from authz.errors import ParseError, UnauthenticatedError, quote
from authz.identity.canonical import QUERY_LIMIT
from authz.identity.http import HttpRequest, percent_decode, split_query
from authz.identity.proof_parts import (
    HEADER,
    HEADER_COUNT_LIMIT,
    PRESIGNED,
    STREAMING_SIGNED,
    Credential,
    check_all_signed,
    malformed,
    parse_credential,
    parse_expires,
    parse_signature,
    parse_signed_headers,
    parse_timestamp,
    payload_hash,
    timestamp_of_date,
)

__all__ = ["ALGORITHM", "HEADER", "PRESIGNED", "Proof", "find_proof"]

ALGORITHM: Final = "AWS4-HMAC-SHA256"
AUTHORIZATION_LIMIT: Final = 4_096
"""Longest `Authorization` header in characters; SDKs send about 300."""

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
        head = parse_credential(credential_text, HEADER), parse_signed_headers(signed_text, HEADER)
    credential, signed = head
    headers = request.headers
    check_all_signed(tuple(headers), signed)
    timestamp = headers.get("x-amz-date")
    if timestamp is None:
        timestamp = timestamp_of_date(headers.get("date"), signed)
    signed_at = parse_timestamp(timestamp, HEADER)
    if credential.date != timestamp[:8]:
        raise malformed(HEADER, "the date of the credential is not the date of the request")
    return Proof(
        *credential,
        signed,
        parse_signature(signature, HEADER),
        HEADER,
        timestamp,
        signed_at,
        now - signed_at,
        None,
        payload_hash(request, credential.service, headers.get("x-amz-content-sha256"), HEADER),
        headers.get("x-amz-security-token", ""),
    )


@lru_cache(maxsize=1024)
def _authorization_head(text: str) -> tuple[Credential, tuple[str, ...]] | None:
    """Read all of an `Authorization` header but a signature at its end; `None` if it stands elsewhere."""
    if not text.endswith("Signature="):
        return None
    credential, signed, _ = _authorization_parts(text)
    return parse_credential(credential, HEADER), parse_signed_headers(signed, HEADER)


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
    credential = parse_credential(parameters["X-Amz-Credential"], PRESIGNED)
    signed = parse_signed_headers(parameters["X-Amz-SignedHeaders"], PRESIGNED)
    headers = request.headers
    check_all_signed(tuple(headers), signed)
    timestamp = parameters["X-Amz-Date"]
    signed_at = parse_timestamp(timestamp, PRESIGNED)
    if credential.date != timestamp[:8]:
        raise malformed(PRESIGNED, "the date of the credential is not the date of the request")
    return Proof(
        *credential,
        signed,
        parse_signature(parameters["X-Amz-Signature"], PRESIGNED),
        PRESIGNED,
        timestamp,
        signed_at,
        now - signed_at,
        parse_expires(parameters["X-Amz-Expires"]),
        payload_hash(
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
