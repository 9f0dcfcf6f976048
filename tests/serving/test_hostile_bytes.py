"""Arbitrary bytes to every method: an answer or an `AuthzError`, and never anything else."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.errors import AuthzError
from authz.store.sql.engine import Database
from authz.store.sql.store import SqlStore
from tests.access.world import ROOT_ID, ROOT_SECRET, World, following
from tests.serving.surfaces import CHECK, Surfaces, question
from tests.store.fixtures import OPTIONS, Control

ROOT = (ROOT_ID, ROOT_SECRET)
TRIED = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
LATIN = st.text(st.characters(max_codepoint=255), max_size=60)
NAMES = st.sampled_from([
    "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "date", "host",
    "content-length", "content-type", "content-md5", "range", "x-amz-copy-source", "x-amz-acl",
    "x-amz-tagging", "x-amz-meta-a", "x-amz-decoded-content-length", "x-forwarded-for",
    "x-envoy-auth-partial-body", "x-amz-bypass-governance-retention", "user-agent", "referer",
])  # fmt: skip
METHODS = st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "", "get", "G\0T"])
SUBRESOURCES = st.sampled_from([
    "", "?", "?acl", "?delete", "?uploads", "?uploadId=x&partNumber=1", "?list-type=2&prefix=%zz",
    "?versionId=null", "?tagging&tagging", "?X-Amz-Signature=0", "?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "?policy=1&acl", "?prefix=a&prefix=b", "?%00", "?\u00e9",
])  # fmt: skip


class Hammer:
    """Surfaces on a loop of their own, so that hypothesis can call them."""

    def __init__(self, loop, surfaces: Surfaces) -> None:
        self.loop = loop
        self.surfaces = surfaces
        self.refused: list[str] = []

    def hit(self, path: str, raw: bytes, metadata=None) -> bytes | None:
        try:
            return self.loop.run_until_complete(self.surfaces.send(path, raw, metadata))
        except AuthzError as error:
            self.refused.append(error.message)
            return None

    def now(self) -> float:
        return self.surfaces.world.clock.now()


@asynccontextmanager
async def everything(path):
    async with Database.open(f"sqlite:///{path}", OPTIONS) as database:
        await database.migrate(now=0.0, canned=())
        world = World(database, Control(SqlStore(database)))
        async with following(world):
            yield Surfaces(world)


@pytest.fixture(scope="module")
def hammer(tmp_path_factory):
    loop = asyncio.new_event_loop()
    context = everything(tmp_path_factory.mktemp("hostile") / "authz.db")
    yield Hammer(loop, loop.run_until_complete(context.__aenter__()))
    loop.run_until_complete(context.__aexit__(None, None, None))
    loop.close()


def test_arbitrary_bytes_end_in_an_answer_or_a_refusal(hammer):
    paths = sorted(hammer.surfaces.methods)

    @TRIED
    @given(st.binary(max_size=200))
    def each(raw):
        for path in paths:
            hammer.hit(path, raw)

    each()


def test_arbitrary_bytes_that_are_signed_by_root_do_too(hammer):
    paths = sorted(hammer.surfaces.by_name["admin"])

    @TRIED
    @given(st.binary(max_size=40), st.sampled_from(paths))
    def each(raw, path):
        hammer.hit(path, raw, hammer.surfaces.signed(path, raw, ROOT))

    each()


def test_arbitrary_metadata_is_refused(hammer):
    keys = st.sampled_from(["authorization", "x-amz-date", "x-amz-content-sha256", "host", "x"])
    path = "/authz.admin.v1.UserService/ListUsers"

    @TRIED
    @given(st.dictionaries(keys, LATIN | TEXT))
    def each(metadata):
        assert hammer.hit(path, b"", metadata) is None
        signed = hammer.surfaces.signed(path, b"", ROOT)
        mangled = {**signed, **metadata}
        if any(signed.get(k) != mangled[k] for k in ("authorization", "x-amz-date")):
            assert hammer.hit(path, b"", mangled) is None

    each()


@pytest.mark.parametrize("mapping", ["s3", "orders"])
def test_arbitrary_requests_get_an_answer(hammer, mapping):
    lines = st.lists(st.tuples(NAMES, LATIN), max_size=6)

    @TRIED
    @given(METHODS, TEXT, SUBRESOURCES, lines, st.booleans())
    def each(method, path, query, extra, is_signed):
        can_sign = method.isalpha() and path.isascii() and query.isascii()
        credential = ROOT if is_signed and can_sign else None
        request = question(
            credential, hammer.now(), method, f"/{path}{query}", extra=extra, mapping=mapping
        )
        answer = hammer.hit(CHECK, request.SerializeToString())
        assert answer is not None or not method

    each()


def test_arbitrary_pieces_of_a_proof_get_an_answer_and_never_a_yes(hammer):
    pieces = st.sampled_from([
        "AWS4-HMAC-SHA256", " ", ",", "Credential=", "SignedHeaders=", "Signature=", "/", ROOT_ID,
        "20231114", "us-east-1", "s3", "aws4_request", "host", ";", "x-amz-date", "0" * 64, "=",
    ])  # fmt: skip

    @TRIED
    @given(st.lists(pieces, max_size=20).map("".join), LATIN)
    def each(header, date):
        lines = [("authorization", header), ("x-amz-date", date)]
        request = question(None, hammer.now(), extra=lines)
        answer = hammer.hit(CHECK, request.SerializeToString())
        assert answer is not None
        assert b"x-authz-principal" not in answer

    each()


def test_no_refusal_is_longer_than_a_line(hammer):
    for path in hammer.surfaces.methods:
        hammer.hit(path, b"\xff")
        hammer.hit(path, b"\x0a\x03a\nb")
    assert hammer.refused
    assert not [said for said in hammer.refused if "\n" in said or len(said) > 400]
