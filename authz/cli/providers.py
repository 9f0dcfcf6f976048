"""`authz provider`: where people log in who are no users of our own.

A configuration is a file, as it holds more than options could. A secret comes from a file or standard input and
never from an option, because every process of the machine can read a command line; so does what is tried out
with `test`. Of a file of certificates only the certificates are sent, never a key that lies beside them.

Not here: what the members of a configuration are (`docs/providers-*.md`), the policies of a provider
(`policies.py`), ending its sessions (`sessions.py`), or what must go before it can be deleted (`cascade.py`).
"""

import re
from typing import IO, Any, Final

import click
from google.protobuf.field_mask_pb2 import FieldMask

from authz.cli.calls import PACKAGE, say_done, show_document, show_list, show_one
from authz.cli.errors import CliError, ExitCode
from authz.cli.output import (
    print_json,
    print_record,
    print_table,
    printable,
    to_plain,
)
from authz.cli.session import Session, pass_session, with_json
from authz.wire.authz.admin.v1 import provider_service_pb2 as wire
from authz.wire.authz.admin.v1 import status_pb2

COLUMNS = ("name", "kind", "status", "has_secret", "description", "federated_arn", "update_time")

KINDS: Final = {
    "oidc": wire.PROVIDER_KIND_OIDC,
    "ldap": wire.PROVIDER_KIND_LDAP,
    "certificate": wire.PROVIDER_KIND_CERTIFICATE,
    "webhook": wire.PROVIDER_KIND_WEBHOOK,
}

_CERTIFICATE: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL
)
_FILE: Final = click.File(encoding="utf-8")

_CONFIG_HELP: Final = "File with the configuration in JSON (`-` for standard input)."
_SECRET = click.option(
    "--secret-file",
    type=_FILE,
    help="File with the secret that goes with it (`-` for standard input).",
)


@click.group()
def provider() -> None:
    """Keep identity providers, and try logins out."""


@provider.command()
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="How it vouches.")
@click.option("--config", "config", type=_FILE, required=True, help=_CONFIG_HELP)
@_SECRET
@click.option("--description", default="", help="What the provider is for.")
@click.option("--disabled", is_flag=True, help="Let nobody log in through it yet.")
@with_json
@pass_session
def add(
    session: Session,
    /,
    name: str,
    kind: str,
    config: IO[str],
    secret_file: IO[str] | None,
    description: str,
    disabled: bool,
) -> None:
    """Add the provider NAME. Its users and groups will be called NAME=…, so it keeps that name."""
    request = wire.CreateProviderRequest(
        name=name,
        kind=KINDS[kind],
        config=config.read(),
        secret=_read_secret(secret_file, "the secret"),
        description=description,
        status=status_pb2.STATUS_DISABLED if disabled else status_pb2.STATUS_ENABLED,
    )
    show_one(session, "ProviderService/CreateProvider", request, wire.CreateProviderResponse)


@provider.command()
@click.argument("name")
@click.option(
    "--config", "alone", is_flag=True, help="Print the configuration alone, as its author wrote it."
)
@with_json
@pass_session
def get(session: Session, name: str, alone: bool) -> None:
    """Show the provider NAME with its configuration; its secret is never shown."""
    request = wire.GetProviderRequest(name=name)
    answer = wire.GetProviderResponse
    show_document(session, "ProviderService/GetProvider", request, answer, is_alone=alone)


@provider.command("list")
@with_json
@pass_session
def list_providers(session: Session) -> None:
    """List all providers, without their configurations."""
    request = wire.ListProvidersRequest()
    answer = wire.ListProvidersResponse
    show_list(session, "ProviderService/ListProviders", request, answer, COLUMNS, row=_row)


def _row(entry: dict[str, Any]) -> dict[str, Any]:
    return {**entry, "has_secret": "yes" if entry["has_secret"] else "no"}


@provider.command()
@click.argument("name")
@click.option("--config", "config", type=_FILE, help=_CONFIG_HELP)
@_SECRET
@click.option("--no-secret", is_flag=True, help="Take its secret away.")
@click.option("--description", help="What the provider is for.")
@with_json
@pass_session
def update(
    session: Session,
    name: str,
    config: IO[str] | None,
    secret_file: IO[str] | None,
    no_secret: bool,
    description: str | None,
) -> None:
    """Change what the options name of the provider NAME, and nothing else."""
    if no_secret and secret_file is not None:
        raise click.UsageError("--secret-file and --no-secret exclude each other")
    fields: dict[str, Any] = {
        "config": None if config is None else config.read(),
        "description": description,
    }
    changed = {field: value for field, value in fields.items() if value is not None}
    paths = [*changed, *(["secret"] if no_secret or secret_file is not None else [])]
    if not paths:
        raise click.UsageError("name what to change")
    secret = _read_secret(secret_file, "the secret")
    _update(session, wire.Provider(name=name, **changed), *paths, secret=secret)


@provider.command()
@click.argument("name")
@with_json
@pass_session
def enable(session: Session, name: str) -> None:
    """Let people log in through the provider NAME again, and its users act."""
    _update(session, wire.Provider(name=name, status=status_pb2.STATUS_ENABLED), "status")


@provider.command()
@click.argument("name")
@with_json
@pass_session
def disable(session: Session, name: str) -> None:
    """Shut out all users of the provider NAME, their sessions and access keys included."""
    _update(session, wire.Provider(name=name, status=status_pb2.STATUS_DISABLED), "status")


