"""Servers that come as Debian packages: installed when missing, or a loud failure that says how.

No service of a package is started: each test runs its own server, in a folder of its own.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.servers.processes import ServerError, bare_environment

INSTALL_TIMEOUT = 600.0
"""Seconds for download and installation."""

_PATH = os.pathsep.join(("/usr/sbin", "/usr/bin", "/sbin", "/bin"))


def find_program(name: str) -> Path | None:
    """Return where a program is, also outside of an ordinary user's PATH."""
    found = shutil.which(name) or shutil.which(name, path=_PATH)
    return Path(found) if found else None


def require_program(name: str, packages: Sequence[str]) -> Path:
    """Return where a program is; as root, `packages` are installed when it is missing."""
    found = find_program(name)
    if found is None and os.geteuid() == 0:
        with (Path(tempfile.gettempdir()) / "authz-tests-packages.lock").open("w") as lock:
            # Another process of tests may be installing something; only one can at a time.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if find_program(name) is None:
                _install(packages)
        found = find_program(name)
    if found is None:
        command = " ".join(["sudo", *_command(packages)])
        raise ServerError(f"{name} is missing; run: sudo apt-get update && {command}")
    return found


def _command(packages: Sequence[str]) -> list[str]:
    return ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def _install(packages: Sequence[str]) -> None:
    # `RUNLEVEL=1`: invoke-rc.d starts nothing in single-user mode.
    environment = {**bare_environment(), "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update"], _command(packages)):
        done = subprocess.run(
            command, env=environment, capture_output=True, timeout=INSTALL_TIMEOUT, check=False
        )
        if done.returncode:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise ServerError(f"{' '.join(command)} failed:\n{output[-2000:]}")
