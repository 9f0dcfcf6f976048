"""Distinguished names of a directory: read as RFC 4514 says, and brought into the one form that we compare.

A directory knows one entry under many spellings (`CN=Ann, DC=Corp` and `cn=ann,dc=corp`), and policies are
attached to one of them. The form: attribute types by their short lower-case name, known OIDs by their name;
values of types that ignore case in lower case and with single spaces; multi-valued RDNs sorted; escapes alike.

Narrower than RFC 4518 on purpose: a letter and its other case are one, and nothing else is (no composition, no
compatibility forms, no `ß` as `ss`), because servers differ there: Samba tells `é` from `e` and an accent after
it, OpenLDAP `ß` from `ss`. Two entries that a server tells apart must never become one here. Values of types
that are not known are kept as they are.

Sources: RFC 4514 (text), RFC 4518 §2 (preparation), RFC 4519 (types), MS-ADA (Microsoft's). Not here: which
names exist (`federation`).
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from authz.errors import ParseError, quote

NAME_LIMIT: Final = 1_024
"""Longest distinguished name, in characters, as it is read and as it is rendered."""
DEPTH_LIMIT: Final = 32
"""Most RDNs of a name."""
PARTS_LIMIT: Final = 8
"""Most parts of one multi-valued RDN."""

_IGNORING_CASE: Final = {
    "cn": "2.5.4.3 commonname",
    "sn": "2.5.4.4 surname",
    "serialnumber": "2.5.4.5",
    "c": "2.5.4.6 countryname",
    "l": "2.5.4.7 localityname",
    "st": "2.5.4.8 stateorprovincename",
    "street": "2.5.4.9",
    "o": "2.5.4.10 organizationname",
    "ou": "2.5.4.11 organizationalunitname",
    "title": "2.5.4.12",
    "description": "2.5.4.13",
    "postalcode": "2.5.4.17",
    "name": "2.5.4.41",
    "givenname": "2.5.4.42 gn",
    "initials": "2.5.4.43",
    "generationqualifier": "2.5.4.44",
    "dnqualifier": "2.5.4.46",
    "uid": "0.9.2342.19200300.100.1.1 userid",
    "mail": "0.9.2342.19200300.100.1.3 rfc822mailbox",
    "dc": "0.9.2342.19200300.100.1.25 domaincomponent",
    "emailaddress": "1.2.840.113549.1.9.1 email e",
    "samaccountname": "1.2.840.113556.1.4.221",
    "userprincipalname": "1.2.840.113556.1.4.656",
    "employeenumber": "2.16.840.1.113730.3.1.3",
    "displayname": "2.16.840.1.113730.3.1.241",
}
"""Attribute types whose values are compared without case → their OID and their other names."""
_SHORT: Final = {
    spelling: short
    for short, spellings in _IGNORING_CASE.items()
    for spelling in (short, *spellings.split())
}
_TEXT_TAGS: Final = frozenset({0x0C, 0x13, 0x16})
"""ASN.1's UTF8String, PrintableString and IA5String: a `#` value of these is text in other clothes."""

_TYPE: Final = re.compile(
    r" *([A-Za-z][A-Za-z0-9-]*|(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+) *= *"
)
_HEX: Final = re.compile(r"#((?:[0-9A-Fa-f]{2})+) *")
_PIECE: Final = r"\\[0-9A-Fa-f]{2}|\\[ \"#+,;<=>\\]|[^\\\"+,;<>\x00]"
_VALUE: Final = re.compile(rf"(?:{_PIECE})*")
_PIECES: Final = re.compile(_PIECE)
_SPECIAL: Final = frozenset('"+,;<>\\')

Part = tuple[str, str]
"""Attribute type and value of a part of an RDN, both as they are rendered."""


@dataclass(frozen=True)
class DistinguishedName:
    """A name in the form that is compared; equal names are equal values. The entry's own RDN stands first."""

    rdns: tuple[tuple[Part, ...], ...]

    @cached_property
    def text(self) -> str:
        """The name as text, as RFC 4514 writes it."""
        return ",".join("+".join(f"{type_}={value}" for type_, value in rdn) for rdn in self.rdns)

    def is_below(self, base: "DistinguishedName") -> bool:
        """Tell whether this is `base` itself or stands anywhere below it."""
        return self.rdns[-len(base.rdns) :] == base.rdns


