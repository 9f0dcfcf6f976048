"""A pattern as a sequence of tokens: literal text, wildcards, and holes to be filled from the request.

Holes are tokens of their own and are filled with literal text, so that a `*` in a user's name or tag is never
a wildcard: text from a request cannot widen a policy. Patterns that mean the same normalize to the same
tokens, which keeps the choice of a matcher (`globs.py`) a matter of shape.

Not here: where holes come from and how `${…}` is written (`policy/variables.py`). Source: AWS, "IAM JSON policy
elements: Resource" (wildcards) and "Variables and tags".
"""

import re
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Final, Protocol

from authz.policy.request import Context


class Wildcard(Enum):
    """The two wildcards."""

    RUN = "*"
    ONE = "?"


class Hole(Protocol):
    """A place in a pattern filled from the request (`variables.Variable`), always with literal text."""

    @property
    def literal(self) -> str | None:
        """Text known beforehand (an escape), or `None`."""
        ...

    def find(self, context: Context) -> str | None:
        """Return the text for this request, or `None` where there is none."""
        ...


Piece = str | Hole
"""Part of a pattern as parsed: text with live wildcards, or a hole."""
Fixed = str | Wildcard
Token = Fixed | Hole

Match = Callable[[str, Context], bool | None]
"""Does this text match, in this request? `None`: a variable has no value, so the pattern matches nothing."""

_WILDCARD_SPLIT: Final = re.compile(r"([*?])")
_WILDCARDS: Final = {"*": Wildcard.RUN, "?": Wildcard.ONE}


def tokenize(pieces: Iterable[Piece]) -> tuple[Token, ...]:
    """Read the live wildcards of a parsed pattern."""
    tokens: list[Token] = []
    for piece in pieces:
        if isinstance(piece, str):
            tokens += (_WILDCARDS.get(text, text) for text in _WILDCARD_SPLIT.split(piece))
        else:
            tokens.append(piece if piece.literal is None else piece.literal)
    return tuple(normalize(tokens))


def normalize(tokens: Iterable[Token]) -> list[Token]:
    """Join literals; of neighbouring wildcards keep every `?` first, then one `*`, which means the same."""
    result: list[Token] = []
    for token in tokens:
        last = result[-1] if result else None
        if isinstance(token, str) and isinstance(last, str):
            result[-1] = last + token
        elif token == "":  # not `not token`: a hole is no text
            continue
        elif last is Wildcard.RUN and isinstance(token, Wildcard):
            if token is Wildcard.ONE:
                result.insert(-1, token)
        else:
            result.append(token)
    return result


def resolve(tokens: Iterable[Token], context: Context) -> tuple[Fixed, ...] | None:
    """Fill the holes in, or return `None` where one has no text; the result is not normalized."""
    resolved: list[Fixed] = []
    for token in tokens:
        if isinstance(token, (str, Wildcard)):
            resolved.append(token)
            continue
        value = token.find(context)
        if value is None:
            return None
        resolved.append(value)
    return tuple(resolved)


def find_fixed(tokens: Iterable[Token]) -> tuple[Fixed, ...] | None:
    """Return the tokens if there is no hole among them."""
    fixed = tuple(token for token in tokens if isinstance(token, (str, Wildcard)))
    return fixed if len(fixed) == len(tuple(tokens)) else None
