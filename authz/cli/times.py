"""How the command line reads times: durations such as `30d` and points in time such as `2027-01-31T12:00:00Z`.

A function is the type of an option: its name stands in the help.

Not here: how long anything may last, which the service judges.
"""

from typing import Final

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from authz.cli.output import printable
from authz.clock import SystemClock
from authz.errors import InvalidError
from authz.setting_values import duration as seconds_within

_LONGEST: Final = 100 * 366 * 86400.0
"""Seconds; a bound that keeps sums in what a `Timestamp` can hold."""
_parse_seconds: Final = seconds_within(0.0, _LONGEST)


def duration(text: str) -> Duration:
    """Read a number and a unit, such as `90m`, `12h`, `30d`."""
    try:
        return Duration(seconds=int(_parse_seconds(text)))
    except InvalidError as error:
        raise click.BadParameter(printable(error.message)) from None


def time(text: str) -> Timestamp:
    """Read a time as RFC 3339 writes it."""
    read = Timestamp()
    try:
        read.FromJsonString(text)
    except ValueError:
        problem = f"`{printable(text)}` is not a time such as 2027-01-31T12:00:00Z"
        raise click.BadParameter(problem) from None
    return read


def expiry(expires_in: Duration | None, expires_at: Timestamp | None) -> Timestamp | None:
    """Return when something ends that ends so long from now, or at a time; `None` when neither is said."""
    if expires_in is not None and expires_at is not None:
        raise click.UsageError("--expires-in and --expires-at exclude each other")
    if expires_in is not None:
        return Timestamp(seconds=int(SystemClock().now()) + expires_in.seconds)
    return expires_at
