"""What is asked of a directory: which one entry is a login's, and which groups it is in.

All that comes from outside is put into filters as bytes in hexadecimal (RFC 4515 §3), so that it is a value
whatever it holds. A user is whom exactly one entry in all search bases matches. A group counts when it stands
below one of the group bases; others are neither counted nor walked through, since no policy can be attached to
them. What is too much is refused and never cut: a group that is left out could be the one that denies.

Sources: identity-and-sessions §4; MS-ADTS 3.1.1.3.4.4.3 (the chain matching rule). Not here: passwords.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.errors import ParseError, UnauthenticatedError, UnavailableError
from authz.federation.ldap_connection import (
    NO_SUCH_OBJECT,
    SIZE_LIMIT_EXCEEDED,
    SUCCESS,
    Connection,
    Entry,
)
from authz.formats.provider_ldap import LdapConfig, Nested, SearchBase
from authz.identity.claims import DISPLAY_LIMIT
from authz.identity.distinguished_names import DistinguishedName, parse_distinguished_name
from authz.identity.external import EXTERNAL_GROUPS
from authz.policy.request import Values

LOGIN_LIMIT: Final = 256
"""Longest login name, in characters, typed or in the directory."""
VALUE_LIMIT: Final = 1_024
"""Longest value of an attribute that becomes a fact, in characters."""
VALUES_LIMIT: Final = 64
"""Most values of an attribute that becomes a fact."""

ANYBODY: Final = "*"
"""In place of a login name: whatever it is."""

_IN_CHAIN: Final = "member:1.2.840.113556.1.4.1941:"
_ANY_ENTRY: Final = "(objectClass=*)"
_MEMBER_OF: Final = "memberof"
_PLACEHOLDER: Final = re.compile("%[sd]")


@dataclass(frozen=True, slots=True)
class User:
    """An entry that is a user's.

    Nothing else of it is read before its password was proved: what cannot be read raises, and would tell a
    stranger that the user is there.
    """

    entry: Entry
    name: DistinguishedName
    login: str

    @property
    def spelling(self) -> str:
        """Its name as the server has it, for binding and for searches."""
        return self.entry.name


class UnusableError(Exception):
    """There is no one user; the message says why, for administrators."""


def escape_value(text: str) -> str:
    """Return `text` as a value in a filter (RFC 4515 §3): everything but ASCII letters and digits escaped."""
    return "".join(
        chr(byte) if byte < 0x80 and chr(byte).isalnum() else f"\\{byte:02x}"
        for byte in text.encode()
    )


def fill_filter(pattern: str, login: str, name: str = "") -> str:
    """Put a login name (or `ANYBODY`) and a user's name into a filter, each in one pass."""
    values = {"%s": login if login is ANYBODY else escape_value(login), "%d": escape_value(name)}
    return _PLACEHOLDER.sub(lambda found: values[found[0]], pattern)


def find_by_login(
    connection: Connection, config: LdapConfig, login: str, *, is_strict: bool = False
) -> User:
    """Find the one user with this login name in all search bases; raises `UnusableError`.

    A search base that does not exist is passed over, or `UnavailableError` when the caller `is_strict`.
    """
    wanted = fill_filter(config.user_filter, login)
    entries: list[Entry] = []
    for base in config.user_bases:
        found = connection.search(
            base.text, wanted, attributes=_user_attributes(config), limit=2, is_deep=True
        )
        if found.code == SIZE_LIMIT_EXCEEDED:
            raise UnusableError("several entries match")
        if found.code == NO_SUCH_OBJECT and is_strict:
            raise UnavailableError("a search base of users cannot be read")
        entries += found.entries
    if len(entries) != 1:
        raise UnusableError("several entries match" if entries else "no entry matches")
    return _read_user(entries[0], config, login)


def find_by_name(connection: Connection, config: LdapConfig, name: DistinguishedName) -> User:
    """Find the user with this name, if the user filter still matches it; raises `UnusableError`.

    Whoever is told that a user is gone acts on it, so the search base must be seen to be there: one that cannot
    be read (a lookup account that lost its rights) raises `UnavailableError`.
    """
    base = next((base for base in config.user_bases if name.is_below(base.name)), None)
    if base is None:
        raise UnusableError("the name is below none of the search bases")
    wanted = fill_filter(config.user_filter, ANYBODY)
    found = connection.search(
        name.text, wanted, attributes=_user_attributes(config), limit=1, is_deep=False
    )
    if not found.entries:
        _check_readable(connection, base)
        raise UnusableError("no entry matches")
    return _read_user(found.entries[0], config, "")


def find_groups(connection: Connection, config: LdapConfig, user: User) -> tuple[str, ...]:
    """Return the normalised names of the groups that `user` is in, sorted.

    Raises `UnauthenticatedError` (`IDPRejectedClaim`) when they are too many, or one has no usable name.
    """
    groups = _Groups(config.group_bases)
    wanted = _group_filter(config, user)
    walked = config.nested is Nested.MEMBER_OF
    for base in config.group_bases if wanted else ():
        found = connection.search(
            base.text,
            wanted,
            attributes=(_MEMBER_OF,) if walked else (),
            limit=EXTERNAL_GROUPS + 1,
            is_deep=True,
        )
        if found.code == SIZE_LIMIT_EXCEEDED:
            raise _too_many()
        for entry in found.entries:
            groups.add(entry.name)
    if walked:
        groups.add_all(_member_of(user.entry))
        while (spelling := groups.next_to_walk()) is not None:
            found = connection.search(
                spelling, _ANY_ENTRY, attributes=(_MEMBER_OF,), limit=1, is_deep=False
            )
            for entry in found.entries:
                groups.add_all(_member_of(entry))
    return groups.names()


