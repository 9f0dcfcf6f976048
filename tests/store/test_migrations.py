"""A database that an older version of the software has filled is brought forward without a loss."""

from collections.abc import Sequence
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import PolicyOrigin, PolicyVersion, Status, TargetKind
from authz.policy.canned import CannedPolicy
from authz.store.sql import schema
from authz.store.sql.canned import canned_policy_id
from authz.store.sql.engine import Database
from authz.store.sql.provider_checks import SqlProviderChecks
from authz.store.sql.schema import SchemaState
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, TRUST, Control

ODD = f"\r\n\t {ALLOW_ALL}  \n\"\u00fc\u2603\U0001f600' -- \\ "
CANNED_ID = canned_policy_id("readonly")

Rows = dict[str, list[dict[str, Any]]]

ROWS_OF_0001: Rows = {
    "users": [
        {"id": "AIDA1", "name": "Alice", "name_key": "alice", "status": "enabled",
         "tags": '{"Team": "\u00fc"}', "created_at": 1.5},
        {"id": "AIDA2", "name": "bob", "name_key": "bob", "status": "disabled",
         "tags": "{}", "created_at": 2.5},
    ],
    "groups": [
        {"id": "AGPA1", "name": "Devs", "name_key": "devs", "status": "enabled", "created_at": 3.5},
    ],
    "memberships": [{"user_id": "AIDA1", "group_id": "AGPA1"}],
    "access_keys": [
        {"id": "KEY1", "user_id": "AIDA1", "status": "enabled", "sealed_secret": b"\x00\xff",
         "description": "", "created_at": 4.5},
    ],
    "policies": [
        {"id": "ANPA1", "name": "Odd", "name_key": "odd", "origin": "customer", "version": 1,
         "document": ODD, "description": "as it was", "created_at": 5.5, "updated_at": 6.5},
        {"id": "ANPA2", "name": "often", "name_key": "often", "origin": "customer", "version": 7,
         "document": DENY_ALL, "description": "", "created_at": 5.5, "updated_at": 7.5},
        {"id": CANNED_ID, "name": "readonly", "name_key": "readonly", "origin": "aws", "version": 2,
         "document": ALLOW_ALL, "description": "", "created_at": 5.5, "updated_at": 8.5},
    ],
    "user_policies": [{"user_id": "AIDA1", "policy_id": "ANPA1"}],
    "group_policies": [{"group_id": "AGPA1", "policy_id": "ANPA2"}],
    "changes": [{"revision": 41, "seq": 0, "kind": "policy", "key": "ANPA2"}],
}  # fmt: skip


ROWS_OF_0002: Rows = {
    "policies": [
        {"id": "ANPA1", "name": "Odd", "name_key": "odd", "origin": "customer", "version": 1,
         "description": "as it was", "created_at": 5.5, "updated_at": 6.5, "last_version": 3},
        {"id": "ANPA2", "name": "often", "name_key": "often", "origin": "customer", "version": 7,
         "description": "", "created_at": 5.5, "updated_at": 7.5, "last_version": 7},
    ],
    "policy_versions": [
        {"policy_id": "ANPA1", "version": 1, "document": ODD, "created_at": 5.5},
        {"policy_id": "ANPA1", "version": 3, "document": DENY_ALL, "created_at": 6.5},
        {"policy_id": "ANPA2", "version": 7, "document": DENY_ALL, "created_at": 7.5},
    ],
    "users": [
        {**user, "boundary_id": boundary}
        for user, boundary in zip(ROWS_OF_0001["users"], ("ANPA2", None), strict=True)
    ],
    "resource_policies": [
        {"resource": "arn:aws:s3:::photos", "version": 3, "document": ODD, "created_at": 5.5,
         "updated_at": 6.5},
    ],
    **{
        table: ROWS_OF_0001[table]
        for table in ("groups", "memberships", "access_keys", "user_policies", "group_policies", "changes")
    },
}  # fmt: skip


ROWS_OF_0003: Rows = ROWS_OF_0002 | {
    "users": [user | {"sessions_void_before": 9.5} for user in ROWS_OF_0002["users"]],
    "access_keys": [
        key | {"name": "ci", "policy": ODD, "expires_at": 10.5}
        for key in ROWS_OF_0002["access_keys"]
    ],
    "revoked_sessions": [{"access_key_id": "ASIA1", "expires_at": 11.5}],
}

ROWS_OF_0004: Rows = ROWS_OF_0003 | {
    "roles": [
        {"id": "AROA1", "name": "Ops", "name_key": "ops", "trust": ODD, "description": "as it was",
         "max_session_duration": 7200, "tags": '{"Team": "\u00fc"}', "boundary_id": "ANPA2",
         "sessions_void_before": 12.5, "created_at": 13.5},
    ],
    "role_policies": [{"role_id": "AROA1", "policy_id": "ANPA1"}],
}  # fmt: skip