def _update(session: Session, changed: wire.Provider, *paths: str, secret: str = "") -> None:
    request = wire.UpdateProviderRequest(
        provider=changed, update_mask=FieldMask(paths=paths), secret=secret
    )
    show_one(session, "ProviderService/UpdateProvider", request, wire.UpdateProviderResponse)


@provider.command()
@click.argument("name")
@click.option(
    "--cascade",
    is_flag=True,
    help="First disable it, and delete its users, its groups and what is attached.",
)
@click.option("--yes", is_flag=True, help="Do not ask whether that is meant.")
@with_json
@pass_session
def remove(session: Session, name: str, cascade: bool, yes: bool) -> None:
    """Remove the provider NAME, which must have no users, groups or policies left."""
    if cascade:
        from authz.cli.cascade import clear_provider

        if not yes:
            question = (
                f"Delete all users and groups of provider {printable(name)}, and their access keys?"
            )
            click.confirm(question, abort=True, err=True)
        with session.connect() as client:
            clear_provider(client, name)
    request = wire.DeleteProviderRequest(name=name)
    done = f"provider {name} removed"
    say_done(session, "ProviderService/DeleteProvider", request, wire.DeleteProviderResponse, done)


@provider.command()
@click.argument("name")
@click.option("--token-file", type=_FILE, help="File with an ID token.")
@click.option(
    "--access-token-file", type=_FILE, help="File with the access token that goes with it."
)
@click.option("--username", help="A name of a directory; its password is asked for.")
@click.option("--password-file", type=_FILE, help="File with the password of --username.")
@click.option("--certificate", type=_FILE, help="File with a client's certificate in PEM.")
@click.option("--custom-token-file", type=_FILE, help="File with a token for a webhook.")
@with_json
@pass_session
def test(session: Session, /, name: str, **proof: Any) -> None:
    """Try out a login through the provider NAME, and show each step; nobody gets a session."""
    request = wire.TestProviderRequest(name=name, **_read_proof(**proof))
    with session.connect() as client:
        method = f"/{PACKAGE}.ProviderService/TestProvider"
        answer = to_plain(client.call(method, request, wire.TestProviderResponse))
    if session.as_json:
        print_json(answer)
    else:
        _print_trial(answer)
    if not answer["ok"]:
        raise CliError("", exit_code=ExitCode.FAILURE)


def _read_proof(
    token_file: IO[str] | None,
    access_token_file: IO[str] | None,
    username: str | None,
    password_file: IO[str] | None,
    certificate: IO[str] | None,
    custom_token_file: IO[str] | None,
) -> dict[str, Any]:
    """Return the one field of the proof that the options name."""
    if [token_file, username, certificate, custom_token_file].count(None) != 3:
        raise click.UsageError(
            "name exactly one: --token-file or --username or --certificate or --custom-token-file"
        )
    if (access_token_file and not token_file) or (password_file and username is None):
        raise click.UsageError(
            "--access-token-file goes with --token-file, --password-file with --username"
        )
    if token_file is not None:
        return {
            "token": wire.TokenProof(
                id_token=_read_secret(token_file, "the token"),
                access_token=_read_secret(access_token_file, "the access token"),
            )
        }
    if username is not None:
        password = (
            click.prompt("Password", hide_input=True, err=True)
            if password_file is None
            else _read_secret(password_file, "the password")
        )
        return {"password": wire.PasswordProof(username=username, password=password)}
    if certificate is not None:
        found = _CERTIFICATE.findall(certificate.read())
        if not found:
            raise click.UsageError("there is no certificate in the file")
        return {"client_certificate": "\n".join(found)}
    return {"custom_token": _read_secret(custom_token_file, "the token")}


def _read_secret(file: IO[str] | None, what: str) -> str:
    """Return what is in a file, empty for none; an empty one is refused, for on the wire that means none."""
    if file is None:
        return ""
    text = file.read().strip("\r\n")
    if not text:
        raise click.UsageError(f"{what} is empty")
    return text


def _print_trial(answer: dict[str, Any]) -> None:
    for step in answer["steps"]:
        detail = f": {step['detail']}" if step["detail"] else ""
        click.echo(printable(f"{'✓' if step['ok'] else '✗'} {step['name']}{detail}"))
    if answer["external_name"]:
        click.echo()
        print_record({
            "user": f"{answer['user_name']} ({answer['user']})",
            "display_name": answer["display_name"],
            "external_groups": answer["external_groups"],
            "groups_here": answer["group_names"],
            "policies_of_the_proof": answer["granted_policies"],
            "names_of_no_policy": answer["missing_policies"],
            "attached_policies": [_name_attachment(one) for one in answer["attachments"]],
            "expire_time": answer["expire_time"],
        })  # fmt: skip
        click.echo()
        rows = [{"key": one["key"], "values": one["values"]} for one in answer["facts"]]
        print_table(("key", "values"), rows, empty="no condition values")
    click.echo()
    said = f"no session: {answer['refusal']}" if answer["refusal"] else "there would be a session"
    click.echo(printable(said))


def _name_attachment(attachment: dict[str, str]) -> str:
    field, name = next((f, n) for f, n in attachment.items() if f != "policy_name")
    return f"{attachment['policy_name']} ({field.removesuffix('_name')} {name})"
