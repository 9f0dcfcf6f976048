"""Sessions on the word of an identity provider, in STS's words: AWS's web identity, and MinIO's further ways.

Nobody signs these requests: the proof is a token, a password, or the certificate of the connection. MinIO's
clients send them as a form or in the query; both are read, and the proof is in neither case shown again. With
the ARN of a role of ours the session is that role's; without one, or with an ARN of MinIO's, it is of whom the
provider vouches for.

Where several providers of a kind are there, `ProviderId` names the one that is meant, as MinIO's `RoleArn`
does for a webhook (`arn:minio:iam:…:role/idmp-NAME`).

Sources: AWS STS API reference, `AssumeRoleWithWebIdentity`; MinIO, "Security Token Service". Not here: what a
proof is worth (`federation`), and who gets what (`serving/sts_logins.py`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from authz.formats import aws_query
from authz.formats.aws_query import Parameters, QueryError, Tree
from authz.formats.sts_parameters import (
    NAMESPACE,
    render_credentials,
    take_duration,
    take_policies,
    take_role_arn,
)
from authz.identity.credential import Secret
from authz.identity.external import Login
from authz.policy.request import Principal, Values

WEB_IDENTITY: Final = "AssumeRoleWithWebIdentity"
CLIENT_GRANTS: Final = "AssumeRoleWithClientGrants"
LDAP_IDENTITY: Final = "AssumeRoleWithLDAPIdentity"
CERTIFICATE: Final = "AssumeRoleWithCertificate"
CUSTOM_TOKEN: Final = "AssumeRoleWithCustomToken"  # noqa: S105 - an action, no token

PROVIDER_LIMIT: Final = 2_048
"""Longest `ProviderId`, in characters (AWS)."""
_OF_A_WEBHOOK: Final = re.compile(r"arn:minio:iam:[^:]*:[^:]*:role/idmp-(.+)")
"""What MinIO calls the one role of a webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginRequest:
    """One of these operations: the proof, and what is asked for as in `AssumeRole`.

    `token` is an ID token or a webhook's, `access_token` what goes to the userinfo endpoint with it; `username`
    and `secret` are for a directory. A certificate is not in the request. `provider` names the one that is
    meant, empty where the proof says it. `facts` are condition values, but for the duration.
    """

    action: str
    token: Secret = field(default_factory=lambda: Secret(""))
    access_token: Secret = field(default_factory=lambda: Secret(""))
    username: str = field(default="", repr=False)
    secret: Secret = field(default_factory=lambda: Secret(""))
    provider: str = ""
    role_arn: str = ""
    duration: int | None = None
    policy: str = ""
    policy_names: tuple[str, ...] = ()
    name: str = ""
    facts: Mapping[str, Values]


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredentials:
    """A session as it is shown; `expires_at` in epoch seconds, `packed_percent` of the room in a token."""

    access_key_id: str
    secret: Secret
    token: str = field(repr=False)
    expires_at: float
    packed_percent: int


def render_login(
    asked: LoginRequest,
    login: Login,
    principal: Principal,
    issued: IssuedCredentials,
    request_id: str,
) -> bytes:
    """Render a session of `principal`, which is the session itself where it is a role's."""
    credentials = render_credentials(
        issued.access_key_id, issued.secret.reveal(), issued.token, issued.expires_at
    )
    result: dict[str, str | Tree] = {"Credentials": credentials}
    identity = login.identity
    if asked.action in _SHOWN:
        result[_SHOWN[asked.action]] = identity.name
        result["Provider"] = identity.issuer
        result["Audience"] = identity.audience
    if asked.action in _SHOWN or asked.role_arn:
        own_id = f"{principal.id}:{asked.name or issued.access_key_id}"
        result["AssumedRoleUser"] = {
            "AssumedRoleId": principal.id if asked.role_arn else own_id,
            "Arn": principal.arn,
        }
        result["PackedPolicySize"] = str(issued.packed_percent)
    if asked.action == CUSTOM_TOKEN:
        result["AssumedUser"] = identity.name
    if identity.source_identity and asked.role_arn:
        result["SourceIdentity"] = identity.source_identity
    return aws_query.render_answer(NAMESPACE, asked.action, result, request_id)


