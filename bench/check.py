"""One whole `Check` without a transport: Envoy's question in bytes → the answer in bytes, all in memory.

Prints the handler and its parts in microseconds, medians of several rounds, beside `hashlib.sha256` of 64
bytes in the same run, which tells how fast this machine is today.
"""

import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from envoy.service.auth.v3 import external_auth_pb2

from authz.bootstrap import Service, running, tame_garbage_collector
from authz.clock import SystemClock
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.policies import Policies
from authz.control.users import Users
from authz.formats.envoy_v3 import parse_check
from authz.formats.iam_json import parse_policy
from authz.formats.s3_http import S3Config, parse_s3
from authz.identity.records import TargetKind
from authz.identity.sigv4 import derive_signing_key, find_proof, sign_headers, verify
from authz.serving.call import Call
from authz.settings import Settings
from authz.store import local_files
from authz.store.sql.engine import Database
from authz.store.sql.store import SqlStore
from authz.telemetry import logs

ROUNDS = 15
CALLS = 2_000
METHOD = "/envoy.service.auth.v3.Authorization/Check"
EMPTY_HASH = hashlib.sha256(b"").hexdigest()
POLICY = """{"Version": "2012-10-17", "Statement": [
  {"Sid": "List", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::photos"},
  {"Sid": "Own", "Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"],
   "Resource": "arn:aws:s3:::photos/${aws:username}/*"},
  {"Sid": "Safe", "Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}]}"""


class Credential(NamedTuple):
    """What signs."""

    access_key_id: str
    secret: str


class Row(NamedTuple):
    """One line of the result: what, its median in microseconds, and its slowest round."""

    name: str
    median: float
    worst: float


@asynccontextmanager
async def fresh_service() -> AsyncIterator[Service]:
    """Run a service on a fresh database, ready to answer."""
    logs.configure("text", "error")
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            grpc_address="127.0.0.1:0",
            http_address="127.0.0.1:0",
            decision_log="off",
            log_level="error",
        )
        async with running(settings) as service:
            while service.problems():
                await asyncio.sleep(0.01)
            yield service


@asynccontextmanager
async def service_with_alice() -> AsyncIterator[tuple[Service, Credential]]:
    """Run a service on a fresh database in which alice has a key and a policy."""
    async with fresh_service() as service:
        yield service, await create_alice(service.settings)


async def create_alice(settings: Settings) -> Credential:
    """Create alice, her key and her policy in the database of `settings`; return what signs."""
    clock = SystemClock()
    ring = local_files.key_ring(settings.effective_master_key_file)
    async with Database.open(settings.effective_database_url) as database:
        store = SqlStore(database)
        await Users(store, clock).create("alice")
        await Policies(store, clock, parse_policy).create("own-photos", POLICY)
        await Attachments(store).attach("own-photos", TargetKind.USER, "alice")
        keys = AccessKeys(store, clock, ring, parse_policy, root_access_key_id="")
        made = await keys.create("alice")
    return Credential(made.value.key.id, made.value.secret.reveal())


def question(
    credential: Credential, method: str = "GET", path: str = "/photos/alice/cat.jpg"
) -> bytes:
    """Return Envoy's question about one signed request.

    As boto3 sends it through the sample configuration.
    """
    headers = {
        "host": "127.0.0.1:9000",
        "user-agent": "Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux#6 md/arch#x86_64 lang/python#3.11",
        "accept-encoding": "identity",
        "amz-sdk-invocation-id": "6f1c9fd2-7f0c-4c1a-b7a5-1d3b7f6d2f10",
        "amz-sdk-request": "attempt=1",
        "x-forwarded-proto": "http",
        "x-request-id": "8a4c5e0a-7c53-4f5e-9a57-7d0d9e3b1c11",
    }
    headers |= sign_headers(
        method,
        path,
        "",
        {"host": headers["host"]},
        EMPTY_HASH,
        access_key_id=credential.access_key_id,
        secret=credential.secret,
        region="us-east-1",
        service="s3",
        now=time.time(),  # noqa: TID251 - what is measured reads the same clock
    )
    request = external_auth_pb2.CheckRequest()
    http = request.attributes.request.http
    http.method, http.path, http.scheme, http.host = method, path, "http", headers["host"]
    http.protocol, http.id = "HTTP/1.1", "1234567890"
    lines = {":authority": headers.pop("host"), ":path": path, ":method": method, ":scheme": "http"}
    for name, value in (lines | headers).items():
        http.header_map.headers.add(key=name, raw_value=value.encode())
    request.attributes.source.address.socket_address.address = "192.0.2.7"
    request.attributes.source.address.socket_address.port_value = 51234
    request.attributes.destination.address.socket_address.address = "127.0.0.1"
    rendered: bytes = request.SerializeToString()
    return rendered


def timed(name: str, call: Callable[[], Any]) -> Row:
    """Time `call` over `ROUNDS` rounds of `CALLS`."""
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(CALLS):
            call()
        rounds.append((time.perf_counter() - started) / CALLS * 1e6)
    return Row(name, statistics.median(rounds), max(rounds))


async def rows() -> list[Row]:
    """Measure everything once."""
    tame_garbage_collector()  # as `serve` does
    async with service_with_alice() as (service, credential):
        check = service.surfaces["ext_authz"][METHOD]
        call = Call(METHOD, {}, "ipv4:127.0.0.1:1")
        allowed, denied = question(credential), question(credential, path="/photos/bob/cat.jpg")
        for raw, expected in ((allowed, "ok_response"), (denied, "denied_response")):
            answer = check(raw, call)
            answer = answer if isinstance(answer, bytes) else await answer
            assert external_auth_pb2.CheckResponse.FromString(answer).HasField(expected), expected
        request = parse_check(allowed).request
        now = time.time()  # noqa: TID251 - as above
        proof = find_proof(request, now)
        assert proof is not None
        key = derive_signing_key(credential.secret, proof.date, proof.region, proof.service)
        config = S3Config()
        return [
            timed("hashlib.sha256(64 bytes)", lambda block=b"x" * 64: hashlib.sha256(block)),
            timed("Check handler, allowed", lambda: check(allowed, call)),
            timed("Check handler, denied", lambda: check(denied, call)),
            timed("  of it: read Envoy's message", lambda: parse_check(allowed)),
            timed("  of it: read the proof", lambda: find_proof(request, now)),
            timed("  of it: verify the signature", lambda: verify(request, proof, key)),
            timed("  of it: map the S3 request", lambda: parse_s3(request, proof, config)),
        ]


def main() -> None:
    """Print the table."""
    measured = asyncio.run(rows())
    unit = measured[0].median
    print(f"{'what':34}{'median µs':>10}{'worst':>9}{'in sha256':>11}")
    for row in measured:
        print(f"{row.name:34}{row.median:10.2f}{row.worst:9.2f}{row.median / unit:11.1f}")


if __name__ == "__main__":
    main()
