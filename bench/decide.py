"""What one decision costs, and what compiled policies weigh: `python -m bench.decide`.

Medians of several runs, beside `hashlib.sha256` of 64 bytes in the same process, so that numbers from
different machines can be compared. Every statement of a set is about the same action, so that all of them
are candidates.
"""

import functools
import hashlib
import json
import statistics
import timeit
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from authz.formats.iam_json import RESOURCE_POLICY, parse_policy
from authz.policy.applicable import Applicable
from authz.policy.compile import (
    CompiledPolicy,
    PolicySet,
    compile_policy,
    compile_policy_set,
    compile_resource_policy,
)
from authz.policy.decide import decide
from authz.policy.decision import Layer, Verdict
from authz.policy.request import AccessRequest, Context, Principal, PrincipalKind

SIZES = (1, 10, 100, 1_000)
ROUNDS = 7
ROUND_SECONDS = 0.02
WEIGHED = 1_000

_PRINCIPAL = Principal(
    arn="arn:aws:iam::000000000000:user/alice",
    kind=PrincipalKind.USER,
    account="000000000000",
    id="AIDA",
    name="alice",
    facts={"aws:username": ("alice",)},
)
_CONTEXT = Context(
    _PRINCIPAL.facts, {"aws:sourceip": ("10.1.2.3",)}, {"s3:prefix": ("home/",)}, 0.0
)


class Row(NamedTuple):
    """One line of the table: what was measured, the number, and its unit."""

    name: str
    value: float
    unit: str


def _median_nanoseconds(call: Callable[[], object]) -> float:
    timer = timeit.Timer(call)
    number, taken = timer.autorange()
    number = max(1, int(number * ROUND_SECONDS / taken))
    return statistics.median(timer.repeat(ROUNDS, number)) / number * 1e9


def _statement(
    resource: str, effect: str = "Allow", *, is_conditional: bool = False
) -> dict[str, Any]:
    statement: dict[str, Any] = {
        "Effect": effect,
        "Action": ["s3:GetObject", "s3:Put*"],
        "Resource": resource,
    }
    if is_conditional:
        statement["Condition"] = {"StringLike": {"s3:prefix": "home/*"}}
    return statement


def _compile(statements: list[dict[str, Any]], name: str = "bench") -> CompiledPolicy:
    # In pieces of the size a document may have: a set of a thousand statements is many policies in practice.
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    return compile_policy(
        parse_policy(document), arn=f"arn:aws:iam::000000000000:policy/{name}", version=1
    )


def _set(statements: list[dict[str, Any]]) -> PolicySet:
    return compile_policy_set(
        _compile(statements[start : start + 50]) for start in range(0, len(statements), 50)
    )


def _bucket(index: int, *, is_one_bucket: bool) -> str:
    return (
        f"arn:aws:s3:::shared/team{index}/*" if is_one_bucket else f"arn:aws:s3:::bucket{index}/*"
    )


def _cases(size: int, *, is_one_bucket: bool) -> Iterator[tuple[str, PolicySet, str, Verdict]]:
    """Yield name, policies.

    Resource and the verdict that must come out; every second allow has a condition.
    """
    patterns = [_bucket(index, is_one_bucket=is_one_bucket) for index in range(size)]
    allows = [
        _statement(pattern, is_conditional=index % 2 == 1) for index, pattern in enumerate(patterns)
    ]
    policies = _set(allows)
    yield "first allow", policies, patterns[0].replace("*", "key"), Verdict.ALLOWED
    yield "last allow", policies, patterns[-1].replace("*", "key"), Verdict.ALLOWED
    yield (
        "no match",
        policies,
        patterns[-1].replace("*", "")[:-1] + "x/key",
        Verdict.IMPLICITLY_DENIED,
    )
    denied = _set([*allows[:-1], _statement(patterns[-1], "Deny", is_conditional=True)])
    yield "deny", denied, patterns[-1].replace("*", "key"), Verdict.EXPLICITLY_DENIED


def _decide_rows(*, is_one_bucket: bool) -> Iterator[Row]:
    where = "one bucket" if is_one_bucket else "a bucket each"
    for size in SIZES:
        for name, policies, resource, verdict in _cases(size, is_one_bucket=is_one_bucket):
            request = AccessRequest(_PRINCIPAL, "s3:GetObject", resource, _CONTEXT)
            assert decide(request, policies).verdict is verdict, (size, name)
            taken = _median_nanoseconds(functools.partial(decide, request, policies))
            yield Row(f"decide, {size:>5,} statements, {where}, {name}", taken, "ns")


def _layer_rows() -> Iterator[Row]:
    """Measure one allowed request with ever more layers beside ten identity statements."""
    allow = _statement("arn:aws:s3:::bucket0/*")
    others = [_statement(_bucket(index, is_one_bucket=False)) for index in range(1, 10)]
    identity, narrow = _set([allow, *others]), _set([allow])
    boundary = narrow.as_layer(Layer.PERMISSIONS_BOUNDARY)
    session = narrow.as_layer(Layer.SESSION_POLICY)
    everyone = parse_policy(
        json.dumps({"Version": "2012-10-17", "Statement": [{**allow, "Principal": "*"}]}),
        kind=RESOURCE_POLICY,
    )
    resource = compile_policy_set(
        [compile_resource_policy(everyone, arn="arn:aws:s3:::bucket0", version=1)],
        layer=Layer.RESOURCE_POLICY,
    )
    request = AccessRequest(_PRINCIPAL, "s3:GetObject", "arn:aws:s3:::bucket0/key", _CONTEXT)
    for name, policies in (
        ("identity policies", identity),
        ("identity policies, joined", Applicable(identity)),
        ("and a boundary", Applicable(identity, boundary=boundary)),
        (
            "and a boundary and two session policies",
            Applicable(identity, boundary=boundary, sessions=(session, session)),
        ),
        ("and a resource policy", Applicable(identity, resource=resource)),
    ):
        assert decide(request, policies).is_allowed, name
        taken = _median_nanoseconds(functools.partial(decide, request, policies))
        yield Row(f"decide, layers: {name}", taken, "ns")


def _memory_row() -> Row:
    documents = [
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    _statement(f"arn:aws:s3:::bucket{index}/*"),
                    {
                        "Effect": "Allow",
                        "Action": "s3:ListBucket",
                        "Resource": f"arn:aws:s3:::bucket{index}",
                    },
                    _statement(f"arn:aws:s3:::bucket{index}/secret/*", "Deny", is_conditional=True),
                ],
            }
        )
        for index in range(WEIGHED)
    ]
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        held = [
            compile_policy(
                parse_policy(document), arn=f"arn:aws:iam::000000000000:policy/{index}", version=1
            )
            for index, document in enumerate(documents)
        ]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Row(
        f"memory of {len(held):,} compiled policies of 3 statements", (after - before) / 1024, "KiB"
    )


def rows() -> Iterator[Row]:
    """Measure and yield one row after the other."""
    block = b"x" * 64
    yield Row(
        "hashlib.sha256 of 64 bytes", _median_nanoseconds(lambda: hashlib.sha256(block)), "ns"
    )
    yield from _decide_rows(is_one_bucket=False)
    yield from _decide_rows(is_one_bucket=True)
    yield from _layer_rows()
    yield _memory_row()


def main() -> None:
    """Print the table."""
    for row in rows():
        print(f"{row.name:<62}{row.value:>12,.0f} {row.unit}", flush=True)


if __name__ == "__main__":
    main()
