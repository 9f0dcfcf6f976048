"""Policy variables: `${aws:username}`, `${aws:PrincipalTag/team, 'none'}`, the escapes `${*}` `${?}` `${$}`.

A text is cut into pieces: plain text, whose wildcards are live, and variables, whose value is always literal
text, so that a user named `*` is a user named `*`. Only keys with a single value can be substituted; a variable
without a value and without a default is unresolved, and what holds it matches nothing.

Documents of version 2008-10-17 have no variables: do not call this for them. Matching is `patterns.py`.
Source: AWS, "IAM policy elements: Variables and tags".
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.errors import ParseError, quote
from authz.policy.request import Context, fold_key

MULTIVALUED_KEYS: Final = frozenset(
    {
        "aws:groups",
        "aws:principalorgpaths",
        "aws:tagkeys",
        "jwt:groups",
        "ldap:groups",
        "s3:requestobjecttagkeys",
    }
)
"""Keys that hold a set by definition; AWS does not let them be variables, whatever they hold today."""

_ESCAPES: Final = frozenset({"*", "?", "$"})

# Every class stops at what the next part begins with, so a scan is linear whatever the text.
_VARIABLE: Final = re.compile(r"\$\{(?:([*?$])|([^,'{}$*?]+)(?:, *'([^']*)' *)?)\}")


@dataclass(frozen=True, slots=True)
class Variable:
    """One `${…}`: the folded context key and its default, or the `literal` character of an escape."""

    key: str
    default: str | None = None
    literal: str | None = None

    def find(self, context: Context) -> str | None:
        """Return the literal text to put here, or `None` where the request has no single value for it."""
        values = context.find(self.key)
        if not values:
            return self.default
        return values[0] if len(values) == 1 else None


Piece = str | Variable


def parse_template(text: str, place: str) -> tuple[Piece, ...]:
    """Cut `text` into pieces; a malformed `${` raises `ParseError` with `place`."""
    pieces: list[Piece] = []
    position = 0
    while (start := text.find("${", position)) >= 0:
        found = _VARIABLE.match(text, start)
        if found is None:
            raise ParseError(f"malformed policy variable in {quote(text)}", place=place)
        if start > position:
            pieces.append(text[position:start])
        pieces.append(_variable(found, place))
        position = found.end()
    if position < len(text):
        pieces.append(text[position:])
    return tuple(pieces)


def _variable(found: re.Match[str], place: str) -> Variable:
    escape, name, default = found.groups()
    if escape in _ESCAPES:
        return Variable(key="", literal=escape)
    key = fold_key(name.strip())
    if ":" not in key:
        raise ParseError(f"policy variable {quote(name)} has no prefix such as `aws:`", place=place)
    if key in MULTIVALUED_KEYS:
        raise ParseError(
            f"{quote(name)} holds several values and cannot be a policy variable", place=place
        )
    return Variable(key=key, default=default)


def has_unresolved(pieces: Iterable[Piece], context: Context) -> bool:
    """Tell whether a variable among `pieces` has neither value nor default in this request."""
    return any(
        isinstance(piece, Variable) and piece.literal is None and piece.find(context) is None
        for piece in pieces
    )
