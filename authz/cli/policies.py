"""`authz policy`: documents that say who may do what, and whom they hold for.

A document goes to the service as it was written and comes back byte for byte (`get --document`), so it can be
kept in a repository and compared; whether it says something is for the service to judge, which answers with the
place of a mistake. Attaching is here too, as it is of policies that people ask "where does it hold?".

Not here: the versions of a document (`policy_versions.py`), the policies of resources
(`resource_policies.py`), and asking what policies amount to (`questions.py`).
"""

from typing import IO

import click
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli.calls import DOCUMENT, say_done, show_document, show_list, show_one
from authz.cli.policy_tests import run_tests
from authz.cli.policy_versions import version
from authz.cli.session import F, Session, pass_session, with_json
from authz.cli.validation import validate
from authz.wire.authz.admin.v1 import attachment_service_pb2, policy_service_pb2

COLUMNS = ("name", "version", "description", "arn", "update_time")


@click.group()
def policy() -> None:
    """Write, show, attach, detach, validate and test policies."""


policy.add_command(version)
policy.add_command(validate)
policy.add_command(run_tests)


@policy.command()
@click.argument("name")
@DOCUMENT
@click.option("--description", default="", help="What the policy is for.")
@with_json
@pass_session
def create(session: Session, name: str, document: IO[str], description: str) -> None:
    """Create the policy NAME from the file DOCUMENT (JSON as AWS IAM writes it; `-`: standard input)."""
    request = policy_service_pb2.CreatePolicyRequest(
        name=name, document=document.read(), description=description
    )
    answer = policy_service_pb2.CreatePolicyResponse
    show_one(session, "PolicyService/CreatePolicy", request, answer)


@policy.command()
@click.argument("name")
@click.option("--document", is_flag=True, help="Print the document alone, as its author wrote it.")
@with_json
@pass_session
def get(session: Session, name: str, document: bool) -> None:
    """Show the policy NAME."""
    request = policy_service_pb2.GetPolicyRequest(name=name)
    answer = policy_service_pb2.GetPolicyResponse
    show_document(session, "PolicyService/GetPolicy", request, answer, is_alone=document)


@policy.command("list")
@with_json
@pass_session
def list_policies(session: Session) -> None:
    """List all policies, without their documents."""
    request = policy_service_pb2.ListPoliciesRequest()
    answer = policy_service_pb2.ListPoliciesResponse
    show_list(session, "PolicyService/ListPolicies", request, answer, COLUMNS)


@policy.command()
@click.argument("name")
@DOCUMENT
@with_json
@pass_session
def update(session: Session, name: str, document: IO[str]) -> None:
    """Replace the document of the policy NAME by a new version, in force at once."""
    changed = policy_service_pb2.Policy(name=name, document=document.read())
    _update(session, changed, "document")


@policy.command()
@click.argument("name")
@click.argument("description")
@with_json
@pass_session
def describe(session: Session, name: str, description: str) -> None:
    """Replace the DESCRIPTION of the policy NAME."""
    changed = policy_service_pb2.Policy(name=name, description=description)
    _update(session, changed, "description")


def _update(session: Session, changed: policy_service_pb2.Policy, path: str) -> None:
    request = policy_service_pb2.UpdatePolicyRequest(
        policy=changed, update_mask=FieldMask(paths=[path])
    )
    answer = policy_service_pb2.UpdatePolicyResponse
    show_one(session, "PolicyService/UpdatePolicy", request, answer)


@policy.command()
@click.argument("name")
@click.option("--cascade", is_flag=True, help="First detach it from everything.")
@with_json
@pass_session
def delete(session: Session, name: str, cascade: bool) -> None:
    """Delete the policy NAME, which must be attached to nothing and nobody's permissions boundary."""
    if cascade:
        from authz.cli.cascade import clear_policy

        with session.connect() as client:
            clear_policy(client, name)
    request = policy_service_pb2.DeletePolicyRequest(name=name)
    answer = policy_service_pb2.DeletePolicyResponse
    say_done(session, "PolicyService/DeletePolicy", request, answer, f"policy {name} deleted")


def _with_target(command: F) -> F:
    command = click.option(
        "--provider", metavar="PROVIDER", help="All users of this identity provider."
    )(command)
    command = click.option("--role", metavar="ROLE", help="The role.")(command)
    command = click.option("--group", metavar="GROUP", help="The group.")(command)
    return click.option("--user", metavar="USER", help="The user.")(command)


def _parse_target(**choices: str | None) -> dict[str, str]:
    chosen = {f"{kind}_name": name for kind, name in choices.items() if name is not None}
    if len(chosen) != 1:
        options = " or ".join(f"--{kind}" for kind in choices)
        raise click.UsageError(f"name exactly one: {options}")
    return chosen


@policy.command()
@click.argument("name")
@_with_target
@with_json
@pass_session
def attach(session: Session, /, name: str, **choices: str | None) -> None:
    """Attach the policy NAME to a user, a group, a role or all users of a provider, at once."""
    target = _parse_target(**choices)
    request = attachment_service_pb2.AttachPolicyRequest(policy_name=name, **target)
    answer = attachment_service_pb2.AttachPolicyResponse
    done = f"policy {name} attached to {next(iter(target.values()))}"
    say_done(session, "AttachmentService/AttachPolicy", request, answer, done)


@policy.command()
@click.argument("name")
@_with_target
@with_json
@pass_session
def detach(session: Session, /, name: str, **choices: str | None) -> None:
    """Detach the policy NAME from a user, a group, a role or all users of a provider, at once."""
    target = _parse_target(**choices)
    request = attachment_service_pb2.DetachPolicyRequest(policy_name=name, **target)
    answer = attachment_service_pb2.DetachPolicyResponse
    done = f"policy {name} detached from {next(iter(target.values()))}"
    say_done(session, "AttachmentService/DetachPolicy", request, answer, done)


@policy.command()
@click.option("--policy", metavar="POLICY", help="Where POLICY is attached.")
@_with_target
@with_json
@pass_session
def attachments(session: Session, /, **choices: str | None) -> None:
    """List what is attached to a user, a group, a role or a provider, or what a policy is attached to."""
    chosen = _parse_target(**choices)
    request = attachment_service_pb2.ListAttachmentsRequest(**chosen)  # type: ignore[arg-type]  # one name
    answer = attachment_service_pb2.ListAttachmentsResponse
    columns = ("policy_name", "user_name", "group_name", "role_name", "provider_name")
    show_list(session, "AttachmentService/ListAttachments", request, answer, columns)
