"""The root command: global options, the table of commands, and how errors end the process.

A command's module is imported only when the command runs, and help is written from the table, so that `--help`
and completion do not wait for gRPC or SQLAlchemy. Options are read once, into a `Session`, which every
command is handed.

Errors of the house become one line on stderr and an exit code (`errors.py`). Not here: any command.
"""

import importlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from authz import __version__
from authz.cli.errors import EXIT_CODES_HELP, CliError, from_authz_error
from authz.cli.session import Session
from authz.errors import AuthzError


class Entry(NamedTuple):
    """A command: the module of `authz.cli` it is in, its name there, and its line in the help."""

    module: str
    attribute: str
    help: str


COMMANDS: Final = {
    "serve": Entry("service", "serve", "Run the service."),
    "migrate": Entry("service", "migrate", "Bring the database's schema up to date."),
    "config": Entry("service", "config", "Show the effective settings, secrets redacted."),
    "doctor": Entry(
        "doctor", "doctor", "Check settings, files, database and service; say what to do."
    ),
    "user": Entry("users", "user", "Create, show, change and delete users."),
    "key": Entry("keys", "key", "Create, show, change and delete access keys."),
    "session": Entry("sessions", "session", "Create temporary credentials, and end them."),
    "group": Entry("groups", "group", "Create, show, change and delete groups and their members."),
    "role": Entry("roles", "role", "Create, show, change and delete roles."),
    "provider": Entry(
        "providers", "provider", "Add, show, change, test and remove identity providers."
    ),
    "policy": Entry(
        "policies",
        "policy",
        "Write, show, attach, detach, validate and test policies.",
    ),
    "resource-policy": Entry(
        "resource_policies",
        "resource_policy",
        "Write, show and delete policies of buckets and the like.",
    ),
    "check": Entry(
        "questions", "check", "Ask whether a user may do something; the exit code answers."
    ),
    "explain": Entry("explanations", "explain", "Tell why a user may or may not do something."),
    "simulate": Entry(
        "simulation", "simulate", "Tell what would be decided if other policies were in force."
    ),
    "who-can": Entry("reach", "who_can", "List who may do something."),
    "allowed-actions": Entry("reach", "allowed_actions", "List what a user may do to something."),
    "completion": Entry("completion", "completion", "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for, and whose errors become exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"authz.cli.{entry.module}")
        command: click.Command = getattr(module, entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands' lines from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; an error of the house becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except AuthzError as error:
            raise from_authz_error(error) from error
        except BrokenPipeError:
            raise CliError("", exit_code=1) from None


@click.group(
    cls=LazyGroup,
    epilog=EXIT_CODES_HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--address",
    envvar=["AUTHZ_ADDRESS", "AUTHZ_GRPC_ADDRESS"],
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the service listens for gRPC.  [env: AUTHZ_ADDRESS, AUTHZ_GRPC_ADDRESS]",
)
@click.option(
    "--credentials",
    envvar="AUTHZ_CREDENTIALS",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="JSON file with accessKey and secretKey; default: root-credentials.json in the data folder. "
    "AUTHZ_ACCESS_KEY, AUTHZ_SECRET_KEY and AUTHZ_SESSION_TOKEN win over it.  [env: AUTHZ_CREDENTIALS]",
)
@click.option(
    "--data-dir",
    envvar="AUTHZ_DATA_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var"),
    show_default=True,
    help="The service's data folder.  [env: AUTHZ_DATA_DIR]",
)
@click.option(
    "--region",
    envvar="AUTHZ_REGION",
    default="us-east-1",
    show_default=True,
    help="The region calls are signed for.  [env: AUTHZ_REGION]",
)
@click.option(
    "--ca-file",
    envvar="AUTHZ_CA_FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Use TLS and trust this CA (PEM).  [env: AUTHZ_CA_FILE]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1, max=600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an answer.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, also after any command.")
@click.option("--access-key", envvar="AUTHZ_ACCESS_KEY", hidden=True)
@click.option(
    "--no-color",
    envvar="NO_COLOR",
    hidden=True,
    expose_value=False,
    callback=lambda ctx, _, value: setattr(ctx, "color", False if value else ctx.color),
)
# A secret on a command line is readable by every process of the machine, so there is no option to show.
@click.option("--secret-key", envvar="AUTHZ_SECRET_KEY", hidden=True)
@click.option("--session-token", envvar="AUTHZ_SESSION_TOKEN", hidden=True)
@click.version_option(__version__, prog_name="authz")
@click.pass_context
def cli(ctx: click.Context, /, **options: Any) -> None:
    """Identity and access management: who may do what, answered to proxies and services.

    \b
    Start:    authz serve
    Then:     authz user create alice
              authz key create alice
              authz policy create readers readers.json
              authz policy attach readers --user alice
              authz check alice s3:GetObject arn:aws:s3:::photos/cat.jpg
    """  # noqa: D301 - click's mark for lines that stay as they are
    ctx.obj = Session(**options)
