"""Settings: environment and TOML file → one frozen value. The only reader of the environment.

Each setting is one field of `Settings` with its unit, default and reason; its environment variable is
`AUTHZ_` and the field's name in capitals, its TOML key the field's name, flat (`access_max_staleness =
"5m"`) or in a table (`[access]`, `max_staleness = "5m"`). The environment wins over the file. Unknown
names are errors in both, with the nearest known one, because a misspelt bound is no bound. A setting that
holds a secret can also be read from a file: `AUTHZ_ROOT_SECRET_KEY_FILE`.

Not here: what the settings do. `authz config` prints the effective ones.
"""

import difflib
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, NamedTuple

from authz import setting_values as read
from authz.control.limits import SESSION_DURATION_CEILING, SESSION_DURATION_MIN
from authz.errors import InvalidError, quote
from authz.identity.credential import Secret
from authz.telemetry.logs import FORMATS

PREFIX: Final = "AUTHZ_"
CONFIG_FILE: Final = "AUTHZ_CONFIG_FILE"
FILE_SUFFIX: Final = "_file"

_FROM_FILES: Final = frozenset({
    "root_access_key", "root_secret_key", "database_url", "minio_webhook_token", "authzen_token",
})  # fmt: skip
"""Settings that hold a secret, which a file may say."""

TOKEN_MIN: Final = 16
"""Shortest token of a caller, in characters: 96 random bits in base64."""

CLIENT_VARIABLES: Final = frozenset({
    "AUTHZ_ACCESS_KEY", "AUTHZ_SECRET_KEY", "AUTHZ_CREDENTIALS", "AUTHZ_ADDRESS", "AUTHZ_CA_FILE",
})  # fmt: skip
"""Variables that speak to the command line as a client, not to the service."""


