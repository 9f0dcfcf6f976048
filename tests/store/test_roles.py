"""What the data plane reads of roles."""

import asyncio

import pytest

from authz.identity.records import TargetKind
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from tests.store.fixtures import ALLOW_ALL, TRUST, TRUST_ROOT, Control

ROLE = TargetKind.ROLE


async def test_a_role_is_read_with_its_policies_and_boundary_at_one_revision(
    control: Control, source: SqlSource
) -> None:
    ids = {}
    for name in ("one", "two", "most", "unused"):
        ids[name] = (await control.policies.create(name, ALLOW_ALL)).value.id
    await control.roles.create("Ops", TRUST, boundary="most", tags={"Team": "blue"})
    await control.roles.create("other", TRUST_ROOT)
    for name in ("two", "one"):
        await control.attachments.attach(name, ROLE, "ops")
    await control.attachments.attach("unused", ROLE, "other")
    found = await source.find_role("OPS")
    assert found.revision == await source.revision()
    assert found.value is not None
    assert found.value.role == await control.roles.get("ops")
    assert found.value.role.trust == TRUST
    assert found.value.policy_ids == tuple(sorted([ids["one"], ids["two"]]))
    assert found.value.boundary_id == ids["most"]
    assert await source.find_role_by_id(found.value.role.id) == found


async def test_a_role_without_anything_has_nothing(control: Control, source: SqlSource) -> None:
    role = (await control.roles.create("bare", TRUST)).value
    found = (await source.find_role("bare")).value
    assert found is not None
    assert (found.role, found.policy_ids, found.boundary_id) == (role, (), "")


async def test_a_recreated_role_is_another_one(control: Control, source: SqlSource) -> None:
    old = (await control.roles.create("ops", TRUST)).value
    await control.roles.delete("ops")
    assert (await source.find_role("ops")).value is None
    new = (await control.roles.create("ops", TRUST)).value
    assert new.id != old.id
    assert (await source.find_role_by_id(old.id)).value is None
    assert (await source.find_role_by_id(new.id)).value is not None
    assert (await source.find_role_by_id(new.id.lower())).value is None


@pytest.mark.parametrize(
    "garbage", ["", "a\0b", "\ud800", "x" * 5000, "a=b", "'; --", "AROA\n", "%"]
)
async def test_garbage_names_no_role(garbage: str, control: Control, source: SqlSource) -> None:
    await control.roles.create("ops", TRUST)
    for found in (await source.find_role(garbage), await source.find_role_by_id(garbage)):
        assert found.value is None
        assert found.revision == await source.revision()


async def test_a_role_is_read_as_of_one_moment_while_others_write(
    control: Control, source: SqlSource, database: Database
) -> None:
    del database
    ids = [(await control.policies.create(name, ALLOW_ALL)).value.id for name in ("a", "b")]
    await control.roles.create("ops", TRUST)
    await control.attachments.attach("a", ROLE, "ops")

    async def write() -> None:
        for _ in range(10):
            await control.roles.put_boundary("ops", "b")
            await control.roles.delete_boundary("ops")

    async def read() -> None:
        for _ in range(20):
            found = (await source.find_role("ops")).value
            assert found is not None
            assert found.policy_ids == (ids[0],)
            named = found.role.boundary.id if found.role.boundary else ""
            assert found.boundary_id == named

    await asyncio.gather(write(), read())
