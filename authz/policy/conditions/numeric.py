"""`Numeric…`: integers and decimals, compared exactly.

Source: AWS, "Numeric condition operators" (integer or decimal values). Exponents are read because JSON numbers
may carry one; digits are bounded, because the request value is a stranger's.
"""

import re
from decimal import Decimal
from typing import Final

from authz.policy.conditions.ordering import COMPARISONS, compile_ordering
from authz.policy.conditions.outcome import Family, Listed
from authz.policy.patterns import Match

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,2})?")


def parse_number(text: str) -> Decimal | None:
    """Read a number, or return `None`."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def compile_comparison(comparison: str) -> Family:
    """Return the family of one comparison."""
    compare = COMPARISONS[comparison]

    def compile_numeric(listed: Listed) -> Match:
        return compile_ordering(listed.parse(parse_number, "a number"), parse_number, compare)

    return compile_numeric
