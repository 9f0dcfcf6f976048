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
from functools import lru_cache
from typing import Final

from authz.errors import InvalidError, quote
from authz.policy.request import Values, fold_key
from authz.wire.authz.v1.decision_pb2 import ContextValues

KEY_LIMIT: Final = 100
"""Most condition keys in one question."""
KEY_LENGTH_LIMIT: Final = 512
"""Longest condition key in characters (a tag key has at most 128)."""
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


def parse_facts(
    context: Mapping[str, ContextValues], field: str, *, of_principal: bool = False
) -> dict[str, Values]:
    """Return the request facts of a proto context map; raise `InvalidError` at a path under `field`.

    Or, `of_principal`, facts that otherwise only the service sets, for a question that assumes them.
    """
    read = _read_reserved_key if of_principal else _read_key
    if len(context) > KEY_LIMIT:
        problem = f"a context has at most {KEY_LIMIT} keys, this one has {len(context)}"
        raise InvalidError(problem, field=field)
    facts: dict[str, Values] = {}
    characters = 0
    for key, listed in context.items():
        values = tuple(listed.values)
        folded, problem = read(key) if len(key) <= KEY_LENGTH_LIMIT else ("", _TOO_LONG)
        if problem or folded in facts or not 0 < len(values) <= VALUE_LIMIT:
            problem = problem or _find_problem(key, folded in facts, len(values))
            raise InvalidError(problem, field=f"{field}[{quote(key)}]")
        facts[folded] = values
        characters += len(key) + sum(map(len, values))
    # Counting bytes takes longer than all the rest, and few contexts come near the limit.
    if characters * 4 > BYTES_LIMIT:
        _check_bytes(facts, field)
    return facts


_TOO_LONG: Final = f"a condition key has at most {KEY_LENGTH_LIMIT} characters"


@lru_cache(maxsize=1024)
def _read_key(key: str) -> tuple[str, str]:
    """Return the folded key, and what is wrong with it, if anything is; callers use the same few keys."""
    folded = fold_key(key)
    if is_reserved(folded):
        return folded, f"{quote(key)} is set by the service and cannot be passed"
    service, _, name = folded.partition(":")
    if not (service and name):
        return folded, f"{quote(key)} is not a condition key, as in `aws:SourceIp`"
    return folded, ""


def _read_reserved_key(key: str) -> tuple[str, str]:
    folded = fold_key(key)
    if is_reserved(folded):
        return folded, ""
    return folded, f"{quote(key)} says nothing about who acts; it belongs to the question's context"


def _find_problem(key: str, is_repeated: bool, count: int) -> str:  # noqa: FBT001 - private, two lines up
    if is_repeated:
        return f"{quote(key)} is there twice, in different case"
    return f"a condition key has 1 to {VALUE_LIMIT} values, not {count}"


def _check_bytes(facts: Mapping[str, Values], field: str) -> None:
    size = sum(len(text.encode()) for key, values in facts.items() for text in (key, *values))
    if size > BYTES_LIMIT:
        problem = f"a context has at most {BYTES_LIMIT} bytes, this one has {size}"
        raise InvalidError(problem, field=field)
