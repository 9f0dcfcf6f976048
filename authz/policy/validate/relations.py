"""How two patterns stand to each other: does one match all that the other matches, can both match one text?

`covers` is sound and not complete: a yes is a yes, a no may be a don't know (`a?*` and `a*?` are the same, and
it does not see it), which is what advice needs. Variables are covered by themselves and by `*` only. Work is
bounded: patterns longer than `LENGTH_LIMIT` are covered by their equals alone and overlap with everything.
"""

import re
from functools import lru_cache
from typing import Final

from authz.policy.arn import split_arn

LENGTH_LIMIT: Final = 512
"""Longest pattern that is compared, in characters; the comparison is quadratic at worst."""

_ANY: Final = "*"
_SEGMENT: Final = "{}"
_TOKEN: Final = re.compile(r"\$\{[^}]*\}|.", re.DOTALL)
_TYPE_TOKEN: Final = re.compile(r"\{(\w+)(\+?)\}|.", re.DOTALL)

Tokens = tuple[str, ...]


@lru_cache(4096)
def _tokens(pattern: str) -> Tokens:
    return tuple(_TOKEN.findall(pattern))


def covers(pattern: str, other: str) -> bool:
    """Tell whether `pattern` matches every text that `other` matches."""
    if pattern in {_ANY, other}:
        return True
    if max(len(pattern), len(other)) > LENGTH_LIMIT:
        return False
    return _covers(_tokens(pattern), _tokens(other))


def _covers(pattern: Tokens, other: Tokens) -> bool:
    """Match greedily, going back to the last star; a star of `other` is a letter that only a star matches."""
    i = j = 0
    star, mark = -1, 0
    while j < len(other):
        if i < len(pattern) and pattern[i] == _ANY:
            star, mark = i, j
            i += 1
        elif i < len(pattern) and _covers_one(pattern[i], other[j]):
            i += 1
            j += 1
        elif star >= 0:
            mark += 1
            i, j = star + 1, mark
        else:
            return False
    return all(token == _ANY for token in pattern[i:])


def _covers_one(ours: str, other: str) -> bool:
    return ours == other or (ours == "?" and len(other) == 1 and other != _ANY)


def covers_arn(pattern: str, other: str) -> bool:
    """Tell the same of ARN patterns, which are matched part by part."""
    if pattern in {_ANY, other}:
        return True
    ours, theirs = split_arn(pattern), split_arn(other)
    if ours is None or theirs is None:
        return False
    return all(covers(one, another) for one, another in zip(ours, theirs, strict=True))


@lru_cache(256)
def _type_tokens(part: str) -> Tokens:
    # `*` is a letter here: an ARN of the catalog that ends in it is meant so.
    return tuple(
        (_ANY if found[2] else _SEGMENT) if found[1] else f"={found[0]}"
        for found in _TYPE_TOKEN.finditer(part)
    )


def overlaps_type(pattern: str, arn: str) -> bool:
    """Tell whether a resource pattern can match a resource whose ARN is of the catalog's form `arn`."""
    if pattern == _ANY or len(pattern) > LENGTH_LIMIT:
        return True
    ours, theirs = split_arn(pattern), split_arn(arn)
    if ours is None or theirs is None:
        return False
    return all(
        _overlap(_tokens(one), _type_tokens(another))
        for one, another in zip(ours, theirs, strict=True)
    )


def _overlap(pattern: Tokens, kind: Tokens) -> bool:
    """Walk both at once; a state is how much of each is used up."""
    todo, seen = [(0, 0)], {(0, 0)}
    while todo:
        i, j = todo.pop()
        if i == len(pattern) and j == len(kind):
            return True
        for state in _steps(pattern, kind, i, j):
            if state not in seen:
                seen.add(state)
                todo.append(state)
    return False


def _steps(pattern: Tokens, kind: Tokens, i: int, j: int) -> list[tuple[int, int]]:
    ours = pattern[i] if i < len(pattern) else None
    theirs = kind[j] if j < len(kind) else None
    is_run = ours is not None and (ours == _ANY or len(ours) > 1)
    steps = []
    if is_run:
        steps.append((i + 1, j))
    if theirs in {_ANY, _SEGMENT}:
        steps.append((i, j + 1))
        if ours is not None and not is_run and (theirs == _ANY or ours != "/"):
            steps.append((i + 1, j))
    elif theirs is not None and is_run:
        steps.append((i, j + 1))
    elif theirs is not None and ours is not None and ours in {"?", theirs[1:]}:
        steps.append((i + 1, j + 1))
    return steps
