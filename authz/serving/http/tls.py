"""TLS of the HTTP port: who we are, and which client certificates are let through a handshake.

A client may show a certificate and need not, because probes, scrapes and other ways of logging in come by the
same port. One that is shown has to lead to the configured CA, be meant for clients and be in time, or the
handshake fails; whom it stands for is asked of a provider, with a CA of its own (`federation/certificates.py`).

Not here: TLS of the gRPC port (`serving/grpc/server.py`).
"""

import ssl
from asyncio import BaseTransport
from pathlib import Path
from typing import NamedTuple

from authz.errors import InvalidError


class TlsFiles(NamedTuple):
    """Where the parts are (PEM): our chain of certificates, its key, and the CA of clients, if there is one."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None


def build_tls(files: TlsFiles) -> ssl.SSLContext:
    """Return the context of our side. Raises `InvalidError` when a file cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        # A key with a password would be asked for on a terminal that nobody sits at.
        context.load_cert_chain(files.cert_file, files.key_file, password="")
        if files.client_ca_file is not None:
            context.load_verify_locations(files.client_ca_file)
            context.verify_mode = ssl.CERT_OPTIONAL
            # An intermediate CA can be named alone: its clients and nobody else's.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    except (OSError, ValueError):
        raise InvalidError("a file of the HTTP port's TLS settings cannot be read") from None
    return context


def find_peer_certificate(transport: BaseTransport) -> bytes:
    """Return the certificate (DER) the peer has proved to hold, `b""` without one or without TLS."""
    connection = transport.get_extra_info("ssl_object")
    return (connection.getpeercert(binary_form=True) if connection else None) or b""
