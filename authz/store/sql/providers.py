"""Identity providers in SQL: implements `control.ports.ProviderRecords`.

A change is noted by the provider's id: the data plane holds all providers, and reads each of its users again.
The sealed secret stands in the row and is written with it, for a configuration and its secret belong together.

Not here: the users and groups that a provider vouches for (`users.py`, `groups.py`).
"""

from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update

from authz.access.ports import ChangeKind
from authz.control.ports import Slice
from authz.identity.records import Provider, key_of_name
from authz.store.sql.families import Family
from authz.store.sql.rows import provider_of, provider_row
from authz.store.sql.tables import providers


class SqlProviders(Family):
    """The rows of `providers`."""

    async def find(self, name: str) -> Provider | None:
        """Return the provider of this name."""
        row = await self._first(select(providers).where(providers.c.name_key == key_of_name(name)))
        return None if row is None else provider_of(row)

    async def find_by_id(self, provider_id: str) -> Provider | None:
        """Return the provider of exactly this id."""
        row = await self._first(select(providers).where(providers.c.id == provider_id))
        return None if row is None else provider_of(row)

    async def list(self, part: Slice) -> Sequence[Provider]:
        """Return providers whose name is after `part.after`."""
        rows = await self._slice(select(providers), providers.c.name_key, part)
        return [provider_of(row) for row in rows]

    async def add(self, provider: Provider, sealed_secret: bytes | None) -> None:
        """Store a new provider."""
        self._changes.note(ChangeKind.PROVIDER, provider.id)
        values = provider_row(provider) | {"sealed_secret": sealed_secret}
        await self._connection.execute(insert(providers).values(**values))

    async def replace(self, old: Provider, new: Provider) -> None:
        """Store `new` in place of `old`, which has the same id and name; the secret stays."""
        await self._update(old, provider_row(new))

    async def replace_secret(self, provider: Provider, sealed_secret: bytes | None) -> None:
        """Give a provider another secret, or none."""
        await self._update(provider, {"sealed_secret": sealed_secret})

    async def remove(self, provider: Provider) -> None:
        """Delete a provider that nothing refers to any more."""
        self._changes.note(ChangeKind.PROVIDER, provider.id)
        await self._connection.execute(delete(providers).where(providers.c.id == provider.id))

    async def _update(self, provider: Provider, values: dict[str, object]) -> None:
        self._changes.note(ChangeKind.PROVIDER, provider.id)
        await self._connection.execute(
            update(providers).where(providers.c.id == provider.id).values(**values)
        )
