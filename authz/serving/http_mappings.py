"""What a request means and how a refusal looks, by the kind of service behind the proxy.

Two kinds: S3 (`formats/s3_http.py`, `s3_xml.py`) and configured routes (`formats/http_routes.py`, JSON).
A route of the proxy chooses one by name. Surfaces only see `HttpMapping`, so a third kind is one more
class here.
"""

import json
from collections.abc import Mapping
from typing import Final, NamedTuple, Protocol

from authz.formats.check import Check
from authz.formats.http_routes import HttpRoutes, OtherProofs
from authz.formats.s3_http import S3Config, S3Operation, parse_s3
from authz.formats.s3_xml import render_error, status_of
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import Proof
from authz.policy.request import Values

S3: Final = "s3"

ACCESS_DENIED: Final = "AccessDenied"
ACCESS_DENIED_TEXT: Final = "Access Denied"
MISSING_PROOF: Final = "MissingAuthenticationToken"
MISSING_PROOF_TEXT: Final = "the request needs a proof of who sends it and has none"


class Refusal(NamedTuple):
    """What a refused client gets."""

    http_status: int
    headers: Mapping[str, str]
    body: bytes


class HttpMapping(Protocol):
    """How requests of one kind of service are read and refused."""

    services: frozenset[str]
    """The service names that a signature's scope may have."""
    proofs: OtherProofs | None
    """What may be presented instead of a signature; `None`: nothing."""

    def parse(self, request: HttpRequest, proof: Proof | None) -> tuple[Check, ...]:
        """Return what the request needs, at least one check; raises `ParseError` children with a `code`."""
        ...

    def refuse(self, request: HttpRequest, code: str, message: str, request_id: str) -> Refusal:
        """Return the answer for a request that may not pass, in the client's own language."""
        ...


class S3Mapping:
    """S3 requests."""

    services = frozenset({S3})
    proofs: OtherProofs | None = None

    def __init__(self, config: S3Config) -> None:
        self._config = config

    def parse(self, request: HttpRequest, proof: Proof | None) -> tuple[Check, ...]:
        """Return the S3 actions the request needs, with their resources and condition values."""
        return self.read(request, proof).checks

    def read(self, request: HttpRequest, proof: Proof | None) -> S3Operation:
        """Return the operation: its name, bucket and key, and all it needs."""
        return parse_s3(request, proof, self._config)

    def refuse(self, request: HttpRequest, code: str, message: str, request_id: str) -> Refusal:
        """Return S3's error document; an answer to HEAD has no body."""
        body = (
            b""
            if request.method == "HEAD"
            else render_error(code, message, request.path, request_id)
        )
        headers = {"content-type": "application/xml", "x-amz-request-id": request_id}
        return Refusal(status_of(code), headers, body)


class RoutesMapping:
    """Requests of a service whose routes are configured."""

    def __init__(self, routes: HttpRoutes) -> None:
        self._routes = routes
        self.services = routes.services
        self.proofs = routes.proofs

    def parse(self, request: HttpRequest, proof: Proof | None) -> tuple[Check, ...]:
        """Return what the first route that matches needs; a request that matches none is refused."""
        return self._routes.match(request, proof)

    def refuse(self, request: HttpRequest, code: str, message: str, request_id: str) -> Refusal:
        """Return a JSON object with `code`, `message` and `requestId`."""
        document = {"code": code, "message": message, "requestId": request_id}
        body = b"" if request.method == "HEAD" else json.dumps(document).encode()
        headers = {"content-type": "application/json", "x-authz-decision-id": request_id}
        return Refusal(status_of(code), headers, body)


_CHALLENGES: Final = {
    "ExpiredToken": (401, "invalid_token"),
    "IDPRejectedClaim": (401, "invalid_token"),
    "InvalidAccessKeyId": (401, "invalid_token"),
    "InvalidIdentityToken": (401, "invalid_token"),
    "InvalidRequest": (400, "invalid_request"),
    "InvalidToken": (401, "invalid_token"),
    MISSING_PROOF: (401, ""),
}
"""Code → status and error code of RFC 6750, §3.1. What is not here was proved and is refused as it is: another
token would not help, so nobody is told to get one."""


def challenge(refusal: Refusal, code: str) -> Refusal:
    """Return the answer to a client that presents a token, or could: with what RFC 6750 §3 says to it."""
    if code not in _CHALLENGES:
        return refusal
    status, error = _CHALLENGES[code]
    said = 'Bearer realm="authz"' + (f', error="{error}"' if error else "")
    return Refusal(status, {**refusal.headers, "www-authenticate": said}, refusal.body)


def server_facts(request: HttpRequest, proof: Proof | None) -> dict[str, Values]:
    """Return the condition values that the way in gives to every request, whatever service it is for."""
    facts: dict[str, Values] = {
        "aws:securetransport": ("true" if request.scheme == "https" else "false",)
    }
    if request.source_ip:
        facts["aws:sourceip"] = (request.source_ip,)
    if proof is not None and proof.region:
        facts["aws:requestedregion"] = (proof.region,)
    return facts
