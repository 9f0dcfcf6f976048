"""The schema's version: which one a database has, and how it is brought to the newest.

Migrations are numbered, go forward only, and travel inside the package. Two processes may migrate at once: each
takes the same lock first (an advisory one in PostgreSQL, the write lock in SQLite), so the second finds the
work done. Everything happens in one transaction: a migration that fails leaves nothing behind.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from authz.errors import ConflictError

MIGRATION_LOCK: Final = 0x617574687A
"""Key of the advisory lock (`authz` in ASCII); any number that no other program takes in this database."""

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


class SchemaState(StrEnum):
    """How the database's schema stands to the one this software knows."""

    CURRENT = "current"
    """The same: go ahead."""
    BEHIND = "behind"
    """Older, or not there at all: migrate."""
    UNKNOWN = "unknown"
    """One this software has never heard of, as a newer version would make it: do not touch."""


def state_of(connection: Connection) -> SchemaState:
    """Compare the version the database notes with those in the package."""
    noted = MigrationContext.configure(connection).get_current_heads()
    scripts = ScriptDirectory(str(_MIGRATIONS))
    if noted == tuple(scripts.get_heads()):
        return SchemaState.CURRENT
    known = {script.revision for script in scripts.walk_revisions()}
    return SchemaState.BEHIND if known.issuperset(noted) else SchemaState.UNKNOWN


def upgrade(connection: Connection) -> None:
    """Bring the schema to the newest version, on a connection in an open write transaction.

    Raises `ConflictError` when the database is newer than this software.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    state = state_of(connection)
    if state is SchemaState.UNKNOWN:
        raise ConflictError("the database was migrated by a newer version of this software")
    if state is SchemaState.BEHIND:
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
