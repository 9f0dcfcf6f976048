"""Session tokens: everything about a temporary credential, sealed into the text its holder carries.

Issuing one writes nothing and verifying one reads nothing: the token holds who the session is of, what it may
do at most and until when, and its secret follows from its access key id. Both come from the master key ring,
so every replica that has the ring knows every session, and a ring rotates without ending any.

Format 1 (identity-and-sessions §2): base64url without padding of one byte `0x01`, one byte length of the key
id, the key id, 16 bytes salt, then AES-256-GCM over the deflated JSON, with all before it as associated data.
Each token has a key of its own, HKDF of the master key and its salt (RFC 5869), so the nonce is fixed and the
number of tokens is not bounded by that of random nonces (SP 800-38D §8.3). What is read back was authenticated
before it is inflated or parsed.

Not here: who may have a session (`control`), whether its parent is still there (`access`). Pure: random bytes
and the time are the caller's.
"""

import base64
import binascii
import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from authz.errors import InvalidError, UnauthenticatedError
from authz.identity.credential import Secret, make_record_id
from authz.identity.sealing import KEY_SIZE, KeyRing
from authz.policy.request import NO_FACTS, Values

SESSION_KEY_PREFIX: Final = "ASIA"
"""What a temporary access key id begins with (AWS IAM, "Unique identifiers")."""
SESSION_KEY_BYTES: Final = 16
"""Random bytes that `make_session_key_id` wants."""
TOKEN_LIMIT: Final = 6 * 1024
"""Longest token, in characters: it travels in a header of each request."""
CONTENT_LIMIT: Final = 64 * 1024
"""Longest content of a token before it is deflated, in bytes."""
SALT_SIZE: Final = 16
ROOT_DIGITS: Final = 32
"""Hexadecimal digits by which tokens tell one root credential from another: 128 bits."""

