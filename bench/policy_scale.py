"""What other policies and users cost: deciding for one among many, and the memory of them all.

The structures are the service's own (`access/policies.py`, `access/entries.py`), built without a store. Every
size is measured in a process of its own, whose resident memory is compared before and after.
"""

import gc
import os
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

from authz.access.entries import UserEntry
from authz.access.policies import Policies
from authz.access.ports import StoredPolicies
from authz.bootstrap import tame_garbage_collector
from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.identity.principal import user_principal
from authz.identity.records import ManagedPolicy, Status, User
from authz.policy.decide import decide
from authz.policy.request import AccessRequest, Context
from bench.check import POLICY
from bench.policy_engines import ENGINES, Kind, Stated

POLICY_COUNTS: Final = (10, 100, 1_000, 10_000, 100_000)
USER_COUNTS: Final = (1_000, 10_000, 100_000, 1_000_000)
COMBINATIONS: Final = 1_000
"""Different sets of ten policies that users have."""
SET_COUNTS: Final = (1_000, 10_000)
STATEMENTS: Final = 10_000
ASKED: Final = 2_000
ROUNDS: Final = 5


class Scale(NamedTuple):
    """Seconds to build, MiB that it took, and the median seconds of a decision."""

    build: float
    mebibytes: float
    decide: float


def resident_mebibytes() -> float:
    """Return the resident memory of this process (Linux)."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _policies(count: int) -> Policies:
    policies = Policies(
        parse_policy,
        lambda text: parse_policy(text, kind=RESOURCE_POLICY),
        lambda policy: f"arn:aws:iam::000000000000:policy/{policy.name}",
    )
    stored = [
        ManagedPolicy(
            id=f"ANPA{number:017}",
            name=f"policy-{number}",
            version=1,
            document=POLICY.replace("photos", f"photos-{number}"),
            description="",
            created_at=0.0,
            updated_at=0.0,
        )
        for number in range(count)
    ]
    policies.replace_all(StoredPolicies(stored, ()))
    return policies


def _users(policies: Policies, count: int, policy_count: int) -> list[UserEntry]:
    chooser = random.Random(count)
    sets = [
        tuple(sorted(f"ANPA{number:017}" for number in chooser.sample(range(policy_count), 10)))
        for _ in range(min(count, COMBINATIONS))
    ]
    return [
        UserEntry(
            user_principal(
                User(id=f"AIDA{number:017}", name=f"user-{number}", status=Status.ENABLED, created_at=0.0),
                (),
                "000000000000",
            ),
            policies.handle(sets[number % len(sets)], ()),
            is_enabled=True,
        )
        for number in range(count)
    ]  # fmt: skip


def _decide_seconds(policies: Policies, users: list[UserEntry]) -> float:
    asked = []
    for entry in random.Random(0).choices(users, k=ASKED):
        built = entry.handle.policies or policies.build(entry.handle)
        bucket = f"photos-{int(entry.handle.ids[-1][4:])}"
        context = Context(entry.principal.facts, {}, {}, 0.0)
        resource = f"arn:aws:s3:::{bucket}/{entry.principal.name}/k"
        request = AccessRequest(entry.principal, "s3:GetObject", resource, context)
        assert decide(request, built).is_allowed
        asked.append((request, built))
    rounds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for request, built in asked:
            decide(request, built)
        rounds.append(time.perf_counter() - started)
    return statistics.median(rounds) / len(asked)


def policies_scale(count: int) -> Scale:
    """Measure `count` distinct policies of three statements, for a thousand users with ten of them each."""
    tame_garbage_collector()
    before, started = resident_mebibytes(), time.perf_counter()
    policies = _policies(count)
    taken, after = time.perf_counter() - started, resident_mebibytes()
    return Scale(taken, after - before, _decide_seconds(policies, _users(policies, 1_000, count)))


def users_scale(count: int) -> Scale:
    """Measure `count` users with a thousand different sets of ten of a hundred policies."""
    tame_garbage_collector()
    policies = _policies(100)
    before, started = resident_mebibytes(), time.perf_counter()
    users = _users(policies, count, 100)
    taken, after = time.perf_counter() - started, resident_mebibytes()
    return Scale(taken, after - before, _decide_seconds(policies, users))


def engine_scale(name: str) -> Scale:
    """Measure one principal's statements in one of the engines, after a first decision."""
    tame_garbage_collector()
    statements = [Stated(f"bucket-{number}") for number in range(STATEMENTS)]
    before, started = resident_mebibytes(), time.perf_counter()
    engine = ENGINES[name](Kind.PLAIN, statements)
    taken = time.perf_counter() - started
    ask = engine.prepare("bucket-0")
    started = time.perf_counter()
    assert ask()
    first = time.perf_counter() - started
    return Scale(taken, resident_mebibytes() - before, first)


def sets_scale(count: int) -> Scale:
    """Measure `count` different sets of ten of a thousand policies, each asked once."""
    tame_garbage_collector()
    policies = _policies(1_000)
    chooser = random.Random(count)
    names = [f"ANPA{number:017}" for number in range(1_000)]
    handles = [policies.handle(tuple(sorted(chooser.sample(names, 10))), ()) for _ in range(count)]
    user = _users(policies, 1, 1_000)[0].principal
    request = AccessRequest(user, "s3:GetObject", "arn:aws:s3:::b/k", Context({}, {}, {}, 0.0))
    before, started = resident_mebibytes(), time.perf_counter()
    for handle in handles:
        decide(request, policies.build(handle))
    taken = time.perf_counter() - started
    return Scale(taken, resident_mebibytes() - before, taken / count)


def _apart(measure: Callable[[Any], Scale], size: object) -> Scale:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, size).result()


def main() -> None:
    """Print the tables."""
    heading = f"{'build, s':>12}{'MiB':>9}"
    print(
        f"\n{'distinct policies':>24}{heading}{'decide, µs':>12}   (a thousand users with ten each)"
    )
    for count in POLICY_COUNTS:
        one = _apart(policies_scale, count)
        print(
            f"{count:>24,}{one.build:>12.2f}{one.mebibytes:>9.1f}{one.decide * 1e6:>12.2f}",
            flush=True,
        )
    print(f"\n{'different sets of ten':>24}{heading}   (with one action remembered)")
    for count in SET_COUNTS:
        one = _apart(sets_scale, count)
        print(f"{count:>24,}{one.build:>12.2f}{one.mebibytes:>9.1f}", flush=True)
    print(
        f"\n{'users':>24}{heading}{'decide, µs':>12}   (a thousand sets of ten of a hundred policies)"
    )
    for count in USER_COUNTS:
        one = _apart(users_scale, count)
        print(
            f"{count:>24,}{one.build:>12.2f}{one.mebibytes:>9.1f}{one.decide * 1e6:>12.2f}",
            flush=True,
        )
    print(f"\n{f'{STATEMENTS:,} statements in':>24}{heading}{'first, ms':>12}")
    for name in ENGINES:
        one = _apart(engine_scale, name)
        print(
            f"{name:>24}{one.build:>12.2f}{one.mebibytes:>9.1f}{one.decide * 1e3:>12.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
