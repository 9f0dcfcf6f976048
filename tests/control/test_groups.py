import pytest

from authz.control import groups as groups_module
from authz.errors import ConflictError, InvalidError, NotFoundError
from authz.identity.records import Status, TargetKind
from tests.store.fixtures import ALLOW_ALL, Control


async def names(page) -> list[str]:
    return [record.name for record in (await page).items]


async def test_members_and_groups_of_a_user_mirror_each_other(control: Control) -> None:
    for name in ("Bob", "alice", "carol"):
        await control.users.create(name)
    for name in ("devs", "Admins"):
        await control.groups.create(name)
    await control.groups.add_members("devs", ["bob", "ALICE"])
    await control.groups.add_members("admins", ["alice"])
    assert await names(control.groups.list_members("DEVS")) == ["alice", "Bob"]
    assert await names(control.groups.list_of_user("Alice")) == ["Admins", "devs"]
    await control.groups.remove_members("devs", ["alice", "carol"])
    assert await names(control.groups.list_members("devs")) == ["Bob"]
    assert await names(control.groups.list_of_user("carol")) == []


async def test_adding_members_is_all_or_nothing(control: Control) -> None:
    await control.users.create("alice")
    await control.groups.create("devs")
    with pytest.raises(NotFoundError, match="`nobody`"):
        await control.groups.add_members("devs", ["alice", "nobody"])
    assert await names(control.groups.list_members("devs")) == []


@pytest.mark.parametrize("members", [[], ["u"] * 1001])
async def test_a_call_names_a_bounded_number_of_members(
    members: list[str], control: Control
) -> None:
    await control.groups.create("devs")
    for call in (control.groups.add_members, control.groups.remove_members):
        with pytest.raises(InvalidError) as refused:
            await call("devs", members)
        assert refused.value.field == "user_names"


async def test_a_user_is_in_a_bounded_number_of_groups(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "GROUPS_PER_USER", 2)
    await control.users.create("alice")
    for name in ("g1", "g2", "g3"):
        await control.groups.create(name)
    for name in ("g1", "g2", "g1"):
        await control.groups.add_members(name, ["alice"])
    with pytest.raises(ConflictError, match="`alice`"):
        await control.groups.add_members("g3", ["alice"])


async def test_an_update_changes_only_what_it_names(control: Control) -> None:
    before = (await control.groups.create("devs")).value
    assert (await control.groups.update("devs", status=Status.DISABLED)).value.name == "devs"
    renamed = (await control.groups.update("DEVS", new_name="makers")).value
    assert (renamed.id, renamed.status) == (before.id, Status.DISABLED)
    with pytest.raises(NotFoundError):
        await control.groups.get("devs")


async def test_a_group_name_is_taken_whatever_its_case(control: Control) -> None:
    await control.groups.create("devs")
    await control.groups.create("ops")
    for call in (control.groups.create("DEVS"), control.groups.update("ops", new_name="Devs")):
        with pytest.raises(ConflictError, match="`devs`"):
            await call


async def test_a_user_and_a_group_may_share_a_name(control: Control) -> None:
    await control.users.create("devs")
    await control.groups.create("devs")


@pytest.mark.parametrize("use", ["member", "policy"])
async def test_a_group_in_use_is_deleted_only_by_cascade(use: str, control: Control) -> None:
    await control.users.create("alice")
    await control.groups.create("devs")
    await control.policies.create("open", ALLOW_ALL)
    if use == "member":
        await control.groups.add_members("devs", ["alice"])
    else:
        await control.attachments.attach("open", TargetKind.GROUP, "devs")
    with pytest.raises(ConflictError, match="`devs` still has"):
        await control.groups.delete("devs")
    await control.groups.delete("devs", cascade=True)
    assert await names(control.groups.list_of_user("alice")) == []
    assert not (await control.attachments.list_of_policy("open")).items


async def test_a_missing_group_is_not_found(control: Control) -> None:
    await control.users.create("alice")
    for call in (
        control.groups.get("devs"),
        control.groups.delete("devs"),
        control.groups.add_members("devs", ["alice"]),
        control.groups.remove_members("devs", ["alice"]),
        control.groups.list_members("devs"),
    ):
        with pytest.raises(NotFoundError, match="`devs`"):
            await call
