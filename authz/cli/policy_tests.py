"""`authz policy test`: unit tests of policies, decided here by the same function as in the service.

No service is asked and nothing is sent, so that policies can be tested where they are written and reviewed. The
form of the files is told in `authz/formats/policy_tests.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, printable
from authz.cli.session import Session, pass_session, with_json
from authz.cli.validation import name_of
from authz.clock import SystemClock
from authz.errors import ParseError
from authz.formats.iam_json import IDENTITY_POLICY
from authz.formats.junit import CaseResult, render_junit
from authz.formats.policy_tests import (
    BYTES_LIMIT,
    Expected,
    PolicyTest,
    ReadDocument,
    parse_policy_tests,
)
from authz.identity.principal import user_principal
from authz.identity.records import Group, Status, User
from authz.policy.compile import PolicySet, compile_policy_set
from authz.policy.decision import Decision, Verdict
from authz.policy.explain import ElementOutcome, Explanation, StatementExplanation, explain
from authz.policy.request import NO_FACTS, AccessRequest, Context

USER_ID = "AIDA" + "TEST" * 4 + "A"


@click.command("test")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"), metavar="FILE...")
@click.option(
    "--junit",
    type=click.File("w", encoding="utf-8"),
    metavar="FILE",
    help="Also write the results as JUnit XML.",
)
@with_json
@pass_session
def run_tests(session: Session, files: tuple[IO[bytes], ...], junit: IO[str] | None) -> None:
    """Run the policy tests in YAML files, without a service.

    Exit code 1 when a test fails.
    """
    results = [result for file in files for result in _run_file(file)]
    if junit is not None:
        junit.write(render_junit(results))
    failed = [result for result in results if result.failure]
    if session.as_json:
        print_json({"tests": [_plain(result) for result in results], "failed": len(failed)})
    else:
        _print(results)
    if failed:
        raise CliError("", exit_code=ExitCode.FAILURE)


def _run_file(file: IO[bytes]) -> Iterator[CaseResult]:
    name = name_of(file)
    try:
        tests = parse_policy_tests(file.read(BYTES_LIMIT + 1), _reader(Path(name).parent))
    except ParseError as error:
        raise CliError(f"{printable(name)}: {error.message}", exit_code=ExitCode.USAGE) from None
    for test in tests:
        yield CaseResult(suite=name, name=test.name, failure=run(test))


def _reader(folder: Path) -> ReadDocument:
    def read(path: str) -> str:
        try:
            with (folder / path).open("rb") as file:
                return file.read(IDENTITY_POLICY.byte_limit + 1).decode()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise ParseError(
                f"{printable(path)} cannot be read ({reason})", place="policies"
            ) from None

    return read


def run(test: PolicyTest) -> str:
    """Decide what a test asks; return an empty text, or what differs and why."""
    policies = compile_policy_set(test.policies)
    explanation = explain(_request(test), policies)
    decision = explanation.decision
    if _is_expected(test, decision):
        return ""
    lines = [
        f"expected {_name(test.expected, test.statement)}, got {_name(decision.verdict, _place(decision))}",
        f"  when  {test.actor.user} asks for {test.action} on {test.resource}",
        f"  -     {_name(test.expected, test.statement)}",
        f"  +     {_name(decision.verdict, _place(decision))}",
        *_reasons(explanation, policies),
    ]
    return "\n".join(lines)


def _request(test: PolicyTest) -> AccessRequest:
    actor = test.actor
    user = User(id=USER_ID, name=actor.user, status=Status.ENABLED, created_at=0.0, tags=actor.tags)
    groups = [
        Group(id="", name=name, status=Status.ENABLED, created_at=0.0) for name in actor.groups
    ]
    principal = user_principal(user, groups, actor.account)
    now = SystemClock().now() if test.now is None else test.now
    # What a test says comes last, as in the service, so that it cannot forge who acts.
    context = Context(principal.facts, NO_FACTS, test.context, now)
    return AccessRequest(principal, test.action, test.resource, context)


def _is_expected(test: PolicyTest, decision: Decision) -> bool:
    if test.expected is Expected.DENIED:
        is_verdict = decision.verdict is not Verdict.ALLOWED
    else:
        is_verdict = decision.verdict.value == test.expected.value
    return is_verdict and (not test.statement or test.statement in _places(decision))


def _places(decision: Decision) -> tuple[str, ...]:
    """Return the names of the statement that decided: by index, and by `Sid` if it has one."""
    one = decision.statement
    if one is None:
        return ()
    by_index = f"{one.policy}/{one.index}"
    return (f"{one.policy}/{one.sid}", by_index) if one.sid else (by_index,)


def _place(decision: Decision) -> str:
    return next(iter(_places(decision)), "")


def _name(verdict: str, statement: str) -> str:
    text = verdict.lower().replace("_", " ")
    return f"{text} by {statement}" if statement else text


def _reasons(explanation: Explanation, policies: PolicySet) -> Iterator[str]:
    if not policies.statements:
        yield "  there are no policies"
    for policy in explanation.policies:
        for one in policy.statements:
            yield f"  {policy.arn}/{one.statement.sid or one.statement.index}: {_reason(one)}"


def _reason(one: StatementExplanation) -> str:
    if one.is_matched:
        return f"{one.effect.lower()}s this"
    missed = [
        f"{e.element}: {e.why}" for e in one.elements if e.outcome is not ElementOutcome.MATCHED
    ]
    return f"does not match; {'; '.join(missed)}"


def _print(results: list[CaseResult]) -> None:
    for result in results:
        if not result.failure:
            continue
        click.secho(printable(f"FAIL {result.suite}: {result.name}"), fg="red", bold=True)
        for line in result.failure.split("\n")[1:]:
            colour = {"  -": "green", "  +": "red"}.get(line[:3])
            click.secho(f"  {printable(line)}", fg=colour)
    failed = sum(bool(result.failure) for result in results)
    click.echo(f"{len(results) - failed} passed, {failed} failed")


def _plain(result: CaseResult) -> dict[str, object]:
    return {
        "file": result.suite,
        "name": result.name,
        "passed": not result.failure,
        "failure": result.failure,
    }
