"""Roles with the policies that decide what their sessions may do, and the revision they were read at.

One statement a role, which is one snapshot and one round trip in both databases: what the first session of a
role costs, and whoever asks for one. A role is in no group, so its row with its policies is all there is.

Not here: roles as the control plane keeps them (`roles.py`).
"""

from typing import Any, Final

from sqlalchemy import ColumnElement, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from authz.access.ports import At, StoredRole
from authz.errors import UnavailableError
from authz.identity.records import key_of_name
from authz.store.sql.rows import role_of
from authz.store.sql.selections import BOUNDARIES, IS_BOUNDARY_OF_ROLE, ROLE_COLUMNS
from authz.store.sql.tables import role_policies, roles, state


def _statement(wanted: ColumnElement[bool]) -> Select[Any]:
    return select(state.c.revision, *ROLE_COLUMNS, role_policies.c.policy_id).select_from(
        state.outerjoin(roles, wanted)
        .outerjoin(BOUNDARIES, IS_BOUNDARY_OF_ROLE)
        .outerjoin(role_policies, role_policies.c.role_id == roles.c.id)
    )


_BY_NAME: Final = _statement(roles.c.name_key == bindparam("wanted"))
_BY_ID: Final = _statement(roles.c.id == bindparam("wanted"))


async def read_role(connection: AsyncConnection, name: str) -> At[StoredRole | None]:
    """Read the role of this name, ignoring case."""
    return await _read(connection, _BY_NAME, key_of_name(name))


async def read_role_by_id(connection: AsyncConnection, role_id: str) -> At[StoredRole | None]:
    """Read the role of exactly this id."""
    return await _read(connection, _BY_ID, role_id)


async def _read(
    connection: AsyncConnection, statement: Select[Any], wanted: str
) -> At[StoredRole | None]:
    rows = (await connection.execute(statement, {"wanted": wanted})).all()
    if not rows:
        raise UnavailableError("the database has no schema yet; run `authz migrate`")
    row = rows[0]
    if row.id is None:
        return At(row.revision, None)
    return At(
        row.revision,
        StoredRole(
            role=role_of(row),
            policy_ids=tuple(sorted(one.policy_id for one in rows if one.policy_id is not None)),
            boundary_id=row.boundary_id or "",
        ),
    )
