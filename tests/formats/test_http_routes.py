"""Routes of configured services: the first match decides, no match refuses, nothing ambiguous passes."""

import tomllib
from typing import Any

import pytest

from authz.errors import ParseError
from authz.formats.check import Check
from authz.formats.http_routes import HttpRoutes, OtherProofs, parse_mappings, parse_routes
from authz.formats.s3_xml import S3RequestError
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import find_proof, sign_headers

ORDERS = """
name = "orders"
services = ["orders", "execute-api"]

[[route]]
method = "GET"
path = "/orders"
action = "orders:ListOrders"
resource = "*"
facts = { "orders:Tenant" = "header:X-Tenant", "orders:Tag/Color" = "query:color" }

[[route]]
method = ["GET", "HEAD"]
path = "/orders/latest"
action = "orders:GetLatest"
resource = "arn:aws:orders:::latest"

[[route]]
method = ["GET", "HEAD"]
path = "/orders/{order_id}"
action = "orders:GetOrder"
resource = "arn:aws:orders:::order/{order_id}"

[[route]]
method = "PUT"
path = "/orders/{order_id}/items/{item_id}"
action = "orders:PutItem"
resource = "arn:aws:orders:::order/{order_id}/item/{item_id}"

[[route]]
method = "*"
path = "/files/{rest...}"
action = "orders:UseFile"
resource = "arn:aws:orders:::file/{rest}"
"""


@pytest.fixture(scope="module")
def orders() -> HttpRoutes:
    return parse_routes(tomllib.loads(ORDERS))


def ask(routes: HttpRoutes, line: str, headers: dict[str, str] | None = None, **more: Any) -> Check:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    (check,) = routes.match(HttpRequest(method, path, query, headers or {}, **more))
    return check


@pytest.mark.parametrize(
    ("line", "action", "resource"),
    [
        ("GET /orders", "orders:ListOrders", "*"),
        ("GET /orders?page=2", "orders:ListOrders", "*"),
        ("GET /orders/latest", "orders:GetLatest", "arn:aws:orders:::latest"),
        ("GET /orders/7", "orders:GetOrder", "arn:aws:orders:::order/7"),
        ("HEAD /orders/7", "orders:GetOrder", "arn:aws:orders:::order/7"),
        ("GET /orders/a%20b%2B%C3%BC", "orders:GetOrder", "arn:aws:orders:::order/a b+ü"),
        ("GET /orders/*", "orders:GetOrder", "arn:aws:orders:::order/*"),
        ("GET /orders/%7Border_id%7D", "orders:GetOrder", "arn:aws:orders:::order/{order_id}"),
        ("PUT /orders/7/items/%7Border_id%7D", "orders:PutItem", "arn:aws:orders:::order/7/item/{order_id}"),
        ("POST /files/a/b/c", "orders:UseFile", "arn:aws:orders:::file/a/b/c"),
        ("DELETE /files/a/", "orders:UseFile", "arn:aws:orders:::file/a/"),
    ],
)  # fmt: skip
def test_the_first_route_that_matches_says_what_is_asked(
    orders: HttpRoutes, line: str, action: str, resource: str
) -> None:
    assert ask(orders, line) == Check(action, resource, {})


def test_a_mapping_has_a_name_and_the_services_of_signatures(orders: HttpRoutes) -> None:
    assert (orders.name, orders.services) == ("orders", {"orders", "execute-api"})


@pytest.mark.parametrize(
    "line",
    ["GET /", "POST /orders", "get /orders", "GET /orders/", "GET /orders/7/items", "GET /Orders", "GET /files", "GET /files/", "DELETE /orders/7", "GET /ordersx"],
)  # fmt: skip
def test_what_matches_no_route_is_refused(orders: HttpRoutes, line: str) -> None:
    with pytest.raises(S3RequestError) as caught:
        ask(orders, line)
    assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)


@pytest.mark.parametrize(
    "path",
    [
        "", "*", "orders", "/orders/../orders", "/orders/./7", "/orders/%2e%2e", "/orders/.%2E/x", "//orders",
        "/orders//7", "/files/a//b", "/files/a/../b", "/orders/a%2Fb", "/orders/a%2fb", "/orders/a%5Cb", "/orders/a\\b",
        "/orders/%00", "/orders/%", "/orders/%ZZ", "/orders/%FF", "/orders/\u00fc", "/orders/a b", "/orders/a#b",
        "/orders/1;x", "/orders;/1", "/" + "a" * 9000,
    ],
)  # fmt: skip
def test_an_ambiguous_path_is_refused(orders: HttpRoutes, path: str) -> None:
    with pytest.raises(S3RequestError) as caught:
        orders.match(HttpRequest("GET", path, "", {}))
    assert caught.value.code == "InvalidURI"


def test_facts_come_from_the_listed_headers_and_parameters_only(orders: HttpRoutes) -> None:
    headers = {"x-tenant": " a ", "x-other": "b", "orders:tag/Color": "c", "user-agent": "curl"}
    check = ask(orders, "GET /orders?color=red+1&orders:Tenant=x&Color=blue", headers)
    assert check.facts == {
        "orders:tenant": ("a",),
        "orders:tag/Color": ("red 1",),
        "aws:useragent": ("curl",),
    }


def test_a_header_that_is_a_fact_must_be_signed(orders: HttpRoutes) -> None:
    headers = {"host": "a"}
    headers |= sign_headers(
        "GET", "/orders", "", headers, "UNSIGNED-PAYLOAD",
        access_key_id="AK", secret="s", region="us-east-1", service="orders", now=0.0,
    )  # fmt: skip
    added = HttpRequest("GET", "/orders", "", {**headers, "x-tenant": "somebody-else"})
    proof = find_proof(added, 0.0)
    assert proof is not None
    with pytest.raises(S3RequestError, match="`x-tenant` must be signed") as caught:
        orders.match(added, proof)
    assert caught.value.code == "AccessDenied"

    (check,) = orders.match(added, proof._replace(signed_headers=("host", "x-tenant")))
    assert check.facts["orders:tenant"] == ("somebody-else",)
    assert orders.match(HttpRequest("GET", "/orders", "", headers), proof)


