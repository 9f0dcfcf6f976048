"""Logins at a real Active Directory domain controller (Samba): what is particular to that directory."""

import base64
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from authz.clock import SystemClock
from authz.errors import UnauthenticatedError, UnavailableError
from authz.federation.ldap import LdapProvider
from authz.formats.provider_ldap import parse_ldap_config
from authz.identity.credential import Secret
from authz.identity.external import LoginStep
from tests.federation.test_ldap import documented
from tests.servers.samba import ADMIN_PASSWORD, ADMINISTRATOR, SUFFIX, SambaServer, running_samba

PASSWORD = "Passw0rd-of-users"
WRONG = "the user name or password is wrong"
STAFF, TEAMS = f"OU=Staff,{SUFFIX}", f"OU=Teams,{SUFFIX}"
ENABLED = "(!(userAccountControl:1.2.840.113556.1.4.803:=2))"
BY_BOTH_NAMES = "(|(sAMAccountName=%s)(userPrincipalName=%s))"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def person(name: str, login: str, *lines: str) -> str:
    quoted = base64.b64encode(f'"{PASSWORD}"'.encode("utf-16-le")).decode()
    dn = f"CN={name},{STAFF}"
    account = (
        () if any("userAccountControl" in line for line in lines) else ("userAccountControl: 512",)
    )
    return "\n".join([
        f"dn:: {encoded(dn)}", "objectClass: user", f"sAMAccountName:: {encoded(login)}",
        f"userPrincipalName:: {encoded(login + '@lab.test')}", f"unicodePwd:: {quoted}", *account, *lines, "", "",
    ])  # fmt: skip


def group(name: str, *members: str) -> str:
    lines = [f"dn:: {encoded(f'CN={name},{TEAMS}')}", "objectClass: group"]
    return "\n".join([*lines, *(f"member:: {encoded(member)}" for member in members), "", ""])


def directory() -> str:
    units = "".join(f"dn: {dn}\nobjectClass: organizationalUnit\n\n" for dn in (STAFF, TEAMS))
    people = [
        person("Ann Lee", "ann", "department: Research"),
        person("Größe\\, Jürgen", "jürgen"),
        person("Off", "off", "userAccountControl: 514"),
        person("Expired", "expired", "accountExpires: 116444736010000000"),
        person("Fresh", "fresh", "pwdLastSet: 0"),
        person("Leaver", "leaver"),
        person("Rene\u0301", "rene1"),
        person("Ren\u00e9", "rene2"),
        person("\u212aevin", "kevin1"),
        person("Kevin", "kevin2"),
    ]
    groups = [
        group("Inner", f"CN=Ann Lee,{STAFF}"),
        group("Outer", f"CN=Inner,{TEAMS}"),
        group("Äußerste", f"CN=Outer,{TEAMS}", f"CN=Größe\\, Jürgen,{STAFF}"),
    ]
    return units + "".join(people) + "".join(groups)


@pytest.fixture(scope="module")
def samba() -> Iterator[SambaServer]:
    with running_samba() as server:
        server.modify(directory(), "-a")
        yield server


Make = Callable[..., LdapProvider]


@pytest.fixture
async def make(samba: SambaServer) -> AsyncIterator[Make]:
    """Make providers of the server; they are closed in the end."""
    made: list[LdapProvider] = []

    def build(**changes: object) -> LdapProvider:
        raw: dict[str, object] = {
            "url": f"ldaps://{samba.address}",
            "ca_file": str(samba.authority.path),
            "bind_dn": ADMINISTRATOR,
            "user_bases": [SUFFIX],
            "user_filter": f"(&(objectClass=user){ENABLED}{BY_BOTH_NAMES})",
            "group_bases": [TEAMS],
            "nested": "ad",
            "timeout": 30,
        }
        config = parse_ldap_config(raw | changes)
        made.append(LdapProvider("ad", config, Secret(ADMIN_PASSWORD), SystemClock()))
        return made[-1]

    yield build
    for provider in made:
        await provider.close()


async def denied(provider: LdapProvider, username: str, password: str = PASSWORD) -> str:
    """Refuse a login as every refused login is; return what the last step says to administrators."""
    steps: list[LoginStep] = []
    with pytest.raises(UnauthenticatedError) as caught:
        await provider.login(username, Secret(password), trace=steps.append)
    assert (caught.value.code, caught.value.message) == ("AccessDenied", WRONG)
    return steps[-1].detail


@pytest.mark.parametrize("username", ["ann", "ANN", "ann@lab.test", "Ann@LAB.test"])
async def test_a_user_logs_in_by_account_name_and_by_principal_name(
    make: Make, username: str
) -> None:
    ann = await make(user_attributes=["department"], display_attribute="cn").login(
        username, Secret(PASSWORD)
    )
    assert ann.name == "cn=ann lee,ou=staff,dc=lab,dc=test"
    assert ann.display_name == "Ann Lee"
    assert ann.facts["ldap:username"] == ("ann",)
    assert ann.facts["ldap:department"] == ("Research",)


