"""AWS's JSON policy documents, read strictly: what is not understood is refused with its place, never dropped.

A dropped element can turn a narrow grant into a wide one, so duplicate members, unknown elements, wrong
types, empty lists and unknown operators are errors at write, with a suggestion where a known name is near.
The author's bytes are kept by the caller; the parsed `Policy` holds none of them. What the values of
conditions, variables and ARNs mean is checked by `policy/compile.py`: a write path runs both.

Source: AWS, "IAM JSON policy elements reference" and "Grammar of the IAM JSON policy language".
"""

import difflib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from authz.errors import ParseError, quote
from authz.policy.conditions import NULL, OPERATOR_NAMES
from authz.policy.model import Condition, Effect, Policy, PrincipalElement, Quantifier, Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentKind:
    """What a document is for: how many bytes it may have, and what its statements name.

    Without `has_resource` they are about the one thing that the document belongs to; `service` is the only one
    whose actions it may name, empty for any.
    """

    name: str
    byte_limit: int
    has_principal: bool = False
    has_resource: bool = True
    service: str = ""


IDENTITY_POLICY: Final = DocumentKind(name="an identity policy", byte_limit=20_480)
"""Managed and inline policies of users and groups (MinIO's limit; AWS: 6,144 characters managed)."""
RESOURCE_POLICY: Final = DocumentKind(
    name="a resource policy", byte_limit=20_480, has_principal=True
)
"""Bucket policies (AWS and MinIO: 20 KiB)."""
TRUST_POLICY: Final = DocumentKind(
    name="a trust policy",
    byte_limit=4_096,
    has_principal=True,
    has_resource=False,
    service="sts",
)
"""Who may assume a role (AWS: 2,048 characters, on request 4,096)."""
SESSION_POLICY: Final = DocumentKind(name="a session policy", byte_limit=2_048)
"""Inline policies of `AssumeRole…` (AWS and MinIO)."""
SERVICE_ACCOUNT_POLICY: Final = DocumentKind(name="a service account's policy", byte_limit=4_096)
"""Policies of service accounts (MinIO)."""

SUGGESTION_INPUT_LIMIT: Final = 64
"""Longest unknown name compared with the known ones, in characters; the comparison is quadratic."""
CONDITION_KEY_LIMIT: Final = 320
"""Longest condition key in characters (128 for a tag key, with room for its prefix and providers' names)."""

VERSIONS: Final = ("2012-10-17", "2008-10-17")
DEFAULT_VERSION: Final = "2008-10-17"
"""What a document without `Version` means, in AWS too."""

_DOCUMENT_ELEMENTS: Final = ("Version", "Id", "ID", "Statement")
_STATEMENT_ELEMENTS: Final = (
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition",
)  # fmt: skip
_PRINCIPAL_KINDS: Final = ("AWS", "Federated", "Service", "CanonicalUser")
_RESOURCE_FREE: Final = ("admin:", "sts:", "kms:")
"""Action families whose statements may leave `Resource` out (MinIO's administrative documents do)."""

_ACTION: Final = re.compile(r"\*|[A-Za-z0-9][A-Za-z0-9._-]*:[A-Za-z0-9*?._/-]+")
_IF_EXISTS: Final = "IfExists"


class _Number(str):
    """A JSON number, as it was written."""

    __slots__ = ()


class _Object:
    """A JSON object with all its members, duplicates included."""

    __slots__ = ("members",)

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        self.members = members


def parse_policy(document: str | bytes, *, kind: DocumentKind = IDENTITY_POLICY) -> Policy:
    """Parse a document of `kind`; whatever is wrong with it raises `ParseError` with the place."""
    members = _parse_members(_load(document, kind), "", _DOCUMENT_ELEMENTS)
    if "Id" in members and "ID" in members:
        raise ParseError("both `Id` and `ID` are given")
    version = _parse_text(members.get("Version", DEFAULT_VERSION), "Version")
    if version not in VERSIONS:
        raise ParseError(
            f"unknown policy version {quote(version)}; use `2012-10-17`", place="Version"
        )
    if "Statement" not in members:
        raise ParseError("a policy needs `Statement`")
    return Policy(
        version=version,
        id=_parse_text(members.get("Id", members.get("ID", "")), "Id"),
        statements=_parse_statements(members["Statement"], kind),
    )


# --- JSON ---------------------------------------------------------------------------------------------------


