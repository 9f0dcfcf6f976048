"""`authz group`: sets of users that policies are attached to once.

Each command is one call of `GroupService` and prints its answer; names and limits are checked by the service
alone, so that there is one opinion of them. Disabling a group takes away what it allows and keeps what it
denies, since a switch must not widen anybody's access.

Not here: attaching policies to groups (`policies.py`), emptying a group before it is deleted (`cascade.py`).
"""

import click
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli.calls import say_done, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import group_service_pb2 as wire
from authz.wire.authz.admin.v1 import status_pb2

COLUMNS = ("name", "status", "provider", "arn", "create_time")


@click.group()
def group() -> None:
    """Create, show, change and delete groups and their members."""


@group.command()
@click.argument("name")
@with_json
@pass_session
def create(session: Session, name: str) -> None:
    """Create the group NAME; PROVIDER=NAME for one of a provider, which says who is in it."""
    request = wire.CreateGroupRequest(name=name)
    show_one(session, "GroupService/CreateGroup", request, wire.CreateGroupResponse)


@group.command()
@click.argument("name")
@with_json
@pass_session
def get(session: Session, name: str) -> None:
    """Show the group NAME."""
    request = wire.GetGroupRequest(name=name)
    show_one(session, "GroupService/GetGroup", request, wire.GetGroupResponse)


@group.command("list")
@click.option("--user", metavar="USER", help="Only the groups that USER is in.")
@click.option("--provider", metavar="PROVIDER", help="Only the groups of PROVIDER.")
@with_json
@pass_session
def list_groups(session: Session, user: str | None, provider: str | None) -> None:
    """List all groups, or those of one user or one identity provider."""
    if user is not None and provider is not None:
        raise click.UsageError("--user and --provider exclude each other")
    if user is None:
        request = wire.ListGroupsRequest(provider=provider)
        show_list(session, "GroupService/ListGroups", request, wire.ListGroupsResponse, COLUMNS)
        return
    of_user = wire.ListGroupsForUserRequest(user_name=user)
    answer = wire.ListGroupsForUserResponse
    show_list(session, "GroupService/ListGroupsForUser", of_user, answer, COLUMNS)


@group.command()
@click.argument("name")
@with_json
@pass_session
def enable(session: Session, name: str) -> None:
    """Let the group NAME grant again."""
    _set_status(session, name, status_pb2.STATUS_ENABLED)


@group.command()
@click.argument("name")
@with_json
@pass_session
def disable(session: Session, name: str) -> None:
    """Stop the group NAME from granting; its denies still hold."""
    _set_status(session, name, status_pb2.STATUS_DISABLED)


def _set_status(session: Session, name: str, status: status_pb2.Status) -> None:
    request = wire.UpdateGroupRequest(
        group=wire.Group(name=name, status=status), update_mask=FieldMask(paths=["status"])
    )
    show_one(session, "GroupService/UpdateGroup", request, wire.UpdateGroupResponse)


@group.command()
@click.argument("name")
@click.option("--cascade", is_flag=True, help="First take everybody out and detach its policies.")
@with_json
@pass_session
def delete(session: Session, name: str, cascade: bool) -> None:
    """Delete the group NAME, which must have no members or policies left."""
    if cascade:
        from authz.cli.cascade import clear_group

        with session.connect() as client:
            clear_group(client, name)
    request = wire.DeleteGroupRequest(name=name)
    done = f"group {name} deleted"
    say_done(session, "GroupService/DeleteGroup", request, wire.DeleteGroupResponse, done)


@group.command()
@click.argument("name")
@click.argument("users", nargs=-1, required=True)
@with_json
@pass_session
def add(session: Session, name: str, users: tuple[str, ...]) -> None:
    """Put USERS into the group NAME, all or none."""
    request = wire.AddGroupMembersRequest(group_name=name, user_names=users)
    answer = wire.AddGroupMembersResponse
    done = f"{', '.join(users)} added to group {name}"
    say_done(session, "GroupService/AddGroupMembers", request, answer, done)


@group.command()
@click.argument("name")
@click.argument("users", nargs=-1, required=True)
@with_json
@pass_session
def remove(session: Session, name: str, users: tuple[str, ...]) -> None:
    """Take USERS out of the group NAME, all or none."""
    request = wire.RemoveGroupMembersRequest(group_name=name, user_names=users)
    answer = wire.RemoveGroupMembersResponse
    done = f"{', '.join(users)} removed from group {name}"
    say_done(session, "GroupService/RemoveGroupMembers", request, answer, done)


@group.command()
@click.argument("name")
@with_json
@pass_session
def members(session: Session, name: str) -> None:
    """List the users in the group NAME."""
    request = wire.ListGroupMembersRequest(group_name=name)
    answer = wire.ListGroupMembersResponse
    show_list(
        session,
        "GroupService/ListGroupMembers",
        request,
        answer,
        ("user_name",),
        row=lambda name: {"user_name": name},
    )
