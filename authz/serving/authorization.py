"""Internal services ask (`authz.v1.AuthorizationService`): may this principal do that?

The caller is trusted to know whom it serves; nothing here proves it. A principal that does not exist, or is
disabled, is a denial like any other. A batch loads the principals it lacks first and then decides every check
in turns with what others ask; where a change comes in between, all anew, so that its answers come from one
revision.

Not here: who a question means (`principal_refs.py`), and why a decision is what it is (`explanation.py`).
"""

import asyncio
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import Final

from authz.access.authorizer import Answer, Asked, Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.refresher import Refresher
from authz.access.turns import ATTEMPTS
from authz.clock import Clock
from authz.errors import AuthzError, InvalidError, UnauthenticatedError, UnavailableError
from authz.formats.authz_v1 import (
    Answered,
    PrincipalBy,
    PrincipalRef,
    Question,
    Unanswered,
    parse_authorize,
    parse_batch,
    render_authorize,
    render_batch,
)
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN, Decision
from authz.policy.request import NO_FACTS, AccessRequest, Context
from authz.serving.bearer_logins import BearerLogins, Presented, Proven
from authz.serving.call import Call, Methods
from authz.serving.errors import render
from authz.serving.principal_refs import Found, PrincipalRefs, acting_of
from authz.telemetry.metrics import Metrics

SURFACE: Final = "authz_v1"
SERVICE: Final = "authz.v1.AuthorizationService"

BATCH_LOADS: Final = 8
"""Principals one batch loads at a time, so that it leaves room for others."""

BATCH_ATTEMPTS: Final = 3
"""Rounds of loading before a principal that keeps changing is given up for this batch."""


_Decided = tuple[Decision, AccessRequest, Asked, UserEntry | None]
"""A decision that nobody was told yet: neither counted nor recorded."""


