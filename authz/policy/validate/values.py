"""Checks of condition values: wildcards, networks, dates, values that exclude each other; and of variables.

Values that are not of the operator's type are refused by the compiler, and not looked at here.
"""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from authz.errors import quote
from authz.policy.catalog import KeyType, Source, all_keys, find_key, nearest
from authz.policy.conditions import NULL
from authz.policy.conditions.date import parse_instant
from authz.policy.conditions.ip import parse_network
from authz.policy.conditions.numeric import parse_number
from authz.policy.model import Condition, Quantifier
from authz.policy.request import fold_key
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.keys import is_negated
from authz.policy.validate.view import ANY, PolicyView, StatementView, is_wild, listed

LIKE_WITHOUT: Final = Check("AZ317", Severity.SUGGESTION, "`StringLike` without a wildcard")
LITERAL_WILDCARD: Final = Check(
    "AZ318", Severity.WARNING, "`StringEquals` with `*` or `?`, which are literal there"
)
EVERY_ADDRESS: Final = Check("AZ319", Severity.SECURITY, "a network that holds every address")
HOST_BITS: Final = Check("AZ320", Severity.WARNING, "a network with bits set behind its prefix")
PAST_DATE: Final = Check(
    "AZ322", Severity.WARNING, "a date in the past: the condition's answer is settled"
)
BOTH_WAYS: Final = Check(
    "AZ323", Severity.WARNING, "`true` and `false` together, which always holds"
)
NEVER_HOLDS: Final = Check(
    "AZ324", Severity.ERROR, "conditions on one key that cannot hold together"
)
EMPTY_RANGE: Final = Check("AZ325", Severity.ERROR, "a lower bound above the upper one")
UNKNOWN_VARIABLE: Final = Check("AZ326", Severity.ERROR, "a variable whose key does not exist")
UNSET_VARIABLE: Final = Check(
    "AZ327", Severity.WARNING, "a variable whose key this service never sets"
)
CLIENT_VARIABLE: Final = Check(
    "AZ328", Severity.SECURITY, "a variable in an `Allow` whose value the client chooses"
)
DUPLICATE_VALUE: Final = Check("AZ332", Severity.SUGGESTION, "a value that is listed twice")
IMPOSSIBLE_VALUE: Final = Check("AZ333", Severity.WARNING, "a value that the key never has")
PLAIN_TRANSPORT: Final = Check("AZ334", Severity.SECURITY, "an `Allow` for unencrypted requests")
ANY_VALUE: Final = Check(
    "AZ335", Severity.SUGGESTION, "`StringLike` with `*` alone, which asks only for presence"
)

CHECKS: Final = (
    LIKE_WITHOUT, LITERAL_WILDCARD, EVERY_ADDRESS, HOST_BITS, PAST_DATE, BOTH_WAYS, NEVER_HOLDS, EMPTY_RANGE,
    UNKNOWN_VARIABLE, UNSET_VARIABLE, CLIENT_VARIABLE, DUPLICATE_VALUE, IMPOSSIBLE_VALUE, PLAIN_TRANSPORT,
    ANY_VALUE,
)  # fmt: skip

PAIRED_LIMIT: Final = 256
"""Most conditions of a statement that are compared with each other."""

_VARIABLE: Final = re.compile(r"\$\{([^,'{}$*?]+)(,[^}]*)?\}")
_NANOSECONDS: Final = 1_000_000_000


