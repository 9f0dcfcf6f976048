"""Brings the stored copies of the canned policies to what this version of the software says.

They are rows like any other policy, so that attaching, loading and listing know no special case; their origin
keeps them read-only. An id follows from the name, so every installation has the same ones. A changed document
is a new version and a change like any other. One that a newer software no longer has stays: it may be
attached.
"""

import base64
import hashlib
from collections.abc import Sequence
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import ChangeKind
from authz.errors import ConflictError, quote
from authz.identity.credential import POLICY_ID_PREFIX, RECORD_ID_BYTES
from authz.identity.records import PolicyOrigin, fold_name
from authz.policy.canned import CannedPolicy
from authz.store.sql.change_log import Changes, append, lock_revision
from authz.store.sql.tables import policies

_SALT: Final = b"authz canned policy "


def canned_policy_id(name: str) -> str:
    """Return the id of the canned policy of this name, in the shape of all policy ids."""
    digest = base64.b32encode(hashlib.sha256(_SALT + name.encode()).digest()).decode()
    return POLICY_ID_PREFIX + digest[:RECORD_ID_BYTES]


async def refresh_canned_policies(
    connection: AsyncConnection, canned: Sequence[CannedPolicy], now: float
) -> int:
    """Store what is new or changed, on a connection in a write transaction; return the newest revision."""
    revision = await lock_revision(connection)
    noted = Changes()
    for policy in canned:
        if await _refresh(connection, policy, now):
            noted.note(ChangeKind.POLICY, canned_policy_id(policy.name))
    return await append(connection, noted) if noted else revision


async def _refresh(connection: AsyncConnection, policy: CannedPolicy, now: float) -> bool:
    same_name = policies.c.name_key == fold_name(policy.name)
    stored = (await connection.execute(select(policies).where(same_name))).first()
    written = {"document": policy.document, "description": policy.description, "updated_at": now}
    if stored is None:
        await connection.execute(insert(policies).values(**_new_row(policy, now), **written))
        return True
    if stored.origin != PolicyOrigin.AWS:
        raise ConflictError(
            f"policy {quote(stored.name)} has the name of one that comes with the software; rename it first"
        )
    if (stored.document, stored.description) == (policy.document, policy.description):
        return False
    version = stored.version + (stored.document != policy.document)
    await connection.execute(update(policies).where(same_name).values(version=version, **written))
    return True


def _new_row(policy: CannedPolicy, now: float) -> dict[str, object]:
    return {
        "id": canned_policy_id(policy.name),
        "name": policy.name,
        "name_key": fold_name(policy.name),
        "origin": PolicyOrigin.AWS.value,
        "version": 1,
        "created_at": now,
    }
