"""The configuration of a provider of kind `certificate`: whose clients it vouches for, and their names.

The CA stands in the configuration itself, so that all replicas trust the same one and nobody makes this service
read a file. Whoever can get a certificate from it with a name of their choice can be anybody here: a CA of
clients' own is wanted, not one that everybody's servers have certificates from.

Source: MinIO's identity_tls, where the common name is also the name of a policy (`policies_from: identity`).
Not here: verifying (`federation/certificates.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from authz.formats.provider_config import Members, refuse

COMMON_NAME: Final = "common_name"
IDENTITY_SOURCES: Final = (COMMON_NAME, "uri", "dns", "email")
"""What of a certificate an identity is called by: the common name, or the one alternative name of a kind."""

CA_LIMIT: Final = 8
"""Most CAs of one provider: a few of one organization, and the next ones beside them while they change."""
CONSTRAINTS_LIMIT: Final = 64
"""Most subtrees in the name constraints of a CA: each is held against each name of a client, who has many."""
CA_TEXT_LIMIT: Final = 64 * 1024
"""Longest text of them, in characters."""

_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_MEMBERS: Final = ("ca_pem", "identity_from", "policies_from", "allowed_names")
_BLOCK: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----\s++[A-Za-z0-9+/=\s]++-----END CERTIFICATE-----"
)
_ANOTHER_BLOCK: Final = re.compile(r"-----BEGIN (?!CERTIFICATE-----)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateConfig:
    """Whom a provider vouches for.

    `authorities` are the CAs, root or not, whose certificates are believed. An identity is called by
    `identity_from`; with `grants_policies` it gets the managed policy of its name. `allowed_names` are patterns
    with `*` and `?`, one of which its name has to match; without any, every name of the CA is let in.
    """

    authorities: tuple[x509.Certificate, ...]
    identity_from: str
    grants_policies: bool
    allowed_names: tuple[str, ...]


def parse_certificate_config(raw: Mapping[str, object]) -> CertificateConfig:
    """Read a configuration; raises `InvalidError` whose `field` names the member.

    `ca_pem` (required, PEM), `identity_from` (`common_name`, `uri`, `dns` or `email`), `policies_from` (empty
    or `identity`), `allowed_names` (list of patterns).
    """
    members = Members(raw, _MEMBERS)
    return CertificateConfig(
        authorities=_parse_authorities(raw.get("ca_pem")),
        identity_from=members.choice("identity_from", IDENTITY_SOURCES, COMMON_NAME),
        grants_policies=members.choice("policies_from", ("", "identity"), "") == "identity",
        allowed_names=members.names("allowed_names", ()),
    )


def _parse_authorities(text: object) -> tuple[x509.Certificate, ...]:
    if not isinstance(text, str) or not text:
        raise refuse("ca_pem", "is missing, or not a text: the PEM of the CA's certificate")
    if len(text) > CA_TEXT_LIMIT:
        raise refuse("ca_pem", f"has more than {CA_TEXT_LIMIT:,} characters")
    if _ANOTHER_BLOCK.search(text):
        raise refuse(
            "ca_pem", "holds something that is not a certificate; keys stay where they are"
        )
    blocks = _BLOCK.findall(text)
    if not 1 <= len(blocks) <= CA_LIMIT or text.count("-----BEGIN ") != len(blocks):
        raise refuse("ca_pem", f"is not the PEM of 1 to {CA_LIMIT} certificates")
    return tuple(_parse_authority(block) for block in blocks)


def _parse_authority(block: str) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(block.encode())
        extensions = tuple(each.value for each in certificate.extensions)
    except _UNREADABLE:
        raise refuse("ca_pem", "holds a certificate that cannot be read") from None
    if not any(isinstance(each, x509.BasicConstraints) and each.ca for each in extensions):
        raise refuse("ca_pem", "holds a certificate that is not a CA's")
    for each in extensions:
        if isinstance(each, x509.NameConstraints) and _count_subtrees(each) > CONSTRAINTS_LIMIT:
            raise refuse(
                "ca_pem", f"holds a CA with more than {CONSTRAINTS_LIMIT} name constraints"
            )
    return certificate


def _count_subtrees(constraints: x509.NameConstraints) -> int:
    return len(constraints.permitted_subtrees or ()) + len(constraints.excluded_subtrees or ())
