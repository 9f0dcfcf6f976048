"""House rules that can be checked: sizes, words, docstrings, and what may stand in the repository at all.

The rules and their reasons are in CONTRIBUTING.md. Generated code (`authz/wire`) is not held to them.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from authz.errors import AuthzError
from authz.serving.errors import RENDERINGS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "authz"

MODULE_LINES = 400
FUNCTION_LINES = 60
DOCSTRING_LINES = 3

FORBIDDEN_WORDS = frozenset({
    "entities", "entity", "helper", "helpers", "manager", "managers", "misc", "permission", "permissions",
    "rule", "rules", "subject", "subjects", "util", "utils",
})  # fmt: skip
"""Words that hide what a thing is, or a second word for what the glossary calls otherwise."""

FORBIDDEN_FILES = FORBIDDEN_WORDS - {"rules"} | {"common"}
"""For files too; but `rules` is what Prometheus calls its alerts."""

FORBIDDEN_TEXTS = {
    "a package registry": re.compile(
        r"\b(?:py" + r"pi|python" + r"hosted|registry\.npm" + r"js|crates)\.(?:org|io)\b"
    ),
    "an index option": re.compile(r"--(?:extra-)?index" + "-url|--find" + "-links"),
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:work|root|home/\w+|Users/\w+)/"),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----"),
}


def tracked_files() -> list[Path]:
    """Return what git tracks or would track, without what has been deleted."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in sorted(set(listed.splitlines())) if (ROOT / name).is_file()]


def modules() -> list[Path]:
    """Return our own modules."""
    return [
        path
        for path in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "wire" not in path.parents and "__pycache__" not in path.parts
    ]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def words_of(identifier: str) -> set[str]:
    """Cut `snake_case` and `CamelCase` into lower-case words."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", identifier)
    return {word.lower() for word in spaced.split("_") if word}


def defined_names(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield every name that a module defines: modules' own, arguments, fields, functions, classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_fits_in_the_head(path: Path) -> None:
    count = len(path.read_text(encoding="utf-8").splitlines())
    assert count <= MODULE_LINES


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_function_fits_on_a_page(path: Path) -> None:
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_a_module_says_what_it_is(path: Path) -> None:
    docstring = ast.get_docstring(parse(path)) or ""
    least = 1 if path.name == "__init__.py" else DOCSTRING_LINES
    count = len(docstring.splitlines())
    assert count >= least


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_names_say_what_a_thing_is(path: Path) -> None:
    vague = [
        f"{name} (line {line})"
        for name, line in defined_names(parse(path))
        # AWS's own word for that kind of policy.
        if words_of(name.lower().replace("permissions_boundary", "")) & FORBIDDEN_WORDS
    ]
    assert vague == []


def test_files_are_named_for_what_they_hold() -> None:
    vague = [str(path) for path in tracked_files() if words_of(path.stem) & FORBIDDEN_FILES]
    assert vague == []


def descendants(kind: type[AuthzError]) -> Iterator[type[AuthzError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


@pytest.mark.parametrize(
    "kind",
    [kind for kind in descendants(AuthzError) if kind.__module__ == "authz.errors"],
    ids=lambda kind: kind.__name__,
)
def test_every_error_of_the_house_has_a_rendering_of_its_own(kind: type[AuthzError]) -> None:
    assert kind in RENDERINGS


def readable(path: Path) -> str:
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@pytest.mark.parametrize("what", FORBIDDEN_TEXTS)
def test_nothing_in_the_repository_depends_on_where_it_was_made(what: str) -> None:
    pattern = FORBIDDEN_TEXTS[what]
    found = [
        f"{path}:{number}"
        for path in tracked_files()
        for number, line in enumerate(readable(path).splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


def test_the_word_cutter_knows_both_ways_to_write_a_name() -> None:
    assert words_of("HTTPManager") == {"http", "manager"}
    assert words_of("_user_utils2") == {"user", "utils2"}
