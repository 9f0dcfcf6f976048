import pytest

from authz.control.limits import TAGS_LIMIT
from authz.errors import ConflictError, InvalidError, NotFoundError
from authz.identity.records import Status, TargetKind
from tests.store.fixtures import ALLOW_ALL, Control


async def test_a_created_user_can_be_read_back_in_any_case(control: Control) -> None:
    created = await control.users.create("Alice", tags={"Team": "blue"})
    assert created.revision == 1
    assert created.value.id.startswith("AIDA")
    assert created.value.created_at == control.clock.now()
    assert await control.users.get("aLICE") == created.value


async def test_a_user_recreated_under_its_name_is_another_incarnation(control: Control) -> None:
    first = (await control.users.create("alice")).value
    await control.users.delete("alice")
    assert (await control.users.create("alice")).value.id != first.id


async def test_a_missing_user_is_not_found(control: Control) -> None:
    for call in (
        control.users.get("bob"),
        control.users.update("bob", status=Status.DISABLED),
        control.users.delete("bob"),
        control.users.delete("bob", cascade=True),
        control.access_keys.list("bob"),
        control.groups.list_of_user("bob"),
    ):
        with pytest.raises(NotFoundError, match="`bob`"):
            await call


async def test_an_update_changes_only_what_it_names(control: Control) -> None:
    before = (await control.users.create("alice", tags={"a": "b"})).value
    disabled = (await control.users.update("alice", status=Status.DISABLED)).value
    assert (disabled.status, disabled.tags, disabled.id) == (Status.DISABLED, {"a": "b"}, before.id)
    tagged = (await control.users.update("alice", tags={})).value
    assert (tagged.status, tagged.tags) == (Status.DISABLED, {})
    renamed = (await control.users.update("alice", new_name="ALICE")).value
    assert await control.users.get("alice") == renamed
    assert (renamed.name, renamed.id, renamed.created_at) == ("ALICE", before.id, before.created_at)


async def test_a_user_cannot_take_the_name_of_another(control: Control) -> None:
    await control.users.create("alice")
    await control.users.create("bob")
    with pytest.raises(ConflictError, match="`alice`"):
        await control.users.update("bob", new_name="Alice")


async def test_a_renamed_user_keeps_its_keys_and_gives_its_name_free(control: Control) -> None:
    await control.users.create("alice")
    key = (await control.access_keys.create("alice")).value.key
    await control.users.update("alice", new_name="eve")
    assert (await control.access_keys.get(key.id)).user_name == "eve"
    await control.users.create("alice")


@pytest.mark.parametrize("use", ["key", "group", "policy"])
async def test_a_user_in_use_is_deleted_only_by_cascade(use: str, control: Control) -> None:
    await control.users.create("alice")
    await control.groups.create("devs")
    await control.policies.create("open", ALLOW_ALL)
    uses = {
        "key": lambda: control.access_keys.create("alice"),
        "group": lambda: control.groups.add_members("devs", ["alice"]),
        "policy": lambda: control.attachments.attach("open", TargetKind.USER, "alice"),
    }
    await uses[use]()
    with pytest.raises(ConflictError, match="`alice` still has"):
        await control.users.delete("alice")
    await control.users.delete("alice", cascade=True)
    with pytest.raises(NotFoundError):
        await control.users.get("alice")
    assert not (await control.groups.list_members("devs")).items
    assert not (await control.attachments.list_of_policy("open")).items


async def test_a_cascade_takes_the_keys_of_that_user_alone(control: Control) -> None:
    for name in ("alice", "bob"):
        await control.users.create(name)
    gone = (await control.access_keys.create("alice")).value.key
    kept = (await control.access_keys.create("bob")).value.key
    await control.users.delete("alice", cascade=True)
    with pytest.raises(NotFoundError):
        await control.access_keys.get(gone.id)
    assert await control.access_keys.get(kept.id) == kept


@pytest.mark.parametrize(
    "tags",
    [
        {str(n): "" for n in range(TAGS_LIMIT + 1)},
        {"Team": "a", "team": "b"},
        {"aws:x": "y"},
        {"AWS:x": "y"},
        {"": "x"},
        {"k" * 129: "x"},
        {"k": "v" * 257},
        {"k": "a\0b"},
        {"k\n": "v"},
    ],
)
async def test_odd_tags_are_refused(tags: dict[str, str], control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.users.create("alice", tags=tags)
    assert refused.value.field == "tags"
    await control.users.create("alice")
    with pytest.raises(InvalidError):
        await control.users.update("alice", tags=tags)


async def test_tags_come_back_as_given(control: Control) -> None:
    tags = {"z": "", "a": '\u00fc \u2603 \U0001f600 "quoted"', "K": "v" * 256}
    await control.users.create("alice", tags=tags)
    assert dict((await control.users.get("alice")).tags) == tags


async def test_bad_names_are_refused_before_anything_happens(control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.users.create("a,b")
    assert refused.value.field == "name"
    await control.users.create("alice")
    with pytest.raises(InvalidError) as refused:
        await control.users.update("alice", new_name="")
    assert refused.value.field == "new_name"
    with pytest.raises(InvalidError):
        await control.users.get("a\0b")
