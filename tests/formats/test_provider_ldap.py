"""The configuration of an LDAP provider: what is read, and that nothing doubtful is."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import InvalidError
from authz.formats.provider_ldap import (
    ATTRIBUTES_LIMIT,
    BASES_LIMIT,
    MEMBERS,
    Encryption,
    LdapConfig,
    Nested,
    parse_ldap_config,
)

LEAST: dict[str, object] = {
    "url": "ldaps://ldap.example.org",
    "bind_dn": "cn=lookup,dc=example,dc=org",
    "user_bases": ["ou=people,dc=example,dc=org"],
    "user_filter": "(uid=%s)",
}
GROUPS = ["ou=groups,dc=example,dc=org"]


PAGE = Path(__file__).parents[2] / "docs" / "providers-ldap.md"


def parse(**changes: object) -> LdapConfig:
    return parse_ldap_config({k: v for k, v in (LEAST | changes).items() if v is not None})


def test_the_least_that_is_needed() -> None:
    config = parse()
    assert (config.host, config.port, config.encryption) == (
        "ldap.example.org",
        636,
        Encryption.TLS,
    )
    assert config.user_bases[0].text == "ou=people,dc=example,dc=org"
    assert config.login_attribute == "uid"
    assert (config.group_bases, config.group_filter, config.nested) == ((), "", Nested.NONE)
    assert (config.pool_size, config.timeout) == (8, 10.0)


def test_everything() -> None:
    config = parse(
        url="ldap://[2001:db8::1]:1389/", starttls=True, ca_file="/etc/authz/ca.pem",
        user_filter="(&(objectClass=user)(!(a:1.2.3:=2))(|(sAMAccountName=%s)(userPrincipalName=%s)))",
        user_attributes=["mail", "departmentNumber"], display_attribute="cn",
        group_bases=GROUPS, group_filter="(&(objectClass=groupOfNames)(member=%d))", nested="memberof",
        pool_size=2, timeout="2s",
    )  # fmt: skip
    assert (config.host, config.port, config.encryption) == (
        "2001:db8::1",
        1389,
        Encryption.STARTTLS,
    )
    assert config.login_attribute == "sAMAccountName"
    assert config.nested is Nested.MEMBER_OF
    assert (config.pool_size, config.timeout) == (2, 2.0)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("url", {"url": None}),
        ("url", {"url": "ldap://ldap.example.org"}),
        ("url", {"url": "http://ldap.example.org"}),
        ("url", {"url": "ldapi:///var/run/slapd"}),
        ("url", {"url": "ldaps://"}),
        ("url", {"url": "ldaps://user@host"}),
        ("url", {"url": "ldaps://host/dc=x"}),
        ("url", {"url": "ldaps://host:0"}),
        ("url", {"url": "ldaps://host:65536"}),
        ("url", {"url": "ldap://127.0.0.1"}),
        ("starttls", {"starttls": True}),
        ("starttls", {"url": "ldap://h", "starttls": True, "insecure_plaintext": True}),
        ("starttls", {"url": "ldap://h", "starttls": "yes"}),
        ("insecure_plaintext", {"insecure_plaintext": True}),
        ("ca_file", {"url": "ldap://h", "insecure_plaintext": True, "ca_file": "/ca.pem"}),
        ("ca_file", {"ca_file": "ca.pem"}),
        ("bind_dn", {"bind_dn": None}),
        ("bind_dn", {"bind_dn": ""}),
        ("bind_dn", {"anonymous_lookup": True}),
        ("user_bases", {"user_bases": None}),
        ("user_bases", {"user_bases": []}),
        ("user_bases", {"user_bases": "dc=x"}),
        ("user_bases", {"user_bases": ["example.org"]}),
        ("user_bases", {"user_bases": ["ou=a,dc=x", "DC=X"]}),
        ("user_bases", {"user_bases": ["dc=x", "ou=a,DC=X"]}),
        ("user_bases", {"user_bases": ["dc=x", "DC=X"]}),
        ("user_bases", {"user_bases": [f"ou=o{n},dc=x" for n in range(BASES_LIMIT + 1)]}),
        ("user_filter", {"user_filter": None}),
        ("user_filter", {"user_filter": ""}),
        ("user_filter", {"user_filter": "(uid=ann)"}),
        ("user_filter", {"user_filter": "uid=%s"}),
        ("user_filter", {"user_filter": "(uid=%s"}),
        ("user_filter", {"user_filter": "(uid=%s))"}),
        ("user_filter", {"user_filter": "(uid=%s)(cn=%s)"}),
        ("user_filter", {"user_filter": "((uid=%s))"}),
        ("user_filter", {"user_filter": "(&)"}),
        ("user_filter", {"user_filter": "(!(uid=%s)(cn=a))"}),
        ("user_filter", {"user_filter": "(& (uid=%s) (cn=a))"}),
        ("user_filter", {"user_filter": "(&(uid=%s)(%s=a))"}),
        ("user_filter", {"user_filter": "(&(uid=%s)(cn=%x))"}),
        ("user_filter", {"user_filter": "(&(uid=%s)(cn=%d))"}),
        ("user_filter", {"user_filter": "(&(uid=%s)(cn=100%))"}),
        ("user_filter", {"user_filter": "(&(uid=%s)(cn=\\zz))"}),
        ("user_filter", {"user_filter": "(mail=%s@example.org)"}),
        ("user_filter", {"user_filter": "(" * 500 + "uid=%s" + ")" * 500}),
        ("user_attributes", {"user_attributes": ["mail", "MAIL"]}),
        ("user_attributes", {"user_attributes": ["userName"]}),
        ("user_attributes", {"user_attributes": ["*"]}),
        ("user_attributes", {"user_attributes": ["mail;lang-de"]}),
        ("user_attributes", {"user_attributes": [f"a{n}" for n in range(ATTRIBUTES_LIMIT + 1)]}),
        ("display_attribute", {"display_attribute": "c n"}),
        ("group_bases", {"group_filter": "(member=%d)"}),
        ("group_bases", {"nested": "ad"}),
        ("group_filter", {"group_bases": GROUPS}),
        ("group_filter", {"group_bases": GROUPS, "group_filter": "(objectClass=group)"}),
        ("group_filter", {"group_bases": GROUPS, "nested": "ad", "group_filter": "(member=%d)"}),
        ("nested", {"group_bases": GROUPS, "nested": "deep"}),
        ("pool_size", {"pool_size": 0}),
        ("pool_size", {"pool_size": 65}),
        ("timeout", {"timeout": 0}),
        ("timeout", {"timeout": "1h"}),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_its_place(field: str, changes: dict[str, object]) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(**changes)
    assert caught.value.field == f"config.{field}"


def test_verification_cannot_be_turned_off_and_secrets_are_no_members() -> None:
    for name in ("tls_skip_verify", "bind_password", "lookup_bind_password", "srv_record"):
        with pytest.raises(InvalidError, match=f"there is no member `{name}`"):
            parse(**{name: "x"})
    assert not {name for name in MEMBERS if "password" in name or "secret" in name}
    with pytest.raises(InvalidError, match="did you mean `user_filter`"):
        parse(user_filters="(uid=%s)")


def test_the_documentation_has_each_member_once() -> None:
    table = re.findall(r"^\| `(\w+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(table) == sorted(MEMBERS)


@given(st.text("(&|!)a=%s\\2*", max_size=40))
def test_any_filter_is_read_or_refused(text: str) -> None:
    try:
        config = parse(user_filter=text)
    except InvalidError as error:
        assert error.field == "config.user_filter"  # noqa: PT017 - most are refused
    else:
        assert config.user_filter.count("(") == config.user_filter.count(")")
