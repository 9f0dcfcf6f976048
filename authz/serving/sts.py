"""AWS's STS on the HTTP port: sessions of the caller and of roles, and who the caller is.

A signature of the service `sts` is verified over the body that is read, with a region of ours or, as MinIO's
clients sign, without one. The proof of a session's issue is in the request's headers, over its whole form. A
presigned URL, which is made to be handed on, is good for `GetCallerIdentity` alone, and as in AWS for 15
minutes at most.

Source: AWS STS API reference. Not here: who may have which session (`sts_sessions.py`), forms and documents
(`formats/sts.py`), the server (`http/`).
"""

from collections.abc import Mapping
from time import perf_counter
from typing import Final

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry
from authz.access.roles import Roles
from authz.clock import Clock
from authz.control.sessions import Sessions
from authz.errors import (
    AuthzError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.formats.aws_query import QueryError
from authz.formats.sts import (
    CallerRequest,
    KeyRequest,
    MessageRequest,
    SessionRequest,
    SignedRequest,
    StsRequest,
    parse_sts,
    render_caller,
    render_error,
    render_key,
    status_of,
)
from authz.formats.sts_logins import LoginRequest
from authz.formats.sts_messages import render_decoded, unknown_message
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import CLOCK_SKEW, Proof, find_proof
from authz.serving.http_surface import HttpAnswer, ReadBody
from authz.serving.sts_logins import ProviderAwayError, StsLogins
from authz.serving.sts_sessions import SURFACE, Admitted, DeniedError, StsSessions
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

SERVICES: Final = frozenset({"sts"})
"""The service name in a signature's scope."""

BODY_LIMIT: Final = 65_536
"""Longest body in bytes: a session policy of 2 KiB and 10 ARNs, percent-encoded, many times over."""

_PROOF_CODES: Final = {
    "AccessDenied": "AccessDenied",
    "ExpiredToken": "ExpiredToken",
    "InvalidAccessKeyId": "InvalidClientTokenId",
    "InvalidToken": "InvalidClientTokenId",
    "MissingAuthenticationToken": "MissingAuthenticationToken",
    "RequestTimeTooSkewed": "SignatureDoesNotMatch",
    "SignatureDoesNotMatch": "SignatureDoesNotMatch",
    "XAmzContentSHA256Mismatch": "SignatureDoesNotMatch",
}
"""STS's words for what S3 calls a wrong proof; every other one is not well-formed, `IncompleteSignature`."""

_LOGIN_CODES: Final = {
    "AccessDenied": "AccessDenied",
    "ExpiredToken": "ExpiredTokenException",
    "IDPRejectedClaim": "IDPRejectedClaim",
    "InvalidIdentityToken": "InvalidIdentityToken",
}
"""STS's words for what is wrong with a provider's proof."""

_CODES: Final[Mapping[type[AuthzError], str]] = {
    ForbiddenError: "AccessDenied",
    NotFoundError: "InvalidParameterValue",
    OverloadedError: "Throttling",
    ParseError: "MalformedPolicyDocument",
    UnavailableError: "ServiceUnavailable",
}
"""STS's words for what else can go wrong; the rest is the client's, `ValidationError`."""


class Sts:
    """Answers STS clients."""

    body_limit = BODY_LIMIT

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        roles: Roles,
        sessions: Sessions,
        logins: StsLogins,
        metrics: Metrics,
        clock: Clock,
        *,
        account: str,
        max_duration: float,
    ) -> None:
        """Issue `sessions` of at most `max_duration` seconds; every access key and role is of `account`."""
        self._logins = logins
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._sessions = StsSessions(
            self._authenticate,
            authorizer,
            roles,
            sessions,
            metrics,
            account=account,
            max_duration=max_duration,
        )
        self._metrics = metrics
        self._clock = clock
        self._account = account
        self._check_seconds = metrics.check_seconds.child(SURFACE)
        self._log = get_logger("serving")

    async def answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        """Answer one request; what goes wrong is an answer, too."""
        started = perf_counter()
        try:
            return await self._answer(request, read_body)
        except Exception:  # noqa: BLE001 - a fault of ours is told as one, and stays ours
            self._metrics.internal_errors.inc((SURFACE,))
            self._log.exception("call_failed", method=request.method)
            return _render("InternalFailure", "internal error", self._authorizer.next_id())
        finally:
            self._check_seconds.observe(perf_counter() - started)

    def turn_away(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that there is no room for."""
        return self._refuse(request, OverloadedError("too many such requests at a time"), "", None)

    async def _answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        asked: StsRequest | None = None
        access_key_id = ""
        try:
            age, now = self._authorizer.check_age(), self._clock.now()
            request.body = await _read(read_body)
            asked = parse_sts(request, self._account)
            if isinstance(asked, LoginRequest):
                request_id, body = await self._logins.issue(asked, request, age)
                return HttpAnswer(200, _headers(request_id), body)
            proof = _require_proof(find_proof(request, now), asked)
            access_key_id = proof.access_key_id
            credential = await self._authenticate(request, proof, now)
            admitted = Admitted(request, proof, credential, age, now)
            request_id, body = await self._act(asked, admitted)
        except AuthzError as error:
            return self._refuse(request, error, access_key_id, asked)
        return HttpAnswer(200, _headers(request_id), body)

    async def _authenticate(self, request: HttpRequest, proof: Proof, now: float) -> KeyEntry:
        credential = await self._authenticator.fetch_credential(
            proof.access_key_id, proof.session_token
        )
        return self._authenticator.authenticate(
            request, proof, credential, services=SERVICES, now=now
        )

    # --- the actions ----------------------------------------------------------------------------------------

    async def _act(self, asked: SignedRequest, admitted: Admitted) -> tuple[str, bytes]:
        """Return the request's id and the answer."""
        if isinstance(asked, SessionRequest):
            return await self._sessions.issue(asked, admitted)
        if isinstance(asked, KeyRequest):
            return await self._tell_account(asked, admitted)
        if isinstance(asked, MessageRequest):
            return self._decode(asked, admitted)
        # Whoever proves to be somebody may hear who: AWS lets no policy deny it either.
        request_id = self._authorizer.next_id()
        return request_id, render_caller(admitted.credential.acting.principal, request_id)

    async def _tell_account(self, asked: KeyRequest, admitted: Admitted) -> tuple[str, bytes]:
        """Answer whose an access key is, for those who are allowed to ask: that it exists is told, too."""
        request_id = self._require_right(asked, admitted)
        found = await self._authenticator.fetch_credential(asked.access_key_id)
        if found is None or found.has_expired(self._clock.now()):
            raise NotFoundError("there is no such access key; of temporary ones none is stored")
        return request_id, render_key(self._account, request_id)

    def _decode(self, asked: MessageRequest, admitted: Admitted) -> tuple[str, bytes]:
        """Answer what a decision was made on, for those who are allowed to see anybody's."""
        request_id = self._require_right(asked, admitted)
        answer = self._authorizer.find_answer(asked.decision_id)
        if answer is None:
            raise unknown_message()
        return request_id, render_decoded(answer.decision, answer.request, request_id)

    def _require_right(self, asked: KeyRequest | MessageRequest, admitted: Admitted) -> str:
        """Return the id of the decision that allows the caller this action."""
        need = admitted.need(asked.action, {})
        answer = self._authorizer.authorize(
            admitted.credential.acting, [need], admitted.asked, admitted.age
        )
        if not answer.decision.is_allowed:
            raise DeniedError(need, answer.decision_id)
        return answer.decision_id

    # --- refusals -------------------------------------------------------------------------------------------

    def _refuse(
        self, request: HttpRequest, error: AuthzError, access_key_id: str, asked: StsRequest | None
    ) -> HttpAnswer:
        """Answer what gets nothing; all but a decision is counted and recorded here."""
        code = _code_of(error, asked)
        if isinstance(asked, SessionRequest | LoginRequest):
            self._metrics.sessions_refused.inc((asked.action, code))
        if isinstance(error, DeniedError):
            return _render(code, error.message, error.decision_id)
        family = (
            self._metrics.authentication_failures
            if isinstance(error, UnauthenticatedError)
            else self._metrics.rejected_requests
        )
        family.inc((SURFACE, code))
        by = Asked(SURFACE, access_key_id, request.source_ip)
        action = f"sts:{asked.action}" if asked is not None else request.path
        return _render(code, error.message, self._authorizer.refuse(by, code, action))


async def _read(read_body: ReadBody) -> bytes:
    """Return the body: what a signature is over, and which action it is for, is only told by it."""
    body = await read_body()
    if body is None:
        raise QueryError("RequestTimeout", "the body did not arrive in time")
    if len(body) > BODY_LIMIT:
        raise QueryError("RequestEntityTooLarge", f"a request has at most {BODY_LIMIT:,} bytes")
    return body


def _require_proof(proof: Proof | None, asked: StsRequest) -> Proof:
    """Refuse a request that nobody signed, or of which somebody signed less than is asked for."""
    if proof is None:
        raise UnauthenticatedError("MissingAuthenticationToken", "the request must be signed")
    # A marker in its place would leave the form unsigned.
    if len(proof.payload_hash) != 64:
        raise UnauthenticatedError("IncompleteSignature", "the body's hash must be signed")
    if proof.expires is not None:
        if not isinstance(asked, CallerRequest):
            raise UnauthenticatedError(
                "IncompleteSignature", f"{asked.action} is signed in its headers"
            )
        if proof.age > CLOCK_SKEW:
            raise UnauthenticatedError("RequestTimeTooSkewed", "the presigned URL is too old")
    return proof


def _code_of(error: AuthzError, asked: StsRequest | None) -> str:
    """Return STS's code for an error: its own, or the one of the nearest class in the table."""
    if isinstance(error, QueryError):
        return error.code
    if isinstance(error, UnauthenticatedError) and isinstance(asked, LoginRequest):
        return _LOGIN_CODES.get(error.code, "AccessDenied")
    if isinstance(error, ProviderAwayError):
        return "IDPCommunicationError"
    if isinstance(error, UnauthenticatedError):
        return _PROOF_CODES.get(error.code, "IncompleteSignature")
    if isinstance(error, InvalidError) and not error.field:
        # No one parameter is wrong: together they make a token that is too long.
        return "PackedPolicyTooLarge"
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "ValidationError")


def _render(code: str, message: str, request_id: str) -> HttpAnswer:
    headers = _headers(request_id)
    status = status_of(code)
    if status == 503:
        headers["retry-after"] = "1"
    return HttpAnswer(status, headers, render_error(code, message, request_id))


def _headers(request_id: str) -> dict[str, str]:
    return {
        "content-type": "text/xml; charset=utf-8",
        "cache-control": "no-store",
        "x-amzn-requestid": request_id,
    }
