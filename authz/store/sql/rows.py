"""Rows ↔ records, one pair of functions a table; the only place that knows which column holds what.

A column that the records do not have is made here: `name_key`, the folded name that names are compared and
ordered by. A status or origin that no version of the software has written raises rather than being guessed,
so a row that was changed by hand cannot turn into a grant.

Not here: types and constraints (`tables.py`), queries (`selections.py`, the families), sealed secrets.
"""

from typing import Any

from sqlalchemy import Row

from authz.identity.external import ProviderKind
from authz.identity.records import (
    AccessKey,
    Group,
    ManagedPolicy,
    PolicyOrigin,
    PolicyRef,
    PolicyVersion,
    Provider,
    ResourcePolicy,
    RevokedSession,
    Role,
    Status,
    User,
    key_of_name,
)


def user_of(row: Row[Any]) -> User:
    """Read a row of `selections.USERS`."""
    return User(
        id=row.id,
        name=row.name,
        status=Status(row.status),
        created_at=row.created_at,
        tags=row.tags,
        boundary=None if row.boundary_id is None else _boundary_of(row),
        sessions_void_before=row.sessions_void_before,
        provider_id=row.provider_id or "",
        display_name=row.display_name,
        external_groups=row.external_groups,
        absent_since=row.absent_since,
    )


def _boundary_of(row: Row[Any]) -> PolicyRef:
    origin = PolicyOrigin(row.boundary_origin)
    return PolicyRef(id=row.boundary_id, name=row.boundary_name, origin=origin)


def role_of(row: Row[Any]) -> Role:
    """Read a row of `selections.ROLES`."""
    return Role(
        id=row.id,
        name=row.name,
        trust=row.trust,
        created_at=row.created_at,
        description=row.description,
        max_session_duration=row.max_session_duration,
        tags=row.tags,
        boundary=None if row.boundary_id is None else _boundary_of(row),
        sessions_void_before=row.sessions_void_before,
    )


def role_row(role: Role) -> dict[str, object]:
    """Return the columns of `role`."""
    return {
        "id": role.id,
        "name": role.name,
        "name_key": key_of_name(role.name),
        "trust": role.trust,
        "description": role.description,
        "max_session_duration": role.max_session_duration,
        "tags": role.tags,
        "boundary_id": None if role.boundary is None else role.boundary.id,
        "sessions_void_before": role.sessions_void_before,
        "created_at": role.created_at,
    }


def user_row(user: User) -> dict[str, object]:
    """Return the columns of `user`."""
    return _named(user) | {
        "tags": user.tags,
        "boundary_id": None if user.boundary is None else user.boundary.id,
        "sessions_void_before": user.sessions_void_before,
        "display_name": user.display_name,
        "external_groups": user.external_groups,
        "absent_since": user.absent_since,
    }


def provider_of(row: Row[Any]) -> Provider:
    """Read a row of `providers`."""
    return Provider(
        id=row.id,
        name=row.name,
        kind=ProviderKind(row.kind),
        status=Status(row.status),
        config=row.config,
        created_at=row.created_at,
        updated_at=row.updated_at,
        description=row.description,
        has_secret=row.sealed_secret is not None,
        sessions_void_before=row.sessions_void_before,
    )


def provider_row(provider: Provider) -> dict[str, object]:
    """Return the columns of `provider`, without the secret."""
    return {
        "id": provider.id,
        "name": provider.name,
        "name_key": key_of_name(provider.name),
        "kind": provider.kind.value,
        "status": provider.status.value,
        "config": provider.config,
        "description": provider.description,
        "sessions_void_before": provider.sessions_void_before,
        "created_at": provider.created_at,
        "updated_at": provider.updated_at,
    }


def group_of(row: Row[Any]) -> Group:
    """Read a row of `groups`."""
    return Group(
        id=row.id,
        name=row.name,
        status=Status(row.status),
        created_at=row.created_at,
        provider_id=row.provider_id or "",
    )


def group_row(group: Group) -> dict[str, object]:
    """Return the columns of `group`."""
    return _named(group)


def access_key_of(row: Row[Any]) -> AccessKey:
    """Read a row of `access_keys` that carries its owner's `user_name` too."""
    return AccessKey(
        id=row.id,
        user_id=row.user_id,
        user_name=row.user_name,
        status=Status(row.status),
        created_at=row.created_at,
        description=row.description,
        name=row.name,
        policy=row.policy,
        expires_at=row.expires_at,
        granted=row.granted,
        facts=row.facts,
    )


def access_key_row(key: AccessKey) -> dict[str, object]:
    """Return the columns of `key`, without the secret."""
    return {
        "id": key.id,
        "user_id": key.user_id,
        "status": key.status.value,
        "created_at": key.created_at,
        "description": key.description,
        "name": key.name,
        "policy": key.policy,
        "expires_at": key.expires_at,
        "granted": key.granted,
        "facts": key.facts,
    }


def policy_of(row: Row[Any]) -> ManagedPolicy:
    """Read a row of `selections.POLICIES`."""
    return ManagedPolicy(
        id=row.id,
        name=row.name,
        version=row.version,
        document=row.document,
        description=row.description,
        created_at=row.created_at,
        updated_at=row.updated_at,
        origin=PolicyOrigin(row.origin),
        last_version=row.last_version,
    )


def policy_row(policy: ManagedPolicy) -> dict[str, object]:
    """Return the columns of `policy`, without the highest version: that is written where versions are."""
    return {
        "id": policy.id,
        "name": policy.name,
        "name_key": key_of_name(policy.name),
        "origin": policy.origin.value,
        "version": policy.version,
        "description": policy.description,
        "created_at": policy.created_at,
        "updated_at": policy.updated_at,
    }


def policy_version_of(row: Row[Any]) -> PolicyVersion:
    """Read a row of `policy_versions`."""
    return PolicyVersion(
        policy_id=row.policy_id,
        version=row.version,
        document=row.document,
        created_at=row.created_at,
    )


def policy_version_row(version: PolicyVersion) -> dict[str, object]:
    """Return the columns of `version`."""
    return {
        "policy_id": version.policy_id,
        "version": version.version,
        "document": version.document,
        "created_at": version.created_at,
    }


def resource_policy_of(row: Row[Any]) -> ResourcePolicy:
    """Read a row of `resource_policies`."""
    return ResourcePolicy(
        resource=row.resource,
        version=row.version,
        document=row.document,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def resource_policy_row(policy: ResourcePolicy) -> dict[str, object]:
    """Return the columns of `policy`."""
    return {
        "resource": policy.resource,
        "version": policy.version,
        "document": policy.document,
        "created_at": policy.created_at,
        "updated_at": policy.updated_at,
    }


def revoked_session_of(row: Row[Any]) -> RevokedSession:
    """Read a row of `revoked_sessions`."""
    return RevokedSession(access_key_id=row.access_key_id, expires_at=row.expires_at)


def revoked_session_row(session: RevokedSession) -> dict[str, object]:
    """Return the columns of `session`."""
    return {"access_key_id": session.access_key_id, "expires_at": session.expires_at}


def _named(record: User | Group) -> dict[str, object]:
    return {
        "id": record.id,
        "name": record.name,
        "name_key": key_of_name(record.name),
        "status": record.status.value,
        "created_at": record.created_at,
        "provider_id": record.provider_id or None,
    }
