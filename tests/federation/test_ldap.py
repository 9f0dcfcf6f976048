"""Logins at a real OpenLDAP: who is let in, who is not, and what a server that misbehaves comes to."""

import asyncio
import base64
import json
import logging
import socket
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from authz.clock import ManualClock, SystemClock
from authz.errors import (
    AuthzError,
    InvalidError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.federation.ldap import LdapProvider
from authz.federation.ldap_connection import ANSWER_LIMIT
from authz.federation.ldap_search import escape_value, fill_filter
from authz.formats.provider_ldap import parse_ldap_config
from authz.identity.credential import Secret
from authz.identity.external import EXTERNAL_GROUPS, LoginStep
from tests.servers.ports import LOOPBACK, free_port
from tests.servers.slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, SlapdServer, running_slapd

PASSWORD = "correct horse"
WRONG = "the user name or password is wrong"
PEOPLE, STAFF, GROUPS = (f"ou={name},{SUFFIX}" for name in ("people", "staff", "groups"))

PERSON = """
dn: {dn}
objectClass: inetOrgPerson
cn: {cn}
sn: {cn}
{lines}
"""
GROUP = """
dn: cn={cn},{base}
objectClass: groupOfNames
cn: {cn}
{members}
"""


def person(dn: str, cn: str, *lines: str, password: str = PASSWORD) -> str:
    encoded = base64.b64encode(password.encode()).decode()
    return PERSON.format(dn=dn, cn=cn, lines="\n".join([*lines, f"userPassword:: {encoded}"]))


def group(cn: str, *members: str, base: str = GROUPS) -> str:
    return GROUP.format(cn=cn, base=base, members="\n".join(f"member: {dn}" for dn in members))


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def directory() -> str:
    units = "".join(
        f"dn: ou={name},{SUFFIX}\nobjectClass: organizationalUnit\nou: {name}\n\n"
        for name in ("people", "staff", "groups", "other", "hidden", "many")
    )
    top = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n"
    people = [
        person(f"uid=ann,{PEOPLE}", "Ann Lee", "mail: ann@example.org", "departmentNumber: 7", "departmentNumber: 9"),
        person(f"uid=bob,{STAFF}", "Bob"),
        person("UID=OddCase,OU=People,DC=EXAMPLE,DC=Org", "Odd"),
        person(f"uid=müller,{PEOPLE}".replace("müller", "m\\C3\\BCller"), "Mueller", password="pässwörd ß"),
        person(f"uid=a*(b)\\,c\\+d,{PEOPLE}", "Special"),
        person(f"uid=twin,{PEOPLE}", "Twin"),
        person(f"uid=twin,{STAFF}", "Twin"),
        person(f"uid=alias,{PEOPLE}", "Alias", "uid: aka"),
        person(f"uid=strasse,{PEOPLE}", "Strasse"),
        person(f"uid=stra\\C3\\9Fe,{PEOPLE}", "Strasse"),
        person(f"uid=lost,{SUFFIX}", "Lost"),
        f"\ndn: uid=nopass,{PEOPLE}\nobjectClass: inetOrgPerson\ncn: No\nsn: No\n",
        person(f"uid=photo,{PEOPLE}", "Photo", "departmentNumber: 7", f"jpegPhoto:: {base64.b64encode(bytes([255, 254])).decode()}"),
        person(f"uid=hidden,ou=hidden,{SUFFIX}", "Hidden"),
        person(f"uid=many,ou=many,{SUFFIX}", "Many"),
    ]  # fmt: skip
    alias = (
        f"\ndn: cn=alias,{PEOPLE}\nobjectClass: alias\nobjectClass: extensibleObject\ncn: alias\n"
        f"aliasedObjectName: uid=lost,{SUFFIX}\n"
    )
    away = (
        f"\ndn: cn=away,{PEOPLE}\nobjectClass: referral\nobjectClass: extensibleObject\ncn: away\n"
        f"ref: ldap://{LOOPBACK}:1/ou=people,dc=away\n"
    )
    groups = [
        group("readers", f"uid=ann,{PEOPLE}", f"uid=bob,{STAFF}"),
        group("Größe", f"uid=ann,{PEOPLE}")
        .replace("dn: cn=Größe", "dn: cn=Gr\\C3\\B6\\C3\\9Fe")
        .replace("cn: Größe", f"cn:: {coded('Größe')}"),
        group("outer", f"cn=readers,{GROUPS}"),
        group("outermost", f"cn=outer,{GROUPS}"),
        group("loop", f"cn=outermost,{GROUPS}", f"cn=outer,{GROUPS}"),
        group("elsewhere", f"uid=ann,{PEOPLE}", base=f"ou=other,{SUFFIX}"),
        alias,
        away,
    ]
    return top + units + "".join(people) + "".join(groups)


@pytest.fixture(scope="module")
def slapd() -> Iterator[SlapdServer]:
    with running_slapd(directory()) as server:
        server.modify(
            f"dn: cn=outer,{GROUPS}\nchangetype: modify\nadd: member\nmember: cn=loop,{GROUPS}\n"
        )
        yield server


Make = Callable[..., LdapProvider]


@pytest.fixture
async def make(slapd: SlapdServer) -> AsyncIterator[Make]:
    """Make providers of the server; they are closed in the end."""
    made: list[LdapProvider] = []

    def build(secret: Secret | None = Secret(ADMIN_PASSWORD), **changes: object) -> LdapProvider:  # noqa: B008
        raw: dict[str, object] = {
            "url": f"ldaps://localhost:{slapd.tls_port}",
            "ca_file": str(slapd.authority.path),
            "bind_dn": ADMIN,
            "user_bases": [PEOPLE, STAFF],
            "user_filter": "(&(objectClass=inetOrgPerson)(uid=%s))",
            "group_bases": [GROUPS],
            "group_filter": "(&(objectClass=groupOfNames)(member=%d))",
            "timeout": 20,
        }
        raw |= changes
        config = parse_ldap_config({k: v for k, v in raw.items() if v is not None})
        made.append(LdapProvider("corp", config, secret, SystemClock()))
        return made[-1]

    yield build
    for provider in made:
        await provider.close()


async def refusal(
    provider: LdapProvider, username: str, password: str = PASSWORD
) -> UnauthenticatedError:
    with pytest.raises(UnauthenticatedError) as caught:
        await provider.login(username, Secret(password))
    return caught.value


async def test_a_user_logs_in_with_groups_and_facts(make: Make) -> None:
    provider = make(user_attributes=["mail", "departmentNumber"], display_attribute="cn")
    ann = await provider.login("ann", Secret(PASSWORD))
    assert ann.name == f"uid=ann,{PEOPLE}"
    assert ann.display_name == "Ann Lee"
    assert ann.groups == (f"cn=größe,{GROUPS}", f"cn=readers,{GROUPS}")
    assert ann.facts == {
        "ldap:user": (ann.name,),
        "ldap:username": ("ann",),
        "ldap:groups": ann.groups,
        "ldap:mail": ("ann@example.org",),
        "ldap:departmentnumber": ("7", "9"),
    }


def documented(heading: str) -> dict[str, object]:
    """Return the configuration that the documentation shows under a heading."""
    page = Path(__file__).parents[2] / "docs" / "providers-ldap.md"
    section = page.read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1]
    found: dict[str, object] = json.loads(section.split("```json\n", 1)[1].split("```", 1)[0])
    return found


