"""The master keys are rotated under two replicas, by the commands, without one refused request.

Each replica has a key ring of its own, as orchestrators mount them, and is restarted when the order says so.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from google.protobuf.message import Message

from authz.cli.client import Client
from authz.cli.credentials import Credential
from authz.identity.credential import Secret
from authz.wire.authz.admin.v1 import access_key_service_pb2 as keys
from authz.wire.authz.admin.v1 import session_service_pb2 as sessions
from authz.wire.authz.admin.v1 import user_service_pb2 as users
from tests.servers.authz_server import (
    ROOT_CREDENTIAL,
    AuthzServer,
    CommandError,
    run_command,
    start_authz,
)
from tests.servers.ports import LOOPBACK

ADMIN = "/authz.admin.v1"
ROOT = Credential(ROOT_CREDENTIAL[0], Secret(ROOT_CREDENTIAL[1]))


def call(
    server: AuthzServer,
    credential: Credential,
    method: str,
    request: Message,
    answer: type[Message],
) -> Any:
    address = f"{LOOPBACK}:{server.grpc_port}"
    with Client(address, credential, region="us-east-1", ca_file=None, timeout=10.0) as client:
        return client.call(f"{ADMIN}.{method}", request, answer)


class Replica:
    """One replica; whoever calls it holds its lock, so it is restarted between calls as a proxy drains it."""

    def __init__(self, site: Path, name: str) -> None:
        self.lock = threading.Lock()
        self.ring = site / f"{name}-keys.json"
        self._site, self._name, self._starts = site, name, 0
        shutil.copy(site / "master-keys.json", self.ring)
        self.server = self._start()

    def _start(self) -> AuthzServer:
        self._starts += 1
        env = {
            "AUTHZ_DATABASE_URL": f"sqlite:///{self._site}/authz.db",
            "AUTHZ_MASTER_KEY_FILE": str(self.ring), "AUTHZ_SERVING_DRAIN_DELAY": "0",
        }  # fmt: skip
        return start_authz(self._site, name=f"{self._name}-{self._starts}", env=env)

    def restart(self) -> None:
        shutil.copy(self._site / "master-keys.json", self.ring)
        with self.lock:
            assert self.server.stop() == 0
            self.server = self._start()


class Traffic:
    """Asks every replica all the time, with what was made before and with what is made now."""

    def __init__(self, replicas: list[Replica], old: dict[str, Credential]) -> None:
        self.replicas, self.old = replicas, old
        self.asked = 0
        self.problems: list[BaseException] = []
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(2)]

    def _run(self, first: int) -> None:
        turn = first
        while not self._ended.wait(0.05):
            turn += 1
            try:
                self._ask(turn)
            except BaseException as problem:  # noqa: BLE001 - whatever it is, the test tells
                self.problems.append(problem)

    def _ask(self, turn: int) -> None:
        one, other = (self.replicas[(turn + n) % 2] for n in range(2))
        with one.lock:
            for credential in list(self.old.values()):
                self._get_user(one, credential)
            made = session_of(one.server, self.old["key"])
        with other.lock:  # issued here, used there
            self._get_user(other, made)

    def _get_user(self, replica: Replica, credential: Credential) -> None:
        request = users.ListUsersRequest(page_size=1 + self.asked % 1000)
        call(replica.server, credential, "UserService/ListUsers", request, users.ListUsersResponse)
        self.asked += 1

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


def session_of(server: AuthzServer, credential: Credential) -> Credential:
    request = sessions.CreateSessionRequest()
    made = call(
        server, credential, "SessionService/CreateSession", request, sessions.CreateSessionResponse
    )
    return Credential(
        made.access_key_id, Secret(made.secret_access_key), Secret(made.session_token)
    )


def key_of(server: AuthzServer, user: str) -> Credential:
    request = keys.CreateAccessKeyRequest(user_name=user)
    made = call(
        server, ROOT, "AccessKeyService/CreateAccessKey", request, keys.CreateAccessKeyResponse
    )
    return Credential(made.access_key.id, Secret(made.secret_access_key))


@pytest.fixture
def keyring(tmp_path: Path) -> Callable[..., str]:
    """Run `authz keyring …` on the ring that is handed out to replicas."""
    env = {
        "AUTHZ_DATABASE_URL": f"sqlite:///{tmp_path}/authz.db", "AUTHZ_DATA_DIR": str(tmp_path),
        "AUTHZ_MASTER_KEY_FILE": str(tmp_path / "master-keys.json"),
    }  # fmt: skip
    return lambda *args, exit_code=0: run_command(["keyring", *args], env, exit_code=exit_code)


@pytest.fixture
def replicas(tmp_path: Path) -> Iterator[list[Replica]]:
    from authz.store import local_files

    local_files.key_ring(tmp_path / "master-keys.json")
    made: list[Replica] = []
    try:
        made += [Replica(tmp_path, "one")]
        made += [Replica(tmp_path, "two")]
        yield made
    finally:
        for replica in made:
            replica.server.stop()


def test_no_request_is_refused_while_the_keys_are_rotated(
    replicas: list[Replica], keyring: Callable[..., str]
) -> None:
    server = replicas[0].server
    server.cli("user", "create", "alice")
    server.cli("policy", "attach", "AdministratorAccess", "--user", "alice")
    alice = key_of(server, "alice")
    old = {"key": alice, "session": session_of(server, alice), "roots": session_of(server, ROOT)}
    (first,) = [line.split()[0] for line in keyring("list").splitlines()[1:]]

    with Traffic(replicas, old) as traffic:
        new = keyring("add").strip()
        keyring("prune", new, "--yes")  # nothing is sealed by it yet: a slip can be undone
        new = keyring("add").strip()
        for replica in replicas:
            replica.restart()
        keyring("activate", new)
        for replica in replicas:
            replica.restart()
            # Made by one that knows the key to seal with, and read by one that does not seal with it yet.
            old[f"made {len(old)}"] = key_of(replica.server, "alice")
        with pytest.raises(CommandError, match="seals 1 stored secrets"):
            keyring("prune", first, "--yes")
        assert "3 secrets are sealed by the primary key" in keyring("reseal")
        assert "3 secrets" in keyring("reseal")
    assert not traffic.problems, traffic.problems
    assert traffic.asked > 20

    with pytest.raises(CommandError, match="is the primary key"):
        keyring("prune", new, "--yes")
    keyring("prune", first, "--yes")
    assert first not in keyring("list")
    with traffic.replicas[0].lock:
        fresh = session_of(replicas[0].server, alice)
    replicas[0].restart()
    request = users.GetUserRequest(name="alice")
    for credential in (alice, fresh):
        call(replicas[0].server, credential, "UserService/GetUser", request, users.GetUserResponse)
    with pytest.raises(Exception, match="not valid"):  # sealed by the key that is gone
        call(
            replicas[0].server,
            old["session"],
            "UserService/GetUser",
            request,
            users.GetUserResponse,
        )
