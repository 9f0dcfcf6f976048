"""The whole picture for the acceptance tests: one real authz, Envoy and S3 store, started once.

Tests get a bucket of their own and a user whose one policy they rewrite.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.stack import PolicyUser, Stack, make_user
from tests.servers.authz_server import start_authz
from tests.servers.envoy import start_envoy
from tests.servers.http_echo import HttpEcho
from tests.servers.moto_store import start_moto_store

DEPLOYED_ROUTES = Path(__file__).parents[2] / "deploy" / "routes.toml"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running picture; started once for all tests of this directory."""
    directory = tmp_path_factory.mktemp("stack")
    with (
        start_moto_store(directory) as store,
        HttpEcho() as orders,
        start_authz(directory, env={"AUTHZ_HTTP_ROUTES_FILE": str(DEPLOYED_ROUTES)}) as authz,
        start_envoy(
            directory,
            {
                "authz": [authz.grpc_port],
                "authz-http": [authz.http_port],
                "store": [store.port],
                "orders": [orders.port],
            },
        ) as envoy,
    ):
        yield Stack(authz, envoy, store, orders)


@pytest.fixture(scope="session")
def user(stack: Stack) -> PolicyUser:
    """A user whose policy each test sets for itself."""
    return make_user(stack.authz, "tester")


@pytest.fixture
def make_bucket(stack: Stack) -> Callable[[], str]:
    """Make buckets in the store, around authz."""

    def make() -> str:
        name = f"bucket-{next(_numbers)}"
        stack.backdoor.create_bucket(Bucket=name)
        return name

    return make


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    """A bucket of the test's own."""
    return make_bucket()