def _load(document: str | bytes, kind: DocumentKind) -> Any:
    try:
        encoded = document.encode() if isinstance(document, str) else document
        if len(encoded) > kind.byte_limit:
            raise ParseError(
                f"{kind.name} has at most {kind.byte_limit:,} bytes, this one {len(encoded):,}"
            )
        text = encoded.decode()
    except UnicodeError:
        raise ParseError("the document is not valid UTF-8") from None
    try:
        return json.loads(
            text,
            object_pairs_hook=_Object,
            parse_constant=_refuse_constant,
            parse_int=_Number,
            parse_float=_Number,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise ParseError("the document is not valid JSON", place=place) from None
    except RecursionError:
        raise ParseError("the document is nested too deeply") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ParseError(f"{quote(name)} is not a JSON number")


def _describe(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    return "a number" if isinstance(value, _Number) else "text"


def _parse_object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, _Object):
        where = "the document" if not place else quote(place.rpartition(".")[2])
        raise ParseError(f"{where} must be an object, not {_describe(value)}", place=place)
    members: dict[str, Any] = {}
    for name, member in value.members:
        if name in members:
            raise ParseError(f"duplicate member {quote(name)}", place=place)
        members[_parse_text(name, place)] = member
    return members


def _parse_members(value: Any, place: str, known: tuple[str, ...]) -> dict[str, Any]:
    members = _parse_object(value, place)
    for name in members:
        if name not in known:
            raise ParseError(f"unknown element {quote(name)}{_suggest(name, known)}", place=place)
    return members


def _suggest(name: str, known: tuple[str, ...] | frozenset[str]) -> str:
    folded = {one.lower(): one for one in sorted(known)}
    near = difflib.get_close_matches(
        name[:SUGGESTION_INPUT_LIMIT].lower(), folded, n=1, cutoff=0.75
    )
    return f"; did you mean `{folded[near[0]]}`?" if near else ""


def _parse_text(value: Any, place: str) -> str:
    if not isinstance(value, str) or isinstance(value, _Number):
        raise ParseError(f"expected text, not {_describe(value)}", place=place)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ParseError("the text holds half of a surrogate pair", place=place) from None
    return value


def _parse_list(value: Any, place: str, parse: Callable[[Any, str], str]) -> tuple[str, ...]:
    if not isinstance(value, list):
        return (parse(value, place),)
    if not value:
        raise ParseError("the list is empty", place=place)
    return tuple(parse(item, f"{place}[{index}]") for index, item in enumerate(value))


# --- statements ---------------------------------------------------------------------------------------------


def _parse_statements(value: Any, kind: DocumentKind) -> tuple[Statement, ...]:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ParseError("the list is empty", place="Statement")
    statements = tuple(
        _parse_statement(item, f"Statement[{index}]", kind) for index, item in enumerate(items)
    )
    seen: set[str] = set()
    for index, statement in enumerate(statements):
        if statement.sid and statement.sid in seen:
            raise ParseError(
                f"duplicate Sid {quote(statement.sid)}", place=f"Statement[{index}].Sid"
            )
        seen.add(statement.sid)
    return statements


def _parse_statement(value: Any, place: str, kind: DocumentKind) -> Statement:
    members = _parse_members(value, place, _STATEMENT_ELEMENTS)
    effect = _parse_effect(members, place)
    actions, not_actions = _parse_either(members, "Action", place, _parse_action)
    if kind.service:
        _require_service(("NotAction",) if not_actions else actions, place, kind)
    if kind.has_resource:
        resources, not_resources = _parse_resources(
            members, place, actions, not_actions=not_actions
        )
    else:
        resources, not_resources = _parse_no_resource(members, place, kind), False
    return Statement(
        sid=_parse_text(members.get("Sid", ""), f"{place}.Sid"),
        effect=effect,
        actions=actions,
        not_actions=not_actions,
        resources=resources,
        not_resources=not_resources,
        conditions=tuple(_parse_conditions(members, f"{place}.Condition")),
        principal=_parse_principal(members, place, kind),
    )


def _parse_effect(members: dict[str, Any], place: str) -> Effect:
    if "Effect" not in members:
        raise ParseError("a statement needs `Effect`", place=place)
    text = _parse_text(members["Effect"], f"{place}.Effect")
    if text not in {Effect.ALLOW, Effect.DENY}:
        raise ParseError(
            f"unknown effect {quote(text)}; use `Allow` or `Deny`", place=f"{place}.Effect"
        )
    return Effect(text)


def _parse_either(
    members: dict[str, Any], name: str, place: str, parse: Callable[[Any, str], str]
) -> tuple[tuple[str, ...], bool]:
    """Parse exactly one of `Name` and `NotName`."""
    given = [element for element in (name, f"Not{name}") if element in members]
    if len(given) != 1:
        problem = "needs one of" if not given else "takes only one of"
        raise ParseError(f"a statement {problem} `{name}` and `Not{name}`", place=place)
    element = given[0]
    return _parse_list(members[element], f"{place}.{element}", parse), element != name


def _parse_action(value: Any, place: str) -> str:
    text = _parse_text(value, place)
    if not _ACTION.fullmatch(text):
        raise ParseError(f"{quote(text)} is not an action such as `s3:GetObject`", place=place)
    return text


def _require_service(actions: tuple[str, ...], place: str, kind: DocumentKind) -> None:
    for action in actions:
        if not action.lower().startswith(f"{kind.service}:"):
            problem = f"{kind.name} has only `{kind.service}:` actions, not {quote(action)}"
            raise ParseError(problem, place=place)


def _parse_no_resource(members: dict[str, Any], place: str, kind: DocumentKind) -> tuple[str, ...]:
    for element in ("Resource", "NotResource"):
        if element in members:
            raise ParseError(
                f"{kind.name} has no `{element}`: it is about what it belongs to", place=place
            )
    return ("*",)


def _parse_resource(value: Any, place: str) -> str:
    text = _parse_text(value, place)
    if not text:
        raise ParseError("the resource is empty", place=place)
    return text


def _parse_resources(
    members: dict[str, Any], place: str, actions: tuple[str, ...], *, not_actions: bool
) -> tuple[tuple[str, ...], bool]:
    is_optional = not not_actions and all(
        action.lower().startswith(_RESOURCE_FREE) for action in actions
    )
    if is_optional and "Resource" not in members and "NotResource" not in members:
        return ("*",), False
    return _parse_either(members, "Resource", place, _parse_resource)


# --- principals ---------------------------------------------------------------------------------------------


def _parse_principal(
    members: dict[str, Any], place: str, kind: DocumentKind
) -> PrincipalElement | None:
    given = [element for element in ("Principal", "NotPrincipal") if element in members]
    if not kind.has_principal:
        if given:
            raise ParseError(
                f"{kind.name} has no `{given[0]}`: it applies to what it is attached to",
                place=place,
            )
        return None
    if len(given) != 1:
        raise ParseError(
            "a statement takes exactly one of `Principal` and `NotPrincipal`", place=place
        )
    element = given[0]
    return PrincipalElement(
        negated=element == "NotPrincipal",
        ids=_parse_principal_ids(members[element], f"{place}.{element}"),
    )


def _parse_principal_ids(value: Any, place: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if value == "*":
        return (("AWS", ("*",)),)
    members = _parse_members(value, place, _PRINCIPAL_KINDS)
    if not members:
        raise ParseError("the principal is empty", place=place)
    return tuple(
        (name, _parse_list(ids, f"{place}.{name}", _parse_text)) for name, ids in members.items()
    )


# --- conditions ---------------------------------------------------------------------------------------------


def _parse_conditions(members: dict[str, Any], place: str) -> Iterator[Condition]:
    """Parse the `Condition` element; AWS takes an empty one for none."""
    if "Condition" not in members:
        return
    for name, keys in _parse_object(members["Condition"], place).items():
        quantifier, operator, if_exists = _parse_operator(name, place)
        operands = _parse_object(keys, f"{place}.{name}")
        if not operands:
            raise ParseError("the operator has no keys", place=f"{place}.{name}")
        for text, values in operands.items():
            key = _parse_key(text, f"{place}.{name}")
            where = f"{place}.{name}.{key}"
            yield Condition(
                operator=operator,
                quantifier=quantifier,
                if_exists=if_exists,
                key=key,
                values=_parse_list(values, where, _parse_value),
                place=where,
            )


def _parse_operator(name: str, place: str) -> tuple[Quantifier, str, bool]:
    prefix, colon, rest = name.rpartition(":")
    if prefix not in set(Quantifier) or (colon and not prefix):
        raise ParseError(
            f"unknown condition operator {quote(name)}{_suggest(rest, OPERATOR_NAMES)}", place=place
        )
    base = rest.removesuffix(_IF_EXISTS)
    if base not in OPERATOR_NAMES:
        raise ParseError(
            f"unknown condition operator {quote(name)}{_suggest(base, OPERATOR_NAMES)}", place=place
        )
    if base == NULL and base != rest:
        raise ParseError(f"`{NULL}` takes no `{_IF_EXISTS}`", place=place)
    return Quantifier(prefix), base, base != rest


def _parse_key(key: str, place: str) -> str:
    prefix, _, name = key.partition(":")
    if not prefix or not name or len(key) > CONDITION_KEY_LIMIT or not key.isprintable():
        raise ParseError(f"{quote(key)} is not a condition key such as `aws:SourceIp`", place=place)
    return key


def _parse_value(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return str(value)
    return _parse_text(value, place)
