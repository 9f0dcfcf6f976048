"""What holds for all tests: nothing fails for being slow, and the summary tells what conformance was asked where.

Only this file is read also by the process that hands out tests to others and prints what comes of them.
"""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.conformance.tally import Tally
from tests.servers.postgres import postgres

__all__ = ["postgres"]

# How long an example takes says more about what else the machine does than about ours.
settings.register_profile("slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("slow")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what the tests of conformance noted."""
    lines = Tally(_noted(terminalreporter)).lines()
    if lines:
        terminalreporter.section("conformance")
    for line in lines:
        terminalreporter.line(line)


def _noted(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, tuple[str, ...]]]:
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport) and report.when == "call":
                yield from report.user_properties
