"""Condition values that a trusted caller passes beside a question → request facts.

What stops a caller, or somebody who got a string into the caller's request, from writing an identity: the keys
that say who acts, how they signed in and what time it is are the service's own, and passing one is an error
rather than ignored, because a caller that passes `aws:username` expects it to count.

What it may pass: everything else, `aws:SourceIp`, `aws:SecureTransport`, `aws:UserAgent` and the keys of an STS
request (`sts:ExternalId`, `sts:RoleSessionName`) included, for the caller has seen the request and we have not.

Source: AWS, "AWS global condition context keys", the sections "Properties of the principal" and "Properties of
a role session"; `jwt:` and `ldap:` are MinIO's, keys of a domain name are AWS's for web identity providers.
"""

from collections.abc import Mapping
from typing import Final

from authz.errors import InvalidError, quote
from authz.policy.request import Values, fold_key
from authz.wire.authz.v1.decision_pb2 import ContextValues

KEY_LIMIT: Final = 100
"""Most condition keys in one question."""
VALUE_LIMIT: Final = 100
"""Most values of one key."""
BYTES_LIMIT: Final = 8192
"""Most bytes of all keys and values in UTF-8."""

RESERVED_PREFIXES: Final = (
    "aws:principal",  # arn, account, type, orgid, tag/…, isawsservice, servicename
    "aws:token",  # issue time
    "aws:multifactorauth",  # present, age
    "aws:ec2instancesource",
    "jwt:",
    "ldap:",
    "saml:",
)
"""Beginnings of keys, folded, that only the service sets."""

RESERVED: Final = frozenset({
    "aws:assumedroot",
    "aws:chatbotsourcearn",
    "aws:currenttime",
    "aws:epochtime",
    "aws:federatedprovider",
    "aws:groups",
    "aws:sourceidentity",
    "aws:userid",
    "aws:username",
    "ec2:roledelivery",
    "ec2:sourceinstancearn",
    "glue:credentialissuingservice",
    "glue:roleassumedby",
    "identitystore:userid",
    "lambda:sourcefunctionarn",
    "ssm:sourceinstancearn",
})  # fmt: skip
"""Keys, folded, that only the service sets."""


def is_reserved(folded: str) -> bool:
    """Tell whether only the service may set the condition key `folded`."""
    if folded in RESERVED or folded.startswith(RESERVED_PREFIXES):
        return True
    # `accounts.google.com:aud`, `oidc.example.com/id/1:sub`: claims of an identity provider.
    return "." in folded.partition("/")[0].partition(":")[0]


def parse_facts(context: Mapping[str, ContextValues], field: str) -> dict[str, Values]:
    """Return the request facts of a proto context map; raise `InvalidError` at a path under `field`."""
    if len(context) > KEY_LIMIT:
        problem = f"a context has at most {KEY_LIMIT} keys, this one has {len(context)}"
        raise InvalidError(problem, field=field)
    facts: dict[str, Values] = {}
    size = 0
    for key, listed in context.items():
        folded = fold_key(key)
        values = tuple(listed.values)
        problem = _find_problem(key, folded, values) or (folded in facts and _twice(key))
        if problem:
            raise InvalidError(problem, field=f"{field}[{quote(key)}]")
        facts[folded] = values
        size += len(key.encode()) + sum(len(value.encode()) for value in values)
    if size > BYTES_LIMIT:
        raise InvalidError(
            f"a context has at most {BYTES_LIMIT} bytes, this one has {size}", field=field
        )
    return facts


def _find_problem(key: str, folded: str, values: Values) -> str:
    if is_reserved(folded):
        return f"{quote(key)} is set by the service and cannot be passed"
    service, _, name = folded.partition(":")
    if not (service and name):
        return f"{quote(key)} is not a condition key, as in `aws:SourceIp`"
    if not 0 < len(values) <= VALUE_LIMIT:
        return f"a condition key has 1 to {VALUE_LIMIT} values, not {len(values)}"
    return ""


def _twice(key: str) -> str:
    return f"{quote(key)} is there twice, in different case"
