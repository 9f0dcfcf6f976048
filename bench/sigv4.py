"""What reading, verifying and mapping an S3 request costs: `python -m bench.sigv4`.

The best of several runs in microseconds, beside `hashlib.sha256` of 64 bytes in the same process, so that
numbers from different machines can be compared. The signing key is warm, as it is for all but the first
request of a day; the requests have the headers that boto3 and Envoy give them.
"""

import hashlib
import timeit
from collections.abc import Callable
from typing import NamedTuple

from authz.formats.s3_http import S3Config, parse_s3
from authz.identity.http import HttpRequest
from authz.identity.sigv4 import (
    check_scope,
    check_time,
    derive_signing_key,
    find_proof,
    sign_headers,
    verify,
)

NOW = 1_767_225_600.0
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - a published example
REGIONS = frozenset({"us-east-1"})
SERVICES = frozenset({"s3"})
ROUNDS = 9
CALLS = 5_000
SHA = hashlib.sha256(b"").hexdigest()
AROUND = {
    "host": "s3.example.test:9000",
    "accept-encoding": "identity",
    "user-agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11.7",
    "amz-sdk-invocation-id": "0c2b0a0e-6a0b-4f4e-9d2a-1e6a2b9b0c11",
    "amz-sdk-request": "attempt=1",
}
BY_ENVOY = {"x-forwarded-proto": "http", "x-request-id": "d5b2a5f4-3c7f-4f0b-8a62-1a2b3c4d5e6f"}


class Sample(NamedTuple):
    """A request line, and the headers beside the usual ones."""

    name: str
    method: str
    path: str
    query: str
    headers: dict[str, str]


SAMPLES = (
    Sample("GET object", "GET", "/bucket/photos/2026/01/image%20one.jpg", "", {}),
    Sample(
        "PUT object",
        "PUT",
        "/bucket/photos/2026/01/image.jpg",
        "",
        {"content-type": "image/jpeg", "content-length": "1048576", "expect": "100-continue"},
    ),
    Sample(
        "LIST objects",
        "GET",
        "/bucket",
        "list-type=2&prefix=photos%2F2026%2F&delimiter=%2F&encoding-type=url&max-keys=1000",
        {},
    ),
)


def _request(sample: Sample) -> HttpRequest:
    signed = {name: AROUND[name] for name in AROUND if name != "user-agent"}
    signed |= {name: value for name, value in sample.headers.items() if name != "expect"}
    added = sign_headers(
        sample.method,
        sample.path,
        sample.query,
        signed,
        SHA,
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        secret=SECRET,
        region="us-east-1",
        service="s3",
        now=NOW,
    )
    headers = {**AROUND, **sample.headers, **added, **BY_ENVOY}
    return HttpRequest(sample.method, sample.path, sample.query, headers)


def _micros(call: Callable[[], object]) -> float:
    return min(timeit.repeat(call, number=CALLS, repeat=ROUNDS)) / CALLS * 1e6


def _measure(sample: Sample) -> str:
    request = _request(sample)
    proof = find_proof(request, NOW)
    assert proof is not None
    key = derive_signing_key(SECRET, proof.date, proof.region, proof.service)
    config = S3Config(endpoints=("s3.example.test",))

    def check() -> None:
        check_scope(proof, regions=REGIONS, services=SERVICES)
        check_time(proof, NOW)

    columns = (
        _micros(lambda: find_proof(request, NOW)),
        _micros(check),
        _micros(lambda: verify(request, proof, key)),
        _micros(lambda: parse_s3(request, proof, config)),
    )
    cells = "".join(f"{column:>12.2f}" for column in (*columns, sum(columns)))
    return f"{sample.name:<16}{cells}"


def main() -> None:
    block = b"x" * 64
    print(f"sha256 of 64 bytes: {_micros(lambda: hashlib.sha256(block)):.2f} µs")
    key = _micros(lambda: derive_signing_key(SECRET, "20260101", "us-east-1", "s3"))
    print(f"derive_signing_key: {key:.2f} µs\n")
    names = ("find_proof", "checks", "verify", "parse_s3", "all")
    print(f"{'µs':<16}" + "".join(f"{name:>12}" for name in names))
    for sample in SAMPLES:
        print(_measure(sample))


if __name__ == "__main__":
    main()
