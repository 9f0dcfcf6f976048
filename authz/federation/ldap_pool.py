"""Connections bound as the lookup user, kept open between logins and replaced when the server went away.

A connection is lent to one piece of work at a time. One that was kept and turns out to be lost is replaced once
by a fresh one, and the work done anew: so work must be look-ups only, never somebody's bind, which counts as an
attempt where accounts are locked after a few.

Not here: how many work at once (`ldap.py`), so a pool never has more connections out than there are workers.
"""

import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from authz.clock import Clock
from authz.errors import UnavailableError
from authz.federation.ldap_connection import SUCCESS, Connection, LostError, open_connection
from authz.formats.provider_ldap import Encryption, LdapConfig
from authz.identity.credential import Secret

IDLE_SECONDS: Final = 60.0
"""Seconds after which an unused connection is not trusted to be open: firewalls forget silently."""
CONTEXT_SECONDS: Final = 60.0
"""Seconds after which the CA file is read again."""

Answer = TypeVar("Answer")


class Dialer:
    """Opens connections to the directory of one provider."""

    def __init__(self, config: LdapConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._context: tuple[float, ssl.SSLContext] | None = None

    def dial(self, until: float) -> Connection:
        """Open a connection, encrypted as configured, not bound; raises `LostError`."""
        encrypted = self._config.encryption is not Encryption.NONE
        context = self._load_context() if encrypted else None
        return open_connection(self._config, context, self._clock, until)

    def _load_context(self) -> ssl.SSLContext:
        now = self._clock.monotonic()
        if self._context is not None and now - self._context[0] < CONTEXT_SECONDS:
            return self._context[1]
        try:
            context = ssl.create_default_context(cafile=self._config.ca_file or None)
        except OSError:  # an `SSLError` is one, too
            raise LostError(
                "the file of `ca_file` cannot be read, or is not one of certificates"
            ) from None
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context = (now, context)
        return context


class LookupPool:
    """Lends connections for looking up; safe to use from several threads."""

    def __init__(
        self, config: LdapConfig, secret: Secret | None, dialer: Dialer, clock: Clock
    ) -> None:
        self._config = config
        self._secret = secret
        self._dialer = dialer
        self._clock = clock
        self._idle: deque[Connection] = deque()
        self._is_closed = False

    def run(self, work: Callable[[Connection], Answer], until: float) -> Answer:
        """Return what `work` returns for a connection; it is over at the monotonic time `until`.

        Raises `UnavailableError` when there is none, and whatever `work` raises.
        """
        kept = self._take()
        if kept is not None:
            try:
                return self._lend(kept, work, until)
            except LostError:
                pass
        return self._lend(self._open(until), work, until)

    def close(self) -> None:
        """Close what is kept; what is lent is closed when it comes back."""
        self._is_closed = True
        with suppress(IndexError):
            while True:  # other threads empty it, too
                self._idle.pop().close()

    def _lend(
        self, connection: Connection, work: Callable[[Connection], Answer], until: float
    ) -> Answer:
        connection.until = until
        try:
            return work(connection)
        except UnavailableError:  # it may have forgotten who is bound
            connection.close()
            raise
        finally:
            self._keep(connection)

    def _keep(self, connection: Connection) -> None:
        if not connection.is_open:
            return
        connection.used_at = self._clock.monotonic()
        self._idle.append(connection)
        if self._is_closed:
            self.close()

    def _take(self) -> Connection | None:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if self._clock.monotonic() - connection.used_at < IDLE_SECONDS:
                return connection
            connection.close()

    def _open(self, until: float) -> Connection:
        connection = self._dialer.dial(until)
        if not self._config.bind_dn or self._secret is None:
            return connection
        bound = connection.bind(self._config.bind_dn, self._secret)
        if bound.code != SUCCESS:
            connection.close()
            raise UnavailableError(
                f"the directory refused the lookup bind with result code {bound.code}"
            )
        return connection
