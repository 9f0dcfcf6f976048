"""MinIO's webhook: who a credential is taken for, what narrows it, and what strangers try."""

import json

import pytest
from prometheus_client import generate_latest

from authz.identity.credential import Secret
from authz.identity.http import HttpRequest
from authz.identity.records import Status, TargetKind
from authz.serving.http.app import build_app
from authz.serving.http.surface_app import SurfaceApp
from authz.serving.minio_webhook import SURFACE, MinioWebhook
from authz.serving.principal_refs import PrincipalRefs
from authz.serving.token_surface import BODY_LIMIT
from tests.access.world import ROOT_ID, bucket_policy, policy
from tests.formats.test_minio_webhook import BODIES, encoded

TOKEN = "Bearer a-token-that-is-long-enough"
BOX = "arn:aws:s3:::box/*"


class Minio:
    """A MinIO server: sends captured questions, changed where a test says so."""

    def __init__(self, world) -> None:
        refs = PrincipalRefs(world.principals, world.root, world.anonymous, world.clock)
        self.surface = MinioWebhook(
            Secret(TOKEN), refs, world.policies, world.authorizer, world.metrics, world.clock
        )

    async def send(self, body: bytes | None, *, method="POST", token: str | None = TOKEN):
        headers = {} if token is None else {"authorization": token}
        request = HttpRequest(method, "/minio/authorize", "", headers, source_ip="192.0.2.1")

        async def read_body():
            return body

        return await self.surface.answer(request, read_body)

    async def ask(self, what="get a tagged object", conditions=None, **changes) -> bool:
        told = {**BODIES[what]["input"], **changes}
        told["conditions"] = {**told["conditions"], **(conditions or {})}
        answer = await self.send(json.dumps({"input": told}).encode())
        if answer.status != 200:
            assert "result" not in json.loads(answer.body)
            return False
        return json.loads(answer.body)["result"]


@pytest.fixture
def minio(world) -> Minio:
    return Minio(world)


@pytest.fixture
async def alice(world):
    return await add_user(world, "alice", policy(action=["s3:Get*", "s3:Put*"], resource=BOX))


async def add_user(world, name, document, key_id=None, **key):
    control = world.control
    await control.users.create(name)
    await control.policies.create(f"of-{name}", document)
    await control.attachments.attach(f"of-{name}", TargetKind.USER, name)
    await add_key(world, name, key_id or name, **key)


async def add_key(world, name, key_id, **key):
    await world.control.access_keys.create(
        name, access_key_id=key_id, secret=Secret("long-enough-secret"), **key
    )
    await world.settle()


def derived(account, parent, document=None, **more) -> dict:
    claims = {"accessKey": account, "parent": parent, **more}
    if document is not None:
        claims["sessionPolicy"] = encoded(document)
    return {"account": account, "claims": claims, "conditions": {"principaltype": ["AssumedRole"]}}


# --- users --------------------------------------------------------------------------------------------------


async def test_a_user_is_known_by_its_access_key_and_allowed_by_our_policies(minio, alice):
    assert await minio.ask()
    assert await minio.ask("put with tags")
    assert not await minio.ask("force delete")
    assert not await minio.ask(bucket="other")
    assert not await minio.ask(action="admin:ServerInfo", bucket="", object="")


@pytest.mark.parametrize(
    "account", ["bob", "ALICE", "provider=alice", "arn:aws:iam::000000000000:user/alice", "*", "é"]
)
async def test_an_account_that_is_no_access_key_of_ours_is_nobody(minio, alice, world, account):
    assert not await minio.ask(account=account)
    assert world.count("decisions", SURFACE, "IMPLICITLY_DENIED", "PRINCIPAL_UNKNOWN") == 1


async def test_the_name_of_a_user_is_no_access_key(minio, world):
    await add_user(world, "carol", policy(), key_id="AKIACAROL")
    assert await minio.ask(account="AKIACAROL")
    assert not await minio.ask(account="carol")