def check_values(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the values of every condition, and about variables."""
    for one in view.statements:
        for condition in one.source.conditions:
            yield from _check_list(condition)
            yield from _check_wildcards(condition)
            yield from _check_networks(condition)
            yield from _check_booleans(one, condition)
            if view.now is not None:
                yield from _check_dates(condition, view.now)
        yield from _exclusions(one)
        yield from _ranges(one)
        if view.has_variables:
            yield from _check_variables(one)


def _check_list(condition: Condition) -> Iterator[Finding]:
    doubled = {value for value in condition.values if condition.values.count(value) > 1}
    for value in sorted(doubled):
        yield DUPLICATE_VALUE.at(
            condition.place, f"{quote(value)} is listed twice", "leave one out"
        )
    key = find_key(condition.key)
    if key is None or not key.values or not condition.operator.startswith("String"):
        return
    known = {value.lower() for value in key.values}
    for value in condition.values:
        if not is_wild(value) and "${" not in value and value.lower() not in known:
            near = nearest(value, key.values)
            suggestion = f"did you mean `{near}`" if near else f"there are {', '.join(key.values)}"
            yield IMPOSSIBLE_VALUE.at(
                condition.place, f"{quote(condition.key)} is never {quote(value)}", suggestion
            )


def _check_wildcards(condition: Condition) -> Iterator[Finding]:
    if condition.operator in {"StringLike", "StringNotLike"}:
        if not any(is_wild(value) for value in condition.values):
            other = condition.operator.replace("Like", "Equals")
            message = f"no value of {quote(condition.key)} has a wildcard"
            yield LIKE_WITHOUT.at(condition.place, message, f"write `{other}`")
        if ANY in condition.values and condition.operator == "StringLike":
            message = f"`*` asks only whether {quote(condition.key)} is there"
            yield ANY_VALUE.at(
                condition.place, message, f'write `"Null": {{"{condition.key}": "false"}}`'
            )
    elif condition.operator.startswith("String") and "IgnoreCase" not in condition.operator:
        for value in condition.values:
            if is_wild(re.sub(r"\$\{[^}]*\}", "", value)):
                message = (
                    f"`{condition.operator}` takes {quote(value)} literally, wildcards included"
                )
                yield LITERAL_WILDCARD.at(
                    condition.place,
                    message,
                    f"write `{condition.operator.replace('Equals', 'Like')}`",
                )


def _check_networks(condition: Condition) -> Iterator[Finding]:
    if not condition.operator.endswith("IpAddress"):
        return
    for value in condition.values:
        network = parse_network(value)
        if network is None:
            continue
        if network.prefixlen == 0:
            holds = "nothing" if is_negated(condition) else "every address"
            message = f"{quote(value)} is every address, so the condition matches {holds}"
            yield EVERY_ADDRESS.at(condition.place, message, "name the networks that are meant")
        elif (
            ip_network(value.partition("/")[0]).network_address
            != ip_network(value, strict=False).network_address
        ):
            yield HOST_BITS.at(
                condition.place, f"{quote(value)} means `{network}`", f"write `{network}`"
            )


def _check_booleans(one: StatementView, condition: Condition) -> Iterator[Finding]:
    if condition.operator not in {"Bool", NULL}:
        return
    values = {value.lower() for value in condition.values}
    if values == {"true", "false"}:
        message = f"`true` and `false` hold for every {quote(condition.key)}"
        yield BOTH_WAYS.at(condition.place, message, "write the one that is meant")
    is_transport = fold_key(condition.key) == "aws:securetransport" and condition.operator == "Bool"
    if one.is_allow and is_transport and values == {"false"}:
        message = "this allows requests only if they are not encrypted"
        yield PLAIN_TRANSPORT.at(condition.place, message, "write `true`, or deny with `false`")


def _check_dates(condition: Condition, now: float) -> Iterator[Finding]:
    if not condition.operator.startswith("Date") or fold_key(condition.key) not in {
        "aws:currenttime",
        "aws:epochtime",
    }:
        return
    for value in condition.values:
        instant = parse_instant(value)
        if instant is not None and instant < now * _NANOSECONDS:
            answer = (
                "holds for ever"
                if "Greater" in condition.operator or is_negated(condition)
                else "never holds again"
            )
            message = f"{quote(value)} is in the past: `{condition.operator}` {answer}"
            yield PAST_DATE.at(
                condition.place, message, "take the condition, or the whole statement, out"
            )


# --- conditions together ------------------------------------------------------------------------------------


def _by_key(one: StatementView) -> Iterator[tuple[Condition, Condition]]:
    """Yield pairs of conditions on the same key, each of which must hold."""
    conditions = one.source.conditions[:PAIRED_LIMIT]
    for first in conditions:
        for second in conditions:
            if first is not second and fold_key(first.key) == fold_key(second.key):
                yield first, second


def _needs_value(condition: Condition) -> bool:
    return not (
        condition.operator == NULL
        or is_negated(condition)
        or condition.if_exists
        or condition.quantifier is Quantifier.FOR_ALL_VALUES
    )


def _exclusions(one: StatementView) -> Iterator[Finding]:
    for first, second in _by_key(one):
        if first.operator == NULL and set(first.values) == {"true"} and _needs_value(second):
            message = f"{quote(first.key)} cannot be missing and match"
            yield NEVER_HOLDS.at(first.place, message, "leave one of the two out")
        is_pair = (
            first.operator.replace("Equals", "NotEquals").replace("Like", "NotLike")
            == second.operator
        )
        is_single = first.quantifier is Quantifier.NONE and second.quantifier is Quantifier.NONE
        if (
            is_pair
            and is_single
            and _needs_value(first)
            and set(first.values) <= set(second.values)
        ):
            message = f"{quote(first.key)} cannot match {quote(first.values[0])} and not match it"
            yield NEVER_HOLDS.at(first.place, message, "leave one of the two out")


def _ranges(one: StatementView) -> Iterator[Finding]:
    for kind, read in (("Numeric", parse_number), ("Date", parse_instant)):
        for low, high in _by_key(one):
            if not low.operator.startswith(f"{kind}Greater") or not high.operator.startswith(
                f"{kind}Less"
            ):
                continue
            lows = [value for value in map(read, low.values) if value is not None]
            highs = [value for value in map(read, high.values) if value is not None]
            if lows and highs and min(lows) > max(highs):
                bounds = f"above {quote(low.values[0])} and below {quote(high.values[0])}"
                message = f"{quote(low.key)} cannot be {bounds}"
                yield EMPTY_RANGE.at(low.place, message, "swap the two, or deny instead")


# --- variables ----------------------------------------------------------------------------------------------


def _check_variables(one: StatementView) -> Iterator[Finding]:
    texts = list(one.listed_resources())
    for condition in one.source.conditions:
        texts += [(place, value) for place, value in listed(condition.values, condition.place)]
    for place, text in texts:
        for found in _VARIABLE.finditer(text):
            yield from _check_variable(one, place, found[1].strip(), has_default=bool(found[2]))


def _check_variable(
    one: StatementView, place: str, name: str, *, has_default: bool
) -> Iterator[Finding]:
    key = find_key(name)
    if key is None:
        if name.partition(":")[0].lower() in {"aws", "s3", "jwt", "ldap"}:
            near = nearest(name, [one.name for one in all_keys() if one.type is KeyType.STRING])
            suggestion = f"did you mean `${{{near}}}`" if near else ""
            yield UNKNOWN_VARIABLE.at(
                place, f"there is no key {quote(name)} to put here", suggestion
            )
    elif not key.is_set and not has_default:
        message = f"this service never sets {quote(name)}, and what holds it matches nothing"
        yield UNSET_VARIABLE.at(place, message, "take a key that is set, or give a default")
    elif key.source is Source.REQUEST and one.is_allow:
        message = f"the client chooses the value of {quote(name)}, and with it what it is allowed"
        yield CLIENT_VARIABLE.at(
            place, message, "take a key of the identity, such as `aws:username`"
        )
