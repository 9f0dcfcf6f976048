"""Conditions: the table of operators, and what a missing key, several values and `IfExists` mean.

One operator family a file; each says whether one request value matches any listed one. Everything else is the
same for all of them and stands here. Compiled once into a function of the context (`Test`).

| key in the request | positive | negated | `…IfExists` | `ForAllValues:` | `ForAnyValue:` |
|---|---|---|---|---|---|
| missing (or an empty set) | false | true | true | true | false |
| one value | any listed value matches | none matches | as without | every request value | some request value |

Without a quantifier a key of several values is matched if any of them is, and a negated operator is the
complement of that. Source: AWS, "IAM JSON policy elements: Condition operators", "Multivalued context keys".
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.conditions import arn, binary, boolean, date, ip, numeric, ordering, string
from authz.policy.conditions.outcome import (
    UNEVALUABLE,
    Family,
    Listed,
    Outcome,
    Test,
    all_of,
    any_of,
    invert,
)
from authz.policy.model import Condition, Quantifier
from authz.policy.patterns import Match
from authz.policy.request import Context, Values, fold_key
from authz.policy.variables import has_unresolved

NULL: Final = "Null"
"""The operator that asks whether a key is there; it knows no `IfExists`, and quantifiers say nothing to it."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A row of the table: the family, whether the result is its complement, whether values take variables."""

    family: Family
    negated: bool = False
    takes_variables: bool = False


def _orderings(prefix: str, compile_comparison: Callable[[str], Family]) -> dict[str, Operator]:
    rows = {prefix + name: Operator(compile_comparison(name)) for name in ordering.COMPARISONS}
    return {**rows, f"{prefix}NotEquals": Operator(compile_comparison("Equals"), negated=True)}


OPERATORS: Final[dict[str, Operator]] = {
    "StringEquals": Operator(string.compile_equals, takes_variables=True),
    "StringNotEquals": Operator(string.compile_equals, negated=True, takes_variables=True),
    "StringEqualsIgnoreCase": Operator(string.compile_equals_ignore_case, takes_variables=True),
    "StringNotEqualsIgnoreCase": Operator(
        string.compile_equals_ignore_case, negated=True, takes_variables=True
    ),
    "StringLike": Operator(string.compile_like, takes_variables=True),
    "StringNotLike": Operator(string.compile_like, negated=True, takes_variables=True),
    **_orderings("Numeric", numeric.compile_comparison),
    **_orderings("Date", date.compile_comparison),
    "Bool": Operator(boolean.compile_boolean),
    "BinaryEquals": Operator(binary.compile_binary),
    "IpAddress": Operator(ip.compile_address),
    "NotIpAddress": Operator(ip.compile_address, negated=True),
    "ArnEquals": Operator(arn.compile_arn, takes_variables=True),
    "ArnLike": Operator(arn.compile_arn, takes_variables=True),
    "ArnNotEquals": Operator(arn.compile_arn, negated=True, takes_variables=True),
    "ArnNotLike": Operator(arn.compile_arn, negated=True, takes_variables=True),
}
"""Every operator but `Null`, by its name in documents."""

OPERATOR_NAMES: Final = frozenset({*OPERATORS, NULL})


def compile_condition(condition: Condition, *, has_variables: bool) -> Test:
    """Compile one condition; `has_variables` tells that the document's version knows policy variables.

    A listed value that is not of the operator's type raises `ParseError` with the condition's place.
    """
    key = fold_key(condition.key)
    if condition.operator == NULL:
        return _compile_null(key, condition)
    operator = OPERATORS.get(condition.operator)
    if operator is None:
        raise ParseError(
            f"unknown condition operator {quote(condition.operator)}", place=condition.place
        )
    listed = Listed(
        values=condition.values,
        place=condition.place,
        negated=operator.negated,
        has_variables=has_variables and operator.takes_variables,
    )
    missing = _compile_missing(condition, listed)
    return _COMPILERS[condition.quantifier, operator.negated](key, operator.family(listed), missing)


def _compile_null(key: str, condition: Condition) -> Test:
    listed = Listed(
        values=condition.values, place=condition.place, negated=False, has_variables=False
    )
    wanted = boolean.parse_booleans(listed)
    return lambda context: (not context.find(key)) in wanted


def _missing_outcome(condition: Condition, *, negated: bool) -> bool:
    if condition.if_exists or condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return True
    return negated and condition.quantifier is Quantifier.NONE


def _compile_missing(condition: Condition, listed: Listed) -> Test:
    """Compile what a missing key says; a complement with an unresolved variable never says yes."""
    outcome = _missing_outcome(condition, negated=listed.negated)
    pieces = (
        [piece for pieces in listed.templates() for piece in pieces] if listed.has_variables else []
    )
    if not outcome or not listed.negated or all(isinstance(piece, str) for piece in pieces):
        return lambda _: outcome
    return lambda context: UNEVALUABLE if has_unresolved(pieces, context) else outcome


def _positive(key: str, match: Match, missing: Test) -> Test:
    def test(context: Context) -> Outcome:
        values = context.find(key)
        if not values:
            outcome = missing(context)
        elif len(values) == 1:
            outcome = match(values[0], context)
        else:
            outcome = any_of(match(value, context) for value in values)
        if outcome is UNEVALUABLE:
            context.unevaluable += 1
        return outcome

    return test


def _negated(key: str, match: Match, missing: Test) -> Test:
    positive = _positive(key, match, lambda context: invert(missing(context)))
    return lambda context: invert(positive(context))


def _quantified(
    join: Callable[[list[Outcome]], Outcome], *, negated: bool
) -> Callable[[str, Match, Test], Test]:
    def evaluate(match: Match, values: Values, context: Context) -> Outcome:
        outcomes = [match(value, context) for value in values]
        return join([invert(outcome) for outcome in outcomes] if negated else outcomes)

    def compile_quantified(key: str, match: Match, missing: Test) -> Test:
        def test(context: Context) -> Outcome:
            values = context.find(key)
            outcome = evaluate(match, values, context) if values else missing(context)
            if outcome is UNEVALUABLE:
                context.unevaluable += 1
            return outcome

        return test

    return compile_quantified


_COMPILERS: Final[dict[tuple[Quantifier, bool], Callable[[str, Match, Test], Test]]] = {
    (Quantifier.NONE, False): _positive,
    (Quantifier.NONE, True): _negated,
    (Quantifier.FOR_ANY_VALUE, False): _quantified(any_of, negated=False),
    (Quantifier.FOR_ANY_VALUE, True): _quantified(any_of, negated=True),
    (Quantifier.FOR_ALL_VALUES, False): _quantified(all_of, negated=False),
    (Quantifier.FOR_ALL_VALUES, True): _quantified(all_of, negated=True),
}
