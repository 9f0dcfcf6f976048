"""The decision log: what a line says, and that it never holds up or breaks anything."""

import asyncio
import io
import json

from authz.telemetry import decision_log
from authz.telemetry.decision_log import DecisionLog, DecisionRecord, render
from authz.telemetry.metrics import Metrics


def a_record(**changes) -> DecisionRecord:
    facts = {
        "at": 1_700_000_000.0, "decision_id": "D1", "surface": "ext_authz",
        "verdict": "EXPLICITLY_DENIED", "reason": "STATEMENT", "code": "",
        "principal": "arn:aws:iam::000000000000:user/alice", "access_key_id": "AKIA",
        "action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", "policy": "arn:p",
        "policy_version": 2, "statement": 0, "sid": "", "revision": 7, "source_ip": "127.0.0.1",
    }  # fmt: skip
    return DecisionRecord(**(facts | changes))


async def written_by(log: DecisionLog, stream: io.StringIO, *records: DecisionRecord) -> list[dict]:
    task = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    for record in records:
        log.record(record)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_a_record_is_one_line_of_json_with_what_is_known():
    stream, metrics = io.StringIO(), Metrics()
    log = DecisionLog(stream, metrics, allow_sample_rate=0.0)
    [line] = await written_by(log, stream, a_record())
    assert line["event"] == "decision"
    assert line["statement"] == 0
    assert "sid" not in line
    assert metrics.decision_log_written.values[()] == 1


def test_without_a_policy_there_is_no_statement_to_point_to():
    line = json.loads(render(a_record(policy="", reason="NO_MATCH")))
    assert "statement" not in line
    assert "policy_version" not in line


def test_a_line_break_in_a_resource_does_not_forge_a_second_line():
    assert "\n" not in render(a_record(resource='arn:aws:s3:::b/k"}\n{"verdict":"ALLOWED'))


async def test_a_full_queue_drops_and_counts(monkeypatch):
    monkeypatch.setattr(decision_log, "QUEUE_LIMIT", 2)
    stream, metrics = io.StringIO(), Metrics()
    log = DecisionLog(stream, metrics, allow_sample_rate=0.0)
    lines = await written_by(log, stream, *[a_record()] * 5)
    assert len(lines) == 2
    assert metrics.decision_log_dropped.values[()] == 3


async def test_a_stream_that_cannot_be_written_loses_records_and_nothing_else():
    stream, metrics = io.StringIO(), Metrics()
    log = DecisionLog(stream, metrics, allow_sample_rate=0.0)
    stream.close()
    task = asyncio.create_task(log.run())
    await asyncio.sleep(0)
    log.record(a_record())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert metrics.decision_log_dropped.values[()] == 1


def test_allows_are_recorded_by_their_share():
    stream, metrics = io.StringIO(), Metrics()
    assert not DecisionLog(stream, metrics, allow_sample_rate=0.0).wants_allow()
    assert DecisionLog(stream, metrics, allow_sample_rate=1.0).wants_allow()
    assert not DecisionLog(None, metrics, allow_sample_rate=1.0).wants_allow()