def parse_distinguished_name(text: str) -> DistinguishedName:
    """Read a name that has at least one RDN; raises `ParseError`.

    Spaces around `,`, `+` and `=` mean nothing. What RFC 4514 wants escaped must be.
    """
    if len(text) > NAME_LIMIT:
        raise ParseError(f"a distinguished name has at most {NAME_LIMIT:,} characters")
    rdns: list[tuple[Part, ...]] = []
    parts: list[Part] = []
    position = 0
    while True:
        part, position = _parse_part(text, position)
        parts.append(part)
        if text[position : position + 1] != "+":
            rdns.append(_joined(parts, text))
            parts = []
            if position == len(text):
                break
        position += 1  # the `,` or `+`
    if len(rdns) > DEPTH_LIMIT:
        raise ParseError(f"a distinguished name has at most {DEPTH_LIMIT} parts between its commas")
    name = DistinguishedName(tuple(rdns))
    if len(name.text) > NAME_LIMIT:
        raise ParseError(f"a distinguished name has at most {NAME_LIMIT:,} characters, escapes too")
    return name


def _parse_part(text: str, position: int) -> tuple[Part, int]:
    """Return type and value that stand at `position`, and where the `,`, the `+` or the end after them is."""
    head = _TYPE.match(text, position)
    if head is None:
        raise _malformed(text)
    type_ = _SHORT.get(head[1].lower(), head[1].lower())
    if body := _HEX.match(text, head.end()):
        value = _value_of_ber(type_, bytes.fromhex(body[1]), text)
    elif text[head.end() : head.end() + 1] == "#" or not (body := _VALUE.match(text, head.end())):
        raise _malformed(text)
    else:
        value = _value_of_text(type_, _unescape(body[0], text), text)
    if body.end() < len(text) and text[body.end()] not in "+,":
        raise _malformed(text)
    return (type_, value), body.end()


def _joined(parts: list[Part], text: str) -> tuple[Part, ...]:
    """Sort the parts of one RDN; RFC 4512 §2.3.1: no type stands in it twice."""
    if len(parts) > PARTS_LIMIT or len({type_ for type_, _ in parts}) != len(parts):
        raise _malformed(text)
    return tuple(sorted(parts))


def _unescape(raw: str, text: str) -> str:
    """Read escapes; spaces at the end count only when escaped (those at the beginning are gone already)."""
    value = bytearray()
    significant = 0
    for piece in _PIECES.findall(raw):
        value += bytes.fromhex(piece[1:]) if len(piece) == 3 else _encode(piece[-1], text)
        if piece != " ":
            significant = len(value)
    return _decode(bytes(value[:significant]), text)


def _value_of_ber(type_: str, raw: bytes, text: str) -> str:
    """Read the text in a BER value; anything else stays hexadecimal (RFC 4514 §2.4)."""
    if len(raw) > 2 and raw[0] in _TEXT_TAGS and raw[1] == len(raw) - 2 < 0x80:
        return _value_of_text(type_, _decode(raw[2:], text), text)
    return f"#{raw.hex()}"


def _value_of_text(type_: str, value: str, text: str) -> str:
    if any(unicodedata.category(character) in {"Cn", "Cs"} for character in value):
        # Their case may change with Unicode's next version, and with it whose name this is.
        raise ParseError(
            f"the distinguished name {quote(text)} holds a character unknown to Unicode"
        )
    if type_ in _IGNORING_CASE:
        value = " ".join(part for part in _lowered(value).split(" ") if part)
    if not value:
        raise _malformed(text)
    last = len(value) - 1
    return "".join(
        _escaped(character, is_edge=index in {0, last}, is_first=index == 0)
        for index, character in enumerate(value)
    )


def _lowered(value: str) -> str:
    # There and back: the Kelvin sign's lower case is `k`, but the upper case of that is `K`.
    return "".join(c.lower() if c.lower().upper() == c else c for c in value)


def _escaped(character: str, *, is_edge: bool, is_first: bool) -> str:
    if character in _SPECIAL or (character == " " and is_edge) or (character == "#" and is_first):
        return f"\\{character}"
    if character.isprintable():
        return character
    return "".join(f"\\{byte:02x}" for byte in character.encode())


def _encode(character: str, text: str) -> bytes:
    try:
        return character.encode()
    except UnicodeEncodeError:
        raise _malformed(text) from None


def _decode(raw: bytes, text: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise _malformed(text) from None


def _malformed(text: str) -> ParseError:
    return ParseError(f"{quote(text)} is not a distinguished name, such as `uid=ann,dc=example`")
