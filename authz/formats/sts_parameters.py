"""What several operations of STS take, and give: durations, policies, roles, credentials.

Not here: which operation takes what (`sts.py`, `sts_logins.py`).
"""

import re
from datetime import UTC, datetime
from typing import Final

from authz.formats.aws_query import Parameters, QueryError, Tree
from authz.policy.arn import canned_policy_arn, policy_arn
from authz.policy.canned import CANNED_POLICIES

NAMESPACE: Final = "https://sts.amazonaws.com/doc/2011-06-15/"
ROLE_ARN_LIMIT: Final = 2_048
"""Longest ARN of a role, in characters (AWS)."""

_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_POLICY: Final = ":policy/"
_OF_A_ROLE: Final = (":iam:", ":role/")
"""What the ARN of a role has in it, in small letters."""
_OF_MINIO: Final = "arn:minio:"


def take_role_arn(parameters: Parameters) -> str:
    """Take `RoleArn`: the ARN of the role that is meant, empty where none is.

    MinIO's clients send any text, or the ARN that MinIO gives to a provider; neither is a role here.
    """
    arn = parameters.take("RoleArn") or ""
    if len(arn) > ROLE_ARN_LIMIT:
        raise QueryError("ValidationError", f"`RoleArn` has at most {ROLE_ARN_LIMIT:,} characters")
    is_meant = all(part in arn.lower() for part in _OF_A_ROLE) and not arn.startswith(_OF_MINIO)
    return arn if is_meant else ""


def take_policies(parameters: Parameters, account: str) -> tuple[str, tuple[str, ...]]:
    """Take the session's policies: a document, and the names of managed ones of `account`."""
    policy = parameters.take("Policy")
    if policy == "":
        raise QueryError("ValidationError", "`Policy` is empty; leave it out for a session without")
    arns = parameters.take_members("PolicyArns", "arn")
    return policy or "", tuple(_parse_policy_arn(arn, account) for arn in arns)


def take_duration(parameters: Parameters) -> int | None:
    """Take `DurationSeconds`, `None` where it was not sent."""
    text = parameters.take("DurationSeconds")
    if text is None:
        return None
    if not _SECONDS.fullmatch(text):
        raise QueryError("ValidationError", "`DurationSeconds` is not a number of seconds")
    return int(text)


def _parse_policy_arn(arn: str, account: str) -> str:
    """Return the name in the ARN of a managed policy, which stands under `account` or under `aws`."""
    name = arn.partition(_POLICY)[2]
    canned = canned_policy_arn(name)
    if arn != (canned if canned in CANNED_POLICIES else policy_arn(account, name)):
        raise QueryError("InvalidParameterValue", "a member of `PolicyArns` names no policy here")
    return name


def render_credentials(access_key_id: str, secret: str, token: str, expires_at: float) -> Tree:
    """Render a temporary credential that ends at `expires_at` (epoch seconds)."""
    # Never later than it is: a client asks for the next one by this time.
    ends = datetime.fromtimestamp(int(expires_at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "AccessKeyId": access_key_id,
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Expiration": ends,
    }
