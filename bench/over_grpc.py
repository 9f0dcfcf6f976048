"""`Check` over gRPC by one server process, beside an empty handler on the same transport in the same run.

Both servers are real processes on the loopback; the load comes from `bench/load.py`. The difference
between the two is what this service adds to the transport.
"""

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from authz.settings import Settings
from bench.check import METHOD, create_alice, question
from bench.load import Measured, measure

CALLS = 12_000
START_LIMIT = 30.0


@contextmanager
def authz_server() -> Iterator[tuple[str, bytes]]:
    """Run `authz serve` on a fresh embedded database; yield its address and a signed question."""
    with tempfile.TemporaryDirectory() as folder:
        grpc_address, http_address = (f"127.0.0.1:{_free_port()}" for _ in range(2))
        settings = Settings(data_dir=Path(folder), grpc_address=grpc_address)
        environ = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},  # noqa: TID251
            "AUTHZ_DATA_DIR": folder,
            "AUTHZ_GRPC_ADDRESS": grpc_address,
            "AUTHZ_HTTP_ADDRESS": http_address,
            "AUTHZ_LOG_LEVEL": "error",
            "AUTHZ_DECISION_LOG": "off",
        }
        with _process([sys.executable, "-m", "authz", "serve"], environ):
            _wait_ready(f"http://{http_address}/readyz")
            yield grpc_address, question(asyncio.run(create_alice(settings)))


@contextmanager
def empty_server() -> Iterator[str]:
    """Run the empty handler; yield its address."""
    with _process([sys.executable, "-m", "bench.empty_server"], None) as server:
        assert server.stdout is not None
        yield f"127.0.0.1:{server.stdout.readline().decode().strip()}"


@contextmanager
def _process(
    command: list[str], environ: dict[str, str] | None
) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(  # noqa: S603 - our own programs
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield server
    finally:
        server.terminate()
        server.wait(START_LIMIT)
        if server.stdout is not None:
            server.stdout.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + START_LIMIT
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310 - our own server on the loopback
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError("the server did not become ready")


def rows() -> list[tuple[str, Measured]]:
    """Measure the empty handler, then ours."""
    with empty_server() as address, authz_server() as (ours, raw):
        return [
            ("empty handler", measure(address, METHOD, raw, CALLS)),
            ("Check", measure(ours, METHOD, raw, CALLS)),
        ]


def main() -> None:
    """Print the table."""
    print(f"{'over gRPC, one process':34}{'calls/s':>10}{'p50 ms':>9}{'p99 ms':>9}")
    for name, measured in rows():
        print(f"{name:34}{measured.rate:10.0f}{measured.p50:9.2f}{measured.p99:9.2f}")


if __name__ == "__main__":
    main()
