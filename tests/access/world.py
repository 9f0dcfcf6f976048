"""The data plane over a real database, with a source whose reads a test can hold up or fail."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import asynccontextmanager
from inspect import isawaitable

from sqlalchemy import text

from authz.access.authenticator import Authenticator
from authz.access.authorizer import Asked, Authorizer
from authz.access.entries import KeyEntry, RoleEntry, RootEntry, UserEntry
from authz.access.policies import Policies
from authz.access.ports import ChangeKind
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.refresher import Refresher
from authz.access.revocation import RevokedSessions
from authz.access.sessions import Ended, Sessions
from authz.bootstrap.documents import POLICY_PARSERS, parse_trust_document
from authz.clock import ManualClock
from authz.control.ports import Written
from authz.control.resource_policies import ResourcePolicies
from authz.control.sessions import AssumedRole, IssuedSession, Parent
from authz.errors import UnavailableError
from authz.identity.credential import Secret
from authz.identity.principal import ANONYMOUS, root_principal
from authz.identity.session import SessionKeys
from authz.policy.arn import policy_arn, role_arn
from authz.policy.decision import Layer
from authz.policy.request import NO_FACTS, AccessRequest, Context
from authz.store.sql.change_log import Changes, append
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from authz.telemetry.decision_log import DecisionLog
from authz.telemetry.metrics import Metrics

ACCOUNT = "000000000000"
ROOT_ID = "ROOTROOTROOT"
ROOT_SECRET = b"root-secret-root-secret"
REGION = "us-east-1"
GET = "s3:GetObject"
PUT = "s3:PutObject"
BUCKET = "arn:aws:s3:::b"
OBJECT = f"{BUCKET}/k"
LONG = 600.0
"""Seconds that no test lives to see, however slow the machine: memory moves when the test says so, and nothing is
given up that is only slow."""
PATIENCE = 60.0
"""Seconds to wait for what comes in milliseconds on a machine that does nothing else."""


def policy(effect="Allow", action="*", resource="*") -> str:
    statement = {"Sid": "One", "Effect": effect, "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def bucket_policy(effect="Allow", action="*", principal="*", bucket=BUCKET) -> str:
    document = json.loads(policy(effect, action, [bucket, f"{bucket}/*"]))
    document["Statement"][0]["Principal"] = principal
    return json.dumps(document)


def trust(principal="*", action="sts:*", effect="Allow", condition=None) -> str:
    statement = {"Effect": effect, "Principal": principal, "Action": action}
    statement |= {"Condition": condition} if condition else {}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class Pause:
    """One read that has its answer already and does not hand it over before it is told to."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.released = asyncio.Event()


class HeldSource:
    """A real source; `calls` counts reads, `hold` stops the next one, `is_lost` fails them all."""

    def __init__(self, real: SqlSource) -> None:
        self.real = real
        self.calls: Counter[str] = Counter()
        self.is_lost = False
        self._holds: dict[str, deque[Pause]] = {}
        self._called: dict[str, asyncio.Event] = {}

    def hold(self, method: str) -> Pause:
        pause = Pause()
        self._holds.setdefault(method, deque()).append(pause)
        return pause

    async def called(self, method: str) -> None:
        """Wait until a read has begun at least once."""
        await self._called.setdefault(method, asyncio.Event()).wait()

    async def _pass(self, method, *arguments):
        self.calls[method] += 1
        self._called.setdefault(method, asyncio.Event()).set()
        if self.is_lost:
            raise UnavailableError("the database cannot be reached or refused the call")
        answer = await getattr(self.real, method)(*arguments)
        if self._holds.get(method):
            pause = self._holds[method].popleft()
            pause.reached.set()
            await pause.released.wait()
        return answer

    async def revision(self):
        return await self._pass("revision")

    async def changes_after(self, revision, limit):
        return await self._pass("changes_after", revision, limit)

    async def load_policies(self, *wanted):
        return await self._pass("load_policies", *wanted)

    async def find_access_key(self, access_key_id):
        return await self._pass("find_access_key", access_key_id)

    async def find_user(self, name):
        return await self._pass("find_user", name)

    async def find_user_by_id(self, user_id):
        return await self._pass("find_user_by_id", user_id)

    async def find_role(self, name):
        return await self._pass("find_role", name)

    async def find_role_by_id(self, role_id):
        return await self._pass("find_role_by_id", role_id)

    async def list_users(self, after, limit):
        return await self._pass("list_users", after, limit)

    async def hints(self):
        self.calls["hints"] += 1
        if self.is_lost:
            raise UnavailableError("the connection that hears of changes ended")
        async for hint in self.real.hints():
            yield hint
            if self.is_lost:
                raise UnavailableError("the connection that hears of changes ended")


