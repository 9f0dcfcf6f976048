"""The query of an S3 request: which operation it asks for, and the parameters that matter to policies.

Unknown parameters are ignored as S3 ignores them, but they must be readable; known ones must be spelt exactly
and stand once, because stores differ in which of two they take.

Not here: the presigning parameters (`identity/proof.py`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from authz.errors import ParseError, quote
from authz.formats.s3_actions import PARAMETERS, SUBRESOURCES
from authz.formats.s3_facts import DECISIVE_HEADERS
from authz.formats.s3_xml import S3RequestError
from authz.identity.canonical import QUERY_LIMIT
from authz.identity.http import percent_decode, split_query

PARAMETER_LIMIT: Final = 100
"""Most parameters in a query; S3's operations have at most a dozen."""

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
    subresource = ""
    values: dict[str, str] = {}
    hoisted: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = _decode(raw_name, raw_value)
        folded = name.lower()
        known = _KNOWN.get(folded)
        if known is None:
            if folded in DECISIVE_HEADERS:
                _put_once(hoisted, folded, value)
            elif folded.startswith("rgwx-"):
                raise S3RequestError("AccessDenied", f"{quote(name)} is for a store's own traffic")
            continue
        if name != known:
            raise S3RequestError("InvalidRequest", f"{quote(name)} is misspelt, it is `{known}`")
        _put_once(values, name, value)
        if name in SUBRESOURCES:
            if subresource:
                raise S3RequestError(
                    "InvalidRequest", f"`{subresource}` and `{name}` are two operations"
                )
            subresource = name
    return S3Query(subresource, values, hoisted)


def _put_once(values: dict[str, str], name: str, value: str) -> None:
    if name in values:
        raise S3RequestError("InvalidRequest", f"the parameter `{name}` is repeated")
    values[name] = value


def _decode(raw_name: str, raw_value: str) -> tuple[str, str]:
    # A `;` once separated parameters too, and some parsers still think so; presigned URLs may hold it in one.
    if ";" in raw_name or (";" in raw_value and raw_name != "X-Amz-SignedHeaders"):
        raise S3RequestError("InvalidRequest", "the query holds an unencoded semicolon")
    try:
        name = percent_decode(raw_name.replace("+", " "))
        value = percent_decode(raw_value.replace("+", " "))
    except ParseError as error:
        raise S3RequestError("InvalidRequest", f"the query has {error.message}") from None
    if "\0" in name or "\0" in value:
        raise S3RequestError("InvalidRequest", "the query holds a NUL")
    return name, value