def _setting(parse: Callable[[object], Any], default: Any, help_text: str) -> Any:
    """Make a field: how its text is read, its default, and one line for people (unit, default, reason)."""
    return field(default=default, metadata={"parse": parse, "help": help_text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the service; see each field's help."""

    grpc_address: str = _setting(
        read.address, "127.0.0.1:50051", "where the data plane and the admin API listen"
    )
    http_address: str = _setting(
        read.address,
        "127.0.0.1:8080",
        "where health, readiness, metrics and bucket policies listen",
    )
    data_dir: Path = _setting(
        read.path,
        Path("var"),
        "folder of the embedded database, the root credential and the key ring",
    )
    database_url: str = _setting(
        read.text, "", "postgresql://… for production; empty: an SQLite file in the data folder"
    )
    root_access_key: str = _setting(
        read.text, "", "access key id of root; empty: made on first start, in the data folder"
    )
    root_secret_key: Secret | None = _setting(
        read.secret, None, "secret of root, at least 8 characters"
    )
    master_key_file: Path | None = _setting(
        read.path,
        None,
        "key ring that seals secrets at rest; made on first start in the data folder",
    )
    account_id: str = _setting(
        read.account, "000000000000", "account in ARNs: 12 digits, or empty as Ceph's users have it"
    )
    region: str = _setting(read.text, "us-east-1", "region that signatures must be scoped to")
    region_aliases: tuple[str, ...] = _setting(
        read.names, (), "other regions accepted in signatures, separated by commas"
    )

    s3_domains: tuple[str, ...] = _setting(
        read.names, (), "domains below which a host name names a bucket; empty: path style only"
    )
    s3_endpoints: tuple[str, ...] = _setting(
        read.names,
        (),
        "host names, without port, of path style; empty: IP addresses, and without domains also "
        "localhost and single labels",
    )
    s3_store: str = _setting(
        read.choice("generic", "minio"),
        "generic",
        "the store behind the proxy; for minio, requests it reads differently are refused",
    )
    s3_keeps_leading_slash: bool = _setting(
        read.flag,
        False,
        "the store keeps a slash at the beginning of a key; otherwise it is refused",
    )
    s3_requires_bodies: bool = _setting(
        read.flag,
        True,
        "refuse requests whose body says what they do when Envoy does not send it along",
    )
    http_routes_file: Path | None = _setting(
        read.path, None, "TOML file of mappings for other HTTP services; see docs/mappings.md"
    )
    trusted_hops: int = _setting(
        read.whole(0, 16), 0, "proxies in front of Envoy whose X-Forwarded-For is believed"
    )

    trusted_proxies: tuple[str, ...] = _setting(
        read.networks,
        ("127.0.0.0/8", "::1"),
        "addresses and networks of the proxies that hand requests to the HTTP port; what they "
        "say about the client is believed",
    )
    http_tls_cert_file: Path | None = _setting(
        read.path, None, "certificate chain of the HTTP port (PEM); without, it speaks plain HTTP"
    )
    http_tls_key_file: Path | None = _setting(
        read.path, None, "private key of the HTTP port (PEM), without a password"
    )
    http_tls_client_ca_file: Path | None = _setting(
        read.path,
        None,
        "CA of client certificates on the HTTP port, which are asked for and never required",
    )
    http_forwarded_certificates: bool = _setting(
        read.flag,
        False,
        "believe the X-Forwarded-Client-Cert of trusted proxies, all of which have to replace it",
    )

    minio_webhook_token: Secret | None = _setting(
        read.secret,
        None,
        "MinIO's MINIO_POLICY_PLUGIN_AUTH_TOKEN, at least 16 characters; without, MinIO is not answered",
    )
    authzen_token: Secret | None = _setting(
        read.secret,
        None,
        "bearer token of AuthZEN's callers, at least 16 characters; without, they are not answered",
    )

    access_max_staleness: float = _setting(
        read.duration(0.1, 86400),
        300.0,
        "how old memory may be when the database is lost, then it is closed",
    )
    access_poll_interval: float = _setting(
        read.duration(0.01, 3600), 1.0, "how often the change log is read when no hint arrives"
    )
    access_cache_size: int = _setting(
        read.whole(1, 10_000_000),
        100_000,
        "users, and as many access keys and roles, held in memory; of sessions at most 10,000",
    )
    access_concurrent_loads: int = _setting(
        read.whole(1, 1000),
        16,
        "principals read from the database at a time; as many again may wait",
    )
    access_remembered_decisions: int = _setting(
        read.whole(0, 10_000), 1000, "last answers kept to be explained by their ids; 0: none"
    )
    access_revision_wait: float = _setting(
        read.duration(0, 60), 2.0, "how long a check waits for the revision it demands"
    )

    session_max_duration: float = _setting(
        read.duration(SESSION_DURATION_MIN, SESSION_DURATION_CEILING),
        43_200.0,
        "longest session that can be asked for, at most 365 days",
    )

    provider_check_interval: float = _setting(
        read.duration(0, 604_800),
        900.0,
        "how often directories and Keycloak are asked whether they still know their users; 0: never",
    )

    store_use_notify: bool = _setting(
        read.flag, True, "listen to the database's notifications; without, only the poll interval"
    )
    store_pool_size: int = _setting(read.whole(1, 1000), 8, "connections held to PostgreSQL")

    serving_grace_period: float = _setting(
        read.duration(0, 600), 10.0, "how long calls in flight may take after SIGTERM"
    )
    serving_drain_delay: float = _setting(
        read.duration(0, 60), 0.5, "how long health says NOT_SERVING before the port closes"
    )
    serving_max_message_bytes: int = _setting(
        read.whole(65_536, 16_777_216), 4_194_304, "largest gRPC message taken, in bytes"
    )
    serving_max_concurrent_calls: int = _setting(
        read.whole(1, 1_000_000), 10_000, "calls in flight before new ones are refused"
    )
    serving_reflection: bool = _setting(read.flag, True, "offer gRPC reflection")
    tls_cert_file: Path | None = _setting(
        read.path, None, "certificate chain of the gRPC port (PEM)"
    )
    tls_key_file: Path | None = _setting(read.path, None, "private key of the gRPC port (PEM)")
    tls_client_ca_file: Path | None = _setting(
        read.path,
        None,
        "CA that client certificates must come from; makes the gRPC port mutual TLS",
    )

    log_format: str = _setting(read.choice(*FORMATS), "auto", "auto, json or text")
    log_level: str = _setting(
        read.choice("debug", "info", "warning", "error"), "info", "least level of the service's log"
    )
    decision_log: str = _setting(
        read.text, "stdout", "where decisions are recorded: stdout, off, or a file's path"
    )
    decision_log_allow_sample_rate: float = _setting(
        read.share, 0.01, "share of allowed requests recorded; denied ones all are"
    )

    def __post_init__(self) -> None:
        _check_together(self)

    @property
    def effective_database_url(self) -> str:
        """The database's URL, the embedded one's included."""
        return self.database_url or f"sqlite:///{self.data_dir / 'authz.db'}"

    @property
    def effective_master_key_file(self) -> Path:
        """Where the key ring lies."""
        return self.master_key_file or self.data_dir / "master-keys.json"

    @property
    def root_credentials_file(self) -> Path:
        """Where a root credential made on first start is written."""
        return self.data_dir / "root-credentials.json"

    @property
    def regions(self) -> frozenset[str]:
        """Every region a signature may be scoped to."""
        return frozenset({self.region, *self.region_aliases})


class Described(NamedTuple):
    """One setting for people: its variable, effective value with secrets redacted, where from, and help."""

    name: str
    value: str
    source: str
    help: str


class Loaded(NamedTuple):
    """The settings, and for each field that was set where its value came from."""

    settings: Settings
    sources: Mapping[str, str]

    def describe(self) -> list[Described]:
        """Return every setting for people, in the order they are defined."""
        return [
            Described(
                PREFIX + f.name.upper(),
                _show(f.name, getattr(self.settings, f.name)),
                self.sources.get(f.name, "default"),
                f.metadata["help"],
            )
            for f in fields(Settings)
        ]


def load(environ: Mapping[str, str] | None = None, config_file: Path | None = None) -> Loaded:
    """Read the settings from `environ` (the process's by default) and a TOML file.

    The file is `config_file`, or what `AUTHZ_CONFIG_FILE` names. Raises `InvalidError` that names the
    variable or key.
    """
    environ = os.environ if environ is None else environ  # noqa: TID251 - this is the one reader
    named = config_file or (Path(environ[CONFIG_FILE]) if environ.get(CONFIG_FILE) else None)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    given = [(f"{named}: {k}", k, v) for k, v in _read_toml(named).items()] if named else []
    given += [
        (name, name.removeprefix(PREFIX).lower(), value)
        for name, value in sorted(environ.items())
        if name.startswith(PREFIX) and name != CONFIG_FILE and name not in CLIENT_VARIABLES
    ]
    for place, key, value in given:
        name, parsed = _parse(place, key, value)
        values[name] = parsed
        sources[name] = place
    return Loaded(Settings(**values), sources)


def _parse(place: str, key: str, value: object) -> tuple[str, Any]:
    by_name = {f.name: f for f in fields(Settings)}
    if key not in by_name and key.endswith(FILE_SUFFIX):
        inner = key.removesuffix(FILE_SUFFIX)
        if inner in _FROM_FILES:
            key, value = inner, _read_secret_file(place, value)
    if key not in by_name:
        near = difflib.get_close_matches(key, by_name, n=1)
        hint = f", did you mean {quote(PREFIX + near[0].upper())}?" if near else ""
        raise InvalidError(f"{place} is not a setting{hint}")
    try:
        return key, by_name[key].metadata["parse"](value)
    except InvalidError as error:
        raise InvalidError(f"{place}: {error.message}") from None


def _read_secret_file(place: str, value: object) -> str:
    try:
        return read.path(value).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise InvalidError(f"{place}: the file cannot be read") from None


def _read_toml(path: Path) -> dict[str, object]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise InvalidError(f"{path}: the file cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidError(f"{path}: {error}") from None
    flat: dict[str, object] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            flat |= {f"{key}_{inner}": setting for inner, setting in value.items()}
        else:
            flat[key] = value
    return flat


def _show(name: str, value: object) -> str:
    if isinstance(value, Secret):
        return "(set, not shown)"
    if name == "database_url":
        return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", str(value))
    if isinstance(value, tuple):
        return ",".join(value)
    return "" if value is None else str(value)


def _check_together(settings: Settings) -> None:
    """Refuse settings that make no sense together; half a configuration is a mistake, not a default."""
    if bool(settings.tls_cert_file) != bool(settings.tls_key_file):
        raise InvalidError("AUTHZ_TLS_CERT_FILE and AUTHZ_TLS_KEY_FILE go together")
    if settings.tls_client_ca_file and not settings.tls_cert_file:
        raise InvalidError(
            "AUTHZ_TLS_CLIENT_CA_FILE needs AUTHZ_TLS_CERT_FILE and AUTHZ_TLS_KEY_FILE"
        )
    if bool(settings.http_tls_cert_file) != bool(settings.http_tls_key_file):
        raise InvalidError("AUTHZ_HTTP_TLS_CERT_FILE and AUTHZ_HTTP_TLS_KEY_FILE go together")
    if settings.http_tls_client_ca_file and not settings.http_tls_cert_file:
        raise InvalidError(
            "AUTHZ_HTTP_TLS_CLIENT_CA_FILE needs AUTHZ_HTTP_TLS_CERT_FILE and AUTHZ_HTTP_TLS_KEY_FILE"
        )
    for name in ("minio_webhook_token", "authzen_token"):
        _check_token(name, getattr(settings, name))
    if bool(settings.root_access_key) != (settings.root_secret_key is not None):
        raise InvalidError("AUTHZ_ROOT_ACCESS_KEY and AUTHZ_ROOT_SECRET_KEY go together")


def _check_token(name: str, token: Secret | None) -> None:
    """Refuse a token that is easy to guess, or that no header could carry."""
    text = "x" * TOKEN_MIN if token is None else token.reveal()
    is_plain = text.isascii() and text.isprintable() and text == text.strip()
    if len(text) < TOKEN_MIN or not is_plain:
        problem = f"is not {TOKEN_MIN} or more printable ASCII characters"
        raise InvalidError(f"{PREFIX}{name.upper()} {problem}")


def is_loopback(address: str) -> bool:
    """Tell whether only this machine can reach `address` (`host:port`)."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
