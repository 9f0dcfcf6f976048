"""The policy of a resource as a whole: does it stay with its resource, and does it let the public in?

Both are asked about a document, never about a request: `check_within` when it is stored, `is_public` by those
who look at it. A resource policy is in force for its holder alone (`arn.policy_holder`), so what it says about
other resources would be dead text that reads like a grant; such a document is refused.

Not here: what a policy decides (`decide.py`), and advice on it (`validate`). Source: Amazon S3 user guide,
"Bucket policies" and "Blocking public access", "The meaning of public".
"""

from collections.abc import Iterator
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.arn import ANY, bucket_arn, policy_holder
from authz.policy.conditions.ip import parse_network
from authz.policy.model import Condition, Effect, Policy, Quantifier, Statement
from authz.policy.request import fold_key

WIDEST_PUBLIC_PREFIX: Final = {4: 7, 6: 31}
"""IP version → the longest prefix of a network so wide that S3 takes it for everyone."""

_BUCKETS: Final = bucket_arn("")
_FIXING_OPERATORS: Final = frozenset(
    {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
)
_FIXING_KEYS: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "aws:sourcevpc",
        "aws:sourcevpce",
        "aws:userid",
        "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)
"""Keys whose fixed values S3 takes for a limit on who asks.

S3 lists the KMS key of an upload too. It is a header of the client's own choice, and here no key policy stands
behind it, so it limits nobody.
"""


def check_within(policy: Policy, resource: str) -> None:
    """Raise `ParseError` with the place of a resource that is not within `resource`, whose policy this is.

    Within a bucket is its ARN, and whatever begins with that and a slash; a wildcard or a variable in the
    bucket's name is outside. Any other resource is just itself, or `*`. What `NotResource` lists is held to the
    same.
    """
    is_bucket = resource.startswith(_BUCKETS) and policy_holder(resource) == resource
    for place, pattern in _resources(policy):
        is_within = pattern == resource or (
            pattern.startswith(f"{resource}/") if is_bucket else pattern == ANY
        )
        if not is_within:
            raise ParseError(f"{quote(pattern)} is not within {quote(resource)}", place=place)


def _resources(policy: Policy) -> Iterator[tuple[str, str]]:
    for number, statement in enumerate(policy.statements):
        element = "NotResource" if statement.not_resources else "Resource"
        place = f"Statement[{number}].{element}"
        for index, pattern in enumerate(statement.resources):
            yield (f"{place}[{index}]" if len(statement.resources) > 1 else place), pattern


def is_public(policy: Policy) -> bool:
    """Tell whether `policy` is public as S3 means it for `GetBucketPolicyStatus`.

    It is public unless every allow is to fixed principals, or under a condition that holds for fixed values
    only: of the keys above, or networks of `aws:SourceIp` that are not too wide. A fixed value has neither
    wildcard nor variable. Principals of other accounts are fixed ones. Denies do not make it less public, and
    neither does what is allowed. Not proven to be limited means public.
    """
    return any(
        statement.effect is Effect.ALLOW
        and _names_everyone(statement)
        and not any(map(_is_limit, statement.conditions))
        for statement in policy.statements
    )


def _names_everyone(statement: Statement) -> bool:
    principal = statement.principal
    return (
        principal is None
        or principal.negated
        or not all(_is_fixed(text) for _, ids in principal.ids for text in ids)
    )


def _is_limit(condition: Condition) -> bool:
    """Tell whether a condition fails for all but known values, and where the key is missing."""
    if condition.if_exists or condition.quantifier is Quantifier.FOR_ALL_VALUES:
        return False
    key = fold_key(condition.key)
    if key == "aws:sourceip":
        return condition.operator == "IpAddress" and all(map(_is_narrow, condition.values))
    return (
        key in _FIXING_KEYS
        and condition.operator in _FIXING_OPERATORS
        and all(map(_is_fixed, condition.values))
    )


def _is_fixed(value: str) -> bool:
    return "*" not in value and "?" not in value and "${" not in value


def _is_narrow(value: str) -> bool:
    network = parse_network(value)
    return network is not None and network.prefixlen > WIDEST_PUBLIC_PREFIX[network.version]
