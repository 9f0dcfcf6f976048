"""`authz resource-policy`: documents that say who may use one resource, kept for that resource.

A resource is named by its ARN, a bucket by `arn:aws:s3:::NAME`; its policy is in force for its objects as well.
As with managed policies, documents go and come byte for byte, and it is the service that judges them.

Not here: policies that are attached to users and groups (`policies.py`).
"""

from typing import IO

import click

from authz.cli.calls import DOCUMENT, say_done, show_document, show_list, show_one
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import resource_policy_service_pb2 as wire

COLUMNS = ("resource", "version", "is_public", "update_time")


@click.group("resource-policy")
def resource_policy() -> None:
    """Write, show and delete policies of buckets and other resources."""


@resource_policy.command()
@click.argument("resource")
@DOCUMENT
@with_json
@pass_session
def put(session: Session, resource: str, document: IO[str]) -> None:
    """Set the policy of RESOURCE (an ARN) from the file DOCUMENT (`-`: standard input), at once in force."""
    request = wire.PutResourcePolicyRequest(resource=resource, document=document.read())
    answer = wire.PutResourcePolicyResponse
    show_one(session, "ResourcePolicyService/PutResourcePolicy", request, answer)


@resource_policy.command()
@click.argument("resource")
@click.option("--document", is_flag=True, help="Print the document alone, as its author wrote it.")
@with_json
@pass_session
def get(session: Session, resource: str, document: bool) -> None:
    """Show the policy of RESOURCE."""
    request = wire.GetResourcePolicyRequest(resource=resource)
    answer = wire.GetResourcePolicyResponse
    method = "ResourcePolicyService/GetResourcePolicy"
    show_document(session, method, request, answer, is_alone=document)


@resource_policy.command("list")
@with_json
@pass_session
def list_policies(session: Session) -> None:
    """List the resources that have a policy, without their documents."""
    request = wire.ListResourcePoliciesRequest()
    answer = wire.ListResourcePoliciesResponse
    show_list(session, "ResourcePolicyService/ListResourcePolicies", request, answer, COLUMNS)


@resource_policy.command()
@click.argument("resource")
@with_json
@pass_session
def delete(session: Session, resource: str) -> None:
    """Delete the policy of RESOURCE, its denies with it."""
    request = wire.DeleteResourcePolicyRequest(resource=resource)
    answer = wire.DeleteResourcePolicyResponse
    done = f"policy of {resource} deleted"
    say_done(session, "ResourcePolicyService/DeleteResourcePolicy", request, answer, done)
