"""What goes wrong on the command line: one line on stderr, what to do next, and an exit code for scripts.

The exit codes are an interface; the table below is the whole of it.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import IO, Any, Final, NamedTuple

import click

from authz.errors import (
    AuthzError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)


class ExitCode(IntEnum):
    """How the command ended."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    DENIED = 4
    CONFLICT = 5
    UNAVAILABLE = 6


EXIT_CODES_HELP: Final = (
    "Exit codes: 0 done (check, simulate: allowed), 1 failed (check, simulate: not allowed), "
    "2 wrong usage, input or settings, 3 not found, 4 not authenticated or not permitted, "
    "5 conflict, 6 unavailable."
)


class CliError(click.ClickException):
    """Ends the command with a message, a hint and an exit code; an empty message ends it in silence."""

    def __init__(self, message: str, *, exit_code: int, hint: str = "") -> None:
        super().__init__(message)
        self.exit_code = int(exit_code)  # type: ignore[misc]  # click reads it from the instance too
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message and the hint to stderr."""
        if self.message:
            click.echo(f"authz: {self.message}", file=file, err=file is None)
        if self.hint:
            click.echo(f"  {self.hint}", file=file, err=file is None)


_EXIT_CODES: Final[Mapping[type[AuthzError], ExitCode]] = {
    ParseError: ExitCode.USAGE,
    InvalidError: ExitCode.USAGE,
    UnauthenticatedError: ExitCode.DENIED,
    ForbiddenError: ExitCode.DENIED,
    NotFoundError: ExitCode.NOT_FOUND,
    ConflictError: ExitCode.CONFLICT,
    UnavailableError: ExitCode.UNAVAILABLE,
    OverloadedError: ExitCode.UNAVAILABLE,
}


def from_authz_error(error: AuthzError) -> CliError:
    """Return what the command line makes of an error of the house that happened in this process."""
    codes = (_EXIT_CODES[kind] for kind in type(error).__mro__ if kind in _EXIT_CODES)
    return CliError(error.message, exit_code=next(codes, ExitCode.FAILURE))


class Refusal(NamedTuple):
    """What a gRPC status means here: exit code and what to do."""

    exit_code: ExitCode
    hint: str


GRPC_REFUSALS: Final[Mapping[str, Refusal]] = {
    "INVALID_ARGUMENT": Refusal(ExitCode.USAGE, ""),
    "NOT_FOUND": Refusal(
        ExitCode.NOT_FOUND, "names are spelt as they were created; see `authz … list`"
    ),
    "ALREADY_EXISTS": Refusal(
        ExitCode.CONFLICT, "take another name, or change the one that is there"
    ),
    "FAILED_PRECONDITION": Refusal(
        ExitCode.CONFLICT,
        "to delete what is in use together with its uses, say --cascade; boundaries and versions go one by one",
    ),
    "ABORTED": Refusal(
        ExitCode.CONFLICT, "somebody else changed it meanwhile; look again and retry"
    ),
    "UNAUTHENTICATED": Refusal(
        ExitCode.DENIED,
        "check AUTHZ_ACCESS_KEY and AUTHZ_SECRET_KEY or the file of --credentials, and this machine's clock; "
        "`authz doctor` tells more",
    ),
    "PERMISSION_DENIED": Refusal(
        ExitCode.DENIED, "use a credential whose policies allow it, or attach one that does"
    ),
    "UNAVAILABLE": Refusal(
        ExitCode.UNAVAILABLE,
        "`authz doctor` says what is missing; if nothing runs there, start it with `authz serve` or name "
        "another with --address",
    ),
    "DEADLINE_EXCEEDED": Refusal(ExitCode.UNAVAILABLE, "try again, or wait longer with --timeout"),
    "RESOURCE_EXHAUSTED": Refusal(
        ExitCode.UNAVAILABLE, "the service is busy; try again in a moment"
    ),
    "UNIMPLEMENTED": Refusal(
        ExitCode.FAILURE, "the service at this address is another one, or older than this command"
    ),
}
"""gRPC status → what it means here; others are plain failures."""


def from_grpc(code: str, details: str) -> CliError:
    """Return what the command line makes of a gRPC status."""
    refusal = GRPC_REFUSALS.get(code, Refusal(ExitCode.FAILURE, "see the service's log"))
    message = details or code.lower().replace("_", " ")
    return CliError(message, exit_code=refusal.exit_code, hint=refusal.hint)
