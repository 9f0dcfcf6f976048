"""AWS Signature Version 4: whether the one who says they signed a request did.

In the order the data plane asks: `find_proof` (in `proof.py`) reads the claim; `check_scope` and `check_time`
judge it; `verify` recomputes the signature over what came in on the wire. None of them knows secrets or clocks:
the signing key and `now` (epoch seconds) are handed in. `sign_headers` is the other side of the same rules, for
our own calls.

Whatever marks the body (`UNSIGNED-PAYLOAD`, any `STREAMING-…`), the request's own signature is always verified;
the signatures of single chunks are the store's affair.

Source: AWS, "Signature Version 4 signing process". Not here: the canonical text (`canonical.py`), session
tokens, looking up keys.
"""

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from authz.errors import UnauthenticatedError, quote
from authz.identity.canonical import canonical_request
from authz.identity.http import HttpRequest
from authz.identity.proof import ALGORITHM, HEADER, Proof, find_proof
from authz.identity.proof_parts import PAYLOAD_MARKERS, TERMINATOR, malformed

__all__ = [
    "CLOCK_SKEW",
    "DUMMY_SIGNING_KEY",
    "Proof",
    "check_body",
    "check_scope",
    "check_time",
    "derive_signing_key",
    "find_proof",
    "sign_headers",
    "verify",
]

CLOCK_SKEW: Final = 15 * 60
"""Seconds a client's clock may differ from ours, either way (S3)."""
DUMMY_SIGNING_KEY: Final = sha256(b"no such access key").digest()
"""Verify with this where the access key is unknown, so that it takes as long; it never verifies anything."""


_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def check_scope(proof: Proof, *, regions: frozenset[str], services: frozenset[str]) -> None:
    """Refuse a scope of another region or service. An empty region passes only where `regions` holds it."""
    if proof.region not in regions:
        raise malformed(proof.kind, f"the region {quote(proof.region)} is wrong")
    if proof.service not in services:
        raise malformed(proof.kind, f"the service {quote(proof.service)} is wrong")


def check_time(proof: Proof, now: float, *, skew: float = CLOCK_SKEW) -> None:
    """Refuse a proof that is too old, expired, or not valid yet at `now`; `skew` in seconds."""
    age = now - proof.signed_at
    if proof.expires is None:
        if not -skew <= age <= skew:
            raise UnauthenticatedError(
                "RequestTimeTooSkewed",
                "the time of the request and the time of the server differ too much",
            )
    elif age > proof.expires:
        raise UnauthenticatedError("AccessDenied", "the request has expired")
    elif age < -skew:
        raise UnauthenticatedError("AccessDenied", "the request is not valid yet")


def verify(request: HttpRequest, proof: Proof, signing_key: bytes) -> None:
    """Recompute the signature and compare; raises `SignatureDoesNotMatch` if it differs.

    When the body is at hand and its hash is signed, the hash is checked too (`XAmzContentSHA256Mismatch`).
    """
    expected = _sign(request, proof, signing_key)
    matches = hmac.compare_digest(expected, proof.signature)
    if not matches or signing_key == DUMMY_SIGNING_KEY:
        raise UnauthenticatedError(
            "SignatureDoesNotMatch", "the signature is not the one the access key makes"
        )
    if request.body is not None and proof.payload_hash not in PAYLOAD_MARKERS:
        check_body(request.body, proof.payload_hash)


def check_body(body: bytes, payload_hash: str) -> None:
    """Refuse a body whose SHA-256 is not `payload_hash` (hexadecimal)."""
    if sha256(body).hexdigest() != payload_hash:
        raise UnauthenticatedError(
            "XAmzContentSHA256Mismatch", "the body is not the one that was signed"
        )


def _sign(request: HttpRequest, proof: Proof, signing_key: bytes) -> str:
    text = canonical_request(
        request, proof.signed_headers, proof.payload_hash, is_s3=proof.service == "s3"
    )
    try:
        digest = sha256(text.encode("latin-1")).hexdigest()
    except UnicodeEncodeError:
        raise UnauthenticatedError(
            "SignatureDoesNotMatch", "a signed header holds characters that no wire carries"
        ) from None
    to_sign = f"{ALGORITHM}\n{proof.timestamp}\n{proof.scope}\n{digest}"
    return _hmac_sha256(signing_key, to_sign.encode("ascii")).hex()


def _hmac_sha256(key: bytes, message: bytes) -> bytes:
    """Return HMAC-SHA-256 as RFC 2104 defines it.

    By hand, because `hmac.digest` looks the algorithm up in OpenSSL each time, which costs more than the
    hashing.
    """
    block = (key if len(key) <= 64 else sha256(key).digest()).ljust(64, b"\0")
    inner = sha256(block.translate(_INNER) + message).digest()
    return sha256(block.translate(_OUTER) + inner).digest()


def derive_signing_key(secret: str | bytes, date: str, region: str, service: str) -> bytes:
    """Return the key that signs one day's requests to one service in one region; `date` is `YYYYMMDD`."""
    key = b"AWS4" + (secret.encode() if isinstance(secret, str) else secret)
    for part in (date, region, service, TERMINATOR):
        key = _hmac_sha256(key, part.encode())
    return key


def sign_headers(  # noqa: PLR0913 - a request's parts, then by keyword the credential's
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    payload_hash: str,
    *,
    access_key_id: str,
    secret: str | bytes,
    region: str,
    service: str,
    now: float,
) -> dict[str, str]:
    """Return the headers to add so that the request is signed: all of `headers` and the new ones.

    `path` and `query` are raw, as they will be sent; `headers` have lower-case names and hold `host`;
    `payload_hash` is the body's SHA-256 in hexadecimal or a marker. `now` is epoch seconds.
    """
    timestamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"x-amz-content-sha256": payload_hash, "x-amz-date": timestamp}
    everything = {**headers, **added}
    signed = tuple(sorted(everything))
    scope = f"{timestamp[:8]}/{region}/{service}/{TERMINATOR}"
    proof = Proof(
        access_key_id,
        timestamp[:8],
        region,
        service,
        scope,
        signed,
        "",
        HEADER,
        timestamp,
        int(now),
        0.0,
        None,
        payload_hash,
        "",
    )
    key = derive_signing_key(secret, proof.date, region, service)
    signature = _sign(HttpRequest(method, path, query, everything), proof, key)
    credential = f"Credential={access_key_id}/{scope}"
    added["authorization"] = (
        f"{ALGORITHM} {credential}, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return added
