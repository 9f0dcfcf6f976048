"""Wildcard patterns: `*` any run of characters, `?` exactly one code point; compiled to small closures.

A matcher is as large as its pattern, and its work is at most one pass over the text for each of the pattern's
characters: literals are found by `str.find` in short texts, and in long ones, like what holds `?`, by integers
of one bit for each character of the text (`occurrences.py`). A leftmost find never needs to be taken back.

ARN patterns are split, like the requested ARN, at the first five colons and matched part by part, so that a
wildcard never crosses into another part. For questions about every resource below a prefix, two more
relations: a pattern *covers* a prefix if it matches all that begins with it, *overlaps* it if it matches
something that does.

Not here: where holes (policy variables) come from; a hole is anything that can find its text in a request.
Every matcher answers `None` where a hole has no text.
"""

from authz.policy.patterns.arns import (
    arn_tokens,
    compile_arn,
    compile_arns,
    compile_cover,
    compile_overlap,
    is_arn_pattern,
)
from authz.policy.patterns.globs import compile_glob, compile_text, match_any
from authz.policy.patterns.tokens import Hole, Match, Piece, Wildcard

__all__ = [
    "Hole",
    "Match",
    "Piece",
    "Wildcard",
    "arn_tokens",
    "compile_arn",
    "compile_arns",
    "compile_cover",
    "compile_glob",
    "compile_overlap",
    "compile_text",
    "is_arn_pattern",
    "match_any",
]
