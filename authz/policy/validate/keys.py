"""Checks of condition keys: unknown, never set, of another type than the operator, or written by the client.

Source: AWS, "Condition operators" and "Multivalued context keys"; types and origins of keys: the catalog.
"""

from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.catalog import (
    Key,
    KeyType,
    Source,
    all_keys,
    find_key,
    find_service,
    is_key_of,
    nearest,
)
from authz.policy.conditions import NULL, OPERATORS
from authz.policy.model import Condition, Quantifier
from authz.policy.request import fold_key
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.view import PolicyView, StatementView, name_operator

UNKNOWN_KEY: Final = Check(
    "AZ301", Severity.ERROR, "a condition key that its service does not have"
)
FOREIGN_KEY: Final = Check(
    "AZ302", Severity.SUGGESTION, "a condition key of a service that is not known"
)
KEY_OF_NONE: Final = Check(
    "AZ303", Severity.WARNING, "a condition key that none of the actions has"
)
KEY_OF_SOME: Final = Check(
    "AZ304", Severity.WARNING, "a condition key that some of the actions never have"
)
WRONG_OPERATOR: Final = Check(
    "AZ305", Severity.ERROR, "an operator that cannot read the key's values"
)
AS_TEXT: Final = Check("AZ306", Severity.WARNING, "a number, date or address compared as text")
NEVER_SET: Final = Check("AZ307", Severity.WARNING, "a condition key that this service never sets")
DEAD_DENY: Final = Check(
    "AZ308", Severity.SECURITY, "a `Deny` that hangs on a key which this service never sets"
)
NEEDS_QUANTIFIER: Final = Check(
    "AZ309", Severity.WARNING, "a key of several values without a quantifier"
)
IDLE_QUANTIFIER: Final = Check(
    "AZ310", Severity.SUGGESTION, "a quantifier on a key that has one value"
)
VACUOUS: Final = Check(
    "AZ311", Severity.SECURITY, "`ForAllValues` in an `Allow` without a check that the key is there"
)
ANY_DIFFERS: Final = Check("AZ312", Severity.WARNING, "`ForAnyValue` with a negated operator")
NEGATED_MISSING: Final = Check(
    "AZ313", Severity.WARNING, "a negated operator in an `Allow`, which a missing key satisfies"
)
IF_EXISTS_ALLOW: Final = Check(
    "AZ314", Severity.WARNING, "`IfExists` in an `Allow`, which a missing key satisfies"
)
IDLE_IF_EXISTS: Final = Check("AZ315", Severity.SUGGESTION, "`IfExists` where it changes nothing")
CLIENT_WRITTEN: Final = Check(
    "AZ316", Severity.SECURITY, "an `Allow` that rests on a key which clients write as they like"
)

CHECKS: Final = (
    UNKNOWN_KEY, FOREIGN_KEY, KEY_OF_NONE, KEY_OF_SOME, WRONG_OPERATOR, AS_TEXT, NEVER_SET, DEAD_DENY,
    NEEDS_QUANTIFIER, IDLE_QUANTIFIER, VACUOUS, ANY_DIFFERS, NEGATED_MISSING, IF_EXISTS_ALLOW, IDLE_IF_EXISTS,
    CLIENT_WRITTEN,
)  # fmt: skip

_OWN_PREFIXES: Final = frozenset({"aws", "jwt", "ldap", "svc"})
_FORGED: Final = frozenset({"aws:referer", "aws:useragent"})

_READS: Final = {
    "Numeric": {KeyType.NUMERIC, KeyType.EPOCH},
    "Date": {KeyType.DATE, KeyType.EPOCH},
    "Bool": {KeyType.BOOL},
    "Binary": {KeyType.BINARY},
    "Ip": {KeyType.IP},
    "NotIp": {KeyType.IP},
    "Arn": {KeyType.ARN, KeyType.STRING},
    "String": {KeyType.STRING, KeyType.ARN, KeyType.BOOL, KeyType.BINARY},
}
"""Beginnings of operators' names → types of keys that they can read."""

_AS_TEXT: Final = frozenset({KeyType.NUMERIC, KeyType.EPOCH, KeyType.DATE, KeyType.IP})


