"""Users with everything that decides what they may do, and the revision they were read at.

One user is read in one statement, which is one snapshot and one round trip in both databases: what a cache
miss on the data plane costs. It is a union of three parts: the user with its own policies (always at least one
row, for the revision), its groups with theirs, and those of the provider that vouches for it, so that the lists
do not multiply.

A page of users is read in a few statements of one snapshot, since among many users, groups repeat.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
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
from authz.identity.records import AccessKey, Group, Status, key_of_name
from authz.store.sql.change_log import read_revision
from authz.store.sql.rows import group_of, user_of
from authz.store.sql.selections import BOUNDARIES, IS_BOUNDARY, USER_COLUMNS, USERS
from authz.store.sql.tables import (
    access_keys,
    group_policies,
    groups,
    memberships,
    provider_policies,
    providers,
    state,
    user_policies,
    users,
)

_KEY_COLUMNS: Final = (
    access_keys.c.id.label("key_id"),
    access_keys.c.status.label("key_status"),
    access_keys.c.created_at.label("key_created_at"),
    access_keys.c.description,
    access_keys.c.name.label("key_name"),
    access_keys.c.policy.label("key_policy"),
    access_keys.c.expires_at.label("key_expires_at"),
    access_keys.c.granted,
    access_keys.c.facts,
    access_keys.c.sealed_secret,
)
_NO_KEY: Final = tuple(null().label(column.name) for column in _KEY_COLUMNS)
_GROUP_COLUMNS: Final = tuple(
    groups.c[name] for name in ("id", "name", "status", "created_at", "provider_id")
)
_IN_PLACE_OF_USER: Final = tuple(
    {one.name: one for one in _GROUP_COLUMNS}.get(column.name, null().label(column.name))
    for column in USER_COLUMNS
)
"""A group's columns and nothing for what users have besides, so that the parts have the same columns."""
_PROVIDER_COLUMNS: Final = (
    providers.c.status.label("provider_status"),
    providers.c.sessions_void_before.label("provider_void_before"),
)
_NO_PROVIDER: Final = tuple(null().label(column.name) for column in _PROVIDER_COLUMNS)
_IS_PROVIDER: Final = providers.c.id == users.c.provider_id
_NOBODY: Final = tuple(null().label(column.name) for column in USER_COLUMNS)


def _statement(
    owner: FromClause, key_columns: Sequence[ColumnElement[Any]], user_id: Select[Any]
) -> CompoundSelect[Any]:
    own = select(
        state.c.revision,
        *key_columns,
        *USER_COLUMNS,
        *_PROVIDER_COLUMNS,
        user_policies.c.policy_id,
    ).select_from(
        owner.outerjoin(BOUNDARIES, IS_BOUNDARY)
        .outerjoin(providers, _IS_PROVIDER)
        .outerjoin(user_policies, user_policies.c.user_id == users.c.id)
    )
    through_groups = (
        select(
            null().label("revision"),
            *_NO_KEY,
            *_IN_PLACE_OF_USER,
            *_NO_PROVIDER,
            group_policies.c.policy_id,
        )
        .select_from(
            memberships.join(groups, groups.c.id == memberships.c.group_id).outerjoin(
                group_policies, group_policies.c.group_id == groups.c.id
            )
        )
        .where(memberships.c.user_id == user_id.scalar_subquery())
    )
    through_provider = (
        select(
            null().label("revision"),
            *_NO_KEY,
            *_NOBODY,
            *_NO_PROVIDER,
            provider_policies.c.policy_id,
        )
        .select_from(
            provider_policies.join(users, users.c.provider_id == provider_policies.c.provider_id)
        )
        .where(users.c.id == user_id.scalar_subquery())
    )
    return union_all(own, through_groups, through_provider)


def _user_statement(wanted: ColumnElement[bool]) -> CompoundSelect[Any]:
    return _statement(state.outerjoin(users, wanted), _NO_KEY, select(users.c.id).where(wanted))


_BY_NAME: Final = _user_statement(users.c.name_key == bindparam("wanted"))
_BY_ID: Final = _user_statement(users.c.id == bindparam("wanted"))

_KEY_WANTED: Final = access_keys.c.id == bindparam("wanted")
_BY_KEY: Final = _statement(
    state.outerjoin(access_keys, _KEY_WANTED).outerjoin(users, users.c.id == access_keys.c.user_id),
    _KEY_COLUMNS,
    select(access_keys.c.user_id).where(_KEY_WANTED),
)


async def read_user(connection: AsyncConnection, name: str) -> At[StoredPrincipal | None]:
    """Read the user of this name, ignoring case."""
    return await _read_user(connection, _BY_NAME, key_of_name(name))


async def read_user_by_id(connection: AsyncConnection, user_id: str) -> At[StoredPrincipal | None]:
    """Read the user of exactly this id."""
    return await _read_user(connection, _BY_ID, user_id)


