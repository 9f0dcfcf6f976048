"""Real servers as child processes: start, wait until ready, end, and show the log when something fails.

Every wait is bounded. A process is ended by its own id: SIGTERM first, SIGKILL when it does not listen. Its output
goes to a file, so that no pipe fills up and a failed start can show the last lines.
"""

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

LOG_TAIL_LINES = 40
"""How much of a server's log a failed start repeats."""

PATIENCE = 60.0
"""Seconds to wait for what comes in milliseconds on a machine that does nothing else."""

STOP_TIMEOUT = 30.0
"""Seconds a server has to end after SIGTERM before it is killed."""


class ServerError(Exception):
    """A server did not start, or ended by itself; the message ends with the last lines of its log."""


class ServerProcess:
    """A running server: a context manager that ends it."""

    def __init__(self, name: str, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        self.name = name
        self.log_path = log_path
        self._popen = popen

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code (negative: the signal that ended it), `None` while it runs."""
        return self._popen.poll()

    def log(self) -> str:
        """Return what the server wrote so far, both streams."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def log_tail(self) -> str:
        """Return the last lines of the log, for a message."""
        return "\n".join(self.log().splitlines()[-LOG_TAIL_LINES:])

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it still runs."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = STOP_TIMEOUT) -> int:
        """Wait for the end, at most `timeout` seconds, and return the exit code."""
        return self._popen.wait(timeout)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End the server, by force when it does not listen, and return its exit code."""
        self.send_signal(number)
        try:
            return self.wait()
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End the server at once."""
        self._popen.kill()
        return self._popen.wait()

    def wait_until(self, is_ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `is_ready`; a server that ends meanwhile, or takes longer than `timeout` seconds, is an error."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.exit_code is not None:
                raise ServerError(f"{self.name} ended with {self.exit_code}:\n{self.log_tail()}")
            if is_ready():
                return
            time.sleep(0.02)
        raise ServerError(f"{self.name} is not ready after {timeout:g} s:\n{self.log_tail()}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    command: Sequence[str | Path],
    *,
    name: str,
    log_path: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> ServerProcess:
    """Start a server with its output in `log_path` (appended to); `env` is added to a bare environment."""
    with log_path.open("ab") as log:
        popen = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=bare_environment() | dict(env or {}),
            cwd=cwd,
        )
    return ServerProcess(name, popen, log_path)


def start_ready(
    command: Sequence[str | Path],
    *,
    name: str,
    log_path: Path,
    is_ready: Callable[[], bool],
    timeout: float = PATIENCE,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> ServerProcess:
    """Start a server and wait until it is ready; one that does not get there is ended and reported."""
    process = start(command, name=name, log_path=log_path, env=env, cwd=cwd)
    try:
        process.wait_until(is_ready, timeout)
    except BaseException:
        process.kill()
        raise
    return process


def bare_environment() -> dict[str, str]:
    """Return the environment for a child: what a program needs, nothing that configures it."""
    keep = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH")
    return {key: os.environ[key] for key in keep if key in os.environ}  # noqa: TID251 - not ours to read, to hand on


def answers_200(url: str) -> bool:
    """Tell whether a GET of this URL is answered with 200."""
    return http_status(url) == 200


def http_status(url: str) -> int:
    """Return the status of a GET of this URL, 0 when nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return 0


def http_text(url: str) -> str:
    """Return the body of a GET of this URL, whatever its status."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=PATIENCE) as response:
            return str(response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return error.read().decode()


def wait_for(holds: Callable[[], bool], timeout: float, what: str) -> float:
    """Wait until `holds`, at most `timeout` seconds; return how long it took, in seconds."""
    started = time.monotonic()
    while not holds():
        if time.monotonic() - started > timeout:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(0.01)
    return time.monotonic() - started
