"""An S3 store as a process: moto's server, which speaks the whole protocol and keeps objects in memory.

It does not verify signatures, which makes it what a store behind `authz` is: something that must not be
reached by another way.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.ports import LOOPBACK, free_port, is_listening
from tests.servers.processes import ServerProcess, start_ready


@dataclass(frozen=True, slots=True)
class MotoStore:
    """A running store at `port` of the loopback interface."""

    process: ServerProcess
    port: int

    @property
    def url(self) -> str:
        """Where a client would reach the store directly."""
        return f"http://{LOOPBACK}:{self.port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()


def start_moto_store(directory: Path) -> MotoStore:
    """Start moto's server; its log goes to `directory`."""
    port = free_port()
    process = start_ready(
        [sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(port)],
        name="moto",
        log_path=directory / "store.log",
        is_ready=lambda: is_listening(port),
        timeout=120,
    )
    return MotoStore(process, port)
