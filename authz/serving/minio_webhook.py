"""An existing MinIO server asks, for each of its requests, whether it may go on (its access management plugin).

MinIO has proved who signs; who that is among ours, and what it may do, is decided here. A credential that
MinIO derived (a service account, a session) acts as its parent, narrowed by its own policy: MinIO lets the
holder of a credential choose the access key id of a new one, so the id alone would make anybody of anyone. Root
is only who is root on both sides (docs/decisions/0023).

Not here: what MinIO sends (`formats/minio_webhook.py`), and what all callers with a token have in common
(`token_surface.py`).
"""

import json
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Final

from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.narrowing import Narrowing
from authz.access.policies import Policies
from authz.clock import Clock
from authz.formats.authz_v1 import PrincipalBy, PrincipalRef
from authz.formats.minio_webhook import MinioQuestion, parse_question, render_answer
from authz.identity.credential import Secret
from authz.identity.http import HttpRequest
from authz.policy.decision import PRINCIPAL_DISABLED, PRINCIPAL_UNKNOWN, Decision
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind
from authz.serving.http_surface import HttpAnswer, ReadBody
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.token_surface import MethodNotAllowedError, TokenSurface
from authz.telemetry.metrics import Metrics

SURFACE: Final = "minio_webhook"


class MinioWebhook(TokenSurface):
    """Answers MinIO."""

    def __init__(
        self,
        token: Secret,
        refs: PrincipalRefs,
        policies: Policies,
        authorizer: Authorizer,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """Answer who presents `token`, which is MinIO's `MINIO_POLICY_PLUGIN_AUTH_TOKEN`."""
        super().__init__(SURFACE, token, refs, authorizer, metrics)
        self._policies = policies
        self._clock = clock
        self._authorize_seconds = metrics.authorize_seconds.child(SURFACE)

    async def _answer(
        self, request: HttpRequest, read_body: ReadBody, started: float
    ) -> HttpAnswer:
        del started
        self._prove(request.headers.get("authorization", ""))
        if request.method != "POST":
            raise MethodNotAllowedError("POST")
        question = parse_question(await self._read(read_body))
        keys = await self._find(question)
        # From here on nothing awaits: one state for all.
        age = self._authorizer.check_age()
        decided = perf_counter()
        is_allowed = self._decide(request, question, keys, age)
        self._authorize_seconds.observe(perf_counter() - decided)
        return _json(200, render_answer(is_allowed=is_allowed))

    async def _find(self, question: MinioQuestion) -> Sequence[KeyEntry]:
        """Return the credentials of ours, of one owner, that all have to allow; none for a stranger."""
        own = PrincipalRef(PrincipalBy.ACCESS_KEY_ID, question.account)
        derived = question.derived
        parent = own._replace(value=derived.parent) if derived else own
        found = await self._load(dict.fromkeys((parent, own)))
        keys = [entry for entry in found.values() if isinstance(entry, KeyEntry)]
        if not isinstance(found[parent], KeyEntry):
            return ()
        if len({key.owner.principal.id for key in keys}) > 1:
            # Somebody gave a credential of theirs the access key id of somebody else.
            return ()
        is_root = keys[0].owner.principal.kind is PrincipalKind.ROOT
        return () if is_root and not question.is_root else keys

    def _decide(
        self, request: HttpRequest, question: MinioQuestion, keys: Sequence[KeyEntry], age: float
    ) -> bool:
        source = question.server.get("aws:sourceip", (request.source_ip,))[0]
        asked = Asked(SURFACE, question.account, source)
        if not keys:
            ref = PrincipalRef(PrincipalBy.ACCESS_KEY_ID, question.account)
            return self._refuse_principal(
                PRINCIPAL_UNKNOWN, self._refs.stranger(ref), question, asked, age
            )
        principal = keys[0].acting.principal
        if not all(key.is_enabled for key in keys):
            return self._refuse_principal(PRINCIPAL_DISABLED, principal, question, asked, age)
        entries, needs = self._acting(question, keys), self._needs(question, principal)
        if question.is_deny_only and all(entry.own is None for entry in entries):
            return self._authorizer.find_deny(entries[0], needs, asked, age) is None
        return all(
            self._authorizer.authorize(entry, needs, asked, age).decision.is_allowed
            for entry in entries
        )

    def _refuse_principal(
        self,
        decision: Decision,
        principal: Principal,
        question: MinioQuestion,
        asked: Asked,
        age: float,
    ) -> bool:
        need = self._needs(question, principal)[0]
        return self._authorizer.conclude(decision, need, asked, age).decision.is_allowed

    def _acting(self, question: MinioQuestion, keys: Sequence[KeyEntry]) -> list[UserEntry]:
        """Return what decisions are made for: everything that narrows, or else the owner of the credentials."""
        narrowed = [key.acting for key in keys if key.is_narrowed]
        derived = question.derived
        if derived is not None and derived.document:
            own = Narrowing(self._policies, derived.layer, (derived.document,))
            narrowed.append(keys[0].owner.derived(own, keys[0].acting.principal))
        return narrowed or [keys[0].acting]

    def _needs(self, question: MinioQuestion, principal: Principal) -> list[AccessRequest]:
        """Return what is asked, with the facts that a client may have made up and, if any, without them."""
        now, doubtful = self._clock.now(), question.doubtful
        return [
            AccessRequest(
                principal,
                check.action,
                check.resource,
                Context(principal.facts, question.server, facts, now),
                is_prefix=check.is_prefix,
            )
            for check in question.checks
            for facts in ([check.facts, {**check.facts, **doubtful}] if doubtful else [check.facts])
        ]

    def _render_error(
        self,
        request: HttpRequest,
        status: int,
        code: str,
        message: str,
        headers: Mapping[str, str],
    ) -> HttpAnswer:
        # MinIO looks at no status: an object without `result` is a no to it.
        document = json.dumps({"code": code, "message": message}).encode()
        answer = _json(status, document)
        return answer._replace(headers={**answer.headers, **headers})


def _json(status: int, body: bytes) -> HttpAnswer:
    headers = {"content-type": "application/json", "cache-control": "no-store"}
    return HttpAnswer(status, headers, body)