async def _read_user(
    connection: AsyncConnection, statement: CompoundSelect[Any], wanted: str
) -> At[StoredPrincipal | None]:
    rows = (await connection.execute(statement, {"wanted": wanted})).all()
    own, through_groups = _halves(rows)
    return At(own[0].revision, _one_principal(own, through_groups))


async def read_access_key(
    connection: AsyncConnection, access_key_id: str
) -> At[StoredAccessKey | None]:
    """Read the access key of exactly this id, with its sealed secret and its owner."""
    rows = (await connection.execute(_BY_KEY, {"wanted": access_key_id})).all()
    halves = _halves(rows)
    owner = _one_principal(*halves)
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
        name=own.key_name,
        policy=own.key_policy,
        expires_at=own.key_expires_at,
        granted=own.granted,
        facts=own.facts,
    )
    return At(own.revision, StoredAccessKey(key=key, sealed_secret=own.sealed_secret, owner=owner))


def _halves(rows: Sequence[Row[Any]]) -> tuple[list[Row[Any]], list[Row[Any]]]:
    """Tell the user apart from the rest, for a union has no order: only its rows have a revision."""
    own = [row for row in rows if row.revision is not None]
    if not own:
        raise UnavailableError("the database has no schema yet; run `authz migrate`")
    return own, [row for row in rows if row.revision is None]


async def read_users(
    connection: AsyncConnection, after: str, limit: int
) -> At[Sequence[StoredPrincipal]]:
    """Read at most `limit` users whose folded name is after `after`, in one snapshot that the caller began."""
    revision = await read_revision(connection)
    wanted = users.c.name_key > after
    page = select(users.c.id).where(wanted).order_by(users.c.name_key).limit(limit)
    with_providers = USERS.add_columns(*_PROVIDER_COLUMNS).outerjoin(providers, _IS_PROVIDER)
    found = await connection.execute(
        with_providers.where(wanted).order_by(users.c.name_key).limit(limit)
    )
    own = await _pairs(
        connection,
        select(user_policies.c.user_id, user_policies.c.policy_id).where(
            user_policies.c.user_id.in_(page)
        ),
    )
    of_providers = await _pairs(connection, select(provider_policies))
    in_page = memberships.c.user_id.in_(page)
    of_groups = await _pairs(
        connection,
        select(group_policies.c.group_id, group_policies.c.policy_id).where(
            group_policies.c.group_id.in_(select(memberships.c.group_id).where(in_page))
        ),
    )
    joined = await connection.execute(
        select(memberships.c.user_id, *_GROUP_COLUMNS)
        .join(groups, groups.c.id == memberships.c.group_id)
        .where(in_page)
    )
    through = defaultdict[str, list[tuple[Group, str | None]]](list)
    for row in joined:
        group = group_of(row)
        through[row.user_id] += [(group, policy_id) for policy_id in of_groups[group.id] or (None,)]
    return At(
        revision,
        [
            _principal(row, own[row.id] + of_providers[row.provider_id], through[row.id])
            for row in found
        ],
    )


async def _pairs(
    connection: AsyncConnection, statement: Select[Any]
) -> defaultdict[str, list[str]]:
    found = defaultdict[str, list[str]](list)
    for row in await connection.execute(statement):
        found[row[0]].append(row.policy_id)
    return found


def _one_principal(
    own: Sequence[Row[Any]], through_groups: Sequence[Row[Any]]
) -> StoredPrincipal | None:
    if own[0].id is None:
        return None
    # What comes through the provider comes through no group.
    through = ((group_of(row), row.policy_id) for row in through_groups if row.id is not None)
    of_provider = (row.policy_id for row in through_groups if row.id is None)
    return _principal(own[0], (*(row.policy_id for row in own), *of_provider), through)


def _principal(
    row: Row[Any], own: Iterable[str | None], through: Iterable[tuple[Group, str | None]]
) -> StoredPrincipal:
    """Put together a user's row, the policies attached to it, and its groups with a policy of theirs each."""
    grants, denies = set(own), set[str | None]()
    found: dict[str, Group] = {}
    for group, policy_id in through:
        found[group.id] = group
        (grants if group.status is Status.ENABLED else denies).add(policy_id)
    return StoredPrincipal(
        user=user_of(row),
        groups=tuple(sorted(found.values(), key=lambda group: key_of_name(group.name))),
        policy_ids=_sorted(grants),
        deny_only_policy_ids=_sorted(denies - grants),
        boundary_id=row.boundary_id or "",
        **_provider_state(row),
    )


def _provider_state(row: Row[Any]) -> dict[str, Any]:
    if row.provider_id is None:
        return {}
    if row.provider_status is None:
        return {"provider_status": Status.DISABLED}
    return {
        "provider_status": Status(row.provider_status),
        "provider_void_before": row.provider_void_before,
    }


def _sorted(ids: set[str | None]) -> tuple[str, ...]:
    return tuple(sorted(policy_id for policy_id in ids if policy_id is not None))