async def test_a_key_or_a_user_that_is_disabled_may_nothing(minio, alice, world):
    assert await minio.ask()
    await world.control.access_keys.update("alice", status=Status.DISABLED)
    await world.settle()
    assert not await minio.ask()
    assert not await minio.ask("delete a version, deny only")
    await world.control.access_keys.update("alice", status=Status.ENABLED)
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert not await minio.ask()
    assert not await minio.ask("delete a version, deny only")


async def test_minios_word_for_an_owner_is_not_taken(minio, alice):
    assert not await minio.ask("admin call of a user", owner=True)
    assert not await minio.ask(
        "admin call of a user", conditions={"principaltype": ["Account"]}, owner=True
    )
    assert not await minio.ask("root creates a bucket")


async def test_root_is_who_is_root_on_both_sides(minio, world):
    assert await minio.ask("root creates a bucket", account=ROOT_ID)
    # Somebody who may add users to MinIO gave one the access key id of our root.
    assert not await minio.ask(account=ROOT_ID)
    assert not await minio.ask("delete a version, deny only", account=ROOT_ID)


async def test_a_service_account_of_ours_stays_narrowed(minio, alice, world):
    await add_key(world, "alice", "narrow", policy=policy(action="s3:GetObject"))
    assert await minio.ask(account="narrow")
    assert not await minio.ask("put with tags", account="narrow")


# --- facts --------------------------------------------------------------------------------------------------


async def test_a_tag_on_an_object_counts_against_a_request_and_not_for_it(minio, world):
    tagged = {"StringEquals": {"s3:ExistingObjectTag/k": "v"}}
    statements = [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": BOX, "Condition": tagged}
    ]
    await add_user(world, "alice", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    assert not await minio.ask()
    free = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": BOX}
    deny = {**statements[0], "Effect": "Deny"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [free, deny]})
    await add_user(world, "dave", document)
    assert not await minio.ask(account="dave")
    assert await minio.ask("made-up tag of an object", account="dave")


async def test_a_client_cannot_say_who_it_is(minio, world):
    home = policy(action="s3:*", resource="arn:aws:s3:::box/${aws:username}/*")
    await add_user(world, "alice", home)
    assert await minio.ask(object="alice/k")
    for slot in ("Username", "aws:username", "jwt:preferred_username", "Groups", "groups"):
        assert not await minio.ask(object="bob/k", conditions={slot: ["bob"]})
    assert not await minio.ask(object="bob/k", conditions={"username": ["bob"]})


