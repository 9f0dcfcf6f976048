"""The query of an S3 request: which operation it asks for, and the parameters that matter to policies.

Unknown parameters are ignored as S3 ignores them, but they must be readable; known ones must be spelt exactly
and stand once, because stores differ in which of two they take.

Not here: the presigning parameters (`identity/proof.py`).
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from authz.errors import ParseError, quote
from authz.formats.s3_actions import PARAMETERS, SUBRESOURCES
from authz.formats.s3_facts import DECISIVE_HEADERS
from authz.formats.s3_xml import S3RequestError
from authz.identity.canonical import QUERY_LIMIT
from authz.identity.http import percent_decode, split_query

PARAMETER_LIMIT: Final = 100
"""Most parameters in a query; S3's operations have at most a dozen."""

_KEPT: Final = "kept"
_HOISTED: Final = "hoisted"
_IGNORED: Final = "ignored"
_KNOWN: Final = {name.lower(): name for name in SUBRESOURCES | PARAMETERS}


class S3Query(NamedTuple):
    """`subresource` chooses the operation (empty for none); `values` are the known parameters, decoded.

    `hoisted` are decisive headers that came as parameters, by lower-case name.
    """

    subresource: str
    values: Mapping[str, str]
    hoisted: Mapping[str, str]


NO_QUERY: Final = S3Query("", {}, {})


def parse_query(query: str) -> S3Query:
    """Read a raw query; raises `S3RequestError` where two readers could differ."""
    if not query:
        return NO_QUERY
    pairs = split_query(query)
    if len(query) > QUERY_LIMIT or len(pairs) > PARAMETER_LIMIT:
        raise S3RequestError("InvalidURI", "the query is too long")
    if not (query.isascii() and query.isprintable()):
        raise S3RequestError(
            "InvalidRequest", "the query holds characters that are not percent-encoded"
        )
    values: dict[str, str] = {}
    hoisted: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, place = _classify(raw_name)
        # A `;` once separated parameters too, and some parsers still think so; presigned URLs may hold it.
        if ";" in raw_value and name != "X-Amz-SignedHeaders":
            raise S3RequestError("InvalidRequest", "the query holds an unencoded semicolon")
        value = _decode(raw_value)
        if place is _IGNORED:
            continue
        found = values if place is _KEPT else hoisted
        if name in found:
            raise S3RequestError("InvalidRequest", f"the parameter `{name}` is repeated")
        found[name] = value
    return S3Query(_subresource(values), values, hoisted)


def names_parameter(query: str, names: frozenset[str]) -> bool:
    """Tell whether a raw query has a parameter of one of these names, as they are spelt."""
    return any(name in names for name, _ in split_query(query))


@lru_cache(maxsize=1024)
def _classify(raw_name: str) -> tuple[str, str]:
    """Return the decoded name, and what becomes of the parameter."""
    if ";" in raw_name:
        raise S3RequestError("InvalidRequest", "the query holds an unencoded semicolon")
    name = _decode(raw_name)
    folded = name.lower()
    known = _KNOWN.get(folded)
    if known is not None:
        # Encoded where it need not be, a proxy that looks for the plain name would not know it.
        if raw_name != known:
            raise S3RequestError(
                "InvalidRequest", f"{quote(raw_name)} is misspelt, it is `{known}`"
            )
        return name, _KEPT
    if folded in DECISIVE_HEADERS:
        return folded, _HOISTED
    if folded.startswith("rgwx-"):
        raise S3RequestError("AccessDenied", f"{quote(name)} is for a store's own traffic")
    return name, _IGNORED


def _subresource(values: Mapping[str, str]) -> str:
    found = [name for name in values if name in SUBRESOURCES]
    if len(found) > 1:
        raise S3RequestError("InvalidRequest", f"`{found[0]}` and `{found[1]}` are two operations")
    return found[0] if found else ""


def _decode(text: str) -> str:
    if "+" in text:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    try:
        text = percent_decode(text)
    except ParseError as error:
        raise S3RequestError("InvalidRequest", f"the query has {error.message}") from None
    if "\0" in text:
        raise S3RequestError("InvalidRequest", "the query holds a NUL")
    return text
