from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from authz.access.ports import At, StoredPrincipal
from authz.control.limits import REVOCATION_REACH
from authz.control.ports import Slice
from authz.errors import ConflictError
from authz.identity.credential import Secret
from authz.identity.records import Status, TargetKind, fold_name
from authz.store.sql import principals
from authz.store.sql import source as source_module
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from authz.store.sql.tables import policy_versions
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, Control

USER, GROUP = TargetKind.USER, TargetKind.GROUP

# What is one name, and what is not, whatever the database's own idea of letters is.
SAME_NAMES = [
    ("Alice", "aLICE"),
    ("Ärger", "äRGER"),
    ("Stra\u00dfe", "STRASSE"),
    ("\u00e9t\u00e9", "e\u0301te\u0301"),
    ("\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2", "\u03c3\u03af\u03c3\u03c5\u03c6\u03bf\u03c3"),
    ("\u0416\u0443\u043a", "\u0436\u0443\u041a"),
]
DIFFERENT_NAMES = [
    ("alice", "al\u0131ce"),
    ("ete", "\u00e9t\u00e9"),
    ("a b", "a  b"),
    ("a_b", "axb"),
    ("a%", "ab"),
]


@pytest.mark.parametrize(("name", "other"), SAME_NAMES)
async def test_names_that_differ_in_case_or_form_are_one_name(
    name: str, other: str, control: Control, source: SqlSource
) -> None:
    created = (await control.users.create(name)).value
    with pytest.raises(ConflictError):
        await control.users.create(other)
    assert (await control.users.get(other)).name == name
    found = (await source.find_user(other)).value
    assert found is not None
    assert found.user == created


@pytest.mark.parametrize(("name", "other"), DIFFERENT_NAMES)
async def test_names_that_differ_otherwise_are_two(name: str, other: str, control: Control) -> None:
    ids = {(await control.users.create(each)).value.id for each in (name, other)}
    assert len(ids) == 2


async def test_lists_are_ordered_by_folded_name_and_code_point(control: Control) -> None:
    names = ["b", "A", "\u00e4", "Z", "_", "a-b", "aa", "\U0001f600", "\uffee", "1"]
    for name in names:
        await control.users.create(name)
    listed = [user.name for user in (await control.users.list()).items]
    assert listed == ["1", "_", "A", "a-b", "aa", "b", "Z", "\u00e4", "\uffee", "\U0001f600"]


async def test_a_principal_comes_with_its_groups_and_all_policies_that_apply(
    control: Control, source: SqlSource
) -> None:
    ids = {}
    for name in ("own", "granted", "both", "denied", "unused"):
        ids[name] = (await control.policies.create(name, ALLOW_ALL)).value.id
    await control.users.create("alice", tags={"Team": "blue"})
    on = (await control.groups.create("On")).value
    off = (await control.groups.create("off", status=Status.DISABLED)).value
    bare = (await control.groups.create("bare")).value
    for group in (on, off, bare):
        await control.groups.add_members(group.name, ["alice"])
    for policy, kind, target in (
        ("own", USER, "alice"), ("both", USER, "alice"), ("granted", GROUP, "on"),
        ("both", GROUP, "off"), ("denied", GROUP, "off"),
    ):  # fmt: skip
        await control.attachments.attach(policy, kind, target)
    key = (await control.access_keys.create("alice")).value.key

    by_name = await source.find_user("ALICE")
    by_key = await source.find_access_key(key.id)
    assert by_name.value is not None
    assert by_key.value is not None
    assert by_key.value.key == key
    assert by_key.value.owner == by_name.value
    assert by_name.revision == by_key.revision == await source.revision()
    principal = by_name.value
    assert principal.user == await control.users.get("alice")
    assert principal.groups == (bare, off, on)
    assert principal.policy_ids == tuple(sorted([ids["own"], ids["granted"], ids["both"]]))
    assert principal.deny_only_policy_ids == (ids["denied"],)
    assert principal.boundary_id == ""


async def test_a_principal_comes_with_its_boundary(control: Control, source: SqlSource) -> None:
    policy = (await control.policies.create("Most", ALLOW_ALL)).value
    await control.policies.create("own", ALLOW_ALL)
    created = (await control.users.create("alice", boundary="most")).value
    key = (await control.access_keys.create("alice")).value.key
    for _ in range(2):
        by_name = (await source.find_user("alice")).value
        by_key = (await source.find_access_key(key.id)).value
        assert by_name is not None
        assert by_key is not None
        assert by_key.owner == by_name
        assert by_name.user == created
        assert by_name.boundary_id == policy.id
        assert policy.id not in by_name.policy_ids
        await control.attachments.attach("own", USER, "alice")


