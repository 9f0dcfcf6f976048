"""An explanation → `authz.v1.ExplainResponse`.

Apart from `formats/authz_v1.py` because that file is on the path of every check and this one is for people.
Not here: explaining (`policy/explain.py`).
"""

from collections.abc import Mapping
from typing import Final

from authz.formats.authz_v1 import fill_decision
from authz.policy.decision import Decision
from authz.policy.explain import (
    ElementOutcome,
    Explanation,
    PolicyExplanation,
    StatementExplanation,
)
from authz.policy.model import Effect
from authz.wire.authz.v1 import authorization_pb2 as wire

EFFECTS: Final[Mapping[Effect, wire.Effect]] = {
    Effect.ALLOW: wire.EFFECT_ALLOW,
    Effect.DENY: wire.EFFECT_DENY,
}

OUTCOMES: Final[Mapping[ElementOutcome, wire.ElementOutcome]] = {
    ElementOutcome.MATCHED: wire.ELEMENT_OUTCOME_MATCHED,
    ElementOutcome.NOT_MATCHED: wire.ELEMENT_OUTCOME_NOT_MATCHED,
    ElementOutcome.UNEVALUABLE: wire.ELEMENT_OUTCOME_UNEVALUABLE,
}


def render_explain(
    decision: Decision,
    explanation: Explanation | None,
    decision_id: str,
    revision: int,
    staleness: float,
) -> bytes:
    """Write an `ExplainResponse`; `explanation` is `None` for a principal without policies to look at.

    `decision` is the one in force (a disabled principal is denied whatever its policies say); `staleness` in
    seconds.
    """
    response = wire.ExplainResponse()
    fill_decision(response.decision, decision, decision_id, revision, staleness)
    if explanation is not None:
        response.policies.extend(_policy(policy) for policy in explanation.policies)
        if explanation.nearest is not None:
            response.nearest_miss.CopyFrom(_statement(explanation.nearest))
    return response.SerializeToString()


def _policy(policy: PolicyExplanation) -> wire.PolicyExplanation:
    return wire.PolicyExplanation(
        policy_arn=policy.arn,
        version=policy.version,
        deny_only=policy.is_deny_only,
        problem=policy.problem,
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
