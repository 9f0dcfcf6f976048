"""The tables, the same in SQLite and PostgreSQL.

Names are stored as given beside `name_key`, what they are compared and ordered by (`records.key_of_name`). Ids
and keys compare byte by byte in both databases: `BINARY` is SQLite's default, `COLLATE "C"` is said to
PostgreSQL, whose own default would follow the machine's locale. Times are epoch seconds. Nothing cascades by
itself: a deletion that the change log does not know of would leave caches wrong.

The migrations (`migrations/versions`) make these tables; a test holds the two together.
"""

import json
from collections.abc import Mapping
from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    cast,
)

KEY: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is compared and ordered by its bytes (UTF-8, so by code point)."""


class Tags(TypeDecorator[Mapping[str, str]]):
    """Tags as the text of a JSON object, in the order they were given."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, str] | None, dialect: Dialect) -> str | None:
        """Render the object's text."""
        del dialect
        return None if value is None else json.dumps(dict(value), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, str] | None:
        """Read it back."""
        del dialect
        return None if value is None else json.loads(value)


class Lists(TypeDecorator[Mapping[str, tuple[str, ...]]]):
    """Condition keys with their values as the text of a JSON object."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: Mapping[str, tuple[str, ...]] | None, dialect: Dialect
    ) -> str | None:
        """Render the object's text."""
        del dialect
        return None if value is None else json.dumps(dict(value), ensure_ascii=False)

    def process_result_value(
        self, value: str | None, dialect: Dialect
    ) -> Mapping[str, tuple[str, ...]] | None:
        """Read it back."""
        del dialect
        if value is None:
            return None
        return {key: tuple(values) for key, values in json.loads(value).items()}


class Names(TypeDecorator[tuple[str, ...]]):
    """Names or ids as the text of a JSON array, in which `naming` looks."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """Render the array's text."""
        del dialect
        return None if value is None else json.dumps(value, ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Read it back."""
        del dialect
        return None if value is None else tuple(json.loads(value))


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

state: Final = Table(
    "state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
    # The newest revision whose changes are no longer in the log; who stands before it must reload.
    Column("trimmed", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

changes: Final = Table(
    "changes",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("key", KEY, nullable=False),
)

users: Final = Table(
    "users",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", KEY, nullable=False),
    Column("status", String(16), nullable=False),
    Column("tags", Tags, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("boundary_id", KEY, ForeignKey("policies.id")),
    Column("sessions_void_before", Double, nullable=False, server_default="0"),
    # Of those that a provider vouches for; SQLite adds no foreign key to a table that is there.
    Column("provider_id", KEY),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("external_groups", Names, nullable=False, server_default="[]"),
    Column("absent_since", Double),
    UniqueConstraint("name_key"),
    Index(None, "boundary_id"),
    Index(None, "provider_id"),
)

providers: Final = Table(
    "providers",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", KEY, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("config", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("sealed_secret", LargeBinary),
    Column("sessions_void_before", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    # When somebody last began to ask it about its users; no part of the record, and in no revision.
    Column("checked_at", Double, nullable=False, server_default="0"),
    UniqueConstraint("name_key"),
)

groups: Final = Table(
    "groups",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", KEY, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("provider_id", KEY),
    UniqueConstraint("name_key"),
    Index(None, "provider_id"),
)

roles: Final = Table(
    "roles",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", KEY, nullable=False),
    Column("trust", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("max_session_duration", Integer, nullable=False),
    Column("tags", Tags, nullable=False),
    Column("boundary_id", KEY, ForeignKey("policies.id")),
    Column("sessions_void_before", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("name_key"),
    Index(None, "boundary_id"),
)

memberships: Final = Table(
    "memberships",
    metadata,
    Column("user_id", KEY, ForeignKey("users.id"), primary_key=True),
    Column("group_id", KEY, ForeignKey("groups.id"), primary_key=True),
    Index(None, "group_id"),
)

access_keys: Final = Table(
    "access_keys",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("user_id", KEY, ForeignKey("users.id"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    # A document, or nothing for a key that is not narrowed.
    Column("policy", Text, nullable=False, server_default=""),
    Column("expires_at", Double),
    Column("granted", Names, nullable=False, server_default="[]"),
    Column("facts", Lists, nullable=False, server_default="{}"),
    Index(None, "user_id"),
)

revoked_sessions: Final = Table(
    "revoked_sessions",
    metadata,
    Column("access_key_id", KEY, primary_key=True),
    Column("expires_at", Double, nullable=False),
    Index(None, "expires_at"),
)

# A trail, written behind: in no revision, complete for nobody, and nothing is decided by it.
issued_sessions: Final = Table(
    "issued_sessions",
    metadata,
    Column("access_key_id", KEY, primary_key=True),
    Column("parent_id", KEY, nullable=False),
    Column("issuer_id", KEY, nullable=False),
    Column("provider_id", KEY, nullable=False),
    Column("name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("source_ip", Text, nullable=False),
    Column("issued_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index(None, "parent_id"),
    Index(None, "issuer_id"),
    Index(None, "provider_id"),
    Index(None, "issued_at"),
    Index(None, "expires_at"),
)

policies: Final = Table(
    "policies",
    metadata,
    Column("id", KEY, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_key", KEY, nullable=False),
    Column("origin", String(16), nullable=False),
    # The one in force; its document is in `policy_versions`.
    Column("version", Integer, nullable=False),
    Column("description", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    # Only counts up, so that no number is given twice. SQLite adds no such column without a default.
    Column("last_version", Integer, nullable=False, server_default="1"),
    UniqueConstraint("name_key"),
)

policy_versions: Final = Table(
    "policy_versions",
    metadata,
    Column("policy_id", KEY, ForeignKey("policies.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("created_at", Double, nullable=False),
)

resource_policies: Final = Table(
    "resource_policies",
    metadata,
    Column("resource", KEY, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
)

user_policies: Final = Table(
    "user_policies",
    metadata,
    Column("user_id", KEY, ForeignKey("users.id"), primary_key=True),
    Column("policy_id", KEY, ForeignKey("policies.id"), primary_key=True),
    Index(None, "policy_id"),
)

group_policies: Final = Table(
    "group_policies",
    metadata,
    Column("group_id", KEY, ForeignKey("groups.id"), primary_key=True),
    Column("policy_id", KEY, ForeignKey("policies.id"), primary_key=True),
    Index(None, "policy_id"),
)

role_policies: Final = Table(
    "role_policies",
    metadata,
    Column("role_id", KEY, ForeignKey("roles.id"), primary_key=True),
    Column("policy_id", KEY, ForeignKey("policies.id"), primary_key=True),
    Index(None, "policy_id"),
)

provider_policies: Final = Table(
    "provider_policies",
    metadata,
    Column("provider_id", KEY, ForeignKey("providers.id"), primary_key=True),
    Column("policy_id", KEY, ForeignKey("policies.id"), primary_key=True),
    Index(None, "policy_id"),
)


def naming(column: Column[tuple[str, ...]], name: str) -> ColumnElement[bool]:
    """Return whether the `Names` of a column hold this one; what it finds is looked through once more."""
    return cast(column, Text).contains(json.dumps(name, ensure_ascii=False), autoescape=True)
