"""`authz session`: temporary credentials of whoever signs the call, and their end before their time.

`create` prints what other programs read: shell exports for `eval`, the JSON of an AWS profile's
`credential_process`, or the answer as it came. The secret and the token are shown once; `list` shows what a
trail has of those that were issued.

Not here: the run of the command line (`session.py`).
"""

import shlex
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

import click
from google.protobuf.duration_pb2 import Duration

from authz.cli import times
from authz.cli.calls import PACKAGE, read_narrowing, say_done, show_list
from authz.cli.output import print_json, to_plain
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import session_service_pb2 as wire

_VARIABLES: Final = {
    "AWS_ACCESS_KEY_ID": "access_key_id",
    "AWS_SECRET_ACCESS_KEY": "secret_access_key",
    "AWS_SESSION_TOKEN": "session_token",
}
"""What AWS's SDKs and tools read (AWS, SDKs and tools reference, "Environment variables")."""


def _print_exports(answer: Mapping[str, Any]) -> None:
    for variable, name in _VARIABLES.items():
        click.echo(f"export {variable}={shlex.quote(answer[name])}")


def _print_process(answer: Mapping[str, Any]) -> None:
    # AWS, SDKs and tools reference, "Process credential provider".
    print_json({
        "Version": 1,
        "AccessKeyId": answer["access_key_id"],
        "SecretAccessKey": answer["secret_access_key"],
        "SessionToken": answer["session_token"],
        "Expiration": answer["expire_time"],
    })  # fmt: skip


_PRINTERS: Final[Mapping[str, Callable[[Mapping[str, Any]], None]]] = {
    "env": _print_exports,
    "json": print_json,
    "credential-process": _print_process,
}


@click.group()
def session() -> None:
    """Create sessions, which are temporary credentials, list and end them."""


@session.command()
@click.option(
    "--duration", type=times.duration, help="How long it lasts, as `90m` or `12h`; an hour."
)
@click.option(
    "--policy",
    type=click.File(encoding="utf-8"),
    help="File with a policy that narrows it (`-` for standard input).",
)
@click.option(
    "--policy-name", "policy_names", multiple=True, help="A managed policy that narrows it."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_PRINTERS)),
    default="env",
    show_default=True,
    help="Exports for a shell, the answer as JSON, or what an AWS profile's credential_process prints.",
)
@with_json
@pass_session
def create(
    session: Session,
    duration: Duration | None,
    policy: IO[str] | None,
    policy_names: tuple[str, ...],
    form: str,
) -> None:
    """Create a session of the credential that signs. Its secret is shown now and never again."""
    request = wire.CreateSessionRequest(
        duration=duration, policy=read_narrowing(policy) or "", policy_names=policy_names
    )
    with session.connect() as client:
        method = f"/{PACKAGE}.SessionService/CreateSession"
        answer = to_plain(client.call(method, request, wire.CreateSessionResponse))
    _PRINTERS["json" if session.as_json else form](answer)


@session.command()
@click.argument("user", required=False)
@click.option(
    "--session", "access_key_id", metavar="ACCESS_KEY_ID", help="End only the session of this id."
)
@click.option("--role", help="End all sessions of this role, whoever has them.")
@click.option("--provider", help="End all sessions of who logged in through this provider.")
@with_json
@pass_session
def revoke(
    session: Session,
    user: str | None,
    access_key_id: str | None,
    role: str | None,
    provider: str | None,
) -> None:
    """End all sessions of USER, a role or a provider that exist now or in 10 seconds, or one session."""
    named = {
        "user_name": user,
        "role_name": role,
        "provider_name": provider,
        "access_key_id": access_key_id,
    }
    target = {field: name for field, name in named.items() if name is not None}
    if len(target) != 1:
        raise click.UsageError(
            "name a USER, a role with --role, a provider with --provider, or one session with --session"
        )
    request = wire.RevokeSessionsRequest(**target)
    done = (
        f"session {access_key_id} ended"
        if access_key_id
        else f"sessions of {user or role or provider} ended; new ones work in 10 seconds"
    )
    say_done(session, "SessionService/RevokeSessions", request, wire.RevokeSessionsResponse, done)


_COLUMNS: Final = ("access_key_id", "of", "by", "action", "name", "issued", "expires", "state")


def _row_of(listed: Mapping[str, Any]) -> dict[str, Any]:
    role, user = listed["role_name"], listed["user_name"]
    return {
        "access_key_id": listed["access_key_id"],
        "of": "root" if listed["is_root"] else f"role {role}" if role else user,
        "by": listed["issued_to"] or listed["provider_name"],
        "action": listed["action"],
        "name": listed["session_name"],
        "issued": listed["issue_time"],
        "expires": listed["expire_time"],
        "state": listed["state"],
    }


@session.command("list")
@click.option("--user", help="Those of this user, and of roles that it asked for.")
@click.option("--role", help="Those of this role, whoever has them.")
@click.option("--provider", help="Those of who logged in through this provider.")
@with_json
@pass_session
def list_sessions(
    session: Session, user: str | None, role: str | None, provider: str | None
) -> None:
    """List sessions that have not expired, the newest first.

    From a trail, which may miss some: a session is issued whether or not it can be noted.
    """
    named = {"user_name": user, "role_name": role, "provider_name": provider}
    target: dict[str, Any] = {field: name for field, name in named.items() if name is not None}
    if len(target) > 1:
        raise click.UsageError("name one of --user, --role and --provider, or none for all")
    request = wire.ListSessionsRequest(**(target or {"all": True}))
    answer = wire.ListSessionsResponse
    show_list(session, "SessionService/ListSessions", request, answer, _COLUMNS, row=_row_of)
