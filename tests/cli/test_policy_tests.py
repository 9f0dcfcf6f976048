"""`authz policy test`: passes, failures with their reasons, exit codes, JUnit, and principals that cannot be forged."""

import json
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

from authz.cli.main import cli

READER = {
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Own", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::home/${aws:username}/*"},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": {"StringEquals": {"aws:groups": "banned"}}},
    ],
}  # fmt: skip

PASSES = """
policies: {reader: reader.json}
tests:
- name: alice reads her folder
  given: {principal: {user: alice}}
  when: {action: s3:GetObject, resource: "arn:aws:s3:::home/alice/a"}
  then: {verdict: allowed, statement: reader/Own}
- name: nobody reads another's folder
  given: {principal: {user: bob}, context: {aws:username: alice}}
  when: {action: s3:GetObject, resource: "arn:aws:s3:::home/alice/a"}
  then: implicitly denied
- name: the banned read nothing
  given: {principal: {user: alice, groups: [banned]}}
  when: {action: s3:GetObject, resource: "arn:aws:s3:::home/alice/a"}
  then: {verdict: denied, statement: reader/1}
- name: without policies nothing is allowed
  given: {policies: []}
  when: {action: s3:GetObject}
  then: denied
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reader.json").write_text(json.dumps(READER))

    def call(text, *arguments):
        (tmp_path / "tests.yaml").write_text(text)
        return CliRunner().invoke(
            cli, ("policy", "test", "tests.yaml", *arguments), prog_name="authz"
        )

    return call


def test_what_is_as_expected_passes(run):
    result = run(PASSES)
    assert (result.output, result.exit_code) == ("4 passed, 0 failed\n", 0)


def test_a_failure_shows_both_verdicts_and_why(run):
    result = run(
        PASSES.replace("then: implicitly denied", "then: {verdict: allowed, statement: reader/Own}")
    )
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert lines[0] == "FAIL tests.yaml: nobody reads another's folder"
    assert [line.strip() for line in lines[1:4]] == [
        "when  bob asks for s3:GetObject on arn:aws:s3:::home/alice/a",
        "-     allowed by reader/Own",
        "+     implicitly denied",
    ]
    assert any(
        "reader/Own: does not match; Resource: `arn:aws:s3:::home/alice/a`" in line
        for line in lines
    )
    assert lines[-1] == "3 passed, 1 failed"


def test_the_right_verdict_by_another_statement_fails(run):
    result = run(PASSES.replace("statement: reader/Own", "statement: reader/Other"))
    assert "-     allowed by reader/Other" in result.output
    assert "+     allowed by reader/Own" in result.output


def test_junit_is_written_for_those_that_pass_and_fail(run, tmp_path):
    assert (
        run(
            PASSES.replace("then: implicitly denied", "then: allowed"), "--junit", "out.xml"
        ).exit_code
        == 1
    )
    [suite] = ET.fromstring((tmp_path / "out.xml").read_text())
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")


def test_json_lists_every_test(run):
    answer = json.loads(run(PASSES, "--json").output)
    assert answer["failed"] == 0
    assert [test["passed"] for test in answer["tests"]] == [True] * 4


@pytest.mark.parametrize(
    "text",
    [
        "tests: []",
        "policies: {a: missing.json}\ntests: [{name: a}]",
        "policies: {a: ../}\ntests: [{}]",
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_input(run, text):
    result = run(text)
    assert result.exit_code == 2
    assert result.output.startswith("authz: tests.yaml: ")


def test_a_time_can_be_given(run):
    policy = {"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}}}}  # fmt: skip
    text = f"""
policies: {{a: {json.dumps(policy)}}}
tests:
- {{name: before, given: {{now: 2025-12-31T23:59:59Z}}, when: {{action: s3:GetObject}}, then: allowed}}
- {{name: after, given: {{now: "2026-01-01"}}, when: {{action: s3:GetObject}}, then: denied}}
"""
    assert run(text).output == "2 passed, 0 failed\n"
