"""How the control plane is built: the use cases, the methods in front of them, and the gate before those.

Wiring only. Not here: the data plane (`building.py`), STS (`building_http.py`).
"""

from functools import partial

from authz.bootstrap.documents import (
    check_document,
    check_resource_document,
    check_trust_document,
)
from authz.bootstrap.service import Site
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.login_outcomes import LoginOutcomes
from authz.control.policies import Policies as PolicyRecords
from authz.control.providers import Providers
from authz.control.resource_policies import ResourcePolicies
from authz.control.roles import Roles
from authz.control.sessions import Sessions as SessionRecords
from authz.control.users import Users
from authz.federation.checks import ProviderChecks
from authz.formats.iam_json import SERVICE_ACCOUNT_POLICY, SESSION_POLICY
from authz.formats.provider_configs import find_origin
from authz.identity.records import TargetKind
from authz.identity.session import SessionKeys
from authz.serving import (
    admin_handlers,
    admin_policy_handlers,
    admin_provider_handlers,
    admin_role_handlers,
    admin_session_handlers,
)
from authz.serving.admin import AdminSurface
from authz.serving.call import Methods
from authz.serving.gate import Gate
from authz.store.sql.store import SqlStore


def build_admin(site: Site, gate: Gate) -> Methods:
    """Build the methods of `authz.admin.v1` behind `gate`."""
    service, plane = site.service, site.plane
    account, clock = service.settings.account_id, service.clock
    # A write of our own needs no hint from the database to be seen here.
    store = SqlStore(site.database, on_commit=plane.refresher.hint)
    users = Users(store, clock, site.federation)
    groups = Groups(store, clock, site.federation)
    roles = Roles(store, clock, check_trust_document)
    policies = PolicyRecords(store, clock, check_document)
    access_keys = AccessKeys(
        store,
        clock,
        site.key_ring,
        partial(check_document, kind=SERVICE_ACCOUNT_POLICY),
        root_access_key_id=plane.root.id,
    )
    checks = ProviderChecks(clock)
    providers = Providers(
        store, clock, site.key_ring, checks.check, checks.check_kept_secret, find_origin
    )
    sessions = build_sessions(site, store)
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
            Attachments(store), users, groups, roles, providers, policies
        ),
        admin_session_handlers.SessionHandlers(
            sessions, site.trail, users, roles, providers, service.metrics
        ),
        admin_provider_handlers.ProviderHandlers(
            providers,
            LoginOutcomes(store),
            site.federation,
            site.login_limits,
            plane.refresher.wait_for,
            clock,
            account,
        ),
    )
    boundaries = {
        TargetKind.USER: user_handlers.find_boundary,
        TargetKind.ROLE: role_handlers.find_boundary,
    }
    return AdminSurface(gate, account, handlers, boundaries).methods


def build_sessions(site: Site, store: SqlStore) -> SessionRecords:
    """Build the use cases about sessions."""
    return SessionRecords(
        store,
        site.service.clock,
        SessionKeys(site.key_ring),
        partial(check_document, kind=SESSION_POLICY),
        site.plane.authorizer.check_recent,
        max_duration=site.service.settings.session_max_duration,
        note=site.trail.note,
    )
