"""The head of a request as an ASGI server hands it over: raw, and with a client that only proxies of ours name."""

from ipaddress import ip_network

import pytest

from authz.formats.asgi import CLIENT_CERTIFICATE, parse_scope

PROXIES = [ip_network("10.0.0.0/24"), ip_network("2001:db8::/64")]
FORWARDED = [(b"x-forwarded-for", b"192.0.2.1, 192.0.2.2"), (b"x-forwarded-for", b"192.0.2.3")]


def a_scope(client=("10.0.0.7", 4000), headers=(), raw_path=b"/b", query=b"policy", scheme="http"):
    return {
        "type": "http", "method": "PUT", "raw_path": raw_path, "query_string": query, "headers": list(headers),
        "client": client, "path": "/decoded", "scheme": scheme,
    }  # fmt: skip


def parse(scope, hops=0):
    return parse_scope(scope, proxies=PROXIES, trusted_hops=hops)


def test_path_query_and_headers_are_the_bytes_that_were_sent():
    headers = [(b"Host", b"s3"), (b"x-amz-meta-a", b"gr\xc3\xbc\xff "), (b"x", b"1"), (b"X", b"2")]
    request = parse(a_scope(headers=headers, raw_path=b"/b%2Fx//\xe4", query=b"policy&a=%zz+"))
    assert (request.path, request.query) == ("/b%2Fx//\xe4", "policy&a=%zz+")
    assert request.headers["x-amz-meta-a"].encode("latin-1") == b"gr\xc3\xbc\xff "
    assert request.headers["x"] == "1,2"
    assert request.repeated == {"x"}
    assert (request.method, request.body) == ("PUT", None)


@pytest.mark.parametrize(
    ("client", "hops", "expected"),
    [
        (("10.0.0.7", 1), 0, "192.0.2.3"),
        (("10.0.0.7", 1), 1, "192.0.2.2"),
        (("10.0.0.7", 1), 2, "192.0.2.1"),
        (("10.0.0.7", 1), 3, "192.0.2.3"),
        (("::ffff:10.0.0.7", 1), 0, "192.0.2.3"),
        (("2001:db8::1", 1), 0, "192.0.2.3"),
        (("10.0.1.7", 1), 0, "10.0.1.7"),
        (("10.0.1.7", 1), 1, "10.0.1.7"),
        (("::ffff:10.0.1.7", 1), 0, "10.0.1.7"),
        (("/run/socket", 0), 0, ""),
        (None, 0, ""),
    ],
)
def test_only_a_proxy_of_ours_says_where_the_client_is(client, hops, expected):
    assert parse(a_scope(client, FORWARDED), hops).source_ip == expected


@pytest.mark.parametrize(
    "value", [None, b"", b"unknown", b"192.0.2.1:80", b"fe80::1%eth0", b"," * 9]
)
def test_a_proxy_that_names_no_client_leaves_it_unknown(value):
    headers = [] if value is None else [(b"x-forwarded-for", value)]
    assert not parse(a_scope(headers=headers)).source_ip


@pytest.mark.parametrize(
    ("client", "own", "value", "expected"),
    [
        (("10.0.0.7", 1), "http", b"https", "https"),
        (("10.0.0.7", 1), "https", b"http", "http"),
        (("10.0.0.7", 1), "https", b"https,https", "http"),
        (("10.0.1.7", 1), "http", b"https", "http"),
        (("10.0.1.7", 1), "https", b"http", "https"),
    ],
)
def test_only_a_proxy_of_ours_or_its_own_connection_says_that_the_client_came_by_tls(
    client, own, value, expected
):
    scope = a_scope(client, [(b"x-forwarded-proto", value)], scheme=own)
    assert parse(scope).scheme == expected


PEM = "-----BEGIN%20CERTIFICATE-----%0ATUlJ%0A-----END%20CERTIFICATE-----%0A"
XFCC = f'Hash=00;Cert="{PEM}"'.encode()
FROM_PROXY, DIRECT = ("10.0.0.7", 1), ("10.0.1.7", 1)


def certificate_of(client, *headers, believes=True, own=b""):
    lines = [(b"x-forwarded-client-cert", each) for each in headers]
    scope = a_scope(client, lines) | {"state": {CLIENT_CERTIFICATE: own} if own else {}}
    request = parse_scope(scope, proxies=PROXIES, trusted_hops=0, believes_certificates=believes)
    return request.client_certificate


def test_a_proxy_of_ours_says_with_which_certificate_the_client_came():
    assert certificate_of(FROM_PROXY, XFCC) == b"MII"


def test_a_proxy_is_not_believed_about_certificates_unless_that_is_switched_on():
    assert certificate_of(FROM_PROXY, XFCC, believes=False) == b""


def test_a_forwarded_certificate_from_an_address_that_is_no_proxys_is_ignored():
    assert certificate_of(DIRECT, XFCC) == b""
    assert certificate_of(("::ffff:10.0.1.7", 1), XFCC) == b""
    assert certificate_of(None, XFCC) == b""


def test_a_client_certificate_by_tls_wins_over_any_header():
    assert certificate_of(DIRECT, XFCC, own=b"its own") == b"its own"


def test_the_certificate_of_a_proxy_is_never_taken_for_its_clients():
    assert certificate_of(FROM_PROXY, own=b"the proxy's") == b""
    assert certificate_of(FROM_PROXY, own=b"the proxy's", believes=False) == b""
    assert certificate_of(FROM_PROXY, XFCC, own=b"the proxy's") == b"MII"


@pytest.mark.parametrize(
    "headers",
    [
        (XFCC, XFCC),
        (b"", XFCC),
        (XFCC, b"junk"),
        (XFCC + b"," + XFCC,),
        (XFCC + b"\xff",),
        (b"junk",),
    ],
)
def test_a_forwarded_certificate_sent_twice_or_unclear_is_no_certificate(headers):
    assert certificate_of(FROM_PROXY, *headers) == b""
