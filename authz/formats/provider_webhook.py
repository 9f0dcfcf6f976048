"""The configuration of a provider of kind `webhook`, and what it answers: MinIO's identity-plugin contract.

`POST URL?token=TOKEN`; 200 with `{"user", "maxValiditySeconds", "claims"}` vouches for somebody, 403 with
`{"reason"}` refuses. The webhook speaks for whomever it likes, so what it says is read strictly: an answer that
is not exactly this is no answer.

Source: MinIO, "Identity management plugin" (`identity_plugin`). Not here: how it is asked
(`federation/webhook.py`), its authorization token, which is the provider's secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from authz.errors import ParseError
from authz.formats.provider_config import Members, refuse
from authz.identity.strict_json import ANSWER_PARTS, parse_object

TOKEN_PARAMETER: Final = "token"  # noqa: S105 - the name of one
VALIDITY_MIN: Final = 900
"""Fewest seconds a webhook may vouch for somebody (MinIO)."""
VALIDITY_MAX: Final = 31_536_000
"""Most seconds, 365 days (MinIO)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """Where the webhook is, and which of its claims names groups; an empty `ca_file` means the system's CAs."""

    url: str
    groups_claim: str = ""
    ca_file: str = ""
    insecure_http: bool = False

    def target(self, token: str) -> str:
        """Return the URL that asks about a token. It is a secret, as the token is."""
        separator = "&" if "?" in self.url else "?"
        return f"{self.url}{separator}{TOKEN_PARAMETER}={quote(token, safe='')}"


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """Whom the webhook vouches for, and for how many seconds from now; its claims besides."""

    user: str
    seconds: int
    claims: Mapping[str, Any] = field(default_factory=dict)


def parse_webhook_config(raw: Mapping[str, object]) -> WebhookConfig:
    """Read a configuration; raises `InvalidError` whose `field` is `config.MEMBER`."""
    members = Members(raw, [member.name for member in fields(WebhookConfig)])
    is_http_let = members.flag("insecure_http")
    url = members.url("url", is_http_let=is_http_let)
    if any(name == TOKEN_PARAMETER for name, _ in parse_qsl(urlsplit(url).query, True)):
        raise refuse("url", "has a parameter `token` of its own")
    return WebhookConfig(
        url=url,
        groups_claim=members.text("groups_claim", ""),
        ca_file=members.text("ca_file", ""),
        insecure_http=is_http_let,
    )


def parse_answer(body: bytes) -> WebhookAnswer:
    """Read an answer of status 200; raises `ParseError` without a word of it."""
    document = parse_object(body, parts_limit=ANSWER_PARTS)
    user, seconds = document.get("user"), document.get("maxValiditySeconds")
    claims = document.get("claims")
    if not document.keys() <= {"user", "maxValiditySeconds", "claims"}:
        raise ParseError("a member besides user, maxValiditySeconds and claims")
    if not isinstance(user, str) or not user:
        raise ParseError("user is not a text")
    if isinstance(seconds, bool) or not isinstance(seconds, int):
        raise ParseError("maxValiditySeconds is not a whole number")
    if not VALIDITY_MIN <= seconds <= VALIDITY_MAX:
        raise ParseError(f"maxValiditySeconds is not {VALIDITY_MIN} to {VALIDITY_MAX}")
    if claims is not None and not isinstance(claims, dict):
        raise ParseError("claims is not an object")
    return WebhookAnswer(user, seconds, claims or {})


def parse_reason(body: bytes) -> str:
    """Return why the webhook refuses, in its words, for administrators to see; empty if it does not say."""
    try:
        reason = parse_object(body, parts_limit=ANSWER_PARTS).get("reason")
    except ParseError:
        return ""
    return reason if isinstance(reason, str) else ""
