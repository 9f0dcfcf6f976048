"""Checks of actions: names that do not exist, wildcards that reach too far or nothing, MinIO's ways.

What an action is comes from the catalog; nothing is said about the actions of a service that is not in it.
"""

from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.catalog import (
    Level,
    all_services,
    find_action,
    find_actions,
    find_service,
    nearest,
)
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.relations import covers
from authz.policy.validate.view import (
    ANY,
    PolicyKind,
    PolicyView,
    StatementView,
    is_wild,
    service_of,
)

LIST_LIMIT: Final = 256
"""Most entries of a list that are compared with each other."""

MISSPELT_SERVICE: Final = Check(
    "AZ101",
    Severity.WARNING,
    "an action of a service that is not known and called almost as a known one",
)
UNKNOWN_ACTION: Final = Check("AZ102", Severity.ERROR, "an action that its service does not have")
EMPTY_WILDCARD: Final = Check("AZ103", Severity.ERROR, "an action wildcard that matches no action")
EVERYTHING: Final = Check("AZ104", Severity.SECURITY, "an allow of every action of every service")
WRITES_EVERYWHERE: Final = Check(
    "AZ105", Severity.SECURITY, "an unconditional allow of changes on every resource"
)
ALLOW_NOT_ACTION: Final = Check("AZ106", Severity.SECURITY, "`NotAction` with `Allow`")
REDUNDANT_ACTION: Final = Check(
    "AZ107", Severity.SUGGESTION, "an action that another one in the list covers"
)
DENY_NOT_ACTION: Final = Check(
    "AZ108", Severity.WARNING, "`NotAction` with an unconditional `Deny` on everything"
)
SINGLE_MATCH: Final = Check(
    "AZ109", Severity.SUGGESTION, "an action wildcard that matches one action only"
)
OTHER_CASE: Final = Check("AZ110", Severity.SUGGESTION, "an action in another case than its own")
VERSION_ONLY: Final = Check(
    "AZ111",
    Severity.WARNING,
    "`s3:GetObjectVersion` allowed without `s3:GetObject` (MinIO implies it)",
)
NEVER_ASKED: Final = Check(
    "AZ112", Severity.WARNING, "an action that no request ever asks for here"
)
REACHES_GRANTING: Final = Check(
    "AZ113", Severity.SECURITY, "an action wildcard that reaches actions which change permissions"
)
MINIO_ONLY: Final = Check(
    "AZ114", Severity.SUGGESTION, "an action that only MinIO has, where AWS's has another name"
)
UNKNOWN_SERVICE: Final = Check(
    "AZ115", Severity.SUGGESTION, "an action of a service that is not in the catalog"
)

CHECKS: Final = (
    MISSPELT_SERVICE, UNKNOWN_ACTION, EMPTY_WILDCARD, EVERYTHING, WRITES_EVERYWHERE, ALLOW_NOT_ACTION,
    REDUNDANT_ACTION, DENY_NOT_ACTION, SINGLE_MATCH, OTHER_CASE, VERSION_ONLY, NEVER_ASKED, REACHES_GRANTING,
    MINIO_ONLY, UNKNOWN_SERVICE,
)  # fmt: skip

_NEVER_ASKED: Final = {
    "s3:headbucket": "`s3:ListBucket` is what a HEAD of a bucket needs",
    "s3:listenbucketnotification": "requests to listen for events are refused",
    "s3:listennotification": "requests to listen for events are refused",
    "s3:getbucketqos": "requests about quality of service are refused",
    "s3:putbucketqos": "requests about quality of service are refused",
}
"""Actions of MinIO that the S3 mapping asks nobody for, and what to write instead."""

_RENAMED: Final = {"s3:deletebucketcors": "s3:PutBucketCORS"}


