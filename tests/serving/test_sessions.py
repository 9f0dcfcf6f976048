"""Sessions and service accounts as Envoy asks about them: who gets in, how it ends, what strangers try."""

from urllib.parse import unquote

import pytest

from authz.control.limits import REVOCATION_REACH
from authz.identity.records import Status, TargetKind
from authz.identity.sealing import KEY_SIZE, KeyRing
from authz.identity.session import TOKEN_LIMIT, Session, SessionKeys
from tests.access.world import ACCOUNT, ROOT_ID, ROOT_SECRET, policy
from tests.identity.clients import changed, presigned, signed, wall_clock
from tests.serving.surfaces import CHECK, question
from tests.serving.test_ext_authz import code_of, metadata_of

TOKEN = "x-amz-security-token"
HOST = "s3.example.com"
FIND = "find_user_by_id"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
GET_ONLY = policy(action="s3:GetObject", resource="arn:aws:s3:::box/*")


class Client:
    """Who signs with a session."""

    def __init__(self, issued) -> None:
        self.id = issued.session.access_key_id
        self.secret = issued.secret.reveal()
        self.token = issued.token


@pytest.fixture
def ask(surfaces, world):
    async def check(client, method="GET", path="/box/k", **parts):
        given = {"id": client.id, "secret": client.secret, "token": client.token} | parts
        signs = ((TOKEN, given["token"]),) if given["token"] else ()
        request = question(
            (given["id"], given["secret"]), world.clock.now(), method, path, signed=signs
        )
        return await surfaces.check(request.SerializeToString())

    return check


@pytest.fixture
async def alice(world, credential) -> str:
    """Let alice put, too."""
    await world.control.policies.create("puts", policy(action="s3:Put*"))
    await world.control.attachments.attach("puts", TargetKind.USER, "alice")
    await world.settle()
    return credential


@pytest.fixture
async def client(world, alice) -> Client:
    return Client(await world.session())


def is_allowed(answer) -> bool:
    return answer.status.code == 0


async def test_a_session_acts_as_its_parent(ask, client):
    for method in ("GET", "PUT"):
        answer = await ask(client, method)
        assert is_allowed(answer)
        assert metadata_of(answer)["principal"] == ALICE
    assert code_of(await ask(client, "DELETE")) == "AccessDenied"


async def test_a_session_acts_within_its_policy(ask, world, alice):
    client = Client(await world.session(policy=GET_ONLY))
    assert is_allowed(await ask(client))
    assert code_of(await ask(client, "PUT")) == "AccessDenied"
    assert code_of(await ask(client, path="/other/k")) == "AccessDenied"


async def test_a_narrowed_session_of_root_is_held_to_its_policy(ask, world):
    client = Client(await world.session("", policy=GET_ONLY))
    assert is_allowed(await ask(client))
    assert code_of(await ask(client, "PUT")) == "AccessDenied"
    assert is_allowed(await ask(Client(await world.session("")), "DELETE"))


async def test_a_policy_may_ask_when_the_session_was_issued(ask, world, client, alice):
    condition = {"DateLessThan": {"aws:TokenIssueTime": "2024-01-01T00:00:00Z"}}
    document = policy("Deny").replace('"Sid"', f'"Condition": {condition}, "Sid"'.replace("'", '"'))
    await world.control.policies.create("no-old-sessions", document)
    await world.control.attachments.attach("no-old-sessions", TargetKind.USER, "alice")
    await world.settle()
    assert code_of(await ask(client)) == "AccessDenied"
    key_id, secret = alice
    assert is_allowed(await ask(client, id=key_id, secret=secret, token=""))


