"""Users in SQL: implements `control.ports.UserRecords`.

A change is noted by the user's id, and also by name where a name begins or ceases to mean this user: the data
plane remembers who a name is, and remembers names that nobody has. A user created again under the name of a
deleted one is another row with another id.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import delete, insert, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import User, key_of_name
from authz.store.sql.families import Family
from authz.store.sql.rows import user_of, user_row
from authz.store.sql.selections import USERS
from authz.store.sql.tables import naming, users


class SqlUsers(Family):
    """The rows of `users`."""

    async def find(self, name: str) -> User | None:
        """Return the user of this name, ignoring case."""
        row = await self._first(USERS.where(users.c.name_key == key_of_name(name)))
        return None if row is None else user_of(row)

    async def find_all(self, names: Collection[str]) -> Sequence[User]:
        """Return those users of these names that exist, in any order."""
        keys = {key_of_name(name) for name in names}
        return [user_of(row) for row in await self._all(USERS.where(users.c.name_key.in_(keys)))]

    async def list(self, part: Slice) -> Sequence[User]:
        """Return users whose folded name is after `part.after`."""
        return [user_of(row) for row in await self._slice(USERS, users.c.name_key, part)]

    async def add(self, user: User) -> None:
        """Store a new user."""
        self._note(user)
        await self._connection.execute(insert(users).values(**user_row(user)))

    async def replace(self, old: User, new: User) -> None:
        """Store `new` in place of `old`."""
        self._changes.note(ChangeKind.USER, new.id)
        if old.name != new.name:
            self._note(old)
            self._note(new)
        await self._connection.execute(
            update(users).where(users.c.id == old.id).values(**user_row(new))
        )

    async def remove(self, user: User) -> None:
        """Delete a user."""
        self._note(user)
        await self._connection.execute(delete(users).where(users.c.id == user.id))

    async def list_bounded_by(self, policy_id: str, part: Slice) -> Sequence[User]:
        """Return users whose permissions boundary is this policy."""
        bounded = USERS.where(users.c.boundary_id == policy_id)
        return [user_of(row) for row in await self._slice(bounded, users.c.name_key, part)]

    async def list_of_provider(self, provider_id: str, part: Slice) -> Sequence[User]:
        """Return the users that a provider vouches for."""
        vouched = USERS.where(users.c.provider_id == provider_id)
        return [user_of(row) for row in await self._slice(vouched, users.c.name_key, part)]

    async def list_naming(self, provider_id: str, group: str) -> Sequence[User]:
        """Return those of a provider's users that are in its group of this name."""
        vouched = USERS.where(
            users.c.provider_id == provider_id, naming(users.c.external_groups, group)
        )
        found = (user_of(row) for row in await self._all(vouched))
        return [user for user in found if group in user.external_groups]

    def _note(self, user: User) -> None:
        self._changes.note(ChangeKind.USER, user.id)
        self._changes.note(ChangeKind.USER_NAME, key_of_name(user.name))
