import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from authz.errors import ConflictError, InvalidError, UnavailableError
from authz.identity.records import PolicyOrigin
from authz.policy.canned import CANNED_POLICIES, CannedPolicy
from authz.store.sql.engine import Database
from authz.store.sql.schema import SchemaState
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from authz.store.sql.tables import metadata
from tests.servers.postgres import PostgresServer
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, Control


async def test_an_empty_database_is_behind_and_migrating_makes_it_current(
    database_url: str,
) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await database.schema_state() is SchemaState.BEHIND
        await database.migrate(now=1.0)
        assert await database.schema_state() is SchemaState.CURRENT


async def test_reading_before_migrating_says_what_to_do(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        with pytest.raises(UnavailableError, match="run `authz migrate`"):
            await SqlSource(database).revision()


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        first = await database.migrate(now=1.0)
        assert await database.migrate(now=2.0) == first


async def test_processes_may_migrate_at_the_same_time(database_url: str) -> None:
    databases = [Database.open(database_url, OPTIONS) for _ in range(4)]
    try:
        revisions = await asyncio.gather(*(database.migrate(now=1.0) for database in databases))
        assert set(revisions) == {1}
        assert await databases[0].schema_state() is SchemaState.CURRENT
    finally:
        for database in databases:
            await database.close()


async def test_a_schema_from_the_future_is_left_alone(database: Database) -> None:
    async def make_newer(connection) -> None:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.write(make_newer)
    assert await database.schema_state() is SchemaState.UNKNOWN
    with pytest.raises(ConflictError, match="newer version"):
        await database.migrate(now=1.0)


async def test_the_migrations_make_exactly_the_tables_that_the_code_uses(
    database: Database,
) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, metadata)

    assert await database.read(lambda connection: connection.run_sync(differences)) == []


async def test_postgresql_is_told_to_compare_keys_bytewise(postgres: PostgresServer) -> None:
    async def collations(connection):
        return await connection.execute(
            text(
                "SELECT table_name || '.' || column_name, collation_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND (column_name IN ('name_key', 'resource') OR "
                "column_name LIKE '%id') AND data_type = 'text'"
            )
        )

    url = postgres.create_database("collations")
    async with Database.open(url, OPTIONS) as database:
        await database.migrate(now=1.0)
        found = dict((await database.ask(collations)).all())
    assert len(found) == 33
    assert set(found.values()) == {"C"}


async def test_canned_policies_are_stored_read_only_with_stable_ids(
    new_url: Callable[[], str],
) -> None:
    ids = []
    for _ in range(2):
        async with Database.open(new_url(), OPTIONS) as database:
            await database.migrate(now=1.0)
            stored = (await SqlSource(database).load_policies()).value.managed
            assert {policy.name for policy in stored} == {p.name for p in CANNED_POLICIES.values()}
            assert {policy.origin for policy in stored} == {PolicyOrigin.AWS}
            ids.append({policy.name: policy.id for policy in stored})
    assert ids[0] == ids[1]


async def test_a_changed_canned_document_is_a_new_version_and_a_logged_change(
    database: Database,
) -> None:
    source = SqlSource(database)
    canned = CannedPolicy(name="readonly", description="", document=ALLOW_ALL)
    other = CannedPolicy(name="other", description="", document=ALLOW_ALL)
    revision = await database.migrate(now=1.0, canned=(canned, other))
    changed = CannedPolicy(name="readonly", description="", document=DENY_ALL)
    assert await database.migrate(now=2.0, canned=(changed, other)) == revision + 1
    policy = next(p for p in (await source.load_policies()).value.managed if p.name == "readonly")
    assert (policy.version, policy.document, policy.updated_at) == (2, DENY_ALL, 2.0)
    assert [c.key for c in (await source.changes_after(revision, 10)).changes] == [policy.id]


async def test_a_canned_policy_never_replaces_a_customers(database: Database) -> None:
    await Control(SqlStore(database)).policies.create("ReadOnly", DENY_ALL)
    canned = CannedPolicy(name="readonly", description="", document=ALLOW_ALL)
    with pytest.raises(ConflictError, match="`ReadOnly`"):
        await database.migrate(now=1.0, canned=(canned,))
    policies = (await SqlSource(database).load_policies()).value.managed
    assert [policy.document for policy in policies] == [DENY_ALL]


def test_a_sqlite_file_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    Database.open(f"sqlite:///{tmp_path}/new/authz.db")
    assert (tmp_path / "new" / "authz.db").stat().st_mode & 0o777 == 0o600


def test_a_sqlite_path_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Database.open("sqlite:///./var/authz.db")
    assert (tmp_path / "var" / "authz.db").exists()


@pytest.mark.parametrize(
    "url", ["", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///:memory:", "x"]
)
def test_other_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        Database.open(url)
    assert "hunter2" not in refused.value.message


def test_a_sqlite_file_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError):
        Database.open(f"sqlite:///{tmp_path}/file/authz.db")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