@pytest.mark.parametrize("sign", [signed, presigned])
async def test_what_real_clients_sign_with_a_session_is_allowed(
    surfaces, world, alice, monkeypatch, sign
):
    for clock in (world.clock, world.control.clock):
        clock.advance(wall_clock() - clock.now())
    world.refresher.verified_at = world.clock.monotonic()
    client = Client(await world.session())
    for name, value in {"ACCESS_KEY_ID": client.id, "SECRET": client.secret, "HOST": HOST}.items():
        monkeypatch.setattr(f"tests.identity.clients.{name}", value)
    request = sign("GET", "/box/k", token=client.token)
    assert is_allowed(await surfaces.check(received(request)))
    tampered = changed(request, path="/box/other")
    assert code_of(await surfaces.check(received(tampered))) == "SignatureDoesNotMatch"
    assert client.token in unquote(str(request.headers) + request.query)


def received(request) -> bytes:
    """Return Envoy's question about what a real client sent."""
    path = f"{request.path}?{request.query}" if request.query else request.path
    asked = question(None, 0.0, request.method, path)
    http = asked.attributes.request.http
    for name, value in request.headers.items():
        if name != "host":
            http.header_map.headers.add(key=name, raw_value=value.encode())
    return asked.SerializeToString()


# --- how it ends ---


async def test_an_expired_session_is_told_so_once_it_is_proved(ask, world, client):
    assert is_allowed(await ask(client))
    world.clock.advance(3600.0)
    world.refresher.verified_at = world.clock.monotonic()
    assert code_of(await ask(client)) == "ExpiredToken"
    assert code_of(await ask(client, secret="not-the-secret")) == "SignatureDoesNotMatch"


async def test_a_revoked_session_is_refused_on_the_next_check(ask, world, client, alice):
    other = Client(await world.session())
    assert is_allowed(await ask(client))
    await world.control.sessions.revoke(client.id)
    await world.settle()
    assert code_of(await ask(client)) == "ExpiredToken"
    assert code_of(await ask(client, secret="not-the-secret")) == "SignatureDoesNotMatch"
    assert is_allowed(await ask(other))


async def test_all_sessions_of_a_user_end_together_and_new_ones_begin(ask, world, client):
    assert is_allowed(await ask(client))
    world.control.clock.advance(1.0)
    await world.control.sessions.revoke_user("alice")
    await world.settle()
    assert code_of(await ask(client)) == "ExpiredToken"
    assert code_of(await ask(client, secret="not-the-secret")) == "SignatureDoesNotMatch"
    # One that a replica behind may still have issued is void, too.
    assert code_of(await ask(Client(await world.session()))) == "ExpiredToken"
    world.control.clock.advance(REVOCATION_REACH)
    assert is_allowed(await ask(Client(await world.session())))


async def test_a_disabled_parent_is_answered_as_its_own_keys_are(ask, world, client, alice):
    await world.control.users.update("alice", status=Status.DISABLED)
    await world.settle()
    key_id, secret = alice
    of_session = code_of(await ask(client))
    assert of_session == code_of(await ask(client, id=key_id, secret=secret, token=""))
    assert of_session == "InvalidAccessKeyId"
    assert code_of(await ask(client, secret="not-the-secret")) == "SignatureDoesNotMatch"


async def test_a_recreated_user_does_not_revive_a_session(ask, world, client, alice):
    assert is_allowed(await ask(client))
    control = world.control
    await control.users.delete("alice", cascade=True)
    await control.users.create("alice")
    await control.attachments.attach("gets", TargetKind.USER, "alice")
    await world.settle()
    assert code_of(await ask(client)) == "InvalidAccessKeyId"
    # Whether the parent is there is nothing for who has a token only.
    assert code_of(await ask(client, secret="not-the-secret")) == "SignatureDoesNotMatch"


# --- what strangers try ---


async def test_a_token_of_another_ring_is_not_valid(ask, world, client):
    strange = SessionKeys(KeyRing({"k1": bytes(reversed(range(KEY_SIZE)))}))
    now = world.clock.now()
    session = Session(
        access_key_id=client.id, parent_id=ACCOUNT, issuer_id=ACCOUNT, issued_at=now,
        expires_at=now + 3600.0,
    )  # fmt: skip
    token, secret = strange.seal(session, bytes(16))
    assert code_of(await ask(client, token=token, secret=secret.reveal())) == "InvalidToken"
    assert world.source.calls[FIND] == 0