ROWS_OF_0005: Rows = ROWS_OF_0004 | {
    "providers": [
        {"id": "AIDP1", "name": "corp", "name_key": "corp", "kind": "ldap", "status": "enabled",
         "config": "{}", "description": "as it was", "sealed_secret": b"sealed",
         "sessions_void_before": 14.5, "created_at": 15.5, "updated_at": 16.5},
    ],
    "provider_policies": [{"provider_id": "AIDP1", "policy_id": "ANPA1"}],
}  # fmt: skip


def fill(connection: Connection, version: str, content: Rows) -> None:
    config = Config()
    config.set_main_option("script_location", str(schema._MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, version)
    for table, rows in content.items():
        columns = ", ".join(rows[0])
        values = ", ".join(f":{column}" for column in rows[0])
        connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), rows)
    connection.execute(text("UPDATE state SET revision = 41, trimmed = 40"))


def rows_of(connection: Connection, table: str) -> Sequence[dict[str, Any]]:
    found = connection.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2")).mappings()
    return [dict(row) for row in found]


async def assert_kept(database: Database, content: Rows, added: dict[str, Any]) -> None:
    """Compare what was there, and `added` (table -> column -> value); later versions may add more."""
    for table, before in content.items():
        after = await database.read(
            lambda connection, table=table: connection.run_sync(rows_of, table)
        )
        expected = [row | added.get(table, {}) for row in before]
        shown = [
            {column: row[column] for column in wanted}
            for row, wanted in zip(after, expected, strict=True)
        ]
        assert shown == expected


async def bring_forward(
    database: Database,
    canned: Sequence[CannedPolicy] = (),
    version: str = "0001",
    content: Rows = ROWS_OF_0001,
) -> int:
    await database.write(lambda connection: connection.run_sync(fill, version, content))
    assert await database.schema_state() is SchemaState.BEHIND
    revision = await database.migrate(now=100.0, canned=canned)
    assert await database.schema_state() is SchemaState.CURRENT
    return revision