def check_keys(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the keys of every condition."""
    for one in view.statements:
        for condition in one.source.conditions:
            key = find_key(condition.key)
            if key is None:
                yield _unknown(condition)
                continue
            yield from _check_set(one, condition, key)
            yield from _check_actions(one, condition)
            if condition.operator != NULL:
                yield from _check_operator(condition, key)
                yield from _check_quantifier(one, condition, key)
                yield from _check_missing(one, condition, key)


def is_negated(condition: Condition) -> bool:
    """Tell whether the condition holds where the listed values do not match."""
    return condition.operator != NULL and OPERATORS[condition.operator].negated


def _unknown(condition: Condition) -> Finding:
    prefix = condition.key.partition(":")[0].lower()
    near = nearest(condition.key, [key.name for key in all_keys()])
    suggestion = f"did you mean `{near}`" if near else ""
    if prefix in _OWN_PREFIXES or find_service(prefix):
        message = f"there is no condition key {quote(condition.key)}"
        return UNKNOWN_KEY.at(condition.place, message, suggestion)
    message = f"the condition key {quote(condition.key)} is of no known service"
    return FOREIGN_KEY.at(condition.place, message, suggestion)


def _check_set(one: StatementView, condition: Condition, key: Key) -> Iterator[Finding]:
    if key.is_set:
        if one.is_allow and fold_key(condition.key) in _FORGED and not is_negated(condition):
            message = f"clients write {quote(condition.key)} as they like"
            yield CLIENT_WRITTEN.at(
                condition.place, message, "ask for something that clients cannot forge"
            )
        return
    who = "only the store knows" if key.source is Source.RESOURCE else "this service never sets"
    message = f"{who} {quote(condition.key)}"
    needs_key = not is_negated(condition) and condition.operator != NULL and not condition.if_exists
    if not one.is_allow and needs_key and condition.quantifier is not Quantifier.FOR_ALL_VALUES:
        yield DEAD_DENY.at(
            condition.place, f"{message}, so this deny never holds", "deny by something that is set"
        )
    else:
        answer = "never holds" if needs_key else "always holds"
        yield NEVER_SET.at(
            condition.place, f"{message}; the condition {answer}", "take a key that is set"
        )


def _check_actions(one: StatementView, condition: Condition) -> Iterator[Finding]:
    if not one.is_known or not one.actions:
        return
    missing = [action.text for action in one.actions if not is_key_of(condition.key, action)]
    if len(missing) == len(one.actions):
        message = f"requests for `{missing[0]}` never have {quote(condition.key)}"
        yield KEY_OF_NONE.at(
            condition.place, message, "move the condition to the actions that have the key"
        )
        return
    exact = [text for text in missing if text.lower() in {a.lower() for a in one.source.actions}]
    if exact:
        message = f"requests for `{exact[0]}` never have {quote(condition.key)}"
        yield KEY_OF_SOME.at(
            condition.place, message, "give those actions a statement of their own"
        )


def _check_operator(condition: Condition, key: Key) -> Iterator[Finding]:
    if key.type is KeyType.ANY:
        return
    readable = next(
        types for prefix, types in _READS.items() if condition.operator.startswith(prefix)
    )
    if key.type in readable:
        return
    operator = name_operator(condition)
    if condition.operator.startswith("String") and key.type in _AS_TEXT:
        message = (
            f"`{operator}` compares {quote(condition.key)} as text, and it is of type {key.type}"
        )
        yield AS_TEXT.at(condition.place, message, f"use `{_OPERATOR_OF[key.type]}`")
    else:
        message = f"`{operator}` cannot read {quote(condition.key)}, which is of type {key.type}"
        yield WRONG_OPERATOR.at(condition.place, message, f"use `{_OPERATOR_OF[key.type]}`")


_OPERATOR_OF: Final = {
    KeyType.STRING: "StringEquals",
    KeyType.BOOL: "Bool",
    KeyType.NUMERIC: "NumericEquals",
    KeyType.DATE: "DateLessThan",
    KeyType.EPOCH: "DateLessThan",
    KeyType.IP: "IpAddress",
    KeyType.ARN: "ArnLike",
    KeyType.BINARY: "BinaryEquals",
}


def _check_quantifier(one: StatementView, condition: Condition, key: Key) -> Iterator[Finding]:
    operator = name_operator(condition)
    if key.is_many and condition.quantifier is Quantifier.NONE:
        message = (
            f"{quote(condition.key)} holds several values; `{operator}` does not say how many match"
        )
        yield NEEDS_QUANTIFIER.at(
            condition.place, message, f"write `ForAnyValue:{operator}` or `ForAllValues:{operator}`"
        )
    elif (
        not key.is_many
        and key.type is not KeyType.ANY
        and condition.quantifier is not Quantifier.NONE
    ):
        message = f"{quote(condition.key)} has one value, which `{condition.quantifier}` says nothing about"
        yield IDLE_QUANTIFIER.at(condition.place, message, f"write `{condition.operator}`")
    if (
        condition.quantifier is Quantifier.FOR_ALL_VALUES
        and one.is_allow
        and not _is_demanded(one, condition)
    ):
        message = f"`{operator}` also holds where {quote(condition.key)} is missing"
        yield VACUOUS.at(condition.place, message, f'add `"Null": {{"{condition.key}": "false"}}`')
    if condition.quantifier is Quantifier.FOR_ANY_VALUE and is_negated(condition):
        message = f"`{operator}` holds as soon as one value differs, whatever the others are"
        yield ANY_DIFFERS.at(condition.place, message, f"write `ForAllValues:{condition.operator}`")


def _is_demanded(one: StatementView, condition: Condition) -> bool:
    """Tell whether another condition fails where the key is missing."""
    return any(
        fold_key(other.key) == fold_key(condition.key)
        and (
            (other.operator == NULL and set(other.values) == {"false"})
            or (
                other.operator != NULL
                and not is_negated(other)
                and not other.if_exists
                and other.quantifier is not Quantifier.FOR_ALL_VALUES
            )
        )
        for other in one.source.conditions
    )


def _check_missing(one: StatementView, condition: Condition, key: Key) -> Iterator[Finding]:
    operator = name_operator(condition)
    is_idle = key.is_always_there or (
        is_negated(condition) and condition.quantifier is Quantifier.NONE
    )
    if condition.if_exists and is_idle:
        message = f"`IfExists` changes nothing in `{operator}` on {quote(condition.key)}"
        yield IDLE_IF_EXISTS.at(condition.place, message, "leave it out")
    if not one.is_allow or key.is_always_there or not key.is_set or _is_demanded(one, condition):
        return
    if is_negated(condition) and condition.quantifier is Quantifier.NONE:
        message = f"`{operator}` also allows where {quote(condition.key)} is missing"
        yield NEGATED_MISSING.at(
            condition.place, message, f'add `"Null": {{"{condition.key}": "false"}}`'
        )
    elif condition.if_exists:
        message = f"`{operator}` also allows where {quote(condition.key)} is missing"
        yield IF_EXISTS_ALLOW.at(
            condition.place, message, "leave `IfExists` out unless that is meant"
        )
