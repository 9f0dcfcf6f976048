"""The same transport with nothing behind it.

Parses a CheckRequest and sends a ready answer. The floor to compare with.
"""

import asyncio
import sys

import grpc
from envoy.service.auth.v3 import external_auth_pb2

METHOD = "/envoy.service.auth.v3.Authorization/Check"


async def serve() -> None:
    """Serve at a free port of the loopback, print it, and run until killed."""
    answer = external_auth_pb2.CheckResponse()
    answer.ok_response.SetInParent()
    ready = answer.SerializeToString()

    async def check(raw: bytes, _: object) -> bytes:
        external_auth_pb2.CheckRequest.FromString(raw)
        return ready

    class Handlers(grpc.GenericRpcHandler):
        handler = grpc.unary_unary_rpc_method_handler(check)

        def service(self, handler_call_details: grpc.HandlerCallDetails) -> object:
            return self.handler if handler_call_details.method == METHOD else None

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    sys.exit(asyncio.run(serve()))
