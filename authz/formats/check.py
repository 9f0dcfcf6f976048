"""What one HTTP request asks of the policies: a list of checks, all of which must be allowed.

Every HTTP mapping (`s3_http.py`, `http_routes.py`) ends in these, so that the surfaces need not know which kind
of service is behind the proxy. A check is a question without its principal; the access plane adds who asks.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from authz.errors import quote
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest
from authz.policy.request import NO_FACTS, Values

FACT_LIMIT: Final = 2_048
"""Longest text of a client's that becomes a condition value, in characters: what a comparison costs grows with
it, and each check of a request compares it anew. An S3 key has 1,024 bytes, an ARN 2,048 characters; a proxy
lets 32 KiB of headers through."""


class Check(NamedTuple):
    """May this `action` (`s3:PutObject`) be done to this `resource` (an ARN, or `*`)?

    `facts` are the request facts: condition keys, lower-cased up to the first `/`, with their values. With
    `is_prefix` the question is about every resource whose ARN begins with `resource`.
    """

    action: str
    resource: str
    facts: Mapping[str, Values] = NO_FACTS
    is_prefix: bool = False


def client_facts(request: HttpRequest) -> dict[str, Values]:
    """Return the facts that every HTTP request has: what its client calls itself, and where it came from."""
    facts: dict[str, Values] = {}
    headers = request.headers
    if "user-agent" in headers:
        facts["aws:useragent"] = (as_fact("user-agent", headers["user-agent"].strip()),)
    if "referer" in headers:
        facts["aws:referer"] = (as_fact("referer", headers["referer"].strip()),)
    return facts


def as_fact(name: str, text: str) -> str:
    """Return what the header or parameter `name` says, for use as a condition value.

    One longer than `FACT_LIMIT` is refused: cut off, it would be another value, which a deny may not match.
    """
    if len(text) > FACT_LIMIT:
        raise S3RequestError(
            "InvalidRequest", f"{quote(name)} has more than {FACT_LIMIT:,} characters"
        )
    return text
