import asyncio

import pytest

from authz.control import resource_policies as resource_policies_module
from authz.control.limits import RESOURCE_BYTES
from authz.control.resource_policies import ResourcePolicies
from authz.errors import InUseError, InvalidError, NotFoundError, ParseError
from authz.policy.arn import policy_holder
from authz.store.sql.engine import Database
from authz.store.sql.source import SqlSource
from authz.store.sql.store import SqlStore
from tests.store.fixtures import ALLOW_ALL, DENY_ALL, OPTIONS, Control

BUCKET = "arn:aws:s3:::photos"


async def test_a_document_is_kept_byte_for_byte_for_its_resource(control: Control) -> None:
    document = f"\n\t {ALLOW_ALL}  \r\n"
    stored = (await control.resource_policies.put(BUCKET, document)).value
    assert (stored.resource, stored.version, stored.document) == (BUCKET, 1, document)
    assert stored.created_at == stored.updated_at == control.clock.now()
    assert await control.resource_policies.get(BUCKET) == stored


async def test_a_new_document_takes_the_place_of_the_old_one(control: Control) -> None:
    first = (await control.resource_policies.put(BUCKET, ALLOW_ALL)).value
    control.clock.advance(5)
    second = (await control.resource_policies.put(BUCKET, DENY_ALL)).value
    assert (second.version, second.document) == (2, DENY_ALL)
    assert (second.created_at, second.updated_at) == (first.created_at, control.clock.now())
    assert await control.resource_policies.get(BUCKET) == second
    assert (await control.resource_policies.put(BUCKET, DENY_ALL)).value == second


async def test_a_deleted_policy_is_gone_and_counted_anew(
    control: Control, source: SqlSource
) -> None:
    await control.resource_policies.put(BUCKET, ALLOW_ALL)
    stored = (await control.resource_policies.put(BUCKET, DENY_ALL)).value
    assert (await control.resource_policies.delete(BUCKET)).value == stored
    for call in (control.resource_policies.get, control.resource_policies.delete):
        with pytest.raises(NotFoundError, match="`arn:aws:s3:::photos` has no policy"):
            await call(BUCKET)
    assert (await source.load_policies()).value.of_resources == []
    assert (await control.resource_policies.put(BUCKET, ALLOW_ALL)).value.version == 1


async def test_the_number_of_resources_with_a_policy_is_bounded(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource_policies_module, "RESOURCE_POLICIES", 2)
    others = [f"{BUCKET}-{number}" for number in range(2)]
    for resource in others:
        await control.resource_policies.put(resource, ALLOW_ALL)
    with pytest.raises(InUseError, match="the most"):
        await control.resource_policies.put(BUCKET, DENY_ALL)
    await control.resource_policies.put(others[0], DENY_ALL)
    await control.resource_policies.delete(others[1])
    await control.resource_policies.put(BUCKET, DENY_ALL)


async def test_case_matters_in_resources(control: Control) -> None:
    await control.resource_policies.put("arn:aws:sqs:eu:1:Queue", ALLOW_ALL)
    with pytest.raises(NotFoundError):
        await control.resource_policies.get("arn:aws:sqs:eu:1:queue")
    await control.resource_policies.put("arn:aws:sqs:eu:1:queue", DENY_ALL)
    stored = await control.resource_policies.get("arn:aws:sqs:eu:1:Queue")
    assert stored.document == ALLOW_ALL


async def test_resources_are_listed_in_the_order_of_their_arns_over_all_pages(
    control: Control,
) -> None:
    arns = [f"arn:aws:s3:::{name}" for name in ("b", "A", "a", "\u00e4", "a-b", "_")]
    for arn in arns:
        await control.resource_policies.put(arn, ALLOW_ALL)
    for size in (1, 2, 5, 6, 7):
        seen: list[str] = []
        token = ""
        for _ in arns:
            page = await control.resource_policies.list(page_size=size, page_token=token)
            assert all(policy.document == ALLOW_ALL for policy in page.items)
            seen += [policy.resource for policy in page.items]
            token = page.next_page_token
            if not token:
                break
        assert seen == sorted(arns)


