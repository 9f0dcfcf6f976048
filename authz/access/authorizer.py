"""From a principal and what it wants to an answer: decided, counted, recorded.

The one place where a decision becomes an `Answer` with an id, a revision and an age, and the one place that
refuses to answer from memory that is too old. Synchronous, for what must be loaded was loaded before; only many
requests at once are decided in turns (`turns.py`).

Not here: the algorithm (`policy/decide.py`), or what a request means (formats).
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from authz.access.entries import RoleEntry, UserEntry
from authz.access.narrowing import Narrowing
from authz.access.policies import Policies, PolicySetHandle
from authz.access.refresher import Refresher
from authz.access.turns import WORK_LIMIT, Turns
from authz.clock import Clock
from authz.errors import UnavailableError
from authz.policy.applicable import Applicable, as_applicable
from authz.policy.compile import PolicySet, compile_policy_set
from authz.policy.decide import decide, decide_federated_trust, decide_trust
from authz.policy.decision import PRINCIPAL_DISABLED, Decision, Layer, Verdict
from authz.policy.request import AccessRequest
from authz.telemetry.decision_log import DecisionLog, DecisionRecord
from authz.telemetry.metrics import Metrics

DECISION_ID_LENGTH: Final = 22
"""Characters of a decision id: 12 that are this process's, 10 that count."""

RESOURCE_LIMIT: Final = 1024
"""Characters of a refused request's path that are recorded."""

REMEMBERED_CHARACTERS: Final = 8_192
"""Longest question that is remembered, so that strangers cannot fill memory with them: they have 60 KiB of
headers (Envoy's default) to put into one, and four times that in memory for text outside of Latin-1."""

NO_TRUST: Final = compile_policy_set((), layer=Layer.RESOURCE_POLICY)
"""The trust policy of no role."""

_COUNT: Final = re.compile("[0-9A-F]{10}")

_WEIGHT: Final = {
    Verdict.IMPLICITLY_DENIED: 0,
    Verdict.ALLOWED: 1,
    Verdict.EXPLICITLY_DENIED: 2,
}
"""Which of several verdicts about one thing counts."""


class Answer(NamedTuple):
    """A decision as it is given: with its id, the revision it was made on, and that state's age in seconds.

    `request` is the access request that determined it: of several that were all required, the first that is
    not allowed, or the first where all are. `own` is what narrowed the credential that asked, if anything did;
    `granted` are the policies (ids) that its login brought.
    """

    decision: Decision
    decision_id: str
    revision: int
    age: float
    request: AccessRequest
    own: Narrowing | None = None
    granted: tuple[str, ...] = ()


class Asked(NamedTuple):
    """What the decision log says about the asker, beside what was asked; texts may be empty."""

    surface: str
    access_key_id: str = ""
    source_ip: str = ""


