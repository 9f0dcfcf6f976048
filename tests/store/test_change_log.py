"""Every operation logs exactly what it can have changed, and revisions come in order without gaps."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from authz.access.ports import Change, ChangeKind
from authz.control.ports import Written
from authz.control.providers import ProviderChange
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Status, TargetKind, User
from authz.store.sql import change_log
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from authz.store.sql.tables import changes
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, TRUST, TRUST_ROOT, Control

USER, GROUP, ROLE = TargetKind.USER, TargetKind.GROUP, TargetKind.ROLE
PROVIDER = TargetKind.PROVIDER
BUCKET = "arn:aws:s3:::photos"

OPERATIONS: dict[str, tuple[Callable[[Control], Awaitable[Written[object]]], set[str]]] = {
    "create a user": (
        lambda c: c.users.create("Carol"),
        {"user Carol", "user_name carol"},
    ),
    "disable a user": (lambda c: c.users.update("alice", status=Status.DISABLED), {"user Alice"}),
    "tag a user": (lambda c: c.users.update("alice", tags={"a": "b"}), {"user Alice"}),
    "rename a user": (
        lambda c: c.users.update("alice", new_name="Eve"),
        {"user Alice", "user_name alice", "user_name eve"},
    ),
    "change the case of a user's name": (
        lambda c: c.users.update("alice", new_name="ALICE"),
        {"user Alice", "user_name alice"},
    ),
    "delete a user that has nothing": (
        lambda c: c.users.delete("dave"),
        {"user Dave", "user_name dave"},
    ),
    "delete a user with all it has": (
        lambda c: c.users.delete("alice", cascade=True),
        {"user Alice", "user_name alice", "access_key ALICEKEY1", "access_key ALICEKEY2"},
    ),
    "narrow an access key": (
        lambda c: c.access_keys.update("ALICEKEY1", policy=ALLOW_ALL),
        {"access_key ALICEKEY1"},
    ),
    "let an access key expire": (
        lambda c: c.access_keys.update("ALICEKEY1", expires_at=c.clock.now() + 86_400),
        {"access_key ALICEKEY1"},
    ),
    "revoke a user's sessions": (lambda c: c.sessions.revoke_user("alice"), {"user Alice"}),
    "revoke a session": (lambda c: c.sessions.revoke("ASIAONE"), {"session ASIAONE"}),
    "create a group": (lambda c: c.groups.create("Ops"), {"group Ops"}),
    "disable a group": (lambda c: c.groups.update("devs", status=Status.DISABLED), {"group Devs"}),
    "rename a group": (lambda c: c.groups.update("devs", new_name="Makers"), {"group Devs"}),
    "delete a group with all it has": (
        lambda c: c.groups.delete("devs", cascade=True),
        {"group Devs", "user Alice", "user Bob"},
    ),
    "add members": (
        lambda c: c.groups.add_members("devs", ["alice", "dave"]),
        {"user Dave"},
    ),
    "remove members": (
        lambda c: c.groups.remove_members("devs", ["bob", "dave"]),
        {"user Bob"},
    ),
    "create a role": (
        lambda c: c.roles.create("New", TRUST, boundary="open"),
        {"role New", "role_name new"},
    ),
    "describe a role": (lambda c: c.roles.update("ops", description="x"), {"role Ops"}),
    "tag a role": (lambda c: c.roles.update("ops", tags={"a": "b"}), {"role Ops"}),
    "change a role's trust": (lambda c: c.roles.update_trust("ops", TRUST_ROOT), {"role Ops"}),
    "bound a role": (lambda c: c.roles.put_boundary("ops", "loose"), {"role Ops"}),
    "take a role's boundary away": (lambda c: c.roles.delete_boundary("ops"), {"role Ops"}),
    "revoke a role's sessions": (lambda c: c.sessions.revoke_role("ops"), {"role Ops"}),
    "delete a role that has nothing": (
        lambda c: c.roles.delete("bare"),
        {"role Bare", "role_name bare"},
    ),
    "delete a role with all it has": (
        lambda c: c.roles.delete("ops", cascade=True),
        {"role Ops", "role_name ops"},
    ),
    "create an access key": (
        lambda c: c.access_keys.create("bob", access_key_id="BOBKEY", secret=Secret("s" * 8)),
        {"access_key BOBKEY"},
    ),
    "disable an access key": (
        lambda c: c.access_keys.update("ALICEKEY1", status=Status.DISABLED),
        {"access_key ALICEKEY1"},
    ),
    "delete an access key": (
        lambda c: c.access_keys.delete("ALICEKEY1"),
        {"access_key ALICEKEY1"},
    ),
    "create a policy": (lambda c: c.policies.create("new", ALLOW_ALL), {"policy new"}),
    "change a policy": (lambda c: c.policies.update("open", document=DENY_ALL), {"policy open"}),
    "delete a policy": (lambda c: c.policies.delete("loose"), {"policy loose"}),
    "delete a policy wherever it is attached": (
        lambda c: c.policies.delete("open", cascade=True),
        {"policy open", "user Alice", "group Devs", "role Ops", "provider corp"},
    ),
    "put an older version in force": (
        lambda c: c.policies.set_default_version("versioned", 1),
        {"policy versioned"},
    ),
    "store a version that is in force at once": (
        lambda c: c.policies.create_version("open", DENY_ALL, set_as_default=True),
        {"policy open"},
    ),
    "bound a user": (lambda c: c.users.put_boundary("alice", "loose"), {"user Alice"}),
    "bound a user otherwise": (lambda c: c.users.put_boundary("bob", "loose"), {"user Bob"}),
    "take a boundary away": (lambda c: c.users.delete_boundary("bob"), {"user Bob"}),
    "create a bounded user": (
        lambda c: c.users.create("Carol", boundary="open"),
        {"user Carol", "user_name carol"},
    ),
    "set the policy of a resource": (
        lambda c: c.resource_policies.put("arn:aws:s3:::new", ALLOW_ALL),
        {"resource_policy arn:aws:s3:::new"},
    ),
    "change the policy of a resource": (
        lambda c: c.resource_policies.put(BUCKET, DENY_ALL),
        {f"resource_policy {BUCKET}"},
    ),
    "delete the policy of a resource": (
        lambda c: c.resource_policies.delete(BUCKET),
        {f"resource_policy {BUCKET}"},
    ),
    "attach to a user": (lambda c: c.attachments.attach("loose", USER, "bob"), {"user Bob"}),
    "attach to a group": (lambda c: c.attachments.attach("loose", GROUP, "devs"), {"group Devs"}),
    "attach to a role": (lambda c: c.attachments.attach("loose", ROLE, "ops"), {"role Ops"}),
    "detach from a role": (lambda c: c.attachments.detach("open", ROLE, "ops"), {"role Ops"}),
    "create a provider": (
        lambda c: c.providers.create("new", ProviderKind.OIDC, "{}", secret=Secret("s")),
        {"provider new"},
    ),
    "disable a provider": (
        lambda c: c.providers.update("corp", ProviderChange(status=Status.DISABLED)),
        {"provider corp"},
    ),
    "give a provider another secret": (
        lambda c: c.providers.update("corp", ProviderChange(secret=Secret("t"))),
        {"provider corp"},
    ),
    "revoke the sessions of a provider": (lambda c: c.providers.revoke("corp"), {"provider corp"}),
    "delete a provider": (lambda c: c.providers.delete("bare"), {"provider bare"}),
    "attach to a provider": (
        lambda c: c.attachments.attach("loose", PROVIDER, "corp"),
        {"provider corp"},
    ),
    "detach from a provider": (
        lambda c: c.attachments.detach("open", PROVIDER, "corp"),
        {"provider corp"},
    ),
    "log in for the first time": (
        lambda c: login(c, ExternalIdentity(name="Zoe", groups=("devs", "unknown"))),
        {"user corp=Zoe", "user_name corp=Zoe"},
    ),
    "log in from another group": (
        lambda c: login(c, ExternalIdentity(name="Ann", groups=("ops",))),
        {"user corp=Ann"},
    ),
    "be known no more": (
        lambda c: be_absent(c, "corp=Ann"),
        {"user corp=Ann"},
    ),
    "create a group of a provider": (
        lambda c: c.groups.create("corp=night"),
        {"group corp=night", "user corp=Ann"},
    ),
    "create a user of a provider": (
        lambda c: c.users.create("corp=zoe"),
        {"user corp=zoe", "user_name corp=zoe"},
    ),
    "detach from a user": (lambda c: c.attachments.detach("open", USER, "alice"), {"user Alice"}),
    "detach from a group": (lambda c: c.attachments.detach("open", GROUP, "devs"), {"group Devs"}),
}


async def login(control: Control, identity: ExternalIdentity) -> Written[User]:
    corp = await control.providers.get("corp")
    return await control.logins.adopt(corp.id, identity, has_policies=False)


async def be_absent(control: Control, name: str) -> Written[User]:
    return await control.logins.set_absent(await control.users.get(name))


ANN = ExternalIdentity(name="Ann", display_name="Ann A.", groups=("night", "devs"))

NO_OPERATIONS: dict[str, Callable[[Control], Awaitable[Written[object]]]] = {
    "update a user to what it is": lambda c: c.users.update("alice", status=Status.ENABLED),
    "update nothing of a user": lambda c: c.users.update("alice"),
    "update a group to what it is": lambda c: c.groups.update("devs", new_name="Devs"),
    "update a role to what it is": lambda c: c.roles.update("ops", description="", tags={}),
    "trust whom a role trusts": lambda c: c.roles.update_trust("OPS", TRUST),
    "bound a role as it is": lambda c: c.roles.put_boundary("OPS", "BOUNDARY"),
    "take away a role's boundary that is none": lambda c: c.roles.delete_boundary("bare"),
    "attach what is attached to a role": lambda c: c.attachments.attach("OPEN", ROLE, "OPS"),
    "add a member that is one": lambda c: c.groups.add_members("devs", ["ALICE"]),
    "remove a member that is none": lambda c: c.groups.remove_members("devs", ["dave"]),
    "update a key to what it is": lambda c: c.access_keys.update("ALICEKEY1", description=""),
    "store the same document": lambda c: c.policies.update("open", document=ALLOW_ALL),
    "store a version that is not in force": lambda c: c.policies.create_version("open", DENY_ALL),
    "delete a version that is not in force": lambda c: c.policies.delete_version("versioned", 1),
    "put the version in force in force": lambda c: c.policies.set_default_version("versioned", 2),
    "bound a user as it is": lambda c: c.users.put_boundary("BOB", "BOUNDARY"),
    "take away a boundary that is none": lambda c: c.users.delete_boundary("alice"),
    "set the same policy of a resource": lambda c: c.resource_policies.put(BUCKET, ALLOW_ALL),
    "attach what is attached": lambda c: c.attachments.attach("OPEN", USER, "ALICE"),
    "update a provider to what it is": lambda c: c.providers.update(
        "corp", ProviderChange(status=Status.ENABLED, config="{}", description="")
    ),
    "update nothing of a provider": lambda c: c.providers.update("corp", ProviderChange()),
    "attach what is attached to a provider": lambda c: c.attachments.attach(
        "OPEN", PROVIDER, "corp"
    ),
    "log in again": lambda c: login(c, ANN),
    "log in again with the groups in another order": lambda c: login(
        c, replace(ANN, groups=ANN.groups[::-1])
    ),
    "be known no more, again": lambda c: be_absent(c, "corp=Gone"),
    "detach what is not attached": lambda c: c.attachments.detach("loose", GROUP, "devs"),
}


async def populate(control: Control) -> None:
    for name in ("Alice", "Bob", "Dave"):
        await control.users.create(name)
    await control.groups.create("Devs")
    await control.groups.add_members("devs", ["alice", "bob"])
    for name in ("open", "loose", "boundary", "versioned"):
        await control.policies.create(name, ALLOW_ALL)
    await control.policies.update("versioned", document=DENY_ALL)
    await control.users.put_boundary("bob", "boundary")
    await control.resource_policies.put(BUCKET, ALLOW_ALL)
    for key_id in ("ALICEKEY1", "ALICEKEY2"):
        await control.access_keys.create("alice", access_key_id=key_id, secret=Secret("s" * 8))
    await control.attachments.attach("open", USER, "alice")
    await control.attachments.attach("open", GROUP, "devs")
    await control.roles.create("Ops", TRUST, boundary="boundary")
    await control.roles.create("Bare", TRUST)
    await control.attachments.attach("open", ROLE, "ops")
    await populate_providers(control)


async def populate_providers(control: Control) -> None:
    await control.providers.create("bare", ProviderKind.LDAP, "{}")
    await control.providers.create("corp", ProviderKind.OIDC, "{}", secret=Secret("s"))
    await control.attachments.attach("open", PROVIDER, "corp")
    for name in ("corp=devs", "corp=ops"):
        await control.groups.create(name)
    await login(control, ANN)
    await login(control, ExternalIdentity(name="Gone"))
    await be_absent(control, "corp=Gone")


async def names_by_id(control: Control) -> dict[str, str]:
    pages = [
        await control.users.list(),
        await control.groups.list(),
        await control.roles.list(),
        await control.policies.list(),
        await control.providers.list(),
    ]
    return {record.id: record.name for page in pages for record in page.items}


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_operation_logs_exactly_what_it_changes(
    operation: str, control: Control, source: SqlSource
) -> None:
    change, expected = OPERATIONS[operation]
    await populate(control)
    before, names = await source.revision(), await names_by_id(control)
    written = await change(control)
    names = await names_by_id(control) | names
    batch = await source.changes_after(before, 100)
    assert written.revision == batch.revision == before + 1
    assert {f"{c.kind.value} {names.get(c.key, c.key)}" for c in batch.changes} == expected
    assert len(batch.changes) == len(expected)


@pytest.mark.parametrize("operation", NO_OPERATIONS)
async def test_an_operation_that_changes_nothing_makes_no_revision(
    operation: str, control: Control, source: SqlSource
) -> None:
    await populate(control)
    before = await source.revision()
    assert (await NO_OPERATIONS[operation](control)).revision == before
    assert await source.revision() == before


async def test_a_change_that_fails_leaves_nothing_behind(
    control: Control, store: SqlStore, source: SqlSource
) -> None:
    user = (await control.users.create("alice")).value

    async def fail(unit) -> None:
        await unit.users.remove(user)
        raise LookupError

    before = await source.revision()
    with pytest.raises(LookupError):
        await store.write(fail)
    assert (await source.changes_after(before, 10)).revision == before
    assert await control.users.get("alice") == user


async def test_twenty_concurrent_writers_make_revisions_without_gaps(
    database: Database, database_url: str, source: SqlSource
) -> None:
    heard: list[int] = []
    async with Database.open(database_url, OPTIONS) as other:
        stores = [SqlStore(base, on_commit=heard.append) for base in (database, other)]
        controls = [Control(store) for store in stores]
        written = await asyncio.gather(
            *(controls[n % 2].users.create(f"user{n}") for n in range(20))
        )
    assert sorted(w.revision for w in written) == list(range(1, 21))
    assert sorted(heard) == list(range(1, 21))
    batch = await source.changes_after(0, 1000)
    assert [c.revision for c in batch.changes] == sorted([*range(1, 21), *range(1, 21)])


async def test_a_batch_never_splits_a_revision(control: Control, source: SqlSource) -> None:
    await populate(control)
    whole = await source.changes_after(0, 1000)
    assert not whole.is_truncated
    read: list[Change] = []
    at = 0
    for _ in range(100):
        batch = await source.changes_after(at, 1)
        assert {c.revision for c in batch.changes} == {at + 1} == {batch.revision}
        read += batch.changes
        at = batch.revision
        if not batch.is_truncated:
            break
    assert read == whole.changes


async def test_who_is_up_to_date_reads_nothing(control: Control, source: SqlSource) -> None:
    revision = (await control.users.create("alice")).revision
    batch = await source.changes_after(revision, 10)
    assert (batch.revision, batch.changes, batch.is_gap) == (revision, [], False)


async def test_a_reader_that_fell_behind_the_trimmed_log_sees_the_gap(
    database: Database, source: SqlSource
) -> None:
    control = Control(SqlStore(database, retained_revisions=3))
    for n in range(6):
        await control.users.create(f"user{n}")
    assert (await source.changes_after(2, 10)).is_gap
    kept = await source.changes_after(3, 10)
    assert not kept.is_gap
    assert [c.revision for c in kept.changes] == [4, 4, 5, 5, 6, 6]


async def test_a_reader_ahead_of_a_restored_database_sees_a_gap(source: SqlSource) -> None:
    batch = await source.changes_after(7, 10)
    assert batch.is_gap
    assert batch.revision == 0


async def test_a_change_too_big_to_log_makes_readers_reload(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_log, "CHANGES_PER_REVISION", 3)
    await populate(control)
    before = await source.revision()
    await control.users.delete("alice", cascade=True)
    assert (await source.changes_after(before, 10)).is_gap
    assert not (await source.changes_after(before + 1, 10)).is_gap


async def test_every_kind_of_change_can_be_read_back(control: Control, source: SqlSource) -> None:
    await populate(control)
    await control.sessions.revoke("ASIAONE")
    batch = await source.changes_after(0, 1000)
    assert {change.kind for change in batch.changes} == set(ChangeKind)


async def test_a_kind_that_a_newer_version_wrote_is_a_gap(
    control: Control, source: SqlSource, database: Database
) -> None:
    await control.users.create("carol")
    before = await source.revision()
    await control.users.create("dora")

    async def write_newer(connection) -> None:
        await connection.execute(
            update(changes).where(changes.c.revision > before).values(kind="future")
        )

    await database.write(write_newer)
    batch = await source.changes_after(before, 10)
    assert batch.is_gap
    assert batch.revision == before + 1
