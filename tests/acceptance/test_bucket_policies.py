"""Bucket policies with real clients, through Envoy to authz, in front of a store that never hears of them."""

import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from minio import Minio
from minio.error import S3Error

from tests.acceptance.stack import S3, PolicyUser, Stack, make_user
from tests.servers.admin_client import statement
from tests.servers.ports import LOOPBACK
from tests.servers.processes import bare_environment, http_status

BODY = b"what everybody may see"
ACCOUNT = "000000000000"
BIN = Path(sys.executable).parent


def bucket_policy(bucket: str, *statements: dict[str, Any]) -> str:
    """Return a policy of `bucket`; `{b}` in resources is its ARN."""
    arn = f"arn:aws:s3:::{bucket}"
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return text.replace("{b}", arn)


def one(
    effect: str, principal: str, action: str | list[str], resource: str = "{b}/*"
) -> dict[str, Any]:
    named = principal if principal == "*" else {"AWS": f"arn:aws:iam::{ACCOUNT}:user/{principal}"}
    return {"Effect": effect, "Principal": named, "Action": action, "Resource": resource}


def code(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def root(stack: Stack) -> S3:
    return stack.s3(stack.authz.credential)


@pytest.fixture(scope="module")
def alice(stack: Stack) -> PolicyUser:
    """A user whose policy allows nothing of use."""
    return make_user(stack.authz, "bucket-alice")


@pytest.fixture
def nobody_may(alice: PolicyUser) -> Iterator[None]:
    yield
    alice.may(statement("Allow", "nothing:Nothing", "*"))


def test_a_policy_is_put_read_and_deleted_and_its_status_told(
    stack: Stack, root: S3, bucket: str
) -> None:
    for call in (root.get_bucket_policy, root.get_bucket_policy_status):
        with pytest.raises(ClientError) as caught:
            call(Bucket=bucket)
        assert code(caught) == ("NoSuchBucketPolicy", 404)
    document = bucket_policy(bucket, one("Allow", "*", "s3:GetObject"))
    answer = root.put_bucket_policy(Bucket=bucket, Policy=document)["ResponseMetadata"]
    assert answer["HTTPStatusCode"] == 204
    assert int(answer["HTTPHeaders"]["x-authz-revision"]) > 0
    assert root.get_bucket_policy(Bucket=bucket)["Policy"] == document
    assert root.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    root.put_bucket_policy(
        Bucket=bucket, Policy=bucket_policy(bucket, one("Allow", "bucket-alice", "s3:GetObject"))
    )
    assert root.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    assert root.delete_bucket_policy(Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(ClientError) as caught:
        root.get_bucket_policy(Bucket=bucket)
    assert code(caught) == ("NoSuchBucketPolicy", 404)


def test_the_store_never_hears_of_it(stack: Stack, root: S3, bucket: str) -> None:
    root.put_bucket_policy(
        Bucket=bucket, Policy=bucket_policy(bucket, one("Allow", "*", "s3:GetObject"))
    )
    with pytest.raises(ClientError) as caught:
        stack.backdoor.get_bucket_policy(Bucket=bucket)
    assert code(caught) == ("NoSuchBucketPolicy", 404)


def test_a_user_without_any_policy_of_its_own_may_what_the_bucket_lets_it(
    stack: Stack, root: S3, alice: PolicyUser, bucket: str
) -> None:
    s3 = stack.s3(alice.credential)
    stack.backdoor.put_object(Bucket=bucket, Key="k", Body=BODY)
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k")
    assert code(caught) == ("AccessDenied", 403)
    root.put_bucket_policy(
        Bucket=bucket, Policy=bucket_policy(bucket, one("Allow", alice.name, "s3:GetObject"))
    )
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY
    with pytest.raises(ClientError):
        s3.put_object(Bucket=bucket, Key="k", Body=b"")


def test_everyone_may_read_what_a_policy_makes_public_until_it_is_gone(
    stack: Stack, root: S3, bucket: str
) -> None:
    # The store asks for no signature; it has an idea of its own about the anonymous, which must not stand in the way.
    for key in ("public/a b", "private"):
        stack.backdoor.put_object(Bucket=bucket, Key=key, Body=BODY, ACL="public-read")
    url = f"{stack.envoy.url('s3')}/{bucket}"
    assert fetch(f"{url}/public/a%20b")[0] == 403
    root.put_bucket_policy(
        Bucket=bucket, Policy=bucket_policy(bucket, one("Allow", "*", "s3:GetObject", "{b}/public/*"))
    )  # fmt: skip
    assert fetch(f"{url}/public/a%20b") == (200, BODY)
    assert fetch(f"{url}/private")[0] == 403
    assert fetch(f"{url}?policy")[0] == 403
    root.delete_bucket_policy(Bucket=bucket)
    assert fetch(f"{url}/public/a%20b")[0] == 403


def fetch(url: str) -> tuple[int, bytes]:
    """Get a page as somebody without any credential does."""
    try:
        with urllib.request.urlopen(url, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.usefixtures("nobody_may")
def test_a_deny_of_the_bucket_beats_an_allow_of_the_user(
    stack: Stack, root: S3, alice: PolicyUser, bucket: str
) -> None:
    s3 = stack.s3(alice.credential)
    alice.may(statement("Allow", "s3:*", "*"))
    s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    root.put_bucket_policy(
        Bucket=bucket, Policy=bucket_policy(bucket, one("Deny", alice.name, "s3:PutObject"))
    )
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=BODY)
    assert code(caught) == ("AccessDenied", 403)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == BODY


def test_who_may_not_put_a_policy_does_not(
    stack: Stack, root: S3, alice: PolicyUser, bucket: str
) -> None:
    mallory = stack.s3(alice.credential)
    everything = bucket_policy(bucket, one("Allow", "*", "s3:*", "{b}"))
    for call in (
        lambda: mallory.put_bucket_policy(Bucket=bucket, Policy=everything),
        lambda: mallory.get_bucket_policy(Bucket=bucket),
        lambda: mallory.get_bucket_policy_status(Bucket=bucket),
        lambda: mallory.delete_bucket_policy(Bucket=bucket),
    ):
        with pytest.raises(ClientError) as caught:
            call()
        assert code(caught) == ("AccessDenied", 403)
    with pytest.raises(ClientError) as caught:
        root.get_bucket_policy(Bucket=bucket)
    assert code(caught) == ("NoSuchBucketPolicy", 404)


def test_a_policy_about_another_bucket_is_malformed(root: S3, bucket: str) -> None:
    foreign = bucket_policy("another", one("Allow", "*", "s3:GetObject"))
    with pytest.raises(ClientError) as caught:
        root.put_bucket_policy(Bucket=bucket, Policy=foreign)
    assert code(caught) == ("MalformedPolicy", 400)
    assert "Statement[0].Resource" in str(caught.value)


def test_a_presigned_url_reads_a_policy(root: S3, bucket: str) -> None:
    document = bucket_policy(bucket, one("Allow", "*", "s3:GetObject"))
    root.put_bucket_policy(Bucket=bucket, Policy=document)
    url = root.generate_presigned_url("get_bucket_policy", Params={"Bucket": bucket}, ExpiresIn=60)
    assert fetch(url) == (200, document.encode())


def test_the_clients_address_is_the_one_that_envoy_sees_and_not_what_it_says(
    stack: Stack, root: S3, alice: PolicyUser, bucket: str
) -> None:
    def may_from(network: str) -> None:
        allow = one("Allow", alice.name, "s3:GetBucketPolicy", "{b}")
        allow["Condition"] = {"IpAddress": {"aws:SourceIp": network}}
        root.put_bucket_policy(Bucket=bucket, Policy=bucket_policy(bucket, allow))

    s3 = stack.s3(alice.credential)
    s3.meta.events.register(
        "before-send.s3", lambda request, **_: request.headers.update({"x-forwarded-for": "203.0.113.1"})
    )  # fmt: skip
    may_from("0.0.0.0/0")
    s3.get_bucket_policy(Bucket=bucket)
    may_from("203.0.113.0/24")
    with pytest.raises(ClientError) as caught:
        s3.get_bucket_policy(Bucket=bucket)
    assert code(caught) == ("AccessDenied", 403)


def test_awscli_puts_gets_and_deletes(stack: Stack, bucket: str, tmp_path: Path) -> None:
    document = bucket_policy(bucket, one("Allow", "*", "s3:GetObject"))
    (tmp_path / "policy.json").write_text(document, encoding="utf-8")
    key, secret = stack.authz.credential

    def aws(operation: str, *args: str) -> str:
        environment = {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "HOME": str(tmp_path),
        }
        command = [
            sys.executable, BIN / "aws", "--endpoint-url", stack.envoy.url("s3"), "--region", "us-east-1",
            "s3api", operation, "--bucket", bucket, *args,
        ]  # fmt: skip
        ran = subprocess.run(
            command, env=bare_environment() | environment, capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        return ran.stdout

    aws("put-bucket-policy", "--policy", f"file://{tmp_path}/policy.json")
    assert json.loads(aws("get-bucket-policy"))["Policy"] == document
    assert json.loads(aws("get-bucket-policy-status"))["PolicyStatus"]["IsPublic"] is True
    aws("delete-bucket-policy")


def test_minio_py_sets_reads_and_deletes(stack: Stack, bucket: str) -> None:
    key, secret = stack.authz.credential
    client = Minio(
        stack.envoy.url("s3").removeprefix("http://"), access_key=key, secret_key=secret, secure=False,
        region="us-east-1",
    )  # fmt: skip
    document = bucket_policy(bucket, one("Allow", "*", "s3:GetObject"))
    client.set_bucket_policy(bucket, document)
    assert client.get_bucket_policy(bucket) == document
    client.delete_bucket_policy(bucket)
    with pytest.raises(S3Error) as caught:
        client.get_bucket_policy(bucket)
    assert caught.value.code == "NoSuchBucketPolicy"


@pytest.mark.parametrize(
    "target",
    ["/metrics?policy", "/livez?policyStatus", "/metrics?%70olicy", "/metrics?policy=&x", "//metrics?policy"],
)  # fmt: skip
def test_no_client_reaches_what_else_is_on_authzs_port(stack: Stack, target: str) -> None:
    assert http_status(f"{stack.authz.http_url}/metrics") == 200
    status, body = raw_get(stack, target)
    assert status in {400, 403}
    assert b"authz_" not in body


@pytest.mark.parametrize(
    "target", ["/{b}/k?policy", "/{b}//?policy", "/{b}?policy=&policy", "/{b}?policy&acl"]
)
def test_what_a_store_could_read_otherwise_reaches_nobody(
    stack: Stack, bucket: str, target: str
) -> None:
    status, body = raw_get(stack, target.replace("{b}", bucket))
    assert status in {400, 501}
    assert b"<Error>" in body


def raw_get(stack: Stack, target: str) -> tuple[int, bytes]:
    """Ask Envoy for exactly this target, without a credential."""
    connection = http.client.HTTPConnection(LOOPBACK, stack.envoy.ports["s3"], timeout=60)
    try:
        connection.putrequest("GET", target)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
