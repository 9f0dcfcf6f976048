"""Identity providers: what is kept of them, that their secret is shown to nobody, and when they can go."""

import pytest

from authz.control import groups as groups_module
from authz.control import providers as providers_module
from authz.control.limits import REVOCATION_REACH
from authz.control.providers import SECRET_LIMIT, ProviderChange
from authz.errors import ConflictError, InvalidError, NotFoundError, UnavailableError
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Status, TargetKind
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from tests.store.fixtures import ALLOW_ALL, Control

OIDC = ProviderKind.OIDC
CONFIG = '{"issuer": "https://idp.example"}'


async def sealed_of(source: SqlSource, name: str) -> bytes | None:
    stored = (await source.load_policies()).value.providers
    return next(one.sealed_secret for one in stored if one.provider.name == name)


async def test_a_created_provider_can_be_read_back(control: Control) -> None:
    for kind in ProviderKind:
        await assert_read_back(control, kind.value, kind)


async def assert_read_back(control: Control, name: str, kind: ProviderKind) -> None:
    provider = (
        await control.providers.create(name, kind, f"{CONFIG} \n", description="ours")
    ).value
    assert provider.id.startswith("AIDP")
    assert (provider.kind, provider.status, provider.config) == (
        kind,
        Status.ENABLED,
        f"{CONFIG} \n",
    )
    assert (provider.description, provider.has_secret) == ("ours", False)
    assert provider.created_at == provider.updated_at == control.clock.now()
    assert await control.providers.get(name) == provider


async def test_providers_are_listed_by_name_a_page_at_a_time(control: Control) -> None:
    for name in ("b", "a.b", "a", "a-b", "0"):
        await control.providers.create(name, OIDC, CONFIG)
    first = await control.providers.list(page_size=3)
    rest = await control.providers.list(page_size=3, page_token=first.next_page_token)
    names = [provider.name for page in (first, rest) for provider in page.items]
    assert names == ["0", "a", "a-b", "a.b", "b"]
    assert not rest.next_page_token


NO_NAMES = [
    "", "Corp", "-corp", ".corp", "_corp", "co rp", "corp=x", "corp,x", "corp\n", "c\u00f6rp", "x" * 64,
    "\u212aorp", "corp\0", "\uff43orp",
]  # fmt: skip


async def test_other_names_are_refused(control: Control) -> None:
    for name in NO_NAMES:
        with pytest.raises(InvalidError) as refused:
            await control.providers.create(name, OIDC, CONFIG)
        assert refused.value.field == "name"


async def test_a_name_is_taken_once_and_a_user_may_have_it_too(control: Control) -> None:
    await control.providers.create("x" * 63, OIDC, CONFIG)
    await control.users.create("x" * 63)
    with pytest.raises(ConflictError, match="there is a provider"):
        await control.providers.create("x" * 63, ProviderKind.LDAP, CONFIG)


async def test_a_missing_provider_is_not_found(control: Control) -> None:
    for call in (
        control.providers.get("corp"),
        control.providers.update("corp", ProviderChange()),
        control.providers.revoke("corp"),
        control.providers.delete("corp"),
        control.users.create("corp=x"),
        control.groups.create("corp=x"),
        control.attachments.list_of_target(TargetKind.PROVIDER, "corp"),
    ):
        with pytest.raises(NotFoundError, match="no provider `corp`"):
            await call


async def test_an_update_changes_only_what_it_names(control: Control) -> None:
    made = await control.providers.create(
        "corp", OIDC, CONFIG, secret=Secret("hunter2"), description="ours"
    )
    expected = made.value
    for wanted, changed in (
        (ProviderChange(status=Status.DISABLED), {"status": Status.DISABLED}),
        (ProviderChange(config="{}"), {"config": "{}"}),
        (ProviderChange(description=""), {"description": ""}),
        (ProviderChange(secret=Secret("")), {"has_secret": False}),
        (ProviderChange(secret=Secret("x")), {"has_secret": True}),
    ):
        control.clock.advance(1.0)
        changed["updated_at"] = control.clock.now()
        fields = {name: getattr(expected, name) for name in expected.__dataclass_fields__}
        expected = type(expected)(**fields | changed)
        assert (await control.providers.update("corp", wanted)).value == expected
        assert await control.providers.get("corp") == expected


