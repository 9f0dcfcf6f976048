"""A certificate authority for tests, which signs anything: good certificates, and every kind of bad one.

Keys are made once a process: certificates differ in what they say. Times are relative to `now`, the machine's clock
unless a test brings its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOUR = timedelta(hours=1)
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
LOOPBACK_NAMES = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))


@lru_cache
def key(number: int = 0) -> ec.EllipticCurvePrivateKey:
    """Return a private key; the same for the same number."""
    del number
    return ec.generate_private_key(ec.SECP256R1())


def name(*values: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Return a distinguished name of these attributes."""
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in values])


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    private_key: Any

    @property
    def der(self) -> bytes:
        """The certificate as TLS sends it."""
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        """The certificate as files hold it."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def url_encoded(self) -> str:
        """The certificate as Envoy writes it into headers."""
        return quote(self.pem, safe="")

    def write(self, folder: Path, stem: str, *chain: "Issued") -> tuple[Path, Path]:
        """Write the certificate with `chain` behind it, and its key; return both files."""
        certificate_file, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
        certificate_file.write_text(self.pem + "".join(each.pem for each in chain))
        key_file.write_bytes(
            self.private_key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate_file, key_file


class Authority:
    """A certificate authority: its own certificate, self-signed or by `parent`, and what it issues."""

    def __init__(
        self,
        common_name: str,
        *,
        parent: "Authority | None" = None,
        key_number: int = 1,
        now: datetime | None = None,
        constraints: x509.NameConstraints | None = None,
        path_length: int | None = None,
        valid_for: timedelta = 10 * HOUR,
    ) -> None:
        self.now = now or datetime.now(UTC)  # noqa: TID251 - TLS checks against the real clock
        self._key = key(key_number)
        self._name = name((NameOID.COMMON_NAME, common_name))
        self._issuer = parent or self
        builder = self._issuer.begin(self._name, self._key.public_key(), self.now + valid_for)
        builder = builder.add_extension(x509.BasicConstraints(True, path_length), critical=True)
        builder = builder.add_extension(usage(key_cert_sign=True, crl_sign=True), critical=True)
        if constraints is not None:
            builder = builder.add_extension(constraints, critical=True)
        self.own = Issued(self._issuer.sign(builder), self._key)

    def issue(
        self,
        *common_names: str,
        holder: x509.Name | None = None,
        names: Sequence[x509.GeneralName] = (),
        usages: Sequence[x509.ObjectIdentifier] | None = (CLIENT,),
        valid_from: timedelta = -HOUR,
        valid_for: timedelta = HOUR,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        private_key: Any = None,
    ) -> Issued:
        """Issue a certificate; `names` are alternative ones, `usages` extended key usages, `None` for no such extension."""
        private_key = private_key or key(2)
        holder = holder or name(*((NameOID.COMMON_NAME, each) for each in common_names))
        builder = self.begin(
            holder, private_key.public_key(), self.now + valid_for, self.now + valid_from
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if usages is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        for extension, is_critical in extensions:
            builder = builder.add_extension(extension, critical=is_critical)
        return Issued(self.sign(builder), private_key)

    def begin(
        self, holder: x509.Name, public_key: Any, until: datetime, since: datetime | None = None
    ) -> x509.CertificateBuilder:
        """Begin a certificate in this authority's name."""
        return (
            x509.CertificateBuilder()
            .subject_name(holder)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(since or self.now - 2 * HOUR)
            .not_valid_after(until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )

    def sign(self, builder: x509.CertificateBuilder) -> x509.Certificate:
        """Sign a certificate."""
        return builder.sign(self._key, hashes.SHA256())


def usage(**allowed: bool) -> x509.KeyUsage:
    """Return a key usage of the kinds that are named."""
    kinds = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**dict.fromkeys(kinds, False) | allowed)
