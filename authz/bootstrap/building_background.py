"""How what works in the background beside the surfaces is built: the questions to providers about their users.

Wiring only. Not here: its lifetime (`__init__.py`, `tasks.py`).
"""

from authz.bootstrap.service import Site
from authz.control.logins import Logins
from authz.federation.presence import PresenceCheck
from authz.store.sql.provider_checks import SqlProviderChecks
from authz.store.sql.store import SqlStore


def build_presence_check(site: Site) -> PresenceCheck | None:
    """Build what asks providers about their users, `None` where the settings say never."""
    service = site.service
    interval = service.settings.provider_check_interval
    if not interval:
        return None
    store = SqlStore(site.database, on_commit=site.plane.refresher.hint)
    return PresenceCheck(
        site.federation,
        Logins(store, service.clock),
        SqlProviderChecks(site.database).claim,
        service.metrics,
        service.clock,
        interval=interval,
    )
