"""One run of the command line: its global options, its credential, its client, and how it prints.

A credential comes from `AUTHZ_ACCESS_KEY` and `AUTHZ_SECRET_KEY`, for a session with `AUTHZ_SESSION_TOKEN`,
or else from a file, by default the one the service wrote for root into its data folder: on the service's own
machine nothing need be configured. It is read only when a call is to be signed, so commands that need none work
without. AWS's own variables are not read: a session token for another service must not be sent to this one.

`--json` may stand before or after a command's name. Not here: calls and signatures (`client.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from authz.cli.credentials import Credential, read_credential
from authz.cli.errors import CliError, ExitCode
from authz.identity.credential import Secret

if TYPE_CHECKING:
    from authz.cli.client import Client

CREDENTIALS_FILE: Final = "root-credentials.json"
"""The file in the data folder that the service writes the root credential to."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(slots=True, kw_only=True)
class Session:
    """The global options; `timeout` in seconds."""

    address: str
    credentials: Path | None
    data_dir: Path
    region: str
    ca_file: Path | None
    timeout: float
    as_json: bool
    access_key: str | None
    secret_key: str | None
    session_token: str | None

    def connect(self, *, is_signed: bool = True) -> "Client":
        """Return a client for the service; nothing is sent yet."""
        from authz.cli.client import Client

        return Client(
            self.address,
            self.credential() if is_signed else None,
            region=self.region,
            ca_file=self.ca_file,
            timeout=self.timeout,
        )

    def credential(self) -> Credential:
        """Return the credential to sign with: from the environment, or else from a file."""
        if self.access_key and self.secret_key:
            token = Secret(self.session_token) if self.session_token else None
            return Credential(self.access_key, Secret(self.secret_key), token)
        if self.access_key or self.secret_key or self.session_token:
            raise CliError(
                "AUTHZ_ACCESS_KEY and AUTHZ_SECRET_KEY go together, AUTHZ_SESSION_TOKEN with both",
                exit_code=ExitCode.USAGE,
            )
        return read_credential(self.credentials or self.data_dir / CREDENTIALS_FILE)


pass_session = click.make_pass_decorator(Session)


def with_json(command: F) -> F:
    """Give a command `--json` of its own, so that it may stand at the end of the line."""

    def note(ctx: click.Context, _: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(Session).as_json = True

    option = click.option(
        "--json", is_flag=True, expose_value=False, callback=note, help="Print JSON."
    )
    return option(command)
