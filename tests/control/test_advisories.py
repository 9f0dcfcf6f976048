"""Published weaknesses of MinIO's user and key records, as the use cases refuse them (`docs/advisories.md`)."""

import json

import pytest

from authz.errors import ConflictError, InvalidError, NotFoundError
from authz.identity.credential import Secret
from authz.identity.external import ProviderKind
from tests.store.fixtures import ROOT_ACCESS_KEY_ID, Control

CONFIG = json.dumps({"issuer": "https://idp.example"})


async def test_no_key_takes_the_id_of_roots_like_cve_2023_27589(control: Control) -> None:
    """Whoever made a user with root's access key could log in as either, and break the server."""
    await control.users.create("alice")
    for key_id in (ROOT_ACCESS_KEY_ID, ROOT_ACCESS_KEY_ID.lower()):
        if key_id == ROOT_ACCESS_KEY_ID:
            with pytest.raises(ConflictError):
                await control.access_keys.create(
                    "alice", access_key_id=key_id, secret=Secret("x" * 8)
                )
        else:  # ids are compared by their characters, here as in a signature
            await control.access_keys.create("alice", access_key_id=key_id, secret=Secret("x" * 8))
    assert [key.id for key in (await control.access_keys.list("alice")).items] == [
        ROOT_ACCESS_KEY_ID.lower()
    ]


async def test_deleting_a_user_by_the_id_of_a_key_is_told_as_wrong(control: Control) -> None:
    """MinIO's 9a39f8ad4: it reported success, and the key went on."""
    await control.users.create("alice")
    made = (await control.access_keys.create("alice")).value
    with pytest.raises(NotFoundError):
        await control.users.delete(made.key.id)
    assert await control.access_keys.get(made.key.id) == made.key


@pytest.mark.parametrize("name", ["corp=", "=x", "other=x", "corp,lab", "Corp=x", "corp =x"])
async def test_nobody_is_created_as_a_providers_user_by_another_ones_name(
    control: Control, name: str
) -> None:
    """MinIO's 2d53854b1: `=` and `,` in names were taken for distinguished names and lists."""
    await control.providers.create("corp", ProviderKind.OIDC, CONFIG)
    with pytest.raises((InvalidError, NotFoundError)):
        await control.users.create(name)
    made = (await control.users.create("corp=x=y,z")).value
    assert made.provider_id == (await control.providers.get("corp")).id
