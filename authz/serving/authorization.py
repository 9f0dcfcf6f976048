"""Internal services ask (`authz.v1.AuthorizationService`): may this principal do that?

The caller is trusted to know whom it serves; nothing here proves it. A principal that does not exist, or is
disabled, is a denial like any other. A batch loads the principals it lacks first and then decides every
check in one synchronous run, so that all its answers come from one revision.
"""

import asyncio
from collections.abc import Awaitable, Mapping
from time import perf_counter
from typing import Final

from authz.access.authorizer import Answer, Asked, Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.ports import ChangeKind
from authz.access.principals import Moment, Principals
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.errors import AuthzError, InvalidError, UnavailableError
from authz.formats.authz_v1 import (
    Answered,
    PrincipalBy,
    PrincipalRef,
    Question,
    Unanswered,
    parse_authorize,
    parse_batch,
    parse_explain,
    render_authorize,
    render_batch,
)
from authz.formats.authz_v1_explain import render_explain
from authz.identity.records import fold_name
from authz.policy.arn import user_arn
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN
from authz.policy.explain import explain
from authz.policy.request import NO_FACTS, AccessRequest, Context, Principal, PrincipalKind
from authz.serving.call import Call, Methods
from authz.serving.errors import render
from authz.serving.gate import Gate
from authz.telemetry.metrics import Metrics

SURFACE: Final = "authz_v1"
SERVICE: Final = "authz.v1.AuthorizationService"

EXPLAIN_ACTION: Final = "iam:SimulatePrincipalPolicy"

BATCH_LOADS: Final = 8
"""Principals one batch loads at a time, so that it leaves room for others."""

BATCH_ATTEMPTS: Final = 3
"""Rounds of loading before a principal that keeps changing is given up for this batch."""

Found = KeyEntry | UserEntry | None
"""A principal as a question names it: by credential, by user, or nobody."""


