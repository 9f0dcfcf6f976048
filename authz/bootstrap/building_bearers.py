"""How what takes tokens and certificates in place of signatures is built, and the users they stand for.

Wiring only. Not here: the surfaces it is for (`building.py`, `building_http.py`).
"""

from authz.access.bearers import Bearers
from authz.bootstrap.service import Site
from authz.control.logins import Logins
from authz.serving.bearer_logins import BearerLogins
from authz.serving.external_users import ExternalUsers
from authz.store.sql.store import SqlStore


def build_bearer_logins(site: Site) -> BearerLogins:
    """Build what finds whose a token or a certificate is; all surfaces share one."""
    service, plane = site.service, site.plane
    bearers = Bearers(
        plane.policies,
        plane.providers,
        lambda: plane.refresher.applied,
        service.metrics,
        service.clock,
        limit=service.settings.access_cache_size,
    )
    return BearerLogins(
        site.federation,
        build_external_users(site),
        plane.principals,
        bearers,
        plane.authenticator,
        service.metrics,
        service.clock,
    )


def build_external_users(site: Site) -> ExternalUsers:
    """Build what finds and makes the users that logins are."""
    plane = site.plane
    store = SqlStore(site.database, on_commit=plane.refresher.hint)
    return ExternalUsers(
        Logins(store, site.service.clock),
        plane.principals,
        plane.policies,
        plane.refresher,
        account=site.service.settings.account_id,
    )
