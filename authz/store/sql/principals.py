"""One statement that reads a user with everything that decides what it may do, and the revision it was read at.

One statement is one snapshot and one round trip in both databases, which is what a cache miss on the data plane
costs. It is a union of two halves: the user with its own policies (always at least one row, for the revision),
and its groups with theirs, so that the two lists do not multiply.
"""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    FromClause,
    Row,
    Select,
    bindparam,
    null,
    select,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import At, StoredAccessKey, StoredPrincipal
from authz.errors import UnavailableError
from authz.identity.records import AccessKey, Group, Status, fold_name
from authz.store.sql.rows import group_of, user_of
from authz.store.sql.tables import (
    access_keys,
    group_policies,
    groups,
    memberships,
    state,
    user_policies,
    users,
)

_KEY_COLUMNS: Final = (
    access_keys.c.id.label("key_id"),
    access_keys.c.status.label("key_status"),
    access_keys.c.created_at.label("key_created_at"),
    access_keys.c.description,
    access_keys.c.sealed_secret,
)
_NO_KEY: Final = tuple(null().label(column.name) for column in _KEY_COLUMNS)


def _statement(
    owner: FromClause, key_columns: Sequence[ColumnElement[Any]], user_id: Select[Any]
) -> CompoundSelect[Any]:
    own = select(
        state.c.revision,
        *key_columns,
        *(users.c[name] for name in ("id", "name", "status", "created_at", "tags")),
        user_policies.c.policy_id,
    ).select_from(owner.outerjoin(user_policies, user_policies.c.user_id == users.c.id))
    through_groups = (
        select(
            null().label("revision"),
            *_NO_KEY,
            *(groups.c[name] for name in ("id", "name", "status", "created_at")),
            null().label("tags"),
            group_policies.c.policy_id,
        )
        .select_from(
            memberships.join(groups, groups.c.id == memberships.c.group_id).outerjoin(
                group_policies, group_policies.c.group_id == groups.c.id
            )
        )
        .where(memberships.c.user_id == user_id.scalar_subquery())
    )
    return union_all(own, through_groups)


_USER_WANTED: Final = users.c.name_key == bindparam("wanted")
_BY_NAME: Final = _statement(
    state.outerjoin(users, _USER_WANTED), _NO_KEY, select(users.c.id).where(_USER_WANTED)
)

_KEY_WANTED: Final = access_keys.c.id == bindparam("wanted")
_BY_KEY: Final = _statement(
    state.outerjoin(access_keys, _KEY_WANTED).outerjoin(users, users.c.id == access_keys.c.user_id),
    _KEY_COLUMNS,
    select(access_keys.c.user_id).where(_KEY_WANTED),
)


async def read_user(connection: AsyncConnection, name: str) -> At[StoredPrincipal | None]:
    """Read the user of this name, ignoring case."""
    rows = (await connection.execute(_BY_NAME, {"wanted": fold_name(name)})).all()
    own, through_groups = _halves(rows)
    return At(own[0].revision, _principal(own, through_groups))


async def read_access_key(
    connection: AsyncConnection, access_key_id: str
) -> At[StoredAccessKey | None]:
    """Read the access key of exactly this id, with its sealed secret and its owner."""
    rows = (await connection.execute(_BY_KEY, {"wanted": access_key_id})).all()
    halves = _halves(rows)
    owner = _principal(*halves)
    own = halves[0][0]
    if owner is None:
        return At(own.revision, None)
    key = AccessKey(
        id=own.key_id,
        user_id=owner.user.id,
        user_name=owner.user.name,
        status=Status(own.key_status),
        created_at=own.key_created_at,
        description=own.description,
    )
    return At(own.revision, StoredAccessKey(key=key, sealed_secret=own.sealed_secret, owner=owner))


def _halves(rows: Sequence[Row[Any]]) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Tell the halves apart, for a union has no order: only the first one's rows have a revision."""
    own = [row for row in rows if row.revision is not None]
    if not own:
        raise UnavailableError("the database has no schema yet; run `authz migrate`")
    return own, [row for row in rows if row.revision is None]


def _principal(
    own: Sequence[Row[Any]], through_groups: Sequence[Row[Any]]
) -> StoredPrincipal | None:
    if own[0].id is None:
        return None
    grants, denies = {row.policy_id for row in own}, set[str | None]()
    found: dict[str, Group] = {}
    for row in through_groups:
        group = found.setdefault(row.id, group_of(row))
        (grants if group.status is Status.ENABLED else denies).add(row.policy_id)
    return StoredPrincipal(
        user=user_of(own[0]),
        groups=tuple(sorted(found.values(), key=lambda group: fold_name(group.name))),
        policy_ids=_sorted(grants),
        deny_only_policy_ids=_sorted(denies - grants),
    )


def _sorted(ids: set[str | None]) -> tuple[str, ...]:
    return tuple(sorted(policy_id for policy_id in ids if policy_id is not None))
