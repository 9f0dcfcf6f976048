"""`authz check` and `authz explain`: may this user do that, and why?

Both put the question to `authz.v1` of a running service, so the answer is the one that a proxy would get at
that revision, not one computed aside. `check` answers by its exit code, for scripts; `explain` shows every
statement with what matched and what did not, and the statement that came nearest to allowing.

`check` goes unsigned; `explain` is signed, because it shows what policies say.
"""

from collections.abc import Sequence
from typing import Any

import click

from authz.cli.calls import parse_pairs
from authz.cli.completion import complete_action
from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, print_record, printable, to_plain
from authz.cli.session import F, Session, pass_session, with_json
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2

SERVICE = "/authz.v1.AuthorizationService"


def _with_question(command: F) -> F:
    for decorate in (
        click.option(
            "--at-least-revision",
            type=click.IntRange(min=0),
            default=0,
            metavar="N",
            help="Answer from revision N or a newer one (a write prints its revision).",
        ),
        click.option(
            "--context",
            "pairs",
            multiple=True,
            metavar="KEY=VALUE",
            help="A condition value, such as aws:SourceIp=192.0.2.7; may be repeated.",
        ),
        click.option(
            "--as-access-key", is_flag=True, help="USER is an access key id; its owner acts."
        ),
        click.argument("resource"),
        click.argument("action", shell_complete=complete_action),
        click.argument("user"),
    ):
        command = decorate(command)
    return command


def _fill(
    message: wire.AuthorizeRequest | wire.Check,
    question: tuple[str, str, str],
    pairs: Sequence[str],
    *,
    as_access_key: bool,
) -> None:
    user, message.action, message.resource = question
    if as_access_key:
        message.access_key_id = user
    elif user.startswith("arn:"):
        message.principal_arn = user
    else:
        message.user_name = user
    for key, values in parse_pairs(pairs, "--context").items():
        message.context[key].values.extend(values)


@click.command()
@_with_question
@with_json
@pass_session
def check(
    session: Session,
    user: str,
    action: str,
    resource: str,
    as_access_key: bool,
    pairs: tuple[str, ...],
    at_least_revision: int,
) -> None:
    """Ask whether USER (a name or an ARN) may do ACTION to RESOURCE.

    Exit code 0 when allowed, 1 when not, another one when there is no answer.
    """
    request = wire.AuthorizeRequest(at_least_revision=at_least_revision)
    _fill(request, (user, action, resource), pairs, as_access_key=as_access_key)
    with session.connect(is_signed=False) as client:
        answer = client.call(f"{SERVICE}/Authorize", request, wire.AuthorizeResponse)
    if session.as_json:
        print_json(to_plain(answer))
    else:
        click.echo(_sentence(to_plain(answer.decision)))
    if answer.decision.verdict != decision_pb2.VERDICT_ALLOWED:
        raise CliError("", exit_code=ExitCode.FAILURE)


@click.command()
@_with_question
@with_json
@pass_session
def explain(
    session: Session,
    user: str,
    action: str,
    resource: str,
    as_access_key: bool,
    pairs: tuple[str, ...],
    at_least_revision: int,
) -> None:
    """Tell why USER (a name or an ARN) may or may not do ACTION to RESOURCE, statement by statement."""
    request = wire.ExplainRequest(at_least_revision=at_least_revision)
    _fill(request.check, (user, action, resource), pairs, as_access_key=as_access_key)
    with session.connect() as client:
        answer = client.call(f"{SERVICE}/Explain", request, wire.ExplainResponse)
    plain = to_plain(answer)
    if session.as_json:
        print_json(plain)
    else:
        _print_explanation(plain)


_REASONS = {
    "root": "the root credential is not limited by policies",
    "no_match": "no statement allows it",
    "principal_unknown": "there is no such user",
    "principal_disabled": "the user is disabled",
}
_MARKS = {"matched": "yes", "not_matched": "no", "unevaluable": "cannot be read"}


def _sentence(decision: dict[str, Any]) -> str:
    verdict = decision["verdict"].replace("_", " ")
    statement = decision["statement"]
    if decision["reason"] == "quarantine":
        why = f"policy {statement['policy_arn']} is quarantined"
    elif statement:
        why = f"by {_place(statement)}"
    else:
        why = _REASONS.get(decision["reason"], decision["reason"])
    return printable(f"{verdict}: {why} (revision {decision['revision']})")


def _place(statement: dict[str, Any]) -> str:
    sid = f" ({statement['sid']})" if statement["sid"] else ""
    return (
        f"Statement[{statement['index']}]{sid} of {statement['policy_arn']} v{statement['version']}"
    )


def _print_explanation(plain: dict[str, Any]) -> None:
    click.echo(_sentence(plain["decision"]))
    for policy in plain["policies"]:
        held = ", only its denies hold" if policy["deny_only"] else ""
        click.echo()
        click.echo(printable(f"{policy['policy_arn']} v{policy['version']}{held}"))
        if policy["problem"]:
            click.echo(printable(f"  quarantined: {policy['problem']}"))
        for statement in policy["statements"]:
            _print_statement(statement)
    miss = plain["nearest_miss"]
    if miss:
        stopping = [one["element"] for one in miss["elements"] if one["outcome"] != "matched"]
        click.echo()
        click.echo(printable(f"nearest miss: {_place(miss['statement'])}"))
        click.echo(printable(f"  it would allow but for {', '.join(stopping)}"))


def _print_statement(statement: dict[str, Any]) -> None:
    ref = statement["statement"]
    outcome = "matches" if statement["matched"] else "does not match"
    sid = f" ({ref['sid']})" if ref["sid"] else ""
    click.echo(printable(f"  Statement[{ref['index']}]{sid}: {statement['effect']}, {outcome}"))
    print_record(
        {
            f"    {one['element']}": f"{_MARKS.get(one['outcome'], one['outcome'])}: {one['detail']}"
            for one in statement["elements"]
        }
    )
