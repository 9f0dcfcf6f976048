"""What the commands of the admin API share: call, then print the thing, the list, or what was done.

Printing goes one way, so that scripts can rely on it: `--json` of one thing is the answer as it came
(`{"user": {…}, "revision": 7}`), of a listing all pages in one (`{"users": […]}`). What the service finds about
a document that was written is in the JSON, or goes to stderr; suggestions are left to `authz policy validate`.
"""

from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, Final

import click
from google.protobuf.message import Message

from authz.cli.output import print_json, print_record, print_table, printable, to_plain
from authz.cli.session import Session

if TYPE_CHECKING:
    from authz.cli.client import Client

PACKAGE: Final = "authz.admin.v1"

_DOCUMENTS: Final = frozenset({"document", "trust_policy", "config"})
"""Fields that hold a whole document."""

DOCUMENT = click.argument("document", type=click.File(encoding="utf-8"))


def read_narrowing(file: IO[str] | None) -> str | None:
    """Return the policy that is to narrow a credential, `None` when none is named; an empty one is refused.

    On the wire empty means none: a file that went missing must not make a credential that may do everything.
    """
    document = None if file is None else file.read()
    if document is not None and not document.strip():
        raise click.UsageError("the policy is empty")
    return document


def show_one(session: Session, method: str, request: Message, answer: type[Message]) -> None:
    """Call a method whose answer holds one thing (and the revision, if it wrote), and print it."""
    with session.connect() as client:
        plain = to_plain(client.call(f"/{PACKAGE}.{method}", request, answer))
    if session.as_json:
        print_json(plain)
        return
    findings = plain.pop("findings", ())
    record: dict[str, Any] = {}
    for name, value in plain.items():
        record |= value if isinstance(value, dict) else {name: value}
    # A document is for files: `authz policy get --document`.
    print_record({name: value for name, value in record.items() if name not in _DOCUMENTS})
    for finding in findings:
        if finding["severity"] != "suggestion":
            click.echo(printable(f"authz: {_line_of(finding)}"), err=True)


def _line_of(finding: dict[str, str]) -> str:
    place = f" at {finding['place']}" if finding["place"] else ""
    return f"{finding['severity']} {finding['id']}{place}: {finding['message']}"


def show_document(
    session: Session, method: str, request: Message, answer: type[Message], *, is_alone: bool
) -> None:
    """Call a method whose answer holds one thing with a document, and print it, or the document alone."""
    with session.connect() as client:
        plain = to_plain(client.call(f"/{PACKAGE}.{method}", request, answer))
    record = plain[answer.DESCRIPTOR.fields[0].name]
    document = next(value for name, value in record.items() if name in _DOCUMENTS)
    if is_alone:
        # Byte for byte: what is printed can be edited and sent back.
        click.echo(document, nl=not document.endswith("\n"))
    elif session.as_json:
        print_json(plain)
    else:
        print_record({name: value for name, value in record.items() if name not in _DOCUMENTS})
        click.echo("\n".join(printable(line) for line in document.splitlines()))


def say_done(
    session: Session, method: str, request: Message, answer: type[Message], done: str
) -> None:
    """Call a method that changes something and print `done` with the revision it made."""
    with session.connect() as client:
        plain = to_plain(client.call(f"/{PACKAGE}.{method}", request, answer))
    if session.as_json:
        print_json(plain)
    else:
        click.echo(f"{printable(done)} (revision {plain['revision']})")


def show_list(
    session: Session,
    method: str,
    request: Message,
    answer: type[Message],
    columns: Sequence[str],
    *,
    row: Callable[[Any], dict[str, Any]] | None = None,
) -> None:
    """Call a listing to its end and print all its entries; `row` makes a table's row of one entry."""
    name = answer.DESCRIPTOR.fields[0].name
    with session.connect() as client:
        entries = list_all(client, method, request, answer)
    if session.as_json:
        print_json({name: entries})
        return
    rows = [row(entry) if row else entry for entry in entries]
    print_table(columns, rows, empty=f"no {name.replace('_', ' ')}")


def list_all(client: "Client", method: str, request: Message, answer: type[Message]) -> list[Any]:
    """Return all entries of a listing, as plain values."""
    name = answer.DESCRIPTOR.fields[0].name
    return [
        entry
        for page in client.pages(f"/{PACKAGE}.{method}", request, answer)
        for entry in to_plain(page)[name]
    ]


def parse_pairs(pairs: Sequence[str], option: str) -> dict[str, list[str]]:
    """Return `key=value` options as a mapping of lists; a key may come several times."""
    parsed: dict[str, list[str]] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise click.BadParameter(f"`{printable(pair)}` is not KEY=VALUE", param_hint=option)
        parsed.setdefault(key, []).append(value)
    return parsed


def parse_tags(pairs: Sequence[str]) -> dict[str, str]:
    """Return `--tag` options as tags; of a key that comes twice the last value counts."""
    return {key: values[-1] for key, values in parse_pairs(pairs, "--tag").items()}
