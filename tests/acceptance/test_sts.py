"""Sessions with real clients: STS through Envoy to authz, and the store with what they got.

boto3 and aws (botocore), which sign in a region and tell no hash of the form, and minio-py, which signs in no
region and tells it.
"""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from minio import Minio
from minio.credentials import AssumeRoleProvider

from tests.acceptance.stack import ONCE, S3, Credential, PolicyUser, Stack, make_user
from tests.servers.admin_client import document, statement
from tests.servers.processes import PATIENCE, bare_environment, wait_for

Sts = Any
ACCOUNT = "000000000000"
ROLE = "arn:xxx:xxx:xxx:xxxx"
REGION = "us-east-1"
BIN = Path(sys.executable).parent
ACTIONS = ("assume_role", "get_session_token")


@pytest.fixture(scope="module")
def alice(stack: Stack) -> PolicyUser:
    """A user whose policy each test sets for itself."""
    return make_user(stack.authz, "sts-alice")


def client(stack: Stack, service: str, credential: Credential, token: str | None = None) -> Any:
    """Return a boto3 client that goes through Envoy and never tries twice."""
    return boto3.client(
        service,
        endpoint_url=stack.envoy.url("s3"),
        region_name=REGION,
        aws_access_key_id=credential[0],
        aws_secret_access_key=credential[1],
        aws_session_token=token,
        config=ONCE if service == "s3" else Config(retries={"total_max_attempts": 1}),
    )


def with_session(stack: Stack, service: str, answer: dict[str, Any]) -> Any:
    made = answer["Credentials"]
    return client(
        stack, service, (made["AccessKeyId"], made["SecretAccessKey"]), made["SessionToken"]
    )


@pytest.fixture
def sts(stack: Stack, alice: PolicyUser) -> Sts:
    return client(stack, "sts", alice.credential)


