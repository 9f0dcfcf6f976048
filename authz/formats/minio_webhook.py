"""What MinIO asks its access management plugin (`MINIO_POLICY_PLUGIN_URL`) ↔ questions of the domain.

MinIO puts what it knows about a request, the client's own headers and all query parameters into one map, so a
client can write there, too. A value is only read from where MinIO writes it: under the exact spelling that no
header gets, and alone, because what a query parameter of that name says is appended. What MinIO takes from a
header stays the client's word, as it is everywhere; tags that are said to be on an object already are counted
against a request and never for it (docs/decisions/0023). Who acts, and what time it is, is never read there.

Source: what a server of 2025-09 sends, and reference/minio-iam.md §2.7, §5.3, §8. Not here: finding the
principal, deciding.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any, Final, NamedTuple

from authz.errors import InvalidError, quote
from authz.formats.authz_v1 import PRINCIPAL_LIMIT, parse_action
from authz.formats.check import Check, as_fact
from authz.formats.s3_address import MINIO_REFUSED_IN_KEYS, S3Config, parse_copy_source, parse_key
from authz.formats.s3_facts import (
    COPY_SOURCE,
    FORCE_DELETE,
    HEADER_FACTS,
    PARAMETER_FACTS,
    copy_facts,
    tag_facts,
)
from authz.identity.strict_json import parse_object
from authz.policy.arn import ANY, bucket_arn, object_arn
from authz.policy.decision import Layer
from authz.policy.request import NO_FACTS, Values

PATH: Final = "/minio/authorize"
"""Where MinIO asks."""

TAG_LIMIT: Final = 10
"""Most tags on an object (S3); a map with more was written by a client."""

SLOT_LIMIT: Final = 512
"""Most condition values in one question, which are looked through for each header that counts; MinIO writes
some twenty, and a client its headers and parameters."""

_REQUIRED: Final = frozenset({
    "account", "action", "bucket", "object", "conditions", "owner", "denyOnly", "claims",
})  # fmt: skip
_KNOWN: Final = _REQUIRED | {"groups", "originalAction"}
"""Groups are ours to know; the original action is empty, or another name of the same."""

_CLAIMS: Final = frozenset({
    "accessKey", "parent", "sa-policy", "sessionPolicy", "exp", "tokenRevokeType",
})  # fmt: skip
"""What MinIO itself puts into the token of a service account or an `AssumeRole` session. One more claim, and
somebody else's identity provider wrote them, and may have written `parent`, too."""

_SERVICE_ACCOUNTS: Final = frozenset({"embedded-policy", "inherited-policy"})

_ALWAYS_WRITTEN: Final = (
    "SourceIp", "SecureTransport", "UserAgent", "Referer", "authType", "signatureversion", "principaltype",
    "versionid", "signatureAge",
)  # fmt: skip
"""Slots that MinIO fills; a second value in one of them came from a query parameter."""

_TOLD: Final = (
    ("aws:useragent", "UserAgent"),
    ("aws:referer", "Referer"),
    ("s3:authtype", "authType"),
    ("s3:signatureversion", "signatureversion"),
    ("s3:x-amz-content-sha256", "X-Amz-Content-Sha256"),
)
"""Facts of every request and their slots; an empty one is not set."""

_LOCKED: Final = frozenset({
    "BypassGovernanceRetention", "PutObject", "PutObjectLegalHold", "PutObjectRetention",
})  # fmt: skip
_LOCK_SLOTS: Final = (
    "object-lock-mode", "object-lock-legal-hold", "object-lock-retain-until-date",
    "object-lock-remaining-retention-days",
)  # fmt: skip
"""Slots that MinIO fills from headers, or from the body where that says it."""

_TAGGED: Final = frozenset({"BypassGovernanceRetention", "PutObject", "PutObjectTagging"})
_EXPIRING: Final = frozenset({"admin:CreateServiceAccount", "admin:UpdateServiceAccount"})

