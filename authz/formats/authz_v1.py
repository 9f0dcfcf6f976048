"""`authz.v1.AuthorizationService` messages ↔ questions and answers of the domain.

A question carries who acts (by name, ARN or access key id), the action, the resource and the facts that the
caller knows about the request. The caller is a trusted service, so it may tell us where the request came from
(`aws:SourceIp`, `aws:SecureTransport`); it may not tell us who somebody is or what time it is
(`formats/context_facts.py`). Bytes that are no message raise `ParseError`, a message that asks for too much or
too little raises `InvalidError` with the path of the field: nothing else leaves the parsers.

Not here: finding the principal, deciding, or the numbers of gRPC status codes. Explanations are rendered by
`formats/authz_v1_explain.py`; authentication has `formats/authz_v1_authentication.py`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message

from authz.errors import InvalidError, ParseError, quote
from authz.formats.context_facts import parse_facts
from authz.identity.jwt import TOKEN_LIMIT
from authz.policy.decision import Decision, Reason, Verdict
from authz.policy.request import NO_FACTS, Values
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2

ACTION_LIMIT: Final = 256
"""Longest action in characters (AWS: a service prefix of 64 and a name of 128)."""
RESOURCE_LIMIT: Final = 4096
"""Longest resource in characters: an S3 key has up to 1,024 bytes, other ARNs up to 2,048 characters."""
PRINCIPAL_LIMIT: Final = 2048
"""Longest way to name a principal in characters (AWS's limit for an ARN)."""
BATCH_LIMIT: Final = 1000
"""Most checks in one batch."""
QUESTION_BYTES_LIMIT: Final = 65_536
"""Largest single question in bytes; all the limits above at four bytes a character fit."""
REVISION_LIMIT: Final = 2**62
"""Revisions grow by one a write; nothing larger can be one."""

# Visible ASCII without `*` and `?`, and before the first colon without `:`.
_ACTION: Final = re.compile(r"[!-)+-9;->@-~]+:[!-)+->@-~]+")
_NANOS: Final = 1_000_000_000

M = TypeVar("M", bound=Message)


AnyCheck = wire.AuthorizeRequest | wire.Check
AnyWho = AnyCheck | wire.ListAllowedActionsRequest
"""Whatever has the `oneof principal`."""


class PrincipalBy(StrEnum):
    """How a question names its principal; the value is the proto's field."""

    USER_NAME = "user_name"
    ARN = "principal_arn"
    ACCESS_KEY_ID = "access_key_id"
    ANONYMOUS = "anonymous"
    BEARER_TOKEN = "bearer_token"  # noqa: S105 - the name of a field


class PrincipalRef(NamedTuple):
    """Who acts, as the caller said it: not looked up, not proved. `value` is empty for nobody in particular."""

    by: PrincipalBy
    value: str

    def __repr__(self) -> str:
        shown = "..." if self.by is PrincipalBy.BEARER_TOKEN else repr(self.value)
        return f"PrincipalRef({self.by.value}={shown})"


ANONYMOUS_REF: Final = PrincipalRef(PrincipalBy.ANONYMOUS, "")

_NAMED_BY: Final[Mapping[str, PrincipalBy]] = {
    by.value: by for by in PrincipalBy if by is not PrincipalBy.ANONYMOUS
}


class Question(NamedTuple):
    """One question. `facts` are request facts with folded keys; `at_least_revision` is 0 for any."""

    principal: PrincipalRef
    action: str
    resource: str
    facts: Mapping[str, Values]
    at_least_revision: int


class QuestionBatch(NamedTuple):
    """Many questions on one view; a check that is no question stands there as its error."""

    checks: tuple[Question | InvalidError, ...]
    at_least_revision: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A decision and the id it has in the decision log."""

    decision: Decision
    decision_id: str


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Why a check has no decision: a `google.rpc.Code` number and a message that may leave the service."""

    code: int
    message: str


def parse_message(kind: type[M], raw: bytes) -> M:
    """Return the message of `kind` that `raw` encodes; raise `ParseError` when it encodes none."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        # protobuf's own text names its internals; the chain is cut so that it reaches no log line twice.
        raise ParseError(
            f"the bytes are not a message of type {kind.DESCRIPTOR.full_name}"
        ) from None


def parse_authorize(raw: bytes) -> Question:
    """Read an `AuthorizeRequest`."""
    check_size(raw)
    message = parse_message(wire.AuthorizeRequest, raw)
    return parse_question(message, "", parse_revision(message.at_least_revision))


def parse_batch(raw: bytes) -> QuestionBatch:
    """Read a `BatchAuthorizeRequest`; only what concerns the whole batch raises."""
    message = parse_message(wire.BatchAuthorizeRequest, raw)
    if len(message.checks) > BATCH_LIMIT:
        problem = f"a batch has at most {BATCH_LIMIT} checks, this one has {len(message.checks)}"
        raise InvalidError(problem, field="checks")
    revision = parse_revision(message.at_least_revision)
    checks = tuple(_question_or_error(c, i, revision) for i, c in enumerate(message.checks))
    return QuestionBatch(checks, revision)


def parse_revision(revision: int) -> int:
    """Check an `at_least_revision`."""
    if not 0 <= revision <= REVISION_LIMIT:
        raise InvalidError("no write ever returned this revision", field="at_least_revision")
    return revision


def check_size(raw: bytes) -> None:
    """Refuse bytes that are more than any single question needs."""
    if len(raw) > QUESTION_BYTES_LIMIT:
        raise InvalidError(
            f"a question has at most {QUESTION_BYTES_LIMIT} bytes, this one has {len(raw)}"
        )


def _question_or_error(check: wire.Check, index: int, revision: int) -> Question | InvalidError:
    try:
        return parse_question(check, f"checks[{index}].", revision)
    except InvalidError as error:
        return error


def parse_question(message: AnyCheck, path: str, revision: int) -> Question:
    """Read one question; errors are at `path` and the field."""
    principal = parse_principal(message, path)
    action = parse_action(message.action, path)
    resource = parse_resource(message.resource, path)
    facts = parse_facts(message.context, f"{path}context") if message.context else NO_FACTS
    return Question(principal, action, resource, facts, revision)


def parse_principal(message: AnyWho, path: str) -> PrincipalRef:
    """Read who acts; errors are at `path` and the field."""
    field = message.WhichOneof("principal")
    if field is None or (by := _NAMED_BY.get(field)) is None:
        return _unnamed(message, field, path)
    value: str = getattr(message, field)
    limit = TOKEN_LIMIT if by is PrincipalBy.BEARER_TOKEN else PRINCIPAL_LIMIT
    if not 0 < len(value) <= limit:
        problem = f"{field} has 1 to {limit} characters, not {len(value)}"
        raise InvalidError(problem, field=f"{path}{field}")
    return PrincipalRef(by, value)


def _unnamed(message: AnyWho, field: str | None, path: str) -> PrincipalRef:
    if field is None:
        problem = "say who acts: one of user_name, principal_arn, access_key_id, anonymous"
        raise InvalidError(problem, field=f"{path}principal")
    if not message.anonymous:
        problem = "anonymous must be true, or another way to say who acts be taken"
        raise InvalidError(problem, field=f"{path}anonymous")
    return ANONYMOUS_REF


def parse_action(action: str, path: str) -> str:
    """Return `action` if it is one and no pattern; errors are at `path` and `action`."""
    if len(action) > ACTION_LIMIT or not _ACTION.fullmatch(action):
        raise _bad_action(action, path)
    return action


def parse_resource(resource: str, path: str) -> str:
    """Return `resource` if it is `*` or has the six parts of an ARN; errors are at `path` and `resource`."""
    is_arn = resource.startswith("arn:") and resource.count(":") >= 5
    if len(resource) > RESOURCE_LIMIT or not (is_arn or resource == "*"):
        raise _bad_resource(resource, path)
    return resource


def _bad_action(action: str, path: str) -> InvalidError:
    if len(action) > ACTION_LIMIT:
        problem = f"an action has at most {ACTION_LIMIT} characters, this one has {len(action)}"
    else:
        problem = f"{quote(action)} is not one action; write it out, as in `s3:GetObject`"
    return InvalidError(problem, field=f"{path}action")


def _bad_resource(resource: str, path: str) -> InvalidError:
    if len(resource) > RESOURCE_LIMIT:
        problem = (
            f"a resource has at most {RESOURCE_LIMIT} characters, this one has {len(resource)}"
        )
    else:
        problem = f"{quote(resource)} is not an ARN (`arn:aws:s3:::bucket/key`) and not `*`"
    return InvalidError(problem, field=f"{path}resource")


VERDICTS: Final[Mapping[Verdict, decision_pb2.Verdict]] = {
    Verdict.ALLOWED: decision_pb2.VERDICT_ALLOWED,
    Verdict.EXPLICITLY_DENIED: decision_pb2.VERDICT_EXPLICITLY_DENIED,
    Verdict.IMPLICITLY_DENIED: decision_pb2.VERDICT_IMPLICITLY_DENIED,
}

REASONS: Final[Mapping[Reason, decision_pb2.Reason]] = {
    Reason.STATEMENT: decision_pb2.REASON_STATEMENT,
    Reason.ROOT: decision_pb2.REASON_ROOT,
    Reason.NO_MATCH: decision_pb2.REASON_NO_MATCH,
    Reason.QUARANTINE: decision_pb2.REASON_QUARANTINE,
    Reason.PRINCIPAL_UNKNOWN: decision_pb2.REASON_PRINCIPAL_UNKNOWN,
    Reason.PRINCIPAL_DISABLED: decision_pb2.REASON_PRINCIPAL_DISABLED,
    Reason.PERMISSIONS_BOUNDARY: decision_pb2.REASON_PERMISSIONS_BOUNDARY,
    Reason.SESSION_POLICY: decision_pb2.REASON_SESSION_POLICY,
    Reason.SERVICE_ACCOUNT_POLICY: decision_pb2.REASON_SERVICE_ACCOUNT_POLICY,
    Reason.RESOURCE_POLICY: decision_pb2.REASON_RESOURCE_POLICY,
}


def render_authorize(
    decision: Decision, decision_id: str, revision: int, staleness: float
) -> bytes:
    """Write an `AuthorizeResponse`; `staleness` in seconds."""
    response = wire.AuthorizeResponse()
    fill_decision(response.decision, decision, decision_id, revision, staleness)
    return response.SerializeToString()


def render_batch(
    answers: Iterable[Answered | Unanswered], revision: int, staleness: float
) -> bytes:
    """Write a `BatchAuthorizeResponse`: one answer for each check, in their order; `staleness` in seconds."""
    response = wire.BatchAuthorizeResponse()
    for answer in answers:
        place = response.answers.add()
        if isinstance(answer, Answered):
            fill_decision(place.decision, answer.decision, answer.decision_id, revision, staleness)
        else:
            place.error.code = answer.code
            place.error.message = answer.message
    return response.SerializeToString()


def fill_decision(
    message: decision_pb2.Decision,
    decision: Decision,
    decision_id: str,
    revision: int,
    staleness: float,
) -> None:
    """Write a decision into `message`; `staleness` in seconds."""
    # Attribute by attribute: the constructor with keywords takes twice as long.
    message.verdict = VERDICTS[decision.verdict]
    message.reason = REASONS[decision.reason]
    statement = decision.statement
    if statement is not None:
        where = message.statement
        where.policy_arn = statement.policy
        where.version = statement.version
        where.index = statement.index
        where.sid = statement.sid
    message.decision_id = decision_id
    message.revision = revision
    fill_duration(message.staleness, staleness)


def fill_duration(message: Duration, seconds: float) -> None:
    """Write `seconds` into a `google.protobuf.Duration`; a clock that ran backwards counts as 0."""
    whole = int(seconds) if seconds > 0 else 0
    message.seconds = whole
    message.nanos = int((seconds - whole) * _NANOS) if seconds > 0 else 0
