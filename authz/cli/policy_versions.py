"""`authz policy version`: the stored versions of a policy's document, of which one is in force.

`create` stores a document without putting it in force, unless it is told to; `set-default` puts one in force,
which is also how a change is taken back. A policy has five versions at most; `delete` makes room.

Not here: the policy as a whole (`policies.py`).
"""

from typing import IO

import click

from authz.cli.calls import DOCUMENT, say_done, show_document, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import policy_service_pb2 as wire

COLUMNS = ("version", "is_default", "create_time")

VERSION = click.argument("version", type=click.IntRange(min=1, max=2**31 - 1))


@click.group()
def version() -> None:
    """Store, show, put in force and delete versions of a policy."""


@version.command()
@click.argument("name")
@DOCUMENT
@click.option("--set-default", is_flag=True, help="Put it in force at once.")
@with_json
@pass_session
def create(session: Session, name: str, document: IO[str], set_default: bool) -> None:
    """Store the file DOCUMENT (`-`: standard input) as a version of the policy NAME."""
    request = wire.CreatePolicyVersionRequest(
        policy_name=name, document=document.read(), set_as_default=set_default
    )
    answer = wire.CreatePolicyVersionResponse
    show_one(session, "PolicyService/CreatePolicyVersion", request, answer)


@version.command()
@click.argument("name")
@VERSION
@click.option("--document", is_flag=True, help="Print the document alone, as its author wrote it.")
@with_json
@pass_session
def get(session: Session, name: str, version: int, document: bool) -> None:
    """Show a VERSION of the policy NAME."""
    request = wire.GetPolicyVersionRequest(policy_name=name, version=version)
    answer = wire.GetPolicyVersionResponse
    method = "PolicyService/GetPolicyVersion"
    show_document(session, method, request, answer, is_alone=document)


@version.command("list")
@click.argument("name")
@with_json
@pass_session
def list_versions(session: Session, name: str) -> None:
    """List the versions of the policy NAME, newest first, without their documents."""
    request = wire.ListPolicyVersionsRequest(policy_name=name)
    answer = wire.ListPolicyVersionsResponse
    show_list(session, "PolicyService/ListPolicyVersions", request, answer, COLUMNS)


@version.command("set-default")
@click.argument("name")
@VERSION
@with_json
@pass_session
def set_default(session: Session, name: str, version: int) -> None:
    """Put a VERSION of the policy NAME in force at once, wherever the policy is attached."""
    request = wire.SetDefaultPolicyVersionRequest(policy_name=name, version=version)
    answer = wire.SetDefaultPolicyVersionResponse
    done = f"version {version} of policy {name} is in force"
    say_done(session, "PolicyService/SetDefaultPolicyVersion", request, answer, done)


@version.command()
@click.argument("name")
@VERSION
@with_json
@pass_session
def delete(session: Session, name: str, version: int) -> None:
    """Delete a VERSION of the policy NAME, which must not be in force."""
    request = wire.DeletePolicyVersionRequest(policy_name=name, version=version)
    answer = wire.DeletePolicyVersionResponse
    done = f"version {version} of policy {name} deleted"
    say_done(session, "PolicyService/DeletePolicyVersion", request, answer, done)
