"""Who logs in becomes a user, in the groups its provider says, and can be taken for nobody else."""

from collections.abc import Sequence

import pytest

from authz.control.access_keys import Said
from authz.control.limits import REVOCATION_REACH
from authz.control.lookup import list_all_groups
from authz.control.ports import Slice, Written
from authz.control.providers import ProviderChange
from authz.errors import ConflictError, InvalidError, UnauthenticatedError
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Provider, Status, TargetKind, User
from authz.store.sql.source import SqlSource
from tests.store.fixtures import ALLOW_ALL, Control

OIDC, PROVIDER, GROUP = ProviderKind.OIDC, TargetKind.PROVIDER, TargetKind.GROUP


@pytest.fixture
async def corp(control: Control) -> Provider:
    """A provider whose users all have a policy."""
    return await make_provider(control, "corp")


async def make_provider(control: Control, name: str) -> Provider:
    made = (await control.providers.create(name, OIDC, "{}")).value
    await control.policies.create(f"of {name}", ALLOW_ALL)
    await control.attachments.attach(f"of {name}", PROVIDER, name)
    return made


async def login(
    control: Control,
    provider: Provider,
    name: str = "ann",
    *groups: str,
    has_policies: bool = False,
    **more: str,
) -> Written[User]:
    identity = ExternalIdentity(name=name, groups=groups, **more)
    return await control.logins.adopt(provider.id, identity, has_policies=has_policies)


async def groups_of(control: Control, name: str) -> list[str]:
    return [group.name for group in (await control.groups.list_of_user(name)).items]


# --- the record ---


async def test_the_first_login_makes_a_user(control: Control, corp: Provider) -> None:
    made = await login(control, corp, "Ann B.", "z", "a", display_name="Ann")
    user = made.value
    assert user.id.startswith("AIDA")
    assert (user.name, user.provider_id, user.status) == ("corp=Ann B.", corp.id, Status.ENABLED)
    assert (user.display_name, user.external_groups) == ("Ann", ("a", "z"))
    assert (user.created_at, user.absent_since) == (control.clock.now(), None)
    assert await control.users.get("corp=Ann B.") == user


async def test_the_same_login_again_writes_nothing(control: Control, corp: Provider) -> None:
    await control.groups.create("corp=b")
    first = await login(control, corp, "ann", "a", "b", display_name="Ann")
    control.clock.advance(60.0)
    for groups in (("a", "b"), ("b", "a")):
        assert await login(control, corp, "ann", *groups, display_name="Ann") == first


async def test_a_login_brings_what_changed_and_leaves_the_rest(
    control: Control, corp: Provider
) -> None:
    first = (await login(control, corp, "ann", "a", display_name="Ann")).value
    await control.policies.create("most", ALLOW_ALL)
    tagged = (await control.users.update(first.name, tags={"team": "red"})).value
    await control.users.put_boundary(first.name, "most")
    await control.sessions.revoke_user(first.name)
    second = (await login(control, corp, "ann", "b", display_name="Ann B.")).value
    assert (second.display_name, second.external_groups) == ("Ann B.", ("b",))
    assert (second.id, second.created_at, second.tags) == (first.id, first.created_at, tagged.tags)
    assert second.boundary is not None
    assert second.sessions_void_before == control.clock.now() + REVOCATION_REACH
    third = (await login(control, corp, "ann")).value
    assert (third.display_name, third.external_groups) == ("", ())
    assert await control.users.get("corp=ann") == third


async def test_what_a_key_keeps_of_a_login_follows_the_groups_of_the_next(
    control: Control, corp: Provider
) -> None:
    await login(control, corp, "ann", "admins")
    said = Said(facts={"ldap:groups": ("admins",), "aws:federatedprovider": ("p",)})
    made = (await control.access_keys.create("corp=ann", said=said)).value.key
    identity = ExternalIdentity(name="ann", groups=("staff",), facts={"ldap:groups": ("staff",)})
    await control.logins.adopt(corp.id, identity, has_policies=True)
    kept = (await control.access_keys.get(made.id)).facts
    assert kept == {"ldap:groups": ("staff",), "aws:federatedprovider": ("p",)}


