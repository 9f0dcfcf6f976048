"""`authz policy validate` on the command line: exit codes, forms, several files, standard input."""

import json

import pytest
from click.testing import CliRunner

from authz.cli.main import cli

GOOD = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}}  # fmt: skip
WRONG = {**GOOD, "Statement": {**GOOD["Statement"], "Action": "s3:GetObjet"}}
RISKY = {**GOOD, "Statement": {**GOOD["Statement"], "Action": "*", "Resource": "*"}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, document in {"good": GOOD, "wrong": WRONG, "risky": RISKY}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    def call(*arguments, **options):
        return CliRunner().invoke(
            cli, ("policy", "validate", *arguments), prog_name="authz", **options
        )

    return call


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["good.json"], 0),
        (["risky.json"], 0),
        (["risky.json", "--strict"], 1),
        (["good.json", "--strict"], 0),
        (["wrong.json"], 1),
        (["good.json", "wrong.json"], 1),
        (["missing.json"], 2),
        ([], 2),
    ],
)
def test_the_exit_code_answers(run, arguments, code):
    assert run(*arguments).exit_code == code


def test_findings_of_all_files_are_printed(run):
    result = run("good.json", "wrong.json")
    assert "wrong.json:1:" in result.output
    assert "did you mean `s3:GetObject`" in result.output
    assert result.output.splitlines()[-1] == "1 finding in 2 documents"


def test_standard_input_is_read(run):
    result = run("-", input=json.dumps(WRONG))
    assert result.exit_code == 1
    assert "AZ102" in result.output


@pytest.mark.parametrize("arguments", [["--format", "json"], ["--format", "sarif"]])
def test_forms_for_programs_are_json(run, arguments):
    assert json.loads(run("wrong.json", *arguments).output)


def test_the_kind_decides_how_a_document_is_read(run):
    assert run("good.json", "--kind", "resource").exit_code == 1
    assert run("good.json", "--kind", "session").exit_code == 0


def test_control_characters_of_a_name_are_not_printed(run, tmp_path):
    (tmp_path / "a\x1b[31m.json").write_text(json.dumps(WRONG))
    assert "\x1b" not in run("a\x1b[31m.json").output
