"""Credentials and names: how they are made, and which ones are acceptable.

An access key is an id that travels in the clear and a secret that is shown once. Both are made here from random
bytes that the caller brings (this room has no source of randomness), in the alphabets AWS uses, so that tools
which look at their shape keep working. Chosen ones, as MinIO's users have them, are checked here.

Sources: identity-and-sessions §1; AWS IAM "Identifiers" (prefixes of unique ids) and "IAM name requirements";
MinIO `auth.Credentials` (lengths of chosen keys).
"""

import base64
import hmac
import re
import unicodedata
from typing import Final

from authz.errors import InvalidError, quote
from authz.identity.external import EXTERNAL_NAME_LIMIT
from authz.identity.records import EXTERNAL_SIGN, NAME_LIMIT

USER_ID_PREFIX: Final = "AIDA"
GROUP_ID_PREFIX: Final = "AGPA"
ROLE_ID_PREFIX: Final = "AROA"
POLICY_ID_PREFIX: Final = "ANPA"
PROVIDER_ID_PREFIX: Final = "AIDP"
ACCESS_KEY_ID_PREFIX: Final = "AKIA"

RECORD_ID_BYTES: Final = 17
"""Random bytes that `make_record_id` wants: one a character, of which five bits are used."""
ACCESS_KEY_ID_BYTES: Final = 16
"""Random bytes that `make_access_key_id` wants: as above; the id holds 80 random bits, as AWS's do."""
SECRET_BYTES: Final = 30
"""Random bytes that `make_secret` wants: 240 bits are 40 characters of base64."""

ACCESS_KEY_ID_MIN: Final = 3
"""Shortest access key id, in characters (MinIO's limit; AWS's is 16)."""
ACCESS_KEY_ID_MAX: Final = 128
"""Longest access key id, in characters (AWS: `AccessKeyId`, 16 to 128)."""
SECRET_MIN: Final = 8
"""Shortest secret, in characters (MinIO's limit)."""
SECRET_MAX: Final = 128
"""Longest secret, in characters; generated ones have 40."""

_ID_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PROVIDER_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NAME_FORBIDDEN: Final = frozenset("=,")
# `/` ends the id in a credential scope; `=` and `,` separate the parts of an Authorization header.
_KEY_ID_FORBIDDEN: Final = frozenset("/=,")
# Control, format (invisible, bidirectional), surrogate and unassigned characters; line and paragraph breaks.
# Unassigned ones are out because their case folding may change with Unicode's next version.
_UNPRINTABLE: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


class Secret:
    """A secret text that does not show itself: `repr` and `str` are redacted, `reveal` is the only way out.

    Equality takes the same time whatever the contents; a secret is no dictionary key.
    """

    __slots__ = ("_text",)
    __hash__ = None  # type: ignore[assignment]  # a secret must not end up in a set or as a key

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself; call it where it is used, never to keep it."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __repr__(self) -> str:
        return "Secret(redacted)"


def make_access_key_id(random_bytes: bytes) -> str:
    """Return an access key id of 20 characters `A-Z0-9` from `ACCESS_KEY_ID_BYTES` random bytes."""
    return make_record_id(ACCESS_KEY_ID_PREFIX, _sized(random_bytes, ACCESS_KEY_ID_BYTES))


def make_secret(random_bytes: bytes) -> Secret:
    """Return a secret of 40 characters `A-Za-z0-9+` from `SECRET_BYTES` random bytes.

    Without `/`, as MinIO's: too many tools take secrets inside URLs.
    """
    return Secret(base64.b64encode(_sized(random_bytes, SECRET_BYTES)).decode().replace("/", "+"))


def make_record_id(prefix: str, random_bytes: bytes) -> str:
    """Return `prefix` and one of 32 letters and digits a byte (`RECORD_ID_BYTES` for a record)."""
    return prefix + "".join(_ID_ALPHABET[byte & 31] for byte in random_bytes)