async def test_the_documented_configuration_works(make: Make, slapd: SlapdServer) -> None:
    here = {"url": f"ldaps://localhost:{slapd.tls_port}", "ca_file": str(slapd.authority.path)}
    ann = await make(**documented("OpenLDAP") | here).login("ann", Secret(PASSWORD))
    assert ann.facts["ldap:departmentnumber"] == ("7", "9")
    assert len(ann.groups) == 2


async def test_every_search_base_is_searched(make: Make) -> None:
    bob = await make().login("bob", Secret(PASSWORD))
    assert bob.name == f"uid=bob,{STAFF}"
    assert bob.groups == (f"cn=readers,{GROUPS}",)


async def test_nobody_outside_of_the_search_bases_logs_in(make: Make) -> None:
    assert (await refusal(make(), "lost")).message == WRONG


@pytest.mark.parametrize(
    ("username", "password", "name"),
    [
        ("ODDCASE", PASSWORD, f"uid=oddcase,{PEOPLE}"),
        ("müller", "pässwörd ß", f"uid=müller,{PEOPLE}"),
        ("MÜLLER", "pässwörd ß", f"uid=müller,{PEOPLE}"),
        ("a*(b),c+d", PASSWORD, f"uid=a*(b)\\,c\\+d,{PEOPLE}"),
        ("aka", PASSWORD, f"uid=alias,{PEOPLE}"),
    ],
)
async def test_oddly_spelt_names_come_to_one_form(
    make: Make, username: str, password: str, name: str
) -> None:
    identity = await make().login(username, Secret(password))
    assert identity.name == name


