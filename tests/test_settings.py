"""Settings: environment and file, their order, and every way they can be wrong."""

from pathlib import Path

import pytest

from authz.errors import InvalidError
from authz.settings import PREFIX, Loaded, Settings, is_loopback, load


def loaded(**environ: str) -> Loaded:
    return load({PREFIX + name: value for name, value in environ.items()})


def test_without_anything_the_addresses_are_the_documented_ones():
    settings = loaded().settings
    assert settings.grpc_address == "127.0.0.1:50051"
    assert settings.http_address == "127.0.0.1:8080"
    assert settings.effective_database_url == "sqlite:///var/authz.db"
    assert settings.account_id == "000000000000"
    assert settings.session_max_duration == 12 * 3600.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("2", 2.0), ("1.5s", 1.5)],
)
def test_a_duration_has_a_unit_or_is_seconds(text: str, seconds: float):
    assert loaded(ACCESS_MAX_STALENESS=text).settings.access_max_staleness == seconds


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ACCESS_MAX_STALENESS", "soon", "is not a duration"),
        ("ACCESS_MAX_STALENESS", "0s", "is not between"),
        ("SESSION_MAX_DURATION", "14m", "is not between 900 and"),
        ("SESSION_MAX_DURATION", "366d", "is not between"),
        ("GRPC_ADDRESS", "50051", "is not an address"),
        ("GRPC_ADDRESS", "127.0.0.1:99999", "is not an address"),
        ("ACCOUNT_ID", "123", "is not an account id"),
        ("STORE_USE_NOTIFY", "maybe", "is neither true nor false"),
        ("STORE_POOL_SIZE", "many", "is not a number"),
        ("LOG_FORMAT", "xml", "is none of auto, json, text"),
        ("DECISION_LOG_ALLOW_SAMPLE_RATE", "2", "is not between 0 and 1"),
        ("ROOT_SECRET_KEY_FILE", "/nonexistent/secret", "cannot be read"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(name, value, problem):
    with pytest.raises(InvalidError, match=problem) as caught:
        loaded(**{name: value})
    assert PREFIX + name in caught.value.message


def test_a_misspelt_variable_is_an_error_that_names_the_nearest():
    with pytest.raises(InvalidError, match="did you mean `AUTHZ_ACCESS_MAX_STALENESS`"):
        loaded(ACCESS_MAX_STALENES="5m")


def test_the_variables_of_the_command_line_are_not_settings():
    assert loaded(ACCESS_KEY="AKIA", SECRET_KEY="s").sources == {}


def test_the_environment_wins_over_the_file_and_the_file_over_the_default(tmp_path: Path):
    file = tmp_path / "authz.toml"
    file.write_text('region = "eu-west-1"\n[access]\nmax_staleness = "1m"\npoll_interval = 2\n')
    loaded = load({"AUTHZ_ACCESS_POLL_INTERVAL": "3s"}, file)
    assert loaded.settings.region == "eu-west-1"
    assert loaded.settings.access_max_staleness == 60.0
    assert loaded.settings.access_poll_interval == 3.0
    assert loaded.sources["access_poll_interval"] == "AUTHZ_ACCESS_POLL_INTERVAL"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("colour = 1", "is not a setting"),
        ("[access]\nx = 1", "is not a setting"),
        ("=", "authz.toml"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name(tmp_path: Path, text: str, problem: str):
    file = tmp_path / "authz.toml"
    file.write_text(text)
    with pytest.raises(InvalidError, match=problem):
        load({}, file)


def test_a_secret_comes_from_a_file_without_its_line_end_and_is_never_shown(tmp_path: Path):
    file = tmp_path / "secret"
    file.write_text("correct horse battery\n")
    result = loaded(ROOT_ACCESS_KEY="root", ROOT_SECRET_KEY_FILE=str(file))
    assert result.settings.root_secret_key.reveal() == "correct horse battery"
    shown = {line.name: line.value for line in result.describe()}
    assert shown["AUTHZ_ROOT_SECRET_KEY"] == "(set, not shown)"
    assert "correct horse" not in repr(result)


def test_the_password_in_a_database_url_is_not_shown():
    result = loaded(DATABASE_URL="postgresql://authz:hunter2@db/authz")
    shown = {line.name: line.value for line in result.describe()}
    assert shown["AUTHZ_DATABASE_URL"] == "postgresql://authz:***@db/authz"


@pytest.mark.parametrize(
    "half",
    [
        {"TLS_CERT_FILE": "cert.pem"},
        {"TLS_KEY_FILE": "key.pem"},
        {"TLS_CLIENT_CA_FILE": "ca.pem"},
        {"HTTP_TLS_CERT_FILE": "cert.pem"},
        {"HTTP_TLS_KEY_FILE": "key.pem"},
        {"HTTP_TLS_CLIENT_CA_FILE": "ca.pem"},
        {"ROOT_ACCESS_KEY": "root"},
        {"ROOT_SECRET_KEY": "secret-secret"},
    ],
)
def test_half_a_configuration_is_an_error(half):
    with pytest.raises(InvalidError, match=r"go together|needs"):
        loaded(**half)


def test_every_setting_says_what_it_is_for():
    assert all(line.help for line in Loaded(Settings(), {}).describe())


@pytest.mark.parametrize(
    ("address", "local"),
    [("127.0.0.1:1", True), ("[::1]:1", True), ("localhost:1", True), ("0.0.0.0:1", False)],
)
def test_only_loopback_addresses_are_local(address: str, local: bool):
    assert is_loopback(address) is local


def test_proxies_that_are_believed_are_addresses_or_networks():
    settings = load({"AUTHZ_TRUSTED_PROXIES": "10.1.0.0/16, 2001:db8::7"}).settings
    assert settings.trusted_proxies == ("10.1.0.0/16", "2001:db8::7")
    for wrong in ("envoy", "10.1.0.1/16", "*", "10.0.0.0/33"):
        with pytest.raises(InvalidError, match="neither an IP address nor a network"):
            load({"AUTHZ_TRUSTED_PROXIES": wrong})
