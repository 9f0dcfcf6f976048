"""Distinguished names: spellings of one name are one, and two names are never one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import ParseError
from authz.identity.distinguished_names import (
    DEPTH_LIMIT,
    NAME_LIMIT,
    parse_distinguished_name,
)


def canonical(text: str) -> str:
    return parse_distinguished_name(text).text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("uid=ann,ou=people,dc=example,dc=org", "uid=ann,ou=people,dc=example,dc=org"),
        ("UID=Ann,OU=People,DC=Example,DC=ORG", "uid=ann,ou=people,dc=example,dc=org"),
        (" uid = ann , ou = people ,dc=example", "uid=ann,ou=people,dc=example"),
        ("cn=Ann   Lee\\ ,dc=x", "cn=ann lee,dc=x"),
        ("cn=\\ Ann,dc=x", "cn=ann,dc=x"),
        ("2.5.4.3=Ann,0.9.2342.19200300.100.1.25=x", "cn=ann,dc=x"),
        ("commonName=Ann,domainComponent=x", "cn=ann,dc=x"),
        ("userid=Ann,dc=x", "uid=ann,dc=x"),
        ("E=Ann@X.org,dc=x", "emailaddress=ann@x.org,dc=x"),
        ("OU=Sales+CN=J.  Smith,DC=example", "cn=j. smith+ou=sales,dc=example"),
        ('CN=James \\"Jim\\" Smith\\, III,DC=x', 'cn=james \\"jim\\" smith\\, iii,dc=x'),
        ("CN=James \\22Jim\\22 Smith\\2c III,DC=x", 'cn=james \\"jim\\" smith\\, iii,dc=x'),
        ("cn=a\\3db,dc=x", "cn=a=b,dc=x"),
        ("cn=a\\=b,dc=x", "cn=a=b,dc=x"),
        ("cn=\\#a,dc=x", "cn=\\#a,dc=x"),
        ("cn=Before\\0dAfter,dc=x", "cn=before\\0dafter,dc=x"),
        ("CN=bob\\0ACNF:7f,DC=x", "cn=bob\\0acnf:7f,dc=x"),
        ("sn=Lu\\C4\\8Di\\C4\\87", "sn=lučić"),
        ("cn=MÜLLER,dc=x", "cn=müller,dc=x"),
        ("cn=ΣΟΦΟΣ,dc=x", "cn=σοφοσ,dc=x"),
        ("cn=山田 太郎,dc=x", "cn=山田 太郎,dc=x"),
        ("cn=Straße,dc=x", "cn=straße,dc=x"),
        ("cn=#0c03416e6e,dc=x", "cn=ann,dc=x"),
        ("1.3.6.1.4.1.1466.0=#04024869", "1.3.6.1.4.1.1466.0=#04024869"),
        ("1.3.6.1.4.1.1466.0=#0402ABCD,dc=x", "1.3.6.1.4.1.1466.0=#0402abcd,dc=x"),
        ("x-Badge=Ab  C,dc=x", "x-badge=Ab  C,dc=x"),
        ("x-badge=\\ a\\ ,dc=x", "x-badge=\\ a\\ ,dc=x"),
        ("cn=zero\u200bwidth,dc=x", "cn=zero\\e2\\80\\8bwidth,dc=x"),
        ("cn=nul\\00,dc=x", "cn=nul\\00,dc=x"),
    ],
)
def test_a_name_has_one_form(text: str, expected: str) -> None:
    assert canonical(text) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "ann", "=ann", "cn=", "cn= ,dc=x", "cn=a,", ",cn=a", "cn=a,,dc=x", "cn=a+,dc=x",
        "cn=a;dc=x", 'cn=a"b', "cn=<a>", "cn=a\\", "cn=a\\g1", "cn=a\\4", "cn=\x00", "cn=\\ff,dc=x",
        "cn=#", "cn=#1", "cn=#0g", "cn=#41zz", "c n=a", "1=a", "01.2=a", "2.05.4.3=a", "oid.2.5.4.3=a",
        "cn=a+cn=b,dc=x", "cn=a+2.5.4.3=b,dc=x", "cn=\ud800,dc=x", "cn=\u0378,dc=x", "cn;binary=a",
        "ｃｎ=a", "cn=a\nb\\",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ParseError):
        parse_distinguished_name(text)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("cn=Strasse,dc=x", "cn=Straße,dc=x"),  # RFC 4518 folds these, OpenLDAP does not
        ("cn=é,dc=x", "cn=e\u0301,dc=x"),  # Samba tells these apart, OpenLDAP does not
        ("cn=\u212a,dc=x", "cn=k,dc=x"),
        ("cn=\u212b,dc=x", "cn=å,dc=x"),
        ("cn=\u0130,dc=x", "cn=i,dc=x"),
        ("cn=ẞ,dc=x", "cn=ss,dc=x"),
        ("cn=ａ,dc=x", "cn=a,dc=x"),
        ("cn=ﬁ,dc=x", "cn=fi,dc=x"),
        ("cn=①,dc=x", "cn=1,dc=x"),
        ("cn=a\\,dc\\=x,dc=y", "cn=a,dc=x,dc=y"),
        ("cn=a\\+ou\\=b", "cn=a+ou=b"),
        ("cn=ab,dc=x", "cn=a b,dc=x"),
        ("x-badge=A,dc=x", "x-badge=a,dc=x"),
        ("x-badge=\\#0402,dc=x", "x-badge=#0402,dc=x"),
        ("cn=a\u200b,dc=x", "cn=a,dc=x"),
        ("cn=аnn,dc=x", "cn=ann,dc=x"),  # the first one is Cyrillic
    ],
)
def test_names_that_a_server_may_tell_apart_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_a_name_is_bounded() -> None:
    canonical(",".join(["dc=x"] * DEPTH_LIMIT))
    with pytest.raises(ParseError, match="at most 32"):
        canonical(",".join(["dc=x"] * (DEPTH_LIMIT + 1)))
    canonical("cn=" + "a" * (NAME_LIMIT - 3))
    with pytest.raises(ParseError, match="1,024"):
        canonical("cn=" + "a" * (NAME_LIMIT - 2))
    with pytest.raises(ParseError, match="escapes too"):
        canonical("cn=a" + "\u200b" * (NAME_LIMIT // 2) + "b")


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("uid=ann,ou=people,dc=x", "OU=People,DC=X", True),
        ("uid=ann,ou=people,dc=x", "dc=x", True),
        ("dc=x", "dc=x", True),
        ("dc=x", "ou=people,dc=x", False),
        ("uid=ann,ou=people,dc=xx", "dc=x", False),
        ("uid=ann,ou=other,dc=x", "ou=people,dc=x", False),
        ("uid=ann\\,ou\\=people\\,dc\\=x,dc=y", "ou=people,dc=x", False),
        ("uid=ann\\,ou=people,dc=x", "ou=people,dc=x", False),
    ],
)
def test_below_is_by_whole_parts(name: str, base: str, *, expected: bool) -> None:
    assert parse_distinguished_name(name).is_below(parse_distinguished_name(base)) is expected


values = st.text(st.characters(exclude_categories=("Cs", "Cn")), min_size=1, max_size=12).filter(
    lambda value: value.strip(" ")
)
types = st.sampled_from(["cn", "CN", "ou", "dc", "2.5.4.3", "x-badge", "uid"])


def spelt(value: str, *, is_hex: bool) -> str:
    if is_hex:
        return "".join(f"\\{byte:02X}" for byte in value.encode())
    return "".join(f"\\{c}" if c in '"+,;<=>\\ #' else "\\00" if c == "\0" else c for c in value)


@given(st.lists(st.tuples(types, values), min_size=1, max_size=5))
def test_every_way_of_escaping_comes_to_one_form(parts: list[tuple[str, str]]) -> None:
    plain = ",".join(f"{type_}={spelt(value, is_hex=False)}" for type_, value in parts)
    coded = " , ".join(f"{type_.upper()} = {spelt(value, is_hex=True)}" for type_, value in parts)
    name = parse_distinguished_name(plain)
    assert name == parse_distinguished_name(coded)
    assert len(name.rdns) == len(parts)
    assert parse_distinguished_name(name.text) == name
    assert name.text.isprintable()


@given(values, values)
def test_values_kept_as_they_are_differ_when_they_differ(one: str, other: str) -> None:
    names = [canonical(f"x-badge={spelt(value, is_hex=False)}") for value in (one, other)]
    assert (names[0] == names[1]) == (one == other)


@given(st.text(max_size=80) | st.text('cn=,+ \\#"0aé', max_size=30))
def test_anything_is_a_name_or_refused(text: str) -> None:
    try:
        name = parse_distinguished_name(text)
    except ParseError:
        return
    assert parse_distinguished_name(name.text) == name
