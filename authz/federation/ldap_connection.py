"""One connection to a directory: opened, encrypted, bound and searched within bounds.

The protocol is `ldap3`'s; what is bounded and what is verified is decided here. Every operation has an end and
takes in at most so many bytes, also from a server that sends one byte at a time. TLS is ours (at least 1.2, the
server's certificate and name verified) and is up before any password is sent. Referrals are not followed and
aliases not dereferenced. Names and passwords go out as UTF-8 whatever the locale, the latter unchanged.

Of the library's errors no text is repeated: what raises here says which of a few things went wrong. Calls
block, so never on the loop. Not here: which connection is used when (`ldap_pool.py`), what is asked of it
(`ldap_search.py`).
"""

import re
import socket
import ssl
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from authz.clock import Clock
from authz.errors import UnavailableError
from authz.formats.provider_ldap import Encryption, LdapConfig
from authz.identity.credential import Secret

with warnings.catch_warnings():
    # ldap3 2.9.1 asks pyasn1 for names that are going to be called otherwise.
    warnings.simplefilter("ignore", DeprecationWarning)
    import ldap3

ANSWER_LIMIT: Final = 4 * 1024 * 1024
"""Most bytes that one operation takes in; 1,000 groups with the longest names are 1 MiB."""
ADDRESS_LIMIT: Final = 8
"""Most addresses of the server's name that are tried."""

SUCCESS: Final = 0
SIZE_LIMIT_EXCEEDED: Final = 4
NO_SUCH_OBJECT: Final = 32
"""Result codes (RFC 4511 appendix A)."""
BUSY_CODES: Final = frozenset({1, 2, 3, 51, 52, 80})
"""Results that say nothing about what was asked: operationsError, protocolError, timeLimitExceeded, busy,
unavailable, other."""

_AD_HINT: Final = re.compile(r"\bdata ([0-9a-f]{2,8})\b")

# INVARIANT: text is UTF-8. The library would take the encoding of this process's standard input, and guess.
ldap3.set_config_parameter("DEFAULT_CLIENT_ENCODING", "utf-8")
ldap3.set_config_parameter("ADDITIONAL_CLIENT_ENCODINGS", [])
# What servers send is read from the raw bytes; the library's own reading fails where no encoding fits.
ldap3.set_config_parameter("ADDITIONAL_SERVER_ENCODINGS", ["latin-1"])
# It joins what it receives piece by piece, so large pieces make long answers cheap.
ldap3.set_config_parameter("SOCKET_SIZE", 65_536)


class LostError(UnavailableError):
    """The connection cannot be made, or is of no more use; another one may be."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry that a search found: its name as the server spells it, attributes by lower-case type."""

    name: str
    attributes: Mapping[str, tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to: entries and the result code, `SUCCESS` or another one that says something."""

    entries: tuple[Entry, ...]
    code: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What a bind came to: the result code and, from Active Directory, why (`533`: disabled), else nothing."""

    code: int
    hint: str = ""


class Connection:
    """An open, encrypted connection. `until` is the monotonic time at which what it does must be over."""

    def __init__(self, raw: ldap3.Connection, wire: "_Wire", config: LdapConfig) -> None:
        self.until = float("inf")
        self.used_at = 0.0
        self.is_open = True
        self._raw = raw
        self._wire = wire
        self._timeout = config.timeout

    def bind(self, name: str, password: Secret) -> "Bound":
        """Authenticate and return what came of it; an empty password would mean "as nobody", so it is a bug."""
        if not name or not password.reveal():
            raise ValueError("a bind needs a name and a password")
        # As bytes, because the library would map a text's characters (RFC 4013), which servers do not.
        self._raw.user, self._raw.password = name, password.reveal().encode()
        self._raw.authentication = ldap3.SIMPLE
        try:
            self._run(lambda: self._raw.bind(read_server_info=False))
            result = self._raw.result
        finally:
            self._raw.password = None
        hint = _AD_HINT.search(str(result["message"]))
        return Bound(int(result["result"]), hint[1] if hint else "")

    def search(
        self, base: str, wanted: str, *, attributes: tuple[str, ...], limit: int, is_deep: bool
    ) -> Found:
        """Find at most `limit` entries that match the filter `wanted`: `base` and, `is_deep`, all below it.

        Raises `UnavailableError` for results that say nothing about the entries.
        """
        self._run(
            lambda: self._raw.search(
                base,
                wanted,
                search_scope=ldap3.SUBTREE if is_deep else ldap3.BASE,
                dereference_aliases=ldap3.DEREF_NEVER,
                attributes=attributes or ldap3.NO_ATTRIBUTES,
                size_limit=limit,
                time_limit=max(1, int(self._timeout)),
                auto_escape=False,
            )
        )
        code = int(self._raw.result["result"])
        if code not in {SUCCESS, SIZE_LIMIT_EXCEEDED, NO_SUCH_OBJECT}:
            raise UnavailableError(f"the directory refused a search with result code {code}")
        # Continuation references (`searchResRef`) are where other servers would be asked.
        entries = [e for e in self._raw.response or () if e["type"] == "searchResEntry"]
        try:
            return Found(tuple(_read_entry(entry) for entry in entries[:limit]), code)
        except UnicodeDecodeError:
            raise UnavailableError("the directory's answer cannot be read") from None

    def close(self) -> None:
        """Say good-bye and close; never raises."""
        self.is_open = False
        self._wire.allow(1.0)
        with suppress(Exception):
            self._raw.unbind()
        self._wire.close()

    def _run(self, operation: Any) -> None:
        """Run one operation of the library; whatever it raises, the connection is of no more use."""
        self._wire.allow(min(self._timeout, self.until - self._wire.clock.monotonic()))
        try:
            # INVARIANT: the library never opens it again by itself, which would be without TLS.
            if not self._raw.closed:
                operation()
                return
        except Exception:  # noqa: BLE001 - raises anything for what it cannot read, with passwords in its frames
            self.close()
        raise LostError("the connection to the directory is lost, or its answer cannot be read")


def open_connection(
    config: LdapConfig, context: ssl.SSLContext | None, clock: Clock, until: float
) -> Connection:
    """Connect to the first address of the server that answers, encrypted as configured; raises `LostError`.

    `until` is the monotonic time at which to give up.
    """
    try:
        found = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)
    except OSError:
        raise LostError("the directory's host name cannot be resolved") from None
    failure = "the directory cannot be reached"
    for *_, address in found[:ADDRESS_LIMIT]:
        seconds = min(config.timeout, until - clock.monotonic())
        if seconds <= 0:
            break
        attempt = _Attempt(config, context, clock, seconds)
        try:
            connection = attempt.open(str(address[0]))
        except Exception:  # noqa: BLE001 - as in `Connection._run`
            failure = attempt.failure
            attempt.close()
        else:
            connection.until = until
            return connection
    raise LostError(failure)


