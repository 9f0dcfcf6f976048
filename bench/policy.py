"""What deciding costs as statements, policies and users grow: `make bench-policy`.

Prints cost curves of this service's evaluator beside `cedarpy`, `casbin` and moto's IAM evaluator, asked the
same questions in the same run; what other policies and users cost; what a stranger can cause; and memory.
Medians; quote ratios, which hold on other machines too. An engine that would need more than a second for a
decision is not asked among more statements.
"""

import functools
import gc
import hashlib
import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from authz.bootstrap import tame_garbage_collector
from authz.policy.compile import compile_policy_set
from authz.policy.decide import decide
from authz.policy.patterns import compile_glob
from authz.policy.request import AccessRequest
from bench import policy_scale
from bench.policy_engines import (
    ALICE,
    CONTEXT,
    ENGINES,
    KINDS_OF,
    Ask,
    Authz,
    Engine,
    Kind,
    Stated,
    compile_document,
)

SIZES: Final = (1, 10, 100, 1_000, 10_000, 100_000)
ROUNDS: Final = 5
ROUND_SECONDS: Final = 0.01
TOO_LONG: Final = 1.0
"""Seconds for one decision, from which on an engine is not asked among more statements."""

SPREAD: Final = 1_000
"""How many different questions stand for "any": more than caches of the processor like."""

QUESTIONS: Final = ("first allow", "last allow", "any allow", "no match", "deny")


class Cell(NamedTuple):
    """Seconds for one decision, or `None` where an engine was not asked."""

    seconds: float | None
    why_not: str = ""

    def __str__(self) -> str:
        if self.seconds is None:
            return self.why_not
        microseconds = self.seconds * 1e6
        return f"{microseconds:,.2f}" if microseconds < 100 else f"{microseconds:,.0f}"


def measure(asks: Sequence[Ask]) -> float:
    """Return the median of the seconds that one of `asks` takes, over rounds through all of them."""

    def once() -> float:
        started = time.perf_counter()
        for ask in asks:
            ask()
        return time.perf_counter() - started

    taken = once()
    if taken > ROUND_SECONDS * 10:
        return taken / len(asks)
    repeat = max(1, int(ROUND_SECONDS / taken))
    rounds = [sum(once() for _ in range(repeat)) for _ in range(ROUNDS)]
    return statistics.median(rounds) / repeat / len(asks)


# --- statements of one principal ----------------------------------------------------------------------------


def statements_of(size: int) -> list[Stated]:
    """Return `size` allows for a bucket each, and a deny for one of them that is allowed too."""
    allows = [Stated(f"bucket-{number}") for number in range(size)]
    return [*allows, Stated("denied"), Stated("denied", is_allow=False)]


def questions(engine: Engine, size: int) -> Iterator[tuple[str, list[Ask], bool]]:
    """Yield name, prepared questions and the answer that all must get."""
    chosen = random.Random(size).choices(range(size), k=min(size, SPREAD))
    buckets = {
        "first allow": ["bucket-0"],
        "last allow": [f"bucket-{size - 1}"],
        "any allow": [f"bucket-{number}" for number in chosen],
        "no match": ["nobodys"],
        "deny": ["denied"],
    }
    for name in QUESTIONS:
        yield name, [engine.prepare(one) for one in buckets[name]], name.endswith("allow")


def curves(kind: Kind, reference: float) -> None:
    """Print the curves of one kind of statement."""
    print(f"\ndecide, µs: statements of one principal, {kind}")
    print(f"{'statements':>10} {'question':12}{'authz':>10}{'of ten':>8}", end="")
    print("".join(f"{name:>12}" for name in ENGINES if name != "authz"))
    slow = {name for name in ENGINES if kind not in KINDS_OF.get(name, tuple(Kind))}
    late: set[str] = set()
    for size in SIZES:
        rows: dict[str, dict[str, Cell]] = {name: {} for name in QUESTIONS}
        for name, build in ENGINES.items():
            if name in slow or name in late:
                cell = Cell(None, "> 1 s" if name in late else "-")
                for row in rows.values():
                    row[name] = cell
                continue
            engine = build(kind, statements_of(size))
            worst = 0.0
            for question, asks, expected in questions(engine, size):
                asked = asks[: max(1, int(TOO_LONG / max(worst, 1e-6)))]
                assert all(ask() is expected for ask in asked[:20]), (name, size, question)
                seconds = measure(asked)
                worst = max(worst, seconds)
                rows[question][name] = Cell(seconds)
            if worst * 10 > TOO_LONG:
                late.add(name)
            del engine
            gc.collect()
        for question, row in rows.items():
            own = row["authz"].seconds or 0.0
            print(f"{size:>10,} {question:12}{row['authz']!s:>10}{own / reference:>7.1f}x", end="")
            print("".join(f"{row[name]!s:>12}" for name in ENGINES if name != "authz"), flush=True)


