"""Builds the surfaces of the HTTP port that services ask with a token: MinIO's webhook and AuthZEN.

Each is there when its token is set. Not here: all other parts (`building.py`), and how long they live
(`__init__.py`).
"""

from ipaddress import ip_network

from authz.bootstrap.service import DataPlane, Service
from authz.formats import authzen, minio_webhook
from authz.serving.authzen import AuthZen
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.minio_webhook import MinioWebhook
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.token_surface import TokenSurface
from authz.settings import Settings


def build_token_surfaces(service: Service, plane: DataPlane) -> dict[str, SurfaceApp]:
    """Build what services with a token ask, by the path they ask at."""
    settings, metrics, clock = service.settings, service.metrics, service.clock
    refs = PrincipalRefs(plane.principals, plane.root, plane.anonymous, clock)
    surfaces: dict[str, SurfaceApp] = {}
    if (token := settings.minio_webhook_token) is not None:
        webhook = MinioWebhook(token, refs, plane.policies, plane.authorizer, metrics, clock)
        surfaces[minio_webhook.PATH] = _build_app(webhook, settings)
    if (token := settings.authzen_token) is not None:
        surface = AuthZen(token, refs, plane.authorizer, plane.refresher, metrics, clock)
        app = _build_app(surface, settings)
        surfaces |= dict.fromkeys((authzen.EVALUATION, authzen.EVALUATIONS, authzen.METADATA), app)
    return surfaces


def _build_app(surface: TokenSurface, settings: Settings) -> SurfaceApp:
    return SurfaceApp(
        surface,
        proxies=tuple(ip_network(network) for network in settings.trusted_proxies),
        trusted_hops=settings.trusted_hops,
        asks_for_others=True,
    )
