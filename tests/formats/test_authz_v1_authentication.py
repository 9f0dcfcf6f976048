"""Requests to authenticate: kept raw, refused when they can be no raw request."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.errors import AuthzError, InvalidError, ParseError, UnauthenticatedError
from authz.formats import authz_v1_authentication as authentication
from authz.formats.authz_v1_authentication import (
    parse_authenticate,
    render_authentication,
    render_authentication_failure,
)
from authz.policy.request import Principal, PrincipalKind
from authz.wire.authz.v1 import authentication_pb2 as wire


def a_request(*headers: tuple[str, bytes], services=(), at_least_revision=0, **changes) -> bytes:
    parts = {"method": "GET", "raw_path": "/b/k", **changes}
    lines = [wire.HttpHeader(name=name, value=value) for name, value in headers]
    return wire.AuthenticateRequest(
        request=wire.HttpRequest(headers=lines, **parts),
        services=services,
        at_least_revision=at_least_revision,
    ).SerializeToString()


def test_a_request_is_kept_raw():
    signed = parse_authenticate(
        a_request(
            ("Host", b"s3.example.com"),
            ("X-Amz-Meta-A", b" one "),
            ("x-amz-meta-a", b"two\xff"),
            method="PUT",
            raw_path="/b//a%20b/../c+d",
            raw_query="list-type=2&prefix=%2F&x=",
            scheme="https",
            source_ip="2001:db8::7",
            services=["s3"],
            at_least_revision=5,
        )
    )
    request = signed.request
    assert (request.method, request.path, request.query) == (
        "PUT", "/b//a%20b/../c+d", "list-type=2&prefix=%2F&x=",
    )  # fmt: skip
    assert request.headers == {"host": "s3.example.com", "x-amz-meta-a": " one ,two\xff"}
    assert request.repeated == frozenset({"x-amz-meta-a"})
    assert (request.scheme, request.source_ip, request.body) == ("https", "2001:db8::7", None)
    assert (signed.services, signed.at_least_revision) == (frozenset({"s3"}), 5)


def test_a_path_beyond_ascii_is_read_as_its_bytes():
    assert parse_authenticate(a_request(raw_path="/ü")).request.path == "/\xc3\xbc"


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (a_request(method=""), "request.method"),
        (a_request(method="GE T"), "request.method"),
        (a_request(raw_path=""), "request.raw_path"),
        (a_request(raw_path="b/k"), "request.raw_path"),
        (a_request(raw_path="/b?acl"), "request.raw_path"),
        (a_request(raw_path="/b\r\nx"), "request.raw_path"),
        (a_request(raw_query="a b"), "request.raw_query"),
        (a_request(raw_query="a#b"), "request.raw_query"),
        (a_request(scheme="ftp"), "request.scheme"),
        (a_request(source_ip="localhost"), "request.source_ip"),
        (a_request((":authority", b"x")), "request.headers[0].name"),
        (a_request(("a", b"x"), ("", b"x")), "request.headers[1].name"),
        (a_request(("a", b"x\r\nb: y")), "request.headers[0].value"),
        (a_request(("a", b"x\0")), "request.headers[0].value"),
        (a_request(*[("a", b"x")] * 201), "request.headers"),
        (a_request(services=["S3"]), "services"),
        (a_request(services=[f"s{i}" for i in range(17)]), "services"),
        (a_request(at_least_revision=-1), "at_least_revision"),
    ],
)
def test_what_can_be_no_raw_request_is_refused_by_its_field(raw, field):
    with pytest.raises(InvalidError) as caught:
        parse_authenticate(raw)
    assert caught.value.field == field


def test_bytes_that_are_no_message_or_too_many_are_refused():
    with pytest.raises(ParseError):
        parse_authenticate(b"\xff\xff")
    with pytest.raises(InvalidError):
        parse_authenticate(b"\xff" * (authentication.REQUEST_BYTES_LIMIT + 1))


@given(st.binary(max_size=300))
def test_no_bytes_get_anything_but_our_own_errors_out(raw):
    try:
        parse_authenticate(raw)
    except AuthzError as error:
        assert "\n" not in error.message  # noqa: PT017 - most bytes raise nothing


def test_a_proof_that_holds_says_whose_it_is():
    alice = Principal(
        arn="arn:aws:iam::000000000000:user/alice",
        kind=PrincipalKind.USER,
        account="000000000000",
        id="AIDA1",
        name="alice",
        facts={},
    )
    response = wire.AuthenticateResponse.FromString(render_authentication(alice, "AKIA1", 8, 0.5))
    who = response.authentication.principal
    assert (who.arn, who.kind, who.account, who.id, who.name) == (
        alice.arn, wire.PRINCIPAL_KIND_USER, alice.account, "AIDA1", "alice",
    )  # fmt: skip
    assert response.authentication.access_key_id == "AKIA1"
    assert (response.revision, response.staleness.nanos) == (8, 500_000_000)


def test_a_proof_that_does_not_hold_is_a_normal_answer():
    error = UnauthenticatedError("SignatureDoesNotMatch", "the signature does not match")
    response = wire.AuthenticateResponse.FromString(render_authentication_failure(error, 8, 0.5))
    assert response.WhichOneof("result") == "failure"
    assert response.failure.code == "SignatureDoesNotMatch"
    assert response.failure.message == "the signature does not match"


def test_every_kind_of_principal_has_its_own_number():
    # Who only asks a role for a session on a provider's word is nobody that proves anything here.
    kinds = set(PrincipalKind) - {PrincipalKind.FEDERATED}
    assert set(authentication.KINDS) == kinds
    assert len(set(authentication.KINDS.values())) == len(kinds)
    assert 0 not in authentication.KINDS.values()