_SHOWN: Final = {
    WEB_IDENTITY: "SubjectFromWebIdentityToken",
    CLIENT_GRANTS: "SubjectFromToken",
}
"""The operations whose answer tells whose token it was, and under which name."""


class _Common:
    """What all of these operations take; taken at once, so that none is forgotten."""

    def __init__(self, action: str, parameters: Parameters, account: str) -> None:
        self.action = action
        arn = parameters.take("RoleArn")
        named = _OF_A_WEBHOOK.fullmatch(arn or "")
        self.webhook = named[1] if named else ""
        self.role_arn = take_role_arn(Parameters({} if arn is None else {"RoleArn": arn}))
        self.name = parameters.take("RoleSessionName") or ""
        if self.role_arn and not self.name:
            raise QueryError("MissingParameter", "the parameter `RoleSessionName` is missing")
        self.policy, self.policy_names = take_policies(parameters, account)
        self.duration = take_duration(parameters)
        self.provider = parameters.take("ProviderId") or ""
        if len(self.provider) > PROVIDER_LIMIT:
            raise QueryError(
                "ValidationError", f"`ProviderId` has at most {PROVIDER_LIMIT:,} characters"
            )

    def request(
        self,
        *,
        token: str = "",
        access_token: str = "",
        username: str = "",
        secret: str = "",
        provider: str = "",
    ) -> LoginRequest:
        """Return the request with this proof."""
        return LoginRequest(
            action=self.action,
            token=Secret(token),
            access_token=Secret(access_token),
            username=username,
            secret=Secret(secret),
            provider=self.provider or provider,
            role_arn=self.role_arn,
            duration=self.duration,
            policy=self.policy,
            policy_names=self.policy_names,
            name=self.name,
            facts={"sts:rolesessionname": (self.name,)} if self.name else {},
        )


def _parse_web_identity(parameters: Parameters, account: str) -> LoginRequest:
    # MinIO takes either name for either.
    tokens = [parameters.take(name) for name in ("WebIdentityToken", "Token")]
    token = _one("WebIdentityToken", [token for token in tokens if token])
    access_token = parameters.take("WebIdentityAccessToken") or ""
    common = _Common(WEB_IDENTITY, parameters, account)
    return common.request(token=token, access_token=access_token)


def _parse_client_grants(parameters: Parameters, account: str) -> LoginRequest:
    token = _one("Token", [token for token in [parameters.take("Token")] if token])
    return _Common(CLIENT_GRANTS, parameters, account).request(token=token)


def _parse_ldap_identity(parameters: Parameters, account: str) -> LoginRequest:
    username, password = (parameters.take(name) for name in ("LDAPUsername", "LDAPPassword"))
    for name, value in (("LDAPUsername", username), ("LDAPPassword", password)):
        _one(name, [value] if value else [])
    common = _Common(LDAP_IDENTITY, parameters, account)
    return common.request(username=username or "", secret=password or "")


def _parse_certificate(parameters: Parameters, account: str) -> LoginRequest:
    return _Common(CERTIFICATE, parameters, account).request()


def _parse_custom_token(parameters: Parameters, account: str) -> LoginRequest:
    token = _one("Token", [token for token in [parameters.take("Token")] if token])
    common = _Common(CUSTOM_TOKEN, parameters, account)
    return common.request(token=token, provider=common.webhook)


def _one(name: str, values: list[str]) -> str:
    if not values:
        raise QueryError("MissingParameter", f"the parameter `{name}` is missing")
    if len(values) > 1:
        raise QueryError("MalformedInput", "there are two tokens")
    return values[0]


LOGIN_PARSERS: Final[Mapping[str, Callable[[Parameters, str], LoginRequest]]] = {
    WEB_IDENTITY: _parse_web_identity,
    CLIENT_GRANTS: _parse_client_grants,
    LDAP_IDENTITY: _parse_ldap_identity,
    CERTIFICATE: _parse_certificate,
    CUSTOM_TOKEN: _parse_custom_token,
}
"""Action → how its parameters are read."""