async def test_a_principal_is_found_by_its_id_as_by_its_name(
    control: Control, source: SqlSource
) -> None:
    user = (await control.users.create("Alice", tags={"Team": "blue"})).value
    await control.users.create("bob")
    for name in ("p0", "p1", "p2"):
        await control.policies.create(name, ALLOW_ALL)
    await control.users.put_boundary("alice", "p0")
    await control.attachments.attach("p1", USER, "alice")
    await control.groups.create("devs")
    await control.groups.add_members("devs", ["alice", "bob"])
    await control.attachments.attach("p2", GROUP, "devs")
    await control.sessions.revoke_user("alice")
    found = await source.find_user_by_id(user.id)
    assert found == await source.find_user("alice")
    assert found.value is not None
    assert found.value.user.sessions_void_before == control.clock.now() + REVOCATION_REACH
    assert len(found.value.policy_ids) == 2
    assert (await source.find_user_by_id(user.id.lower())).value is None
    await control.users.delete("alice", cascade=True)
    await control.users.create("Alice")
    assert (await source.find_user_by_id(user.id)).value is None


async def test_a_page_of_users_holds_what_each_of_them_is_alone(
    control: Control, source: SqlSource
) -> None:
    for name in ("p0", "p1", "p2"):
        await control.policies.create(name, ALLOW_ALL)
    on = (await control.groups.create("on")).value
    off = (await control.groups.create("off", status=Status.DISABLED)).value
    bare = (await control.groups.create("bare")).value
    names = ["b", "A", "\u00e4", "Z", "_", "aa", "Stra\u00dfe"]
    for number, name in enumerate(names):
        await control.users.create(name, boundary="p2" if number % 2 else None)
        for group in (on, off, bare)[: number % 4]:
            await control.groups.add_members(group.name, [name])
    await control.attachments.attach("p0", GROUP, "on")
    await control.attachments.attach("p0", GROUP, "off")
    await control.attachments.attach("p1", GROUP, "off")
    await control.attachments.attach("p2", USER, "A")
    alone = [(await source.find_user(name)).value for name in names]
    expected = sorted(alone, key=lambda each: fold_name(each.user.name))
    for size in (1, 2, 3, 7, 8):
        seen: list[StoredPrincipal] = []
        page: Sequence[StoredPrincipal] = expected
        while len(page) and len(seen) <= len(names):
            after = fold_name(seen[-1].user.name) if seen else ""
            found = await source.list_users(after, size)
            page = found.value
            assert found.revision == await source.revision()
            assert len(page) <= size
            seen += page
        assert seen == expected


