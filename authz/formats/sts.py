"""AWS's Security Token Service, version 2011-06-15: what a request asks for, and the answers.

Of what the operations know, some parameters would narrow or name the session or prove something about the
caller, and are not held here. They are refused: who sends them would think that they hold. So are tags for a
session that is of no role.

MinIO's clients send `AssumeRole` for a session of themselves, with any `RoleArn` or none. What could be meant
as a role of IAM's is never taken for that: who misspells a role must not get more than it.

MinIO's clients send the same requests. In two things the answers follow AWS, not MinIO: `AssumedRoleUser` is
never empty, as AWS's SDKs for Java take its ARN apart, and its id is spelt `AssumedRoleId`.

Source: AWS STS API reference, "Actions", "Common Errors". Not here: requests whose proof is a provider's word
(`sts_logins.py`), decisions (`sts_messages.py`), forms and XML (`aws_query.py`), who may (`serving/sts.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from authz.formats import aws_query
from authz.formats.aws_query import Parameters, QueryError, Tree
from authz.formats.sts_logins import LOGIN_PARSERS, LoginRequest
from authz.formats.sts_messages import ACTION, take_message
from authz.formats.sts_parameters import (
    NAMESPACE,
    render_credentials,
    take_duration,
    take_policies,
    take_role_arn,
)
from authz.identity.http import HttpRequest
from authz.policy.request import Principal, Values

VERSION: Final = "2011-06-15"

ASSUME_ROLE: Final = "AssumeRole"
GET_SESSION_TOKEN: Final = "GetSessionToken"  # noqa: S105 - an action, no token

STATUS: Final = {
    "AccessDenied": 403,
    "ExpiredToken": 403,
    "ExpiredTokenException": 400,
    "IDPCommunicationError": 400,
    "IDPRejectedClaim": 403,
    "IncompleteSignature": 400,
    "InternalFailure": 500,
    "InvalidAction": 400,
    "InvalidAuthorizationMessageException": 400,
    "InvalidClientTokenId": 403,
    "InvalidIdentityToken": 400,
    "InvalidParameterValue": 400,
    "MalformedInput": 400,
    "MalformedPolicyDocument": 400,
    "MissingAction": 400,
    "MissingAuthenticationToken": 403,
    "MissingParameter": 400,
    "PackedPolicyTooLarge": 400,
    "RequestEntityTooLarge": 413,
    "RequestTimeout": 400,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Throttling": 503,
    "ValidationError": 400,
}
"""The HTTP status of each code. AWS says `Throttling` with 400, on which MinIO's clients do not try again."""

_NOT_HELD: Final = (
    "ProvidedContexts",
    "SerialNumber",
    "SourceIdentity",
    "Tags",
    "TokenCode",
    "TokenRevokeType",
    "TransitiveTagKeys",
)
"""Parameters, and lists, of what would be believed of the session and is not, but by a role's."""

