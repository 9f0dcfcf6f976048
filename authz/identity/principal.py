"""From stored records to the principal that policies see, with its identity facts.

The only place that fills the `aws:` keys about who acts. AWS's user guide ("Global condition keys", properties
of the principal) gives the names; `aws:groups` is MinIO's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from authz.identity.external import Login, ProviderKind
from authz.identity.records import AccessKey, Group, Role, Status, User, fold_name
from authz.identity.session import Session
from authz.policy.arn import (
    assumed_role_arn,
    identity_provider_arn,
    oidc_provider_arn,
    role_arn,
    root_arn,
    user_arn,
)
from authz.policy.principals import FEDERATED_KEY
from authz.policy.request import NO_FACTS, Principal, PrincipalKind, Values

ANONYMOUS: Final = Principal(
    arn="", kind=PrincipalKind.ANONYMOUS, account="", id="anonymous", name="", facts=NO_FACTS
)
"""Whoever presents no proof: `aws:PrincipalType` is not set either, as no identity was established."""

TAG_PREFIX: Final = "aws:principaltag/"
"""What the condition key of a principal's tag begins with, as it is looked up."""

SOURCE_IDENTITY: Final = "aws:sourceidentity"
"""Who stands behind a role's session, through all roles that are assumed one by the other."""

_SERVICES: Final = frozenset({"aws", "iam", "s3", "sts", "svc", "kms", "admin", "authz"})
"""What the condition keys of services begin with."""

_OF_THE_PARENT: Final = frozenset(
    {
        "aws:username",
        "aws:userid",
        "aws:principalarn",
        "aws:principaltype",
        "aws:principalaccount",
        "aws:groups",
        "aws:tokenissuetime",
    }
)
"""The facts that say who acts, and since when; only a session has the last, and not from itself."""


def user_principal(user: User, groups: Iterable[Group], account: str) -> Principal:
    """Return the principal of a user in its enabled `groups`; disabled groups are no fact about it."""
    arn = user_arn(account, user.name)
    facts: dict[str, Values] = {
        "aws:username": (user.name,),
        **_common_facts(arn, PrincipalKind.USER, account, user.id),
        **{TAG_PREFIX + key: (value,) for key, value in user.tags.items()},
    }
    names = tuple(group.name for group in groups if group.status is Status.ENABLED)
    if names:
        facts["aws:groups"] = names
    return Principal(
        arn=arn, kind=PrincipalKind.USER, account=account, id=user.id, name=user.name, facts=facts
    )


def root_principal(account: str) -> Principal:
    """Return the principal of the root credential; its user id is the account id, and it has no user name."""
    arn = root_arn(account)
    return Principal(
        arn=arn,
        kind=PrincipalKind.ROOT,
        account=account,
        id=account,
        name="root",
        facts=_common_facts(arn, PrincipalKind.ROOT, account, account),
    )


def role_principal(role: Role, account: str) -> Principal:
    """Return the principal that all sessions of a role have in common; nobody acts as it.

    `aws:PrincipalArn` is the role's ARN, also of a session (AWS), and there is no `aws:username`.
    """
    arn = role_arn(account, role.name)
    return Principal(
        arn=arn,
        kind=PrincipalKind.ASSUMED_ROLE,
        account=account,
        id=role.id,
        name=role.name,
        facts={
            **_common_facts(arn, PrincipalKind.ASSUMED_ROLE, account, role.id),
            **{TAG_PREFIX + key: (value,) for key, value in role.tags.items()},
        },
        role=arn,
    )


def key_principal(owner: Principal, key: AccessKey) -> Principal:
    """Return the principal of an access key of `owner`: the owner, with what the key's maker's login said.

    What is known of the owner wins, and who acts is never said by a key.
    """
    if not key.facts:
        return owner
    return replace(owner, facts={**_said(key.facts, owner.facts), **owner.facts})


def session_principal(parent: Principal, session: Session) -> Principal:
    """Return the principal of a session of `parent`: the parent, with what the session says besides.

    What is known of the parent wins over anything a session says, and who acts is never said by a session, also
    where the parent has no such fact (root has no user name). A session of a role is one of many: it has its
    own name, and its tags are put over the role's.
    """
    issued_at = datetime.fromtimestamp(session.issued_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    known = parent.facts
    if parent.kind is PrincipalKind.ASSUMED_ROLE:
        said = _said(session.facts, NO_FACTS)
        tags = _tags_of(said)
        known = {key: values for key, values in known.items() if fold_name(key) not in tags}
        own_id = f"{parent.id}:{session.name}"
        parent = replace(
            parent, arn=assumed_role_arn(parent.account, parent.name, session.name), id=own_id
        )
        known["aws:userid"] = (own_id,)
    else:
        said = _said(session.facts, known)
    return replace(parent, facts={**said, **known, "aws:tokenissuetime": (issued_at,)})


def federated_principal(login: Login, account: str) -> Principal:
    """Return the principal of somebody who asks a role for a session on the word of a provider.

    Trust policies name the provider (`Federated`). Nothing else names it: it is of no account.
    """
    arn = federated_provider_arn(login, account)
    facts = {**login_facts(login, account), "aws:principaltype": (PrincipalKind.FEDERATED.value,)}
    return Principal(
        arn=arn,
        kind=PrincipalKind.FEDERATED,
        account="",
        id=login.identity.name,
        name=login.identity.name,
        facts=facts,
    )


def federated_provider_arn(login: Login, account: str) -> str:
    """Return what policies call a provider: an OpenID Connect one by its issuer, as in AWS; others by name."""
    if login.kind is ProviderKind.OIDC:
        return oidc_provider_arn(account, login.identity.issuer.removeprefix("https://"))
    return identity_provider_arn(account, login.provider_name)


def login_facts(login: Login, account: str) -> dict[str, Values]:
    """Return the identity facts that a login gives; none says who acts here (`_OF_THE_PARENT`)."""
    identity = login.identity
    facts = {key: values for key, values in identity.facts.items() if not _is_ours(key)}
    facts |= {TAG_PREFIX + key: (value,) for key, value in identity.tags.items()}
    facts[FEDERATED_KEY] = (federated_provider_arn(login, account),)
    if identity.source_identity:
        facts[SOURCE_IDENTITY] = (identity.source_identity,)
    return facts


def _is_ours(key: str) -> bool:
    """Tell whether a condition key is of a service: a provider called so could say things of our own."""
    return key.partition(":")[0] in _SERVICES


def _said(facts: Mapping[str, Values], known: Mapping[str, Values]) -> dict[str, Values]:
    """Return of `facts` those that a credential may say beside what is `known`."""
    tags = _tags_of(known)
    return {
        key: values
        for key, values in facts.items()
        if key not in _OF_THE_PARENT and not (tags and fold_name(key) in tags)
    }


def _tags_of(facts: Mapping[str, Values]) -> set[str]:
    """Return the folded keys of tags: two that differ in case only are one (AWS, "Rules for tagging")."""
    return {fold_name(key) for key in facts if key.startswith(TAG_PREFIX)}


def _common_facts(arn: str, kind: PrincipalKind, account: str, user_id: str) -> dict[str, Values]:
    return {
        "aws:userid": (user_id,),
        "aws:principalarn": (arn,),
        "aws:principaltype": (kind.value,),
        "aws:principalaccount": (account,),
    }
