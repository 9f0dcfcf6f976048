"""`authz keyring` on a service's files: what it prints, and what it refuses."""

import json

import pytest
from click.testing import CliRunner

from authz.cli.errors import ExitCode
from authz.cli.main import cli
from authz.store import local_files


@pytest.fixture
def keyring(tmp_path):
    """Run `authz keyring …` in a data folder with a database and a ring."""
    env = {"AUTHZ_DATA_DIR": str(tmp_path), "COLUMNS": "200"}
    local_files.key_ring(tmp_path / "master-keys.json")
    assert CliRunner().invoke(cli, ["migrate"], env=env).exit_code == 0

    def run(*arguments, stdin=None):
        return CliRunner().invoke(cli, ["keyring", *arguments], env=env, input=stdin)

    return run


def ids(keyring) -> dict[str, str]:
    return {one["id"]: one["seals"] for one in json.loads(keyring("list", "--json").stdout)["keys"]}


def test_a_key_is_added_activated_and_the_old_one_pruned(keyring, tmp_path):
    (first,) = ids(keyring)
    added = keyring("add")
    new = added.stdout.strip()
    assert f"authz keyring activate {new}" in added.stderr
    assert ids(keyring) == {first: "yes", new: "no"}
    assert keyring("activate", new).exit_code == 0
    assert ids(keyring) == {first: "no", new: "yes"}
    assert json.loads(keyring("reseal", "--json").stdout) == {"sealed": 0, "left": 0}
    assert keyring("prune", first, stdin="n\n").exit_code == ExitCode.FAILURE
    assert keyring("prune", first, stdin="y\n").exit_code == 0
    assert ids(keyring) == {new: "yes"}
    text = (tmp_path / "master-keys.json").read_text()
    key = json.loads(text)["keys"][0]["key"]
    shown = added.output + keyring("list").output + keyring("list", "--json").output
    assert key not in shown


def test_rotate_adds_a_key_that_seals_at_once(keyring):
    (first,) = ids(keyring)
    new = json.loads(keyring("rotate", "--json").stdout)["id"]
    assert ids(keyring) == {new: "yes", first: "no"}


def test_no_key_is_pruned_that_is_needed_or_unknown(keyring):
    (first,) = ids(keyring)
    assert keyring("prune", first, "--yes").exit_code == ExitCode.CONFLICT
    for command in ("prune", "activate"):
        arguments = (command, "k-none", *(["--yes"] if command == "prune" else []))
        assert keyring(*arguments).exit_code == ExitCode.NOT_FOUND


def test_no_ring_is_made_by_a_command_about_it(tmp_path):
    ran = CliRunner().invoke(cli, ["keyring", "add"], env={"AUTHZ_DATA_DIR": str(tmp_path / "x")})
    assert ran.exit_code == ExitCode.NOT_FOUND
    assert not (tmp_path / "x").exists()
