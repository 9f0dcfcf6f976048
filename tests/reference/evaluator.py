"""A second evaluator, obviously right and slow: the law of the policy language read aloud.

It works on plain JSON values, knows no index, no compile step and no regular expression, matches wildcards by
trying both ways at every star, and shares no code with `authz.policy` but the context's look-up. Random testing
holds `decide` to it. Only well-formed documents may be given.
"""

import base64
import binascii
import functools
import ipaddress
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

UNKNOWN = None  # the third truth value

# A pattern is a list of symbols: a plain character, or one of these.
STAR, QUESTION, COLON = "<*>", "<?>", "<:>"

Find = Callable[[str], tuple[str, ...] | None]
Documents = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Who:
    """Who asks: `Account` (root), `User`, `AssumedRole`, `FederatedUser` (who is known by a provider's word
    alone) or `Anonymous`, with every name it has.
    """

    type: str
    arn: str = ""
    name: str = ""
    account: str = ""
    role: str = ""
    provider: str = ""


@dataclass(frozen=True)
class Documented:
    """All documents that apply; of the narrowing ones `None` says that there are none."""

    identity: Documents = ()
    boundary: Documents | None = None
    sessions: Sequence[Documents] = ()
    service_account: Documents | None = None
    resource: Documents = ()


ROOT_MAY = (
    "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy",
    "authz:GetResourcePolicy", "authz:PutResourcePolicy", "authz:DeleteResourcePolicy",
)  # fmt: skip


def evaluate_all(given: Documented, who: Who, action: str, resource: str, find: Find) -> str:
    """Return the verdict of everything that applies; the numbers are those of the law, §4."""
    own = [*given.sessions, *([] if given.service_account is None else [given.service_account])]
    narrowing = [*([] if given.boundary is None else [given.boundary]), *own]
    is_root = who.type == "Account" and not narrowing
    identity = given.identity if who.type in ("User", "AssumedRole") else ()

    def matching(documents: Documents, effect: str) -> list[Mapping[str, Any]]:
        return [
            statement
            for document in documents
            for statement in as_list(document["Statement"])
            if statement["Effect"] == effect
            and applies(statement, document.get("Version", "2008-10-17"), action, resource, find)
        ]

    # 1. A matching deny in any policy that applies; no bucket policy keeps root from itself.
    denies = [
        statement
        for documents in (identity, *narrowing)
        for statement in matching(documents, "Deny")
    ]
    if not (is_root and action.lower() in [name.lower() for name in ROOT_MAY]):
        denies += [one for one in matching(given.resource, "Deny") if is_denied(one, who)]
    if denies:
        return "EXPLICITLY_DENIED"
    # 2. The root credential, unless it was derived from root with a policy of its own.
    if is_root:
        return "ALLOWED"
    # 3. A resource policy that names who asks: by itself, or through what stands behind the credential.
    ways = {
        way
        for statement in matching(given.resource, "Allow")
        for way in ways_granted(statement, who)
    }
    if ways & {"everyone", "session"} or ("user" in ways and not own):
        return "ALLOWED"
    # 4. Otherwise something grants it and everything that narrows allows it.
    is_granted = (
        who.type == "Account" or bool(matching(identity, "Allow")) or bool(ways & {"role", "user"})
    )
    if is_granted and all(matching(documents, "Allow") for documents in narrowing):
        return "ALLOWED"
    # 5. Else.
    return "IMPLICITLY_DENIED"


