"""What a check is, and what it finds: values that every format can show.

A check has an id that never changes its meaning (`AZ` and three digits; the first digit is its topic), a
severity and one line for the table in the documentation.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Severity(StrEnum):
    """How bad a finding is, worst first."""

    ERROR = "error"
    """Something does not do what it says: it is refused, or can never match."""
    SECURITY = "security"
    """Something grants more than is likely meant, or a protection does not hold."""
    WARNING = "warning"
    """Something is probably a mistake."""
    SUGGESTION = "suggestion"
    """Something can be said better."""


SEVERITIES: Final = tuple(Severity)
"""Worst first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing found: id and severity of the check, the place (`Statement[2].Action[0]`), what, what to do."""

    id: str
    severity: Severity
    place: str
    message: str
    suggestion: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check; `summary` says when it speaks."""

    id: str
    severity: Severity
    summary: str

    def at(self, place: str, message: str, suggestion: str = "") -> Finding:
        """Return what this check found at `place`; texts follow the grammar of error messages."""
        return Finding(
            id=self.id,
            severity=self.severity,
            place=place,
            message=message,
            suggestion=suggestion,
        )


UNREADABLE: Final = Check(
    "AZ001", Severity.ERROR, "the document is refused: it cannot be parsed or compiled"
)
"""Found by whoever reads documents, before there is a policy to look at."""
