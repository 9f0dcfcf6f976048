"""What the methods about identity providers do once the gate is passed: keep them, and try logins out.

A write is answered when this replica asks the provider as it now says. Trying a login out goes the way of one
over STS, with the same limits against guessing, up to where something would be written: nobody becomes a user,
nobody gets a session. What was shown is in no answer, no error and no log.

Not here: how requests become values (`formats/admin_v1_providers.py`), what a proof is worth (`federation`),
what a login comes to (`control/login_outcomes.py`).
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol

from authz.access.entries import KeyEntry
from authz.clock import Clock
from authz.control.login_outcomes import LoginOutcomes
from authz.control.providers import Providers
from authz.errors import (
    AuthzError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
    UnavailableError,
    quote,
)
from authz.formats.admin_v1 import parse_status
from authz.formats.admin_v1_providers import (
    LoginProof,
    parse_kind,
    parse_proof,
    parse_provider_change,
    render_login,
    render_provider,
    render_refused_login,
)
from authz.identity.credential import Secret
from authz.identity.external import Login, LoginStep, ProviderKind, Trace
from authz.identity.principal import login_facts
from authz.identity.records import Provider, Status
from authz.serving.admin_fields import demand_spelling, parse_page
from authz.serving.federation import Federation
from authz.serving.login_limits import LoginLimits
from authz.telemetry.logs import get_logger
from authz.wire.authz.admin.v1 import provider_service_pb2 as wire

GUESSED: Final = frozenset({ProviderKind.LDAP, ProviderKind.WEBHOOK})
"""The kinds whose proofs people make up, and others may guess; as over STS (`sts_logins.py`)."""

UNUSABLE: Final = "the provider cannot be used as it is configured; see the log"
"""It is stored, and not live here (`federation/registry.py`)."""


class TriedFederation(Federation, Protocol):
    """The identity providers in use, where one can be asked by name about anybody's token."""

    async def try_token(
        self, token: str, *, access_token: str, provider: str, trace: Trace
    ) -> Login:
        """Return whom an ID token vouches for, if it is for this provider; `trace` hears what is not."""
        ...


