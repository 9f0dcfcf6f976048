"""What the handlers of the admin API share: the page a request asks for, and names as they are stored.

What exists must be spelt as it is stored. The store takes `alice` and `Alice` for one name while policies tell
their ARNs apart, and the gate has asked about the ARN with the caller's spelling: if another spelling did, a
deny on `user/alice` would be dodged by asking for `ALICE`. The same goes for the policy that a condition on
`iam:PolicyARN` or `iam:PermissionsBoundary` has looked at.
"""

from typing import Any, TypedDict

from authz.control.paging import PAGE_LIMIT
from authz.errors import InvalidError, quote


class PageArguments(TypedDict):
    """Which page, as the use cases take it."""

    page_size: int
    page_token: str


def parse_page(request: Any, limit: int = PAGE_LIMIT) -> PageArguments:
    """Return the page that a listing asks for; a wish for more is cut down, not refused (AIP-158)."""
    return {"page_size": min(request.page_size, limit), "page_token": request.page_token}


def demand_spelling(given: str, stored: str, field: str) -> None:
    """Refuse a name that is not spelt as it is stored; raises `InvalidError` that shows how it is, in full."""
    if given != stored:
        whole = "".join(c if c.isprintable() and c != "`" else "?" for c in stored)
        raise InvalidError(f"{quote(given)} is spelt `{whole}`", field=field)
