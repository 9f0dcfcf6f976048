"""Checks for what lets its holder grant itself more: the known ways up in IAM and in MinIO's administration.

Source: AWS, "Security best practices in IAM"; the published lists of privilege escalation in AWS IAM; MinIO,
"Policy Management: admin actions". A statement that allows a whole service has one finding for all of it.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.view import ANY, PolicyView, StatementView

ALL_ADMINISTRATION: Final = Check(
    "AZ501", Severity.SECURITY, "all of IAM's or MinIO's administration is allowed"
)
PASS_ROLE: Final = Check(
    "AZ502", Severity.SECURITY, "any role may be passed to a service (`iam:PassRole`)"
)
NEW_VERSION: Final = Check(
    "AZ503", Severity.SECURITY, "policies may be rewritten (`iam:CreatePolicyVersion`, …)"
)
ATTACH: Final = Check(
    "AZ504", Severity.SECURITY, "policies may be attached (`iam:AttachUserPolicy`, …)"
)
INLINE: Final = Check(
    "AZ505", Severity.SECURITY, "inline policies may be written (`iam:PutUserPolicy`, …)"
)
CREDENTIALS: Final = Check(
    "AZ506", Severity.SECURITY, "credentials of others may be made (`iam:CreateAccessKey`, …)"
)
MEMBERSHIP: Final = Check(
    "AZ507", Severity.SECURITY, "users may be put into any group (`iam:AddUserToGroup`)"
)
TRUST: Final = Check(
    "AZ508",
    Severity.SECURITY,
    "trust policies of roles may be changed (`iam:UpdateAssumeRolePolicy`)",
)
ASSUME: Final = Check(
    "AZ509", Severity.SECURITY, "any role may be assumed (`sts:AssumeRole` on `*`)"
)
BOUNDARY: Final = Check(
    "AZ510", Severity.SECURITY, "permissions boundaries may be removed or replaced"
)
STORE_ACCESS: Final = Check(
    "AZ511",
    Severity.SECURITY,
    "bucket policies or ACLs of any bucket may be changed (`s3:PutBucketPolicy`, …)",
)
EXPORT: Final = Check(
    "AZ512", Severity.SECURITY, "every secret key may be exported (`admin:ExportIAM`) or replaced"
)
ADMIN_GRANTS: Final = Check(
    "AZ513", Severity.SECURITY, "MinIO's actions that create users, keys or policies"
)
KEY_GRANTS: Final = Check(
    "AZ514",
    Severity.SECURITY,
    "use of any key may be granted (`kms:CreateGrant`, `kms:PutKeyPolicy`)",
)
BYPASS: Final = Check(
    "AZ515", Severity.SECURITY, "retention may be bypassed (`s3:BypassGovernanceRetention`)"
)
FEDERATION: Final = Check("AZ516", Severity.SECURITY, "identity providers may be added or changed")

CHECKS: Final = (
    ALL_ADMINISTRATION, PASS_ROLE, NEW_VERSION, ATTACH, INLINE, CREDENTIALS, MEMBERSHIP, TRUST, ASSUME,
    BOUNDARY, STORE_ACCESS, EXPORT, ADMIN_GRANTS, KEY_GRANTS, BYPASS, FEDERATION,
)  # fmt: skip


class Way(NamedTuple):
    """A way up: the check, the actions that open it, what it gives, whether a narrow resource closes it."""

    check: Check
    actions: tuple[str, ...]
    gives: str
    is_closed_by_resource: bool = True


_WAYS: Final = (
    Way(
        PASS_ROLE, ("iam:PassRole",), "passes a role with more rights to a service that acts for it"
    ),
    Way(
        NEW_VERSION,
        ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"),
        "rewrites a policy that is attached to it",
    ),
    Way(
        ATTACH,
        ("iam:AttachUserPolicy", "iam:AttachGroupPolicy", "iam:AttachRolePolicy"),
        "attaches a policy that allows more",
    ),
    Way(
        INLINE,
        ("iam:PutUserPolicy", "iam:PutGroupPolicy", "iam:PutRolePolicy"),
        "writes itself a policy that allows more",
    ),
    Way(
        CREDENTIALS,
        (
            "iam:CreateAccessKey",
            "iam:CreateLoginProfile",
            "iam:UpdateLoginProfile",
            "iam:CreateServiceSpecificCredential",
        ),
        "makes credentials of a user with more rights",
    ),
    Way(MEMBERSHIP, ("iam:AddUserToGroup",), "joins a group with more rights"),
    Way(TRUST, ("iam:UpdateAssumeRolePolicy",), "lets itself assume any role"),
    Way(ASSUME, ("sts:AssumeRole",), "assumes every role that trusts it"),
    Way(
        BOUNDARY,
        (
            "iam:DeleteUserPermissionsBoundary",
            "iam:PutUserPermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
            "iam:PutRolePermissionsBoundary",
        ),
        "lifts what limits it",
    ),
    Way(
        STORE_ACCESS,
        (
            "s3:PutBucketPolicy",
            "s3:DeleteBucketPolicy",
            "s3:PutBucketAcl",
            "s3:PutObjectAcl",
            "s3:PutBucketPublicAccessBlock",
        ),
        "opens any bucket to itself or to everyone",
    ),
    Way(
        EXPORT,
        ("admin:ExportIAM", "admin:ImportIAM"),
        "reads or replaces every secret key and policy",
        is_closed_by_resource=False,
    ),
    Way(
        ADMIN_GRANTS,
        (
            "admin:CreateUser",
            "admin:CreateServiceAccount",
            "admin:CreatePolicy",
            "admin:AttachUserOrGroupPolicy",
            "admin:UpdatePolicyAssociation",
            "admin:AddUserToGroup",
            "admin:UpdateServiceAccount",
        ),
        "gives itself or a new user more rights",
    ),
    Way(KEY_GRANTS, ("kms:CreateGrant", "kms:PutKeyPolicy"), "opens every key to itself"),
    Way(BYPASS, ("s3:BypassGovernanceRetention",), "deletes objects that are under retention"),
    Way(
        FEDERATION,
        (
            "iam:CreateSAMLProvider",
            "iam:UpdateSAMLProvider",
            "iam:CreateOpenIDConnectProvider",
            "iam:UpdateOpenIDConnectProviderThumbprint",
            "iam:AddClientIDToOpenIDConnectProvider",
        ),
        "lets a provider of its own name anybody",
    ),
)

_BROAD: Final = re.compile(
    r"\*+|arn:[^:]*:s3:[^:]*:[^:]*:\*+(?:/\*+)?|arn:[^:]*:(?!s3:)[^:]*:[^:]*:[^:]*:(?:[a-z-]+/)?\*+"
)
_WHOLE: Final = frozenset({"iam:*", "admin:*"})


def check_grants(view: PolicyView) -> Iterator[Finding]:
    """Yield the ways up that the allows of the document open."""
    for one in view.statements:
        if not one.is_allow or one.source.not_actions:
            continue
        is_broad = one.source.not_resources or any(map(_BROAD.fullmatch, one.source.resources))
        whole = {pattern.lower() for pattern in one.source.actions}
        for place, pattern in one.listed_actions():
            if pattern.lower() in _WHOLE and is_broad:
                message = f"`{pattern}` allows its holder to grant itself everything"
                yield ALL_ADMINISTRATION.at(place, message, "list the actions that are needed")
        if ANY not in whole:
            yield from _check_ways(one, whole, is_broad=is_broad)


def _check_ways(one: StatementView, whole: set[str], *, is_broad: bool) -> Iterator[Finding]:
    allowed = {action.text for action in one.actions if f"{action.service}:*" not in whole}
    for way in _WAYS:
        open_ways = [action for action in way.actions if action in allowed]
        if open_ways and (is_broad or not way.is_closed_by_resource):
            message = f"who has `{open_ways[0]}` on such resources {way.gives}"
            yield way.check.at(
                one.action_place, message, "name the resources, or keep it to administrators"
            )
