"""The canonical request of Signature Version 4: one text for all the ways to write a request.

A client signs its own spelling of path, query and headers; proxies and libraries then change letters of
escapes, the order of parameters, spaces in headers. Both sides therefore sign this form. Requests that are
spelled canonically already, nearly all, are recognised by one pass of a pattern and used as they are.

Source: AWS, "Signature Version 4 signing process" and, for S3, "Authenticating Requests: Using the
Authorization Header" (no path normalisation, URI-encoding once). Not here: keys, dates, scopes (`sigv4.py`).
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from authz.errors import UnauthenticatedError, quote
from authz.identity.http import HttpRequest, split_query

PATH_LIMIT: Final = 8_192
"""Longest raw path in characters: more than twice a key of 1,024 bytes (S3), all percent-encoded."""
QUERY_LIMIT: Final = 16_384
"""Longest raw query in characters: a presigned URL with a session token of 6 KiB, percent-encoded."""
SIGNED_HEADERS_LIMIT: Final = 16_384
"""Longest block of signed headers in characters (S3 takes 8 KB of headers in all)."""

SIGNATURE_PARAMETER: Final = "X-Amz-Signature"

# An escape is canonical when its letters are upper-case and its character is not an unreserved one
# (RFC 3986, 2.3: letters, digits, `-._~`); `%2F` is canonical in a query, where `/` is encoded.
_ESCAPE: Final = r"%(?:[01][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[B-DF]|[89A-F][0-9A-F])"
_TEXT: Final = rf"(?:[A-Za-z0-9\-._~]++|%2F|{_ESCAPE})*+"
_CANONICAL_PATH: Final = re.compile(rf"(?:[A-Za-z0-9\-._~/]++|{_ESCAPE})*+")
_CANONICAL_QUERY: Final = re.compile(rf"{_TEXT}(?:={_TEXT})?+(?:&{_TEXT}(?:={_TEXT})?+)*+")
_SPACES: Final = re.compile(r"[ \t]+")

# Proxies answer `Expect` themselves and take it out; its only value is known (RFC 9110, 10.1.1).
_RESTORED: Final = {"expect": "100-continue"}


def canonical_request(
    request: HttpRequest, signed: tuple[str, ...], payload: str, *, is_s3: bool
) -> str:
    """Return the text that is hashed and signed.

    `signed` are the names of the signed headers, lower-case and sorted; `payload` is the payload hash or the
    marker that stands for it. `is_s3` chooses S3's path rules. Raises `UnauthenticatedError` for what cannot
    be signed: a signed header that is not there, text beyond the limits or outside the wire's alphabet.
    """
    method = request.method
    if not (method.isascii() and method.isalpha()):
        raise _mismatch("the method is not one that can be signed")
    return "\n".join(
        (
            method,
            canonical_path(request.path, is_s3=is_s3),
            canonical_query(request.query),
            canonical_headers(request.headers, signed),
            "",
            ";".join(signed),
            payload,
        )
    )


def canonical_path(path: str, *, is_s3: bool) -> str:
    """Return the canonical form of a raw path.

    For S3 the path is decoded and encoded once, and its segments are left alone. Other services sign the wire's
    path encoded once more, after removing dot segments and doubled slashes.
    """
    if len(path) > PATH_LIMIT or not path.isascii():
        raise UnauthenticatedError("InvalidURI", "the path is too long or not percent-encoded")
    if not is_s3:
        return quote_from_bytes(_without_dot_segments(path).encode(), safe="/~") or "/"
    if _CANONICAL_PATH.fullmatch(path) is not None:
        return path or "/"
    return quote_from_bytes(unquote_to_bytes(path), safe="/~")


def _without_dot_segments(path: str) -> str:
    """Remove `.` and `..` and doubled slashes (RFC 3986, 5.2.4, as AWS's test suite reads it)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in {"", "."}:
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return "/" + "/".join(kept) + end


def canonical_query(query: str) -> str:
    """Return the canonical form of a raw query, without the presigned signature.

    Names and values are encoded once (a `+` on the wire is a space), sorted by name and then by value; a
    parameter without `=` gets one.
    """
    if not query:
        return ""
    if len(query) > QUERY_LIMIT or not query.isascii():
        raise UnauthenticatedError("InvalidURI", "the query is too long or not percent-encoded")
    pairs = split_query(query)
    if _CANONICAL_QUERY.fullmatch(query) is None:
        pairs = [(_encode(name), _encode(value)) for name, value in pairs]
    if len(pairs) > 1:
        pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs if name != SIGNATURE_PARAMETER])


def _encode(text: str) -> str:
    return quote_from_bytes(unquote_to_bytes(text.replace("+", " ")), safe="~")


def canonical_headers(headers: Mapping[str, str], signed: tuple[str, ...]) -> str:
    """Return the signed headers, one a line, values trimmed and runs of spaces collapsed."""
    try:
        block = "\n".join([f"{name}:{headers[name]}" for name in signed])
    except KeyError:
        headers = _restored(headers, signed)
        block = "\n".join([f"{name}:{headers[name]}" for name in signed])
    if " " in block or "\t" in block:
        block = "\n".join(
            [f"{name}:{_SPACES.sub(' ', headers[name]).strip(' ')}" for name in signed]
        )
    # INVARIANT: one line a header; a line break in a value would let two headers pass as one.
    if len(block) > SIGNED_HEADERS_LIMIT or block.count("\n") >= len(signed):
        raise _mismatch("the signed headers are too long or hold a line break")
    return block


def _restored(headers: Mapping[str, str], signed: tuple[str, ...]) -> Mapping[str, str]:
    for name in signed:
        if name not in headers and name not in _RESTORED:
            raise _mismatch(f"the signed header {quote(name)} is not in the request")
    return {**_RESTORED, **headers}


def _mismatch(message: str) -> UnauthenticatedError:
    return UnauthenticatedError("SignatureDoesNotMatch", message)
