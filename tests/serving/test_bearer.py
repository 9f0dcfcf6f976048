"""Tokens and certificates in place of signatures: who they are, for how long, and what strangers make of them."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from authz.access.bearers import REFUSED_FOR
from authz.clock import ManualClock
from authz.control.limits import REVOCATION_REACH
from authz.control.providers import ProviderChange, Providers
from authz.errors import InvalidError, OverloadedError, UnavailableError
from authz.formats.provider_configs import check_config
from authz.identity.external import ProviderKind
from authz.identity.jwt import TOKEN_LIMIT
from authz.identity.records import Status, TargetKind
from authz.serving.bearer_logins import WORD_INTERVAL, Presented, PresentedKind
from authz.serving.failure_budget import FAILURES, FAILURES_PER_SECOND
from authz.telemetry.decision_log import DecisionLog
from authz.wire.authz.v1 import authentication_pb2, authorization_pb2, decision_pb2
from tests.access.world import ACCOUNT, policy
from tests.servers.client_certificates import Authority
from tests.servers.issuer import CLIENT_ID, EC, OTHER_RSA, RSA, Issuer, public_jwk, sign
from tests.serving.surfaces import AUTHENTICATE, AUTHORIZATION, CHECK, question

ALICE = f"arn:aws:iam::{ACCOUNT}:user/corp=alice"
PATH = "/orders/17"
GETS = policy(action="orders:Get")
BEGIN = datetime.fromtimestamp(ManualClock().now(), UTC)
CLIENTS, STRANGERS = Authority("clients", now=BEGIN), Authority("strangers", now=BEGIN)


class Site:
    """Providers as an administrator makes them, and requests that present something."""

    def __init__(self, world, surfaces) -> None:
        self.world, self.surfaces = world, surfaces
        control = world.control
        self.providers = Providers(control.store, control.clock, control.ring, check_config)

    async def provide(self, name, kind, config, policies=("may-get",)):
        await self.providers.create(name, kind, json.dumps(config))
        for each in policies:
            await self.attach(each, TargetKind.PROVIDER, name)
        await self.world.settle()

    async def give(self, name, document, kind, target):
        await self.world.control.policies.create(name, document)
        await self.attach(name, kind, target)

    async def attach(self, name, kind, target):
        await self.world.control.attachments.attach(name, kind, target)
        await self.world.settle()

    async def change(self, name="corp", **changes):
        await self.providers.update(name, ProviderChange(**changes))
        await self.world.settle()

    def asked(self, token=None, *, mapping="tokens", path=PATH, certificate=None, extra=(), **more):
        lines = list(extra) if token is None else [("authorization", f"Bearer {token}"), *extra]
        asked = question(None, self.world.clock.now(), "GET", path, mapping=mapping, extra=lines, **more)  # fmt: skip
        if certificate is not None:
            asked.attributes.source.certificate = certificate
        return asked

    async def send(self, *arguments, **more):
        return await self.surfaces.check(self.asked(*arguments, **more).SerializeToString())

    async def who(self, *arguments, **more) -> str:
        """Return the principal that is let through, or the code of the refusal with its status."""
        answer = await self.send(*arguments, **more)
        if answer.HasField("ok_response"):
            return headers_of(answer)["x-authz-principal"]
        denied = answer.denied_response
        return f"{json.loads(denied.body)['code']} {denied.status.code}"

    def verified(self, outcome=None) -> float:
        """Return how many proofs providers were asked to take."""
        values = self.world.metrics.logins.values
        return sum(n for (_, said), n in values.items() if outcome in {None, said})


def headers_of(answer) -> dict[str, str]:
    part = answer.ok_response if answer.HasField("ok_response") else answer.denied_response
    return {option.header.key: option.header.value for option in part.headers}


@pytest.fixture
async def site(world, surfaces):
    await world.control.policies.create("may-get", GETS)
    yield Site(world, surfaces)
    await surfaces.registry.close()


@pytest.fixture
def issuer():
    with Issuer() as running:
        yield running


@pytest.fixture
def token(issuer, world):
    def make(key=RSA, seconds=600, kid="one", algorithm="RS256", **claims):
        now = int(world.clock.now())
        made = issuer.claims(**{"iat": now, "exp": now + seconds, **claims})
        return sign(made, key, algorithm, kid=kid)

    return make


def oidc(issuer, **members):
    return {
        "issuer": issuer.url, "client_ids": [CLIENT_ID], "insecure_http": True,
        "groups_claim": "groups", "policy_claim": "policy", **members,
    }  # fmt: skip


@pytest.fixture
async def corp(site, issuer):
    """A provider whose users may get orders."""
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer))
    return site


# --- ID tokens ----------------------------------------------------------------------------------------------


async def test_an_id_token_is_its_users_request_and_is_looked_at_once(corp, token):
    shown = token()
    for _ in range(5):
        assert await corp.who(shown) == ALICE
    assert corp.verified() == 1
    assert await corp.who(token(seconds=700)) == ALICE
    assert corp.verified() == 2


async def test_what_was_taken_is_answered_at_once_and_the_rest_later(corp, token):
    asked = corp.asked(token()).SerializeToString()
    answer = corp.surfaces.methods[CHECK](asked, None)
    assert not isinstance(answer, bytes)
    await answer
    assert isinstance(corp.surfaces.methods[CHECK](asked, None), bytes)


async def test_the_user_is_known_from_then_on_and_is_asked_about_like_any(corp, token, world):
    assert await corp.who(token()) == ALICE
    user = await world.control.users.get("corp=alice")
    assert (user.provider_id, user.status) == ((await corp.providers.get("corp")).id, Status.ENABLED)  # fmt: skip


async def test_many_who_show_the_same_at_once_make_one_login(corp, token):
    shown = token()
    assert set(await asyncio.gather(*(corp.who(shown) for _ in range(50)))) == {ALICE}
    assert corp.verified() == 1


async def test_what_a_token_says_is_for_conditions(corp, token, world):
    document = json.loads(policy(action="orders:Get"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"jwt:sub": "alice", "jwt:aud": CLIENT_ID}}  # fmt: skip
    await world.control.policies.update("may-get", document=json.dumps(document))
    await world.settle()
    assert await corp.who(token()) == ALICE
    assert await corp.who(token(sub="bob")) == "AccessDenied 403"


async def test_policies_that_a_token_names_are_granted_while_they_are_called_so(
    site, issuer, token, world
):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies=())
    shown = token(policy="may-get")
    assert await site.who(shown) == ALICE
    await world.control.policies.delete("may-get")
    await world.settle()
    assert await site.who(shown) == "AccessDenied 403"
    await world.control.policies.create("may-get", GETS)
    await world.settle()
    assert await site.who(shown) == ALICE
    await world.control.policies.update("may-get", document=policy("Deny"))
    await world.settle()
    assert await site.who(shown) == "AccessDenied 403"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
async def test_the_scheme_has_no_case(corp, token, scheme):
    assert await corp.who(extra=[("authorization", f"{scheme} {token()}")]) == ALICE


async def test_the_authorization_header_goes_on_or_is_taken_away_as_the_mapping_says(corp, token):
    for mapping, stripped in (("tokens", False), ("id-tokens", True)):
        answer = await corp.send(token(), mapping=mapping)
        assert ("authorization" in answer.ok_response.headers_to_remove) is stripped


async def test_a_refusal_says_what_to_show_and_repeats_nothing(corp, token):
    shown = token(OTHER_RSA)
    answer = await corp.send(shown)
    assert answer.denied_response.status.code == 401
    assert headers_of(answer)["www-authenticate"] == 'Bearer realm="authz", error="invalid_token"'
    assert shown not in str(answer)
    assert shown.split(".")[2] not in str(answer)
    answer = await corp.send()
    assert answer.denied_response.status.code == 401
    assert headers_of(answer)["www-authenticate"] == 'Bearer realm="authz"'
    # Who is known and may not is not told to get another token.
    answer = await corp.send(token(), path="/orders/17/x")
    assert answer.denied_response.status.code == 403
    assert "www-authenticate" not in headers_of(answer)


# --- what ends it -------------------------------------------------------------------------------------------


async def test_a_token_ends_between_two_requests(corp, token, world):
    shown = token(seconds=60)
    assert await corp.who(shown) == ALICE
    world.clock.advance(59)
    assert await corp.who(shown) == ALICE
    world.clock.advance(1)
    # For clocks that differ a provider's word is taken a little longer; a session is not, and this is none.
    assert await corp.who(shown) == "ExpiredToken 401"


async def test_a_provider_that_is_disabled_lets_nobody_in_from_then_on(corp, token):
    shown = token()
    assert await corp.who(shown) == ALICE
    await corp.change(status=Status.DISABLED)
    assert await corp.who(shown) == "InvalidIdentityToken 401"
    await corp.change(status=Status.ENABLED)
    assert await corp.who(shown) == ALICE


async def test_a_provider_that_is_for_others_now_takes_what_it_took_no_more(corp, token, issuer):
    shown = token()
    assert await corp.who(shown) == ALICE
    await corp.change(config=json.dumps(oidc(issuer, client_ids=["another"])))
    assert await corp.who(shown) == "InvalidIdentityToken 401"


async def test_the_next_request_sees_what_became_of_the_user(corp, token, world):
    shown, users = token(), world.control.users
    assert await corp.who(shown) == ALICE
    await users.update("corp=alice", status=Status.DISABLED)
    await world.settle()
    assert await corp.who(shown) == "AccessDenied 403"
    await users.update("corp=alice", status=Status.ENABLED)
    await world.settle()
    # As with sessions: what there was before is over.
    assert await corp.who(shown) == "ExpiredToken 401"
    world.clock.advance(REVOCATION_REACH)
    shown = token()
    assert await corp.who(shown) == ALICE
    await world.control.attachments.detach("may-get", TargetKind.PROVIDER, "corp")
    await world.settle()
    assert await corp.who(shown) == "AccessDenied 403"
    await corp.attach("may-get", TargetKind.USER, "corp=alice")
    assert await corp.who(shown) == ALICE


async def test_a_user_who_is_deleted_is_made_anew_by_a_token_that_still_counts(corp, token, world):
    shown, users = token(), world.control.users
    assert await corp.who(shown) == ALICE
    before = await users.get("corp=alice")
    await users.delete("corp=alice")
    await world.settle()
    assert await corp.who(shown) == ALICE
    assert (await users.get("corp=alice")).id != before.id


async def test_groups_follow_the_newest_word_and_two_words_take_no_turns(corp, token, world):
    await make_group(world, "corp=ops", policy(action="orders:*"))
    world.clock.advance(1)
    old = token(groups=["ops"])
    assert await corp.who(old) == ALICE
    assert await group_names(world) == ["corp=ops"]
    world.clock.advance(60)
    new = token(groups=[])
    assert await corp.who(new) == ALICE
    assert await group_names(world) == []
    revision = await world.settle()
    for _ in range(5):
        world.clock.advance(WORD_INTERVAL)
        assert await corp.who(old) == ALICE
        assert await corp.who(new) == ALICE
    # The older word is still a proof of who it is, but of nothing that the newer one took back.
    assert await group_names(world) == []
    assert await world.settle() == revision


async def test_two_words_that_are_equally_new_change_the_user_seldom(corp, token, world):
    await make_group(world, "corp=ops", policy(action="orders:*"))
    one, other = token(groups=["ops"]), token(groups=[])
    assert await corp.who(one) == ALICE
    revision = await world.settle()
    for _ in range(20):
        assert await corp.who(other) == ALICE
        assert await corp.who(one) == ALICE
    assert await world.settle() == revision


async def make_group(world, name, document):
    await world.control.groups.create(name)
    await world.control.policies.create("all", document)
    await world.control.attachments.attach("all", TargetKind.GROUP, name)
    await world.settle()


async def group_names(world):
    page = await world.control.groups.list_of_user("corp=alice")
    return [group.name for group in page.items]


async def test_who_ends_all_sessions_ends_tokens_made_before(corp, token, world):
    shown = token()
    assert await corp.who(shown) == ALICE
    world.clock.advance(5)
    world.control.clock.advance(5)
    await world.control.sessions.revoke_user("corp=alice")
    await world.settle()
    assert await corp.who(shown) == "ExpiredToken 401"
    world.clock.advance(REVOCATION_REACH)
    assert await corp.who(token()) == ALICE


async def test_a_user_whom_the_provider_lost_is_not_brought_back_by_an_old_token(
    corp, token, world
):
    shown = token()
    assert await corp.who(shown) == ALICE
    await world.control.logins.set_absent(await world.control.users.get("corp=alice"))
    await world.settle()
    assert await corp.who(shown) == "ExpiredToken 401"
    world.clock.advance(REVOCATION_REACH)
    assert await corp.who(token()) == ALICE


# --- what is no proof ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"iss": "https://elsewhere.example"}, {"aud": None}, {"iss": None},
        {"nbf": 2**40}, {"exp": None}, {"sub": None}, {"cnf": {}}, {"events": {}},
    ],
)  # fmt: skip
async def test_a_token_that_is_not_for_us_is_nobodys(corp, token, claims):
    assert (await corp.who(token(**claims))).endswith(" 401")


async def test_a_token_of_unknown_make_is_nobodys(corp, token, issuer):
    good = token()
    head, body, signature = good.split(".")
    none = sign(issuer.claims(), None, "none")
    hmac = sign(issuer.claims(), "x" * 32, "HS256")
    forged = [
        none + "AA", hmac, token(OTHER_RSA), token(EC, algorithm="ES256"), token(kid="two"),
        f"{head}.{body}.{signature[:-4]}", f"{body}.{head}.{signature}", f"{head}.{body}.AA", f"{good}AAAA",
    ]  # fmt: skip
    for each in forged:
        assert await corp.who(each) in {"InvalidIdentityToken 401", "InvalidToken 401"}, each


async def test_a_token_that_two_providers_take_is_nobodys(corp, token, issuer):
    await corp.provide("twin", ProviderKind.OIDC, oidc(issuer))
    assert await corp.who(token()) == "InvalidIdentityToken 401"


async def test_a_provider_that_wants_an_access_token_is_not_asked(site, token, issuer):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer, claims_from_userinfo=True))
    assert await site.who(token()) == "IDPRejectedClaim 401"
    assert issuer.requests["/userinfo"] == 0


async def test_a_provider_that_cannot_be_reached_is_a_fault_and_no_refusal(site, token, issuer):
    issuer.answers.clear()
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer))
    shown = token()
    with pytest.raises(UnavailableError):
        await site.who(shown)
    # And it is not held against the token.
    issuer.describe()
    issuer.publish(public_jwk(RSA, "one"))
    site.world.clock.advance(120)
    assert await site.who(shown) == ALICE


async def test_a_header_that_could_be_read_in_two_ways_is_refused(corp, token):
    good = token()
    lines = [
        f"Bearer  \t{good}", f"Bearer\t{good}", f"Bearer {good},", f"Bearer {good} ", f"Bearer {good}, Bearer {good}",
        f"Bearer {good}\0", f"Bearer\0{good}", "Bearer", "Bearer ", "Bearer =", f"Bearer {good}=", f"Bearer: {good}",
        f"Bearer {good} {good}", f"Bearer, {good}", f"Bearer token={good}", f'Bearer "{good}"', f"Bearer {good}\r\nx: y",
        f"Bearer {good}.{good}", f"Bearer {'.'.join(good.split('.')[:2])}", f"Bearer {good}é", f"Bearer .{good}",
        "Bearer ..", f"Bearer {'A' * (TOKEN_LIMIT + 17)}",
    ]  # fmt: skip
    for line in lines:
        assert (await corp.who(extra=[("authorization", line)])) == "InvalidRequest 400", line
    for line in (f" Bearer {good}", f"Basic {good}", f"Token {good}", f"Bearer+ {good}", good):
        assert (await corp.who(extra=[("authorization", line)])).endswith(" 400"), line
    assert corp.verified() == 0


async def test_a_token_of_the_longest_length_is_looked_at(corp):
    assert await corp.who("A" * TOKEN_LIMIT) == "InvalidToken 401"
    half = (TOKEN_LIMIT - 2) // 2
    assert await corp.who(f"{'A' * half}.{'A' * half}.A") == "InvalidIdentityToken 401"


async def test_two_proofs_are_none(corp, token, credential, world):
    good = token()
    twice = [("authorization", f"Bearer {good}")] * 2
    assert await corp.who(extra=twice) == "InvalidRequest 400"
    assert await corp.who(extra=[("authorization", "Basic x"), twice[0]]) == "InvalidRequest 400"
    presigned = f"{PATH}?X-Amz-Signature=00"
    assert await corp.who(good, path=presigned) == "InvalidRequest 400"
    assert await corp.who(good, extra=[("x-amz-security-token", "x")]) == "InvalidRequest 400"
    signed = question(credential, world.clock.now(), "GET", PATH, mapping="tokens", service="orders", extra=[twice[0]])  # fmt: skip
    answer = await corp.surfaces.check(signed.SerializeToString())
    assert answer.denied_response.status.code == 400
    signed = question(credential, world.clock.now(), "GET", PATH, mapping="tokens", service="orders")  # fmt: skip
    assert (await corp.surfaces.check(signed.SerializeToString())).HasField("ok_response")


async def test_a_token_in_the_query_is_nothing(corp, token):
    for name in ("access_token", "token", "authorization", "Authorization"):
        path = f"{PATH}?{name}={token()}"
        assert await corp.who(path=path) == "MissingAuthenticationToken 401"


@pytest.mark.parametrize("mapping", ["", "s3", "orders", "certificates"])
async def test_where_no_tokens_are_taken_they_are_refused_as_ever(corp, token, mapping):
    answer = await corp.send(token(), mapping=mapping)
    assert answer.denied_response.status.code == 400
    assert "InvalidArgument" in answer.denied_response.body
    assert "www-authenticate" not in headers_of(answer)
    assert corp.verified() == 0


# --- how much work strangers make ---------------------------------------------------------------------------


async def test_the_same_garbage_is_looked_at_once_in_a_while(corp, token, world):
    bad = token(OTHER_RSA)
    for _ in range(50):
        assert await corp.who(bad) == "InvalidIdentityToken 401"
    assert corp.verified() == 1
    world.clock.advance(REFUSED_FOR)
    assert await corp.who(bad) == "InvalidIdentityToken 401"
    assert corp.verified() == 2


async def test_garbage_pushes_nobody_out_and_asks_the_provider_for_nothing(corp, token, issuer):
    shown = token()
    assert await corp.who(shown) == ALICE
    fetched = sum(issuer.requests.values())
    for n in range(1_200):
        assert await corp.who(f"{n:x}A.AA.AA") == "InvalidIdentityToken 401"
    bad = [token(OTHER_RSA, sub=f"s{n}") for n in range(50)]
    for each in bad:
        assert await corp.who(each) == "InvalidIdentityToken 401"
    # What is no token was nobody's to verify; what is one costs one verification each.
    assert corp.verified() == 1 + len(bad)
    assert await corp.who(shown) == ALICE
    assert corp.verified() == 1 + len(bad)
    assert sum(issuer.requests.values()) == fetched
    # Keys that nobody knows are asked for once in a while, not once a token.
    await asyncio.gather(*(corp.who(token(OTHER_RSA, kid=f"k{n}")) for n in range(8)))
    assert sum(issuer.requests.values()) <= fetched + 1


async def test_a_source_of_many_forgeries_waits_and_nobody_else_does(corp, token, world):
    shown = token()
    assert await corp.who(shown) == ALICE
    forged = [token(OTHER_RSA, sub=f"s{n}") for n in range(int(FAILURES) + 1)]
    for each in forged[:-1]:
        assert await corp.who(each) == "InvalidIdentityToken 401"
    looked_at = corp.verified()
    for each in (forged[-1], token(seconds=601)):
        with pytest.raises(OverloadedError):
            await corp.who(each)
    assert corp.verified() == looked_at
    # What is in memory costs nothing, and others come from elsewhere.
    assert await corp.who(shown) == ALICE
    assert await corp.who("A.A.A") == "InvalidIdentityToken 401"
    elsewhere = corp.asked(token(seconds=602))
    elsewhere.attributes.source.address.socket_address.address = "192.0.2.8"
    assert (await corp.surfaces.check(elsewhere.SerializeToString())).HasField("ok_response")
    world.clock.advance(1 / FAILURES_PER_SECOND)
    assert await corp.who(token(seconds=601)) == ALICE


async def test_who_is_let_in_by_nothing_writes_nothing(site, issuer, token, world):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies=())
    revision = await world.settle()
    writes = []
    adopt = site.surfaces.bearers._users._logins.adopt

    async def counted(*arguments, **more):
        writes.append(1)
        return await adopt(*arguments, **more)

    site.surfaces.bearers._users._logins.adopt = counted
    for n in range(10):
        assert await site.who(token(seconds=600 + n)) == "AccessDenied 403"
    assert len(writes) == 1
    assert await world.settle() == revision


async def test_only_so_many_wait_for_a_provider_and_others_go_first(corp, token, world, monkeypatch):  # fmt: skip
    held = asyncio.Event()
    take = corp.surfaces.registry.take_token

    async def slow(*arguments, **more):
        await held.wait()
        return await take(*arguments, **more)

    warm = token()
    assert await corp.who(warm) == ALICE
    monkeypatch.setattr(corp.surfaces.registry, "take_token", slow)
    waiting = [asyncio.create_task(corp.who(token(sub=f"u{n}"))) for n in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError):
        await corp.who(token(sub="late"))
    assert await corp.who(warm) == ALICE
    assert await corp.who("A.A.A") == "InvalidIdentityToken 401"
    held.set()
    assert all(":user/corp=u" in each for each in await asyncio.gather(*waiting))


async def test_a_change_that_overtakes_a_login_is_not_missed(corp, token, issuer, monkeypatch):
    take = corp.surfaces.registry.take_token
    changed = []

    async def overtaken(*arguments, **more):
        login = await take(*arguments, **more)
        if not changed:
            changed.append(1)
            await corp.change(config=json.dumps(oidc(issuer, client_ids=["another"])))
        return login

    monkeypatch.setattr(corp.surfaces.registry, "take_token", overtaken)
    assert await corp.who(token()) == "InvalidIdentityToken 401"


async def test_a_rotation_at_the_provider_leaves_what_was_taken(corp, token, issuer, world):
    shown = token()
    assert await corp.who(shown) == ALICE
    issuer.publish(public_jwk(OTHER_RSA, "two"))
    world.clock.advance(30)
    assert await corp.who(token(OTHER_RSA, kid="two")) == ALICE
    assert await corp.who(shown) == ALICE
    assert await corp.who(token(seconds=601)) == "InvalidIdentityToken 401"


# --- sessions' tokens ---------------------------------------------------------------------------------------


async def test_a_session_token_is_a_proof_where_it_is_named(corp, credential, world):
    issued = await world.session()
    arn = f"arn:aws:iam::{ACCOUNT}:user/alice"
    for _ in range(2):
        assert await corp.who(issued.token) == arn
    assert await corp.who(issued.token, mapping="id-tokens") == "InvalidToken 401"
    assert await corp.who(issued.token, mapping="certificates") == "InvalidArgument 400"
    assert corp.verified() == 0
    await world.control.sessions.revoke(issued.session.access_key_id)
    await world.settle()
    assert await corp.who(issued.token) == "ExpiredToken 401"


async def test_a_session_token_ends_with_its_time_and_with_its_parent(
    corp, credential, world, monkeypatch
):
    monkeypatch.setattr(world.refresher, "age", lambda: 0.0)
    users = world.control.users
    one, other = await world.session(duration=900), await world.session(duration=3600)
    world.clock.advance(900)
    assert await corp.who(one.token) == "ExpiredToken 401"
    assert (await corp.who(other.token)).endswith("user/alice")
    await users.update("alice", status=Status.DISABLED)
    await world.settle()
    assert await corp.who(other.token) == "InvalidAccessKeyId 401"
    await users.update("alice", status=Status.ENABLED)
    await world.settle()
    assert await corp.who(other.token) == "ExpiredToken 401"
    world.control.clock.advance(900 + REVOCATION_REACH)
    again = await world.session()
    assert (await corp.who(again.token)).endswith("user/alice")
    await users.delete("alice", cascade=True)
    await world.settle()
    assert await corp.who(again.token) == "InvalidAccessKeyId 401"


async def test_a_narrowed_session_is_told_as_one(corp, credential, world):
    narrowed = await world.session(policy=policy(action="orders:Get"))
    headers = headers_of(await corp.send(narrowed.token))
    assert headers["x-authz-narrowed"] == "true"
    assert headers["x-authz-access-key-id"] == narrowed.session.access_key_id
    denied = await world.session(policy=policy(action="s3:*"))
    assert await corp.who(denied.token) == "AccessDenied 403"


async def test_what_is_no_token_of_ours_is_nobodys(corp, credential, world):
    issued = await world.session()
    for bad in (issued.token[:-1], f"{issued.token}A", "A", "AQ", issued.token.swapcase()):
        assert await corp.who(bad) == "InvalidToken 401"


# --- certificates -------------------------------------------------------------------------------------------


@pytest.fixture
async def fleet(site):
    await site.provide("fleet", ProviderKind.CERTIFICATE, {"ca_pem": CLIENTS.own.pem})
    return site


ROBOT = f"arn:aws:iam::{ACCOUNT}:user/fleet=robot"


def issued(name="robot", authority=CLIENTS):
    return authority.issue(name).url_encoded


async def test_a_certificate_that_envoy_has_seen_is_a_proof_where_it_is_taken(fleet, world):
    shown = issued()
    for _ in range(3):
        assert await fleet.who(mapping="certificates", certificate=shown) == ROBOT
    assert fleet.verified() == 1
    for mapping in ("tokens", "orders"):
        assert (await fleet.who(mapping=mapping, certificate=shown)) != ROBOT
    xfcc = [("x-forwarded-client-cert", f'Cert="{shown}"')]
    assert await fleet.who(mapping="certificates", extra=xfcc) == "AccessDenied 403"


async def test_a_certificate_of_strangers_or_of_no_form_is_nobodys(fleet, world):
    for bad in (issued(authority=STRANGERS), "x", "%2", issued()[:-30], "é"):
        assert await fleet.who(mapping="certificates", certificate=bad) == "AccessDenied 403"
    await fleet.change("fleet", status=Status.DISABLED)
    assert await fleet.who(mapping="certificates", certificate=issued()) == "AccessDenied 403"


async def test_the_token_decides_where_there_is_a_certificate_too(fleet, issuer, token, world, credential):  # fmt: skip
    await fleet.provide("corp", ProviderKind.OIDC, oidc(issuer))
    shown = issued()
    assert await fleet.who(token(), mapping="all", certificate=shown) == ALICE
    assert await fleet.who(mapping="all", certificate=shown) == ROBOT
    assert await fleet.who(token(OTHER_RSA), mapping="all", certificate=shown) == "InvalidIdentityToken 401"  # fmt: skip
    signed = question(credential, world.clock.now(), "GET", PATH, mapping="all", service="orders")
    signed.attributes.source.certificate = shown
    answer = await fleet.surfaces.check(signed.SerializeToString())
    assert headers_of(answer)["x-authz-principal"].endswith("user/alice")


async def test_a_certificate_is_not_ended_with_sessions_but_with_its_user(fleet, world):
    shown = issued()
    assert await fleet.who(mapping="certificates", certificate=shown) == ROBOT
    world.control.clock.advance(60)
    await world.control.sessions.revoke_user("fleet=robot")
    await world.settle()
    assert await fleet.who(mapping="certificates", certificate=shown) == ROBOT
    await world.control.users.update("fleet=robot", status=Status.DISABLED)
    await world.settle()
    assert await fleet.who(mapping="certificates", certificate=shown) == "AccessDenied 403"


def test_what_is_presented_shows_nothing_of_itself():
    shown = Presented.of_token("a.b.c")
    assert (repr(shown), shown.kind) == ("Presented(id_token)", PresentedKind.ID_TOKEN)
    assert "a.b.c" not in shown.digest
    other = Presented(PresentedKind.CERTIFICATE, b"a.b.c")
    assert other.digest != shown.digest


# --- services that take proofs themselves -------------------------------------------------------------------


@pytest.fixture
def authenticate(surfaces):
    async def ask(**proof):
        request = authentication_pb2.AuthenticateRequest(**proof)
        return await surfaces.ask(AUTHENTICATE, request, authentication_pb2.AuthenticateResponse)

    return ask


@pytest.fixture
def allowed(surfaces):
    """Tell whether who shows this token may, as a service asks about it, and why not."""

    async def ask(token, action="orders:Get"):
        request = authorization_pb2.AuthorizeRequest(
            bearer_token=token, action=action, resource="arn:aws:orders:::order/17"
        )
        path = f"{AUTHORIZATION}/Authorize"
        answer = await surfaces.ask(path, request, authorization_pb2.AuthorizeResponse)
        return decision_pb2.Verdict.Name(answer.decision.verdict).removeprefix("VERDICT_")

    return ask


async def test_a_service_learns_whose_a_token_is_and_asks_with_it(
    corp, token, authenticate, allowed
):
    shown = token()
    for _ in range(2):
        # What the token says is known to who asks with it alone.
        assert (await authenticate(bearer_token=shown)).failure.code == "AccessDenied"
        answer = (await authenticate(bearer_token=shown, accepts_narrowed=True)).authentication
        assert (answer.principal.arn, answer.access_key_id, answer.narrowed) == (ALICE, "", True)
        assert await allowed(shown) == "ALLOWED"
        assert await allowed(shown, "orders:Delete") == "IMPLICITLY_DENIED"
    assert corp.verified() == 1
    failure = (await authenticate(bearer_token=token(OTHER_RSA))).failure
    assert failure.code == "InvalidIdentityToken"
    assert await allowed(token(OTHER_RSA)) == "IMPLICITLY_DENIED"


async def test_a_deny_on_a_claim_holds_for_a_service_that_asks(corp, token, authenticate, allowed):
    document = json.loads(policy("Deny", "orders:*", "*"))
    document["Statement"][0]["Condition"] = {"StringEquals": {"jwt:acr": "low"}}
    await corp.give("no-low", json.dumps(document), TargetKind.PROVIDER, "corp")
    shown = token(acr="low")
    assert (await authenticate(bearer_token=shown)).failure.code == "AccessDenied"
    assert await allowed(shown) == "EXPLICITLY_DENIED"


async def test_who_may_not_log_in_is_let_in_by_no_token_either(corp, token, allowed, world):
    shown = token()
    assert await allowed(shown) == "ALLOWED"
    await corp.give("out", policy("Deny", "sts:AssumeRoleWithWebIdentity"), TargetKind.PROVIDER, "corp")  # fmt: skip
    assert await allowed(shown) != "ALLOWED"
    assert await allowed(token(sub="alice", n=1)) != "ALLOWED"


async def test_a_token_with_tags_that_nothing_allows_is_looked_at_once(corp, token, allowed):
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}}}
    shown = token(**tags)
    for _ in range(5):
        assert await allowed(shown) == "IMPLICITLY_DENIED"
    # Twice, for the first time it was new that there is such a user.
    assert corp.verified() == 2
    # Another one of the same user is none the worse for it.
    assert await allowed(token()) == "ALLOWED"


async def test_what_a_token_grants_is_told_to_those_only_who_can_ask_with_it(
    site, issuer, token, authenticate, allowed
):
    await site.provide("corp", ProviderKind.OIDC, oidc(issuer), policies=())
    shown = token(policy="may-get")
    assert (await authenticate(bearer_token=shown)).failure.code == "AccessDenied"
    assert (await authenticate(bearer_token=shown, accepts_narrowed=True)).authentication.narrowed
    assert await allowed(shown) == "ALLOWED"


async def test_a_narrowed_session_is_asked_about_by_its_token(
    corp, credential, authenticate, allowed, world
):
    plain, narrowed = await world.session(), await world.session(policy=policy(action="s3:*"))
    answer = (await authenticate(bearer_token=plain.token)).authentication
    assert (answer.access_key_id, answer.narrowed) == (plain.session.access_key_id, False)
    assert (await authenticate(bearer_token=narrowed.token)).failure.code == "AccessDenied"
    answer = (await authenticate(bearer_token=narrowed.token, accepts_narrowed=True)).authentication
    assert (answer.access_key_id, answer.narrowed) == (narrowed.session.access_key_id, True)
    assert await allowed(plain.token) == "ALLOWED"
    assert await allowed(narrowed.token) == "IMPLICITLY_DENIED"
    await world.control.sessions.revoke(plain.session.access_key_id)
    await world.settle()
    assert await allowed(plain.token) == "IMPLICITLY_DENIED"
    assert (await authenticate(bearer_token=plain.token)).failure.code == "ExpiredToken"


async def test_a_service_learns_whose_a_certificate_is(fleet, authenticate):
    certificate = CLIENTS.issue("robot").der
    answer = await authenticate(client_certificate=certificate)
    assert answer.authentication.principal.arn == ROBOT
    for bad in (STRANGERS.issue("robot").der, b"x"):
        answer = await authenticate(client_certificate=bad)
        assert answer.failure.code == "AccessDenied"


async def test_what_a_certificate_grants_cannot_be_told(site, authenticate, world):
    config = {"ca_pem": CLIENTS.own.pem, "policies_from": "identity"}
    await site.provide("fleet", ProviderKind.CERTIFICATE, config, policies=())
    certificate = CLIENTS.issue("may-get").der
    answer = await authenticate(client_certificate=certificate, accepts_narrowed=True)
    assert answer.failure.code == "AccessDenied"


async def test_a_proof_that_is_too_long_or_empty_is_the_callers_mistake(authenticate, allowed):
    proofs = [{"bearer_token": ""}, {"bearer_token": "A" * (TOKEN_LIMIT + 1)}, {"client_certificate": b""}, {}]  # fmt: skip
    for proof in proofs:
        with pytest.raises(InvalidError):
            await authenticate(**proof)
    with pytest.raises(InvalidError):
        await allowed("A" * (TOKEN_LIMIT + 1))


async def test_no_token_is_in_any_record(corp, token, allowed, world, monkeypatch):
    seen = []
    monkeypatch.setattr(DecisionLog, "record", lambda _, record: seen.append(repr(record)))
    for shown in (token(), token(OTHER_RSA), (await world.session("")).token + "A"):
        await corp.who(shown)
        await corp.who(shown, path="/orders/17/x")
        await allowed(shown, "orders:Delete")
        assert seen
        assert not any(shown in each or shown[-40:] in each for each in seen)