async def test_two_users_whom_the_directory_tells_apart_are_two(make: Make) -> None:
    provider = make()
    found = [await provider.login(login, Secret(PASSWORD)) for login in ("strasse", "straße")]
    assert found[0].name != found[1].name
    assert [await provider.find_user(each.name) for each in found] == found


async def test_the_login_name_is_the_directorys_not_as_it_was_typed(make: Make) -> None:
    assert (await make().login("ANN", Secret(PASSWORD))).facts["ldap:username"] == ("ann",)
    by_mail = make(user_filter="(|(uid=%s)(mail=%s))")
    identity = await by_mail.login("ann@example.org", Secret(PASSWORD))
    assert identity.facts["ldap:username"] == ("ann",)


@pytest.mark.parametrize(
    "username",
    [
        "*", "a*", "ann*", "*)(uid=*", "ann)(objectClass=*", "*)(|(uid=*", "ann))(|(uid=ann", "ann)(&)", "\\2a",
        "ann\\", "ann\x00", "\x00", "%s", "%d", "ann%s", "(uid=ann)", "ann)(userPassword=*", "ﾟ*", "\ud800",
        f"uid=ann,{PEOPLE}",
    ],
)  # fmt: skip
async def test_what_a_login_name_injects_is_a_name_and_nothing_else(
    make: Make, username: str
) -> None:
    error = await refusal(
        make(user_filter="(&(objectClass=inetOrgPerson)(|(uid=%s)(mail=%s)))"), username
    )
    assert (error.code, error.message) == ("AccessDenied", WRONG)


def test_a_filter_is_filled_in_one_pass_and_with_escapes() -> None:
    assert escape_value("*)(uid=*\\\0") == "\\2a\\29\\28uid\\3d\\2a\\5c\\00"
    assert escape_value("é ") == "\\c3\\a9\\20"
    assert fill_filter("(&(a=%s)(b=%d))", "%d", "%s") == "(&(a=\\25d)(b=\\25s))"


async def test_unknown_user_several_users_and_wrong_password_are_one_answer_and_one_bind_each(
    make: Make, slapd: SlapdServer
) -> None:
    provider = make()
    await provider.login("ann", Secret(PASSWORD))  # the lookup connection is there now
    binds = []
    for username, password in [("nobody", "x"), ("twin", PASSWORD), ("ann", "x"), ("nopass", "x")]:
        before = len(slapd.binds())
        error = await refusal(provider, username, password)
        assert (error.code, error.message) == ("AccessDenied", WRONG)
        binds.append(len(slapd.binds()) - before)
    assert binds == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("username", "password"),
    [("ann", ""), ("", PASSWORD), ("", ""), ("a" * 257, PASSWORD), ("ann", "x" * 1_025)],
)
async def test_an_empty_or_endless_proof_is_refused_before_any_bind(
    make: Make, slapd: SlapdServer, username: str, password: str
) -> None:
    before = len(slapd.binds())
    error = await refusal(make(), username, password)
    assert (error.code, error.message) == ("AccessDenied", WRONG)
    assert len(slapd.binds()) == before


@pytest.mark.parametrize(
    ("url", "changes"),
    [
        ("ldap://localhost:{port}", {"starttls": True}),
        ("ldap://127.0.0.1:{port}", {"starttls": True}),
        ("ldaps://127.0.0.1:{tls_port}", {}),
        ("ldap://127.0.0.1:{port}", {"insecure_plaintext": True, "ca_file": None}),
    ],
)
async def test_every_encryption_that_was_asked_for(
    make: Make, slapd: SlapdServer, url: str, changes: dict[str, object]
) -> None:
    provider = make(url=url.format(port=slapd.port, tls_port=slapd.tls_port), **changes)
    assert (await provider.login("ann", Secret(PASSWORD))).name == f"uid=ann,{PEOPLE}"


