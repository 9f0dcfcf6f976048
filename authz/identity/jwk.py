"""A provider's public keys, as it publishes them: a JSON Web Key Set.

A key is good for a fixed set of signature algorithms, which follows from its type and curve, never from what a
token says; so nobody gains by signing with a public key as if it were a shared secret. Everything else in the
set is passed over: shared secrets (`oct`), keys with private parts (which everybody has now), keys for
encryption, keys too weak or too costly, and what this code does not know.

Sources: RFC 7517 §4, §5 (unknown keys are ignored), RFC 7518 §3.1, §6, RFC 8037 §2. Cryptography is PyJWT's and
`cryptography`'s. Not here: tokens (`jwt.py`), where sets come from (`federation/jwks.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm
from jwt.exceptions import PyJWTError

from authz.errors import ParseError

KEYS_LIMIT: Final = 64
"""Most keys in a set; real ones have 1 to 10."""
KID_LIMIT: Final = 256
"""Longest name of a key, in characters."""
RSA_BITS_MIN: Final = 2048
"""RFC 7518 §3.3: "A key of size 2048 bits or larger MUST be used"."""
RSA_BITS_MAX: Final = 8192
"""Above it, verifying costs milliseconds (OpenSSL stops at 16,384)."""
RSA_EXPONENT_MAX: Final = 2**32
"""Real ones are 65,537; a huge one makes verifying as dear as signing."""

ALGORITHMS: Final[Mapping[str, Any]] = {
    "RS256": RSAAlgorithm(RSAAlgorithm.SHA256),
    "RS384": RSAAlgorithm(RSAAlgorithm.SHA384),
    "RS512": RSAAlgorithm(RSAAlgorithm.SHA512),
    "PS256": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA256),
    "PS384": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA384),
    "PS512": RSAPSSAlgorithm(RSAPSSAlgorithm.SHA512),
    "ES256": ECAlgorithm(ECAlgorithm.SHA256),
    "ES384": ECAlgorithm(ECAlgorithm.SHA384),
    "ES512": ECAlgorithm(ECAlgorithm.SHA512),
    "EdDSA": OKPAlgorithm(),
}
"""Every signature that is believed: RFC 7518 §3.1 without `none` and without shared secrets; RFC 8037 §3.1."""

_RSA: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_GOOD_FOR: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("RSA", ""): _RSA,
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA"}),
}
"""By key type and curve."""

_PARTS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_READERS: Final[Mapping[str, Any]] = {"RSA": RSAAlgorithm, "EC": ECAlgorithm, "OKP": OKPAlgorithm}


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key: its name in the set (`None`: it has none), and the algorithms it is good for."""

    kid: str | None
    algorithms: frozenset[str]
    key: Any = field(repr=False)

    def verifies(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Tell whether `signature` is this key's over `signed`; never with an algorithm it is not good for."""
        return algorithm in self.algorithms and bool(
            ALGORITHMS[algorithm].verify(signed, self.key, signature)
        )


def parse_key_set(document: Mapping[str, Any]) -> tuple[VerificationKey, ...]:
    """Read the keys of a set that tokens may be signed with; raises `ParseError` for what is not a set."""
    listed = document.get("keys")
    if not isinstance(listed, list) or len(listed) > KEYS_LIMIT:
        raise ParseError(f"not a list of at most {KEYS_LIMIT} keys")
    return tuple(key for jwk in listed if (key := _find_key(jwk)) is not None)


def _find_key(jwk: object) -> VerificationKey | None:
    """Return the key, or `None` for one that no token is verified with."""
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk):
        return None
    kty, kid, operations = jwk.get("kty"), jwk.get("kid"), jwk.get("key_ops", ["verify"])
    parts = [jwk.get(part) for part in _PARTS.get(str(kty), ("",))]
    if not all(isinstance(part, str) for part in parts):
        return None
    if kid is not None and not (isinstance(kid, str) and len(kid) <= KID_LIMIT):
        return None
    if jwk.get("use", "sig") != "sig" or "verify" not in (
        operations if isinstance(operations, list) else ()
    ):
        return None
    algorithms = _GOOD_FOR.get((str(kty), str(jwk.get("crv", ""))), frozenset())
    if "alg" in jwk:
        algorithms &= {str(jwk["alg"])}
    key = _load(str(kty), jwk) if algorithms else None
    return VerificationKey(kid, algorithms, key) if key is not None else None


def _load(kty: str, jwk: dict[str, Any]) -> Any:
    try:
        key = _READERS[kty].from_jwk(jwk)
    except (PyJWTError, UnsupportedAlgorithm, ValueError, TypeError):
        return None
    if isinstance(key, RSAPublicKey) and not (
        RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX and key.public_numbers().e < RSA_EXPONENT_MAX
    ):
        return None
    return key
