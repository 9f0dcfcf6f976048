"""boto3 through Envoy to a store: what a policy names is allowed, what it does not name is not.

Each row of `s3_operations.py` is called three ways: with a policy that allows exactly what it needs; for each need
with one that allows everything but this; and with one that allows everything and denies exactly this.
"""

import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from botocore.exceptions import ClientError

from tests.acceptance.s3_operations import BODY, FAMILIES, KEY, KEYS, Row, prepare
from tests.acceptance.stack import S3, PolicyUser, Stack

ROWS = [
    pytest.param(row, id=f"{family}: {row.name}")
    for family, rows in FAMILIES.items()
    for row in rows
]


def needs_of(row: Row, bucket: str) -> list[tuple[str, str]]:
    return [
        (f"s3:{action}", arn.replace("{b}", f"arn:aws:s3:::{bucket}")) for action, arn in row.needs
    ]


def literal(key: str) -> str:
    """Return a key as a policy's resource must write it to mean this key alone."""
    return "".join({"*": "${*}", "?": "${?}", "$": "${$}"}.get(c, c) for c in key)


def assert_access_denied(call: Callable[[], Any]) -> None:
    """The call gets S3's answer for a denial, as boto3 reads it."""
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    # An answer to HEAD has no document, so that boto3 can only repeat the status.
    assert answer["Error"]["Code"] in {"AccessDenied", "403"}
    assert answer["Error"]["Message"] in {"Access Denied", "Forbidden"}
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert answer["ResponseMetadata"]["RequestId"]


@pytest.fixture(scope="module")
def s3(stack: Stack, user: PolicyUser) -> S3:
    return stack.s3(user.credential)


@pytest.mark.parametrize("row", ROWS)
def test_a_policy_that_names_what_an_operation_needs_allows_it(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str, row: Row
) -> None:
    prepared = prepare(stack.backdoor, bucket, row)
    user.may_nothing_but(*needs_of(row, bucket))
    row.call(s3, prepared)


@pytest.mark.parametrize("row", ROWS)
def test_without_any_one_of_its_needs_an_operation_is_refused(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str, row: Row
) -> None:
    prepared = prepare(stack.backdoor, bucket, row)
    for action, resource in needs_of(row, bucket):
        user.may_all_but(action, resource)
        assert_access_denied(lambda: row.call(s3, prepared))


@pytest.mark.parametrize("row", ROWS)
def test_a_deny_that_names_any_one_of_its_needs_refuses_an_operation(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str, row: Row
) -> None:
    prepared = prepare(stack.backdoor, bucket, row)
    for action, resource in needs_of(row, bucket):
        user.may_all_and_is_denied(action, resource)
        assert_access_denied(lambda: row.call(s3, prepared))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_authorized_as_the_store_reads_it(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str, key: str
) -> None:
    arn = f"arn:aws:s3:::{bucket}/{literal(key)}"
    user.may_nothing_but(("s3:PutObject", arn), ("s3:GetObject", arn))
    s3.put_object(Bucket=bucket, Key=key, Body=BODY)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == BODY
    listed = stack.backdoor.list_objects_v2(Bucket=bucket)["Contents"]
    assert [entry["Key"] for entry in listed] == [key]
    assert_access_denied(lambda: s3.delete_object(Bucket=bucket, Key=key))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_alone_is_not_allowed_is_refused(
    user: PolicyUser, s3: S3, bucket: str, key: str
) -> None:
    user.may_all_but("s3:PutObject", f"arn:aws:s3:::{bucket}/{literal(key)}")
    assert_access_denied(lambda: s3.put_object(Bucket=bucket, Key=key, Body=BODY))
    s3.put_object(Bucket=bucket, Key=f"{key}x", Body=BODY)


@pytest.mark.parametrize(
    ("operation", "method", "action"),
    [
        ("get_object", "GET", "s3:GetObject"),
        ("head_object", "HEAD", "s3:GetObject"),
        ("put_object", "PUT", "s3:PutObject"),
        ("delete_object", "DELETE", "s3:DeleteObject"),
    ],
)
def test_a_presigned_url_may_what_its_signer_may(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str, operation: str, method: str, action: str
) -> None:
    stack.backdoor.put_object(Bucket=bucket, Key="a b+c", Body=BODY)
    resource = f"arn:aws:s3:::{bucket}/a b+c"
    parameters = {"Bucket": bucket, "Key": "a b+c"}
    url = s3.generate_presigned_url(operation, Params=parameters, ExpiresIn=60)
    body = BODY if method == "PUT" else None

    user.may_nothing_but((action, resource))
    assert send(method, url, body)[0] in {200, 204}
    user.may_all_but(action, resource)
    status, answer = send(method, url, body)
    assert status == 403
    if method != "HEAD":
        document = ET.fromstring(answer)
        assert document.findtext("Code") == "AccessDenied"
        assert document.findtext("Resource") == f"/{bucket}/{quote('a b+c')}"
        assert document.findtext("RequestId")
    assert send(method, url.replace("a%20b", "a%20x"), body)[0] == 403