class ProviderHandlers:
    """The methods of `ProviderService`."""

    def __init__(
        self,
        providers: Providers,
        outcomes: LoginOutcomes,
        federation: TriedFederation,
        limits: LoginLimits,
        wait_for: Callable[[int], Awaitable[None]],
        clock: Clock,
        account: str,
    ) -> None:
        """Take `limits` that STS has, too; `wait_for` returns when memory is at a revision."""
        self._providers = providers
        self._outcomes = outcomes
        self._federation = federation
        self._limits = limits
        self._wait_for = wait_for
        self._clock = clock
        self._account = account
        self._log = get_logger("serving")

    async def create_provider(
        self, request: wire.CreateProviderRequest, caller: KeyEntry
    ) -> wire.CreateProviderResponse:
        """Create a provider."""
        made = await self._providers.create(
            request.name,
            parse_kind(request.kind),
            request.config,
            secret=Secret(request.secret) if request.secret else None,
            description=request.description,
            status=parse_status(request.status, "status") or Status.ENABLED,
        )
        await self._settle("provider_created", made.value, made.revision, caller)
        return wire.CreateProviderResponse(
            provider=render_provider(made.value, self._account), revision=made.revision
        )

    async def get_provider(self, request: wire.GetProviderRequest) -> wire.GetProviderResponse:
        """Return a provider with its configuration."""
        provider = await self._get(request.name, "name")
        return wire.GetProviderResponse(provider=render_provider(provider, self._account))

    async def list_providers(
        self, request: wire.ListProvidersRequest
    ) -> wire.ListProvidersResponse:
        """Return a page of providers without their configurations."""
        page = await self._providers.list(**parse_page(request))
        return wire.ListProvidersResponse(
            providers=[
                render_provider(one, self._account, with_config=False) for one in page.items
            ],
            next_page_token=page.next_page_token,
        )

    async def update_provider(
        self, request: wire.UpdateProviderRequest, caller: KeyEntry
    ) -> wire.UpdateProviderResponse:
        """Change what the mask names."""
        change = parse_provider_change(request)
        await self._get(request.provider.name, "provider.name")
        made = await self._providers.update(request.provider.name, change)
        changed = sorted(request.update_mask.paths)
        await self._settle("provider_updated", made.value, made.revision, caller, changed=changed)
        provider = render_provider(made.value, self._account, with_config=change.config is not None)
        return wire.UpdateProviderResponse(provider=provider, revision=made.revision)

    async def delete_provider(
        self, request: wire.DeleteProviderRequest, caller: KeyEntry
    ) -> wire.DeleteProviderResponse:
        """Delete a provider that has nothing left."""
        await self._get(request.name, "name")
        made = await self._providers.delete(request.name)
        await self._settle("provider_deleted", made.value, made.revision, caller)
        return wire.DeleteProviderResponse(revision=made.revision)

    async def test_provider(
        self, request: wire.TestProviderRequest, caller: KeyEntry, source_ip: str
    ) -> wire.TestProviderResponse:
        """Try a login out; the answer tells each step."""
        provider = await self._get(request.name, "name")
        proof = parse_proof(request)
        if proof.kind is not provider.kind:
            raise InvalidError(
                f"provider {quote(provider.name)} is of kind {quote(provider.kind)}, which takes another proof",
                field="proof",
            )
        answer = await self._try_out(provider, proof, source_ip)
        self._log.info(
            "provider_tested",
            provider=provider.name,
            by=caller.acting.principal.arn,
            ok=answer.ok,
            user=answer.user_name,
            refusal=answer.refusal,
            source_ip=source_ip,
        )
        return answer

    async def _try_out(
        self, provider: Provider, proof: LoginProof, source_ip: str
    ) -> wire.TestProviderResponse:
        steps: list[LoginStep] = []
        if provider.status is Status.DISABLED:
            return render_refused_login(steps, "the provider is disabled", proof)
        try:
            login = await self._prove(provider.name, proof, source_ip, steps.append)
        except (UnauthenticatedError, UnavailableError) as error:
            return render_refused_login(steps, error.message, proof)
        except NotFoundError:
            return render_refused_login(steps, UNUSABLE, proof)
        outcome = await self._outcomes.find(login, self._clock.now())
        return render_login(steps, login, login_facts(login, self._account), outcome, proof)

    async def _prove(self, name: str, proof: LoginProof, source_ip: str, trace: Trace) -> Login:
        """Return whom the proof is of; too many that can be guessed raise `OverloadedError`."""
        is_guessed = proof.kind in GUESSED
        begin = self._limits.begin
        attempt = begin(proof.username, source_ip, provider=name) if is_guessed else None
        try:
            login = await self._take(name, proof, trace)
        except UnauthenticatedError:
            raise
        except AuthzError:
            # What nobody could tell counts for nothing.
            if attempt is not None:
                attempt.undo()
            raise
        if attempt is not None:
            attempt.succeed()
        return login

    async def _take(self, name: str, proof: LoginProof, trace: Trace) -> Login:
        federation = self._federation
        if proof.kind is ProviderKind.LDAP:
            return await federation.take_password(
                proof.username, proof.password, provider=name, trace=trace
            )
        if proof.kind is ProviderKind.CERTIFICATE:
            leaf, *others = proof.certificates
            return federation.take_certificate(leaf, others, provider=name, trace=trace)
        token = proof.token.reveal()
        if proof.kind is ProviderKind.WEBHOOK:
            return await federation.take_custom_token(token, provider=name, trace=trace)
        return await federation.try_token(
            token, access_token=proof.access_token.reveal(), provider=name, trace=trace
        )

    async def _settle(
        self, event: str, provider: Provider, revision: int, caller: KeyEntry, **more: object
    ) -> None:
        """Record a write, and wait until memory has it; the write stands where that takes too long."""
        self._log.info(
            event,
            provider=provider.name,
            kind=provider.kind.value,
            status=provider.status.value,
            by=caller.acting.principal.arn,
            revision=revision,
            **more,
        )
        with suppress(UnavailableError):
            await self._wait_for(revision)

    async def _get(self, name: str, field: str) -> Provider:
        provider = await self._providers.get(name)
        demand_spelling(name, provider.name, field)
        return provider