def typical() -> list[str]:
    """Return ten policies as people write them: list, read and write, keep away from something."""
    return [
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["s3:ListBucket", "s3:GetBucketLocation"],
                        "Resource": f"arn:aws:s3:::team-{number}",
                    },
                    {
                        "Effect": "Allow",
                        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
                        "Resource": [
                            f"arn:aws:s3:::team-{number}/shared/*",
                            f"arn:aws:s3:::team-{number}/${{aws:username}}/*",
                        ],
                    },
                    {
                        "Effect": "Deny",
                        "Action": "s3:Delete*",
                        "Resource": f"arn:aws:s3:::team-{number}/shared/*",
                        "Condition": {"StringNotEquals": {"aws:SourceIp": "10.1.2.3"}},
                    },
                ],
            }
        )
        for number in range(10)
    ]


def measure_typical() -> float:
    """Print what a principal with ten typical policies costs, and return the median in seconds."""
    policies = compile_policy_set(
        compile_document(document, number) for number, document in enumerate(typical())
    )
    taken = []
    print("decide, µs: ten typical policies of three statements")
    for name, action, resource, expected in (
        ("first policy, literal", "s3:GetObject", "team-0/shared/k", True),
        ("last policy, literal", "s3:GetObject", "team-9/shared/k", True),
        ("last policy, variable", "s3:GetObject", "team-9/alice/k", True),
        ("no match, bucket", "s3:GetObject", "team-x/shared/k", False),
        ("no match, action", "s3:GetBucketAcl", "team-0", False),
        ("a deny whose condition fails", "s3:DeleteObject", "team-5/shared/k", True),
    ):
        request = AccessRequest(ALICE, action, f"arn:aws:s3:::{resource}", CONTEXT)
        assert decide(request, policies).is_allowed is expected, name
        taken.append(measure([functools.partial(decide, request, policies)]))
        print(f"{'':11}{name:30}{Cell(taken[-1])!s:>10}")
    return statistics.median(taken)


# --- what a stranger, or the author of one policy, can cause -------------------------------------------------


def hostile() -> None:
    """Print the worst that a question or a document can do."""
    print("\nhostile, ms")
    for name, call in _hostile_cases():
        print(f"{'':11}{name:66}{_once(call) * 1e3:>10.2f}", flush=True)


def _once(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _hostile_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    for pattern in ("*a" * 10_000, "?*" * 10_000, "*a?" * 6_600):
        for size in (4_096, 8_192):
            match = compile_glob((pattern + "b",))
            text = "a" * size
            yield (
                f"a pattern of 20 KiB of `{pattern[:3]}` against {size:,} characters",
                functools.partial(match, text, CONTEXT),
            )
    for name, element in (
        ("statements", {"Action": "s3:Get*", "Resource": "arn:aws:s3:::b{}/*"}),
        ("wildcards", {"Action": "s3:Get*", "Resource": "arn:aws:s3:::{}" + "*a?" * 40}),
        (
            "variables",
            {"Action": "s3:Get*", "Resource": "arn:aws:s3:::{}" + "${aws:username}" * 20},
        ),
        ("resources of one statement", None),
    ):
        yield (
            f"compiling 20 KiB of {name}",
            functools.partial(compile_document, _longest(element), 0),
        )
    engine = Authz(Kind.PLAIN, statements_of(SIZES[-1]))
    policies = engine.policies
    bucket = f"arn:aws:s3:::bucket-{SIZES[-1] - 1}"
    for name, request in (
        ("the first decision", engine.request(f"{bucket}/k")),
        ("another action about the same statements", engine.request(f"{bucket}/k", action="s3:PutObject")),
        ("an action that nobody knows", engine.request(f"{bucket}/k", action="s3:MadeUp")),
        ("the first question about a prefix", engine.request(f"{bucket}/", is_prefix=True)),
        ("the next question about a prefix", engine.request(f"{bucket}/k/", is_prefix=True)),
    ):  # fmt: skip
        yield f"{SIZES[-1]:,} statements: {name}", functools.partial(decide, request, policies)


def _longest(element: dict[str, str] | None) -> str:
    """Return the longest accepted document of such statements, or of one with as many resources."""

    def document(count: int) -> str:
        if element is None:
            resources = [f"arn:aws:s3:::{number}" for number in range(count)]
            listed = [{"Effect": "Allow", "Action": "s3:Get*", "Resource": resources}]
        else:
            listed = [
                {
                    "Effect": "Allow",
                    "Action": element["Action"],
                    "Resource": element["Resource"].replace("{}", str(number), 1),
                }
                for number in range(count)
            ]
        return json.dumps({"Version": "2012-10-17", "Statement": listed}, separators=(",", ":"))

    count = 1
    while len(document(count + 1)) <= 20_480:
        count += 1
    return document(count)


def main() -> None:
    """Print every table."""
    tame_garbage_collector()  # as `serve` does
    block = b"x" * 64
    print(
        f"hashlib.sha256 of 64 bytes, µs: {measure([lambda: bool(hashlib.sha256(block))]) * 1e6:.2f}\n"
    )
    reference = measure_typical()
    print(f"{'':11}{'median: what `of ten` compares with':30}{Cell(reference)!s:>5}")
    for kind in Kind:
        curves(kind, reference)
    hostile()
    policy_scale.main()


if __name__ == "__main__":
    main()
