"""OpenID Connect providers: a real one, and one that does whatever an attacker or a bad day would."""

import asyncio
import base64
import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from authz.clock import ManualClock, SystemClock
from authz.errors import UnauthenticatedError, UnavailableError
from authz.federation.jwks import (
    LIFETIME_DEFAULT,
    LIFETIME_MAX,
    LIFETIME_MIN,
    NEED_INTERVAL,
    lifetime,
)
from authz.federation.oidc import OidcProvider, peek_issuer
from authz.federation.outbound import BODY_LIMIT, Fetched, Outbound
from authz.formats.provider_oidc import parse_oidc_config
from authz.identity.external import LoginStep
from authz.identity.jwt import parse_token
from tests.federation.conftest import MakeOidc
from tests.identity.provider_claims import SHAPES
from tests.servers import oidc_provider
from tests.servers.certificates import Authority
from tests.servers.issuer import (
    CLIENT_ID,
    EC,
    OTHER_RSA,
    RSA,
    Issuer,
    private_jwk,
    public_jwk,
    sign,
)
from tests.servers.oidc_provider import RealProvider, start_oidc_provider
from tests.servers.ports import free_port

DISCOVERY = "/.well-known/openid-configuration"


async def refusal(provider: OidcProvider, token: str, **kwargs: Any) -> str:
    """Return the code and the message of a refusal."""
    with pytest.raises(UnauthenticatedError) as error:
        await provider.verify(token, **kwargs)
    assert token not in error.value.message
    return f"{error.value.code}: {error.value.message}"


async def until(check: Callable[[], object]) -> None:
    """Wait until `check` says yes; a busy machine takes its time."""
    for _ in range(3_000):
        if check():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


async def outage(provider: OidcProvider, token: str) -> str:
    with pytest.raises(UnavailableError) as error:
        await provider.verify(token)
    return error.value.message


# --- a real provider ---


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealProvider]:
    with start_oidc_provider(tmp_path_factory.mktemp("oidc")) as running:
        yield running


