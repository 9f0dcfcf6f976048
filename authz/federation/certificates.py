"""Certificates as identities: a chain that leads to a provider's CA → whom the CA says it is.

That its holder has the key was proved to TLS, here or at a proxy. Everything else is asked anew, against the CA
of the provider alone: that the chain leads to it, that each link is in time and may do what it does, and that
the last one is for clients. Path validation is `cryptography`'s (RFC 5280 as browsers narrow it); alternative
names and key usage may be absent, because CAs of one's own, made by a command or two, leave both out.

Nothing asks whether a certificate was revoked: neither CRL nor OCSP. Let certificates live for hours, or
disable the user they stand for.
Not here: TLS (`serving/http/tls.py`), headers of proxies (`formats/client_certificates.py`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NoReturn

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from authz.clock import Clock
from authz.errors import UnauthenticatedError, quote
from authz.formats.client_certificates import CERTIFICATE_LIMIT
from authz.formats.provider_certificate import COMMON_NAME, CertificateConfig
from authz.identity.external import (
    EXTERNAL_NAME_LIMIT,
    ExternalIdentity,
    LoginStep,
    Trace,
    no_trace,
)
from authz.policy.patterns.globs import compile_glob
from authz.policy.request import Context, Values

INTERMEDIATES_LIMIT: Final = 8
"""Most certificates between a client's and the CA."""

RSA_BITS: Final = 2048
"""Shortest modulus of a client's key (SP 800-57 part 1: 112 bits of strength)."""
CURVE_BITS: Final = 224
"""Smallest curve of one, by the same."""

_NAME_KINDS: Final[
    dict[str, type[x509.UniformResourceIdentifier | x509.DNSName | x509.RFC822Name]]
] = {
    "uri": x509.UniformResourceIdentifier,
    "dns": x509.DNSName,
    "email": x509.RFC822Name,
}
_UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_NO_CONTEXT: Final = Context({}, {}, {}, 0.0)


class CertificateProvider:
    """Vouches for the clients of one provider's CAs."""

    def __init__(self, name: str, config: CertificateConfig, clock: Clock) -> None:
        """Trust the authorities of `config`; `name` is the provider's."""
        self.name = name
        self._config = config
        self._clock = clock
        self._allowed = [compile_glob((pattern,)) for pattern in config.allowed_names]
        self._policy = (
            PolicyBuilder()
            .store(Store(list(config.authorities)))
            .max_chain_depth(INTERMEDIATES_LIMIT)
            .extension_policies(ca_policy=_authority_policy(), ee_policy=_client_policy())
        )

    def verify(
        self, leaf_der: bytes, intermediates: Sequence[bytes] = (), trace: Trace = no_trace
    ) -> ExternalIdentity:
        """Return whom a certificate (DER) stands for; `intermediates` may lead from it to the CA, in any order.

        Raises `UnauthenticatedError` (`AccessDenied`). The identity ends with the first link of the chain.
        """
        leaf, others = _parse(leaf_der, intermediates, trace)
        chain = self._find_chain(leaf, others, trace)
        try:
            identity = self._identify(chain)
        except _UnusableError as error:
            _refuse(trace, "identity", str(error))
        if self._allowed and not any(match(identity.name, _NO_CONTEXT) for match in self._allowed):
            _refuse(trace, "identity", f"the provider lets no {quote(identity.name)} in")
        trace(LoginStep("identity", is_ok=True, detail=quote(identity.name)))
        return identity

    def _find_chain(
        self, leaf: x509.Certificate, others: list[x509.Certificate], trace: Trace
    ) -> list[x509.Certificate]:
        """Return the certificates from the client's to the CA's, all verified."""
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        try:
            if now > leaf.not_valid_after_utc:
                _refuse(trace, "chain", "the certificate has expired")
            if now < leaf.not_valid_before_utc:
                _refuse(trace, "chain", "the certificate is not valid yet")
            chain = self._policy.time(now).build_client_verifier().verify(leaf, others).chain
            if not _is_strong(leaf.public_key()):
                _refuse(trace, "chain", "the certificate's key is weak, or of an unusual kind")
        except (VerificationError, *_UNREADABLE):
            reason = "no valid chain for clients leads from the certificate to the provider's CA"
            _refuse(trace, "chain", reason)
        trace(LoginStep("chain", is_ok=True, detail=f"{len(chain)} certificates"))
        return chain

    def _identify(self, chain: Sequence[x509.Certificate]) -> ExternalIdentity:
        leaf, config = chain[0], self._config
        name = _find_name(leaf, config.identity_from)
        if not _is_held_to_constraints(chain, config.identity_from):
            raise _UnusableError(f"the CA's name constraints say nothing of {config.identity_from}")
        issuer = _read(leaf.issuer, NameOID.COMMON_NAME)
        organizations = _read(leaf.subject, NameOID.ORGANIZATION_NAME)
        common_names = _read(leaf.subject, NameOID.COMMON_NAME)
        facts: dict[str, Values] = {
            "jwt:sub": (name,),
            "jwt:iss": issuer,
            "jwt:aud": organizations,
        }
        return ExternalIdentity(
            name=name,
            display_name=common_names[0] if common_names else name,
            policies=(name,) if config.grants_policies else (),
            facts={key: values for key, values in facts.items() if values},
            expires_at=min(each.not_valid_after_utc for each in chain).timestamp(),
            issuer=issuer[0] if issuer else "",
            audience=organizations[0] if organizations else "",
        )


