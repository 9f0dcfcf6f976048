"""The decision log: who asked for what, and what was answered; one JSON object a line.

All denials are recorded, allows by sample. Records are queued as tuples and written behind by one task, so a
slow disk never slows a decision; when the queue is full, the newest are dropped and counted. Records carry ids
and names, never a secret, a signature, a token or a query string.

Not here: the service's own log (`logs.py`), or what changed in the store.
"""

import asyncio
import json
import random
from collections import deque
from typing import Any, Final, NamedTuple, TextIO

from authz.telemetry.metrics import Metrics

QUEUE_LIMIT: Final = 100_000
"""Most records waiting to be written; about 50 MiB."""

FLUSH_INTERVAL: Final = 0.2
"""Seconds between two writes; a crash loses at most this much."""


class DecisionRecord(NamedTuple):
    """One line of the log. `at` is epoch seconds; an empty text means "not known"."""

    at: float
    decision_id: str
    surface: str
    verdict: str
    reason: str
    code: str
    principal: str
    access_key_id: str
    action: str
    resource: str
    policy: str
    policy_version: int
    statement: int
    sid: str
    revision: int
    source_ip: str


class DecisionLog:
    """Takes records from the hot path and writes them behind."""

    def __init__(
        self, stream: TextIO | None, metrics: Metrics, *, allow_sample_rate: float
    ) -> None:
        """Write to `stream` (`None`: nowhere); keep each allow with probability `allow_sample_rate`."""
        self._stream = stream
        self._metrics = metrics
        self._allow_sample_rate = allow_sample_rate if stream is not None else 0.0
        self._queue: deque[DecisionRecord] = deque()

    def wants_allow(self) -> bool:
        """Tell whether this allow is in the sample; ask before building its record."""
        return self._allow_sample_rate > 0.0 and random.random() < self._allow_sample_rate  # noqa: S311 - a sample, not a secret

    def record(self, record: DecisionRecord) -> None:
        """Queue one record, or drop and count it where the queue is full."""
        if self._stream is None:
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self._metrics.decision_log_dropped.inc()
            return
        self._queue.append(record)

    async def run(self) -> None:
        """Write what is queued, again and again, until cancelled; then write the rest."""
        try:
            while True:
                await asyncio.sleep(FLUSH_INTERVAL)
                records = self._take()
                if records:
                    self._count(records, is_written=await asyncio.to_thread(self._write, records))
        finally:
            records = self._take()
            self._count(records, is_written=self._write(records))

    def _take(self) -> list[DecisionRecord]:
        taken = list(self._queue)
        self._queue.clear()
        return taken

    def _write(self, records: list[DecisionRecord]) -> bool:
        if self._stream is None:
            return False
        try:
            self._stream.write("".join(f"{render(record)}\n" for record in records))
            self._stream.flush()
        except (OSError, ValueError):
            return False
        return True

    def _count(self, records: list[DecisionRecord], *, is_written: bool) -> None:
        metrics = self._metrics
        counter = metrics.decision_log_written if is_written else metrics.decision_log_dropped
        counter.values[()] += len(records)


def render(record: DecisionRecord) -> str:
    """Return the record as one line of JSON without its empty fields; `statement` stays with `policy`."""
    without_policy = () if record.policy else ("policy_version", "statement")
    facts: dict[str, Any] = {"event": "decision"} | {
        name: value
        for name, value in record._asdict().items()
        if value != "" and name not in without_policy
    }
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
