"""What the command line says and returns without a service: help, usage, credentials, exit codes."""

import json
import socket
import subprocess
import sys

import click
import grpc
import pytest
from click.testing import CliRunner

from authz.cli.client import open_channel
from authz.cli.credentials import read_credential
from authz.cli.errors import GRPC_REFUSALS, ExitCode, from_authz_error, from_grpc
from authz.cli.main import COMMANDS, cli
from authz.errors import (
    AuthzError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    ParseError,
    UnauthenticatedError,
    UnavailableError,
)


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run a command line in an empty folder and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHZ_ADDRESS", "AUTHZ_GRPC_ADDRESS", "AUTHZ_ACCESS_KEY", "AUTHZ_SECRET_KEY"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments, **environment):
        return CliRunner().invoke(cli, arguments, prog_name="authz", env=environment)

    return call


@pytest.fixture
def nobody():
    """An address of this machine where nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{held.getsockname()[1]}"


def leaves(command, path=()):
    """Yield every command below `command` with the words that lead to it."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from leaves(command.get_command(context, name), (*path, name))
    else:
        yield path, command


LEAVES = dict(leaves(cli))


def test_help_names_every_command_and_every_exit_code(run):
    result = run("--help")
    assert result.exit_code == 0
    for name, entry in COMMANDS.items():
        assert name in result.output
        assert entry.help in result.output
    assert all(str(int(code)) in cli.epilog for code in ExitCode)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_help(run, path):
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert LEAVES[path].help


@pytest.mark.parametrize(
    "path",
    [path for path in LEAVES if path[0] not in {"serve", "migrate", "completion"}],
    ids=" ".join,
)
def test_every_command_that_answers_can_print_json(path):
    assert "--json" in {name for option in LEAVES[path].params for name in option.opts}


def test_the_table_of_commands_says_what_the_commands_say_of_themselves():
    for name in COMMANDS:
        assert cli.get_command(click.Context(cli), name).name == name


def test_help_imports_neither_grpc_nor_protobuf():
    code = (
        "import sys; from click.testing import CliRunner; from authz.cli.main import cli;"
        "CliRunner().invoke(cli, ['--help']);"
        "print([m for m in ('grpc', 'google.protobuf', 'sqlalchemy', 'rich') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_option_for_a_secret_is_offered(run):
    assert "--secret-key" not in run("--help").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["user"],
        ["user", "create"],
        ["user", "create", "alice", "--tag", "nonsense"],
        ["user", "create", "alice", "--boundary", ""],
        ["policy", "version", "get", "readers", "0"],
        ["policy", "version", "delete", "readers", "v1"],
        ["policy", "attach", "readers"],
        ["policy", "attach", "readers", "--user", "alice", "--group", "ops"],
        ["policy", "attachments"],
        ["policy", "create", "readers", "missing.json"],
        ["check", "alice", "s3:GetObject"],
        ["check", "alice", "s3:GetObject", "*", "--context", "nonsense"],
        ["--timeout", "0", "user", "list"],
    ],
)
def test_wrong_usage_is_2(run, arguments):
    environment = {"AUTHZ_ACCESS_KEY": "AKIA", "AUTHZ_SECRET_KEY": "secret-secret"}
    assert run(*arguments, **environment).exit_code == ExitCode.USAGE


def test_without_a_credential_it_says_where_one_comes_from(run):
    result = run("user", "list")
    assert result.exit_code == ExitCode.DENIED
    assert "root-credentials.json" in result.stderr
    assert "AUTHZ_ACCESS_KEY" in result.stderr
    assert result.stdout == ""


def test_half_a_credential_is_wrong_usage(run):
    result = run("user", "list", AUTHZ_ACCESS_KEY="AKIA")
    assert result.exit_code == ExitCode.USAGE
    assert "go together" in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"accessKey": "A"}', "\xff"])
def test_a_file_that_is_no_credential_is_named(run, tmp_path, text):
    (tmp_path / "broken.json").write_text(text, encoding="latin-1")
    result = run("--credentials", "broken.json", "user", "list")
    assert result.exit_code == ExitCode.USAGE
    assert "broken.json" in result.stderr


