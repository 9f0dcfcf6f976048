"""How the surfaces of the HTTP port are built: STS, bucket policies, and what services with a token ask.

Wiring only. Not here: the gRPC port's surfaces and the data plane (`building.py`).
"""

from ipaddress import ip_network

from authz.bootstrap.building_admin import build_sessions
from authz.bootstrap.building_bearers import build_external_users
from authz.bootstrap.documents import (
    check_resource_document,
)
from authz.bootstrap.mappings import build_s3_mapping
from authz.bootstrap.service import Site
from authz.control.resource_policies import ResourcePolicies
from authz.control.sessions import Sessions as SessionRecords
from authz.formats import authzen, minio_webhook
from authz.serving.authzen import AuthZen
from authz.serving.bucket_policies import BucketPolicies
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.http.tls import TlsFiles
from authz.serving.http_surface import HttpSurface
from authz.serving.minio_webhook import MinioWebhook
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.sts import Sts
from authz.serving.sts_logins import StsLogins
from authz.settings import Settings
from authz.store.sql.store import SqlStore


def build_sts(site: Site) -> SurfaceApp:
    """Build what answers STS clients on the HTTP port."""
    settings, plane, metrics = site.service.settings, site.plane, site.service.metrics
    store = SqlStore(site.database, on_commit=plane.refresher.hint)
    sessions = build_sessions(site, store)
    surface = Sts(
        plane.sts_authenticator,
        plane.authorizer,
        plane.principals.roles,
        sessions,
        _build_sts_logins(site, sessions),
        metrics,
        site.service.clock,
        account=settings.account_id,
        max_duration=settings.session_max_duration,
    )
    return build_surface_app(surface, settings)


def _build_sts_logins(site: Site, sessions: SessionRecords) -> StsLogins:
    plane, clock, account = site.plane, site.service.clock, site.service.settings.account_id
    return StsLogins(
        site.federation,
        build_external_users(site),
        plane.authorizer,
        plane.principals.roles,
        sessions,
        site.login_limits,
        site.service.metrics,
        clock=clock,
        account=account,
    )


def build_bucket_policies(site: Site) -> SurfaceApp:
    """Build what answers S3's requests about bucket policies on the HTTP port."""
    settings, clock, plane = site.service.settings, site.service.clock, site.plane
    store = SqlStore(site.database, on_commit=plane.refresher.hint)
    surface = BucketPolicies(
        plane.authenticator,
        plane.authorizer,
        plane.refresher,
        ResourcePolicies(store, clock, check_resource_document),
        build_s3_mapping(settings),
        site.service.metrics,
        clock,
        anonymous=plane.anonymous,
        account=settings.account_id,
    )
    return build_surface_app(surface, settings)


def build_token_surfaces(site: Site) -> dict[str, SurfaceApp]:
    """Build what services with a token ask, by the path they ask at; each is there when its token is set."""
    settings, metrics, clock = site.service.settings, site.service.metrics, site.service.clock
    plane = site.plane
    refs = PrincipalRefs(plane.principals, plane.root, plane.anonymous, clock)
    surfaces: dict[str, SurfaceApp] = {}
    if (token := settings.minio_webhook_token) is not None:
        webhook = MinioWebhook(token, refs, plane.policies, plane.authorizer, metrics, clock)
        surfaces[minio_webhook.PATH] = build_surface_app(webhook, settings, asks_for_others=True)
    if (token := settings.authzen_token) is not None:
        surface = AuthZen(token, refs, plane.authorizer, plane.refresher, metrics, clock)
        app = build_surface_app(surface, settings, asks_for_others=True)
        surfaces |= dict.fromkeys((authzen.EVALUATION, authzen.EVALUATIONS, authzen.METADATA), app)
    return surfaces


def build_surface_app(
    surface: HttpSurface, settings: Settings, *, asks_for_others: bool = False
) -> SurfaceApp:
    """Build the application of one surface; `asks_for_others` is for what services ask for their clients."""
    return SurfaceApp(
        surface,
        proxies=tuple(ip_network(network) for network in settings.trusted_proxies),
        trusted_hops=settings.trusted_hops,
        asks_for_others=asks_for_others,
        believes_certificates=settings.http_forwarded_certificates,
    )


def http_tls(settings: Settings) -> TlsFiles | None:
    """Return the files of the HTTP port's TLS, `None` where it speaks plain HTTP."""
    certificate, key = settings.http_tls_cert_file, settings.http_tls_key_file
    if certificate is None or key is None:
        return None
    return TlsFiles(certificate, key, settings.http_tls_client_ca_file)
