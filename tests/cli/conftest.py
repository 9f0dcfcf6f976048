import pytest

from tests.cli.running import Run
from tests.servers.authz_server import start_authz


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A service of its own process on SQLite."""
    with start_authz(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture
def run(server, tmp_path):
    """The command line against the service."""
    return Run(server, tmp_path)
