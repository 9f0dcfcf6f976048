"""Attachments: which policies apply to which users, groups and roles.

Attaching what is attached, or detaching what is not, is no error and changes nothing. Both are in force at
once.
"""

from authz.control.limits import ATTACHMENTS_PER_TARGET
from authz.control.lookup import get_policy, get_target
from authz.control.paging import Page, page_of, read_page, slice_of
from authz.control.ports import Slice, Store, Unit, Written
from authz.errors import InUseError, quote
from authz.identity.records import Attachment, ManagedPolicy, TargetKind, key_of_name


class Attachments:
    """The use cases about attachments."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def attach(
        self, policy_name: str, target_kind: TargetKind, target_name: str
    ) -> Written[Attachment]:
        """Attach a policy to a user, group or role.

        Raises `NotFoundError`, and `ConflictError` when the target has `ATTACHMENTS_PER_TARGET` already.
        """

        async def change(unit: Unit) -> Attachment:
            policy = await get_policy(unit, policy_name)
            target = await get_target(unit, target_kind, target_name)
            attachment = Attachment(
                policy_name=policy.name, target_kind=target_kind, target_name=target.name
            )
            part = Slice("", ATTACHMENTS_PER_TARGET)
            held = await unit.attachments.list_of_target(target_kind, target.id, part)
            if len(held) == ATTACHMENTS_PER_TARGET and attachment not in held:
                raise InUseError(
                    f"{target_kind.value} {quote(target.name)} has {ATTACHMENTS_PER_TARGET} policies, the most"
                )
            await unit.attachments.attach(policy.id, target_kind, target.id)
            return attachment

        return await self._store.write(change)

    async def detach(
        self, policy_name: str, target_kind: TargetKind, target_name: str
    ) -> Written[Attachment]:
        """Detach a policy from a user, group or role. Raises `NotFoundError` when either does not exist."""

        async def change(unit: Unit) -> Attachment:
            policy = await get_policy(unit, policy_name)
            target = await get_target(unit, target_kind, target_name)
            await unit.attachments.detach(policy.id, target_kind, target.id)
            return Attachment(
                policy_name=policy.name, target_kind=target_kind, target_name=target.name
            )

        return await self._store.write(change)

    async def list_of_target(
        self, target_kind: TargetKind, target_name: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[Attachment]:
        """Return a page of what is attached to a user, group or role itself, ordered by the policy's name."""

        async def question(unit: Unit) -> Page[Attachment]:
            target = await get_target(unit, target_kind, target_name)
            return await read_page(
                lambda part: unit.attachments.list_of_target(target_kind, target.id, part),
                lambda attachment: key_of_name(attachment.policy_name),
                page_size,
                page_token,
            )

        return await self._store.read(question)

    async def list_of_policy(
        self, policy_name: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[Attachment]:
        """Return a page of what a policy is attached to: groups, roles, users, each ordered by name."""

        async def question(unit: Unit) -> Page[Attachment]:
            policy = await get_policy(unit, policy_name)
            part = slice_of(page_size, page_token)
            return page_of(await _targets(unit, policy, part), part, _target_place)

        return await self._store.read(question)


_IN_ORDER = tuple(sorted(TargetKind))


async def _targets(unit: Unit, policy: ManagedPolicy, part: Slice) -> list[Attachment]:
    """Read on from `part.after`, which is a kind and a folded name (`_target_place`)."""
    kind_seen, _, name_seen = part.after.partition("/")
    found: list[Attachment] = []
    for kind in _IN_ORDER:
        if kind.value >= kind_seen and len(found) < part.limit:
            after = name_seen if kind.value == kind_seen else ""
            rest = Slice(after, part.limit - len(found))
            found.extend(await unit.attachments.list_of_policy(kind, policy.id, rest))
    return found


def _target_place(attachment: Attachment) -> str:
    return f"{attachment.target_kind.value}/{key_of_name(attachment.target_name)}"
