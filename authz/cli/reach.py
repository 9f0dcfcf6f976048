"""`authz who-can` and `authz allowed-actions`: asked ahead of any request.

Both are answered by a running service from the policies in force. Where a condition of the request decides, the
answer is `conditional`; `--context` says what is known of the request. `who-can` prints as the service finds,
and goes on where it was when a stream breaks.

Both are signed, because they show what policies say. Not here: questions about one request (`questions.py`).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from authz.cli.calls import parse_pairs
from authz.cli.completion import complete_action
from authz.cli.errors import CliError, ExitCode
from authz.cli.output import print_json, print_json_line, print_table, printable, to_plain
from authz.cli.questions import SERVICE
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.v1 import authorization_pb2 as wire

if TYPE_CHECKING:
    from authz.cli.client import Client

WITH_CONTEXT = click.option(
    "--context",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A condition value that is known, such as aws:SourceIp=192.0.2.7; may be repeated.",
)


@click.command("who-can")
@click.argument("action", shell_complete=complete_action)
@click.argument("resource")
@WITH_CONTEXT
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="End after N principals.")
@with_json
@pass_session
def who_can(
    session: Session, action: str, resource: str, pairs: tuple[str, ...], limit: int | None
) -> None:
    """List who may do ACTION to RESOURCE: root, everyone (`*`), then users by name; JSON has a line each."""
    request = wire.WhoCanRequest(action=action, resource=resource, page_size=limit or 0)
    for key, values in parse_pairs(pairs, "--context").items():
        request.context[key].values.extend(values)
    is_empty = True
    with session.connect() as client:
        for found in _follow(client, request):
            if session.as_json:
                print_json_line(to_plain(found))
                continue
            if is_empty:
                click.echo(f"{'CERTAINTY':11}  PRINCIPAL")
            is_empty = False
            click.echo(printable(f"{to_plain(found)['certainty']:11}  {found.principal.arn}"))
    if is_empty and not session.as_json:
        click.echo("nobody")


def _follow(client: "Client", request: wire.WhoCanRequest) -> Iterator[wire.AllowedPrincipal]:
    """Yield what the service finds; `request` is written to. A stream that breaks is taken up again."""
    is_limited = request.page_size > 0
    while True:
        begun_at = request.page_token
        try:
            for part in client.stream(f"{SERVICE}/WhoCan", request, wire.WhoCanResponse):
                yield from part.principals
                request.page_token = part.next_page_token
                request.page_size -= len(part.principals) if is_limited else 0
        except CliError as error:
            # Where nothing came, the next attempt would end like this one.
            if error.exit_code != ExitCode.UNAVAILABLE or request.page_token == begun_at:
                raise
        if not request.page_token or (is_limited and not request.page_size):
            return


@click.command("allowed-actions")
@click.argument("user")
@click.argument("resource")
@click.option("--as-access-key", is_flag=True, help="USER is an access key id; its owner acts.")
@WITH_CONTEXT
@with_json
@pass_session
def allowed_actions(
    session: Session, user: str, resource: str, as_access_key: bool, pairs: tuple[str, ...]
) -> None:
    """List what USER (a name, an ARN, or `*` for nobody in particular) may do to RESOURCE."""
    request = wire.ListAllowedActionsRequest(resource=resource)
    if as_access_key:
        request.access_key_id = user
    elif user == "*":
        request.anonymous = True
    elif user.startswith("arn:"):
        request.principal_arn = user
    else:
        request.user_name = user
    for key, values in parse_pairs(pairs, "--context").items():
        request.context[key].values.extend(values)
    with session.connect() as client:
        answer = client.call(
            f"{SERVICE}/ListAllowedActions", request, wire.ListAllowedActionsResponse
        )
    plain = to_plain(answer)
    if session.as_json:
        print_json(plain)
    else:
        print_table(["action", "certainty"], plain["actions"], empty="nothing")