async def test_tokens_and_keys_of_two_sessions_do_not_mix(ask, world, client):
    other = Client(await world.session(policy=GET_ONLY))
    for one in (client, other):
        assert is_allowed(await ask(one))
    assert code_of(await ask(other, token=client.token)) == "InvalidToken"
    assert code_of(await ask(other, id=client.id)) == "InvalidToken"
    assert code_of(await ask(other, token=client.token, id=client.id)) == "SignatureDoesNotMatch"


async def test_a_token_is_not_for_long_lived_keys(ask, world, client, alice):
    key_id, secret = alice
    root = ROOT_ID, ROOT_SECRET.decode()
    for token in (client.token, "garbage"):
        for signer in ((key_id, secret), root, ("UNKNOWNKEY", "any-secret")):
            answer = await ask(client, id=signer[0], secret=signer[1], token=token)
            assert code_of(answer) == "InvalidToken"


async def test_a_sessions_key_without_its_token_is_an_unknown_key(ask, client):
    assert is_allowed(await ask(client))
    assert code_of(await ask(client, token="")) == "InvalidAccessKeyId"


async def test_a_token_that_is_not_the_one_is_not_valid(ask, world, client):
    assert is_allowed(await ask(client))
    reads = sum(world.source.calls.values())
    flipped = client.token[:50] + ("A" if client.token[50] != "A" else "B") + client.token[51:]
    for wrong in (flipped, client.token[:-1], client.token + "A", client.token + "=", "A" * TOKEN_LIMIT,
                  "A" * (TOKEN_LIMIT + 1), client.token * 20):  # fmt: skip
        assert code_of(await ask(client, token=wrong)) == "InvalidToken"
    assert sum(world.source.calls.values()) == reads
    assert is_allowed(await ask(client))


# --- service accounts ---


async def test_a_service_account_follows_live_rights_within_its_policy(ask, world, alice):
    control = world.control
    made = (await control.access_keys.create("alice", policy=policy(action="s3:*"))).value
    await world.settle()
    key = {"id": made.key.id, "secret": made.secret.reveal(), "token": ""}
    client = Client(await world.session())
    assert is_allowed(await ask(client, "PUT", **key))
    await control.attachments.detach("puts", TargetKind.USER, "alice")
    await world.settle()
    assert code_of(await ask(client, "PUT", **key)) == "AccessDenied"
    await control.access_keys.update(made.key.id, policy=policy(action="s3:Put*"))
    await world.settle()
    assert code_of(await ask(client, **key)) == "AccessDenied"


async def test_an_expired_key_is_one_that_never_was(ask, world, alice):
    ends = world.clock.now() + 3600.0
    made = (await world.control.access_keys.create("alice", expires_at=ends)).value
    await world.settle()
    key = {"id": made.key.id, "secret": made.secret.reveal(), "token": ""}
    client = Client(await world.session())
    assert is_allowed(await ask(client, **key))
    world.clock.advance(3600.0)
    world.refresher.verified_at = world.clock.monotonic()
    expired, unknown = await ask(client, **key), await ask(client, id="NEVERWAS", token="")
    assert code_of(expired) == code_of(unknown) == "InvalidAccessKeyId"
    assert code_of(await ask(client, **key | {"secret": "wrong-secret"})) == "InvalidAccessKeyId"


async def test_checks_are_answered_at_once_when_the_session_is_in_memory(surfaces, world, client):
    asked = question(
        (client.id, client.secret), world.clock.now(), signed=((TOKEN, client.token),)
    ).SerializeToString()
    await surfaces.check(asked)
    assert isinstance(surfaces.methods[CHECK](asked, None), bytes)