async def test_somebody_who_was_named_ahead_of_the_first_login_is_that_user(
    control: Control, corp: Provider
) -> None:
    ahead = (await control.users.create("corp=ANN", tags={"a": "b"})).value
    user = (await login(control, corp, "ann", "devs")).value
    assert (user.id, user.tags, user.external_groups) == (ahead.id, {"a": "b"}, ("devs",))


async def test_a_deleted_user_who_logs_in_again_is_another_one(
    control: Control, corp: Provider
) -> None:
    await control.groups.create("corp=devs")
    first = (await login(control, corp, "ann", "devs")).value
    await control.users.delete("corp=ann")
    assert (await login(control, corp, "ann", "devs")).value.id != first.id
    assert await groups_of(control, "corp=ann") == ["corp=devs"]


async def test_somebody_who_was_disabled_stays_so(control: Control, corp: Provider) -> None:
    await login(control, corp)
    disabled = (await control.users.update("corp=ann", status=Status.DISABLED)).value
    user = (await login(control, corp, "ann", "devs")).value
    assert user.status is Status.DISABLED
    assert user.sessions_void_before == disabled.sessions_void_before > 0


# --- who is not taken in ---


async def test_to_whom_no_policy_applies_nothing_is_kept_of(
    control: Control, source: SqlSource
) -> None:
    corp = (await control.providers.create("corp", OIDC, "{}")).value
    await control.groups.create("corp=bare")
    before = await source.revision()
    for groups in ((), ("bare",), ("unknown",)):
        with pytest.raises(UnauthenticatedError) as refused:
            await login(control, corp, "ann", *groups)
        assert refused.value.code == "AccessDenied"
    assert await source.revision() == before
    assert not (await control.users.list()).items


@pytest.mark.parametrize("source_of_it", ["provider", "group", "proof"])
async def test_one_policy_from_anywhere_is_enough(source_of_it: str, control: Control) -> None:
    corp = (await control.providers.create("corp", OIDC, "{}")).value
    await control.groups.create("corp=devs")
    await control.policies.create("open", ALLOW_ALL)
    if source_of_it == "provider":
        await control.attachments.attach("open", PROVIDER, "corp")
    if source_of_it == "group":
        await control.attachments.attach("open", GROUP, "corp=devs")
    user = await login(control, corp, "ann", "devs", has_policies=source_of_it == "proof")
    assert user.value.name == "corp=ann"


@pytest.mark.parametrize("kind", [PROVIDER, GROUP])
async def test_policies_of_another_provider_let_nobody_in(
    kind: TargetKind, control: Control
) -> None:
    corp = (await control.providers.create("corp", OIDC, "{}")).value
    for name in ("cor", "corp2", "corp.devs"):
        await control.providers.create(name, OIDC, "{}")
        await control.groups.create(f"{name}=devs")
    await control.groups.create("devs")
    await control.policies.create("open", ALLOW_ALL)
    for name in ("cor", "corp2", "corp.devs"):
        await control.attachments.attach("open", kind, name if kind is PROVIDER else f"{name}=devs")
    await control.attachments.attach("open", GROUP, "devs")
    with pytest.raises(UnauthenticatedError):
        await login(control, corp, "ann", "devs", "corp=devs", "corp2=devs")


