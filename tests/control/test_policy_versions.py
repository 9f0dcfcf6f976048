import asyncio
from collections.abc import Callable

import pytest

from authz.control.limits import VERSIONS_PER_POLICY
from authz.errors import ConflictError, InUseError, InvalidError, NotFoundError, ParseError
from authz.policy.canned import CannedPolicy
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, Control


def numbered(number: int) -> str:
    return ALLOW_ALL + " " * number


async def numbers(control: Control, name: str = "open") -> list[tuple[int, bool]]:
    listed = await control.policies.list_versions(name)
    return [(each.version.version, each.is_default) for each in listed]


async def test_a_version_is_stored_byte_for_byte_and_not_in_force(control: Control) -> None:
    created = (await control.policies.create("Open", ALLOW_ALL)).value
    document = f"\n\t {DENY_ALL}  \r\n"
    control.clock.advance(5)
    stored = (await control.policies.create_version("OPEN", document)).value
    assert not stored.is_default
    assert stored.version.created_at == control.clock.now()
    assert await control.policies.get_version("open", 2) == stored
    first = await control.policies.get_version("open", 1)
    assert (first.is_default, first.version.document) == (True, ALLOW_ALL)
    policy = await control.policies.get("open")
    assert policy == stored.policy
    assert (policy.version, policy.last_version, policy.document) == (1, 2, ALLOW_ALL)
    assert policy.updated_at == created.updated_at
    assert await control.policies.list_versions("open") == [stored, first]


