"""The HTTP port with a surface that says whom it takes a client for, by a certificate provider, as STS does."""

from contextlib import asynccontextmanager
from ipaddress import ip_network

from authz.clock import SystemClock
from authz.errors import UnauthenticatedError
from authz.federation.certificates import CertificateProvider
from authz.formats.provider_certificate import parse_certificate_config
from authz.serving.http.app import build_app
from authz.serving.http.server import HttpServer
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.http.tls import TlsFiles
from authz.serving.http_surface import HttpAnswer
from authz.telemetry.metrics import Metrics
from tests.servers.client_certificates import LOOPBACK_NAMES, SERVER, Authority

SERVERS, CLIENTS, STRANGERS = (
    Authority("servers", key_number=11),
    Authority("clients", key_number=12),
    Authority("clients", key_number=13),
)
NOBODY = "198.51.100.0/24"
LOOPBACK = "127.0.0.1/32"


class WhoSurface:
    """A surface that answers with whom a provider takes the client for, as STS will."""

    body_limit = 10

    def __init__(self) -> None:
        config = parse_certificate_config({"ca_pem": CLIENTS.own.pem})
        self._provider = CertificateProvider("corp", config, SystemClock())

    async def answer(self, request, read_body):
        try:
            name = self._provider.verify(request.client_certificate).name
        except UnauthenticatedError as error:
            return HttpAnswer(403, {}, error.message.encode())
        return HttpAnswer(200, {}, f"{request.scheme} {name}".encode())

    def turn_away(self, request):
        return HttpAnswer(503, {}, b"")


@asynccontextmanager
async def serving(folder, *, proxies=NOBODY, believes=False, client_ca=True, tls=True):
    app = SurfaceApp(
        WhoSurface(), proxies=[ip_network(proxies)], trusted_hops=0, believes_certificates=believes
    )
    files = TlsFiles(*SERVERS.issue("authz", names=LOOPBACK_NAMES, usages=[SERVER]).write(folder, "server"))  # fmt: skip
    if client_ca:
        ca = folder / "clients.pem"
        ca.write_text(CLIENTS.own.pem)
        files = files._replace(client_ca_file=ca)
    server = HttpServer("127.0.0.1:0", build_app(Metrics(), list, app, app), files if tls else None)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
