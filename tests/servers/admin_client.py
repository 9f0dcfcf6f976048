"""A small client of the admin API for tests, signed with botocore's own signer.

Somebody else's implementation of SigV4 on the client's side is the point: if it and the service agree, both
follow the specification. Errors are `grpc.RpcError`, untouched.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from authz.wire.authz.admin.v1 import (
    access_key_service_pb2,
    attachment_service_pb2,
    group_service_pb2,
    policy_service_pb2,
    user_service_pb2,
)
from authz.wire.authz.v1 import authorization_pb2, decision_pb2

TIMEOUT = 60.0
"""Seconds a call may take; milliseconds are usual, a loaded machine takes longer."""

DRIFT_LIMIT = 240
"""Seconds by which the signing time may be moved; the service accepts 300."""

Statement = Mapping[str, Any]


def document(*statements: Statement) -> str:
    """Return a policy document of these statements."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def statement(
    effect: str, actions: str | Sequence[str], resources: str | Sequence[str]
) -> Statement:
    """Return a statement with nothing but an effect, actions and resources."""
    return {"Effect": effect, "Action": actions, "Resource": resources}


class _Signer(SigV4Auth):
    """botocore's signer at a time of our choice."""

    def __init__(self, credential: tuple[str, str], region: str) -> None:
        super().__init__(Credentials(*credential), "authz", region)
        self._used: dict[tuple[str, str], dt.datetime] = {}

    def headers(self, method: str, raw: bytes) -> dict[str, str]:
        payload_hash = hashlib.sha256(raw).hexdigest()
        request = AWSRequest(
            "POST",
            f"http://authz{method}",
            headers={"host": "authz", "x-amz-content-sha256": payload_hash},
            data=raw,
        )
        moment = self._unused_moment(method, payload_hash)
        request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
        request.headers["x-amz-date"] = request.context["timestamp"]
        canonical = self.canonical_request(request)
        signature = self.signature(self.string_to_sign(request, canonical), request)
        self._inject_signature_to_request(request, signature)
        return {name.lower(): value for name, value in request.headers.items()}

    def _unused_moment(self, method: str, payload_hash: str) -> dt.datetime:
        """Return a time near now at which this very call was not signed yet: a signature is good for one call."""
        now = dt.datetime.now(dt.UTC)  # noqa: TID251 - a client signs with the wall clock
        earliest = now - dt.timedelta(seconds=DRIFT_LIMIT)
        last = self._used.get((method, payload_hash), earliest)
        moment = max(earliest, last + dt.timedelta(seconds=1))
        if moment > now + dt.timedelta(seconds=DRIFT_LIMIT):
            raise RuntimeError("the same call was signed too often within a few minutes")
        self._used[method, payload_hash] = moment
        return moment