_OF_VERSION: Final = {
    "GetObject": "GetObjectVersion",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectTagging": "PutObjectVersionTagging",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
}
"""What MinIO does not ask when a version is named; with AWS a deny of it would be heeded."""

_ANYTHING: Final = "**"

_EXISTING_TAG: Final = "ExistingObjectTag/"
_REQUEST_TAG: Final = "RequestObjectTag/"
_BUCKET: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_KMS_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,255}")
_KEYS: Final = S3Config(refused_in_keys=MINIO_REFUSED_IN_KEYS)

Conditions = Mapping[str, tuple[str, ...]]


class Derived(NamedTuple):
    """A credential that MinIO derived from another: the parent's access key id, and what narrows it.

    `document` is empty for one with nothing of its own; `layer` is what kind of credential it is.
    """

    parent: str
    document: str
    layer: Layer


class MinioQuestion(NamedTuple):
    """One question: may the credential `account` do all of `checks`?

    `server` are the facts about the way in; `doubtful` are those that a client may have made up and that may
    only count against it. `is_root`: MinIO takes it for its root credential, or one derived from that.
    `is_deny_only`: what no policy denies may happen.
    """

    account: str
    derived: Derived | None
    checks: tuple[Check, ...]
    server: Mapping[str, Values]
    doubtful: Mapping[str, Values]
    is_root: bool
    is_deny_only: bool


def parse_question(raw: bytes) -> MinioQuestion:
    """Read what MinIO asks; raises `ParseError` or `InvalidError` for what could mean two things."""
    members = parse_object(raw).get("input")
    if not isinstance(members, dict):
        raise InvalidError("the question needs the object `input`", field="input")
    _check_members(members)
    account = _read(members, "account", str)
    if not 0 < len(account) <= PRINCIPAL_LIMIT:
        raise InvalidError("`account` is empty or too long", field="input.account")
    action = parse_action(_read(members, "action", str), "input.")
    conditions = _parse_conditions(members["conditions"])
    bucket, key = _read(members, "bucket", str), _read(members, "object", str)
    facts = _common_facts(conditions)
    is_root = _read(members, "owner", bool) or _find(conditions, "principaltype") == "Account"
    return MinioQuestion(
        account,
        _parse_claims(members["claims"], account),
        tuple(_checks(action, bucket, key, conditions, facts)),
        _server_facts(conditions),
        _doubtful_facts(action, conditions),
        is_root,
        _read(members, "denyOnly", bool),
    )


def render_answer(*, is_allowed: bool) -> bytes:
    """Write the answer that MinIO reads; everything else is a no to it, whatever the HTTP status."""
    return b'{"result":true}' if is_allowed else b'{"result":false}'


def _check_members(members: Mapping[str, Any]) -> None:
    for name in sorted(members.keys() - _KNOWN):
        # A later MinIO may narrow a request by it.
        raise InvalidError(f"the member {quote(name)} is not known", field="input")
    for name in sorted(_REQUIRED - members.keys()):
        raise InvalidError(f"the member `{name}` is missing", field="input")