async def test_a_real_provider_vouches_for_its_users(
    real: RealProvider, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(real.issuer, groups_claim="groups", policy_claim="policy")
    token = real.login("alice", groups=["staff"], policy="readonly", name="Alice").id_token
    assert provider.matches(*peek_issuer(token))

    identity = await provider.verify(token)

    assert (identity.name, identity.display_name) == ("alice", "Alice")
    assert (identity.groups, identity.policies) == (("staff",), ("readonly",))
    assert (identity.issuer, identity.audience) == (real.issuer, CLIENT_ID)
    assert identity.facts["jwt:sub"] == ("alice",)


async def test_a_real_provider_adds_claims_at_its_userinfo_endpoint(
    real: RealProvider, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(real.issuer, groups_claim="groups", claims_from_userinfo=True)
    login = real.login("bob", name="Bob", userinfo={"name": "Other", "groups": ["staff"]})

    identity = await provider.verify(login.id_token, access_token=login.access_token)
    assert identity.groups == ("staff",)
    assert identity.display_name == "Bob"  # what the token says is not overridden

    carol = real.login("carol", userinfo={"groups": ["admins"]})
    assert "somebody else's" in await refusal(provider, login.id_token, access_token=carol.access_token)  # fmt: skip
    assert "not take" in await refusal(provider, login.id_token, access_token="made-up")
    for unusable in ("", "a b", "a\r\nx: y", "é", "x" * 20_000):
        assert "IDPRejectedClaim" in await refusal(provider, login.id_token, access_token=unusable)


async def test_a_token_that_was_taken_apart_is_verified_as_the_text_is(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(issuer.url)
    assert (await provider.verify(parse_token(issuer.token(sub="alice")))).name == "alice"
    forged = parse_token(sign(issuer.claims(), OTHER_RSA))
    with pytest.raises(UnauthenticatedError, match="not signed"):
        await provider.verify(forged)


async def test_policies_that_a_provider_may_not_grant_are_dropped_and_told(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    token = issuer.token(policy=["team-a", "consoleAdmin", "readonly", "Team-b", "xreadonly"])
    steps: list[LoginStep] = []
    bounded = make_oidc(issuer.url, policy_claim="policy", policies_allowed=["team-*", "readonl?"])
    identity = await bounded.verify(token, trace=steps.append)
    assert identity.policies == ("team-a", "readonly")
    assert steps[-1] == LoginStep("policies", True, "not in `policies_allowed`, and so dropped: `consoleAdmin`, `Team-b`, `xreadonly`")  # fmt: skip

    free = await make_oidc(issuer.url, policy_claim="policy").verify(token)
    assert len(free.policies) == 5


async def test_a_real_provider_rotates_its_keys_while_running(
    real: RealProvider, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(real.issuer)
    old = real.login("alice").id_token
    await provider.verify(old)
    real.rotate()
    new = real.login("alice").id_token
    assert (await provider.verify(new)).name == "alice"
    assert (await provider.verify(old)).name == "alice"


async def test_a_real_provider_that_is_down_at_start_is_used_when_it_is_up(tmp_path: Path) -> None:
    """And when it goes down again, its tokens go on to be verified."""
    port, clock = free_port(), SystemClock()
    config = parse_oidc_config({"issuer": f"http://127.0.0.1:{port}", "client_ids": [oidc_provider.CLIENT_ID], "insecure_http": True})  # fmt: skip
    provider = OidcProvider("late", config, None, Outbound(clock), clock)
    try:
        provider.start()  # does not wait
        await asyncio.sleep(0.1)
        with await asyncio.to_thread(start_oidc_provider, tmp_path, port=port) as running:
            token = running.login("alice").id_token
            await until(lambda: provider._keys._keys is not None)
            assert (await provider.verify(token)).name == "alice"
        assert (await provider.verify(token)).name == "alice"
    finally:
        await provider.close()


# --- the shapes of well-known providers, signed and served ---


@pytest.mark.parametrize("claims", SHAPES.values(), ids=SHAPES)
async def test_tokens_of_well_known_providers_are_verified(
    claims: dict[str, Any], issuer: Issuer, make_oidc: MakeOidc
) -> None:
    """With their own issuers, whose documents are served from elsewhere."""
    issuer.describe(issuer=claims["iss"])
    provider = make_oidc(claims["iss"], discovery_url=f"{issuer.url}{DISCOVERY}")
    fresh = issuer.claims(iss=claims["iss"])
    token = sign(claims | {"iat": fresh["iat"], "exp": fresh["exp"]})
    assert (await provider.verify(token)).name == claims["sub"]


# --- who is asked ---


async def test_a_provider_is_chosen_by_issuer_and_audience(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(issuer.url, client_ids=["a", "b"])
    assert provider.matches(issuer.url, ("x", "b"))
    assert not provider.matches(issuer.url, ("x",))
    assert not provider.matches(issuer.url, ())
    assert not provider.matches(f"{issuer.url}/", ("a",))
    assert peek_issuer(issuer.token(aud=["x", "b"])) == (issuer.url, ("x", "b"))
    with pytest.raises(UnauthenticatedError):
        peek_issuer("garbage")


async def test_each_step_of_a_login_can_be_followed(issuer: Issuer, make_oidc: MakeOidc) -> None:
    provider = make_oidc(issuer.url)
    steps: list[LoginStep] = []
    token = issuer.token(groups=["staff"])
    await provider.verify(token, trace=steps.append)
    assert [(step.name, step.is_ok) for step in steps] == [("token", True), ("issuer and audience", True), ("time", True), ("signature", True), ("claims", True)]  # fmt: skip
    assert "`groups`" in steps[-1].detail
    assert token not in repr(steps)

    steps.clear()
    await refusal(provider, issuer.token(aud="other"), trace=steps.append)
    assert [(step.name, step.is_ok) for step in steps] == [("token", True), ("issuer and audience", False)]  # fmt: skip
    assert "another audience" in steps[-1].detail


# --- forged tokens ---


async def test_a_token_signed_by_somebody_else_is_refused(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(issuer.url, secret="the client secret")
    await provider.verify(issuer.token())
    fetched = issuer.requests["/keys"]
    claims = issuer.claims()
    assert "not signed" in await refusal(provider, sign(claims, OTHER_RSA))
    assert "not accepted" in await refusal(provider, sign(claims, "the client secret" * 3, "HS256", kid=CLIENT_ID))  # fmt: skip
    assert "not for" in await refusal(provider, sign(claims, EC, "ES256"))
    assert issuer.requests["/keys"] == fetched


async def test_keys_of_two_providers_with_one_kid_are_two_keys(make_oidc: MakeOidc) -> None:
    with Issuer() as ours, Issuer() as theirs:
        theirs.publish(public_jwk(OTHER_RSA, "one"))
        one, two = make_oidc(ours.url), make_oidc(theirs.url, "two")
        good, other = ours.token(), sign(theirs.claims(), OTHER_RSA)
        assert (await one.verify(good)).issuer == ours.url
        assert (await two.verify(other)).issuer == theirs.url
        forged = sign(ours.claims(), OTHER_RSA)  # of the other provider's making, in our name
        assert "not signed" in await refusal(one, forged)


async def test_unusable_keys_of_a_set_verify_nothing(issuer: Issuer, make_oidc: MakeOidc) -> None:
    secret = base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")
    issuer.publish(
        {"kty": "oct", "k": secret, "kid": "shared"},
        private_jwk(OTHER_RSA, "private"),
        public_jwk(RSA, "encryption", use="enc"),
        public_jwk(RSA, "one"),
    )
    provider = make_oidc(issuer.url)
    claims = issuer.claims()
    assert "not accepted" in await refusal(provider, sign(claims, "x" * 32, "HS256", kid="shared"))
    assert "does not have" in await refusal(provider, sign(claims, OTHER_RSA, kid="private"))
    assert "does not have" in await refusal(provider, sign(claims, RSA, kid="encryption"))
    assert await provider.verify(sign(claims))


# --- what is fetched, and when ---


async def test_garbage_makes_nobody_fetch_anything(issuer: Issuer, make_oidc: MakeOidc) -> None:
    provider = make_oidc(issuer.url)
    garbage = [
        "garbage",
        "x" * 20_000,
        issuer.token(iss=f"{issuer.url}/"),
        issuer.token(aud="other"),
        issuer.token(exp=1),
        issuer.token(exp=None),
        issuer.token(nbf=4_000_000_000),
        sign(issuer.claims(), "x" * 32, "HS256"),
    ]
    for token in garbage * 3:
        await refusal(provider, token)
    assert not issuer.requests

    issuer.publish(public_jwk(RSA, "one"), public_jwk(OTHER_RSA, "two"))
    await provider.verify(issuer.token())
    before = dict(issuer.requests)
    for token in [*garbage, sign(issuer.claims(), kid=None), sign(issuer.claims(), kid="two")]:
        await refusal(provider, token)
    assert dict(issuer.requests) == before == {DISCOVERY: 1, "/keys": 1}


async def test_a_flood_of_unknown_kids_causes_few_fetches(
    issuer: Issuer, make_oidc: MakeOidc, clock: ManualClock
) -> None:
    provider = make_oidc(issuer.url)
    await provider.verify(issuer.token())
    claims = issuer.claims()
    for round_number in (1, 2, 3):
        tokens = [sign(claims, OTHER_RSA, kid=f"{round_number}-{n}") for n in range(40)]
        answers = await asyncio.gather(*(refusal(provider, token) for token in tokens))
        assert all("does not have" in answer for answer in answers)
        assert issuer.requests["/keys"] == 1 + round_number
        clock.advance(NEED_INTERVAL)
    assert issuer.requests[DISCOVERY] == 1
    assert await provider.verify(issuer.token())


async def test_all_who_need_the_first_keys_wait_for_one_fetch(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(issuer.url)
    token = issuer.token()
    first = asyncio.create_task(provider.verify(token))
    others = [asyncio.create_task(provider.verify(token)) for _ in range(20)]
    await asyncio.sleep(0)
    first.cancel()  # whoever leaves takes nobody along
    assert len(await asyncio.gather(*others)) == 20
    assert dict(issuer.requests) == {DISCOVERY: 1, "/keys": 1}
    await asyncio.wait([first])


async def test_a_rotated_key_is_fetched_at_need(
    issuer: Issuer, make_oidc: MakeOidc, clock: ManualClock
) -> None:
    provider = make_oidc(issuer.url)
    await provider.verify(issuer.token())
    issuer.publish(public_jwk(EC, "two"))
    assert await provider.verify(sign(issuer.claims(), EC, "ES256", kid="two"))
    clock.advance(NEED_INTERVAL)
    assert "does not have" in await refusal(provider, issuer.token())  # the old key was withdrawn


async def test_keys_are_fetched_again_ahead_of_need(
    issuer: Issuer, make_oidc: MakeOidc, clock: ManualClock
) -> None:
    issuer.publish(public_jwk(RSA, "one"), cache_control="public, max-age=3600")
    provider = make_oidc(issuer.url)
    await provider.refresh()
    clock.advance(3600 * 0.69)
    await provider.refresh()
    assert issuer.requests["/keys"] == 1
    clock.advance(3600 * 0.22)
    await provider.refresh()
    assert dict(issuer.requests) == {DISCOVERY: 2, "/keys": 2}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("", LIFETIME_DEFAULT),
        ("public", LIFETIME_DEFAULT),
        ("max-age=x", LIFETIME_DEFAULT),
        ("s-maxage=7", LIFETIME_DEFAULT),
        ("max-age=7200", 7200),
        ("Public, Max-Age=7200, must-revalidate", 7200),
        ("max-age=0", LIFETIME_MIN),
        ("max-age=9999999999", LIFETIME_MAX),
        ("no-store", LIFETIME_MIN),
        ("no-cache, max-age=86400", LIFETIME_MIN),
    ],
)
def test_the_life_of_a_set_is_what_the_provider_says_within_bounds(
    said: str, seconds: float
) -> None:
    assert lifetime(Fetched(200, {"cache-control": said} if said else {}, b"")) == seconds


# --- providers that are down ---


async def test_a_provider_that_is_down_is_tried_again_and_not_by_everyone(
    make_oidc: MakeOidc, clock: ManualClock
) -> None:
    port = free_port()
    provider = make_oidc(f"http://127.0.0.1:{port}")
    with Issuer() as other:
        token = other.token(iss=f"http://127.0.0.1:{port}")
        assert "no connection" in await outage(provider, token)
        with Issuer(port) as late:
            assert "no connection" in await outage(provider, token)  # told again, not asked again
            assert not late.requests
            clock.advance(NEED_INTERVAL)
            assert await provider.verify(token)


async def test_keys_outlive_their_provider_for_a_while(
    make_oidc: MakeOidc, clock: ManualClock
) -> None:
    with Issuer() as issuer:
        provider = make_oidc(issuer.url, keys_max_age="1h")
        await provider.verify(issuer.token())
    far = issuer.claims(exp=4_000_000_000)
    clock.advance(3599)
    await provider.refresh()
    assert await provider.verify(sign(far))
    assert "does not have" in await refusal(provider, sign(far, kid="unknown"))
    clock.advance(NEED_INTERVAL)
    assert "no connection" in await outage(provider, sign(far))
    with Issuer(issuer.port):
        clock.advance(NEED_INTERVAL)
        assert await provider.verify(sign(far))


async def test_a_provider_that_is_down_does_not_hold_up_another(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    entered, release = threading.Event(), threading.Event()

    def hang() -> tuple[int, dict[str, str], bytes]:
        entered.set()
        release.wait(30)
        return 503, {}, b""

    with Issuer() as slow:
        slow.answers[DISCOVERY] = hang
        stuck = make_oidc(slow.url, "slow")
        waiting = asyncio.create_task(stuck.verify(slow.token()))
        await asyncio.to_thread(entered.wait, 30)
        assert await make_oidc(issuer.url).verify(issuer.token())
        assert not waiting.done()
        release.set()
        with pytest.raises(UnavailableError, match="status 503"):
            await waiting


async def test_the_background_task_ends_with_the_provider(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = make_oidc(issuer.url)
    provider.start()
    provider.start()
    await until(lambda: issuer.requests["/keys"] == 1)
    await provider.close()
    assert not [task for task in asyncio.all_tasks() if "one" in task.get_name()]


async def test_a_provider_that_is_closed_lets_go_of_all_who_wait(make_oidc: MakeOidc) -> None:
    """As when its configuration is replaced in the middle of a login: that is no cancellation of theirs."""
    entered, release = threading.Event(), threading.Event()

    def hang() -> tuple[int, dict[str, str], bytes]:
        entered.set()
        release.wait(30)
        return 200, {}, b"{}"

    with Issuer() as slow:
        slow.answers["/keys"] = hang
        provider = make_oidc(slow.url)
        waiting = [asyncio.create_task(outage(provider, slow.token())) for _ in range(3)]
        await asyncio.to_thread(entered.wait, 30)
        await provider.close()
        assert all("no usable answer" in answer for answer in await asyncio.gather(*waiting))
        assert "no usable answer" in await outage(provider, slow.token())
        release.set()


# --- providers that answer badly ---


async def test_a_slow_key_set_is_not_waited_for(issuer: Issuer, make_oidc: MakeOidc) -> None:
    release = threading.Event()

    def hang() -> tuple[int, dict[str, str], bytes]:
        release.wait(30)
        return 200, {}, b"{}"

    issuer.answers["/keys"] = hang
    try:
        assert "timeout" in await outage(make_oidc(issuer.url, timeout=0.5), issuer.token())
    finally:
        release.set()


@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
async def test_an_oversized_answer_is_not_read(
    path: str, issuer: Issuer, make_oidc: MakeOidc
) -> None:
    issuer.answers[path] = (200, {}, b" " * (BODY_LIMIT + 1))
    assert "too large" in await outage(make_oidc(issuer.url), issuer.token())


@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
async def test_an_answer_of_many_small_parts_is_not_read(
    path: str, issuer: Issuer, make_oidc: MakeOidc
) -> None:
    """Half a megabyte of empty lists took a third of a second, in which nobody else was answered."""
    issuer.answers[path] = (200, {}, b'{"keys":[' + b",".join([b"[[]]"] * 20_000) + b"]}")
    assert "not json" in await outage(make_oidc(issuer.url), issuer.token())


async def test_an_answer_without_a_length_is_read_up_to_the_bound(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    piece = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    issuer.answers["/keys"] = (200, {"transfer-encoding": "chunked"}, piece * 9)
    assert "too large" in await outage(make_oidc(issuer.url), issuer.token())


async def test_a_packed_answer_is_not_unpacked(issuer: Issuer, make_oidc: MakeOidc) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    issuer.answers["/keys"] = (200, {"content-encoding": "gzip"}, bomb)
    assert "packed" in await outage(make_oidc(issuer.url), issuer.token())


@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_host_is_refused(
    path: str, status: int, issuer: Issuer, make_oidc: MakeOidc
) -> None:
    with Issuer() as evil:
        evil.publish(public_jwk(OTHER_RSA, "one"))
        issuer.answers[path] = (status, {"location": f"{evil.url}{path}"}, b"")
        provider = make_oidc(issuer.url)
        assert "redirect" in await outage(provider, sign(issuer.claims(), OTHER_RSA))
        assert not evil.requests


@pytest.mark.parametrize("path", [DISCOVERY, "/keys"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (404, b"{}"),
        (204, b""),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b'{"keys":[],"keys":[]}'),
        (200, b"[" * 100_000),
        (200, b"\xff\xfe"),
    ],
)
async def test_an_answer_that_is_none_changes_nothing(
    path: str, status: int, body: bytes, issuer: Issuer, make_oidc: MakeOidc, clock: ManualClock
) -> None:
    provider = make_oidc(issuer.url)
    await provider.verify(issuer.token())
    issuer.answers[path] = (status, {}, body)
    clock.advance(LIFETIME_DEFAULT)
    await provider.refresh()
    assert issuer.requests[path] == 2
    assert await provider.verify(issuer.token(exp=4_000_000_000))
    message = await outage(make_oidc(issuer.url), issuer.token(exp=4_000_000_000))
    assert "no usable answer" in message
    assert "html" not in message


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 100_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 100_000 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
        b"",
    ],
)
async def test_what_does_not_speak_http_is_no_provider(answer: bytes, make_oidc: MakeOidc) -> None:
    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        with suppress(OSError):
            await writer.drain()
        writer.close()

    async with await asyncio.start_server(respond, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with Issuer() as other:
            message = await outage(make_oidc(url), other.token(iss=url))
        assert "not http" in message or "no connection" in message


async def test_a_provider_without_the_endpoints_that_are_needed_is_unavailable(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    issuer.describe(userinfo_endpoint="", token_endpoint="")
    provider = make_oidc(issuer.url, claims_from_userinfo=True)
    with pytest.raises(UnavailableError, match="no userinfo endpoint"):
        await provider.verify(issuer.token(), access_token="x")
    with pytest.raises(UnavailableError, match="no token endpoint"):
        await keycloak(issuer, make_oidc).is_present("alice")


async def test_a_client_that_is_closed_does_not_connect_again(
    issuer: Issuer, clock: ManualClock
) -> None:
    outbound = Outbound(clock)
    await outbound.close()
    with pytest.raises(UnavailableError, match="closed"):
        await outbound.fetch(f"{issuer.url}/keys")


async def test_a_description_of_another_issuer_is_refused(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    issuer.describe(issuer="https://evil.example")
    assert "another issuer" in await outage(make_oidc(issuer.url), issuer.token())
    assert issuer.requests["/keys"] == 0


async def test_keys_over_plain_http_are_refused(
    issuer: Issuer, make_oidc: MakeOidc, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    with Issuer(certificate=authority.issue("127.0.0.1")) as safe:
        safe.describe(jwks_uri=f"{issuer.url}/keys")
        provider = make_oidc(safe.url, insecure_http=False, ca_file=str(authority.path))
        assert "without https" in await outage(provider, safe.token())
        assert not issuer.requests


# --- TLS ---


async def test_a_provider_proves_who_it_is(make_oidc: MakeOidc, tmp_path: Path) -> None:
    authority, other = Authority(tmp_path, "one"), Authority(tmp_path, "other")
    with Issuer(certificate=authority.issue("127.0.0.1")) as safe:
        trusting = make_oidc(safe.url, insecure_http=False, ca_file=str(authority.path))
        assert await trusting.verify(safe.token())
        assert "tls" in await outage(make_oidc(safe.url), safe.token())
        stranger = make_oidc(safe.url, ca_file=str(other.path))
        assert "tls" in await outage(stranger, safe.token())
        for missing in (tmp_path / "no.pem", safe_garbage(tmp_path)):
            assert "ca file" in await outage(make_oidc(safe.url, ca_file=str(missing)), safe.token())  # fmt: skip
    with Issuer(certificate=authority.issue("id.example.com")) as misnamed:
        provider = make_oidc(misnamed.url, ca_file=str(authority.path))
        assert "tls" in await outage(provider, misnamed.token())


def safe_garbage(folder: Path) -> Path:
    path = folder / "garbage.pem"
    path.write_text("garbage")
    return path


async def test_proxies_of_the_environment_are_not_used(
    issuer: Issuer, make_oidc: MakeOidc, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await make_oidc(issuer.url).verify(issuer.token())


async def test_each_answer_is_observed(issuer: Issuer, clock: ManualClock) -> None:
    seen: list[str] = []
    outbound = Outbound(clock, observe=lambda outcome, _: seen.append(outcome))
    await outbound.fetch(f"{issuer.url}/keys")
    await outbound.fetch(f"{issuer.url}/missing")
    with pytest.raises(UnavailableError):
        await outbound.fetch(f"http://127.0.0.1:{free_port()}/")
    assert seen == ["2xx", "4xx", "no connection"]
    await outbound.close()


# --- is a user still there: Keycloak ---

USERS = "/admin/realms/one/users"


def keycloak(issuer: Issuer, make_oidc: MakeOidc, **kwargs: Any) -> OidcProvider:
    issuer.serve("/token", {"access_token": "of-the-service-account", "expires_in": 60})
    issuer.serve(f"{USERS}/count", 3)
    return make_oidc(
        issuer.url,
        vendor="keycloak",
        keycloak_realm="one",
        keycloak_admin_url=f"{issuer.url}/admin/",
        **{"secret": "s/e cret", **kwargs},
    )


async def test_keycloak_tells_whether_a_user_is_there(issuer: Issuer, make_oidc: MakeOidc) -> None:
    provider = keycloak(issuer, make_oidc)
    issuer.serve(f"{USERS}/alice", {"id": "alice", "enabled": True})
    issuer.serve(f"{USERS}/bob", {"id": "bob", "enabled": False})
    issuer.serve(f"{USERS}?search=id%3Abob", [{"id": "bob", "enabled": False}])
    assert await provider.is_present("alice") is True
    assert await provider.is_present("bob") is False
    assert await provider.is_present("carol") is False
    assert issuer.requests["/token"] == 1
    _, headers, body = next(seen for seen in issuer.seen if seen[0] == "/token")
    pair = base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{CLIENT_ID}:s%2Fe%20cret"
    assert body == b"grant_type=client_credentials"
    asked = [headers["authorization"] for path, headers, _ in issuer.seen if path.startswith(USERS)]
    assert set(asked) == {"Bearer of-the-service-account"}


async def test_too_many_wrong_passwords_at_keycloak_make_nobody_absent(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = keycloak(issuer, make_oidc)
    # So Keycloak 26 answers while its brute force protection holds: the list alone has what was set.
    issuer.serve(f"{USERS}/alice", {"id": "alice", "enabled": False})
    issuer.serve(f"{USERS}?search=id%3Aalice", [{"id": "alice", "enabled": True}])
    assert await provider.is_present("alice") is True


@pytest.mark.parametrize("answer", [(500, []), (403, []), (200, {}), (200, []), (200, [7]), (200, [{"id": "bob", "enabled": False}]), (200, [{"id": "alice"}])])  # fmt: skip
async def test_an_unclear_list_of_keycloak_makes_nobody_absent(
    answer: tuple[int, object], issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = keycloak(issuer, make_oidc)
    issuer.serve(f"{USERS}/alice", {"id": "alice", "enabled": False})
    issuer.serve(f"{USERS}?search=id%3Aalice", answer[1], answer[0])
    with pytest.raises(UnavailableError):
        await provider.is_present("alice")


async def test_a_misspelt_address_of_keycloak_makes_nobody_absent(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = keycloak(issuer, make_oidc)
    del issuer.answers[f"{USERS}/count"]
    with pytest.raises(UnavailableError, match="no realm"):
        await provider.is_present("alice")


@pytest.mark.parametrize("answer", [(500, {}), (403, {}), (401, {}), (200, {}), (200, {"enabled": "false"}), (200, [])])  # fmt: skip
async def test_an_unclear_answer_of_keycloak_makes_nobody_absent(
    answer: tuple[int, object], issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = keycloak(issuer, make_oidc)
    issuer.serve(f"{USERS}/alice", answer[1], answer[0])
    with pytest.raises(UnavailableError):
        await provider.is_present("alice")


@pytest.mark.parametrize("token", [{}, {"access_token": 7}, {"access_token": "a b"}, {"access_token": "a\r\nb"}])  # fmt: skip
async def test_a_token_endpoint_that_gives_no_token_makes_nobody_absent(
    token: dict[str, object], issuer: Issuer, make_oidc: MakeOidc
) -> None:
    provider = keycloak(issuer, make_oidc)
    issuer.serve("/token", token)
    with pytest.raises(UnavailableError, match="no access token"):
        await provider.is_present("alice")


async def test_a_name_leads_nowhere_else(issuer: Issuer, make_oidc: MakeOidc) -> None:
    provider = keycloak(issuer, make_oidc)
    assert await provider.is_present("..") is None
    assert await provider.is_present(".") is None
    assert await provider.is_present("../clients?x=y#z/é") is False
    assert f"{USERS}/..%2Fclients%3Fx%3Dy%23z%2F%C3%A9" in issuer.requests


async def test_keycloak_is_asked_with_a_secret_and_others_are_not_asked(
    issuer: Issuer, make_oidc: MakeOidc
) -> None:
    with pytest.raises(UnavailableError, match="no client secret"):
        await keycloak(issuer, make_oidc, secret=None).is_present("alice")
    assert await make_oidc(issuer.url).is_present("alice") is None
    assert not issuer.requests


async def test_a_keycloak_that_is_down_makes_nobody_absent(make_oidc: MakeOidc) -> None:
    with Issuer() as issuer:
        provider = keycloak(issuer, make_oidc)
    with pytest.raises(UnavailableError, match="no connection"):
        await provider.is_present("alice")
