"""Two replicas on one real PostgreSQL: what is changed through the one is enforced by the other.

Correctness and generous bounds only; `bench/freshness.py` prints how fast. `FRESHNESS_CHANGES` asks for more than a
few changes.
"""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import grpc
import pytest
from botocore.exceptions import ClientError

from bench.freshness import (
    ACTION,
    POLICY,
    RESOURCE,
    USER,
    Replicas,
    measure,
    prepare,
    replicas,
)
from tests.acceptance.stack import S3, Stack, make_user, s3_client
from tests.servers.admin_client import document, statement
from tests.servers.envoy import start_envoy
from tests.servers.postgres import PostgresServer
from tests.servers.processes import PATIENCE, wait_for

CHANGES = int(os.environ.get("FRESHNESS_CHANGES", "20"))  # noqa: TID251 - how long to try, not a setting

KILL_INTERVAL = 0.1
"""Seconds between two rounds of killing the database's connections, at first."""

STUBBORN = 90.0
"""Seconds for which a change is tried while connections are being killed."""


@pytest.fixture(scope="module")
def pair(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    with replicas(
        tmp_path_factory.mktemp("pair"), postgres.create_database("freshness")
    ) as running:
        prepare(running)
        yield running


def test_a_policy_detached_through_one_replica_is_enforced_by_the_other(
    pair: Replicas, stack: Stack, tmp_path: Path, bucket: str
) -> None:
    user = make_user(pair.writer, "boto-user")
    user.may(statement("Allow", "s3:ListBucket", f"arn:aws:s3:::{bucket}"))
    clusters = {"authz": [pair.reader.grpc_port], "store": [stack.store.port]}
    with start_envoy(tmp_path, clusters) as envoy:
        s3 = s3_client(envoy.url("s3"), user.credential)
        wait_for(lambda: may_list(s3, bucket), PATIENCE, "the first attachment")
        pair.writer.admin.detach(user.name, user.name)
        wait_for(lambda: not may_list(s3, bucket), PATIENCE, "the detachment")
        pair.writer.admin.attach(user.name, user.name)
        wait_for(lambda: may_list(s3, bucket), PATIENCE, "the second attachment")


def may_list(s3: S3, bucket: str) -> bool:
    try:
        s3.list_objects_v2(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDenied":
            raise
        return False
    return True


def test_every_change_is_enforced_by_the_other_replica(pair: Replicas) -> None:
    assert len(measure(pair, CHANGES)) == CHANGES


def test_a_write_is_read_by_the_other_replica_when_its_revision_is_demanded(pair: Replicas) -> None:
    for number in range(CHANGES):
        name = f"written-{number}"
        pair.writer.admin.create_policy(name, document(statement("Allow", "s3:*", RESOURCE)))
        pair.writer.admin.create_user(name)
        revision = pair.writer.admin.attach(name, name)
        assert pair.reader.admin.is_allowed(name, ACTION, RESOURCE, at_least_revision=revision)


def test_both_replicas_may_write_at_the_same_time(pair: Replicas) -> None:
    revisions: list[int] = []

    def write(server_number: int) -> None:
        admin = pair[server_number].admin
        revisions.extend(admin.create_user(f"both-{server_number}-{n}") for n in range(CHANGES))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # No revision is given twice, and none is left out.
    assert sorted(revisions) == list(range(min(revisions), min(revisions) + 2 * CHANGES))
    for server in pair:
        server.wait_for_revision(max(revisions))


def test_killing_the_databases_connections_loses_no_change(
    pair: Replicas, postgres: PostgresServer
) -> None:
    restarts = pair.reader.metric("authz_watch_restarts_total")
    with killing_connections(postgres) as killing:
        for number in range(CHANGES):
            change_stubbornly(pair, is_attached=bool(number % 2))
            ask_stubbornly(pair, is_allowed=bool(number % 2))
            killing.go_on()
    wait_for(
        lambda: pair.reader.metric("authz_watch_restarts_total") > restarts, PATIENCE, "a restart"
    )


def test_killing_only_the_listening_connections_loses_no_change(
    pair: Replicas, postgres: PostgresServer
) -> None:
    for number in range(CHANGES):
        postgres.kill_backends("%listener")
        change_stubbornly(pair, is_attached=bool(number % 2))
        ask_stubbornly(pair, is_allowed=bool(number % 2))


class killing_connections:  # noqa: N801 - reads as a verb in a with statement
    """Kills every client's connection again and again for as long as the context lasts.

    Each round comes twice as late as the one before it until the test goes on: whatever a change takes on this
    machine, there comes a pause that is long enough for it.
    """

    def __init__(self, postgres: PostgresServer) -> None:
        self._postgres = postgres
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._kill)
        self._interval = KILL_INTERVAL
        self.killed = 0

    def go_on(self) -> None:
        """Kill as often as in the beginning."""
        self._interval = KILL_INTERVAL

    def _kill(self) -> None:
        while not self._over.wait(self._interval):
            self._interval *= 2
            self.killed += self._postgres.kill_backends()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        assert self.killed


def change_stubbornly(pair: Replicas, *, is_attached: bool) -> None:
    """Attach or detach, again when the database is away, as a client is told to by UNAVAILABLE."""
    change = pair.writer.admin.attach if is_attached else pair.writer.admin.detach
    said = ""
    deadline = time.monotonic() + STUBBORN
    while time.monotonic() < deadline:
        try:
            change(POLICY, USER)
        except grpc.RpcError as error:
            # A change whose answer was lost has been made: detaching again finds nothing.
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            said = error.details() or ""
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(f"no change in {STUBBORN:g} s: {said}\n{pair.writer.process.log_tail()}")


def ask_stubbornly(pair: Replicas, *, is_allowed: bool) -> None:
    """Ask the reader until it answers like this; while the database is away it may not know."""

    def is_enforced() -> bool:
        try:
            return pair.reader.admin.is_allowed(USER, ACTION, RESOURCE) is is_allowed
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            return False

    wait_for(is_enforced, STUBBORN, "the change")


@pytest.fixture(scope="module")
def pair_without_notify(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replicas]:
    env = {"AUTHZ_STORE_USE_NOTIFY": "false", "AUTHZ_ACCESS_POLL_INTERVAL": "100ms"}
    directory = tmp_path_factory.mktemp("poll")
    with replicas(directory, postgres.create_database("freshness_poll"), env) as running:
        prepare(running)
        yield running


def test_without_notify_every_change_is_enforced_by_polling(pair_without_notify: Replicas) -> None:
    assert len(measure(pair_without_notify, CHANGES)) == CHANGES
