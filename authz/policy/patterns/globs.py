"""Matchers of whole texts, each the cheapest that does: equality, prefix, segments, regex, automaton.

The choice is made once, when a policy is compiled, from the shape of the pattern alone. All of them take time
linear in the text for any pattern: a stranger picks the text, and the author of one policy must not be able to
slow down the decisions of others.

Patterns with holes are completed for each request and then compiled too; the last of these are remembered,
since the same user asks again. Not here: reading patterns (`tokens.py`), parts of ARNs (`arns.py`).
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from authz.policy.patterns.automaton import Automaton
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

REGEX_LIMIT: Final = 64
"""Longest pattern, in characters, matched by a regular expression: `sre` compares a literal again at every
position, so its time is the product of both lengths; beyond this the automaton is used."""

RESOLVED_MEMO_SIZE: Final = 512
"""How many patterns with their variables filled in are kept compiled; values come from requests, so bounded."""


def match_everything(_text: str, _context: Context) -> bool:
    """Match any text."""
    return True


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
    return _compile_holes(tokens) if fixed is None else _compile_fixed(fixed)


def _compile_holes(tokens: tuple[Token, ...]) -> Match:
    def match(text: str, context: Context) -> bool | None:
        resolved = resolve(tokens, context)
        return None if resolved is None else compile_resolved(resolved)(text, context)

    is_prefix = tokens[-1] is Wildcard.RUN
    parts = tokens[:-1] if is_prefix else tokens
    if any(isinstance(part, Wildcard) for part in parts):
        return match

    def match_simple(text: str, context: Context) -> bool | None:
        resolved = ""
        for part in parts:
            value = part if isinstance(part, str) else part.find(context)  # type: ignore[union-attr] # no wildcard is left
            if value is None:
                return None
            resolved += value
        return text.startswith(resolved) if is_prefix else text == resolved

    return match_simple


@lru_cache(RESOLVED_MEMO_SIZE)
def compile_resolved(tokens: tuple[Fixed, ...]) -> Match:
    """Compile tokens whose holes are filled in, for one or a few matches."""
    # Compiling a regular expression costs far more than one match by the automaton.
    return _compile_fixed(tokens, regex_limit=0)


def _compile_fixed(tokens: tuple[Fixed, ...], regex_limit: int = REGEX_LIMIT) -> Match:
    if Wildcard.ONE in tokens:
        return _compile_with_ones(tokens, regex_limit)
    head, *rest = _literal_segments(tokens)
    if not rest:
        return lambda text, _: text == head
    *middles, tail = rest
    if middles:
        return _compile_segments(head, middles, tail)
    if tail:
        shortest = len(head) + len(tail)
        return lambda text, _: (
            len(text) >= shortest and text.startswith(head) and text.endswith(tail)
        )
    return (lambda text, _: text.startswith(head)) if head else match_everything


def _literal_segments(tokens: Iterable[Fixed]) -> list[str]:
    """Return the literal text between the runs; empty text before a leading and after a trailing one."""
    segments = [""]
    for token in tokens:
        if isinstance(token, str):
            segments[-1] += token
        else:
            segments.append("")
    return segments


def _compile_segments(head: str, middles: Sequence[str], tail: str) -> Match:
    shortest = len(head) + len(tail) + sum(map(len, middles))

    def match(text: str, _context: Context) -> bool:
        if len(text) < shortest or not text.startswith(head) or not text.endswith(tail):
            return False
        position, end = len(head), len(text) - len(tail)
        for segment in middles:
            position = text.find(segment, position, end)
            if position < 0:
                return False
            position += len(segment)
        return True

    return match


def _compile_with_ones(tokens: tuple[Fixed, ...], regex_limit: int) -> Match:
    size = sum(len(token) if isinstance(token, str) else 1 for token in tokens)
    if size > regex_limit:
        accepts = Automaton(tokens).accepts
        return lambda text, _: accepts(text)
    fullmatch = re.compile(_regex(tokens), re.DOTALL).fullmatch
    return lambda text, _: fullmatch(text) is not None


def _regex(tokens: Iterable[Fixed]) -> str:
    segments = [""]
    for token in tokens:
        if token is Wildcard.RUN:
            segments.append("")
        else:
            segments[-1] += "." if token is Wildcard.ONE else re.escape(str(token))
    head, *rest = segments
    if not rest:
        return head
    *middles, tail = rest
    # The leftmost place of a segment is always good enough, so no group is ever entered again.
    return head + "".join(f"(?>.*?{segment})" for segment in middles) + ".*" + tail


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
