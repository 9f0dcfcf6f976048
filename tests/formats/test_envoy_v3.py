"""Envoy's messages: a question becomes the request as it was on the wire, an answer says what it should."""

import pytest
from envoy.service.auth.v3 import external_auth_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import InvalidError, ParseError
from authz.formats.envoy_v3 import (
    PARTIAL_BODY_HEADER,
    TEMPLATE_LIMIT,
    AllowedAnswers,
    parse_check,
    parse_peer_certificate,
    render_denied,
)
from tests.servers.client_certificates import Authority


def a_check(path="/b/k?acl", lines=(), **parts) -> external_auth_pb2.CheckRequest:
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.scheme, http.host = "GET", path, "https", "s3.example.com"
    for name, value in parts.items():
        setattr(http, name, value)
    for name, value in () if lines is None else [(":method", b"GET"), *lines]:
        http.header_map.headers.add(key=name, raw_value=value)
    request.attributes.source.address.socket_address.address = "192.0.2.7"
    return request


def read(request, **more):
    return parse_check(request.SerializeToString(), **more)


def test_a_request_is_read_raw():
    lines = [(":authority", b"S3.example.com:9000"), ("x-a", b" \xc3\xa9 "), (":path", b"/b/k")]
    check = read(a_check("/b/%2E%2e//k?acl&x=a?b", lines))
    request = check.request
    assert (request.method, request.path, request.query) == ("GET", "/b/%2E%2e//k", "acl&x=a?b")
    assert request.source_ip == "192.0.2.7"
    assert request.headers["host"] == "S3.example.com:9000"
    assert ":authority" not in request.headers
    assert request.headers["x-a"].encode("latin-1") == b" \xc3\xa9 "
    assert request.repeated == frozenset()
    assert request.body is None
    assert check.mapping == "s3"


def test_every_byte_of_a_header_survives():
    value = bytes(byte for byte in range(256) if byte not in b"\r\n\0")
    request = read(a_check(lines=[("x-a", value)])).request
    assert request.headers["x-a"].encode("latin-1") == value


def test_repeated_lines_are_joined_in_order_and_told():
    lines = [("x-a", b"1"), ("x-b", b"9"), ("x-a", b"2"), ("x-a", b"3")]
    request = read(a_check(lines=lines)).request
    assert request.headers["x-a"] == "1,2,3"
    assert request.repeated == {"x-a"}


def test_headers_in_which_repeated_lines_cannot_be_seen_are_an_error_of_the_setup():
    request = a_check(lines=None)
    request.attributes.request.http.headers["x-amz-copy-source"] = "mine/secret,mine/zz"
    with pytest.raises(InvalidError, match="encode_raw_headers: true"):
        read(request)


def test_an_authority_stands_over_a_host_line():
    lines = [("host", b"evil.example.com"), (":authority", b"s3.example.com")]
    assert read(a_check(lines=lines)).request.headers["host"] == "s3.example.com"


def test_a_route_chooses_its_mapping():
    request = a_check()
    request.attributes.context_extensions["authz.mapping"] = "orders"
    assert read(request).mapping == "orders"


LENGTH_0 = ("content-length", b"0")


@pytest.mark.parametrize(
    ("lines", "parts", "body"),
    [
        ([], {}, None),
        ([LENGTH_0], {}, b""),
        ([("content-length", b"5")], {}, None),
        ([], {"raw_body": b"\xff\x00"}, b"\xff\x00"),
        ([], {"body": "t\u00e9xt"}, "t\u00e9xt".encode()),
        ([(PARTIAL_BODY_HEADER, b"true")], {"raw_body": b"half"}, None),
        ([(PARTIAL_BODY_HEADER, b"false")], {"raw_body": b"all"}, b"all"),
        # A client's own line does not make Envoy's body one that is not looked at.
        ([(PARTIAL_BODY_HEADER, b"true"), (PARTIAL_BODY_HEADER, b"false")], {"raw_body": b"all"}, b"all"),
    ],
)  # fmt: skip
def test_a_body_is_taken_when_it_is_whole(lines, parts, body):
    assert read(a_check(lines=lines, **parts)).request.body == body


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, b"1.1.1.1, 2.2.2.2", "192.0.2.7"),
        (1, b"1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (1, b"9.9.9.9, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, b"1.1.1.1, 2.2.2.2", "192.0.2.7"),
        (1, b"", "192.0.2.7"),
        (1, b",", "192.0.2.7"),
        (16, b"1.1.1.1", "192.0.2.7"),
        (1, b"2001:db8::1, 2.2.2.2", "2001:db8::1"),
        (1, b"unknown, 2.2.2.2", "192.0.2.7"),
        (1, b"1.1.1.1:443, 2.2.2.2", "192.0.2.7"),
        (1, b"fe80::1%eth0, 2.2.2.2", "192.0.2.7"),
        (1, b"1" * 30_000 + b", 2.2.2.2", "192.0.2.7"),
    ],
)
def test_an_address_is_the_peers_unless_trusted_proxies_add_one(hops, forwarded, address):
    request = a_check(lines=[("x-forwarded-for", forwarded)])
    assert read(request, trusted_hops=hops).request.source_ip == address