@pytest.mark.parametrize(
    "resource",
    [
        BUCKET,
        "arn:aws:s3:::a.b-c_d",
        "arn:aws:iam::000000000000:user/alice",
        "arn:aws:sqs:eu-west-1:1:q:with:colons",
        "arn:aws:s3express:eu:1:bucket/one",
        "arn:http:files:::a/b c/\u00fc",
        "arn:aws:s3:::" + "x" * (RESOURCE_BYTES - 13),
    ],
)
async def test_whatever_has_an_arn_can_have_a_policy(
    resource: str, control: Control, source: SqlSource
) -> None:
    await control.resource_policies.put(resource, ALLOW_ALL)
    assert (await control.resource_policies.get(resource)).resource == resource
    found = (await source.load_policies((), [policy_holder(resource)])).value.of_resources
    assert [policy.resource for policy in found] == [resource]
    await control.resource_policies.delete(resource)


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("", "whole ARN"),
        ("*", "whole ARN"),
        ("photos", "whole ARN"),
        ("arn:aws:s3::photos", "whole ARN"),
        ("ARN:aws:s3:::photos", "whole ARN"),
        (" arn:aws:s3:::photos", "whole ARN"),
        ("arn::s3:::photos", "whole ARN"),
        ("arn:aws::::photos", "whole ARN"),
        ("arn:aws:s3:::", "whole ARN"),
        ("arn:aws:sqs:eu:1:", "whole ARN"),
        ("arn:aws:s3:::*", "pattern"),
        ("arn:aws:s3:::photo?", "pattern"),
        ("arn:*:s3:::photos", "pattern"),
        ("arn:aws:s3:::${aws:username}", "pattern"),
        ("arn:aws:s3:::photos/", "bucket's"),
        ("arn:aws:s3:::photos/2024/a.jpg", "bucket's"),
        ("arn:aws:s3:::/key", "bucket's"),
        ("arn:aws:s3:eu-west-1:000000000000:photos", "none of S3's"),
        ("arn:aws:s3::000000000000:photos", "none of S3's"),
        ("arn:aws-cn:s3:::photos", "none of S3's"),
        ("arn:aws:s3:::pho\ntos", "control"),
        ("arn:aws:s3:::pho\0tos", "control"),
        ("arn:aws:s3:::pho\ud800tos", "control"),
        ("arn:aws:s3:::pho\x85tos", "control"),
        ("arn:aws:s3:::" + "x" * (RESOURCE_BYTES - 12), "bytes"),
        ("arn:aws:s3:::" + "\u00fc" * (RESOURCE_BYTES // 2), "bytes"),
    ],
)
async def test_what_is_not_one_resource_has_no_policy(
    resource: str, problem: str, control: Control
) -> None:
    for call in (
        control.resource_policies.put(resource, ALLOW_ALL),
        control.resource_policies.get(resource),
        control.resource_policies.delete(resource),
    ):
        with pytest.raises(InvalidError, match=problem) as refused:
            await call
        assert refused.value.field == "resource"
    assert not (await control.resource_policies.list()).items


async def test_the_longest_arn_fits_into_the_index_however_random_it_is(control: Control) -> None:
    characters = (chr(0x4E00 + n * 7919 % 20_000) for n in range(RESOURCE_BYTES))
    name = "".join(character for character, _ in zip(characters, range(678), strict=False))
    resource = f"arn:aws:s3:::{name}"
    assert RESOURCE_BYTES - 3 <= len(resource.encode()) <= RESOURCE_BYTES
    await control.resource_policies.put(resource, ALLOW_ALL)
    assert (await control.resource_policies.get(resource)).resource == resource


async def test_the_document_is_checked_for_its_resource(control: Control, store: SqlStore) -> None:
    asked: list[tuple[str, str]] = []

    def check(document: str, resource: str) -> None:
        asked.append((document, resource))
        raise ParseError("resource of another bucket", place="Statement[0].Resource")

    resource_policies = ResourcePolicies(store, control.clock, check)
    with pytest.raises(ParseError):
        await resource_policies.put(BUCKET, ALLOW_ALL)
    assert asked == [(ALLOW_ALL, BUCKET)]
    assert not (await resource_policies.list()).items


async def test_writers_at_once_count_every_write(control: Control, database_url: str) -> None:
    async with Database.open(database_url, OPTIONS) as other:
        controls = [control, Control(SqlStore(other))]
        written = await asyncio.gather(
            *(controls[n % 2].resource_policies.put(BUCKET, ALLOW_ALL + " " * n) for n in range(10))
        )
    newest = max(written, key=lambda each: each.revision).value
    assert sorted(each.value.version for each in written) == list(range(1, 11))
    assert await control.resource_policies.get(BUCKET) == newest