@pytest.mark.parametrize("way", ["ldaps", "starttls"])
async def test_a_certificate_of_another_ca_or_name_is_refused_before_any_bind(
    make: Make, slapd: SlapdServer, way: str
) -> None:
    is_starttls = way == "starttls"
    port = slapd.port if is_starttls else slapd.tls_port
    scheme = "ldap" if is_starttls else "ldaps"
    before = len(slapd.binds())
    for host, ca_file in [
        ("localhost", str(slapd.other_authority.path)),
        ("localhost", None),  # the system's authorities
        ("127.0.0.2", str(slapd.authority.path)),
    ]:
        # slapd listens on 127.0.0.1 alone, so the other name needs a way there.
        with forwarded(port) if host != "localhost" else nothing(port) as reached:
            provider = make(
                url=f"{scheme}://{host}:{reached}", starttls=is_starttls, ca_file=ca_file
            )
            with pytest.raises(UnavailableError, match="certificate"):
                await provider.login("ann", Secret(PASSWORD))
            await provider.close()
    assert len(slapd.binds()) == before


async def test_a_server_without_starttls_gets_no_password(make: Make) -> None:
    sent: list[bytes] = []
    # An extended response with result `unavailable`, as a server without certificates has it.
    answer = bytes.fromhex("300c02010178070a013404000400")
    with listening(answer, sent) as port:
        provider = make(url=f"ldap://{LOOPBACK}:{port}", starttls=True)
        with pytest.raises(UnavailableError, match="StartTLS"):
            await provider.login("ann", Secret(PASSWORD))
    assert b"1.3.6.1.4.1.1466.20037" in b"".join(sent)
    assert ADMIN_PASSWORD.encode() not in b"".join(sent)


async def test_an_unreadable_ca_file_is_said(make: Make) -> None:
    with pytest.raises(UnavailableError, match="ca_file"):
        await make(ca_file="/nonexistent/ca.pem").login("ann", Secret(PASSWORD))


async def test_anonymous_lookup_only_when_named(make: Make, slapd: SlapdServer) -> None:
    provider = make(secret=None, bind_dn=None, anonymous_lookup=True)
    assert (await provider.login("ann", Secret(PASSWORD))).name == f"uid=ann,{PEOPLE}"
    with pytest.raises(InvalidError):
        make(bind_dn=None)
    for secret in (None, Secret("")):
        with pytest.raises(InvalidError) as caught:
            make(secret=secret)
        assert caught.value.field == "secret"
    with pytest.raises(InvalidError):
        make(bind_dn=None, anonymous_lookup=True)


async def test_a_wrong_lookup_password_is_our_failure_and_not_the_users(make: Make) -> None:
    with pytest.raises(UnavailableError, match="lookup bind with result code 49"):
        await make(secret=Secret("wrong")).login("ann", Secret(PASSWORD))


async def test_nested_groups_by_member_of(make: Make) -> None:
    direct = await make(nested="none").login("bob", Secret(PASSWORD))
    assert direct.groups == (f"cn=readers,{GROUPS}",)
    for group_filter in ("(&(objectClass=groupOfNames)(member=%d))", None):
        walked = await make(nested="memberof", group_filter=group_filter).login(
            "bob", Secret(PASSWORD)
        )
        names = ("loop", "outer", "outermost", "readers")
        assert walked.groups == tuple(f"cn={name},{GROUPS}" for name in names)


async def test_groups_count_only_below_the_group_bases(make: Make) -> None:
    both = make(group_bases=[GROUPS, f"ou=other,{SUFFIX}"], nested="memberof")
    elsewhere = f"cn=elsewhere,ou=other,{SUFFIX}"
    assert elsewhere in (await both.login("ann", Secret(PASSWORD))).groups
    one = make(nested="memberof", group_filter=None)
    assert elsewhere not in (await one.login("ann", Secret(PASSWORD))).groups
    none = await make(group_bases=None, group_filter=None).login("ann", Secret(PASSWORD))
    assert none.groups == ()
    assert "ldap:groups" not in none.facts


