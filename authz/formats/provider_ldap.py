"""The configuration of an LDAP provider: which directory, where its users and groups are, how they are found.

Passwords go over this connection, so it is encrypted unless the configuration says in so many words that it is
not (`insecure_plaintext`). The server's certificate is always verified: no member turns that off. The lookup
password is the provider's secret, and in no configuration.

Filters are checked here (RFC 4515), once, so that a login can only ever put a value into a place for values.

Source: identity-and-sessions §4; minio-iam §5.2 for MinIO's keys. Not here: searching (`federation/ldap.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz.errors import ParseError
from authz.formats.provider_config import Members, refuse
from authz.identity.distinguished_names import DistinguishedName, parse_distinguished_name

BASES_LIMIT: Final = 16
"""Most search bases of users, and of groups: each is one search a login."""
ATTRIBUTES_LIMIT: Final = 16
"""Most attributes of a user that become facts."""
POOL_LIMIT: Final = 64
"""Most connections for looking up, and most logins that are under way."""

MEMBERS: Final = (
    "url", "starttls", "insecure_plaintext", "ca_file", "bind_dn", "anonymous_lookup",
    "user_bases", "user_filter", "user_attributes", "display_attribute",
    "group_bases", "group_filter", "nested", "pool_size", "timeout",
)  # fmt: skip

_URL: Final = re.compile(
    r"(ldaps?)://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::([0-9]{1,5}))?/?"
)
_PORTS: Final = {"ldap": 389, "ldaps": 636}
_ATTRIBUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_OWN_FACTS: Final = frozenset({"user", "username", "groups"})
"""Attributes that would be taken for the facts `ldap:user`, `ldap:username` and `ldap:groups`."""

# `(type=value)`; a `%` can only stand in the value. Compounds of such are folded from the inside out.
_ITEM: Final = re.compile(r"\([A-Za-z0-9.;:-]+(?:=|~=|>=|<=)(?:[^()\\\x00]|\\[0-9A-Fa-f]{2})*\)")
_COMPOUND: Final = re.compile(r"\((?:[&|]T+|!T)\)")
_LOGIN_ITEM: Final = re.compile(r"\(([A-Za-z][A-Za-z0-9-]*)=%s\)")
_PLACEHOLDER: Final = re.compile(r"%(.?)")


class Encryption(StrEnum):
    """How a connection is protected."""

    TLS = "ldaps"
    STARTTLS = "starttls"
    NONE = "none"


class Nested(StrEnum):
    """How groups in groups are found."""

    NONE = "none"
    MEMBER_OF = "memberof"
    """By the attribute `memberOf` of the user, of its groups, of theirs, and so on."""
    AD = "ad"
    """By Active Directory's matching rule LDAP_MATCHING_RULE_IN_CHAIN."""


@dataclass(frozen=True, slots=True)
class SearchBase:
    """Where a search begins: as the server is asked, and in the form that is compared."""

    text: str
    name: DistinguishedName


@dataclass(frozen=True, slots=True, kw_only=True)
class LdapConfig:
    """Everything but the lookup password.

    `bind_dn` is empty when users are looked up anonymously. `login_attribute` is the attribute that the user
    filter compares with the login name. `timeout` is in seconds, for one operation of the server.
    """

    host: str
    port: int
    encryption: Encryption
    ca_file: str = ""
    bind_dn: str = ""
    user_bases: tuple[SearchBase, ...]
    user_filter: str
    login_attribute: str
    user_attributes: tuple[str, ...] = ()
    display_attribute: str = ""
    group_bases: tuple[SearchBase, ...] = ()
    group_filter: str = ""
    nested: Nested = Nested.NONE
    pool_size: int
    timeout: float


def parse_ldap_config(raw: Mapping[str, object]) -> LdapConfig:
    """Read the members of a provider's configuration; raises `InvalidError` for `config.MEMBER`."""
    members = Members(raw, MEMBERS)
    host, port, encryption = _parse_server(members)
    ca_file = members.text("ca_file", "")
    if ca_file and encryption is Encryption.NONE:
        raise refuse("ca_file", "means nothing without encryption")
    if ca_file and not ca_file.startswith("/"):
        raise refuse("ca_file", "is not an absolute path")
    bind_dn = members.text("bind_dn", "")
    if members.flag("anonymous_lookup") == bool(bind_dn):
        raise refuse("bind_dn", "stands beside `anonymous_lookup`" if bind_dn else "is missing")
    user_filter = _parse_filter(members, "user_filter", "s")
    login = _LOGIN_ITEM.search(user_filter)
    if login is None:
        raise refuse("user_filter", "compares no attribute with the login name, as `(uid=%s)` does")
    nested = Nested(members.choice("nested", tuple(Nested), Nested.NONE))
    group_bases = _parse_bases(members, "group_bases", ())
    group_filter = _parse_filter(members, "group_filter", "sd", "")
    _check_groups(group_bases, group_filter, nested)
    return LdapConfig(
        host=host,
        port=port,
        encryption=encryption,
        ca_file=ca_file,
        bind_dn=bind_dn,
        user_bases=_parse_bases(members, "user_bases"),
        user_filter=user_filter,
        login_attribute=login[1],
        user_attributes=_parse_attributes(members),
        display_attribute=_parse_attribute(
            "display_attribute", members.text("display_attribute", "")
        ),
        group_bases=group_bases,
        group_filter=group_filter,
        nested=nested,
        pool_size=members.whole("pool_size", 8, low=1, high=POOL_LIMIT),
        timeout=members.seconds("timeout", 10.0, low=1.0, high=60.0),
    )


