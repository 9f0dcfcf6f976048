"""`ArnEquals` and `ArnLike`, which AWS defines alike: six parts, each matched with `*` and `?`.

Source: AWS, "Amazon Resource Name (ARN) condition operators". A request value that is no ARN is unevaluable.
"""

from authz.policy.arn import split_arn
from authz.policy.conditions.outcome import UNEVALUABLE, Listed, Outcome
from authz.policy.patterns import Match, compile_arns, is_arn_pattern
from authz.policy.request import Context


def compile_arn(listed: Listed) -> Match:
    """Compile `ArnLike`; a listed value must be an ARN or `*`."""
    templates = listed.templates()
    for pieces, value in zip(templates, listed.values, strict=True):
        if not is_arn_pattern(pieces):
            raise listed.refuse(value, "an ARN")
    match_arn = compile_arns(templates)

    def match(value: str, context: Context) -> Outcome:
        if split_arn(value) is None:
            return UNEVALUABLE
        outcome = match_arn(value, context)
        return listed.unresolved if outcome is None else outcome

    return match
