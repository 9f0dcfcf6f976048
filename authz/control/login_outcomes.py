"""What a login would come to, for administrators who try one out: nothing is written here.

It follows `logins.py` and what is decided after it: who the user would be, in which groups, under which
policies, and why there would be no session.

Not here: whether the proof is any good (`federation`), and what the policies say.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from authz.control.limits import ATTACHMENTS_PER_TARGET
from authz.control.logins import NO_POLICY
from authz.control.lookup import list_all_groups
from authz.control.ports import Slice, Store, Unit
from authz.errors import InvalidError
from authz.identity.credential import check_known_name, check_name
from authz.identity.external import Login
from authz.identity.records import (
    Attachment,
    Group,
    Status,
    TargetKind,
    User,
    external_name,
    key_of_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginOutcome:
    """What a login comes to.

    `user` is `None` at a first login. `granted` are the names of policies in the proof that exist, `missing`
    those that do not. `refusal` says why the user itself would get no session, empty where it would.
    """

    user_name: str
    user: User | None
    group_names: tuple[str, ...]
    granted: tuple[str, ...]
    missing: tuple[str, ...]
    attachments: tuple[Attachment, ...]
    refusal: str


class LoginOutcomes:
    """The use case of trying a login out."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, login: Login, now: float) -> LoginOutcome:
        """Return what `login`, whose proof was taken, comes to at `now` (epoch seconds)."""
        identity = login.identity
        name = external_name(login.provider_name, identity.name)

        async def question(unit: Unit) -> LoginOutcome:
            user = await unit.users.find(name)
            groups = await _find_groups(unit, login, user)
            granted, missing = await _find_policies(unit, identity.policies)
            attachments = await _find_attachments(unit, login, user, groups)
            return LoginOutcome(
                user_name=name,
                user=user,
                group_names=tuple(sorted(group.name for group in groups)),
                granted=granted,
                missing=missing,
                attachments=attachments,
                refusal=_refusal(login, now, user, has_policies=bool(granted or attachments)),
            )

        return await self._store.read(question)


async def _find_groups(unit: Unit, login: Login, user: User | None) -> Sequence[Group]:
    """Return the groups the user would be in: its provider's as the login says, and those of our own."""
    wanted = [external_name(login.provider_name, name) for name in sorted(login.identity.groups)]
    said = await unit.groups.find_all_of_provider(login.provider_id, wanted) if wanted else ()
    held = [] if user is None else await list_all_groups(unit, user.id)
    return [*said, *(group for group in held if group.provider_id != login.provider_id)]


async def _find_policies(
    unit: Unit, names: Iterable[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    granted, missing = set(), set()
    for name in names:
        found = await unit.policies.find(name) if _is_name(name) else None
        if found is None:
            missing.add(name)
        else:
            granted.add(found.name)
    return tuple(sorted(granted)), tuple(sorted(missing))


def _is_name(name: str) -> bool:
    try:
        check_name(name)
    except InvalidError:
        return False
    return True


async def _find_attachments(
    unit: Unit, login: Login, user: User | None, groups: Sequence[Group]
) -> tuple[Attachment, ...]:
    targets = [] if user is None else [(TargetKind.USER, user.id)]
    targets += [
        (TargetKind.GROUP, group.id) for group in sorted(groups, key=lambda g: key_of_name(g.name))
    ]
    targets.append((TargetKind.PROVIDER, login.provider_id))
    part = Slice("", ATTACHMENTS_PER_TARGET)
    return tuple(
        [
            attachment
            for kind, target_id in targets
            for attachment in await unit.attachments.list_of_target(kind, target_id, part)
        ]
    )


def _refusal(login: Login, now: float, user: User | None, *, has_policies: bool) -> str:
    """Return why there would be no session, as `Logins.adopt` and `serving` find it."""
    try:
        check_known_name(external_name(login.provider_name, login.identity.name))
    except InvalidError as error:
        return error.message
    ends = login.identity.expires_at
    if ends is not None and ends <= now:
        return "the proof has expired"
    if user is not None and user.status is Status.DISABLED:
        return "the user is disabled"
    return "" if has_policies else NO_POLICY