async def test_where_a_client_comes_from_is_minios_word(minio, world):
    near = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": BOX, "Condition": near}
    await add_user(world, "alice", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert not await minio.ask()
    assert await minio.ask(conditions={"SourceIp": ["10.1.2.3"]})
    assert not await minio.ask(conditions={"Sourceip": ["10.1.2.3"]})
    assert not await minio.ask(conditions={"SourceIp": ["127.0.0.1", "10.1.2.3"]})


async def test_a_version_needs_what_aws_asks_for(minio, world):
    document = policy(action="s3:GetObject", resource=BOX)
    await add_user(world, "alice", document)
    assert await minio.ask()
    assert not await minio.ask(conditions={"versionid": ["v1"]})


async def test_a_forced_delete_needs_everything_below(minio, world):
    one = policy(action="s3:Delete*", resource="arn:aws:s3:::box/dir")
    await add_user(world, "alice", one)
    assert await minio.ask("force delete", conditions={"X-Minio-Force-Delete": ["false"]})
    assert not await minio.ask("force delete")
    await add_user(world, "dave", policy(action="s3:Delete*", resource="arn:aws:s3:::box/dir*"))
    assert await minio.ask("force delete", account="dave")


# --- what needs no right, but can be denied -----------------------------------------------------------------


async def test_what_is_only_to_be_denied_is_allowed_unless_a_statement_denies_it(minio, world):
    await add_user(world, "alice", policy(action="s3:GetObject"))
    assert await minio.ask("delete a version, deny only")
    assert await minio.ask("make a service account, deny only")
    assert not await minio.ask("delete a version")
    assert not await minio.ask("delete a version, deny only", account="nobody")
    await add_user(world, "dave", policy("Deny", "s3:DeleteObjectVersion"))
    assert not await minio.ask("delete a version, deny only", account="dave")
    assert await minio.ask("make a service account, deny only", account="dave")


async def test_who_is_narrowed_needs_an_allow_for_it(minio, world):
    """As GHSA-jjjj-jwhf-8rgr: a restricted account made an unrestricted one for its parent."""
    await add_user(world, "alice", policy(action=["s3:*"]))
    what = "make a service account, deny only"
    assert await minio.ask(what, **derived("sa1", "alice", **{"sa-policy": "inherited-policy"}))
    for document in (policy(action="s3:GetObject"), policy(action="admin:*")):
        narrowed = derived("sa1", "alice", document, **{"sa-policy": "embedded-policy"})
        assert not await minio.ask(what, **narrowed)
    await add_key(world, "alice", "narrow", policy=policy(action="s3:GetObject"))
    assert not await minio.ask(what, account="narrow")


# --- derived credentials ------------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [{}, {"sa-policy": "embedded-policy"}])
async def test_a_derived_credential_may_what_it_and_its_parent_may(minio, alice, more):
    both = derived("DERIVED", "alice", policy(action=["s3:Get*", "s3:Delete*"]), **more)
    assert await minio.ask(**both)
    assert not await minio.ask("put with tags", **both)
    assert not await minio.ask("delete a version", **both)
    denies = derived("DERIVED", "alice", policy("Deny", "s3:GetObject"), **more)
    assert not await minio.ask(**denies)


async def test_one_without_a_policy_may_what_its_parent_may(minio, alice, world):
    plain = derived("DERIVED", "alice", **{"sa-policy": "inherited-policy"})
    assert await minio.ask(**plain)
    assert not await minio.ask(**derived("DERIVED", "bob"))
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert not await minio.ask(**plain)


@pytest.mark.parametrize(
    "document", ["null", "{}", "[]", "not json", '{"Statement":null}', "x" * 9000]
)
async def test_a_policy_that_cannot_be_read_lets_nothing_through(minio, alice, document):
    assert not await minio.ask(**derived("DERIVED", "alice", document))
    assert not await minio.ask("delete a version, deny only", **derived("S", "alice", document))


async def test_a_deny_of_the_bucket_s_policy_counts_for_all(minio, alice, world):
    await world.resource_policies.put(
        "arn:aws:s3:::box", bucket_policy("Deny", "s3:GetObject", bucket="arn:aws:s3:::box"),
        is_root=True,
    )  # fmt: skip
    await world.settle()
    assert not await minio.ask()
    assert not await minio.ask(**derived("S", "alice", policy()))


async def test_the_access_key_id_of_somebody_else_makes_nobody_somebody_else(minio, alice, world):
    """MinIO lets the holder of a credential choose the id of a service account."""
    await add_user(world, "boss", policy(), key_id="bosskey")
    assert await minio.ask("admin call of a user", account="bosskey")
    for claims in ({"sa-policy": "inherited-policy"}, {}):
        stolen = derived("bosskey", "alice", **claims)
        assert not await minio.ask(**stolen)
        assert not await minio.ask("admin call of a user", **stolen)
        assert not await minio.ask("delete a version, deny only", **stolen)
    assert not await minio.ask(**derived("bosskey", "unknown"))
    # Nor of root's.
    assert not await minio.ask(**derived(ROOT_ID, "alice"))
    assert not await minio.ask(**derived("x", ROOT_ID, policy()))


async def test_ids_of_ones_own_lift_nothing_that_narrows(minio, alice, world):
    await add_key(world, "alice", "narrow", policy=policy(action="s3:GetObject"))
    for account, parent in (("alice", "narrow"), ("narrow", "alice"), ("other", "narrow")):
        both = derived(account, parent, **{"sa-policy": "inherited-policy"})
        assert await minio.ask(**both)
        assert not await minio.ask("put with tags", **both)
        assert not await minio.ask("delete a version, deny only", **both)
    wide = derived("other", "narrow", policy())
    assert not await minio.ask("put with tags", **wide)


async def test_root_s_own_are_narrowed_too(minio):
    for what in ("root's session", "root's service account"):
        claims = {**BODIES[what]["input"]["claims"], "parent": ROOT_ID}
        assert await minio.ask(what, claims=claims)
        assert not await minio.ask(what, claims=claims, action="s3:PutObject")
        assert not await minio.ask(what, claims=claims, action="admin:CreateUser")


async def test_users_of_minios_identity_providers_are_nobody(minio, alice):
    for more in ({"iss": "https://idp", "sub": "s"}, {"ldapUser": "cn=x"}, {"policy": "p"}):
        assert not await minio.ask(**derived("DERIVED", "alice", **more))


# --- callers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "token",
    [None, "", "Bearer", TOKEN.lower(), TOKEN + " ", TOKEN[:-1], f"{TOKEN},{TOKEN}", "é" * 40],
)
async def test_who_does_not_present_the_token_learns_nothing(minio, alice, world, token):
    body = json.dumps(BODIES["get a tagged object"]).encode()
    for sent in (body, b"", b"nonsense", None):
        answer = await minio.send(sent, token=token)
        assert answer.status == 401
        assert set(json.loads(answer.body)) == {"code", "message"}
    code = "InvalidToken" if token else "MissingAuthenticationToken"
    assert world.count("authentication_failures", SURFACE, code) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "post"])