async def test_nobody_comes_by_a_provider_that_is_disabled_or_gone(control: Control) -> None:
    corp = await make_provider(control, "corp")
    before = (await login(control, corp)).value
    await control.providers.update("corp", ProviderChange(status=Status.DISABLED))
    for name in ("ann", "bob"):
        with pytest.raises(UnauthenticatedError) as refused:
            await login(control, corp, name, "devs", has_policies=True)
        assert refused.value.code == "AccessDenied"
    assert await control.users.get("corp=ann") == before
    await control.providers.update("corp", ProviderChange(status=Status.ENABLED))
    assert (await login(control, corp)).value == before
    await control.users.delete("corp=ann")
    await control.attachments.detach("of corp", PROVIDER, "corp")
    await control.providers.delete("corp")
    recreated = (await control.providers.create("corp", OIDC, "{}")).value
    assert recreated.id != corp.id
    with pytest.raises(UnauthenticatedError):
        await login(control, corp, has_policies=True)
    assert not (await control.users.list()).items


ODD = ["", "a\0b", "a\nb", "a\u200bb", "a\u202eb", "\ud800", "x" * 1025, "\u00e9" * 513, "\u0378"]


async def test_names_that_cannot_be_held_are_refused(control: Control, corp: Provider) -> None:
    for name in ODD:
        with pytest.raises(InvalidError):
            await login(control, corp, name, has_policies=True)
    assert not (await control.users.list()).items


# --- nobody is taken for somebody else ---

SPELLINGS = [
    "Alice", "alice", "ALICE", "\u212aate", "kate", "Kate", "stra\u00dfe", "strasse", "\u00e9", "e\u0301",
    "\u0131", "i", "I", "\u0130", "a", "a ", " a", "a=b", "=a", "a=", "corp=alice", "\u0338a", "\uff1da",
    "%", "_", "a%", "*", "?", "'", '"', "\\", "\\\\", "a/b", "../a", "${aws:username}",
    "cn=alice,dc=corp", "\U0001f600", "\u00e9" * 512, "x" * 1024,
]  # fmt: skip
"""Names of which no two may be one."""


async def test_names_of_a_provider_are_told_apart_by_their_characters(
    control: Control, corp: Provider, source: SqlSource
) -> None:
    ids = {}
    for name in SPELLINGS:
        ids[name] = (await login(control, corp, name)).value.id
    assert len(set(ids.values())) == len(SPELLINGS)
    for name in SPELLINGS:
        assert (await login(control, corp, name)).value.id == ids[name]
        assert (await control.users.get(f"corp={name}")).id == ids[name]
        found = (await source.find_user(f"corp={name}")).value
        assert found is not None
        assert (found.user.id, found.user.name) == (ids[name], f"corp={name}")


async def test_users_of_two_providers_and_of_our_own_are_never_one(control: Control) -> None:
    names = ["corp", "corp-", "corp-x", "corp.x", "cor", "corp_x", "0"]
    providers = [await make_provider(control, name) for name in names]
    own = ["alice", "corp", "corp-x", "corp\u2260alice", "corp\uff1dalice", "corp\ua78aalice"]
    users = [(await control.users.create(name)).value for name in own]
    for name in ("alice", "corp=alice", "-x=alice", "x=alice"):
        users += [(await login(control, provider, name)).value for provider in providers]
    assert len({user.id for user in users}) == len(own) + 4 * len(names)
    assert len({user.name for user in users}) == len(users)
    for user in users:
        assert await control.users.get(user.name) == user


async def test_no_login_ever_meets_a_user_of_our_own(control: Control, corp: Provider) -> None:
    own = (await control.users.create("alice")).value
    for name in ("alice", "=alice", "ALICE"):
        assert (await login(control, corp, name)).value.id != own.id
    assert await control.users.get("alice") == own
    with pytest.raises(ConflictError):
        await control.users.create("Alice")


# --- groups ---


async def test_a_user_is_in_the_groups_that_its_provider_says_and_that_are_here(
    control: Control, corp: Provider
) -> None:
    for name in ("corp=a", "corp=b", "corp=c", "own"):
        await control.groups.create(name)
    await login(control, corp, "ann", "a", "b", "unknown", "own")
    assert await groups_of(control, "corp=ann") == ["corp=a", "corp=b"]
    await login(control, corp, "ann", "b", "c")
    assert await groups_of(control, "corp=ann") == ["corp=b", "corp=c"]
    await login(control, corp, "ann")
    assert await groups_of(control, "corp=ann") == []


