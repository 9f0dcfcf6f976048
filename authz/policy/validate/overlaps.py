"""Checks of statements against each other: doubled, covered by a deny, already allowed, mergeable.

Only what can be shown is said (`relations.py`); statements with `NotAction` or `NotResource` are compared for
equality alone. Work is bounded: past `COST_LIMIT` comparisons of patterns the rest is left out.
"""

from collections.abc import Iterator
from typing import Final

from authz.policy.model import Condition, PrincipalElement, Statement
from authz.policy.request import fold_key
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.relations import covers, covers_arn
from authz.policy.validate.view import ANY, PolicyView, StatementView, service_of

COST_LIMIT: Final = 100_000
"""Most comparisons of patterns in one document (about half a second)."""

DUPLICATE: Final = Check("AZ601", Severity.WARNING, "a statement that says what another one says")
DENIED_ANYWAY: Final = Check(
    "AZ602", Severity.WARNING, "an allow that a deny of the same document covers wholly"
)
ALLOWED_ALREADY: Final = Check(
    "AZ603", Severity.SUGGESTION, "an allow that another allow covers wholly"
)
DENIED_ALREADY: Final = Check(
    "AZ604", Severity.SUGGESTION, "a deny that another deny covers wholly"
)
MERGEABLE: Final = Check(
    "AZ605", Severity.SUGGESTION, "two statements that differ in one list only"
)

CHECKS: Final = (DUPLICATE, DENIED_ANYWAY, ALLOWED_ALREADY, DENIED_ALREADY, MERGEABLE)

Line = tuple[str, str, bool, str, frozenset[str]]


def check_overlaps(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about pairs of statements, at the one that could go."""
    cost = 0
    for one in view.statements:
        for other in view.statements:
            if one is other:
                continue
            cost += 1 + len(one.source.actions) * len(other.source.actions)
            cost += len(one.source.resources) * len(other.source.resources)
            if cost > COST_LIMIT:
                return
            found = _compare(one, other)
            if found is not None:
                yield found
                break


def _compare(one: StatementView, other: StatementView) -> Finding | None:
    """Compare `one` with `other`, which may make it needless."""
    ours, theirs = one.source, other.source
    is_later = _index(one) > _index(other)
    if _is_covered(ours, theirs):
        is_same = _is_covered(theirs, ours) and ours.effect is theirs.effect
        if is_same:
            return (
                DUPLICATE.at(one.place, f"it says what {other.place} says", "leave one out")
                if is_later
                else None
            )
        if one.is_allow is not other.is_allow:
            if not one.is_allow:
                return None
            message = f"{other.place} denies all that it allows"
            return DENIED_ANYWAY.at(one.place, message, "leave it out, or narrow the deny")
        check = ALLOWED_ALREADY if one.is_allow else DENIED_ALREADY
        return check.at(one.place, f"{other.place} covers all of it", "leave it out")
    if is_later and _is_mergeable(ours, theirs):
        message = f"it differs from {other.place} in one list only"
        return MERGEABLE.at(one.place, message, "join the two lists in one statement")
    return None


def _index(one: StatementView) -> int:
    return int(one.place[len("Statement[") : -1])


def _is_covered(one: Statement, other: Statement) -> bool:
    """Tell whether `other` matches every request that `one` matches."""
    return (
        _is_covered_principal(one.principal, other.principal)
        and _lines(other) <= _lines(one)
        and _is_covered_list(one, other, "action")
        and _is_covered_list(one, other, "resource")
    )


def _is_covered_list(one: Statement, other: Statement, element: str) -> bool:
    if element == "action":
        ours, theirs = one.actions, other.actions
        negated = one.not_actions, other.not_actions
        ours, theirs = tuple(map(str.lower, ours)), tuple(map(str.lower, theirs))
    else:
        ours, theirs = one.resources, other.resources
        negated = one.not_resources, other.not_resources
    if True in negated:
        return negated[0] is negated[1] and set(ours) == set(theirs)
    relation = covers if element == "action" else covers_arn
    return all(any(relation(pattern, text) for pattern in theirs) for text in ours)


def _is_covered_principal(one: PrincipalElement | None, other: PrincipalElement | None) -> bool:
    if one == other:
        return True
    if one is None or other is None or other.negated:
        return False
    return ("AWS", (ANY,)) in other.ids


def _line(condition: Condition) -> Line:
    values = frozenset(condition.values)
    return (
        condition.operator,
        condition.quantifier,
        condition.if_exists,
        fold_key(condition.key),
        values,
    )


def _lines(statement: Statement) -> frozenset[Line]:
    return frozenset(map(_line, statement.conditions))


def _is_mergeable(one: Statement, other: Statement) -> bool:
    if (
        one.effect is not other.effect
        or one.principal != other.principal
        or _lines(one) != _lines(other)
    ):
        return False
    if one.not_actions or other.not_actions or one.not_resources or other.not_resources:
        return False
    if set(map(service_of, one.actions)) != set(map(service_of, other.actions)):
        return False
    return (set(one.actions) == set(other.actions)) is not (
        set(one.resources) == set(other.resources)
    )
