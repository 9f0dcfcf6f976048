"""Other S3 clients through Envoy: each signs in its own way, and is let through and refused like boto3.

aws (botocore), minio-py (a signer of its own), rclone and s5cmd (Go, AWS's SDKs version 2 and 1), s3cmd
(a signer of its own). The keys hold what signers disagree about: spaces, plus signs, percent signs,
letters beyond ASCII.
"""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
from minio import Minio
from minio.error import S3Error

from tests.acceptance.stack import Credential, PolicyUser, Stack

BODY = b"what the client sent"
KEYS = ["plain.txt", "with space/and+plus", "100%/ä-日本.txt", "a=b&c;d/(x)'y'!"]
TIMEOUT = 120
BIN = Path(sys.executable).parent


class RefusedError(Exception):
    """The client was refused; what it said."""


class Client(Protocol):
    """What every client can do."""

    def put(self, bucket: str, key: str) -> None: ...
    def get(self, bucket: str, key: str) -> bytes: ...
    def list(self, bucket: str) -> str: ...


@dataclass
class MinioPy:
    endpoint: str
    credential: Credential

    def __post_init__(self) -> None:
        access_key, secret_key = self.credential
        self.client = Minio(
            self.endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=False,
            region="us-east-1",
        )

    def put(self, bucket: str, key: str) -> None:
        self._call(lambda: self.client.put_object(bucket, key, io.BytesIO(BODY), len(BODY)))

    def get(self, bucket: str, key: str) -> bytes:
        def read() -> bytes:
            response = self.client.get_object(bucket, key)
            try:
                return response.read()
            finally:
                response.close()
                response.release_conn()

        return self._call(read)

    def list(self, bucket: str) -> str:
        return self._call(
            lambda: "\n".join(
                item.object_name or "" for item in self.client.list_objects(bucket, recursive=True)
            )
        )

    @staticmethod
    def _call(work):
        try:
            return work()
        except S3Error as error:
            raise RefusedError(f"{error.code} {error.request_id}") from error


@dataclass
class CommandLine:
    """A client that is a program; `{name}` in its arguments are filled in."""

    endpoint: str
    credential: Credential
    folder: Path
    program: str
    put_arguments: str
    get_arguments: str
    list_arguments: str

    def put(self, bucket: str, key: str) -> None:
        source = self.folder / "source"
        source.write_bytes(BODY)
        self._run(self.put_arguments, bucket, key, source)

    def get(self, bucket: str, key: str) -> bytes:
        target = self.folder / "target"
        target.unlink(missing_ok=True)
        output = self._run(self.get_arguments, bucket, key, target)
        return target.read_bytes() if target.exists() else output

    def list(self, bucket: str) -> str:
        return self._run(self.list_arguments, bucket, "", Path("-")).decode()

    def _run(self, arguments: str, bucket: str, key: str, file: Path) -> bytes:
        values = {"endpoint": self.endpoint, "bucket": bucket, "key": key, "file": str(file)}
        command = [part.format(**values) for part in arguments.split("|")]
        access_key, secret_key = self.credential
        environ = {
            "PATH": os.environ["PATH"],  # noqa: TID251 - for a child process
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "1",
            "RCLONE_CONFIG_S3_TYPE": "s3",
            "RCLONE_CONFIG_S3_PROVIDER": "Other",
            "RCLONE_CONFIG_S3_ENV_AUTH": "true",
            "RCLONE_CONFIG_S3_REGION": "us-east-1",
            "RCLONE_CONFIG_S3_ENDPOINT": f"http://{self.endpoint}",
            "RCLONE_CONFIG": str(self.folder / "rclone.conf"),
            "NO_PROXY": "127.0.0.1",
        }
        done = subprocess.run(
            [str(BIN / self.program), *command],
            env=environ,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise RefusedError((done.stderr + done.stdout).decode(errors="replace"))
        return done.stdout


S3CMD = (
    "--no-ssl|--host={endpoint}|--host-bucket={endpoint}|--region=us-east-1|--no-check-md5"
    "|--config=/dev/null|--max-retries=1|"
)
COMMANDS = {
    "aws": (
        "s3api|--endpoint-url|http://{endpoint}|put-object|--bucket|{bucket}|--key|{key}|--body|{file}",
        "s3api|--endpoint-url|http://{endpoint}|get-object|--bucket|{bucket}|--key|{key}|{file}",
        "s3|--endpoint-url|http://{endpoint}|ls|--recursive|s3://{bucket}",
    ),
    "rclone": (
        "copyto|--retries|1|--low-level-retries|1|--s3-no-check-bucket|--ignore-times|{file}|s3:{bucket}/{key}",
        "cat|--retries|1|--low-level-retries|1|s3:{bucket}/{key}",
        "lsf|--retries|1|--low-level-retries|1|--recursive|s3:{bucket}",
    ),
    "s5cmd": (
        "--endpoint-url|http://{endpoint}|--retry-count|0|cp|--raw|{file}|s3://{bucket}/{key}",
        "--endpoint-url|http://{endpoint}|--retry-count|0|cat|--raw|s3://{bucket}/{key}",
        "--endpoint-url|http://{endpoint}|--retry-count|0|ls|s3://{bucket}/*",
    ),
    "s3cmd": (
        S3CMD + "put|{file}|s3://{bucket}/{key}",
        S3CMD + "get|--force|s3://{bucket}/{key}|{file}",
        S3CMD + "ls|--recursive|s3://{bucket}",
    ),
}


@pytest.fixture(params=["minio-py", *COMMANDS])
def client(
    request: pytest.FixtureRequest, stack: Stack, user: PolicyUser, tmp_path: Path
) -> Iterator[Client]:
    endpoint = stack.envoy.url("s3").removeprefix("http://").rstrip("/")
    if request.param == "minio-py":
        yield MinioPy(endpoint, user.credential)
    else:
        yield CommandLine(
            endpoint, user.credential, tmp_path, request.param, *COMMANDS[request.param]
        )


@pytest.mark.parametrize("key", KEYS)
def test_what_its_policy_allows_passes(
    client: Client, stack: Stack, user: PolicyUser, bucket: str, key: str
) -> None:
    resource = f"arn:aws:s3:::{bucket}"
    user.may_nothing_but(
        ("s3:PutObject", f"{resource}/*"),
        ("s3:GetObject", f"{resource}/*"),
        ("s3:ListBucket", resource),
    )
    client.put(bucket, key)
    assert stack.backdoor.get_object(Bucket=bucket, Key=key)["Body"].read() == BODY
    assert client.get(bucket, key) == BODY
    assert key.rpartition("/")[2] in client.list(bucket)


def test_what_its_policy_does_not_allow_is_refused(
    client: Client, stack: Stack, user: PolicyUser, bucket: str
) -> None:
    stack.backdoor.put_object(Bucket=bucket, Key="theirs", Body=b"theirs")
    resource = f"arn:aws:s3:::{bucket}"
    user.may_all_and_is_denied("s3:*Object", f"{resource}/*")
    with pytest.raises(RefusedError, match=r"AccessDenied|Access Denied|403|Forbidden"):
        client.put(bucket, "mine")
    with pytest.raises(RefusedError, match=r"AccessDenied|Access Denied|403|Forbidden"):
        client.get(bucket, "theirs")
    assert [
        found["Key"] for found in stack.backdoor.list_objects_v2(Bucket=bucket)["Contents"]
    ] == ["theirs"]