def evaluate_trust(given: Documented, who: Who, action: str, resource: str, find: Find) -> str:
    """Return whether a role may be assumed; its trust policy is given as the resource's."""
    verdict = evaluate_all(given, who, action, resource, find)
    if verdict != "ALLOWED":
        return verdict

    def allows(documents: Documents, *, of_the_role: bool = False) -> bool:
        return any(
            statement["Effect"] == "Allow"
            and applies(statement, document.get("Version", "2008-10-17"), action, resource, find)
            and (not of_the_role or bool(ways_granted(statement, who)))
            for document in documents
            for statement in as_list(document["Statement"])
        )

    own = [*given.sessions, *([] if given.service_account is None else [given.service_account])]
    may = (
        who.type in ("User", "AssumedRole")
        and allows(given.resource, of_the_role=True)
        and all(allows(documents) for documents in own)
    )
    return "ALLOWED" if may else "IMPLICITLY_DENIED"


def evaluate_federated_trust(
    trust: Documents, who: Who, action: str, resource: str, find: Find
) -> str:
    """Return whether a role may be assumed on a provider's word: its trust policy alone says, by the provider."""
    for effect, verdict in (("Deny", "EXPLICITLY_DENIED"), ("Allow", "ALLOWED")):
        for document in trust:
            for statement in as_list(document["Statement"]):
                is_about = statement["Effect"] == effect and applies(
                    statement, document.get("Version", "2008-10-17"), action, resource, find
                )
                if not is_about:
                    continue
                named = listed_ids(statement.get("Principal", {}))
                if effect == "Deny" and is_denied(statement, who):
                    return verdict
                if effect == "Allow" and who.provider and ("Federated", who.provider) in named:
                    return verdict
    return "IMPLICITLY_DENIED"


def names_of(who: Who) -> dict[str, set[tuple[str, str]]]:
    """Return in which ways somebody can be named, and as what."""
    if who.type == "Anonymous":
        return {}
    account = {("AWS", who.account), ("AWS", f"arn:aws:iam::{who.account}:root")}
    if who.type == "Account":
        return {"account": account, "user": {("AWS", f"arn:aws:iam::{who.account}:root")}}
    behind = {("Federated", who.provider)} if who.provider else set()
    if who.type == "FederatedUser":
        return {"role": behind}
    if who.type == "User":
        return {"account": account, "user": {("AWS", who.arn), ("AWS", who.name)}, "role": behind}
    behind.add(("AWS", who.role))
    return {"account": account, "role": behind, "session": {("AWS", who.arn)}}


def listed_ids(value: Any) -> set[tuple[str, str]]:
    if value == "*":
        return {("AWS", "*")}
    return {(kind, one) for kind, ids in value.items() for one in as_list(ids)}


def ways_granted(statement: Mapping[str, Any], who: Who) -> set[str]:
    """Return how an allow names somebody; `NotPrincipal` is everyone but whom it lists by any name."""
    names = names_of(who)
    listed = listed_ids(statement.get("Principal", statement.get("NotPrincipal")))
    ways = {way for way, ids in names.items() if ids & listed}
    if ("AWS", "*") in listed:
        ways.add("everyone")
    if "NotPrincipal" in statement:
        return set() if ways else {"everyone"}
    return ways


def is_denied(statement: Mapping[str, Any], who: Who) -> bool:
    """Tell whether a deny is about somebody; `NotPrincipal` spares whom it lists by every name."""
    listed = listed_ids(statement.get("Principal", statement.get("NotPrincipal")))
    names = names_of(who)
    if "Principal" in statement:
        return ("AWS", "*") in listed or any(ids & listed for ids in names.values())
    if ("AWS", "*") in listed:
        return False
    if who.type == "User":
        names.pop("role")
    elif who.type == "AssumedRole" and ("Federated", who.provider) in listed:
        names.pop("role"), names.pop("session")
    if who.type == "Account":
        names.pop("user")
    return not names or not all(ids & listed for ids in names.values())


