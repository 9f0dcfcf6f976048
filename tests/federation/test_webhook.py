"""A webhook as a provider, with a real server behind it."""

import asyncio
import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from authz.clock import ManualClock
from authz.errors import OverloadedError, UnauthenticatedError, UnavailableError
from authz.federation import webhook
from authz.federation.outbound import Outbound
from authz.federation.webhook import TOKEN_LIMIT, WebhookProvider
from authz.formats.provider_webhook import parse_webhook_config
from authz.identity.credential import Secret
from tests.access.world import until
from tests.servers.ports import LOOPBACK, free_port

AUTHORIZATION = "Bearer of-the-webhook"
TOKEN = "s3cr3t/to+ken=&x y%"


class Webhook:
    """A server that answers with what a test says, and remembers what it was asked."""

    def __init__(self) -> None:
        self.status, self.answer = 200, {"user": "alice", "maxValiditySeconds": 3600}
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                outer.asked.append((self.command, self.path, headers, body))
                outer.go_on.wait(30)
                raw = outer.answer
                raw = raw if isinstance(raw, bytes) else json.dumps(raw).encode()
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST  # noqa: N815 - a name the base class looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's
                pass

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://{LOOPBACK}:{self._server.server_port}/check"

    def stop(self) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def hook():
    server = Webhook()
    yield server
    server.stop()


@pytest.fixture
async def make():
    made = []

    def build(url, *, secret=AUTHORIZATION, timeout=5.0, **config):
        parsed = parse_webhook_config({"url": url, "insecure_http": True, **config})
        clock = ManualClock(1_000.0)
        outbound = Outbound(clock, timeout=timeout)
        given = Secret(secret) if secret else None
        one = WebhookProvider("hook", parsed, given, outbound, clock)
        made.append(one)
        return one

    yield build
    for one in made:
        await one.close()


async def test_who_the_webhook_vouches_for(hook, make):
    hook.answer = {
        "user": "alice",
        "maxValiditySeconds": 900,
        "claims": {"team": "blue", "Level": 7, "groups": ["a", "b"], "name": "Alice A."},
    }
    identity = await make(hook.url).verify(TOKEN)
    assert (identity.name, identity.display_name) == ("alice", "Alice A.")
    assert identity.facts == {
        "jwt:sub": ("alice",), "jwt:team": ("blue",), "jwt:level": ("7",), "jwt:groups": ("a", "b"), "jwt:name": ("Alice A.",),
    }  # fmt: skip
    assert (identity.expires_at, identity.groups, identity.policies) == (1_900.0, (), ())


async def test_it_is_asked_as_minio_asks(hook, make):
    await make(f"{hook.url}?v=1").verify(TOKEN)
    ((method, target, headers, body),) = hook.asked
    assert (method, urlsplit(target).path, body) == ("POST", "/check", b"")
    assert parse_qs(urlsplit(target).query, strict_parsing=True) == {"v": ["1"], "token": [TOKEN]}
    assert headers["authorization"] == AUTHORIZATION


async def test_without_a_secret_it_is_asked_without_authorization(hook, make):
    await make(hook.url, secret=None).verify(TOKEN)
    assert "authorization" not in hook.asked[0][2]


async def test_groups_are_read_from_the_claim_that_is_named(hook, make):
    hook.answer = hook.answer | {"claims": {"teams": ["red", "blue", "red"]}}
    assert (await make(hook.url, groups_claim="teams").verify(TOKEN)).groups == ("red", "blue")
    hook.answer = hook.answer | {"claims": {"teams": [7]}}
    with pytest.raises(UnauthenticatedError) as caught:
        await make(hook.url, groups_claim="teams").verify(TOKEN)
    assert caught.value.code == "IDPRejectedClaim"


async def test_a_refusal_is_a_refusal_and_its_reason_is_for_administrators(hook, make):
    hook.status, hook.answer = 403, {"reason": "no such <token>\n" + "x" * 500}
    steps = []
    with pytest.raises(UnauthenticatedError) as caught:
        await make(hook.url).verify(TOKEN, steps.append)
    assert caught.value.code == "AccessDenied"
    assert "no such" not in caught.value.message
    assert [(step.name, step.is_ok) for step in steps] == [("request", True), ("answer", False)]
    assert steps[1].detail.startswith("`no such <token>?xxx")
    assert len(steps[1].detail) < 100


