import pytest

from authz.errors import ConflictError, InvalidError, NotFoundError, ParseError
from authz.identity.external import ProviderKind
from authz.identity.records import TargetKind
from authz.policy.canned import CannedPolicy
from authz.store.sql.engine import Database
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, TRUST, Control


async def test_a_document_is_kept_byte_for_byte(control: Control) -> None:
    document = f"\n\t {ALLOW_ALL}  \r\n".replace(",", " ,\n")
    created = (await control.policies.create("open", document)).value
    assert (await control.policies.get("OPEN")).document == document
    assert created.version == 1


async def test_each_new_document_is_a_new_version(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    control.clock.advance(5)
    updated = (await control.policies.update("open", document=DENY_ALL)).value
    assert (updated.version, updated.document) == (2, DENY_ALL)
    assert updated.updated_at - updated.created_at == 5
    assert await control.policies.get("open") == updated


async def test_a_new_description_is_no_new_version(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    updated = (await control.policies.update("open", description="all")).value
    assert (updated.version, updated.document, updated.description) == (1, ALLOW_ALL, "all")


@pytest.mark.parametrize(
    "document", ["", "{", "[]", '{"Statement":[]}', '{"Version":"2012-10-17"}']
)
async def test_a_document_with_a_mistake_is_refused(document: str, control: Control) -> None:
    with pytest.raises(ParseError):
        await control.policies.create("bad", document)
    await control.policies.create("good", ALLOW_ALL)
    with pytest.raises(ParseError):
        await control.policies.update("good", document=document)
    assert (await control.policies.get("good")).document == ALLOW_ALL


async def test_a_change_of_a_version_that_is_no_more_is_refused(control: Control) -> None:
    await control.policies.create("open", ALLOW_ALL)
    await control.policies.update("open", document=DENY_ALL, expected_version=1)
    for call in (
        control.policies.update("open", document=ALLOW_ALL, expected_version=1),
        control.policies.delete("open", expected_version=1),
    ):
        with pytest.raises(ConflictError, match="version 2, not 1"):
            await call
    await control.policies.delete("open", expected_version=2)


@pytest.mark.parametrize("kind", list(TargetKind))
async def test_an_attached_policy_is_deleted_only_by_cascade(
    kind: TargetKind, control: Control
) -> None:
    await control.users.create("Target")
    await control.groups.create("Target")
    await control.roles.create("Target", TRUST)
    name = (await control.providers.create("target", ProviderKind.OIDC, "{}")).value.name
    name = name if kind is TargetKind.PROVIDER else "Target"
    await control.policies.create("open", ALLOW_ALL)
    await control.attachments.attach("open", kind, "target")
    with pytest.raises(ConflictError, match=f"attached to {kind.value} `{name}`"):
        await control.policies.delete("open")
    await control.policies.delete("open", cascade=True)
    assert not (await control.attachments.list_of_target(kind, "target")).items
    with pytest.raises(NotFoundError):
        await control.policies.get("open")


async def test_policies_that_come_with_the_software_are_read_only(
    control: Control, database: Database
) -> None:
    canned = CannedPolicy(name="readonly", description="", document=ALLOW_ALL)
    await database.migrate(now=0.0, canned=(canned,))
    for call in (
        control.policies.update("ReadOnly", document=DENY_ALL),
        control.policies.update("readonly", description="mine"),
        control.policies.delete("readonly"),
        control.policies.delete("readonly", cascade=True),
    ):
        with pytest.raises(InvalidError, match="read-only"):
            await call
    with pytest.raises(ConflictError):
        await control.policies.create("READONLY", DENY_ALL)
    await control.users.create("alice")
    await control.attachments.attach("readonly", TargetKind.USER, "alice")


@pytest.mark.parametrize("description", ["x" * 1001, "a\0b", "\ud800"])
async def test_odd_descriptions_are_refused(description: str, control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.policies.create("open", ALLOW_ALL, description=description)
    assert refused.value.field == "description"
