"""`Numeric…`: integers and decimals, compared exactly.

Source: AWS, "Numeric condition operators" (integer or decimal values). Exponents are read because JSON numbers
may carry one; digits are bounded, because the request value is a stranger's.
"""

import operator
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from authz.policy.conditions.outcome import UNEVALUABLE, Family, Listed, Outcome
from authz.policy.patterns import Match
from authz.policy.request import Context

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")

Comparison = Callable[[Any, Any], bool]

COMPARISONS: Final[dict[str, Comparison]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "LessThanEquals": operator.le,
    "GreaterThan": operator.gt,
    "GreaterThanEquals": operator.ge,
}
"""Suffix of the operator's name → request value compared with the listed one."""


def parse_number(text: str) -> Decimal | None:
    """Read a number, or return `None`."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def compile_comparison(comparison: str) -> Family:
    """Return the family of one comparison."""
    compare = COMPARISONS[comparison]

    def compile_numeric(listed: Listed) -> Match:
        limits = [_parse(value, listed) for value in listed.values]

        def match(value: str, _context: Context) -> Outcome:
            number = parse_number(value)
            if number is None:
                return UNEVALUABLE
            return any(compare(number, limit) for limit in limits)

        return match

    return compile_numeric


def _parse(value: str, listed: Listed) -> Decimal:
    number = parse_number(value)
    if number is None:
        raise listed.refuse(value, "a number")
    return number
