"""`authz check`, and what it shares with `explain` and `simulate`: how a question is put on the command line.

The question goes to `authz.v1` of a running service, so the answer is the one that a proxy would get at that
revision, not one computed aside. `check` answers by its exit code, for scripts, and goes unsigned.

Not here: why (`explanations.py`), and what would be if (`simulation.py`).
"""

from collections.abc import Sequence
from typing import Any, Final

import click

from authz.cli.calls import parse_pairs
from authz.cli.completion import complete_action
from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, printable, to_plain
from authz.cli.session import F, Session, pass_session, with_json
from authz.wire.authz.v1 import authorization_pb2 as wire
from authz.wire.authz.v1 import decision_pb2

SERVICE: Final = "/authz.v1.AuthorizationService"

Words = tuple[str | None, str | None, str | None]
"""What stands for USER, ACTION and RESOURCE, as far as it is there."""


def with_question(command: F) -> F:
    """Give a command the arguments and options of a question; `fill` reads them."""
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
            "--anonymous", is_flag=True, help="Nobody in particular asks; leave USER out."
        ),
        click.option(
            "--as-access-key", is_flag=True, help="USER is an access key id; its owner acts."
        ),
        click.argument("resource", required=False),
        click.argument("action", required=False, shell_complete=complete_action),
        click.argument("user", required=False),
    ):
        command = decorate(command)
    return command


def fill(
    message: wire.AuthorizeRequest | wire.Check,
    words: Words,
    pairs: Sequence[str],
    *,
    as_access_key: bool,
    anonymous: bool,
) -> None:
    """Write the question of a command line into `message`."""
    given = [word for word in words if word is not None]
    expected = ("ACTION", "RESOURCE") if anonymous else ("USER", "ACTION", "RESOURCE")
    if len(given) != len(expected) or (anonymous and as_access_key):
        problem = f"a question is {' '.join(expected)}"
        raise click.UsageError(f"{problem} with --anonymous" if anonymous else problem)
    *who, message.action, message.resource = given
    if anonymous:
        message.anonymous = True
    elif as_access_key:
        message.access_key_id = who[0]
    elif who[0].startswith("arn:"):
        message.principal_arn = who[0]
    else:
        message.user_name = who[0]
    for key, values in parse_pairs(pairs, "--context").items():
        message.context[key].values.extend(values)


@click.command()
@with_question
@with_json
@pass_session
def check(
    session: Session,
    user: str | None,
    action: str | None,
    resource: str | None,
    as_access_key: bool,
    anonymous: bool,
    pairs: tuple[str, ...],
    at_least_revision: int,
) -> None:
    """Ask whether USER (a name or an ARN) may do ACTION to RESOURCE.

    Exit code 0 when allowed, 1 when not, another one when there is no answer.
    """
    request = wire.AuthorizeRequest(at_least_revision=at_least_revision)
    words = (user, action, resource)
    fill(request, words, pairs, as_access_key=as_access_key, anonymous=anonymous)
    with session.connect(is_signed=False) as client:
        answer = client.call(f"{SERVICE}/Authorize", request, wire.AuthorizeResponse)
    if session.as_json:
        print_json(to_plain(answer))
    else:
        click.echo(say_decision(to_plain(answer.decision)))
    end_by(answer.decision)


def end_by(decision: decision_pb2.Decision) -> None:
    """End the command with the exit code that says that it is not allowed, unless it is."""
    if decision.verdict != decision_pb2.VERDICT_ALLOWED:
        raise CliError("", exit_code=ExitCode.FAILURE)


_REASONS: Final = {
    "root": "the root credential is not limited by policies",
    "no_match": "no statement allows it",
    "principal_unknown": "there is no such principal",
    "principal_disabled": "the principal or its access key is disabled",
    "permissions_boundary": "the permissions boundary does not allow it",
    "session_policy": "the session's policies do not allow it",
    "service_account_policy": "the service account's own policy does not allow it",
}


def say_decision(decision: dict[str, Any]) -> str:
    """Return a decision in one sentence: the verdict, and the statement that determined it or why none did."""
    verdict = decision["verdict"].replace("_", " ")
    statement = decision["statement"]
    if decision["reason"] == "quarantine":
        why = f"policy {statement['policy_arn']} is quarantined"
    elif statement:
        why = f"by {say_place(statement)}"
    else:
        why = _REASONS.get(decision["reason"], decision["reason"])
    return printable(f"{verdict}: {why} (revision {decision['revision']})")


def say_place(statement: dict[str, Any]) -> str:
    """Return where a statement stands."""
    policy = f"{statement['policy_arn']} v{statement['version']}"
    return f"{say_statement(statement)} of {policy}"


def say_statement(statement: dict[str, Any]) -> str:
    """Return how a statement is called within its policy."""
    sid = f" ({statement['sid']})" if statement["sid"] else ""
    return f"Statement[{statement['index']}]{sid}"
