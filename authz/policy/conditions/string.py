"""`StringEquals`, `StringEqualsIgnoreCase`, `StringLike`: the families that take policy variables.

Any text can be read as a string, so these never are unevaluable but for unresolved variables in a complement.
In `StringEquals` the characters `*` and `?` are themselves.
"""

from collections.abc import Iterable, Sequence

from authz.policy.conditions.outcome import Listed
from authz.policy.patterns import Match, compile_glob, compile_text, match_any
from authz.policy.request import Context
from authz.policy.variables import Piece


def compile_equals(listed: Listed) -> Match:
    """Compile `StringEquals`: code points are compared as they are."""
    templates = listed.templates()
    if _is_plain(templates):
        texts = frozenset("".join(map(str, pieces)) for pieces in templates)
        return lambda value, _: value in texts
    return _known(match_any([compile_text(pieces) for pieces in templates]), listed)


def _is_plain(templates: Iterable[Sequence[Piece]]) -> bool:
    return all(isinstance(piece, str) for pieces in templates for piece in pieces)


def compile_equals_ignore_case(listed: Listed) -> Match:
    """Compile `StringEqualsIgnoreCase`: both sides are case-folded (Unicode), after variables are filled in."""
    templates = listed.templates()
    if _is_plain(templates):
        texts = frozenset("".join(map(str, pieces)).casefold() for pieces in templates)
        return lambda value, _: value.casefold() in texts

    def match(value: str, context: Context) -> bool | None:
        folded = value.casefold()
        outcome: bool | None = False
        for pieces in templates:
            found = [
                piece if isinstance(piece, str) else piece.literal or piece.find(context)
                for piece in pieces
            ]
            texts = [text for text in found if text is not None]
            if len(texts) < len(found):
                outcome = listed.unresolved
            elif "".join(texts).casefold() == folded:
                return True
        return outcome

    return match


def compile_like(listed: Listed) -> Match:
    """Compile `StringLike`: `*` and `?` are wildcards, what variables put in is literal."""
    templates = listed.templates()
    match = match_any([compile_glob(pieces) for pieces in templates])
    return match if _is_plain(templates) else _known(match, listed)


def _known(match: Match, listed: Listed) -> Match:
    """For a positive operator an unresolved pattern simply matches nothing."""
    return match if listed.negated else lambda value, context: match(value, context) or False
