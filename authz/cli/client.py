"""A client of the gRPC API: bytes out, bytes in, every call signed.

A call is signed with SigV4 over the method's name and the message's hash, in the call's metadata
(`docs/decisions/0003-admin-calls-are-signed.md`); the secret never travels. Messages are the generated ones.
"""

import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from authz.cli.credentials import Credential
from authz.cli.errors import CliError, ExitCode, from_grpc
from authz.clock import Clock, SystemClock
from authz.identity.sigv4 import sign_headers

SERVICE: Final = "authz"
"""The service in a signature's scope, and the host it is signed with."""
PAGE_SIZE: Final = 500
PAGES_LIMIT: Final = 20_000
"""Most pages one listing follows: ten million entries."""
STREAM_TIMEOUT: Final = 600.0
"""Seconds one stream may take; the service ends each sooner."""

M = TypeVar("M", bound=Message)


class Client:
    """A connection to one service, signing with a credential if it has one; `timeout` in seconds."""

    def __init__(
        self,
        address: str,
        credential: Credential | None,
        *,
        region: str,
        ca_file: Path | None = None,
        timeout: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._credential = credential
        self._region = region
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._channel = open_channel(address, ca_file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    def call(self, method: str, request: Message, answer: type[M]) -> M:
        """Call `/package.Service/Method` and return its answer; raises `CliError` for every refusal."""
        raw = request.SerializeToString(deterministic=True)
        return call_unary(
            self._channel, method, raw, answer, self._timeout, self._sign(method, raw)
        )

    def pages(self, method: str, request: Any, answer: type[M]) -> Iterator[M]:
        """Call a listing until its last page; `request` is written to. One without pages is called once."""
        if "page_token" not in request.DESCRIPTOR.fields_by_name:
            yield self.call(method, request, answer)
            return
        request.page_size = PAGE_SIZE
        for _ in range(PAGES_LIMIT):
            page: Any = self.call(method, request, answer)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def stream(self, method: str, request: Message, answer: type[M]) -> Iterator[M]:
        """Call a method that answers with many messages and yield them as they come."""
        raw = request.SerializeToString(deterministic=True)
        call: Any = self._channel.unary_stream(
            method, request_serializer=None, response_deserializer=None
        )
        messages = call(raw, timeout=STREAM_TIMEOUT, metadata=self._sign(method, raw))
        try:
            for message in messages:
                yield answer.FromString(message)
        except grpc.RpcError as error:
            raise from_grpc(error.code().name, error.details() or "") from None
        except DecodeError:
            raise _mismatch(method, answer) from None
        finally:
            messages.cancel()

    def _sign(self, method: str, raw: bytes) -> tuple[tuple[str, str], ...]:
        if self._credential is None:
            return ()
        access_key_id, secret, token = self._credential
        # Two equal calls in one second would have one signature, and the service takes each only once.
        headers = {"host": SERVICE, "amz-sdk-invocation-id": str(uuid.uuid4())}
        if token is not None:
            headers["x-amz-security-token"] = token.reveal()
        added = sign_headers(
            "POST",
            method,
            "",
            headers,
            hashlib.sha256(raw).hexdigest(),
            access_key_id=access_key_id,
            secret=secret.reveal(),
            region=self._region,
            service=SERVICE,
            now=self._clock.now(),
        )
        return (*((n, v) for n, v in headers.items() if n != "host"), *added.items())


def open_channel(address: str, ca_file: Path | None) -> grpc.Channel:
    """Return a channel to `address`, with TLS when there is a CA to trust."""
    options = (("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", 16_777_216))
    if ca_file is None:
        return grpc.insecure_channel(address, options)
    try:
        credentials = grpc.ssl_channel_credentials(ca_file.read_bytes())
    except OSError as error:
        problem = f"{ca_file} cannot be read ({error.strerror})"
        raise CliError(problem, exit_code=ExitCode.USAGE) from None
    return grpc.secure_channel(address, credentials, options)


def call_unary(
    channel: grpc.Channel,
    method: str,
    raw: bytes,
    answer: type[M],
    timeout: float,
    metadata: tuple[tuple[str, str], ...] = (),
) -> M:
    """Call a method with a message's bytes and return the answer; raises `CliError` for every refusal."""
    call: Any = channel.unary_unary(method, request_serializer=None, response_deserializer=None)
    try:
        return answer.FromString(call(raw, timeout=timeout, metadata=metadata))
    except grpc.RpcError as error:
        raise from_grpc(error.code().name, error.details() or "") from None
    except DecodeError:
        raise _mismatch(method, answer) from None


def _mismatch(method: str, answer: type[Message]) -> CliError:
    problem = f"the answer to {method} is not {answer.DESCRIPTOR.full_name}"
    hint = "the service at this address is another one, or another version"
    return CliError(problem, exit_code=ExitCode.FAILURE, hint=hint)
