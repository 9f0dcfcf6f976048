"""`authz.admin.v1` messages about identity providers ↔ the values of the control plane.

A secret comes in and never goes out. A configuration leaves only in the answer to a call that is allowed to
read it, or back to who has just written it. Proofs that are tried out become values whose `repr` shows none of
them, and what is told about a login is searched for them: a webhook may say what it was asked.

Not here: what a configuration says (`provider_configs.py`), how a proof is verified (`federation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from authz.control.login_outcomes import LoginOutcome
from authz.control.providers import ProviderChange
from authz.errors import AuthzError, InvalidError
from authz.formats.admin_v1 import (
    STATUSES,
    parse_changed_status,
    parse_mask,
    render_attachment,
    render_time,
)
from authz.formats.provider_configs import parse_config
from authz.formats.provider_oidc import OidcConfig
from authz.identity.credential import Secret
from authz.identity.external import Login, LoginStep, ProviderKind
from authz.identity.records import Provider, Status
from authz.policy.arn import identity_provider_arn, oidc_provider_arn
from authz.policy.request import Values
from authz.wire.authz.admin.v1 import provider_service_pb2 as wire

CERTIFICATES: Final = 9
"""Most certificates of a proof: the client's, and eight that may lead from it to the CA."""
PEM_LIMIT: Final = 256 * 1024
"""Longest PEM of a proof, in characters."""
WINDOW: Final = 12
"""So many characters of a proof in a row are not shown."""
WITHHELD: Final = "(not shown: it holds a part of the proof)"

