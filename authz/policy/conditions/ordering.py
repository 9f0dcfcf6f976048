"""What the operators of numbers and of dates share: the comparisons, and a matcher of what has an order.

Both kinds compare a request value with each listed one and match if any comparison holds; they differ only in
how text becomes something that can be compared, which each says in a file of its own (`numeric.py`, `date.py`).
"""

import operator
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from authz.policy.conditions.outcome import UNEVALUABLE, Outcome
from authz.policy.patterns import Match
from authz.policy.request import Context

T = TypeVar("T")

Comparison = Callable[[Any, Any], bool]

COMPARISONS: Final[dict[str, Comparison]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
"""Suffix of the operator's name → request value compared with the listed one."""


def compile_ordering(
    limits: Sequence[T], parse: Callable[[str], T | None], compare: Comparison
) -> Match:
    """Compile: does the request value, read by `parse`, compare so with any of `limits`?"""

    def match(value: str, _context: Context) -> Outcome:
        parsed = parse(value)
        if parsed is None:
            return UNEVALUABLE
        return any(compare(parsed, limit) for limit in limits)

    return match
