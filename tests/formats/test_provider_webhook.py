"""The configuration of webhooks, and their answers."""

import json

import pytest

from authz.errors import InvalidError, ParseError
from authz.formats.provider_webhook import parse_answer, parse_reason, parse_webhook_config

URL = "https://auth.example.com/check"


def test_a_url_is_enough():
    config = parse_webhook_config({"url": URL})
    assert (config.url, config.groups_claim, config.ca_file, config.insecure_http) == (URL, "", "", False)  # fmt: skip
    every = parse_webhook_config({"url": "http://auth", "insecure_http": True, "groups_claim": "groups", "ca_file": "/ca.pem"})  # fmt: skip
    assert (every.groups_claim, every.ca_file) == ("groups", "/ca.pem")


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "url"),
        ({"url": ""}, "url"),
        ({"url": "http://127.0.0.1/check"}, "url"),
        ({"url": "https://user:password@auth/"}, "url"),
        ({"url": f"{URL}?token=x"}, "url"),
        ({"url": f"{URL}?a=b&%74oken="}, "url"),
        ({"url": URL, "auth_token": "secret"}, "auth_token"),
        ({"url": URL, "group_claim": "groups"}, "group_claim"),
        ({"url": URL, "groups_claim": ["groups"]}, "groups_claim"),
        ({"url": URL, "policies_allowed": ["a"]}, "policies_allowed"),
        ({"url": URL, "insecure_http": "yes"}, "insecure_http"),
    ],
)
def test_what_is_not_understood_is_refused(raw, field):
    with pytest.raises(InvalidError) as caught:
        parse_webhook_config(raw)
    assert caught.value.field == f"config.{field}"


def test_a_token_is_one_parameter_whatever_it_holds():
    token = "a&token=b#c?d/e=f+g %00"
    assert parse_webhook_config({"url": URL}).target(token) == (
        f"{URL}?token=a%26token%3Db%23c%3Fd%2Fe%3Df%2Bg%20%2500"
    )
    assert parse_webhook_config({"url": f"{URL}?v=1"}).target("x") == f"{URL}?v=1&token=x"


GOOD = {"user": "alice", "maxValiditySeconds": 900, "claims": {"team": "blue"}}


def test_an_answer_vouches_for_somebody():
    answer = parse_answer(json.dumps(GOOD).encode())
    assert (answer.user, answer.seconds, answer.claims) == ("alice", 900, {"team": "blue"})
    for without in ({}, {"claims": None}):
        bare = {key: value for key, value in GOOD.items() if key != "claims"} | without
        assert parse_answer(json.dumps(bare).encode()).claims == {}


@pytest.mark.parametrize(
    "changed",
    [
        {"user": ""}, {"user": None}, {"user": 7}, {"user": ["alice"]},
        {"maxValiditySeconds": 899}, {"maxValiditySeconds": 31_536_001}, {"maxValiditySeconds": "900"},
        {"maxValiditySeconds": True}, {"maxValiditySeconds": 900.5}, {"maxValiditySeconds": None}, {"maxValiditySeconds": -900},
        {"claims": []}, {"claims": "team=blue"}, {"groups": ["admins"]}, {"reason": "no"},
    ],
)  # fmt: skip
def test_an_answer_that_is_not_exactly_as_agreed_is_refused(changed):
    with pytest.raises(ParseError):
        parse_answer(json.dumps(GOOD | changed).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{", b"\xff", b'{"user": "alice", "user": "root", "maxValiditySeconds": 900}',
        b'{"user": "alice", "maxValiditySeconds": NaN}', b'{"user": "alice", "maxValiditySeconds": 1e3}',
        b'{"user": "\\ud800", "maxValiditySeconds": 900}',
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(body):
    with pytest.raises(ParseError):
        parse_answer(body)


def test_an_answer_of_many_small_parts_is_refused_unread():
    raw = json.dumps(GOOD)[:-2] + ', "x": [' + ",".join(["[]"] * 6_000) + "]}}"
    with pytest.raises(ParseError, match="parts"):
        parse_answer(raw.encode())
    assert parse_reason(b'{"reason": "no", "x": [' + b",".join([b"[]"] * 6_000) + b"]}") == ""


def test_a_reason_is_a_text_or_nothing():
    assert parse_reason(b'{"reason": "token expired"}') == "token expired"
    for body in (b"", b"{}", b'{"reason": 7}', b"no", b'["reason"]'):
        assert parse_reason(body) == ""
