"""What is opened from the settings before anything is built: database, decision log; how gRPC is served.

Not here: what is built on them (`building.py`).
"""

import contextlib
import sys
from collections.abc import Callable
from os import open as os_open
from typing import Any, TextIO

from authz.errors import InvalidError
from authz.serving.grpc.server import GrpcConfig
from authz.settings import Settings
from authz.store.sql.engine import Database, DatabaseOptions


def grpc_config(settings: Settings) -> GrpcConfig:
    """Return how the gRPC port is served."""
    return GrpcConfig(
        address=settings.grpc_address,
        max_message_bytes=settings.serving_max_message_bytes,
        max_concurrent_calls=settings.serving_max_concurrent_calls,
        grace_period=settings.serving_grace_period,
        drain_delay=settings.serving_drain_delay,
        with_reflection=settings.serving_reflection,
        tls_cert_file=settings.tls_cert_file,
        tls_key_file=settings.tls_key_file,
        tls_client_ca_file=settings.tls_client_ca_file,
    )


def open_database(settings: Settings, on_fault: Callable[[str], None] = lambda _: None) -> Database:
    """Open the database; `on_fault` is told the mode of each call that fails for good."""
    options = DatabaseOptions(
        pool_size=settings.store_pool_size, use_notify=settings.store_use_notify
    )
    return Database.open(settings.effective_database_url, options, on_fault)


@contextlib.contextmanager
def decision_stream(settings: Settings) -> Any:
    """Open where decisions are recorded, private to the owner when it is a file."""
    if settings.decision_log == "off":
        yield None
    elif settings.decision_log == "stdout":
        yield sys.stdout
    else:
        try:
            stream: TextIO = open(  # noqa: SIM115 - closed by the with below
                settings.decision_log, "a", encoding="utf-8", opener=_private
            )
        except OSError:
            raise InvalidError(
                f"the decision log {settings.decision_log} cannot be opened"
            ) from None
        with stream:
            yield stream


def _private(path: str, flags: int) -> int:
    return os_open(path, flags, 0o600)