_EXTERNAL_ID: Final = re.compile(r"[A-Za-z0-9_+=,.@:/-]{2,1224}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """`AssumeRole` or `GetSessionToken`: `duration` in seconds, a policy document, names of managed policies.

    `role_arn` is empty for a session of the caller itself; only a role's has `tags`, of which `transitive` pass
    on, and a `source_identity`. `facts` are the condition values that the request gives, but for the duration.
    """

    action: str
    role_arn: str = ""
    duration: int | None = None
    policy: str = ""
    policy_names: tuple[str, ...] = ()
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    facts: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class CallerRequest:
    """`GetCallerIdentity`."""

    action: str = "GetCallerIdentity"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """`GetAccessKeyInfo`."""

    access_key_id: str
    action: str = "GetAccessKeyInfo"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRequest:
    """`DecodeAuthorizationMessage`: of the decision with this id."""

    decision_id: str
    action: str = ACTION


SignedRequest = SessionRequest | CallerRequest | KeyRequest | MessageRequest
StsRequest = SignedRequest | LoginRequest


def parse_sts(request: HttpRequest, account: str) -> StsRequest:
    """Read a request whose body is at hand; `account` owns the policies it may name. Raises `QueryError`."""
    parameters = aws_query.parse_request(request)
    action, version = parameters.take("Action"), parameters.take("Version")
    if not action:
        raise QueryError("MissingAction", "the parameter `Action` is missing")
    if not version:
        raise QueryError("MissingParameter", f"the parameter `Version` is missing; it is {VERSION}")
    if version != VERSION or action not in _PARSERS:
        raise QueryError("InvalidAction", f"there is no such action in version {VERSION} here")
    parsed = _PARSERS[action](parameters, account)
    _refuse_what_is_not_held(parameters)
    parameters.finish()
    if isinstance(parsed, SessionRequest) and request.query:
        raise QueryError(
            "MalformedInput", f"the parameters of {action} stand in the body of a POST"
        )
    return parsed


def status_of(code: str) -> int:
    """Return the HTTP status of a code."""
    return STATUS[code]


def render_session(
    asked: SessionRequest,
    principal: Principal,
    request_id: str,
    *,
    access_key_id: str,
    secret: str,
    token: str,
    expires_at: float,
    packed_percent: int = 0,
    source_identity: str = "",
) -> bytes:
    """Render a session of `principal` that ends at `expires_at` (epoch seconds).

    Of a role's, `principal` is the session itself, and `packed_percent` how much of a token's room it takes.
    """
    result: dict[str, str | Tree] = {
        "Credentials": render_credentials(access_key_id, secret, token, expires_at)
    }
    if asked.action == ASSUME_ROLE:
        result["AssumedRoleUser"] = {
            "AssumedRoleId": (
                principal.id if asked.role_arn else f"{principal.id}:{asked.name or access_key_id}"
            ),
            "Arn": principal.arn,
        }
    if asked.role_arn:
        result["PackedPolicySize"] = str(packed_percent)
    if source_identity:
        result["SourceIdentity"] = source_identity
    return aws_query.render_answer(NAMESPACE, asked.action, result, request_id)


def render_caller(principal: Principal, request_id: str) -> bytes:
    """Render who asks."""
    result = {"UserId": principal.id, "Account": principal.account, "Arn": principal.arn}
    return aws_query.render_answer(NAMESPACE, "GetCallerIdentity", result, request_id)


def render_key(account: str, request_id: str) -> bytes:
    """Render the account of an access key."""
    return aws_query.render_answer(NAMESPACE, "GetAccessKeyInfo", {"Account": account}, request_id)


def render_error(code: str, message: str, request_id: str) -> bytes:
    """Render a refusal by its code."""
    return aws_query.render_error(
        NAMESPACE, code, message, is_ours=STATUS[code] >= 500, request_id=request_id
    )


def _parse_assume_role(parameters: Parameters, account: str) -> StsRequest:
    role_arn = take_role_arn(parameters)
    name = parameters.take("RoleSessionName") or ""
    external_id = parameters.take("ExternalId") or ""
    if external_id and not _EXTERNAL_ID.fullmatch(external_id):
        raise QueryError(
            "ValidationError", "`ExternalId` is 2 to 1,224 letters, digits and `_+=,.@:/-`"
        )
    policy, policy_names = take_policies(parameters, account)
    if role_arn and not name:
        raise QueryError("MissingParameter", "the parameter `RoleSessionName` is missing")
    tags = _parse_tags(parameters) if role_arn else {}
    transitive = parameters.take_list("TransitiveTagKeys") if role_arn else ()
    source_identity = parameters.take("SourceIdentity") if role_arn else None
    if source_identity == "":
        raise QueryError("ValidationError", "`SourceIdentity` is empty; leave it out for none")
    return SessionRequest(
        action=ASSUME_ROLE,
        role_arn=role_arn,
        duration=take_duration(parameters),
        policy=policy,
        policy_names=policy_names,
        name=name,
        tags=tags,
        transitive=transitive,
        source_identity=source_identity or "",
        facts=_facts(name, external_id, tags, transitive),
    )


def _parse_tags(parameters: Parameters) -> Mapping[str, str]:
    keys, values = (parameters.take_members("Tags", member) for member in ("Key", "Value"))
    tags = dict(zip(keys, values, strict=False))
    if not len(keys) == len(values) == len(tags) or parameters.has("Tags"):
        raise QueryError("ValidationError", "each of `Tags` has a `Key` of its own and a `Value`")
    return tags


def _facts(
    name: str, external_id: str, tags: Mapping[str, str], transitive: tuple[str, ...]
) -> Mapping[str, Values]:
    texts = {"sts:rolesessionname": name, "sts:externalid": external_id}
    lists = {"aws:tagkeys": tuple(tags), "sts:transitivetagkeys": transitive}
    return {
        **{key: (text,) for key, text in texts.items() if text},
        **{key: values for key, values in lists.items() if values},
        **{f"aws:requesttag/{key}": (value,) for key, value in tags.items()},
    }


def _parse_session_token(parameters: Parameters, _: str) -> StsRequest:
    return SessionRequest(action=GET_SESSION_TOKEN, duration=take_duration(parameters), facts={})


def _parse_caller(_: Parameters, __: str) -> StsRequest:
    return CallerRequest()


def _parse_key(parameters: Parameters, _: str) -> StsRequest:
    access_key_id = parameters.take("AccessKeyId")
    if not access_key_id:
        raise QueryError("MissingParameter", "the parameter `AccessKeyId` is missing")
    return KeyRequest(access_key_id=access_key_id)


def _parse_message(parameters: Parameters, _: str) -> StsRequest:
    return MessageRequest(decision_id=take_message(parameters))


_PARSERS: Final[Mapping[str, Callable[[Parameters, str], StsRequest]]] = {
    ASSUME_ROLE: _parse_assume_role,
    GET_SESSION_TOKEN: _parse_session_token,
    "GetCallerIdentity": _parse_caller,
    "GetAccessKeyInfo": _parse_key,
    ACTION: _parse_message,
    **LOGIN_PARSERS,
}


def _refuse_what_is_not_held(parameters: Parameters) -> None:
    for name in _NOT_HELD:
        if parameters.has(name):
            raise QueryError(
                "InvalidParameterValue",
                f"`{name}` is not supported here, and a session without it is not what was asked for",
            )
