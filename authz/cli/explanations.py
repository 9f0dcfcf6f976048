"""`authz explain`: why may somebody do that or not, for a question or for a decision that was made.

Signed, because it shows what policies say. The first line says what was decided and by which statement; then
come the policies by layer with one line a statement, in detail those that are about the action; at last what
would have to change. What a policy's author wrote is printed without what a terminal might obey.

A decision is asked for by its id, which only the process that made it knows, and not for long; the decision log
knows who asked for what, so `--log` finds it there and asks the same again.
"""

import json
from collections.abc import Mapping
from typing import IO, Any, Final

import click

from authz.cli.errors import CliError, ExitCode
from authz.cli.output import Plain, print_json, printable, to_plain
from authz.cli.questions import (
    SERVICE,
    fill,
    say_decision,
    say_place,
    say_statement,
    with_question,
)
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.v1 import authorization_pb2 as wire

LINE_LIMIT: Final = 65_536
"""Longest line of a decision log that is looked at, in bytes; records are far shorter."""


@click.command()
@with_question
@click.option(
    "--decision",
    "decision_id",
    metavar="ID",
    help="Explain the decision ID, instead of a question.",
)
@click.option(
    "--log",
    type=click.File("rb"),
    metavar="FILE",
    help="Find the decision in this decision log and ask the same again.",
)
@click.option(
    "--all", "with_all", is_flag=True, help="Show all of every statement, and all values."
)
@with_json
@pass_session
def explain(
    session: Session,
    user: str | None,
    action: str | None,
    resource: str | None,
    as_access_key: bool,
    anonymous: bool,
    pairs: tuple[str, ...],
    at_least_revision: int,
    decision_id: str | None,
    log: IO[bytes] | None,
    with_all: bool,
) -> None:
    """Tell why USER (a name or an ARN) may or may not do ACTION to RESOURCE, statement by statement.

    Or, with --decision, why an earlier decision was made, and what it would be now.
    """
    request = wire.ExplainRequest(at_least_revision=at_least_revision)
    words = (user, action, resource)
    if decision_id is None:
        if log is not None:
            raise click.UsageError("--log needs --decision")
        fill(request.check, words, pairs, as_access_key=as_access_key, anonymous=anonymous)
    elif any((*words, as_access_key, anonymous, pairs)):
        raise click.UsageError("--decision is asked alone: it knows who asked for what")
    elif log is not None:
        _fill_from_log(request.check, decision_id, log)
    else:
        request.decision_id = decision_id
    answer = _ask(session, request)
    plain = to_plain(answer)
    if session.as_json:
        print_json(plain)
    else:
        print_explanation(plain, with_all=with_all)


def _ask(session: Session, request: wire.ExplainRequest) -> wire.ExplainResponse:
    try:
        with session.connect() as client:
            return client.call(f"{SERVICE}/Explain", request, wire.ExplainResponse)
    except CliError as error:
        if request.decision_id and error.exit_code == ExitCode.NOT_FOUND:
            hint = "ask the replica that decided (--address), or find it in its log (--log FILE)"
            raise CliError(error.message, exit_code=ExitCode.NOT_FOUND, hint=hint) from None
        raise


# --- decisions of a log -------------------------------------------------------------------------------------


def _fill_from_log(check: wire.Check, decision_id: str, log: IO[bytes]) -> None:
    record = _find_record(decision_id, log)
    if record is None:
        problem = f"there is no decision {printable(decision_id)} in {printable(log.name)}"
        hint = "all denials are there, and allows by AUTHZ_DECISION_LOG_ALLOW_SAMPLE_RATE"
        raise CliError(problem, exit_code=ExitCode.NOT_FOUND, hint=hint)
    if not record.get("action"):
        problem = f"it was refused before anything was decided: {record.get('code', 'no code')}"
        raise CliError(printable(problem), exit_code=ExitCode.FAILURE)
    principal = str(record.get("principal", ""))
    if principal:
        check.principal_arn = principal
    else:
        check.anonymous = True
    check.action = str(record["action"])
    check.resource = str(record.get("resource", ""))
    then = f"{record.get('verdict', '')}, {record.get('reason', '')}, revision {record.get('revision', '')}"
    click.echo(printable(f"authz: then: {then.lower()}"), err=True)
    click.echo(
        "  asked again now by name, without the condition values of then, which are not in the log",
        err=True,
    )


def _find_record(decision_id: str, log: IO[bytes]) -> dict[str, Any] | None:
    wanted = decision_id.encode(errors="replace")
    while line := log.readline(LINE_LIMIT):
        if wanted in line:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("decision_id") == decision_id:
                return record
    return None


# --- text ---------------------------------------------------------------------------------------------------

