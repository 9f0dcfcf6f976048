"""Matchers of ARNs, part by part, and the two relations for all that begins with a prefix.

A pattern is cut at its first five colons, as the requested ARN is, so that a wildcard stays within its part:
`arn:aws:s3:::a*` cannot reach into another service. Where the first five parts are plain text, that holds
by itself, and the whole is matched at once, which is what nearly all policies come to.

The relations are for questions about every resource below a prefix at once: an allow must *cover* it (match
all), a deny need only *overlap* it (match one), and with `NotResource` the other way round. Not here: which
matcher a text gets (`globs.py`), or how ARNs are built (`policy/arn.py`).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from authz.policy.arn import ANY, PART_COUNT
from authz.policy.patterns.automaton import Automaton
from authz.policy.patterns.globs import (
    compile_resolved,
    compile_tokens,
    match_any,
    match_everything,
)
from authz.policy.patterns.tokens import Match, Piece, Token, Wildcard, normalize, resolve, tokenize
from authz.policy.request import Context

_NO_PARTS: Final = ("",) * PART_COUNT


def split_pieces(pieces: Iterable[Piece]) -> list[list[Piece]]:
    """Split a pattern at the first five colons of its text (those inside variables do not count)."""
    parts: list[list[Piece]] = [[]]
    for piece in pieces:
        if not isinstance(piece, str):
            parts[-1].append(piece)
            continue
        first, *others = piece.split(":", PART_COUNT - len(parts))
        parts[-1].append(first)
        parts.extend([text] for text in others)
    return parts


def is_arn_pattern(pieces: Sequence[Piece]) -> bool:
    """Tell whether a resource can be matched by this: `*`, or six parts of which the first is `arn`."""
    parts = split_pieces(pieces)
    return tuple(pieces) == (ANY,) or (len(parts) == PART_COUNT and parts[0] == ["arn"])


def compile_arn(pieces: Sequence[Piece]) -> Match:
    """Compile one ARN pattern (`is_arn_pattern` holds for it)."""
    tokens = arn_tokens(pieces)
    return _compile_parts(pieces) if tokens is None else compile_tokens(tokens)


def arn_tokens(pieces: Sequence[Piece]) -> tuple[Token, ...] | None:
    """Return the tokens of a pattern that can be matched against the whole text at once.

    That is `*`, which has only one part, and any pattern whose first five parts are plain text: then all their
    colons are text too, and no wildcard can cross one of them.
    """
    *leading, last = split_pieces(pieces)
    plain = [_plain(part) for part in leading]
    prefix = "".join(f"{text}:" for text in plain)
    return None if None in plain else tuple(normalize((prefix, *tokenize(last))))


def _plain(part: list[Piece]) -> str | None:
    tokens = tokenize(part)
    if not tokens:
        return ""
    only = tokens[0]
    return only if len(tokens) == 1 and isinstance(only, str) else None


def _compile_parts(pieces: Sequence[Piece]) -> Match:
    *leading, last = _part_tokens(pieces)
    matches = [compile_tokens(tokens) for tokens in leading]
    return _by_parts(matches, compile_tokens(last), other=False)


def _part_tokens(pieces: Sequence[Piece]) -> list[tuple[Token, ...]]:
    return [tokenize(part) for part in split_pieces(pieces)]


def _by_parts(leading: Sequence[Match], last: Match, *, other: bool) -> Match:
    """Match five parts as they are and the sixth by `last`; `other` is the answer for text that is no ARN."""
    matches = (*leading, last)

    def match(text: str, context: Context) -> bool | None:
        parts = text.split(":", PART_COUNT - 1)
        is_arn = len(parts) == PART_COUNT
        outcomes = {
            one(part, context)
            for one, part in zip(matches, parts if is_arn else _NO_PARTS, strict=True)
        }
        if None in outcomes:
            return None
        return False not in outcomes if is_arn else other

    return match


def compile_cover(pieces: Sequence[Piece]) -> Match:
    """Compile: does the pattern match *every* resource that begins with the text?

    The text must reach into the sixth part; a shorter one is covered by `*` alone.
    """
    if tuple(pieces) == (ANY,):
        return match_everything
    *leading, last = _part_tokens(pieces)

    def match_last(text: str, context: Context) -> bool | None:
        resolved = resolve(last, context)
        if resolved is None:
            return None
        tokens = tuple(normalize(resolved))
        # It matches the prefix itself, and whatever follows falls to the run at its end.
        ends_open = bool(tokens) and tokens[-1] is Wildcard.RUN
        return ends_open and bool(compile_resolved(resolved)(text, context))

    return _by_parts([compile_tokens(tokens) for tokens in leading], match_last, other=False)


def compile_overlap(pieces: Sequence[Piece]) -> Match:
    """Compile: can the pattern match *some* resource that begins with the text?

    For a text that does not reach into the sixth part the answer is yes, to be on a deny's side.
    """
    if tuple(pieces) == (ANY,):
        return match_everything
    *leading, last = _part_tokens(pieces)

    def match_last(text: str, context: Context) -> bool | None:
        resolved = resolve(last, context)
        return None if resolved is None else Automaton(resolved).overlaps(text)

    return _by_parts([compile_tokens(tokens) for tokens in leading], match_last, other=True)


def compile_arns(patterns: Sequence[Sequence[Piece]]) -> Match:
    """Compile a list of ARN patterns: literals become a set, prefixes a tuple, the rest are tried in turn."""
    exact: list[str] = []
    prefixes: list[str] = []
    others: list[Match] = []
    for pieces in patterns:
        tokens = arn_tokens(pieces)
        match tokens:
            case (Wildcard.RUN,):
                return match_everything
            case (str(text),):
                exact.append(text)
            case (str(text), Wildcard.RUN):
                prefixes.append(text)
            case _:
                others.append(compile_arn(pieces))
    return match_any([*_literal_matches(exact, prefixes), *others])


def _literal_matches(exact: list[str], prefixes: list[str]) -> Iterable[Match]:
    if len(exact) == 1:
        only = exact[0]
        yield lambda text, _: text == only
    elif exact:
        yield _contained(frozenset(exact))
    if prefixes:
        start = prefixes[0] if len(prefixes) == 1 else tuple(prefixes)
        yield lambda text, _: text.startswith(start)


def _contained(texts: frozenset[str]) -> Match:
    return lambda text, _: text in texts
