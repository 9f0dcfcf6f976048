"""Client certificates in text: only one that is clearly the client's is read."""

import base64
import time
from contextlib import suppress
from urllib.parse import quote

import pytest

from authz.errors import ParseError
from authz.formats.client_certificates import (
    CERTIFICATE_LIMIT,
    HEADER_LIMIT,
    parse_pem_url_encoded,
    parse_xfcc,
)

DER = bytes(range(256)) * 3


def pem(der: bytes = DER, width: int = 64, end: str = "\n") -> str:
    text = base64.b64encode(der).decode()
    lines = [text[start : start + width] for start in range(0, len(text), width)]
    return end.join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def encoded(text: str = "") -> str:
    return quote(text or pem(), safe="")


CERT = f'Cert="{encoded()}"'


@pytest.mark.parametrize(
    "value",
    [
        CERT,
        f"Cert={encoded()}",
        f"cert={encoded()}",
        f"Hash=ab12;{CERT}",
        f'By=spiffe://cluster/ns/a;Hash=ab12;{CERT};Chain="{encoded()}";Subject="CN=a\\,b\\"c,O=x;y";URI=spiffe://a/b',
        f"Hash=ab12;{CERT};URI=https://a/?x=1;URI=urn:b;DNS=a.test;DNS=b.test",
        f'Hash=ab12;{CERT};Subject=""',
    ],
)
def test_the_certificate_is_read_from_one_element(value):
    assert parse_xfcc(value) == DER


@pytest.mark.parametrize("value", ["Hash=ab12", 'Subject="CN=a";URI=spiffe://a', "Chain=x"])
def test_an_element_without_a_certificate_names_none(value):
    assert parse_xfcc(value) == b""


@pytest.mark.parametrize(
    "value",
    [
        "", ";", ",", "Cert", "=x", f"{CERT};", f";{CERT}", f"{CERT},", f",{CERT}", f"{CERT} ", f" {CERT}",
        f"{CERT}x", f"Hash =ab;{CERT}", f'Subject="open;{CERT}', f'Subject="a\\";{CERT}', f'Hash="a"b;{CERT}',
        f"Hash=a\nb;{CERT}", f"Hash=a\x00;{CERT}", f"Hash=\xe9;{CERT}", f"Hash=a\x7f;{CERT}", "Cert=", 'Cert=""', "Cert=%41",
        'Cert="%zz"', f"{'N' * 17}=a;{CERT}",
    ],
)  # fmt: skip
def test_what_is_malformed_is_refused(value):
    with pytest.raises(ParseError):
        parse_xfcc(value)


@pytest.mark.parametrize(
    "value", [f"{CERT},{CERT}", f"Hash=a,{CERT}", f"{CERT},Hash=a", f"{CERT};URI=a,{CERT}"]
)
def test_several_elements_are_refused(value):
    with pytest.raises(ParseError, match="several elements"):
        parse_xfcc(value)


@pytest.mark.parametrize(
    "value", [f"{CERT};{CERT}", f"{CERT};cert=x", f"URI=urn:a;{CERT}", f"Hash=a;DNS=a;{CERT}"]
)
def test_a_certificate_that_a_holder_could_have_written_into_a_name_is_refused(value):
    with pytest.raises(ParseError, match="ambiguous"):
        parse_xfcc(value)


def test_a_quoted_value_is_no_place_to_hide_a_certificate_in():
    hidden = CERT.replace('"', '\\"')
    assert parse_xfcc(f'Subject="CN=a;{hidden}"') == b""
    assert parse_xfcc(f'Subject="CN=a,{hidden}"') == b""


def test_a_huge_header_is_refused_before_it_is_read():
    with pytest.raises(ParseError, match="too long"):
        parse_xfcc(f'{CERT};Subject="{"a" * HEADER_LIMIT}"')
    with pytest.raises(ParseError, match="too long"):
        parse_pem_url_encoded("a" * (HEADER_LIMIT + 1))


@pytest.mark.parametrize(
    "piece", ["a=b;", '"', "\\", 'a="\\', "a=%2", ";", "a=", "%0A", '="', "Cert=%0A%0A"]
)
def test_what_is_hostile_takes_no_longer_than_its_length(piece):
    started = time.process_time()
    for text in (piece * (HEADER_LIMIT // len(piece)), f'a="{piece * (60_000 // len(piece))}'):
        with suppress(ParseError):
            assert parse_xfcc(text) == b""
    assert time.process_time() - started < 5


@pytest.mark.parametrize("text", [pem(), pem().removesuffix("\n"), pem(end="\r\n"), pem(width=76)])
def test_one_certificate_is_read_from_pem(text):
    assert parse_pem_url_encoded(encoded(text)) == DER


def test_a_plus_is_itself_encoded_or_not():
    der = b"\xfb\xef\xbe" * 9
    assert "+" in pem(der)
    assert parse_pem_url_encoded(quote(pem(der), safe="+/=")) == der
    assert parse_pem_url_encoded(encoded(pem(der))) == der


@pytest.mark.parametrize(
    "text",
    [
        pem() * 2, "\n" + pem(), "x" + pem(), pem() + "x", pem().replace("CERTIFICATE", "PUBLIC KEY"), pem(b""),
        pem().replace("AAEC", "AAE"), pem().replace("AAEC", "====", 1), pem().replace("AAEC", "AA C"),
        base64.b64encode(DER).decode(), pem(bytes(CERTIFICATE_LIMIT + 1)),
    ],
)  # fmt: skip
def test_anything_but_one_certificate_is_refused(text):
    with pytest.raises(ParseError):
        parse_pem_url_encoded(encoded(text))
