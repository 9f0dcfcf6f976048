"""How much a record may carry besides its name, how long credentials last, which resources have policies.

Names, access key ids and secrets are `identity/credential.py`'s; documents have their own parser, which is
injected. Sources: AWS IAM, "IAM and AWS STS quotas" and "Rules for tagging in IAM and AWS STS".
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

from authz.errors import InvalidError, quote
from authz.identity.records import fold_name
from authz.policy.arn import PART_COUNT, bucket_arn, policy_holder, split_arn

DESCRIPTION_LIMIT: Final = 1000
"""Longest description in characters (AWS: 1,000 for policies)."""
TAGS_LIMIT: Final = 50
"""Most tags of a user or role (AWS)."""
TAG_KEY_LIMIT: Final = 128
"""Longest key of a tag in characters (AWS)."""
TAG_VALUE_LIMIT: Final = 256
"""Longest value of a tag in characters (AWS)."""
ACCESS_KEYS_PER_USER: Final = 10
"""Most access keys of a user. AWS allows 2, which its own tools work around by roles; MinIO sets no limit."""
ATTACHMENTS_PER_TARGET: Final = 100
"""Most policies of a user, group or role. AWS allows 10, on request 20; MinIO sets no limit."""
GROUPS_PER_USER: Final = 100
"""Most groups of a user. AWS allows 10; directories that are mirrored need more."""
VERSIONS_PER_POLICY: Final = 5
"""Most stored versions of a managed policy (AWS)."""
RESOURCE_POLICIES: Final = 10_000
"""Most resources with a policy (AWS: 10,000 buckets an account). All documents are in memory, and who may set
the policy of any bucket of a pattern can name buckets without end: at 20 KB a document, 200 MB."""
KEPT_FOR_ROOT: Final = 500
"""Of these, the last that only root may give a policy: who fills the others cannot keep root from denying."""
RESOURCE_BYTES: Final = 2048
"""Longest ARN that can have a policy, in bytes of UTF-8. AWS IAM: `arnType`, 2,048 characters; PostgreSQL's
indexes hold no key of more than 2,704 bytes."""
MEMBERS_PER_CALL: Final = 1000
"""Most users put into or taken out of a group by one call, so that one transaction stays short."""
KEY_NAME_LIMIT: Final = 128
"""Longest name of an access key, in characters (MinIO: 32)."""
KEY_LIFETIME_MIN: Final = 900.0
"""Shortest life of an access key that expires, in seconds (MinIO: 15 minutes)."""
KEY_LIFETIME_MAX: Final = 365 * 86400.0
"""Longest life of an access key that expires, in seconds (MinIO: 365 days)."""
KEY_LIFETIME_SLACK: Final = 60.0
"""Seconds by which a life may be off, for it was reckoned by another clock before the call travelled here."""
SESSION_DURATION_MIN: Final = 900.0
"""Shortest duration of a session that can be asked for, in seconds (AWS and MinIO)."""
SESSION_DURATION_DEFAULT: Final = 3600.0
"""Duration of a session for which none is asked, in seconds (AWS: `AssumeRole`; MinIO)."""
SESSION_DURATION_CEILING: Final = 365 * 86400.0
"""Longest duration of a session that a site can allow, in seconds (MinIO)."""
ROLE_DURATION_MIN: Final = 3600
"""Shortest longest duration of a role's sessions, in seconds (AWS: `MaxSessionDuration`)."""
ROLE_DURATION_MAX: Final = 43_200
"""Longest duration of a role's sessions, in seconds (AWS)."""
CHAINED_SESSION_MAX: Final = 3600.0
"""Longest duration of a role's session that another role's session asked for, in seconds (AWS)."""
ISSUING_AGE: Final = 5.0
"""Oldest memory by which sessions are issued, in seconds: a replica behind may prove what is
deleted."""
REVOCATION_REACH: Final = 10.0
"""Seconds from now up to which a revocation voids sessions: so those, too, that replicas which are behind by
`ISSUING_AGE` issue meanwhile. The rest is for slow commits and clocks that differ."""
PROVIDERS: Final = 100
"""Most identity providers; all are in every replica's memory."""
SESSION_POLICIES: Final = 10
"""Most managed policies of a session (AWS)."""
REVOKED_SESSIONS: Final = 100_000
"""Most sessions revoked one by one that are remembered: some 10 MB in each replica's memory."""

_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
"""AWS STS: `RoleSessionName`, `SourceIdentity`."""
_S3: Final = "s3"
_PATTERN_SIGNS: Final = frozenset("*?")
_LINE_BREAKS: Final = frozenset("\n\r\t")
_UNPRINTABLE: Final = frozenset({"Cc", "Cs"})


def check_description(description: str, *, field: str = "description") -> None:
    """Refuse a description that is too long or holds control characters other than line breaks and tabs."""
    if len(description) > DESCRIPTION_LIMIT:
        raise InvalidError(f"a description has at most {DESCRIPTION_LIMIT} characters", field=field)
    if _has_control(description, allowed=_LINE_BREAKS):
        raise InvalidError("a description holds no control characters", field=field)


