"""The values of the catalog: frozen, as the data files say them.

Names keep the case they are written in; look-ups (`search.py`) ignore it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What an action does to what it is about (AWS's access levels)."""

    LIST = "list"
    READ = "read"
    WRITE = "write"
    TAGGING = "tagging"
    GRANTING = "permissions"


class Origin(StrEnum):
    """Who defines an action."""

    AWS = "aws"
    MINIO = "minio"
    AUTHZ = "authz"


class KeyType(StrEnum):
    """What the values of a condition key are; `epoch` can be read as a number and as a date.

    `any` is what an identity provider says as it likes: of any type, one value or several.
    """

    STRING = "string"
    BOOL = "bool"
    NUMERIC = "numeric"
    DATE = "date"
    EPOCH = "epoch"
    IP = "ip"
    ARN = "arn"
    BINARY = "binary"
    ANY = "any"


class Source(StrEnum):
    """Who a condition value comes from; `resource`: only the store that keeps it knows."""

    SERVER = "server"
    IDENTITY = "identity"
    REQUEST = "request"
    RESOURCE = "resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A condition key, or a family of them, whose name then ends in `*`."""

    name: str
    type: KeyType
    source: Source
    is_many: bool
    is_always_there: bool
    is_set: bool
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """An action; `resources` are names of types of its service, `keys` are folded condition keys."""

    service: str
    name: str
    level: Level
    origin: Origin
    resources: tuple[str, ...]
    keys: frozenset[str]

    @property
    def text(self) -> str:
        """Return it as policies write it."""
        return f"{self.service}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: its actions by lower-cased name, and its resource types' ARNs."""

    prefix: str
    name: str
    resources: Mapping[str, str]
    actions: Mapping[str, Action]
