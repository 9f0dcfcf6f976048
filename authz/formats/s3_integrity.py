"""Is the body of an S3 request the one its signer sent? For the bodies that this service acts on itself.

A signature covers the head. It covers the body by a hash in the head: `x-amz-content-sha256`, which everybody
signs, or, where that says `UNSIGNED-PAYLOAD` (presigned URLs, some SDKs over TLS), a signed `Content-MD5` or
`x-amz-checksum-…`. Without any, whoever sits between could put another body under the same signature.

Bodies in signed chunks are refused: their one reader here is small and whole. Source: Amazon S3 API reference,
"Authenticating Requests"; user guide, "Checking object integrity". Not here: the SHA-256 of the payload
(`identity/sigv4.py`, `check_body`).
"""

import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping
from typing import Final

from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest
from authz.identity.proof_parts import PAYLOAD_MARKERS, UNSIGNED_PAYLOAD
from authz.identity.sigv4 import Proof

Digest = Callable[[bytes], bytes]

CONTENT_MD5: Final = "content-md5"

_COVERING: Final[Mapping[str, Digest]] = {
    CONTENT_MD5: lambda body: hashlib.md5(body, usedforsecurity=False).digest(),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body, usedforsecurity=False).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
}
"""Headers whose value nobody can find another body for: collisions of MD5 and SHA-1 are made by who writes both
bodies, and the signer wrote this one."""

_VERIFIED: Final[Mapping[str, Digest]] = {
    **_COVERING,
    # Finds accidents; a body with the same value is four bytes' work.
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4),
}


def check_integrity(request: HttpRequest, proof: Proof) -> None:
    """Refuse a body that came in signed chunks, is not what its checksums say, or is covered by no signature.

    The body is at hand, and `proof` is verified, the payload's own hash included where it states one. Checksums
    of other kinds are not looked at, and cover nothing.
    """
    headers = request.headers
    if (
        proof.payload_hash in PAYLOAD_MARKERS - {UNSIGNED_PAYLOAD}
        or "aws-chunked" in headers.get("content-encoding", "").lower()
        or "x-amz-decoded-content-length" in headers
        or "x-amz-trailer" in headers
    ):
        raise S3RequestError("InvalidRequest", "a body in signed chunks is not taken here")
    body = request.body or b""
    for name, digest in _VERIFIED.items():
        if name in headers and digest(body) != _decoded(name, headers[name]):
            raise S3RequestError("BadDigest", f"the body is not the one whose `{name}` was sent")
    if proof.payload_hash == UNSIGNED_PAYLOAD and not any(
        name in headers and name in proof.signed_headers for name in _COVERING
    ):
        raise S3RequestError(
            "InvalidRequest",
            "the signature does not cover the body: sign its `x-amz-content-sha256` or `content-md5`",
        )


def _decoded(name: str, value: str) -> bytes:
    try:
        return binascii.a2b_base64(value.strip(), strict_mode=True)
    except ValueError:
        raise S3RequestError("InvalidDigest", f"`{name}` is not Base64") from None
