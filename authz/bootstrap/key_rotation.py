"""Rotating the master keys: what is done to the ring's file and to stored secrets, from outside the service.

The service reads its ring when it starts, so the steps are apart: a key is first known everywhere, then seals,
then everything is sealed by it, and only then an old one goes. What could lock anybody out is refused.

Not here: the ring itself (`identity/sealing.py`), its file (`store/local_files.py`), the rows
(`store/sql/sealed_secrets.py`), how it is told to people (`cli/keyring.py`).
"""

import secrets
from typing import NamedTuple

from authz.bootstrap.opening import open_database
from authz.errors import InUseError, quote
from authz.identity.sealing import NONCE_SIZE, KeyRing, UnsealError
from authz.settings import Settings
from authz.store import local_files
from authz.store.sql.sealed_secrets import SqlSealedSecrets


class SealedBy(NamedTuple):
    """A key of the ring, and how many stored secrets it sealed."""

    key_id: str
    is_primary: bool
    secrets: int


class Resealed(NamedTuple):
    """How many secrets the primary key has sealed after resealing, and how many it has not."""

    done: int
    left: int


def add_key(settings: Settings) -> str:
    """Put a new key on the ring that opens and does not seal yet; return its id."""
    ring, (key_id, key) = _read(settings), local_files.make_key()
    _replace(settings, ring, ring.with_standby(key_id, key))
    return key_id


def activate_key(settings: Settings, key_id: str) -> None:
    """Let this key of the ring seal from now on. Raises `NotFoundError`."""
    ring = _read(settings)
    _replace(settings, ring, ring.activated(key_id))


def rotate_at_once(settings: Settings) -> str:
    """Put a new key on the ring that seals at once; return its id."""
    ring, (key_id, key) = _read(settings), local_files.make_key()
    _replace(settings, ring, ring.with_primary(key_id, key))
    return key_id


async def count_secrets(settings: Settings) -> tuple[list[SealedBy], int]:
    """Return the keys of the ring with what they sealed, and how many secrets none of them sealed."""
    ring = _read(settings)
    async with open_database(settings) as database:
        rows = SqlSealedSecrets(database)
        counts = {key_id: await rows.count(ring.header(key_id)) for key_id in ring.ids}
        total = await rows.count()
    listed = [SealedBy(key_id, key_id == ring.primary, n) for key_id, n in counts.items()]
    return listed, total - sum(counts.values())


async def reseal_secrets(settings: Settings) -> Resealed:
    """Seal every stored secret with the primary key; what no key of the ring opens is left as it is."""
    ring = _read(settings)

    def reseal(sealed: bytes, associated: bytes) -> bytes | None:
        try:
            secret = ring.unseal(sealed, associated)
        except UnsealError:
            return None
        return ring.seal(secret, associated, secrets.token_bytes(NONCE_SIZE))

    async with open_database(settings) as database:
        rows = SqlSealedSecrets(database)
        await rows.reseal(ring.header(ring.primary), reseal)
        done = await rows.count(ring.header(ring.primary))
        return Resealed(done, await rows.count() - done)


async def prune_key(settings: Settings, key_id: str) -> None:
    """Take a key from the ring. Raises `NotFoundError`, and `ConflictError` while it is needed."""
    ring = _read(settings)
    pruned = ring.without(key_id)
    async with open_database(settings) as database:
        sealed = await SqlSealedSecrets(database).count(ring.header(key_id))
    if sealed:
        raise InUseError(
            f"{quote(key_id)} seals {sealed} stored secrets; run `authz keyring reseal`"
        )
    _replace(settings, ring, pruned)


def _read(settings: Settings) -> KeyRing:
    return local_files.read_key_ring(settings.effective_master_key_file)


def _replace(settings: Settings, known: KeyRing, ring: KeyRing) -> None:
    local_files.replace_key_ring(settings.effective_master_key_file, known, ring)
