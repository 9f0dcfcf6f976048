"""Tokens and certificates in place of signatures, through a real Envoy: a real OpenID provider's, and by real TLS.

Envoy runs the file that is shipped, with what `docs/envoy.md` says about client certificates added to the listener
for other services.
"""

import asyncio
import copy
import http.client
import json
import ssl
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from authz.clock import SystemClock
from authz.control.attachments import Attachments
from authz.control.providers import ProviderChange, Providers
from authz.formats.provider_configs import check_config
from authz.identity.external import ProviderKind
from authz.identity.records import Status, TargetKind
from authz.store import local_files
from authz.store.sql.engine import Database
from authz.store.sql.store import SqlStore
from tests.acceptance.test_client_certificates import socket
from tests.servers import envoy as envoy_server
from tests.servers.admin_client import document, statement
from tests.servers.authz_server import AuthzServer, start_authz
from tests.servers.client_certificates import LOOPBACK_NAMES, SERVER, Authority, Issued
from tests.servers.envoy import Envoy, start_envoy
from tests.servers.http_echo import HttpEcho
from tests.servers.oidc_provider import CLIENT_ID, RealProvider, start_oidc_provider
from tests.servers.ports import LOOPBACK

ROUTES = """
[[mapping]]
name = "orders"
services = ["orders"]
bearer = ["id_token", "session_token"]
certificates = true

[[mapping.route]]
method = "GET"
path = "/orders/{id}"
action = "orders:GetOrder"
resource = "arn:aws:orders:::order/{id}"
"""
CLIENTS, SERVERS, STRANGERS = Authority("clients"), Authority("servers"), Authority("strangers")
ALICE = "arn:aws:iam::000000000000:user/corp=alice"
ROBOT = "arn:aws:iam::000000000000:user/fleet=robot"