def test_a_url_presigned_the_old_way_is_refused_with_a_reason(
    stack: Stack, user: PolicyUser, bucket: str
) -> None:
    old = stack.s3(user.credential, signature_version="s3")
    url = old.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": KEY}, ExpiresIn=60
    )
    assert "AWSAccessKeyId=" in url
    status, answer = send("GET", url, None)
    assert status == 400
    assert "AWS4-HMAC-SHA256" in (ET.fromstring(answer).findtext("Message") or "")


def send(method: str, url: str, body: bytes | None) -> tuple[int, bytes]:
    """Send a request as a client that knows nothing but a URL; return status and body."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, data=body, method=method)
    request.add_header("content-type", "")
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_refused_upload_never_reaches_the_store(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str
) -> None:
    user.may_nothing_but(("s3:GetObject", f"arn:aws:s3:::{bucket}/*"))
    assert_access_denied(lambda: s3.put_object(Bucket=bucket, Key=KEY, Body=b"x" * 3_000_000))
    assert "Contents" not in stack.backdoor.list_objects_v2(Bucket=bucket)


def test_a_large_object_passes_whole(stack: Stack, user: PolicyUser, s3: S3, bucket: str) -> None:
    user.may_nothing_but(("s3:*", f"arn:aws:s3:::{bucket}/*"))
    body = bytes(range(256)) * 64 * 1024  # 16 MiB: far more than any buffer on the way
    s3.put_object(Bucket=bucket, Key=KEY, Body=body)
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == body


def test_tags_in_a_body_are_seen_by_policies(
    stack: Stack, user: PolicyUser, s3: S3, bucket: str
) -> None:
    stack.backdoor.put_object(Bucket=bucket, Key=KEY, Body=BODY)
    condition = {"StringEquals": {"s3:RequestObjectTag/kind": "secret"}}
    user.may(
        {"Effect": "Allow", "Action": "s3:*", "Resource": "*"},
        {
            "Effect": "Deny",
            "Action": "s3:PutObjectTagging",
            "Resource": "*",
            "Condition": condition,
        },
    )
    target = {"Bucket": bucket, "Key": KEY}
    s3.put_object_tagging(**target, Tagging={"TagSet": [{"Key": "kind", "Value": "public"}]})
    assert_access_denied(
        lambda: s3.put_object_tagging(
            **target, Tagging={"TagSet": [{"Key": "kind", "Value": "secret"}]}
        )
    )


@pytest.mark.parametrize(
    ("credential", "code"),
    [
        (("AKIANOBODYKNOWSTHIS0", "whatever-secret"), "InvalidAccessKeyId"),
        (None, "SignatureDoesNotMatch"),
    ],
    ids=["unknown key", "wrong secret"],
)
def test_a_wrong_credential_gets_the_code_of_s3(
    stack: Stack, user: PolicyUser, bucket: str, credential: tuple[str, str] | None, code: str
) -> None:
    wrong = stack.s3(credential or (user.credential[0], "not-the-secret"))
    with pytest.raises(ClientError) as caught:
        wrong.list_objects_v2(Bucket=bucket)
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_who_signs_nothing_gets_nothing(stack: Stack, bucket: str) -> None:
    stack.backdoor.put_object(Bucket=bucket, Key=KEY, Body=BODY)
    status, answer = send("GET", f"{stack.envoy.url('s3')}/{bucket}/{KEY}", None)
    assert status == 403
    assert ET.fromstring(answer).findtext("Code") == "AccessDenied"


def test_root_may_everything(stack: Stack, bucket: str) -> None:
    root = stack.s3(stack.authz.credential)
    root.put_object(Bucket=bucket, Key=KEY, Body=BODY)
    assert root.get_object(Bucket=bucket, Key=KEY)["Body"].read() == BODY


@pytest.mark.parametrize("path", ["a/../b", "a/./b", "..", "a/%2e%2e/b", "a%00b", "a%ffb"])
def test_a_path_that_a_store_could_read_in_two_ways_is_refused_even_to_root(
    stack: Stack, bucket: str, path: str
) -> None:
    root = stack.s3(stack.authz.credential)
    signed = root.generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "X"}, ExpiresIn=60
    )
    status, answer = send("GET", signed.replace("/X?", f"/{path}?"), None)
    assert status in {400, 403}
    assert ET.fromstring(answer).findtext("Code") != "NoSuchKey"