async def test_a_login_leaves_groups_of_our_own_alone(control: Control, corp: Provider) -> None:
    await login(control, corp, "ann", "devs")
    for name in ("devs", "ops"):
        await control.groups.create(name)
        await control.groups.add_members(name, ["corp=ann"])
    await control.groups.create("corp=devs")
    assert await groups_of(control, "corp=ann") == ["corp=devs", "devs", "ops"]
    await login(control, corp, "ann", "ops", "corp=ops")
    assert await groups_of(control, "corp=ann") == ["devs", "ops"]
    await control.groups.remove_members("devs", ["corp=ann"])
    await login(control, corp, "ann", "devs")
    assert await groups_of(control, "corp=ann") == ["corp=devs", "ops"]


async def test_a_login_joins_no_group_of_another_provider(control: Control, corp: Provider) -> None:
    other = await make_provider(control, "corp2")
    for name in ("corp2=devs", "corp=2=devs"):
        await control.groups.create(name)
    await login(control, corp, "ann", "devs", "2=devs", "corp2=devs")
    assert await groups_of(control, "corp=ann") == ["corp=2=devs"]
    await login(control, other, "ann", "devs", "2=devs")
    assert await groups_of(control, "corp2=ann") == ["corp2=devs"]
    await login(control, corp, "ann")
    assert await groups_of(control, "corp2=ann") == ["corp2=devs"]


GROUPS = [
    "%", "_", "a%", "a_b", "axb", "'", '"', '"a"', "\\", "\\\\", "a\\u00e9", "/", "//", "a/b", "a,b", "]", "[",
    '","', "\u00e9", "e\u0301", "gr\u00fcn", "\U0001f600", "null", "cn=devs,dc=corp", " a", "x" * 1000, "devs",
    "dev", "evs", "; drop table users", ":x", "${a}", "%%", "\x7e",
]  # fmt: skip
"""Names of groups that a look into JSON text, by a pattern, by SQL, could take for another one."""


class AsGiven:
    """Spells names as they are given."""

    def canonical_user(self, provider: Provider, name: str) -> str:
        return name

    canonical_group = canonical_user


async def test_a_group_that_is_made_later_has_the_members_it_would_have_had(
    control: Control, corp: Provider
) -> None:
    control.groups._names = AsGiven()
    other = await make_provider(control, "corp2")
    for number, name in enumerate(GROUPS):
        await login(control, corp, f"{number}", name)
        await login(control, corp, f"{number} of two", "common", name)
        await login(control, other, f"{number}", name)
    for number, name in enumerate(GROUPS):
        group = (await control.groups.create(f"corp={name}")).value
        members = (await control.groups.list_members(group.name)).items
        assert {member.name for member in members} == {f"corp={number}", f"corp={number} of two"}
    common = (await control.groups.create("corp=common")).value
    members = (await control.groups.list_members(common.name, page_size=1000)).items
    assert len(members) == len(GROUPS)
    for number, name in enumerate(GROUPS):
        assert await groups_of(control, f"corp={number}") == [f"corp={name}"]
    # What a login finds is the same, so nothing is written.
    revisions = {
        (await login(control, corp, f"{number}", name)).revision
        for number, name in enumerate(GROUPS)
    }
    assert len(revisions) == 1


async def test_a_group_in_another_case_is_another_group(control: Control, corp: Provider) -> None:
    control.groups._names = AsGiven()
    await login(control, corp, "ann", "Devs")
    for name in ("corp=devs", "corp=DEVS"):
        await control.groups.create(name)
        assert not (await control.groups.list_members(name)).items
    await control.groups.create("corp=Devs")
    await login(control, corp, "bob", "DEVS")
    assert await groups_of(control, "corp=ann") == ["corp=Devs"]
    assert await groups_of(control, "corp=bob") == ["corp=DEVS"]


