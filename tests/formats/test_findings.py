"""Findings in their three forms, and where they stand in the text."""

import json

import pytest

from authz.formats.findings import (
    inspect,
    render_json,
    render_line,
    render_sarif,
    render_text,
    worst,
)
from authz.formats.json_places import find_position, locate
from authz.policy.validate import PolicyKind, Severity

DOCUMENT = """{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:GetObject", "s3:Nope"],
      "Resource": "arn:aws:s3:::photos/*",
      "Condition": {
        "StringLike": {"aws:username": "a"}
      }
    }
  ]
}
"""


@pytest.fixture
def inspected():
    return inspect("policies/read er.json", DOCUMENT.encode())


def test_positions_are_those_of_the_values():
    places = locate(DOCUMENT)
    lines = DOCUMENT.splitlines()
    for place, text in {
        "Version": '"2012-10-17"',
        "Statement[0].Action[1]": '"s3:Nope"',
        "Statement[0].Resource": '"arn:aws:s3:::photos/*"',
        "Statement[0].Condition.StringLike.aws:username": '"a"',
        "Statement[0].Condition": "{",
    }.items():
        line, column = places[place]
        assert lines[line - 1][column - 1 :].startswith(text), place


@pytest.mark.parametrize(
    ("document", "place", "expected"),
    [
        ('{"Statement":\n {"Action": "x"}}', "Statement[0].Action", (2, 13)),
        ('{"Statement":\n {"Action": "x"}}', "Statement[0].Resource", (2, 2)),
        ('{"Statement":\n {"Action": "x"}}', "Version", (1, 1)),
        ('{"a:b": ["{", "}", "\\"", 1,\n true]}', "a:b[4]", (2, 2)),
        ("", "Statement[0]", (1, 1)),
        ("]]{[,:", "Statement[0]", (1, 3)),
    ],
)
def test_a_place_that_is_not_there_is_that_of_what_is_around_it(document, place, expected):
    assert find_position(locate(document), place) == expected


def test_text_is_a_line_a_finding_and_a_count(inspected):
    assert render_text([inspected]).splitlines() == [
        "policies/read er.json:6:34: error AZ102 at Statement[0].Action[1]: Amazon S3 has no action `Nope`",
        (
            "policies/read er.json:9:40: suggestion AZ317 at Statement[0].Condition.StringLike.aws:username: "
            "no value of `aws:username` has a wildcard; write `StringEquals`"
        ),
        "2 findings in 1 document",
    ]


def test_json_tells_all_of_a_finding(inspected):
    [document] = json.loads(render_json([inspected]))["documents"]
    assert document["name"] == "policies/read er.json"
    assert document["findings"][0] == {
        "id": "AZ102",
        "severity": "error",
        "place": "Statement[0].Action[1]",
        "line": 6,
        "column": 34,
        "message": "Amazon S3 has no action `Nope`",
        "suggestion": "",
    }


def test_sarif_describes_every_check_that_it_has_results_of(inspected):
    log = json.loads(render_sarif([inspected], version="1.2.3"))
    assert log["version"] == "2.1.0"
    [run] = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("authz", "1.2.3")
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"]
    first = run["results"][0]
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "policies/read%20er.json"},
        "region": {"startLine": 6, "startColumn": 34},
    }
    assert first["locations"][0]["logicalLocations"] == [
        {"fullyQualifiedName": "Statement[0].Action[1]"}
    ]


def test_sarif_marks_security():
    document = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}'
    log = json.loads(render_sarif([inspect("a", document.encode())], version="1"))
    [described] = log["runs"][0]["tool"]["driver"]["rules"]
    assert described["properties"]["tags"] == ["security"]


@pytest.mark.parametrize(
    ("document", "position", "message"),
    [
        ("{,", (1, 2), "the document is not valid JSON"),
        ('{"Version": "2012-10-17",\n "Statement": {"Effect": "Alow"}}', (2, 26), "unknown effect `Alow`; use `Allow` or `Deny`"),
        ("\xff", (1, 1), "the document is not valid UTF-8"),
        (" " * 30_000, (1, 1), "an identity policy has at most 20,480 bytes, this one 30,000"),
    ],
)  # fmt: skip
def test_a_document_that_is_refused_has_one_error_that_says_why(document, position, message):
    [one] = inspect("a", document.encode("latin-1")).found
    assert (one.finding.id, one.finding.severity) == ("AZ001", Severity.ERROR)
    assert (one.position, one.finding.message) == (position, message)


def test_a_document_that_does_not_compile_is_refused_too():
    document = '{"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "photos"}}'
    [one] = inspect("a", document.encode()).found
    assert (one.finding.id, one.finding.place) == ("AZ001", "Statement[0].Resource")


def test_a_resource_policy_may_name_principals():
    document = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"}}'
    found = inspect("a", document.encode(), kind=PolicyKind.RESOURCE).found
    assert [one.finding.id for one in found] == ["AZ401"]


def test_the_worst_severity_is_told(inspected):
    assert worst([inspected]) is Severity.ERROR
    assert worst([]) is None


def test_a_line_can_be_had_without_its_file(inspected):
    assert render_line(inspected.found[0].finding) == (
        "error AZ102 at Statement[0].Action[1]: Amazon S3 has no action `Nope`"
    )