@pytest.fixture
def box(stack: Stack, alice: PolicyUser, bucket: str) -> str:
    """A bucket with `open` and `other`, of which alice may get and put all."""
    alice.may(
        statement("Allow", ["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/*"),
        statement("Allow", "s3:ListBucket", f"arn:aws:s3:::{bucket}"),
    )
    for key in ("open", "other"):
        stack.backdoor.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def session_policy(bucket: str, *actions: str, key: str = "*") -> str:
    return document(statement("Allow", list(actions), f"arn:aws:s3:::{bucket}/{key}"))


def code(call: Any, **parameters: Any) -> tuple[str, int]:
    """Return the code and status with which this call is refused."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def is_allowed(call: Any, **parameters: Any) -> bool:
    try:
        call(**parameters)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def what_it_may(s3: S3, bucket: str) -> set[str]:
    """Return which of all that is tried is allowed."""
    tried = {
        "get open": is_allowed(s3.get_object, Bucket=bucket, Key="open"),
        "get other": is_allowed(s3.get_object, Bucket=bucket, Key="other"),
        "put": is_allowed(s3.put_object, Bucket=bucket, Key="new", Body=b"x"),
        "list": is_allowed(s3.list_objects_v2, Bucket=bucket),
        "delete": is_allowed(s3.delete_object, Bucket=bucket, Key="other"),
    }
    return {name for name, allowed in tried.items() if allowed}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_session_may_what_its_user_may_and_nothing_else(
    stack: Stack, sts: Sts, box: str, action: str
) -> None:
    roles = {"RoleArn": ROLE, "RoleSessionName": "ci"} if action == "assume_role" else {}
    answer = getattr(sts, action)(**roles)
    left = answer["Credentials"]["Expiration"] - datetime.now(UTC)  # noqa: TID251 - a client's clock
    assert timedelta(minutes=50) < left <= timedelta(hours=12)
    s3 = with_session(stack, "s3", answer)
    assert what_it_may(s3, box) == {"get open", "get other", "put", "list"}


def test_a_session_with_a_policy_may_exactly_the_intersection(
    stack: Stack, sts: Sts, box: str
) -> None:
    named = {"RoleArn": ROLE, "RoleSessionName": "ci"}
    narrow = session_policy(box, "s3:GetObject", "s3:DeleteObject", key="o*")
    s3 = with_session(stack, "s3", sts.assume_role(**named, Policy=narrow))
    assert what_it_may(s3, box) == {"get open", "get other"}
    one = session_policy(box, "s3:*", key="open")
    s3 = with_session(stack, "s3", sts.assume_role(**named, Policy=one))
    assert what_it_may(s3, box) == {"get open"}
    readonly = [{"arn": "arn:aws:iam::aws:policy/readonly"}]
    s3 = with_session(stack, "s3", sts.assume_role(**named, PolicyArns=readonly))
    assert what_it_may(s3, box) == {"get open", "get other", "list"}


def test_a_session_follows_its_user(stack: Stack, alice: PolicyUser, sts: Sts, box: str) -> None:
    s3 = with_session(stack, "s3", sts.get_session_token())
    assert "put" in what_it_may(s3, box)
    alice.may(statement("Allow", "s3:GetObject", f"arn:aws:s3:::{box}/open"))
    assert what_it_may(s3, box) == {"get open"}


def test_a_revoked_session_is_refused_and_others_are_not(stack: Stack, sts: Sts, box: str) -> None:
    answer = sts.get_session_token()
    s3, other = (with_session(stack, "s3", each) for each in (answer, sts.get_session_token()))
    s3.get_object(Bucket=box, Key="open")
    stack.authz.cli("session", "revoke", "--session", answer["Credentials"]["AccessKeyId"])

    def is_refused() -> bool:
        try:
            s3.get_object(Bucket=box, Key="open")
        except ClientError as error:
            return str(error.response["Error"]["Code"]) == "ExpiredToken"
        return False

    wait_for(is_refused, PATIENCE, "the revocation")
    assert code(with_session(stack, "sts", answer).get_caller_identity) == ("ExpiredToken", 403)
    other.get_object(Bucket=box, Key="open")


def test_who_asks_hears_who_that_is(stack: Stack, alice: PolicyUser, sts: Sts) -> None:
    told = sts.get_caller_identity()
    assert (told["Account"], told["Arn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{alice.name}")
    session = with_session(stack, "sts", sts.get_session_token())
    assert session.get_caller_identity()["Arn"] == told["Arn"]
    root = client(stack, "sts", stack.authz.credential)
    assert root.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    key_id = alice.credential[0]
    assert root.get_access_key_info(AccessKeyId=key_id)["Account"] == ACCOUNT
    with pytest.raises(ClientError) as refused:
        sts.get_access_key_info(AccessKeyId=key_id)
    decision_id = refused.value.response["ResponseMetadata"]["RequestId"]
    decoded = root.decode_authorization_message(EncodedMessage=decision_id)["DecodedMessage"]
    assert json.loads(decoded)["context"]["action"] == "sts:GetAccessKeyInfo"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_presigned_url_proves_who_somebody_is(sts: Sts, alice: PolicyUser, method: str) -> None:
    """As EKS (GET) and Vault (POST) log people in."""
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod=method)
    request = urllib.request.Request(url, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=PATIENCE) as answer:
        assert f"user/{alice.name}</Arn>" in answer.read().decode()


def test_refusals_come_in_aws_words(stack: Stack, alice: PolicyUser, sts: Sts) -> None:
    session = with_session(stack, "sts", sts.get_session_token())
    assert code(session.get_session_token) == ("AccessDenied", 403)
    named = {"RoleArn": ROLE, "RoleSessionName": "ci"}
    assert code(session.assume_role, **named) == ("AccessDenied", 403)
    assert code(sts.assume_role, **named, Policy="{ }") == ("MalformedPolicyDocument", 400)
    with pytest.raises(sts.exceptions.MalformedPolicyDocumentException):
        sts.assume_role(**named, Policy="not a policy")
    with pytest.raises(sts.exceptions.PackedPolicyTooLargeException):
        sts.assume_role(**named, Policy=document(statement("Allow", "*", "*")) + " " * 2048)
    assert code(sts.assume_role, **named, DurationSeconds=43_201) == ("ValidationError", 400)
    tags = [{"Key": "team", "Value": "red"}]
    assert code(sts.assume_role, **named, Tags=tags) == ("InvalidParameterValue", 400)
    federation = code(sts.assume_role_with_web_identity, **named, WebIdentityToken="a.b.c")
    assert federation == ("InvalidIdentityToken", 400)
    wrong = client(stack, "sts", (alice.credential[0], "wrong-secret-wrong-secret"))
    assert code(wrong.get_caller_identity) == ("SignatureDoesNotMatch", 403)
    unknown = client(stack, "sts", ("AKIANONENONENONENONE", "wrong-secret-wrong-secret"))
    assert code(unknown.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_a_deny_refuses_sessions(alice: PolicyUser, sts: Sts) -> None:
    alice.may(statement("Allow", "*", "*"), statement("Deny", "sts:AssumeRole", "*"))
    assert code(sts.assume_role, RoleArn=ROLE, RoleSessionName="ci") == ("AccessDenied", 403)
    sts.get_session_token()
    alice.may(statement("Deny", "sts:*", "*"))
    assert code(sts.get_session_token) == ("AccessDenied", 403)
    sts.get_caller_identity()
    alice.may(statement("Allow", "nothing:Nothing", "*"))


@pytest.fixture
def aws(stack: Stack, alice: PolicyUser, tmp_path: Path) -> Any:
    """The aws command, with a profile of alice's and one that assumes a role with it."""
    (tmp_path / "config").write_text(
        f"[profile alice]\naws_access_key_id = {alice.credential[0]}\n"
        f"aws_secret_access_key = {alice.credential[1]}\nregion = {REGION}\n"
        f"endpoint_url = {stack.envoy.url('s3')}\n"
        f"[profile role]\nrole_arn = {ROLE}\nsource_profile = alice\nregion = {REGION}\n"
        f"endpoint_url = {stack.envoy.url('s3')}\n"
    )

    def run(*args: str, profile: str = "alice") -> str:
        env = {
            **bare_environment(),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "HOME": str(tmp_path),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        command = [
            sys.executable,
            str(BIN / "aws"),
            "--profile",
            profile,
            "--output",
            "json",
            *args,
        ]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_awscli_asks_who_it_is_and_assumes_a_role_by_profile(
    aws: Any, alice: PolicyUser, box: str
) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:user/{alice.name}"
    assert json.loads(aws("sts", "get-caller-identity"))["Arn"] == arn
    assert json.loads(aws("sts", "get-caller-identity", profile="role"))["Arn"] == arn
    made = json.loads(aws("sts", "get-session-token", "--duration-seconds", "900"))
    assert made["Credentials"]["AccessKeyId"].startswith("ASIA")
    aws("s3", "cp", f"s3://{box}/open", "-", profile="role")


def test_minio_py_assumes_a_role(stack: Stack, alice: PolicyUser, box: str) -> None:
    provider = AssumeRoleProvider(
        sts_endpoint=stack.envoy.url("s3"),
        access_key=alice.credential[0],
        secret_key=alice.credential[1],
        policy=session_policy(box, "s3:GetObject", key="open"),
    )
    minio = Minio(
        endpoint=stack.envoy.url("s3").removeprefix("http://"),
        secure=False,
        region=REGION,
        credentials=provider,
    )
    answer = minio.get_object(bucket_name=box, object_name="open")
    assert answer.read() == b"open"
    answer.close()
    with pytest.raises(Exception, match="AccessDenied"):
        minio.get_object(bucket_name=box, object_name="other")
    assert provider.retrieve().session_token
    assert stack.authz.metric("authz_sessions_issued_total", action="AssumeRole") > 0


def test_a_form_of_a_browser_is_none_of_stss(stack: Stack) -> None:
    """S3's own forms, posted to a bucket, are of another type; they go the store's way and are refused."""
    request = urllib.request.Request(
        f"{stack.envoy.url('s3')}/",
        data=b"--x\r\n\r\nAction=GetCallerIdentity\r\n--x--",
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=PATIENCE)
    assert b"sts.amazonaws.com" not in caught.value.read()
