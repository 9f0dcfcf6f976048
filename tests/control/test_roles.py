from collections.abc import Awaitable, Callable

import pytest

from authz.control.limits import REVOCATION_REACH
from authz.errors import ConflictError, InUseError, InvalidError, NotFoundError, ParseError
from authz.identity.records import PolicyRef, Role, TargetKind
from tests.store.fixtures import ALLOW_ALL, TRUST, TRUST_ROOT, Control

ROLE = TargetKind.ROLE


@pytest.fixture(autouse=True)
async def most(control: Control) -> PolicyRef:
    policy = (await control.policies.create("Most", ALLOW_ALL)).value
    return PolicyRef(id=policy.id, name="Most")


async def test_a_role_is_kept_as_it_was_created(control: Control, most: PolicyRef) -> None:
    odd = f"\r\n {TRUST}\t"
    made = await control.roles.create(
        "Ops", odd, description="Night\nshift", max_session_duration=43_200, tags={"Team": "ü"},
        boundary="most",
    )  # fmt: skip
    role = made.value
    assert role == Role(
        id=role.id,
        name="Ops",
        trust=odd,
        created_at=control.clock.now(),
        description="Night\nshift",
        max_session_duration=43_200,
        tags={"Team": "ü"},
        boundary=most,
    )
    assert role.id.startswith("AROA")
    assert len(role.id) == 21
    assert await control.roles.get("OPS") == role
    assert (await control.roles.list()).items == (role,)


async def test_a_role_that_says_nothing_lasts_an_hour_and_is_unbounded(control: Control) -> None:
    role = (await control.roles.create("ops", TRUST)).value
    assert (role.max_session_duration, role.boundary, role.sessions_void_before) == (3600, None, 0)


async def test_names_are_taken_ignoring_case_but_not_by_users(control: Control) -> None:
    await control.users.create("ops")
    await control.roles.create("Ops", TRUST)
    with pytest.raises(ConflictError, match="role `Ops`"):
        await control.roles.create("OPS", TRUST)


async def test_an_update_changes_what_it_names(control: Control, most: PolicyRef) -> None:
    made = (await control.roles.create("ops", TRUST, tags={"a": "b"}, boundary="most")).value
    changed = (await control.roles.update("OPS", description="x")).value
    assert (changed.description, changed.tags, changed.max_session_duration) == (
        "x", {"a": "b"}, 3600
    )  # fmt: skip
    await control.roles.update("ops", max_session_duration=7200)
    await control.roles.update("ops", tags={})
    now = await control.roles.get("ops")
    assert (now.description, now.max_session_duration, now.tags) == ("x", 7200, {})
    assert (now.trust, now.boundary, now.id) == (TRUST, most, made.id)


async def test_a_new_trust_policy_changes_nothing_else(control: Control, most: PolicyRef) -> None:
    await control.roles.create("ops", TRUST, description="x", boundary="most")
    voided = (await control.sessions.revoke_role("ops")).value
    changed = (await control.roles.update_trust("OPS", TRUST_ROOT)).value
    assert changed.trust == TRUST_ROOT
    assert changed.boundary == most
    assert changed.sessions_void_before == voided.sessions_void_before > 0
    assert await control.roles.get("ops") == changed


STATEMENT = '"Effect":"Allow","Principal":{"AWS":"*"}'
BAD_TRUSTS = [
    "",
    "{",
    ALLOW_ALL,
    '{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole"}]}',
    f'{{"Statement":[{{{STATEMENT},"Action":"*"}}]}}',
    f'{{"Statement":[{{{STATEMENT},"Action":["sts:AssumeRole","s3:GetObject"]}}]}}',
    f'{{"Statement":[{{{STATEMENT},"NotAction":"sts:AssumeRole"}}]}}',
    f'{{"Statement":[{{{STATEMENT},"Action":"sts:AssumeRole","Resource":"*"}}]}}',
    f'{{"Statement":[{{{STATEMENT},"Action":"sts:AssumeRole","NotResource":"x"}}]}}',
    f'{{"Statement":[{{{STATEMENT},"Action":"sts:AssumeRole","Sid":"{"x" * 4096}"}}]}}',
]


