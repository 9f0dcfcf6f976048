import pytest

from authz.control import attachments as attachments_module
from authz.errors import ConflictError, NotFoundError
from authz.identity.records import Attachment, TargetKind
from tests.store.fixtures import ALLOW_ALL, TRUST, Control

USER, GROUP, ROLE = TargetKind.USER, TargetKind.GROUP, TargetKind.ROLE


@pytest.fixture(autouse=True)
async def things(control: Control) -> None:
    await control.users.create("Alice")
    await control.groups.create("Devs")
    await control.roles.create("Admins", TRUST)
    for name in ("Open", "closed", "third"):
        await control.policies.create(name, ALLOW_ALL)


@pytest.mark.parametrize(("kind", "target"), [(USER, "Alice"), (GROUP, "Devs"), (ROLE, "Admins")])
async def test_what_is_attached_is_listed_from_both_ends_until_detached(
    kind: TargetKind, target: str, control: Control
) -> None:
    expected = Attachment(policy_name="Open", target_kind=kind, target_name=target)
    assert (await control.attachments.attach("open", kind, target.upper())).value == expected
    await control.attachments.attach("closed", kind, target)
    listed = (await control.attachments.list_of_target(kind, target)).items
    assert [attachment.policy_name for attachment in listed] == ["closed", "Open"]
    assert (await control.attachments.list_of_policy("OPEN")).items == (expected,)
    assert (await control.attachments.detach("open", kind, target)).value == expected
    assert not (await control.attachments.list_of_policy("open")).items


async def test_a_policy_lists_its_groups_roles_and_users_over_all_pages(
    control: Control,
) -> None:
    for n in range(3):
        await control.users.create(f"user{n}")
        await control.groups.create(f"group{n}")
        await control.roles.create(f"role{n}", TRUST)
        await control.attachments.attach("open", USER, f"user{n}")
        await control.attachments.attach("open", GROUP, f"group{n}")
        await control.attachments.attach("open", ROLE, f"role{n}")
    for size in (1, 2, 3, 4, 6, 9, 10):
        seen: list[str] = []
        token = ""
        for _ in range(10):
            page = await control.attachments.list_of_policy(
                "open", page_size=size, page_token=token
            )
            assert len(page.items) <= size
            seen += [attachment.target_name for attachment in page.items]
            token = page.next_page_token
            if not token:
                break
        assert seen == [f"{kind}{n}" for kind in ("group", "role", "user") for n in range(3)]


async def test_a_target_has_a_bounded_number_of_policies(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attachments_module, "ATTACHMENTS_PER_TARGET", 2)
    for name in ("open", "closed", "open"):
        await control.attachments.attach(name, USER, "alice")
    with pytest.raises(ConflictError, match="the most"):
        await control.attachments.attach("third", USER, "alice")
    await control.attachments.attach("third", GROUP, "devs")


@pytest.mark.parametrize(
    ("policy", "kind", "target"),
    [("none", USER, "alice"), ("open", USER, "devs"), ("open", GROUP, "alice")],
)
async def test_what_does_not_exist_cannot_be_attached_or_detached(
    policy: str, kind: TargetKind, target: str, control: Control
) -> None:
    for call in (control.attachments.attach, control.attachments.detach):
        with pytest.raises(NotFoundError):
            await call(policy, kind, target)
