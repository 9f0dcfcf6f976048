"""`authz user`: the people and applications that act.

Each command is one call of `UserService` and prints its answer; names and tags are checked by the service
alone, so that there is one opinion of them. A new user can do nothing until a policy is attached to it or to a
group it is in.

Not here: a user's access keys (`keys.py`), its groups (`groups.py`), its policies (`policies.py`), or what must
go before it can be deleted (`cascade.py`).
"""

import click
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli.calls import parse_tags, say_done, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import status_pb2
from authz.wire.authz.admin.v1 import user_service_pb2 as wire

COLUMNS = ("name", "display_name", "status", "provider", "arn", "create_time")


@click.group()
def user() -> None:
    """Create, show, change and delete users."""


@user.command()
@click.argument("name")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@click.option("--disabled", is_flag=True, help="Create the user disabled.")
@click.option("--boundary", metavar="POLICY", help="Its permissions boundary.")
@with_json
@pass_session
def create(
    session: Session, name: str, tags: tuple[str, ...], disabled: bool, boundary: str | None
) -> None:
    """Create the user NAME; PROVIDER=NAME for somebody who has not logged in there yet."""
    if boundary == "":
        # A variable that a script forgot to set must not make a user without a boundary.
        raise click.BadParameter("the name is empty", param_hint="--boundary")
    request = wire.CreateUserRequest(
        name=name,
        status=status_pb2.STATUS_DISABLED if disabled else status_pb2.STATUS_ENABLED,
        tags=parse_tags(tags),
        permissions_boundary=boundary,
    )
    show_one(session, "UserService/CreateUser", request, wire.CreateUserResponse)


@user.command()
@click.argument("name")
@with_json
@pass_session
def get(session: Session, name: str) -> None:
    """Show the user NAME."""
    request = wire.GetUserRequest(name=name)
    show_one(session, "UserService/GetUser", request, wire.GetUserResponse)


@user.command("list")
@click.option("--provider", metavar="PROVIDER", help="Only the users of PROVIDER.")
@with_json
@pass_session
def list_users(session: Session, provider: str | None) -> None:
    """List all users, or those of one identity provider."""
    request = wire.ListUsersRequest(provider=provider)
    show_list(session, "UserService/ListUsers", request, wire.ListUsersResponse, COLUMNS)


@user.command()
@click.argument("name")
@with_json
@pass_session
def enable(session: Session, name: str) -> None:
    """Let the user NAME act again."""
    _set_status(session, name, status_pb2.STATUS_ENABLED)


@user.command()
@click.argument("name")
@with_json
@pass_session
def disable(session: Session, name: str) -> None:
    """Stop the user NAME from acting, its access keys included."""
    _set_status(session, name, status_pb2.STATUS_DISABLED)


def _set_status(session: Session, name: str, status: status_pb2.Status) -> None:
    _update(session, wire.User(name=name, status=status), "status")


@user.command()
@click.argument("name")
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@with_json
@pass_session
def tag(session: Session, name: str, tags: tuple[str, ...]) -> None:
    """Replace all tags of the user NAME; without --tag, remove them."""
    _update(session, wire.User(name=name, tags=parse_tags(tags)), "tags")


def _update(session: Session, changed: wire.User, path: str) -> None:
    request = wire.UpdateUserRequest(user=changed, update_mask=FieldMask(paths=[path]))
    show_one(session, "UserService/UpdateUser", request, wire.UpdateUserResponse)


@user.command()
@click.argument("name")
@click.option(
    "--cascade",
    is_flag=True,
    help="First delete its access keys, leave its groups, detach its policies.",
)
@with_json
@pass_session
def delete(session: Session, name: str, cascade: bool) -> None:
    """Delete the user NAME, which must have no access keys, groups or policies left."""
    if cascade:
        from authz.cli.cascade import clear_user

        with session.connect() as client:
            clear_user(client, name)
    request = wire.DeleteUserRequest(name=name)
    done = f"user {name} deleted"
    say_done(session, "UserService/DeleteUser", request, wire.DeleteUserResponse, done)


@user.group()
def boundary() -> None:
    """Set and clear permissions boundaries: the most that a user's policies can grant it."""


@boundary.command("set")
@click.argument("name")
@click.argument("policy")
@with_json
@pass_session
def set_boundary(session: Session, name: str, policy: str) -> None:
    """Make POLICY the permissions boundary of the user NAME; it is in force at once."""
    request = wire.PutPermissionsBoundaryRequest(user_name=name, policy_name=policy)
    answer = wire.PutPermissionsBoundaryResponse
    show_one(session, "UserService/PutPermissionsBoundary", request, answer)


@boundary.command("clear")
@click.argument("name")
@with_json
@pass_session
def clear_boundary(session: Session, name: str) -> None:
    """Take the permissions boundary of the user NAME away, which may let it do more."""
    request = wire.DeletePermissionsBoundaryRequest(user_name=name)
    answer = wire.DeletePermissionsBoundaryResponse
    show_one(session, "UserService/DeletePermissionsBoundary", request, answer)