class AdminClient:
    """Calls the admin API at a loopback port with one credential; use as a context manager."""

    def __init__(self, port: int, credential: tuple[str, str], region: str = "us-east-1") -> None:
        self._channel = grpc.insecure_channel(
            f"127.0.0.1:{port}",
            [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)],
        )
        self._signer = _Signer(credential, region)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._channel.close()

    def call(
        self, method: str, request: Message, answer: type[Message], *, is_signed: bool = True
    ) -> Any:
        """Call `method` (`/package.Service/Name`) and return its answer."""
        raw = request.SerializeToString()
        metadata = self.signed(method, raw) if is_signed else ()
        return self.call_raw(method, raw, answer, metadata=metadata)

    def stream(
        self, method: str, request: Message, answer: type[Message], *, is_signed: bool = True
    ) -> Iterator[Any]:
        """Call a method that answers with many messages; closing what is returned cancels the call."""
        raw = request.SerializeToString()
        metadata = self.signed(method, raw) if is_signed else ()
        messages = self._channel.unary_stream(method, None, answer.FromString)(
            raw, timeout=TIMEOUT, metadata=metadata
        )
        try:
            yield from messages
        finally:
            messages.cancel()

    def call_raw(
        self,
        method: str,
        raw: bytes,
        answer: type[Message],
        *,
        metadata: Sequence[tuple[str, str]] = (),
    ) -> Any:
        """Send bytes to a method as they are."""
        unary = self._channel.unary_unary(method, None, answer.FromString)
        return unary(raw, timeout=TIMEOUT, metadata=metadata)

    def signed(self, method: str, raw: bytes) -> tuple[tuple[str, str], ...]:
        """Return the metadata that signs these bytes as a call of this method."""
        return tuple(self._signer.headers(method, raw).items())

    def health(self, service: str) -> str:
        """Return the status that gRPC health gives a service."""
        request = health_pb2.HealthCheckRequest(service=service)
        answer = self.call_raw(
            "/grpc.health.v1.Health/Check",
            request.SerializeToString(),
            health_pb2.HealthCheckResponse,
        )
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def create_user(self, name: str) -> int:
        """Create a user and return the revision."""
        pb = user_service_pb2
        request = pb.CreateUserRequest(name=name)
        return self._admin("UserService", "CreateUser", request, pb.CreateUserResponse).revision

    def delete_user(self, name: str) -> int:
        """Delete a user and return the revision."""
        pb = user_service_pb2
        request = pb.DeleteUserRequest(name=name)
        return self._admin("UserService", "DeleteUser", request, pb.DeleteUserResponse).revision

    def create_access_key(self, user_name: str) -> tuple[str, str]:
        """Create an access key for a user and return its id and secret."""
        pb = access_key_service_pb2
        request = pb.CreateAccessKeyRequest(user_name=user_name)
        answer = self._admin(
            "AccessKeyService", "CreateAccessKey", request, pb.CreateAccessKeyResponse
        )
        return answer.access_key.id, answer.secret_access_key

    def create_policy(self, name: str, text: str) -> int:
        """Create a policy and return the revision."""
        pb = policy_service_pb2
        request = pb.CreatePolicyRequest(name=name, document=text)
        return self._admin(
            "PolicyService", "CreatePolicy", request, pb.CreatePolicyResponse
        ).revision

    def replace_policy(self, name: str, text: str) -> int:
        """Replace the document of a policy and return the revision."""
        pb = policy_service_pb2
        request = pb.UpdatePolicyRequest(policy=pb.Policy(name=name, document=text))
        request.update_mask.paths.append("document")
        return self._admin(
            "PolicyService", "UpdatePolicy", request, pb.UpdatePolicyResponse
        ).revision

    def attach(self, policy_name: str, user_name: str) -> int:
        """Attach a policy to a user and return the revision."""
        pb = attachment_service_pb2
        request = pb.AttachPolicyRequest(policy_name=policy_name, user_name=user_name)
        return self._admin(
            "AttachmentService", "AttachPolicy", request, pb.AttachPolicyResponse
        ).revision

    def detach(self, policy_name: str, user_name: str) -> int:
        """Detach a policy from a user and return the revision."""
        pb = attachment_service_pb2
        request = pb.DetachPolicyRequest(policy_name=policy_name, user_name=user_name)
        return self._admin(
            "AttachmentService", "DetachPolicy", request, pb.DetachPolicyResponse
        ).revision

    def add_to_group(self, group_name: str, user_name: str) -> int:
        """Create a group with one member and return the revision."""
        pb = group_service_pb2
        self._admin(
            "GroupService",
            "CreateGroup",
            pb.CreateGroupRequest(name=group_name),
            pb.CreateGroupResponse,
        )
        request = pb.AddGroupMembersRequest(group_name=group_name, user_names=[user_name])
        return self._admin(
            "GroupService", "AddGroupMembers", request, pb.AddGroupMembersResponse
        ).revision

    def is_allowed(
        self, user_name: str, action: str, resource: str, *, at_least_revision: int = 0
    ) -> bool:
        """Ask `authz.v1` whether a user may do something."""
        pb = authorization_pb2
        request = pb.AuthorizeRequest(
            user_name=user_name,
            action=action,
            resource=resource,
            at_least_revision=at_least_revision,
        )
        method = "/authz.v1.AuthorizationService/Authorize"
        answer = self.call(method, request, pb.AuthorizeResponse, is_signed=False)
        return bool(answer.decision.verdict == decision_pb2.VERDICT_ALLOWED)

    def _admin(self, service: str, method: str, request: Message, answer: type[Message]) -> Any:
        return self.call(f"/authz.admin.v1.{service}/{method}", request, answer)
