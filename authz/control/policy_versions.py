"""How versions of a managed policy are numbered, and which one makes room for a new one.

A number is given once: the policy remembers the highest, so neither deleting versions nor going back to an
older one ever makes a number mean another document. At most `VERSIONS_PER_POLICY` are kept.

The use cases are in `policies.py`; the policies that come with the software (`store/sql/canned.py`) are renewed
by the same functions.
"""

from dataclasses import dataclass, replace

from authz.control.limits import VERSIONS_PER_POLICY
from authz.control.ports import PolicyRecords
from authz.errors import InUseError, quote
from authz.identity.records import ManagedPolicy, PolicyVersion


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version and the policy it is of."""

    policy: ManagedPolicy
    version: PolicyVersion

    @property
    def is_default(self) -> bool:
        """Whether it is the version in force."""
        return self.version.version == self.policy.version


async def add_version(
    records: PolicyRecords, policy: ManagedPolicy, document: str, now: float
) -> StoredVersion:
    """Store the next version of `policy`, without putting it in force."""
    number = policy.last_version + 1
    version = PolicyVersion(policy_id=policy.id, version=number, document=document, created_at=now)
    await records.add_version(version)
    return StoredVersion(replace(policy, last_version=number), version)


def put_in_force(stored: StoredVersion, now: float) -> ManagedPolicy:
    """Return the policy with this version in force."""
    version = stored.version
    return replace(
        stored.policy, version=version.version, document=version.document, updated_at=now
    )


async def require_room(records: PolicyRecords, policy: ManagedPolicy) -> None:
    """Refuse a version more than a policy may have; raises `InUseError`."""
    if len(await records.list_versions(policy.id)) >= VERSIONS_PER_POLICY:
        raise InUseError(
            f"policy {quote(policy.name)} has {VERSIONS_PER_POLICY} versions, the most; delete one first"
        )


async def make_room(records: PolicyRecords, policy: ManagedPolicy) -> None:
    """Delete the oldest versions that are not in force, so that there is room for one more."""
    stored = await records.list_versions(policy.id)
    spare = [version for version in stored if version.version != policy.version]
    for version in spare[VERSIONS_PER_POLICY - 2 :]:
        await records.remove_version(version)
