"""Wildcard patterns: `*` any run of characters, `?` exactly one code point; compiled to small closures.

Matching takes time linear in the text whatever the pattern: literal runs are found by `str.find` left to right
(a glob never needs to take back a leftmost find), short patterns with `?` become regular expressions whose
every `*` but the last is an atomic group, and long ones run as an automaton of one bit for each character,
all bits stepped at once by big integers.

ARN patterns are split, like the requested ARN, at the first five colons and matched part by part, so that a
wildcard never crosses into another part. For questions about every resource below a prefix, two more
relations: a pattern *covers* a prefix if it matches all that begins with it, *overlaps* it if it matches
something that does.

Not here: where holes (policy variables) come from; a hole is anything that can find its text in a request.
Every matcher answers `None` where a hole has no text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final, Protocol

from authz.policy.arn import ANY, PART_COUNT
from authz.policy.request import Context

REGEX_LIMIT: Final = 64
"""Longest pattern, in characters, matched by a regular expression: `sre` compares a literal again at every
position, so its time is the product of both lengths; beyond this the automaton is used."""

RESOLVED_MEMO_SIZE: Final = 512
"""How many patterns with their variables filled in are kept compiled; values come from requests, so bounded."""


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
_NO_PARTS: Final = ("",) * PART_COUNT
_WILDCARDS: Final = {"*": Wildcard.RUN, "?": Wildcard.ONE}


def match_everything(_text: str, _context: Context) -> bool:
    """Match any text."""
    return True


# --- tokens -------------------------------------------------------------------------------------------------


def _tokenize(pieces: Iterable[Piece]) -> tuple[Token, ...]:
    tokens: list[Token] = []
    for piece in pieces:
        if isinstance(piece, str):
            tokens += (_WILDCARDS.get(text, text) for text in _WILDCARD_SPLIT.split(piece) if text)
        else:
            tokens.append(piece if piece.literal is None else piece.literal)
    return tuple(_normalize(tokens))


def _normalize(tokens: Iterable[Token]) -> list[Token]:
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


def _resolve(tokens: Iterable[Token], context: Context) -> tuple[Fixed, ...] | None:
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


def _fixed(tokens: Iterable[Token]) -> tuple[Fixed, ...] | None:
    """Return the tokens if there is no hole among them."""
    fixed = tuple(token for token in tokens if isinstance(token, (str, Wildcard)))
    return fixed if len(fixed) == len(tuple(tokens)) else None


# --- whole texts --------------------------------------------------------------------------------------------


def compile_glob(pieces: Iterable[Piece]) -> Match:
    """Compile a pattern for plain text (actions, `StringLike`)."""
    return _compile_tokens(_tokenize(pieces))


def compile_text(pieces: Iterable[Piece]) -> Match:
    """Compile text without wildcards (`StringEquals`): `*` and `?` are themselves, holes are filled in."""
    tokens = [
        piece if isinstance(piece, str) or piece.literal is None else piece.literal
        for piece in pieces
    ]
    return _compile_tokens(tuple(_normalize(tokens)))


def _compile_tokens(tokens: tuple[Token, ...]) -> Match:
    fixed = _fixed(tokens)
    return _compile_holes(tokens) if fixed is None else _compile_fixed(fixed)


def _compile_holes(tokens: tuple[Token, ...]) -> Match:
    def match(text: str, context: Context) -> bool | None:
        resolved = _resolve(tokens, context)
        return None if resolved is None else _compile_resolved(resolved)(text, context)

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
def _compile_resolved(tokens: tuple[Fixed, ...]) -> Match:
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


class Automaton:
    """A pattern as a non-deterministic automaton in one integer: bit `i` says that `i` characters matched."""

    __slots__ = ("_accepting", "_loops", "_masks", "_ones")

    def __init__(self, tokens: Iterable[Fixed]) -> None:
        masks: dict[str, int] = {}
        ones = loops = 0
        bit = 1
        for token in tokens:
            if token is Wildcard.RUN:
                loops |= bit
            elif token is Wildcard.ONE:
                bit <<= 1
                ones |= bit
            else:
                for character in str(token):
                    bit <<= 1
                    masks[character] = masks.get(character, 0) | bit
        self._masks = {character: mask | ones for character, mask in masks.items()}
        self._ones = ones
        self._loops = loops
        self._accepting = bit

    def _run(self, text: str) -> int:
        masks, ones, loops, state = self._masks, self._ones, self._loops, 1
        for character in text:
            state = (state << 1 & masks.get(character, ones)) | (state & loops)
            if not state:
                break
        return state

    def accepts(self, text: str) -> bool:
        """Tell whether the pattern matches the whole `text`."""
        return bool(self._run(text) & self._accepting)

    def overlaps(self, prefix: str) -> bool:
        """Tell whether the pattern matches some text that begins with `prefix`.

        From every state the end can be reached by some text, so one live state is enough.
        """
        return self._run(prefix) != 0


# --- ARNs ---------------------------------------------------------------------------------------------------


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
    return _compile_parts(pieces) if tokens is None else _compile_tokens(tokens)


def arn_tokens(pieces: Sequence[Piece]) -> tuple[Token, ...] | None:
    """Return the tokens of a pattern that can be matched against the whole text at once.

    That is `*`, and any pattern whose first five parts are plain text: then all their colons are text too, and
    no wildcard can cross one of them.
    """
    if tuple(pieces) == (ANY,):
        return (Wildcard.RUN,)
    *leading, last = split_pieces(pieces)
    plain = [_plain(part) for part in leading]
    prefix = "".join(f"{text}:" for text in plain)
    return None if None in plain else tuple(_normalize((prefix, *_tokenize(last))))


def _plain(part: list[Piece]) -> str | None:
    tokens = _tokenize(part)
    if not tokens:
        return ""
    only = tokens[0]
    return only if len(tokens) == 1 and isinstance(only, str) and ":" not in only else None


def _compile_parts(pieces: Sequence[Piece]) -> Match:
    *leading, last = _part_tokens(pieces)
    matches = [_compile_tokens(tokens) for tokens in leading]
    return _by_parts(matches, _compile_tokens(last), other=False)


def _part_tokens(pieces: Sequence[Piece]) -> list[tuple[Token, ...]]:
    return [_tokenize(part) for part in split_pieces(pieces)]


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
        resolved = _resolve(last, context)
        if resolved is None:
            return None
        tokens = tuple(_normalize(resolved))
        # It matches the prefix itself, and whatever follows falls to the run at its end.
        ends_open = bool(tokens) and tokens[-1] is Wildcard.RUN
        return ends_open and bool(_compile_resolved(resolved)(text, context))

    return _by_parts([_compile_tokens(tokens) for tokens in leading], match_last, other=False)


def compile_overlap(pieces: Sequence[Piece]) -> Match:
    """Compile: can the pattern match *some* resource that begins with the text?

    For a text that does not reach into the sixth part the answer is yes, to be on a deny's side.
    """
    if tuple(pieces) == (ANY,):
        return match_everything
    *leading, last = _part_tokens(pieces)

    def match_last(text: str, context: Context) -> bool | None:
        resolved = _resolve(last, context)
        return None if resolved is None else Automaton(resolved).overlaps(text)

    return _by_parts([_compile_tokens(tokens) for tokens in leading], match_last, other=True)


# --- lists --------------------------------------------------------------------------------------------------


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