async def test_what_is_not_acceptable_changes_nothing(control: Control, source: SqlSource) -> None:
    before = (await control.providers.create("corp", OIDC, CONFIG, secret=Secret("hunter2"))).value
    sealed = await sealed_of(source, "corp")
    for wanted, field in (
        (ProviderChange(config="nonsense"), "config"),
        (ProviderChange(description="a\0b"), "description"),
        (ProviderChange(description="x" * 1001), "description"),
        (ProviderChange(secret=Secret("x" * (SECRET_LIMIT + 1))), "secret"),
    ):
        with pytest.raises(InvalidError) as refused:
            await control.providers.update("corp", wanted)
        assert refused.value.field == field
        assert "x" * 1000 not in refused.value.message
        assert await control.providers.get("corp") == before
        assert await sealed_of(source, "corp") == sealed


async def test_what_is_not_acceptable_makes_no_provider(control: Control) -> None:
    for more in (
        {"config": "nonsense"},
        {"description": "a\0b"},
        {"secret": Secret("")},
        {"secret": Secret("x" * (SECRET_LIMIT + 1))},
    ):
        with pytest.raises(InvalidError):
            await control.providers.create("corp", OIDC, **{"config": CONFIG} | more)
    with pytest.raises(NotFoundError):
        await control.providers.get("corp")


async def test_the_kind_sees_the_configuration_with_the_secret_it_will_have(
    control: Control,
) -> None:
    seen = []
    control.providers._check_config = lambda *asked: seen.append(asked)
    await control.providers.create("corp", OIDC, CONFIG)
    for wanted in (
        ProviderChange(secret=Secret("x")),
        ProviderChange(config="{}"),
        ProviderChange(config=CONFIG, secret=Secret("")),
    ):
        await control.providers.update("corp", wanted)
    assert seen == [
        (OIDC, CONFIG, False),
        (OIDC, CONFIG, True),
        (OIDC, "{}", True),
        (OIDC, CONFIG, False),
    ]


# --- the secret ---


async def test_a_secret_is_sealed_for_its_provider_and_shown_to_nobody(
    control: Control, source: SqlSource, database: Database
) -> None:
    secret = Secret("s\u00e9cret" + "x" * 100)
    made = await control.providers.create("corp", OIDC, CONFIG, secret=secret)
    other = (await control.providers.create("other", OIDC, CONFIG)).value
    sealed = await sealed_of(source, "corp")
    assert sealed is not None
    assert control.ring.unseal(sealed, made.value.id.encode()) == secret.reveal().encode()
    with pytest.raises(UnavailableError):
        control.ring.unseal(sealed, other.id.encode())
    shown = repr((made, await control.providers.list(), (await source.load_policies()).value))
    assert secret.reveal() not in shown
    assert secret.reveal().encode() not in sealed
    assert await sealed_of(source, "other") is None


async def test_a_secret_stays_until_it_is_replaced_or_taken_away(
    control: Control, source: SqlSource
) -> None:
    await control.providers.create("corp", OIDC, CONFIG, secret=Secret("one"))
    first = await sealed_of(source, "corp")
    await control.providers.update("corp", ProviderChange(config="{}", status=Status.DISABLED))
    await control.providers.revoke("corp")
    assert await sealed_of(source, "corp") == first
    # Sealed anew, so that nobody sees whether it is the same one.
    await control.providers.update("corp", ProviderChange(secret=Secret("one")))
    assert await sealed_of(source, "corp") not in {first, None}
    await control.providers.update("corp", ProviderChange(secret=Secret("")))
    assert await sealed_of(source, "corp") is None


# --- how it ends ---


async def test_a_revocation_reaches_ahead_and_never_back(control: Control) -> None:
    await control.providers.create("corp", OIDC, CONFIG)
    ends = []
    for seconds in (0.0, 5.0, -60.0):
        control.clock.advance(seconds)
        ends.append((await control.providers.revoke("corp")).value.sessions_void_before)
    start = control.clock.now() + 55.0
    assert ends == [start + REVOCATION_REACH, start + 5.0 + REVOCATION_REACH, ends[1]]
    assert (await control.providers.get("corp")).sessions_void_before == ends[1]


