"""The background of a running service: named tasks, watched, and the wait for a usable database.

Not here: what the tasks do (`access/refresher.py`, `telemetry/decision_log.py`, `serving/grpc/server.py`).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from authz.access.refresher import Refresher
from authz.bootstrap.service import Service
from authz.errors import AuthzError
from authz.store.sql.engine import Database
from authz.store.sql.schema import SchemaState
from authz.telemetry import logs

SCHEMA_RETRY: Final = 0.5
"""Seconds between looks at a database that is away or not migrated yet."""


class Tasks:
    """Named background tasks; one that ends unexpectedly is reported and stops the service."""

    def __init__(self, service: Service, stop: asyncio.Event | None) -> None:
        self._service = service
        self._stop = stop
        self._tasks: list[asyncio.Task[None]] = []
        self._log = logs.get_logger("bootstrap")

    def start(self, work: Any, name: str) -> None:
        """Run the coroutine `work` in the background under this name."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            return
        self._log.error("task_ended_unexpectedly", task=task.get_name(), exc_info=task.exception())
        self._service.has_failed = True
        if self._stop is not None:
            self._stop.set()

    async def cancel(self) -> None:
        """End every task and wait for the last."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def supervised(service: Service, stop: asyncio.Event | None) -> AsyncIterator[Tasks]:
    """Keep tasks for as long as the context lasts; set `stop` when one ends on its own."""
    tasks = Tasks(service, stop)
    try:
        yield tasks
    finally:
        await tasks.cancel()


async def follow(service: Service, database: Database, refresher: Refresher) -> None:
    """Wait for a database with the right schema, then follow its change log."""
    log = logs.get_logger("bootstrap")
    while True:
        problem = await _schema_problem(service, database)
        if not problem:
            break
        if problem != service.schema_problem:
            log.warning("not_ready", problem=problem)
        service.schema_problem = problem
        await asyncio.sleep(SCHEMA_RETRY)
    service.schema_problem = ""
    await refresher.run()


async def _schema_problem(service: Service, database: Database) -> str:
    try:
        state = await database.schema_state()
        # The embedded database belongs to this software alone, so nobody else would migrate it; and it is
        # migrated at every start, because a new version may bring other canned policies with the same schema.
        if state is not SchemaState.UNKNOWN and not database.is_postgresql:
            await database.migrate(now=service.clock.now())
            return ""
    except AuthzError as error:
        return f"the database cannot be used: {error.message}"
    if state is SchemaState.BEHIND:
        return "the database's schema is older than this software; run `authz migrate`"
    if state is SchemaState.UNKNOWN:
        return "the database's schema is newer than this software; upgrade it"
    return ""
