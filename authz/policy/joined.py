"""Two sets of one layer as one: an allow of either is an allow of the layer, a deny of either a deny.

So what a session brings itself joins the managed policies that it names, which are shared by many sessions and
may be large: nothing of them is compiled, and next to nothing copied, for the one document beside them. To
`decide`, `explain` and `reach` it is a set like any other. Made for each question and not kept.

Not here: which sets are joined (`access/narrowing.py`).
"""

from collections.abc import Iterable
from itertools import chain

from authz.policy.compile import PolicySet
from authz.policy.index import Candidates, Entries, Entry, Found, Index
from authz.policy.request import Context


class JoinedSet(PolicySet):
    """The policies of `first` and then those of `second`, both compiled already."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: PolicySet, second: PolicySet) -> None:
        """Join two sets of one layer, of which none is of identity policies."""
        if first.layer is not second.layer:
            raise ValueError("sets of two layers are never one")
        self._first = first
        self._second = second
        self.layer = first.layer
        self.policies = (*first.policies, *second.policies)
        self.deny_only = (*first.deny_only, *second.deny_only)
        self.quarantine = first.quarantine or second.quarantine
        self.is_plain = False
        self.statements = (*first.statements, *second.statements)
        self.index = _JoinedIndex(first.index, second.index, len(first.statements))

    @property
    def prefixes(self) -> Index:
        """The index for questions about all resources that begin with a text."""
        first, second = self._first, self._second
        return _JoinedIndex(first.prefixes, second.prefixes, len(first.statements))


class _JoinedIndex(Index):
    """What both indexes find; each remembers its own, so `memo` here stays empty."""

    __slots__ = ("_first", "_offset", "_second")

    def __init__(self, first: Index, second: Index, offset: int) -> None:
        """Give the statements of `second` the ranks from `offset` on."""
        self.memo = {}
        self._first = first
        self._second = second
        self._offset = offset

    def find(self, action: str) -> Candidates:
        """Return the statements about `action`, in any case."""
        first = self._first.memo.get(action) or self._first.find(action)
        second = self._second.memo.get(action) or self._second.find(action)

        def select(resource: str, context: Context | None) -> Found:
            denies, allows = _select(first, resource, context)
            more_denies, more_allows = _select(second, resource, context)
            return chain(denies, self._shift(more_denies)), chain(allows, self._shift(more_allows))

        return (), (), select

    def _shift(self, entries: Entries) -> Iterable[Entry]:
        return (
            (rank + self._offset, match, conditions, decision)
            for rank, match, conditions, decision in entries
        )


def _select(candidates: Candidates, resource: str, context: Context | None) -> Found:
    denies, allows, select = candidates
    return (denies, allows) if select is None else select(resource, context)