class _Attempt:
    """Opens one address; remembers what went wrong last in words of ours."""

    def __init__(
        self, config: LdapConfig, context: ssl.SSLContext | None, clock: Clock, seconds: float
    ) -> None:
        self.failure = "the directory cannot be reached"
        self._config = config
        self._context = context
        self._clock = clock
        self._seconds = seconds
        self._raw: ldap3.Connection | None = None

    def open(self, address: str) -> Connection:
        config = self._config
        server = ldap3.Server(
            address,
            config.port,
            use_ssl=config.encryption is Encryption.TLS,
            get_info=ldap3.NONE,
            allowed_referral_hosts=[],
            tls=_VerifiedTls(self),
            connect_timeout=self._seconds,
        )
        raw = self._raw = ldap3.Connection(
            server,
            auto_referrals=False,
            auto_range=False,
            check_names=False,
            read_only=True,
            receive_timeout=max(1, int(self._seconds)),
        )
        raw.open(read_server_info=False)
        if config.encryption is Encryption.STARTTLS:
            raw.socket = _Wire(raw.socket, self._clock, self._seconds)
            self.failure = "the directory refused StartTLS"
            raw.start_tls(read_server_info=False)
        if config.encryption is not Encryption.NONE and not isinstance(raw.socket, ssl.SSLSocket):
            raise ConnectionError("INVARIANT: no password goes over a connection without TLS")
        wire = raw.socket = _Wire(raw.socket, self._clock, self._seconds)
        return Connection(raw, wire, config)

    def encrypt(self, plain: "socket.socket | _Wire") -> ssl.SSLSocket:
        """Put TLS on a connected socket; verifies the certificate against the configured name."""
        inner = plain.inner if isinstance(plain, _Wire) else plain
        if self._context is None:
            raise ConnectionError("INVARIANT: encryption has a context")
        inner.settimeout(self._seconds)
        self.failure = "TLS with the directory failed"
        try:
            return self._context.wrap_socket(inner, server_hostname=self._config.host)
        except ssl.SSLCertVerificationError:
            self.failure = "the directory's certificate is not one to trust for its name"
            raise

    def close(self) -> None:
        open_socket = getattr(self._raw, "socket", None)
        if open_socket is not None:
            with suppress(OSError):
                open_socket.close()


class _VerifiedTls(ldap3.Tls):
    """TLS by a context of ours, where the library would check names and versions by its own means."""

    def __init__(self, attempt: _Attempt) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._attempt = attempt

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - as inherited
        connection.socket = self._attempt.encrypt(connection.socket)


class _Wire:
    """A socket whose operations end, by time and by how much they take in; has what the library uses."""

    def __init__(self, inner: socket.socket, clock: Clock, seconds: float) -> None:
        self.inner = inner
        self.clock = clock
        self.allow(seconds)

    def allow(self, seconds: float) -> None:
        """Begin an operation that may take `seconds` and `ANSWER_LIMIT` bytes."""
        self._until = self.clock.monotonic() + seconds
        self._left = ANSWER_LIMIT

    def recv(self, size: int) -> bytes:
        self._arm()
        data = self.inner.recv(size)
        self._left -= len(data)
        if self._left < 0:
            raise OSError("the answer is too long")
        return data

    def sendall(self, data: bytes) -> None:
        self._arm()
        self.inner.sendall(data)

    def shutdown(self, how: int) -> None:
        self.inner.shutdown(how)

    def close(self) -> None:
        self.inner.close()

    def _arm(self) -> None:
        seconds = self._until - self.clock.monotonic()
        if seconds <= 0:
            raise TimeoutError
        self.inner.settimeout(seconds)


def _read_entry(raw: Mapping[str, Any]) -> Entry:
    attributes: dict[str, tuple[bytes, ...]] = {}
    for type_, values in raw["raw_attributes"].items():
        # With options (`memberOf;range=0-1499`) it is another attribute, which is how one notices.
        attributes[type_.lower()] = tuple(bytes(value) for value in values or ())
    return Entry(bytes(raw["raw_dn"]).decode(), attributes)