def read_facts(config: LdapConfig, user: User) -> dict[str, Values]:
    """Return the facts about a user: what is always told, and the configured attributes that it has.

    Raises `UnauthenticatedError` (`IDPRejectedClaim`) for one that is no text, or too long.
    """
    facts = {f"ldap:{type_.lower()}": _texts(user.entry, type_) for type_ in config.user_attributes}
    facts |= {"ldap:user": (user.name.text,), "ldap:username": (user.login,)}
    return {key: values for key, values in facts.items() if values}


def read_display_name(config: LdapConfig, user: User) -> str:
    """Return what a user is called for people; nothing rests on it, so what is not usable is passed over."""
    values = user.entry.attributes.get(config.display_attribute.lower(), ())
    for value in (*values, user.login.encode()):
        # A character is four bytes at most.
        text = value[: 4 * DISPLAY_LIMIT + 1].decode(errors="replace")
        if 0 < len(text) <= DISPLAY_LIMIT and text.isprintable() and "\ufffd" not in text:
            return text
    return ""


class _Groups:
    """Groups by their normalised name, and those whose own groups were not asked for yet."""

    def __init__(self, bases: tuple[SearchBase, ...]) -> None:
        self._bases = bases
        self._spellings: dict[str, str] = {}
        self._to_walk: list[str] = []

    def add(self, spelling: str) -> None:
        try:
            name = parse_distinguished_name(spelling)
        except ParseError:
            raise _rejected("a group of the user has a name that cannot be used") from None
        if name.text in self._spellings or not any(name.is_below(b.name) for b in self._bases):
            return
        if len(self._spellings) >= EXTERNAL_GROUPS:
            raise _too_many()
        self._spellings[name.text] = spelling
        self._to_walk.append(spelling)

    def add_all(self, spellings: Iterable[str]) -> None:
        for spelling in spellings:
            self.add(spelling)

    def next_to_walk(self) -> str | None:
        return self._to_walk.pop() if self._to_walk else None

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._spellings))


def _group_filter(config: LdapConfig, user: User) -> str:
    if config.nested is Nested.AD:
        in_chain = f"({_IN_CHAIN}={escape_value(user.spelling)})"
        return f"(&{config.group_filter}{in_chain})" if config.group_filter else in_chain
    return fill_filter(config.group_filter, user.login, user.spelling)


def _user_attributes(config: LdapConfig) -> tuple[str, ...]:
    wanted = [config.login_attribute, config.display_attribute, *config.user_attributes]
    if config.nested is Nested.MEMBER_OF:
        wanted.append(_MEMBER_OF)
    folded = {name.lower(): name for name in wanted if name}
    return tuple(folded.values())


def _read_user(entry: Entry, config: LdapConfig, typed: str) -> User:
    try:
        name = parse_distinguished_name(entry.name)
    except ParseError:
        raise UnusableError("the entry's name cannot be used") from None
    if not any(name.is_below(base.name) for base in config.user_bases):
        raise UnusableError("the entry is below none of the search bases")
    return User(entry, name, _login(entry, config.login_attribute, typed))


def _login(entry: Entry, attribute: str, typed: str) -> str:
    """Return the login name as the directory has it: what was typed may differ in case, or be another alias."""
    values = entry.attributes.get(attribute.lower(), ())
    if typed and typed.encode() in values:
        return typed
    try:
        login = values[0].decode() if values else ""
    except UnicodeDecodeError:
        login = ""
    if not 1 <= len(login) <= LOGIN_LIMIT:
        raise UnusableError(f"the entry has no `{attribute}` that can be read")
    return login


def _texts(entry: Entry, attribute: str) -> Values:
    values = entry.attributes.get(attribute.lower(), ())
    if len(values) > VALUES_LIMIT or any(len(value) > 4 * VALUE_LIMIT for value in values):
        raise _rejected(f"the user's attribute `{attribute}` is too long")
    try:
        return tuple(value.decode() for value in values if value)
    except UnicodeDecodeError:
        raise _rejected(f"the user's attribute `{attribute}` is not text") from None


def _member_of(entry: Entry) -> tuple[str, ...]:
    if any(type_.startswith(f"{_MEMBER_OF};") for type_ in entry.attributes):
        raise _too_many()  # `memberOf;range=0-1499`: there are more than a server tells at once
    try:
        return tuple(value.decode() for value in entry.attributes.get(_MEMBER_OF, ()))
    except UnicodeDecodeError:
        raise _rejected("a group of the user has a name that cannot be used") from None


def _check_readable(connection: Connection, base: SearchBase) -> None:
    found = connection.search(base.text, _ANY_ENTRY, attributes=(), limit=1, is_deep=False)
    if found.code != SUCCESS or not found.entries:
        raise UnavailableError("a search base of users cannot be read")


def _too_many() -> UnauthenticatedError:
    return _rejected(f"the user is in more than {EXTERNAL_GROUPS:,} groups")


def _rejected(message: str) -> UnauthenticatedError:
    return UnauthenticatedError("IDPRejectedClaim", message)
