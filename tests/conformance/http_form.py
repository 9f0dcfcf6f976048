"""Questions as S3 requests, and requests as what Envoy asks: signed, in bytes.

An IAM-level question has an HTTP form when one S3 request means exactly it: the action's own request, a resource
that a path can say, and a context that headers and parameters can say. What a proxy always knows (the peer's
address, the scheme, the signature) must not decide where the question leaves it out.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from envoy.service.auth.v3 import external_auth_pb2

from authz.identity.sigv4 import sign_headers
from authz.policy.request import fold_key
from tests.conformance.scenarios import Scenario

REGION = "us-east-1"
HOST = "s3.example.com"
PEER = "192.0.2.7"
EMPTY = hashlib.sha256(b"").hexdigest()

_FORMS = {
    "s3:abortmultipartupload": ("DELETE", "uploadId=u", True),
    "s3:createbucket": ("PUT", "", False),
    "s3:deletebucket": ("DELETE", "", False),
    "s3:deletebucketpolicy": ("DELETE", "policy", False),
    "s3:deleteobject": ("DELETE", "", True),
    "s3:deleteobjecttagging": ("DELETE", "tagging", True),
    "s3:deleteobjectversion": ("DELETE", "versionId=<s3:versionid>", True),
    "s3:getbucketacl": ("GET", "acl", False),
    "s3:getbucketlocation": ("GET", "location", False),
    "s3:getbucketpolicy": ("GET", "policy", False),
    "s3:getbuckettagging": ("GET", "tagging", False),
    "s3:getbucketversioning": ("GET", "versioning", False),
    "s3:getobject": ("GET", "", True),
    "s3:getobjectacl": ("GET", "acl", True),
    "s3:getobjecttagging": ("GET", "tagging", True),
    "s3:getobjectversion": ("GET", "versionId=<s3:versionid>", True),
    "s3:listbucket": ("GET", "list-type=2", False),
    "s3:listbucketmultipartuploads": ("GET", "uploads", False),
    "s3:listbucketversions": ("GET", "versions", False),
    "s3:listmultipartuploadparts": ("GET", "uploadId=u", True),
    "s3:putbucketpolicy": ("PUT", "policy", False),
    "s3:putbucketversioning": ("PUT", "versioning", False),
    "s3:putobject": ("PUT", "", True),
    "s3:putobjectacl": ("PUT", "acl", True),
    "s3:putobjecttagging": ("PUT", "tagging", True),
    "s3:restoreobject": ("POST", "restore", True),
}
_ALWAYS_KNOWN = {
    "aws:requestedregion", "aws:securetransport", "aws:sourceip", "s3:authtype", "s3:signatureversion",
    "s3:x-amz-content-sha256",
}  # fmt: skip
_PARAMETERS = {"s3:prefix": "prefix", "s3:delimiter": "delimiter", "s3:max-keys": "max-keys"}
_LISTINGS = {"s3:listbucket", "s3:listbucketversions"}
_HEADERS = {"aws:useragent": "user-agent", "aws:referer": "referer"}
_PUT_HEADERS = {
    f"s3:{name}": name
    for name in (
        "x-amz-metadata-directive",
        "x-amz-server-side-encryption",
        "x-amz-server-side-encryption-aws-kms-key-id",
        "x-amz-storage-class",
    )
}
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_HEADER_VALUE = re.compile(r"[!-~]+(?: +[!-~]+)*")


class NoForm(Exception):  # noqa: N818 - it is an answer, not a failure
    """Why a scenario cannot be asked there."""


def request_of(scenario: Scenario) -> dict[str, Any]:
    """Return the S3 request that asks an IAM-level question; raise `NoForm` where there is none."""
    when = scenario.when
    action = when["action"].lower()
    context = {fold_key(key): value for key, value in when.get("context", {}).items()}
    documents = "".join(scenario.policies.values()).lower()
    for key in _ALWAYS_KNOWN - context.keys():
        if key in documents:
            raise NoForm(f"a request over HTTP always has {key}")
    if any(isinstance(value, list) for value in context.values()):
        raise NoForm("a request over HTTP gives this key one value")
    if action == "s3:listallmybuckets":
        request = {"method": "GET", "path": "/"}
        if when["resource"] != "arn:aws:s3:::*":
            raise NoForm("the resource of ListBuckets is arn:aws:s3:::*")
    elif action in _FORMS:
        method, query, has_key = _FORMS[action]
        if "<s3:versionid>" in query:
            if "s3:versionid" not in context:
                raise NoForm("a version's request names the version")
            query = query.replace("<s3:versionid>", quote(context.pop("s3:versionid"), safe=""))
        request = {
            "method": method,
            "path": _path(when["resource"], has_key=has_key),
            "query": query,
        }
    else:
        raise NoForm(f"{when['action']} is not an S3 action that one request needs alone")
    request["headers"] = {}
    for key, value in context.items():
        _say(request, when["action"], key, text_of(value))
    return request


def _say(request: dict[str, Any], action: str, key: str, text: str) -> None:
    """Put one context value into the request."""
    folded = action.lower()
    if key in _PARAMETERS and folded in _LISTINGS:
        request["query"] += f"&{_PARAMETERS[key]}={quote(text, safe='')}"
    elif key == "aws:sourceip":
        request["source_ip"] = text
    elif key == "aws:securetransport" and text in {"true", "false"}:
        request["scheme"] = "https" if text == "true" else "http"
    elif _HEADER_VALUE.fullmatch(text) and (
        key in _HEADERS or (key in _PUT_HEADERS and folded == "s3:putobject")
    ):
        request["headers"][(_HEADERS | _PUT_HEADERS)[key]] = text
    else:
        raise NoForm(f"no header or parameter of {action} says {key} = {text!r}")


def _path(resource: str, *, has_key: bool) -> str:
    place = resource.removeprefix("arn:aws:s3:::")
    bucket, _, key = place.partition("/")
    if place == resource or not _BUCKET.fullmatch(bucket):
        raise NoForm(f"no path addresses {resource}")
    if bool(key) != has_key or ("/" in place) != has_key or {".", ".."} & set(key.split("/")):
        raise NoForm(f"no path addresses {resource} for this action")
    return "/" + quote(place, safe="/-._~")


def text_of(value: str | float | bool) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def check_request(
    request: Mapping[str, Any],
    signature: Mapping[str, Any],
    credential: tuple[str, ...] | None,
    now: float,
) -> bytes:
    """Return Envoy's question about `request`, signed with `credential`."""
    body = request.get("body", "").encode()
    lines = [("host", HOST)]
    for name, value in request.get("headers", {}).items():
        lines += [(name, each) for each in (value if isinstance(value, list) else [value])]
    method, path, query = request["method"], request["path"], request.get("query", "")
    if credential is not None and signature.get("in") != "none":
        lines += [("x-amz-security-token", token) for token in credential[2:]]
        joined: dict[str, str] = {}
        for name, value in lines:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        scope = {
            "access_key_id": signature.get("access_key_id", credential[0]),
            "secret": signature.get("secret", credential[1]),
            "region": signature.get("region", REGION),
            "service": signature.get("service", "s3"),
            "now": now - signature.get("age", 0),
        }
        if signature.get("in") == "query":
            query = _presign(method, path, query, joined, signature.get("expires", 300), **scope)
        else:
            stated = joined.pop("x-amz-content-sha256", None)
            lines = [(name, value) for name, value in lines if name != "x-amz-content-sha256"]
            payload = signature.get("payload_hash", stated or hashlib.sha256(body).hexdigest())
            lines += sign_headers(method, path, query, joined, payload, **scope).items()
    for name, value in signature.get("unsigned", {}).items():
        lines += [(name, each) for each in (value if isinstance(value, list) else [value])]
    sent = signature.get("sent", {})
    method, path = sent.get("method", method), sent.get("path", path)
    query, body = sent.get("query", query), sent.get("body", body.decode()).encode()
    return _envoys(request, lines, method, f"{path}?{query}" if query else path, body)


