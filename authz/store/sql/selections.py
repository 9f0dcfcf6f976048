"""What users, roles and policies are read from: their tables, with what a record holds from others joined in.

A user or a role comes with the name and origin of the policy that is its permissions boundary, a policy with
the document of the version in force. Families and the data plane's source narrow these down; `rows.py` reads
the rows.
"""

from typing import Final

from sqlalchemy import and_, func, select

from authz.store.sql.tables import policies, policy_versions, roles, users

BOUNDARIES: Final = policies.alias("boundaries")
IS_BOUNDARY: Final = BOUNDARIES.c.id == users.c.boundary_id
"""How `BOUNDARIES` is joined to `users`; outer, as most users have none."""
USER_COLUMNS: Final = (
    *(users.c[name] for name in ("id", "name", "status", "created_at", "tags", "boundary_id")),
    users.c.sessions_void_before,
    users.c.provider_id,
    users.c.display_name,
    users.c.external_groups,
    users.c.absent_since,
    BOUNDARIES.c.name.label("boundary_name"),
    BOUNDARIES.c.origin.label("boundary_origin"),
)
"""The columns of a user."""
USERS: Final = select(*USER_COLUMNS).select_from(users.outerjoin(BOUNDARIES, IS_BOUNDARY))

ROLE_COLUMNS: Final = (
    *(column for column in roles.c if column is not roles.c.name_key),
    BOUNDARIES.c.name.label("boundary_name"),
    BOUNDARIES.c.origin.label("boundary_origin"),
)
"""The columns of a role."""
IS_BOUNDARY_OF_ROLE: Final = BOUNDARIES.c.id == roles.c.boundary_id
"""How `BOUNDARIES` is joined to `roles`; outer, too."""
ROLES: Final = select(*ROLE_COLUMNS).select_from(roles.outerjoin(BOUNDARIES, IS_BOUNDARY_OF_ROLE))

IS_IN_FORCE: Final = and_(
    policy_versions.c.policy_id == policies.c.id, policy_versions.c.version == policies.c.version
)
"""How `policy_versions` is joined to `policies`; outer, so that none is ever left out."""
POLICY_COLUMNS: Final = (
    *policies.c,
    # Missing only if somebody deleted it by hand. An empty document does not compile, and so denies; without
    # the policy, its denies would be gone.
    func.coalesce(policy_versions.c.document, "").label("document"),
)
"""The columns of a policy."""
POLICIES: Final = select(*POLICY_COLUMNS).select_from(
    policies.outerjoin(policy_versions, IS_IN_FORCE)
)