class Authorizer:
    """Decides access requests over the policies in memory."""

    def __init__(
        self,
        policies: Policies,
        refresher: Refresher,
        decision_log: DecisionLog,
        metrics: Metrics,
        clock: Clock,
        *,
        max_staleness: float,
        remembered: int,
        work_limit: float = WORK_LIMIT,
    ) -> None:
        """Refuse to decide when memory has not been confirmed for `max_staleness` seconds.

        Remember the last `remembered` answers. Give up many requests at once after `work_limit` seconds.
        """
        self.turns = Turns(lambda: refresher.applied, work_limit=work_limit)
        self._policies = policies
        self._refresher = refresher
        self._log = decision_log
        self._count = metrics.decisions.inc
        self._unevaluable = metrics.unevaluable_conditions.values
        self._clock = clock
        self._max_staleness = max_staleness
        # Ids are unique without asking the system for randomness each time: one draw, then a count.
        self._id_prefix = secrets.token_hex(6).upper()
        self._id_count = 0
        # By the count in their ids: a new answer takes the place of the one that many before it.
        self._remembered: list[Answer | None] = [None] * remembered

    def next_id(self) -> str:
        """Return a decision id that no other process and no other decision has."""
        self._id_count += 1
        return f"{self._id_prefix}{self._id_count:010X}"

    def check_age(self) -> float:
        """Return the age of what is in memory, in seconds; raises `UnavailableError` past the bound."""
        age = self._refresher.age()
        if age > self._max_staleness:
            if self._refresher.applied < 0:
                raise UnavailableError("nothing has been loaded from the database yet; see /readyz")
            raise UnavailableError("the state in memory is too old to decide on; see /readyz")
        return age

    def check_recent(self, limit: float) -> None:
        """Raise `UnavailableError` when memory was confirmed longer ago than `limit` seconds."""
        if self._refresher.age() > limit:
            raise UnavailableError(
                "the state in memory is too old to issue a session on; see /readyz"
            )

    def policies_for(self, entry: UserEntry, resource: str) -> PolicySet | Applicable:
        """Return what decides for `entry` on `resource`, built if a change has dropped it.

        INVARIANT: what is joined here is not kept, so there is no second place that a change has to reach.
        """
        handle, boundary = entry.handle, entry.boundary
        policies = handle.policies or self._policies.build(handle)
        of_resource = self._policies.resource_set(resource)
        if boundary is None and entry.own is None:
            return policies if of_resource is None else Applicable(policies, resource=of_resource)
        limit = None if boundary is None else boundary.policies or self._policies.build(boundary)
        if entry.own is None:
            return Applicable(policies, boundary=limit, resource=of_resource)
        own = entry.own.build()
        if own.layer is Layer.SESSION_POLICY:
            return Applicable(policies, boundary=limit, sessions=(own,), resource=of_resource)
        return Applicable(policies, boundary=limit, service_account=own, resource=of_resource)

    def granting(self, entry: UserEntry, granted: tuple[str, ...]) -> PolicySetHandle:
        """Return what decides for `entry` with the policies (ids) that a login brought besides."""
        return self._policies.granting(entry.handle, granted) if granted else entry.handle

    def authorize(
        self, entry: UserEntry, requests: Iterable[AccessRequest], asked: Asked, age: float
    ) -> Answer:
        """Decide `requests`, at least one, all of which are required; `age` is what `check_age` said."""
        first = decision = None
        for request in requests:
            outcome = self.decide(entry, request)
            if decision is None or not outcome.is_allowed:
                first, decision = request, outcome
            if not outcome.is_allowed:
                break
        assert first is not None, "an answer needs a question"
        assert decision is not None
        return self.conclude(decision, first, asked, age, entry)

    def authorize_either(
        self, entry: UserEntry, requests: Sequence[AccessRequest], asked: Asked, age: float
    ) -> Answer:
        """Decide `requests`, at least one, which say the same in several vocabularies.

        A deny in either refuses; otherwise an allow in either suffices. One answer, counted and recorded once.
        """
        outcomes = [(self.decide(entry, request), request) for request in requests]
        decision, request = max(outcomes, key=lambda outcome: _WEIGHT[outcome[0].verdict])
        return self.conclude(decision, request, asked, age, entry)

    def authorize_assuming(
        self,
        entry: UserEntry,
        role: RoleEntry | None,
        requests: Iterable[AccessRequest],
        asked: Asked,
        age: float,
    ) -> Answer:
        """Decide `requests` about a role, at least one, all of which are required, by its trust policy too.

        No role (`None`) is one that trusts nobody: there is nothing by which to tell the two apart.
        """
        first = decision = None
        for request in requests:
            first, decision = request, self._decide_trust(entry, role, request)
            if not decision.is_allowed:
                break
        assert first is not None, "an answer needs a question"
        assert decision is not None
        return self.conclude(decision, first, asked, age, entry)

    def _decide_trust(
        self, entry: UserEntry, role: RoleEntry | None, request: AccessRequest
    ) -> Decision:
        if not entry.is_enabled:
            return PRINCIPAL_DISABLED
        trust = NO_TRUST if role is None else self._trust_of(role)
        applicable = as_applicable(self.policies_for(entry, request.resource))
        return self._counted(decide_trust(request, applicable.with_resource(trust)), request)

    def _trust_of(self, role: RoleEntry) -> PolicySet:
        if role.trust is None:
            role.trust = self._policies.compile_trust(role.trust_document, role.principal.arn)
        return role.trust

    def authorize_federated(
        self, role: RoleEntry | None, requests: Iterable[AccessRequest], asked: Asked, age: float
    ) -> Answer:
        """Decide `requests` about a role, at least one, all of which are required, by its trust policy alone.

        Who asks is known by a provider's word only. No role (`None`) is one that trusts nobody.
        """
        trust = NO_TRUST if role is None else self._trust_of(role)
        first = decision = None
        for request in requests:
            decided = decide_federated_trust(request, trust)
            first, decision = request, self._counted(decided, request)
            if not decision.is_allowed:
                break
        assert first is not None, "an answer needs a question"
        assert decision is not None
        return self.conclude(decision, first, asked, age)

    def find_deny(
        self, entry: UserEntry, requests: Sequence[AccessRequest], asked: Asked, age: float
    ) -> Answer | None:
        """Return the answer when a deny refuses one of `requests`, for what needs no right but can be denied.

        `None` when nothing does: what nobody has to allow is no decision to count or record.
        """
        for request in requests:
            decision = self.decide(entry, request)
            if decision.verdict is Verdict.EXPLICITLY_DENIED or decision is PRINCIPAL_DISABLED:
                return self.conclude(decision, request, asked, age, entry)
        return None

    async def authorize_in_turns(
        self, entry: UserEntry, requests: Iterable[AccessRequest], asked: Asked, started: float
    ) -> Answer | None:
        """Do what `authorize` does without holding up others; `started` is on `perf_counter`.

        All is decided on one revision. `None` when memory moved on before that was done: the caller looks up
        anew who asks, too. Raises `OverloadedError` when it takes too long.
        """
        decided = await self.turns.do(self._decide_each(entry, requests), started)
        if decided is None:
            return None
        decision, request = decided[0] if decided[-1][0].is_allowed else decided[-1]
        return self.conclude(decision, request, asked, self.check_age(), entry)

    def _decide_each(
        self, entry: UserEntry, requests: Iterable[AccessRequest]
    ) -> Iterator[tuple[Decision, AccessRequest]]:
        for request in requests:
            decision = self.decide(entry, request)
            yield decision, request
            if not decision.is_allowed:
                break

    def decide(self, entry: UserEntry, request: AccessRequest) -> Decision:
        """Decide one request; it becomes an answer by `conclude`."""
        if not entry.is_enabled:
            return PRINCIPAL_DISABLED
        return self._counted(decide(request, self.policies_for(entry, request.resource)), request)

    def _counted(self, decision: Decision, request: AccessRequest) -> Decision:
        context = request.context
        if context.unevaluable:
            self._unevaluable[()] += context.unevaluable
            # The next question about this context counts its own.
            context.unevaluable = 0
        return decision

    def conclude(
        self,
        decision: Decision,
        request: AccessRequest,
        asked: Asked,
        age: float,
        acting: UserEntry | None = None,
    ) -> Answer:
        """Give a decision, made for `acting` if for anybody, its number; count and record it."""
        own: Narrowing | None = None
        granted: tuple[str, ...] = ()
        if acting is not None:
            own, granted = acting.own, acting.handle.granted_ids
        answer = Answer(
            decision, self.next_id(), self._refresher.applied, age, request, own, granted
        )
        if self._remembered and _is_small(request):
            self._remembered[self._id_count % len(self._remembered)] = answer
        # The members' own texts: an enum member hashes itself by a slow detour.
        self._count((asked.surface, decision.verdict._value_, decision.reason._value_))
        if not decision.is_allowed or self._log.wants_allow():
            self._log.record(_record(answer, asked, self._clock.now()))
        return answer

    def find_answer(self, decision_id: str) -> Answer | None:
        """Return the answer with this id, or `None`: it was given elsewhere, is too old, or was too long."""
        count = decision_id.removeprefix(self._id_prefix)
        if not self._remembered or not _COUNT.fullmatch(count):
            return None
        answer = self._remembered[int(count, 16) % len(self._remembered)]
        return answer if answer is not None and answer.decision_id == decision_id else None

    def refuse(self, asked: Asked, code: str, resource: str) -> str:
        """Record a request that never came to a decision (no proof, no meaning) and return its id.

        `code` is the code the client gets, `resource` what it asked for as far as that is known.
        """
        decision_id = self.next_id()
        self._log.record(
            DecisionRecord(
                at=self._clock.now(),
                decision_id=decision_id,
                surface=asked.surface,
                verdict="REFUSED",
                reason="",
                code=code,
                principal="",
                access_key_id=asked.access_key_id,
                action="",
                resource=resource[:RESOURCE_LIMIT],
                policy="",
                policy_version=0,
                statement=0,
                sid="",
                revision=self._refresher.applied,
                source_ip=asked.source_ip,
            )
        )
        return decision_id


def _is_small(request: AccessRequest) -> bool:
    size = len(request.resource) + len(request.principal.arn)
    for values in request.context.request.values():
        for value in values:
            size += len(value)
    return size <= REMEMBERED_CHARACTERS


def _record(answer: Answer, asked: Asked, now: float) -> DecisionRecord:
    decision, request = answer.decision, answer.request
    statement = decision.statement
    return DecisionRecord(
        at=now,
        decision_id=answer.decision_id,
        surface=asked.surface,
        verdict=decision.verdict.value,
        reason=decision.reason.value,
        code="",
        principal=request.principal.arn,
        access_key_id=asked.access_key_id,
        action=request.action,
        resource=request.resource[:RESOURCE_LIMIT],
        policy=statement.policy if statement else "",
        policy_version=statement.version if statement else 0,
        statement=statement.index if statement else 0,
        sid=statement.sid if statement else "",
        revision=answer.revision,
        source_ip=asked.source_ip,
    )
