"""People ask why (`authz.v1.AuthorizationService.Explain`): one question, decided and told in full.

It shows what policies say, so it is signed and admitted like the calls of administrators. Slow on purpose, and
apart from `authorization.py`, which is on the path of every request.
"""

from typing import Final

from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.formats.authz_v1 import parse_explain
from authz.formats.authz_v1_explain import render_explain
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN
from authz.policy.explain import explain
from authz.policy.request import NO_FACTS, AccessRequest, Context
from authz.serving.authorization import SERVICE, SURFACE
from authz.serving.call import Call, Methods
from authz.serving.gate import Gate
from authz.serving.principal_refs import PrincipalRefs, owner_of

EXPLAIN_ACTION: Final = "iam:SimulatePrincipalPolicy"


class ExplanationSurface:
    """`Explain`."""

    def __init__(
        self,
        refs: PrincipalRefs,
        authorizer: Authorizer,
        refresher: Refresher,
        gate: Gate,
        clock: Clock,
    ) -> None:
        self._refs = refs
        self._authorizer = authorizer
        self._refresher = refresher
        self._gate = gate
        self._clock = clock
        self.methods: Methods = {f"/{SERVICE}/Explain": self.explain}

    async def explain(self, raw: bytes, call: Call) -> bytes:
        """Decide one question and tell why; for callers who may see policies."""
        question = parse_explain(raw)
        await self._gate.admit(call, raw, EXPLAIN_ACTION, None, "*")
        await self._refresher.wait_for(question.at_least_revision)
        found = await self._refs.load(question.principal)
        age = self._authorizer.check_age()
        entry = owner_of(found)
        principal = entry.principal if entry else self._refs.stranger(question.principal)
        context = Context(principal.facts, NO_FACTS, question.facts, self._clock.now())
        request = AccessRequest(principal, question.action, question.resource, context)
        asked = Asked(SURFACE, found.id if isinstance(found, KeyEntry) else "")
        if entry is None:
            answer = self._authorizer.conclude(PRINCIPAL_UNKNOWN, request, asked, age)
        elif isinstance(found, KeyEntry) and not found.is_enabled:
            answer = self._authorizer.conclude(PRINCIPAL_DISABLED, request, asked, age)
        else:
            answer = self._authorizer.authorize(entry, [request], asked, age)
        policies = (
            None if entry is None else self._authorizer.policies_for(entry, question.resource)
        )
        explanation = None if policies is None else explain(request, policies)
        return render_explain(
            answer.decision, explanation, answer.decision_id, answer.revision, age
        )