async def test_a_group_that_was_deleted_comes_back_with_its_members(
    control: Control, corp: Provider
) -> None:
    await login(control, corp, "ann", "devs")
    await control.groups.create("corp=devs")
    await control.groups.delete("corp=devs", cascade=True)
    assert await groups_of(control, "corp=ann") == []
    await control.groups.create("corp=devs")
    assert await groups_of(control, "corp=ann") == ["corp=devs"]


async def test_all_groups_of_a_user_are_found_however_many(
    control: Control, corp: Provider
) -> None:
    names = [f"g{number:04}" for number in range(120)]
    for name in names:
        await control.groups.create(f"corp={name}")
    user = (await login(control, corp, "ann", *names)).value

    async def count(unit: object) -> Sequence[str]:
        return [group.name for group in await list_all_groups(unit, user.id)]

    assert await control.store.read(count) == [f"corp={name}" for name in names]
    await login(control, corp, "ann", names[3])
    assert await groups_of(control, "corp=ann") == [f"corp={names[3]}"]


# --- whom the provider knows no more ---


async def test_who_is_known_no_more_is_out_until_the_next_login(
    control: Control, corp: Provider, source: SqlSource
) -> None:
    user = (await login(control, corp, "ann", "devs")).value
    absent = await control.logins.set_absent(user)
    now = control.clock.now()
    assert (absent.value.absent_since, absent.value.status) == (now, Status.ENABLED)
    assert absent.value.sessions_void_before == now + REVOCATION_REACH
    assert await control.users.get("corp=ann") == absent.value
    found = (await source.find_user("corp=ann")).value
    assert found is not None
    assert found.user == absent.value
    control.clock.advance(60.0)
    assert await control.logins.set_absent(absent.value) == absent
    assert await control.logins.set_absent(user) == absent
    back = (await login(control, corp, "ann", "devs")).value
    assert back.absent_since is None
    assert back.sessions_void_before == absent.value.sessions_void_before
    assert back.id == user.id


async def test_what_was_said_of_a_deleted_user_is_not_said_of_its_namesake(
    control: Control, corp: Provider
) -> None:
    old = (await login(control, corp)).value
    await control.users.delete("corp=ann")
    revision = (await control.logins.set_absent(old)).revision
    new = await login(control, corp)
    assert new.revision == revision + 1
    assert (await control.logins.set_absent(old)).revision == new.revision
    assert await control.users.get("corp=ann") == new.value


async def test_the_users_of_a_provider_are_listed_and_nobody_else(
    control: Control, corp: Provider
) -> None:
    other = await make_provider(control, "corp2")
    await control.users.create("ann")
    for name in ("b", "a", "B"):
        await login(control, corp, name)
        await login(control, other, name)
    first = await control.logins.list_of_provider(corp.id, Slice("", 2))
    rest = await control.logins.list_of_provider(corp.id, Slice(first[-1].name, 2))
    assert [user.name for user in (*first, *rest)] == ["corp=B", "corp=a", "corp=b"]


# --- policies that a proof names ---


async def test_policies_that_a_proof_names_are_those_that_there_are(control: Control) -> None:
    ids = {}
    for name in ("Open", "shut"):
        ids[name] = (await control.policies.create(name, ALLOW_ALL)).value.id
    found = await control.logins.find_policies(["shut", "open", "OPEN", "gone"])
    assert found == tuple(sorted(ids.values()))
    assert await control.logins.find_policies([]) == ()


async def test_what_no_policy_can_be_called_is_none(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    for name in ("", "a\0b", "\ud800", "x" * 10_000, "a=b", "a,b", " open", "%", "'"):
        assert await control.logins.find_policies([name]) == ()
        assert len(await control.logins.find_policies([name, "open"])) == 1
