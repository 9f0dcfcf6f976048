"""Whatever is changed, doubled, left out or misspelt in a signed request is refused, with S3's code."""

import re
from collections.abc import Callable
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.errors import UnauthenticatedError
from authz.identity import sigv4
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import (
    DUMMY_SIGNING_KEY,
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
    signed,
    signed_for,
    wall_clock,
)

Change = Callable[[HttpRequest], HttpRequest]


def code_of(request: HttpRequest) -> str:
    with pytest.raises(UnauthenticatedError) as caught:
        accept(request, wall_clock())
    return caught.value.code


def in_header(request: HttpRequest, old: str, new: str) -> HttpRequest:
    """Change the `Authorization` header."""
    text = request.headers["authorization"]
    assert re.search(old, text), text
    return changed(request, add={"authorization": re.sub(old, new, text, count=1)})


def in_query(request: HttpRequest, old: str, new: str) -> HttpRequest:
    assert re.search(old, request.query), request.query
    return changed(request, query=re.sub(old, new, request.query, count=1))


# --- every part counts


@pytest.mark.parametrize("make", [signed, presigned])
@pytest.mark.parametrize(
    "change",
    [
        lambda r: changed(r, method="DELETE"),
        lambda r: changed(r, method="get"),
        lambda r: changed(r, path="/bucket/other"),
        lambda r: changed(r, path="/bucket//key"),
        lambda r: changed(r, path="/bucket/./key"),
        lambda r: changed(r, path="/bucket/x/../key"),
        lambda r: changed(r, path="/bucket/key/"),
        lambda r: changed(r, path="/bucket/%256Bey"),
        lambda r: changed(r, path="/bucket/KEY"),
        lambda r: changed(r, query=f"{r.query}&versionId=1"),
        lambda r: changed(r, query=f"{r.query}&acl"),
        lambda r: changed(r, add={"host": "elsewhere.example.test"}),
    ],
)
def test_a_changed_request_does_not_verify(make: Callable[[], HttpRequest], change: Change) -> None:
    assert code_of(change(make())) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: in_header(r, "Signature=.{64}", f"Signature={'0' * 64}"),
        lambda r: changed(r, add={"x-amz-content-sha256": SHA}),
        lambda r: changed(r, add={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}),
        lambda r: changed(r, add={"x-amz-meta-a": "2"}),
        lambda r: changed(r, add={"x-amz-meta-a": "1 1"}),
        lambda r: changed(r, drop=["x-amz-meta-a"]),
        lambda r: changed(r, add={"x-amz-meta-a": "1\nx-amz-meta-b:2"}),
        lambda r: changed(r, add={"x-amz-meta-a": "\u20ac"}),
        lambda r: in_header(r, "us-east-1", "eu-east-1"),
        lambda r: in_header(r, "/s3/", "/sts/"),
    ],
)
def test_a_changed_part_of_a_header_signature_does_not_verify(change: Change) -> None:
    request = change(signed("PUT", headers={"x-amz-meta-a": "1"}))
    assert code_of(request) == "SignatureDoesNotMatch"


def test_two_headers_do_not_pass_as_one_line() -> None:
    now = wall_clock()
    headers = {"host": HOST, "x-a": "1\nx-b:2"}
    with pytest.raises(UnauthenticatedError):
        sign_headers(
            "GET", "/", "", headers, SHA,
            access_key_id=ACCESS_KEY_ID, secret=SECRET, region=REGION, service="s3", now=now,
        )  # fmt: skip


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
@settings(max_examples=40, deadline=None)
def test_no_digit_of_the_signature_may_differ(at: int, digit: str) -> None:
    request = signed()
    signature = request.headers["authorization"][-64:]
    if signature[at] == digit:
        accept(request, wall_clock())
        return
    other = signature[:at] + digit + signature[at + 1 :]
    assert code_of(in_header(request, signature, other)) == "SignatureDoesNotMatch"


def test_the_dummy_key_verifies_nothing_even_what_it_signed() -> None:
    now = wall_clock()
    request = signed()
    proof = find_proof(request, now)
    assert proof is not None
    # Whoever knows the dummy key can compute this; it must not help.
    forged = proof._replace(signature=sigv4._sign(request, proof, DUMMY_SIGNING_KEY))
    with pytest.raises(UnauthenticatedError):
        verify(request, forged, DUMMY_SIGNING_KEY)


