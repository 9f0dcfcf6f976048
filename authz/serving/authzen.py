"""Services ask by OpenID AuthZEN's Authorization API: may this principal do that?

The caller presents a bearer token and is then trusted to know whom it serves, as on `authz.v1`. Several
evaluations are decided on one revision, in turns with what others ask; where a change comes in between, all
anew. What the metadata tells is public, and says which endpoints there are: not those that search.

Source: OpenID AuthZEN, Authorization API 1.0, sections 6, 7, 9 and 10. Not here: what requests say
(`formats/authzen.py`), and what all callers with a token have in common (`token_surface.py`).
"""

from collections.abc import Iterator, Mapping
from time import perf_counter
from typing import Final

from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.refresher import Refresher
from authz.access.turns import ATTEMPTS
from authz.clock import Clock
from authz.errors import InvalidError, UnavailableError
from authz.formats.authz_v1 import Answered, PrincipalRef, Question, Unanswered
from authz.formats.authzen import (
    EVALUATION,
    METADATA,
    Evaluations,
    parse_evaluation,
    parse_evaluations,
    render_evaluation,
    render_evaluations,
    render_metadata,
)
from authz.identity.credential import Secret
from authz.identity.http import HttpRequest
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN, Decision
from authz.policy.request import NO_FACTS, AccessRequest, Context
from authz.serving.errors import render
from authz.serving.http_surface import HttpAnswer, ReadBody
from authz.serving.principal_refs import Found, PrincipalRefs, acting_of
from authz.serving.token_surface import MethodNotAllowedError, TokenSurface, say
from authz.telemetry.metrics import Metrics

SURFACE: Final = "authzen"

REQUEST_ID: Final = "x-request-id"

_Decided = tuple[Decision, AccessRequest, str, UserEntry | None]
"""A decision that nobody was told yet, with the access key id that was named and what narrows it."""


class AuthZen(TokenSurface):
    """Answers enforcement points."""

    def __init__(
        self,
        token: Secret,
        refs: PrincipalRefs,
        authorizer: Authorizer,
        refresher: Refresher,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Answer who presents `token` as a bearer token."""
        super().__init__(SURFACE, token, refs, authorizer, metrics)
        self._refresher = refresher
        self._clock = clock
        self._authorize_seconds = metrics.authorize_seconds.child(SURFACE)

    async def _answer(
        self, request: HttpRequest, read_body: ReadBody, started: float
    ) -> HttpAnswer:
        if request.path == METADATA:
            return self._tell_metadata(request)
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        self._prove(token.strip(" ") if scheme.lower() == "bearer" else "")
        if request.method != "POST":
            raise MethodNotAllowedError("POST")
        if not _is_json(request.headers.get("content-type", "")):
            raise InvalidError("the content type is not `application/json`")
        raw = await self._read(read_body)
        asked = parse_evaluation(raw) if request.path == EVALUATION else parse_evaluations(raw)
        if isinstance(asked, Evaluations):
            body = await self._answer_many(request, asked, started)
        else:
            body = await self._answer_one(request, asked)
        return _answer(request, 200, "application/json", body, {})

    def _tell_metadata(self, request: HttpRequest) -> HttpAnswer:
        if request.method != "GET":
            raise MethodNotAllowedError("GET")
        body = render_metadata(request.scheme, request.headers.get("host", ""))
        return _answer(request, 200, "application/json", body, {})

    async def _answer_one(self, request: HttpRequest, question: Question) -> bytes:
        found = await self._load([question.principal])
        # From here on nothing awaits.
        age = self._authorizer.check_age()
        started = perf_counter()
        answered = self._conclude(request, self._decide(question, found[question.principal]), age)
        self._authorize_seconds.observe(perf_counter() - started)
        return render_evaluation(answered, self._refresher.applied)

    async def _answer_many(self, request: HttpRequest, asked: Evaluations, started: float) -> bytes:
        wanted = {check.principal for check in asked.checks if isinstance(check, Question)}
        for _ in range(ATTEMPTS):
            steps = self._decide_each(asked, await self._load(wanted))
            decided = await self._authorizer.turns.do(steps, started)
            if decided is not None:
                break
        else:
            raise UnavailableError("what decides keeps changing; ask again in a moment")
        # From here on nothing awaits: one revision for all.
        age = self._authorizer.check_age()
        answers = [
            Unanswered(render(one).http, say(one))
            if isinstance(one, InvalidError)
            else self._conclude(request, one, age)
            for one in decided
        ]
        return render_evaluations(answers, self._refresher.applied)

    def _decide_each(
        self, asked: Evaluations, found: Mapping[PrincipalRef, Found]
    ) -> Iterator[_Decided | InvalidError]:
        for check in asked.checks:
            is_allowed = False
            if isinstance(check, InvalidError):
                yield check
            else:
                decided = self._decide(check, found[check.principal])
                is_allowed = decided[0].is_allowed
                yield decided
            if asked.semantic.ends_with(is_allowed=is_allowed):
                return

    def _decide(self, question: Question, found: Found) -> _Decided:
        entry = acting_of(found)
        principal = entry.principal if entry else self._refs.stranger(question.principal)
        context = Context(principal.facts, NO_FACTS, question.facts, self._clock.now())
        request = AccessRequest(principal, question.action, question.resource, context)
        if entry is None:
            return PRINCIPAL_UNKNOWN, request, "", None
        if not isinstance(found, KeyEntry):
            return self._authorizer.decide(entry, request), request, "", entry
        decision = (
            self._authorizer.decide(entry, request) if found.is_enabled else PRINCIPAL_DISABLED
        )
        return decision, request, found.id, entry

    def _conclude(self, request: HttpRequest, decided: _Decided, age: float) -> Answered:
        decision, need, access_key_id, acting = decided
        asked = self._asked(request, access_key_id)
        answer = self._authorizer.conclude(decision, need, asked, age, acting)
        return Answered(answer.decision, answer.decision_id)

    def _render_error(
        self,
        request: HttpRequest,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        del code
        if status == 401:
            headers = {**headers, "www-authenticate": "Bearer"}
        return _answer(
            request, status, "text/plain; charset=utf-8", f"{message}\n".encode(), headers
        )


def _answer(
    request: HttpRequest, status: int, kind: str, body: bytes, headers: Mapping[str, str]
) -> HttpAnswer:
    request_id = request.headers.get(REQUEST_ID)
    echoed = {} if request_id is None else {REQUEST_ID: request_id.strip()}
    return HttpAnswer(
        status, {"content-type": kind, "cache-control": "no-store", **echoed, **headers}, body
    )


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
