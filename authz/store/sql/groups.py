"""Groups and memberships in SQL: implements `control.ports.GroupRecords`.

A membership is a change of the user and not of the group: what the data plane holds is each user with the
groups it is in, so it must read that user again. A change of a group itself is noted as the group's.

Nothing is deleted that a row still refers to; foreign keys hold, and the use case clears or refuses first
(`control/groups.py`).
"""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, delete, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import Group, User, key_of_name
from authz.store.sql.families import Family
from authz.store.sql.rows import group_of, group_row, user_of
from authz.store.sql.selections import USERS
from authz.store.sql.tables import groups, memberships, users


class SqlGroups(Family):
    """The rows of `groups` and `memberships`."""

    async def find(self, name: str) -> Group | None:
        """Return the group of this name, ignoring case."""
        row = await self._first(select(groups).where(groups.c.name_key == key_of_name(name)))
        return None if row is None else group_of(row)

    async def list(self, part: Slice) -> Sequence[Group]:
        """Return groups whose folded name is after `part.after`."""
        return [group_of(row) for row in await self._slice(select(groups), groups.c.name_key, part)]

    async def add(self, group: Group) -> None:
        """Store a new group."""
        self._changes.note(ChangeKind.GROUP, group.id)
        await self._connection.execute(insert(groups).values(**group_row(group)))

    async def replace(self, old: Group, new: Group) -> None:
        """Store `new` in place of `old`."""
        self._changes.note(ChangeKind.GROUP, old.id)
        await self._connection.execute(
            update(groups).where(groups.c.id == old.id).values(**group_row(new))
        )

    async def remove(self, group: Group) -> None:
        """Delete a group."""
        self._changes.note(ChangeKind.GROUP, group.id)
        await self._connection.execute(delete(groups).where(groups.c.id == group.id))

    async def list_of_provider(self, provider_id: str, part: Slice) -> Sequence[Group]:
        """Return the groups of which a provider says who is in them."""
        wanted = select(groups).where(groups.c.provider_id == provider_id)
        return [group_of(row) for row in await self._slice(wanted, groups.c.name_key, part)]

    async def find_all_of_provider(
        self, provider_id: str, names: Collection[str]
    ) -> Sequence[Group]:
        """Return those of a provider's groups of these names that exist, in any order."""
        wanted = {key_of_name(name) for name in names}
        stored = await self._all(select(groups).where(groups.c.provider_id == provider_id))
        return [group_of(row) for row in stored if row.name_key in wanted]

    async def list_members(self, group_id: str, part: Slice) -> Sequence[User]:
        """Return the users in a group."""
        members = USERS.join(memberships, memberships.c.user_id == users.c.id)
        found = await self._slice(
            members.where(memberships.c.group_id == group_id), users.c.name_key, part
        )
        return [user_of(row) for row in found]

    async def list_of_user(self, user_id: str, part: Slice) -> Sequence[Group]:
        """Return the groups a user is in."""
        joined = select(groups).join(memberships, memberships.c.group_id == groups.c.id)
        found = await self._slice(
            joined.where(memberships.c.user_id == user_id), groups.c.name_key, part
        )
        return [group_of(row) for row in found]

    async def add_member(self, group_id: str, user_id: str) -> None:
        """Put a user into a group, unless it is in it."""
        pair = {"user_id": user_id, "group_id": group_id}
        if await self._first(select(memberships).filter_by(**pair)) is None:
            self._changes.note(ChangeKind.USER, user_id)
            await self._connection.execute(insert(memberships).values(**pair))

    async def fill(self, group_id: str, user_ids: Collection[str]) -> None:
        """Put users into a group that has no members yet, in one statement."""
        if not user_ids:
            return
        self._changes.note(ChangeKind.USER, *user_ids)
        pairs = [{"user_id": user_id, "group_id": group_id} for user_id in user_ids]
        await self._connection.execute(insert(memberships), pairs)

    async def remove_member(self, group_id: str, user_id: str) -> None:
        """Take a user out of a group, if it is in it."""
        removed = await self._connection.execute(
            delete(memberships).where(
                and_(memberships.c.user_id == user_id, memberships.c.group_id == group_id)
            )
        )
        if removed.rowcount:
            self._changes.note(ChangeKind.USER, user_id)

    async def remove_all_members(self, group_id: str) -> None:
        """Take everybody out of a group."""
        of_group = memberships.c.group_id == group_id
        members = await self._keys(select(memberships.c.user_id).where(of_group))
        self._changes.note(ChangeKind.USER, *members)
        await self._connection.execute(delete(memberships).where(of_group))

    async def remove_from_all(self, user_id: str) -> None:
        """Take a user out of all its groups."""
        self._changes.note(ChangeKind.USER, user_id)
        await self._connection.execute(delete(memberships).where(memberships.c.user_id == user_id))