@pytest.mark.parametrize("trust", BAD_TRUSTS)
async def test_a_document_that_is_no_trust_policy_is_refused(trust: str, control: Control) -> None:
    await control.roles.create("ops", TRUST)
    with pytest.raises(ParseError):
        await control.roles.create("new", trust)
    with pytest.raises(ParseError):
        await control.roles.update_trust("ops", trust)
    assert [role.trust for role in (await control.roles.list()).items] == [TRUST]


@pytest.mark.parametrize("seconds", [-1, 0, 3599, 43_201, 2**31])
async def test_a_duration_outside_an_hour_to_twelve_is_refused(
    seconds: int, control: Control
) -> None:
    await control.roles.create("ops", TRUST)
    for call in (
        control.roles.create("new", TRUST, max_session_duration=seconds),
        control.roles.update("ops", max_session_duration=seconds),
    ):
        with pytest.raises(InvalidError) as caught:
            await call
        assert caught.value.field == "max_session_duration"


MISSING: list[Callable[[Control], Awaitable[object]]] = [
    lambda c: c.roles.get("none"),
    lambda c: c.roles.update("none", description="x"),
    lambda c: c.roles.update_trust("none", TRUST),
    lambda c: c.roles.put_boundary("none", "most"),
    lambda c: c.roles.delete_boundary("none"),
    lambda c: c.roles.delete("none", cascade=True),
    lambda c: c.sessions.revoke_role("none"),
    lambda c: c.attachments.attach("most", ROLE, "none"),
    lambda c: c.attachments.list_of_target(ROLE, "none"),
]


@pytest.mark.parametrize("call", MISSING)
async def test_a_role_that_is_not_there_is_not_found(
    call: Callable[[Control], Awaitable[object]], control: Control
) -> None:
    await control.users.create("none")
    with pytest.raises(NotFoundError, match="role `none`"):
        await call(control)


async def test_a_boundary_is_set_replaced_and_taken_away(control: Control, most: PolicyRef) -> None:
    await control.roles.create("ops", TRUST)
    assert (await control.roles.put_boundary("OPS", "MOST")).value.boundary == most
    other = (await control.policies.create("other", ALLOW_ALL)).value
    replaced = (await control.roles.put_boundary("ops", "other")).value
    assert replaced.boundary == PolicyRef(id=other.id, name="other")
    with pytest.raises(NotFoundError):
        await control.roles.put_boundary("ops", "none")
    with pytest.raises(NotFoundError):
        await control.roles.create("new", TRUST, boundary="none")
    assert (await control.roles.delete_boundary("ops")).value.boundary is None
    assert (await control.roles.get("ops")).boundary is None


@pytest.mark.parametrize("cascade", [False, True])
async def test_a_policy_that_bounds_a_role_is_never_deleted(
    cascade: bool, control: Control
) -> None:
    await control.roles.create("Ops", TRUST, boundary="most")
    with pytest.raises(InUseError, match="boundary of role `Ops`"):
        await control.policies.delete("most", cascade=cascade)
    await control.roles.delete_boundary("ops")
    await control.policies.delete("most")


async def test_a_role_with_policies_is_deleted_only_by_cascade(control: Control) -> None:
    await control.roles.create("Ops", TRUST, boundary="most")
    await control.attachments.attach("most", ROLE, "ops")
    with pytest.raises(InUseError, match="role `Ops` still has attached policies"):
        await control.roles.delete("ops")
    await control.roles.delete("ops", cascade=True)
    with pytest.raises(NotFoundError):
        await control.roles.get("ops")
    await control.policies.delete("most")


async def test_revoking_a_role_ends_what_was_issued_before_now_and_never_goes_back(
    control: Control,
) -> None:
    await control.roles.create("ops", TRUST)
    first = (await control.sessions.revoke_role("OPS")).value
    assert first.sessions_void_before == control.clock.now() + REVOCATION_REACH
    control.clock.advance(-60)
    assert (await control.sessions.revoke_role("ops")).value == first
    assert await control.roles.get("ops") == first
