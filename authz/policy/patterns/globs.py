"""Matchers of whole texts, each the cheapest that does: equality, prefix, suffix, segments.

The choice is made once, when a policy is compiled, from the shape of the pattern alone. A matcher is as large
as its pattern and does at most one operation over the text for each character of it: a stranger picks the
text, and the author of one policy must not be able to slow down the decisions of others. The leftmost place
of a segment is always good enough, so no choice is ever taken back.

Patterns with holes are filled in and compiled for each request, which takes as long as reading their tokens.
Not here: reading patterns (`tokens.py`), places in a long text (`occurrences.py`), parts of ARNs (`arns.py`).
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Final

from authz.policy.patterns.occurrences import LONG_LITERAL, find_occurrences
from authz.policy.patterns.tokens import (
    Fixed,
    Match,
    Piece,
    Token,
    Wildcard,
    find_fixed,
    normalize,
    resolve,
    tokenize,
)
from authz.policy.request import Context

SHORT_TEXT: Final = 1_024
"""Longest text, in characters, in which literals are looked for by `str.find`: it is the fastest nearly always,
but at its worst takes the product of both lengths."""

TRIES: Final = 3
"""At how many places of a short text a segment with `?` is tried before all are looked at together."""

RESOLVED_LENGTH: Final = 256
"""Longest pattern, in tokens and their characters, that is kept compiled with its holes filled in: the same
user asks again."""

RESOLVED_KEPT: Final = 128
"""How many of those are kept."""

Segment = str | tuple[Fixed, ...]
"""What stands between two runs: a literal, or tokens without a run."""


def match_everything(_text: str, _context: Context) -> bool:
    """Match any text."""
    return True


def match_nothing(_text: str, _context: Context) -> bool:
    """Match no text."""
    return False


def compile_glob(pieces: Iterable[Piece]) -> Match:
    """Compile a pattern for plain text (actions, `StringLike`)."""
    return compile_tokens(tokenize(pieces))


def compile_text(pieces: Iterable[Piece]) -> Match:
    """Compile text without wildcards (`StringEquals`): `*` and `?` are themselves, holes are filled in."""
    tokens = [
        piece if isinstance(piece, str) or piece.literal is None else piece.literal
        for piece in pieces
    ]
    return compile_tokens(tuple(normalize(tokens)))


def compile_tokens(tokens: tuple[Token, ...]) -> Match:
    """Compile normalized tokens; holes are filled in at each match."""
    fixed = find_fixed(tokens)
    if fixed is not None:
        return compile_fixed(fixed)
    is_prefix = tokens[-1] is Wildcard.RUN
    parts = tokens[:-1] if is_prefix else tokens
    if any(isinstance(part, Wildcard) for part in parts):
        return compile_by(_compile_resolved, tokens)
    return _compile_plain_holes(parts, is_prefix=is_prefix)


def compile_by(
    compile_one: Callable[[tuple[Fixed, ...]], Match], tokens: tuple[Token, ...]
) -> Match:
    """Compile tokens by `compile_one`: now, or for each match where there are holes to fill in."""
    fixed = find_fixed(tokens)
    if fixed is not None:
        return compile_one(fixed)

    def match(text: str, context: Context) -> bool | None:
        resolved = resolve(tokens, context)
        return None if resolved is None else compile_one(resolved)(text, context)

    return match


def _compile_plain_holes(parts: Sequence[Token], *, is_prefix: bool) -> Match:
    def match(text: str, context: Context) -> bool | None:
        size = len(text)
        resolved = ""
        for part in parts:
            value = part if isinstance(part, str) else part.find(context)  # type: ignore[union-attr] # no wildcard is left
            if value is None:
                return None
            if len(resolved) <= size:  # one value may be asked for a thousand times
                resolved += value
        return text.startswith(resolved) if is_prefix else text == resolved

    return match


def _compile_resolved(tokens: tuple[Fixed, ...]) -> Match:
    size = len(tokens) + sum(len(token) for token in tokens if isinstance(token, str))
    return _compile_remembered(tokens) if size <= RESOLVED_LENGTH else compile_fixed(tokens)


def compile_fixed(tokens: tuple[Fixed, ...]) -> Match:
    """Compile tokens without holes, which need not be normalized."""
    segments = _cut(tokens)
    literals = [segment for segment in segments if isinstance(segment, str)]
    if len(literals) < len(segments):
        return _compile_segments(segments)
    head, *rest = literals
    if not rest:
        return lambda text, _: text == head
    *middles, tail = rest
    if middles:
        return _compile_literals(head, middles, tail)
    if tail:
        shortest = len(head) + len(tail)
        return lambda text, _: (
            len(text) >= shortest and text.startswith(head) and text.endswith(tail)
        )
    return (lambda text, _: text.startswith(head)) if head else match_everything


_compile_remembered = lru_cache(RESOLVED_KEPT)(compile_fixed)


def _cut(tokens: Iterable[Fixed]) -> list[Segment]:
    """Return what stands between the runs; empty text before a leading and after a trailing one."""
    segments: list[list[Fixed]] = [[]]
    for token in tokens:
        segment = segments[-1]
        last = segment[-1] if segment else None
        if token is Wildcard.RUN:
            segments.append([])
        elif not isinstance(token, str) or not isinstance(last, str):
            segment.append(token)
        elif len(last) + len(token) <= LONG_LITERAL:
            segment[-1] = last + token
        elif token:
            segment.append(token)
    return [_joined(segment) for segment in segments]


def _joined(tokens: Sequence[Fixed]) -> Segment:
    only = tokens[0] if len(tokens) == 1 else None
    if isinstance(only, str):
        return only
    return tuple(tokens) or ""


def _size(segment: Segment) -> int:
    if isinstance(segment, str):
        return len(segment)
    return sum(len(token) if isinstance(token, str) else 1 for token in segment)


def _compile_literals(head: str, middles: Sequence[str], tail: str) -> Match:
    shortest = len(head) + len(tail) + sum(map(len, middles))

    def match(text: str, context: Context) -> bool | None:
        if len(text) < shortest or not text.startswith(head) or not text.endswith(tail):
            return False
        if len(text) > SHORT_TEXT:
            return _compile_segments([head, *middles, tail])(text, context)
        position, end = len(head), len(text) - len(tail)
        for segment in middles:
            position = text.find(segment, position, end)
            if position < 0:
                return False
            position += len(segment)
        return True

    return match


def _compile_segments(segments: Sequence[Segment]) -> Match:
    head, *rest = segments
    start = _size(head)
    if not rest:
        return lambda text, _: len(text) == start and _end(head, text, 0) == start
    *middles, tail = rest
    ending = _size(tail)
    shortest = start + ending + sum(map(_size, middles))

    def match(text: str, _context: Context) -> bool:
        last = len(text) - ending
        if len(text) < shortest or _end(head, text, 0) < 0 or _end(tail, text, last) < 0:
            return False
        position = start
        for segment in middles:
            position = _find_end(segment, text, position)
            if not 0 <= position <= last:
                return False
        return True

    return match


def _end(segment: Segment, text: str, position: int) -> int:
    """Return where `segment` ends if it begins at `position`, or -1; a `?` may stand beyond the text's end."""
    if isinstance(segment, str):
        return position + len(segment) if text.startswith(segment, position) else -1
    for token in segment:
        if not isinstance(token, str):
            position += 1
        elif text.startswith(token, position):
            position += len(token)
        else:
            return -1
    return position