def test_a_body_that_is_not_the_signed_one_is_refused() -> None:
    request = signed("POST", "/bucket?delete=", body=b"<Delete/>")
    accept(request, wall_clock())
    assert code_of(changed(request, body=b"<Delete>more</Delete>")) == "XAmzContentSHA256Mismatch"


# --- the shape of the header


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("^AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 ", "InvalidRequest"),
        ("^AWS4-HMAC-SHA256 ", "aws4-hmac-sha256 ", "InvalidRequest"),
        ("^AWS4-HMAC-SHA256 .*", "AWS AKID:c2lnbmF0dXJl", "InvalidRequest"),
        ("^AWS4-HMAC-SHA256 .*", "Basic YTpi", "InvalidArgument"),
        ("^AWS4-HMAC-SHA256 .*", "Bearer token", "InvalidArgument"),
        ("^AWS4-HMAC-SHA256 .*", "", "InvalidArgument"),
        ("^AWS4-HMAC-SHA256 .*", "AWS4-HMAC-SHA256", "AuthorizationHeaderMalformed"),
        (", Signature=.*", "", "AuthorizationHeaderMalformed"),
        ("$", ", Signature=1", "AuthorizationHeaderMalformed"),
        ("Signature=", "signature=", "AuthorizationHeaderMalformed"),
        ("Signature=.{64}", "Signature=", "AuthorizationHeaderMalformed"),
        ("Signature=.", "Signature=A", "SignatureDoesNotMatch"),
        ("Signature=.", "Signature=", "AuthorizationHeaderMalformed"),
        ("Signature=.", "Signature=\u00e9", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=[^,]*, ", "", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=[^,]*", "SignedHeaders=", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=host;", "SignedHeaders=", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=host;", "SignedHeaders=Host;", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=host;", "SignedHeaders=host;host;", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=host;", "SignedHeaders=;host;", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=host;(.*?),", r"SignedHeaders=\1;host,", "AuthorizationHeaderMalformed"),
        ("SignedHeaders=", f"SignedHeaders={'a;' * 200}", "AuthorizationHeaderMalformed"),
        ("aws4_request", "aws5_request", "AuthorizationHeaderMalformed"),
        ("Credential=[^/]+/", "Credential=/", "AuthorizationHeaderMalformed"),
        ("Credential=[^/]+/", "Credential=", "AuthorizationHeaderMalformed"),
        ("Credential=[^/]+/", f"Credential={'A' * 300}/", "AuthorizationHeaderMalformed"),
        ("Credential=[^/]+/", f"Credential={'A' * 9000}/", "AuthorizationHeaderMalformed"),
        ("/[0-9]{8}/", "/20200101/", "AuthorizationHeaderMalformed"),
        ("/[0-9]{8}/", "/2020010/", "AuthorizationHeaderMalformed"),
        ("/[0-9]{8}/", "/\u0662\u0660200101/", "AuthorizationHeaderMalformed"),
        ("/s3/", "//", "AuthorizationHeaderMalformed"),
    ],
)
def test_a_malformed_authorization_header_is_refused(old: str, new: str, code: str) -> None:
    assert code_of(in_header(signed(), old, new)) == code


@pytest.mark.parametrize(
    "date",
    [
        "",
        "20260101",
        "20261301T000000Z",
        "20260101T250000Z",
        "20260101T000000",
        "now",
        "\uff12026101T000000Z",
    ],
)
def test_a_date_that_is_none_is_refused(date: str) -> None:
    assert code_of(changed(signed(), add={"x-amz-date": date})) in {
        "AccessDenied",
        "AuthorizationHeaderMalformed",
    }


def test_no_date_at_all_is_refused() -> None:
    assert code_of(changed(signed(), drop=["x-amz-date"])) == "AccessDenied"


def test_an_unsigned_date_header_does_not_count() -> None:
    request = changed(signed(), drop=["x-amz-date"], add={"date": "Fri, 24 May 2013 00:00:00 GMT"})
    assert code_of(request) == "AccessDenied"


@pytest.mark.parametrize(
    "value", ["", "unsigned-payload", "STREAMING-UNSIGNED-PAYLOAD", "E" * 64, SHA[:-1], f"{SHA}0"]
)
def test_an_unknown_payload_marker_is_refused(value: str) -> None:
    assert code_of(changed(signed(), add={"x-amz-content-sha256": value})) == "InvalidArgument"


