"""`authz key`: the access keys that users sign with.

A secret is printed once, by the `create` that made it; the service has no call that shows it again. A secret of
the caller's own is read from a file or standard input and never from an option, because every process of the
machine can read a command line.

A key is always named together with its user: who may touch whose keys is decided by the user's name.
"""

from typing import IO

import click
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli.calls import say_done, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import access_key_service_pb2 as wire
from authz.wire.authz.admin.v1 import status_pb2

COLUMNS = ("id", "user_name", "status", "description", "create_time")


@click.group()
def key() -> None:
    """Create, show, change and delete access keys."""


@key.command()
@click.argument("user")
@click.option("--description", default="", help="What the key is for.")
@click.option("--id", "access_key_id", default="", help="An access key id of your own.")
@click.option(
    "--secret-file",
    type=click.File(encoding="utf-8"),
    help="File with a secret of your own for --id (`-` for standard input).",
)
@with_json
@pass_session
def create(
    session: Session,
    user: str,
    description: str,
    access_key_id: str,
    secret_file: IO[str] | None,
) -> None:
    """Create an access key for USER. The secret is shown now and never again."""
    secret = secret_file.read().strip("\r\n") if secret_file else ""
    request = wire.CreateAccessKeyRequest(
        user_name=user,
        description=description,
        access_key_id=access_key_id,
        secret_access_key=secret,
    )
    answer = wire.CreateAccessKeyResponse
    show_one(session, "AccessKeyService/CreateAccessKey", request, answer)
    if not session.as_json:
        click.echo("keep the secret now: it is not shown again", err=True)


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@with_json
@pass_session
def get(session: Session, user: str, access_key_id: str) -> None:
    """Show the access key ACCESS_KEY_ID of USER, without its secret."""
    request = wire.GetAccessKeyRequest(id=access_key_id, user_name=user)
    show_one(session, "AccessKeyService/GetAccessKey", request, wire.GetAccessKeyResponse)


@key.command("list")
@click.argument("user")
@with_json
@pass_session
def list_keys(session: Session, user: str) -> None:
    """List the access keys of USER."""
    request = wire.ListAccessKeysRequest(user_name=user)
    answer = wire.ListAccessKeysResponse
    show_list(session, "AccessKeyService/ListAccessKeys", request, answer, COLUMNS)


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@with_json
@pass_session
def enable(session: Session, user: str, access_key_id: str) -> None:
    """Let the access key ACCESS_KEY_ID of USER sign again."""
    enabled = status_pb2.STATUS_ENABLED
    _update(session, wire.AccessKey(id=access_key_id, user_name=user, status=enabled), "status")


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@with_json
@pass_session
def disable(session: Session, user: str, access_key_id: str) -> None:
    """Stop the access key ACCESS_KEY_ID of USER from signing."""
    disabled = status_pb2.STATUS_DISABLED
    _update(session, wire.AccessKey(id=access_key_id, user_name=user, status=disabled), "status")


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@click.argument("description")
@with_json
@pass_session
def describe(session: Session, user: str, access_key_id: str, description: str) -> None:
    """Replace the DESCRIPTION of the access key ACCESS_KEY_ID of USER."""
    changed = wire.AccessKey(id=access_key_id, user_name=user, description=description)
    _update(session, changed, "description")


def _update(session: Session, changed: wire.AccessKey, path: str) -> None:
    request = wire.UpdateAccessKeyRequest(access_key=changed, update_mask=FieldMask(paths=[path]))
    answer = wire.UpdateAccessKeyResponse
    show_one(session, "AccessKeyService/UpdateAccessKey", request, answer)


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@with_json
@pass_session
def delete(session: Session, user: str, access_key_id: str) -> None:
    """Delete the access key ACCESS_KEY_ID of USER."""
    request = wire.DeleteAccessKeyRequest(id=access_key_id, user_name=user)
    answer = wire.DeleteAccessKeyResponse
    done = f"access key {access_key_id} of {user} deleted"
    say_done(session, "AccessKeyService/DeleteAccessKey", request, answer, done)