async def test_0002_keeps_everything_that_0001_held(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await bring_forward(database) == 41
        for table, before in ROWS_OF_0001.items():
            after = await database.read(
                lambda connection, table=table: connection.run_sync(rows_of, table)
            )
            kept = [{column for column in row if column != "document"} for row in before]
            shown = [
                {column: row[column] for column in columns}
                for row, columns in zip(after, kept, strict=True)
            ]
            assert shown == [
                {column: row[column] for column in columns}
                for row, columns in zip(before, kept, strict=True)
            ]
        versions = await database.read(
            lambda connection: connection.run_sync(rows_of, "policy_versions")
        )
        assert versions == [
            {"policy_id": "ANPA1", "version": 1, "document": ODD, "created_at": 5.5},
            {"policy_id": "ANPA2", "version": 7, "document": DENY_ALL, "created_at": 7.5},
            {"policy_id": CANNED_ID, "version": 2, "document": ALLOW_ALL, "created_at": 8.5},
        ]


async def test_after_0002_everything_means_what_it_meant(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        await bring_forward(database)
        source, control = SqlSource(database), Control(SqlStore(database))
        stored = (await source.load_policies()).value
        assert {policy.id: policy.document for policy in stored.managed} == {
            "ANPA1": ODD, "ANPA2": DENY_ALL, CANNED_ID: ALLOW_ALL
        }  # fmt: skip
        assert stored.of_resources == []
        assert not (await source.changes_after(40, 10)).is_gap
        alice = (await source.find_user("alice")).value
        assert alice is not None
        assert alice.user.boundary is None
        assert (alice.policy_ids, alice.boundary_id) == (("ANPA1", "ANPA2"), "")
        often = await control.policies.get("often")
        assert (often.version, often.last_version, often.origin) == (7, 7, PolicyOrigin.CUSTOMER)
        await control.policies.update("often", document=ALLOW_ALL)
        listed = [each.version for each in await control.policies.list_versions("often")]
        assert listed == [
            PolicyVersion(
                policy_id="ANPA2", version=8, document=ALLOW_ALL, created_at=control.clock.now()
            ),
            PolicyVersion(policy_id="ANPA2", version=7, document=DENY_ALL, created_at=7.5),
        ]


async def test_0002_and_a_changed_canned_policy_arrive_together(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        canned = CannedPolicy(name="readonly", description="", document=DENY_ALL)
        assert await bring_forward(database, (canned,)) == 42
        control = Control(SqlStore(database))
        listed = await control.policies.list_versions("readonly")
        assert [(each.version.version, each.is_default) for each in listed] == [
            (3, True),
            (2, False),
        ]
        assert [
            change.key for change in (await SqlSource(database).changes_after(41, 9)).changes
        ] == [CANNED_ID]


async def test_0003_keeps_everything_that_0002_held(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await bring_forward(database, version="0002", content=ROWS_OF_0002) == 41
        added = {
            "users": {"sessions_void_before": 0.0},
            "access_keys": {"name": "", "policy": "", "expires_at": None},
        }
        await assert_kept(database, ROWS_OF_0002, added)


async def test_after_0003_everything_means_what_it_meant(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        await bring_forward(database, version="0002", content=ROWS_OF_0002)
        source, control = SqlSource(database), Control(SqlStore(database))
        loaded = (await source.load_policies()).value
        assert {policy.id: policy.document for policy in loaded.managed} == {
            "ANPA1": ODD, "ANPA2": DENY_ALL
        }  # fmt: skip
        assert [policy.document for policy in loaded.of_resources] == [ODD]
        assert loaded.revoked == []
        assert not (await source.changes_after(40, 10)).is_gap
        found = (await source.find_access_key("KEY1")).value
        assert found is not None
        assert (found.key.name, found.key.policy, found.key.expires_at) == ("", "", None)
        assert found.sealed_secret == b"\x00\xff"
        assert found.owner == (await source.find_user_by_id("AIDA1")).value
        assert (found.owner.boundary_id, found.owner.user.sessions_void_before) == ("ANPA2", 0.0)
        narrowed = await control.access_keys.update("KEY1", policy=ALLOW_ALL)
        voided = await control.sessions.revoke_user("alice")
        assert (narrowed.revision, voided.revision) == (42, 43)
        changed = (await source.find_access_key("KEY1")).value
        assert changed is not None
        assert changed.key == narrowed.value
        assert changed.owner.user == voided.value


async def test_0004_keeps_everything_that_0003_held(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await bring_forward(database, version="0003", content=ROWS_OF_0003) == 41
        await assert_kept(database, ROWS_OF_0003, {})


async def test_after_0004_there_are_no_roles_until_one_is_made(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        await bring_forward(database, version="0003", content=ROWS_OF_0003)
        source, control = SqlSource(database), Control(SqlStore(database))
        assert not (await source.changes_after(40, 10)).is_gap
        assert not (await control.roles.list()).items
        role = (await control.roles.create("Ops", TRUST, boundary="often")).value
        assert (await control.attachments.attach("odd", TargetKind.ROLE, "ops")).revision == 43
        found = (await source.find_role("ops")).value
        assert found is not None
        assert (found.role, found.policy_ids, found.boundary_id) == (role, ("ANPA1",), "ANPA2")


async def test_0005_keeps_everything_that_0004_held(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await bring_forward(database, version="0004", content=ROWS_OF_0004) == 41
        added = {
            "users": {
                "provider_id": None,
                "display_name": "",
                "external_groups": "[]",
                "absent_since": None,
            },
            "groups": {"provider_id": None},
            "access_keys": {"granted": "[]", "facts": "{}"},
        }
        await assert_kept(database, ROWS_OF_0004, added)


async def test_after_0005_everybody_is_a_user_of_our_own(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        await bring_forward(database, version="0004", content=ROWS_OF_0004)
        source, control = SqlSource(database), Control(SqlStore(database))
        assert not (await source.changes_after(40, 10)).is_gap
        assert (await source.load_policies()).value.providers == []
        found = (await source.find_access_key("KEY1")).value
        assert found is not None
        assert (found.key.granted, found.key.facts) == ((), {})
        assert found.owner == (await source.find_user("alice")).value
        assert found.owner.provider_status is Status.ENABLED
        user = found.owner.user
        assert (user.provider_id, user.display_name, user.external_groups) == ("", "", ())
        assert user.absent_since is None
        assert [group.provider_id for group in found.owner.groups] == [""]
        provider = (await control.providers.create("corp", ProviderKind.LDAP, "{}")).value
        await control.attachments.attach("odd", TargetKind.PROVIDER, "corp")
        await control.groups.create("corp=devs")
        identity = ExternalIdentity(name="Alice", groups=("devs",))
        made = await control.logins.adopt(provider.id, identity, has_policies=False)
        assert made.revision == 45
        vouched = (await source.find_user("corp=Alice")).value
        assert vouched is not None
        assert (vouched.user, vouched.policy_ids) == (made.value, ("ANPA1",))
        assert (await source.find_user("alice")).value == found.owner


async def test_0006_keeps_everything_that_0005_held(database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as database:
        assert await bring_forward(database, version="0005", content=ROWS_OF_0005) == 41
        await assert_kept(database, ROWS_OF_0005, {"providers": {"checked_at": 0.0}})
        assert await SqlProviderChecks(database).claim("AIDP1", 1000.0, 900.0)
        stored = (await SqlSource(database).load_policies()).value.providers
        assert [one.sealed_secret for one in stored] == [b"sealed"]
        assert await SqlSource(database).revision() == 41
