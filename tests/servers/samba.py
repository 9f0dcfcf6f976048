"""A real Active Directory domain controller for tests: Samba, on an address of the loopback interface of its own.

Its ports are fixed (389, 636), so it wants root, and an address that no other run has: any of 127/8 is there on
Linux. Domain and run-time state live in a folder that goes with it. TLS is by a test CA.

A Samba that cannot be started is an error, never a skipped test.
"""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.debian import require_program
from tests.servers.processes import (
    ServerError,
    ServerProcess,
    bare_environment,
    start_ready,
)
from tests.servers.slapd import PACKAGES as CLIENT_PACKAGES

REALM = "LAB.TEST"
SUFFIX = "DC=lab,DC=test"
ADMINISTRATOR = f"CN=Administrator,CN=Users,{SUFFIX}"
ADMIN_PASSWORD = "Admin-Secret-1"
PACKAGES = (
    "samba", "samba-ad-provision", "samba-dsdb-modules", "samba-vfs-modules", "ldb-tools",
    "python3-samba", "winbind",
)  # fmt: skip
START_TIMEOUT = 90.0
"""Seconds until LDAP answers; two are usual."""

_FOLDERS = {
    "private dir": "private", "lock directory": "lock", "state directory": "state",
    "cache directory": "cache", "pid directory": "run", "ncalrpc dir": "run/ncalrpc",
    "winbindd socket directory": "run/winbindd", "ntp signd socket directory": "run/ntp",
    "binddns dir": "dns", "usershare path": "usershares",
}  # fmt: skip


class SambaServer:
    """A running domain controller."""

    def __init__(self, folder: Path, tool: Path) -> None:
        self.folder = folder
        self.address = (
            f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(2, 254)}"
        )
        self.authority = Authority(folder)
        self._tool = tool
        self._process: ServerProcess | None = None

    @property
    def config_path(self) -> Path:
        """Samba's configuration."""
        return self.folder / "etc" / "smb.conf"

    def provision(self) -> None:
        """Make the domain."""
        self._run(
            "domain", "provision", f"--targetdir={self.folder}", f"--realm={REALM}", "--domain=LAB",
            "--server-role=dc", "--dns-backend=NONE", f"--adminpass={ADMIN_PASSWORD}", "--host-name=dc1",
            f"--host-ip={self.address}", "--option=ldap server require strong auth=no",
            "--option=bind interfaces only=yes", f"--option=interfaces={self.address}/8",
        )  # fmt: skip
        certificate, key = self.authority.issue("dc1.lab.test", "localhost", self.address)
        settings = {
            "interfaces": f"{self.address}/8",
            "bind interfaces only": "yes",
            "ldap server require strong auth": "no",
            "server services": "ldap, cldap, kdc, winbindd",
            "tls enabled": "yes",
            "tls cafile": str(self.authority.path),
            "tls certfile": str(certificate),
            "tls keyfile": str(key),
            "log file": str(self.folder / "samba-inner.log"),
            **{name: str(self.folder / place) for name, place in _FOLDERS.items()},
        }
        for place in _FOLDERS.values():
            (self.folder / place).mkdir(parents=True, exist_ok=True)
        text = self.config_path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if line.split("=")[0].strip() not in settings]
        at = lines.index("[global]") + 1
        lines[at:at] = [f"\t{name} = {value}" for name, value in settings.items()]
        self.config_path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self, samba: Path) -> None:
        """Start the server and wait until it answers over LDAP."""
        self._process = start_ready(
            [samba, "-i", "-M", "single", "-s", self.config_path],
            name="samba",
            log_path=self.folder / "samba.log",
            is_ready=self._answers,
            timeout=START_TIMEOUT,
        )

    def stop(self) -> None:
        """End the server."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def tool(self, *arguments: str) -> None:
        """Run `samba-tool` on the domain's own database."""
        self._run(*arguments, f"--configfile={self.config_path}")

    def modify(self, ldif: str, *options: str) -> None:
        """Apply changes in LDIF as the administrator; `-a` adds entries."""
        self._client("ldapmodify", ["-D", ADMINISTRATOR, "-w", ADMIN_PASSWORD, *options], ldif)

    def _answers(self) -> bool:
        try:
            self._client(
                "ldapsearch", ["-s", "base", "-b", "", "-o", "nettimeout=2", "dnsHostName"]
            )
        except ServerError:
            return False
        return True

    def _client(self, name: str, options: Sequence[str], text: str = "") -> None:
        program = require_program(name, CLIENT_PACKAGES)
        self._execute([program, "-x", "-H", f"ldap://{self.address}", *options], text)

    def _run(self, *arguments: str) -> None:
        self._execute([self._tool, *arguments])

    def _execute(self, command: Sequence[str | Path], text: str = "") -> None:
        done = subprocess.run(
            [str(part) for part in command], input=text.encode(), env=bare_environment(),
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        if done.returncode:
            output = (done.stdout + done.stderr).decode(errors="replace")
            raise ServerError(f"{Path(command[0]).name} failed:\n{output[-2000:]}")


@contextmanager
def running_samba() -> Iterator[SambaServer]:
    """Run a fresh domain controller for as long as the context lasts."""
    if os.geteuid() != 0:
        raise ServerError("Samba listens on ports below 1024: run these tests as root (sudo -E)")
    tool, samba = require_program("samba-tool", PACKAGES), require_program("samba", PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="authz-samba-"))
    server = None
    try:
        server = SambaServer(folder, tool)
        server.provision()
        server.start(samba)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
