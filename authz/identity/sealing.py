"""Secrets at rest: sealed with AES-256-GCM under a ring of master keys that the database never sees.

A sealed value says which key sealed it, so keys rotate without a flag day: new values are sealed with the
primary key, old ones open as long as their key is on the ring. The associated data (an access key id) is
authenticated with it, so a sealed secret that is moved to another row does not open there.

Format 1: one byte `0x01`, one byte length of the key id, the key id, 12 bytes nonce, ciphertext and tag (NIST
SP 800-38D). Everything before the nonce is authenticated too. Pure: random bytes and the file's text are the
caller's. Nonces are drawn at random; a key is good for 2^32 values (SP 800-38D §8.3).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from authz.errors import ConflictError, NotFoundError, ParseError, UnavailableError, quote

KEY_SIZE: Final = 32
"""Bytes of a master key (AES-256)."""
NONCE_SIZE: Final = 12
"""Bytes of a nonce (SP 800-38D §5.2.1.1 recommends 96 bits)."""
RING_LIMIT: Final = 64
"""Most keys on a ring: rotated monthly, five years of them."""

_FORMAT: Final = 1
_TAG_SIZE: Final = 16
_KEY_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")


class UnsealError(UnavailableError):
    """A sealed value does not open: its key is not on the ring, or it is not what was sealed. Says no more."""

    def __init__(self) -> None:
        super().__init__("a sealed secret cannot be opened with the keys at hand")


class KeyRing:
    """Master keys by id, the primary one first; `repr` shows ids only."""

    __slots__ = ("_ciphers", "_keys", "primary")

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        """Take `keys` (id → 32 bytes); the first one seals. Raises `ParseError` for an unusable ring."""
        if not 1 <= len(keys) <= RING_LIMIT:
            raise ParseError(f"a key ring holds 1 to {RING_LIMIT} keys")
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ParseError("a key id has 1 to 64 letters, digits, `.`, `_` and `-`")
            if len(key) != KEY_SIZE:
                raise ParseError(f"a master key has {KEY_SIZE} bytes", place=key_id)
        self._keys = dict(keys)
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.primary = next(iter(keys))

    def seal(self, plaintext: bytes, associated: bytes, nonce: bytes) -> bytes:
        """Return `plaintext` sealed with the primary key; `nonce` is `NONCE_SIZE` fresh random bytes."""
        if len(nonce) != NONCE_SIZE:
            raise ValueError(f"a nonce has {NONCE_SIZE} bytes")
        header = _header(self.primary)
        return (
            header
            + nonce
            + self._ciphers[self.primary].encrypt(nonce, plaintext, header + associated)
        )

    def unseal(self, sealed: bytes, associated: bytes) -> bytes:
        """Return what was sealed together with the same `associated`; raises `UnsealError`."""
        key_id, header, nonce, ciphertext = _split(sealed)
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise UnsealError
        try:
            return cipher.decrypt(nonce, ciphertext, header + associated)
        except InvalidTag:
            raise UnsealError from None

    def derive(self, purpose: bytes) -> dict[str, bytes]:
        """Return, by the id of each key, the key that follows from it for `purpose` (HKDF-SHA256, RFC 5869)."""
        return {
            key_id: HKDF(algorithm=SHA256(), length=KEY_SIZE, salt=None, info=purpose).derive(key)
            for key_id, key in self._keys.items()
        }

    def is_current(self, sealed: bytes) -> bool:
        """Tell whether the primary key sealed it; what it did not seal is resealed after a rotation."""
        return _split(sealed)[0] == self.primary

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the primary one first."""
        return tuple(self._keys)

    def header(self, key_id: str) -> bytes:
        """Return what everything begins with that this key sealed. Raises `NotFoundError`."""
        self._require(key_id)
        return _header(key_id)

    def with_primary(self, key_id: str, key: bytes) -> "KeyRing":
        """Return a ring with a new primary key in front of those it has; raises as `with_standby`."""
        return self.with_standby(key_id, key).activated(key_id)

    def with_standby(self, key_id: str, key: bytes) -> "KeyRing":
        """Return a ring with a key more, which opens and does not seal.

        Raises `ConflictError` when there is one of this id, `ParseError` for an unusable ring.
        """
        if key_id in self._keys:
            raise ConflictError(f"there is a key {quote(key_id)} on the ring")
        return KeyRing({**self._keys, key_id: key})

    def activated(self, key_id: str) -> "KeyRing":
        """Return a ring on which this key is the primary one. Raises `NotFoundError`."""
        self._require(key_id)
        return KeyRing({key_id: self._keys[key_id]} | self._keys)

    def without(self, key_id: str) -> "KeyRing":
        """Return a ring without this key; raises `NotFoundError`, and `ConflictError` for the primary one."""
        self._require(key_id)
        if key_id == self.primary:
            raise ConflictError(f"{quote(key_id)} is the primary key; activate another one first")
        return KeyRing({known: key for known, key in self._keys.items() if known != key_id})

    def _require(self, key_id: str) -> None:
        if key_id not in self._keys:
            raise NotFoundError(f"there is no key {quote(key_id)} on the ring")

    def render(self) -> str:
        """Return the text of the key-ring file, which `parse_key_ring` reads. It holds the keys: mode 0600."""
        keys = [
            {"id": key_id, "key": base64.b64encode(key).decode()}
            for key_id, key in self._keys.items()
        ]
        return json.dumps({"version": 1, "keys": keys}, indent=2) + "\n"

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._keys)}; keys redacted)"


def parse_key_ring(text: str) -> KeyRing:
    """Read a key-ring file: `{"version": 1, "keys": [{"id": …, "key": base64 of 32 bytes}, …]}`, primary first.

    Raises `ParseError` with the place; no key material is ever in it.
    """
    try:
        ring = json.loads(text)
    except (ValueError, RecursionError):
        raise ParseError("a key ring is not JSON") from None
    if (
        not isinstance(ring, dict)
        or ring.get("version") != 1
        or not isinstance(ring.get("keys"), list)
    ):
        raise ParseError("a key ring is a JSON object with `version` 1 and a list of `keys`")
    keys: dict[str, bytes] = {}
    for index, entry in enumerate(ring["keys"]):
        key_id, key = _parse_key(entry, f"keys[{index}]")
        if key_id in keys:
            raise ParseError("a key id appears twice", place=f"keys[{index}]")
        keys[key_id] = key
    return KeyRing(keys)


def _parse_key(entry: object, place: str) -> tuple[str, bytes]:
    if not isinstance(entry, dict) or set(entry) != {"id", "key"}:
        raise ParseError("a key is an object with `id` and `key`", place=place)
    if not isinstance(entry["id"], str) or not isinstance(entry["key"], str):
        raise ParseError("`id` and `key` are strings", place=place)
    try:
        return entry["id"], base64.b64decode(entry["key"], validate=True)
    except (binascii.Error, ValueError):
        raise ParseError("a key is not base64", place=place) from None


def _header(key_id: str) -> bytes:
    return bytes((_FORMAT, len(key_id))) + key_id.encode("ascii")


def _split(sealed: bytes) -> tuple[str, bytes, bytes, bytes]:
    """Return key id, header, nonce, and ciphertext with tag."""
    start = 2 + sealed[1] if len(sealed) > 1 else 0
    if not start or sealed[0] != _FORMAT or len(sealed) < start + NONCE_SIZE + _TAG_SIZE:
        raise UnsealError
    header, rest = sealed[:start], sealed[start:]
    return header[2:].decode("latin-1"), header, rest[:NONCE_SIZE], rest[NONCE_SIZE:]
