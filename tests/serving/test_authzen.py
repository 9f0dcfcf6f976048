"""AuthZEN as enforcement points use it: decisions, several at a time, callers, and what strangers try."""

import json

import pytest

from authz.identity.credential import Secret
from authz.identity.http import HttpRequest
from authz.identity.records import Status
from authz.serving.authzen import SURFACE, AuthZen
from authz.serving.http.app import build_app
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.token_surface import BODY_LIMIT
from tests.access.world import policy
from tests.formats.test_authzen import ALICE, READ, RECORD
from tests.serving.test_minio_webhook import add_key, add_user, status_of

TOKEN = "a-token-that-is-long-enough"
ONE, MANY = "/access/v1/evaluation", "/access/v1/evaluations"
METADATA = "/.well-known/authzen-configuration"


class Point:
    """An enforcement point."""

    def __init__(self, world) -> None:
        refs = PrincipalRefs(world.principals, world.root, world.anonymous, world.clock)
        self.surface = AuthZen(
            Secret(TOKEN), refs, world.authorizer, world.refresher, world.metrics, world.clock
        )

    async def send(self, path, body: bytes | None, *, method="POST", without=(), **headers):
        told = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "host": "p"}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        told = {name: value for name, value in told.items() if name not in without}
        request = HttpRequest(method, path, "", told, scheme="https", source_ip="192.0.2.1")

        async def read_body():
            return body

        return await self.surface.answer(request, read_body)

    async def ask(self, path=ONE, **members):
        answer = await self.send(path, json.dumps(members).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    async def may(self, **changes) -> bool:
        return (await self.ask(**{**READ, **changes}))["decision"]

    async def many(self, *items, **members) -> list[bool]:
        answer = await self.ask(MANY, evaluations=list(items), **members)
        assert set(answer) == {"evaluations"}
        return [one["decision"] for one in answer["evaluations"]]


@pytest.fixture
def point(world) -> Point:
    return Point(world)


@pytest.fixture
async def records(world):
    """What the certification scenario demands of identifiers alone (section 1.4, 1 to 4)."""
    await add_user(world, "alice", policy(action=["record:read", "record:write"]))
    await add_user(world, "bob", policy(action="record:read", resource="arn:aws:record:::*"))


async def test_decisions_of_the_certification_scenario(point, records):
    bob = {"type": "user", "id": "bob"}
    assert await point.may()
    assert await point.may(action={"name": "write"})
    assert await point.may(subject=bob)
    assert not await point.may(subject=bob, action={"name": "write"})
    assert await point.may(context={"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"})
    assert await point.many({"action": {"name": "read"}}, {"action": {"name": "write"}},
                            subject=bob, resource=RECORD) == [True, False]  # fmt: skip
    assert await point.many({"resource": RECORD}, {}, subject=ALICE, action={"name": "read"}) == [
        True,
        False,
    ]


async def test_an_answer_says_why_and_is_recorded(point, records, world):
    answer = await point.ask(**READ)
    assert answer["context"]["reason"] == "STATEMENT"
    assert answer["context"]["policy"].endswith(":policy/of-alice")
    assert world.authorizer.find_answer(answer["context"]["decision_id"]) is not None
    assert world.count("decisions", SURFACE, "ALLOWED", "STATEMENT") == 1


async def test_who_is_unknown_disabled_or_anonymous_may_nothing(point, records, world):
    for principal in (
        {"type": "user", "id": "nobody"},
        {"type": "user", "id": "corp=alice"},
        {"type": "access_key", "id": "nobody"},
        {"type": "arn", "id": "arn:aws:iam::000000000000:role/auditor"},
        {"type": "anonymous", "id": "x"},
    ):
        assert not await point.may(subject=principal)
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert not await point.may()
    assert not await point.may(subject={"type": "access_key", "id": "alice"})


async def test_an_access_key_stays_narrowed_and_may_be_disabled(point, records, world):
    await add_key(world, "alice", "narrow", policy=policy(action="record:read"))
    key = {"type": "access_key", "id": "narrow"}
    assert await point.may(subject=key)
    assert not await point.may(subject=key, action={"name": "write"})
    await world.control.access_keys.update("narrow", status=Status.DISABLED)
    await world.settle()
    assert not await point.may(subject=key)


async def test_facts_come_from_the_context_and_never_say_who_acts(point, world):
    near = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": near}
    await add_user(world, "alice", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert await point.may(context={"aws:SourceIp": "10.1.2.3"})
    assert not await point.may(context={"aws:SourceIp": "192.0.2.1"})
    assert not await point.may()
    body = json.dumps({**READ, "context": {"aws:username": "bob"}}).encode()
    assert (await point.send(ONE, body)).status == 400


# --- several ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [
        ("execute_all", [True, False, True, False]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_semantics_end_where_they_say(point, records, world, semantic, expected):
    items = [{"action": {"name": name}} for name in ("read", "delete", "write", "delete")]
    options = {"evaluations_semantic": semantic}
    answers = await point.many(*items, subject=ALICE, resource=RECORD, options=options)
    assert answers == expected
    assert sum(world.metrics.decisions.values.values()) == len(expected)


async def test_an_error_denies_and_does_not_permit(point, records):
    bad, good = {"action": {}}, {"action": {"name": "read"}}
    for semantic, expected in (
        ("deny_on_first_deny", [False]),
        ("permit_on_first_permit", [False, True]),
    ):
        options = {"evaluations_semantic": semantic}
        asked = await point.many(bad, good, subject=ALICE, resource=RECORD, options=options)
        assert asked == expected


async def test_a_thousand_are_answered_on_one_revision(point, records):
    items = [{"resource": {"id": str(number)}} for number in range(1000)]
    answer = await point.ask(
        MANY, subject=ALICE, action={"name": "read"}, resource={"type": "record"}, evaluations=items
    )
    assert [one["decision"] for one in answer["evaluations"]] == [True] * 1000
    assert len({one["context"]["revision"] for one in answer["evaluations"]}) == 1
    assert len({one["context"]["decision_id"] for one in answer["evaluations"]}) == 1000


async def test_many_principals_are_loaded_and_told_apart(point, records):
    items = [{"subject": {"id": name}} for name in ("alice", "bob", "nobody") * 20]
    asked = await point.many(
        *items, subject={"type": "user"}, action={"name": "write"}, resource=RECORD
    )
    assert asked == [True, False, False] * 20


async def test_without_evaluations_it_is_answered_as_one(point, records):
    assert (await point.ask(MANY, **READ))["decision"] is True
    assert (await point.ask(MANY, **READ, evaluations=[]))["decision"] is True


# --- callers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "presented",
    ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer é",
     f"Bearer {TOKEN},Bearer {TOKEN}"],
)  # fmt: skip
async def test_who_does_not_present_the_token_learns_nothing(point, records, presented):
    for path in (ONE, MANY):
        for body in (json.dumps(READ).encode(), b"nonsense", None):
            answer = await point.send(path, body, authorization=presented, x_request_id="7")
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert answer.headers["x-request-id"] == "7"


async def test_the_scheme_is_read_in_any_case(point, records):
    answer = await point.send(ONE, json.dumps(READ).encode(), authorization=f"bearer  {TOKEN}")
    assert answer.status == 200


async def test_a_request_id_comes_back_with_every_answer(point, records):
    for body, status in ((json.dumps(READ).encode(), 200), (b"", 400)):
        answer = await point.send(ONE, body, x_request_id="bfe9eb29-ab87 é")
        assert (answer.status, answer.headers["x-request-id"]) == (status, "bfe9eb29-ab87 é")
    assert "x-request-id" not in (await point.send(ONE, b"")).headers


@pytest.mark.parametrize("kind", ["", "text/plain", "application/jsonx", "application/x-www-form"])
async def test_a_body_of_another_type_is_refused(point, records, kind):
    answer = await point.send(ONE, json.dumps(READ).encode(), content_type=kind)
    assert answer.status == 400
    good = await point.send(
        ONE, json.dumps(READ).encode(), content_type="application/JSON; charset=utf-8"
    )
    assert good.status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_there_is_one_method_for_each_path(point, method):
    answer = await point.send(ONE, b"{}", method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    answer = await point.send(METADATA, b"", method="POST")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


async def test_bodies_are_bounded_and_errors_say_where(point, world):
    for body, status in (
        (None, 400),
        (b"", 400),
        (b"[" * 60_000, 400),
        (b" " * (BODY_LIMIT + 1), 413),
    ):
        assert (await point.send(MANY, body)).status == status
    answer = await point.send(ONE, b"{}")
    assert answer.body == b"`subject` is missing at subject\n"
    assert world.count("internal_errors", SURFACE) == 0


async def test_memory_that_is_too_old_decides_nothing(point, records, world):
    assert await point.may()
    world.source.is_lost = True
    world.clock.advance(301)
    for path, members in ((ONE, READ), (MANY, {"evaluations": [READ]})):
        answer = await point.send(path, json.dumps(members).encode())
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")


async def test_metadata_needs_no_token(point):
    answer = await point.send(METADATA, b"", method="GET", without=("authorization",))
    told = json.loads(answer.body)
    assert told["policy_decision_point"] == "https://p"
    assert not [name for name in told if "search" in name]
    answer = await point.send(METADATA, b"", method="GET", host='x"y')
    assert answer.status == 400


async def test_without_a_token_nothing_is_there(world):
    app = build_app(world.metrics, list, None, None)
    for path in (ONE, MANY, METADATA, "/access/v1/search/resource"):
        assert await status_of(app, path) == 404
