from tests.store.fixtures import *  # noqa: F403 - the fixtures are what it is for