def signed_over_nothing(method: str) -> HttpRequest:
    """Return a request as SDKs of other services sign it: no stated hash, and here no body."""
    return signed_for("orders", method, "/orders")


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"content-length": "18"}),
        ("POST", {"transfer-encoding": "chunked"}),
        ("POST", {}),
        ("PUT", {}),
        ("GET", {"content-length": "18"}),
        ("DELETE", {"transfer-encoding": "chunked"}),
        ("POST", {"content-length": "0", "transfer-encoding": "chunked"}),
    ],
)
def test_an_unseen_body_is_not_taken_for_an_empty_one(method: str, headers: dict[str, str]) -> None:
    request = signed_over_nothing(method)
    assert code_of(changed(request, add=headers)) == "InvalidRequest"
    accept(changed(request, add={"content-length": "0"}), wall_clock())


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_request_that_announces_no_body_has_none(method: str) -> None:
    accept(signed_over_nothing(method), wall_clock())


def test_a_body_that_was_put_in_later_does_not_have_the_signed_hash() -> None:
    empty = sha256(b"").hexdigest()
    request = signed_for("orders", "POST", "/orders", headers={"x-amz-content-sha256": empty})
    accept(changed(request, body=b""), wall_clock())
    assert code_of(changed(request, body=b"later")) == "XAmzContentSHA256Mismatch"
    announced = changed(request, add={"content-length": "5"})
    assert code_of(announced) == "XAmzContentSHA256Mismatch"
    assert code_of(changed(signed_over_nothing("POST"), body=b"later")) == "SignatureDoesNotMatch"


def test_s3_wants_the_payload_hash_in_the_header_form() -> None:
    assert code_of(changed(signed(), drop=["x-amz-content-sha256"])) == "InvalidRequest"


@pytest.mark.parametrize("make", [signed, presigned])
@pytest.mark.parametrize(
    "name",
    ["x-amz-acl", "x-amz-copy-source", "x-amz-meta-a", "x-amz-tagging", "x-minio-force-delete"],
)
def test_a_header_added_after_signing_is_refused(
    make: Callable[[], HttpRequest], name: str
) -> None:
    assert code_of(changed(make(), add={name: "1"})) == "AccessDenied"


@pytest.mark.parametrize("make", [signed, presigned])
def test_what_load_balancers_add_needs_no_signature(make: Callable[[], HttpRequest]) -> None:
    added = {"x-amzn-trace-id": "Root=1", "x-amz-cf-id": "1", "x-forwarded-for": "192.0.2.1"}
    accept(changed(make(), add=added), wall_clock())


@pytest.mark.parametrize(
    "name",
    ["authorization", "date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"],
)
def test_a_repeated_header_of_the_proof_is_refused(name: str) -> None:
    assert code_of(changed(signed(), repeated=frozenset({name}))) == "InvalidRequest"


def test_too_many_headers_are_refused() -> None:
    many = {f"x-{number}": "1" for number in range(200)}
    assert code_of(changed(signed(), add=many)) == "RequestHeaderSectionTooLarge"


def test_too_long_signed_headers_are_refused() -> None:
    request = signed("PUT", headers={"x-amz-meta-a": "1"})
    assert code_of(changed(request, add={"x-amz-meta-a": "1" * 20_000})) == "SignatureDoesNotMatch"


@pytest.mark.parametrize("path", ["/bucket/\u00fc", "/" + "a" * 9_000])
def test_a_path_that_is_not_encoded_or_too_long_is_refused(path: str) -> None:
    assert code_of(changed(signed(), path=path)) == "InvalidURI"


@pytest.mark.parametrize("query", ["a=\u00fc", "a=" + "b" * 17_000])
def test_a_query_that_is_not_encoded_or_too_long_is_refused(query: str) -> None:
    assert code_of(changed(signed(), query=query)) == "InvalidURI"


# --- the shape of a presigned query

