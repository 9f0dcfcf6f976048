"""The page about MinIO's advisories, held to the tests that it names; and the tests' advisories to the page."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "advisories.md"
REFERENCE = re.compile(r"`(tests/[\w./-]+)::([\w-]+)`")
ADVISORY = re.compile(r"(CVE-\d{4}-\d{4,7}|GHSA(?:-[a-z0-9]{4}){3})", re.IGNORECASE)
OF_OTHERS = {"CVE-2022-21449"}
"""Weaknesses that are not MinIO's."""


def rows() -> list[list[str]]:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] not in {"advisory", "there"}]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:40])
def test_each_row_names_tests_that_exist(row):
    named = REFERENCE.findall(row[-1])
    assert named
    assert not REFERENCE.sub("", row[-1]).strip()
    for path, name in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        found = f"def {name}(" if path.endswith(".py") else f"{name}"
        assert re.search(rf"(?<![\w-]){re.escape(found)}", text), f"{path} has no {name}"


def test_each_advisory_stands_there_once():
    listed = [row[0] for row in rows()]
    assert len(listed) == len(set(listed)) > 40


def test_each_advisory_that_a_test_names_is_on_the_page():
    told = PAGE.read_text(encoding="utf-8").upper()
    for path in [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/**/*.yaml")]:
        for found in ADVISORY.findall(path.read_text(encoding="utf-8")):
            assert found.upper() in told or found in OF_OTHERS, f"{path}: {found}"
