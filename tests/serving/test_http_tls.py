"""TLS on the HTTP port, with real connections: who is let in, and what a surface hears of a client's certificate."""

import asyncio
import logging
import socket
import ssl

import pytest

from authz.errors import InvalidError
from authz.serving.http import server as http_server
from authz.serving.http.server import HttpServer
from authz.serving.http.tls import TlsFiles
from tests.access.world import until
from tests.servers.client_certificates import HOUR, SERVER, Authority
from tests.servers.processes import start
from tests.serving.tls_site import CLIENTS, LOOPBACK, SERVERS, STRANGERS, serving


def client(folder, issued=None, *chain, version=None):
    """Return the TLS of a client that trusts our servers and has a certificate, or none."""
    ca = folder / "servers.pem"
    ca.write_text(SERVERS.own.pem)
    context = ssl.create_default_context(cafile=ca)
    if issued is not None:
        context.load_cert_chain(*issued.write(folder, "client", *chain))
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


async def ask(server, context, target="/", *, method="POST", headers=()) -> bytes:
    """Send one request and return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
    lines = "".join(f"{line}\r\n" for line in headers)
    writer.write(
        f"{method} {target} HTTP/1.1\r\nhost: authz\r\nconnection: close\r\ncontent-length: 0\r\n{lines}\r\n".encode()
    )
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    finally:
        writer.transport.abort()


ALICE = CLIENTS.issue("alice")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_is_whom_its_certificate_names(tmp_path, version):
    async with serving(tmp_path) as server:
        answer = await ask(server, client(tmp_path, ALICE, version=version))
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"https alice")


async def test_each_request_of_a_connection_is_the_clients(tmp_path):
    async with serving(tmp_path) as server:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.port, ssl=client(tmp_path, ALICE)
        )
        for _ in range(3):
            writer.write(b"POST / HTTP/1.1\r\nhost: authz\r\ncontent-length: 0\r\n\r\n")
            async with asyncio.timeout(30):
                await reader.readuntil(b"https alice")
        writer.transport.abort()


async def test_connections_do_not_hear_of_each_others_certificates(tmp_path):
    async with serving(tmp_path) as server:
        bob = CLIENTS.issue("bob")
        for issued, said in ((ALICE, b"https alice"), (None, b"no client certificate"), (bob, b"https bob")):  # fmt: skip
            assert (await ask(server, client(tmp_path, issued))).endswith(said)


async def test_a_certificate_is_never_required(tmp_path):
    async with serving(tmp_path) as server:
        context = client(tmp_path)
        for path in ("/livez", "/readyz", "/metrics"):
            answer = await ask(server, context, path, method="GET")
            assert answer.startswith(b"HTTP/1.1 200")
        answer = await ask(server, context)
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"there is no client certificate" in answer


@pytest.mark.parametrize(
    "issued",
    [
        STRANGERS.issue("alice"),
        CLIENTS.issue("alice", valid_for=-HOUR / 60),
        CLIENTS.issue("alice", usages=[SERVER]),
        STRANGERS.own,
    ],
    ids=["of another authority", "expired", "for servers", "self-signed"],
)
async def test_a_certificate_that_is_shown_has_to_be_good(tmp_path, issued):
    async with serving(tmp_path) as server:
        try:
            answer = await ask(server, client(tmp_path, issued))
        except (ssl.SSLError, ConnectionError):
            answer = b""
        assert answer == b""
        assert (await ask(server, client(tmp_path), "/livez", method="GET")).endswith(b"ok\n")


async def test_without_a_client_authority_no_certificate_is_asked_for(tmp_path):
    async with serving(tmp_path, client_ca=False) as server:
        answer = await ask(server, client(tmp_path, STRANGERS.issue("alice")))
        assert b"there is no client certificate" in answer


async def test_old_versions_of_tls_are_not_spoken(tmp_path):
    async with serving(tmp_path) as server:
        context = client(tmp_path)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await ask(server, context)


async def test_plain_http_is_not_spoken_on_a_tls_port(tmp_path, caplog):
    async with serving(tmp_path) as server:
        try:
            answer = await ask(server, None)
        except ConnectionError:
            answer = b""
        assert b"HTTP" not in answer
        assert (await ask(server, client(tmp_path), "/livez", method="GET")).endswith(b"ok\n")
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_a_port_without_tls_is_as_it_was(tmp_path):
    async with serving(tmp_path, tls=False) as server:
        assert b"there is no client certificate" in await ask(server, None)
        assert (await ask(server, None, "/livez", method="GET")).endswith(b"ok\n")


def forwarded(issued):
    return f'x-forwarded-client-cert: Hash=00;Cert="{issued.url_encoded}"'


async def test_a_client_certificate_by_tls_wins_over_any_header(tmp_path):
    root = CLIENTS.issue("root")
    async with serving(tmp_path, believes=True) as server:
        answer = await ask(server, client(tmp_path, ALICE), headers=[forwarded(root)])
        assert answer.endswith(b"https alice")
        answer = await ask(server, client(tmp_path), headers=[forwarded(root)])
        assert b"there is no client certificate" in answer


async def test_a_proxy_is_believed_about_its_client_and_its_own_certificate_is_not_the_clients(
    tmp_path,
):
    proxy = client(tmp_path, CLIENTS.issue("proxy"))
    async with serving(tmp_path, proxies=LOOPBACK, believes=True) as server:
        headers = [forwarded(ALICE), "x-forwarded-proto: https"]
        assert (await ask(server, proxy, headers=headers)).endswith(b"https alice")
        for unclear in ([], [forwarded(ALICE), forwarded(CLIENTS.issue("root"))]):
            assert b"there is no client certificate" in await ask(server, proxy, headers=unclear)
    async with serving(tmp_path, proxies=LOOPBACK) as server:
        for headers in ([], [forwarded(ALICE)]):
            assert b"there is no client certificate" in await ask(server, proxy, headers=headers)


async def test_a_forged_certificate_in_a_header_is_asked_for_its_authority_again(tmp_path):
    async with serving(tmp_path, proxies=LOOPBACK, believes=True, tls=False) as server:
        assert (await ask(server, None, headers=[forwarded(ALICE)])).endswith(b"alice")
        for forged in (STRANGERS.issue("alice"), STRANGERS.own, CLIENTS.own, CLIENTS.issue("alice", usages=[SERVER])):  # fmt: skip
            answer = await ask(server, None, headers=[forwarded(forged)])
            assert answer.startswith(b"HTTP/1.1 403")


async def test_a_huge_header_is_no_certificate(tmp_path):
    async with serving(tmp_path, proxies=LOOPBACK, believes=True, tls=False) as server:
        answer = await ask(server, None, headers=[f'{forwarded(ALICE)};Subject="{"a" * 70_000}"'])
        assert answer.startswith(b"HTTP/1.1 4")
        assert b"alice" not in answer


async def test_a_handshake_that_does_not_go_on_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(http_server, "KEEP_ALIVE", 0.2)
    async with serving(tmp_path) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.transport.abort()


async def test_a_client_that_does_not_say_goodbye_holds_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(http_server, "KEEP_ALIVE", 0.2)
    async with serving(tmp_path) as server:
        context = client(tmp_path, ALICE)
        loop = asyncio.get_running_loop()

        def connect():
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as raw:
                wrapped = context.wrap_socket(raw, server_hostname="127.0.0.1")
                wrapped.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
                return wrapped.recv(4096), wrapped.detach()

        answer, descriptor = await loop.run_in_executor(None, connect)
        assert answer.startswith(b"HTTP/1.1 200")
        await until(lambda: not server._server.server_state.connections)
        socket.close(descriptor)


async def test_curl_with_a_certificate(tmp_path):
    async with serving(tmp_path) as server:
        certificate, key = ALICE.write(tmp_path, "alice")
        (tmp_path / "servers.pem").write_text(SERVERS.own.pem)
        command = ["curl", "-sS", "--max-time", "30", "--cacert", tmp_path / "servers.pem", "--cert", certificate, "--key", key,
                   "-X", "POST", f"https://127.0.0.1:{server.port}/"]  # fmt: skip
        curl = start(command, name="curl", log_path=tmp_path / "curl.log")
        await asyncio.to_thread(curl.wait, 60)
        assert curl.log() == "https alice"


@pytest.mark.parametrize("broken", ["cert_file", "key_file", "client_ca_file"])
@pytest.mark.parametrize("content", [None, "", "junk"])
def test_files_that_cannot_be_used_stop_the_start(tmp_path, broken, content):
    certificate, key = SERVERS.issue("authz").write(tmp_path, "server")
    ca = tmp_path / "ca.pem"
    ca.write_text(CLIENTS.own.pem)
    bad = tmp_path / "bad.pem"
    if content is not None:
        bad.write_text(content)
    files = TlsFiles(certificate, key, ca)._replace(**{broken: bad})
    with pytest.raises(InvalidError, match="TLS settings cannot be read"):
        HttpServer("127.0.0.1:0", None, files)


def test_a_key_with_a_password_is_refused_and_not_asked_for(tmp_path):
    from cryptography.hazmat.primitives import serialization

    issued = SERVERS.issue("authz")
    certificate, key = issued.write(tmp_path, "server")
    key.write_bytes(
        issued.private_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(InvalidError, match="TLS settings cannot be read"):
        HttpServer("127.0.0.1:0", None, TlsFiles(certificate, key))


def test_a_key_of_another_certificate_is_refused(tmp_path):
    certificate, _ = SERVERS.issue("authz").write(tmp_path, "server")
    _, other = Authority("x", key_number=14).own.write(tmp_path, "other")
    with pytest.raises(InvalidError, match="TLS settings cannot be read"):
        HttpServer("127.0.0.1:0", None, TlsFiles(certificate, other))
