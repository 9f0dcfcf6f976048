"""The STS of a world, and clients that sign requests to it; answers are read by botocore, as clients do."""

import hashlib
from datetime import UTC, datetime
from urllib.parse import urlencode

import botocore.auth
import botocore.parsers
import botocore.session
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from authz.access.authenticator import Authenticator
from authz.bootstrap.documents import check_document
from authz.control.logins import Logins
from authz.control.sessions import Sessions
from authz.federation.registry import Registry
from authz.formats.iam_json import SESSION_POLICY
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import sign_headers
from authz.serving.external_users import ExternalUsers
from authz.serving.http_surface import HttpAnswer
from authz.serving.login_limits import LoginLimits
from authz.serving.sts import Sts
from authz.serving.sts_logins import StsLogins
from authz.store.sql.store import SqlStore
from tests.access.world import ACCOUNT, REGION, ROOT_ID, ROOT_SECRET, World

HOST = "sts.example.com"
ROOT = (ROOT_ID, ROOT_SECRET.decode())
VERSION = "2011-06-15"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
MAX_DURATION = 86_400.0
MODEL = botocore.session.Session().get_service_model("sts")


def build_sts(world: World, registry: Registry | None = None) -> Sts:
    """Build the surface; a `registry` of the caller's is followed and closed by the caller."""
    sessions = Sessions(
        SqlStore(world.database),
        world.clock,
        world.session_keys,
        lambda document: check_document(document, kind=SESSION_POLICY),
        world.authorizer.check_recent,
        max_duration=MAX_DURATION,
    )
    authenticator = Authenticator(
        world.principals, world.sessions, world.root, regions=frozenset({REGION, ""})
    )
    if registry is None:
        registry = Registry(world.control.ring, world.clock, world.metrics)
        world.providers.follow(registry.follow)
    users = ExternalUsers(
        Logins(SqlStore(world.database, on_commit=world.refresher.hint), world.clock),
        world.principals,
        world.policies,
        world.refresher,
        account=ACCOUNT,
    )
    roles = world.principals.roles
    logins = StsLogins(
        registry,
        users,
        world.authorizer,
        roles,
        sessions,
        LoginLimits(world.clock),
        world.metrics,
        clock=world.clock,
        account=ACCOUNT,
    )
    return Sts(
        authenticator, world.authorizer, roles, sessions, logins, world.metrics, world.clock,
        account=ACCOUNT, max_duration=MAX_DURATION,
    )  # fmt: skip


class StsClient:
    """Sends signed requests to the surface; `credential` is `None` for one that signs nothing."""

    def __init__(self, surface: Sts, clock, credential=ROOT) -> None:
        self.surface = surface
        self.clock = clock
        self.credential = credential

    def request(
        self,
        action="GetCallerIdentity",
        *,
        body: bytes | None = None,
        method="POST",
        query="",
        region=REGION,
        service="sts",
        payload: str | None = None,
        signed=(),
        unsigned=(),
        now: float | None = None,
        without=(),
        source_ip="192.0.2.7",
        certificate=b"",
        **parameters: str,
    ) -> HttpRequest:
        """Return a request; `body` takes the place of the form of action and parameters."""
        if body is None:
            body = urlencode({"Action": action, "Version": VERSION, **parameters}).encode()
        headers = {"host": HOST, "content-type": FORM, **dict(signed)}
        if self.credential is not None:
            key_id, secret, *token = self.credential
            if token:
                headers["x-amz-security-token"] = token[0]
            hashed = payload or hashlib.sha256(body).hexdigest()
            headers |= sign_headers(
                method, "/", query, headers, hashed,
                access_key_id=key_id, secret=secret, region=region, service=service,
                now=self.clock.now() if now is None else now,
            )  # fmt: skip
        headers = {n: v for n, v in {**headers, **dict(unsigned)}.items() if n not in without}
        return HttpRequest(
            method, "/", query, headers,
            body=body, source_ip=source_ip, client_certificate=certificate,
        )  # fmt: skip

    async def send(self, *args, **parts) -> HttpAnswer:
        return await self.hand_over(self.request(*args, **parts))

    async def hand_over(self, request: HttpRequest) -> HttpAnswer:
        """Send `request` as a server hands it over: its head, and its body if that is asked for."""
        body, request.body = request.body, None

        async def read_body() -> bytes | None:
            return body

        answer = await self.surface.answer(request, read_body)
        request.body = body
        return answer

    async def ask(self, action="GetCallerIdentity", **parts) -> dict:
        """Return what botocore makes of the answer to a request that it must understand."""
        return read(action, await self.send(action, **parts))

    async def session(self, action="AssumeRole", **parts) -> "StsClient":
        """Return a client with the temporary credentials of a new session."""
        made = (await self.ask(action, **parts))["Credentials"]
        credential = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        return StsClient(self.surface, self.clock, credential)


def read(action: str, answer: HttpAnswer) -> dict:
    """Let botocore parse an answer, an error included."""
    parser = botocore.parsers.create_parser("query")
    shape = MODEL.operation_model(action).output_shape
    response = {"status_code": answer.status, "headers": dict(answer.headers), "body": answer.body}
    return parser.parse(response, shape)


def error_of(answer: HttpAnswer) -> tuple[str, int]:
    """Return code and status of a refusal, as botocore reads it."""
    parsed = read("GetCallerIdentity", answer)
    assert parsed["ResponseMetadata"]["RequestId"] == answer.headers["x-amzn-requestid"]
    assert parsed["Error"]["Type"] == ("Receiver" if answer.status >= 500 else "Sender")
    return parsed["Error"]["Code"], answer.status


class _AtOurTime:
    """A signer of botocore's at a time of our choice."""

    def sign_at(self, request, now: float) -> None:
        timestamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        request.context["timestamp"] = timestamp
        self._modify_request_before_signing(request)
        to_sign = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(to_sign, request))


class _HeaderSigner(_AtOurTime, botocore.auth.SigV4Auth):
    pass


class _QuerySigner(_AtOurTime, botocore.auth.SigV4QueryAuth):
    pass


def signed_by_botocore(credential, now, action="GetCallerIdentity", **parameters) -> HttpRequest:
    """Return a POST as botocore signs it: over the form, whose hash no header tells."""
    body = urlencode({"Action": action, "Version": VERSION, **parameters}).encode()
    request = AWSRequest("POST", f"https://{HOST}/", headers={"content-type": FORM}, data=body)
    _HeaderSigner(Credentials(*credential), "sts", REGION).sign_at(request, now)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return HttpRequest("POST", "/", "", {"host": HOST, **headers}, body=body)


def presigned(
    credential,
    now,
    *,
    action="GetCallerIdentity",
    method="GET",
    expires=60,
    service="sts",
    **parameters,
) -> HttpRequest:
    """Return a request to a URL that botocore presigns."""
    query = urlencode({"Action": action, "Version": VERSION, **parameters})
    request = AWSRequest(method, f"https://{HOST}/?{query}")
    _QuerySigner(Credentials(*credential), service, REGION, expires).sign_at(request, now)
    query = request.url.partition("?")[2]
    return HttpRequest(method, "/", query, {"host": HOST}, body=b"", source_ip="192.0.2.7")
