"""Brings the stored copies of the canned policies to what this version of the software says.

They are rows like any other policy, so that attaching, loading and listing know no special case; their origin
keeps them read-only. An id follows from the name, so every installation has the same ones. A changed document
is a new version and a change like any other; the oldest makes room. One that a newer software no longer has
stays: it may be attached.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from authz.control.policy_versions import add_version, make_room, put_in_force
from authz.errors import ConflictError, quote
from authz.identity.credential import POLICY_ID_PREFIX, RECORD_ID_BYTES
from authz.identity.records import ManagedPolicy, PolicyOrigin
from authz.policy.canned import CannedPolicy
from authz.store.sql.change_log import Changes, append, lock_revision
from authz.store.sql.policies import SqlPolicies

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
    records = SqlPolicies(connection, noted)
    for policy in canned:
        await _refresh(records, policy, now)
    return await append(connection, noted) if noted else revision


async def _refresh(records: SqlPolicies, canned: CannedPolicy, now: float) -> None:
    old = await records.find(canned.name)
    if old is None:
        await records.add(_new(canned, now))
        return
    if old.origin is not PolicyOrigin.AWS:
        raise ConflictError(
            f"policy {quote(old.name)} has the name of one that comes with the software; rename it first"
        )
    new = replace(old, description=canned.description)
    if canned.document != old.document:
        await make_room(records, old)
        new = put_in_force(await add_version(records, new, canned.document, now), now)
    if new != old:
        await records.replace(old, replace(new, updated_at=now))


def _new(canned: CannedPolicy, now: float) -> ManagedPolicy:
    return ManagedPolicy(
        id=canned_policy_id(canned.name),
        name=canned.name,
        version=1,
        document=canned.document,
        description=canned.description,
        created_at=now,
        updated_at=now,
        origin=PolicyOrigin.AWS,
    )
