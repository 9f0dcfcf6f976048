"""ID tokens: a signed JSON Web Token is taken apart, and what it says about itself is checked.

In this order, so that what is cheap to refuse costs nothing, and garbage makes nobody fetch keys:

1. the text: three parts in base64url, each in its one spelling, JSON without repeated members, within bounds;
2. the header: an algorithm of the fixed list, no extension that must be understood (`crit`), a type that is a
   login's. Keys that a token brings or points at (`jwk`, `jku`, `x5c`, `x5u`) are never looked at;
3. `iss`, `aud`, `azp`, `exp`, `nbf`, `iat`;
4. the signature, by a key of the provider (`jwk.py`) that its `kid` names.

Sources: RFC 7515 §4, §5.2; RFC 7519 §4, §7.2; RFC 8725 (best current practices); OpenID Connect Core 1.0 §2,
§3.1.3.7. Not here: what the other claims come to (`claims.py`). Pure: the caller brings keys and time.
"""

import base64
import binascii
import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from authz.errors import ParseError, UnauthenticatedError, quote
from authz.identity.jwk import ALGORITHMS, KID_LIMIT, VerificationKey
from authz.identity.strict_json import parse_object

TOKEN_LIMIT: Final = 16 * 1024
"""Longest token, in characters. Keycloak's and Entra ID's with hundreds of groups stay below it."""
PARTS_LIMIT: Final = 2_500
"""Most parts (`strict_json.py`) of the claims, a fifth of their longest text: a token full of ARNs has 2,100.
More of them would cost a stranger nothing and everybody else milliseconds."""
HEADER_PARTS_LIMIT: Final = 128
"""Most parts of the header; one with a key and its certificates has 20."""
AUDIENCES_LIMIT: Final = 64
"""Most members of `aud`."""
LEEWAY: Final = 60.0
"""Seconds by which the provider's clock and ours may differ (RFC 7519 §4.1.4: "no more than a few minutes")."""
KEYS_TRIED: Final = 2
"""Most keys of one name that a signature is tried with: a provider that uses a name again has an old and a new
one, and each costs up to a millisecond, whoever made the token."""
TIME_LIMIT: Final = 253_402_300_799
"""The last second of the year 9999, in epoch seconds: what is beyond it is no time."""

INVALID: Final = "InvalidIdentityToken"
EXPIRED: Final = "ExpiredToken"

_PART: Final = re.compile(r"[A-Za-z0-9_-]+")
_TYPES: Final = frozenset({"jwt", "at+jwt"})
"""Types of tokens that may be a login: RFC 7519 §5.1, RFC 9068 §2.1. Logout tokens, security events and others
have types of their own, so that they are not taken for it (RFC 8725 §3.11)."""
_NOT_A_LOGIN: Final = {
    "events": "tells of an event (a logout, say) and is no login",  # Back-Channel Logout 1.0 §2.4
    "cnf": "is good only together with a key of its holder's",  # RFC 7800 §3.1, RFC 9449 §6
}
"""Claims that no token has which is a login by itself; older logout tokens are told by nothing else."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is well-formed; nothing in it is known to be true before `is_signed` says so.

    `kid` names the key it says to be signed with; `None`: it does not say.
    """

    algorithm: str
    kid: str | None
    claims: Mapping[str, Any] = field(repr=False)
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def parse_token(text: str) -> Token:
    """Take a token apart; raises `UnauthenticatedError`. The message never holds any of it.

    The claims are read last and, as the costliest, only after a header that is acceptable.
    """
    if len(text) > TOKEN_LIMIT:
        raise _invalid(f"has more than {TOKEN_LIMIT:,} characters")
    parts = text.split(".", 3)
    if len(parts) != 3:
        raise _invalid("has not three parts")
    header, claims, signature = (_decode(part) for part in parts)
    try:
        algorithm, kid = _read_header(parse_object(header, parts_limit=HEADER_PARTS_LIMIT))
        return Token(
            algorithm=algorithm,
            kid=kid,
            claims=parse_object(claims, parts_limit=PARTS_LIMIT),
            signed=text.rpartition(".")[0].encode(),
            signature=signature,
        )
    except ParseError as error:
        raise _invalid(f"has a part that is not acceptable: {error.message}") from None


def find_issuer(token: Token) -> tuple[str, tuple[str, ...]]:
    """Return who the token says to be from and for; raises `UnauthenticatedError` where it does not say."""
    issuer = token.claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        raise _invalid("has no usable `iss`")
    audience = token.claims.get("aud")
    listed = [audience] if isinstance(audience, str) else audience
    if (
        not isinstance(listed, list)
        or not 1 <= len(listed) <= AUDIENCES_LIMIT
        or not all(isinstance(one, str) and one for one in listed)
    ):
        raise _invalid("has no usable `aud`")
    return issuer, tuple(listed)