async def test_too_many_groups_are_refused_and_not_cut(make: Make, slapd: SlapdServer) -> None:
    base = f"ou=many,{SUFFIX}"
    ldif = "".join(group(f"g{n}", f"uid=many,{base}", base=base) for n in range(EXTERNAL_GROUPS))
    slapd.modify(ldif, "-a")
    changes: dict[str, object] = {
        "user_bases": [base],
        "group_bases": [base],
        "insecure_plaintext": True,
        "ca_file": None,
    }
    changes["url"] = f"ldap://{LOOPBACK}:{slapd.port}"
    found = await make(**changes).login("many", Secret(PASSWORD))
    assert len(found.groups) == EXTERNAL_GROUPS
    slapd.modify(group("one-more", f"uid=many,{base}", base=base), "-a")
    for more in ({}, {"nested": "memberof", "group_filter": None}):
        error = await refusal(
            make(**changes, **more) if not more else make(**(changes | more)), "many"
        )
        assert (error.code, error.message) == (
            "IDPRejectedClaim",
            "the user is in more than 1,000 groups",
        )


async def test_an_attribute_that_is_no_text_is_refused(make: Make) -> None:
    error = await refusal(make(user_attributes=["jpegPhoto"]), "photo")
    assert (error.code, error.message) == (
        "IDPRejectedClaim",
        "the user's attribute `jpegPhoto` is not text",
    )


async def test_a_stranger_does_not_learn_that_an_unusable_user_is_there(make: Make) -> None:
    for changes in ({"user_attributes": ["jpegPhoto"]}, {"display_attribute": "jpegPhoto"}):
        error = await refusal(make(**changes), "photo", "wrong")
        assert (error.code, error.message) == ("AccessDenied", WRONG)


async def test_a_referral_is_not_followed(make: Make, slapd: SlapdServer) -> None:
    sent: list[bytes] = []
    with listening(b"", sent) as port:
        slapd.modify(
            f"dn: cn=away,{PEOPLE}\nchangetype: modify\nreplace: ref\nref: ldap://{LOOPBACK}:{port}/ou=x\n",
            "-M",
        )
        # The search of `people` meets the reference on its way; as a base it says nothing, so it is an error.
        assert (await make().login("ann", Secret(PASSWORD))).name == f"uid=ann,{PEOPLE}"
        away = make(user_bases=[f"ou=x,cn=away,{PEOPLE}"])
        with pytest.raises(UnavailableError, match="result code 10"):
            await away.login("ann", Secret(PASSWORD))
    assert sent == []


async def test_an_alias_is_not_dereferenced(make: Make) -> None:
    steps: list[LoginStep] = []
    with pytest.raises(UnauthenticatedError, match=WRONG):
        await make().login("lost", Secret(PASSWORD), trace=steps.append)
    assert steps[-1].detail == "no entry matches"


async def test_a_server_that_was_down_is_used_again_without_a_restart(
    make: Make, slapd: SlapdServer
) -> None:
    provider = make()
    await provider.login("ann", Secret(PASSWORD))
    slapd.stop()
    try:
        with pytest.raises(UnavailableError):
            await provider.login("ann", Secret(PASSWORD))
        with pytest.raises(UnavailableError):
            await provider.find_user(f"uid=ann,{PEOPLE}")
    finally:
        slapd.start()
    assert (await provider.login("ann", Secret(PASSWORD))).name == f"uid=ann,{PEOPLE}"


async def test_a_server_that_restarted_meanwhile_is_not_noticed(
    make: Make, slapd: SlapdServer
) -> None:
    provider = make()
    await provider.login("ann", Secret(PASSWORD))
    slapd.stop()
    slapd.start()
    assert (await provider.login("ann", Secret(PASSWORD))).name == f"uid=ann,{PEOPLE}"


async def test_a_user_is_found_as_long_as_the_filter_matches(
    make: Make, slapd: SlapdServer
) -> None:
    dn = f"uid=leaver,{PEOPLE}"
    slapd.modify(person(dn, "Leaver", "employeeType: staff"), "-a")
    provider = make(user_filter="(&(employeeType=staff)(uid=%s))")
    for text in (dn, dn.upper(), "leaver", "LEAVER"):
        found = await provider.find_user(text)
        assert found is not None
        assert (found.name, found.facts["ldap:username"]) == (dn, ("leaver",))
    slapd.modify(f"dn: {dn}\nchangetype: modify\nreplace: employeeType\nemployeeType: left\n")
    assert await provider.find_user(dn) is None
    assert await provider.find_user("leaver") is None
    slapd.modify(f"dn: {dn}\nchangetype: delete\n")
    assert await provider.find_user(dn) is None
    for text in ("", "*", "x" * 300, f"uid=lost,{SUFFIX}", "nobody", "twin"):
        assert await provider.find_user(text) is None


