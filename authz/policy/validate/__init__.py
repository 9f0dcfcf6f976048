"""Advice on policies: what is wrong, grants too much, is probably a mistake, or can be said better.

Slow and for people, like `explain`: it never takes part in a decision. Facts come from the catalog; checks are
one file a topic, each with its own table (`CHECKS`), and the first digit of an id is the topic: 0 the document,
1 actions, 2 resources, 3 conditions, 4 principals, 5 ways to more rights, 6 statements against each other.

Source: AWS, "IAM Access Analyzer policy check reference" for the kinds of findings; the checks are our own.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from authz.policy.model import Policy
from authz.policy.validate.actions import CHECKS as _ACTIONS
from authz.policy.validate.actions import check_actions
from authz.policy.validate.documents import CHECKS as _DOCUMENTS
from authz.policy.validate.documents import check_document
from authz.policy.validate.finding import SEVERITIES, UNREADABLE, Check, Finding, Severity
from authz.policy.validate.grants import CHECKS as _GRANTS
from authz.policy.validate.grants import check_grants
from authz.policy.validate.keys import CHECKS as _KEYS
from authz.policy.validate.keys import check_keys
from authz.policy.validate.overlaps import CHECKS as _OVERLAPS
from authz.policy.validate.overlaps import check_overlaps
from authz.policy.validate.principals import CHECKS as _PRINCIPALS
from authz.policy.validate.principals import check_principals
from authz.policy.validate.resources import CHECKS as _RESOURCES
from authz.policy.validate.resources import check_resources
from authz.policy.validate.trust import CHECKS as _TRUST
from authz.policy.validate.trust import check_trust
from authz.policy.validate.values import CHECKS as _VALUES
from authz.policy.validate.values import check_values
from authz.policy.validate.view import PolicyKind, PolicyView, view_statement

FINDING_LIMIT: Final = 200
"""Most findings of one document; whoever has that many does not read on."""

CHECKS: Final = {
    check.id: check
    for check in (
        UNREADABLE, *_DOCUMENTS, *_ACTIONS, *_RESOURCES, *_KEYS, *_VALUES, *_PRINCIPALS, *_TRUST, *_GRANTS,
        *_OVERLAPS,
    )
}  # fmt: skip
"""Every check by its id."""

__all__ = [
    "CHECKS",
    "FINDING_LIMIT",
    "SEVERITIES",
    "UNREADABLE",
    "Check",
    "Finding",
    "PolicyKind",
    "Severity",
    "validate",
]


def validate(
    policy: Policy,
    *,
    kind: PolicyKind = PolicyKind.IDENTITY,
    size: int = 0,
    size_limit: int = 0,
    now: float | None = None,
) -> tuple[Finding, ...]:
    """Return what is found about a policy, worst first, then in the order of the document.

    `size` and `size_limit` are bytes; `now` is epoch seconds. What needs a missing one is left out.
    """
    view = PolicyView(
        policy=policy,
        kind=kind,
        size=size,
        size_limit=size_limit,
        now=now,
        statements=tuple(view_statement(one, index) for index, one in enumerate(policy.statements)),
    )
    found = tuple(islice(_check_all(view), FINDING_LIMIT))
    return tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))


def _check_all(view: PolicyView) -> Iterator[Finding]:
    yield from chain(
        check_document(view),
        check_actions(view),
        check_keys(view),
        check_values(view),
        check_principals(view),
        check_trust(view),
        check_overlaps(view),
    )
    # A trust policy names no resource: it is about the one role that it belongs to.
    if view.kind is not PolicyKind.TRUST:
        yield from chain(check_resources(view), check_grants(view))