_LAYERS: Final = {
    "identity": "identity policies",
    "permissions_boundary": "permissions boundary",
    "session_policy": "session policies",
    "service_account_policy": "service account's own policy",
    "resource_policy": "policy of the resource",
}
_OUTCOMES: Final = {"matched": "yes", "not_matched": "no", "unevaluable": "cannot be read"}
_COLOURS: Final = {"+": "green", "!": "red", "~": "yellow"}
"""The mark of a statement (allows, denies, nearly does, is about something else) → its colour."""
_SOURCES: Final = {"identity": "the identity", "server": "the server", "request": "the request"}


def print_explanation(
    plain: Plain, *, with_all: bool, names: Mapping[str, str] | None = None
) -> None:
    """Print an `ExplainResponse`; `names` says how policies are called that are stored nowhere."""
    plain = _renamed(plain, names or {})
    decision = plain["decision"]
    colour = "green" if decision["verdict"] == "allowed" else "red"
    click.secho(say_decision(decision), fg=colour, bold=True)
    now = plain["decision_now"]
    if now is not None:
        changed = "" if now["verdict"] == decision["verdict"] else "; that has changed"
        click.echo(f"now {say_decision(now)}{changed}")
        if now["reason"] == "principal_unknown":
            click.echo("who asked then is gone; a user created since under the name is another one")
    _print_request(plain["request"], with_all=with_all)
    layer = ""
    for policy in plain["policies"]:
        if policy["layer"] != layer:
            layer = policy["layer"]
            click.echo()
            click.secho(_LAYERS.get(layer, layer), bold=True)
        _print_policy(policy, with_all=with_all)
    _print_changes(plain)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Return `value` with the names of policies replaced, wherever they stand."""
    if isinstance(value, dict):
        return {key: _renamed(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, names) for one in value]
    if isinstance(value, str):
        for name, called in names.items():
            value = value.replace(name, called)
    return value


def _print_request(request: Plain | None, *, with_all: bool) -> None:
    if request is None:
        return
    who = (request["principal"] or {}).get("arn") or "an anonymous caller"
    below = " and all below" if request["is_prefix"] else ""
    click.echo(printable(f"{who} asks for {request['action']} on {request['resource']}{below}"))
    for fact in request["facts"] if with_all else ():
        source = _SOURCES.get(fact["source"], fact["source"])
        click.echo(printable(f"  {fact['key']} = {', '.join(fact['values'])} (from {source})"))


def _print_policy(policy: Plain, *, with_all: bool) -> None:
    held = ", of a disabled group: only its denies hold" if policy["deny_only"] else ""
    click.echo(printable(f"  {policy['policy_arn']} v{policy['version']}{held}"))
    if policy["problem"]:
        text = printable(f"    ! quarantined, denies everything: {policy['problem']}")
        click.secho(text, fg=_COLOURS["!"])
    for statement in policy["statements"]:
        mark, says = _judge(statement, is_deny_only=policy["deny_only"])
        line = printable(f"    {mark} {say_statement(statement['statement'])} {says}")
        click.secho(line, fg=_COLOURS.get(mark), dim=True if mark == "-" else None)
        if with_all or mark != "-":
            _print_elements(statement["elements"])


def _judge(statement: Plain, *, is_deny_only: bool) -> tuple[str, str]:
    """Return a statement's mark and what it does."""
    is_allow = statement["effect"] == "allow"
    verb = "allow" if is_allow else "deny"
    if is_allow and is_deny_only:
        return "-", "would allow if its group were enabled" if statement["matched"] else "is off"
    if statement["matched"]:
        return ("+", "allows") if is_allow else ("!", "denies")
    missed = [one["element"] for one in statement["elements"] if one["outcome"] != "matched"]
    if _is_action(missed):
        return "-", f"does not {verb}: another action"
    return "~", f"would {verb} but for {', '.join(missed)}"


def _is_action(missed: list[str]) -> bool:
    return not {"Action", "NotAction"}.isdisjoint(missed)


def _print_elements(elements: list[Plain]) -> None:
    width = max((len(printable(one["element"])) for one in elements), default=0)
    for one in elements:
        outcome = _OUTCOMES.get(one["outcome"], one["outcome"])
        name = printable(one["element"]).ljust(width)
        click.echo(f"        {name}  {outcome}: {printable(one['detail'])}")


def _print_changes(plain: Plain) -> None:
    miss = plain["nearest_miss"]
    if miss:
        stopping = [one["element"] for one in miss["elements"] if one["outcome"] != "matched"]
        click.echo()
        click.echo(printable(f"nearest miss: {say_place(miss['statement'])}"))
        click.echo(printable(f"  it would allow but for {', '.join(stopping)}"))
    if plain["changes"]:
        click.echo()
        click.secho(
            "to allow it" if len(plain["changes"]) == 1 else "to allow it, all of", bold=True
        )
    for change in plain["changes"]:
        click.echo(printable(f"  {change}"))
