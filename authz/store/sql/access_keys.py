"""Access keys in SQL: implements `control.ports.AccessKeyRecords`.

Secrets arrive sealed, stay sealed, and are not among the columns read here: administrators are never shown one,
so what keeps records has no need of them. The data plane reads them on its own way (`source.py`).

Ids are compared byte by byte. Rows carry their owner's name, joined in, since records speak of users by name.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, delete, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import AccessKey
from authz.store.sql.families import Family
from authz.store.sql.rows import access_key_of, access_key_row
from authz.store.sql.tables import access_keys, users


class SqlAccessKeys(Family):
    """The rows of `access_keys`."""

    async def find(self, access_key_id: str) -> AccessKey | None:
        """Return the access key of exactly this id."""
        row = await self._first(_with_owner().where(access_keys.c.id == access_key_id))
        return None if row is None else access_key_of(row)

    async def list_of_user(self, user_id: str, part: Slice) -> Sequence[AccessKey]:
        """Return a user's access keys."""
        owned = _with_owner().where(access_keys.c.user_id == user_id)
        return [access_key_of(row) for row in await self._slice(owned, access_keys.c.id, part)]

    async def add(self, key: AccessKey, sealed_secret: bytes) -> None:
        """Store a new access key."""
        self._changes.note(ChangeKind.ACCESS_KEY, key.id)
        await self._connection.execute(
            insert(access_keys).values(**access_key_row(key), sealed_secret=sealed_secret)
        )

    async def replace(self, old: AccessKey, new: AccessKey) -> None:
        """Store `new` in place of `old`; the secret stays."""
        self._changes.note(ChangeKind.ACCESS_KEY, old.id)
        await self._connection.execute(
            update(access_keys).where(access_keys.c.id == old.id).values(**access_key_row(new))
        )

    async def remove(self, key: AccessKey) -> None:
        """Delete an access key."""
        self._changes.note(ChangeKind.ACCESS_KEY, key.id)
        await self._connection.execute(delete(access_keys).where(access_keys.c.id == key.id))

    async def remove_of_user(self, user_id: str) -> None:
        """Delete all access keys of a user."""
        owned = access_keys.c.user_id == user_id
        self._changes.note(
            ChangeKind.ACCESS_KEY, *await self._keys(select(access_keys.c.id).where(owned))
        )
        await self._connection.execute(delete(access_keys).where(owned))


def _with_owner() -> Select[Any]:
    return select(
        *(column for column in access_keys.c if column is not access_keys.c.sealed_secret),
        users.c.name.label("user_name"),
    ).join(users, users.c.id == access_keys.c.user_id)
