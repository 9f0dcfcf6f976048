"""A surface of the HTTP port whose callers are services that present a token: what all of them have in common.

The token is compared before anything else is looked at, in a time that does not tell how much of it is right.
Then the body is read, within a bound, and handed on; what goes wrong becomes an answer, counted and recorded.

Not here: what is asked, and how answers and refusals look (the children).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from time import perf_counter
from typing import Final

from authz.access.authorizer import Asked, Authorizer
from authz.access.turns import ATTEMPTS
from authz.errors import (
    AuthzError,
    InvalidError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.formats.authz_v1 import PrincipalRef
from authz.identity.credential import Secret
from authz.identity.http import HttpRequest
from authz.serving.errors import render
from authz.serving.http_surface import HttpAnswer, ReadBody
from authz.serving.principal_refs import Found, PrincipalRefs
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

BODY_LIMIT: Final = 65_536
"""Longest body in bytes: MinIO sends the 8 KiB of headers it takes from a client, and their copies."""

LOADS: Final = 8
"""Principals one request loads at a time, so that it leaves room for others."""


class MethodNotAllowedError(InvalidError):
    """The path is there, the method is not; `allowed` is the one that is."""

    def __init__(self, allowed: str) -> None:
        super().__init__(f"only {allowed} is offered here")
        self.allowed = allowed


class TooLargeError(InvalidError):
    """The body has more bytes than any question needs."""


class TokenSurface(ABC):
    """Answers callers that present a token."""

    body_limit = BODY_LIMIT

    def __init__(
        self,
        name: str,
        token: Secret,
        refs: PrincipalRefs,
        authorizer: Authorizer,
        metrics: Metrics,
    ) -> None:
        """Answer who presents `token`; metrics and the decision log call the surface `name`."""
        self._name = name
        self._token = token
        self._refs = refs
        self._authorizer = authorizer
        self._metrics = metrics
        self._check_seconds = metrics.check_seconds.child(name)
        self._log = get_logger("serving")

    async def answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        """Answer one request; what goes wrong is an answer, too."""
        started = perf_counter()
        try:
            return await self._answer(request, read_body, started)
        except AuthzError as error:
            return self._refuse(request, error)
        except Exception:  # noqa: BLE001 - a fault of ours is told as one, and stays ours
            self._metrics.internal_errors.inc((self._name,))
            self._log.exception("call_failed", method=request.method)
            return self._render_error(request, 500, "InternalError", "internal error", {})
        finally:
            self._check_seconds.observe(perf_counter() - started)

    def turn_away(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that there is no room for."""
        return self._refuse(request, OverloadedError("too many such requests at a time"))

    @abstractmethod
    async def _answer(
        self, request: HttpRequest, read_body: ReadBody, started: float
    ) -> HttpAnswer:
        """Answer one request; `started` is on `perf_counter`."""

    @abstractmethod
    def _render_error(
        self,
        request: HttpRequest,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        """Write an answer that is no decision."""

    def _asked(self, request: HttpRequest, access_key_id: str = "") -> Asked:
        return Asked(self._name, access_key_id, request.source_ip)

    def _prove(self, presented: str) -> None:
        """Refuse who does not present the token."""
        if not presented or Secret(presented) != self._token:
            code = "InvalidToken" if presented else "MissingAuthenticationToken"
            raise UnauthenticatedError(code, "the token is missing or not the one that is expected")

    async def _read(self, read_body: ReadBody) -> bytes:
        body = await read_body()
        if body is None:
            raise InvalidError("the body did not arrive in time")
        if len(body) > BODY_LIMIT:
            raise TooLargeError(f"a request has at most {BODY_LIMIT:,} bytes")
        return body

    async def _load(self, wanted: Collection[PrincipalRef]) -> dict[PrincipalRef, Found]:
        """Return all of `wanted` as they are at one moment, loaded where they are not held."""
        slots = asyncio.Semaphore(LOADS)

        async def load(ref: PrincipalRef) -> Found:
            async with slots:
                return await self._refs.load(ref)

        for _ in range(ATTEMPTS):
            since = self._refs.moment()
            loaded = await asyncio.gather(*map(load, wanted))
            found = dict(zip(wanted, loaded, strict=True))
            if not any(self._refs.is_outdated(ref, one, since) for ref, one in found.items()):
                return found
        raise UnavailableError("the principals keep changing; ask again in a moment")

    def _refuse(self, request: HttpRequest, error: AuthzError) -> HttpAnswer:
        """Answer what never came to a decision: counted and recorded here."""
        status, code = _status_and_code(error)
        family = (
            self._metrics.authentication_failures
            if isinstance(error, UnauthenticatedError)
            else self._metrics.rejected_requests
        )
        family.inc((self._name, code))
        self._authorizer.refuse(self._asked(request), code, request.path)
        headers = {}
        if isinstance(error, MethodNotAllowedError):
            headers["allow"] = error.allowed
        if status in {429, 503}:
            headers["retry-after"] = "1"
        return self._render_error(request, status, code, say(error), headers)


def say(error: AuthzError) -> str:
    """Return what is wrong, and where."""
    field = error.field if isinstance(error, InvalidError) else ""
    return f"{error.message} at {field}" if field else error.message


def _status_and_code(error: AuthzError) -> tuple[int, str]:
    if isinstance(error, UnauthenticatedError):
        return 401, error.code
    if isinstance(error, MethodNotAllowedError):
        return 405, "MethodNotAllowed"
    if isinstance(error, TooLargeError):
        return 413, "RequestEntityTooLarge"
    status = render(error).http
    return status, {429: "SlowDown", 503: "ServiceUnavailable"}.get(status, "InvalidRequest")