@pytest.mark.parametrize("use", ["users", "groups", "attached policies"])
async def test_a_provider_that_still_has_anything_stays(use: str, control: Control) -> None:
    provider = (await control.providers.create("corp", OIDC, CONFIG)).value
    await control.providers.create("corp2", OIDC, CONFIG)
    await control.policies.create("open", ALLOW_ALL)
    make, take_away = {
        "users": (
            lambda: control.users.create("corp=ann"),
            lambda: control.users.delete("corp=ann"),
        ),
        "groups": (
            lambda: control.groups.create("corp=devs"),
            lambda: control.groups.delete("corp=devs"),
        ),
        "attached policies": (
            lambda: control.attachments.attach("open", TargetKind.PROVIDER, "corp"),
            lambda: control.attachments.detach("open", TargetKind.PROVIDER, "corp"),
        ),
    }[use]
    await make()
    with pytest.raises(ConflictError, match=f"provider `corp` still has {use}$"):
        await control.providers.delete("corp")
    assert await control.providers.get("corp") == provider
    await take_away()
    await control.providers.delete("corp2")
    await control.providers.delete("corp")
    with pytest.raises(NotFoundError):
        await control.providers.get("corp")


async def test_a_provider_recreated_under_its_name_is_another_one(control: Control) -> None:
    old = (await control.providers.create("corp", OIDC, CONFIG)).value
    await control.providers.delete("corp")
    assert (await control.providers.create("corp", OIDC, CONFIG)).value.id != old.id