QUERY_ERROR = "AuthorizationQueryParametersError"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("X-Amz-Algorithm=[^&]*&", "", QUERY_ERROR),
        ("X-Amz-Credential=[^&]*&", "", QUERY_ERROR),
        ("X-Amz-Date=[^&]*&", "", QUERY_ERROR),
        ("X-Amz-Expires=[^&]*&", "", QUERY_ERROR),
        ("X-Amz-SignedHeaders=[^&]*&", "", QUERY_ERROR),
        ("&X-Amz-Signature=.*", "", QUERY_ERROR),
        ("X-Amz-Algorithm=[^&]*", "X-Amz-Algorithm=AWS4-HMAC-SHA1", QUERY_ERROR),
        ("X-Amz-Signature", "x-amz-signature", QUERY_ERROR),
        ("X-Amz-Credential", "X-AMZ-Credential", QUERY_ERROR),
        ("$", "&X-Amz-Credential=A", QUERY_ERROR),
        ("$", "&X-Amz-Date=20200101T000000Z", QUERY_ERROR),
        ("$", "&X-Amz-Expires=1", QUERY_ERROR),
        ("$", "&X-Amz-Signature=1", QUERY_ERROR),
        ("$", "&X-Amz-Security-Token=1&X-Amz-Security-Token=2", QUERY_ERROR),
        ("$", "&X-%41mz-Signature=1", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=0", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=-1", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=604801", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=1e3", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=%D9%A1", QUERY_ERROR),
        ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range", QUERY_ERROR),
        ("%2Faws4_request", "%2Faws4", QUERY_ERROR),
        ("X-Amz-Date=[0-9]{8}", "X-Amz-Date=20200101", QUERY_ERROR),
        ("X-Amz-Expires=[0-9]+", "X-Amz-Expires=301", "SignatureDoesNotMatch"),
        ("X-Amz-Credential=", "X-Amz-Credential=%ZZ", "InvalidURI"),
        ("X-Amz-Credential=", "X-Amz-Credential=%FF", "InvalidURI"),
        ("$", "&AWSAccessKeyId=A", "InvalidRequest"),
    ],
)
def test_a_malformed_presigned_query_is_refused(old: str, new: str, code: str) -> None:
    assert code_of(in_query(presigned(), old, new)) == code


def test_signature_v2_in_the_query_is_refused() -> None:
    request = HttpRequest(
        "GET", "/b/k", "AWSAccessKeyId=A&Signature=b%3D&Expires=1", {"host": HOST}
    )
    with pytest.raises(UnauthenticatedError) as caught:
        find_proof(request, 0.0)
    assert caught.value.code == "InvalidRequest"


def test_a_proof_in_the_header_and_one_in_the_query_are_one_too_many() -> None:
    request = presigned()
    both = changed(request, add={"authorization": signed().headers["authorization"]})
    assert code_of(both) == "InvalidArgument"


def test_a_payload_hash_in_query_and_header_must_be_one() -> None:
    request = in_query(presigned(), "^", "X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&")
    request = in_query(request, "SignedHeaders=host", "SignedHeaders=host%3Bx-amz-content-sha256")
    assert code_of(changed(request, add={"x-amz-content-sha256": SHA})) == "InvalidArgument"


# --- published vulnerabilities of other implementations

TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


def test_cve_2025_31489_an_unsigned_trailer_upload_needs_its_signature() -> None:
    request = in_header(signed("PUT"), "Signature=.{64}", f"Signature={'0' * 64}")
    assert (
        code_of(changed(request, add={"x-amz-content-sha256": TRAILER})) == "SignatureDoesNotMatch"
    )


def test_cve_2025_31489_the_marker_cannot_be_put_on_a_signed_upload() -> None:
    request = changed(signed("PUT"), add={"x-amz-content-sha256": TRAILER})
    assert code_of(request) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "query",
    [
        f"X-Amz-Credential={ACCESS_KEY_ID}%2F20260101%2Fus-east-1%2Fs3%2Faws4_request",
        f"x-amz-credential={ACCESS_KEY_ID}",
        f"%58-Amz-Credential={ACCESS_KEY_ID}",
        "X-Amz-Signature=",
    ],
)
@pytest.mark.parametrize("headers", [{"x-amz-content-sha256": TRAILER}, {}])
def test_cve_2026_41145_a_credential_in_the_query_without_a_signature_is_no_anonymous_request(
    query: str, headers: dict[str, str]
) -> None:
    request = HttpRequest("PUT", "/bucket/key", query, {"host": HOST, **headers})
    with pytest.raises(UnauthenticatedError) as caught:
        find_proof(request, wall_clock())
    assert caught.value.code == QUERY_ERROR


