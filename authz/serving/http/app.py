"""The HTTP surface: `/livez`, `/readyz`, `/metrics`.

Liveness says that the process turns; it never depends on the database. Readiness says that decisions can
be made, and, when not, why. Metrics are for Prometheus, in the format its Accept header asks for. Nothing
here needs credentials or shows more than a Prometheus scrape may see.
"""

import json
from collections.abc import Callable, Sequence

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from authz.telemetry.metrics import Metrics


def build_app(metrics: Metrics, problems: Callable[[], Sequence[str]]) -> Starlette:
    """Return the application; `problems` says what keeps this process from answering, if anything."""

    # Handlers are coroutines although nothing awaits: metrics are read on the loop that writes them.
    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        found = problems()
        body = json.dumps({"ready": not found, "problems": list(found)}) + "\n"
        return Response(body, 503 if found else 200, media_type="application/json")

    async def scrape(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics.registry), headers={"content-type": content_type})

    return Starlette(
        routes=[
            Route("/livez", livez),
            Route("/readyz", readyz),
            Route("/metrics", scrape),
        ]
    )
