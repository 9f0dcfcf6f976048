"""`authz role`: what users and sessions can become for a while, and who may.

A role has no credentials of its own: who assumes it gets a session that may do what the role's policies allow.
So a trust policy is as strong as those policies are, and has a command of its own (`trust`), as it has a right
of its own.

Not here: the policies of a role (`policies.py`), ending its sessions (`sessions.py`), or what must go before
it can be deleted (`cascade.py`).
"""

from typing import IO, Any

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli import times
from authz.cli.calls import DOCUMENT, parse_tags, say_done, show_document, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import role_service_pb2 as wire

COLUMNS = ("name", "description", "max_session_duration", "arn", "create_time")

_DURATION = click.option(
    "--max-duration",
    type=times.duration,
    help="The longest a session of it may last, `1h` to `12h`.",
)


@click.group()
def role() -> None:
    """Create, show, change and delete roles, and say who may assume them."""


@role.command()
@click.argument("name")
@DOCUMENT
@click.option("--description", default="", help="What the role is for.")
@_DURATION
@click.option("--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag; may be repeated.")
@click.option("--boundary", metavar="POLICY", help="Its permissions boundary.")
@with_json
@pass_session
def create(
    session: Session,
    /,
    name: str,
    document: IO[str],
    description: str,
    max_duration: Duration | None,
    tags: tuple[str, ...],
    boundary: str | None,
) -> None:
    """Create the role NAME, which those may assume whom the trust policy in the file DOCUMENT names."""
    if boundary == "":
        # A variable that a script forgot to set must not make a role without a boundary.
        raise click.BadParameter("the name is empty", param_hint="--boundary")
    request = wire.CreateRoleRequest(
        name=name,
        trust_policy=document.read(),
        description=description,
        max_session_duration=max_duration,
        tags=parse_tags(tags),
        permissions_boundary=boundary,
    )
    show_one(session, "RoleService/CreateRole", request, wire.CreateRoleResponse)


@role.command()
@click.argument("name")
@click.option(
    "--document", is_flag=True, help="Print the trust policy alone, as its author wrote it."
)
@with_json
@pass_session
def get(session: Session, name: str, document: bool) -> None:
    """Show the role NAME with its trust policy."""
    request = wire.GetRoleRequest(name=name)
    answer = wire.GetRoleResponse
    show_document(session, "RoleService/GetRole", request, answer, is_alone=document)


@role.command("list")
@with_json
@pass_session
def list_roles(session: Session) -> None:
    """List all roles, without their trust policies."""
    request = wire.ListRolesRequest()
    show_list(session, "RoleService/ListRoles", request, wire.ListRolesResponse, COLUMNS)


@role.command()
@click.argument("name")
@click.option("--description", help="What the role is for.")
@_DURATION
@click.option(
    "--tag", "tags", multiple=True, metavar="KEY=VALUE", help="A tag in place of all it has."
)
@click.option("--no-tags", is_flag=True, help="Take all its tags away.")
@with_json
@pass_session
def update(
    session: Session,
    name: str,
    description: str | None,
    max_duration: Duration | None,
    tags: tuple[str, ...],
    no_tags: bool,
) -> None:
    """Change what the options name of the role NAME, and nothing else."""
    if tags and no_tags:
        raise click.UsageError("--tag and --no-tags exclude each other")
    fields: dict[str, Any] = {
        "description": description,
        "max_session_duration": max_duration,
        "tags": parse_tags(tags) if tags or no_tags else None,
    }
    changed = {field: value for field, value in fields.items() if value is not None}
    if not changed:
        raise click.UsageError("name what to change")
    request = wire.UpdateRoleRequest(
        role=wire.Role(name=name, **changed), update_mask=FieldMask(paths=changed)
    )
    show_one(session, "RoleService/UpdateRole", request, wire.UpdateRoleResponse)


@role.command()
@click.argument("name")
@DOCUMENT
@with_json
@pass_session
def trust(session: Session, name: str, document: IO[str]) -> None:
    """Replace the trust policy of the role NAME: whom it names may do all that the role may do."""
    request = wire.UpdateTrustPolicyRequest(role_name=name, trust_policy=document.read())
    answer = wire.UpdateTrustPolicyResponse
    show_one(session, "RoleService/UpdateTrustPolicy", request, answer)


@role.command()
@click.argument("name")
@click.option("--cascade", is_flag=True, help="First detach its policies.")
@with_json
@pass_session
def delete(session: Session, name: str, cascade: bool) -> None:
    """Delete the role NAME, which must have no policies left; its sessions are over."""
    if cascade:
        from authz.cli.cascade import clear_role

        with session.connect() as client:
            clear_role(client, name)
    request = wire.DeleteRoleRequest(name=name)
    done = f"role {name} deleted"
    say_done(session, "RoleService/DeleteRole", request, wire.DeleteRoleResponse, done)


@role.group()
def boundary() -> None:
    """Set and clear permissions boundaries: the most that a role's policies can grant it."""


@boundary.command("set")
@click.argument("name")
@click.argument("policy")
@with_json
@pass_session
def set_boundary(session: Session, name: str, policy: str) -> None:
    """Make POLICY the permissions boundary of the role NAME; it is in force at once."""
    request = wire.PutRolePermissionsBoundaryRequest(role_name=name, policy_name=policy)
    answer = wire.PutRolePermissionsBoundaryResponse
    show_one(session, "RoleService/PutRolePermissionsBoundary", request, answer)


@boundary.command("clear")
@click.argument("name")
@with_json
@pass_session
def clear_boundary(session: Session, name: str) -> None:
    """Take the permissions boundary of the role NAME away, which may let it do more."""
    request = wire.DeleteRolePermissionsBoundaryRequest(role_name=name)
    answer = wire.DeleteRolePermissionsBoundaryResponse
    show_one(session, "RoleService/DeleteRolePermissionsBoundary", request, answer)
