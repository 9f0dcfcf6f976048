"""What users and groups of a provider are called before anybody has logged in.

An administrator who gives policies to somebody ahead of the first login, or to a group, names it as people do;
the provider says what name it will vouch for. Not here: how (`federation`).
"""

from typing import Final, Protocol

from authz.control.lookup import get_provider
from authz.control.ports import Unit
from authz.errors import InvalidError
from authz.identity.credential import check_known_name
from authz.identity.records import EXTERNAL_SIGN, Provider, external_name


class ExternalNames(Protocol):
    """Knows how providers spell names. Both methods raise `InvalidError` for what none will vouch for."""

    def canonical_user(self, provider: Provider, name: str) -> str:
        """Return how the provider names this user."""
        ...

    def canonical_group(self, provider: Provider, name: str) -> str:
        """Return how the provider names this group."""
        ...


class NoExternalNames:
    """Knows of no provider."""

    def canonical_user(self, provider: Provider, name: str) -> str:
        """Refuse any."""
        raise InvalidError("no provider vouches for anybody here", field="name")

    canonical_group = canonical_user


NO_EXTERNAL_NAMES: Final = NoExternalNames()


async def resolve_user(unit: Unit, names: ExternalNames, name: str) -> tuple[str, str]:
    """Return how a user `PROVIDER=NAME` is called here, and the provider's id.

    Raises `InvalidError`, and `NotFoundError` for the provider.
    """
    provider, rest = await _split(unit, name)
    return _joined(provider, names.canonical_user(provider, rest)), provider.id


async def resolve_group(unit: Unit, names: ExternalNames, name: str) -> tuple[str, str]:
    """Return how a group `PROVIDER=NAME` is called here, and the provider's id; raises as `resolve_user`."""
    provider, rest = await _split(unit, name)
    return _joined(provider, names.canonical_group(provider, rest)), provider.id


async def _split(unit: Unit, name: str) -> tuple[Provider, str]:
    check_known_name(name)
    provider, _, rest = name.partition(EXTERNAL_SIGN)
    return await get_provider(unit, provider, field="name"), rest


def _joined(provider: Provider, canonical: str) -> str:
    name = external_name(provider.name, canonical)
    check_known_name(name)
    return name