def _read(members: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    value = members[name]
    if type(value) is not kind:
        raise InvalidError(f"`{name}` is not of its kind", field=f"input.{name}")
    return value


# --- who ----------------------------------------------------------------------------------------------------


def _parse_claims(claims: object, account: str) -> Derived | None:
    """Read the claims of a service account or session of MinIO's own; none are those of a user."""
    if claims is None or claims == {}:
        return None
    if not isinstance(claims, dict):
        raise _bad_claims("they are no object")
    if claims.keys() - _CLAIMS:
        raise _bad_claims("they are an identity provider's, whose users are not known here")
    parent = claims.get("parent")
    if claims.get("accessKey") != account or not isinstance(parent, str) or not parent:
        raise _bad_claims("they are not about this credential")
    kind = claims.get("sa-policy")
    if kind is None:
        return Derived(parent, _parse_document(claims), Layer.SESSION_POLICY)
    if not isinstance(kind, str) or kind not in _SERVICE_ACCOUNTS:
        raise _bad_claims("`sa-policy` is not known")
    document = _parse_document(claims)
    if kind == "embedded-policy" and not document:
        raise _bad_claims("the policy they speak of is missing")
    return Derived(parent, document, Layer.SERVICE_ACCOUNT_POLICY)


def _parse_document(claims: Mapping[str, Any]) -> str:
    encoded = claims.get("sessionPolicy")
    if encoded is None:
        return ""
    try:
        document = base64.b64decode(encoded, validate=True).decode()
    except (TypeError, ValueError, binascii.Error):
        raise _bad_claims("`sessionPolicy` is not base64 of a text") from None
    if not document:
        raise _bad_claims("`sessionPolicy` is empty")
    return _read_wildcards(document) if _ANYTHING in document else document


def _read_wildcards(document: str) -> str:
    """Return a policy as its author wrote it: MinIO keeps the resource `*` as `**`."""
    policy = dict(parse_object(document.encode()))
    statements = policy.get("Statement")
    for statement in statements if isinstance(statements, list) else ():
        for element in ("Resource", "NotResource"):
            named = statement.get(element) if isinstance(statement, dict) else None
            if isinstance(named, list):
                statement[element] = [ANY if one == _ANYTHING else one for one in named]
            elif named == _ANYTHING:
                statement[element] = ANY
    return json.dumps(policy)


def _bad_claims(problem: str) -> InvalidError:
    return InvalidError(f"the claims cannot be decided on: {problem}", field="input.claims")


# --- what ---------------------------------------------------------------------------------------------------


def _checks(
    action: str, bucket: str, key: str, conditions: Conditions, facts: Mapping[str, Values]
) -> list[Check]:
    service, _, name = action.partition(":")
    if service not in {"s3", "admin", "sts", "kms"}:
        raise InvalidError(f"{quote(action)} is not an action of MinIO's", field="input.action")
    resource = _resource(service, bucket, key)
    if service != "s3":
        return [Check(action, resource, facts)]
    told = {**facts, **_action_facts(name, conditions)}
    checks = [Check(action, resource, told)]
    if _find(conditions, "versionid") and name in _OF_VERSION:
        checks.append(Check(f"s3:{_OF_VERSION[name]}", resource, told))
    if name == "DeleteObject" and _is_forced(conditions):
        # MinIO deletes everything whose key begins with this one, in all versions.
        checks += [
            Check(f"s3:{each}", resource, facts, is_prefix=True)
            for each in ("DeleteObject", "DeleteObjectVersion")
        ]
    return checks


def _resource(service: str, bucket: str, key: str) -> str:
    if service == "kms":
        if bucket and not _KMS_KEY.fullmatch(bucket):
            raise InvalidError(f"{quote(bucket)} is not a key's name", field="input.bucket")
        return f"arn:minio:kms:::{bucket}" if bucket else ANY
    if not bucket:
        if key:
            raise InvalidError("an object without a bucket", field="input.object")
        return bucket_arn(ANY) if service == "s3" else ANY
    if not _BUCKET.fullmatch(bucket):
        raise InvalidError(f"{quote(bucket)} is not a bucket's name", field="input.bucket")
    return object_arn(bucket, parse_key(key, _KEYS)) if key else bucket_arn(bucket)


def _is_forced(conditions: Conditions) -> bool:
    return any(
        value.strip().lower() != "false" for value in _spelt_anyhow(conditions, FORCE_DELETE)
    )


# --- condition values ---------------------------------------------------------------------------------------


def _parse_conditions(value: object) -> Conditions:
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise InvalidError("`conditions` is not an object", field="input.conditions")
    if len(value) > SLOT_LIMIT:
        problem = f"there are more than {SLOT_LIMIT} condition values"
        raise InvalidError(problem, field="input.conditions")
    for slot, values in value.items():
        if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
            place = f"input.conditions[{quote(slot)}]"
            raise InvalidError("a condition value is not a list of texts", field=place)
    conditions = {slot: tuple(dict.fromkeys(values)) for slot, values in value.items()}
    for slot in _ALWAYS_WRITTEN:
        _find(conditions, slot)
    return conditions


def _find(conditions: Conditions, slot: str) -> str | None:
    """Return the one value of a slot, by its exact spelling."""
    return _only(slot, conditions.get(slot, ()))


def _only(slot: str, values: Sequence[str]) -> str | None:
    if len(values) > 1:
        raise InvalidError(f"{quote(slot)} has several values", field="input.conditions")
    return as_fact(slot, values[0]) if values else None


def _spelt_anyhow(conditions: Conditions, header: str) -> list[str]:
    """Return what a header says, and query parameters of its name, some of which MinIO takes for it."""
    found = [one for slot, each in conditions.items() if slot.lower() == header for one in each]
    return list(dict.fromkeys(found))


def _server_facts(conditions: Conditions) -> dict[str, Values]:
    source, secure = _find(conditions, "SourceIp"), _find(conditions, "SecureTransport")
    facts: dict[str, Values] = {}
    if source is not None:
        try:
            address = ip_address(source)
        except ValueError:
            # A client's X-Forwarded-For; no address is in no network, nor out of one.
            raise InvalidError("the client's address is none", field="input.conditions") from None
        facts["aws:sourceip"] = (str(getattr(address, "ipv4_mapped", None) or address),)
    if secure is not None:
        facts["aws:securetransport"] = ("true" if secure == "true" else "false",)
    return facts


def _common_facts(conditions: Conditions) -> dict[str, Values]:
    found = ((key, _find(conditions, slot)) for key, slot in _TOLD)
    facts: dict[str, Values] = {key: (value,) for key, value in found if value}
    age = _find(conditions, "signatureAge")
    # Elsewhere MinIO leaves the slot to whoever writes there.
    is_presigned = facts.get("s3:authtype") == ("REST-QUERY-STRING",)
    if age and is_presigned and facts.get("s3:signatureversion") == ("AWS4-HMAC-SHA256",):
        facts["s3:signatureage"] = (age,)
    return facts


def _action_facts(name: str, conditions: Conditions) -> dict[str, Values]:
    found = [
        (key, _only(header, _spelt_anyhow(conditions, header)))
        for key, header in HEADER_FACTS.get(name, ())
    ]
    found += [
        (key, _find(conditions, parameter))
        for key, parameter in PARAMETER_FACTS.get(name, ())
        if parameter != "versionId"
    ]
    if any(parameter == "versionId" for _, parameter in PARAMETER_FACTS.get(name, ())):
        found.append(("s3:versionid", _find(conditions, "versionid") or None))
    if name in _LOCKED:
        found += [(f"s3:{slot}", _find(conditions, slot) or None) for slot in _LOCK_SLOTS]
    facts: dict[str, Values] = {key: (value,) for key, value in found if value is not None}
    if name == "PutObject":
        source = _only(COPY_SOURCE, _spelt_anyhow(conditions, COPY_SOURCE))
        facts |= copy_facts(parse_copy_source(source, _KEYS)) if source is not None else NO_FACTS
    if name in _TAGGED:
        facts |= tag_facts(_tags(conditions, _REQUEST_TAG))
    return facts


def _tags(conditions: Conditions, prefix: str) -> list[tuple[str, str]]:
    slots = [slot for slot in conditions if slot.startswith(prefix)]
    if len(slots) > TAG_LIMIT:
        raise InvalidError("more tags than an object has", field="input.conditions")
    return [(slot.removeprefix(prefix), _find(conditions, slot) or "") for slot in slots]


def _doubtful_facts(action: str, conditions: Conditions) -> dict[str, Values]:
    tags = _tags(conditions, _EXISTING_TAG)
    facts: dict[str, Values] = {f"s3:existingobjecttag/{name}": (value,) for name, value in tags}
    duration = _find(conditions, "DurationSeconds") if action in _EXPIRING else None
    if duration is not None:
        facts["svc:durationseconds"] = (duration,)
    return facts
