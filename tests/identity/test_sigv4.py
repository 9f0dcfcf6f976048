"""What clients sign is verified, in every spelling that means the same."""

import hmac
import time
from email.utils import formatdate
from itertools import permutations
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.formats.s3_http import S3Config, parse_s3
from authz.identity.canonical import canonical_path, canonical_query
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import (
    check_scope,
    check_time,
    derive_signing_key,
    find_proof,
    sign_headers,
    verify,
)
from tests.identity.clients import (
    ACCESS_KEY_ID,
    HOST,
    REGION,
    SECRET,
    SHA,
    accept,
    changed,
    presigned,
    presigned_for,
    signed,
    signed_for,
    wall_clock,
)

TARGETS = [
    "/",
    "/bucket",
    "/bucket/",
    "/bucket/key",
    "/bucket/a/b/c.txt",
    "/bucket/with%20space",
    "/bucket/plus%2Bplus",
    "/bucket/percent%25percent",
    "/bucket/percent%2541",
    "/bucket//double//slash",
    "/bucket/trailing/",
    "/bucket/dots/../up",
    "/bucket/%C3%BCml%C3%A4ut/%E2%82%AC",
    "/bucket/%F0%9F%90%98",
    "/bucket/%21%27%28%29%2A",
    "/bucket/~tilde-_.",
    "/bucket/a%3Ab%3Dc%26d%40e%2Cf%3Bg%24h",
    "/bucket?acl=",
    "/bucket?location=",
    "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&max-keys=1000&encoding-type=url",
    "/bucket/key?partNumber=1&uploadId=abc.def~",
    "/bucket/key?b=2&a=1&a=0&A=3",
    "/bucket/key?empty=&x=%20",
    "/bucket/key?response-content-disposition=attachment%3B%20filename%3D%22a.txt%22",
    "/bucket/key?name=a%3Db",
    "/bucket/key?a-b=1&a=2&a.b=3&a_b=4&a1=5",
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_signed_in_its_header_verifies(method: str, target: str) -> None:
    accept(signed(method, target), wall_clock())


@pytest.mark.parametrize("target", TARGETS)
def test_a_presigned_request_verifies(target: str) -> None:
    accept(presigned("GET", target), wall_clock())


@pytest.mark.parametrize(
    "payload",
    [
        SHA,
        "UNSIGNED-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    ],
)
def test_every_payload_marker_is_verified_over_the_head(payload: str) -> None:
    headers = {"X-Amz-Content-SHA256": payload, "X-Amz-Decoded-Content-Length": "5"}
    key = derive_signing_key(SECRET, time.strftime("%Y%m%d", time.gmtime()), REGION, "s3")
    request = HttpRequest(
        "PUT", "/bucket/key", "", {"host": HOST, "x-amz-decoded-content-length": "5"}
    )
    added = sign_headers(
        "PUT", request.path, "", request.headers, payload,
        access_key_id=ACCESS_KEY_ID, secret=SECRET, region=REGION, service="s3", now=wall_clock(),
    )  # fmt: skip
    request = changed(request, add=added)
    proof = find_proof(request, wall_clock())
    assert proof is not None
    assert proof.payload_hash == headers["X-Amz-Content-SHA256"]
    verify(request, proof, key)


def test_a_session_token_is_read_from_header_and_query() -> None:
    for request in (signed(token="to/ken+=="), presigned(token="to/ken+==")):
        proof = find_proof(request, wall_clock())
        assert proof is not None
        assert proof.session_token == "to/ken+=="
        accept(request, wall_clock())


def test_an_unsigned_request_has_no_proof() -> None:
    assert find_proof(HttpRequest("GET", "/bucket/key", "a=b%20c&X=1", {"host": HOST}), 0.0) is None


def test_the_published_signing_key_is_derived() -> None:
    # AWS, "Examples of how to derive a signing key for Signature Version 4".
    key = derive_signing_key(
        "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20120215", "us-east-1", "iam"
    )
    assert key.hex() == "f4780e2d9f65fa895f9c67b32ce1baf0b0d8a43505a000a1a9e090d414db404d"


PUBLISHED_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


def test_the_published_s3_example_verifies() -> None:
    # S3 API reference, "Examples: Signature calculations", GET Object with a range.
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    request = HttpRequest(
        "GET",
        "/test.txt",
        "",
        {
            "host": "examplebucket.s3.amazonaws.com",
            "range": "bytes=0-9",
            "x-amz-content-sha256": empty,
            "x-amz-date": "20130524T000000Z",
            "authorization": "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/"
            "aws4_request,SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature="
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        },
    )
    proof = find_proof(request, 1369353600.0)
    assert proof is not None
    check_time(proof, 1369353600.0)
    check_scope(proof, regions=frozenset({"us-east-1"}), services=frozenset({"s3"}))
    verify(request, proof, derive_signing_key(PUBLISHED_SECRET, "20130524", "us-east-1", "s3"))


def test_the_published_presigned_example_verifies() -> None:
    # S3 API reference, "Authenticating Requests: Using Query Parameters".
    request = HttpRequest(
        "GET",
        "/test.txt",
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
        "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404",
        {"host": "examplebucket.s3.amazonaws.com"},
    )
    proof = find_proof(request, 1369353600.0)
    assert proof is not None
    verify(request, proof, derive_signing_key(PUBLISHED_SECRET, "20130524", "us-east-1", "s3"))


# Equivalent spellings: a client signs the first, a proxy or library sends the second.
SPELLINGS = [
    ("/bucket/a-b_c.d~e", "/bucket/%61%2Db%5Fc%2Ed%7Ee"),
    ("/bucket/a%2Bb", "/bucket/a+b"),
    ("/bucket/%C3%BC", "/bucket/%c3%bc"),
    ("/bucket/a%3Db%40c%27", "/bucket/a=b@c'"),
    ("/bucket/a/b", "/bucket/a%2Fb"),
    ("/bucket/key?prefix=a%20b", "/bucket/key?prefix=a+b"),
    ("/bucket/key?prefix=a%2Fb", "/bucket/key?prefix=a/b"),
    ("/bucket/key?acl=", "/bucket/key?acl"),
    ("/bucket/key?a=1&b=2", "/bucket/key?b=2&a=1"),
    ("/bucket/key?a=1&a=2", "/bucket/key?a=2&a=1"),
    ("/bucket/key?a=1&b=2", "/bucket/key?a=1&&b=2&"),
    ("/bucket/key?a=%C3%BC", "/bucket/key?%61=%c3%bc"),
]


@pytest.mark.parametrize(("as_signed", "as_sent"), SPELLINGS)
def test_equivalent_spellings_verify(as_signed: str, as_sent: str) -> None:
    request = signed("GET", as_signed)
    path, _, query = as_sent.partition("?")
    accept(changed(request, path=path, query=query), wall_clock())


def test_header_values_are_trimmed_and_runs_of_spaces_collapsed() -> None:
    request = signed("PUT", headers={"x-amz-meta-note": "a b c", "content-type": "text/plain"})
    accept(changed(request, add={"x-amz-meta-note": "  a   b\t c "}), wall_clock())
    accept(changed(request, add={"content-type": " text/plain"}), wall_clock())


def test_headers_in_latin_1_are_verified_by_their_bytes() -> None:
    now = wall_clock()
    headers = {"host": HOST, "x-amz-meta-name": "é".encode().decode("latin-1")}
    request = HttpRequest("PUT", "/bucket/key", "", headers)
    added = sign_headers(
        "PUT", "/bucket/key", "", headers, SHA,
        access_key_id=ACCESS_KEY_ID, secret=SECRET, region=REGION, service="s3", now=now,
    )  # fmt: skip
    accept(changed(request, add=added), now)


def test_an_expect_header_that_a_proxy_consumed_is_restored() -> None:
    now = wall_clock()
    headers = {"host": HOST, "expect": "100-continue"}
    added = sign_headers(
        "PUT", "/bucket/key", "", headers, SHA,
        access_key_id=ACCESS_KEY_ID, secret=SECRET, region=REGION, service="s3", now=now,
    )  # fmt: skip
    accept(HttpRequest("PUT", "/bucket/key", "", {"host": HOST, **added}), now)


def test_a_signed_date_header_serves_where_there_is_no_x_amz_date() -> None:
    request = signed("GET", headers={"Date": formatdate(usegmt=True)})
    assert "x-amz-date" not in request.headers
    accept(request, wall_clock())


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/orders/1",
        "/a%20b",
        "/a//b",
        "/a/./b",
        "/a/../b/",
        "/%C3%BC",
        "/a?x=1&y=",
        "/a+b?c=d%2Fe",
    ],
)
def test_other_services_sign_the_path_encoded_twice_and_normalised(target: str) -> None:
    accept(signed_for("orders", "GET", target), wall_clock())
    accept(signed_for("orders", "POST", target, body=b'{"a": 1}'), wall_clock())
    accept(presigned_for("orders", "GET", target), wall_clock())


