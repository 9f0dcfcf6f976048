"""The gate in front of the control plane: who calls, may they, and has this call been made before.

Each call is signed with SigV4 like any request to AWS, over the method's name and the message's bytes, in the
call's metadata (`docs/decisions/0003-admin-calls-are-signed.md`). So the same verification guards both
planes, no password or bearer token travels, and a message that is changed on the way does not verify. A
signature is good for five minutes and for one call here.

Whether the caller may is decided by policy like everything else, under AWS's action and MinIO's: an allow in
either suffices, a deny in either refuses.
"""

from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry
from authz.clock import Clock
from authz.errors import (
    ForbiddenError,
    OverloadedError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import Proof, check_time, find_proof
from authz.policy.request import NO_FACTS, AccessRequest, Context, Values
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

FindFacts = Callable[[], Awaitable[Mapping[str, Values]]]
"""Finds the condition values of a call."""


async def no_facts() -> Mapping[str, Values]:
    """Find none."""
    return NO_FACTS


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
        self,
        call: Call,
        raw: bytes,
        action: str,
        admin_action: str | None,
        resource: str,
        *,
        also: Sequence[str] = (),
        find_facts: FindFacts = no_facts,
        needs_allow: bool = True,
    ) -> KeyEntry:
        """Return the credential that signed the call, which may do `action` (or `admin_action`) to `resource`.

        `also` are further actions that are all needed and have no name in MinIO's vocabulary. `find_facts` may
        have to read what is stored, so it is called only once the caller is proved. Without `needs_allow` only
        a deny refuses. Raises `UnauthenticatedError`, `ForbiddenError`, or `UnavailableError` when that cannot
        be known now.
        """
        authorizer = self._authorizer
        age = authorizer.check_age()
        credential, proof = await self._authenticate(call, raw)
        asked = Asked(SURFACE, credential.id, peer_ip(call.peer))
        server = {"aws:sourceip": (asked.source_ip,)} if asked.source_ip else NO_FACTS
        facts = await find_facts()
        # INVARIANT: who was let go of while that was read is not admitted by what it was before.
        key_id, token = proof.access_key_id, proof.session_token
        if self._authenticator.find_credential(key_id, token) is not credential:
            raise UnavailableError(
                "the credential changed while the call was looked at; call again"
            )
        entry = credential.acting
        context = Context(entry.principal.facts, server, facts, self._clock.now())
        named = (action, admin_action) if admin_action else (action,)
        for names in (named, *((name,) for name in also)):
            requests = [AccessRequest(entry.principal, n, resource, context) for n in names]
            ask = authorizer.authorize_either if needs_allow else authorizer.find_deny
            answer = ask(entry, requests, asked, age)
            if answer is not None and not answer.decision.is_allowed:
                raise ForbiddenError(
                    f"{entry.principal.arn} may not {names[0]} on {resource}"
                    f" (decision {answer.decision_id})"
                )
        return credential

    async def _authenticate(self, call: Call, raw: bytes) -> tuple[KeyEntry, Proof]:
        """Return the credential that signed the call, and how.

        A call that is not proved is counted and recorded.
        """
        now = self._clock.now()
        access_key_id = ""
        try:
            request = _signed_view(call, raw)
            proof = find_proof(request, now)
            access_key_id = proof.access_key_id if proof else ""
            return await self._prove(request, proof, now)
        except UnauthenticatedError as error:
            self._metrics.authentication_failures.inc((SURFACE, error.code))
            asked = Asked(SURFACE, access_key_id, peer_ip(call.peer))
            self._authorizer.refuse(asked, error.code, call.method)
            raise

    async def _prove(
        self, request: HttpRequest, proof: Proof | None, now: float
    ) -> tuple[KeyEntry, Proof]:
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
        credential = await self._authenticator.fetch_credential(
            proof.access_key_id, proof.session_token
        )
        credential = self._authenticator.authenticate(
            request, proof, credential, services=frozenset({SERVICE}), now=now
        )
        self._remember(proof.signature, credential.owner.principal.id, now)
        return credential, proof

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


def _signed_view(call: Call, raw: bytes) -> HttpRequest:
    """Return the call as the HTTP request its signature is over; `host` is ours whatever was dialled."""
    return HttpRequest("POST", call.method, "", {**call.metadata, "host": SERVICE}, body=raw)


def peer_ip(peer: str) -> str:
    """Return the address in a gRPC peer (`ipv4:192.0.2.7:1234`, `ipv6:%5B::1%5D:1234`), empty for others."""
    kind, _, rest = peer.partition(":")
    if kind not in {"ipv4", "ipv6"}:
        return ""
    return unquote(rest).rpartition(":")[0].strip("[]")