def _envoys(
    request: Mapping[str, Any], lines: list[tuple[str, str]], method: str, target: str, body: bytes
) -> bytes:
    message = external_auth_pb2.CheckRequest()
    http = message.attributes.request.http
    http.method, http.path, http.host = method, target, HOST
    http.scheme = request.get("scheme", "http")
    # How the client came is told by the header that the proxy overwrites.
    came_by = ("x-forwarded-proto", http.scheme)
    http.raw_body = body
    special = [
        (":authority", HOST),
        (":path", target),
        (":method", method),
        (":scheme", http.scheme),
    ]
    for name, value in [*special, came_by, *lines]:
        if name != "host":
            http.header_map.headers.add(key=name, raw_value=value.encode())
    message.attributes.source.address.socket_address.address = request.get("source_ip", PEER)
    rendered: bytes = message.SerializeToString()
    return rendered


def _presign(
    method: str,
    path: str,
    query: str,
    headers: dict[str, str],
    expires: object,
    *,
    access_key_id: str,
    secret: str,
    region: str,
    service: str,
    now: float,
) -> str:
    """Return the query with its presigning parameters; the query is spelt canonically already."""
    timestamp = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{timestamp[:8]}/{region}/{service}/aws4_request"
    names = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
    parameters = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    pieces = [piece if "=" in piece else f"{piece}=" for piece in query.split("&") if piece]
    pieces += [f"{name}={quote(value, safe='')}" for name, value in parameters.items()]
    canonical = "\n".join([
        method, path, "&".join(sorted(pieces)), *(f"{name}:{headers[name]}" for name in names), "",
        ";".join(names), "UNSIGNED-PAYLOAD",
    ])  # fmt: skip
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return "&".join([*pieces, f"X-Amz-Signature={signature}"])
