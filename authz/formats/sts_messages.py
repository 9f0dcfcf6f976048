"""What a decision's id stands for, as STS's `DecodeAuthorizationMessage` tells it.

AWS encodes into some refusals what it decided on, for whoever is allowed to decode it. Here every refusal names
its decision, which is remembered for a while; the id is what is decoded, and nothing that is told is in the
refusal.

Source: AWS STS API reference, `DecodeAuthorizationMessage`; the members of the document are those that AWS's
documentation names. Not here: who may (`serving/sts.py`), how long a decision is remembered (`access`).
"""

import json
import re
from collections.abc import Mapping
from typing import Final

from authz.formats import aws_query
from authz.formats.aws_query import Parameters, QueryError
from authz.formats.sts_parameters import NAMESPACE
from authz.policy.decision import Decision, Verdict
from authz.policy.request import AccessRequest, Values

ACTION: Final = "DecodeAuthorizationMessage"

_ID: Final = re.compile(r"[0-9A-F]{1,64}")


def take_message(parameters: Parameters) -> str:
    """Take `EncodedMessage`: the id of a decision. Raises `QueryError`."""
    message = parameters.take("EncodedMessage")
    if not message:
        raise QueryError("MissingParameter", "the parameter `EncodedMessage` is missing")
    if not _ID.fullmatch(message):
        raise unknown_message()
    return message


def unknown_message() -> QueryError:
    """Return the refusal of what is no decision's id, or one of a decision that is not remembered."""
    return QueryError(
        "InvalidAuthorizationMessageException",
        "the message is no decision's id that is remembered here; a replica knows its own last ones",
    )


def render_decoded(decision: Decision, request: AccessRequest, request_id: str) -> bytes:
    """Render what was decided, and on what."""
    statement = decision.statement
    matched = []
    if statement is not None:
        effect = "ALLOW" if decision.is_allowed else "DENY"
        matched = [{"statementId": statement.sid, "effect": effect, "policy": statement.policy}]
    context = request.context
    facts: dict[str, Values] = {**context.request, **context.server, **context.identity}
    document = {
        "allowed": decision.is_allowed,
        "explicitDeny": decision.verdict is Verdict.EXPLICITLY_DENIED,
        "matchedStatements": {"items": matched},
        "failures": {"items": []},
        "context": {
            "principal": {"id": request.principal.id, "arn": request.principal.arn},
            "action": request.action,
            "resource": request.resource,
            "conditions": {"items": _items(facts)},
        },
    }
    text = json.dumps(document, ensure_ascii=False)
    return aws_query.render_answer(NAMESPACE, ACTION, {"DecodedMessage": text}, request_id)


def _items(facts: Mapping[str, Values]) -> list[object]:
    return [
        {"key": key, "values": {"items": [{"value": value} for value in values]}}
        for key, values in sorted(facts.items())
    ]
