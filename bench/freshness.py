"""How soon a second replica enforces a change: two `authz serve` on one real PostgreSQL.

Run as `python -m bench.freshness [CHANGES]`. A policy is detached from a user and attached again, through the
one replica; the other is asked until it answers accordingly. The time counts from the moment the write is
answered, so a reader that was told at once reads as the time of one call. Twice: with NOTIFY, and with
the poll interval alone. Revoked sessions are measured with NOTIFY (`revocations.py`).

The tests import `replicas` and `measure` and assert correctness; numbers are only printed here.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.revocations import WAYS, revocations
from tests.servers.admin_client import document, statement
from tests.servers.authz_server import AuthzServer, migrate, start_authz
from tests.servers.postgres import running_postgres

CHANGES = 200
POLL_INTERVAL = 0.25
"""Seconds between looks at the change log where there is no NOTIFY; the default is 1."""

LIMIT = 60.0
"""Seconds after which a change counts as lost."""

USER, POLICY = "freshness", "freshness"
ACTION, RESOURCE = "s3:GetObject", "arn:aws:s3:::freshness/key"


class Replicas(NamedTuple):
    """Two servers on one database: changes go through the one, questions to the other."""

    writer: AuthzServer
    reader: AuthzServer


@contextmanager
def replicas(
    directory: Path, database_url: str, env: Mapping[str, str] | None = None
) -> Iterator[Replicas]:
    """Migrate the database and start two servers on it; they share the key ring in `directory`."""
    migrate(directory, database_url)
    settings = {"AUTHZ_DATABASE_URL": database_url, "AUTHZ_DECISION_LOG": "off", **(env or {})}
    with (
        start_authz(directory, name="authz-1", env=settings) as writer,
        start_authz(directory, name="authz-2", env=settings) as reader,
    ):
        yield Replicas(writer, reader)


def prepare(pair: Replicas) -> None:
    """Create the user and the policy that `measure` attaches and detaches, and let the reader know them."""
    admin = pair.writer.admin
    admin.create_user(USER)
    admin.create_policy(POLICY, document(statement("Allow", ACTION, RESOURCE)))
    revision = admin.attach(POLICY, USER)
    if not pair.reader.admin.is_allowed(USER, ACTION, RESOURCE, at_least_revision=revision):
        raise RuntimeError("the reader does not see the first attachment")


def measure(pair: Replicas, changes: int) -> list[float]:
    """Detach and attach `changes` times; return the seconds until the reader answered accordingly."""
    taken = []
    for number in range(changes):
        change = pair.writer.admin.attach if number % 2 else pair.writer.admin.detach
        change(POLICY, USER)
        taken.append(wait_until_enforced(pair.reader, is_allowed=bool(number % 2)))
    return taken


def wait_until_enforced(reader: AuthzServer, *, is_allowed: bool) -> float:
    """Ask the reader until it answers like this; return the seconds it took."""
    started = time.monotonic()
    while reader.admin.is_allowed(USER, ACTION, RESOURCE) is not is_allowed:
        if time.monotonic() - started > LIMIT:
            raise TimeoutError(f"a change is not enforced after {LIMIT:g} s")
    return time.monotonic() - started


def main() -> None:
    """Print the distribution with NOTIFY and without."""
    changes = int(sys.argv[1]) if len(sys.argv) > 1 else CHANGES
    poll = {"AUTHZ_STORE_USE_NOTIFY": "false", "AUTHZ_ACCESS_POLL_INTERVAL": f"{POLL_INTERVAL}s"}
    with tempfile.TemporaryDirectory() as folder, running_postgres() as postgres:
        for name, env in (("notify", {}), ("poll", poll)):
            directory = Path(folder) / name
            directory.mkdir()
            with replicas(directory, postgres.create_database(name), env) as pair:
                prepare(pair)
                _print(name, measure(pair, changes))
                if name == "notify":
                    with revocations(*pair) as revoked:
                        for way, measure_way in WAYS.items():
                            _print(way, measure_way(revoked, changes))
    print(
        "session, user, provider: what a session is revoked by, or its provider disabled, with NOTIFY"
    )
    print(f"poll: NOTIFY disabled, the change log read every {POLL_INTERVAL * 1000:.0f} ms")


def _print(name: str, taken: Sequence[float]) -> None:
    milliseconds = sorted(seconds * 1000 for seconds in taken)
    p99 = milliseconds[min(len(milliseconds) - 1, int(len(milliseconds) * 0.99))]
    print(
        f"{name:8} {len(taken)} changes:  p50 {statistics.median(milliseconds):7.2f} ms"
        f"   p99 {p99:7.2f} ms   max {milliseconds[-1]:7.2f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
