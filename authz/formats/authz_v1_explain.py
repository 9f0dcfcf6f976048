"""`authz.v1.ExplainRequest` → what is to be explained; an explanation → `authz.v1.ExplainResponse`.

Apart from `formats/authz_v1.py` because that file is on the path of every check and this one is for people. The
documents of a hypothesis are read as strictly as those that are stored, and held to the same limits; an error
says which document and where in it (`hypothesis.identity_policies[1]`).

Not here: explaining (`policy/explain`).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

from authz.errors import InvalidError, ParseError
from authz.formats.authz_v1 import (
    QUESTION_BYTES_LIMIT,
    Question,
    fill_decision,
    parse_message,
    parse_question,
    parse_revision,
)
from authz.formats.authz_v1_authentication import fill_principal
from authz.formats.context_facts import parse_facts
from authz.formats.iam_json import (
    IDENTITY_POLICY,
    RESOURCE_POLICY,
    SERVICE_ACCOUNT_POLICY,
    SESSION_POLICY,
    DocumentKind,
    parse_policy,
)
from authz.policy.arn import policy_holder
from authz.policy.compile import CompiledPolicy, compile_policy, compile_resource_policy
from authz.policy.decision import Decision, Layer
from authz.policy.explain import (
    ElementOutcome,
    Explanation,
    FactSource,
    Hypothesis,
    PolicyExplanation,
    StatementExplanation,
    list_facts,
)
from authz.policy.model import Effect
from authz.policy.request import AccessRequest
from authz.policy.resource_policies import check_within
from authz.wire.authz.v1 import authorization_pb2 as wire

ASSUMED_LIMIT: Final = 10
"""Most identity policies, and most session policies, that are assumed (AWS: 10 managed policies a session)."""
EXPLAIN_BYTES_LIMIT: Final = (
    QUESTION_BYTES_LIMIT
    + (ASSUMED_LIMIT + 1) * IDENTITY_POLICY.byte_limit
    + ASSUMED_LIMIT * SESSION_POLICY.byte_limit
    + SERVICE_ACCOUNT_POLICY.byte_limit
    + RESOURCE_POLICY.byte_limit
)
"""Largest question to explain in bytes: one question, and as many of the largest documents as there may be."""
DECISION_ID_LIMIT: Final = 64
"""Longest decision id that is looked up, in characters; ours have 22."""
ASSUMED_VERSION: Final = 1
"""The version of a policy that is stored nowhere."""


class Inquiry(NamedTuple):
    """What is to be explained: a question, perhaps under a hypothesis, or the decision of an id.

    `read_hypothesis` is for callers who are known: reading documents is the work of many questions.
    """

    asked: Question | str
    read_hypothesis: Callable[[], Hypothesis] | None
    at_least_revision: int


def parse_explain(raw: bytes) -> Inquiry:
    """Read an `ExplainRequest`."""
    if len(raw) > EXPLAIN_BYTES_LIMIT:
        problem = f"this has at most {EXPLAIN_BYTES_LIMIT} bytes, not {len(raw)}"
        raise InvalidError(problem)
    message = parse_message(wire.ExplainRequest, raw)
    revision = parse_revision(message.at_least_revision)
    if message.decision_id:
        return Inquiry(_parse_decision_id(message), None, revision)
    question = parse_question(message.check, "check.", revision)
    if not message.HasField("hypothesis"):
        return Inquiry(question, None, revision)
    read = partial(_parse_hypothesis, message.hypothesis, question.resource)
    return Inquiry(question, read, revision)


def _parse_decision_id(message: wire.ExplainRequest) -> str:
    for other in ("check", "hypothesis"):
        if message.HasField(other):
            problem = f"a decision is explained as it was made; leave {other} out, or decision_id"
            raise InvalidError(problem, field="decision_id")
    if len(message.decision_id) > DECISION_ID_LIMIT:
        problem = f"a decision id has at most {DECISION_ID_LIMIT} characters"
        raise InvalidError(problem, field="decision_id")
    return message.decision_id


# --- hypotheses ---------------------------------------------------------------------------------------------


def _parse_hypothesis(message: wire.Hypothesis, resource: str) -> Hypothesis:
    def perhaps(field: str, kind: DocumentKind) -> CompiledPolicy | None:
        present = message.HasField(field)
        return _compile(getattr(message, field), kind, f"hypothesis.{field}") if present else None

    return Hypothesis(
        identity=_compile_all(message.identity_policies, IDENTITY_POLICY, "identity_policies"),
        is_without_own=message.without_own_policies,
        boundary=perhaps("permissions_boundary", IDENTITY_POLICY),
        sessions=_compile_all(message.session_policies, SESSION_POLICY, "session_policies"),
        service_account=perhaps("service_account_policy", SERVICE_ACCOUNT_POLICY),
        resource=_compile_of_resource(message, resource),
        facts=parse_facts(
            message.principal_context, "hypothesis.principal_context", of_principal=True
        ),
    )


def _compile_all(
    documents: Sequence[str], kind: DocumentKind, field: str
) -> tuple[CompiledPolicy, ...]:
    field = f"hypothesis.{field}"
    if len(documents) > ASSUMED_LIMIT:
        problem = f"at most {ASSUMED_LIMIT} policies are assumed, not {len(documents)}"
        raise InvalidError(problem, field=field)
    return tuple(_compile(one, kind, f"{field}[{index}]") for index, one in enumerate(documents))


def _compile(document: str, kind: DocumentKind, field: str) -> CompiledPolicy:
    """Compile a document that has no name but its `field`."""
    try:
        policy = parse_policy(document, kind=kind)
        return compile_policy(policy, arn=field, version=ASSUMED_VERSION)
    except ParseError as error:
        raise InvalidError(f"{field}: {error.message}", field=field) from None


def _compile_of_resource(message: wire.Hypothesis, resource: str) -> CompiledPolicy | None:
    if not message.HasField("resource_policy"):
        return None
    field = "hypothesis.resource_policy"
    try:
        policy = parse_policy(message.resource_policy, kind=RESOURCE_POLICY)
        check_within(policy, policy_holder(resource))
        return compile_resource_policy(policy, arn=field, version=ASSUMED_VERSION)
    except ParseError as error:
        raise InvalidError(f"{field}: {error.message}", field=field) from None


# --- explanations -------------------------------------------------------------------------------------------

EFFECTS: Final[Mapping[Effect, wire.Effect]] = {
    Effect.ALLOW: wire.EFFECT_ALLOW,
    Effect.DENY: wire.EFFECT_DENY,
}

OUTCOMES: Final[Mapping[ElementOutcome, wire.ElementOutcome]] = {
    ElementOutcome.MATCHED: wire.ELEMENT_OUTCOME_MATCHED,
    ElementOutcome.NOT_MATCHED: wire.ELEMENT_OUTCOME_NOT_MATCHED,
    ElementOutcome.UNEVALUABLE: wire.ELEMENT_OUTCOME_UNEVALUABLE,
}

LAYERS: Final[Mapping[Layer, wire.Layer]] = {
    Layer.IDENTITY: wire.LAYER_IDENTITY,
    Layer.PERMISSIONS_BOUNDARY: wire.LAYER_PERMISSIONS_BOUNDARY,
    Layer.SESSION_POLICY: wire.LAYER_SESSION_POLICY,
    Layer.SERVICE_ACCOUNT_POLICY: wire.LAYER_SERVICE_ACCOUNT_POLICY,
    Layer.RESOURCE_POLICY: wire.LAYER_RESOURCE_POLICY,
}

SOURCES: Final[Mapping[FactSource, wire.FactSource]] = {
    FactSource.IDENTITY: wire.FACT_SOURCE_IDENTITY,
    FactSource.SERVER: wire.FACT_SOURCE_SERVER,
    FactSource.REQUEST: wire.FACT_SOURCE_REQUEST,
}


class Given(NamedTuple):
    """A decision as it was given: its id (empty where nothing recorded it), revision, and age in seconds."""

    decision: Decision
    decision_id: str
    revision: int
    staleness: float


class Explained(NamedTuple):
    """What an explanation says.

    `given` is the decision (a disabled principal is denied whatever its policies say); of an id the one made
    then, and `now` the one on the policies of now. `explanation` is `None` where there are no policies to look
    at. `changes` come before those of the explanation.
    """

    request: AccessRequest
    given: Given
    now: Given | None
    explanation: Explanation | None
    changes: Sequence[str] = ()


def render_explain(explained: Explained) -> bytes:
    """Write an `ExplainResponse`."""
    response = wire.ExplainResponse()
    fill_decision(response.decision, *explained.given)
    if explained.now is not None:
        fill_decision(response.decision_now, *explained.now)
    _fill_request(response.request, explained.request)
    response.changes.extend(explained.changes)
    explanation = explained.explanation
    if explanation is not None:
        response.policies.extend(_policy(policy) for policy in explanation.policies)
        response.changes.extend(explanation.changes)
        if explanation.nearest is not None:
            response.nearest_miss.CopyFrom(_statement(explanation.nearest))
    return response.SerializeToString()


def _fill_request(message: wire.ExplainedRequest, request: AccessRequest) -> None:
    fill_principal(message.principal, request.principal)
    message.action = request.action
    message.resource = request.resource
    message.is_prefix = request.is_prefix
    for fact in list_facts(request.context):
        message.facts.add(key=fact.key, values=fact.values, source=SOURCES[fact.source])


def _policy(policy: PolicyExplanation) -> wire.PolicyExplanation:
    return wire.PolicyExplanation(
        policy_arn=policy.arn,
        version=policy.version,
        deny_only=policy.is_deny_only,
        problem=policy.problem,
        layer=LAYERS[policy.layer],
        statements=[_statement(statement) for statement in policy.statements],
    )


def _statement(explained: StatementExplanation) -> wire.StatementExplanation:
    where = explained.statement
    message = wire.StatementExplanation(
        effect=EFFECTS[explained.effect], matched=explained.is_matched
    )
    message.statement.policy_arn = where.policy
    message.statement.version = where.version
    message.statement.index = where.index
    message.statement.sid = where.sid
    for element in explained.elements:
        message.elements.add(
            element=element.element, outcome=OUTCOMES[element.outcome], detail=element.why
        )
    return message
