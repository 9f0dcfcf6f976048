"""The documentation is held to the software: its tables and links are checked, its examples are run.

In a page, a code block after `<!-- file: NAME -->` is a file, and each `console` block is a session: lines that begin
with `$ ` are run by bash, one shell a page, and what they print is compared. Ids, secrets and times are masked, and
so are the addresses: the pages say the default ones, the servers here listen on free ports.
"""

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pytest

from authz.bootstrap.documents import check_document, check_trust_document
from authz.errors import AuthzError
from tests.servers.authz_server import ROOT_CREDENTIAL, AuthzServer, start_authz
from tests.servers.envoy import start_envoy
from tests.servers.http_echo import HttpEcho
from tests.servers.processes import bare_environment

ROOT = Path(__file__).parents[1]
SESSION_TIMEOUT = 240

PAGES = (
    "README.md", "docs/admin-api.md", "docs/cli.md", "docs/explain.md", "docs/mappings.md", "docs/policies.md", "docs/sts.md",
    "docs/validation.md",
)  # fmt: skip
"""Pages with sessions; each gets a service of its own."""

ENVOY_PAGES = frozenset({"docs/mappings.md", "docs/policies.md"})
"""Pages whose sessions go through Envoy, with a service behind it."""

SETUP = "pip install "
"""Commands that begin so are not run: the tests' environment has what they install."""

_BLOCK = re.compile(
    r"(?:<!-- file: (?P<file>[\w.-]+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_MASKS = (
    (re.compile(r"\b(A[IGNKS][DPI]A)[A-Z2-7]{16,17}\b"), r"\1…"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "TIME"),
    (re.compile(r"(secret access key  )\S{40}"), r"\1…"),
    (re.compile(r"\b[0-9A-F]{22}\b"), "DECISION"),
)


class Command(NamedTuple):
    """One line of a session, and what it prints."""

    line: str
    output: str


@dataclass
class Examples:
    """What a page shows: files by name, and sessions in order."""

    files: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)


def read_examples(page: Path) -> Examples:
    """Return the examples of a page."""
    examples = Examples()
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        if block["file"]:
            examples.files[block["file"]] = block["text"]
        elif block["kind"] == "console":
            examples.commands += read_session(block["text"])
    return examples


def read_session(text: str) -> Iterator[Command]:
    """Yield the commands of one console block."""
    for piece in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = piece.partition("\n")
        yield Command(line, output)


def mask(text: str) -> str:
    """Return `text` without what differs from run to run."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text


class Stage:
    """A folder like a newcomer's, a service, and where the page's addresses really are."""

    def __init__(self, folder: Path, server: AuthzServer, addresses: dict[str, str]) -> None:
        self.folder = folder
        self._env = server._client_env()
        self._addresses = addresses

    def write(self, examples: Examples) -> None:
        """Lay out the page's files, and what stands in a checkout or is made by `make run`."""
        for name, text in examples.files.items():
            (self.folder / name).write_text(self.localize(text), encoding="utf-8")
        (self.folder / "protos").symlink_to(ROOT / "protos")
        # The generated client is a package `authz`, too; a real user's environment has no other.
        package = self.folder / "stubs" / "authz" / "__init__.py"
        package.parent.mkdir(parents=True)
        package.touch()
        (self.folder / "var").mkdir()
        root = dict(zip(("accessKey", "secretKey"), ROOT_CREDENTIAL, strict=True))
        (self.folder / "var" / "root-credentials.json").write_text(json.dumps(root))

    def localize(self, text: str) -> str:
        """Put the real addresses in the place of the default ones."""
        for shown, real in self._addresses.items():
            text = text.replace(shown, real)
        return text

    def run(self, commands: list[Command]) -> list[str]:
        """Run the commands in one shell and return what each printed."""
        script = ["exec 2>&1"]
        for number, command in enumerate(commands):
            script += [self.localize(command.line), f"printf '\\n@@{number}@@\\n'"]
        environment = bare_environment() | self._env
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        ran = subprocess.run(
            ["bash", "-c", "\n".join(script)],
            cwd=self.folder,
            env=environment | {"NO_PROXY": "*", "no_proxy": "*"},
            capture_output=True,
            text=True,
            timeout=SESSION_TIMEOUT,
            check=False,
        )
        outputs = re.split(r"\n@@\d+@@\n", ran.stdout)
        assert len(outputs) == len(commands) + 1, ran.stdout + ran.stderr
        return outputs[:-1]


