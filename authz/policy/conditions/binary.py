"""`BinaryEquals`: bytes, written in base64 on both sides and compared once decoded.

Base64 is read strictly: padding must be there, and a character outside the alphabet is refused rather than
skipped, so that no two readers can see different bytes in one text. A listed value that is not base64 stops
the policy from compiling; a request's value that is not is unevaluable: no allow, and no way around a deny.

Source: AWS, "Binary condition operators"; RFC 4648 §4.
"""

import binascii
from base64 import b64decode

from authz.policy.conditions.outcome import UNEVALUABLE, Listed, Outcome
from authz.policy.patterns import Match
from authz.policy.request import Context


def parse_binary(text: str) -> bytes | None:
    """Read base64 with its padding, or return `None`."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def compile_binary(listed: Listed) -> Match:
    """Compile `BinaryEquals`."""
    wanted = frozenset(listed.parse(parse_binary, "base64"))

    def match(value: str, _context: Context) -> Outcome:
        binary = parse_binary(value)
        return UNEVALUABLE if binary is None else binary in wanted

    return match