class World:
    """Everything of the data plane, following one database."""

    def __init__(
        self,
        database,
        control,
        *,
        limit=1000,
        concurrent_loads=16,
        wait_limit=LONG,
        max_staleness=300.0,
        remembered=100,
        work_limit=LONG,
        root_secret=ROOT_SECRET,
    ):
        self.database = database
        self.control = control
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.source = HeldSource(SqlSource(database))
        parse_of_resource = POLICY_PARSERS[Layer.RESOURCE_POLICY]
        self.resource_policies = ResourcePolicies(
            SqlStore(database), control.clock, lambda document, _: parse_of_resource(document)
        )
        self.policies = Policies(
            POLICY_PARSERS, lambda stored: policy_arn(ACCOUNT, stored.name), parse_trust_document
        )
        self.principals = Principals(
            self.source, self.policies, control.ring, self.metrics,
            account=ACCOUNT, limit=limit, concurrent_loads=concurrent_loads,
        )  # fmt: skip
        self.revoked = RevokedSessions(self.clock)
        self.providers = Providers()
        self.refresher = Refresher(
            self.source, self.policies, self.principals, self.revoked, self.providers,
            self.metrics, self.clock, poll_interval=LONG, wait_limit=wait_limit,
        )  # fmt: skip
        log = DecisionLog(None, self.metrics, allow_sample_rate=0.0)
        self.authorizer = Authorizer(
            self.policies,
            self.refresher,
            log,
            self.metrics,
            self.clock,
            max_staleness=max_staleness,
            remembered=remembered,
            work_limit=work_limit,
        )
        nothing = self.policies.handle((), ())
        self.session_keys = SessionKeys(control.ring)
        secret = Secret(root_secret.decode())
        incarnations = self.session_keys.incarnate_root(ACCOUNT, ROOT_ID, secret)
        owner = RootEntry(root_principal(ACCOUNT), nothing, incarnations)
        self.root = KeyEntry(ROOT_ID, root_secret, owner, is_enabled=True)
        self.anonymous = UserEntry(ANONYMOUS, nothing, is_enabled=True)
        self.sessions = Sessions(
            self.session_keys, self.policies, self.principals,
            Ended(self.revoked, self.providers), owner, self.metrics, self.clock, limit=limit,
        )  # fmt: skip
        self.authenticator = Authenticator(
            self.principals, self.sessions, self.root, regions=frozenset({REGION})
        )

    async def settle(self) -> int:
        """Let memory reach what is committed now."""
        revision = await self.source.real.revision()
        await self.refresher.wait_for(revision)
        return revision

    async def user(self, name="alice") -> UserEntry | None:
        return self.principals.find_user(name) or await self.principals.load_user(name)

    async def key(self, access_key_id) -> KeyEntry | None:
        return self.principals.find_key(access_key_id) or await self.principals.load_key(
            access_key_id
        )

    async def role(self, name="auditor") -> RoleEntry | None:
        roles = self.principals.roles
        return roles.find(name) or await roles.load(name)

    async def assumed(self, name="auditor", caller=None, session="s1", **more) -> IssuedSession:
        """Issue a session of a role, without asking whether `caller` (a stranger for `None`) may have it."""
        stored = await self.control.roles.get(name)
        role = AssumedRole(id=stored.id, max_session_duration=stored.max_session_duration)
        caller = caller or Parent(
            principal_id="AIDASTRANGER", expires_at=None, is_narrowed=False, is_session=False
        )
        return await self.control.sessions.assume(role, caller, name=session, **more)

    async def session(self, name="alice", **more) -> IssuedSession:
        """Issue a session of a user, or of root for an empty name."""
        root = self.root.owner.incarnation
        parent_id = (await self.control.users.get(name)).id if name else root
        parent = Parent(
            principal_id=parent_id, expires_at=None, is_narrowed=False, is_session=False
        )
        return await self.control.sessions.issue(parent, **more)

    async def credential(self, issued: IssuedSession) -> KeyEntry | None:
        """Return the credential of a session, from memory or loaded."""
        proof = issued.session.access_key_id, issued.token
        return self.authenticator.find_credential(
            *proof
        ) or await self.authenticator.load_credential(*proof)

    def decide(self, entry: UserEntry, action=GET, resource=OBJECT):
        context = Context(entry.principal.facts, NO_FACTS, NO_FACTS, self.clock.now())
        request = AccessRequest(entry.principal, action, resource, context)
        age = self.authorizer.check_age()
        return self.authorizer.authorize(entry, [request], Asked("test"), age).decision

    def decide_trust(
        self, entry: UserEntry, role: RoleEntry | None, action="sts:AssumeRole", **facts
    ):
        context = Context(entry.principal.facts, NO_FACTS, facts, self.clock.now())
        arn = role_arn(ACCOUNT, "none") if role is None else role.principal.arn
        request = AccessRequest(entry.principal, action, arn, context)
        age = self.authorizer.check_age()
        return self.authorizer.authorize_assuming(
            entry, role, [request], Asked("test"), age
        ).decision

    async def can(self, name="alice", action=GET, resource=OBJECT) -> bool:
        entry = await self.user(name)
        return entry is not None and self.decide(entry, action, resource).is_allowed

    async def by_sql(self, statement: str, *changed: tuple[ChangeKind, str], **values) -> int:
        """Change a record behind everybody's back, and log it as changed."""

        async def work(connection):
            await connection.execute(text(statement), values)
            changes = Changes()
            for kind, key in changed:
                changes.note(kind, key)
            return await append(connection, changes) if changed else 0

        return await self.database.write(work)

    def count(self, family, *labels) -> float:
        return getattr(self.metrics, family).values.get(labels, 0.0)


class InTransaction:
    """The store as one open transaction, so that many use cases commit at once."""

    def __init__(self, unit) -> None:
        self._unit = unit

    async def write(self, change):
        return Written(await change(self._unit), 0)

    async def read(self, question):
        return await question(self._unit)


async def until(check: Callable[[], object]) -> None:
    """Wait until `check`, which may have to ask, says yes; what does not in all that time never will."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = check()
            if await answer if isawaitable(answer) else answer:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def following(world: World):
    """Follow the change log inside this context."""
    task = asyncio.create_task(world.refresher.run())
    try:
        await until(lambda: world.refresher.applied >= 0)
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