def test_a_fact_that_is_said_twice_is_refused(orders: HttpRoutes) -> None:
    for line, repeated in (("GET /orders?color=a&color=b", ()), ("GET /orders", ("x-tenant",))):
        with pytest.raises(S3RequestError) as caught:
            ask(orders, line, {"x-tenant": "a,b"}, repeated=frozenset(repeated))
        assert caught.value.code == "InvalidRequest"


@pytest.mark.parametrize("query", ["color=%ZZ", "%FF=1", "color=" + "a" * 9000])
def test_a_query_that_cannot_be_read_is_refused(orders: HttpRoutes, query: str) -> None:
    with pytest.raises(S3RequestError) as caught:
        ask(orders, f"GET /orders?{query}")
    assert caught.value.code == "InvalidURI"


ROUTE = {"method": "GET", "path": "/a/{id}", "action": "a:Get", "resource": "arn:aws:a:::a/{id}"}
MAPPING = {"name": "a", "services": ["a"], "route": [ROUTE]}


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"name": "A b"}, "name"),
        ({"name": 1}, "name"),
        ({"services": []}, "services"),
        ({"services": [1]}, "services"),
        ({"extra": 1}, "extra"),
        ({"route": []}, "route"),
        ({"route": {}}, "route"),
        ({"route": [1]}, "route[0]"),
        ({"route": [ROUTE] * 1001}, "route"),
        ({"bearer": []}, "bearer"),
        ({"bearer": ["id_token", "access_token"]}, "bearer"),
        ({"bearer": "ID_TOKEN"}, "bearer"),
        ({"bearer": True}, "bearer"),
        ({"certificates": "yes"}, "certificates"),
        ({"certificates": 1}, "certificates"),
        ({"strip_authorization": 0}, "strip_authorization"),
    ],
)
def test_a_mapping_that_is_wrong_is_refused_with_its_place(
    change: dict[str, Any], place: str
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_routes({**MAPPING, **change})
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"method": "get"}, "method"),
        ({"method": []}, "method"),
        ({"method": ["GET", "*"]}, "method"),
        ({"path": "a"}, "path"),
        ({"path": "/a/{id}/{id}"}, "path"),
        ({"path": "/a/x{id}"}, "path"),
        ({"path": "/a/{Id}"}, "path"),
        ({"path": "/a/{id...}/b"}, "path"),
        ({"path": "/a/../{id}"}, "path"),
        ({"path": "/a//{id}"}, "path"),
        ({"path": "/a/*/{id}"}, "path"),
        ({"path": "/a;b/{id}"}, "path"),
        ({"path": "/a/%41/{id}"}, "path"),
        ({"action": "Get"}, "action"),
        ({"action": "a:*"}, "action"),
        ({"resource": "arn:aws:a:::{other}"}, "resource"),
        ({"resource": "arn:aws:{id}:::a"}, "resource"),
        ({"resource": "arn:aws:a:::{id"}, "resource"),
        ({"resource": "a/{id}"}, "resource"),
        ({"resource": ""}, "resource"),
        ({"facts": 1}, "facts"),
        ({"facts": {"a:Key": "cookie:a"}}, "facts.a:Key"),
        ({"facts": {"a:Key": 1}}, "facts.a:Key"),
        ({"facts": {"aws:username": "header:a"}}, "facts"),
        ({"facts": {"AWS:PrincipalTag/a": "header:a"}}, "facts"),
        ({"facts": {"jwt:sub": "header:a"}}, "facts"),
        ({"facts": {"key": "header:a"}}, "facts"),
        ({"methods": "GET"}, "methods"),
    ],
)
def test_a_route_that_is_wrong_is_refused_with_its_place(
    change: dict[str, Any], place: str
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_routes({**MAPPING, "route": [ROUTE, {**ROUTE, **change}]})
    assert caught.value.place == f"route[1].{place}"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, None),
        ({"certificates": False}, None),
        ({"bearer": "id_token"}, OtherProofs(frozenset({"id_token"}), False, False)),
        (
            {"bearer": ["id_token", "session_token"], "certificates": True},
            OtherProofs(frozenset({"id_token", "session_token"}), True, False),
        ),
        ({"strip_authorization": True}, OtherProofs(frozenset(), False, True)),
    ],
)
def test_a_mapping_takes_no_more_than_it_names(
    said: dict[str, Any], expected: OtherProofs | None
) -> None:
    assert parse_routes({**MAPPING, **said}).proofs == expected


def test_a_file_holds_several_mappings() -> None:
    mappings = parse_mappings({"mapping": [MAPPING, {**MAPPING, "name": "b"}]})
    assert [mapping.name for mapping in mappings] == ["a", "b"]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ({}, "mapping"),
        ({"mapping": []}, "mapping"),
        ({"mapping": [1]}, "mapping[0]"),
        ({"mappings": [MAPPING]}, "mappings"),
        ({"mapping": [MAPPING, MAPPING]}, "mapping[1].name"),
        ({"mapping": [{**MAPPING, "name": "s3"}]}, "mapping[0].name"),
        ({"mapping": [{**MAPPING, "route": [{**ROUTE, "path": "a"}]}]}, "mapping[0].route[0].path"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_place(
    document: dict[str, Any], place: str
) -> None:
    with pytest.raises(ParseError) as caught:
        parse_mappings(document)
    assert caught.value.place == place