async def test_a_page_of_users_is_of_one_snapshot(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control.users.create("alice")
    await control.policies.create("open", ALLOW_ALL)
    before = (await source.find_user("alice")).value
    revision = await source.revision()
    real = principals.read_revision

    async def read_and_write(connection) -> int:
        found = await real(connection)
        await control.attachments.attach("open", USER, "alice")
        return found

    monkeypatch.setattr(principals, "read_revision", read_and_write)
    assert await source.list_users("", 10) == At(revision, [before])


async def test_a_principal_without_anything_has_empty_lists(
    control: Control, source: SqlSource
) -> None:
    await control.users.create("alice", status=Status.DISABLED)
    found = (await source.find_user("alice")).value
    assert found is not None
    assert found.user.status is Status.DISABLED
    assert (found.groups, found.policy_ids, found.deny_only_policy_ids) == ((), (), ())


async def test_access_key_ids_are_case_sensitive(control: Control, source: SqlSource) -> None:
    await control.users.create("alice")
    await control.access_keys.create("alice", access_key_id="KeyOne", secret=Secret("s" * 8))
    assert (await source.find_access_key("KeyOne")).value is not None
    assert (await source.find_access_key("keyone")).value is None


@pytest.mark.parametrize(
    "garbage",
    ["", "x", "a\0b", "a\ud800b", "x" * 10_000, "' OR 1=1 --", "a=b", "\u00e9t\u00e9", "%%%%"],
)
async def test_what_no_record_can_be_called_is_simply_not_found(
    garbage: str, source: SqlSource
) -> None:
    assert (await source.find_access_key(garbage)).value is None
    assert (await source.find_user(garbage)).value is None
    assert (await source.find_user_by_id(garbage)).value is None


async def test_policies_are_loaded_all_or_by_id(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await source.load_policies()).value == ([], [], [], [])
    stored = [(await control.policies.create(f"p{n}", f" {ALLOW_ALL}\n")).value for n in range(4)]
    loaded = await source.load_policies()
    assert loaded.revision == await source.revision()
    assert sorted(loaded.value.managed, key=lambda policy: policy.name) == stored
    wanted = {stored[1].id, stored[3].id, "ANPAGONE"}
    for limit in (source_module.SELECTED_LIMIT, 2):
        monkeypatch.setattr(source_module, "SELECTED_LIMIT", limit)
        some = (await source.load_policies(wanted, (), ())).value
        assert {policy.name for policy in some.managed} == {"p1", "p3"}
        assert some.of_resources == []
    assert (await source.load_policies([], [], [])).value == ([], [], (), [])


async def test_policies_of_resources_are_loaded_all_or_by_arn(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    arns = [f"arn:aws:s3:::bucket-{n}" for n in range(4)]
    stored = [(await control.resource_policies.put(arn, f" {ALLOW_ALL}\n")).value for arn in arns]
    policy = (await control.policies.create("open", ALLOW_ALL)).value
    loaded = await source.load_policies()
    assert loaded.revision == await source.revision()
    assert sorted(loaded.value.of_resources, key=lambda each: each.resource) == stored
    for limit in (source_module.SELECTED_LIMIT, 2):
        monkeypatch.setattr(source_module, "SELECTED_LIMIT", limit)
        wanted = [arns[1], arns[3], "arn:aws:s3:::BUCKET-2"]
        some = (await source.load_policies([policy.id], wanted, ())).value
        assert sorted(each.resource for each in some.of_resources) == [arns[1], arns[3]]
        assert some.managed == [policy]


async def test_revoked_sessions_are_loaded_with_everything(
    control: Control, source: SqlSource
) -> None:
    assert (await source.load_policies()).value.revoked == []
    stored = [(await control.sessions.revoke(f"ASIA{n}")).value for n in range(3)]
    loaded = await source.load_policies()
    assert loaded.revision == await source.revision()
    assert sorted(loaded.value.revoked, key=lambda each: each.access_key_id) == stored
    assert (await source.load_policies([], [], [])).value.revoked == ()


async def test_policies_are_loaded_from_one_snapshot(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    before = await source.revision()
    real = source_module.change_log.read_revision

    async def read_and_write(connection) -> int:
        revision = await real(connection)
        await control.policies.update("open", document=DENY_ALL)
        await control.resource_policies.put("arn:aws:s3:::photos", DENY_ALL)
        await control.sessions.revoke("ASIAONE")
        return revision

    monkeypatch.setattr(source_module.change_log, "read_revision", read_and_write)
    loaded = await source.load_policies()
    assert loaded.revision == before
    assert [policy.document for policy in loaded.value.managed] == [ALLOW_ALL]
    assert loaded.value.of_resources == []
    assert loaded.value.revoked == []


async def test_a_policy_whose_version_in_force_is_missing_is_loaded_without_a_document(
    control: Control, source: SqlSource, database: Database
) -> None:
    policy = (await control.policies.create("open", DENY_ALL)).value

    async def lose(connection) -> None:
        await connection.execute(delete(policy_versions))

    await database.write(lose)
    assert (await source.load_policies()).value.managed == [replace(policy, document="")]
    repaired = (await control.policies.update("open", document=DENY_ALL)).value
    assert (repaired.version, repaired.document) == (2, DENY_ALL)
    assert (await source.load_policies()).value.managed == [repaired]


async def test_a_read_sees_one_state_while_others_write(control: Control, store: SqlStore) -> None:
    await control.users.create("alice")

    async def look_twice(unit) -> tuple[int, int]:
        before = len(await unit.users.list(Slice("", 10)))
        await control.users.create("bob")
        return before, len(await unit.users.list(Slice("", 10)))

    assert await store.read(look_twice) == (1, 1)


async def test_no_secret_is_stored_in_the_clear(
    control: Control, source: SqlSource, database: Database
) -> None:
    await control.users.create("alice")
    created = (await control.access_keys.create("alice")).value
    stored = (await source.find_access_key(created.key.id)).value
    assert stored is not None
    secret = created.secret.reveal().encode()
    assert secret not in stored.sealed_secret
    assert control.ring.unseal(stored.sealed_secret, created.key.id.encode()) == secret
    if not database.is_postgresql:
        files = [Path(database.dsn + suffix).read_bytes() for suffix in ("", "-wal")]  # noqa: ASYNC240 - nothing else waits
        assert any(created.key.id.encode() in content for content in files)
        assert not any(secret in content for content in files)
