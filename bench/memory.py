"""What a thousand users and a thousand policies cost in memory, as the service holds them.

Users are loaded the way requests load them: each with its own access key, its policy set shared with
those who have the same attachments. Policies have three statements each.
"""

import asyncio
import gc
import tracemalloc
from typing import NamedTuple

from authz.bootstrap import Service
from authz.control.ports import Unit
from authz.identity.records import AccessKey, ManagedPolicy, Status, TargetKind, User
from authz.store import local_files
from authz.store.sql.engine import Database
from authz.store.sql.store import SqlStore
from bench.check import POLICY, fresh_service

COUNT = 1_000


class Row(NamedTuple):
    """What, and its cost in KiB."""

    name: str
    kibibytes: float


async def rows() -> list[Row]:
    """Measure both once."""
    async with fresh_service() as service:
        return [await _policies(service), await _users(service)]


async def _policies(service: Service) -> Row:
    def policy(number: int) -> ManagedPolicy:
        return ManagedPolicy(
            id=f"ANPA{number:017}",
            name=f"policy-{number}",
            version=1,
            document=POLICY.replace("photos", f"photos-{number}"),
            description="",
            created_at=0.0,
            updated_at=0.0,
        )

    async def add(unit: Unit) -> None:
        for number in range(COUNT):
            await unit.policies.add(policy(number))

    return await _measure(service, f"{COUNT} policies", add)


async def _users(service: Service) -> Row:
    ring = local_files.key_ring(service.settings.effective_master_key_file)

    async def add(unit: Unit) -> None:
        for number in range(COUNT):
            user = User(
                id=f"AIDA{number:017}", name=f"user-{number}", status=Status.ENABLED, created_at=0.0
            )
            key = AccessKey(
                id=f"AKIA{number:016}",
                user_id=user.id,
                user_name=user.name,
                status=Status.ENABLED,
                created_at=0.0,
            )
            await unit.users.add(user)
            await unit.access_keys.add(key, ring.seal(b"s" * 40, key.id.encode(), b"n" * 12))
            await unit.attachments.attach(f"ANPA{number % 10:017}", TargetKind.USER, user.id)

    return await _measure(service, f"{COUNT} users with an access key", add, load=True)


async def _measure(service: Service, name: str, add: object, *, load: bool = False) -> Row:
    plane = service.data_plane
    assert plane is not None
    async with Database.open(service.settings.effective_database_url) as database:
        revision = (await SqlStore(database).write(add)).revision  # type: ignore[arg-type]  # a change
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    await plane.refresher.wait_for(revision)
    if load:
        for number in range(COUNT):
            entry = await plane.principals.load_key(f"AKIA{number:016}")
            assert entry is not None
            plane.authorizer.policies_for(entry.owner, "*")
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return Row(name, (after - before) / 1024)


def main() -> None:
    """Print the table."""
    print(f"{'memory':34}{'KiB':>10}")
    for row in asyncio.run(rows()):
        print(f"{row.name:34}{row.kibibytes:10.0f}")


if __name__ == "__main__":
    main()