async def test_found_users_have_their_groups_of_now(make: Make) -> None:
    found = await make(nested="memberof").find_user(f"uid=bob,{STAFF}")
    assert found is not None
    assert f"cn=outermost,{GROUPS}" in found.groups


async def test_a_base_that_cannot_be_read_does_not_make_its_users_gone(make: Make) -> None:
    provider = make(
        user_bases=[f"ou=hidden,{SUFFIX}"], secret=None, bind_dn=None, anonymous_lookup=True
    )
    for text in (f"uid=hidden,ou=hidden,{SUFFIX}", "hidden"):
        with pytest.raises(UnavailableError):
            await provider.find_user(text)
    assert (await refusal(provider, "hidden")).message == WRONG


async def test_names_of_users_and_groups_have_one_form_below_the_bases(make: Make) -> None:
    provider = make()
    assert provider.canonical_user(f"UID=Ann, {PEOPLE.upper()}") == f"uid=ann,{PEOPLE}"
    assert provider.canonical_group(f"CN=Größe,{GROUPS}") == f"cn=größe,{GROUPS}"
    for text in ("ann", "", f"uid=ann,{GROUPS}", f"uid=ann\\,{PEOPLE}", SUFFIX):
        with pytest.raises(InvalidError):
            provider.canonical_user(text)
    with pytest.raises(InvalidError):
        provider.canonical_group(f"uid=ann,{PEOPLE}")


async def test_a_trace_says_where_a_login_fails_and_no_secret(make: Make) -> None:
    steps: list[LoginStep] = []
    provider = make()
    await provider.login("ann", Secret(PASSWORD), trace=steps.append)
    assert [(step.name, step.is_ok) for step in steps] == [
        ("search", True),
        ("bind", True),
        ("groups", True),
    ]
    for username, password, expected in [
        ("ann", "hunter2-secret", ("bind", "result code 49")),
        ("nobody", "hunter2-secret", ("search", "no entry matches")),
        ("twin", "hunter2-secret", ("search", "several entries match")),
        ("ann", "", ("input", "the password is empty or too long")),
    ]:
        steps.clear()
        with pytest.raises(UnauthenticatedError):
            await provider.login(username, Secret(password), trace=steps.append)
        assert (steps[-1].name, steps[-1].detail) == expected
        assert not steps[-1].is_ok
        assert "hunter2" not in str(steps)


async def test_passwords_are_in_no_error_and_no_log(
    make: Make,
    slapd: SlapdServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "hunter2-secret"
    sent: list[bytes] = []
    with listening(b"\x30\x84\x00\x00", sent) as port:
        broken = make(
            url=f"ldap://{LOOPBACK}:{port}",
            insecure_plaintext=True,
            ca_file=None,
            secret=Secret(secret),
        )
        errors: list[AuthzError] = [
            await refusal(make(), "ann", secret),
            await refusal(make(), "nobody", secret),
        ]
        for provider in (broken, make(secret=Secret(secret))):
            with pytest.raises(UnavailableError) as caught:
                await provider.login("ann", Secret(secret))
            errors.append(caught.value)
    assert secret.encode() in b"".join(sent)  # it was on its way
    told = caplog.text + "".join(capfd.readouterr()) + repr(make())
    for error in errors:
        told += "".join(traceback.format_exception(error))
        assert error.__cause__ is None
        assert (
            error.__context__ is None
            or error.__suppress_context__
            or isinstance(error.__context__, AuthzError)
        )
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\x03\x02\x01", b"\xff" * 100,
        b"\x30\x80" * 50_000, bytes.fromhex("300c02010161070a010004000400") * 3,
        bytes.fromhex("300c02010961070a010004000400"),
    ],
)  # fmt: skip
async def test_a_server_that_talks_rubbish_is_one_that_cannot_be_reached(
    make: Make, answer: bytes
) -> None:
    with listening(answer, []) as port:
        provider = make(
            url=f"ldap://{LOOPBACK}:{port}", insecure_plaintext=True, ca_file=None, timeout=1
        )
        with pytest.raises(UnavailableError):
            await provider.login("ann", Secret(PASSWORD))


