"""From stored records to the principal that policies see, with its identity facts.

The only place that fills the `aws:` keys about who acts. AWS's user guide ("Global condition keys", properties
of the principal) gives the names; `aws:groups` is MinIO's.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from authz.identity.records import AccessKey, Group, Role, Status, User, fold_name
from authz.identity.session import Session
from authz.policy.arn import assumed_role_arn, role_arn, root_arn, user_arn
from authz.policy.request import NO_FACTS, Principal, PrincipalKind, Values

ANONYMOUS: Final = Principal(
    arn="", kind=PrincipalKind.ANONYMOUS, account="", id="anonymous", name="", facts=NO_FACTS
)
"""Whoever presents no proof: `aws:PrincipalType` is not set either, as no identity was established."""

TAG_PREFIX: Final = "aws:principaltag/"
"""What the condition key of a principal's tag begins with, as it is looked up."""

SOURCE_IDENTITY: Final = "aws:sourceidentity"
"""Who stands behind a role's session, through all roles that are assumed one by the other."""

_OF_THE_PARENT: Final = frozenset(
    {
        "aws:username",
        "aws:userid",
        "aws:principalarn",
        "aws:principaltype",
        "aws:principalaccount",
        "aws:groups",
    }
)
"""The facts that say who acts."""


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
    said = {name: values for name, values in key.facts.items() if name not in _OF_THE_PARENT}
    return replace(owner, facts={**said, **owner.facts})


def session_principal(parent: Principal, session: Session) -> Principal:
    """Return the principal of a session of `parent`: the parent, with what the session says besides.

    What is known of the parent wins over anything a session says, and who acts is never said by a session, also
    where the parent has no such fact (root has no user name). A session of a role is one of many: it has its
    own name, and its tags are put over the role's.
    """
    issued_at = datetime.fromtimestamp(session.issued_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {key: values for key, values in session.facts.items() if key not in _OF_THE_PARENT}
    known = parent.facts
    if parent.kind is PrincipalKind.ASSUMED_ROLE:
        # Two keys that differ in case only are one tag (AWS, "Rules for tagging").
        tags = {fold_name(key) for key in said if key.startswith(TAG_PREFIX)}
        known = {key: values for key, values in known.items() if fold_name(key) not in tags}
        own_id = f"{parent.id}:{session.name}"
        parent = replace(
            parent, arn=assumed_role_arn(parent.account, parent.name, session.name), id=own_id
        )
        known["aws:userid"] = (own_id,)
    return replace(parent, facts={**said, **known, "aws:tokenissuetime": (issued_at,)})


def _common_facts(arn: str, kind: PrincipalKind, account: str, user_id: str) -> dict[str, Values]:
    return {
        "aws:userid": (user_id,),
        "aws:principalarn": (arn,),
        "aws:principaltype": (kind.value,),
        "aws:principalaccount": (account,),
    }
