"""Pages of a list, and the opaque tokens that say where the next one begins.

A token holds the place of the last item seen (its folded name, or id), so a page is found by the index however
deep it lies, and items that come or go meanwhile shift nothing. Callers must not look inside; what they send
back is checked like any input.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from authz.control.ports import Slice
from authz.errors import InvalidError

T = TypeVar("T")

PAGE_DEFAULT: Final = 100
"""Items of a page when the caller names no size (AWS IAM: `MaxItems`, default 100)."""
PAGE_LIMIT: Final = 1000
"""Most items of a page (AWS IAM: `MaxItems`, at most 1,000)."""
TOKEN_LIMIT: Final = 4096
"""Longest token in characters: folding can make a name of 128 characters several times longer."""

_MARK: Final = b"1"


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in order; `next_page_token` is empty on the last page."""

    items: tuple[T, ...]
    next_page_token: str = ""


def slice_of(page_size: int, page_token: str) -> Slice:
    """Return the part of the list that a caller asks for, with one item more, which tells whether more follow.

    0 items mean `PAGE_DEFAULT`. Raises `InvalidError` for a size out of bounds and for a token that is not
    ours.
    """
    if not 0 <= page_size <= PAGE_LIMIT:
        raise InvalidError(f"a page has 1 to {PAGE_LIMIT} items", field="page_size")
    return Slice(parse_token(page_token) if page_token else "", (page_size or PAGE_DEFAULT) + 1)


def page_of(items: Sequence[T], part: Slice, place: Callable[[T], str]) -> Page[T]:
    """Return the page that `items`, the answer to `part`, make; `place` tells where an item stands."""
    if len(items) < part.limit:
        return Page(tuple(items))
    shown = tuple(items[: part.limit - 1])
    return Page(shown, render_token(place(shown[-1])))


async def read_page(
    read: Callable[[Slice], Awaitable[Sequence[T]]],
    place: Callable[[T], str],
    page_size: int,
    page_token: str,
) -> Page[T]:
    """Read one page."""
    part = slice_of(page_size, page_token)
    return page_of(await read(part), part, place)


def render_token(place: str) -> str:
    """Return the token that says `place`."""
    return base64.urlsafe_b64encode(_MARK + place.encode()).decode().rstrip("=")


def parse_token(token: str) -> str:
    """Return the place that `token` says; raises `InvalidError` for one that is not ours."""
    refusal = InvalidError("the page token is not one that a list returned", field="page_token")
    if len(token) > TOKEN_LIMIT:
        raise refusal
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        place = raw.removeprefix(_MARK).decode()
    except (binascii.Error, ValueError):
        raise refusal from None
    # A NUL is what PostgreSQL cannot store; no place holds one.
    if not raw.startswith(_MARK) or "\0" in place:
        raise refusal
    return place