async def test_an_endless_answer_ends(make: Make) -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"\x30\x84\x7f\xff\xff\xff")
        while sent < 64 * ANSWER_LIMIT:
            connection.sendall(bytes(65_536))
            sent += 65_536

    with serving(flood) as port:
        provider = make(url=f"ldap://{LOOPBACK}:{port}", insecure_plaintext=True, ca_file=None)
        with pytest.raises(UnavailableError):
            await provider.login("ann", Secret(PASSWORD))
    assert sent < 8 * ANSWER_LIMIT  # what the kernel's buffers hold, too


async def test_an_answer_that_drips_ends(make: Make) -> None:
    released = threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"\x30\x84\x00\xff\xff\xff")
        while not released.wait(0.2):
            connection.sendall(b"\x00")

    with serving(drip) as port:
        provider = make(
            url=f"ldap://{LOOPBACK}:{port}", insecure_plaintext=True, ca_file=None, timeout=1
        )
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(provider.login("ann", Secret(PASSWORD)), 30)
        released.set()


async def test_a_silent_server_is_given_up(make: Make) -> None:
    released = threading.Event()
    with serving(lambda _: released.wait(30)) as port:
        for changes in ({"insecure_plaintext": True, "ca_file": None}, {"starttls": True}, {}):
            scheme = "ldap" if changes else "ldaps"
            provider = make(url=f"{scheme}://{LOOPBACK}:{port}", timeout=1, **changes)
            with pytest.raises(UnavailableError):
                await provider.login("ann", Secret(PASSWORD))
        released.set()


async def test_too_many_logins_at_once_are_refused_at_once(make: Make) -> None:
    silent = threading.Event()
    with serving(lambda _: silent.wait(30)) as port:
        provider = make(
            url=f"ldap://{LOOPBACK}:{port}",
            insecure_plaintext=True,
            ca_file=None,
            timeout=1,
            pool_size=1,
        )
        logins = [asyncio.create_task(provider.login("ann", Secret(PASSWORD))) for _ in range(12)]
        results = await asyncio.gather(*logins, return_exceptions=True)
        silent.set()
    assert sum(isinstance(result, OverloadedError) for result in results) >= 3
    assert all(isinstance(result, OverloadedError | UnavailableError) for result in results)


async def test_many_logins_at_once_share_few_connections(make: Make, slapd: SlapdServer) -> None:
    before = slapd.binds().count(ADMIN)
    provider = make(pool_size=4)
    names = ["ann", "bob", "oddcase", "aka"] * 8
    identities = await asyncio.gather(*(provider.login(name, Secret(PASSWORD)) for name in names))
    assert len({identity.name for identity in identities}) == 4
    assert slapd.binds().count(ADMIN) - before <= 4


async def test_each_login_is_observed(slapd: SlapdServer, make: Make) -> None:
    heard: list[str] = []
    config = make()._config
    provider = LdapProvider(
        "corp",
        config,
        Secret(ADMIN_PASSWORD),
        ManualClock(),
        lambda outcome, _: heard.append(outcome),
    )
    await provider.login("ann", Secret(PASSWORD))
    await refusal(provider, "ann", "wrong")
    await provider.close()
    with pytest.raises(UnavailableError):
        await provider.login("ann", Secret(PASSWORD))
    assert heard == ["accepted", "refused", "unavailable"]


@contextmanager
def serving(handle: Callable[[socket.socket], object], host: str = LOOPBACK) -> Iterator[int]:
    """Accept connections and hand each to `handle`, in a thread of its own, until the context ends."""
    server = socket.create_server((host, free_port()))
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            try:
                connection.settimeout(30)
                handle(connection)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for thread in (acceptor, *threads):
            thread.join(30)


@contextmanager
def listening(answer: bytes, sent: list[bytes]) -> Iterator[int]:
    """Answer the first message of each connection with `answer` and collect what clients send."""

    def handle(connection: socket.socket) -> None:
        sent.append(connection.recv(65_536))
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(65_536):
            sent.append(data)

    with serving(handle) as port:
        yield port


@contextmanager
def forwarded(port: int) -> Iterator[int]:
    """Forward another address of the loopback interface to a server's port."""

    def handle(connection: socket.socket) -> None:
        with socket.create_connection((LOOPBACK, port)) as upstream:
            back = threading.Thread(target=pump, args=(upstream, connection), daemon=True)
            back.start()
            pump(connection, upstream)
            back.join(30)

    with serving(handle, "127.0.0.2") as forwarder:
        yield forwarder


def pump(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@contextmanager
def nothing(port: int) -> Iterator[int]:
    yield port
