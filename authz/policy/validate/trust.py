"""Checks of whom a role trusts on the word of an identity provider.

What a provider vouches for asks by the actions of its kind of login, and only a statement that names the
provider lets it in (`decide_federated_trust`). Sources: AWS, "Creating a role for OpenID Connect federation"
(name the audience and who is meant), "IAM JSON policy elements: Principal", web identity sessions; MinIO,
"Security Token Service", for the other logins. Not here: principals of other kinds (`principals.py`).
"""

import re
from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.catalog import KeyType, find_key
from authz.policy.conditions import NULL
from authz.policy.model import Condition
from authz.policy.request import fold_key
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.view import PolicyKind, PolicyView, StatementView, listed

NO_PROVIDER: Final = Check(
    "AZ410", Severity.ERROR, "a `Federated` principal that is not the ARN of a provider"
)
NO_LOGIN: Final = Check(
    "AZ411",
    Severity.WARNING,
    "a provider that is trusted with `sts:AssumeRole`, which no login asks for",
)
WHOLE_PROVIDER: Final = Check(
    "AZ412", Severity.SECURITY, "a role for everybody whom a provider vouches for"
)
LOGIN_OF_NO_PROVIDER: Final = Check(
    "AZ413", Severity.ERROR, "a login allowed to principals that name no provider"
)

CHECKS: Final = (NO_PROVIDER, NO_LOGIN, WHOLE_PROVIDER, LOGIN_OF_NO_PROVIDER)

LOGINS: Final = frozenset({
    "sts:assumerolewithwebidentity",
    "sts:assumerolewithclientgrants",
    "sts:assumerolewithldapidentity",
    "sts:assumerolewithcertificate",
    "sts:assumerolewithcustomtoken",
})  # fmt: skip
"""What is asked with a proof of a provider, in lower case."""

_PROVIDER: Final = re.compile(
    r"arn:aws:iam::[0-9]{12}:(?:oidc-provider/.+|identity-provider/[a-z0-9][a-z0-9._-]{0,62})"
)
_OF_LOGINS: Final = ("jwt:", "ldap:", "aws:principaltag/", "aws:requesttag/")
_SOURCES: Final = frozenset({"aws:sourceidentity", "sts:sourceidentity"})
_OF_ALL: Final = frozenset({"jwt:iss", "jwt:iat", "jwt:exp"})
"""What a provider says of everybody alike."""


def check_trust(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about providers as principals."""
    for one in view.statements:
        principal = one.source.principal
        if principal is None:
            continue
        place = f"{one.place}.{'NotPrincipal' if principal.negated else 'Principal'}"
        federated = [ids for kind, ids in principal.ids if kind == "Federated"]
        for ids in federated:
            yield from _check_arns(ids, f"{place}.Federated")
        if view.kind is not PolicyKind.TRUST or not one.is_allow:
            continue
        if federated and not principal.negated:
            yield from _check_logins(one, place)
        else:
            yield from _check_unvouched(one)


def is_of_logins(one: StatementView) -> bool:
    """Tell whether a statement is about nothing but logins with a provider's proof."""
    return bool(one.source.actions) and all(a.lower() in LOGINS for a in one.source.actions)


def _check_arns(ids: tuple[str, ...], place: str) -> Iterator[Finding]:
    for where, text in listed(ids, place):
        if not _PROVIDER.fullmatch(text):
            yield NO_PROVIDER.at(
                where,
                f"no provider here is called {quote(text)}",
                "write `arn:aws:iam::ACCOUNT:oidc-provider/ISSUER` (without `https://`), or"
                " `…:identity-provider/NAME` for one that has no issuer",
            )


def _check_logins(one: StatementView, place: str) -> Iterator[Finding]:
    for where, pattern in one.listed_actions():
        if pattern.lower() == "sts:assumerole":
            yield NO_LOGIN.at(
                where,
                "who has nothing but a provider's word does not ask for `sts:AssumeRole`",
                "write the login: `sts:AssumeRoleWithWebIdentity`, `…WithLDAPIdentity`,"
                " `…WithCertificate`, `…WithCustomToken`",
            )
    if not any(map(_tells_who, one.source.conditions)):
        yield WHOLE_PROVIDER.at(
            place,
            "everybody whom the provider vouches for may have this role",
            "say for whom it is: a condition on `ISSUER:aud` and `ISSUER:sub`, `jwt:CLAIM` or `ldap:ATTRIBUTE`",
        )


def _tells_who(condition: Condition) -> bool:
    """Tell whether a condition is on what the provider says of somebody."""
    folded = fold_key(condition.key)
    if condition.operator == NULL or folded in _OF_ALL:
        return False
    if folded.startswith(_OF_LOGINS) or folded in _SOURCES:
        return True
    # What is left of any type are the claims of an issuer.
    key = find_key(folded)
    return key is not None and key.type is KeyType.ANY and not folded.endswith(":iss")


def _check_unvouched(one: StatementView) -> Iterator[Finding]:
    for where, pattern in one.listed_actions():
        if pattern.lower() in LOGINS:
            yield LOGIN_OF_NO_PROVIDER.at(
                where,
                f"{quote(pattern)} is for whom a provider vouches, and no provider is named",
                'name it: `"Principal": {"Federated": "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER"}`',
            )
