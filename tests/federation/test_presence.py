"""Deprovisioning: whom a provider knows no more may do nothing, and only a clear answer makes it so.

From a real directory, or the API of Keycloak as our issuer plays it, to what two replicas' memory makes of a key.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from authz.clock import SystemClock
from authz.control.ports import Unit
from authz.control.providers import ProviderChange
from authz.federation.presence import PAGE, Answer, PresenceCheck
from authz.federation.registry import Registry
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, ProviderKind
from authz.identity.records import Status, TargetKind, User, external_name
from authz.store.sql.engine import Database
from authz.store.sql.provider_checks import SqlProviderChecks
from authz.store.sql.store import SqlStore
from authz.telemetry.metrics import Metrics
from tests.access.world import PUT, World, following, policy
from tests.servers.issuer import CLIENT_ID, Issuer
from tests.servers.slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, SlapdServer, running_slapd
from tests.store.fixtures import OPTIONS, Control

INTERVAL = 900.0
GROUP = f"cn=writers,{SUFFIX}"
ENTRIES = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example
"""


def user_dn(name: str) -> str:
    return f"uid={name},{SUFFIX}"


def person(name: str) -> str:
    return f"dn: {user_dn(name)}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {name}\nsn: {name}\n"


def member(change: str, name: str) -> str:
    return f"dn: {GROUP}\nchangetype: modify\n{change}: member\nmember: {user_dn(name)}\n"


@pytest.fixture(scope="module")
def slapd() -> Iterator[SlapdServer]:
    group = f"dn: {GROUP}\nobjectClass: groupOfNames\ncn: writers\nmember: cn=nobody\n"
    with running_slapd(f"{ENTRIES}\n{group}") as server:
        yield server


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(f"sqlite:///{tmp_path}/authz.db", OPTIONS) as opened:
        await opened.migrate(now=0.0, canned=())
        yield opened


class Replica:
    """One replica: its memory, its live providers, and its questions."""

    def __init__(self, database: Database, control: Control) -> None:
        self.world = World(database, control)
        self.metrics = Metrics()
        self.registry = Registry(control.ring, SystemClock(), self.metrics)
        self.world.providers.follow(self.registry.follow)
        self.check = PresenceCheck(
            self.registry, control.logins, SqlProviderChecks(database).claim, self.metrics,
            control.clock, interval=INTERVAL,
        )  # fmt: skip

    async def can_write(self, access_key_id: str) -> bool | None:
        """Tell whether a key may write; `None`: it is refused altogether."""
        await self.world.settle()
        entry = await self.world.key(access_key_id)
        if entry is None or not entry.is_usable(self.world.clock.now()):
            return None
        return self.world.decide(entry.acting, PUT).is_allowed

    def counts(self) -> dict[str, float]:
        return {
            outcome: n for (_, outcome), n in self.metrics.provider_users_checked.values.items()
        }

    @property
    def failures(self) -> float:
        return sum(self.metrics.provider_check_failures.values.values())


class Site:
    """Replicas over one database, and what administrators do there."""

    def __init__(self, database: Database, replicas: list[Replica], control: Control) -> None:
        self.database, self.replicas, self.control = database, replicas, control
        self.one = replicas[0]

    async def next_round(self) -> None:
        for replica in self.replicas:
            await replica.world.settle()
        self.control.clock.advance(INTERVAL)
        await self.one.check.check_due()

    async def add_provider(self, kind: ProviderKind, config: dict[str, object], secret: str) -> str:
        made = await self.control.providers.create(
            "corp", kind, json.dumps(config), secret=Secret(secret)
        )
        await self.control.policies.create("write", policy("Allow", PUT))
        await self.control.policies.create("read", policy("Allow", "s3:Get*"))
        await self.control.attachments.attach("read", TargetKind.PROVIDER, "corp")
        for replica in self.replicas:
            await replica.world.settle()
        return made.value.id

    async def log_in(self, provider_id: str, name: str, *groups: str, display: str = "") -> str:
        """Let somebody in, and make an access key of theirs; return its id."""
        identity = ExternalIdentity(name=name, groups=groups, display_name=display)
        user = (await self.control.logins.adopt(provider_id, identity, has_policies=False)).value
        return (await self.control.access_keys.create(user.name)).value.key.id

    async def user(self, name: str) -> User:
        return await self.control.users.get(external_name("corp", name))


