"""How what works in the background beside the surfaces is built: questions to providers, the sessions' trail.

Wiring only. Not here: its lifetime (`__init__.py`, `tasks.py`).
"""

from authz.access.entries import RootEntry
from authz.bootstrap.service import DataPlane, Service, Site
from authz.control.logins import Logins
from authz.control.session_trail import SessionTrail
from authz.federation.presence import PresenceCheck
from authz.store.sql.engine import Database
from authz.store.sql.provider_checks import SqlProviderChecks
from authz.store.sql.session_trail import SqlSessionTrail
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


def build_trail(service: Service, plane: DataPlane, database: Database) -> SessionTrail:
    """Build what keeps the trail of issued sessions."""
    root, metrics = plane.root.owner, service.metrics
    assert isinstance(root, RootEntry), "root's credential is root's"
    counters = {"written": metrics.session_trail_written, "dropped": metrics.session_trail_dropped}

    def count(what: str, number: int) -> None:
        counters[what].values[()] += number

    return SessionTrail(
        SqlSessionTrail(database),
        SqlStore(database),
        service.clock,
        count,
        roots=root.incarnations,
    )
