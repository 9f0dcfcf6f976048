"""`Date…`: RFC 3339 date-times with their zone, ISO 8601 calendar dates (midnight UTC), epoch seconds.

Source: AWS, "Date condition operators"; W3C NOTE-datetime; RFC 3339 §5.6. A date-time without a zone is
refused: it names no instant.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final

from authz.policy.conditions.ordering import COMPARISONS, compile_ordering
from authz.policy.conditions.outcome import Family, Listed
from authz.policy.patterns import Match

_EPOCH: Final = re.compile(r"(-?[0-9]{1,12})(?:\.([0-9]{1,9})[0-9]{0,9})?")
_DATE: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]{1,9})[0-9]{0,9})?)?"
    r"(?:[Zz]|([+-])([0-9]{2}):?([0-9]{2})))?"
)
_EXPECTED: Final = "a date, a date-time with its zone, or epoch seconds"
_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NANOSECONDS: Final = 1_000_000_000


@lru_cache(1024)
def parse_instant(text: str) -> int | None:
    """Read an instant as nanoseconds since the epoch, or return `None`."""
    epoch = _EPOCH.fullmatch(text)
    if epoch:
        seconds, fraction = epoch.groups()
        nanoseconds = _fraction(fraction)
        return int(seconds) * _NANOSECONDS + (
            -nanoseconds if seconds.startswith("-") else nanoseconds
        )
    date = _DATE.fullmatch(text)
    return None if date is None else _instant(date)


def _fraction(digits: str | None) -> int:
    return int((digits or "").ljust(9, "0"))


def _instant(date: re.Match[str]) -> int | None:
    year, month, day, hour, minute, second, fraction, sign, zone_hours, zone_minutes = date.groups()
    offset = timedelta(hours=int(zone_hours or 0), minutes=int(zone_minutes or 0))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        clock = (int(hour or 0), int(minute or 0), int(second or 0))
        elapsed = datetime(int(year), int(month), int(day), *clock, tzinfo=zone) - _START
    except (ValueError, OverflowError):
        return None
    return (elapsed.days * 86_400 + elapsed.seconds) * _NANOSECONDS + _fraction(fraction)


def compile_comparison(comparison: str) -> Family:
    """Return the family of one comparison."""
    compare = COMPARISONS[comparison]

    def compile_date(listed: Listed) -> Match:
        return compile_ordering(listed.parse(parse_instant, _EXPECTED), parse_instant, compare)

    return compile_date
