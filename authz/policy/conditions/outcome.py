"""What every operator family shares: outcomes of three values, and the listed values as a family sees them.

An outcome is `True`, `False`, or `UNEVALUABLE` where a request value cannot be read as the operator's type, or
a complement holds an unresolved variable. Combining is Kleene's logic: a definite `False` wins an AND, a
definite `True` an OR. What an unevaluable condition means is for `compile.py`: no allow, but a deny.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

from authz.errors import ParseError, quote
from authz.policy.patterns import Match
from authz.policy.request import Context
from authz.policy.variables import Piece, parse_template

T = TypeVar("T")

Outcome = bool | None
UNEVALUABLE: Final = None

Test = Callable[[Context], Outcome]
"""A compiled condition."""


@dataclass(frozen=True, slots=True)
class Listed:
    """The values a condition lists, where they stand, and how the operator treats variables in them."""

    values: tuple[str, ...]
    place: str
    negated: bool
    has_variables: bool

    @property
    def unresolved(self) -> Outcome:
        """What an unresolved variable makes of a value: no match, but a complement must not widen."""
        return UNEVALUABLE if self.negated else False

    def templates(self) -> list[tuple[Piece, ...]]:
        """Return the values cut at their variables (version 2008-10-17 has none)."""
        if not self.has_variables:
            return [(value,) for value in self.values]
        return [parse_template(value, self.place) for value in self.values]

    def parse(self, parse_value: Callable[[str], T | None], expected: str) -> list[T]:
        """Read every value; raises `ParseError` for the first that `parse_value` returns `None` for."""
        parsed: list[T] = []
        for value in self.values:
            one = parse_value(value)
            if one is None:
                raise self.refuse(value, expected)
            parsed.append(one)
        return parsed

    def refuse(self, value: str, expected: str) -> ParseError:
        """Build the error for a listed value that is not `expected`."""
        return ParseError(f"{quote(value)} is not {expected}", place=self.place)


Family = Callable[[Listed], Match]
"""Compiles listed values into a matcher of one request value: does any listed value match (never negated)?"""


def invert(outcome: Outcome) -> Outcome:
    """Negate; what cannot be evaluated stays so."""
    return UNEVALUABLE if outcome is UNEVALUABLE else not outcome


def any_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Join by OR: `True` wins, then `UNEVALUABLE`."""
    result: Outcome = False
    for outcome in outcomes:
        if outcome:
            return True
        if outcome is UNEVALUABLE:
            result = UNEVALUABLE
    return result


def all_of(outcomes: Iterable[Outcome]) -> Outcome:
    """Join by AND: `False` wins, then `UNEVALUABLE`."""
    result: Outcome = True
    for outcome in outcomes:
        if outcome is False:
            return False
        if outcome is UNEVALUABLE:
            result = UNEVALUABLE
    return result
