"""Hold the documentation to the code: generated tables, links, and paths that are named.

A table between `<!-- generated: NAME -->` and `<!-- /generated -->` is made from the code by the function of
that name in `TABLES`. Without arguments this script compares and complains; with `--write` it rewrites.
Relative links must lead to a file, and their anchors to a heading; a path of this repository that is named in
backticks must exist. What runs the examples is `tests/test_docs.py`.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Final, NamedTuple

import click

from authz.cli.main import COMMANDS, cli
from authz.formats.s3_actions import BUCKET, OBJECT, SERVICE, Key, Operation
from authz.formats.s3_xml import STATUS
from authz.policy import validate
from authz.policy.canned import CANNED_POLICIES
from authz.policy.catalog import Level, all_services
from authz.policy.conditions import NULL, OPERATORS
from authz.serving.admin_requirements import CALLER, PACKAGE, REQUIREMENTS, Requirement
from authz.serving.errors import RENDERINGS
from authz.settings import Loaded, Settings
from authz.telemetry.decision_log import DecisionRecord
from authz.telemetry.metrics import Metrics

ROOT: Final = Path(__file__).parents[1]

_GENERATED: Final = re.compile(
    r"(<!-- generated: ([a-z0-9-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL
)
_FENCED: Final = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ROOMS: Final = "authz|bench|deploy|docs|protos|scripts|tests"
_NAMED_PATH: Final = re.compile(rf"`((?:{_ROOMS})/[\w./-]*\w)`")


class Problem(NamedTuple):
    """What is wrong with a page."""

    page: Path
    text: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.page.relative_to(ROOT)}: {self.text}"


# --- tables -------------------------------------------------------------------------------------------------


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().partition("\n")[0]


def _say(texts: Mapping[str, str], name: str) -> str:
    if name not in texts:
        raise SystemExit(f"scripts/check_docs.py has no words for `{name}` yet; add them")
    return texts[name]


def settings() -> str:
    """Every setting: its variable, what is written there, its default, what it is for."""
    kinds = {
        f.name: f.metadata["parse"].__qualname__.split(".")[0].strip("_") for f in fields(Settings)
    }
    rows = []
    for name, value, _, text in Loaded(Settings(), {}).describe():
        kind = kinds[name.removeprefix("AUTHZ_").lower()]
        shown = f"{float(value):g}s" if kind == "duration" else value
        rows.append((_code(name), _SETTING_KINDS[kind], _code(shown), text))
    return _table(("variable", "value", "default", "what it is"), rows)


_SETTING_KINDS: Final[Mapping[str, str]] = {
    "account": "text",
    "address": "host:port",
    "choice": "text",
    "duration": "duration",
    "flag": "true, false",
    "names": "list",
    "networks": "list",
    "path": "path",
    "secret": "secret",
    "share": "0 to 1",
    "text": "text",
    "whole": "number",
}


def metrics() -> str:
    """Every metric: its name, type and labels, and the help text Prometheus shows."""
    rows = []
    for family in Metrics().families():
        metric = family.collect()
        suffix = "_total" if metric.type == "counter" else ""
        labels = ", ".join(family._labels)  # noqa: SLF001 - the one thing a family does not tell
        rows.append((_code(metric.name + suffix), metric.type, labels, metric.documentation))
    return _table(("metric", "type", "labels", "what it says"), rows)


def admin_methods() -> str:
    """Every method of the admin API with the rights it asks for, in both vocabularies."""
    rows = []
    for method, needed in REQUIREMENTS.items():
        _, service, name, *choice = method.removeprefix(f"/{PACKAGE}").replace(".", "/").split("/")
        shown = f"{service}.{name}" + (f" ({choice[0]})" if choice else "")
        rows.append(
            (shown, _code(needed.action), _code(needed.admin_action or ""), _code(_about(needed)))
        )
    return _table(
        (
            "method",
            "action",
            "or MinIO's",
            "resource (of users, groups, roles and policies: after `arn:aws:iam::ACCOUNT:`)",
        ),
        rows,
    )


def _about(needed: Requirement) -> str:
    name = f"{{{needed.name}}}" if needed.name else ""
    return (name or "*") if needed.kind in {"resource", CALLER} else f"{needed.kind}/{name}"


def operators() -> str:
    """Every condition operator: what its values are, and whether they take policy variables."""
    rows = [
        (
            _code(name),
            _VALUES[operator.family.__module__.rpartition(".")[2]],
            "yes" if operator.negated else "",
            "yes" if operator.takes_variables else "",
        )
        for name, operator in OPERATORS.items()
    ]
    rows.append((_code(NULL), "`true`: the key is missing; `false`: it is there", "", ""))
    return _table(("operator", "listed values", "negated", "variables"), rows)


_VALUES: Final[Mapping[str, str]] = {
    "arn": "ARNs with `*` and `?`",
    "binary": "base64",
    "boolean": "`true`, `false`",
    "date": "`2026-01-31`, `2026-01-31T12:00:00Z`, epoch seconds",
    "ip": "addresses and networks, `192.0.2.0/24`, `2001:db8::/32`",
    "numeric": "numbers",
    "string": "text",
}


def s3_objects() -> str:
    """Every S3 operation on objects."""
    return _operations(OBJECT)


def s3_buckets() -> str:
    """Every S3 operation on buckets and on the service."""
    return _operations({**SERVICE, **BUCKET})


def _operations(operations: Mapping[Key, Operation]) -> str:
    rows = [
        (
            f"{method} {_code('?' + subresource if subresource else '')}".strip(),
            operation.name,
            _actions(operation.actions),
            _actions(operation.version_actions)
            if operation.version_actions != operation.actions
            else "",
        )
        for (method, subresource), operation in operations.items()
    ]
    if not any(row[3] for row in rows):
        return _table(("request", "operation", "action"), (row[:3] for row in rows))
    return _table(("request", "operation", "action", "with `versionId`"), rows)


def _actions(names: Iterable[str]) -> str:
    return ", ".join(_code(f"s3:{name}") for name in names)


def errors() -> str:
    """Every error of the house and the gRPC status it becomes."""
    codes = {number: name for name, number in _grpc_codes()}
    rows = [
        (_code(kind.__name__), _code(codes[rendering.grpc]), _first_line(kind))
        for kind, rendering in RENDERINGS.items()
    ]
    rows.append(
        ("anything else", _code("INTERNAL"), "A fault of this service; its text stays in the log.")
    )
    return _table(("error", "gRPC status", "when"), rows)


def _grpc_codes() -> Iterable[tuple[str, int]]:
    from google.rpc import code_pb2  # noqa: PLC0415 - only this table needs it

    return code_pb2.Code.items()


def client_codes() -> str:
    """Every code that a refused HTTP client can see, with its status."""
    rows = []
    for code, status in sorted(STATUS.items(), key=lambda row: (row[1], row[0])):
        rows.append((_code(code), str(status), _say(_WHEN, code)))
    return _table(("code", "HTTP status", "when"), rows)


_WHEN: Final[Mapping[str, str]] = {
    "AccessDenied": "decided and denied; an `x-amz-*` header is not signed; a presigned URL has expired",
    "AuthorizationHeaderMalformed": "the `Authorization` header cannot be read; its region or service is wrong",
    "AuthorizationQueryParametersError": "the same for a presigned URL",
    "BadDigest": "the body of a bucket policy is not the one whose `Content-MD5` or checksum was sent",
    "EntityTooLarge": "a bucket policy has more than 20,480 bytes",
    "ExpiredToken": "the session has expired or was revoked",
    "InternalError": "about bucket policies; elsewhere a fault of `authz` is a gRPC error, and Envoy says 503",
    "InvalidAccessKeyId": "the access key does not exist, has expired, or it or its user is disabled",
    "InvalidArgument": "a parameter or header has a value it cannot have; header and query are both signed",
    "InvalidBucketName": "the first path segment is no bucket name",
    "InvalidDigest": "a `Content-MD5` or checksum is not Base64",
    "InvalidRequest": "two ways to read it, a repeated header, a long condition value; Signature V2",
    "InvalidTag": "more than 10 tags, one twice, or one longer than S3 lets it be",
    "InvalidToken": "a session token that is not valid, or not the access key's; any with a long-lived key",
    "InvalidURI": "path or query are too long or hold characters that must be encoded",
    "KeyTooLongError": "the key has more than 1,024 bytes",
    "MalformedPolicy": "the bucket policy means nothing, or is about something else; the message says where",
    "MalformedXML": "the body is not the XML that the operation takes",
    "MethodNotAllowed": "the method does nothing here; a bucket policy is to be written without a signature",
    "MissingSecurityHeader": "a header that the operation needs is missing",
    "NoSuchBucketPolicy": "the bucket has no policy",
    "NotImplemented": "an operation that is not mapped: form uploads, appending, unknown subresources",
    "OperationAborted": "a bucket policy could not be written because of what is stored",
    "RequestHeaderSectionTooLarge": "more than 128 headers",
    "RequestTimeout": "the body of a bucket policy did not come within 10 seconds",
    "RequestTimeTooSkewed": "the signature is more than 15 minutes old or ahead",
    "ServiceUnavailable": "the same, when what is in memory is too old, or the database cannot be reached",
    "SignatureDoesNotMatch": "the signature is not the one this key makes for this request",
    "SlowDown": "the same, when too many wait for the database, or too many such requests are there at a time",
    "XAmzContentSHA256Mismatch": "the body that Envoy buffered is not the one whose hash is signed",
}


def commands() -> str:
    """Every command of the command line."""
    rows = []
    for name in COMMANDS:
        rows += [(_code(usage), text) for usage, text in _describe(name)]
    return _table(("command", "what it does"), rows)


def _describe(name: str) -> Iterator[tuple[str, str]]:
    with click.Context(cli, info_name="authz") as root:
        command = cli.get_command(root, name)
        assert command is not None, "the table of commands says so"
        yield from _describe_one(root, command, name)


def _describe_one(
    parent: click.Context, command: click.Command, name: str
) -> Iterator[tuple[str, str]]:
    if not isinstance(command, click.Group):
        yield _usage(parent, command, name), _first_line_of_help(command)
        return
    with click.Context(command, info_name=name, parent=parent) as context:
        for inner_name in command.list_commands(context):
            inner = command.get_command(context, inner_name)
            assert inner is not None, "it is in the list"
            yield from _describe_one(context, inner, inner_name)


def _usage(parent: click.Context, command: click.Command, name: str) -> str:
    with click.Context(command, info_name=name, parent=parent) as context:
        pieces = [p for p in command.collect_usage_pieces(context) if p != "[OPTIONS]"]
        options = [
            f"[{option.opts[0]}{'' if option.is_flag else ' ' + option.make_metavar(context)}]"
            for option in command.params
            if isinstance(option, click.Option) and option.opts[0] not in {"--json", "--config"}
        ]
        return " ".join((context.command_path, *pieces, *options))


def _first_line_of_help(command: click.Command) -> str:
    return (command.help or "").partition("\n\n")[0].replace("\n", " ")


def decision_record() -> str:
    """Every field of a decision-log record."""
    return _table(
        ("field", "what it says"),
        ((_code(name), _say(_RECORD, name)) for name in ("event", *DecisionRecord._fields)),
    )


_RECORD: Final[Mapping[str, str]] = {
    "event": "always `decision`",
    "at": "when, in epoch seconds",
    "decision_id": "names the decision; for S3 clients also the request id",
    "surface": "who asked: `ext_authz` (Envoy), `authz_v1` (a service), `authenticate`, `admin`, "
    "`bucket_policies`, `sts`",
    "verdict": "`ALLOWED`, `EXPLICITLY_DENIED`, `IMPLICITLY_DENIED`, or `REFUSED` before a decision",
    "reason": "the step that gave the verdict: `STATEMENT`, `ROOT`, `NO_MATCH`, `QUARANTINE`, "
    "`PRINCIPAL_UNKNOWN`, `PRINCIPAL_DISABLED`",
    "code": "for `REFUSED`: the code that the client got",
    "principal": "the ARN of who acts; absent for an anonymous or refused request",
    "access_key_id": "the key that signed",
    "action": "the action that determined the answer",
    "resource": "its resource; for `REFUSED` the path, at most 1,024 characters",
    "policy": "the ARN of the policy whose statement decided",
    "policy_version": "its version",
    "statement": "the statement's index, from 0",
    "sid": "its `Sid`",
    "revision": "the revision the decision was made on",
    "source_ip": "the client's address",
}


def canned_policies() -> str:
    """Every policy that comes with the software."""
    rows = [(_code(policy.name), policy.description) for policy in CANNED_POLICIES.values()]
    return _table(("policy", "what it allows"), rows)


def checks() -> str:
    """Every check of `authz policy validate`."""
    rows = [(_code(check.id), check.severity, check.summary) for check in validate.CHECKS.values()]
    return _table(("id", "severity", "speaks of"), rows)


def catalog() -> str:
    """Every service of the catalog, and how many actions of each level it has."""
    rows = []
    for service in all_services():
        levels = [action.level for action in service.actions.values()]
        counts = [str(levels.count(level) or "") for level in Level]
        rows.append((_code(service.prefix), service.name, *counts))
    return _table(("prefix", "service", *Level), rows)


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "admin-methods": admin_methods,
    "canned-policies": canned_policies,
    "catalog": catalog,
    "checks": checks,
    "client-codes": client_codes,
    "commands": commands,
    "decision-record": decision_record,
    "errors": errors,
    "metrics": metrics,
    "operators": operators,
    "s3-buckets": s3_buckets,
    "s3-objects": s3_objects,
    "settings": settings,
}


# --- pages --------------------------------------------------------------------------------------------------


def find_pages() -> list[Path]:
    """Return every Markdown page of the repository, new ones included."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(set(listed.splitlines())) if (ROOT / name).exists()]


