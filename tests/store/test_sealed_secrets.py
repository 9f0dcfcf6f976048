"""Resealing what is stored: all of it, in parts, again and again, and nothing else."""

import secrets
from types import SimpleNamespace

import pytest
from sqlalchemy import text

from authz.errors import UnavailableError
from authz.identity.credential import Secret
from authz.identity.external import ProviderKind
from authz.identity.sealing import KEY_SIZE, NONCE_SIZE, KeyRing, UnsealError
from authz.store.sql import sealed_secrets
from authz.store.sql.engine import Database
from authz.store.sql.sealed_secrets import SqlSealedSecrets
from authz.store.sql.source import SqlSource
from tests.store.fixtures import Control

OLD, NEW = "k1", "k2"
RING = KeyRing({OLD: bytes(range(KEY_SIZE))}).with_primary(NEW, bytes(KEY_SIZE))


def reseal(sealed: bytes, associated: bytes) -> bytes | None:
    try:
        return RING.seal(
            RING.unseal(sealed, associated), associated, secrets.token_bytes(NONCE_SIZE)
        )
    except UnsealError:
        return None


async def fill(control: Control, keys: int) -> dict[str, str]:
    """Make providers with and without a secret, and access keys; return what their secrets are, by id."""
    await control.users.create("alice")
    made = [(await control.access_keys.create("alice")).value for _ in range(keys)]
    known = {one.key.id: one.secret.reveal() for one in made}
    await control.providers.create("open", ProviderKind.CERTIFICATE, "{}")
    for name in ("corp", "shop"):
        secret = Secret(f"of-{name}")
        one = await control.providers.create(name, ProviderKind.LDAP, "{}", secret=secret)
        known[one.value.id] = f"of-{name}"
    return known


async def opened(database: Database, ring: KeyRing, known: dict[str, str]) -> dict[str, str]:
    source = SqlSource(database)
    found = {}
    for row_id in known:
        key = (await source.find_access_key(row_id)).value
        if key is not None:
            found[row_id] = ring.unseal(key.sealed_secret, row_id.encode()).decode()
    for one in (await source.load_policies()).value.providers:
        if one.sealed_secret is not None:
            found[one.provider.id] = ring.unseal(
                one.sealed_secret, one.provider.id.encode()
            ).decode()
    return found


async def test_everything_is_sealed_anew_and_nothing_else_changes(
    control: Control, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_secrets, "BATCH", 3)
    known = await fill(control, 6)
    rows, source = SqlSealedSecrets(database), SqlSource(database)
    revision = await source.revision()
    assert (await rows.count(), await rows.count(RING.header(OLD))) == (8, 8)
    await rows.reseal(RING.header(NEW), reseal)
    assert (await rows.count(RING.header(NEW)), await rows.count(RING.header(OLD))) == (8, 0)
    assert await opened(database, RING.without(OLD), known) == known
    assert await source.revision() == revision


async def test_who_was_interrupted_goes_on(
    control: Control, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed_secrets, "BATCH", 2)
    known = await fill(control, 5)
    rows = SqlSealedSecrets(database)
    seen: list[bytes] = []

    def fail_at_the_fourth(sealed: bytes, associated: bytes) -> bytes | None:
        seen.append(associated)
        if len(seen) == 4:
            raise UnavailableError("killed")
        return reseal(sealed, associated)

    with pytest.raises(UnavailableError):
        await rows.reseal(RING.header(NEW), fail_at_the_fourth)
    assert await rows.count(RING.header(NEW)) == 2  # whole parts only
    seen.clear()
    await rows.reseal(RING.header(NEW), lambda *row: seen.append(row[1]) or reseal(*row))  # type: ignore[func-returns-value]
    assert len(seen) == 5
    assert await opened(database, RING.without(OLD), known) == known


async def test_what_no_key_opens_is_left_and_stops_nothing(
    control: Control, database: Database
) -> None:
    known = await fill(control, 3)
    lost = min(key for key in known if key.startswith("AKIA"))
    other = KeyRing({"lost": bytes(KEY_SIZE)}).seal(b"x", lost.encode(), bytes(NONCE_SIZE))

    async def spoil(connection) -> None:  # type: ignore[no-untyped-def]
        await connection.execute(
            text("UPDATE access_keys SET sealed_secret = :s WHERE id = :i"), {"s": other, "i": lost}
        )

    await database.write(spoil)
    rows = SqlSealedSecrets(database)
    await rows.reseal(RING.header(NEW), reseal)
    assert await rows.count(RING.header(NEW)) == await rows.count() - 1 == 4
    assert await rows.count(RING.header(OLD)) == 0


async def test_a_key_id_that_begins_like_another_is_another(
    control: Control, database: Database
) -> None:
    await fill(control, 1)
    rows = SqlSealedSecrets(database)
    ring = RING.with_standby("k", bytes(KEY_SIZE)).with_standby("k11", bytes(KEY_SIZE))
    assert [await rows.count(ring.header(one)) for one in (OLD, "k", "k11")] == [3, 0, 0]


async def test_a_secret_that_changes_meanwhile_stays_as_it_became(
    control: Control, database: Database
) -> None:
    await fill(control, 0)
    fresh = RING.seal(b"fresh", b"x", bytes(NONCE_SIZE))

    corp = (await control.providers.get("corp")).id
    row = SimpleNamespace(id=corp, sealed_secret=b"as it was read")
    before = await SqlSealedSecrets(database).count(RING.header(OLD))
    await database.write(
        lambda connection: sealed_secrets._replace(
            connection, sealed_secrets.providers, [row], lambda *_: fresh
        )
    )
    assert await SqlSealedSecrets(database).count(RING.header(OLD)) == before