_CHANGEABLE: Final = frozenset({"status", "config", "description", "secret"})
KINDS: Final[Mapping[ProviderKind, wire.ProviderKind]] = {
    ProviderKind.OIDC: wire.PROVIDER_KIND_OIDC,
    ProviderKind.LDAP: wire.PROVIDER_KIND_LDAP,
    ProviderKind.CERTIFICATE: wire.PROVIDER_KIND_CERTIFICATE,
    ProviderKind.WEBHOOK: wire.PROVIDER_KIND_WEBHOOK,
}
_KINDS: Final[Mapping[int, ProviderKind]] = {number: kind for kind, number in KINDS.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginProof:
    """What somebody shows to a provider of this `kind`; certificates (DER) begin with the client's."""

    kind: ProviderKind
    token: Secret = field(default_factory=lambda: Secret(""))
    access_token: Secret = field(default_factory=lambda: Secret(""))
    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    certificates: tuple[bytes, ...] = ()

    def hide(self, text: str) -> str:
        """Return `text`, or that it is not shown where it holds a part of what must stay secret."""
        secrets = (self.token, self.access_token, self.password)
        return WITHHELD if any(_holds(text, one.reveal()) for one in secrets) else text


# --- requests → values ---


def parse_kind(number: int) -> ProviderKind:
    """Return the kind that a request names; raises `InvalidError`."""
    if number not in _KINDS:
        raise InvalidError("say of which kind it is", field="kind")
    return _KINDS[number]


def parse_provider_change(message: wire.UpdateProviderRequest) -> ProviderChange:
    """Read an `UpdateProviderRequest`."""
    paths = parse_mask(message.update_mask, _CHANGEABLE)
    provider = message.provider
    if message.secret and "secret" not in paths:
        raise InvalidError("a secret is given that the mask does not name", field="secret")
    return ProviderChange(
        status=parse_changed_status(provider.status, "provider.status")
        if "status" in paths
        else None,
        config=provider.config if "config" in paths else None,
        description=provider.description if "description" in paths else None,
        secret=Secret(message.secret) if "secret" in paths else None,
    )


def parse_proof(message: wire.TestProviderRequest) -> LoginProof:
    """Read what a `TestProviderRequest` shows; raises `InvalidError`, which repeats none of it."""
    if message.HasField("token"):
        return LoginProof(
            kind=ProviderKind.OIDC,
            token=_needed(message.token.id_token, "token.id_token"),
            access_token=Secret(message.token.access_token),
        )
    if message.HasField("password"):
        if not message.password.username:
            raise InvalidError("it is empty", field="password.username")
        return LoginProof(
            kind=ProviderKind.LDAP,
            username=message.password.username,
            password=_needed(message.password.password, "password.password"),
        )
    if message.HasField("client_certificate"):
        chain = _parse_chain(message.client_certificate)
        return LoginProof(kind=ProviderKind.CERTIFICATE, certificates=chain)
    if message.HasField("custom_token"):
        return LoginProof(
            kind=ProviderKind.WEBHOOK, token=_needed(message.custom_token, "custom_token")
        )
    raise InvalidError("say what is to be tried out", field="proof")


def _needed(text: str, where: str) -> Secret:
    if not text:
        raise InvalidError("it is empty", field=where)
    return Secret(text)


def _parse_chain(pem: str) -> tuple[bytes, ...]:
    if len(pem) > PEM_LIMIT:
        raise InvalidError(
            f"certificates have at most {PEM_LIMIT:,} characters", field="client_certificate"
        )
    try:
        chain = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:  # `UnicodeEncodeError` is one
        raise InvalidError("it is not certificates in PEM", field="client_certificate") from None
    if len(chain) > CERTIFICATES:
        raise InvalidError(
            f"there are at most {CERTIFICATES} certificates", field="client_certificate"
        )
    return tuple(one.public_bytes(Encoding.DER) for one in chain)


def _holds(text: str, secret: str) -> bool:
    if len(secret) <= WINDOW:
        return secret != "" and secret in text
    return any(text[at : at + WINDOW] in secret for at in range(len(text) - WINDOW + 1))


# --- records → messages ---


def render_provider(provider: Provider, account: str, *, with_config: bool = True) -> wire.Provider:
    """Write a provider of `account`, with its configuration for those who may see it, never with a secret."""
    return wire.Provider(
        name=provider.name,
        id=provider.id,
        arn=identity_provider_arn(account, provider.name),
        federated_arn=_federated_arn(provider, account),
        kind=KINDS[provider.kind],
        status=STATUSES[provider.status],
        config=provider.config if with_config else "",
        description=provider.description,
        has_secret=provider.has_secret,
        create_time=render_time(provider.created_at),
        update_time=render_time(provider.updated_at),
    )


def _federated_arn(provider: Provider, account: str) -> str:
    """Return what trust policies call it (`identity/principal.py`), empty where that cannot be known."""
    try:
        config = parse_config(provider.kind, provider.config)
    except AuthzError:
        return ""
    if isinstance(config, OidcConfig):
        return oidc_provider_arn(account, config.issuer.removeprefix("https://"))
    return identity_provider_arn(account, provider.name)


def render_refused_login(
    steps: Sequence[LoginStep], refusal: str, proof: LoginProof
) -> wire.TestProviderResponse:
    """Write how a login failed whose proof was not taken."""
    told = _render_steps(steps, proof)
    if not told or told[-1].ok:
        told.append(wire.LoginStep(name="login", ok=False, detail=proof.hide(refusal)))
    return wire.TestProviderResponse(steps=told, refusal=proof.hide(refusal))


def render_login(
    steps: Sequence[LoginStep],
    login: Login,
    facts: Mapping[str, Values],
    outcome: LoginOutcome,
    proof: LoginProof,
) -> wire.TestProviderResponse:
    """Write what a login comes to whose proof was taken; `facts` are the condition values that it gives."""
    identity = login.identity
    return wire.TestProviderResponse(
        steps=_render_steps(steps, proof),
        ok=not outcome.refusal,
        refusal=outcome.refusal,
        external_name=identity.name,
        user_name=outcome.user_name,
        display_name=identity.display_name,
        user=_render_user(outcome),
        external_groups=identity.groups,
        group_names=outcome.group_names,
        facts=[
            wire.LoginFact(key=key, values=[proof.hide(value) for value in facts[key]])
            for key in sorted(facts)
        ],
        granted_policies=outcome.granted,
        missing_policies=outcome.missing,
        attachments=[render_attachment(one) for one in outcome.attachments],
        expire_time=None if identity.expires_at is None else render_time(identity.expires_at),
    )


def _render_steps(steps: Sequence[LoginStep], proof: LoginProof) -> list[wire.LoginStep]:
    return [
        wire.LoginStep(name=step.name, ok=step.is_ok, detail=proof.hide(step.detail))
        for step in steps
    ]


def _render_user(outcome: LoginOutcome) -> wire.LoginUser:
    if outcome.user is None:
        return wire.LOGIN_USER_NEW
    if outcome.user.status is Status.DISABLED:
        return wire.LOGIN_USER_DISABLED
    if outcome.user.absent_since is not None:
        return wire.LOGIN_USER_ABSENT
    return wire.LOGIN_USER_KNOWN
