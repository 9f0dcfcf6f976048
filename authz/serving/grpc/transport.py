"""grpcio's asyncio server as an adapter: finds a surface's method, hands over bytes, sends bytes back.

The one place that counts RPCs and turns errors into statuses. Messages are not parsed here: handlers take and
return bytes, and surfaces do the rest. A method that has everything in memory answers without an `await`. A
stream goes as fast as its client reads, ends when the client goes, and gives up on one that does not read.

Not here: what is served and for how long (`server.py`), health and reflection (grpcio's own).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from time import perf_counter
from typing import Any, Final, NoReturn

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from authz.errors import AuthzError, InvalidError, UnauthenticatedError, UnavailableError
from authz.serving.call import Call, Method, Methods, Stream, is_stream
from authz.serving.errors import public_message, render
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

UNARY: Final = "unary"
SERVER_STREAMING: Final = "server_streaming"

READ_LIMIT: Final = 30.0
"""Seconds a client may leave a message of a stream unread once the connection's windows are full."""

ERROR_DOMAIN: Final = "authz"

STATUS_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}

Handler = Callable[[bytes, Any], Awaitable[bytes]]
StreamHandler = Callable[[bytes, Any], Awaitable[None]]


class GrpcCall(Call):
    """A call whose metadata and peer are asked for only when a surface wants them; most do not."""

    __slots__ = ("_context",)

    def __init__(self, method: str, context: Any) -> None:
        self.method = method
        self._context = context

    @property
    def metadata(self) -> Mapping[str, str]:  # type: ignore[override]  # a lazy read of what the base stores
        """The call's text headers by lower-cased name; binary ones are left out."""
        pairs = self._context.invocation_metadata() or ()
        return {name: value for name, value in pairs if isinstance(value, str)}

    @property
    def peer(self) -> str:  # type: ignore[override]  # as above
        """The caller's address as grpcio writes it."""
        peer: str = self._context.peer()
        return peer


class SurfaceHandlers(grpc.GenericRpcHandler):
    """Routes full method names to the methods of the surfaces."""

    def __init__(self, surfaces: Mapping[str, Methods], metrics: Metrics) -> None:
        """Serve the methods of `surfaces` (name for the error metric → its methods)."""
        self._handlers: Mapping[str, Any] = {
            name: _method_handler(name, method, surface, metrics)
            for surface, methods in surfaces.items()
            for name, method in methods.items()
        }

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method, or `None` where there is none."""
        return self._handlers.get(handler_call_details.method)


def _method_handler(name: str, method: Method | Stream, surface: str, metrics: Metrics) -> Any:
    if is_stream(method):
        return grpc.unary_stream_rpc_method_handler(_stream(name, method, surface, metrics))
    return grpc.unary_unary_rpc_method_handler(_handler(name, method, surface, metrics))


def _handler(name: str, method: Method, surface: str, metrics: Metrics) -> Handler:
    service, _, short = name.strip("/").partition("/")
    seconds = metrics.rpc_seconds.child(UNARY, service, short)
    handled = metrics.rpc_handled.inc
    ok = (UNARY, service, short, "OK")
    failed = _failure(name, surface, metrics)

    async def handle(raw: bytes, context: Any) -> bytes:
        started = perf_counter()
        code = "OK"
        try:
            answer = method(raw, GrpcCall(name, context))
            return answer if type(answer) is bytes else await answer  # type: ignore[misc]  # the other half of the union
        except Exception as error:  # noqa: BLE001 - told to the client, and a fault of ours to the operator
            code = failed(error)
            await _abort(context, error)
        except BaseException:
            code = "CANCELLED"
            raise
        finally:
            seconds.observe(perf_counter() - started)
            handled(ok if code == "OK" else (UNARY, service, short, code))

    return handle


def _stream(name: str, method: Stream, surface: str, metrics: Metrics) -> StreamHandler:
    service, _, short = name.strip("/").partition("/")
    seconds = metrics.rpc_seconds.child(SERVER_STREAMING, service, short)
    failed = _failure(name, surface, metrics)

    async def handle(raw: bytes, context: Any) -> None:
        started = perf_counter()
        code = "OK"
        try:
            # Closed here and now, so that what the stream holds is free whatever ended it.
            async with aclosing(method(raw, GrpcCall(name, context))) as messages:
                async for message in messages:
                    await _send(context, message)
        except Exception as error:  # noqa: BLE001 - as above
            code = failed(error)
            await _abort(context, error)
        except BaseException:
            code = "CANCELLED"
            raise
        finally:
            seconds.observe(perf_counter() - started)
            metrics.rpc_handled.inc((SERVER_STREAMING, service, short, code))

    return handle


def _failure(name: str, surface: str, metrics: Metrics) -> Callable[[Exception], str]:
    """Return what tells the name of the status that an error becomes; a fault of ours it counts and logs."""
    log = get_logger("serving")

    def failed(error: Exception) -> str:
        if not isinstance(error, AuthzError):
            metrics.internal_errors.inc((surface,))
            log.error("call_failed", method=name, exc_info=error)
        return str(code_pb2.Code.Name(render(error).grpc))

    return failed


async def _send(context: Any, message: bytes) -> None:
    try:
        async with asyncio.timeout(READ_LIMIT):
            await context.write(message)
    except TimeoutError:
        raise UnavailableError(
            f"the client left a message unread for {READ_LIMIT:.0f} seconds"
        ) from None


async def _abort(context: Any, error: Exception) -> NoReturn:
    """End the call with the error's status and, where there is more to say, `google.rpc` details."""
    code, message = render(error).grpc, public_message(error)
    details = _details(error)
    if details is not None:
        status = status_pb2.Status(code=code, message=message)
        packed = any_pb2.Any()
        packed.Pack(details)
        status.details.append(packed)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(STATUS_CODES[code], message)
    raise AssertionError("abort always raises")


def _details(error: Exception) -> Any:
    if isinstance(error, InvalidError) and error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(
            field=error.field, description=error.message
        )
        return error_details_pb2.BadRequest(field_violations=[violation])
    if isinstance(error, UnauthenticatedError):
        return error_details_pb2.ErrorInfo(reason=error.code, domain=ERROR_DOMAIN)
    return None
