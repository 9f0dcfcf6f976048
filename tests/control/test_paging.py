import base64

import pytest

from authz.errors import InvalidError
from tests.store.fixtures import Control


async def collect(control: Control, size: int) -> list[str]:
    names: list[str] = []
    token = ""
    for _ in range(100):
        page = await control.users.list(page_size=size, page_token=token)
        assert len(page.items) <= size
        names += [user.name for user in page.items]
        token = page.next_page_token
        if not token:
            return names
    raise AssertionError("the list does not end")


async def test_pages_of_any_size_show_everything_once_and_in_order(control: Control) -> None:
    names = ["b", "A", "\u00e4", "C", "aa", "Stra\u00dfe", "\U0001f600"]
    for name in names:
        await control.users.create(name)
    expected = ["A", "aa", "b", "C", "Stra\u00dfe", "\u00e4", "\U0001f600"]
    for size in range(1, 9):
        assert await collect(control, size) == expected


async def test_the_last_page_has_no_token_even_when_it_is_full(control: Control) -> None:
    for name in ("a", "b"):
        await control.users.create(name)
    assert not (await control.users.list(page_size=2)).next_page_token
    assert not (await control.groups.list()).items


async def test_what_comes_and_goes_between_pages_shifts_nothing(control: Control) -> None:
    for name in ("b", "d", "f", "h"):
        await control.users.create(name)
    first = await control.users.list(page_size=2)
    await control.users.create("a")
    await control.users.delete("d")
    await control.users.create("e")
    rest = await control.users.list(page_token=first.next_page_token)
    assert [user.name for user in rest.items] == ["e", "f", "h"]


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_has_bounds(size: int, control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.users.list(page_size=size)
    assert refused.value.field == "page_size"


@pytest.mark.parametrize(
    "token",
    ["x", "!!!!", "\u00e9", "A" * 10_000, base64.b64encode(b"2abc").decode(), base64.b64encode(b"1a\0b").decode(), base64.b64encode(b"1\xff").decode()],
)  # fmt: skip
async def test_a_token_that_no_list_returned_is_refused(token: str, control: Control) -> None:
    with pytest.raises(InvalidError) as refused:
        await control.users.list(page_token=token)
    assert refused.value.field == "page_token"
