"""`Principal` and `NotPrincipal`: whom a statement of a resource or trust policy is about.

How a principal is named decides what an allow is worth (`decide.py`), so matching answers with a `Naming`, not
with yes or no. Ids are whole: `*` alone is everyone, and no wildcard works inside an ARN. `AWS` ids are `*`, an
account (12 digits or its root ARN), the ARN of a user, role or session; a bare user name is MinIO's form.

What cannot be told from here is refused rather than matched by nobody, because a deny would vanish: groups,
canonical user ids, other ARNs. `Service` is accepted and names nobody: AWS's services do not call this one.

Source: AWS, "IAM JSON policy elements: Principal", "… NotPrincipal"; MinIO, bucket policies.
"""

import re
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.arn import PART_COUNT, role_arn, split_arn
from authz.policy.model import PrincipalElement
from authz.policy.request import Principal, PrincipalKind

EVERYONE: Final = "*"
FEDERATED_KEY: Final = "aws:federatedprovider"
"""The identity fact that says which provider vouches for a session."""

_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_NAMED_RESOURCES: Final = {
    "iam": re.compile(r"root|(?:user|role)/.+"),
    "sts": re.compile(r"assumed-role/[^/]+/[^/]+|federated-user/[^/]+"),
}
"""Service → the resources that can act."""
_SESSION: Final = re.compile(r"assumed-role/([^/]+)/[^/]+")


class Naming(IntEnum):
    """How a statement names a principal, the weightiest last."""

    NOT = 0
    """It does not."""
    ACCOUNT = 1
    """By its account: a deny holds, an allow leaves the decision to the account's own policies."""
    ROLE = 2
    """By the role or the provider behind its session."""
    USER = 3
    """By the user that acts, or from whose credential the acting one was derived."""
    ITSELF = 4
    """By its session, or as one of everyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledPrincipals:
    """Whom an element lists, by how they are looked up."""

    negated: bool
    has_everyone: bool
    accounts: frozenset[str]
    arns: frozenset[str]
    names: frozenset[str]
    providers: frozenset[str]

    def naming(self, principal: Principal, *, is_allow: bool) -> Naming:
        """Tell how a statement with this element names `principal`.

        A principal has several names: its account, for a session its role, and its own; who is known by a
        provider's word alone has the provider's. `NotPrincipal` spares one from a deny only when it lists all
        of them, and keeps it from an allow when it lists any (AWS: "you must also specify the account ARN of
        the not-denied principal").
        """
        if not self.negated:
            return self._listed(principal)
        listed = self._listed(principal)
        is_about = not listed if is_allow else not self._lists_all_of(principal)
        return Naming.ITSELF if is_about else Naming.NOT

    def _listed(self, principal: Principal) -> Naming:
        kind = principal.kind
        if kind is PrincipalKind.FEDERATED and self._lists_provider_of(principal):
            return Naming.ROLE
        if self.has_everyone or kind is PrincipalKind.ANONYMOUS:
            return Naming.ITSELF if self.has_everyone else Naming.NOT
        if principal.arn in self.arns:
            return Naming.ITSELF if kind is PrincipalKind.ASSUMED_ROLE else Naming.USER
        if self.names and kind is PrincipalKind.USER and principal.name in self.names:
            return Naming.USER
        if self._lists_role_of(principal) or self._lists_provider_of(principal):
            return Naming.ROLE
        return Naming.ACCOUNT if principal.account in self.accounts else Naming.NOT

    def _lists_role_of(self, principal: Principal) -> bool:
        return find_role(principal) in self.arns

    def _lists_provider_of(self, principal: Principal) -> bool:
        return bool(self.providers) and not self.providers.isdisjoint(
            principal.facts.get(FEDERATED_KEY, ())
        )

    def _lists_all_of(self, principal: Principal) -> bool:
        if self.has_everyone:
            return True
        if principal.kind is PrincipalKind.FEDERATED:
            return self._lists_provider_of(principal)
        if principal.kind is PrincipalKind.ANONYMOUS or principal.account not in self.accounts:
            return False
        if principal.kind is PrincipalKind.ROOT:
            return True
        own = self._listed(principal)
        if principal.kind is PrincipalKind.USER:
            return own is Naming.USER
        return self._lists_provider_of(principal) or (
            own is Naming.ITSELF and self._lists_role_of(principal)
        )


def find_role(principal: Principal) -> str:
    """Return the ARN of the role behind a session, or an empty text where there is none.

    A session's ARN has no path, so a role with one must be told by `Principal.role`.
    """
    if principal.role or principal.kind is not PrincipalKind.ASSUMED_ROLE:
        return principal.role
    parts = split_arn(principal.arn)
    found = _SESSION.fullmatch(parts[-1]) if parts else None
    return role_arn(principal.account, found[1]) if found else ""


def compile_principals(element: PrincipalElement, place: str) -> CompiledPrincipals:
    """Compile `element`, which stands at `place`; an id that can name nobody known raises `ParseError`."""
    place = f"{place}.{'NotPrincipal' if element.negated else 'Principal'}"
    listed: dict[str, set[str]] = {field: set() for field in ("accounts", "arns", "names")}
    providers: set[str] = set()
    has_everyone = False
    for kind, ids in element.ids:
        where = f"{place}.{kind}"
        if kind == "AWS":
            has_everyone = has_everyone or EVERYONE in ids
            for text in ids:
                field, value = read_id(text, where)
                listed.get(field, set()).add(value)
                if field == "accounts":
                    listed["arns"].add(text)
        elif kind == "Federated":
            providers.update(_read_provider(text, where) for text in ids)
        elif kind != "Service":
            raise ParseError(f"principals of kind {quote(kind)} are not known here", place=where)
    return CompiledPrincipals(
        negated=element.negated,
        has_everyone=has_everyone,
        accounts=frozenset(listed["accounts"]),
        arns=frozenset(listed["arns"]),
        names=frozenset(listed["names"]),
        providers=frozenset(providers),
    )


def read_id(text: str, place: str) -> tuple[str, str]:
    """Return what kind of id an `AWS` principal is (`everyone`, `accounts`, `arns`, `names`) and its value."""
    if text == EVERYONE:
        return "everyone", text
    if not text or "*" in text or "?" in text:
        raise ParseError(f"{quote(text)} names no principal; `*` stands alone", place=place)
    if _ACCOUNT.fullmatch(text):
        return "accounts", text
    if not text.startswith("arn:"):
        return "names", text
    parts = split_arn(text)
    pattern = _NAMED_RESOURCES.get(parts[2]) if parts else None
    if parts is None or pattern is None or not pattern.fullmatch(parts[PART_COUNT - 1]):
        raise ParseError(
            f"{quote(text)} is not the ARN of an account, a user, a role or a session", place=place
        )
    return ("accounts", parts[4]) if parts[-1] == "root" else ("arns", text)


def _read_provider(text: str, place: str) -> str:
    if not text or "*" in text or "?" in text:
        raise ParseError(f"{quote(text)} names no identity provider", place=place)
    return text
