"""Services that take signed requests themselves ask (`authz.v1.AuthenticationService`): who signed this?

A failed authentication is a normal answer, counted by its code; errors are for faults. The caller has the
request's body, we do not: what was declared as its hash is what the signature covers, and the caller must
check the body against that header.
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
    SignedRequest,
    parse_authenticate,
    render_authentication,
    render_authentication_failure,
)
from authz.identity.principal import ANONYMOUS
from authz.identity.sigv4 import Proof, find_proof
from authz.serving.call import Call, Methods
from authz.telemetry.metrics import Metrics

SURFACE: Final = "authenticate"
SERVICE: Final = "authz.v1.AuthenticationService"


class AuthenticationSurface:
    """`Authenticate`."""

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        refresher: Refresher,
        metrics: Metrics,
        clock: Clock,
        *,
        services: frozenset[str],
    ) -> None:
        """Accept signatures for `services` where the caller names none."""
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._refresher = refresher
        self._clock = clock
        self._services = services
        self._failures = metrics.authentication_failures
        self._authenticate_seconds = metrics.authenticate_seconds.child(SURFACE)
        self.methods: Methods = {f"/{SERVICE}/Authenticate": self.authenticate}

    def authenticate(self, raw: bytes, call: Call) -> bytes | Awaitable[bytes]:
        """Say whose request it is, at once when the credential is in memory."""
        started = perf_counter()
        asked = parse_authenticate(raw)
        try:
            proof = find_proof(asked.request, self._clock.now())
        except UnauthenticatedError as error:
            return self._refuse(asked, error, "")
        if asked.at_least_revision <= self._refresher.applied:
            if proof is None:
                return self._render_anonymous()
            credential = self._authenticator.find_credential(
                proof.access_key_id, proof.session_token
            )
            if credential is not None:
                return self._answer(asked, proof, credential, started)
        return self._authenticate_cold(asked, proof, started)

    async def _authenticate_cold(
        self, asked: SignedRequest, proof: Proof | None, started: float
    ) -> bytes:
        await self._refresher.wait_for(asked.at_least_revision)
        if proof is None:
            return self._render_anonymous()
        credential = await self._authenticator.load_credential(
            proof.access_key_id, proof.session_token
        )
        return self._answer(asked, proof, credential, started)

    def _answer(
        self, asked: SignedRequest, proof: Proof, credential: KeyEntry | None, started: float
    ) -> bytes:
        age = self._authorizer.check_age()
        try:
            proved = self._authenticator.authenticate(
                asked.request,
                proof,
                credential,
                services=asked.services or self._services,
                now=self._clock.now(),
            )
            _check_whole(proved)
        except UnauthenticatedError as error:
            return self._refuse(asked, error, proof.access_key_id)
        self._authenticate_seconds.observe(perf_counter() - started)
        return render_authentication(
            proved.acting.principal, proved.id, self._refresher.applied, age
        )

    def _render_anonymous(self) -> bytes:
        age = self._authorizer.check_age()
        return render_authentication(ANONYMOUS, "", self._refresher.applied, age)

    def _refuse(
        self, asked: SignedRequest, error: UnauthenticatedError, access_key_id: str
    ) -> bytes:
        age = self._authorizer.check_age()
        self._failures.inc((SURFACE, error.code))
        request = asked.request
        self._authorizer.refuse(
            Asked(SURFACE, access_key_id, request.source_ip), error.code, request.path
        )
        return render_authentication_failure(error, self._refresher.applied, age)


def _check_whole(credential: KeyEntry) -> None:
    """Refuse a credential that may do less than the principal it would be answered with."""
    if credential.is_narrowed:
        raise UnauthenticatedError(
            "AccessDenied",
            "the access key has policies of its own, which the answer could not tell",
        )
