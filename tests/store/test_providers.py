"""What the data plane reads of providers and of whom they vouch for, from either database."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from authz.access.ports import StoredPrincipal
from authz.control.limits import REVOCATION_REACH
from authz.control.ports import Slice
from authz.control.providers import ProviderChange
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Provider, Status, TargetKind, key_of_name
from authz.store.sql import source as source_module
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.store.fixtures import ALLOW_ALL, Control

USER, GROUP, PROVIDER = TargetKind.USER, TargetKind.GROUP, TargetKind.PROVIDER
OIDC = ProviderKind.OIDC


@pytest.fixture
async def corp(control: Control) -> Provider:
    """A provider with a policy, two groups with one each, and Ann in both; `corp2` has an Ann as well."""
    made = [(await control.providers.create(name, OIDC, "{}")).value for name in ("corp", "corp2")]
    for name in ("own", "provided", "granted", "denied", "both", "other"):
        await control.policies.create(name, ALLOW_ALL)
    await control.groups.create("corp=on")
    await control.groups.create("corp=off", status=Status.DISABLED)
    await control.groups.create("local")
    for provider in made:
        await login(control, provider, "Ann", "on", "off", "unknown")
    await control.groups.add_members("local", ["corp=Ann"])
    for policy, kind, target in (
        ("own", USER, "corp=Ann"), ("both", USER, "corp=Ann"), ("provided", PROVIDER, "corp"),
        ("both", PROVIDER, "corp"), ("granted", GROUP, "corp=on"), ("denied", GROUP, "corp=off"),
        ("provided", GROUP, "corp=off"), ("other", PROVIDER, "corp2"),
    ):  # fmt: skip
        await control.attachments.attach(policy, kind, target)
    return made[0]


async def login(control: Control, provider: Provider, name: str, *groups: str) -> None:
    identity = ExternalIdentity(name=name, groups=groups, display_name="Ann \u2603")
    await control.logins.adopt(provider.id, identity, has_policies=True)


async def ids_of(control: Control, *names: str) -> tuple[str, ...]:
    return tuple(sorted([(await control.policies.get(name)).id for name in names]))


async def find(source: SqlSource, name: str) -> StoredPrincipal:
    found = (await source.find_user(name)).value
    assert found is not None
    return found


async def test_a_providers_user_comes_with_what_its_provider_gives_it(
    control: Control, source: SqlSource, corp: Provider
) -> None:
    found = await find(source, "corp=Ann")
    assert found.user == await control.users.get("corp=Ann")
    assert found.user.provider_id == corp.id
    assert (found.user.display_name, found.user.external_groups) == (
        "Ann \u2603",
        ("off", "on", "unknown"),
    )
    assert found.groups == tuple(
        [await control.groups.get(name) for name in ("corp=off", "corp=on", "local")]
    )
    assert [group.provider_id for group in found.groups] == [corp.id, corp.id, ""]
    assert found.policy_ids == await ids_of(control, "own", "provided", "granted", "both")
    assert found.deny_only_policy_ids == await ids_of(control, "denied")
    assert (found.provider_status, found.provider_void_before) == (Status.ENABLED, 0.0)
    other = await find(source, "corp2=Ann")
    assert (other.policy_ids, other.groups) == (await ids_of(control, "other"), ())


async def test_it_is_the_same_however_it_is_found(
    control: Control, source: SqlSource, corp: Provider
) -> None:
    await control.users.create("corp")
    await control.users.put_boundary("corp=Ann", "other")
    key = (await control.access_keys.create("corp=Ann")).value.key
    for change in (
        lambda: control.providers.revoke("corp"),
        lambda: control.providers.update("corp", ProviderChange(status=Status.DISABLED)),
        lambda: control.attachments.detach("both", PROVIDER, "corp"),
        lambda: control.attachments.detach("provided", PROVIDER, "corp"),
    ):
        await change()
        by_name = await source.find_user("corp=Ann")
        assert by_name.value is not None
        assert await source.find_user_by_id(by_name.value.user.id) == by_name
        by_key = await source.find_access_key(key.id)
        assert by_key.value is not None
        assert (by_key.revision, by_key.value.key) == (by_name.revision, key)
        assert by_key.value.owner == by_name.value
        listed = await source.list_users("", 10)
        assert listed.revision == by_name.revision
        assert by_name.value in listed.value
    assert by_name.value.boundary_id == (await control.policies.get("other")).id
    assert by_name.value.provider_status is Status.DISABLED
    assert by_name.value.provider_void_before == control.clock.now() + REVOCATION_REACH
    # Of the user nothing has changed.
    assert by_name.value.user.status is Status.ENABLED
    assert by_name.value.user.sessions_void_before == 0.0


async def test_a_page_of_users_holds_what_each_of_them_is_alone(
    control: Control, source: SqlSource, corp: Provider
) -> None:
    await control.providers.update("corp2", ProviderChange(status=Status.DISABLED))
    await control.providers.revoke("corp2")
    for name in ("ann", "corp", "Zed"):
        await control.users.create(name)
    for name in ("ANN", "ann", "=", "\u00e9"):
        await login(control, corp, name, "off")
    names = [user.name for user in (await control.users.list()).items]
    assert len(names) == 9
    expected = [await find(source, name) for name in names]
    for size in (1, 2, 4, 9, 10):
        seen: list[StoredPrincipal] = []
        page: Sequence[StoredPrincipal] = expected
        while len(page) and len(seen) <= len(names):
            after = key_of_name(seen[-1].user.name) if seen else ""
            page = (await source.list_users(after, size)).value
            seen += page
        assert seen == expected


async def test_a_user_whose_provider_is_missing_is_out(
    control: Control, source: SqlSource, corp: Provider, store: SqlStore
) -> None:
    key = (await control.access_keys.create("corp=Ann")).value.key

    async def lose(unit) -> None:
        for name in ("provided", "both"):
            policy = await unit.policies.find(name)
            await unit.attachments.detach(policy.id, PROVIDER, corp.id)
        await unit.providers.remove(corp)

    await store.write(lose)
    found = await find(source, "corp=Ann")
    by_key = (await source.find_access_key(key.id)).value
    assert by_key is not None
    listed = (await source.list_users("corp=", 1)).value[0]
    for one in (found, by_key.owner, listed):
        assert one.provider_status is Status.DISABLED
        assert one.policy_ids == await ids_of(control, "own", "granted", "both")


async def test_an_access_key_keeps_what_its_makers_login_said(
    control: Control, source: SqlSource, corp: Provider, store: SqlStore
) -> None:
    made = (await control.access_keys.create("corp=Ann", name="ci")).value.key
    facts = {"jwt:sub": ("Ann",), "jwt:groups": ("a", '"', "\u2603 \\", ""), "jwt:none": ()}
    told = replace(made, granted=("ANPA1", "ANPA2"), facts=facts)
    plain = (
        await control.access_keys.create("corp=Ann", access_key_id="PLAIN", secret=Secret("s" * 8))
    ).value

    async def tell(unit) -> None:
        await unit.access_keys.replace(made, told)

    await store.write(tell)
    found = (await source.find_access_key(made.id)).value
    assert found is not None
    assert found.key == told == await control.access_keys.get(made.id)
    assert told in (await control.access_keys.list("corp=Ann")).items
    other = (await source.find_access_key("PLAIN")).value
    assert other is not None
    assert other.key == plain.key
    assert (other.key.granted, other.key.facts) == ((), {})
    renamed = (await control.access_keys.update(made.id, description="x")).value
    assert (renamed.granted, renamed.facts) == (told.granted, told.facts)


async def test_providers_are_loaded_all_or_by_id_from_one_snapshot(
    control: Control, source: SqlSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await source.load_policies()).value.providers == []
    made = {}
    for number in range(4):
        secret = Secret(f"s{number}") if number % 2 else None
        created = await control.providers.create(f"p{number}", OIDC, "{ }", secret=secret)
        made[created.value.id] = created.value
    loaded = await source.load_policies()
    assert loaded.revision == await source.revision()
    assert {one.provider.id: one.provider for one in loaded.value.providers} == made
    for one in loaded.value.providers:
        assert (one.sealed_secret is not None) is one.provider.has_secret
    wanted = [*list(made)[1:3], "AIDPGONE", next(iter(made)).lower()]
    for limit in (source_module.SELECTED_LIMIT, 2):
        monkeypatch.setattr(source_module, "SELECTED_LIMIT", limit)
        some = (await source.load_policies([], [], wanted)).value
        assert {one.provider.id for one in some.providers} == set(wanted[:2])
        assert (some.managed, some.of_resources) == ([], [])

    real = source_module.change_log.read_revision

    async def read_and_write(connection) -> int:
        revision = await real(connection)
        await control.providers.update("p0", ProviderChange(status=Status.DISABLED))
        return revision

    monkeypatch.setattr(source_module.change_log, "read_revision", read_and_write)
    again = await source.load_policies()
    assert again.revision == loaded.revision
    assert {one.provider.status for one in again.value.providers} == {Status.ENABLED}


async def test_records_of_one_provider_are_told_from_anothers(
    control: Control, store: SqlStore, corp: Provider
) -> None:
    other = await control.providers.get("corp2")
    await control.groups.create("corp2=on")
    wanted = ["corp=on", "corp2=on", "corp=ON", "corp=gone", "local", "on"]

    async def look(unit) -> list[object]:
        found = []
        for provider in (corp, other):
            part = Slice("", 10)
            found += [
                await unit.users.list_of_provider(provider.id, part),
                await unit.users.list_naming(provider.id, "on"),
                await unit.groups.list_of_provider(provider.id, part),
                await unit.groups.find_all_of_provider(provider.id, wanted),
                [await unit.providers.find_by_id(provider.id)],
            ]
        assert await unit.providers.find_by_id(corp.id.lower()) is None
        assert await unit.users.list_naming(corp.id, "ON") == []
        return [[record.name for record in each] for each in found]

    assert await store.read(look) == [
        ["corp=Ann"], ["corp=Ann"], ["corp=off", "corp=on"], ["corp=on"], ["corp"],
        ["corp2=Ann"], ["corp2=Ann"], ["corp2=on"], ["corp2=on"], ["corp2"],
    ]  # fmt: skip
