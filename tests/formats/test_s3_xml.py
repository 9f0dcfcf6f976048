"""Error documents are well-formed whatever stands in them, and every code has a status."""

from xml.etree import ElementTree as ET

import pytest
from botocore.parsers import RestXMLParser
from hypothesis import given
from hypothesis import strategies as st

from authz.formats.s3_xml import STATUS, S3RequestError, render_error, status_of


def test_an_error_is_the_document_that_clients_parse() -> None:
    body = render_error("AccessDenied", "no <b>", "/bucket/a&b", "id-1")
    parsed = RestXMLParser().parse({"status_code": 403, "headers": {}, "body": body}, None)
    assert parsed["Error"]["Code"] == "AccessDenied"
    assert parsed["Error"]["Message"] == "no <b>"
    assert ET.fromstring(body).findtext("Resource") == "/bucket/a&b"
    assert ET.fromstring(body).findtext("RequestId") == "id-1"


@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_any_text_makes_a_well_formed_document(text: str) -> None:
    root = ET.fromstring(render_error(text, text, text, text))
    assert [child.tag for child in root] == ["Code", "Message", "Resource", "RequestId"]


@given(
    st.text(
        st.characters(
            codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"
        ),
        max_size=40,
    )
)
def test_printable_text_comes_through(text: str) -> None:
    assert (ET.fromstring(render_error("A", text, "/", "1")).findtext("Message") or "") == text


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("AccessDenied", 403),
        ("InvalidAccessKeyId", 403),
        ("SignatureDoesNotMatch", 403),
        ("RequestTimeTooSkewed", 403),
        ("InvalidRequest", 400),
        ("MethodNotAllowed", 405),
        ("NotImplemented", 501),
        ("SlowDown", 503),
        ("NeverHeardOf", 403),
    ],
)
def test_a_code_has_its_status(code: str, status: int) -> None:
    assert status_of(code) == status
    assert S3RequestError(code, "message").status == status


def test_no_error_looks_like_success() -> None:
    assert all(400 <= status < 600 for status in STATUS.values())
