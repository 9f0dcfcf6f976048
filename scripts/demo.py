"""The story in half a minute, with real parts: authz, Envoy, an S3 store, and boto3 as the client.

Alice may read, so her upload is refused; her policy is changed, and the same upload passes; a
deny is added, and it is refused again. Everything runs in a temporary directory on free ports of
the loopback interface, ends by itself and leaves nothing behind. The exit code is not 0 when a
step does not go as told.
"""

import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.servers.admin_client import document, statement  # noqa: E402 - found by the line above
from tests.servers.authz_server import AuthzServer, start_authz  # noqa: E402
from tests.servers.envoy import Envoy, start_envoy  # noqa: E402
from tests.servers.moto_store import start_moto_store  # noqa: E402

PATIENCE = 30.0
"""Seconds within which a change must be enforced; it takes milliseconds, as is told."""

BUCKET = "arn:aws:s3:::photos"
READ = statement("Allow", ["s3:GetObject", "s3:ListBucket"], [BUCKET, f"{BUCKET}/*"])
WRITE = statement("Allow", "s3:PutObject", f"{BUCKET}/*")
KEEP_ARCHIVE = statement("Deny", "s3:PutObject", f"{BUCKET}/archive/*")


class DemoError(Exception):
    """A step did not go as told."""


class Narrator:
    """Prints the story: numbered steps, and what happened in each."""

    def __init__(self) -> None:
        self._step = 0

    def step(self, text: str) -> None:
        """Begin the next step."""
        self._step += 1
        print(f"\n{self._step}. {text}", flush=True)

    def say(self, text: str) -> None:
        """Tell what happened."""
        print(f"   {text}", flush=True)


def main() -> None:
    """Tell the story."""
    started = time.monotonic()
    narrator = Narrator()
    with tempfile.TemporaryDirectory(prefix="authz-demo-") as directory:
        narrator.step("Start an S3 store, authz, and Envoy, which asks authz about every request")
        with _picture(Path(directory), narrator) as (authz, envoy):
            _tell(narrator, authz, envoy, Path(directory))
    print(f"\nDone in {time.monotonic() - started:.0f} s; everything is stopped and removed.")


@contextmanager
def _picture(directory: Path, narrator: Narrator) -> Iterator[tuple[AuthzServer, Envoy]]:
    """Start the parts; the bucket is made around authz, as the store's owner would."""
    with start_moto_store(directory) as store:
        _s3(store.url, ("owner", "owner-secret")).create_bucket(Bucket="photos")
        narrator.say(f"store   127.0.0.1:{store.port}  (moto, with an empty bucket `photos`)")
        with start_authz(directory) as authz:
            narrator.say(f"authz   127.0.0.1:{authz.grpc_port}  (SQLite in {directory}/data)")
            clusters = {
                "authz": [authz.grpc_port],
                "authz-http": [authz.http_port],
                "store": [store.port],
            }
            with start_envoy(directory, clusters) as envoy:
                narrator.say(f"envoy   127.0.0.1:{envoy.ports['s3']}  (runs deploy/envoy.yaml)")
                yield authz, envoy


def _tell(narrator: Narrator, authz: AuthzServer, envoy: Envoy, directory: Path) -> None:
    narrator.step("Create alice, who may read the bucket `photos`")
    policy = directory / "photos.json"
    credential = _create_alice(narrator, authz, policy)
    alice = _s3(envoy.url("s3"), credential)

    narrator.step("Alice uploads with boto3: refused")
    _expect_refused(narrator, lambda: _upload(alice, "cat.jpg"))
    narrator.say(f"but she may list: {len(_list(alice))} objects")

    narrator.step("Her policy is changed, and she uploads again: allowed")
    _expect_change(narrator, authz, document(READ, WRITE), lambda: _is_allowed(alice, "cat.jpg"))
    narrator.say(f"the store has it: {', '.join(_list(alice))}")

    narrator.step("A deny is added for archive/: it wins over the allow")
    denied = document(READ, WRITE, KEEP_ARCHIVE)
    _expect_change(narrator, authz, denied, lambda: not _is_allowed(alice, "archive/cat.jpg"))
    _expect_refused(narrator, lambda: _upload(alice, "archive/cat.jpg"))
    _upload(alice, "dog.jpg")
    narrator.say("outside archive/ she still may: dog.jpg is uploaded")

    narrator.step("What the metrics say")
    _show_metrics(narrator, authz)


