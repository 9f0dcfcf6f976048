"""Checks of resources: ARNs that cannot be, actions that never have them, patterns that reach neighbours.

Which types of resources an action has comes from the catalog; a wildcard action means those that fit.
"""

import re
from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.arn import PARTITION, split_arn
from authz.policy.catalog import Action, Origin, find_service
from authz.policy.validate.actions import LIST_LIMIT
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.relations import covers_arn, overlaps_type
from authz.policy.validate.view import ANY, PolicyView, StatementView, is_wild

SHOWN_TYPES: Final = 1
"""How many types of resources a message names."""

WRONG_TYPE: Final = Check(
    "AZ201", Severity.ERROR, "no listed resource is of a type that the action has"
)
IDLE_RESOURCE: Final = Check(
    "AZ202", Severity.WARNING, "a resource that none of the actions can be about"
)
WRONG_PARTITION: Final = Check(
    "AZ203", Severity.ERROR, "an ARN of a partition that does not exist here"
)
S3_ADDRESSED: Final = Check(
    "AZ204", Severity.ERROR, "an S3 ARN with a region or an account, which it never has"
)
ODD_ACCOUNT: Final = Check("AZ205", Severity.WARNING, "an account that is not twelve digits")
NEIGHBOURS: Final = Check(
    "AZ206", Severity.WARNING, "`bucket*` reaches other buckets whose name begins so"
)
ALLOW_NOT_RESOURCE: Final = Check("AZ208", Severity.SECURITY, "`NotResource` with `Allow`")
REDUNDANT_RESOURCE: Final = Check(
    "AZ209", Severity.SUGGESTION, "a resource that another one in the list covers"
)
BUCKET_NAME: Final = Check("AZ210", Severity.WARNING, "a bucket name that no bucket can have")
LEADING_SLASH: Final = Check("AZ211", Severity.WARNING, "a key that begins with a slash")
VARIABLE_WILDCARD: Final = Check(
    "AZ212", Severity.SECURITY, "a variable followed directly by `*`: one name may begin another"
)
NO_RESOURCE: Final = Check(
    "AZ213", Severity.ERROR, "an action that is about no single resource, on named ones"
)

CHECKS: Final = (
    WRONG_TYPE, IDLE_RESOURCE, WRONG_PARTITION, S3_ADDRESSED, ODD_ACCOUNT, NEIGHBOURS, ALLOW_NOT_RESOURCE,
    REDUNDANT_RESOURCE, BUCKET_NAME, LEADING_SLASH, VARIABLE_WILDCARD, NO_RESOURCE,
)  # fmt: skip

_ACCOUNT: Final = re.compile(r"(?:[0-9]{12}|aws|)")
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}")
_VARIABLE_WILDCARD: Final = re.compile(r"\$\{[^}*?$]+\}\*")
_PARTITIONS: Final = frozenset({PARTITION, "minio", ANY})