@asynccontextmanager
async def running_site(database: Database, replicas: int = 2) -> AsyncIterator[Site]:
    control = Control(SqlStore(database))
    async with AsyncExitStack() as stack:
        made = [Replica(database, control) for _ in range(replicas)]
        for one in made:
            stack.push_async_callback(one.registry.close)
            await stack.enter_async_context(following(one.world))
        yield Site(database, made, control)


@pytest.fixture
async def site(database: Database) -> AsyncIterator[Site]:
    async with running_site(database) as running:
        yield running


def ldap_config(server: SlapdServer, **more: object) -> dict[str, object]:
    return {
        "url": f"ldaps://localhost:{server.tls_port}", "ca_file": str(server.authority.path),
        "bind_dn": ADMIN, "user_bases": [SUFFIX],
        "user_filter": "(&(objectClass=inetOrgPerson)(uid=%s))", "group_bases": [SUFFIX],
        "group_filter": "(&(objectClass=groupOfNames)(member=%d))", "timeout": 20, **more,
    }  # fmt: skip


async def test_whom_the_directory_knows_no_more_is_refused_on_every_replica(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(f"{person('ann')}\n{person('bob')}", "-a")
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    anns, bobs = [await site.log_in(corp, user_dn(name), display=name) for name in ("ann", "bob")]
    await site.next_round()
    assert [await one.can_write(anns) for one in site.replicas] == [False, False]
    slapd.modify(f"dn: {user_dn('ann')}\nchangetype: delete\n")
    with capture_logs() as logs:
        await site.next_round()
    assert [await one.can_write(anns) for one in site.replicas] == [None, None]
    assert [await one.can_write(bobs) for one in site.replicas] == [False, False]
    (told,) = [line for line in logs if line["event"] == "user_absent"]
    assert (told["provider"], told["name"]) == ("corp", user_dn("ann"))
    user = await site.user(user_dn("ann"))
    assert user.absent_since == site.control.clock.now()
    assert user.sessions_void_before > site.control.clock.now()
    assert site.one.counts() == {"present": 3.0, "absent": 1.0}

    # Back under that name: not by being there, but by logging in.
    slapd.modify(person("ann"), "-a")
    await site.next_round()
    assert await site.one.can_write(anns) is None
    await site.log_in(corp, user_dn("ann"))
    assert [await one.can_write(anns) for one in site.replicas] == [False, False]
    slapd.modify("".join(f"dn: {user_dn(name)}\nchangetype: delete\n\n" for name in ("ann", "bob")))


async def test_who_matches_the_user_filter_no_more_is_absent(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(person("eve"), "-a")
    config = ldap_config(slapd, user_filter="(&(uid=%s)(!(description=left)))")
    corp = await site.add_provider(ProviderKind.LDAP, config, ADMIN_PASSWORD)
    key = await site.log_in(corp, user_dn("eve"))
    await site.next_round()
    assert await site.one.can_write(key) is False
    change = "changetype: modify\nadd: description\ndescription: left\n"
    slapd.modify(f"dn: {user_dn('eve')}\n{change}")
    await site.next_round()
    assert await site.one.can_write(key) is None
    slapd.modify(f"dn: {user_dn('eve')}\nchangetype: delete\n")


async def test_a_key_gains_and_loses_what_groups_of_the_directory_may_do(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(person("carl"), "-a")
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    await site.control.groups.create(external_name("corp", GROUP))
    await site.control.attachments.attach("write", TargetKind.GROUP, external_name("corp", GROUP))
    key = await site.log_in(corp, user_dn("carl"))
    slapd.modify(member("add", "carl"))
    await site.next_round()
    assert [await one.can_write(key) for one in site.replicas] == [True, True]
    assert (await site.user(user_dn("carl"))).external_groups == (GROUP,)
    slapd.modify(member("delete", "carl"))
    with capture_logs() as logs:
        await site.next_round()
    assert [await one.can_write(key) for one in site.replicas] == [False, False]
    (told,) = [line for line in logs if line["event"] == "user_refreshed"]
    assert (told["lost"], told["gained"]) == ([GROUP], [])
    revision = (await site.one.world.source.real.revision(),)
    await site.next_round()
    assert revision == (
        await site.one.world.source.real.revision(),
    )  # nothing new: nothing written
    slapd.modify(f"dn: {user_dn('carl')}\nchangetype: delete\n")


async def test_what_keys_keep_of_a_login_follows_the_directory(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(person("kim"), "-a")
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    key = await site.log_in(corp, user_dn("kim"))
    kept = {"ldap:groups": ("cn=old",), "ldap:mail": ("old@example.org",), "aws:x": ("as it was",)}

    async def keep(unit: Unit) -> None:
        old = await unit.access_keys.find(key)
        assert old is not None
        await unit.access_keys.replace(old, replace(old, facts=kept))

    await site.control.store.write(keep)
    slapd.modify(member("add", "kim"))
    await site.next_round()
    found = await site.control.store.read(lambda unit: unit.access_keys.find(key))
    assert found is not None
    assert found.facts == {
        "ldap:groups": (GROUP,), "ldap:user": (user_dn("kim"),), "ldap:username": ("kim",),
        "aws:x": ("as it was",),
    }  # fmt: skip
    slapd.modify(f"dn: {user_dn('kim')}\nchangetype: delete\n")


async def test_a_directory_that_is_down_disables_nobody(site: Site) -> None:
    with running_slapd(f"{ENTRIES}\n{person('dan')}") as server:
        corp = await site.add_provider(
            ProviderKind.LDAP, ldap_config(server, timeout=5), ADMIN_PASSWORD
        )
        names = ("dan", *(f"gone-{n}" for n in range(9)))
        keys = [await site.log_in(corp, user_dn(name)) for name in names]
        server.stop()
        with capture_logs() as logs:
            await site.next_round()
        assert [await site.one.can_write(key) for key in keys] == [False] * 10
        assert [line["event"] for line in logs].count("provider_check_failed") == 1
        assert (site.one.failures, site.one.counts()) == (1.0, {"unanswered": 4.0})
        assert not site.one.metrics.provider_checked.collect().samples
        server.start()
        await site.next_round()
        assert [await site.one.can_write(key) for key in keys] == [False] + [None] * 9
        (checked,) = site.one.metrics.provider_checked.collect().samples
        assert (checked.labels, checked.value) == ({"provider": "corp"}, site.control.clock.now())


async def test_a_provider_that_is_disabled_disables_nobody_for_good(
    site: Site, slapd: SlapdServer
) -> None:
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    key = await site.log_in(corp, user_dn("nobody"))
    await site.control.providers.update("corp", ProviderChange(status=Status.DISABLED))
    await site.next_round()
    assert (await site.user(user_dn("nobody"))).absent_since is None
    assert site.one.counts() == {}
    await site.control.providers.update("corp", ProviderChange(status=Status.ENABLED))
    assert await site.one.can_write(key) is False


Happen = Callable[[], Awaitable[None]]


class Interrupted:
    """Asks the real providers, and lets something happen before the answer is heard."""

    def __init__(self, registry: Registry, happen: Happen) -> None:
        self._registry, self._happen = registry, happen
        self.list_askable = registry.list_askable

    async def look_up(self, provider_id: str, name: str) -> Answer:
        said = await self._registry.look_up(provider_id, name)
        await self._happen()
        return said


async def check_while(site: Site, happen: Happen) -> None:
    """Do one round during which something happens."""
    site.one.check._providers = Interrupted(site.one.registry, happen)
    await site.next_round()


async def test_a_provider_that_is_disabled_meanwhile_ends_the_round(
    site: Site, slapd: SlapdServer
) -> None:
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    for n in range(9):
        await site.log_in(corp, user_dn(f"nobody-{n}"))

    async def disable() -> None:
        await site.control.providers.update("corp", ProviderChange(status=Status.DISABLED))
        await site.one.world.settle()

    await check_while(site, disable)
    absent = [(await site.user(user_dn(f"nobody-{n}"))).absent_since is not None for n in range(9)]
    assert sum(absent) <= 4  # of whom the answer was on its way already
    assert not site.one.metrics.provider_checked.collect().samples


async def test_a_user_that_is_deleted_meanwhile_does_not_come_back(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(person("fay"), "-a")
    slapd.modify(member("add", "fay"))
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    for name in ("fay", "gus"):
        await site.log_in(corp, user_dn(name))
    left = [external_name("corp", user_dn(name)) for name in ("fay", "gus")]

    async def delete() -> None:
        while left:
            await site.control.users.delete(left.pop(), cascade=True)

    await check_while(site, delete)
    assert (await site.control.users.list()).items == ()
    assert site.one.failures == 0
    slapd.modify(f"dn: {user_dn('fay')}\nchangetype: delete\n")


async def test_a_login_meanwhile_knows_better_than_the_answer_on_its_way(
    site: Site, slapd: SlapdServer
) -> None:
    slapd.modify(person("hal"), "-a")
    corp = await site.add_provider(ProviderKind.LDAP, ldap_config(slapd), ADMIN_PASSWORD)
    await site.log_in(corp, user_dn("hal"), display="before")

    async def log_in() -> None:
        identity = ExternalIdentity(name=user_dn("hal"), display_name="x", groups=("cn=new",))
        await site.control.logins.adopt(corp, identity, has_policies=False)

    await check_while(site, log_in)
    assert (await site.user(user_dn("hal"))).external_groups == ("cn=new",)
    slapd.modify(f"dn: {user_dn('hal')}\nchangetype: delete\n")


USERS = "/admin/realms/one/users"


async def add_keycloak(site: Site, issuer: Issuer) -> str:
    issuer.serve("/token", {"access_token": "t", "expires_in": 60})
    issuer.serve(f"{USERS}/count", 3)
    config = {
        "issuer": issuer.url, "client_ids": [CLIENT_ID], "insecure_http": True, "vendor": "keycloak",
        "keycloak_realm": "one", "keycloak_admin_url": f"{issuer.url}/admin",
    }  # fmt: skip
    return await site.add_provider(ProviderKind.OIDC, config, "secret")


async def test_whom_keycloak_has_deleted_or_disabled_is_refused(site: Site, issuer: Issuer) -> None:
    corp = await add_keycloak(site, issuer)
    keys = [await site.log_in(corp, name, "kept") for name in ("here", "off", "gone")]
    issuer.serve(f"{USERS}/here", {"enabled": True})
    issuer.serve(f"{USERS}/off", {"enabled": False})
    issuer.serve(f"{USERS}?search=id%3Aoff", [{"id": "off", "enabled": False}])
    await site.next_round()
    assert [await site.one.can_write(key) for key in keys] == [False, None, None]
    assert (await site.user("here")).external_groups == ("kept",)
    assert site.one.counts() == {"present": 1.0, "absent": 2.0}


async def test_one_user_without_an_answer_does_not_keep_others_from_being_checked(
    site: Site, issuer: Issuer
) -> None:
    corp = await add_keycloak(site, issuer)
    odd = [await site.log_in(corp, name) for name in (".", "a", "b")]
    keys = [await site.log_in(corp, f"gone-{n}") for n in range(8)]
    issuer.serve(f"{USERS}/a", {}, 500)
    issuer.serve(f"{USERS}/b", {"enabled": "who knows"})
    await site.next_round()
    assert [await site.one.can_write(key) for key in odd] == [False] * 3
    assert [await site.one.can_write(key) for key in keys] == [None] * 8
    assert site.one.failures == 1
    assert not site.one.metrics.provider_checked.collect().samples


async def test_of_several_replicas_one_asks_and_only_when_it_is_time(
    site: Site, issuer: Issuer
) -> None:
    corp = await add_keycloak(site, issuer)
    await site.log_in(corp, "here")
    issuer.serve(f"{USERS}/here", {"enabled": True})
    await site.next_round()
    for replica in site.replicas:
        await replica.check.check_due()
    assert issuer.requests[f"{USERS}/here"] == 1
    site.control.clock.advance(INTERVAL - 1)
    await site.replicas[1].check.check_due()
    assert issuer.requests[f"{USERS}/here"] == 1
    site.control.clock.advance(1)
    await site.replicas[1].check.check_due()
    await site.one.check.check_due()
    assert issuer.requests[f"{USERS}/here"] == 2


async def test_a_claim_of_a_clock_that_was_ahead_holds_nobody_up(
    site: Site, issuer: Issuer
) -> None:
    corp = await add_keycloak(site, issuer)
    claim = SqlProviderChecks(site.database).claim
    assert await claim(corp, 10_000_000.0, INTERVAL)
    assert not await claim(corp, 10_000_000.0 - INTERVAL, INTERVAL)
    assert await claim(corp, 1_000_000.0, INTERVAL)
    assert not await claim("AIDPNONE", 1_000_000.0, INTERVAL)


async def test_all_pages_of_users_are_gone_through(
    site: Site, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("authz.federation.presence.PAGE", 3)
    assert PAGE > 3
    corp = await add_keycloak(site, issuer)
    keys = [await site.log_in(corp, f"gone-{n}") for n in range(7)]
    await site.next_round()
    assert [await site.one.can_write(key) for key in keys] == [None] * 7