async def test_there_are_so_many_providers_and_no_more(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(providers_module, "PROVIDERS", 2)
    for name in ("a", "b"):
        await control.providers.create(name, OIDC, CONFIG)
    with pytest.raises(ConflictError, match="there are 2 providers, the most"):
        await control.providers.create("c", OIDC, CONFIG)
    await control.providers.delete("a")
    await control.providers.create("c", OIDC, CONFIG)


async def test_memberships_that_the_provider_says_hold_neither_user_nor_group(
    control: Control,
) -> None:
    corp = (await control.providers.create("corp", OIDC, CONFIG)).value
    identity = ExternalIdentity(name="ann", groups=("devs", "ops"))
    await control.logins.adopt(corp.id, identity, has_policies=True)
    for name in ("corp=devs", "corp=ops", "own"):
        await control.groups.create(name)
    await control.groups.add_members("own", ["corp=ann"])
    with pytest.raises(ConflictError, match="`corp=ann` still has groups"):
        await control.users.delete("corp=ann")
    await control.policies.create("open", ALLOW_ALL)
    await control.attachments.attach("open", TargetKind.GROUP, "corp=devs")
    with pytest.raises(ConflictError, match="`corp=devs` still has attached policies"):
        await control.groups.delete("corp=devs")
    assert len((await control.groups.list_members("corp=devs")).items) == 1
    await control.groups.delete("corp=ops")
    groups = (await control.groups.list_of_user("corp=ann")).items
    assert [group.name for group in groups] == ["corp=devs", "own"]
    await control.groups.remove_members("own", ["corp=ann"])
    await control.users.delete("corp=ann")
    assert not (await control.groups.list_members("corp=devs")).items
    await control.attachments.detach("open", TargetKind.GROUP, "corp=devs")
    await control.groups.delete("corp=devs")
    await control.providers.delete("corp")


async def test_a_providers_groups_leave_room_for_our_own(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups_module, "GROUPS_PER_USER", 2)
    corp = (await control.providers.create("corp", OIDC, CONFIG)).value
    names = ("a", "b", "c")
    for name in names:
        await control.groups.create(f"corp={name}")
        await control.groups.create(name)
    identity = ExternalIdentity(name="ann", groups=names)
    await control.logins.adopt(corp.id, identity, has_policies=True)
    for name in ("a", "b", "a"):
        await control.groups.add_members(name, ["corp=ann"])
    with pytest.raises(ConflictError, match="is in 2 groups, the most"):
        await control.groups.add_members("c", ["corp=ann"])
    assert len((await control.groups.list_of_user("corp=ann")).items) == 5


# --- the users and groups that are named after it ---


async def test_users_and_groups_are_called_as_their_provider_spells_them(control: Control) -> None:
    corp = (await control.providers.create("corp", OIDC, CONFIG)).value
    await control.policies.create("open", ALLOW_ALL)
    user = await control.users.create("corp=CN=Ann,OU=X", tags={"a": "b"}, boundary="open")
    group = await control.groups.create("corp=Devs", status=Status.DISABLED)
    assert (user.value.name, user.value.provider_id) == ("corp=cn=ann,ou=x", corp.id)
    assert (group.value.name, group.value.provider_id) == ("corp=devs", corp.id)
    assert await control.users.get("corp=cn=ann,ou=x") == user.value
    assert await control.groups.get("corp=devs") == group.value
    for call in (
        control.users.get("corp=CN=Ann,OU=X"),
        control.users.get("corp=cn=ann,ou=X"),
        control.groups.get("corp=Devs"),
    ):
        with pytest.raises(NotFoundError):
            await call
    for again in (control.users.create("corp=cn=ANN,ou=x"), control.groups.create("corp=DEVS")):
        with pytest.raises(ConflictError, match="already"):
            await again


NOBODY = [
    "=", "=x", "corp=", "CORP=x", "c p=x", "corp=a\0b", "corp=a\u200bb", "corp=\ud800", "corp=" + "x" * 1025,
    "corp=" + "\u00e9" * 513, "corp=a\nb", "\u212aorp=x", "a,b=x",
]  # fmt: skip


async def test_what_no_provider_calls_anybody_is_refused(control: Control) -> None:
    await control.providers.create("corp", OIDC, CONFIG)
    for name in NOBODY:
        calls = control.users.create(name), control.groups.create(name), control.users.get(name)
        for call in calls:
            with pytest.raises(InvalidError) as refused:
                await call
            assert refused.value.field == "name"


async def test_a_provider_may_spell_nobody_so_that_it_cannot_be_held(control: Control) -> None:
    class Odd:
        def canonical_user(self, provider: object, name: str) -> str:
            del provider, name
            return "a\0b"

        canonical_group = canonical_user

    await control.providers.create("corp", OIDC, CONFIG)
    control.users._names = control.groups._names = Odd()
    for call in (control.users.create("corp=x"), control.groups.create("corp=x")):
        with pytest.raises(InvalidError):
            await call


async def test_nobody_of_our_own_is_renamed_to_a_providers_name_nor_back(control: Control) -> None:
    await control.providers.create("corp", OIDC, CONFIG)
    for kind in (control.users, control.groups):
        for name in ("ann", "corp=ann"):
            await kind.create(name)
        with pytest.raises(InvalidError, match="`=`"):
            await kind.update("ann", new_name="corp=bob")
        for new_name in ("bob", "ann2", "corp"):
            with pytest.raises(InvalidError, match="keeps the provider's name"):
                await kind.update("corp=ann", new_name=new_name)
        assert (await kind.update("corp=ann", status=Status.DISABLED)).value.name == "corp=ann"


async def test_who_is_in_a_providers_group_is_not_said_by_hand(control: Control) -> None:
    corp = (await control.providers.create("corp", OIDC, CONFIG)).value
    await control.groups.create("corp=devs")
    await control.groups.create("own")
    identity = ExternalIdentity(name="ann", groups=("devs",))
    await control.logins.adopt(corp.id, identity, has_policies=True)
    await control.users.create("bob")
    for change in (control.groups.add_members, control.groups.remove_members):
        with pytest.raises(InvalidError, match="is for its provider to say") as refused:
            await change("corp=devs", ["bob"])
        assert refused.value.field == "group_name"
    members = (await control.groups.list_members("corp=devs")).items
    assert [member.name for member in members] == ["corp=ann"]
    await control.groups.add_members("own", ["corp=ann", "bob"])
    members = (await control.groups.list_members("own")).items
    assert [member.name for member in members] == ["bob", "corp=ann"]
