"""`authz key`: the access keys that users sign with.

A secret is printed once, by the `create` that made it; the service has no call that shows it again. A secret of
the caller's own is read from a file or standard input and never from an option, because every process of the
machine can read a command line.

A key with a policy of its own, a service account, may do no more than that policy and its user's own say.

A key is always named together with its user: who may touch whose keys is decided by the user's name.
"""

from collections.abc import Callable
from typing import IO, Any, Final, TypeVar

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from authz.cli import times
from authz.cli.calls import read_narrowing, say_done, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import access_key_service_pb2 as wire
from authz.wire.authz.admin.v1 import status_pb2

COLUMNS = (
    "id",
    "user_name",
    "name",
    "status",
    "is_narrowed",
    "expire_time",
    "description",
    "create_time",
)

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: Final = (
    click.option("--name", help="A name for people."),
    click.option("--description", help="What the key is for."),
    click.option(
        "--policy",
        type=click.File(encoding="utf-8"),
        help="File with a policy that narrows the key (`-` for standard input).",
    ),
    click.option(
        "--expires-in", type=times.duration, help="How long from now it signs: `12h`, `30d`."
    ),
    click.option(
        "--expires-at", type=times.time, help="Until when it signs: `2027-01-31T12:00:00Z`."
    ),
)


def _with_properties(command: F) -> F:
    """Give a command the options that say what a key is."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group()
def key() -> None:
    """Create, show, change and delete access keys."""


@key.command()
@click.argument("user")
@_with_properties
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
    /,
    user: str,
    access_key_id: str,
    secret_file: IO[str] | None,
    **options: Any,
) -> None:
    """Create an access key for USER. The secret is shown now and never again."""
    secret = secret_file.read().strip("\r\n") if secret_file else ""
    request = wire.CreateAccessKeyRequest(
        user_name=user,
        access_key_id=access_key_id,
        secret_access_key=secret,
        **_properties(**options),
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
    method = "AccessKeyService/ListAccessKeys"
    show_list(session, method, request, answer, COLUMNS, row=_row)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        **entry,
        "is_narrowed": "yes" if entry["is_narrowed"] else "no",
        "expire_time": entry["expire_time"] or "never",
    }


@key.command()
@click.argument("user")
@click.argument("access_key_id")
@_with_properties
@click.option("--no-policy", is_flag=True, help="Take its policy away, which may let it do more.")
@click.option("--never-expires", is_flag=True, help="Let it sign for ever.")
@with_json
@pass_session
def update(
    session: Session,
    /,
    user: str,
    access_key_id: str,
    no_policy: bool,
    never_expires: bool,
    **options: Any,
) -> None:
    """Change what the options name of the access key ACCESS_KEY_ID of USER, and nothing else."""
    changed = _properties(**options)
    if (no_policy and "policy" in changed) or (never_expires and "expire_time" in changed):
        raise click.UsageError("an option that sets something excludes the one that takes it away")
    removed = {"policy": no_policy, "expire_time": never_expires}
    paths = [*changed, *(path for path, is_removed in removed.items() if is_removed)]
    if not paths:
        raise click.UsageError("name what to change")
    _update(session, wire.AccessKey(id=access_key_id, user_name=user, **changed), *paths)


def _properties(
    name: str | None,
    description: str | None,
    policy: IO[str] | None,
    expires_in: Duration | None,
    expires_at: Timestamp | None,
) -> dict[str, Any]:
    """Return the fields that the options name."""
    fields = {
        "name": name,
        "description": description,
        "policy": read_narrowing(policy),
        "expire_time": times.expiry(expires_in, expires_at),
    }
    return {field: value for field, value in fields.items() if value is not None}


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


def _update(session: Session, changed: wire.AccessKey, *paths: str) -> None:
    request = wire.UpdateAccessKeyRequest(access_key=changed, update_mask=FieldMask(paths=paths))
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