async def test_a_version_can_be_put_in_force_at_once_later_and_again(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    control.clock.advance(5)
    second = (await control.policies.create_version("open", DENY_ALL, set_as_default=True)).value
    assert second.is_default
    assert await control.policies.get("open") == second.policy
    assert (second.policy.version, second.policy.document) == (2, DENY_ALL)
    control.clock.advance(5)
    back = (await control.policies.set_default_version("open", 1)).value
    assert (back.version, back.last_version, back.document) == (1, 2, ALLOW_ALL)
    assert back.updated_at == control.clock.now()
    assert await control.policies.get("open") == back
    forth = (await control.policies.set_default_version("open", 2)).value
    assert (forth.version, forth.document) == (2, DENY_ALL)


async def test_what_is_in_force_is_what_the_data_plane_loads(
    control: Control, source: SqlSource
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", DENY_ALL)
    for version, document in ((1, ALLOW_ALL), (2, DENY_ALL), (1, ALLOW_ALL)):
        await control.policies.set_default_version("open", version)
        loaded = (await source.load_policies()).value.managed
        assert [(each.version, each.document) for each in loaded] == [(version, document)]


async def test_a_sixth_version_is_refused_until_one_is_deleted(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    for number in range(2, VERSIONS_PER_POLICY + 1):
        await control.policies.create_version("open", numbered(number))
    for is_default in (False, True):
        with pytest.raises(InUseError, match="5 versions, the most"):
            await control.policies.create_version("open", DENY_ALL, set_as_default=is_default)
    await control.policies.delete_version("open", 3)
    assert (await control.policies.create_version("open", DENY_ALL)).value.version.version == 6


async def test_an_update_drops_the_oldest_version_that_is_not_in_force(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    for number in range(2, 6):
        await control.policies.create_version("open", numbered(number))
    updated = (await control.policies.update("open", document=numbered(6))).value
    assert (updated.version, updated.last_version) == (6, 6)
    assert await numbers(control) == [
        (6, True), (5, False), (4, False), (3, False), (1, False)
    ]  # fmt: skip
    await control.policies.update("open", document=numbered(7))
    assert [number for number, _ in await numbers(control)] == [7, 6, 5, 4, 3]


async def test_an_update_with_room_drops_nothing(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    for number in range(2, 6):
        await control.policies.update("open", document=numbered(number))
    assert [number for number, _ in await numbers(control)] == [5, 4, 3, 2, 1]
    await control.policies.update("open", document=numbered(5), description="the same")
    assert len(await numbers(control)) == 5


async def test_no_number_is_given_twice(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", numbered(2))
    await control.policies.delete_version("open", 2)
    await control.policies.create_version("open", numbered(3), set_as_default=True)
    await control.policies.set_default_version("open", 1)
    await control.policies.delete_version("open", 3)
    await control.policies.update("open", description="new")
    assert (await control.policies.update("open", document=DENY_ALL)).value.version == 4
    assert await numbers(control) == [(4, True), (1, False)]


async def test_the_version_in_force_cannot_be_deleted(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", DENY_ALL)
    with pytest.raises(InUseError, match="version 1 of policy `open` is in force"):
        await control.policies.delete_version("open", 1)
    await control.policies.set_default_version("open", 2)
    policy = (await control.policies.delete_version("open", 1)).value
    assert policy == await control.policies.get("open")
    assert await numbers(control) == [(2, True)]


@pytest.mark.parametrize("version", [0, -1, 3, 2**31, 2**70])
async def test_a_version_that_is_not_there_is_not_found(version: int, control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", DENY_ALL)
    for call in (
        control.policies.get_version,
        control.policies.set_default_version,
        control.policies.delete_version,
    ):
        with pytest.raises(NotFoundError, match=f"`open` has no version {version}"):
            await call("open", version)


async def test_versions_of_a_policy_that_is_not_there_are_not_found(control: Control) -> None:
    for call in (
        control.policies.create_version("none", ALLOW_ALL),
        control.policies.get_version("none", 1),
        control.policies.list_versions("none"),
        control.policies.set_default_version("none", 1),
        control.policies.delete_version("none", 1),
    ):
        with pytest.raises(NotFoundError, match="`none`"):
            await call


async def test_a_version_with_a_mistake_is_refused(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    with pytest.raises(ParseError):
        await control.policies.create_version("open", "{")
    assert await numbers(control) == [(1, True)]


async def test_a_version_that_would_not_be_enforced_any_more_is_not_put_in_force(
    control: Control,
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", DENY_ALL)

    def refuse(document: str) -> None:
        raise ParseError("unknown element", place="Statement[0]")

    control.policies._check_document = refuse
    with pytest.raises(ParseError):
        await control.policies.set_default_version("open", 2)
    assert (await control.policies.set_default_version("open", 1)).value.document == ALLOW_ALL


async def test_versions_go_with_their_policy(control: Control, source: SqlSource) -> None:
    first = (await control.policies.create("open", ALLOW_ALL)).value
    await control.policies.create_version("open", DENY_ALL)
    await control.policies.delete("open")
    second = (await control.policies.create("open", ALLOW_ALL)).value
    assert second.id != first.id
    assert await numbers(control) == [(1, True)]
    assert (await source.load_policies()).value.managed == [second]


async def test_versions_of_policies_that_come_with_the_software_are_read_only(
    control: Control, database: Database
) -> None:
    for number in range(7):
        canned = CannedPolicy(name="readonly", description="", document=numbered(number))
        await database.migrate(now=float(number), canned=(canned,))
    assert [number for number, _ in await numbers(control, "readonly")] == [7, 6, 5, 4, 3]
    assert (await control.policies.get("readonly")).document == numbered(6)
    for call in (
        control.policies.create_version("readonly", DENY_ALL),
        control.policies.set_default_version("readonly", 3),
        control.policies.delete_version("readonly", 3),
    ):
        with pytest.raises(InvalidError, match="read-only"):
            await call


async def test_writers_at_once_neither_share_a_number_nor_exceed_the_most(
    control: Control, database_url: str
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    async with Database.open(database_url, OPTIONS) as other:
        controls = [control, Control(SqlStore(other))]
        results = await asyncio.gather(
            *(controls[n % 2].policies.create_version("open", numbered(n)) for n in range(12)),
            return_exceptions=True,
        )
    stored = [each.value.version for each in results if not isinstance(each, BaseException)]
    assert sorted(version.version for version in stored) == [2, 3, 4, 5]
    assert sum(isinstance(each, ConflictError) for each in results) == 8
    found = {
        each.version.version: each.version for each in await control.policies.list_versions("open")
    }
    assert all(found[version.version] == version for version in stored)


@pytest.mark.parametrize("attempt", range(3))
async def test_a_version_is_never_deleted_while_it_is_put_in_force(
    attempt: int, control: Control, database_url: str
) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.create_version("open", DENY_ALL)
    calls: list[Callable[[Control], object]] = [
        lambda c: c.policies.delete_version("open", 2),
        lambda c: c.policies.set_default_version("open", 2),
    ]
    async with Database.open(database_url, OPTIONS) as other:
        results = await asyncio.gather(
            *(
                call(base)
                for call, base in zip(calls, (control, Control(SqlStore(other))), strict=True)
            ),
            return_exceptions=True,
        )
    assert sum(isinstance(each, BaseException) for each in results) == 1
    policy = await control.policies.get("open")
    assert (
        policy.document
        == (await control.policies.get_version("open", policy.version)).version.document
    )
