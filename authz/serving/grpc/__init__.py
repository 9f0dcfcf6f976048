"""The gRPC transport: grpcio's asyncio server around the surfaces."""
