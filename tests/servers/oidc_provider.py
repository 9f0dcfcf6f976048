"""A real OpenID provider as a process: the npm package `oidc-provider`, which is certified for the protocol.

The package is installed once a checkout, by its name, into `var/`; a machine that cannot do so fails the test.
`login` gets an ID token with any claims, `rotate` makes it sign with a new key while it runs.
"""

import base64
import fcntl
import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.servers.ports import LOOPBACK, free_port
from tests.servers.processes import ServerProcess, answers_200, start_ready

CLIENT_ID = "authz-client"
CLIENT_SECRET = "not-a-secret-of-anybodys"
GRANT = "urn:tests:login"
INSTALL_TIMEOUT = 300

_HERE = Path(__file__).parent
_CACHE = _HERE.parents[1] / "var" / "tests" / "oidc-provider"


class Login(NamedTuple):
    """What a login gives."""

    id_token: str
    access_token: str


@dataclass(frozen=True, slots=True)
class RealProvider:
    """A running provider at `port` of the loopback interface."""

    process: ServerProcess
    port: int

    @property
    def issuer(self) -> str:
        """What its tokens say in `iss`."""
        return f"http://{LOOPBACK}:{self.port}"

    def login(self, sub: str, /, *, userinfo: dict[str, Any] | None = None, **claims: Any) -> Login:
        """Log somebody in: `claims` are in the ID token, `userinfo` is at that endpoint."""
        form = {
            "grant_type": GRANT,
            "claims": json.dumps({"sub": sub, **claims}),
            "userinfo": json.dumps(userinfo or {}),
        }
        answer = json.loads(self._post("/token", urllib.parse.urlencode(form).encode()))
        return Login(answer["id_token"], answer["access_token"])

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self._post("/rotate", b"")

    def _post(self, path: str, body: bytes) -> bytes:
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        headers = {
            "authorization": f"Basic {pair}",
            "content-type": "application/x-www-form-urlencoded",
        }
        request = urllib.request.Request(f"{self.issuer}{path}", body, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as response:
            content: bytes = response.read()
        return content

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()


def start_oidc_provider(directory: Path, *, port: int = 0) -> RealProvider:
    """Start a provider with a new key; its log goes to `directory`."""
    port = port or free_port()
    url = f"http://{LOOPBACK}:{port}"
    process = start_ready(
        ["node", _HERE / "oidc_provider.mjs"],
        name="oidc-provider",
        log_path=directory / "oidc-provider.log",
        is_ready=lambda: answers_200(f"{url}/.well-known/openid-configuration"),
        timeout=60,
        env={
            "PORT": str(port),
            "CLIENT_ID": CLIENT_ID,
            "CLIENT_SECRET": CLIENT_SECRET,
            "PROVIDER_MODULE": str(_install() / "lib" / "index.js"),
        },
    )
    return RealProvider(process, port)


def _install() -> Path:
    """Install the package, unless it is there; return its folder. Test processes wait for each other."""
    wanted = (_HERE / "oidc_provider.package.json").read_text(encoding="utf-8")
    package, done = _CACHE / "node_modules" / "oidc-provider", _CACHE / "installed.json"
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists() and done.read_text(encoding="utf-8") == wanted:
            return package
        shutil.copy(_HERE / "oidc_provider.package.json", _CACHE / "package.json")
        command = ["npm", "install", "--prefix", str(_CACHE), "--no-package-lock", "--no-audit", "--no-fund"]  # fmt: skip
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False
        )
        if ran.returncode != 0:
            raise RuntimeError(f"oidc-provider cannot be installed:\n{ran.stdout}{ran.stderr}")
        done.write_text(wanted, encoding="utf-8")
    return package
