import pytest

from authz.control.limits import ACCESS_KEYS_PER_USER
from authz.errors import ConflictError, InvalidError, NotFoundError
from authz.identity.credential import Secret
from authz.identity.records import Status
from authz.store.sql.source import SqlSource
from tests.store.fixtures import ROOT_ACCESS_KEY_ID, Control

SECRET = Secret("chosen-secret")


@pytest.fixture(autouse=True)
async def people(control: Control) -> None:
    for name in ("Alice", "Bob"):
        await control.users.create(name)


async def test_a_generated_key_opens_to_the_secret_that_was_shown(
    control: Control, source: SqlSource
) -> None:
    created = (await control.access_keys.create("alice", description="laptop")).value
    assert created.key.user_name == "Alice"
    assert await control.access_keys.get(created.key.id) == created.key
    stored = (await source.find_access_key(created.key.id)).value
    assert stored is not None
    opened = control.ring.unseal(stored.sealed_secret, created.key.id.encode())
    assert Secret(opened.decode()) == created.secret


async def test_no_key_takes_an_id_that_looks_like_a_sessions(control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.access_keys.create("alice", access_key_id="ASIAALICE", secret=SECRET)
    assert refused.value.field == "access_key_id"


async def test_a_chosen_id_and_secret_are_kept(control: Control, source: SqlSource) -> None:
    await control.access_keys.create("alice", access_key_id="alice", secret=SECRET)
    stored = (await source.find_access_key("alice")).value
    assert stored is not None
    assert control.ring.unseal(stored.sealed_secret, b"alice") == b"chosen-secret"


async def test_nothing_that_is_returned_shows_the_secret(control: Control) -> None:
    written = await control.access_keys.create("alice", access_key_id="alice", secret=SECRET)
    shown = [
        written,
        await control.access_keys.get("alice"),
        await control.access_keys.list("alice"),
    ]
    assert "chosen-secret" not in repr(shown)


async def test_an_id_is_taken_whoever_has_it(control: Control) -> None:
    await control.access_keys.create("alice", access_key_id="shared", secret=SECRET)
    for key_id in ("shared", ROOT_ACCESS_KEY_ID):
        with pytest.raises(ConflictError, match=f"`{key_id}`"):
            await control.access_keys.create("bob", access_key_id=key_id, secret=SECRET)


@pytest.mark.parametrize(
    ("key_id", "secret", "field"),
    [("ab", SECRET, "access_key_id"), ("a/bc", SECRET, "access_key_id"), ("abc", Secret("short"), "secret"), (None, SECRET, "secret")],
)  # fmt: skip
async def test_an_unusable_choice_is_refused(
    key_id: str | None, secret: Secret, field: str, control: Control
) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.access_keys.create("alice", access_key_id=key_id, secret=secret)
    assert refused.value.field == field


async def test_a_user_has_a_bounded_number_of_keys(control: Control) -> None:
    for _ in range(ACCESS_KEYS_PER_USER):
        await control.access_keys.create("alice")
    with pytest.raises(ConflictError, match="the most"):
        await control.access_keys.create("alice")
    await control.access_keys.create("bob")


async def test_an_update_changes_only_what_it_names_and_never_the_secret(
    control: Control, source: SqlSource
) -> None:
    key = (await control.access_keys.create("alice", description="laptop")).value.key
    before = (await source.find_access_key(key.id)).value
    disabled = (await control.access_keys.update(key.id, status=Status.DISABLED)).value
    assert (disabled.status, disabled.description) == (Status.DISABLED, "laptop")
    described = (await control.access_keys.update(key.id, description="")).value
    assert (described.status, described.description) == (Status.DISABLED, "")
    after = (await source.find_access_key(key.id)).value
    assert before is not None
    assert after is not None
    assert after.sealed_secret == before.sealed_secret
    assert after.key == described


async def test_a_key_is_found_under_its_owners_name_only(control: Control) -> None:
    key = (await control.access_keys.create("alice")).value.key
    assert await control.access_keys.get(key.id, user_name="ALICE") == key
    for call in (
        control.access_keys.get(key.id, user_name="bob"),
        control.access_keys.update(key.id, user_name="bob", status=Status.DISABLED),
        control.access_keys.delete(key.id, user_name="bob"),
    ):
        with pytest.raises(NotFoundError, match="of user `bob`"):
            await call
    assert await control.access_keys.get(key.id) == key


async def test_a_deleted_key_is_gone(control: Control, source: SqlSource) -> None:
    key = (await control.access_keys.create("alice")).value.key
    await control.access_keys.delete(key.id)
    assert (await source.find_access_key(key.id)).value is None
    with pytest.raises(NotFoundError):
        await control.access_keys.delete(key.id)


async def test_each_users_keys_are_listed_in_the_order_of_their_ids(control: Control) -> None:
    for key_id in ("bbb", "Aaa", "aaa"):
        await control.access_keys.create("alice", access_key_id=key_id, secret=SECRET)
    await control.access_keys.create("bob")
    listed = (await control.access_keys.list("ALICE")).items
    assert [key.id for key in listed] == ["Aaa", "aaa", "bbb"]
