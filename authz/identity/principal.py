"""From stored records to the principal that policies see, with its identity facts.

The only place that fills the `aws:` keys about who acts. AWS's user guide ("Global condition keys", properties
of the principal) gives the names; `aws:groups` is MinIO's.
"""

from collections.abc import Iterable
from typing import Final

from authz.identity.records import Group, Status, User
from authz.policy.arn import root_arn, user_arn
from authz.policy.request import NO_FACTS, Principal, PrincipalKind, Values

ANONYMOUS: Final = Principal(
    arn="", kind=PrincipalKind.ANONYMOUS, account="", id="anonymous", name="", facts=NO_FACTS
)
"""Whoever presents no proof: `aws:PrincipalType` is not set either, as no identity was established."""


def user_principal(user: User, groups: Iterable[Group], account: str) -> Principal:
    """Return the principal of a user in its enabled `groups`; disabled groups are no fact about it."""
    arn = user_arn(account, user.name)
    facts: dict[str, Values] = {
        "aws:username": (user.name,),
        **_common_facts(arn, PrincipalKind.USER, account, user.id),
        **{f"aws:principaltag/{key}": (value,) for key, value in user.tags.items()},
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


def _common_facts(arn: str, kind: PrincipalKind, account: str, user_id: str) -> dict[str, Values]:
    return {
        "aws:userid": (user_id,),
        "aws:principalarn": (arn,),
        "aws:principaltype": (kind.value,),
        "aws:principalaccount": (account,),
    }
