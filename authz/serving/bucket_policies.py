"""S3's bucket policies, answered here: Put, Get and DeleteBucketPolicy, and GetBucketPolicyStatus.

A proxy hands over the requests whose query names the `policy` or `policyStatus` of a bucket; the store never
sees them. Nothing that asked `ext_authz` before is relied on: the signature, the body and the right to do this
are all verified here, as they are there. All but the body is verified from the head alone, and no body is read
but of who may put a policy. Plain values in, plain values out; a server is an adapter around `answer`
(`serving/http/surface_app.py`).

Whether the bucket exists is not known here (docs/decisions/0015). Source: Amazon S3 API reference,
PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy, GetBucketPolicyStatus.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Final, NamedTuple

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Answer, Asked, Authorizer
from authz.access.entries import UserEntry
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.control.resource_policies import ResourcePolicies
from authz.errors import (
    AuthzError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.formats.s3_http import S3Operation
from authz.formats.s3_integrity import check_integrity
from authz.formats.s3_xml import S3RequestError, render_policy_status
from authz.identity.http import HttpRequest, split_query
from authz.identity.proof_parts import PAYLOAD_MARKERS
from authz.identity.sigv4 import Proof, check_body, find_proof
from authz.policy.applicable import as_applicable
from authz.policy.arn import bucket_arn
from authz.policy.compile import compile_policy_set, compile_resource_policy
from authz.policy.decide import decide
from authz.policy.decision import Layer
from authz.policy.request import AccessRequest, Context, PrincipalKind
from authz.policy.resource_policies import is_public
from authz.serving.http_mappings import ACCESS_DENIED, ACCESS_DENIED_TEXT, S3Mapping, server_facts
from authz.serving.http_surface import HttpAnswer, ReadBody
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

SURFACE: Final = "bucket_policies"

SUBRESOURCES: Final = frozenset({"policy", "policyStatus"})
"""The query parameters that make a request one for this surface."""

BODY_LIMIT: Final = RESOURCE_POLICY.byte_limit
"""Longest body in bytes (S3: 20 KiB)."""

EXPECTED_OWNER: Final = "x-amz-expected-bucket-owner"
CONFIRM_LOCK_OUT: Final = "x-amz-confirm-remove-self-bucket-access"
REVISION: Final = "x-authz-revision"

_ONLY_HEADERS: Final = frozenset({EXPECTED_OWNER, CONFIRM_LOCK_OUT})
"""What S3 takes from a presigned query too; nobody may think it was checked when it was not."""

_CODES: Final[Mapping[type[AuthzError], str]] = {
    UnavailableError: "ServiceUnavailable",
    OverloadedError: "SlowDown",
    ConflictError: "OperationAborted",
    ForbiddenError: ACCESS_DENIED,
}
"""S3's words for what can go wrong on our side; the rest is the client's, `InvalidRequest`."""


class _Admitted(NamedTuple):
    """A decided request: what it is, who asks, the need that was decided, and the decision with its id."""

    request: HttpRequest
    read_body: ReadBody
    proof: Proof | None
    operation: S3Operation
    entry: UserEntry
    need: AccessRequest
    answer: Answer

    @property
    def resource(self) -> str:
        return bucket_arn(self.operation.bucket)


class BucketPolicies:
    """Answers S3 clients about the policies of buckets."""

    body_limit = BODY_LIMIT

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: Authorizer,
        refresher: Refresher,
        policies: ResourcePolicies,
        mapping: S3Mapping,
        metrics: Metrics,
        clock: Clock,
        *,
        anonymous: UserEntry,
        account: str,
    ) -> None:
        """Keep bucket policies in `policies`.

        `anonymous` is who presents no proof; `account` owns every bucket.
        """
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._refresher = refresher
        self._policies = policies
        self._mapping = mapping
        self._anonymous = anonymous
        self._metrics = metrics
        self._clock = clock
        self._account = account
        self._check_seconds = metrics.check_seconds.child(SURFACE)
        self._log = get_logger("serving")
        self._acts: Mapping[str, Callable[[_Admitted], Awaitable[HttpAnswer]]] = {
            "PutBucketPolicy": self._put,
            "GetBucketPolicy": self._get,
            "DeleteBucketPolicy": self._delete,
            "GetBucketPolicyStatus": self._get_status,
        }

    async def answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        """Answer one request, given its head; what goes wrong is an answer, too."""
        started = perf_counter()
        try:
            return await self._answer(request, read_body)
        except Exception:  # noqa: BLE001 - a fault of ours is told as one, and stays ours
            self._metrics.internal_errors.inc((SURFACE,))
            self._log.exception("call_failed", method=request.method)
            request_id = self._authorizer.next_id()
            return self._render_error(request, "InternalError", "internal error", request_id)
        finally:
            self._check_seconds.observe(perf_counter() - started)

    def turn_away(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request that there is no room for."""
        return self._refuse(request, OverloadedError("too many such requests at a time"), None)

    async def _answer(self, request: HttpRequest, read_body: ReadBody) -> HttpAnswer:
        proof: Proof | None = None
        try:
            age, now = self._authorizer.check_age(), self._clock.now()
            proof = find_proof(request, now)
            admitted = await self._admit(request, read_body, proof, age, now)
        except AuthzError as error:
            return self._refuse(request, error, proof)
        decision_id = admitted.answer.decision_id
        if not admitted.answer.decision.is_allowed:
            return self._render_error(request, ACCESS_DENIED, ACCESS_DENIED_TEXT, decision_id)
        try:
            status, headers, body = await self._acts[admitted.operation.name](admitted)
        except UnauthenticatedError as error:
            return self._refuse(request, error, proof)
        except AuthzError as error:
            return self._render_error(request, _code_of(error), error.message, decision_id)
        return HttpAnswer(status, {"x-amz-request-id": decision_id, **headers}, body)

    # --- who asks, and may they -----------------------------------------------------------------------------

    async def _admit(
        self,
        request: HttpRequest,
        read_body: ReadBody,
        proof: Proof | None,
        age: float,
        now: float,
    ) -> _Admitted:
        """Authenticate, read and decide, all by the head."""
        entry = await self._authenticate(request, proof, now)
        operation = self._mapping.read(request, proof)
        if operation.name not in self._acts:
            raise S3RequestError("NotImplemented", f"{operation.name} is not answered here")
        if any(name.lower() in _ONLY_HEADERS for name, _ in split_query(request.query)):
            names = " and ".join(sorted(f"`{name}`" for name in _ONLY_HEADERS))
            raise S3RequestError("InvalidRequest", f"each of {names} must be a header")
        principal, server = entry.principal, server_facts(request, proof)
        needs = [
            AccessRequest(
                principal,
                check.action,
                check.resource,
                Context(principal.facts, server, check.facts, now),
            )
            for check in operation.checks
        ]
        asked = Asked(SURFACE, proof.access_key_id if proof else "", request.source_ip)
        answer = self._authorizer.authorize(entry, needs, asked, age)
        return _Admitted(request, read_body, proof, operation, entry, needs[0], answer)

    async def _authenticate(
        self, request: HttpRequest, proof: Proof | None, now: float
    ) -> UserEntry:
        if proof is None:
            return self._anonymous
        credential = await self._authenticator.fetch_credential(
            proof.access_key_id, proof.session_token
        )
        proved = self._authenticator.authenticate(
            request, proof, credential, services=self._mapping.services, now=now
        )
        return proved.acting

    # --- the four operations --------------------------------------------------------------------------------

    async def _put(self, admitted: _Admitted) -> HttpAnswer:
        self._check_owner(admitted)
        _check_writer(admitted)
        body = await _take_body(admitted)
        is_root = admitted.entry.principal.kind is PrincipalKind.ROOT
        try:
            self._check_lock_out(admitted, body)
            written = await self._policies.put(admitted.resource, body.decode(), is_root=is_root)
        except S3RequestError:
            raise
        except ParseError as error:
            raise S3RequestError("MalformedPolicy", error.message) from None
        return await self._written(written.revision)

    async def _get(self, admitted: _Admitted) -> HttpAnswer:
        document = await self._find(admitted)
        return HttpAnswer(200, {"content-type": "application/json"}, document.encode())

    async def _get_status(self, admitted: _Admitted) -> HttpAnswer:
        policy = parse_policy(await self._find(admitted), kind=RESOURCE_POLICY)
        body = render_policy_status(is_public=is_public(policy))
        return HttpAnswer(200, {"content-type": "application/xml"}, body)

    async def _delete(self, admitted: _Admitted) -> HttpAnswer:
        self._check_owner(admitted)
        _check_writer(admitted)
        try:
            written = await self._policies.delete(admitted.resource)
        except NotFoundError:
            return HttpAnswer(204, {}, b"")
        return await self._written(written.revision)

    async def _find(self, admitted: _Admitted) -> str:
        self._check_owner(admitted)
        try:
            return (await self._policies.get(admitted.resource)).document
        except NotFoundError:
            raise S3RequestError("NoSuchBucketPolicy", "the bucket policy does not exist") from None

    async def _written(self, revision: int) -> HttpAnswer:
        """Answer a write once decisions here are made on it, so that the client's next request is, too."""
        try:
            await self._refresher.wait_for(revision)
        except UnavailableError:
            # It is written, whatever memory does; the revision tells the client what to wait for.
            self._log.warning("write_not_seen_yet", revision=revision)
        return HttpAnswer(204, {REVISION: str(revision)}, b"")

    # --- what S3 checks besides -----------------------------------------------------------------------------

    def _check_owner(self, admitted: _Admitted) -> None:
        expected = admitted.request.headers.get(EXPECTED_OWNER)
        if expected is not None and expected.strip() != self._account:
            raise S3RequestError(ACCESS_DENIED, ACCESS_DENIED_TEXT)

    def _check_lock_out(self, admitted: _Admitted, document: bytes) -> None:
        """Refuse a policy under which its author could not replace it, unless that is confirmed."""
        policy = compile_resource_policy(
            parse_policy(document, kind=RESOURCE_POLICY), arn=admitted.resource, version=1
        )
        if admitted.request.headers.get(CONFIRM_LOCK_OUT, "").strip().lower() == "true":
            return
        applying = self._authorizer.policies_for(admitted.entry, admitted.resource)
        proposed = compile_policy_set([policy], layer=Layer.RESOURCE_POLICY)
        after = as_applicable(applying).with_resource(proposed)
        if not decide(admitted.need, after).is_allowed:
            raise S3RequestError(
                "InvalidRequest",
                "under this policy you could not put it again; to mean it, send"
                f" `{CONFIRM_LOCK_OUT}: true`",
            )

    # --- refusals -------------------------------------------------------------------------------------------

    def _refuse(self, request: HttpRequest, error: AuthzError, proof: Proof | None) -> HttpAnswer:
        """Answer a request that proves or means nothing, or cannot be decided now."""
        code = _code_of(error)
        family = (
            self._metrics.authentication_failures
            if isinstance(error, UnauthenticatedError)
            else self._metrics.rejected_requests
        )
        family.inc((SURFACE, code))
        asked = Asked(SURFACE, proof.access_key_id if proof else "", request.source_ip)
        decision_id = self._authorizer.refuse(asked, code, request.path)
        return self._render_error(request, code, error.message, decision_id)

    def _render_error(
        self, request: HttpRequest, code: str, message: str, request_id: str
    ) -> HttpAnswer:
        return HttpAnswer(*self._mapping.refuse(request, code, message, request_id))


