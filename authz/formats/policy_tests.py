"""Files of policy tests, in YAML: given policies, a principal and a context, when an action, then a verdict.

```yaml
policies:
  reader: reader.json          # a file beside this one, or the document itself
principal: {user: alice}       # for tests that name no other
tests:
  - name: alice reads
    given: {policies: [reader], principal: {user: alice, groups: [staff], tags: {team: blue}},
            context: {aws:SourceIp: 192.0.2.7}, now: 2026-01-31T12:00:00Z}
    when: {action: s3:GetObject, resource: arn:aws:s3:::photos/cat.jpg}
    then: allowed              # or {verdict: allowed, statement: reader/ReadPhotos}
```

A test without `policies` has all of the file. Verdicts are `allowed`, `denied` (either way), `explicitly
denied` and `implicitly denied`; a statement is named by its policy and its `Sid` or its index. Read
strictly, within bounds, and without aliases, by which a small file can become a large one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, Final

import yaml

from authz.errors import ParseError, quote
from authz.formats.iam_json import parse_policy
from authz.policy.compile import CompiledPolicy, compile_policy
from authz.policy.request import Values, fold_key

BYTES_LIMIT: Final = 1 << 20
"""Longest file of tests, in bytes."""
TEST_LIMIT: Final = 10_000
"""Most tests in one file."""
DEFAULT_ACCOUNT: Final = "000000000000"
DEFAULT_USER: Final = "tester"

ReadDocument = Callable[[str], str]
"""Reads the document that a file of tests names by a path relative to itself."""


class Expected(StrEnum):
    """What a test can expect; `DENIED` is either way."""

    ALLOWED = "ALLOWED"
    DENIED = "DENIED"
    EXPLICITLY_DENIED = "EXPLICITLY_DENIED"
    IMPLICITLY_DENIED = "IMPLICITLY_DENIED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who acts in a test."""

    user: str
    account: str
    groups: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyTest:
    """One test. `now` is epoch seconds, `None` for the present; `statement` (`policy/Sid`) may be empty."""

    name: str
    policies: tuple[CompiledPolicy, ...]
    actor: Actor
    context: Mapping[str, Values]
    now: float | None
    action: str
    resource: str
    expected: Expected
    statement: str


def parse_policy_tests(text: bytes, read_document: ReadDocument) -> tuple[PolicyTest, ...]:
    """Parse a file of tests; whatever is wrong with it raises `ParseError` with the place."""
    root = _members(_load(text), "", ("policies", "principal", "tests"))
    policies = {
        name: _compile(name, document, read_document)
        for name, document in _mapping(root.get("policies"), "policies").items()
    }
    tests = root.get("tests")
    if not isinstance(tests, list) or not tests:
        raise ParseError("a list that is not empty is needed", place="tests")
    if len(tests) > TEST_LIMIT:
        raise ParseError(
            f"at most {TEST_LIMIT:,} tests fit in a file, not {len(tests):,}", place="tests"
        )
    default = _actor(root.get("principal", {}), "principal")
    return tuple(
        _parse_test(one, f"tests[{index}]", policies, default) for index, one in enumerate(tests)
    )


def _load(text: bytes) -> Any:
    if len(text) > BYTES_LIMIT:
        raise ParseError(f"a file of tests has at most {BYTES_LIMIT:,} bytes")
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):
                raise ParseError("aliases are not supported", place=_mark(event.start_mark))
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        problem = f"the file is not valid YAML: {error.problem}".replace("\n", " ")
        raise ParseError(problem, place=_mark(error.problem_mark)) from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise ParseError("the file is not valid YAML") from None


def _mark(mark: Any) -> str:
    return f"line {mark.line + 1} column {mark.column + 1}" if mark else ""


def _compile(name: str, document: Any, read_document: ReadDocument) -> CompiledPolicy:
    place = f"policies.{name}"
    text = read_document(document) if isinstance(document, str) else _dump(document, place)
    try:
        return compile_policy(parse_policy(text), arn=name, version=1)
    except ParseError as error:
        raise ParseError(f"{error.message} of the policy {quote(name)}", place=place) from None


def _dump(document: Any, place: str) -> str:
    import json  # noqa: PLC0415 - only documents that stand in the file itself need it

    try:
        return json.dumps(document, default=_plain)
    except (TypeError, ValueError, RecursionError):
        raise ParseError("the document is not a policy", place=place) from None


