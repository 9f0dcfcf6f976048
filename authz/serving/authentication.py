"""Services that take proofs themselves ask (`authz.v1.AuthenticationService`): whose is this?

A signed request, a token, or the certificate of a client whose TLS the caller ended. A failed authentication is
a normal answer, counted by its code; errors are for faults. The caller has a request's body, we do not: what was
declared as its hash is what the signature covers, and the caller must check the body against that header.
"""

from collections.abc import Awaitable
from time import perf_counter
from typing import Final

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.errors import UnauthenticatedError
from authz.formats.authz_v1_authentication import (
    AnyProof,
    parse_authenticate,
    render_authentication,
    render_authentication_failure,
)
from authz.identity.http import HttpRequest
from authz.identity.principal import ANONYMOUS
from authz.identity.sigv4 import Proof, find_proof
from authz.serving.bearer_logins import BearerLogins, Presented, PresentedKind, Proven
from authz.serving.call import Call, Methods
from authz.telemetry.metrics import Metrics

SURFACE: Final = "authenticate"
SERVICE: Final = "authz.v1.AuthenticationService"

NARROWED: Final = (
    "the credential has policies of its own, which the answer could not tell to who asks this way"
)


class AuthenticationSurface:
    """`Authenticate`."""

    def __init__(
        self,
        authenticator: Authenticator,
        bearers: BearerLogins,
        authorizer: Authorizer,
        refresher: Refresher,
        metrics: Metrics,
        clock: Clock,
        *,
        services: frozenset[str],
    ) -> None:
        """Accept signatures for `services` where the caller names none."""
        self._authenticator = authenticator
        self._bearers = bearers
        self._authorizer = authorizer
        self._refresher = refresher
        self._clock = clock
        self._services = services
        self._failures = metrics.authentication_failures
        self._authenticate_seconds = metrics.authenticate_seconds.child(SURFACE)
        self.methods: Methods = {f"/{SERVICE}/Authenticate": self.authenticate}

    def authenticate(self, raw: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Say whose proof it is, at once when the credential is in memory."""
        started = perf_counter()
        asked = parse_authenticate(raw)
        if asked.at_least_revision > self._refresher.applied:
            return self._authenticate_later(asked, started)
        if asked.request is None:
            return self._take(asked, _presented(asked), started)
        return self._verify(asked, asked.request, started)

    async def _authenticate_later(self, asked: AnyProof, started: float) -> bytes:
        await self._refresher.wait_for(asked.at_least_revision)
        if asked.request is None:
            answer = self._take(asked, _presented(asked), started)
        else:
            answer = self._verify(asked, asked.request, started)
        return answer if isinstance(answer, bytes) else await answer

    # --- signed requests ---

    def _verify(
        self, asked: AnyProof, request: HttpRequest, started: float
    ) -> bytes | Awaitable[bytes]:
        try:
            proof = find_proof(request, self._clock.now())
        except UnauthenticatedError as error:
            return self._refuse(asked, error, "")
        if proof is None:
            return self._render_anonymous()
        credential = self._authenticator.find_credential(proof.access_key_id, proof.session_token)
        if credential is not None:
            return self._answer(asked, request, proof, credential, started)
        return self._verify_cold(asked, request, proof, started)

    async def _verify_cold(
        self, asked: AnyProof, request: HttpRequest, proof: Proof, started: float
    ) -> bytes:
        credential = await self._authenticator.load_credential(
            proof.access_key_id, proof.session_token
        )
        return self._answer(asked, request, proof, credential, started)

    def _answer(
        self,
        asked: AnyProof,
        request: HttpRequest,
        proof: Proof,
        credential: KeyEntry | None,
        started: float,
    ) -> bytes:
        try:
            proved = self._authenticator.authenticate(
                request,
                proof,
                credential,
                services=asked.services or self._services,
                now=self._clock.now(),
            )
        except UnauthenticatedError as error:
            return self._refuse(asked, error, proof.access_key_id)
        return self._tell(asked, Proven.of_credential(proved), started)

    # --- tokens and certificates ---

    def _take(
        self, asked: AnyProof, presented: Presented, started: float
    ) -> bytes | Awaitable[bytes]:
        try:
            proven = self._bearers.find(presented)
        except UnauthenticatedError as error:
            return self._refuse(asked, error, "")
        if proven is not None:
            return self._tell(asked, proven, started)
        return self._take_cold(asked, presented, started)

    async def _take_cold(self, asked: AnyProof, presented: Presented, started: float) -> bytes:
        try:
            proven = await self._bearers.load(presented)
        except UnauthenticatedError as error:
            return self._refuse(asked, error, "")
        return self._tell(asked, proven, started)

    # --- answers ---

    def _tell(self, asked: AnyProof, proven: Proven, started: float) -> bytes:
        age = self._authorizer.check_age()
        # What could not be asked about further would be taken for its principal.
        can_be_asked = asked.accepts_narrowed and not asked.certificate
        if not (proven.is_as_named or can_be_asked):
            refusal = UnauthenticatedError("AccessDenied", NARROWED)
            return self._refuse(asked, refusal, proven.access_key_id)
        self._authenticate_seconds.observe(perf_counter() - started)
        return render_authentication(
            proven.acting.principal,
            proven.access_key_id,
            self._refresher.applied,
            age,
            is_narrowed=not proven.is_as_named,
        )

    def _render_anonymous(self) -> bytes:
        age = self._authorizer.check_age()
        return render_authentication(ANONYMOUS, "", self._refresher.applied, age)

    def _refuse(self, asked: AnyProof, error: UnauthenticatedError, access_key_id: str) -> bytes:
        age = self._authorizer.check_age()
        self._failures.inc((SURFACE, error.code))
        request = asked.request
        source_ip, path = (request.source_ip, request.path) if request is not None else ("", "")
        self._authorizer.refuse(Asked(SURFACE, access_key_id, source_ip), error.code, path)
        return render_authentication_failure(error, self._refresher.applied, age)


def _presented(asked: AnyProof) -> Presented:
    if asked.token:
        return Presented.of_token(asked.token)
    return Presented(PresentedKind.CERTIFICATE, asked.certificate)
