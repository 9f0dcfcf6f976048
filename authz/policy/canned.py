"""The policies that come with the software: pure data, read-only, versioned with it.

MinIO's names mean what they say there (`readonly` may also list), and the AWS-managed ones are those that
tools expect. Both kinds stand under `arn:aws:iam::aws:policy/NAME`, where AWS keeps what belongs to no account,
so that no stored policy can be mistaken for one of them: those carry the account's own id.

Source: MinIO documentation, "Built-In Policies"; AWS, "AWS managed policy reference". Documents are JSON text;
a test parses and compiles every one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.policy.arn import canned_policy_arn


@dataclass(frozen=True, slots=True, kw_only=True)
class CannedPolicy:
    """One such policy; `document` is AWS JSON text."""

    name: str
    description: str
    document: str

    @property
    def arn(self) -> str:
        """Return its name among all resources."""
        return canned_policy_arn(self.name)


def _statement(actions: Iterable[str]) -> str:
    listed = ", ".join(f'"{action}"' for action in actions)
    return f'{{"Effect": "Allow", "Action": [{listed}], "Resource": "*"}}'


def _document(*action_lists: Iterable[str]) -> str:
    statements = ", ".join(_statement(actions) for actions in action_lists)
    return f'{{"Version": "2012-10-17", "Statement": [{statements}]}}'


_IAM_ADMINISTRATION: Final = (
    "admin:CreateUser",
    "admin:DeleteUser",
    "admin:ListUsers",
    "admin:EnableUser",
    "admin:DisableUser",
    "admin:GetUser",
    "admin:AddUserToGroup",
    "admin:RemoveUserFromGroup",
    "admin:GetGroup",
    "admin:ListGroups",
    "admin:EnableGroup",
    "admin:DisableGroup",
    "admin:CreateServiceAccount",
    "admin:UpdateServiceAccount",
    "admin:RemoveServiceAccount",
    "admin:ListServiceAccounts",
    "admin:ListTemporaryAccounts",
    "admin:CreatePolicy",
    "admin:DeletePolicy",
    "admin:GetPolicy",
    "admin:AttachUserOrGroupPolicy",
    "admin:UpdatePolicyAssociation",
    "admin:ListUserPolicies",
    "admin:ExportIAM",
    "admin:ImportIAM",
)

# No `ExportIAM`: its archive holds every secret key, which is no auditor's business.
_AUDIT: Final = (
    "admin:ListUsers",
    "admin:GetUser",
    "admin:GetGroup",
    "admin:ListGroups",
    "admin:ListServiceAccounts",
    "admin:ListTemporaryAccounts",
    "admin:GetPolicy",
    "admin:ListUserPolicies",
    "admin:ServerInfo",
    "admin:ConsoleLog",
)

_DIAGNOSTICS: Final = (
    "admin:Profiling",
    "admin:ServerTrace",
    "admin:ConsoleLog",
    "admin:ServerInfo",
    "admin:TopLocksInfo",
    "admin:OBDInfo",
    "admin:BandwidthMonitor",
    "admin:Prometheus",
)

_IAM_READING: Final = (
    "iam:GenerateCredentialReport",
    "iam:GenerateServiceLastAccessedDetails",
    "iam:Get*",
    "iam:List*",
    "iam:SimulateCustomPolicy",
    "iam:SimulatePrincipalPolicy",
)

_S3_READING: Final = (
    "s3:Get*",
    "s3:List*",
    "s3:Describe*",
    "s3-object-lambda:Get*",
    "s3-object-lambda:List*",
)

_POLICIES: Final = (
    CannedPolicy(name="readwrite", description="Everything in S3", document=_document(["s3:*"])),
    CannedPolicy(
        name="readonly",
        description="Read and list objects",
        document=_document(["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]),
    ),
    CannedPolicy(
        name="writeonly", description="Write objects", document=_document(["s3:PutObject"])
    ),
    CannedPolicy(
        name="diagnostics", description="Watch the servers", document=_document(_DIAGNOSTICS)
    ),
    CannedPolicy(
        name="consoleAdmin",
        description="Everything in S3, KMS and administration",
        document=_document(["admin:*"], ["kms:*"], ["s3:*"]),
    ),
    CannedPolicy(
        name="iamAdmin",
        description="Administer users, groups, policies and keys",
        document=_document(_IAM_ADMINISTRATION, ["iam:*"]),
    ),
    CannedPolicy(
        name="securityAudit",
        description="Read who may do what, without secrets",
        document=_document(_AUDIT, _IAM_READING),
    ),
    CannedPolicy(name="AdministratorAccess", description="Everything", document=_document(["*"])),
    CannedPolicy(
        name="IAMFullAccess", description="Everything in IAM", document=_document(["iam:*"])
    ),
    CannedPolicy(
        name="IAMReadOnlyAccess",
        description="Read everything in IAM",
        document=_document(_IAM_READING),
    ),
    CannedPolicy(
        name="AmazonS3FullAccess",
        description="Everything in S3",
        document=_document(["s3:*", "s3-object-lambda:*"]),
    ),
    CannedPolicy(
        name="AmazonS3ReadOnlyAccess",
        description="Read everything in S3",
        document=_document(_S3_READING),
    ),
)

CANNED_POLICIES: Final = {policy.arn: policy for policy in _POLICIES}
"""ARN → policy."""
