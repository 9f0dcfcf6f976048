"""What `authz doctor` sees on a machine where things are missing or wrong."""

import json
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from click.testing import CliRunner

from authz.cli.doctor import Level, _read_clock, _read_readiness
from authz.cli.main import cli
from authz.clock import SystemClock


@pytest.fixture
def examine(monkeypatch, tmp_path):
    """Run the doctor on the data folder `tmp_path/data` where no service runs; return findings by check."""
    monkeypatch.chdir(tmp_path)

    def call(**environment):
        arguments = ["--address", "127.0.0.1:9", "--timeout", "0.5", "doctor", "--json"]
        defaults = {"AUTHZ_DATA_DIR": str(tmp_path / "data"), "AUTHZ_HTTP_ADDRESS": "127.0.0.1:9"}
        result = CliRunner().invoke(
            cli, arguments, prog_name="authz", env={**defaults, **environment}
        )
        findings = json.loads(result.stdout)["findings"]
        return result.exit_code, {finding["check"]: finding for finding in findings}

    return call


def test_on_a_fresh_machine_it_says_how_to_start(examine):
    exit_code, findings = examine()
    assert exit_code == 1
    assert findings["settings"]["result"] == "ok"
    assert {
        findings[check]["result"]
        for check in ("data folder", "root credential", "master keys", "database")
    } == {"warn"}
    assert {findings[check]["result"] for check in ("gRPC", "ready", "credential")} == {"fail"}
    assert all(f["todo"] for f in findings.values() if f["result"] != "ok")


def test_it_changes_nothing(examine, tmp_path):
    examine()
    assert not (tmp_path / "data").exists()


def test_unreadable_settings_end_the_examination(examine):
    exit_code, findings = examine(AUTHZ_TRUSTED_HOPS="many")
    assert exit_code == 1
    assert list(findings) == ["settings"]
    assert "AUTHZ_TRUSTED_HOPS" in findings["settings"]["seen"]


def test_a_secret_file_that_others_can_read_fails(examine, tmp_path):
    (tmp_path / "data").mkdir()
    for name, mode in (("root-credentials.json", 0o644), ("master-keys.json", 0o600)):
        path = tmp_path / "data" / name
        path.write_text("{}")
        path.chmod(mode)
    _, findings = examine()
    assert findings["root credential"]["result"] == "fail"
    assert findings["root credential"]["todo"].startswith("chmod 600")
    assert findings["master keys"]["result"] == "ok"


def test_a_port_open_to_the_network_without_tls_is_a_warning(examine):
    _, findings = examine(AUTHZ_GRPC_ADDRESS="0.0.0.0:50051")
    assert findings["listening"]["result"] == "warn"


def test_an_unmigrated_database_fails_with_the_command_to_run(examine, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "authz.db").touch()
    _, findings = examine()
    assert (findings["database"]["result"], findings["database"]["todo"]) == (
        "fail",
        "run `authz migrate`",
    )


def test_a_migrated_database_is_fine(examine, tmp_path):
    result = CliRunner().invoke(cli, ["migrate"], env={"AUTHZ_DATA_DIR": str(tmp_path / "data")})
    assert result.exit_code == 0, result.output
    _, findings = examine()
    assert findings["database"]["result"] == "ok"


def test_a_database_that_cannot_be_reached_fails_without_its_password(examine):
    _, findings = examine(AUTHZ_DATABASE_URL="postgresql://authz:hunter2@127.0.0.1:9/authz")
    assert findings["database"]["result"] == "fail"
    assert "hunter2" not in json.dumps(findings)


def test_readiness_repeats_the_services_reasons():
    assert _read_readiness("a:1", {"ready": True, "problems": []}).level is Level.OK
    refused = _read_readiness("a:1", {"ready": False, "problems": ["no schema"]})
    assert (refused.level, "no schema" in refused.seen) == (Level.FAIL, True)
    assert _read_readiness("a:1", ["something else"]).level is Level.FAIL


@pytest.mark.parametrize(
    ("behind", "level"), [(0, Level.OK), (20, Level.WARN), (-20, Level.WARN), (400, Level.FAIL)]
)
def test_clocks_that_disagree_are_told(behind, level):
    date = format_datetime(datetime.fromtimestamp(SystemClock().now() - behind, UTC), usegmt=True)
    assert [finding.level for finding in _read_clock(date)] == [level]


def test_a_service_that_sends_no_date_tells_nothing_about_clocks():
    assert not list(_read_clock(None))
    assert not list(_read_clock("yesterday"))
