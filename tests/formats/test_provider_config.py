"""A provider's configuration is read strictly: nothing unknown, nothing converted, everything bounded."""

from collections.abc import Callable
from typing import Any

import pytest

from authz.errors import InvalidError
from authz.formats.provider_config import LIST_LIMIT, TEXT_LIMIT, Members

KNOWN = ("issuer", "client_ids", "insecure_http", "timeout", "size")


def read(**raw: object) -> Members:
    return Members(raw, KNOWN)


def test_members_are_read_by_their_kind() -> None:
    members = read(
        issuer="https://id.example.com/realms/one",
        client_ids=["a", "b"],
        insecure_http=True,
        timeout="1.5m",
        size=3,
    )
    assert members.url("issuer") == "https://id.example.com/realms/one"
    assert members.names("client_ids") == ("a", "b")
    assert members.flag("insecure_http") is True
    assert members.seconds("timeout", low=1, high=100) == 90.0
    assert members.whole("size", low=1, high=3) == 3
    assert members.has("issuer")


def test_a_member_that_is_not_there_is_its_default() -> None:
    members = read()
    assert members.text("issuer", "") == ""
    assert members.url("issuer", "") == ""
    assert members.names("client_ids", ()) == ()
    assert members.flag("insecure_http") is False
    assert members.seconds("timeout", 5, low=1, high=9) == 5.0
    assert members.whole("size", 0, low=0, high=9) == 0
    assert not members.has("size")


def test_a_whole_number_that_protobuf_carried_is_one() -> None:
    assert read(size=3.0).whole("size", low=1, high=3) == 3


@pytest.mark.parametrize(
    ("raw", "field", "message"),
    [
        ({"isuer": ""}, "config.isuer", "there is no member `isuer`; did you mean `issuer`?"),
        ({"x": 1}, "config.x", "there is no member `x`"),
        ({"x`\n" * 400: 1}, None, None),
    ],
)
def test_an_unknown_member_is_an_error_that_names_the_nearest(
    raw: dict[str, object], field: str | None, message: str | None
) -> None:
    with pytest.raises(InvalidError) as error:
        Members(raw, KNOWN)
    assert message is None or error.value.message == message
    assert field is None or error.value.field == field
    assert "\n" not in error.value.message
    assert len(error.value.message) < 200


Reader = Callable[[Members], Any]


@pytest.mark.parametrize(
    "reading",
    [
        lambda m: m.text("issuer"),
        lambda m: m.url("issuer"),
        lambda m: m.names("issuer"),
        lambda m: m.whole("issuer", low=0, high=1),
        lambda m: m.seconds("issuer", low=0, high=1),
        lambda m: m.choice("issuer", ("a",)),
    ],
)
def test_a_member_without_a_default_must_be_there(reading: Reader) -> None:
    with pytest.raises(InvalidError, match="is missing") as error:
        reading(read())
    assert error.value.field == "config.issuer"


@pytest.mark.parametrize("value", [None, 1, True, ["a"], {}, "a\x00", "a\n", " a", "a ", "x" * (TEXT_LIMIT + 1), ""])  # fmt: skip
def test_what_is_not_a_text_is_refused(value: object) -> None:
    with pytest.raises(InvalidError) as error:
        read(issuer=value).text("issuer")
    assert error.value.field == "config.issuer"


@pytest.mark.parametrize("value", [None, 0, 1, "true", "", []])
def test_what_is_not_a_flag_is_refused(value: object) -> None:
    with pytest.raises(InvalidError, match="neither true nor false"):
        read(insecure_http=value).flag("insecure_http")


@pytest.mark.parametrize("value", [None, "a", [1], [None], [""], ["a", "a"], [["a"]], {"a": 1}, [], [str(n) for n in range(LIST_LIMIT + 1)]])  # fmt: skip
def test_what_is_not_a_list_of_names_is_refused(value: object) -> None:
    with pytest.raises(InvalidError) as error:
        read(client_ids=value).names("client_ids")
    assert error.value.field == "config.client_ids"


@pytest.mark.parametrize("value", [None, "3", True, 0, 11, 2.5, float("nan"), float("inf"), 10**400])  # fmt: skip
def test_what_is_not_a_whole_number_within_its_bounds_is_refused(value: object) -> None:
    with pytest.raises(InvalidError, match="from 1 to 10"):
        read(size=value).whole("size", low=1, high=10)


@pytest.mark.parametrize("value", [None, True, "5", "5 m", "-1s", "1e3s", "9" * 30 + "s", "0s", 0, 101, float("nan"), float("inf"), "2m"])  # fmt: skip
def test_what_is_not_a_duration_within_its_bounds_is_refused(value: object) -> None:
    with pytest.raises(InvalidError, match="is not a duration"):
        read(timeout=value).seconds("timeout", low=1, high=100)


def test_a_choice_is_one_of_the_known_words() -> None:
    assert read(issuer="a").choice("issuer", ("", "a")) == "a"
    assert read().choice("issuer", ("", "a"), "") == ""
    with pytest.raises(InvalidError, match="is `b`, and none of `a`"):
        read(issuer="b").choice("issuer", ("", "a"))


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.com",
        "https://id.example.com:8443/a/b?c=d",
        "https://[::1]:8443/",
        "https://10.0.0.1",
    ],
)
def test_a_url_of_https_is_taken_as_it_is_written(url: str) -> None:
    assert read(issuer=url).url("issuer") == url


@pytest.mark.parametrize(
    "url",
    [
        "id.example.com",
        "//id.example.com",
        "https://",
        "https:///path",
        "https://user@id.example.com",
        "https://user:secret@id.example.com",
        "https://id.example.com#fragment",
        "https://id.example.com:0",
        "https://id.example.com:",
        "https://id.example.com:99999",
        "https://id.example.com:x",
        "https://id.exam ple.com",
        "https://id.example.com\\@evil.example",
        "https://idé.example.com",
        "HTTPS://id.example.com",
        "ftp://id.example.com",
        "file:///etc/passwd",
        "https://[::1",
    ],
)
def test_what_is_not_a_plain_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidError, match="is not a URL") as error:
        read(issuer=url).url("issuer", is_http_let=True)
    assert "secret" not in error.value.message


@pytest.mark.parametrize("host", ["id.example.com", "127.0.0.1", "localhost", "[::1]"])
def test_http_is_refused_unless_the_configuration_lets_it(host: str) -> None:
    members = read(issuer=f"http://{host}/")
    with pytest.raises(InvalidError, match="is not a URL of https"):
        members.url("issuer")
    assert members.url("issuer", is_http_let=True) == f"http://{host}/"
