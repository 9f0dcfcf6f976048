"""Requests as real clients sign them (botocore's signers), turned into what comes in over the wire."""

from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from authz.clock import SystemClock
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import derive_signing_key, find_proof, verify

wall_clock = SystemClock().now
"""What botocore dates its signatures by."""

ACCESS_KEY_ID = "AKIDEXAMPLEAKIDEXAMP"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # AWS's published example
REGION = "us-east-1"
HOST = "s3.example.test:9000"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def signed(
    method: str = "GET",
    target: str = "/bucket/key",
    headers: dict[str, str] | None = None,
    *,
    signer: Any = S3SigV4Auth,
    service: str = "s3",
    region: str = REGION,
    body: bytes = b"",
    token: str | None = None,
    expires: int | None = None,
) -> HttpRequest:
    """Return a request signed by botocore; `target` is path and query as they go over the wire."""
    sent = dict(headers or {})
    request = AWSRequest(method, f"http://{HOST}{target}", headers=sent, data=body)
    credentials = Credentials(ACCESS_KEY_ID, SECRET, token)
    arguments = (credentials, service, region)
    (signer(*arguments) if expires is None else signer(*arguments, expires)).add_auth(request)
    return received(request, body)


def presigned(method: str = "GET", target: str = "/bucket/key", **more: Any) -> HttpRequest:
    return signed(method, target, signer=S3SigV4QueryAuth, expires=more.pop("expires", 300), **more)


def signed_for(service: str, method: str, target: str, **more: Any) -> HttpRequest:
    return signed(method, target, signer=SigV4Auth, service=service, **more)


def presigned_for(service: str, method: str, target: str, **more: Any) -> HttpRequest:
    return signed(method, target, signer=SigV4QueryAuth, expires=300, service=service, **more)


def received(request: AWSRequest, body: bytes) -> HttpRequest:
    url = request.url.partition("://")[2]
    path, _, query = url[url.index("/") :].partition("?")
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    headers.setdefault("host", urlsplit(request.url).netloc)
    headers.setdefault("user-agent", "Boto3/1.40")
    headers.setdefault("x-forwarded-proto", "http")
    return HttpRequest(request.method, path, query, headers, body=body or None)


def changed(request: HttpRequest, **parts: Any) -> HttpRequest:
    """Return a copy with other parts; `add` and `drop` change single headers."""
    headers = dict(parts.pop("headers", request.headers))
    headers.update(parts.pop("add", {}))
    for name in parts.pop("drop", ()):
        del headers[name]
    old = {
        name: getattr(request, name)
        for name in ("method", "path", "query", "repeated", "scheme", "source_ip", "body")
    }
    new = {**old, **parts}
    return HttpRequest(new.pop("method"), new.pop("path"), new.pop("query"), headers, **new)


def accept(request: HttpRequest, now: float) -> None:
    """Verify as the data plane does, with the right key."""
    proof = find_proof(request, now)
    assert proof is not None
    assert proof.access_key_id == ACCESS_KEY_ID
    verify(request, proof, derive_signing_key(SECRET, proof.date, proof.region, proof.service))
