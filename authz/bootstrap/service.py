"""A running service as its parts and its tests see it: what decides, its ports, and what is wrong.

Not here: how the parts are built (`building.py`), and when (`__init__.py`).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.policies import Policies
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.refresher import Refresher
from authz.clock import Clock
from authz.control.session_trail import SessionTrail
from authz.federation.registry import Registry
from authz.identity.sealing import KeyRing
from authz.serving.call import Methods
from authz.serving.login_limits import LoginLimits
from authz.settings import Settings
from authz.store.sql.engine import Database
from authz.telemetry.metrics import Metrics


class DataPlane(NamedTuple):
    """What decides: everything that is in memory, and what keeps it fresh.

    `sts_authenticator` takes signatures without a region besides.
    """

    policies: Policies
    principals: Principals
    providers: Providers
    refresher: Refresher
    authorizer: Authorizer
    authenticator: Authenticator
    sts_authenticator: Authenticator
    root: KeyEntry
    anonymous: UserEntry


class Service:
    """A running service: its ports as really bound, its surfaces, and what keeps it from answering."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        self.settings = settings
        self.metrics = metrics
        self.clock = clock
        self.schema_problem = "the database has not been reached yet"
        self.is_stopping = False
        self.has_failed = False
        self.grpc_port = 0
        self.http_port = 0
        self.data_plane: DataPlane | None = None
        self.surfaces: Mapping[str, Methods] = {}

    def problems(self) -> Sequence[str]:
        """Return why new requests should not come here now, empty when they may."""
        if self.is_stopping:
            return ["the service is stopping"]
        if self.schema_problem:
            return [self.schema_problem]
        assert self.data_plane is not None
        if self.data_plane.refresher.applied < 0:
            return ["the policies have not been loaded yet"]
        age = self.data_plane.refresher.age()
        if age > self.settings.access_max_staleness:
            return [f"the state in memory was last confirmed {age:.0f} seconds ago"]
        return []

    def stop(self) -> None:
        """Say from now on that new requests should go elsewhere."""
        self.is_stopping = True


class Site(NamedTuple):
    """What the surfaces are built of, once it is there itself.

    There is one count of attempts to log in, wherever they are made.
    """

    service: Service
    plane: DataPlane
    database: Database
    key_ring: KeyRing
    federation: Registry
    login_limits: LoginLimits
    trail: SessionTrail