async def test_there_is_one_method(minio, alice, method):
    answer = await minio.send(json.dumps(BODIES["get a tagged object"]).encode(), method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


async def test_bodies_are_bounded_and_read_strictly(minio, alice, world):
    for body, status in (
        (None, 400),
        (b"", 400),
        (b"[" * 60_000, 400),
        (b'{"input":{"account":"alice","account":"bob"}}', 400),
        (b" " * (BODY_LIMIT + 1), 413),
    ):
        answer = await minio.send(body)
        assert answer.status == status
        assert "result" not in json.loads(answer.body)
    assert world.count("internal_errors", SURFACE) == 0


async def test_memory_that_is_too_old_decides_nothing(minio, alice, world):
    assert await minio.ask()
    world.source.is_lost = True
    world.clock.advance(301)
    answer = await minio.send(json.dumps(BODIES["get a tagged object"]).encode())
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert "result" not in json.loads(answer.body)


async def test_a_fault_of_ours_is_no_answer(minio, alice, world, monkeypatch):
    monkeypatch.setattr(world.authorizer, "check_age", lambda: 1 / 0)
    answer = await minio.send(json.dumps(BODIES["get a tagged object"]).encode())
    assert (answer.status, json.loads(answer.body)["message"]) == (500, "internal error")
    assert world.count("internal_errors", SURFACE) == 1


async def test_who_is_turned_away_gets_no_answer(minio):
    request = HttpRequest("POST", "/minio/authorize", "", {})
    answer = minio.surface.turn_away(request)
    assert (answer.status, "result" in json.loads(answer.body)) == (429, False)


async def test_what_is_decided_is_counted_and_timed(minio, alice, world):
    assert await minio.ask()
    assert world.count("decisions", SURFACE, "ALLOWED", "STATEMENT") == 1
    scraped = generate_latest(world.metrics.registry).decode()
    assert f'authz_check_seconds_count{{surface="{SURFACE}"}} 1.0' in scraped
    assert f'authz_authorize_seconds_count{{surface="{SURFACE}"}} 1.0' in scraped


async def test_without_a_token_nothing_is_there(minio, world):
    app = build_app(world.metrics, list, None, None)
    assert await status_of(app, "/minio/authorize") == 404
    there = SurfaceApp(minio.surface, proxies=(), trusted_hops=0)
    app = build_app(world.metrics, list, None, None, {"/minio/authorize": there})
    assert await status_of(app, "/minio/authorize") == 401
    for path in ("/minio/authorize/", "/minio//authorize", "/minio/%61uthorize", "/minio"):
        assert await status_of(app, path) == 404
    assert await status_of(app, "/minio/authorize", query=b"x=1") == 404


async def status_of(app, path, query=b"") -> int:
    scope = {
        "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
        "query_string": query, "headers": [], "client": ("192.0.2.1", 1), "scheme": "http",
    }  # fmt: skip
    statuses = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return statuses[0]
