"""A policy as its author wrote it: frozen values, no behaviour.

`formats/iam_json.py` parses documents into these and `compile.py` turns them into what `decide` reads. The
author's bytes are kept beside them, not in them.
"""

from dataclasses import dataclass
from enum import StrEnum


class Effect(StrEnum):
    """What a statement says when it matches."""

    ALLOW = "Allow"
    DENY = "Deny"


class Quantifier(StrEnum):
    """How a condition treats a key with several values."""

    NONE = ""
    FOR_ALL_VALUES = "ForAllValues"
    FOR_ANY_VALUE = "ForAnyValue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One line of a `Condition` element: operator, key and the listed values.

    `operator` is the canonical base name (`StringEquals`, never with quantifier or `IfExists`); `key` keeps
    the author's case; `place` is where it stands, for messages (`Statement[0].Condition.StringLike.s3:prefix`).
    """

    operator: str
    quantifier: Quantifier
    if_exists: bool
    key: str
    values: tuple[str, ...]
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrincipalElement:
    """`Principal` or `NotPrincipal`: kind (`AWS`, `Federated`, …) → the listed ids; `*` is `AWS` → `*`."""

    negated: bool
    ids: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement. `not_actions` and `not_resources` tell whether the list is the complement."""

    sid: str
    effect: Effect
    actions: tuple[str, ...]
    not_actions: bool
    resources: tuple[str, ...]
    not_resources: bool
    conditions: tuple[Condition, ...]
    principal: PrincipalElement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A whole document. `version` is `2012-10-17` or `2008-10-17` (also when it was left out)."""

    version: str
    id: str
    statements: tuple[Statement, ...]
