"""The condition values of a request, and where each comes from.

The three sources are told apart so that a reader sees who vouches for a value: a record, the connection and the
clock, or the request itself. A value that an earlier source hides is not one of the request. Not here: how they
are looked up for a decision (`request.py`).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from authz.policy.request import Context, Values

CLOCK_KEYS: Final = ("aws:currenttime", "aws:epochtime")
"""What every request has without being told."""


class FactSource(StrEnum):
    """Where a condition value comes from."""

    IDENTITY = "IDENTITY"
    SERVER = "SERVER"
    REQUEST = "REQUEST"


@dataclass(frozen=True, slots=True)
class Fact:
    """One condition key, folded, its values and their source."""

    key: str
    values: Values
    source: FactSource


def find_fact(context: Context, key: str) -> Fact | None:
    """Return what a look-up of the folded `key` finds, or `None` where the request does not have it."""
    values = context.find(key)
    if values is None:
        return None
    if key in context.identity:
        return Fact(key, values, FactSource.IDENTITY)
    is_served = key in context.server or key in CLOCK_KEYS
    return Fact(key, values, FactSource.SERVER if is_served else FactSource.REQUEST)


def list_facts(context: Context) -> tuple[Fact, ...]:
    """Return all values of a request, ordered by source and key."""
    keys = {*context.identity, *context.server, *CLOCK_KEYS, *context.request}
    found = (find_fact(context, key) for key in keys)
    sources = list(FactSource)
    return tuple(
        sorted(
            (fact for fact in found if fact is not None),
            key=lambda fact: (sources.index(fact.source), fact.key),
        )
    )
