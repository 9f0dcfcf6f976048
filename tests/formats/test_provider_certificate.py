"""The configuration of certificate providers: strict, and with nothing in it but CAs."""

import pytest

from authz.errors import InvalidError
from authz.formats.provider_certificate import CA_LIMIT, CA_TEXT_LIMIT, parse_certificate_config
from tests.servers.client_certificates import Authority

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
