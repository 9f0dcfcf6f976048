"""OpenID AuthZEN's Authorization API 1.0 ↔ questions and answers of the domain.

Who asks is a trusted service, as with `authz.v1`: it says who acts and what the request was like, and may not
say who somebody is beyond the name (`formats/context_facts.py`). What the specification leaves open is filled
so: `action.name` is `service:Action`, or a bare name that belongs to the resource's type; a resource is an ARN
(type `arn`), a bucket or an object of S3 (`s3_bucket`, `s3_object`), or anything else by `arn:aws:TYPE:::ID`.
Of the context, names with a colon are condition keys; others, `properties`, and members that are not known, do
not enter a decision and are passed over, as the specification demands.

Source: OpenID AuthZEN, Authorization API 1.0 (2026-01-11), sections 5 to 7, 9, 10. Not here: deciding, and the
search endpoints, which are not offered.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple

from authz.errors import InvalidError, quote
from authz.formats.authz_v1 import (
    ANONYMOUS_REF,
    BATCH_LIMIT,
    PRINCIPAL_LIMIT,
    Answered,
    PrincipalBy,
    PrincipalRef,
    Question,
    Unanswered,
    parse_action,
    parse_resource,
)
from authz.formats.context_facts import parse_facts
from authz.identity.strict_json import parse_object
from authz.policy.arn import PARTITION, bucket_arn, object_arn
from authz.policy.decision import Decision
from authz.policy.request import NO_FACTS, Values
from authz.wire.authz.v1.decision_pb2 import ContextValues

EVALUATION: Final = "/access/v1/evaluation"
EVALUATIONS: Final = "/access/v1/evaluations"
METADATA: Final = "/.well-known/authzen-configuration"

WHO: Final = "subject"
"""What the specification calls a principal."""

_PRINCIPALS: Final = {
    "user": PrincipalBy.USER_NAME,
    "arn": PrincipalBy.ARN,
    "access_key": PrincipalBy.ACCESS_KEY_ID,
}
_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")


class Semantic(StrEnum):
    """When several evaluations are over; the value is `options.evaluations_semantic`."""

    EXECUTE_ALL = "execute_all"
    DENY_ON_FIRST_DENY = "deny_on_first_deny"
    PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"

    def ends_with(self, *, is_allowed: bool) -> bool:
        """Tell whether this answer is the last one."""
        if self is Semantic.EXECUTE_ALL:
            return False
        return is_allowed is (self is Semantic.PERMIT_ON_FIRST_PERMIT)


class Evaluations(NamedTuple):
    """Several questions; one that is none stands there as its error."""

    checks: tuple[Question | InvalidError, ...]
    semantic: Semantic


def parse_evaluation(raw: bytes) -> Question:
    """Read an Access Evaluation request."""
    return _parse_question(parse_object(raw))


def parse_evaluations(raw: bytes) -> Question | Evaluations:
    """Read an Access Evaluations request; without evaluations it is a single question (section 7.1)."""
    members = parse_object(raw)
    items = members.get("evaluations")
    if items is None or items == []:
        return _parse_question(members)
    if not isinstance(items, list):
        raise InvalidError("`evaluations` is not a list", field="evaluations")
    if len(items) > BATCH_LIMIT:
        problem = f"there are at most {BATCH_LIMIT} evaluations, not {len(items)}"
        raise InvalidError(problem, field="evaluations")
    semantic = _parse_semantic(members.get("options"))
    checks = tuple(_question_or_error(members, item, index) for index, item in enumerate(items))
    return Evaluations(checks, semantic)


def _parse_semantic(options: object) -> Semantic:
    if options is None:
        return Semantic.EXECUTE_ALL
    if not isinstance(options, dict):
        raise InvalidError("`options` is not an object", field="options")
    asked = options.get("evaluations_semantic", Semantic.EXECUTE_ALL.value)
    if not isinstance(asked, str) or asked not in set(Semantic):
        known = ", ".join(f"`{one}`" for one in Semantic)
        problem = f"the semantic is none of {known}"
        raise InvalidError(problem, field="options.evaluations_semantic")
    return Semantic(asked)


def _question_or_error(
    defaults: Mapping[str, Any], item: object, index: int
) -> Question | InvalidError:
    path = f"evaluations[{index}]."
    if not isinstance(item, dict):
        return InvalidError("an evaluation is an object", field=path[:-1])
    merged = {name: _merge(defaults.get(name), item.get(name)) for name in _PARTS}
    try:
        return _parse_question(merged, path)
    except InvalidError as error:
        return error


_PARTS: Final = (WHO, "action", "resource", "context")


def _merge(default: object, own: object) -> object:
    """Return the item's own value; a `type`, `id` or `name` that it lacks is the default's."""
    if own is None:
        return default
    if not isinstance(own, dict) or not isinstance(default, dict):
        return own
    lent = {name: default[name] for name in ("type", "id", "name") if name in default}
    return {**lent, **own}


# --- one question -------------------------------------------------------------------------------------------


def _parse_question(members: Mapping[str, Any], path: str = "") -> Question:
    principal = _parse_principal(_read_part(members, WHO, path), f"{path}{WHO}.")
    resource = _read_part(members, "resource", path)
    kind, name = _read_name(resource, "type", f"{path}resource."), f"{path}resource."
    service, arn = _parse_resource(kind, _read_name(resource, "id", name), path)
    action = _read_name(_read_part(members, "action", path), "name", f"{path}action.")
    if ":" not in action and service:
        action = f"{service}:{action}"
    facts = _parse_context(members.get("context"), f"{path}context")
    return Question(principal, parse_action(action, path), arn, facts, 0)


def _read_part(members: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    part = members.get(name)
    if not isinstance(part, dict):
        problem = f"`{name}` is missing" if part is None else f"`{name}` is not an object"
        raise InvalidError(problem, field=f"{path}{name}")
    if not isinstance(part.get("properties", {}), dict):
        raise InvalidError("`properties` is not an object", field=f"{path}{name}.properties")
    return part


def _read_name(part: Mapping[str, Any], name: str, path: str) -> str:
    text = part.get(name)
    if not isinstance(text, str) or not text:
        raise InvalidError(f"`{name}` is missing, or not a text", field=f"{path}{name}")
    return text


def _parse_principal(part: Mapping[str, Any], path: str) -> PrincipalRef:
    kind, name = _read_name(part, "type", path), _read_name(part, "id", path)
    if kind == "anonymous":
        return ANONYMOUS_REF
    if kind not in _PRINCIPALS:
        known = ", ".join(f"`{one}`" for one in (*_PRINCIPALS, "anonymous"))
        note = "; nobody acts as a role itself" if kind == "role" else ""
        raise InvalidError(f"{quote(kind)} is none of {known}{note}", field=f"{path}type")
    if len(name) > PRINCIPAL_LIMIT:
        raise InvalidError(f"`id` has more than {PRINCIPAL_LIMIT} characters", field=f"{path}id")
    return PrincipalRef(_PRINCIPALS[kind], name)


def _parse_resource(kind: str, name: str, path: str) -> tuple[str, str]:
    """Return the service that bare actions belong to, empty for none, and the ARN."""
    if kind == "arn":
        return "", parse_resource(name, path)
    if kind == "s3_bucket":
        if "/" in name:
            raise InvalidError(f"{quote(name)} is not a bucket", field=f"{path}resource.id")
        return "s3", parse_resource(bucket_arn(name), path)
    if kind == "s3_object":
        bucket, slash, key = name.partition("/")
        if not (bucket and slash and key):
            raise InvalidError("an object is `bucket/key`", field=f"{path}resource.id")
        return "s3", parse_resource(object_arn(bucket, key), path)
    if not _TYPE.fullmatch(kind):
        raise InvalidError(f"{quote(kind)} is not a type", field=f"{path}resource.type")
    return kind, parse_resource(f"arn:{PARTITION}:{kind}:::{name}", path)


def _parse_context(context: object, path: str) -> Mapping[str, Values]:
    if context is None:
        return NO_FACTS
    if not isinstance(context, dict):
        raise InvalidError("`context` is not an object", field=path)
    keys = {
        key: ContextValues(values=_texts(value, f"{path}[{quote(key)}]"))
        for key, value in context.items()
        if ":" in key
    }
    return parse_facts(keys, path) if keys else NO_FACTS


def _texts(value: object, field: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [_text(one, field) for one in values]


def _text(value: object, field: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise InvalidError("a condition value is a text, a number or a boolean", field=field)


# --- answers ------------------------------------------------------------------------------------------------


def render_evaluation(answer: Answered, revision: int) -> bytes:
    """Write an Access Evaluation response."""
    return _dump(_describe(answer, revision))


def render_evaluations(answers: Iterable[Answered | Unanswered], revision: int) -> bytes:
    """Write an Access Evaluations response: an answer for each question, in their order.

    The code of one without a decision is an HTTP status.
    """
    return _dump({"evaluations": [_describe(answer, revision) for answer in answers]})


def _describe(answer: Answered | Unanswered, revision: int) -> dict[str, Any]:
    if isinstance(answer, Unanswered):
        error = {"status": answer.code, "message": answer.message}
        return {"decision": False, "context": {"error": error}}
    decision = answer.decision
    context = {
        "decision_id": answer.decision_id,
        "verdict": decision.verdict.value,
        "reason": decision.reason.value,
        "revision": revision,
        **_statement(decision),
    }
    return {"decision": decision.is_allowed, "context": context}


def _statement(decision: Decision) -> dict[str, str]:
    where = decision.statement
    return {} if where is None else {"policy": where.policy, "sid": where.sid}


def render_metadata(scheme: str, host: str) -> bytes:
    """Write the metadata of the decision point that was asked for at `scheme` and `host` (section 9)."""
    if not _HOST.fullmatch(host):
        raise InvalidError("the request names no host")
    base = f"{scheme}://{host}"
    return _dump(
        {
            "policy_decision_point": base,
            "access_evaluation_endpoint": base + EVALUATION,
            "access_evaluations_endpoint": base + EVALUATIONS,
        }
    )


def _dump(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