def _create_alice(narrator: Narrator, authz: AuthzServer, policy: Path) -> tuple[str, str]:
    policy.write_text(document(READ), encoding="utf-8")
    _run(narrator, authz, "user", "create", "alice")
    key = _run(narrator, authz, "key", "create", "alice")
    _run(narrator, authz, "policy", "create", "photos", str(policy))
    _run(narrator, authz, "policy", "attach", "photos", "--user", "alice")
    return _credential(key)


def _run(narrator: Narrator, authz: AuthzServer, *args: str) -> Any:
    narrator.say(f"$ authz {' '.join(Path(arg).name if '/' in arg else arg for arg in args)}")
    return authz.cli_json(*args)


def _credential(answer: Mapping[str, Any]) -> tuple[str, str]:
    return answer["access_key"]["id"], answer["secret_access_key"]


def _expect_refused(narrator: Narrator, call: Callable[[], object]) -> None:
    try:
        call()
    except ClientError as error:
        answer = error.response
        if answer["Error"]["Code"] != "AccessDenied":
            raise DemoError(f"refused for another reason: {error}") from error
        narrator.say(f"boto3: {error}")
        narrator.say(
            f"request id {answer['ResponseMetadata']['RequestId']}, as in the decision log"
        )
    else:
        raise DemoError("the upload passed, it should have been refused")


def _expect_change(
    narrator: Narrator, authz: AuthzServer, text: str, is_enforced: Callable[[], bool]
) -> None:
    """Replace alice's policy and measure until a request through Envoy is answered by it."""
    started = time.monotonic()
    authz.admin.replace_policy("photos", text)
    written = time.monotonic()
    while not is_enforced():
        if time.monotonic() - written > PATIENCE:
            raise DemoError(f"the change is not enforced after {PATIENCE:g} s")
    enforced = time.monotonic()
    narrator.say(f"the change was written in {_ms(started, written)}")
    narrator.say(f"and answered by, through Envoy and the store, {_ms(written, enforced)} later")


def _show_metrics(narrator: Narrator, authz: AuthzServer) -> None:
    decisions = {
        verdict: authz.metric("authz_decisions_total", surface="ext_authz", verdict=verdict)
        for verdict in ("ALLOWED", "IMPLICITLY_DENIED", "EXPLICITLY_DENIED")
    }
    for verdict, count in decisions.items():
        narrator.say(
            f'authz_decisions_total{{surface="ext_authz",verdict="{verdict}"}} {count:.0f}'
        )
    if not all(decisions.values()):
        raise DemoError(f"the metrics tell another story: {json.dumps(decisions)}")
    count = authz.metric("authz_check_seconds_count", surface="ext_authz")
    mean = authz.metric("authz_check_seconds_sum", surface="ext_authz") / count
    narrator.say(
        f"authz_check_seconds: {count:.0f} checks, {mean * 1e6:.0f} µs on average"
        " (the first one read alice from the database)"
    )
    narrator.say(f"authz_revision {authz.metric('authz_revision'):.0f}")
    narrator.say(f"authz_snapshot_age_seconds {authz.metric('authz_snapshot_age_seconds'):.2f}")


def _s3(url: str, credential: tuple[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=credential[0],
        aws_secret_access_key=credential[1],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
    )


def _upload(s3: Any, key: str) -> None:
    s3.put_object(Bucket="photos", Key=key, Body=b"meow")


def _is_allowed(s3: Any, key: str) -> bool:
    try:
        _upload(s3, key)
    except ClientError:
        return False
    return True


def _list(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="photos").get("Contents", [])]


def _ms(since: float, until: float) -> str:
    return f"{(until - since) * 1000:.1f} ms"


if __name__ == "__main__":
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("\nstopped"))
    try:
        main()
    except DemoError as failure:
        sys.exit(f"\nNot as told: {failure}")
    except KeyboardInterrupt:
        sys.exit("\nstopped")
