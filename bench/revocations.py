"""How soon a session that is revoked through one replica is refused by another: part of `bench.freshness`.

Sessions of people who logged in with a token of an OpenID Connect provider: one is revoked by its id, all of
a user's by the user, and all of a provider's by disabling it. The other replica, which has the session in
memory, is asked `GetCallerIdentity` until it refuses; the time counts from when the revocation is answered.
"""

import contextlib
import hashlib
import http.client
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from authz.identity.sigv4 import sign_headers
from authz.wire.authz.admin.v1 import (
    attachment_service_pb2,
    policy_service_pb2,
    provider_service_pb2,
    session_service_pb2,
    status_pb2,
)
from tests.servers.admin_client import document, statement
from tests.servers.authz_server import AuthzServer
from tests.servers.issuer import CLIENT_ID, Issuer
from tests.servers.ports import LOOPBACK

LIMIT: Final = 15.0
"""Seconds after which a revocation counts as lost."""
PROVIDER: Final = "corp"
FORM: Final = "application/x-www-form-urlencoded"
CALLER: Final = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"}).encode()
CALLER_HASH: Final = hashlib.sha256(CALLER).hexdigest()
PACKAGE: Final = "/authz.admin.v1"


class Credential(NamedTuple):
    """A session's."""

    access_key_id: str
    secret: str
    token: str


class Client:
    """STS over one connection to a replica."""

    def __init__(self, server: AuthzServer) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, server.http_port, timeout=LIMIT)
        self._host = f"{LOOPBACK}:{server.http_port}"

    def log_in(self, token: str) -> Credential:
        """Return a session for an ID token."""
        asked = {"Version": "2011-06-15", "WebIdentityToken": token}
        body = urlencode({"Action": "AssumeRoleWithWebIdentity", **asked}).encode()
        status, text = self._send(body, {})
        if status != 200:
            raise RuntimeError(f"no session: {text}")
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        return Credential(*(text.partition(f"<{n}>")[2].partition("<")[0] for n in names))

    def is_good(self, credential: Credential) -> bool:
        """Tell whether a session is taken."""
        headers = {"host": self._host, "content-type": FORM}
        headers["x-amz-security-token"] = credential.token
        signed = sign_headers(
            "POST", "/", "", headers, CALLER_HASH,
            access_key_id=credential.access_key_id, secret=credential.secret,
            region="us-east-1", service="sts", now=time.time(),  # noqa: TID251 - a client's clock
        )  # fmt: skip
        return self._send(CALLER, {**headers, **signed})[0] == 200

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _send(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        given = {name: value for name, value in headers.items() if name != "host"}
        self._connection.request("POST", "/", body, {"content-type": FORM, **given})
        answer = self._connection.getresponse()
        return answer.status, answer.read().decode()


class Revocations(NamedTuple):
    """The provider, and both replicas: changes go through `writer`, `reader` shows sessions."""

    writer: AuthzServer
    reader_server: AuthzServer
    issuer: Issuer
    reader: Client

    def by_session(self, changes: int) -> list[float]:
        """Revoke single sessions; return the seconds until each was refused."""
        taken = []
        for _ in range(changes):
            session = self._session("alice")
            self._revoke(access_key_id=session.access_key_id)
            taken.append(self._wait(session, is_good=False))
        return taken

    def by_user(self, changes: int) -> list[float]:
        """Revoke the sessions of a user each; return the seconds until each was refused."""
        taken = []
        for number in range(changes):
            session = self._session(f"user-{number}")
            self._revoke(user_name=f"{PROVIDER}=user-{number}")
            taken.append(self._wait(session, is_good=False))
        return taken

    def by_provider(self, changes: int) -> list[float]:
        """Disable the provider, and enable it again; return the seconds until a session was refused."""
        session, taken = self._session("bob"), []
        wire, statuses = (
            provider_service_pb2,
            (status_pb2.STATUS_DISABLED, status_pb2.STATUS_ENABLED),
        )
        for number in range(2 * changes):
            request = wire.UpdateProviderRequest(
                provider=wire.Provider(name=PROVIDER, status=statuses[number % 2])
            )
            request.update_mask.paths.append("status")
            self._call("ProviderService/UpdateProvider", request, wire.UpdateProviderResponse)
            seconds = self._wait(session, is_good=bool(number % 2))
            if number % 2 == 0:
                taken.append(seconds)
        return taken

    def _session(self, sub: str) -> Credential:
        session = self.reader.log_in(self.issuer.token(sub=sub))
        self._wait(session, is_good=True)
        return session

    def _revoke(self, **target: str) -> None:
        request = session_service_pb2.RevokeSessionsRequest(**target)
        answer = session_service_pb2.RevokeSessionsResponse
        self._call("SessionService/RevokeSessions", request, answer)

    def _call(self, method: str, request: Any, answer: type[Any]) -> None:
        self.writer.admin.call(f"{PACKAGE}.{method}", request, answer)

    def _wait(self, session: Credential, *, is_good: bool) -> float:
        started = time.monotonic()
        while self.reader.is_good(session) is not is_good:
            if time.monotonic() - started > LIMIT:
                raise TimeoutError(f"a revocation is not enforced after {LIMIT:g} s")
        return time.monotonic() - started


@contextlib.contextmanager
def revocations(writer: AuthzServer, reader: AuthzServer) -> Iterator[Revocations]:
    """Make a provider of an issuer that is started here, whose users may get everything."""
    with Issuer() as issuer, contextlib.closing(Client(reader)) as client:
        wire = provider_service_pb2
        config = {"issuer": issuer.url, "client_ids": [CLIENT_ID], "insecure_http": True}
        calls: list[tuple[str, Any, type[Any]]] = [
            (
                "ProviderService/CreateProvider",
                wire.CreateProviderRequest(
                    name=PROVIDER, kind=wire.PROVIDER_KIND_OIDC, config=json.dumps(config)
                ),
                wire.CreateProviderResponse,
            ),
            (
                "PolicyService/CreatePolicy",
                policy_service_pb2.CreatePolicyRequest(
                    name="all", document=document(statement("Allow", "s3:*", "*"))
                ),
                policy_service_pb2.CreatePolicyResponse,
            ),
            (
                "AttachmentService/AttachPolicy",
                attachment_service_pb2.AttachPolicyRequest(
                    policy_name="all", provider_name=PROVIDER
                ),
                attachment_service_pb2.AttachPolicyResponse,
            ),
        ]
        for method, request, answer in calls:
            revision = writer.admin.call(f"{PACKAGE}.{method}", request, answer).revision
        reader.wait_for_revision(revision)
        yield Revocations(writer, reader, issuer, client)


WAYS: Final[dict[str, Callable[[Revocations, int], list[float]]]] = {
    "session": Revocations.by_session,
    "user": Revocations.by_user,
    "provider": Revocations.by_provider,
}
"""By what is revoked → how that is measured."""
