"""How each part is built from the settings and the parts it needs; called once, in order, by `running`.

Wiring only: which class gets which, and the few functions by which an inner room is lent what an outer
one knows (a document parser for the planes, an ARN for a stored policy). Not here: lifetimes and order
(`__init__.py`).
"""

import contextlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from functools import partial
from ipaddress import ip_network
from os import open as os_open
from pathlib import Path
from typing import Any, TextIO

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, RootEntry, UserEntry
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.refresher import Refresher
from authz.access.revocation import RevokedSessions
from authz.access.sessions import Ended, Sessions
from authz.bootstrap.documents import (
    POLICY_PARSERS,
    check_document,
    check_resource_document,
    check_trust_document,
    parse_trust_document,
)
from authz.bootstrap.service import DataPlane, Service
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.policies import Policies as PolicyRecords
from authz.control.resource_policies import ResourcePolicies
from authz.control.roles import Roles
from authz.control.sessions import Sessions as SessionRecords
from authz.control.users import Users
from authz.errors import InvalidError, ParseError
from authz.formats.admin_v1 import arn_of_policy
from authz.formats.http_routes import HttpRoutes, parse_mappings
from authz.formats.iam_json import SERVICE_ACCOUNT_POLICY, SESSION_POLICY
from authz.formats.s3_actions import MINIO_PARAMETERS, MINIO_UNKNOWN
from authz.formats.s3_address import MINIO_REFUSED_IN_KEYS, S3Config
from authz.identity.principal import ANONYMOUS, root_principal
from authz.identity.records import TargetKind
from authz.identity.sealing import KeyRing
from authz.identity.session import SessionKeys
from authz.serving import (
    admin_handlers,
    admin_policy_handlers,
    admin_role_handlers,
    admin_session_handlers,
)
from authz.serving.admin import AdminSurface
from authz.serving.authentication import AuthenticationSurface
from authz.serving.authorization import AuthorizationSurface
from authz.serving.bucket_policies import BucketPolicies
from authz.serving.call import Methods
from authz.serving.explanation import ExplanationSurface
from authz.serving.ext_authz import ExtAuthz
from authz.serving.gate import Gate
from authz.serving.grpc.server import GrpcConfig
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.http_mappings import S3, HttpMapping, RoutesMapping, S3Mapping
from authz.serving.http_surface import HttpSurface
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.reach import ReachSurface
from authz.serving.sts import Sts
from authz.settings import Settings
from authz.store import local_files
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
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


def build_surfaces(
    service: Service, plane: DataPlane, database: Database, key_ring: KeyRing
) -> dict[str, Methods]:
    """Build every surface, by the name that metrics call it."""
    metrics, clock = service.metrics, service.clock
    gate = Gate(plane.authenticator, plane.authorizer, metrics, clock)
    mappings = _build_mappings(service.settings)
    services = frozenset(name for mapping in mappings.values() for name in mapping.services)
    ext_authz = ExtAuthz(
        plane.authenticator,
        plane.authorizer,
        mappings,
        plane.anonymous,
        metrics,
        clock,
        trusted_hops=service.settings.trusted_hops,
    )
    refs = PrincipalRefs(plane.principals, plane.root, plane.anonymous, clock)
    authorization = AuthorizationSurface(refs, plane.authorizer, plane.refresher, metrics, clock)
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
        "admin": _build_admin(service, plane, database, key_ring, gate),
    }


def _build_admin(
    service: Service, plane: DataPlane, database: Database, key_ring: KeyRing, gate: Gate
) -> Methods:
    account, clock = service.settings.account_id, service.clock
    # A write of our own needs no hint from the database to be seen here.
    store = SqlStore(database, on_commit=plane.refresher.hint)
    users, groups = Users(store, clock), Groups(store, clock)
    roles = Roles(store, clock, check_trust_document)
    policies = PolicyRecords(store, clock, check_document)
    access_keys = AccessKeys(
        store,
        clock,
        key_ring,
        partial(check_document, kind=SERVICE_ACCOUNT_POLICY),
        root_access_key_id=plane.root.id,
    )
    sessions = _build_session_records(service, plane, store, key_ring)
    resource_policies = ResourcePolicies(store, clock, check_resource_document)
    user_handlers = admin_handlers.UserHandlers(users, policies, account)
    role_handlers = admin_role_handlers.RoleHandlers(roles, policies, account, clock)
    handlers = (
        user_handlers,
        role_handlers,
        admin_handlers.AccessKeyHandlers(access_keys, users),
        admin_handlers.GroupHandlers(groups, users, account),
        admin_policy_handlers.PolicyHandlers(policies, account, clock),
        admin_policy_handlers.ResourcePolicyHandlers(resource_policies, clock),
        admin_policy_handlers.AttachmentHandlers(
            Attachments(store), users, groups, roles, policies
        ),
        admin_session_handlers.SessionHandlers(sessions, users, roles, service.metrics),
    )
    boundaries = {
        TargetKind.USER: user_handlers.find_boundary,
        TargetKind.ROLE: role_handlers.find_boundary,
    }
    return AdminSurface(gate, account, handlers, boundaries).methods


