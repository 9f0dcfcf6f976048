"""A webhook as a provider of identities: a token that only it understands → whom it vouches for.

For what speaks none of the other protocols. The token goes out in the URL, as MinIO's contract has it, so no
URL is ever logged or repeated. A webhook that refuses is believed at once; one that cannot be reached, or does
not answer as the contract says, vouches for nobody.

Not here: what it is asked and answers (`formats/provider_webhook.py`), connections (`outbound.py`).
"""

from dataclasses import replace
from typing import Final

from authz.clock import Clock
from authz.errors import (
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
    quote,
)
from authz.federation.outbound import Outbound, UnreachableError
from authz.formats.provider_webhook import (
    WebhookAnswer,
    WebhookConfig,
    parse_answer,
    parse_reason,
)
from authz.identity.claims import ClaimNames, read_claims, rejected
from authz.identity.credential import Secret
from authz.identity.external import ExternalIdentity, LoginStep, Trace, no_trace

TOKEN_LIMIT: Final = 8_192
"""Longest token, in characters: it has to fit into a URL that servers still take."""
ANSWER_LIMIT: Final = 64 * 1024
"""Longest answer in bytes: as the claims of a session are."""
IN_FLIGHT: Final = 32
"""Tokens asked about at a time, of one provider; anybody may send some."""


class WebhookProvider:
    """Vouches for whom one webhook vouches for."""

    def __init__(
        self,
        name: str,
        config: WebhookConfig,
        secret: Secret | None,
        outbound: Outbound,
        clock: Clock,
    ) -> None:
        """Ask the webhook of `config` through `outbound`; `secret`, if any, is the header it wants."""
        self.name = name
        self._config = config
        self._secret = secret
        self._outbound = outbound
        self._clock = clock
        self._in_flight = 0

    async def verify(self, token: str, trace: Trace = no_trace) -> ExternalIdentity:
        """Return whom the webhook takes the holder of `token` for.

        Raises `UnauthenticatedError` (`InvalidIdentityToken`, `AccessDenied`, `IDPRejectedClaim`),
        `UnavailableError` when there is no usable answer, `OverloadedError` when too many are waited for.
        """
        if not token or len(token) > TOKEN_LIMIT or not token.isascii() or not token.isprintable():
            raise UnauthenticatedError(
                "InvalidIdentityToken",
                f"the token is not 1 to {TOKEN_LIMIT} printable characters of ascii",
            )
        if self._in_flight >= IN_FLIGHT:
            raise OverloadedError("too many tokens are being asked about")
        # The time its answer speaks of began no later than this.
        asked_at = self._clock.now()
        self._in_flight += 1
        try:
            answer = await self._ask(token, trace)
        except UnavailableError as error:
            trace(LoginStep("request", is_ok=False, detail=error.message))
            raise
        finally:
            self._in_flight -= 1
        identity = self._identify(answer, asked_at, trace)
        trace(LoginStep("identity", is_ok=True, detail=quote(identity.name)))
        return identity

    async def close(self) -> None:
        """Give up the connections to the webhook."""
        await self._outbound.close()

    async def _ask(self, token: str, trace: Trace) -> WebhookAnswer:
        headers = {"authorization": self._secret.reveal()} if self._secret else {}
        fetched = await self._outbound.fetch(
            self._config.target(token), method="POST", headers=headers, body_limit=ANSWER_LIMIT
        )
        trace(LoginStep("request", is_ok=True, detail=f"status {fetched.status}"))
        if fetched.status == 403:
            trace(LoginStep("answer", is_ok=False, detail=quote(parse_reason(fetched.body))))
            raise UnauthenticatedError("AccessDenied", "the identity provider refuses the token")
        if fetched.status != 200:
            raise UnreachableError(f"status {fetched.status}")
        try:
            answer = parse_answer(fetched.body)
        except ParseError as error:
            trace(LoginStep("answer", is_ok=False, detail=error.message))
            raise UnreachableError("not as the contract says") from None
        trace(LoginStep("answer", is_ok=True))
        return answer

    def _identify(self, answer: WebhookAnswer, asked_at: float, trace: Trace) -> ExternalIdentity:
        try:
            if answer.claims.get("sub", answer.user) != answer.user:
                raise rejected("the claim `sub` is another than the user")
            identity = read_claims(
                {**answer.claims, "sub": answer.user},
                ClaimNames(groups=self._config.groups_claim),
                issuer="",
                audience="",
                expires_at=asked_at + answer.seconds,
            )
        except UnauthenticatedError as error:
            trace(LoginStep("identity", is_ok=False, detail=error.message))
            raise
        # It has no issuer, so there are no claims of that issuer, as AWS names them.
        facts = {key: each for key, each in identity.facts.items() if key.startswith("jwt:")}
        return replace(identity, facts=facts)