class AuthorizationSurface:
    """`Authorize`, `BatchAuthorize`."""

    def __init__(
        self,
        refs: PrincipalRefs,
        bearers: BearerLogins,
        authorizer: Authorizer,
        refresher: Refresher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._refs = refs
        self._bearers = bearers
        self._authorizer = authorizer
        self._refresher = refresher
        self._clock = clock
        self._check_seconds = metrics.check_seconds.child(SURFACE)
        self._authorize_seconds = metrics.authorize_seconds.child(SURFACE)
        self.methods: Methods = {
            f"/{SERVICE}/Authorize": self.authorize,
            f"/{SERVICE}/BatchAuthorize": self.batch_authorize,
        }

    def authorize(self, raw: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Decide one question, at once when its principal is in memory."""
        started = perf_counter()
        question = parse_authorize(raw)
        if question.at_least_revision <= self._refresher.applied:
            ref = question.principal
            if ref.by is PrincipalBy.BEARER_TOKEN:
                return self._authorize_bearer(question, Presented.of_token(ref.value), started)
            found = self._refs.find(ref)
            if found is not None:
                return self._answer_one(question, found, started)
        return self._authorize_cold(question, started)

    async def _authorize_cold(self, question: Question, started: float) -> bytes:
        await self._refresher.wait_for(question.at_least_revision)
        ref = question.principal
        if ref.by is PrincipalBy.BEARER_TOKEN:
            answer = self._authorize_bearer(question, Presented.of_token(ref.value), started)
            return answer if isinstance(answer, bytes) else await answer
        found = await self._refs.load(ref)
        return self._answer_one(question, found, started)

    def _authorize_bearer(
        self, question: Question, presented: Presented, started: float
    ) -> bytes | Awaitable[bytes]:
        """Decide for whoever shows a token; one that is refused is nobody's."""
        try:
            proven = self._bearers.find(presented)
        except UnauthenticatedError:
            return self._answer_one(question, None, started)
        if proven is not None:
            return self._answer_one(question, proven, started)
        return self._authorize_bearer_cold(question, presented, started)

    async def _authorize_bearer_cold(
        self, question: Question, presented: Presented, started: float
    ) -> bytes:
        try:
            proven = await self._bearers.load(presented)
        except UnauthenticatedError:
            return self._answer_one(question, None, started)
        return self._answer_one(question, proven, started)

    def _answer_one(self, question: Question, found: Found | Proven, started: float) -> bytes:
        age = self._authorizer.check_age()
        decided = perf_counter()
        answer = self.decide(question, found, age)
        self._authorize_seconds.observe(perf_counter() - decided)
        response = render_authorize(answer.decision, answer.decision_id, answer.revision, age)
        self._check_seconds.observe(perf_counter() - started)
        return response

    async def batch_authorize(self, raw: bytes, call: Call) -> bytes:
        """Decide many questions on one revision; one that cannot be answered does not fail the others."""
        batch = parse_batch(raw)
        await self._refresher.wait_for(batch.at_least_revision)
        decided = await self._decide_all(batch.checks)
        # From here on nothing awaits: one revision for all.
        age = self._authorizer.check_age()
        answers = [self._tell(one, age) for one in decided]
        return render_batch(answers, self._refresher.applied, age)

    async def _decide_all(
        self, checks: Sequence[Question | InvalidError]
    ) -> Sequence[_Decided | AuthzError]:
        """Decide every check on the revision that memory is at when this returns, or say why one cannot be."""
        started = perf_counter()
        refs = {check.principal for check in checks if isinstance(check, Question)}
        for _ in range(ATTEMPTS):
            steps = self._decide_each(checks, await self._load_all(refs))
            decided = await self._authorizer.turns.do(steps, started)
            if decided is not None:
                return decided
        raise UnavailableError("what decides keeps changing; ask again in a moment")

    def _decide_each(
        self,
        checks: Sequence[Question | InvalidError],
        found: Mapping[PrincipalRef, Found | AuthzError],
    ) -> Iterator[_Decided | AuthzError]:
        for check in checks:
            if isinstance(check, InvalidError):
                yield check
                continue
            entry = found[check.principal]
            yield entry if isinstance(entry, AuthzError) else self._decide(check, entry)

    def _tell(self, decided: _Decided | AuthzError, age: float) -> Answered | Unanswered:
        if isinstance(decided, AuthzError):
            return Unanswered(render(decided).grpc, decided.message)
        answer = self._conclude(decided, age)
        return Answered(answer.decision, answer.decision_id)

    async def _load_all(self, refs: set[PrincipalRef]) -> dict[PrincipalRef, Found | AuthzError]:
        """Return each principal, or why it cannot be had; those not in memory are loaded a few at a time."""
        slots = asyncio.Semaphore(BATCH_LOADS)

        async def load(ref: PrincipalRef) -> Found | AuthzError:
            async with slots:
                try:
                    return await self._refs.load(ref)
                except AuthzError as error:
                    return error

        found: dict[PrincipalRef, Found | AuthzError] = {}
        missing = list(refs)
        for _ in range(BATCH_ATTEMPTS):
            since = self._refs.moment()
            found |= zip(missing, await asyncio.gather(*map(load, missing)), strict=True)
            # A change may have overtaken one while the others were loading.
            missing = [
                ref for ref, entry in found.items() if self._refs.is_outdated(ref, entry, since)
            ]
            if not missing:
                break
        return found | dict.fromkeys(missing, UnavailableError("the principal is changing"))

    def decide(self, question: Question, found: Found | Proven, age: float) -> Answer:
        """Decide `question` for the principal that it names and `found`; counted and recorded."""
        return self._conclude(self._decide(question, found), age)

    def _conclude(self, decided: _Decided, age: float) -> Answer:
        decision, request, asked, acting = decided
        return self._authorizer.conclude(decision, request, asked, age, acting)

    def _decide(self, question: Question, found: Found | Proven) -> _Decided:
        access_key_id = ""
        if isinstance(found, Proven):
            entry: UserEntry | None = found.acting
            access_key_id = found.access_key_id
        else:
            entry = acting_of(found)
            if isinstance(found, KeyEntry):
                access_key_id = found.id
        principal = entry.principal if entry else self._refs.stranger(question.principal)
        context = Context(principal.facts, NO_FACTS, question.facts, self._clock.now())
        request = AccessRequest(principal, question.action, question.resource, context)
        asked = Asked(SURFACE, access_key_id)
        if entry is None:
            decision = PRINCIPAL_UNKNOWN
        elif isinstance(found, KeyEntry) and not found.is_enabled:
            decision = PRINCIPAL_DISABLED
        else:
            decision = self._authorizer.decide(entry, request)
        return decision, request, asked, entry
