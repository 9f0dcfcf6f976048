"""How answers are printed: JSON with a stable shape for programs, tables for people.

A message becomes plain values by its descriptor: field names as in the proto, enums without their prefix in
lower case (`STATUS_ENABLED` → `enabled`), times in ISO 8601, durations in seconds, revisions as numbers. An
unset message is `null`, so that a shape never depends on what is in it. Text for people shows no control
characters, because descriptions are written by others.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

Plain = dict[str, Any]


def to_plain(message: Message) -> Plain:
    """Return a message as plain values."""
    return {
        field.name: _field(message, field)
        for field in message.DESCRIPTOR.fields
        if field.containing_oneof is None or message.HasField(field.name)
    }


def _field(message: Message, field: Any) -> Any:
    value = getattr(message, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        return {key: _value(value[key], None) for key in sorted(value)}
    if field.is_repeated:
        return [_value(one, field) for one in value]
    if field.message_type and not message.HasField(field.name):
        return None
    return _value(value, field)


def _value(value: Any, field: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToJsonString()
    if isinstance(value, Duration):
        return value.seconds + value.nanos / 1e9 if value.nanos else value.seconds
    if isinstance(value, Message):
        return to_plain(value)
    if field is not None and field.enum_type:
        return _enum(field, value)
    return value


def _enum(field: Any, number: int) -> str:
    known = field.enum_type.values_by_number.get(number)
    if known is None:
        return str(number)
    prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return str(known.name.removeprefix(prefix).lower())


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """Print a value as JSON on one line, for answers of many values that are printed as they come."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], *, empty: str) -> None:
    """Print rows under columns (`create_time` is headed `CREATE TIME`), or what to say when there are none."""
    listed = list(rows)
    if not listed:
        click.echo(empty)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for row in listed:
        table.add_row(*(show(_short(column, row.get(column, ""))) for column in columns))
    _print(table)


def print_record(record: Mapping[str, Any]) -> None:
    """Print one thing, a line a field; what is empty is left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        if value not in ("", None, {}, []):
            table.add_row(name.replace("_", " "), show(_short(name, value)))
    _print(table)


def _short(name: str, value: Any) -> Any:
    """Leave out the fractions of a second, which people do not read."""
    return f"{value[:19]}Z" if name.endswith("_time") and isinstance(value, str) else value


def show(value: Any) -> Any:
    """Return a value as text for a terminal, of which nothing is taken for markup or an escape sequence."""
    from rich.text import Text

    if isinstance(value, Mapping):
        value = ", ".join(f"{key}={one}" for key, one in value.items())
    elif isinstance(value, list):
        value = ", ".join(str(one) for one in value)
    return Text(printable(str(value)))


def printable(text: str) -> str:
    """Return `text` on one line, with `?` for characters a terminal might obey."""
    return "".join(c if c.isprintable() else " " if c in "\n\t" else "?" for c in text)


def _print(renderable: Any) -> None:
    from rich.console import Console

    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=10_000)  # a pipe has no width to fold at
    with console.capture() as capture:
        console.print(renderable)
    lines = (line.rstrip() for line in capture.get().splitlines())
    click.echo("\n".join(lines))