def regenerate(text: str) -> str:
    """Return a page with its generated tables made anew."""

    def make(found: re.Match[str]) -> str:
        return f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}"

    return _GENERATED.sub(make, text)


def check_page(page: Path) -> Iterator[Problem]:
    """Yield what is wrong with a page."""
    text = page.read_text(encoding="utf-8")
    unknown = [name for _, name, _ in _GENERATED.findall(text) if name not in TABLES]
    if unknown:
        yield Problem(page, f"there is no table `{unknown[0]}`")
    elif regenerate(text) != text:
        yield Problem(page, "a generated table is out of date; run scripts/check_docs.py --write")
    prose = _FENCED.sub("", text)
    for target in _LINK.findall(prose):
        yield from _check_link(page, target)
    for named in _NAMED_PATH.findall(prose):
        if not (ROOT / named).exists():
            yield Problem(page, f"`{named}` does not exist")


def _check_link(page: Path, target: str) -> Iterator[Problem]:
    if re.match(r"[a-z]+:", target):
        return
    name, _, anchor = target.partition("#")
    file = (page.parent / name).resolve() if name else page
    if not file.exists():
        yield Problem(page, f"the link to {target} leads nowhere")
    elif anchor and anchor not in _anchors(file):
        yield Problem(page, f"the link to {target} names no heading there")


def _anchors(page: Path) -> set[str]:
    prose = _FENCED.sub("", page.read_text(encoding="utf-8"))
    return {_slug(heading) for heading in _HEADING.findall(prose)}


def _slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def main(arguments: list[str] | None = None) -> int:
    """Check every page, or rewrite its tables; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])  # type: ignore[union-attr]  # it has one
    parser.add_argument("--write", action="store_true", help="rewrite the generated tables")
    if parser.parse_args(arguments).write:
        for page in find_pages():
            text = page.read_text(encoding="utf-8")
            made = regenerate(text)
            if made != text:
                page.write_text(made, encoding="utf-8")
    problems = [problem for page in find_pages() for problem in check_page(page)]
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
