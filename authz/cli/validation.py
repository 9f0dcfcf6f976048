"""`authz policy validate`: what is wrong with documents, or could be better.

Offline: documents are read here and never sent. Not here: what the service finds about a document that is
written (`calls.py` shows it).
"""

from typing import IO

import click

from authz import __version__
from authz.cli.errors import CliError, ExitCode
from authz.cli.output import printable
from authz.cli.session import Session, pass_session, with_json
from authz.clock import SystemClock
from authz.formats.findings import (
    DOCUMENT_KINDS,
    Inspected,
    inspect,
    render_json,
    render_sarif,
    render_text,
    worst,
)
from authz.policy.validate import PolicyKind, Severity

BYTES_READ = 1 << 20
"""How much of a file is read; documents are far smaller, and a larger one is refused."""

_STRICT = frozenset({Severity.ERROR, Severity.SECURITY, Severity.WARNING})


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.File("rb"), metavar="FILE...")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in DOCUMENT_KINDS]),
    default=PolicyKind.IDENTITY.value,
    show_default=True,
    help="What the documents are for.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to print what is found.",
)
@click.option("--strict", is_flag=True, help="Fail on security findings and warnings, too.")
@with_json
@pass_session
def validate(
    session: Session, files: tuple[IO[bytes], ...], kind: str, form: str, strict: bool
) -> None:
    """Check policy documents (`-`: standard input) without a service.

    Exit code 1 when there are errors; with --strict also for security findings and warnings.
    """
    now = SystemClock().now()
    documents = [
        inspect(name_of(one), one.read(BYTES_READ), kind=PolicyKind(kind), now=now) for one in files
    ]
    if session.as_json and form == "text":
        form = "json"
    click.echo(_render(documents, form))
    failing = _STRICT if strict else {Severity.ERROR}
    if worst(documents) in failing:
        raise CliError("", exit_code=ExitCode.FAILURE)


def name_of(file: IO[bytes]) -> str:
    """Return a file's path as it was given; standard input may have none."""
    return str(getattr(file, "name", "<stdin>"))


def _render(documents: list[Inspected], form: str) -> str:
    if form == "sarif":
        return render_sarif(documents, version=__version__)
    if form == "json":
        return render_json(documents)
    return "\n".join(map(printable, render_text(documents).split("\n")))
