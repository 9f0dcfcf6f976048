"""Attachments in SQL: implements `control.ports.AttachmentRecords`.

Tables of the same shape, one a kind of target, so that foreign keys hold; everything here is
written once over all.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Column, Select, Table, and_, delete, insert, select

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import Attachment, TargetKind
from authz.store.sql.families import Family
from authz.store.sql.tables import (
    group_policies,
    groups,
    policies,
    provider_policies,
    providers,
    role_policies,
    roles,
    user_policies,
    users,
)


class _Side(NamedTuple):
    """The tables of one kind of target, and what a change of its attachments is logged as."""

    pairs: Table
    target_id: Column[str]
    targets: Table
    change: ChangeKind


_SIDES: Final = {
    TargetKind.USER: _Side(user_policies, user_policies.c.user_id, users, ChangeKind.USER),
    TargetKind.GROUP: _Side(group_policies, group_policies.c.group_id, groups, ChangeKind.GROUP),
    TargetKind.ROLE: _Side(role_policies, role_policies.c.role_id, roles, ChangeKind.ROLE),
    TargetKind.PROVIDER: _Side(
        provider_policies, provider_policies.c.provider_id, providers, ChangeKind.PROVIDER
    ),
}


class SqlAttachments(Family):
    """The rows of `user_policies`, `group_policies`, `role_policies` and `provider_policies`."""

    async def list_of_target(
        self, kind: TargetKind, target_id: str, part: Slice
    ) -> Sequence[Attachment]:
        """Return what is attached to a user, group, role or provider."""
        side = _SIDES[kind]
        wanted = _joined(side).where(side.target_id == target_id)
        return await self._attachments(kind, wanted, policies.c.name_key, part)

    async def list_of_policy(
        self, kind: TargetKind, policy_id: str, part: Slice
    ) -> Sequence[Attachment]:
        """Return the targets of one kind that a policy is attached to."""
        side = _SIDES[kind]
        wanted = _joined(side).where(side.pairs.c.policy_id == policy_id)
        return await self._attachments(kind, wanted, side.targets.c.name_key, part)

    async def attach(self, policy_id: str, kind: TargetKind, target_id: str) -> None:
        """Attach, unless it is attached."""
        side = _SIDES[kind]
        pair = {side.target_id.name: target_id, "policy_id": policy_id}
        if await self._first(select(side.pairs).filter_by(**pair)) is None:
            self._changes.note(side.change, target_id)
            await self._connection.execute(insert(side.pairs).values(**pair))

    async def detach(self, policy_id: str, kind: TargetKind, target_id: str) -> None:
        """Detach, if it is attached."""
        side = _SIDES[kind]
        removed = await self._connection.execute(
            delete(side.pairs).where(
                and_(side.target_id == target_id, side.pairs.c.policy_id == policy_id)
            )
        )
        if removed.rowcount:
            self._changes.note(side.change, target_id)

    async def detach_target(self, kind: TargetKind, target_id: str) -> None:
        """Detach everything from a user, group, role or provider."""
        side = _SIDES[kind]
        self._changes.note(side.change, target_id)
        await self._connection.execute(delete(side.pairs).where(side.target_id == target_id))

    async def detach_policy(self, policy_id: str) -> None:
        """Detach a policy from everything."""
        for side in _SIDES.values():
            attached = side.pairs.c.policy_id == policy_id
            self._changes.note(
                side.change, *await self._keys(select(side.target_id).where(attached))
            )
            await self._connection.execute(delete(side.pairs).where(attached))

    async def _attachments(
        self, kind: TargetKind, wanted: Select[Any], order: Column[str], part: Slice
    ) -> Sequence[Attachment]:
        return [
            Attachment(policy_name=row.policy_name, target_kind=kind, target_name=row.target_name)
            for row in await self._slice(wanted, order, part)
        ]


def _joined(side: _Side) -> Select[Any]:
    return (
        select(policies.c.name.label("policy_name"), side.targets.c.name.label("target_name"))
        .select_from(side.pairs)
        .join(policies, policies.c.id == side.pairs.c.policy_id)
        .join(side.targets, side.targets.c.id == side.target_id)
    )