@dataclass
class Picture:
    """authz, Envoy, a service behind it, and a provider."""

    authz: AuthzServer
    envoy: Envoy
    provider: RealProvider
    folder: Path

    def get(
        self,
        token: str = "",
        path: str = "/orders/17",
        certificate: Issued | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], Any]:
        """Return status, headers and document of the answer."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            given["authorization"] = f"Bearer {token}"
        return self.send(path, list(given.items()), certificate)

    def send(
        self, path: str, headers: list[tuple[str, str]], certificate: Issued | None = None
    ) -> tuple[int, dict[str, str], Any]:
        """Send header lines as they are."""
        context = ssl.create_default_context(cafile=self.folder / "servers.pem")
        if certificate is not None:
            context.load_cert_chain(*certificate.write(self.folder, "client"))
        connection = http.client.HTTPSConnection(
            LOOPBACK, self.envoy.ports["http"], context=context, timeout=30
        )
        connection.putrequest("GET", path)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        told = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, told, json.loads(body) if body.startswith(b"{") else body

    def who(self, *arguments: Any, **more: Any) -> str:
        """Return whom the service behind Envoy takes it for, or status and code of the refusal."""
        status, _, said = self.get(*arguments, **more)
        if status != 200:
            return f"{status} {said['code']}" if isinstance(said, dict) else str(status)
        (principal,) = [value for name, value in said["headers"] if name == "x-authz-principal"]
        return principal

    def change(self, work: Any) -> None:
        """Do what an administrator does, and wait until it is enforced."""

        async def run() -> int:
            env = self.authz.env
            data = Path(env["AUTHZ_DATA_DIR"])
            async with Database.open(f"sqlite:///{data}/authz.db") as database:
                ring = local_files.key_ring(data / "master-keys.json")
                store = SqlStore(database)
                written = await work(Providers(store, SystemClock(), ring, check_config))
                return int(written.revision)

        self.authz.wait_for_revision(asyncio.run(run()))

    def attach(self, policy: str, provider: str) -> None:
        """Give a policy to all users of a provider."""

        async def run() -> int:
            data = Path(self.authz.env["AUTHZ_DATA_DIR"])
            async with Database.open(f"sqlite:///{data}/authz.db") as database:
                attachments = Attachments(SqlStore(database))
                return (await attachments.attach(policy, TargetKind.PROVIDER, provider)).revision

        self.authz.wait_for_revision(asyncio.run(run()))

    def session_token(self, id_token: str) -> str:
        """Log in for a session, and return its token."""
        form = {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "WebIdentityToken": id_token,
        }  # fmt: skip
        request = urllib.request.Request(
            f"{self.authz.http_url}/", urllib.parse.urlencode(form).encode()
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            text = answer.read().decode()
        return str(text.partition("<SessionToken>")[2].partition("<")[0])


def with_tls(folder: Path) -> Path:
    """Write the shipped configuration with TLS and client certificates on the listener for other services."""
    config = yaml.safe_load(envoy_server.DEPLOYED_CONFIG.read_text(encoding="utf-8"))
    config = copy.deepcopy(config)
    clients = folder / "clients.pem"
    # Envoy's authority may be a wider one than the provider's.
    clients.write_text(CLIENTS.own.pem + STRANGERS.own.pem)
    (folder / "servers.pem").write_text(SERVERS.own.pem)
    (chain,) = next(
        each for each in config["static_resources"]["listeners"] if each["name"] == "http"
    )["filter_chains"]
    names = SERVERS.issue("http", names=LOOPBACK_NAMES, usages=[SERVER]).write(folder, "envoy")
    chain["transport_socket"] = socket(
        "DownstreamTlsContext", names, clients, require_client_certificate=False
    )
    manager = chain["filters"][0]["typed_config"]
    for each in manager["http_filters"]:
        if each["name"] == "envoy.filters.http.ext_authz":
            each["typed_config"]["include_peer_certificate"] = True
    path = folder / "envoy-tls.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Picture]:
    folder = tmp_path_factory.mktemp("bearer")
    routes = folder / "routes.toml"
    routes.write_text(ROUTES)
    with ExitStack() as stack:
        provider = stack.enter_context(start_oidc_provider(folder))
        orders = stack.enter_context(HttpEcho())
        authz = stack.enter_context(
            start_authz(folder, env={"AUTHZ_HTTP_ROUTES_FILE": str(routes)})
        )
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(envoy_server, "DEPLOYED_CONFIG", with_tls(folder))
        clusters = {"authz": [authz.grpc_port], "authz-http": [authz.http_port], "orders": [orders.port]}  # fmt: skip
        envoy = stack.enter_context(start_envoy(folder, clusters))
        made = Picture(authz, envoy, provider, folder)
        authz.admin.create_policy("gets", document(statement("Allow", "orders:GetOrder", "*")))
        oidc = {"issuer": provider.issuer, "client_ids": [CLIENT_ID], "insecure_http": True}
        made.change(lambda all_: all_.create("corp", ProviderKind.OIDC, json.dumps(oidc)))
        fleet = {"ca_pem": CLIENTS.own.pem}
        made.change(lambda all_: all_.create("fleet", ProviderKind.CERTIFICATE, json.dumps(fleet)))
        made.attach("gets", "corp")
        made.attach("gets", "fleet")
        yield made


def test_an_id_token_of_a_real_provider_passes_envoy(picture):
    token = picture.provider.login("alice").id_token
    for _ in range(3):
        assert picture.who(token) == ALICE
    assert picture.authz.metric("authz_provider_logins_total", outcome="accepted") == 1
    status, headers, said = picture.get(token, "/orders/17/other")
    assert (status, said["code"]) == (403, "AccessDenied")
    status, headers, said = picture.get(token + "A")
    assert (status, said["code"]) == (401, "InvalidIdentityToken")
    assert headers["www-authenticate"] == 'Bearer realm="authz", error="invalid_token"'
    status, headers, _ = picture.get()
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="authz"')
    assert picture.who(path=f"/orders/17?access_token={token}") == "401 MissingAuthenticationToken"


def test_header_lines_that_could_be_two_proofs_pass_nobody(picture):
    good = f"Bearer {picture.provider.login('alice').id_token}"
    for lines in (
        [good, good], [good, "Bearer x"], ["Bearer x", good], [f"{good}, {good}"], [f"{good},"], [f"{good} x"],
        [good.replace(" ", "\t")],
    ):  # fmt: skip
        status, _, said = picture.send("/orders/17", [("Authorization", each) for each in lines])
        assert (status, said["code"]) == (400, "InvalidRequest"), lines
    status, _, said = picture.send("/orders/17", [("AUTHORIZATION", good), ("x-amz-security-token", "x")])  # fmt: skip
    assert (status, said["code"]) == (400, "InvalidRequest")
    forged = [("Authorization", good), ("x-authz-principal", "root"), ("X_Authz_Principal", "root")]
    status, _, said = picture.send("/orders/17", forged)
    assert status == 400 or ALICE in str(said)


def test_a_session_token_passes_until_it_is_revoked(picture):
    token = picture.session_token(picture.provider.login("alice").id_token)
    for _ in range(2):
        assert picture.who(token) == ALICE
    picture.authz.cli("session", "revoke", "corp=alice")
    picture.authz.process.wait_until(lambda: picture.who(token) == "401 ExpiredToken", 30)


def test_a_certificate_that_envoy_has_seen_passes(picture):
    robot = CLIENTS.issue("robot")
    for _ in range(2):
        assert picture.who(certificate=robot) == ROBOT
    assert picture.who(certificate=STRANGERS.issue("robot")) == "403 AccessDenied"
    forged = f'Cert="{robot.url_encoded}"'
    assert picture.who(x_forwarded_client_cert=forged) == "401 MissingAuthenticationToken"
    # A token decides, whatever else there is.
    token = picture.provider.login("bob").id_token
    assert picture.who(token, certificate=robot).endswith("user/corp=bob")
    assert picture.who(token[:-8], certificate=robot) == "401 InvalidIdentityToken"


def test_a_rotation_is_followed_and_a_provider_that_is_disabled_lets_nobody_in(picture):
    before = picture.provider.login("carol").id_token
    assert picture.who(before).endswith("user/corp=carol")
    picture.provider.rotate()
    assert picture.who(picture.provider.login("carol").id_token).endswith("user/corp=carol")
    assert picture.who(before).endswith("user/corp=carol")
    disabled, enabled = (ProviderChange(status=each) for each in (Status.DISABLED, Status.ENABLED))
    picture.change(lambda all_: all_.update("corp", disabled))
    assert picture.who(before) == "401 InvalidIdentityToken"
    picture.change(lambda all_: all_.update("corp", enabled))
    assert picture.who(before).endswith("user/corp=carol")


def test_no_token_is_in_any_log(picture):
    token = picture.provider.login("dave").id_token
    picture.who(token)
    picture.who(token + "A")
    for log in (picture.folder / "authz.log", picture.folder / "envoy.log"):
        assert token.split(".")[2] not in log.read_text()
