"""The bucket policies of a world, and clients that sign requests about them."""

import hashlib
import json

from authz.access.entries import UserEntry
from authz.bootstrap.documents import check_resource_document
from authz.control.resource_policies import ResourcePolicies
from authz.formats.s3_http import S3Config
from authz.identity.http import HttpRequest
from authz.identity.principal import ANONYMOUS
from authz.identity.sigv4 import sign_headers
from authz.serving.bucket_policies import BucketPolicies
from authz.serving.http_mappings import S3Mapping
from authz.serving.http_surface import HttpAnswer
from authz.store.sql.store import SqlStore
from tests.access.world import ACCOUNT, REGION, ROOT_ID, ROOT_SECRET, World

HOST = "s3.example.com"
ROOT = (ROOT_ID, ROOT_SECRET.decode())
BOX = "arn:aws:s3:::box"


def statement(principal="*", action="s3:GetObject", resource=f"{BOX}/*", effect="Allow", **more):
    named = {"AWS": principal} if isinstance(principal, str) and principal != "*" else principal
    return {"Effect": effect, "Principal": named, "Action": action, "Resource": resource, **more}


def a_bucket_policy(*statements) -> bytes:
    return json.dumps({"Version": "2012-10-17", "Statement": statements or [statement()]}).encode()


def build_bucket_policies(world: World) -> BucketPolicies:
    store = SqlStore(world.database, on_commit=world.refresher.hint)
    return BucketPolicies(
        world.authenticator,
        world.authorizer,
        world.refresher,
        ResourcePolicies(store, world.clock, check_resource_document),
        S3Mapping(S3Config(endpoints=(HOST,), domains=("buckets.example.com",))),
        world.metrics,
        world.clock,
        anonymous=UserEntry(ANONYMOUS, world.policies.handle((), ()), is_enabled=True),
        account=ACCOUNT,
    )


class Client:
    """Sends signed requests to the surface; `credential` is `None` for one that signs nothing."""

    def __init__(self, surface: BucketPolicies, clock, credential=ROOT) -> None:
        self.surface = surface
        self.clock = clock
        self.credential = credential
        self.bodies_read = 0

    def request(
        self,
        method="GET",
        path="/box",
        query="policy",
        body: bytes | None = b"",
        *,
        signed=(),
        unsigned=(),
        payload: str | None = None,
        host=HOST,
        now: float | None = None,
        **parts,
    ) -> HttpRequest:
        """Return a request; `signed` headers are signed, `unsigned` ones put in afterwards."""
        headers = {"host": host, **dict(signed)}
        if self.credential is not None:
            headers |= sign_headers(
                method, path, query, headers, payload or hashlib.sha256(body or b"").hexdigest(),
                access_key_id=self.credential[0], secret=self.credential[1], region=REGION, service="s3",
                now=self.clock.now() if now is None else now,
            )  # fmt: skip
        parts = {"source_ip": "192.0.2.7", **parts}
        return HttpRequest(method, path, query, {**headers, **dict(unsigned)}, body=body, **parts)

    async def send(self, *args, **parts) -> HttpAnswer:
        return await self.deliver(self.request(*args, **parts))

    async def deliver(self, request: HttpRequest) -> HttpAnswer:
        """Send `request` as a server hands it over: its head, and its body if that is asked for."""
        body, request.body = request.body, None

        async def read_body() -> bytes | None:
            self.bodies_read += 1
            return body

        answer = await self.surface.answer(request, read_body)
        request.body = body
        return answer

    async def put(self, *statements, **parts) -> HttpAnswer:
        body = parts.pop("body", None) or a_bucket_policy(*statements)
        return await self.send("PUT", body=body, **parts)


def code_of(answer: HttpAnswer) -> str:
    return answer.body.decode().partition("<Code>")[2].partition("</Code>")[0]
