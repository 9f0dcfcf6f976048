"""`Bool`: `true` and `false`, in any case, since JSON, YAML and people write them differently.

Nothing else is a boolean: not `1`, not `yes`, not the empty text. In a policy such a value is a mistake and
refused; in a request it is unevaluable: no allow, and no way around a deny. `parse_booleans` also serves
`Null`, whose listed values are of the same kind.

Source: AWS, "Boolean condition operators".
"""

from typing import Final

from authz.policy.conditions.outcome import UNEVALUABLE, Listed, Outcome
from authz.policy.patterns import Match
from authz.policy.request import Context

_BOOLEANS: Final = {"true": True, "false": False}


def parse_boolean(text: str) -> bool | None:
    """Read `true` or `false`, or return `None`."""
    return _BOOLEANS.get(text.lower())


def parse_booleans(listed: Listed) -> frozenset[bool]:
    """Read the listed values; anything but `true` and `false` raises `ParseError`."""
    return frozenset(listed.parse(parse_boolean, "`true` or `false`"))


def compile_boolean(listed: Listed) -> Match:
    """Compile `Bool`."""
    wanted = parse_booleans(listed)

    def match(value: str, _context: Context) -> Outcome:
        boolean = parse_boolean(value)
        return UNEVALUABLE if boolean is None else boolean in wanted

    return match