async def test_the_documented_configuration_works(make: Make, samba: SambaServer) -> None:
    here = {"url": f"ldaps://{samba.address}", "ca_file": str(samba.authority.path)}
    ann = await make(**documented("Active Directory and Samba") | here).login(
        "ann", Secret(PASSWORD)
    )
    assert ann.facts["ldap:department"] == ("Research",)
    assert ann.groups == NESTED


async def test_names_that_are_not_ascii_and_want_escapes(make: Make) -> None:
    juergen = await make().login("jürgen", Secret(PASSWORD))
    assert juergen.name == "cn=größe\\, jürgen,ou=staff,dc=lab,dc=test"
    assert juergen.groups == ("cn=äußerste,ou=teams,dc=lab,dc=test",)
    assert await make().find_user(juergen.name) == juergen


@pytest.mark.parametrize("login", ["rene", "kevin"])
async def test_two_users_whom_the_directory_tells_apart_are_two(make: Make, login: str) -> None:
    provider = make()
    found = [await provider.login(f"{login}{number}", Secret(PASSWORD)) for number in (1, 2)]
    assert found[0].name != found[1].name
    assert [await provider.find_user(each.name) for each in found] == found


NESTED = tuple(f"cn={name},ou=teams,dc=lab,dc=test" for name in ("inner", "outer", "äußerste"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, NESTED),
        ({"group_filter": "(objectClass=group)"}, NESTED),
        ({"group_filter": "(cn=Out*)"}, NESTED[1:2]),
        ({"nested": "memberof"}, NESTED),
        ({"nested": "none", "group_filter": "(&(objectClass=group)(member=%d))"}, NESTED[:1]),
        ({"nested": "none", "group_filter": "(member:1.2.840.113556.1.4.1941:=%d)"}, NESTED),
    ],
)
async def test_nested_groups_by_each_way(
    make: Make, changes: dict[str, object], expected: tuple[str, ...]
) -> None:
    assert (await make(**changes).login("ann", Secret(PASSWORD))).groups == expected


async def test_starttls(make: Make, samba: SambaServer) -> None:
    provider = make(url=f"ldap://{samba.address}", starttls=True)
    assert (await provider.login("ann", Secret(PASSWORD))).facts["ldap:username"] == ("ann",)


async def test_a_certificate_that_the_system_does_not_trust_is_refused(make: Make) -> None:
    with pytest.raises(UnavailableError, match="certificate"):
        await make(ca_file="").login("ann", Secret(PASSWORD))


async def test_unknown_users_and_wrong_passwords_are_one_answer(make: Make) -> None:
    assert await denied(make(), "ann", "wrong") == "result code 49, wrong password"
    assert await denied(make(), "nobody") == "no entry matches"
    assert "empty" in await denied(make(), "ann", "")


@pytest.mark.parametrize("username", ["a*", "*)(sAMAccountName=ann", "ann)(|(cn=*", "LAB\\ann"])
async def test_what_a_login_name_injects_is_a_name_and_nothing_else(
    make: Make, username: str
) -> None:
    assert await denied(make(), username) == "no entry matches"


@pytest.mark.parametrize("username", ["*", "**", " *", "ann\x00", "\x00", "ann\n"])
async def test_a_login_name_that_samba_would_take_for_another_is_not_looked_up(
    make: Make, username: str
) -> None:
    assert await denied(make(), username) == "the user name is empty, too long, or none that can be"
    assert await make().find_user(username) is None


@pytest.mark.parametrize(
    ("username", "reason"),
    [
        ("off", "the account is disabled"),
        ("expired", "the account has expired"),
        ("fresh", "the password must be changed"),
    ],
)
async def test_who_may_not_log_in_is_refused_as_everybody_is(
    make: Make, username: str, reason: str
) -> None:
    provider = make(user_filter=f"(&(objectClass=user){BY_BOTH_NAMES})")
    assert reason in await denied(provider, username)


async def test_disabled_and_removed_users_are_gone(make: Make, samba: SambaServer) -> None:
    provider = make()
    assert await denied(provider, "off") == "no entry matches"
    assert await provider.find_user(f"CN=Off,{STAFF}") is None
    dn = f"CN=Leaver,{STAFF}"
    found = await provider.find_user(dn)
    assert found is not None
    assert found.facts["ldap:username"] == ("leaver",)
    samba.modify(
        f"dn: {dn}\nchangetype: modify\nreplace: userAccountControl\nuserAccountControl: 514\n"
    )
    assert await provider.find_user(dn) is None
    assert await provider.find_user("leaver@lab.test") is None
    samba.modify(f"dn: {dn}\nchangetype: delete\n")
    assert await provider.find_user(dn) is None


async def test_a_lookup_by_principal_name(make: Make) -> None:
    provider = make(bind_dn="Administrator@lab.test")
    assert (await provider.login("ann", Secret(PASSWORD))).facts["ldap:username"] == ("ann",)
