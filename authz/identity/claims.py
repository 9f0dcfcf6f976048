"""What the claims of a verified ID token come to: an `ExternalIdentity`.

Which claim names groups and which names policies is the provider's configuration; without any, none does. Every
claim that is a text, a number, a flag or a list of texts is a fact for conditions, under MinIO's key
(`jwt:CLAIM`), and the texts also under AWS's (`ISSUER:CLAIM`, the issuer without its scheme). What is too much,
or could be read in two ways, is refused and never cut: a deny may rest on what would be missing.

Sources: OpenID Connect Core 1.0 §2, §5.1, §5.6.2; AWS IAM, "Available keys for AWS OIDC federation" and
"Passing session tags using AssumeRoleWithWebIdentity"; MinIO, `identity_openid`. Not here: whether the token is
to be believed (`jwt.py`), which groups and policies there are (`control`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authz.errors import UnauthenticatedError, quote
from authz.identity.external import EXTERNAL_GROUPS, EXTERNAL_NAME_LIMIT, ExternalIdentity
from authz.policy.request import Values, fold_key

NAME_LIMIT: Final = 255
"""Longest `sub`, in characters (Core §2)."""
CLAIMS_LIMIT: Final = 64
"""Most claims of a token; Keycloak's and Entra ID's have 20 to 40."""
CLAIM_NAME_LIMIT: Final = 256
"""Longest name of a claim, in characters; some are URLs."""
VALUE_LIMIT: Final = 2_048
"""Longest text in a claim, in characters."""
LIST_LIMIT: Final = 1_000
"""Most texts in a claim."""
POLICIES_LIMIT: Final = 100
"""Most policies that a claim names: each is part of every decision of the session."""
TAGS_LIMIT: Final = 50
"""Most session tags (AWS)."""
DISPLAY_LIMIT: Final = 256
"""Longest name for people, in characters."""

TAGS_CLAIM: Final = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM: Final = "https://aws.amazon.com/source_identity"
REJECTED: Final = "IDPRejectedClaim"

_DISPLAY: Final = ("name", "preferred_username", "email")
_LISTS_OF_AWS: Final = frozenset({"aud", "amr"})
"""Claims of which AWS has a key although they may be lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNames:
    """Which claims are read for what; an empty name: none.

    A name is a claim's own, dots included (`https://example.com/groups`), or else a path into claims
    (`realm_access.roles`).
    """

    policies: str = ""
    groups: str = ""
    display: str = ""


def read_claims(
    claims: Mapping[str, Any],
    names: ClaimNames,
    *,
    issuer: str,
    audience: str,
    expires_at: float,
    issued_at: float | None = None,
) -> ExternalIdentity:
    """Return whom verified claims vouch for; raises `UnauthenticatedError`, `IDPRejectedClaim`.

    `audience` is the client id by which the token is for us, `issued_at` and `expires_at` its beginning
    and its end in epoch seconds.
    """
    if len(claims) > CLAIMS_LIMIT:
        raise rejected(f"the identity token has more than {CLAIMS_LIMIT} claims")
    tags, transitive = _read_tags(claims.get(TAGS_CLAIM))
    return ExternalIdentity(
        name=_read_name(claims),
        display_name=_read_display(claims, names.display),
        groups=_read_groups(claims, names.groups),
        policies=_read_policies(claims, names.policies),
        facts=_read_facts(claims, issuer),
        tags=tags,
        transitive=transitive,
        source_identity=_read_source_identity(claims),
        issued_at=issued_at,
        expires_at=expires_at,
        issuer=issuer,
        audience=audience,
    )


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return what a claim says, by its name or by a path of names; `None` where there is none, or it is null.

    A claim that has the whole name wins; a client's name within a path may have dots of its own.
    """
    if name in claims:
        return claims[name]
    head, dot, rest = name.partition(".")
    while dot:
        inner = claims.get(head)
        found = find_claim(inner, rest) if isinstance(inner, dict) else None
        if found is not None:
            return found
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return None


def rejected(message: str) -> UnauthenticatedError:
    """Return the refusal of a proof that is genuine and says something that cannot be used."""
    return UnauthenticatedError(REJECTED, message)


def _read_name(claims: Mapping[str, Any]) -> str:
    name = claims.get("sub")
    if (
        not isinstance(name, str)
        or not 1 <= len(name) <= NAME_LIMIT
        or not name.isprintable()
        or name != name.strip()
    ):
        raise rejected(f"the claim `sub` is not a text of 1 to {NAME_LIMIT} printable characters")
    return name


def _read_display(claims: Mapping[str, Any], configured: str) -> str:
    """Return a name for people; nothing rests on it, so one that is not usable is passed over."""
    for name in (configured,) if configured else _DISPLAY:
        found = find_claim(claims, name)
        if isinstance(found, str) and 0 < len(found) <= DISPLAY_LIMIT and found.isprintable():
            return found
    return ""


def _read_groups(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    if not name:
        return ()
    # Core §5.6.2; Entra ID says so of more than 200 groups ("groups overage claim"). Taking them for none
    # would lift every deny that rests on a group.
    elsewhere = claims.get("_claim_names")
    if (isinstance(elsewhere, dict) and name in elsewhere) or claims.get("hasgroups") is True:
        raise rejected(
            f"the claim {quote(name)} is not in the token, which points elsewhere for it"
        )
    groups = _texts(find_claim(claims, name), name)
    if len(groups) > EXTERNAL_GROUPS:
        raise rejected(f"the claim {quote(name)} has more than {EXTERNAL_GROUPS:,} groups")
    for group in groups:
        if not 1 <= len(group) <= EXTERNAL_NAME_LIMIT or not group.isprintable():
            raise rejected(f"the claim {quote(name)} has a group without a usable name")
    return groups


def _read_policies(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return the names of policies: a text, several separated by commas, or a list of such (MinIO)."""
    if not name:
        return ()
    listed = ",".join(_texts(find_claim(claims, name), name)).split(",")
    policies = tuple(dict.fromkeys(one for policy in listed if (one := policy.strip())))
    if len(policies) > POLICIES_LIMIT:
        raise rejected(f"the claim {quote(name)} has more than {POLICIES_LIMIT} policies")
    return policies


