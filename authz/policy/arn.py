"""Amazon Resource Names: how this service spells the names of its own things, and how any ARN is split.

`arn:partition:service:region:account:resource`; only the first five colons separate, the resource may hold
more. Matching patterns against ARNs is `patterns.py`. Source: AWS, "Amazon Resource Names (ARNs)".
"""

from typing import Final

PARTITION: Final = "aws"
_S3: Final = f"arn:{PARTITION}:s3:::"

PART_COUNT: Final = 6
"""How many parts an ARN has."""

ANY: Final = "*"
"""The resource of an action that has none (`s3:ListAllMyBuckets`), and the pattern of everything."""


def split_arn(text: str) -> list[str] | None:
    """Split at the first five colons into the six parts of an ARN, or return `None` for other text."""
    parts = text.split(":", PART_COUNT - 1)
    return parts if len(parts) == PART_COUNT and parts[0] == "arn" else None


def _iam(account: str, resource: str) -> str:
    return f"arn:{PARTITION}:iam::{account}:{resource}"


def root_arn(account: str) -> str:
    """Name the root credential of `account` (12 digits, or empty)."""
    return _iam(account, "root")


def user_arn(account: str, name: str) -> str:
    """Name a user."""
    return _iam(account, f"user/{name}")


def group_arn(account: str, name: str) -> str:
    """Name a group."""
    return _iam(account, f"group/{name}")


def role_arn(account: str, name: str) -> str:
    """Name a role."""
    return _iam(account, f"role/{name}")


def policy_arn(account: str, name: str) -> str:
    """Name a managed policy of `account`."""
    return _iam(account, f"policy/{name}")


def canned_policy_arn(name: str) -> str:
    """Name a policy that comes with the software; AWS keeps those in the account called `aws`."""
    return _iam("aws", f"policy/{name}")


def oidc_provider_arn(account: str, issuer: str) -> str:
    """Name the identity providers of an OpenID Connect issuer, which is given without its scheme (AWS)."""
    return _iam(account, f"oidc-provider/{issuer}")


def identity_provider_arn(account: str, name: str) -> str:
    """Name an identity provider by what it is called here."""
    return _iam(account, f"identity-provider/{name}")


def assumed_role_arn(account: str, role: str, session: str) -> str:
    """Name a session of a role."""
    return f"arn:{PARTITION}:sts::{account}:assumed-role/{role}/{session}"


def bucket_arn(bucket: str) -> str:
    """Name an S3 bucket; bucket ARNs carry neither region nor account."""
    return _S3 + bucket


def object_arn(bucket: str, key: str) -> str:
    """Name an S3 object by its decoded key."""
    return f"{_S3}{bucket}/{key}"


def policy_holder(resource: str) -> str:
    """Return the ARN whose policy is in force for `resource`: an object's bucket, or `resource` itself."""
    return resource.partition("/")[0] if resource.startswith(_S3) else resource
