"""Migrated, empty stores over both databases; conftests import the fixtures they want from here."""

import asyncio
import shutil
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from authz.clock import ManualClock
from authz.control.access_keys import AccessKeys
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.logins import Logins
from authz.control.policies import Policies
from authz.control.ports import Store
from authz.control.providers import Providers
from authz.control.resource_policies import ResourcePolicies
from authz.control.roles import Roles
from authz.control.session_trail import SessionTrail, TrailRecords
from authz.control.sessions import Sessions
from authz.control.users import Users
from authz.errors import InvalidError, UnavailableError
from authz.formats.iam_json import (
    SERVICE_ACCOUNT_POLICY,
    SESSION_POLICY,
    TRUST_POLICY,
    parse_policy,
)
from authz.identity.sealing import KEY_SIZE, KeyRing
from authz.identity.session import SessionKeys
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.session_trail import SqlSessionTrail
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.servers.postgres import PostgresServer

__all__ = [
    "control",
    "database",
    "database_url",
    "migrated_file",
    "migrated_template",
    "new_url",
    "source",
    "store",
]

BACKENDS = ("sqlite", "postgresql")
PATIENCE = 60.0
"""Seconds: what takes milliseconds may take longer on a loaded machine, and is no outage yet."""
OPTIONS = DatabaseOptions(
    connect_timeout=PATIENCE,
    command_timeout=PATIENCE,
    pool_timeout=PATIENCE,
    busy_timeout=PATIENCE,
    sqlite_poll_interval=0.01,
    heartbeat_interval=0.2,
    heartbeat_timeout=10.0,
)
ROOT_ACCESS_KEY_ID = "ROOTROOTROOT"
ROOT_ID = "123456789012:root"
MAX_DURATION = 43_200.0
ALLOW_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
TRUST = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"AWS":"arn:aws:iam::123456789012:user/alice"}}]}'
)
TRUST_ROOT = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",'
    '"Principal":{"AWS":"123456789012"}}]}'
)
DENY_ALL = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'


class LowerCaseNames:
    """Spells names as a provider might that knows no case."""

    def canonical_user(self, provider, name):
        return name.lower()

    canonical_group = canonical_user


def _check_config(kind, config, has_secret):
    if not config.startswith("{"):
        raise InvalidError("the configuration is no object", field="config")


class Control:
    """All use cases over one store."""

    def __init__(self, store: SqlStore) -> None:
        self.store: Store = store
        self.clock = ManualClock()
        self.ring = KeyRing({"k1": bytes(range(KEY_SIZE))})
        self.users = Users(store, self.clock, LowerCaseNames())
        self.groups = Groups(store, self.clock, LowerCaseNames())
        self.providers = Providers(store, self.clock, self.ring, _check_config)
        self.logins = Logins(store, self.clock)
        self.roles = Roles(store, self.clock, partial(parse_policy, kind=TRUST_POLICY))
        self.policies = Policies(store, self.clock, parse_policy)
        self.resource_policies = ResourcePolicies(
            store, self.clock, lambda document, _resource: parse_policy(document)
        )
        self.access_keys = AccessKeys(
            store,
            self.clock,
            self.ring,
            partial(parse_policy, kind=SERVICE_ACCOUNT_POLICY),
            root_access_key_id=ROOT_ACCESS_KEY_ID,
        )
        self.counted: Counter[str] = Counter()
        self.trail_records: TrailRecords = SqlSessionTrail(store._database)
        self.trail = SessionTrail(
            self.trail_records, store, self.clock,
            lambda what, number: self.counted.update({what: number}), roots=(ROOT_ID,),
        )  # fmt: skip
        self.sessions = Sessions(
            store,
            self.clock,
            SessionKeys(self.ring),
            partial(parse_policy, kind=SESSION_POLICY),
            self._check_recent,
            max_duration=MAX_DURATION,
            note=self.trail.note,
        )
        self.attachments = Attachments(store)
        self.oldest = 0.0
        """How old memory is where sessions are issued, in seconds."""

    def _check_recent(self, limit: float) -> None:
        if self.oldest > limit:
            raise UnavailableError("memory is too old")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file to copy; migrating one for every test would take most of the time."""
    path = tmp_path_factory.mktemp("migrated") / "authz.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """The name of a migrated, empty database in PostgreSQL to copy."""
    name = f"template_{uuid.uuid4().hex}"
    _migrate(postgres.create_database(name))
    return name


def _migrate(url: str) -> None:
    async def migrate() -> None:
        async with Database.open(url, OPTIONS) as database:
            await database.migrate(now=0.0, canned=())

    asyncio.run(migrate())


@pytest.fixture(params=BACKENDS)
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make URLs of databases that are empty: no schema yet, or `is_migrated`, with schema and nothing in it."""
    made: list[str] = []

    def make(*, is_migrated: bool = False) -> str:
        name = f"t{uuid.uuid4().hex}"
        if request.param == "sqlite":
            path = tmp_path / f"{name}.db"
            if is_migrated:
                shutil.copyfile(request.getfixturevalue("migrated_file"), path)
            return f"sqlite:///{path}"
        template = request.getfixturevalue("migrated_template") if is_migrated else ""
        made.append(name)
        return request.getfixturevalue("postgres").create_database(name, template)

    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    yield make
    for name in made:
        server: PostgresServer = request.getfixturevalue("postgres")
        server.drop_database(name)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, new_url: Callable[..., str]) -> str:
    """The URL of the test's `database`, or where it takes none of an empty one."""
    return new_url(is_migrated="database" in request.fixturenames)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database.open(database_url, OPTIONS) as opened:
        yield opened


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database)


@pytest.fixture
def source(database: Database) -> SqlSource:
    return SqlSource(database)


@pytest.fixture
def control(store: SqlStore) -> Control:
    return Control(store)