def check_origin(token: Token, issuer: str, client_ids: Collection[str]) -> str:
    """Return the client id that the token is for; raises `UnauthenticatedError` for one that is not for us.

    `iss` is `issuer` to the character. `aud` holds one of `client_ids`; where it holds more than one and says
    who asked for the token (`azp`), that was one of them, too (Core §3.1.3.7, 3 to 5).
    """
    found, audience = find_issuer(token)
    if found != issuer:
        raise _invalid("is of another issuer")
    ours = next((one for one in audience if one in client_ids), None)
    if ours is None:
        raise _invalid("is for another audience")
    party = token.claims.get("azp")
    if len(audience) > 1 and party is not None and str(party) not in client_ids:
        raise _invalid("was issued to another party (`azp`)")
    for name, reason in _NOT_A_LOGIN.items():
        if name in token.claims:
            raise _invalid(reason)
    return ours


def check_times(token: Token, now: float) -> float:
    """Return when the token ends (epoch seconds); raises `UnauthenticatedError` for one not valid at `now`."""
    expires_at = _time(token, "exp")
    if expires_at is None:
        raise _invalid("has no `exp`")
    if now >= expires_at + LEEWAY:
        raise UnauthenticatedError(EXPIRED, "the identity token has expired")
    for name in ("nbf", "iat"):
        begins_at = _time(token, name)
        if begins_at is not None and begins_at > now + LEEWAY:
            raise _invalid(f"is not valid yet (`{name}`)")
    return expires_at


def find_issued_at(token: Token) -> float | None:
    """Return when the token says to be made (epoch seconds), `None` where it does not say."""
    return _time(token, "iat")


def find_keys(token: Token, keys: Collection[VerificationKey]) -> tuple[VerificationKey, ...]:
    """Return the keys the token may be signed with by its `kid`; without one, the only key there could be.

    Of keys with the same name, the first `KEYS_TRIED` of a type that fits count, and the others never.
    None at all means that the provider has to be asked for new ones. Raises `UnauthenticatedError` where it
    need not be: for a known key of another type, and where nothing tells which one of several.
    """
    if token.kid is None:
        fitting = tuple(key for key in keys if token.algorithm in key.algorithms)
        if len(fitting) > 1:
            raise _invalid("does not say with which key it is signed (`kid`)")
        return fitting
    named = tuple(key for key in keys if key.kid == token.kid)
    fitting = tuple(key for key in named if token.algorithm in key.algorithms)
    if named and not fitting:
        raise _invalid("has an algorithm that its key is not for")
    return fitting[:KEYS_TRIED]


def check_signature(token: Token, keys: Collection[VerificationKey]) -> None:
    """Raise `UnauthenticatedError` unless one of `keys`, which are not none, signed the token."""
    if not any(key.verifies(token.algorithm, token.signed, token.signature) for key in keys):
        raise _invalid("is not signed by its issuer")


def _invalid(reason: str) -> UnauthenticatedError:
    return UnauthenticatedError(INVALID, f"the identity token {reason}")


def _decode(part: str) -> bytes:
    """Decode base64url without padding; unused bits must be zero, so that a token has one spelling."""
    if _PART.fullmatch(part) is None:
        raise _invalid("has a part that is not base64url")
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except binascii.Error:
        raise _invalid("has a part that is not base64url") from None
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != part:
        raise _invalid("has a part that is not base64url")
    return decoded


def _read_header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise _invalid("does not say how it is signed (`alg`)")
    if algorithm not in ALGORITHMS:
        raise _invalid(f"is signed by {quote(str(algorithm))}, which is not accepted")
    if "crit" in header or "b64" in header:
        raise _invalid("has an extension that is not understood (`crit`)")
    if kid is not None and not (isinstance(kid, str) and len(kid) <= KID_LIMIT):
        raise _invalid("has no usable `kid`")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in _TYPES:
        raise _invalid("is of a type that is no login (`typ`)")
    return algorithm, kid


def _time(token: Token, name: str) -> float | None:
    """Return a time that a claim says (RFC 7519 §2, `NumericDate`); a text is none, and neither is a flag."""
    if name not in token.claims:
        return None
    value = token.claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(f"has no usable `{name}`")
    if not 0 <= value <= TIME_LIMIT or not math.isfinite(value):
        raise _invalid(f"has no usable `{name}`")
    return float(value)