def _build_session_records(
    service: Service, plane: DataPlane, store: SqlStore, key_ring: KeyRing
) -> SessionRecords:
    return SessionRecords(
        store,
        service.clock,
        SessionKeys(key_ring),
        partial(check_document, kind=SESSION_POLICY),
        plane.authorizer.check_recent,
        max_duration=service.settings.session_max_duration,
    )


def build_sts(
    service: Service, plane: DataPlane, database: Database, key_ring: KeyRing
) -> SurfaceApp:
    """Build what answers STS clients on the HTTP port."""
    settings = service.settings
    surface = Sts(
        plane.sts_authenticator,
        plane.authorizer,
        plane.principals.roles,
        _build_session_records(service, plane, SqlStore(database), key_ring),
        service.metrics,
        service.clock,
        account=settings.account_id,
        max_duration=settings.session_max_duration,
    )
    return _build_surface_app(surface, settings)


def build_bucket_policies(service: Service, plane: DataPlane, database: Database) -> SurfaceApp:
    """Build what answers S3's requests about bucket policies on the HTTP port."""
    settings, clock = service.settings, service.clock
    store = SqlStore(database, on_commit=plane.refresher.hint)
    surface = BucketPolicies(
        plane.authenticator,
        plane.authorizer,
        plane.refresher,
        ResourcePolicies(store, clock, check_resource_document),
        _build_s3_mapping(settings),
        service.metrics,
        clock,
        anonymous=plane.anonymous,
        account=settings.account_id,
    )
    return _build_surface_app(surface, settings)


def _build_surface_app(surface: HttpSurface, settings: Settings) -> SurfaceApp:
    return SurfaceApp(
        surface,
        proxies=tuple(ip_network(network) for network in settings.trusted_proxies),
        trusted_hops=settings.trusted_hops,
    )


def _build_s3_mapping(settings: Settings) -> S3Mapping:
    is_minio = settings.s3_store == "minio"
    config = S3Config(
        domains=settings.s3_domains,
        endpoints=settings.s3_endpoints,
        keeps_leading_slash=settings.s3_keeps_leading_slash and not is_minio,
        refused_in_keys=MINIO_REFUSED_IN_KEYS if is_minio else (),
        requires_bodies=settings.s3_requires_bodies,
        unknown_subresources=MINIO_UNKNOWN if is_minio else frozenset(),
        refused_parameters=MINIO_PARAMETERS if is_minio else frozenset(),
    )
    return S3Mapping(config)


def _build_mappings(settings: Settings) -> dict[str, HttpMapping]:
    routes = _read_routes(settings.http_routes_file)
    return {S3: _build_s3_mapping(settings), **{one.name: RoutesMapping(one) for one in routes}}


def _read_routes(path: Path | None) -> Sequence[HttpRoutes]:
    if path is None:
        return ()
    try:
        return parse_mappings(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidError(f"{path} cannot be read as TOML: {error}") from None
    except ParseError as error:
        raise InvalidError(f"{path}: {error.message}") from None


def grpc_config(settings: Settings) -> GrpcConfig:
    """Return how the gRPC port is served."""
    return GrpcConfig(
        address=settings.grpc_address,
        max_message_bytes=settings.serving_max_message_bytes,
        max_concurrent_calls=settings.serving_max_concurrent_calls,
        grace_period=settings.serving_grace_period,
        drain_delay=settings.serving_drain_delay,
        with_reflection=settings.serving_reflection,
        tls_cert_file=settings.tls_cert_file,
        tls_key_file=settings.tls_key_file,
        tls_client_ca_file=settings.tls_client_ca_file,
    )


def open_database(settings: Settings, on_fault: Callable[[str], None] = lambda _: None) -> Database:
    """Open the database; `on_fault` is told the mode of each call that fails for good."""
    options = DatabaseOptions(
        pool_size=settings.store_pool_size, use_notify=settings.store_use_notify
    )
    return Database.open(settings.effective_database_url, options, on_fault)


@contextlib.contextmanager
def decision_stream(settings: Settings) -> Any:
    """Open where decisions are recorded, private to the owner when it is a file."""
    if settings.decision_log == "off":
        yield None
    elif settings.decision_log == "stdout":
        yield sys.stdout
    else:
        try:
            stream: TextIO = open(  # noqa: SIM115 - closed by the with below
                settings.decision_log, "a", encoding="utf-8", opener=_private
            )
        except OSError:
            raise InvalidError(
                f"the decision log {settings.decision_log} cannot be opened"
            ) from None
        with stream:
            yield stream


def _private(path: str, flags: int) -> int:
    return os_open(path, flags, 0o600)
