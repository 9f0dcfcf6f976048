"""Checks of the document as a whole: version, size, names of statements.

What makes a document unreadable is not here: whoever parses refuses it.
"""

import re
from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.view import PolicyView

SIZE_SHARE: Final = 0.8
"""From what share of the limit on a document is close to it."""

_SID: Final = re.compile(r"[A-Za-z0-9]*")

OLD_VERSION: Final = Check("AZ002", Severity.WARNING, "`Version` is missing or `2008-10-17`")
DEAD_VARIABLES: Final = Check(
    "AZ003", Severity.ERROR, "`${…}` in a document whose version does not know variables"
)
NEAR_LIMIT: Final = Check(
    "AZ004", Severity.SUGGESTION, "the document is close to its limit in bytes"
)
NO_SID: Final = Check(
    "AZ005", Severity.SUGGESTION, "some statements have a `Sid` and this one has none"
)
ODD_SID: Final = Check("AZ006", Severity.SUGGESTION, "a `Sid` with characters that AWS refuses")
NO_ALLOW: Final = Check(
    "AZ007", Severity.WARNING, "a session's or service account's policy allows nothing"
)

CHECKS: Final = (OLD_VERSION, DEAD_VARIABLES, NEAR_LIMIT, NO_SID, ODD_SID, NO_ALLOW)


def check_document(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the document."""
    if not view.has_variables:
        yield OLD_VERSION.at(
            "Version", "the version is missing or `2008-10-17`", "write `2012-10-17`"
        )
        yield from _dead_variables(view)
    if view.size_limit and view.size > view.size_limit * SIZE_SHARE:
        message = f"the document has {view.size:,} of at most {view.size_limit:,} bytes"
        yield NEAR_LIMIT.at(
            "", message, "split it in two, or use wildcards where names have a common part"
        )
    yield from _sids(view)
    is_limiting = view.kind not in {"identity", "resource", "trust"}
    if is_limiting and not any(one.is_allow for one in view.statements):
        message = "nothing is allowed: such a policy limits, and what it does not allow is denied"
        yield NO_ALLOW.at("Statement", message, "add what shall remain allowed")


def _dead_variables(view: PolicyView) -> Iterator[Finding]:
    for one in view.statements:
        texts = [*one.listed_resources()]
        texts += [(line.place, value) for line in one.source.conditions for value in line.values]
        for place, text in texts:
            if "${" in text:
                message = f"{quote(text)} is plain text in this version, not a variable"
                yield DEAD_VARIABLES.at(place, message, "write `Version` `2012-10-17`")


def _sids(view: PolicyView) -> Iterator[Finding]:
    has_sids = any(one.source.sid for one in view.statements)
    for one in view.statements:
        if has_sids and not one.source.sid:
            yield NO_SID.at(one.place, "the statement has no `Sid`", "name it as the others are")
        elif not _SID.fullmatch(one.source.sid):
            message = f"AWS takes only letters and digits in a `Sid`, not {quote(one.source.sid)}"
            yield ODD_SID.at(f"{one.place}.Sid", message, "leave the others out")