@pytest.fixture(params=PAGES)
def page(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(page: str, tmp_path: Path) -> Iterator[Stage]:
    folder = tmp_path / "newcomer"
    folder.mkdir()
    examples = read_examples(ROOT / page)
    routes = tmp_path / "routes.toml"
    routes.write_text(examples.files.get("routes.toml", ""))
    env = {"AUTHZ_HTTP_ROUTES_FILE": str(routes)} if "routes.toml" in examples.files else {}
    with ExitStack() as stack:
        server = stack.enter_context(start_authz(tmp_path, env=env))
        addresses = {
            "127.0.0.1:50051": f"127.0.0.1:{server.grpc_port}",
            "127.0.0.1:8080": f"127.0.0.1:{server.http_port}",
        }
        if page in ENVOY_PAGES:
            echo = stack.enter_context(HttpEcho())
            clusters = {
                "authz": [server.grpc_port],
                "authz-http": [server.http_port],
                "orders": [echo.port],
            }
            envoy = stack.enter_context(start_envoy(tmp_path, clusters))
            addresses["127.0.0.1:9000"] = f"127.0.0.1:{envoy.ports['s3']}"
            addresses["127.0.0.1:9080"] = f"127.0.0.1:{envoy.ports['http']}"
        stage = Stage(folder, server, addresses)
        stage.write(examples)
        yield stage


def test_the_examples_of_a_page_print_what_it_shows(page: str, stage: Stage) -> None:
    commands = [c for c in read_examples(ROOT / page).commands if not c.line.startswith(SETUP)]
    assert commands, "a page without examples needs no stage"

    outputs = stage.run(commands)

    shown = [f"$ {c.line}\n{mask(stage.localize(c.output)).strip()}" for c in commands]
    printed = [
        f"$ {c.line}\n{mask(output).strip()}" for c, output in zip(commands, outputs, strict=True)
    ]
    assert printed == shown


def load_checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_docs", ROOT / "scripts" / "check_docs.py")
    assert spec is not None
    assert spec.loader is not None
    checker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(checker)
    return checker


def test_generated_tables_links_and_named_paths_are_right() -> None:
    checker = load_checker()
    assert [str(p) for page in checker.find_pages() for p in checker.check_page(page)] == []


def test_the_checker_finds_a_stale_table_a_dead_link_and_a_missing_path(tmp_path: Path) -> None:
    checker = load_checker()
    page = tmp_path / "page.md"
    page.write_text(
        "# A heading\n\n<!-- generated: settings -->\nold\n<!-- /generated -->\n"
        "[gone](gone.md) [no heading](#nothing) [fine](#a-heading) `authz/no/such.py` `authz/cli`\n"
    )
    problems = [problem.text for problem in checker.check_page(page)]
    assert [words.split()[0:3] for words in problems] == [
        ["a", "generated", "table"],
        ["the", "link", "to"],
        ["the", "link", "to"],
        ["`authz/no/such.py`", "does", "not"],
    ]


def policy_examples() -> list[str]:
    blocks = (
        block["text"]
        for page in PAGES
        for block in _BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))
        if block["kind"] == "json"
    )
    return [text for text in blocks if '"Statement"' in text]


@pytest.mark.parametrize("document", policy_examples())
def test_every_policy_that_is_shown_compiles(document: str) -> None:
    try:
        is_trust = '"sts:AssumeRole"' in document or '"Federated"' in document
        (check_trust_document if is_trust else check_document)(document)
    except AuthzError as error:
        pytest.fail(error.message)


def test_the_readme_has_the_place_where_measurements_stand() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^<!-- bench -->$.*^<!-- /bench -->$", text, re.DOTALL | re.MULTILINE)
