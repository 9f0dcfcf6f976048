"""Checks of `Principal` and `NotPrincipal`, which resource policies have.

Source: AWS, "AWS JSON policy elements: Principal"; the forms of MinIO are known and named.
"""

import re
from collections.abc import Iterator
from typing import Final

from authz.errors import quote
from authz.policy.arn import split_arn
from authz.policy.model import PrincipalElement
from authz.policy.validate.finding import Check, Finding, Severity
from authz.policy.validate.trust import is_of_logins
from authz.policy.validate.view import ANY, PolicyView, StatementView, is_wild, listed

PUBLIC: Final = Check(
    "AZ401", Severity.SECURITY, "an unconditional allow for everyone, anonymous included"
)
PUBLIC_IF: Final = Check(
    "AZ402", Severity.WARNING, "an allow for everyone that only conditions limit"
)
ALLOW_NOT_PRINCIPAL: Final = Check("AZ403", Severity.SECURITY, "`NotPrincipal` with `Allow`")
DENY_NOT_PRINCIPAL: Final = Check("AZ404", Severity.WARNING, "`NotPrincipal` with `Deny`")
WILD_PRINCIPAL: Final = Check(
    "AZ405", Severity.ERROR, "a wildcard inside a principal, where it is literal"
)
BARE_NAME: Final = Check(
    "AZ406", Severity.SUGGESTION, "a bare user name as principal, as MinIO writes it"
)
FOREIGN_KIND: Final = Check(
    "AZ407", Severity.WARNING, "a kind of principal that does not exist here"
)
GROUP: Final = Check("AZ408", Severity.ERROR, "a group as principal")
PRINCIPAL_TWICE: Final = Check(
    "AZ409", Severity.SUGGESTION, "a principal beside `*`, or listed twice"
)

CHECKS: Final = (
    PUBLIC, PUBLIC_IF, ALLOW_NOT_PRINCIPAL, DENY_NOT_PRINCIPAL, WILD_PRINCIPAL, BARE_NAME, FOREIGN_KIND, GROUP,
    PRINCIPAL_TWICE,
)  # fmt: skip

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_FOREIGN: Final = frozenset({"Service", "CanonicalUser"})


def check_principals(view: PolicyView) -> Iterator[Finding]:
    """Yield what is found about the principals of every statement."""
    for one in view.statements:
        principal = one.source.principal
        if principal is None:
            continue
        place = f"{one.place}.{'NotPrincipal' if principal.negated else 'Principal'}"
        yield from _check_reach(one, principal, place)
        for kind, ids in principal.ids:
            yield from _check_ids(kind, ids, place)


def _check_reach(one: StatementView, principal: PrincipalElement, place: str) -> Iterator[Finding]:
    # Logins are let in by the name of their provider only: there, everyone is nobody (`trust.py`).
    everyone = not is_of_logins(one) and any(
        kind == "AWS" and ANY in ids for kind, ids in principal.ids
    )
    if principal.negated:
        check = ALLOW_NOT_PRINCIPAL if one.is_allow else DENY_NOT_PRINCIPAL
        message = "it reaches everyone but those listed, anonymous and later principals included"
        suggestion = (
            "list who is meant"
            if one.is_allow
            else "deny everyone, with `ArnNotEquals` on `aws:PrincipalArn`"
        )
        yield check.at(place, message, suggestion)
    elif one.is_allow and everyone and one.is_conditional:
        yield PUBLIC_IF.at(
            place,
            "everyone is allowed who meets the conditions, anonymous included",
            "name the principals",
        )
    elif one.is_allow and everyone:
        yield PUBLIC.at(
            place,
            "everyone is allowed, without any proof of who they are",
            "name the principals, or add a condition",
        )


def _check_ids(kind: str, ids: tuple[str, ...], place: str) -> Iterator[Finding]:
    if kind in _FOREIGN:
        yield FOREIGN_KIND.at(
            f"{place}.{kind}", f"no principal here is of the kind `{kind}`", "use `AWS`"
        )
        return
    for where, text in listed(ids, f"{place}.{kind}"):
        if ids.count(text) > 1 or (text != ANY and ANY in ids):
            yield PRINCIPAL_TWICE.at(
                where, f"{quote(text)} is among the others already", "leave it out"
            )
        if kind == "AWS" and text != ANY:
            yield from _check_aws(where, text)


def _check_aws(place: str, text: str) -> Iterator[Finding]:
    parts = split_arn(text)
    if is_wild(text):
        message = f"wildcards in {quote(text)} are literal: only `*` alone means everyone"
        yield WILD_PRINCIPAL.at(place, message, "use `*` with `ArnLike` on `aws:PrincipalArn`")
    elif parts is None and not _ACCOUNT.fullmatch(text):
        message = f"{quote(text)} is a bare name, which AWS refuses"
        yield BARE_NAME.at(place, message, "write `arn:aws:iam::ACCOUNT:user/NAME`")
    elif parts is not None and parts[5].startswith("group/"):
        yield GROUP.at(
            place, f"{quote(text)} is a group, and groups are never principals", "list its members"
        )