def _plain(value: Any) -> str:
    """Return a date as text: YAML takes `Version: 2012-10-17` for one."""
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError


# --- one test -----------------------------------------------------------------------------------------------


def _parse_test(
    value: Any, place: str, policies: Mapping[str, CompiledPolicy], default: Actor
) -> PolicyTest:
    members = _members(value, place, ("name", "given", "when", "then"))
    given = _members(
        members.get("given", {}), f"{place}.given", ("policies", "principal", "context", "now")
    )
    when = _members(members.get("when"), f"{place}.when", ("action", "resource"))
    expected, statement = _outcome(members.get("then"), f"{place}.then")
    has_actor = "principal" in given
    return PolicyTest(
        name=_text(members.get("name"), f"{place}.name"),
        policies=_chosen(given.get("policies"), f"{place}.given.policies", policies),
        actor=_actor(given["principal"], f"{place}.given.principal") if has_actor else default,
        context=_context(given.get("context"), f"{place}.given.context"),
        now=_instant(given.get("now"), f"{place}.given.now"),
        action=_text(when.get("action"), f"{place}.when.action"),
        resource=_text(when.get("resource", "*"), f"{place}.when.resource"),
        expected=expected,
        statement=statement,
    )


def _chosen(
    names: Any, place: str, policies: Mapping[str, CompiledPolicy]
) -> tuple[CompiledPolicy, ...]:
    if names is None:
        return tuple(policies.values())
    chosen = _texts(names, place)
    unknown = [name for name in chosen if name not in policies]
    if unknown:
        raise ParseError(f"there is no policy {quote(unknown[0])} under `policies`", place=place)
    return tuple(policies[name] for name in chosen)


def _actor(value: Any, place: str) -> Actor:
    members = _members(value, place, ("user", "account", "groups", "tags"))
    tags = _mapping(members.get("tags"), f"{place}.tags")
    return Actor(
        user=_text(members.get("user", DEFAULT_USER), f"{place}.user"),
        account=_text(members.get("account", DEFAULT_ACCOUNT), f"{place}.account"),
        groups=_texts(members.get("groups", []), f"{place}.groups"),
        tags={key: _text(one, f"{place}.tags.{key}") for key, one in tags.items()},
    )


def _context(value: Any, place: str) -> Mapping[str, Values]:
    return {
        fold_key(key): _texts(values, f"{place}.{key}")
        for key, values in _mapping(value, place).items()
    }


def _instant(value: Any, place: str) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str | date):
        raise ParseError("expected a time", place=place)
    if isinstance(value, int | float):
        return float(value)
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else value.isoformat())
    except ValueError:
        raise ParseError(f"{quote(str(value))} is not a time", place=place) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _outcome(value: Any, place: str) -> tuple[Expected, str]:
    if isinstance(value, str):
        return _verdict(value, place), ""
    members = _members(value, place, ("verdict", "statement"))
    statement = _text(members.get("statement", ""), f"{place}.statement")
    return _verdict(_text(members.get("verdict"), f"{place}.verdict"), place), statement


def _verdict(text: str, place: str) -> Expected:
    folded = text.upper().replace(" ", "_").replace("-", "_")
    if folded not in set(Expected):
        choices = ", ".join(f"`{one.lower().replace('_', ' ')}`" for one in Expected)
        raise ParseError(f"unknown verdict {quote(text)}; use {choices}", place=place)
    return Expected(folded)


# --- values -------------------------------------------------------------------------------------------------


def _mapping(value: Any, place: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ParseError("expected names with values", place=place)
    return value


def _members(value: Any, place: str, known: Sequence[str]) -> dict[str, Any]:
    members = _mapping(value, place)
    unknown = [name for name in members if name not in known]
    if unknown:
        choices = ", ".join(f"`{name}`" for name in known)
        raise ParseError(f"unknown element {quote(unknown[0])}; there are {choices}", place=place)
    return members


def _text(value: Any, place: str) -> str:
    """Return a text; numbers, booleans and dates are what YAML makes of text that looks like one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise ParseError("expected text", place=place)


def _texts(value: Any, place: str) -> Values:
    if isinstance(value, list):
        return tuple(_text(one, f"{place}[{index}]") for index, one in enumerate(value))
    return (_text(value, place),)
