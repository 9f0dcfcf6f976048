"""`authz simulate`: what would be decided if other policies were in force?

The service answers, over the policies, groups and tags that are there, with those of files assumed beside or
instead of them, so a change can be tried before it is made. Nothing is stored. The answer is printed as
`explain` prints it, and is the exit code, as of `check`.
"""

from collections.abc import Mapping
from typing import IO, Any, Final

import click

from authz.cli.calls import parse_pairs
from authz.cli.errors import CliError, ExitCode
from authz.cli.explanations import print_explanation
from authz.cli.output import print_json, printable, to_plain
from authz.cli.questions import SERVICE, end_by, fill, with_question
from authz.cli.session import F, Session, pass_session, with_json
from authz.cli.validation import BYTES_READ, name_of
from authz.wire.authz.v1 import authorization_pb2 as wire

_FILE: Final = click.File("rb")


def _with_hypothesis(command: F) -> F:
    for decorate in (
        click.option(
            "--principal-context",
            "own_pairs",
            multiple=True,
            metavar="KEY=VALUE",
            help="A value of who asks, such as aws:PrincipalTag/team=blue; may be repeated.",
        ),
        click.option(
            "--resource-policy",
            "resource_policy",
            type=_FILE,
            metavar="FILE",
            help="Instead of the resource's own.",
        ),
        click.option(
            "--service-account",
            "service_account_policy",
            type=_FILE,
            metavar="FILE",
            help="A service account's own policy.",
        ),
        click.option(
            "--session",
            "session_policies",
            type=_FILE,
            multiple=True,
            metavar="FILE",
            help="A policy of a session; may be repeated.",
        ),
        click.option(
            "--boundary",
            "permissions_boundary",
            type=_FILE,
            metavar="FILE",
            help="A permissions boundary, instead of its own.",
        ),
        click.option(
            "--without-own", is_flag=True, help="Leave out its own policies, groups' and boundary."
        ),
        click.option(
            "--policy",
            "identity_policies",
            type=_FILE,
            multiple=True,
            metavar="FILE",
            help="An identity policy on top; may be repeated.",
        ),
    ):
        command = decorate(command)
    return command


@click.command()
@with_question
@_with_hypothesis
@click.option(
    "--all", "with_all", is_flag=True, help="Show all of every statement, and all values."
)
@with_json
@pass_session
def simulate(
    session: Session,
    /,
    user: str | None,
    action: str | None,
    resource: str | None,
    as_access_key: bool,
    anonymous: bool,
    pairs: tuple[str, ...],
    at_least_revision: int,
    without_own: bool,
    own_pairs: tuple[str, ...],
    with_all: bool,
    **documents: Any,
) -> None:
    """Tell whether USER might do ACTION to RESOURCE if the policies in files were in force.

    Exit code 0 when it would be allowed, 1 when not. With --without-own USER need not exist.
    """
    request = wire.ExplainRequest(at_least_revision=at_least_revision)
    words = (user, action, resource)
    fill(request.check, words, pairs, as_access_key=as_access_key, anonymous=anonymous)
    # One that assumes nothing is one, too: nothing is recorded of a simulation.
    request.hypothesis.without_own_policies = without_own
    request.hypothesis.SetInParent()
    names = _fill_documents(request.hypothesis, documents)
    for key, values in parse_pairs(own_pairs, "--principal-context").items():
        request.hypothesis.principal_context[key].values.extend(values)
    answer = _ask(session, request, names)
    plain = to_plain(answer)
    if session.as_json:
        print_json(plain)
    else:
        print_explanation(plain, with_all=with_all, names=names)
    end_by(answer.decision)


def _fill_documents(hypothesis: wire.Hypothesis, documents: Mapping[str, Any]) -> dict[str, str]:
    """Read the files of each field into it; return what the service calls each → the file's name."""
    names: dict[str, str] = {}
    for field, given in documents.items():
        if isinstance(given, tuple):
            getattr(hypothesis, field).extend(_read(file) for file in given)
            names |= {f"hypothesis.{field}[{n}]": name_of(file) for n, file in enumerate(given)}
        elif given is not None:
            setattr(hypothesis, field, _read(given))
            names[f"hypothesis.{field}"] = name_of(given)
    return names


def _ask(
    session: Session, request: wire.ExplainRequest, names: dict[str, str]
) -> wire.ExplainResponse:
    try:
        with session.connect() as client:
            return client.call(f"{SERVICE}/Explain", request, wire.ExplainResponse)
    except CliError as error:
        message = error.message
        for field, name in names.items():
            message = message.replace(field, printable(name))
        raise CliError(message, exit_code=error.exit_code, hint=error.hint) from None


def _read(file: IO[bytes]) -> str:
    try:
        return file.read(BYTES_READ).decode()
    except UnicodeDecodeError:
        problem = f"{printable(name_of(file))} is not UTF-8"
        raise CliError(problem, exit_code=ExitCode.USAGE) from None