def test_a_credential_file_is_read(tmp_path):
    path = tmp_path / "root-credentials.json"
    path.write_text(json.dumps({"accessKey": "AKIA1", "secretKey": "s3cr3t-s3cr3t"}))
    access_key_id, secret, _ = read_credential(path)
    assert (access_key_id, secret.reveal()) == ("AKIA1", "s3cr3t-s3cr3t")


@pytest.mark.parametrize("arguments", [["user", "list"], ["check", "alice", "s3:GetObject", "*"]])
def test_a_service_that_is_not_there_is_6_and_says_what_to_do(run, nobody, arguments):
    environment = {"AUTHZ_ACCESS_KEY": "AKIA", "AUTHZ_SECRET_KEY": "secret-secret"}
    result = run("--address", nobody, "--timeout", "2", *arguments, **environment)
    assert result.exit_code == ExitCode.UNAVAILABLE
    assert "authz serve" in result.stderr or "--timeout" in result.stderr
    assert "secret-secret" not in result.output


def test_a_missing_ca_is_wrong_usage(run, tmp_path):
    assert run("--ca-file", "missing.pem", "user", "list").exit_code == ExitCode.USAGE


def test_a_channel_goes_to_the_address_and_not_to_a_proxy(monkeypatch, nobody):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with open_channel(nobody, None) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/x.Y/Z", request_serializer=None, response_deserializer=None)(
            b"", timeout=2
        )
    assert ":1:" not in (caught.value.details() or "")


def test_every_error_of_the_house_has_its_exit_code():
    expected = {
        ParseError("x"): 2,
        InvalidError("x"): 2,
        UnauthenticatedError("C", "x"): 4,
        ForbiddenError("x"): 4,
        NotFoundError("x"): 3,
        ConflictError("x"): 5,
        UnavailableError("x"): 6,
        OverloadedError("x"): 6,
        AuthzError("x"): 1,
    }
    assert {type(e): from_authz_error(e).exit_code for e in expected} == {
        type(e): code for e, code in expected.items()
    }


def test_every_grpc_status_that_is_named_exists():
    assert set(GRPC_REFUSALS) <= {code.name for code in grpc.StatusCode}


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("NOT_FOUND", 3),
        ("UNAUTHENTICATED", 4),
        ("PERMISSION_DENIED", 4),
        ("ALREADY_EXISTS", 5),
        ("UNAVAILABLE", 6),
        ("DEADLINE_EXCEEDED", 6),
        ("RESOURCE_EXHAUSTED", 6),
        ("INVALID_ARGUMENT", 2),
        ("INTERNAL", 1),
    ],
)
def test_a_grpc_status_has_its_exit_code(code, exit_code):
    assert from_grpc(code, "details").exit_code == exit_code
    assert from_grpc(code, "").message


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run, shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert f"_AUTHZ_COMPLETE={shell}_complete" in result.output


def test_completion_completes_commands(monkeypatch):
    environment = {"_AUTHZ_COMPLETE": "bash_complete", "COMP_WORDS": "authz pol", "COMP_CWORD": "1"}
    result = CliRunner().invoke(cli, [], prog_name="authz", env=environment)
    assert result.output.strip() == "plain,policy"


def test_config_shows_settings_with_their_source_and_no_secret(run):
    secret = "hunter2-hunter2"
    result = run(
        "config",
        "--json",
        AUTHZ_ROOT_ACCESS_KEY="AKIAROOT",
        AUTHZ_ROOT_SECRET_KEY=secret,
        AUTHZ_REGION="eu-1",
    )
    assert result.exit_code == 0, result.output
    rows = {row["name"]: row for row in json.loads(result.stdout)["settings"]}
    assert rows["AUTHZ_REGION"]["value"] == "eu-1"
    assert rows["AUTHZ_REGION"]["source"] == "AUTHZ_REGION"
    assert rows["AUTHZ_GRPC_ADDRESS"]["source"] == "default"
    assert secret not in result.output
    assert (
        secret
        not in run("config", AUTHZ_ROOT_ACCESS_KEY="AKIAROOT", AUTHZ_ROOT_SECRET_KEY=secret).output
    )


def test_an_unknown_setting_is_wrong_usage(run):
    result = run("config", AUTHZ_REGIO="eu-1")
    assert result.exit_code == ExitCode.USAGE
    assert "AUTHZ_REGION" in result.stderr
