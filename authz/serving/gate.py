"""The gate in front of the control plane: who calls, may they, and has this call been made before.

Each call is signed with SigV4 like any request to AWS, over the method's name and the message's bytes, in the
call's metadata (`docs/decisions/0003-admin-calls-are-signed.md`). So the same verification guards both
planes, no password or bearer token travels, and a message that is changed on the way does not verify. A
signature is good for five minutes and for one call here.

Whether the caller may is decided by policy like everything else, under AWS's action and MinIO's: an allow in
either suffices, a deny in either refuses.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Answer, Asked, Authorizer
from authz.access.entries import UserEntry
from authz.clock import Clock
from authz.errors import ForbiddenError, OverloadedError, UnauthenticatedError
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import check_time, find_proof
from authz.policy.decision import Verdict
from authz.policy.request import NO_FACTS, AccessRequest, Context, Principal, Values
from authz.serving.call import Call
from authz.telemetry.metrics import Metrics

SERVICE: Final = "authz"
"""The service name in the scope of a signed call, and the `host` it is signed with."""

SIGNED: Final = frozenset({"host", "x-amz-content-sha256", "x-amz-date"})

CALL_SKEW: Final = 300.0
"""Seconds a caller's clock may differ, and so how long a signature must be remembered."""

REMEMBERED_SIGNATURES: Final = 200_000
"""Calls remembered within the skew; about 40 MiB, 300 calls a second."""

REMEMBERED_OF_ONE: Final = 50_000
"""Of these, most of one principal's, so that no single one can lock out the others; 80 calls a second."""

SURFACE: Final = "admin"


class Gate:
    """Admits signed calls whose caller may make them."""

    def __init__(
        self, authenticator: Authenticator, authorizer: Authorizer, metrics: Metrics, clock: Clock
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._metrics = metrics
        self._clock = clock
        # Signature → when it expires, and whose it is; and how many each has.
        self._seen: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._seen_of: Counter[str] = Counter()

    async def admit(
        self, call: Call, raw: bytes, action: str, admin_action: str | None, resource: str
    ) -> Principal:
        """Return who calls, once they have proved it and may do `action` (or `admin_action`) to `resource`.

        Raises `UnauthenticatedError`, `ForbiddenError`, or `UnavailableError` when that cannot be known now.
        """
        age = self._authorizer.check_age()
        try:
            entry, access_key_id = await self._authenticate(call, raw)
        except UnauthenticatedError as error:
            self._metrics.authentication_failures.inc((SURFACE, error.code))
            self._authorizer.refuse(Asked(SURFACE, "", peer_ip(call.peer)), error.code, call.method)
            raise
        asked = Asked(SURFACE, access_key_id, peer_ip(call.peer))
        actions = (action, admin_action) if admin_action else (action,)
        context = Context(
            entry.principal.facts, self._server_facts(asked), NO_FACTS, self._clock.now()
        )
        answers = [
            self._authorizer.authorize(
                entry, [AccessRequest(entry.principal, a, resource, context)], asked, age
            )
            for a in actions
        ]
        if not _is_admitted(answers):
            raise ForbiddenError(
                f"{entry.principal.arn} may not {action} on {resource}"
                f" (decision {answers[0].decision_id})"
            )
        return entry.principal

    async def _authenticate(self, call: Call, raw: bytes) -> tuple[UserEntry, str]:
        now = self._clock.now()
        request = _signed_view(call, raw)
        proof = find_proof(request, now)
        if proof is None:
            raise UnauthenticatedError(
                "MissingAuthenticationToken", "this call must be signed; see `authz --help`"
            )
        # An unsigned payload or a longer-lived presigned form would sign less than the whole call.
        if not proof.signed_headers or not SIGNED.issubset(proof.signed_headers):
            raise UnauthenticatedError(
                "IncompleteSignature", "host, date and payload must be signed"
            )
        if len(proof.payload_hash) != 64 or proof.expires is not None:
            raise UnauthenticatedError("IncompleteSignature", "the payload's hash must be signed")
        check_time(proof, now, skew=CALL_SKEW)
        credential = self._authenticator.find_credential(proof.access_key_id)
        if credential is None:
            credential = await self._authenticator.load_credential(proof.access_key_id)
        credential = self._authenticator.authenticate(
            request, proof, credential, services=frozenset({SERVICE}), now=now
        )
        self._remember(proof.signature, credential.owner.principal.id, now)
        return credential.owner, credential.id

    def _remember(self, signature: str, principal_id: str, now: float) -> None:
        """Refuse a signature that was used before; what has expired need not be remembered."""
        seen = self._seen
        while seen and next(iter(seen.values()))[0] < now:
            self._forget(seen.popitem(last=False)[1][1])
        if signature in seen:
            raise UnauthenticatedError("RequestReplayed", "this signed call has been made already")
        if len(seen) >= REMEMBERED_SIGNATURES or self._seen_of[principal_id] >= REMEMBERED_OF_ONE:
            raise OverloadedError("too many signed calls in the last minutes")
        # A clock ahead of ours by the skew makes a signature that stays good for twice the skew.
        seen[signature] = (now + 2 * CALL_SKEW, principal_id)
        self._seen_of[principal_id] += 1

    def _forget(self, principal_id: str) -> None:
        self._seen_of[principal_id] -= 1
        if not self._seen_of[principal_id]:
            del self._seen_of[principal_id]

    def _server_facts(self, asked: Asked) -> Mapping[str, Values]:
        return {"aws:sourceip": (asked.source_ip,)} if asked.source_ip else NO_FACTS


def _is_admitted(answers: list[Answer]) -> bool:
    verdicts = {answer.decision.verdict for answer in answers}
    return Verdict.ALLOWED in verdicts and Verdict.EXPLICITLY_DENIED not in verdicts


def _signed_view(call: Call, raw: bytes) -> HttpRequest:
    """Return the call as the HTTP request its signature is over; `host` is ours whatever was dialled."""
    return HttpRequest("POST", call.method, "", {**call.metadata, "host": SERVICE}, body=raw)


def peer_ip(peer: str) -> str:
    """Return the address in a gRPC peer (`ipv4:192.0.2.7:1234`, `ipv6:%5B::1%5D:1234`), empty for others."""
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")