class AuthorizationSurface:
    """`Authorize`, `BatchAuthorize`, `Explain`."""

    def __init__(
        self,
        principals: Principals,
        authorizer: Authorizer,
        refresher: Refresher,
        gate: Gate,
        root: KeyEntry,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._principals = principals
        self._authorizer = authorizer
        self._refresher = refresher
        self._gate = gate
        self._root = root
        self._root_arn = root.owner.principal.arn
        self._account = root.owner.principal.account
        self._clock = clock
        self._check_seconds = metrics.check_seconds.child(SURFACE)
        self._authorize_seconds = metrics.authorize_seconds.child(SURFACE)
        self.methods: Methods = {
            f"/{SERVICE}/Authorize": self.authorize,
            f"/{SERVICE}/BatchAuthorize": self.batch_authorize,
            f"/{SERVICE}/Explain": self.explain,
        }

    def authorize(self, raw: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Decide one question, at once when its principal is in memory."""
        started = perf_counter()
        question = parse_authorize(raw)
        if question.at_least_revision <= self._refresher.applied:
            found = self._find(question.principal)
            if found is not None:
                return self._answer_one(question, found, started)
        return self._authorize_cold(question, started)

    async def _authorize_cold(self, question: Question, started: float) -> bytes:
        await self._refresher.wait_for(question.at_least_revision)
        found = await self._load(question.principal)
        return self._answer_one(question, found, started)

    def _answer_one(self, question: Question, found: Found, started: float) -> bytes:
        age = self._authorizer.check_age()
        decided = perf_counter()
        answer = self._decide(question, found, age)
        self._authorize_seconds.observe(perf_counter() - decided)
        response = render_authorize(answer.decision, answer.decision_id, answer.revision, age)
        self._check_seconds.observe(perf_counter() - started)
        return response

    async def batch_authorize(self, raw: bytes, call: Call) -> bytes:
        """Decide many questions on one revision; one that cannot be answered does not fail the others."""
        batch = parse_batch(raw)
        await self._refresher.wait_for(batch.at_least_revision)
        refs = {check.principal for check in batch.checks if isinstance(check, Question)}
        found = await self._load_all(refs)
        # From here on nothing awaits: one revision for all.
        age = self._authorizer.check_age()
        answers = [self._answer_in_batch(check, found, age) for check in batch.checks]
        return render_batch(answers, self._refresher.applied, age)

    async def _load_all(self, refs: set[PrincipalRef]) -> dict[PrincipalRef, Found | AuthzError]:
        """Return each principal, or why it cannot be had; those not in memory are loaded a few at a time."""
        slots = asyncio.Semaphore(BATCH_LOADS)

        async def load(ref: PrincipalRef) -> Found | AuthzError:
            async with slots:
                try:
                    return await self._load(ref)
                except AuthzError as error:
                    return error

        found: dict[PrincipalRef, Found | AuthzError] = {}
        missing = list(refs)
        for _ in range(BATCH_ATTEMPTS):
            since = self._principals.moment()
            found |= zip(missing, await asyncio.gather(*map(load, missing)), strict=True)
            # A change may have overtaken one while the others were loading.
            missing = [ref for ref, entry in found.items() if self._is_outdated(ref, entry, since)]
            if not missing:
                break
        return found | dict.fromkeys(missing, UnavailableError("the principal is changing"))

    def _answer_in_batch(
        self,
        check: Question | InvalidError,
        found: Mapping[PrincipalRef, Found | AuthzError],
        age: float,
    ) -> Answered | Unanswered:
        if isinstance(check, InvalidError):
            return _unanswered(check)
        entry = found[check.principal]
        if isinstance(entry, AuthzError):
            return _unanswered(entry)
        answer = self._decide(check, entry, age)
        return Answered(answer.decision, answer.decision_id)

    async def explain(self, raw: bytes, call: Call) -> bytes:
        """Decide one question and tell why; for callers who may see policies."""
        question = parse_explain(raw)
        await self._gate.admit(call, raw, EXPLAIN_ACTION, None, "*")
        await self._refresher.wait_for(question.at_least_revision)
        found = await self._load(question.principal)
        age = self._authorizer.check_age()
        answer = self._decide(question, found, age)
        entry = _owner(found)
        policies = (
            None if entry is None else self._authorizer.policies_for(entry, question.resource)
        )
        explanation = None if policies is None else explain(answer.request, policies)
        return render_explain(
            answer.decision, explanation, answer.decision_id, answer.revision, age
        )

    def _decide(self, question: Question, found: Found, age: float) -> Answer:
        entry = _owner(found)
        principal = entry.principal if entry else self._stranger(question.principal)
        context = Context(principal.facts, NO_FACTS, question.facts, self._clock.now())
        request = AccessRequest(principal, question.action, question.resource, context)
        asked = Asked(SURFACE, found.id if isinstance(found, KeyEntry) else "")
        if entry is None:
            return self._authorizer.conclude(PRINCIPAL_UNKNOWN, request, asked, age)
        if isinstance(found, KeyEntry) and not found.is_enabled:
            return self._authorizer.conclude(PRINCIPAL_DISABLED, request, asked, age)
        return self._authorizer.authorize(entry, [request], asked, age)

    # --- principals by what the question calls them ---

    def _find(self, ref: PrincipalRef) -> Found:
        """Return the principal when it is in memory."""
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return (
                self._root if ref.value == self._root.id else self._principals.find_key(ref.value)
            )
        if ref.value == self._root_arn:
            return self._root
        name = self._user_name(ref)
        return self._principals.find_user(name) if name else None

    async def _load(self, ref: PrincipalRef) -> Found:
        """Return the principal, from the store when it is not in memory; `None` when there is none."""
        found = self._find(ref)
        if found is not None:
            return found
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return await self._principals.load_key(ref.value)
        name = self._user_name(ref)
        return await self._principals.load_user(name) if name else None

    def _is_outdated(self, ref: PrincipalRef, found: Found | AuthzError, since: Moment) -> bool:
        """Tell whether a change after `since` may make `found` wrong for `ref`."""
        if isinstance(found, AuthzError) or found is self._root:
            return False
        owner = _owner(found)
        if owner is not None and not owner.is_current:
            return True
        if ref.by is PrincipalBy.ACCESS_KEY_ID:
            return self._principals.has_changed(ChangeKind.ACCESS_KEY, ref.value, since)
        name_key = fold_name(self._user_name(ref))
        return self._principals.has_changed(ChangeKind.USER_NAME, name_key, since)

    def _user_name(self, ref: PrincipalRef) -> str:
        """Return the user's name that `ref` means.

        Empty for an ARN of anything but a user of this account.
        """
        if ref.by is PrincipalBy.USER_NAME:
            return ref.value
        prefix = user_arn(self._account, "")
        return ref.value.removeprefix(prefix) if ref.value.startswith(prefix) else ""

    def _stranger(self, ref: PrincipalRef) -> Principal:
        """Return a principal for the record of a question about one that does not exist."""
        by_name = ref.by is PrincipalBy.USER_NAME
        arn = user_arn(self._account, ref.value) if by_name else ref.value
        return Principal(
            arn=arn,
            kind=PrincipalKind.ANONYMOUS,
            account=self._account,
            id="",
            name=ref.value,
            facts=NO_FACTS,
        )


def _owner(found: Found) -> UserEntry | None:
    return found.owner if isinstance(found, KeyEntry) else found


def _unanswered(error: AuthzError) -> Unanswered:
    return Unanswered(render(error).grpc, error.message)