def _find_end(segment: Segment, text: str, position: int) -> int:
    """Return where the first `segment` ends that begins at `position` or later, or -1; as `_end`."""
    first = segment if isinstance(segment, str) else segment[0]
    if len(text) <= SHORT_TEXT and isinstance(first, str):
        for _ in range(TRIES):
            position = text.find(first, position)
            if position < 0:
                return -1
            end = _end(segment, text, position)
            if end >= 0:
                return end
            position += 1
    tokens = (segment,) if isinstance(segment, str) else segment
    return find_occurrences(text).find_end(tokens, position)


def compile_beginning(tokens: tuple[Fixed, ...]) -> Match:
    """Compile: does the pattern match something that begins with the text?

    What follows the first run can always be added, so only what stands before it is compared.
    """

    def match(prefix: str, _context: Context) -> bool:
        position, size = 0, len(prefix)
        for token in tokens:
            if token is Wildcard.RUN or position >= size:
                return True
            if not isinstance(token, str):
                position += 1
            elif prefix.startswith(token, position) or token.startswith(prefix[position:]):
                position += len(token)
            else:
                return False
        return position >= size

    return match


def match_any(matches: Sequence[Match]) -> Match:
    """Join matchers by OR; `None` where none matches and one is unresolved."""
    if len(matches) == 1:
        return matches[0]

    def match(text: str, context: Context) -> bool | None:
        outcome: bool | None = False
        for one in matches:
            found = one(text, context)
            if found:
                return True
            if found is None:
                outcome = None
        return outcome

    return match
