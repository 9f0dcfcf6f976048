"""Envoy asks (`envoy.service.auth.v3.Authorization/Check`): may this HTTP request go on?

Read, authenticate (by signature or, where the mapping says so, by what is presented instead), map, decide,
render; synchronous when the credential is in memory, but for a request that
needs very many decisions, which are made in turns with what others ask (`access/turns.py`). A request that
proves nothing, means nothing or may not pass gets a *denied answer* with what the client is to see; a
fault of ours (memory too old, store unreachable, a bug) is a gRPC error, which Envoy turns into 503
(`status_on_error`), so the two can be told apart on every dashboard.
"""

from collections.abc import Awaitable, Mapping, Sequence
from time import perf_counter
from typing import Final, NamedTuple
from urllib.parse import quote as percent_encode

from authz.access.authenticator import Authenticator
from authz.access.authorizer import DECISION_ID_LENGTH, Answer, Asked, Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.turns import ATTEMPTS
from authz.clock import Clock
from authz.errors import InvalidError, ParseError, UnauthenticatedError, UnavailableError, quote
from authz.formats.envoy_v3 import (
    AllowedAnswers,
    parse_check,
    parse_peer_certificate,
    render_denied,
)
from authz.formats.http_routes import OtherProofs
from authz.identity.bearer import find_bearer
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import Proof, find_proof
from authz.policy.request import AccessRequest, Context, PrincipalKind
from authz.serving.bearer_logins import BearerLogins, Presented, PresentedKind, Proven
from authz.serving.call import Call, Methods
from authz.serving.http_mappings import (
    ACCESS_DENIED,
    ACCESS_DENIED_TEXT,
    MISSING_PROOF,
    MISSING_PROOF_TEXT,
    HttpMapping,
    Refusal,
    challenge,
    server_facts,
)
from authz.telemetry.metrics import Metrics

SURFACE: Final = "ext_authz"
SERVICE: Final = "envoy.service.auth.v3.Authorization"

AT_ONCE: Final = 32
"""Most checks of one request that are decided without a pause; only deleting many objects needs more."""


class _Question(NamedTuple):
    """One check on its way, with what its request is signed by or presents instead.

    `age` of the state in seconds, `now` in epoch seconds, `started` on perf_counter; `attempt` counts from 1.
    """

    request: HttpRequest
    mapping: HttpMapping
    proof: Proof | None
    age: float
    now: float
    started: float
    attempt: int = 1
    presented: Presented | None = None