async def _take_body(admitted: _Admitted) -> bytes:
    """Return the body that the signature of an admitted request covers."""
    request, proof = admitted.request, admitted.proof
    assert proof is not None, "only who signs may write"
    body = await admitted.read_body()
    if body is None:
        raise S3RequestError("RequestTimeout", "the body did not arrive in time")
    if len(body) > BODY_LIMIT:
        raise S3RequestError("EntityTooLarge", f"a bucket policy has at most {BODY_LIMIT:,} bytes")
    if proof.payload_hash not in PAYLOAD_MARKERS:
        check_body(body, proof.payload_hash)
    request.body = body
    check_integrity(request, proof)
    return body


def _check_writer(admitted: _Admitted) -> None:
    """Refuse to let nobody in particular write, whatever a policy says: S3 does, and no signature covers it."""
    if admitted.entry.principal.kind is PrincipalKind.ANONYMOUS:
        raise S3RequestError("MethodNotAllowed", "only who signs may write a bucket policy")


def _code_of(error: AuthzError) -> str:
    """Return S3's code for an error: its own, or the one of the nearest class in the table."""
    if isinstance(error, UnauthenticatedError | S3RequestError):
        return error.code
    return next((_CODES[kind] for kind in type(error).__mro__ if kind in _CODES), "InvalidRequest")