_FORMAT: Final = 1
_NONCE: Final = bytes(12)
_TOKEN_PURPOSE: Final = b"authz session token 1"
_SECRET_PURPOSE: Final = b"authz session secret 1"
_ROOT_PURPOSE: Final = b"authz root incarnation 1"
_INVALID: Final = "the security token is not valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What a token says. Times are epoch seconds.

    `parent_id` is the incarnation of the user or role whose rights these are, `issuer_id` that of the principal
    that asked for it (of a role's session; of a login's, the provider's id; otherwise the same). `policies` are
    the session's own documents, `policy_ids` managed ones; without either nothing narrows it. `facts` are
    identity facts beyond those of the parent: lower-cased condition key → values. `transitive` are the tag keys
    that a chained session inherits.
    `provider` is the id of the provider through which its holder logged in, empty for others; managed policies
    that the login `granted` (ids) are the session's beside its parent's.
    """

    access_key_id: str
    parent_id: str
    issuer_id: str
    issued_at: float
    expires_at: float
    name: str = ""
    policies: tuple[str, ...] = ()
    policy_ids: tuple[str, ...] = ()
    facts: Mapping[str, Values] = field(default_factory=lambda: NO_FACTS)
    transitive: tuple[str, ...] = ()
    provider: str = ""
    granted: tuple[str, ...] = ()
    is_chained: bool = False


def make_session_key_id(random_bytes: bytes) -> str:
    """Return a temporary access key id of 20 characters from `SESSION_KEY_BYTES` random bytes."""
    if len(random_bytes) != SESSION_KEY_BYTES:
        raise ValueError(f"{SESSION_KEY_BYTES} random bytes are wanted")
    return make_record_id(SESSION_KEY_PREFIX, random_bytes)


class SessionKeys:
    """Seals and opens session tokens with keys that follow from a master key ring; `repr` shows nothing."""

    __slots__ = ("_expanders", "_primary", "_root_keys", "_secret_keys")

    def __init__(self, ring: KeyRing) -> None:
        """Derive what is needed from each key of `ring`; its primary key seals."""
        self._primary = ring.primary
        self._expanders = ring.derive(_TOKEN_PURPOSE)
        self._secret_keys = ring.derive(_SECRET_PURPOSE)
        self._root_keys = ring.derive(_ROOT_PURPOSE)

    def seal(self, session: Session, salt: bytes) -> tuple[str, Secret]:
        """Return the token and the secret of `session`; `salt` is `SALT_SIZE` fresh random bytes.

        Raises `InvalidError` when the token would be longer than `TOKEN_LIMIT`.
        """
        if len(salt) != SALT_SIZE:
            raise ValueError(f"a salt has {SALT_SIZE} bytes")
        content = zlib.compress(_render(session))
        header = bytes((_FORMAT, len(self._primary))) + self._primary.encode("ascii") + salt
        sealed = header + self._cipher(self._primary, salt).encrypt(_NONCE, content, header)
        token = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")
        if len(token) > TOKEN_LIMIT:
            raise InvalidError(
                f"the session's policies, tags and claims make a token of {len(token)} characters; "
                f"{TOKEN_LIMIT} are the most"
            )
        return token, self._secret(self._primary, session.access_key_id)

    def open(self, token: str) -> tuple[Session, Secret]:
        """Return the session and the secret of a token that `seal` made.

        Raises `UnauthenticatedError`, which does not say what is wrong. Whether it has ended is not asked here.
        """
        key_id, header, salt, sealed = _split(token)
        if key_id not in self._expanders:
            raise _invalid()
        try:
            content = self._cipher(key_id, salt).decrypt(_NONCE, sealed, header)
        except InvalidTag:
            raise _invalid() from None
        session = _parse(content)
        return session, self._secret(key_id, session.access_key_id)

    def incarnate_root(self, account: str, access_key_id: str, secret: Secret) -> tuple[str, ...]:
        """Return what tokens call root as long as it has this credential: by the primary key, then each other.

        Nothing of the credential can be told from it, and a rotated ring ends no sessions.
        """
        credential = f"{access_key_id}\0{secret.reveal()}".encode()
        keys = (self._root_keys[self._primary], *self._root_keys.values())
        digests = (hmac.digest(key, credential, "sha256").hex()[:ROOT_DIGITS] for key in keys)
        return tuple(dict.fromkeys(f"{account}:{digest}" for digest in digests))

    def _cipher(self, key_id: str, salt: bytes) -> AESGCM:
        expand = HKDFExpand(algorithm=hashes.SHA256(), length=KEY_SIZE, info=salt)
        return AESGCM(expand.derive(self._expanders[key_id]))

    def _secret(self, key_id: str, access_key_id: str) -> Secret:
        digest = hmac.digest(self._secret_keys[key_id], access_key_id.encode(), "sha256")
        return Secret(base64.b64encode(digest[:30]).decode("ascii").replace("/", "+"))

    def __repr__(self) -> str:
        return "SessionKeys(redacted)"


def _split(token: str) -> tuple[str, bytes, bytes, bytes]:
    """Return key id, all before the sealed content, the salt, and the sealed content."""
    if not token or len(token) > TOKEN_LIMIT or not token.isascii():
        raise _invalid()
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None
    # INVARIANT: a token has one spelling, so what is remembered about it by its text is whole.
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
        raise _invalid()
    start = 2 + raw[1] if len(raw) > 1 else 0
    end = start + SALT_SIZE
    if not start or raw[0] != _FORMAT or len(raw) <= end:
        raise _invalid()
    return raw[2:start].decode("latin-1"), raw[:end], raw[start:end], raw[end:]


_FIELDS: Final = {
    "access_key_id": "k",
    "parent_id": "p",
    "issuer_id": "i",
    "issued_at": "t",
    "expires_at": "e",
    "name": "n",
    "policies": "d",
    "policy_ids": "m",
    "facts": "f",
    "transitive": "v",
    "provider": "o",
    "granted": "g",
    "is_chained": "c",
}
"""Member of `Session` → its name in a token."""
_LISTS: Final = frozenset({"policies", "policy_ids", "transitive", "granted"})


def _render(session: Session) -> bytes:
    content = {short: getattr(session, name) for name, short in _FIELDS.items()}
    content["f"] = {key: list(values) for key, values in session.facts.items()}
    text = json.dumps(
        {short: value for short, value in content.items() if value}, ensure_ascii=False
    )
    if len(raw := text.encode()) > CONTENT_LIMIT:
        raise InvalidError(
            f"a session's policies, tags and claims are at most {CONTENT_LIMIT} bytes"
        )
    return raw


def _parse(content: bytes) -> Session:
    """Read what was authenticated; a token of another version of the software is refused, not guessed at."""
    inflater = zlib.decompressobj()
    try:
        raw: dict[str, Any] = json.loads(inflater.decompress(content, CONTENT_LIMIT + 1))
        members: dict[str, Any] = {
            name: raw.pop(short) for name, short in _FIELDS.items() if short in raw
        }
        if raw or inflater.unconsumed_tail:
            raise _invalid()
        for name in _LISTS & members.keys():
            members[name] = tuple(members[name])
        members["facts"] = {key: tuple(values) for key, values in members.get("facts", {}).items()}
        return Session(**members)
    except (ValueError, TypeError, AttributeError, zlib.error):
        raise _invalid() from None


def _invalid() -> UnauthenticatedError:
    return UnauthenticatedError("InvalidToken", _INVALID)