def check_key_name(name: str, *, field: str = "name") -> None:
    """Refuse a name of an access key that is too long or holds control characters; it may be empty."""
    if len(name) > KEY_NAME_LIMIT:
        raise InvalidError(
            f"the name of an access key has at most {KEY_NAME_LIMIT} characters", field=field
        )
    if _has_control(name):
        raise InvalidError("the name of an access key holds no control characters", field=field)


def check_key_expiry(expires_at: float, now: float, *, field: str = "expires_at") -> None:
    """Refuse a time (epoch seconds) to which an access key would live too short or too long."""
    life = expires_at - now
    if not KEY_LIFETIME_MIN - KEY_LIFETIME_SLACK <= life <= KEY_LIFETIME_MAX + KEY_LIFETIME_SLACK:
        raise InvalidError("an access key expires in 15 minutes to 365 days, or never", field=field)


def check_session_name(name: str, *, field: str = "name") -> None:
    """Refuse a session name that AWS's STS would refuse."""
    if not _SESSION_NAME.fullmatch(name):
        raise InvalidError(
            f"session name {quote(name)} is not 2 to 64 letters, digits and `_+=,.@-`", field=field
        )


def check_source_identity(name: str, *, field: str = "source_identity") -> None:
    """Refuse a source identity that AWS's STS would refuse."""
    if not _SESSION_NAME.fullmatch(name):
        raise InvalidError(
            f"source identity {quote(name)} is not 2 to 64 letters, digits and `_+=,.@-`",
            field=field,
        )


def check_role_duration(seconds: int, *, field: str = "max_session_duration") -> None:
    """Refuse a longest duration of a role's sessions that AWS would refuse."""
    if not ROLE_DURATION_MIN <= seconds <= ROLE_DURATION_MAX:
        raise InvalidError(
            f"sessions of a role last at most {ROLE_DURATION_MIN:,} to {ROLE_DURATION_MAX:,} seconds",
            field=field,
        )


def check_tags(tags: Mapping[str, str], *, field: str = "tags") -> None:
    """Refuse too many tags, keys that differ in case only, the reserved `aws:`, and oversized or odd texts."""
    if len(tags) > TAGS_LIMIT:
        raise InvalidError(f"there are at most {TAGS_LIMIT} tags", field=field)
    if len({fold_name(key) for key in tags}) < len(tags):
        raise InvalidError("two tag keys differ in case only", field=field)
    for key, value in tags.items():
        _check_tag(key, value, field)


def _check_tag(key: str, value: str, field: str) -> None:
    if not 1 <= len(key) <= TAG_KEY_LIMIT:
        raise InvalidError(f"a tag key has 1 to {TAG_KEY_LIMIT} characters", field=field)
    if fold_name(key).startswith("aws:"):
        raise InvalidError(f"tag key {quote(key)} begins with the reserved `aws:`", field=field)
    if len(value) > TAG_VALUE_LIMIT:
        raise InvalidError(
            f"the value of tag {quote(key)} has more than {TAG_VALUE_LIMIT} characters", field=field
        )
    if _has_control(key) or _has_control(value):
        raise InvalidError(f"tag {quote(key)} holds a control character", field=field)


def check_resource(resource: str, *, field: str = "resource") -> None:
    """Refuse a text that is not the ARN of one resource, or of one that decisions would not look up.

    What passes is its own `policy_holder`, and in S3 a bucket as requests name it: no deny is stored in vain.
    """
    if _has_control(resource):
        raise InvalidError("an ARN holds no control characters", field=field)
    if len(resource.encode()) > RESOURCE_BYTES:
        raise InvalidError(f"an ARN has at most {RESOURCE_BYTES} bytes", field=field)
    _, partition, service, *_, name = split_arn(resource) or [""] * PART_COUNT
    if not (partition and service and name):
        raise InvalidError(
            f"resource {quote(resource)} is not a whole ARN: `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE`",
            field=field,
        )
    if not _PATTERN_SIGNS.isdisjoint(resource) or "${" in resource:
        raise InvalidError(
            f"resource {quote(resource)} is a pattern; name one resource, without `*`, `?` and `${{`",
            field=field,
        )
    if service == _S3 and not resource.startswith(bucket_arn("")):
        raise InvalidError(
            f"resource {quote(resource)} is none of S3's here; a bucket is `{bucket_arn('BUCKET')}`",
            field=field,
        )
    if policy_holder(resource) != resource:
        raise InvalidError(
            f"resource {quote(resource)} is an object; the policy of an object is its bucket's",
            field=field,
        )


def _has_control(text: str, allowed: frozenset[str] = frozenset()) -> bool:
    return any(c not in allowed and unicodedata.category(c) in _UNPRINTABLE for c in text)