def check_resources(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the resources of every statement."""
    for one in view.statements:
        for place, pattern in one.listed_resources():
            parts = split_arn(pattern)
            if parts is not None:
                yield from _check_arn(place, pattern, parts)
                yield from _check_bucket(one, place, pattern, parts)
                yield from _check_variable(one, place, pattern, has_variables=view.has_variables)
        yield from _check_types(one)
        yield from _redundant(one)
        if one.source.not_resources and one.is_allow:
            message = "everything but the listed resources is allowed, those to come included"
            yield ALLOW_NOT_RESOURCE.at(
                one.resource_place, message, "list what is allowed, or deny the exceptions"
            )


def _check_arn(place: str, pattern: str, parts: list[str]) -> Iterator[Finding]:
    _, partition, service, region, account, _ = parts
    if partition not in _PARTITIONS and not is_wild(partition):
        message = f"the partition {quote(partition)} of {quote(pattern)} does not exist here"
        yield WRONG_PARTITION.at(place, message, f"write `arn:{PARTITION}:…`")
    is_plain = not parts[5].startswith(
        ("accesspoint/", "job/", "storage-lens", "async-", "access-grants")
    )
    if service == "s3" and is_plain and (region not in {"", ANY} or account not in {"", ANY}):
        message = f"{quote(pattern)} matches nothing: ARNs of buckets and objects name no region and no account"
        yield S3_ADDRESSED.at(place, message, f"write `arn:{PARTITION}:s3:::…`")
    elif not is_wild(account) and "${" not in account and not _ACCOUNT.fullmatch(account):
        yield ODD_ACCOUNT.at(place, f"{quote(account)} is no account: those have twelve digits")


def _check_bucket(
    one: StatementView, place: str, pattern: str, parts: list[str]
) -> Iterator[Finding]:
    if parts[2:5] != ["s3", "", ""]:
        return
    bucket, slash, key = parts[5].partition("/")
    is_literal = not is_wild(bucket) and "${" not in bucket
    if is_literal and not _BUCKET.fullmatch(bucket):
        yield BUCKET_NAME.at(
            place, f"no bucket can be called {quote(bucket)}", "use 3 to 63 of `a-z0-9.-`"
        )
    if key.startswith("/"):
        message = f"the key of {quote(pattern)} begins with a slash, which few keys do"
        yield LEADING_SLASH.at(
            place, message, f"write `{bucket}/{key.lstrip('/')}`" if len(key) < LIST_LIMIT else ""
        )
    is_open = bucket.endswith(ANY) and bucket != ANY and not bucket.endswith(("-*", ".*", "}*"))
    if one.is_allow and not one.source.not_resources and is_open and not slash:
        name = bucket.rstrip(ANY)
        message = (
            f"{quote(pattern)} reaches every bucket that begins with {quote(name)}, and its objects"
        )
        yield NEIGHBOURS.at(
            place, message, "write the bucket, and the bucket with `/*` for its objects"
        )


def _check_variable(
    one: StatementView, place: str, pattern: str, *, has_variables: bool
) -> Iterator[Finding]:
    if (
        has_variables
        and one.is_allow
        and not one.source.not_resources
        and _VARIABLE_WILDCARD.search(pattern)
    ):
        message = f"{quote(pattern)} opens what belongs to `anna` to somebody called `ann`"
        yield VARIABLE_WILDCARD.at(place, message, "put a `/` between the variable and the `*`")


# --- types --------------------------------------------------------------------------------------------------


def _check_types(one: StatementView) -> Iterator[Finding]:
    """Compare actions and resources; only where every service is known, and its resource types are."""
    if not one.is_known or one.source.not_resources or ANY in one.source.resources:
        return
    entries = [(place, text) for place, text in one.listed_resources() if _is_comparable(text)]
    if len(entries) < len(one.source.resources):
        return  # wrong in another way, which has its own finding
    typed = [action for action in one.actions if _types_of(action)]
    yield from _wrong_types(one, [text for _, text in entries], typed)
    if len(typed) < len(one.actions):
        return
    arns = {arn for action in typed for arn in _types_of(action)}
    for place, text in entries:
        if len(entries) > 1 and not any(overlaps_type(text, arn) for arn in arns):
            message = f"none of the actions can be about {quote(text)}"
            yield IDLE_RESOURCE.at(
                place, message, "leave it out, or add the actions that are meant for it"
            )


def _is_comparable(text: str) -> bool:
    parts = split_arn(text)
    return parts is not None and parts[1] in _PARTITIONS


def _types_of(action: Action) -> list[str]:
    service = find_service(action.service)
    assert service is not None, "the action is of it"
    return [service.resources[name] for name in action.resources]


def _wrong_types(one: StatementView, texts: list[str], typed: list[Action]) -> Iterator[Finding]:
    for place, pattern in one.listed_actions():
        if is_wild(pattern):
            continue  # a wildcard means those of its actions that fit
        for action in one.actions:
            if action.text.lower() != pattern.lower():
                continue
            if action not in typed:
                yield from _no_resource(place, action, texts)
            elif not _fits(action, texts):
                kinds = ", ".join(f"`{_form(arn)}`" for arn in _plainest(_types_of(action)))
                message = f"`{action.text}` is never about {quote(texts[0])}"
                yield WRONG_TYPE.at(place, message, f"it is about {kinds}")


def _fits(action: Action, texts: list[str]) -> bool:
    return any(overlaps_type(text, arn) for text in texts for arn in _types_of(action))


def _no_resource(place: str, action: Action, texts: list[str]) -> Iterator[Finding]:
    service = find_service(action.service)
    if service is None or not service.resources or action.origin is Origin.MINIO:
        return
    # The admin API asks about all of a kind by the ARN that ends after the slash, which AWS's patterns match.
    if action.service == "iam" and any(
        overlaps_type(text, arn) for text in texts for arn in _IAM_KINDS
    ):
        return
    message = f"`{action.text}` is about no single resource and does not match {quote(texts[0])}"
    yield NO_RESOURCE.at(place, message, 'give it a statement of its own with `"Resource": "*"`')


_IAM_KINDS: Final = tuple(
    f"arn:aws:iam::{{account}}:{kind}/" for kind in ("user", "group", "policy", "role")
)


def _plainest(arns: list[str]) -> list[str]:
    """Return the forms with the fewest parts to fill in, which are those that are meant most often."""
    return sorted(arns, key=lambda arn: (arn.count("{"), arn))[:SHOWN_TYPES]


def _form(arn: str) -> str:
    return re.sub(r"\{(\w+)\+?\}", lambda found: found[1].upper(), arn)


def _redundant(one: StatementView) -> Iterator[Finding]:
    entries = list(one.listed_resources())
    if len(entries) > LIST_LIMIT:
        return
    for index, (place, pattern) in enumerate(entries):
        for number, (_, other) in enumerate(entries):
            if (
                number != index
                and covers_arn(other, pattern)
                and (other != pattern or number < index)
            ):
                yield REDUNDANT_RESOURCE.at(
                    place, f"{quote(pattern)} is in {quote(other)} already", "leave it out"
                )
                break
