"""Client certificates that a real Envoy has seen, and what it writes about them into the header for `authz`.

Envoy runs the file that is shipped, with what `docs/providers-certificate.md` says about TLS added.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from tests.servers import envoy as envoy_server
from tests.servers.client_certificates import LOOPBACK_NAMES, SERVER, Issued
from tests.servers.envoy import Envoy, start_envoy
from tests.serving.tls_site import CLIENTS, LOOPBACK, SERVERS, STRANGERS, serving

ALICE, ROOT = CLIENTS.issue("alice"), CLIENTS.issue("root")
PROXY = CLIENTS.issue("proxy")
NOBODY = "there is no client certificate"

TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


def with_client_certificates(folder: Path, *, by_tls: bool) -> Path:
    """Write the shipped configuration with TLS on the S3 listener, and to `authz` if `by_tls`."""
    document = yaml.safe_load(envoy_server.DEPLOYED_CONFIG.read_text(encoding="utf-8"))
    clients = folder / "all-clients.pem"
    clients.write_text(CLIENTS.own.pem + STRANGERS.own.pem)
    (chain,) = next(
        each for each in document["static_resources"]["listeners"] if each["name"] == "s3"
    )["filter_chains"]
    names = SERVERS.issue("s3", names=LOOPBACK_NAMES, usages=[SERVER]).write(folder, "envoy")
    chain["transport_socket"] = socket(
        "DownstreamTlsContext", names, clients, require_client_certificate=False
    )
    manager = chain["filters"][0]["typed_config"]
    manager["forward_client_cert_details"] = "SANITIZE_SET"
    manager["set_current_client_cert_details"] = {"cert": True}
    if by_tls:
        ca = folder / "servers.pem"
        ca.write_text(SERVERS.own.pem)
        cluster = next(
            each for each in document["static_resources"]["clusters"] if each["name"] == "authz-http"
        )  # fmt: skip
        cluster["transport_socket"] = socket(
            "UpstreamTlsContext", PROXY.write(folder, "proxy"), ca, sni="localhost"
        )
    path = folder / "envoy-tls.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def socket(kind: str, files: tuple[Path, Path], ca: Path, **more: Any) -> dict[str, Any]:
    certificate, key = ({"filename": str(each)} for each in files)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{TLS}.{kind}",
            "common_tls_context": {
                "tls_certificates": [{"certificate_chain": certificate, "private_key": key}],
                "validation_context": {"trusted_ca": {"filename": str(ca)}},
            },
            **more,
        },
    }


@contextmanager
def running_envoy(folder: Path, config: Path, port: int) -> Iterator[Envoy]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envoy_server, "DEPLOYED_CONFIG", config)
        envoy = start_envoy(folder, {"authz-http": [port]})
    with envoy:
        yield envoy


async def ask(envoy: Envoy, folder: Path, issued: Issued | None, *headers: str) -> str:
    """Ask for a session the way clients do; return what `authz` made of the client."""
    ca = folder / "servers-of-envoy.pem"
    ca.write_text(SERVERS.own.pem)
    context = ssl.create_default_context(cafile=ca)
    if issued is not None:
        context.load_cert_chain(*issued.write(folder, "client"))
    reader, writer = await asyncio.open_connection(LOOPBACK.partition("/")[0], envoy.ports["s3"], ssl=context)  # fmt: skip
    lines = "".join(f"{line}\r\n" for line in headers)
    writer.write(
        "POST /?Action=AssumeRoleWithCertificate&Version=2011-06-15 HTTP/1.1\r\n"
        f"host: localhost\r\nconnection: close\r\ncontent-length: 0\r\n{lines}\r\n".encode()
    )
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.transport.abort()
    return answer.partition(b"\r\n\r\n")[2].decode()


async def until_ready(envoy: Envoy, folder: Path) -> None:
    """Wait until Envoy's health check has found `authz`."""
    async with asyncio.timeout(30):
        while "client certificate" not in await ask(envoy, folder, None):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("by_tls", [False, True], ids=["plain to authz", "mutual tls to authz"])
async def test_a_client_certificate_that_envoy_has_seen_is_the_clients(tmp_path, by_tls):
    config = with_client_certificates(tmp_path, by_tls=by_tls)
    async with serving(tmp_path, proxies=LOOPBACK, believes=True, tls=by_tls) as server:
        opened = running_envoy(tmp_path, config, server.port)
        envoy = await asyncio.to_thread(opened.__enter__)
        try:
            await until_ready(envoy, tmp_path)
            await check(envoy, tmp_path)
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)


async def check(envoy: Envoy, folder: Path) -> None:
    forged = f'x-forwarded-client-cert: Hash=00;Cert="{ROOT.url_encoded}"'
    assert await ask(envoy, folder, ALICE) == "https alice"
    # What a client writes itself, Envoy takes away; a certificate of its own is not the client's either.
    assert (await ask(envoy, folder, None)).endswith(NOBODY)
    assert (await ask(envoy, folder, None, forged)).endswith(NOBODY)
    assert await ask(envoy, folder, ALICE, forged, forged) == "https alice"
    # Envoy lets this authority's clients in; the provider does not.
    assert "no valid chain" in await ask(envoy, folder, STRANGERS.issue("alice"))
    # Names that Envoy escapes, or that are long, change nothing.
    odd = CLIENTS.issue('al"ice;Cert=x,\\"', names=[x509.DNSName(f"{n}.test") for n in range(200)])
    assert await ask(envoy, folder, odd) == 'https al"ice;Cert=x,\\"'
