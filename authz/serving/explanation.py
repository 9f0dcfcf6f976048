"""People ask why (`authz.v1.AuthorizationService.Explain`): a question, a decision, or what would be if.

It shows what policies say, so it is signed, and admitted for the principal that it is about: the action is
`iam:SimulatePrincipalPolicy`, the resource that principal's ARN, as in AWS (docs/decisions/0017). A question is
decided as `Authorize` decides it, counted and recorded; a hypothesis leaves no trace but that somebody asked.

Slow on purpose, and apart from `authorization.py`, which is on the path of every request.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeVar

from authz.access.authorizer import Answer, Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.errors import (
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    UnavailableError,
    quote,
)
from authz.formats.authz_v1 import ANONYMOUS_REF, PrincipalBy, PrincipalRef, Question
from authz.formats.authz_v1_explain import Explained, Given, parse_explain, render_explain
from authz.policy.applicable import Applicable, as_applicable
from authz.policy.arn import ANY, split_arn
from authz.policy.compile import PolicySet
from authz.policy.decide import decide
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN, Decision, Reason
from authz.policy.explain import Hypothesis, explain
from authz.policy.request import NO_FACTS, AccessRequest, Context, Principal
from authz.serving.authorization import SERVICE, AuthorizationSurface
from authz.serving.call import Call, Methods
from authz.serving.gate import Gate
from authz.serving.principal_refs import Found, PrincipalRefs, acting_of

EXPLAIN_ACTION: Final = "iam:SimulatePrincipalPolicy"

CONCURRENT: Final = 16
"""Explanations that are made or wait for their turn; more are refused, because each holds its documents."""

_CHANGES: Final = {
    Reason.PRINCIPAL_UNKNOWN: ("the principal must exist",),
    Reason.PRINCIPAL_DISABLED: ("the principal, or its access key, must be enabled",),
}
"""What no policy can change."""


T = TypeVar("T")


class ExplanationSurface:
    """`Explain`."""

    def __init__(
        self,
        authorization: AuthorizationSurface,
        refs: PrincipalRefs,
        authorizer: Authorizer,
        refresher: Refresher,
        gate: Gate,
        clock: Clock,
    ) -> None:
        self._authorization = authorization
        self._refs = refs
        self._authorizer = authorizer
        self._refresher = refresher
        self._gate = gate
        self._clock = clock
        self._turn = asyncio.Lock()
        self._waiting = 0
        self.methods: Methods = {f"/{SERVICE}/Explain": self.explain}

    async def explain(self, raw: bytes, call: Call) -> bytes:
        """Tell why; for callers who may see the principal's policies."""
        inquiry = parse_explain(raw)
        if isinstance(inquiry.asked, str):
            then = await self._find_decision(inquiry.asked, raw, call)
            await self._refresher.wait_for(inquiry.at_least_revision)
            return await self._explain_decision(then)
        question = inquiry.asked
        about = self._resource_of(question, await self._refs.load(question.principal))
        await self._gate.admit(call, raw, EXPLAIN_ACTION, None, about)
        await self._refresher.wait_for(inquiry.at_least_revision)
        read = inquiry.read_hypothesis
        hypothesis = None if read is None else await self._apart(read)
        # Meanwhile the name or the key may have come to mean somebody else.
        found = await self._refs.load(question.principal)
        if self._resource_of(question, found) != about:
            raise UnavailableError("the principal is changing")
        if hypothesis is None:
            return await self._explain_question(question, found)
        return await self._suppose(question, found, hypothesis)

    def _resource_of(self, question: Question, found: Found) -> str:
        entry = acting_of(found)
        return resource_of(entry.principal if entry else self._refs.stranger(question.principal))

    async def _apart(self, work: Callable[[], T]) -> T:
        """Do what takes long where it holds up no decision, one at a time."""
        if self._waiting >= CONCURRENT:
            raise OverloadedError("too many questions of this kind at once; ask again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1

    async def _answer(
        self,
        request: AccessRequest,
        policies: PolicySet | Applicable | None,
        given: Given,
        now: Given | None = None,
    ) -> bytes:
        """Explain `request` by `policies`, if there are any to explain by, and render it all."""
        return await self._apart(lambda: _explain(request, policies, given, now))

    # --- a question, or what would be if ---

    async def _explain_question(self, question: Question, found: Found) -> bytes:
        answer = self._authorization.decide(question, found, self._authorizer.check_age())
        entry = acting_of(found)
        policies = (
            None if entry is None else self._authorizer.policies_for(entry, question.resource)
        )
        return await self._answer(answer.request, policies, _given(answer))

    async def _suppose(self, question: Question, found: Found, hypothesis: Hypothesis) -> bytes:
        """Answer without a trace: neither counted, nor recorded, nor remembered."""
        entry = acting_of(found)
        principal = entry.principal if entry else None
        if principal is None and hypothesis.is_without_own:
            principal = self._refs.imagine(question.principal)
        who = hypothesis.describes(principal or self._refs.stranger(question.principal))
        context = Context(who.facts, NO_FACTS, question.facts, self._clock.now())
        request = AccessRequest(who, question.action, question.resource, context)
        if principal is None:
            return await self._answer(request, None, self._given_now(PRINCIPAL_UNKNOWN))
        # Of one that does not exist there are the policies that everybody has: those of the resource.
        own = self._authorizer.policies_for(entry or self._refs.anonymous, question.resource)
        is_disabled = entry is not None and not _is_enabled(found, entry)
        given = self._given_now(PRINCIPAL_DISABLED)

        def work() -> bytes:
            # INVARIANT: these sets are this thread's own. Those in memory are used by the loop meanwhile.
            policies = hypothesis.applied_to(as_applicable(own))
            decision = given.decision if is_disabled else decide(request, policies)
            return _explain(request, policies, given._replace(decision=decision))

        return await self._apart(work)

    def _given_now(self, decision: Decision) -> Given:
        return Given(decision, "", self._refresher.applied, self._authorizer.check_age())

    # --- an earlier decision ---

    async def _find_decision(self, decision_id: str, raw: bytes, call: Call) -> Answer:
        answer = self._authorizer.find_answer(decision_id)
        about = ANY if answer is None else resource_of(answer.request.principal)
        try:
            await self._gate.admit(call, raw, EXPLAIN_ACTION, None, about)
        except ForbiddenError:
            # Ids count: who may not see a decision must not learn from one whether, and about whom, it was.
            raise ForbiddenError(
                f"the caller may not {EXPLAIN_ACTION} on whom {quote(decision_id)} is about"
            ) from None
        if answer is None:
            raise NotFoundError(
                f"decision {quote(decision_id)} is not kept: a process keeps its last ones, and of several"
                " replicas only the one that decided knows it"
            )
        return answer

    async def _explain_decision(self, then: Answer) -> bytes:
        """Ask the same again: who asked and all it said is as it was, the policies are those of now."""
        who = then.request.principal
        ref = PrincipalRef(PrincipalBy.ARN, who.arn) if who.arn else ANONYMOUS_REF
        entry = acting_of(await self._refs.load(ref))
        # INVARIANT: a user created anew under the name is another one, whose rights say nothing of that one's.
        if entry is None or entry.principal.id != who.id:
            now = self._given_now(PRINCIPAL_UNKNOWN)
            return await self._answer(then.request, None, _given(then), now)
        handle = self._authorizer.granting(entry, then.granted)
        entry = entry.derived(then.own, who, handle)
        policies = self._authorizer.policies_for(entry, then.request.resource)
        decision = decide(then.request, policies) if entry.is_enabled else PRINCIPAL_DISABLED
        return await self._answer(then.request, policies, _given(then), self._given_now(decision))


def _explain(
    request: AccessRequest,
    policies: PolicySet | Applicable | None,
    given: Given,
    now: Given | None = None,
) -> bytes:
    changes = _CHANGES.get((now or given).decision.reason, ())
    explanation = None if policies is None else explain(request, policies)
    return render_explain(Explained(request, given, now, explanation, changes))


def _given(answer: Answer) -> Given:
    return Given(answer.decision, answer.decision_id, answer.revision, answer.age)


def _is_enabled(found: Found, owner: UserEntry) -> bool:
    return owner.is_enabled and not (isinstance(found, KeyEntry) and not found.is_enabled)


def resource_of(principal: Principal) -> str:
    """Return what the caller must have a right to: the ARN of whom it asks about, or `*` for who has none."""
    return principal.arn if split_arn(principal.arn) else ANY
