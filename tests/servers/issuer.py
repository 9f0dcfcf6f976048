"""An issuer of ID tokens over HTTP that does whatever a test wants, lawful or not.

It serves a discovery document, a key set, userinfo and Keycloak's user API on a free port of the loopback
interface, counts what it is asked, and signs tokens with keys of every type. For what a decent provider does,
there is a real one (`oidc_provider.py`).
"""

import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.servers.ports import LOOPBACK

Answer = tuple[int, Mapping[str, str], bytes]
"""Status, headers, body."""

CLIENT_ID = "authz-client"

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
EC384 = ec.generate_private_key(ec.SECP384R1())
EC521 = ec.generate_private_key(ec.SECP521R1())
ED = ed25519.Ed25519PrivateKey.generate()
"""Keys for everybody: making one of RSA's takes long."""


def public_jwk(key: Any, kid: str | None = None, **members: object) -> dict[str, Any]:
    """Return the public half of a private key as a JWK, with other `members`."""
    jwk = _algorithm_of(key).to_jwk(key.public_key(), as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | ({"kid": kid} if kid is not None else {}) | members


def private_jwk(key: Any, kid: str) -> dict[str, Any]:
    """Return a private key as a JWK, as nobody should publish it."""
    jwk: dict[str, Any] = _algorithm_of(key).to_jwk(key, as_dict=True)
    jwk.pop("key_ops", None)
    return jwk | {"kid": kid}


def _algorithm_of(key: Any) -> Any:
    if isinstance(key, rsa.RSAPrivateKey):
        return RSAAlgorithm
    return ECAlgorithm if isinstance(key, ec.EllipticCurvePrivateKey) else OKPAlgorithm


def sign(
    claims: Mapping[str, object],
    key: Any = RSA,
    algorithm: str = "RS256",
    *,
    kid: str | None = "one",
    **header: object,
) -> str:
    """Sign claims; `header` members are added to the header."""
    headers = ({"kid": kid} if kid is not None else {}) | header
    return jwt.encode(dict(claims), key, algorithm, headers=headers)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def _answer(self) -> None:
        path = self.path
        self.server.issuer.requests[path] += 1
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.issuer.seen.append((path, dict(self.headers.items()), body))
        answer = self.server.issuer.answers.get(path, lambda: (404, {}, b"{}"))
        status, headers, content = answer() if callable(answer) else answer
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("connection", "close")  # or it would go on answering when it is gone
            if "transfer-encoding" not in headers:
                self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except OSError:
            self.close_connection = True  # whoever asked has had enough

    do_GET = do_POST = _answer  # noqa: N815 - names the base class looks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    issuer: "Issuer"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave in the middle."""


class Issuer:
    """The issuer, in a thread, from entering to leaving. `answers` is what it says, by path."""

    def __init__(self, port: int = 0, *, certificate: tuple[Path, Path] | None = None) -> None:
        """Listen on `port`, with TLS where there are files of a certificate and its key."""
        self._server = _Server((LOOPBACK, port), _Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.issuer = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), name="issuer"
        )
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.requests: Counter[str] = Counter()
        self.seen: list[tuple[str, dict[str, str], bytes]] = []
        self.port = self._server.server_port
        self.url = f"http{'s' if certificate else ''}://{LOOPBACK}:{self.port}"
        self.describe()
        self.publish(public_jwk(RSA, "one"))

    def describe(self, **members: object) -> None:
        """Serve a discovery document, with other `members`."""
        document = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
        }
        self.serve("/.well-known/openid-configuration", document | members)

    def publish(self, *keys: Mapping[str, object], **headers: str) -> None:
        """Serve a key set; `headers` are written with `_` for `-`."""
        self.serve("/keys", {"keys": list(keys)}, **headers)

    def serve(self, path: str, document: object, status: int = 200, **headers: str) -> None:
        """Serve a JSON document."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (status, named, json.dumps(document).encode())

    def claims(self, **claims: object) -> dict[str, object]:
        """Return claims of a good token, with others; `None` leaves one out."""
        now = int(time.time())  # noqa: TID251 - of the provider, not ours
        good = {"iss": self.url, "aud": CLIENT_ID, "sub": "alice", "iat": now, "exp": now + 600}
        return {name: value for name, value in (good | claims).items() if value is not None}

    def token(self, **claims: object) -> str:
        """Return a good token, with other claims."""
        return sign(self.claims(**claims))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
