"""Keeps memory in step with the store, exactly and quickly.

One task reads the change log; everything else only wakes it: a hint from the database (`LISTEN/NOTIFY`, a
change counter), a write of our own, a caller that needs a revision, or the poll interval, which is the
backstop when hints are lost. Changes are read outside and applied in one synchronous step, so a request
sees all of a revision or none of it.

A second task holds the connection that hears hints. It is expected to die: it is opened again with a jittered
backoff, and after each opening the log is read, because what was announced meanwhile was not heard.

Not here: what a change means to those that hold something (`principals.py`, `policies.py`, `revocation.py`), or
SQL (`store/sql`).
"""

import asyncio
import random
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Final, NamedTuple

from authz.access.policies import Policies
from authz.access.ports import At, Change, ChangeBatch, ChangeKind, Source, StoredPolicies
from authz.access.principals import Principals
from authz.access.providers import Providers
from authz.access.revocation import RevokedSessions
from authz.clock import Clock
from authz.errors import AuthzError, UnavailableError
from authz.telemetry.logs import get_logger
from authz.telemetry.metrics import Metrics

BATCH_LIMIT: Final = 5_000
"""Rows of the change log read at once."""

REMEMBERED_CHANGES: Final = 20_000
"""Applied changes kept for loads that overlap them."""

BACKOFF_START: Final = 0.05
BACKOFF_LIMIT: Final = 5.0
"""Seconds between tries while the database is away: first and longest, each doubled, each jittered."""


ALIGN_ATTEMPTS: Final = 10
"""Times changed documents are read again because more was written meanwhile, before all is loaded anew."""

_OF_DOCUMENTS: Final = (ChangeKind.POLICY, ChangeKind.RESOURCE_POLICY, ChangeKind.PROVIDER)
_NO_DOCUMENTS: Final = StoredPolicies((), ())


class _Changed(NamedTuple):
    """What changed of all that is held: policies by id, those of resources by ARN, providers by id."""

    ids: frozenset[str]
    resources: frozenset[str]
    providers: frozenset[str]


class _Step(NamedTuple):
    """What brings memory from one revision to a later one: changes, and the changed documents as of then."""

    revision: int
    changes: list[Change]
    changed: _Changed
    stored: StoredPolicies
    is_truncated: bool