def evaluate(documents: Sequence[Mapping[str, Any]], action: str, resource: str, find: Find) -> str:
    """Return `EXPLICITLY_DENIED`, `ALLOWED` or `IMPLICITLY_DENIED`."""
    for effect, verdict in (("Deny", "EXPLICITLY_DENIED"), ("Allow", "ALLOWED")):
        for document in documents:
            for statement in as_list(document["Statement"]):
                if statement["Effect"] == effect and applies(
                    statement, document.get("Version", "2008-10-17"), action, resource, find
                ):
                    return verdict
    return "IMPLICITLY_DENIED"


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def applies(
    statement: Mapping[str, Any], version: str, action: str, resource: str, find: Find
) -> bool:
    outcomes = [
        action_outcome(statement, action),
        resource_outcome(statement, version, resource, find),
        *(
            condition_outcome(
                operator, key, [text_of(value) for value in as_list(values)], version, find
            )
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    ]
    if statement["Effect"] == "Allow":
        return all(outcome is True for outcome in outcomes)
    return all(outcome is not False for outcome in outcomes)


def text_of(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def action_outcome(statement: Mapping[str, Any], action: str) -> bool:
    listed = as_list(statement.get("Action", statement.get("NotAction")))
    found = any(
        wildcard(symbols(pattern.lower(), "2008-10-17", find_nothing), action.lower())
        for pattern in listed
    )
    return found if "Action" in statement else not found


def resource_outcome(
    statement: Mapping[str, Any], version: str, resource: str, find: Find
) -> bool | None:
    listed = as_list(statement.get("Resource", statement.get("NotResource")))
    outcomes = [arn_matches(pattern, version, resource, find) for pattern in listed]
    if "Resource" in statement:
        return True in outcomes
    return False if True in outcomes else UNKNOWN if UNKNOWN in outcomes else True


def find_nothing(key: str) -> None:
    return None


# --- patterns -----------------------------------------------------------------------------------------------


def symbols(text: str, version: str, find: Find, *, wild: bool = True) -> list[str] | None:
    """Read a pattern into symbols; what a variable puts in is plain characters. `None`: unresolved."""
    result: list[str] = []
    while text:
        if version == "2012-10-17" and text.startswith("${"):
            inside, _, text = text[2:].partition("}")
            value = variable(inside, find)
            if value is None:
                return None
            result += value
            continue
        character, text = text[0], text[1:]
        live = {"*": STAR, "?": QUESTION, ":": COLON} if wild else {}
        result.append(live.get(character, character))
    return result


def variable(inside: str, find: Find) -> str | None:
    if inside in ("*", "?", "$"):
        return inside
    name, comma, default = inside.partition(",")
    values = find(fold(name.strip()))
    if not values:
        return default.strip().strip("'") if comma else None
    return values[0] if len(values) == 1 else None


def fold(key: str) -> str:
    name, slash, rest = key.partition("/")
    return name.lower() + slash + rest


def wildcard(pattern: list[str] | None, text: str) -> bool | None:
    """Match by trying both ways at every star."""
    if pattern is None:
        return None

    @functools.cache
    def match(i: int, j: int) -> bool:
        if i == len(pattern):
            return j == len(text)
        if pattern[i] == STAR:
            return match(i + 1, j) or (j < len(text) and match(i, j + 1))
        if j == len(text):
            return False
        plain = ":" if pattern[i] == COLON else pattern[i]
        return (pattern[i] == QUESTION or plain == text[j]) and match(i + 1, j + 1)

    return match(0, 0)


def arn_matches(pattern: str, version: str, resource: str, find: Find) -> bool | None:
    if pattern == "*":
        return True
    read = symbols(pattern, version, find)
    if read is None:
        return None
    parts: list[list[str]] = [[]]
    for symbol in read:
        if symbol == COLON and len(parts) < 6:
            parts.append([])
        else:
            parts[-1].append(symbol)
    texts = resource.split(":", 5)
    return len(texts) == len(parts) == 6 and all(map(wildcard, parts, texts))


# --- conditions ---------------------------------------------------------------------------------------------


def condition_outcome(
    name: str, key: str, listed: list[str], version: str, find: Find
) -> bool | None:
    quantifier, _, operator = name.rpartition(":")
    values = find(fold(key))
    if operator == "Null":
        return ("true" if not values else "false") in [text.lower() for text in listed]
    if_exists = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    negated = "Not" in operator
    positive = operator.replace("Not", "")

    def one(value: str) -> bool | None:
        outcomes = [
            value_outcome(positive, value, text, version, find, negated=negated) for text in listed
        ]
        found = disjunction(outcomes)
        return found if not negated else None if found is None else not found

    if not values:
        outcome: bool | None = (
            if_exists or quantifier == "ForAllValues" or (negated and quantifier == "")
        )
    elif quantifier == "ForAllValues" or (quantifier == "" and negated):
        outcome = conjunction([one(value) for value in values])
    else:
        outcome = disjunction([one(value) for value in values])
    takes_variables = operator.startswith(("String", "Arn"))
    if (
        outcome
        and negated
        and takes_variables
        and any(symbols(text, version, find) is None for text in listed)
    ):
        return UNKNOWN  # a complement with an unresolved variable never says yes
    return outcome


def disjunction(outcomes: Sequence[bool | None]) -> bool | None:
    return True if True in outcomes else UNKNOWN if UNKNOWN in outcomes else False


def conjunction(outcomes: Sequence[bool | None]) -> bool | None:
    return False if False in outcomes else UNKNOWN if UNKNOWN in outcomes else True


def value_outcome(
    operator: str, value: str, listed: str, version: str, find: Find, *, negated: bool
) -> bool | None:
    if operator.startswith("Arn") and (not value.startswith("arn:") or value.count(":") < 5):
        return UNKNOWN
    if operator.startswith(("String", "Arn")):
        found = text_outcome(operator, value, listed, version, find)
        return found if found is not None else UNKNOWN if negated else False
    read_value, read_listed, compare = TYPES[operator]
    try:
        return bool(compare(read_value(value), read_listed(listed)))
    except (ValueError, ArithmeticError, binascii.Error):
        return UNKNOWN


def text_outcome(operator: str, value: str, listed: str, version: str, find: Find) -> bool | None:
    if operator.startswith("Arn"):
        return arn_matches(listed, version, value, find)
    if operator == "StringLike":
        return wildcard(symbols(listed, version, find), value)
    read = symbols(listed, version, find, wild=False)
    if read is None:
        return None
    text = "".join(read)
    return text.casefold() == value.casefold() if operator.endswith("IgnoreCase") else text == value


def read_bool(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def read_date(text: str) -> Decimal:
    if text.isascii() and text.replace(".", "", 1).isdigit():
        return Decimal(text)
    moment = datetime.fromisoformat(text)
    if "T" in text and moment.tzinfo is None:
        raise ValueError(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (
        Decimal(elapsed.days * 86_400 + elapsed.seconds) + Decimal(elapsed.microseconds) / 1_000_000
    )


def read_address(text: str) -> Any:
    address = ipaddress.ip_address(text)
    return (getattr(address, "ipv4_mapped", None)) or address


def read_binary(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda a, b: a == b,
    "LessThan": lambda a, b: a < b,
    "LessThanEquals": lambda a, b: a <= b,
    "GreaterThan": lambda a, b: a > b,
    "GreaterThanEquals": lambda a, b: a >= b,
}

TYPES: dict[str, tuple[Callable[[str], Any], Callable[[str], Any], Callable[[Any, Any], bool]]] = {
    "Bool": (read_bool, read_bool, COMPARISONS["Equals"]),
    "BinaryEquals": (read_binary, read_binary, COMPARISONS["Equals"]),
    "IpAddress": (
        read_address,
        lambda text: ipaddress.ip_network(text, strict=False),
        lambda address, network: address in network,
    ),
    **{f"Numeric{name}": (Decimal, Decimal, compare) for name, compare in COMPARISONS.items()},
    **{f"Date{name}": (read_date, read_date, compare) for name, compare in COMPARISONS.items()},
}