def _parse_server(members: Members) -> tuple[str, int, Encryption]:
    match = _URL.fullmatch(members.text("url"))
    if match is None:
        raise refuse("url", "is not a URL such as `ldaps://ldap.example.com` or `ldap://host:389`")
    scheme, host, port = match[1], match[2].strip("[]"), int(match[3] or _PORTS[match[1]])
    if not 0 < port < 0x10000:
        raise refuse("url", "has a port that does not exist")
    is_starttls, is_plain = members.flag("starttls"), members.flag("insecure_plaintext")
    if is_starttls and (is_plain or scheme == "ldaps"):
        raise refuse("starttls", "stands beside another way to encrypt, or not to")
    if is_plain and scheme == "ldaps":
        raise refuse("insecure_plaintext", "stands beside a URL of ldaps")
    if scheme == "ldaps":
        return host, port, Encryption.TLS
    if is_starttls:
        return host, port, Encryption.STARTTLS
    if is_plain:
        return host, port, Encryption.NONE
    raise refuse(
        "url", "is one of ldap without `starttls`: passwords would travel in the clear "
        "(for tests, `insecure_plaintext` lets them)"
    )  # fmt: skip


def _parse_bases(
    members: Members, name: str, default: tuple[str, ...] | None = None
) -> tuple[SearchBase, ...]:
    bases: list[SearchBase] = []
    for text in members.names(name, default, limit=BASES_LIMIT):
        try:
            base = SearchBase(text, parse_distinguished_name(text))
        except ParseError as error:
            raise refuse(name, f"has a member that cannot be: {error.message}") from None
        # An entry below two bases would be found twice, and so never be the only one.
        if any(base.name.is_below(o.name) or o.name.is_below(base.name) for o in bases):
            raise refuse(name, "has a member that stands below another one")
        bases.append(base)
    return tuple(bases)


def _parse_filter(
    members: Members, name: str, placeholders: str, default: str | None = None
) -> str:
    text = members.text(name, default)
    if not text:
        return text
    folded, before = _ITEM.sub("T", text), ""
    while folded != before:
        folded, before = _COMPOUND.sub("T", folded), folded
    if folded != "T":
        raise refuse(name, "is not a filter such as `(&(objectClass=person)(uid=%s))` (RFC 4515)")
    for found in _PLACEHOLDER.findall(text):
        if found not in placeholders or not found:
            known = " and ".join(f"`%{letter}`" for letter in placeholders)
            raise refuse(name, f"has a `%` that is not of {known}; as a character it is `\\25`")
    return text


def _check_groups(bases: tuple[SearchBase, ...], group_filter: str, nested: Nested) -> None:
    if not bases and (group_filter or nested is not Nested.NONE):
        raise refuse("group_bases", "is missing: groups count only below one of them")
    if bases and not group_filter and nested is Nested.NONE:
        raise refuse("group_filter", "is missing: without it, or `nested`, no group is found")
    names_user = "%" in group_filter
    if nested is Nested.AD and names_user:
        raise refuse(
            "group_filter", "names the user, which with `nested` of `ad` the search adds itself"
        )
    if group_filter and nested is not Nested.AD and not names_user:
        raise refuse(
            "group_filter",
            "names the user neither by `%d` nor by `%s`: everybody would be in each group",
        )


def _parse_attributes(members: Members) -> tuple[str, ...]:
    names = members.names("user_attributes", (), limit=ATTRIBUTES_LIMIT)
    folded = [name.lower() for name in names]
    if len(set(folded)) != len(folded):
        raise refuse("user_attributes", "has the same attribute twice")
    if not _OWN_FACTS.isdisjoint(folded):
        raise refuse(
            "user_attributes", "has `user`, `username` or `groups`, which are facts anyway"
        )
    return tuple(_parse_attribute("user_attributes", name) for name in names)


def _parse_attribute(member: str, name: str) -> str:
    if name and not _ATTRIBUTE.fullmatch(name):
        raise refuse(member, "is not the name of an attribute, such as `mail`")
    return name