class _UnusableError(Exception):
    """A verified certificate that does not say who its holder is."""


def _parse(
    leaf: bytes, intermediates: Sequence[bytes], trace: Trace
) -> tuple[x509.Certificate, list[x509.Certificate]]:
    if not leaf:
        _refuse(trace, "certificate", "there is no client certificate")
    if len(intermediates) > INTERMEDIATES_LIMIT:
        _refuse(trace, "certificate", f"more than {INTERMEDIATES_LIMIT} intermediate certificates")
    if any(len(der) > CERTIFICATE_LIMIT for der in (leaf, *intermediates)):
        _refuse(trace, "certificate", f"a certificate of more than {CERTIFICATE_LIMIT} bytes")
    try:
        parsed = [x509.load_der_x509_certificate(der) for der in (leaf, *intermediates)]
    except _UNREADABLE:
        _refuse(trace, "certificate", "the certificate cannot be read")
    trace(LoginStep("certificate", is_ok=True))
    return parsed[0], parsed[1:]


def _refuse(trace: Trace, step: str, reason: str) -> NoReturn:
    trace(LoginStep(step, is_ok=False, detail=reason))
    raise UnauthenticatedError("AccessDenied", f"the client certificate is not accepted: {reason}")


def _find_name(leaf: x509.Certificate, source: str) -> str:
    if source == COMMON_NAME:
        found = _read(leaf.subject, NameOID.COMMON_NAME)
    else:
        found = _read_alternatives(leaf, source)
    if len(found) != 1:
        raise _UnusableError(f"the certificate has {len(found)} names of {source}, not one")
    name = found[0]
    if not name or len(name) > EXTERNAL_NAME_LIMIT or name != name.strip():
        raise _UnusableError("the name is empty, too long, or has spaces at its ends")
    return name


def _read(name: x509.Name, kind: x509.ObjectIdentifier) -> Values:
    """Return the values of an attribute; one that could be mistaken for another makes all of them unusable."""
    values = tuple(str(each.value) for each in name.get_attributes_for_oid(kind))
    if not all(value.isprintable() for value in values):
        raise _UnusableError("a name has control or invisible characters")
    return values


def _read_alternatives(leaf: x509.Certificate, source: str) -> Values:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        values = tuple(names.get_values_for_type(_NAME_KINDS[source]))
    except x509.ExtensionNotFound:
        return ()
    except _UNREADABLE:
        raise _UnusableError("the alternative names cannot be read") from None
    if not all(value.isascii() and value.isprintable() for value in values):
        raise _UnusableError("a name has control or invisible characters")
    if source == "dns":
        values = tuple(value.lower() for value in values)  # RFC 4343
        if any("*" in value for value in values):
            raise _UnusableError("a wildcard is nobody's name")
    return values


def _is_held_to_constraints(chain: Sequence[x509.Certificate], source: str) -> bool:
    """Tell whether each CA whose names are constrained is so in the kind that identities are called by.

    RFC 5280 §4.2.1.10 lets it give any name of the kinds that its constraints do not mention, the common name
    among them; nobody who constrains a CA means that.
    """
    for authority in chain[1:]:
        try:
            found = authority.extensions.get_extension_for_class(x509.NameConstraints).value
        except x509.ExtensionNotFound:
            continue
        except _UNREADABLE:
            raise _UnusableError("the extensions of a CA cannot be read") from None
        kind = _NAME_KINDS.get(source)
        constrained = (*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ()))
        if kind is None or not any(isinstance(each, kind) for each in constrained):
            return False
    return True


def _is_strong(key: CertificatePublicKeyTypes) -> bool:
    """Tell whether nobody makes out the private key; the library asks this of CAs' keys alone."""
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= RSA_BITS
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.key_size >= CURVE_BITS
    return isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey)


def _authority_policy() -> ExtensionPolicy:
    # A CA made by one command of openssl names no key usage.
    return ExtensionPolicy.webpki_defaults_ca().may_be_present(
        x509.KeyUsage, Criticality.AGNOSTIC, _check_authority_usage
    )


def _client_policy() -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .may_be_present(x509.BasicConstraints, Criticality.AGNOSTIC, _check_no_authority)
        .may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _check_client_usage)
        .require_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _check_purpose)
    )


def _check_authority_usage(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the key is not for signing certificates")


def _check_no_authority(
    _policy: Policy, _certificate: x509.Certificate, constraints: x509.BasicConstraints | None
) -> None:
    if constraints is not None and constraints.ca:
        raise ValueError("a CA is no client")


def _check_client_usage(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.KeyUsage | None
) -> None:
    if usage is not None and (usage.key_cert_sign or not usage.digital_signature):
        raise ValueError("the key is not for signing in")


def _check_purpose(
    _policy: Policy, _certificate: x509.Certificate, usage: x509.ExtendedKeyUsage
) -> None:
    if ExtendedKeyUsageOID.CLIENT_AUTH not in usage:
        raise ValueError("not for clients")