def _texts(value: Any, name: str) -> tuple[str, ...]:
    """Return a text, or a list of them without repetition; there may be none."""
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in listed):
        raise rejected(f"the claim {quote(name)} is neither a text nor a list of texts")
    return tuple(dict.fromkeys(listed))


def _read_facts(claims: Mapping[str, Any], issuer: str) -> Mapping[str, Values]:
    facts: dict[str, Values] = {}
    provider = issuer.partition("://")[2]
    # INVARIANT: keys of a provider begin with a domain name, as `context_facts.is_reserved` knows them. So an
    # issuer called `aws` writes no `aws:username`, and no request writes a key of an issuer's.
    has_keys = "." in provider.partition("/")[0].partition(":")[0]
    for name, value in claims.items():
        if not 1 <= len(name) <= CLAIM_NAME_LIMIT or not name.isprintable():
            raise rejected("the identity token has a claim without a usable name")
        values = _values(name, value)
        if not values:
            continue
        _add(facts, f"jwt:{name}", values)
        # INVARIANT: what follows the last `:` of a provider's key is the claim, so two issuers of which one
        # begins as the other does have no key in common.
        is_plain = ":" not in name and "/" not in name
        if has_keys and is_plain and (isinstance(value, str) or name in _LISTS_OF_AWS):
            _add(facts, f"{provider}:{name}", values)
    return facts


def _add(facts: dict[str, Values], key: str, values: Values) -> None:
    folded = fold_key(key)
    if folded in facts:
        raise rejected("the identity token has two claims that differ in case only")
    facts[folded] = values


def _values(name: str, value: Any) -> Values:
    """Return a claim as the values of a condition key; of objects and mixed lists there are none."""
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    if isinstance(value, int | float):
        values: Values = (_number(value),)
    elif isinstance(value, str):
        values = (value,)
    elif isinstance(value, list) and all(isinstance(one, str) for one in value):
        values = tuple(value)
    else:
        return ()
    if len(values) > LIST_LIMIT or any(len(one) > VALUE_LIMIT for one in values):
        raise rejected(f"the claim {quote(name)} is too long")
    return values


def _number(value: float) -> str:
    """Write a number as policies do: a whole one without a fraction."""
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


def _read_tags(claim: Any) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the session tags, and the keys of those that pass on.

    AWS shows `{"principal_tags": {"Team": ["blue"]}, "transitive_tag_keys": ["Team"]}`. The tags may stand in
    a list of one, as providers write them that only know lists, and each value may stand in one or not.
    """
    if claim is None:
        return {}, ()
    tags = _only(claim.get("principal_tags", {})) if isinstance(claim, dict) else None
    if not isinstance(tags, dict) or not claim.keys() <= {"principal_tags", "transitive_tag_keys"}:
        raise rejected(f"the claim `{TAGS_CLAIM}` has not the shape that AWS gives it")
    if len(tags) > TAGS_LIMIT:
        raise rejected(f"the claim `{TAGS_CLAIM}` has more than {TAGS_LIMIT} tags")
    read = {key: _only(value) for key, value in tags.items()}
    if not all(isinstance(value, str) for value in read.values()):
        raise rejected(f"the claim `{TAGS_CLAIM}` has a tag that is not one text")
    transitive = _texts(claim.get("transitive_tag_keys"), TAGS_CLAIM)
    if not read.keys() >= set(transitive):
        raise rejected(f"the claim `{TAGS_CLAIM}` passes on a tag that it does not have")
    return read, transitive


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _read_source_identity(claims: Mapping[str, Any]) -> str:
    value = claims.get(SOURCE_IDENTITY_CLAIM, "")
    if not isinstance(value, str) or len(value) > VALUE_LIMIT:
        raise rejected(f"the claim `{SOURCE_IDENTITY_CLAIM}` is not a text")
    return value
