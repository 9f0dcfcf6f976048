"""Findings about policies as text for people, JSON for programs, and SARIF 2.1.0 for code review.

Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0". Texts that authors wrote come
into a message by `errors.quote`, so that nothing here can be taken for an escape sequence.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote as url_quote

from authz.errors import ParseError
from authz.formats.iam_json import (
    IDENTITY_POLICY,
    RESOURCE_POLICY,
    SERVICE_ACCOUNT_POLICY,
    SESSION_POLICY,
    TRUST_POLICY,
    DocumentKind,
    parse_policy,
)
from authz.formats.json_places import Position, find_position, locate
from authz.policy.compile import compile_policy
from authz.policy.model import Policy
from authz.policy.validate import CHECKS, UNREADABLE, Finding, PolicyKind, Severity, validate

SARIF_VERSION: Final = "2.1.0"
SARIF_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)

DOCUMENT_KINDS: Final[dict[PolicyKind, DocumentKind]] = {
    PolicyKind.IDENTITY: IDENTITY_POLICY,
    PolicyKind.RESOURCE: RESOURCE_POLICY,
    PolicyKind.TRUST: TRUST_POLICY,
    PolicyKind.SESSION: SESSION_POLICY,
    PolicyKind.SERVICE_ACCOUNT: SERVICE_ACCOUNT_POLICY,
}
"""What a document is for → how it is parsed."""

_SARIF_LEVELS: Final = {
    Severity.ERROR: "error",
    Severity.SECURITY: "warning",
    Severity.WARNING: "warning",
    Severity.SUGGESTION: "note",
}
_SECURITY_SEVERITY: Final = "7.0"
"""What code review shows as "high"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A finding and where it stands in the text."""

    finding: Finding
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """A document by its name (a path), and what was found in it."""

    name: str
    found: tuple[Located, ...]


def inspect(
    name: str, document: bytes, *, kind: PolicyKind = PolicyKind.IDENTITY, now: float | None = None
) -> Inspected:
    """Parse, compile and check a document; one that is refused has the one finding that says why."""
    try:
        found = find_findings(document, kind=kind, now=now)
    except ParseError as error:
        refused = UNREADABLE.at(error.place, error.message.removesuffix(f" at {error.place}"))
        position = _find_refused(document[: DOCUMENT_KINDS[kind].byte_limit], error.place)
        return Inspected(name=name, found=(Located(finding=refused, position=position),))
    places = locate(document.decode()) if found else {}
    located = (Located(finding=one, position=find_position(places, one.place)) for one in found)
    return Inspected(name=name, found=tuple(located))


def find_findings(document: bytes, *, kind: PolicyKind, now: float | None) -> tuple[Finding, ...]:
    """Parse, compile and check a document; raises `ParseError` for one that is refused."""
    document_kind = DOCUMENT_KINDS[kind]
    policy = parse_policy(document, kind=document_kind)
    _compile(policy)
    return validate(
        policy, kind=kind, size=len(document), size_limit=document_kind.byte_limit, now=now
    )


def _compile(policy: Policy) -> None:
    """Compile for the errors alone; who a resource policy names plays no part in them."""
    statements = tuple(replace(one, principal=None) for one in policy.statements)
    compile_policy(replace(policy, statements=statements), arn="", version=1)


def _find_refused(document: bytes, place: str) -> Position:
    return _line_of(place) or find_position(locate(document.decode(errors="replace")), place)


def _line_of(place: str) -> Position | None:
    """Read `line 3 column 7`, the place of what is no JSON."""
    words = place.split()
    if len(words) == 4 and words[0] == "line" and words[1].isdecimal() and words[3].isdecimal():
        return Position(int(words[1]), int(words[3]))
    return None


# --- text ---------------------------------------------------------------------------------------------------


def render_line(finding: Finding) -> str:
    """Return a finding on one line."""
    place = f" at {finding.place}" if finding.place else ""
    suggestion = f"; {finding.suggestion}" if finding.suggestion else ""
    return f"{finding.severity} {finding.id}{place}: {finding.message}{suggestion}"


def render_text(documents: Iterable[Inspected]) -> str:
    """Return a line a finding, as compilers write them, and a line that counts."""
    lines, count = [], 0
    for document in documents:
        count += 1
        lines += [
            f"{document.name}:{one.position.line}:{one.position.column}: {render_line(one.finding)}"
            for one in document.found
        ]
    return "\n".join([*lines, f"{_plural(len(lines), 'finding')} in {_plural(count, 'document')}"])


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


# --- JSON ---------------------------------------------------------------------------------------------------


def render_json(documents: Iterable[Inspected]) -> str:
    """Return a list of documents, each with its findings."""
    plain = [
        {"name": document.name, "findings": [_plain(one) for one in document.found]}
        for document in documents
    ]
    return json.dumps({"documents": plain}, indent=2, ensure_ascii=False)


def _plain(one: Located) -> dict[str, Any]:
    return {
        "id": one.finding.id,
        "severity": one.finding.severity.value,
        "place": one.finding.place,
        "line": one.position.line,
        "column": one.position.column,
        "message": one.finding.message,
        "suggestion": one.finding.suggestion,
    }


# --- SARIF --------------------------------------------------------------------------------------------------


def render_sarif(documents: Sequence[Inspected], *, version: str) -> str:
    """Return a SARIF log of one run; `version` is the software's."""
    ids = sorted({one.finding.id for document in documents for one in document.found})
    run = {
        "tool": {
            "driver": {"name": "authz", "version": version, "rules": list(map(_descriptor, ids))}
        },
        "columnKind": "unicodeCodePoints",
        "results": [
            _result(document.name, one, ids) for document in documents for one in document.found
        ],
    }
    log = {"$schema": SARIF_SCHEMA, "version": SARIF_VERSION, "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _descriptor(id_: str) -> dict[str, Any]:
    check = CHECKS[id_]
    described: dict[str, Any] = {
        "id": id_,
        "shortDescription": {"text": check.summary},
        "defaultConfiguration": {"level": _SARIF_LEVELS[check.severity]},
    }
    if check.severity is Severity.SECURITY:
        described["properties"] = {"tags": ["security"], "security-severity": _SECURITY_SEVERITY}
    return described


def _result(name: str, one: Located, ids: Sequence[str]) -> dict[str, Any]:
    finding = one.finding
    suggestion = f"; {finding.suggestion}" if finding.suggestion else ""
    location: dict[str, Any] = {
        "physicalLocation": {
            "artifactLocation": {"uri": url_quote(name)},
            "region": {"startLine": one.position.line, "startColumn": one.position.column},
        }
    }
    if finding.place:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.place}]
    return {
        "ruleId": finding.id,
        "ruleIndex": ids.index(finding.id),
        "level": _SARIF_LEVELS[finding.severity],
        "message": {"text": finding.message + suggestion},
        "locations": [location],
    }


def worst(documents: Iterable[Inspected]) -> Severity | None:
    """Return the worst severity that was found, or `None` where nothing was."""
    order = list(Severity)
    found = {one.finding.severity for document in documents for one in document.found}
    return min(found, key=order.index, default=None)
