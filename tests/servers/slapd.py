"""A real OpenLDAP for tests: `slapd` on loopback ports, with LDAPS and StartTLS by a test CA.

It runs in a folder of its own with the `memberof` overlay, and logs each operation, so that tests can count binds.
Entries are loaded online, because `slapadd` runs no overlays. A second database refers to elsewhere.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.certificates import Authority
from tests.servers.debian import require_program
from tests.servers.ports import LOOPBACK, free_port, is_listening
from tests.servers.processes import ServerError, ServerProcess, bare_environment, start_ready

SUFFIX = "dc=example,dc=org"
ADMIN = f"cn=admin,{SUFFIX}"
ADMIN_PASSWORD = "admin-secret"
PACKAGES = ("slapd", "ldap-utils")
START_TIMEOUT = 60.0

_CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
pidfile {folder}/slapd.pid
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
database mdb
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {folder}/data
dbnosync
overlay memberof
memberof-group-oc groupOfNames
memberof-member-ad member
memberof-memberof-ad memberOf
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=hidden,{suffix}" by * none
access to * by * read
"""


class SlapdServer:
    """A running server. It keeps its ports and its entries over `stop` and `start`."""

    def __init__(self, slapd: Path, folder: Path) -> None:
        self.port = free_port()
        self.tls_port = free_port()
        self.folder = folder
        self.authority = Authority(folder)
        self.other_authority = Authority(folder, "Other CA")
        self._slapd = slapd
        self._process: ServerProcess | None = None
        certificate, key = self.authority.issue("localhost", LOOPBACK)
        (folder / "data").mkdir()
        config = _CONFIG.format(
            folder=folder, ca=self.authority.path, certificate=certificate, key=key,
            suffix=SUFFIX, admin=ADMIN, password=ADMIN_PASSWORD,
        )  # fmt: skip
        (folder / "slapd.conf").write_text(config, encoding="utf-8")

    @property
    def log_path(self) -> Path:
        """The server's log: one line an operation."""
        return self.folder / "slapd.log"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        urls = f"ldap://{LOOPBACK}:{self.port}/ ldaps://{LOOPBACK}:{self.tls_port}/"
        self._process = start_ready(
            [self._slapd, "-f", self.folder / "slapd.conf", "-h", urls, "-d", "stats"],
            name="slapd",
            log_path=self.log_path,
            is_ready=lambda: is_listening(self.port) and is_listening(self.tls_port),
            timeout=START_TIMEOUT,
        )

    def stop(self) -> None:
        """End the server, its connections with it."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def binds(self) -> list[str]:
        """Return the names that binds were tried with so far, in order."""
        lines = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()
        return [
            line.split('dn="', 1)[1].split('"', 1)[0]
            for line in lines
            if " BIND dn=" in line and "method=128" in line
        ]

    def modify(self, ldif: str, *options: str) -> None:
        """Apply changes in LDIF as the administrator; `-a` adds entries."""
        self._run("ldapmodify", ldif, *options)

    def _run(self, name: str, ldif: str, *options: str) -> None:
        program = require_program(name, PACKAGES)
        command = [
            program,
            "-x",
            "-H",
            f"ldap://{LOOPBACK}:{self.port}",
            "-D",
            ADMIN,
            "-w",
            ADMIN_PASSWORD,
            *options,
        ]
        done = subprocess.run(
            [str(part) for part in command], input=ldif.encode(), env=bare_environment(),
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ServerError(f"{name} failed: {done.stderr.decode()}")


@contextmanager
def running_slapd(ldif: str) -> Iterator[SlapdServer]:
    """Run a fresh server with the entries of `ldif` for as long as the context lasts."""
    slapd = require_program("slapd", PACKAGES)
    folder = Path(tempfile.mkdtemp(prefix="authz-slapd-"))
    server = None
    try:
        server = SlapdServer(slapd, folder)
        server.start()
        server.modify(ldif, "-a")
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)
