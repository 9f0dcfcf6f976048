"""Who a provider vouches for: what every way of logging in with somebody else's identities comes to.

A provider (OpenID Connect, LDAP, certificates, a webhook) turns a proof into one `ExternalIdentity`; what the
service makes of it is the same for all. It is called `PROVIDER=NAME` among our own users, whose names hold no
`=`, so nobody can be taken for somebody else.

Not here: how a proof is verified (`federation`), what its holder may do (`control`, `access`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from authz.policy.request import NO_FACTS, Values

EXTERNAL_NAME_LIMIT: Final = 1_024
"""Longest name of an external user or group, in bytes of UTF-8: a distinguished name is long."""
EXTERNAL_GROUPS: Final = 1_000
"""Most groups of an external identity that are taken notice of; one in more is refused, not cut."""


class ProviderKind(StrEnum):
    """How a provider vouches."""

    OIDC = "oidc"
    LDAP = "ldap"
    CERTIFICATE = "certificate"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalIdentity:
    """Somebody a provider vouches for.

    `name` is what the provider never gives to somebody else (an ID token's `sub`, a normalised distinguished
    name), compared by its characters; `display_name` is for people. `groups` are names in the provider,
    canonical and without repetition; `policies` are names of managed policies that the proof itself grants.
    `facts` are identity facts for conditions: lower-cased condition key → values. `tags` become session tags,
    those in `transitive` pass on. The proof was made at `issued_at`, where it says
    when, and ends at `expires_at` (epoch seconds; `None`: it does not).
    """

    name: str
    display_name: str = ""
    groups: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    facts: Mapping[str, Values] = field(default_factory=lambda: NO_FACTS)
    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()
    source_identity: str = ""
    issued_at: float | None = None
    expires_at: float | None = None
    issuer: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True)
class LoginStep:
    """One step of a login, for an administrator who wants to see where it fails: no secret is ever in it."""

    name: str
    is_ok: bool
    detail: str = ""


Trace = Callable[[LoginStep], None]
"""Hears of each step as it is taken."""


def no_trace(step: LoginStep) -> None:
    """Hear nothing."""
    del step


@dataclass(frozen=True, slots=True)
class Login:
    """A proof that a provider took: by which provider, and for whom."""

    provider_id: str
    provider_name: str
    kind: ProviderKind
    identity: ExternalIdentity
