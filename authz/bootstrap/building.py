"""How each part is built from the settings and the parts it needs; called once, in order, by `running`.

Wiring only: which class gets which, and the few functions by which an inner room is lent what an outer
one knows (a document parser for the planes, an ARN for a stored policy). Not here: lifetimes and order
(`__init__.py`).
"""

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, RootEntry, UserEntry
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.refresher import Refresher
from authz.access.revocation import RevokedSessions
from authz.access.sessions import Ended, Sessions
from authz.bootstrap.building_admin import build_admin
from authz.bootstrap.building_bearers import build_bearer_logins
from authz.bootstrap.documents import (
    POLICY_PARSERS,
    parse_trust_document,
)
from authz.bootstrap.mappings import build_mappings
from authz.bootstrap.service import DataPlane, Service, Site
from authz.formats.admin_v1 import arn_of_policy
from authz.identity.principal import ANONYMOUS, root_principal
from authz.identity.sealing import KeyRing
from authz.identity.session import SessionKeys
from authz.serving.authentication import AuthenticationSurface
from authz.serving.authorization import AuthorizationSurface
from authz.serving.call import Methods
from authz.serving.explanation import ExplanationSurface
from authz.serving.ext_authz import ExtAuthz
from authz.serving.gate import Gate
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.reach import ReachSurface
from authz.store import local_files
from authz.store.sql.source import SqlSource
from authz.telemetry.decision_log import DecisionLog


def build_data_plane(
    service: Service,
    source: SqlSource,
    key_ring: KeyRing,
    root: local_files.RootCredential,
    decision_log: DecisionLog,
) -> DataPlane:
    """Build what decides, reading from `source`."""
    settings, metrics, clock = service.settings, service.metrics, service.clock
    policies = Policies(
        POLICY_PARSERS,
        lambda policy: arn_of_policy(policy, settings.account_id),
        parse_trust_document,
    )
    principals = Principals(
        source,
        policies,
        key_ring,
        metrics,
        account=settings.account_id,
        limit=settings.access_cache_size,
        concurrent_loads=settings.access_concurrent_loads,
    )
    ended = Ended(RevokedSessions(clock), Providers())
    refresher = Refresher(
        source,
        policies,
        principals,
        *ended,
        metrics,
        clock,
        poll_interval=settings.access_poll_interval,
        wait_limit=settings.access_revision_wait,
    )
    session_keys = SessionKeys(key_ring)
    root_owner = _build_root(root, policies, session_keys, settings.account_id)
    root_secret = root.secret.reveal().encode()
    root_entry = KeyEntry(root.access_key_id, root_secret, root_owner, is_enabled=True)
    sessions = Sessions(
        session_keys,
        policies,
        principals,
        ended,
        root_owner,
        metrics,
        clock,
        limit=settings.access_cache_size,
    )
    return DataPlane(
        policies,
        principals,
        ended.providers,
        refresher,
        _build_authorizer(service, policies, refresher, decision_log),
        Authenticator(principals, sessions, root_entry, regions=settings.regions),
        # MinIO's clients, and AWS's without a region, sign for STS in none.
        Authenticator(principals, sessions, root_entry, regions=settings.regions | {""}),
        root_entry,
        UserEntry(ANONYMOUS, policies.handle((), ()), is_enabled=True),
    )


def _build_authorizer(
    service: Service, policies: Policies, refresher: Refresher, decision_log: DecisionLog
) -> Authorizer:
    return Authorizer(
        policies,
        refresher,
        decision_log,
        service.metrics,
        service.clock,
        max_staleness=service.settings.access_max_staleness,
        remembered=service.settings.access_remembered_decisions,
    )


def _build_root(
    root: local_files.RootCredential, policies: Policies, keys: SessionKeys, account: str
) -> RootEntry:
    incarnations = keys.incarnate_root(account, root.access_key_id, root.secret)
    return RootEntry(root_principal(account), policies.handle((), ()), incarnations)


def build_surfaces(site: Site) -> dict[str, Methods]:
    """Build every surface of the gRPC port, by the name that metrics call it."""
    service, plane = site.service, site.plane
    metrics, clock = service.metrics, service.clock
    gate = Gate(plane.authenticator, plane.authorizer, metrics, clock)
    mappings = build_mappings(service.settings)
    services = frozenset(name for mapping in mappings.values() for name in mapping.services)
    bearers = build_bearer_logins(site)
    ext_authz = ExtAuthz(
        plane.authenticator,
        bearers,
        plane.authorizer,
        mappings,
        plane.anonymous,
        metrics,
        clock,
        trusted_hops=service.settings.trusted_hops,
    )
    refs = PrincipalRefs(plane.principals, plane.root, plane.anonymous, clock)
    authorization = AuthorizationSurface(
        refs, bearers, plane.authorizer, plane.refresher, metrics, clock
    )
    explanation = ExplanationSurface(
        authorization, refs, plane.authorizer, plane.refresher, gate, clock
    )
    reach = ReachSurface(
        refs,
        plane.principals,
        plane.authorizer,
        plane.refresher,
        gate,
        plane.root.owner,
        plane.anonymous,
    )
    authentication = AuthenticationSurface(
        plane.authenticator,
        bearers,
        plane.authorizer,
        plane.refresher,
        metrics,
        clock,
        services=services,
    )
    return {
        "ext_authz": ext_authz.methods,
        "authz_v1": {
            **authorization.methods,
            **explanation.methods,
            **reach.methods,
            **authentication.methods,
        },
        "admin": build_admin(site, gate),
    }
