"""Forms as strangers write them, and documents that cannot be broken out of."""

from xml.etree import ElementTree as ET

import pytest

from authz.formats.aws_query import (
    PARAMETER_LIMIT,
    Parameters,
    QueryError,
    parse_form,
    parse_request,
    render_answer,
    render_error,
)
from authz.identity.http import HttpRequest

FORM = "application/x-www-form-urlencoded"
NAMESPACE = "https://example.com/doc/"


def post(body: bytes, content_type: str = FORM, query: str = "") -> HttpRequest:
    return HttpRequest("POST", "/", query, {"content-type": content_type}, body=body)


def code_of(call, *args) -> str:
    with pytest.raises(QueryError) as caught:
        call(*args)
    return caught.value.code


def test_a_form_is_decoded_once():
    assert parse_form("a=1&b=x+y%2Bz&c=%7B%22%25%22%7D&d&&e=") == {
        "a": "1", "b": "x y+z", "c": '{"%"}', "d": "", "e": "",
    }  # fmt: skip
    assert parse_form("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "a=1&a=1",
        "a=1&%61=2",
        "Policy.member=1&Policy%2Emember=2",
        "a=%",
        "a=%G1",
        "a=%ff",
        "a=\xe9",
        "a=%C0%AF",
        "&".join(f"p{n}=1" for n in range(PARAMETER_LIMIT + 1)),
        "&" * 60_000,
    ],
)
def test_a_form_that_two_readers_could_read_differently_is_refused(text):
    assert code_of(parse_form, text) == "MalformedInput"


@pytest.mark.parametrize(
    "content_type",
    [FORM, f"{FORM}; charset=utf-8", f"{FORM};charset=UTF-8", 'APPLICATION/X-WWW-FORM-URLENCODED; charset="utf-8"'],
)  # fmt: skip
def test_a_form_is_known_by_its_type(content_type):
    assert parse_request(post(b"a=1", content_type)).take("a") == "1"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-16", f"{FORM}x",
     f"{FORM}, text/plain", f"{FORM}; charset=utf-8; a=b"],
)  # fmt: skip
def test_another_type_is_refused(content_type):
    assert code_of(parse_request, post(b"a=1", content_type)) == "MalformedInput"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_parameters_stand_in_the_body_or_in_the_query_and_never_in_both(method):
    both = HttpRequest(method, "/", "a=1", {"content-type": FORM}, body=b"a=1")
    assert code_of(parse_request, both) == "MalformedInput"
    query = HttpRequest(method, "/", "a=1", {}, body=b"")
    assert parse_request(query).take("a") == "1"


def test_the_parameters_that_sign_a_query_are_none_of_the_action():
    signed = HttpRequest("GET", "/", "a=1&X-Amz-Date=2&X-Amz-Signature=3", {}, body=b"")
    parameters = parse_request(signed)
    assert parameters.take("a") == "1"
    parameters.finish()
    in_a_body = parse_request(post(b"X-Amz-Date=2"))
    assert code_of(in_a_body.finish) == "ValidationError"


def test_members_are_in_the_order_of_their_numbers():
    parameters = Parameters({f"L.member.{n}.arn": str(n) for n in (2, 10, 1, *range(3, 10))})
    assert parameters.take_members("L", "arn") == tuple(str(n) for n in range(1, 11))
    parameters.finish()
    assert Parameters({"L": ""}).take_members("L", "arn") == ()
    assert Parameters({}).take_members("L", "arn") == ()


@pytest.mark.parametrize(
    "name", ["L.member.2.arn", "L.member.0.arn", "L.member.01.arn", "L.member.1.Arn", "L.1.arn", "L"]
)  # fmt: skip
def test_what_is_no_member_stays_and_is_refused(name):
    parameters = Parameters({name: "x"})
    assert parameters.take_members("L", "arn") == ()
    assert parameters.has("L")
    assert code_of(parameters.finish) == "ValidationError"


def test_no_text_breaks_out_of_a_document():
    hostile = "</Arn><Arn>]]>&lt;&amp;\x00\x1b\ud800\uffff\r\n\"'<!--<![CDATA["
    raw = render_answer(NAMESPACE, "Do", {"Arn": hostile, "In": {"Arn": "x"}}, "id")
    root = ET.fromstring(raw)
    assert root.tag == f"{{{NAMESPACE}}}DoResponse"
    found = root.findall(f"{{{NAMESPACE}}}DoResult/{{{NAMESPACE}}}Arn")
    assert [each.text for each in found] == [
        "</Arn><Arn>]]>&lt;&amp;\ufffd\ufffd\ufffd\ufffd\r\n\"'<!--<![CDATA["
    ]
    error = ET.fromstring(
        render_error(NAMESPACE, "Code", hostile, is_ours=False, request_id=hostile)
    )
    assert [each.tag.rpartition("}")[2] for each in error.iter()] == [
        "ErrorResponse", "Error", "Type", "Code", "Message", "RequestId",
    ]  # fmt: skip