def test_cve_2026_40344_an_archive_upload_is_verified_like_any_other() -> None:
    request = signed("PUT", headers={"x-amz-meta-snowball-auto-extract": "true"})
    accept(request, wall_clock())
    assert code_of(changed(request, path="/bucket/other")) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
        {"x-amz-security-token": "token"},
    ],
)
def test_half_a_proof_is_no_anonymous_request(headers: dict[str, str]) -> None:
    with pytest.raises(UnauthenticatedError) as caught:
        find_proof(HttpRequest("PUT", "/bucket/key", "", {"host": HOST, **headers}), 0.0)
    assert caught.value.code == "AccessDenied"


# --- time and scope


@pytest.mark.parametrize(
    ("make", "later", "code"),
    [
        (signed, 0, ""),
        (signed, 899, ""),
        (signed, -898, ""),
        (signed, 902, "RequestTimeTooSkewed"),
        (signed, -902, "RequestTimeTooSkewed"),
        (presigned, 298, ""),
        (presigned, 302, "AccessDenied"),
        (presigned, -898, ""),
        (presigned, -902, "AccessDenied"),
    ],
)
def test_a_proof_holds_for_its_time(make: Callable[[], HttpRequest], later: int, code: str) -> None:
    proof = find_proof(make(), wall_clock())
    assert proof is not None
    moment = proof.signed_at + later
    if not code:
        check_time(proof, moment)
        return
    with pytest.raises(UnauthenticatedError) as caught:
        check_time(proof, moment)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("make", "code"), [(signed, "AuthorizationHeaderMalformed"), (presigned, QUERY_ERROR)]
)
@pytest.mark.parametrize(
    ("regions", "services"),
    [
        ({"eu-west-1"}, {"s3"}),
        ({"us-east-1"}, {"sts"}),
        (set(), {"s3"}),
        ({"us-east-1"}, set()),
        ({""}, {"s3"}),
    ],
)
def test_a_proof_holds_for_its_region_and_service(
    make: Callable[[], HttpRequest], code: str, regions: set[str], services: set[str]
) -> None:
    proof = find_proof(make(), wall_clock())
    assert proof is not None
    check_scope(proof, regions=frozenset({"us-east-1", ""}), services=frozenset({"s3"}))
    with pytest.raises(UnauthenticatedError) as caught:
        check_scope(proof, regions=frozenset(regions), services=frozenset(services))
    assert caught.value.code == code


def test_an_empty_region_passes_only_where_it_is_configured() -> None:
    request = in_header(signed(), "/us-east-1/", "//")
    proof = find_proof(request, wall_clock())
    assert proof is not None
    assert proof.region == ""
    with pytest.raises(UnauthenticatedError):
        check_scope(proof, regions=frozenset({"us-east-1"}), services=frozenset({"s3"}))
    check_scope(proof, regions=frozenset({"us-east-1", ""}), services=frozenset({"s3"}))


def test_an_access_key_id_may_hold_a_slash_as_minios_do() -> None:
    proof = find_proof(in_header(signed(), ACCESS_KEY_ID, "team/alice"), wall_clock())
    assert proof is not None
    assert proof.access_key_id == "team/alice"
    assert proof.region == "us-east-1"


# --- anything at all


ANY = st.text(st.characters(max_codepoint=0x17F), max_size=40)


@given(authorization=ANY, query=ANY, path=ANY, value=ANY)
@settings(max_examples=300, deadline=None)
def test_nothing_but_a_refusal_comes_out_of_noise(
    authorization: str, query: str, path: str, value: str
) -> None:
    scope = f"AK/20260101/{value}/s3/aws4_request"
    for text in (
        authorization,
        f"AWS4-HMAC-SHA256 {authorization}",
        f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    ):
        headers = {
            "host": value,
            "authorization": text,
            "x-amz-date": "20260101T000000Z",
            "x-amz-content-sha256": SHA,
        }
        request = HttpRequest("GET", path, query, headers)
        with pytest.raises(UnauthenticatedError):
            accept_any(request)


def accept_any(request: HttpRequest) -> None:
    proof = find_proof(request, 1_767_225_600.0)
    assert proof is not None
    verify(request, proof, derive_signing_key(SECRET, proof.date, proof.region, proof.service))
