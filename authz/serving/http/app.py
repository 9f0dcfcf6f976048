"""The HTTP port: health and metrics, bucket policies, AWS's STS, and what services with a token ask.

`/livez` says that the process turns; it never depends on the database. `/readyz` says that decisions can be
made, and, when not, why. `/metrics` are for Prometheus, in the format its Accept header asks for. Nothing of
these needs credentials or shows more than a Prometheus scrape may see.

Those three have no query, and what a proxy hands over from clients always has one: so no client reaches them
through it, whatever a bucket is called; nor what is asked at a path, which wants a token besides
(`serving/token_surface.py`). The other two prove everything themselves (`serving/bucket_policies.py`,
`serving/sts.py`).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from authz.formats.s3_query import names_parameter
from authz.serving.bucket_policies import SUBRESOURCES
from authz.serving.http.surface_app import SurfaceApp
from authz.telemetry.metrics import Metrics

_ACTION: Final = frozenset({"Action"})


def build_app(
    metrics: Metrics,
    problems: Callable[[], Sequence[str]],
    bucket_policies: SurfaceApp,
    sts: SurfaceApp,
    by_path: Mapping[str, SurfaceApp] = MappingProxyType({}),
) -> ASGIApp:
    """Return the application; `problems` says what keeps this process from answering, if anything.

    `by_path` are surfaces that are asked at one path, without a query; what is not among them is not found.
    """
    operations = _build_operations(metrics, problems)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        query = scope["query_string"].decode("latin-1")
        # First, as the proxy does: a bucket's own host has its policy at `/`, too.
        if names_parameter(query, SUBRESOURCES):
            await bucket_policies(scope, receive, send)
        elif scope["raw_path"] == b"/" and _is_for_sts(scope["method"], query):
            await sts(scope, receive, send)
        elif query:
            await PlainTextResponse("not found\n", 404)(scope, receive, send)
        else:
            surface = by_path.get(scope["raw_path"].decode("latin-1"), operations)
            await surface(scope, receive, send)

    return app


def _is_for_sts(method: str, query: str) -> bool:
    return method == "POST" or (method == "GET" and names_parameter(query, _ACTION))


def _build_operations(metrics: Metrics, problems: Callable[[], Sequence[str]]) -> Starlette:

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