def test_a_peer_without_an_address_has_none():
    request = a_check()
    request.attributes.source.address.pipe.path = "/run/envoy.sock"
    assert read(request).request.source_ip == ""


@pytest.mark.parametrize("raw", [b"", b"\xff", b"\x0a\xff", b"GET / HTTP/1.1\r\n\r\n"])
def test_bytes_that_are_no_question_are_refused(raw):
    with pytest.raises(ParseError):
        parse_check(raw)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(raw):
    try:
        parse_check(raw, trusted_hops=1)
    except ParseError:
        return


# --- answers ---


def fields_of(raw):
    answer = external_auth_pb2.CheckResponse.FromString(raw)
    headers = {o.header.key: o.header.value for o in answer.ok_response.headers}
    return headers, {k: v.string_value for k, v in answer.dynamic_metadata.fields.items()}


def describe(extra):
    return lambda decision_id: (
        {"x-id": decision_id, "x-a": extra},
        {"id": decision_id, "b": extra},
    )


def test_an_allowed_answer_is_described_once_for_each_key():
    answers, described = AllowedAnswers(4), []

    def describing(decision_id):
        described.append(decision_id)
        return describe("x")(decision_id)

    for decision_id in ("AAAA", "BBBB", "CCCC"):
        headers, metadata = fields_of(answers.render(decision_id, ("k",), describing))
        assert headers == {"x-id": decision_id, "x-a": "x"}
        assert metadata == {"id": decision_id, "b": "x"}
    assert len(described) == 1


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=400),
    st.text("0123456789ABCDEF", min_size=22, max_size=22),
)
def test_a_template_gives_what_rendering_afresh_would(extra, decision_id):
    answers = AllowedAnswers(22)
    answers.render("F" * 22, ("k",), describe(extra))
    headers, metadata = fields_of(answers.render(decision_id, ("k",), describe(extra)))
    assert headers == {"x-id": decision_id, "x-a": extra}
    assert metadata == {"id": decision_id, "b": extra}


def test_templates_are_bounded_and_right_after_they_were_dropped():
    answers = AllowedAnswers(4)
    for n in range(TEMPLATE_LIMIT + 10):
        answers.render("AAAA", (n,), describe(str(n)))
        assert len(answers._templates) <= TEMPLATE_LIMIT
    for n in (0, 5, TEMPLATE_LIMIT, TEMPLATE_LIMIT + 9):
        assert fields_of(answers.render("BBBB", (n,), describe(str(n))))[0]["x-a"] == str(n)


@pytest.mark.parametrize(("status", "code"), [(401, 16), (403, 7), (400, 7), (501, 7), (503, 7)])
def test_a_refusal_carries_status_headers_body_and_metadata(status, code):
    raw = render_denied(status, {"x-a": "1"}, "<a>\u00e9</a>".encode(), {"code": "AccessDenied"})
    answer = external_auth_pb2.CheckResponse.FromString(raw)
    assert answer.status.code == code
    assert not answer.HasField("ok_response")
    assert answer.denied_response.status.code == status
    assert answer.denied_response.body == "<a>\u00e9</a>"
    assert [(o.header.key, o.header.value) for o in answer.denied_response.headers] == [
        ("x-a", "1")
    ]
    assert answer.dynamic_metadata.fields["code"].string_value == "AccessDenied"


@pytest.mark.parametrize(
    ("lines", "has_tls", "scheme"),
    [
        ([], False, "http"),
        ([("x-forwarded-proto", b"http")], False, "http"),
        ([("x-forwarded-proto", b"https")], False, "https"),
        ([("x-forwarded-proto", b"https"), ("x-forwarded-proto", b"http")], False, "http"),
        ([], True, "https"),
    ],
)
def test_the_scheme_is_what_envoy_knows_and_never_what_the_client_calls_it(lines, has_tls, scheme):
    request = a_check(lines=[(":scheme", b"https"), *lines], scheme="https")
    if has_tls:
        request.attributes.tls_session.sni = ""
        request.attributes.tls_session.SetInParent()
    assert read(request).request.scheme == scheme


def test_the_clients_certificate_is_what_envoy_says_and_nothing_else():
    issued = Authority("clients").issue("robot")
    header = f'Cert="{issued.url_encoded}"'.encode()
    asked = a_check(lines=[("x-forwarded-client-cert", header)])
    assert parse_peer_certificate(asked.SerializeToString()) == b""
    asked.attributes.source.certificate = issued.url_encoded
    assert parse_peer_certificate(asked.SerializeToString()) == issued.der
    for bad in (issued.url_encoded * 2, issued.url_encoded[:-9], "x", "%GG", "+"):
        asked.attributes.source.certificate = bad
        with pytest.raises(ParseError):
            parse_peer_certificate(asked.SerializeToString())
