"""`authz keyring`: rotate the master keys, on a machine that has the key ring and reaches the database.

These read the service's settings, as `authz serve` does, and change the file it reads when it starts. Keys are
never shown. Each command says what comes next, for with several replicas the order counts (docs/operations.md).

Not here: what is done (`bootstrap/key_rotation.py`).
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, print_table
from authz.cli.service import with_config
from authz.cli.session import Session, pass_session, with_json

if TYPE_CHECKING:
    from authz.settings import Settings


def _load(config_file: Path | None) -> "Settings":
    from authz import settings

    return settings.load(config_file=config_file).settings


@click.group()
def keyring() -> None:
    """Rotate the master keys that seal stored secrets, offline."""


@keyring.command("list")
@with_config
@with_json
@pass_session
def list_keys(session: Session, config_file: Path | None) -> None:
    """List the keys of the ring, and how many stored secrets each has sealed."""
    from authz.bootstrap import key_rotation

    listed, unknown = asyncio.run(key_rotation.count_secrets(_load(config_file)))
    rows = [
        {"id": one.key_id, "seals": "yes" if one.is_primary else "no", "secrets": one.secrets}
        for one in listed
    ]
    if session.as_json:
        print_json({"keys": rows, "sealed_by_none": unknown})
        return
    print_table(("id", "seals", "secrets"), rows, empty="no keys")
    if unknown:
        click.echo(f"authz: {unknown} secrets are sealed by none of these keys", err=True)


def _say(session: Session, done: dict[str, object], text: str, next_step: str) -> None:
    """Print what was done, and for people what comes next; the order is what makes it safe."""
    if session.as_json:
        print_json(done)
    else:
        click.echo(text)
        click.echo(f"next: {next_step}", err=True)


@keyring.command()
@with_config
@with_json
@pass_session
def add(session: Session, config_file: Path | None) -> None:
    """Add a new key that opens and does not seal yet, and print its id."""
    from authz.bootstrap import key_rotation

    key_id = key_rotation.add_key(_load(config_file))
    then = f"give all replicas this file, restart them, then: authz keyring activate {key_id}"
    _say(session, {"id": key_id}, key_id, then)


@keyring.command()
@click.argument("key_id")
@with_config
@with_json
@pass_session
def activate(session: Session, key_id: str, config_file: Path | None) -> None:
    """Let the key KEY_ID seal, once all replicas know it."""
    from authz.bootstrap import key_rotation

    key_rotation.activate_key(_load(config_file), key_id)
    then = "give all replicas this file, restart them, then: authz keyring reseal"
    _say(session, {"id": key_id}, f"{key_id} seals", then)


@keyring.command()
@with_config
@with_json
@pass_session
def rotate(session: Session, config_file: Path | None) -> None:
    """Add a new key that seals at once, and print its id; for a single replica."""
    from authz.bootstrap import key_rotation

    key_id = key_rotation.rotate_at_once(_load(config_file))
    _say(session, {"id": key_id}, key_id, "restart the service, then: authz keyring reseal")


@keyring.command()
@with_config
@with_json
@pass_session
def reseal(session: Session, config_file: Path | None) -> None:
    """Seal all stored secrets with the primary key; the service may run meanwhile.

    All replicas must know that key. May be interrupted, and run again.
    """
    from authz.bootstrap import key_rotation

    done, left = asyncio.run(key_rotation.reseal_secrets(_load(config_file)))
    if session.as_json:
        print_json({"sealed": done, "left": left})
    else:
        click.echo(f"{done} secrets are sealed by the primary key")
    if left:
        raise CliError(
            f"{left} secrets are not: no key of the ring opens them, or they changed meanwhile",
            exit_code=ExitCode.FAILURE,
            hint="run it again; see `authz keyring list`",
        )


@keyring.command()
@click.argument("key_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_config
@with_json
@pass_session
def prune(session: Session, key_id: str, config_file: Path | None, *, yes: bool) -> None:
    """Take the key KEY_ID from the ring, which must have sealed nothing that is stored."""
    from authz.bootstrap import key_rotation

    if not yes:
        click.confirm(
            f"Sessions issued while {key_id} sealed end with the next restart. Prune it?",
            abort=True,
        )
    asyncio.run(key_rotation.prune_key(_load(config_file), key_id))
    _say(session, {"id": key_id}, f"{key_id} is gone", "give all replicas this file, restart them")
