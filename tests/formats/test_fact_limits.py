"""Texts of clients that become condition values are bounded, one by one, whatever the proxy lets through."""

from hashlib import sha256

import pytest

from authz.formats.check import FACT_LIMIT
from authz.formats.http_routes import parse_routes
from authz.formats.s3_facts import TAG_KEY_LIMIT, TAG_VALUE_LIMIT
from authz.formats.s3_http import S3Config, parse_s3
from authz.formats.s3_xml import S3RequestError, status_of
from authz.identity.http import HttpRequest
from authz.identity.proof import HEADER, Proof

HOST = "s3.example.test"
LONGEST = "a" * FACT_LIMIT
ROUTES = parse_routes(
    {
        "name": "orders",
        "services": ["orders"],
        "route": [
            {
                "method": "GET",
                "path": "/orders",
                "action": "orders:List",
                "resource": "*",
                "facts": {"orders:Tenant": "header:x-tenant", "orders:Color": "query:color"},
            }
        ],
    }
)


def values_of(line, headers=(), *, body=None):
    """Return all condition values of an S3 request."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    request = HttpRequest(method, path, query, {"host": HOST, **dict(headers)}, body=body)
    proof = None
    if body is not None:
        request.headers["x-amz-content-sha256"] = sha256(body).hexdigest()
        proof = Proof(
            "AK", "20260101", "eu", "s3", "20260101/eu/s3/aws4_request", (), "", HEADER,
            "20260101T000000Z", 0, 0.0, None, "", "",
        )  # fmt: skip
    checks = parse_s3(request, proof, S3Config(endpoints=(HOST,))).checks
    return {value for check in checks for values in check.facts.values() for value in values}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("GET /box/k", "user-agent"),
        ("GET /box/k", "referer"),
        ("GET /box/k", "x-amz-content-sha256"),
        ("PUT /box/k", "x-amz-storage-class"),
        ("PUT /box/k", "if-match"),
        ("PUT /box/k", "x-amz-grant-read"),
    ],
)
def test_a_header_that_is_a_condition_value_has_a_longest_length_and_is_never_cut(line, name):
    assert LONGEST in values_of(line, {name: f"  {LONGEST} "})
    with pytest.raises(S3RequestError, match=f"`{name}` has more than 2,048 characters") as refused:
        values_of(line, {name: LONGEST + "a"})
    assert (refused.value.code, status_of(refused.value.code)) == ("InvalidRequest", 400)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("GET /box?prefix=", "prefix"),
        ("GET /box?delimiter=", "delimiter"),
        ("GET /box/k?versionId=", "versionId"),
    ],
)
def test_a_parameter_that_is_a_condition_value_has_a_longest_length(line, name):
    assert LONGEST in values_of(line + LONGEST)
    with pytest.raises(S3RequestError, match=f"`{name}` has more than") as refused:
        values_of(line + LONGEST + "a")
    assert refused.value.code == "InvalidRequest"


def test_spaces_at_the_ends_of_a_parameter_belong_to_it():
    assert " a " in values_of("GET /box?prefix=%20a%20")


def test_a_header_that_is_no_condition_value_may_be_longer():
    assert values_of("GET /box/k", {"cookie": LONGEST * 4, "referer": "x"}) == {"x"}


def test_a_tag_of_an_object_is_as_long_as_s3_lets_it_be():
    key, value = "k" * TAG_KEY_LIMIT, "v" * TAG_VALUE_LIMIT
    assert {key, value} <= values_of("PUT /box/k", {"x-amz-tagging": f"{key}={value}"})
    for pair in (f"{key}k={value}", f"{key}={value}v"):
        with pytest.raises(S3RequestError, match="a tag has a key of at most") as refused:
            values_of("PUT /box/k", {"x-amz-tagging": pair})
        assert refused.value.code == "InvalidTag"


@pytest.mark.parametrize(
    ("line", "body", "code"),
    [
        (
            "PUT /box/k?tagging",
            "<Tagging><TagSet><Tag><Key>k</Key><Value>{}</Value></Tag></TagSet></Tagging>",
            "InvalidTag",
        ),
        (
            "PUT /box",
            "<CreateBucketConfiguration><LocationConstraint>{}</LocationConstraint></CreateBucketConfiguration>",
            "InvalidRequest",
        ),
        (
            "POST /box?delete",
            "<Delete><Object><Key>k</Key><VersionId>{}</VersionId></Object></Delete>",
            "InvalidRequest",
        ),
    ],
)
def test_a_text_in_a_body_that_is_a_condition_value_has_a_longest_length(line, body, code):
    assert "a" in values_of(line, body=body.format("a").encode())
    with pytest.raises(S3RequestError) as refused:
        values_of(line, body=body.format(LONGEST + "a").encode())
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("query", "headers", "name"),
    [
        ("", {"x-tenant": LONGEST + "a"}, "x-tenant"),
        ("color=" + LONGEST + "a", {}, "color"),
        ("", {"user-agent": LONGEST + "a"}, "user-agent"),
    ],
)
def test_a_configured_route_bounds_its_condition_values_the_same(query, headers, name):
    with pytest.raises(S3RequestError, match=f"`{name}` has more than") as refused:
        ROUTES.match(HttpRequest("GET", "/orders", query, headers))
    assert refused.value.code == "InvalidRequest"
