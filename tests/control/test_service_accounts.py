import math

import pytest

from authz.control.access_keys import KEEP
from authz.control.limits import KEY_LIFETIME_MAX, KEY_LIFETIME_MIN, KEY_NAME_LIMIT
from authz.errors import InvalidError, NotFoundError, ParseError
from authz.formats.iam_json import SERVICE_ACCOUNT_POLICY
from authz.identity.records import Status
from authz.store.sql.source import SqlSource
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, Control

ODD = f" {ALLOW_ALL}\r\n"
DAY = 86_400.0


@pytest.fixture(autouse=True)
async def alice(control: Control) -> None:
    await control.users.create("Alice")


async def test_a_key_keeps_its_name_policy_and_expiry_as_they_were_given(
    control: Control, source: SqlSource
) -> None:
    ends = control.clock.now() + DAY
    written = await control.access_keys.create(
        "alice", name="CI, nightly", policy=ODD, expires_at=ends
    )
    key = written.value.key
    assert (key.name, key.policy, key.expires_at) == ("CI, nightly", ODD, ends)
    assert await control.access_keys.get(key.id) == key
    assert (await control.access_keys.list("alice")).items == (key,)
    stored = (await source.find_access_key(key.id)).value
    assert stored is not None
    assert stored.key == key


async def test_a_key_has_none_of_them_unless_given(control: Control, source: SqlSource) -> None:
    key = (await control.access_keys.create("alice")).value.key
    assert (key.name, key.policy, key.expires_at) == ("", "", None)
    stored = (await source.find_access_key(key.id)).value
    assert stored is not None
    assert stored.key == key


@pytest.mark.parametrize(
    "change",
    [
        {"description": "another"}, {"name": "other"}, {"name": ""}, {"policy": DENY_ALL}, {"policy": ""},
        {"expires_at": None}, {"expires_at": 1_700_000_000.0 + DAY}, {"status": Status.DISABLED}, {},
        {"expires_at": KEEP},
    ],
)  # fmt: skip
async def test_an_update_changes_only_what_it_names(change: dict, control: Control) -> None:
    ends = control.clock.now() + 2 * DAY
    old = (
        await control.access_keys.create(
            "alice", name="CI", policy=ODD, expires_at=ends, description="d"
        )
    ).value.key
    new = (await control.access_keys.update(old.id, **change)).value
    for member in ("id", "user_id", "status", "description", "name", "policy", "expires_at"):
        wanted = change.get(member, KEEP)
        assert getattr(new, member) == (getattr(old, member) if wanted is KEEP else wanted)
    assert await control.access_keys.get(old.id) == new


@pytest.mark.parametrize("life", [KEY_LIFETIME_MIN, KEY_LIFETIME_MIN - 5, DAY, KEY_LIFETIME_MAX])
async def test_a_key_lives_15_minutes_to_365_days_give_or_take_the_callers_clock(
    life: float, control: Control
) -> None:
    ends = control.clock.now() + life
    key = (await control.access_keys.create("alice", expires_at=ends)).value.key
    assert (await control.access_keys.update(key.id, expires_at=ends)).value.expires_at == ends


@pytest.mark.parametrize(
    "life", [0.0, -DAY, 600.0, KEY_LIFETIME_MAX + 3600, math.nan, math.inf, -math.inf]
)
async def test_another_life_is_refused(life: float, control: Control) -> None:
    key = (await control.access_keys.create("alice")).value.key
    ends = control.clock.now() + life
    for call in (
        control.access_keys.create("alice", expires_at=ends),
        control.access_keys.update(key.id, expires_at=ends),
    ):
        with pytest.raises(InvalidError, match="15 minutes to 365 days") as refused:
            await call
        assert refused.value.field == "expires_at"
    assert await control.access_keys.get(key.id) == key


async def test_an_expired_key_stays_until_it_is_deleted_and_can_be_prolonged(
    control: Control,
) -> None:
    ends = control.clock.now() + DAY
    key = (await control.access_keys.create("alice", expires_at=ends)).value.key
    control.clock.advance(2 * DAY)
    described = (await control.access_keys.update(key.id, description="over")).value
    assert described.expires_at == ends
    later = control.clock.now() + DAY
    assert (await control.access_keys.update(key.id, expires_at=later)).value.expires_at == later
    await control.access_keys.delete(key.id)
    with pytest.raises(NotFoundError):
        await control.access_keys.get(key.id)


async def test_a_policy_has_at_most_4096_bytes_and_must_parse(control: Control) -> None:
    longest = ALLOW_ALL + " " * (SERVICE_ACCOUNT_POLICY.byte_limit - len(ALLOW_ALL))
    key = (await control.access_keys.create("alice", policy=longest)).value.key
    for wrong in (longest + " ", " ", "{}", '{"a": "\0"}', '"\ud800"'):
        for call in (
            control.access_keys.create("alice", policy=wrong),
            control.access_keys.update(key.id, policy=wrong),
        ):
            with pytest.raises(ParseError):
                await call
    assert await control.access_keys.get(key.id) == key


@pytest.mark.parametrize("name", ["x" * (KEY_NAME_LIMIT + 1), "a\nb", "a\0b", "\ud800"])
async def test_an_unusable_name_is_refused(name: str, control: Control) -> None:
    key = (await control.access_keys.create("alice", name="\u00fc" * KEY_NAME_LIMIT)).value.key
    for call in (
        control.access_keys.create("alice", name=name),
        control.access_keys.update(key.id, name=name),
    ):
        with pytest.raises(InvalidError) as refused:
            await call
        assert refused.value.field == "name"


async def test_names_need_not_differ(control: Control) -> None:
    for _ in range(2):
        await control.access_keys.create("alice", name="CI")
    assert [key.name for key in (await control.access_keys.list("alice")).items] == ["CI", "CI"]
