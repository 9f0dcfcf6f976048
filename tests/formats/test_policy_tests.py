"""Files of policy tests are read strictly, and results become JUnit XML."""

import xml.etree.ElementTree as ET

import pytest

from authz.errors import ParseError
from authz.formats.junit import CaseResult, render_junit
from authz.formats.policy_tests import BYTES_LIMIT, Expected, parse_policy_tests

DOCUMENT = (
    '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
)
HEAD = f"policies: {{all: {DOCUMENT}, file: other.json}}\n"
WHEN = "when: {action: s3:GetObject, resource: 'arn:aws:s3:::b/k'}"


def parse(text, files=None):
    files = {"other.json": DOCUMENT} if files is None else files
    return parse_policy_tests(text.encode(), lambda path: files[path])


def a_test(*, head=HEAD, given="{}", when=WHEN, then="allowed", name="it is so"):
    return f"{head}tests:\n- name: {name}\n  given: {given}\n  {when}\n  then: {then}\n"


def test_a_test_has_what_the_file_says():
    [test] = parse(
        a_test(
            given="{policies: file, principal: {user: alice, groups: staff, tags: {team: blue}}, "
            "context: {AWS:SourceIp: 192.0.2.7, s3:max-keys: 5, aws:SecureTransport: true, aws:groups: [a, b]}, "
            "now: 2026-01-31T12:00:00Z}",
            then="{verdict: Explicitly-Denied, statement: file/0}",
        )
    )
    assert test.name == "it is so"
    assert [policy.arn for policy in test.policies] == ["file"]
    assert (test.actor.user, test.actor.groups, test.actor.tags) == (
        "alice",
        ("staff",),
        {"team": "blue"},
    )
    assert test.context == {
        "aws:sourceip": ("192.0.2.7",),
        "s3:max-keys": ("5",),
        "aws:securetransport": ("true",),
        "aws:groups": ("a", "b"),
    }
    assert test.now == 1_769_860_800.0
    assert (test.expected, test.statement) == (Expected.EXPLICITLY_DENIED, "file/0")


def test_without_policies_a_test_has_all_of_the_file_and_the_files_principal():
    [test] = parse(a_test(head=f"{HEAD}principal: {{user: bob}}\n"))
    assert [policy.arn for policy in test.policies] == ["all", "file"]
    assert test.actor.user == "bob"
    assert test.now is None


def test_a_version_that_yaml_takes_for_a_date_is_a_version():
    head = "policies:\n  a:\n    Version: 2012-10-17\n    Statement: {Effect: Allow, Action: '*', Resource: '*'}\n"
    [test] = parse(a_test(head=head))
    assert test.policies[0].source.version == "2012-10-17"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[", "not valid YAML"),
        ("a: &a b\nc: *a", "aliases are not supported at line 2 column 4"),
        ("!!python/object:os.system {}", "not valid YAML"),
        ("\x00", "not valid YAML"),
        ("when: 2026-99-99", "not valid YAML"),
        (" " * (BYTES_LIMIT + 1), "at most"),
        ("a: 1", "unknown element `a`"),
        (HEAD, "not empty is needed at tests"),
        (a_test(then="maybe"), "unknown verdict `maybe`"),
        (a_test(then="{}"), "expected text at tests[0].then.verdict"),
        (a_test(given="{policies: none}"), "there is no policy `none`"),
        (a_test(given="{polices: all}"), "unknown element `polices`"),
        (a_test(given="{now: later}"), "`later` is not a time"),
        (a_test(given="{principal: [a]}"), "expected names with values"),
        (a_test(when="when: {action: [a]}"), "expected text"),
        (a_test(head="policies: {a: {Version: x}}\n"), "unknown policy version `x`"),
        (a_test(head="policies: {a: 1}\n"), "must be an object"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text, problem):
    with pytest.raises(ParseError) as raised:
        parse(text)
    assert problem in raised.value.message
    assert "\n" not in raised.value.message


def test_deep_nesting_is_refused():
    with pytest.raises(ParseError):
        parse("a: " + "[" * 1_000)


def test_junit_counts_and_escapes():
    text = render_junit([
        CaseResult(suite="a.yaml", name="one", failure=""),
        CaseResult(suite="a.yaml", name='t<w>o & "3"', failure="expected <this>\n]]> \x1b"),
        CaseResult(suite="b.yaml", name="four", failure=""),
    ])  # fmt: skip
    root = ET.fromstring(text)
    assert [(s.get("name"), s.get("tests"), s.get("failures")) for s in root] == [
        ("a.yaml", "2", "1"),
        ("b.yaml", "1", "0"),
    ]
    failed = root[0][1]
    assert failed.get("name") == 't<w>o & "3"'
    assert failed[0].get("message") == "expected <this>"
    assert failed[0].text == "expected <this>\n]]> ?"
