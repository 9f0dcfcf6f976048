import asyncio

import pytest

from authz.control.ports import Slice
from authz.errors import ConflictError, InUseError, InvalidError, NotFoundError
from authz.identity.records import PolicyOrigin, PolicyRef, TargetKind
from authz.policy.canned import CannedPolicy
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, Control


@pytest.fixture(autouse=True)
async def most(control: Control) -> PolicyRef:
    policy = (await control.policies.create("Most", ALLOW_ALL)).value
    return PolicyRef(id=policy.id, name="Most")


async def test_a_boundary_is_set_replaced_and_taken_away(control: Control, most: PolicyRef) -> None:
    await control.users.create("alice", tags={"a": "b"})
    bounded = (await control.users.put_boundary("ALICE", "MOST")).value
    assert bounded.boundary == most
    assert bounded.tags == {"a": "b"}
    assert await control.users.get("alice") == bounded
    other = (await control.policies.create("other", DENY_ALL)).value
    replaced = (await control.users.put_boundary("alice", "other")).value
    assert replaced.boundary == PolicyRef(id=other.id, name="other")
    free = (await control.users.delete_boundary("alice")).value
    assert free.boundary is None
    assert await control.users.get("alice") == free


async def test_a_user_can_be_created_bounded(control: Control, most: PolicyRef) -> None:
    created = (await control.users.create("alice", boundary="most")).value
    assert created.boundary == most
    assert await control.users.get("alice") == created


@pytest.mark.parametrize("name", ["none", "", "a=b", "a\0b"])
async def test_a_boundary_must_be_a_policy_that_exists(name: str, control: Control) -> None:
    await control.users.create("bob", boundary="most")
    before = await control.users.get("bob")
    for call in (
        control.users.create("alice", boundary=name),
        control.users.put_boundary("bob", name),
    ):
        with pytest.raises((NotFoundError, InvalidError)):
            await call
    with pytest.raises(NotFoundError):
        await control.users.get("alice")
    assert await control.users.get("bob") == before


async def test_boundaries_of_a_user_that_is_not_there_are_not_found(control: Control) -> None:
    for call in (
        control.users.put_boundary("bob", "most"),
        control.users.delete_boundary("bob"),
    ):
        with pytest.raises(NotFoundError, match="`bob`"):
            await call


async def test_no_other_change_of_a_user_touches_its_boundary(
    control: Control, most: PolicyRef
) -> None:
    await control.users.create("alice", boundary="most")
    await control.groups.create("devs")
    await control.users.update("alice", new_name="eve", tags={"a": "b"})
    await control.attachments.attach("most", TargetKind.USER, "eve")
    await control.groups.add_members("devs", ["eve"])
    await control.attachments.detach("most", TargetKind.USER, "eve")
    assert (await control.users.get("eve")).boundary == most
    assert [user.boundary for user in (await control.users.list()).items] == [most]
    assert [user.boundary for user in (await control.groups.list_members("devs")).items] == [most]


async def test_a_policy_that_comes_with_the_software_can_be_a_boundary(
    control: Control, database: Database
) -> None:
    canned = CannedPolicy(name="readonly", description="", document=ALLOW_ALL)
    await database.migrate(now=0.0, canned=(canned,))
    boundary = (await control.users.create("alice", boundary="readonly")).value.boundary
    assert boundary is not None
    assert boundary.origin is PolicyOrigin.AWS
    assert (await control.users.get("alice")).boundary == boundary


@pytest.mark.parametrize("cascade", [False, True])
async def test_a_boundary_is_not_deleted_as_that_would_widen(
    cascade: bool, control: Control, most: PolicyRef
) -> None:
    await control.users.create("Alice", boundary="most")
    await control.users.create("bob")
    await control.attachments.attach("most", TargetKind.USER, "bob")
    with pytest.raises(InUseError, match="boundary of user `Alice`"):
        await control.policies.delete("most", cascade=cascade)
    assert (await control.users.get("alice")).boundary == most
    assert (await control.attachments.list_of_policy("most")).items
    await control.users.delete_boundary("alice")
    await control.policies.delete("most", cascade=True)


async def test_the_database_itself_lets_no_boundary_dangle(
    control: Control, store: SqlStore, source: SqlSource, most: PolicyRef
) -> None:
    await control.users.create("alice", boundary="most")
    policy = await control.policies.get("most")
    before = await source.revision()
    with pytest.raises(ConflictError):
        await store.write(lambda unit: unit.policies.remove(policy))
    assert await source.revision() == before
    assert (await control.users.get("alice")).boundary == most
    assert [each.version.document for each in await control.policies.list_versions("most")] == [
        ALLOW_ALL
    ]


async def test_a_deleted_user_holds_its_boundary_no_longer(control: Control) -> None:
    await control.users.create("alice", boundary="most")
    await control.users.delete("alice")
    await control.policies.delete("most")


async def test_who_is_bounded_by_a_policy_is_listed_in_order(
    control: Control, store: SqlStore, most: PolicyRef
) -> None:
    await control.policies.create("other", ALLOW_ALL)
    for name in ("b", "A", "c"):
        await control.users.create(name, boundary="most")
    await control.users.create("d", boundary="other")
    await control.users.create("e")
    for part, names in (
        (Slice("", 10), ["A", "b", "c"]),
        (Slice("", 2), ["A", "b"]),
        (Slice("b", 2), ["c"]),
    ):
        found = await store.read(lambda unit, part=part: unit.users.list_bounded_by(most.id, part))
        assert [user.name for user in found] == names
        assert {user.boundary for user in found} == {most}


@pytest.mark.parametrize("cascade", [False, True])
async def test_a_policy_is_deleted_or_becomes_a_boundary_never_both(
    cascade: bool, control: Control, database_url: str
) -> None:
    await control.users.create("alice")
    async with Database.open(database_url, OPTIONS) as other:
        second = Control(SqlStore(other))
        for number in range(6):
            name = f"policy{number}"
            await control.policies.create(name, ALLOW_ALL)
            calls = [
                control.users.put_boundary("alice", name),
                second.policies.delete(name, cascade=cascade),
            ]
            results = await asyncio.gather(
                *calls[:: 1 if number % 2 else -1], return_exceptions=True
            )
            refused = [each for each in results if isinstance(each, BaseException)]
            assert len(refused) == 1
            boundary = (await control.users.get("alice")).boundary
            if isinstance(refused[0], InUseError):
                assert boundary is not None
                assert boundary.id == (await control.policies.get(name)).id
            else:
                assert isinstance(refused[0], NotFoundError)
                assert boundary is None or boundary.name != name
