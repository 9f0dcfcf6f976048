"""What one HTTP request asks of the policies: a list of checks, all of which must be allowed.

Every HTTP mapping (`s3_http.py`, `http_routes.py`) ends in these, so that the surfaces need not know which kind
of service is behind the proxy. A check is a question without its principal; the access plane adds who asks.
"""

from collections.abc import Mapping
from typing import NamedTuple

from authz.identity.http import HttpRequest
from authz.policy.request import NO_FACTS, Values


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
        facts["aws:useragent"] = (headers["user-agent"].strip(),)
    if "referer" in headers:
        facts["aws:referer"] = (headers["referer"].strip(),)
    return facts