class Refresher:
    """Follows the change log. `applied` is the revision memory stands at, -1 before the first load."""

    def __init__(
        self,
        source: Source,
        policies: Policies,
        principals: Principals,
        revoked: RevokedSessions,
        providers: Providers,
        metrics: Metrics,
        clock: Clock,
        *,
        poll_interval: float,
        wait_limit: float,
    ) -> None:
        """Poll every `poll_interval` seconds; let `wait_for` wait at most `wait_limit` seconds."""
        self.applied = -1
        self.verified_at = float("-inf")
        self._source = source
        self._policies = policies
        self._principals = principals
        self._revoked = revoked
        self._providers = providers
        self._metrics = metrics
        self._clock = clock
        self._poll_interval = poll_interval
        self._wait_limit = wait_limit
        self._wake = asyncio.Event()
        self._waiting: set[tuple[int, asyncio.Future[None]]] = set()
        self._remembered: deque[Change] = deque(maxlen=REMEMBERED_CHANGES)
        self._remembered_from = -1
        self._log = get_logger("access")
        self._is_reachable = True
        principals.follow(self)
        metrics.revision.read_from(lambda: self.applied)
        metrics.snapshot_age.read_from(self.age)
        metrics.policies.read_from(lambda: len(policies))
        metrics.resource_policies.read_from(policies.count_of_resources)
        metrics.quarantined_policies.read_from(policies.count_quarantined)

    # --- what others ask ---

    def age(self) -> float:
        """Return the seconds since memory was last confirmed to be the newest.

        Infinite before the first load.
        """
        return self._clock.monotonic() - self.verified_at

    def hint(self, revision: int) -> None:
        """Say that `revision` may exist (0: something may); reads the log if memory is behind it."""
        if revision == 0 or revision > self.applied:
            self._wake.set()

    async def wait_for(self, revision: int) -> None:
        """Return once `applied` has reached `revision`.

        Raises `UnavailableError` when that takes longer than the wait limit.
        """
        if revision <= self.applied:
            return
        waiter = (revision, asyncio.get_running_loop().create_future())
        self._waiting.add(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(self._wait_limit):
                await waiter[1]
        except TimeoutError:
            raise UnavailableError(
                f"revision {revision} has not arrived here yet; this replica is at {self.applied}"
            ) from None
        finally:
            self._waiting.discard(waiter)

    def changes_since(self, revision: int) -> Iterable[Change] | None:
        """Return the applied changes after `revision`, or `None` when they are no longer remembered."""
        if revision < self._remembered_from:
            return None
        return takewhile(lambda change: change.revision > revision, reversed(self._remembered))

    # --- the two tasks ---

    async def run(self) -> None:
        """Follow the log until cancelled; never ends by itself."""
        backoff = BACKOFF_START
        while True:
            try:
                while await self._catch_up():
                    pass
            except AuthzError as error:
                self._report_lost(error)
                await asyncio.sleep(_jittered(backoff))
                backoff = min(2 * backoff, BACKOFF_LIMIT)
                continue
            backoff = BACKOFF_START
            self._report_back()
            await self._sleep()

    async def listen(self) -> None:
        """Hear hints until cancelled, opening the connection again whenever it dies."""
        backoff = BACKOFF_START
        is_lost = False
        while True:
            try:
                async for revision in self._source.hints():
                    if is_lost:
                        self._log.info("hints_back")
                    backoff, is_lost = BACKOFF_START, False
                    self.hint(revision)
            except AuthzError as error:
                if not is_lost:
                    self._log.warning("hints_lost", problem=error.message)
                is_lost = True
            except Exception:  # noqa: BLE001 - a driver's surprise must not end what polling keeps going
                self._log.exception("hints_failed")
                is_lost = True
            self._metrics.watch_restarts.inc()
            await asyncio.sleep(_jittered(backoff))
            backoff = min(2 * backoff, BACKOFF_LIMIT)
            self.hint(0)

    async def _sleep(self) -> None:
        try:
            async with asyncio.timeout(self._poll_interval):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _catch_up(self) -> bool:
        """Apply what the log has after `applied`; tell whether more follows."""
        # Before the read: what is committed during it may or may not be in it.
        asked_at = self._clock.monotonic()
        if self.applied < 0:
            await self._load_all()
            is_truncated = False
        else:
            batch = await self._source.changes_after(self.applied, BATCH_LIMIT)
            step = await self._align(batch)
            if step is None:
                self._metrics.resyncs.inc()
                self._log.warning("change_log_gap", applied=self.applied)
                await self._load_all()
                is_truncated = False
            else:
                self._apply(step)
                is_truncated = step.is_truncated
        if not is_truncated:
            self.verified_at = asked_at
        return is_truncated

    async def _load_all(self) -> None:
        stored = await self._source.load_policies()
        self._policies.replace_all(stored.value)
        self._principals.forget_all()
        self._revoked.replace_all(stored.value.revoked)
        self._providers.replace_all(stored.value.providers)
        self._remembered.clear()
        self._remembered_from = stored.revision
        self._advance(stored.revision)
        self._log.info(
            "policies_loaded",
            revision=stored.revision,
            policies=len(stored.value.managed),
            resource_policies=len(stored.value.of_resources),
        )

    async def _align(self, batch: ChangeBatch) -> _Step | None:
        """Read the documents that `batch` changes, and whatever was changed before that read.

        Documents are read later than the log, so they may be newer than its last row. Showing one before the
        changes that came ahead of it would show a state that never was: a policy widened by someone who had
        attached a deny first. `None` where only a full reload gives one state.
        """
        changes: list[Change] = []
        loaded = _changed(())
        stored = At(-1, _NO_DOCUMENTS)
        for _ in range(ALIGN_ATTEMPTS):
            if batch.is_gap or len(changes) > REMEMBERED_CHANGES:
                return None
            changes += batch.changes
            of_documents = [c for c in changes if c.kind in _OF_DOCUMENTS]
            newest = max((c.revision for c in of_documents), default=-1)
            changed = _changed(of_documents)
            if changed != loaded or newest > stored.revision:
                stored = await self._source.load_policies(*changed)
                loaded = changed
            if newest <= stored.revision <= batch.revision or not of_documents:
                return _Step(batch.revision, changes, changed, stored.value, batch.is_truncated)
            batch = await self._source.changes_after(batch.revision, BATCH_LIMIT)
        return None

    def _apply(self, step: _Step) -> None:
        # Nothing awaits: the whole step becomes visible at once.
        if any(step.changed):
            self._policies.replace(step.changed.ids, step.changed.resources, step.stored)
            self._providers.replace(step.changed.providers, step.stored.providers)
        self._principals.forget(step.changes)
        for change in step.changes:
            if change.kind is ChangeKind.SESSION:
                self._revoked.add(change.key)
        self._remember(step.changes)
        self._metrics.changes_applied.values[()] += len(step.changes)
        self._advance(step.revision)

    def _remember(self, changes: Iterable[Change]) -> None:
        for change in changes:
            if len(self._remembered) == REMEMBERED_CHANGES:
                # INVARIANT: every applied change after `_remembered_from` is remembered.
                self._remembered_from = self._remembered[0].revision
            self._remembered.append(change)

    def _advance(self, revision: int) -> None:
        self.applied = revision
        for needed, future in self._waiting:
            if needed <= revision and not future.done():
                future.set_result(None)

    def _report_lost(self, error: AuthzError) -> None:
        if self._is_reachable:
            self._is_reachable = False
            self._log.error("database_lost", problem=error.message, applied=self.applied)

    def _report_back(self) -> None:
        if not self._is_reachable:
            self._is_reachable = True
            self._log.info("database_back", applied=self.applied)


def _changed(changes: Sequence[Change]) -> _Changed:
    return _Changed._make(
        frozenset(change.key for change in changes if change.kind is kind) for kind in _OF_DOCUMENTS
    )


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing
