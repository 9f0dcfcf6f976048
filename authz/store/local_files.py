"""The two files of a first start: the root credential and the master key ring.

There is no default password. Where the settings name neither, a random root credential and a random key
are made once, written so that only the owner can read them (mode 0600, created exclusively, synced before
the name appears) and read back at every later start. A file that others can read is refused rather than
trusted.

Not here: what the keys are used for (`identity/sealing.py`).
"""

import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from authz.errors import ConflictError, InvalidError, NotFoundError
from authz.identity.credential import (
    ACCESS_KEY_ID_BYTES,
    SECRET_BYTES,
    Secret,
    check_access_key_id,
    check_secret,
    make_access_key_id,
    make_secret,
)
from authz.identity.sealing import KEY_SIZE, KeyRing, parse_key_ring

PRIVATE: Final = 0o600
OTHERS: Final = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO
"""What nobody else may have. A group may read: that is how orchestrators mount secrets."""


class RootCredential(NamedTuple):
    """The one credential that is not stored in the database."""

    access_key_id: str
    secret: Secret


def root_credential(path: Path, access_key_id: str, secret: Secret | None) -> RootCredential:
    """Return the configured root credential, or the one in `path`, made there on first start.

    Raises `InvalidError` for an unusable credential or file.
    """
    if not access_key_id or secret is None:
        access_key_id, secret = _parse_root(path, _read_or_make(path, _make_root))
    check_access_key_id(access_key_id, field="root_access_key")
    check_secret(secret, field="root_secret_key")
    return RootCredential(access_key_id, secret)


def key_ring(path: Path) -> KeyRing:
    """Return the key ring in `path`, made there on first start. Raises `InvalidError` or `ParseError`."""
    return parse_key_ring(_read_or_make(path, _make_ring))


def make_key() -> tuple[str, bytes]:
    """Return a new master key and its id."""
    return f"k-{secrets.token_hex(4)}", secrets.token_bytes(KEY_SIZE)


def read_key_ring(path: Path) -> KeyRing:
    """Return the key ring in `path`, which has to be there; raises as `key_ring`, and `NotFoundError`."""
    if not path.exists():
        raise NotFoundError(f"there is no key ring {path}")
    return key_ring(path)


def replace_key_ring(path: Path, known: KeyRing, ring: KeyRing) -> None:
    """Put `ring` into the file in place of `known`, whole or not at all.

    Raises `ConflictError` when the file holds another one by now, `InvalidError` when it cannot be written.
    """
    target = path.resolve()  # of a link, what it leads to is replaced
    try:
        with _locked(target):
            if read_key_ring(target).render() != known.render():
                raise ConflictError(f"{path} was changed meanwhile; run the command again")
            draft = _write_draft(target, ring.render())
            _copy_access(target, draft)
            draft.replace(target)
            _sync_directory(target.parent)
    except OSError as error:
        raise InvalidError(f"{path} cannot be written: {_reason(error)}") from error


def _copy_access(source: Path, target: Path) -> None:
    """Let those read `target` who may read `source`: the service may be another user than whoever rotates."""
    was = source.stat()
    if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
        os.chown(target, was.st_uid, was.st_gid)
    target.chmod(stat.S_IMODE(was.st_mode))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep others who would replace a file in this folder out; what they hold ends with their process."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _make_root() -> str:
    credential = {
        "accessKey": make_access_key_id(secrets.token_bytes(ACCESS_KEY_ID_BYTES)),
        "secretKey": make_secret(secrets.token_bytes(SECRET_BYTES)).reveal(),
    }
    return json.dumps(credential, indent=2) + "\n"


def _make_ring() -> str:
    return KeyRing(dict([make_key()])).render()


def _parse_root(path: Path, text: str) -> RootCredential:
    try:
        document = json.loads(text)
        return RootCredential(str(document["accessKey"]), Secret(str(document["secretKey"])))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise InvalidError(
            f"{path} is not a root credential: accessKey and secretKey in JSON"
        ) from None


def _read_or_make(path: Path, make: Callable[[], str]) -> str:
    try:
        if not path.exists():
            _create_private(path, make())
        if path.stat().st_mode & OTHERS:
            raise InvalidError(f"{path} can be read by others; run: chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidError(f"{path} cannot be read or made: {_reason(error)}") from error
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is not text") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else "the system gives no reason"


def _create_private(path: Path, text: str) -> None:
    """Create `path` with `text`, whole or not at all; another process that was first wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = _write_draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # made by another process meanwhile: its file is the one that counts
    finally:
        draft.unlink()
    _sync_directory(path.parent)


def _write_draft(path: Path, text: str) -> Path:
    """Write `text` to a private file beside `path`, synced, and return its path."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        draft.unlink()
        raise
    return draft


def _sync_directory(path: Path) -> None:
    """Make the names in `path` durable: a key that seals stored secrets must not go with the power."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