@pytest.mark.parametrize("status", [201, 204, 301, 307, 400, 401, 404, 429, 500, 503])
async def test_any_other_status_is_no_answer(hook, make, status):
    hook.status, hook.headers = status, {"location": hook.url}
    with pytest.raises(UnavailableError):
        await make(hook.url).verify(TOKEN)
    assert len(hook.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"not json", {}, {"user": "alice"}, {"user": "", "maxValiditySeconds": 900},
        {"user": "alice", "maxValiditySeconds": 60}, {"user": "alice", "maxValiditySeconds": 900, "admin": True},
        b" " * 70_000,
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_as_agreed_is_none(hook, make, answer):
    hook.answer = answer
    steps = []
    with pytest.raises(UnavailableError):
        await make(hook.url).verify(TOKEN, steps.append)
    assert not steps[-1].is_ok


@pytest.mark.parametrize(
    ("user", "claims"),
    [
        ("al\x00ice", {}), (" alice", {}), ("a" * 256, {}), ("al\u202eice", {}), ("alice", {"sub": "root"}),
        ("alice", {f"c{n}": "x" for n in range(65)}), ("alice", {"a": "x" * 3000}), ("alice", {"A": "x", "a": "y"}),
        ("alice", {"Sub": "root"}),
    ],
)  # fmt: skip
async def test_an_identity_that_could_be_mistaken_is_refused(hook, make, user, claims):
    hook.answer = {"user": user, "maxValiditySeconds": 900, "claims": claims}
    with pytest.raises(UnauthenticatedError) as caught:
        await make(hook.url).verify(TOKEN)
    assert caught.value.code == "IDPRejectedClaim"


@pytest.mark.parametrize(
    "token", ["", "a" * (TOKEN_LIMIT + 1), "a\nb", "\x00", "t\xf6ken", "\ud800"]
)
async def test_a_token_that_could_not_travel_is_not_sent(hook, make, token):
    with pytest.raises(UnauthenticatedError) as caught:
        await make(hook.url).verify(token)
    assert caught.value.code == "InvalidIdentityToken"
    assert hook.asked == []


async def test_the_longest_token_arrives(hook, make):
    await make(hook.url).verify("%" * TOKEN_LIMIT)
    assert parse_qs(urlsplit(hook.asked[0][1]).query)["token"] == ["%" * TOKEN_LIMIT]


async def test_a_webhook_that_is_not_there_is_unavailable(make):
    with pytest.raises(UnavailableError):
        await make(f"http://{LOOPBACK}:{free_port()}/check").verify(TOKEN)


async def test_one_that_does_not_answer_is_given_up(hook, make):
    hook.go_on.clear()
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="timeout"):
        await make(hook.url, timeout=0.3).verify(TOKEN)
    assert time.monotonic() - started < 20


async def test_tokens_asked_about_at_a_time_are_bounded(hook, make, monkeypatch):
    monkeypatch.setattr(webhook, "IN_FLIGHT", 2)
    hook.go_on.clear()
    one = make(hook.url, timeout=30.0)
    waiting = [asyncio.create_task(one.verify(f"token-{n}")) for n in range(2)]
    await until(lambda: len(hook.asked) == 2)
    with pytest.raises(OverloadedError):
        await one.verify(TOKEN)
    hook.go_on.set()
    assert {each.name for each in await asyncio.gather(*waiting)} == {"alice"}
    assert (await one.verify(TOKEN)).name == "alice"


@pytest.mark.parametrize("status", [200, 403, 500])
async def test_the_token_is_in_no_log_error_or_step(hook, make, status, caplog):
    caplog.set_level(logging.DEBUG)
    hook.status = status
    said = []
    one = make(hook.url)
    try:
        said.append(repr(await one.verify("s3cr3t-token", said.append)))
    except (UnauthenticatedError, UnavailableError) as error:
        said += [error, error.__cause__, repr(error)]
    with pytest.raises(UnavailableError) as caught:
        await make(f"http://{LOOPBACK}:{free_port()}/check").verify("s3cr3t-token", said.append)
    said += [caught.value, caught.value.__cause__, repr(one), vars(one)]
    text = repr(said) + caplog.text
    assert "s3cr3t-token" not in text
    assert "of-the-webhook" not in text
