"""The configuration of certificate providers: strict, and with nothing in it but CAs."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID

from authz.errors import InvalidError
from authz.formats.provider_certificate import (
    CA_LIMIT,
    CA_TEXT_LIMIT,
    CONSTRAINTS_LIMIT,
    parse_certificate_config,
)
from tests.servers.client_certificates import HOUR, Authority, key

CA, OTHER = Authority("ca"), Authority("other", key_number=3)
PEM = CA.own.pem


def test_a_ca_is_enough():
    config = parse_certificate_config({"ca_pem": PEM})
    assert config.authorities == (CA.own.certificate,)
    assert (config.identity_from, config.grants_policies, config.allowed_names) == (
        "common_name",
        False,
        (),
    )


def test_everything_can_be_said():
    config = parse_certificate_config({
        "ca_pem": f"subject=CN = ca\n{PEM}\n  {OTHER.own.pem}",
        "identity_from": "uri",
        "policies_from": "identity",
        "allowed_names": ["spiffe://cluster/ns/*", "spiffe://b/?"],
    })  # fmt: skip
    assert config.authorities == (CA.own.certificate, OTHER.own.certificate)
    assert (config.identity_from, config.grants_policies) == ("uri", True)
    assert config.allowed_names == ("spiffe://cluster/ns/*", "spiffe://b/?")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"ca_pem": None}, "ca_pem"),
        ({"ca_pem": ""}, "ca_pem"),
        ({"ca_pem": [PEM]}, "ca_pem"),
        ({"ca_pem": "/etc/ssl/ca.pem"}, "ca_pem"),
        ({"ca_pem": PEM * (CA_LIMIT + 1)}, "ca_pem"),
        ({"ca_pem": PEM + "x" * CA_TEXT_LIMIT}, "ca_pem"),
        ({"ca_pem": PEM + "-----BEGIN EC PRIVATE" + " KEY-----"}, "ca_pem"),
        ({"ca_pem": PEM + "-----BEGIN CERTIFICATE-----\nAAAA"}, "ca_pem"),
        ({"ca_pem": PEM.replace("M", "N")}, "ca_pem"),
        ({"ca_pem": CA.issue("alice").pem}, "ca_pem"),
        ({"identity_from": "subject"}, "identity_from"),
        ({"identity_from": ""}, "identity_from"),
        ({"policies_from": "groups"}, "policies_from"),
        ({"allowed_names": "alice"}, "allowed_names"),
        ({"allowed_names": [""]}, "allowed_names"),
        ({"allowed_name": ["alice"]}, "allowed_name"),
        ({"ca_file": "/etc/ssl/ca.pem"}, "ca_file"),
    ],
)
def test_what_is_not_understood_is_refused(changed, field):
    with pytest.raises(InvalidError) as caught:
        parse_certificate_config({"ca_pem": PEM} | changed)
    assert caught.value.field == f"config.{field}"


def test_a_private_key_beside_the_ca_is_not_repeated():
    secret = "-----BEGIN EC PRIVATE" + " KEY-----\nMHcCAQEE\n-----END EC PRIVATE" + " KEY-----\n"
    with pytest.raises(InvalidError) as caught:
        parse_certificate_config({"ca_pem": PEM + secret})
    assert "MHcCAQEE" not in caught.value.message


@pytest.mark.parametrize("kind", [ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.ISSUER_ALTERNATIVE_NAME])  # fmt: skip
def test_a_ca_with_a_name_of_a_kind_nobody_reads_is_refused(kind):
    x400_address = x509.UnrecognizedExtension(kind, bytes.fromhex("3004a3020500"))
    builder = CA.begin(CA.own.certificate.subject, key(1).public_key(), CA.now + HOUR)
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    odd = CA.sign(builder.add_extension(x400_address, critical=False))
    with pytest.raises(InvalidError, match="cannot be read") as caught:
        parse_certificate_config({"ca_pem": odd.public_bytes(serialization.Encoding.PEM).decode()})
    assert caught.value.field == "config.ca_pem"


def test_a_ca_has_sixty_four_name_constraints_at_most():
    def constrained(permitted, excluded):
        names = [x509.DNSName(f"n{n}.example") for n in range(permitted + excluded)]
        constraints = x509.NameConstraints(names[:permitted], names[permitted:] or None)
        return {"ca_pem": Authority("ca", constraints=constraints).own.pem}

    assert CONSTRAINTS_LIMIT == 64
    assert parse_certificate_config(constrained(32, 32)).authorities
    for permitted, excluded in ((33, 32), (65, 0)):
        with pytest.raises(InvalidError, match="more than 64 name constraints") as caught:
            parse_certificate_config(constrained(permitted, excluded))
        assert caught.value.field == "config.ca_pem"
