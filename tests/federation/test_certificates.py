"""Certificates as identities: real chains, good ones and every bad one somebody could come with."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from authz.clock import ManualClock
from authz.errors import UnauthenticatedError
from authz.federation.certificates import INTERMEDIATES_LIMIT, CertificateProvider
from authz.formats.client_certificates import CERTIFICATE_LIMIT
from authz.formats.provider_certificate import parse_certificate_config
from authz.identity.external import EXTERNAL_NAME_LIMIT
from tests.servers.client_certificates import (
    CLIENT,
    HOUR,
    SERVER,
    Authority,
    Issued,
    key,
    name,
    usage,
)

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
CA = Authority("corp ca", now=NOW)
STRANGER = Authority("corp ca", now=NOW, key_number=9)
URI, DNS, EMAIL = x509.UniformResourceIdentifier, x509.DNSName, x509.RFC822Name


def provider(*authorities, clock=None, **config):
    pem = "".join(each.own.pem for each in authorities or (CA,))
    parsed = parse_certificate_config({"ca_pem": pem, **config})
    return CertificateProvider("corp", parsed, clock or ManualClock(NOW.timestamp()))


def verify(issued: Issued, *between: Issued, **config):
    return provider(**config).verify(issued.der, [each.der for each in between])


def refused(issued: Issued, *between: Issued, match="not accepted", of=None, **config):
    with pytest.raises(UnauthenticatedError, match=match) as caught:
        (of or provider(**config)).verify(issued.der, [each.der for each in between])
    assert caught.value.code == "AccessDenied"
    assert "\n" not in caught.value.message


NO_CHAIN = "no valid chain"


def test_a_client_is_called_by_its_common_name():
    holder = name((NameOID.ORGANIZATION_NAME, "Corp"), (NameOID.COMMON_NAME, "alice"))
    identity = verify(CA.issue(holder=holder))
    assert (identity.name, identity.display_name) == ("alice", "alice")
    assert identity.facts == {
        "jwt:sub": ("alice",), "jwt:iss": ("corp ca",), "jwt:aud": ("Corp",),
    }  # fmt: skip
    assert (identity.issuer, identity.audience) == ("corp ca", "Corp")
    assert (identity.groups, identity.policies, identity.tags) == ((), (), {})
    assert identity.expires_at == (NOW + HOUR).timestamp()


@pytest.mark.parametrize(
    ("kind", "alternative", "expected"),
    [
        ("uri", URI("spiffe://corp/ns/a/sa/b"), "spiffe://corp/ns/a/sa/b"),
        ("dns", DNS("Worker-1.Corp.TEST"), "worker-1.corp.test"),
        ("email", EMAIL("alice@corp.test"), "alice@corp.test"),
    ],
)
def test_or_by_its_one_alternative_name_of_a_kind(kind, alternative, expected):
    others = [each for each in (URI("urn:x"), DNS("x"), EMAIL("x@x.test")) if type(each) is not type(alternative)]  # fmt: skip
    identity = verify(CA.issue("alice", names=[alternative, *others]), identity_from=kind)
    assert (identity.name, identity.display_name) == (expected, "alice")
    assert identity.facts["jwt:sub"] == (expected,)


def test_a_policy_of_the_same_name_is_granted_where_the_provider_says_so():
    assert verify(CA.issue("readers"), policies_from="identity").policies == ("readers",)


def test_the_identity_ends_with_the_first_link_of_its_chain():
    between = Authority("team", parent=CA, key_number=4, now=NOW, valid_for=timedelta(minutes=5))
    identity = verify(between.issue("alice"), between.own)
    assert identity.expires_at == (NOW + timedelta(minutes=5)).timestamp()


def test_only_names_that_are_let_in_are_let_in():
    allowed = ["robot-*", "alice"]
    assert verify(CA.issue("robot-7"), allowed_names=allowed).name == "robot-7"
    assert verify(CA.issue("alice"), allowed_names=allowed).name == "alice"
    for stranger in ("Alice", "alice2", "xrobot-1", "robot", "*"):
        refused(CA.issue(stranger), match="lets no", allowed_names=allowed)


def test_each_of_several_authorities_is_believed_and_an_intermediate_one_alone():
    team = Authority("team", parent=CA, key_number=4, now=NOW)
    both = provider(CA, STRANGER)
    assert both.verify(CA.issue("alice").der).name == "alice"
    assert both.verify(STRANGER.issue("bob").der).name == "bob"
    one = provider(team)
    assert one.verify(team.issue("carol").der).name == "carol"
    refused(CA.issue("alice"), of=one, match=NO_CHAIN)


def test_a_certificate_of_rsa_with_usual_extensions_is_good():
    private_key = rsa.generate_private_key(65537, 2048)
    extensions = [(usage(digital_signature=True, key_encipherment=True), True),
                  (x509.BasicConstraints(False, None), True)]  # fmt: skip
    issued = CA.issue("alice", private_key=private_key, extensions=extensions, usages=[SERVER, CLIENT])  # fmt: skip
    assert verify(issued).name == "alice"


def test_a_ca_without_key_usage_as_openssl_makes_it_is_good():
    plain = Authority("cli", key_number=7, now=NOW)
    builder = plain.begin(
        name((NameOID.COMMON_NAME, "cli")), key(7).public_key(), NOW + HOUR
    ).add_extension(x509.BasicConstraints(True, None), critical=True)
    plain.own = Issued(plain.sign(builder), key(7))
    assert provider(plain).verify(plain.issue("alice").der).name == "alice"


# --- attacks ----------------------------------------------------------------------------------------------------


def test_a_certificate_of_another_authority_of_the_same_name_is_refused():
    refused(STRANGER.issue("alice"), match=NO_CHAIN)
    refused(STRANGER.issue("alice"), STRANGER.own, match=NO_CHAIN)
    refused(STRANGER.issue("alice"), CA.own, match=NO_CHAIN)


def test_a_self_signed_certificate_with_the_right_name_is_refused():
    own = Authority("alice", key_number=5, now=NOW)
    signed = own.issue("alice", private_key=key(5))
    refused(signed, match=NO_CHAIN)
    refused(signed, signed, match=NO_CHAIN)
    refused(own.own, match=NO_CHAIN)


@pytest.mark.parametrize(
    "usages", [None, (SERVER,), (ExtendedKeyUsageOID.CODE_SIGNING,), (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)]
)  # fmt: skip
def test_a_certificate_that_is_not_for_clients_is_refused(usages):
    refused(CA.issue("alice", usages=usages), match=NO_CHAIN)


def test_an_expired_certificate_is_refused():
    refused(CA.issue("alice", valid_for=timedelta(seconds=-1)), match="has expired")
    clock = ManualClock(NOW.timestamp())
    short, of = CA.issue("alice"), provider(clock=clock)
    assert of.verify(short.der).name == "alice"
    clock.advance(3601)
    refused(short, of=of, match="has expired")


def test_a_certificate_of_tomorrow_is_refused():
    refused(CA.issue("alice", valid_from=timedelta(minutes=1)), match="not valid yet")


def test_an_expired_link_or_authority_is_refused():
    clock = ManualClock(NOW.timestamp())
    team = Authority("team", parent=CA, key_number=4, now=NOW, valid_for=timedelta(minutes=5))
    clock.advance(600)
    refused(team.issue("alice"), team.own, of=provider(clock=clock), match=NO_CHAIN)
    short = Authority("short", key_number=4, now=NOW, valid_for=timedelta(minutes=5))
    refused(short.issue("alice"), of=provider(short, clock=clock), match=NO_CHAIN)


def test_the_authoritys_own_certificate_is_no_client():
    refused(CA.own, match=NO_CHAIN)
    team = Authority("team", parent=CA, key_number=4, now=NOW)
    refused(team.own, match=NO_CHAIN)
    for extension in (x509.BasicConstraints(True, None), usage(digital_signature=True, key_cert_sign=True)):  # fmt: skip
        refused(CA.issue("alice", extensions=[(extension, True)]), match=NO_CHAIN)


def test_a_client_is_no_authority():
    client = CA.issue("alice")
    forged = Authority("alice", key_number=2, now=NOW)
    refused(forged.issue("root"), client, match=NO_CHAIN)


def test_a_key_that_is_not_for_signing_is_refused():
    extension = (usage(key_encipherment=True), True)
    refused(CA.issue("alice", extensions=[extension]), match=NO_CHAIN)


def test_a_weak_key_or_signature_is_refused():
    weak = rsa.generate_private_key(65537, 1024)
    refused(CA.issue("alice", private_key=weak), match="weak")
    builder = CA.begin(name((NameOID.COMMON_NAME, "alice")), key(2).public_key(), NOW + HOUR)
    builder = builder.add_extension(x509.ExtendedKeyUsage([CLIENT]), critical=False)
    md = builder.sign(CA.own.private_key, hashes.SHA224())
    refused(Issued(md, key(2)), match=NO_CHAIN)


def test_a_critical_extension_that_nobody_knows_is_refused():
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    refused(CA.issue("alice", extensions=[(unknown, True)]), match=NO_CHAIN)
    assert verify(CA.issue("alice", extensions=[(unknown, False)])).name == "alice"


@pytest.mark.parametrize(
    "common_names", [(), ("alice", "root"), ("alice", "alice"), (" ",), (" alice",), ("alice ",)]
)
def test_a_certificate_without_exactly_one_name_is_refused(common_names):
    refused(CA.issue(*common_names), match="names of common_name|empty")


@pytest.mark.parametrize("kind", ["uri", "dns", "email"])
def test_neither_is_one_without_exactly_one_alternative_name(kind):
    make = {"uri": lambda x: URI(f"urn:{x}"), "dns": DNS, "email": lambda x: EMAIL(f"{x}@x.test")}[kind]  # fmt: skip
    for names in ([], [make("a"), make("b")], [make("a"), make("a")], [x509.RegisteredID(x509.ObjectIdentifier("1.2"))]):  # fmt: skip
        refused(CA.issue("alice", names=names), match=f"names of {kind}", identity_from=kind)


@pytest.mark.parametrize(
    "common_name",
    ["alice\x00", "root\x00.corp", "al\nice", "alice\x7f", "al\u202eice", "alice\u200b", "a\u2028b", "a\xa0b"],
)  # fmt: skip
def test_a_name_with_characters_nobody_sees_is_refused(common_name):
    refused(CA.issue(common_name), match="control or invisible")


@pytest.mark.parametrize(
    ("kind", "alternative"),
    [
        ("uri", URI("spiffe://corp/\x00a")),
        ("uri", URI("spiffe://corp/a b\n")),
        ("dns", DNS("*.corp.test")),
        ("dns", DNS("a\x00.corp.test")),
        ("email", EMAIL("alice\x00@corp.test")),
    ],
)
def test_neither_is_an_alternative_one(kind, alternative):
    refused(CA.issue("alice", names=[alternative]), identity_from=kind)


def test_an_issuer_or_organization_that_nobody_can_read_is_refused():
    holder = name((NameOID.ORGANIZATION_NAME, "Co\x00rp"), (NameOID.COMMON_NAME, "alice"))
    refused(CA.issue(holder=holder), match="control or invisible")
    odd = Authority("c\x01a", now=NOW)
    refused(odd.issue("alice"), of=provider(odd), match="control or invisible")


def test_a_name_is_bounded():
    longest = "spiffe://" + "a" * (EXTERNAL_NAME_LIMIT - 9)
    assert verify(CA.issue("x", names=[URI(longest)]), identity_from="uri").name == longest
    refused(CA.issue("x", names=[URI(longest + "a")]), match="too long", identity_from="uri")


def constrained(*permitted: x509.GeneralName) -> Authority:
    limits = x509.NameConstraints(list(permitted), None)
    return Authority("team", parent=CA, key_number=4, now=NOW, constraints=limits)


def test_a_constrained_authority_names_only_whom_it_may():
    team = constrained(DNS("team.test"), EMAIL("team.test"))
    good = team.issue("a", names=[DNS("a.team.test"), EMAIL("a@team.test")])
    for kind in ("dns", "email"):
        assert verify(good, team.own, identity_from=kind).name.endswith("team.test")
    for outside in (DNS("root.test"), EMAIL("root@root.test")):
        for kind in ("dns", "email"):
            refused(team.issue("a", names=[outside]), team.own, match=NO_CHAIN, identity_from=kind)


@pytest.mark.parametrize("kind", ["common_name", "uri", "email"])
def test_a_constrained_authority_gives_no_names_of_kinds_that_its_constraints_do_not_mention(kind):
    team = constrained(DNS("team.test"))
    names = [DNS("a.team.test"), URI("spiffe://corp/root"), EMAIL("root@corp.test")]
    refused(team.issue("root", names=names), team.own, match="name constraints", identity_from=kind)


def test_a_path_longer_than_the_authority_lets_it_be_is_refused():
    first = Authority("first", parent=CA, key_number=4, now=NOW, path_length=0)
    second = Authority("second", parent=first, key_number=5, now=NOW)
    refused(second.issue("alice"), first.own, second.own, match=NO_CHAIN)


def test_intermediates_lead_to_the_authority_in_any_order_and_only_so_many():
    links = [CA]
    for number in range(3):
        links.append(Authority(f"link {number}", parent=links[-1], key_number=20 + number, now=NOW))
    between = [each.own for each in links[1:]]
    assert verify(links[-1].issue("alice"), *between).name == "alice"
    refused(links[-1].issue("alice"), *between[1:], match=NO_CHAIN)
    refused(CA.issue("alice"), *[CA.own] * (INTERMEDIATES_LIMIT + 1), match="intermediate")


def test_many_authorities_of_the_same_name_do_not_keep_it_busy():
    same = [Authority("same", parent=CA, key_number=30 + n, now=NOW).own for n in range(7)]
    other = Authority("same", key_number=40, now=NOW)
    refused(other.issue("alice"), *same, match=NO_CHAIN)


@pytest.mark.parametrize(
    "der",
    [
        b"", b"\x00", b"junk" * 99, CA.issue("alice").der[:-1], CA.issue("alice").der + b"\x00",
        CA.issue("alice").der * 2, CA.issue("alice").pem.encode(), b"\x30\x80" * 2000, bytes(CERTIFICATE_LIMIT + 1),
    ],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(der):
    with pytest.raises(UnauthenticatedError, match="not accepted") as caught:
        provider().verify(der)
    assert caught.value.code == "AccessDenied"
    if der:
        with pytest.raises(UnauthenticatedError, match="not accepted"):
            provider().verify(CA.issue("alice").der, [der])


def test_a_changed_certificate_is_refused_wherever_it_is_changed():
    der = CA.issue("alice").der
    of = provider()
    for position in range(0, len(der), 3):
        changed = der[:position] + bytes([der[position] ^ 0x41]) + der[position + 1 :]
        with pytest.raises(UnauthenticatedError):
            of.verify(changed)


def test_an_administrator_sees_each_step():
    steps = []
    provider().verify(CA.issue("alice").der, trace=steps.append)
    assert [(step.name, step.is_ok) for step in steps] == [
        ("certificate", True), ("chain", True), ("identity", True),
    ]  # fmt: skip
    steps.clear()
    with pytest.raises(UnauthenticatedError):
        provider().verify(STRANGER.issue("alice").der, trace=steps.append)
    assert [(step.name, step.is_ok) for step in steps] == [("certificate", True), ("chain", False)]
