"""A bounded load of one unary gRPC method, from several processes, and what it measured.

Python clients are slower than the server is interesting, so a few processes share the load; each keeps a
fixed number of calls in flight until its count is done, then stops by itself.
"""

import asyncio
import multiprocessing
import statistics
from time import perf_counter
from typing import NamedTuple

import grpc

CLIENTS = 3
IN_FLIGHT = 16


class Measured(NamedTuple):
    """Calls a second, and latencies in milliseconds as the clients saw them."""

    rate: float
    p50: float
    p99: float


def measure(address: str, method: str, message: bytes, calls: int) -> Measured:
    """Send `calls` of `message` to `method` from `CLIENTS` processes and wait for all answers."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(CLIENTS) as pool:
        job = (address, method, message, calls // CLIENTS)
        pool.starmap(_run, [(*job[:3], 200)] * CLIENTS)  # warm: connections, caches, imports
        results = pool.starmap(_run, [job] * CLIENTS)
    started = min(first for first, _, _ in results)
    finished = max(last for _, last, _ in results)
    latencies = sorted(seconds for _, _, each in results for seconds in each)
    return Measured(
        len(latencies) / (finished - started),
        statistics.median(latencies) * 1e3,
        latencies[int(len(latencies) * 0.99)] * 1e3,
    )


def _run(address: str, method: str, message: bytes, calls: int) -> tuple[float, float, list[float]]:
    return asyncio.run(_calls(address, method, message, calls))


async def _calls(
    address: str, method: str, message: bytes, calls: int
) -> tuple[float, float, list[float]]:
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        ask = channel.unary_unary(method)

        async def one_lane(count: int) -> None:
            for _ in range(count):
                started = perf_counter()
                await ask(message)
                latencies.append(perf_counter() - started)

        started = perf_counter()
        await asyncio.gather(*(one_lane(calls // IN_FLIGHT) for _ in range(IN_FLIGHT)))
        return started, perf_counter(), latencies