def check_actions(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the actions of every statement."""
    for one in view.statements:
        for place, pattern in one.listed_actions():
            yield from _check_pattern(one, place, pattern)
        # A trust policy is about its one role, without naming it.
        if view.kind is not PolicyKind.TRUST:
            yield from _check_reach(one)
        yield from _redundant(one)
    yield from _version_only(view)


def _check_pattern(one: StatementView, place: str, pattern: str) -> Iterator[Finding]:
    if pattern == ANY:
        if one.is_allow and not one.source.not_actions:
            message = "every action of every service is allowed, those that grant more included"
            yield EVERYTHING.at(place, message, "list the services or actions that are needed")
        return
    service = find_service(service_of(pattern))
    if service is None:
        near = nearest(service_of(pattern), [known.prefix for known in all_services()])
        message = f"the service {quote(service_of(pattern))} is not known"
        if near:
            yield MISSPELT_SERVICE.at(place, message, f"did you mean `{near}`")
        else:
            yield UNKNOWN_SERVICE.at(place, message, "see that a configured route uses it")
        return
    found = find_actions(pattern)
    name = pattern.partition(":")[2]
    if not found and is_wild(pattern):
        yield EMPTY_WILDCARD.at(place, f"{quote(pattern)} matches no action of {service.name}")
    elif not found:
        near = nearest(name, [action.name for action in service.actions.values()])
        suggestion = f"did you mean `{service.prefix}:{near}`" if near else ""
        yield UNKNOWN_ACTION.at(place, f"{service.name} has no action {quote(name)}", suggestion)
    elif not is_wild(pattern):
        yield from _check_exact(place, pattern)
    else:
        yield from _check_wildcard(one, place, pattern)


def _check_exact(place: str, pattern: str) -> Iterator[Finding]:
    action = find_action(pattern)
    assert action is not None, "the caller found it"
    if action.text != pattern:
        message = f"{quote(pattern)} is spelt `{action.text}`; MinIO takes no other case"
        yield OTHER_CASE.at(place, message, f"write `{action.text}`")
    reason = _NEVER_ASKED.get(pattern.lower())
    if reason:
        yield NEVER_ASKED.at(place, f"no request asks for {quote(pattern)} here", reason)
    other = _RENAMED.get(pattern.lower())
    if other:
        yield MINIO_ONLY.at(
            place, f"{quote(pattern)} is MinIO's name", f"write `{other}`, as AWS does"
        )


def _check_wildcard(one: StatementView, place: str, pattern: str) -> Iterator[Finding]:
    found = find_actions(pattern)
    if len(found) == 1:
        message = f"{quote(pattern)} matches only `{found[0].text}`"
        yield SINGLE_MATCH.at(place, message, f"write `{found[0].text}`")
    is_whole = pattern.partition(":")[2] == ANY
    granting = [action.text for action in found if action.level is Level.GRANTING]
    # What belongs to the caller alone (`user/${aws:username}`) is its own affair.
    is_own = all("${" in text for text in one.source.resources)
    if one.is_allow and not one.source.not_actions and granting and not is_whole and not is_own:
        message = f"{quote(pattern)} reaches actions that grant: {_name_some(granting)}"
        yield REACHES_GRANTING.at(place, message, "list the actions that are meant")


def _check_reach(one: StatementView) -> Iterator[Finding]:
    is_everywhere = ANY in one.source.resources and not one.source.not_resources
    if one.source.not_actions:
        if one.is_allow:
            message = "everything but the listed actions is allowed, of every service and of those to come"
            yield ALLOW_NOT_ACTION.at(
                one.action_place, message, "list what is allowed, or deny with `NotAction`"
            )
        elif is_everywhere and not one.is_conditional:
            message = "everything but the listed actions is denied, administration included"
            yield DENY_NOT_ACTION.at(
                one.action_place, message, "allow less instead, or add a condition"
            )
        return
    if not (one.is_allow and is_everywhere) or one.is_conditional or ANY in one.source.actions:
        return
    changing = [
        action.text
        for action in one.actions
        if action.level in {Level.WRITE, Level.GRANTING} and action.resources
    ]
    if changing:
        message = f"changes are allowed on every resource, by {_name_some(changing)}"
        yield WRITES_EVERYWHERE.at(
            one.resource_place, message, "name the resources, or add a condition"
        )


def _name_some(texts: list[str]) -> str:
    return f"`{texts[0]}`" + (f" and {len(texts) - 1} more" if len(texts) > 1 else "")


def _redundant(one: StatementView) -> Iterator[Finding]:
    entries = list(one.listed_actions())
    if len(entries) > LIST_LIMIT:
        return
    for index, (place, pattern) in enumerate(entries):
        for number, (_, other) in enumerate(entries):
            if number == index or not covers(other.lower(), pattern.lower()):
                continue
            if other.lower() != pattern.lower() or number < index:
                message = f"{quote(pattern)} is in {quote(other)} already"
                yield REDUNDANT_ACTION.at(place, message, "leave it out")
                break


def _version_only(view: PolicyView) -> Iterator[Finding]:
    allowed = {a.name for one in view.statements if one.is_allow for a in one.actions}
    if "GetObjectVersion" not in allowed or "GetObject" in allowed:
        return
    for one in view.statements:
        for place, pattern in one.listed_actions():
            if pattern.lower() == "s3:getobjectversion" and one.is_allow:
                message = (
                    "`s3:GetObjectVersion` does not allow to read objects without naming a version"
                )
                yield VERSION_ONLY.at(
                    place, message, "add `s3:GetObject`; in MinIO the one covers the other"
                )
