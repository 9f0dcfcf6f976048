"""`authz serve`, `authz migrate`, `authz config`: the service itself, on its own machine.

These read the service's settings (`AUTHZ_…` and a file), where all other commands know an address and a
credential. `migrate` is a command of its own for PostgreSQL, whose schema is brought up to date by one step of
a deployment and not by whichever replica starts first; an embedded database `serve` migrates itself.

Everything heavy is imported inside the commands, so that `--help` stays quick. Not here: how the service is
put together (`authz/bootstrap`), what the settings mean (`authz/settings.py`).
"""

from pathlib import Path
from typing import Any

import click

from authz.cli.output import print_json, print_table
from authz.cli.session import F, Session, pass_session, with_json


def with_config(command: F) -> F:
    """Give a command the option to read settings from a file."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="TOML file of settings; the environment wins over it.  [env: AUTHZ_CONFIG_FILE]",
    )(command)


@click.command()
@with_config
@click.pass_context
def serve(ctx: click.Context, config_file: Path | None) -> None:
    """Run the service until SIGTERM or SIGINT.

    Everything is set by AUTHZ_… variables or a file; see `authz config`.
    """
    import asyncio

    from authz import bootstrap, settings

    loaded = settings.load(config_file=config_file)
    ctx.exit(asyncio.run(bootstrap.serve(loaded.settings)))


@click.command()
@with_config
def migrate(config_file: Path | None) -> None:
    """Bring the database's schema up to date; safe to run again and by several at once."""
    import asyncio

    from authz import bootstrap, settings

    loaded = settings.load(config_file=config_file)
    asyncio.run(bootstrap.migrate(loaded.settings))
    click.echo("the schema is up to date")


@click.command()
@with_config
@with_json
@pass_session
def config(session: Session, config_file: Path | None) -> None:
    """Show the effective settings, where each comes from, and what it is for; secrets redacted."""
    from authz import settings

    rows: list[dict[str, Any]] = [
        one._asdict() for one in settings.load(config_file=config_file).describe()
    ]
    if session.as_json:
        print_json({"settings": rows})
    else:
        print_table(("name", "value", "source", "help"), rows, empty="no settings")
