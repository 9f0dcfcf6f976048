"""Results of tests as JUnit XML, which continuous integration shows.

There is no official schema; this is the subset that every reader takes: suites, cases, failures, with counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One test of one file; `failure` is empty for one that passed."""

    suite: str
    name: str
    failure: str


def render_junit(results: Iterable[CaseResult]) -> str:
    """Return the XML text; a suite is a file."""
    suites: dict[str, list[CaseResult]] = {}
    for result in results:
        suites.setdefault(result.suite, []).append(result)
    body = "".join(_suite(name, cases) for name, cases in suites.items())
    return f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites>\n{body}</testsuites>\n'


def _suite(name: str, cases: list[CaseResult]) -> str:
    failures = sum(bool(case.failure) for case in cases)
    head = f'  <testsuite name={_attribute(name)} tests="{len(cases)}" failures="{failures}" errors="0">\n'
    return head + "".join(map(_case, cases)) + "  </testsuite>\n"


def _case(case: CaseResult) -> str:
    head = f"    <testcase classname={_attribute(case.suite)} name={_attribute(case.name)}"
    if not case.failure:
        return f"{head}/>\n"
    message = _attribute(case.failure.partition("\n")[0])
    return (
        f"{head}><failure message={message}>{escape(_legal(case.failure))}</failure></testcase>\n"
    )


def _attribute(text: str) -> str:
    return quoteattr(_legal(text))


def _legal(text: str) -> str:
    """Replace what XML 1.0 cannot hold."""
    return "".join(c if c in "\n\t" or (c.isprintable()) else "?" for c in text)
