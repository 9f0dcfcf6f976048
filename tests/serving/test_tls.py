"""TLS on the gRPC port: the server proves itself, and with a client CA the client must too."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.bootstrap import running
from authz.errors import InvalidError
from authz.settings import Settings

LIFE = timedelta(hours=1)


class Authority:
    """A certificate authority for one test, and what it signed."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        own = self._build(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._write(self.file, own.sign(self._key, hashes.SHA256()))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return certificate and key files for `name`, good for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        built = self._build(subject, key.public_key()).add_extension(addresses, critical=False)
        certificate_file, key_file = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        self._write(certificate_file, built.sign(self._key, hashes.SHA256()))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file

    def _build(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)  # noqa: TID251 - certificates are checked against the real clock
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(public_key).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - LIFE).not_valid_after(now + LIFE)

    @staticmethod
    def _write(file: Path, certificate: x509.Certificate) -> None:
        file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@asynccontextmanager
async def server(tmp_path: Path, **tls: Path) -> AsyncIterator[str]:
    settings = Settings(
        data_dir=tmp_path / "data",
        grpc_address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        decision_log="off",
        serving_drain_delay=0.0,
        **tls,
    )
    async with running(settings) as service:
        yield f"127.0.0.1:{service.grpc_port}"


async def ask_health(address: str, credentials: grpc.ChannelCredentials) -> None:
    async with grpc.aio.secure_channel(address, credentials) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest(), timeout=60)


async def test_a_client_that_trusts_the_authority_is_served(tmp_path: Path):
    authority = Authority(tmp_path, "ca")
    certificate, key = authority.issue("server")
    async with server(tmp_path, tls_cert_file=certificate, tls_key_file=key) as address:
        await ask_health(address, grpc.ssl_channel_credentials(authority.file.read_bytes()))


async def test_a_plaintext_client_is_not_served_on_a_tls_port(tmp_path: Path):
    certificate, key = Authority(tmp_path, "ca").issue("server")
    async with (
        server(tmp_path, tls_cert_file=certificate, tls_key_file=key) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=2
            )
        assert caught.value.code() in {
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        }


@pytest.mark.parametrize("kind", ["none", "of another authority", "of the authority"])
async def test_with_a_client_authority_only_its_clients_are_served(tmp_path: Path, kind: str):
    authority, stranger = Authority(tmp_path, "ca"), Authority(tmp_path, "other-ca")
    certificate, key = authority.issue("server")
    tls = {
        "tls_cert_file": certificate,
        "tls_key_file": key,
        "tls_client_ca_file": authority.file,
    }
    pairs = {
        "none": (None, None),
        "of another authority": stranger.issue("client"),
        "of the authority": authority.issue("envoy"),
    }
    client_certificate, client_key = pairs[kind]
    credentials = grpc.ssl_channel_credentials(
        authority.file.read_bytes(),
        client_key and client_key.read_bytes(),
        client_certificate and client_certificate.read_bytes(),
    )
    async with server(tmp_path, **tls) as address:
        if kind == "of the authority":
            await ask_health(address, credentials)
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask_health(address, credentials)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_certificate_that_cannot_be_read_stops_the_start(tmp_path: Path):
    missing = tmp_path / "missing.pem"
    with pytest.raises(InvalidError, match="TLS settings cannot be read"):
        async with server(tmp_path, tls_cert_file=missing, tls_key_file=missing):
            pass