class ExtAuthz:
    """Answers Envoy."""

    def __init__(
        self,
        authenticator: Authenticator,
        bearers: BearerLogins,
        authorizer: Authorizer,
        mappings: Mapping[str, HttpMapping],
        anonymous: UserEntry,
        metrics: Metrics,
        clock: Clock,
        *,
        trusted_hops: int,
    ) -> None:
        """Read requests by the mapping their route names; `anonymous` is who presents no proof."""
        self._authenticator = authenticator
        self._bearers = bearers
        self._authorizer = authorizer
        self._mappings = mappings
        self._anonymous = anonymous
        self._metrics = metrics
        self._clock = clock
        self._trusted_hops = trusted_hops
        self._allowed = AllowedAnswers(DECISION_ID_LENGTH)
        self._check_seconds = metrics.check_seconds.child(SURFACE)
        self._authenticate_seconds = metrics.authenticate_seconds.child(SURFACE)
        self._authorize_seconds = metrics.authorize_seconds.child(SURFACE)
        self.methods: Methods = {f"/{SERVICE}/Check": self.check}

    def check(self, raw: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Answer one `CheckRequest` with a `CheckResponse`, at once when the credential is in memory."""
        started = perf_counter()
        age = self._authorizer.check_age()
        request, mapping_name = parse_check(raw, trusted_hops=self._trusted_hops)
        mapping = self._mappings.get(mapping_name)
        if mapping is None:
            raise InvalidError(f"there is no mapping {quote(mapping_name)}; the route names it")
        now = self._clock.now()
        if mapping.proofs is not None:
            return self._check_presenting(raw, request, mapping, mapping.proofs, age, now, started)
        try:
            proof = find_proof(request, now)
        except UnauthenticatedError as error:
            question = _Question(request, mapping, None, age, now, started)
            return self._refuse(question, error.code, error.message)
        return self._check_signed(_Question(request, mapping, proof, age, now, started))

    def _check_signed(self, question: _Question) -> bytes | Awaitable[bytes]:
        proof = question.proof
        if proof is None:
            return self._answer(question, None)
        credential = self._authenticator.find_credential(proof.access_key_id, proof.session_token)
        if credential is None:
            return self._check_cold(question, proof)
        return self._answer(question, credential)

    async def _check_cold(self, question: _Question, proof: Proof) -> bytes:
        credential = await self._authenticator.load_credential(
            proof.access_key_id, proof.session_token
        )
        answer = self._answer(question, credential)
        return answer if isinstance(answer, bytes) else await answer

    # --- what is presented instead of a signature ---

    def _check_presenting(
        self,
        raw: bytes,
        request: HttpRequest,
        mapping: HttpMapping,
        proofs: OtherProofs,
        age: float,
        now: float,
        started: float,
    ) -> bytes | Awaitable[bytes]:
        """Answer a request that may present a token or a certificate; a signature counts as ever.

        INVARIANT: one proof decides, the first there is of token, signature, certificate. When that is no good,
        nothing else in the request is looked at.
        """
        question = _Question(request, mapping, None, age, now, started)
        try:
            presented = _find_token(request, proofs, now)
            if presented is None:
                proof = find_proof(request, now)
                if proof is None and proofs.certificates:
                    presented = _find_certificate(raw)
                question = question._replace(proof=proof)
            if presented is None:
                return self._check_signed(question)
            question = question._replace(presented=presented)
            proven = self._bearers.find(presented)
        except UnauthenticatedError as error:
            return self._refuse(question, error.code, error.message)
        if proven is None:
            return self._check_presented(question, presented)
        return self._answer(question, None, proven)

    async def _check_presented(self, question: _Question, presented: Presented) -> bytes:
        try:
            proven = await self._bearers.load(presented, question.request.source_ip)
        except UnauthenticatedError as error:
            return self._refuse(question, error.code, error.message)
        answer = self._answer(question, None, proven)
        return answer if isinstance(answer, bytes) else await answer

    # --- the answer ---

    def _answer(
        self, question: _Question, credential: KeyEntry | None, proven: Proven | None = None
    ) -> bytes | Awaitable[bytes]:
        request, mapping, proof, age, now, started, _, _ = question
        try:
            entry, access_key_id = self._anonymous, ""
            if proof is not None:
                proved = self._authenticator.authenticate(
                    request, proof, credential, services=mapping.services, now=now
                )
                entry, access_key_id = proved.acting, proved.id
            elif proven is not None:
                entry, access_key_id = proven.acting, proven.access_key_id
            authenticated = perf_counter()
            self._authenticate_seconds.observe(authenticated - started)
            checks = mapping.parse(request, proof)
        except UnauthenticatedError as error:
            return self._refuse(question, error.code, error.message)
        except ParseError as error:
            code: str = getattr(error, "code", "InvalidRequest")
            return self._refuse(question, code, error.message, is_rejected=True)
        principal = entry.principal
        server = server_facts(request, proof)
        requests = [
            AccessRequest(
                principal,
                check.action,
                check.resource,
                Context(principal.facts, server, check.facts, now),
                is_prefix=check.is_prefix,
            )
            for check in checks
        ]
        asked = Asked(SURFACE, access_key_id, request.source_ip)
        if len(requests) > AT_ONCE:
            return self._answer_in_turns(question, entry, requests, asked, authenticated)
        answer = self._authorizer.authorize(entry, requests, asked, age)
        return self._finish(question, answer, access_key_id, authenticated)

    async def _answer_in_turns(
        self,
        question: _Question,
        entry: UserEntry,
        requests: Sequence[AccessRequest],
        asked: Asked,
        authenticated: float,
    ) -> bytes:
        """Answer a request that needs many decisions, from the start whenever memory moves on meanwhile."""
        started, proof, presented = question.started, question.proof, question.presented
        answer = await self._authorizer.authorize_in_turns(entry, requests, asked, started)
        if answer is not None:
            return self._finish(question, answer, asked.access_key_id, authenticated)
        if question.attempt == ATTEMPTS:
            raise UnavailableError("what decides keeps changing; ask again in a moment")
        again = question._replace(attempt=question.attempt + 1)
        if proof is not None:
            return await self._check_cold(again, proof)
        if presented is not None:
            return await self._check_presented(again, presented)
        result = self._answer(again, None)
        return result if isinstance(result, bytes) else await result

    def _finish(
        self, question: _Question, answer: Answer, access_key_id: str, authenticated: float
    ) -> bytes:
        response = self._render(question, answer, access_key_id)
        finished = perf_counter()
        self._authorize_seconds.observe(finished - authenticated)
        self._check_seconds.observe(finished - question.started)
        return response

    def _render(self, question: _Question, answer: Answer, access_key_id: str) -> bytes:
        decision, proofs = answer.decision, question.mapping.proofs
        if decision.is_allowed:
            request = answer.request
            # What asks again about the principal alone would decide past the policies of a narrowed credential.
            narrowed = access_key_id if answer.own else ""
            strips = proofs is not None and proofs.strips_authorization
            arn = request.principal.arn
            key = (decision, arn, request.action, answer.revision, narrowed, strips)
            return self._allowed.render(
                answer.decision_id,
                key,
                lambda decision_id: (
                    _identity(answer, decision_id, narrowed, strips=strips),
                    _metadata(answer, decision_id, narrowed),
                ),
            )
        code, text = ACCESS_DENIED, ACCESS_DENIED_TEXT
        is_stranger = answer.request.principal.kind is PrincipalKind.ANONYMOUS
        if is_stranger and proofs is not None and proofs.bearer:
            code, text = MISSING_PROOF, MISSING_PROOF_TEXT
        refusal = self._refusal(question, code, text, answer.decision_id)
        return _render_refusal(refusal, _metadata(answer, answer.decision_id))

    def _refuse(
        self, question: _Question, code: str, message: str, *, is_rejected: bool = False
    ) -> bytes:
        """Answer a request that is never decided: it proves nothing, or means nothing."""
        request = question.request
        family = (
            self._metrics.rejected_requests
            if is_rejected
            else self._metrics.authentication_failures
        )
        family.inc((SURFACE, code))
        access_key_id = question.proof.access_key_id if question.proof else ""
        request_id = self._authorizer.refuse(
            Asked(SURFACE, access_key_id, request.source_ip), code, request.path
        )
        refusal = self._refusal(question, code, message, request_id)
        response = _render_refusal(refusal, {"decision_id": request_id, "code": code})
        self._check_seconds.observe(perf_counter() - question.started)
        return response

    @staticmethod
    def _refusal(question: _Question, code: str, message: str, request_id: str) -> Refusal:
        proofs = question.mapping.proofs
        refusal = question.mapping.refuse(question.request, code, message, request_id)
        if proofs is None or not proofs.bearer or question.proof is not None:
            return refusal
        return challenge(refusal, code)


def _find_token(request: HttpRequest, proofs: OtherProofs, now: float) -> Presented | None:
    token = find_bearer(request, now) if proofs.bearer else None
    if token is None:
        return None
    presented = Presented.of_token(token)
    if presented.kind.value not in proofs.bearer:
        raise UnauthenticatedError("InvalidToken", "this service takes no such tokens")
    return presented


def _find_certificate(raw: bytes) -> Presented | None:
    try:
        certificate = parse_peer_certificate(raw)
    except ParseError as error:
        raise UnauthenticatedError("AccessDenied", error.message) from None
    return Presented(PresentedKind.CERTIFICATE, certificate) if certificate else None


def _identity(
    answer: Answer, decision_id: str, narrowed: str, *, strips: bool
) -> dict[str, str | None]:
    """Return the headers that tell the upstream who asks; `None` removes what a client sent under the name.

    `narrowed` is the access key id of a credential with policies of its own, empty for others.
    """
    return {
        "x-authz-principal": _header_safe(answer.request.principal.arn),
        "x-authz-decision-id": decision_id,
        "x-authz-revision": str(answer.revision),
        "x-authz-access-key-id": narrowed or None,
        "x-authz-narrowed": "true" if narrowed else None,
        **({"authorization": None} if strips else {}),
    }


def _metadata(answer: Answer, decision_id: str, narrowed: str = "") -> dict[str, str]:
    """Return what Envoy's access log and later filters may want to know, under the filter's name."""
    decision = answer.decision
    metadata = {
        "decision_id": decision_id,
        "principal": answer.request.principal.arn,
        "revision": str(answer.revision),
        "verdict": decision.verdict.value,
        "action": answer.request.action,
    }
    if narrowed:
        metadata |= {"access_key_id": narrowed, "narrowed": "true"}
    if decision.statement is not None:
        metadata["policy"] = decision.statement.policy
        metadata["sid"] = decision.statement.sid
    return metadata


def _render_refusal(refusal: Refusal, metadata: Mapping[str, str]) -> bytes:
    return render_denied(refusal.http_status, refusal.headers, refusal.body, metadata)


def _header_safe(text: str) -> str:
    """Return `text` as a header value: percent-encoded unless it is printable ASCII without a `%`.

    A `%` of the text's own is encoded too, or two names could look the same to the upstream.
    """
    is_plain = text.isascii() and text.isprintable() and "%" not in text
    return text if is_plain else percent_encode(text, safe=":/+=,.@-_ ")