def check_name(name: str, *, field: str = "name") -> None:
    """Refuse a user, group, role or policy name that is not acceptable; raises `InvalidError` for `field`.

    1 to `NAME_LIMIT` characters, no `=`, no `,`, no invisible or control characters, no spaces at the edges.
    """
    if not 1 <= len(name) <= NAME_LIMIT:
        raise InvalidError(f"a name has 1 to {NAME_LIMIT} characters", field=field)
    if not _NAME_FORBIDDEN.isdisjoint(name) or _has_unprintable(name):
        raise InvalidError(
            f"name {quote(name)} holds a character that is not allowed (`=`, `,`, or an invisible one)",
            field=field,
        )
    if name != name.strip():
        raise InvalidError(f"name {quote(name)} begins or ends with a space", field=field)


def check_known_name(name: str, *, field: str = "name") -> None:
    """Refuse what cannot be the name of a user or group that is there; raises `InvalidError` for `field`.

    Besides what `check_name` takes, these are the names of those that a provider vouches for.
    """
    provider, sign, rest = name.partition(EXTERNAL_SIGN)
    if not sign:
        check_name(name, field=field)
        return
    check_provider_name(provider, field=field)
    check_external_name(rest, field=field)


def check_provider_name(name: str, *, field: str = "name") -> None:
    """Refuse a provider's name that is not acceptable; raises `InvalidError` for `field`."""
    if not _PROVIDER_NAME.fullmatch(name):
        raise InvalidError(
            f"provider name {quote(name)} is not 1 to 63 small letters, digits and `.`, `_`, `-`",
            field=field,
        )


def check_external_name(name: str, *, field: str = "name") -> None:
    """Refuse a name that a provider gives to a user or group and that cannot be held; raises `InvalidError`."""
    if not 1 <= len(name.encode("utf-8", "surrogatepass")) <= EXTERNAL_NAME_LIMIT:
        raise InvalidError(
            f"a provider's name for somebody has 1 to {EXTERNAL_NAME_LIMIT:,} bytes", field=field
        )
    if _has_unprintable(name):
        raise InvalidError(
            f"the provider's name {quote(name)} holds a control or invisible character", field=field
        )


def is_access_key_id(text: str) -> bool:
    """Tell whether `text` could be an access key id; what a stranger sends is asked this before any look-up."""
    return (
        ACCESS_KEY_ID_MIN <= len(text) <= ACCESS_KEY_ID_MAX
        and text.isascii()
        and text.isprintable()
        and " " not in text
        and _KEY_ID_FORBIDDEN.isdisjoint(text)
    )


def check_access_key_id(access_key_id: str, *, field: str = "access_key_id") -> None:
    """Refuse a chosen access key id that could not travel in a signature; raises `InvalidError` for `field`.

    3 to 128 printable ASCII characters without spaces, `/`, `=` and `,`. Case matters.
    """
    if not is_access_key_id(access_key_id):
        raise InvalidError(
            f"access key id {quote(access_key_id)} is not {ACCESS_KEY_ID_MIN} to {ACCESS_KEY_ID_MAX} printable "
            "ASCII characters without spaces, `/`, `=` and `,`",
            field=field,
        )


def check_secret(secret: Secret, *, field: str = "secret") -> None:
    """Refuse a secret that is too short, too long or not printable; raises `InvalidError` for `field`."""
    text = secret.reveal()
    if not SECRET_MIN <= len(text) <= SECRET_MAX:
        raise InvalidError(f"a secret has {SECRET_MIN} to {SECRET_MAX} characters", field=field)
    if _has_unprintable(text):
        raise InvalidError("a secret holds no control or invisible characters", field=field)


def _has_unprintable(text: str) -> bool:
    return any(unicodedata.category(character) in _UNPRINTABLE for character in text)


def _sized(random_bytes: bytes, size: int) -> bytes:
    if len(random_bytes) != size:
        raise ValueError(f"{size} random bytes are wanted")
    return random_bytes
