"""Scenario files: read, expanded into single scenarios, checked against the written schema.

The format is described in `docs/conformance.md` and `schema.json`; this is its reading in Python and knows no
engine. `runner.py` asks the engine.
"""

import copy
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

FOLDER = Path(__file__).parent
SURFACES = ("decide", "authz_v1", "ext_authz")
VERSION = "2012-10-17"
SOLE_POLICY = "policy"
"""What `given.statements` and `given.policy` are called."""
SOLE_USER = ""
"""What `given.user` is called in a scenario; an engine gives it whatever name is free."""


class _Loader(yaml.CSafeLoader):
    """YAML 1.2's core schema: dates and `on` are text, and so is `010`."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~\0"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)\.[0-9]+(?:[eE][+-]?[0-9]+)?", "-0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


@dataclass(frozen=True)
class Scenario:
    """One scenario, expanded. The members are those of the format."""

    id: str
    topic: str
    source: str
    given: dict[str, Any]
    when: dict[str, Any]
    then: dict[str, Any]
    not_through: dict[str, str] = field(default_factory=dict)
    known_deviation: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def policies(self) -> dict[str, str]:
        """Name → document as JSON text."""
        given = self.given
        documents = dict(given.get("policies", {}))
        if "policy" in given:
            documents[SOLE_POLICY] = given["policy"]
        if "statements" in given:
            documents[SOLE_POLICY] = {"Version": VERSION, "Statement": given["statements"]}
        return {name: as_text(document) for name, document in documents.items()}

    @property
    def resource_policies(self) -> dict[str, str]:
        """Resource ARN → document as JSON text."""
        documents = self.given.get("resource_policies", {})
        return {resource: as_text(document) for resource, document in documents.items()}

    @property
    def groups(self) -> dict[str, dict[str, Any]]:
        return self.given.get("groups", {})

    @property
    def users(self) -> dict[str, dict[str, Any]]:
        """Name → user, each with `policies`: those said, or all that no group has."""
        users = dict(self.given.get("users", {}))
        if "user" in self.given or not (users or self.login):
            users[SOLE_USER] = self.given.get("user", {})
        of_groups = {name for group in self.groups.values() for name in group.get("policies", ())}
        free = [name for name in self.policies if name not in of_groups]
        return {name: {"policies": free, **user} for name, user in users.items()}

    @property
    def login(self) -> dict[str, Any]:
        """What a provider says of who asks; empty where none was asked."""
        return self.given.get("login", {})

    @property
    def principal(self) -> str:
        """Who asks: a user's name, `root`, `anonymous`, or the name of nobody."""
        users = list(self.users)
        return self.when.get("principal", users[0] if len(users) == 1 else SOLE_USER)


def as_text(document: dict[str, Any] | str) -> str:
    """Return a document as JSON text: its own, where the text itself matters."""
    return document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)


def merge(base: Any, change: Any) -> Any:
    """Return `base` with `change` put over it: mappings member by member, all else as a whole."""
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return copy.deepcopy(change)
    merged = dict(base)
    for name, value in change.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(base[name], value) if name in base else copy.deepcopy(value)
    return merged


def fill(node: Any, cells: dict[str, Any]) -> Any:
    """Put a table row's cells in for `<column>`; an entry that is a placeholder for `null` is left out."""
    if isinstance(node, dict):
        return {
            fill(name, cells): fill(value, cells)
            for name, value in node.items()
            if not (_is_absent(value, cells) or _is_absent(name, cells))
        }
    if isinstance(node, list):
        return [fill(item, cells) for item in node if not _is_absent(item, cells)]
    if not isinstance(node, str):
        return node
    if node[:1] == "<" and node[-1:] == ">" and node[1:-1] in cells:
        return copy.deepcopy(cells[node[1:-1]])
    for name, value in cells.items():
        node = node.replace(f"<{name}>", value if isinstance(value, str) else json.dumps(value))
    return node


def _is_absent(node: Any, cells: dict[str, Any]) -> bool:
    return (
        isinstance(node, str)
        and node[:1] == "<"
        and node[-1:] == ">"
        and node[1:-1] in cells
        and cells[node[1:-1]] is None
    )


def expand(entry: dict[str, Any], defaults: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the scenarios of an entry: each of its `variants` with each row of its `table`."""
    entry = dict(entry)
    variants = entry.pop("variants", [{}])
    table = entry.pop("table", {"columns": [], "rows": [[]]})
    columns = table["columns"]
    base = merge(defaults, entry)
    expanded = []
    for variant in variants:
        for row in table["rows"]:
            if len(row) != len(columns):
                raise ValueError(
                    f"{entry['id']}: a row has {len(row)} cells, not {len(columns)}: {row}"
                )
            cells = dict(zip(columns, row, strict=True))
            ids = (entry["id"], variant.get("id"), cells.get("id"))
            change = {name: value for name, value in variant.items() if name != "id"}
            scenario = fill(merge(base, change), cells)
            expanded.append({**scenario, "id": "/".join(str(i) for i in ids if i is not None)})
    return expanded


def _by_surface(value: str | dict[str, str]) -> dict[str, str]:
    return dict.fromkeys(SURFACES, value) if isinstance(value, str) else value


@cache
def schema() -> dict[str, Any]:
    return json.loads((FOLDER / "schema.json").read_text())


def read_file(path: Path) -> list[Scenario]:
    """Read and check one file."""
    raw = yaml.load(path.read_text(), _Loader)
    Draft202012Validator(schema()).validate(raw)
    one = Draft202012Validator({"$ref": "#/$defs/scenario", "$defs": schema()["$defs"]})
    scenarios = []
    for entry in raw["scenarios"]:
        for found in expand(entry, raw.get("defaults", {})):
            problem = next(iter(one.iter_errors(found)), None)
            if problem is not None:
                raise ValueError(
                    f"{path.name}: {found['id']}: {problem.message} at {problem.json_path}"
                )
            scenarios.append(
                Scenario(
                    **{
                        **found,
                        "given": found.get("given", {}),
                        "when": found.get("when", {}),
                        "id": f"{raw['topic']}/{found['id']}",
                        "topic": raw["topic"],
                        "known_deviation": _by_surface(found.get("known_deviation", {})),
                    }
                )
            )
    return scenarios


@cache
def read_all() -> tuple[Scenario, ...]:
    """Read every file of the folder."""
    return tuple(s for path in sorted(FOLDER.glob("*.yaml")) for s in read_file(path))