def test_our_own_signer_and_botocores_agree() -> None:
    now = wall_clock()
    request = signed("PUT", "/bucket/a%20b?x=y&acl", headers={"content-type": "text/plain"})
    headers = {
        name: value for name, value in request.headers.items() if name in {"host", "content-type"}
    }
    proof = find_proof(request, now)
    assert proof is not None
    added = sign_headers(
        "PUT", request.path, request.query, headers, request.headers["x-amz-content-sha256"],
        access_key_id=ACCESS_KEY_ID, secret=SECRET, region=REGION, service="s3", now=proof.signed_at,
    )  # fmt: skip
    assert added["authorization"] == request.headers["authorization"]


def test_a_proof_keeps_its_secrets_to_itself() -> None:
    request = signed(token="the-session-token")
    proof = find_proof(request, wall_clock())
    assert proof is not None
    assert "the-session-token" not in repr(proof)
    assert proof.signature not in f"{proof}"


def test_the_signing_key_is_the_chain_of_hmacs() -> None:
    key = b"AWS4" + SECRET.encode()
    for part in ("20260102", "eu-west-1", "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    assert derive_signing_key(SECRET, "20260102", "eu-west-1", "s3") == key
    assert derive_signing_key(SECRET.encode(), "20260102", "eu-west-1", "s3") == key


@given(secret=st.binary(max_size=200), region=st.text(max_size=20))
def test_the_signing_key_is_what_the_standard_librarys_hmac_makes(
    secret: bytes, region: str
) -> None:
    region = region.encode(errors="replace").decode()
    key = b"AWS4" + secret
    for part in ("20260102", region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    assert derive_signing_key(secret, "20260102", region, "s3") == key


def test_the_parts_of_an_authorization_header_may_stand_in_any_order() -> None:
    request = signed()
    scheme, _, rest = request.headers["authorization"].partition(" ")
    parts = rest.split(", ")
    for order in permutations(parts):
        for comma in (",", ", ", " ,  "):
            accept(
                changed(request, add={"authorization": f"{scheme} {comma.join(order)}"}),
                wall_clock(),
            )


CONFIG = S3Config(endpoints=("s3.example.test",), keeps_leading_slash=True)
KEYS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=60
).filter(lambda key: {".", ".."}.isdisjoint(key.split("/")))


@given(key=KEYS)
@settings(max_examples=150, deadline=None)
def test_any_key_that_a_client_signs_verifies_and_is_the_key_that_is_authorized(key: str) -> None:
    # As botocore writes keys into URLs: `percent_encode(key, safe="/~")`.
    target = f"/bucket/{quote(key, safe='/~')}"
    for request in (signed("GET", target), presigned("GET", target)):
        accept(request, wall_clock())
        operation = parse_s3(request, find_proof(request, wall_clock()), CONFIG)
        assert (operation.bucket, operation.key) == ("bucket", key)
        assert operation.checks[0].resource == f"arn:aws:s3:::bucket/{key}"


TEXT = st.text(st.characters(max_codepoint=0x2FF, exclude_characters="\0"), max_size=12)


@given(pairs=st.lists(st.tuples(TEXT, TEXT), max_size=6))
@settings(max_examples=150, deadline=None)
def test_a_canonical_query_is_sorted_and_stays_as_it_is(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    canonical = canonical_query(query)
    assert canonical_query(canonical) == canonical
    encoded = sorted((quote(name, safe=""), quote(value, safe="")) for name, value in pairs)
    assert canonical == "&".join(f"{name}={value}" for name, value in encoded)


@given(path=st.text("abAZ09-._~/%+ =:@!", max_size=30))
@settings(max_examples=200, deadline=None)
def test_a_canonical_path_stays_as_it_is(path: str) -> None:
    canonical = canonical_path(f"/{path}", is_s3=True)
    assert canonical_path(canonical, is_s3=True) == canonical
