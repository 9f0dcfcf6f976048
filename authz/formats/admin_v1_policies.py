"""`authz.admin.v1` messages about policies ↔ the values of the control plane: managed ones, those of resources.

A document leaves only in the answer to a call that is allowed to read it, or back to who has just written it:
a right to change a policy is none to see it. Findings are about the document that was sent.

`parse_holder` reads whose policy a call is about, before anybody is asked whether the caller may. S3's buckets
have one spelling here, so that no other text can stand for a bucket past the rights on that bucket.

Not here: what makes a document acceptable (`bootstrap/building.py` puts that together).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz.control.limits import check_resource
from authz.errors import InvalidError, ParseError, quote
from authz.formats.admin_v1 import arn_of_policy, parse_mask, render_time
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.formats.s3_address import is_bucket_name
from authz.identity.records import ManagedPolicy, PolicyVersion, ResourcePolicy
from authz.policy.arn import PART_COUNT, bucket_arn
from authz.policy.resource_policies import is_public
from authz.policy.validate import Finding, Severity
from authz.wire.authz.admin.v1 import (
    finding_pb2,
    policy_service_pb2,
    resource_policy_service_pb2,
)

_WITHOUT: Final = frozenset({"iam", "sts"})
"""Services whose things have no resource policy. With one on a user, whoever writes it could grant the care of
that user past every permissions boundary. AWS has none there, either, but for the trust policies of roles."""

SEVERITIES: Final[dict[Severity, finding_pb2.Severity]] = {
    Severity.ERROR: finding_pb2.SEVERITY_ERROR,
    Severity.SECURITY: finding_pb2.SEVERITY_SECURITY,
    Severity.WARNING: finding_pb2.SEVERITY_WARNING,
    Severity.SUGGESTION: finding_pb2.SEVERITY_SUGGESTION,
}


class HolderKind(StrEnum):
    """What has a resource policy."""

    BUCKET = "bucket"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """What an update of a policy changes; `None` is left as it is."""

    name: str
    document: str | None
    description: str | None


# --- requests → values ---


def parse_policy_change(message: policy_service_pb2.UpdatePolicyRequest) -> PolicyChange:
    """Read an `UpdatePolicyRequest`."""
    paths = parse_mask(message.update_mask, frozenset({"document", "description"}))
    policy = message.policy
    return PolicyChange(
        name=policy.name,
        document=policy.document if "document" in paths else None,
        description=policy.description if "description" in paths else None,
    )


def parse_holder(resource: str) -> HolderKind:
    """Tell what a request's `resource` is; raises `InvalidError` for what can have no policy of its own."""
    check_resource(resource)
    service, name = resource.split(":", PART_COUNT - 1)[2::3]
    if service.lower() in _WITHOUT:
        problem = (
            "users, groups, roles and policies have no resource policy; attach a policy to who acts"
        )
        raise InvalidError(problem, field="resource")
    if service.lower() != "s3":
        return HolderKind.OTHER
    if resource != bucket_arn(name) or not is_bucket_name(name):
        problem = f"{quote(resource)} names no bucket, which is spelt `{bucket_arn('NAME')}`"
        raise InvalidError(problem, field="resource")
    return HolderKind.BUCKET


# --- records → messages ---


def render_policy(
    policy: ManagedPolicy, account: str, *, with_document: bool = True
) -> policy_service_pb2.Policy:
    """Write a managed policy, with its document for those who may see it."""
    return policy_service_pb2.Policy(
        name=policy.name,
        id=policy.id,
        arn=arn_of_policy(policy, account),
        version=policy.version,
        document=policy.document if with_document else "",
        description=policy.description,
        create_time=render_time(policy.created_at),
        update_time=render_time(policy.updated_at),
    )


def render_policy_version(
    version: PolicyVersion, *, is_default: bool, with_document: bool = True
) -> policy_service_pb2.PolicyVersion:
    """Write a version of a managed policy; lists leave the document out."""
    return policy_service_pb2.PolicyVersion(
        version=version.version,
        is_default=is_default,
        document=version.document if with_document else "",
        create_time=render_time(version.created_at),
    )


def render_resource_policy(
    policy: ResourcePolicy, *, with_document: bool = True
) -> resource_policy_service_pb2.ResourcePolicy:
    """Write the policy of a resource; lists leave the document out."""
    return resource_policy_service_pb2.ResourcePolicy(
        resource=policy.resource,
        version=policy.version,
        document=policy.document if with_document else "",
        is_public=_is_public(policy.document),
        update_time=render_time(policy.updated_at),
    )


def _is_public(document: str) -> bool:
    try:
        return is_public(parse_policy(document, kind=RESOURCE_POLICY))
    except ParseError:
        return False  # one that can no longer be read lets nobody in


def render_findings(findings: Iterable[Finding]) -> list[finding_pb2.Finding]:
    """Write what was found about a document, in the order given."""
    return [
        finding_pb2.Finding(
            id=one.id,
            severity=SEVERITIES[one.severity],
            place=one.place,
            message=f"{one.message}; {one.suggestion}" if one.suggestion else one.message,
        )
        for one in findings
    ]
