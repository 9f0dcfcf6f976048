"""Statements found by what they are about: by action, then by the literal text that their resources begin with.

A hundred thousand statements for as many buckets or folders cost a request what one does (`prefixes.py`). Where
many patterns have a variable after the same text, they are told apart by what follows its value. What begins
with a wildcard is looked at always, and few statements are not indexed at all: a short scan is cheaper.

Actions are a stranger's text: what is found for one is remembered within bounds, and one that was never asked
about finds what is there for others that the same patterns match.

INVARIANT: an index may return what does not match, but never leaves out what does.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final, TypeVar

from authz.policy.arn import PART_COUNT
from authz.policy.conditions.outcome import Test
from authz.policy.decision import Decision
from authz.policy.model import Effect
from authz.policy.patterns import Match
from authz.policy.prefixes import Prefixes
from authz.policy.request import Context
from authz.policy.statements import (
    END,
    ActionMatch,
    Beginning,
    CompiledStatement,
    Template,
    action_head,
    compile_action,
    match_prefix,
)
from authz.policy.variables import Variable

ACTION_MEMO_SIZE: Final = 128
"""Actions remembered for a set of policies (S3 has about a hundred); the oldest is dropped, because the action
of a request is a stranger's text."""

ACTION_MEMO_LENGTH: Final = 128
"""Longest action that is remembered, in characters (IAM's own limit)."""

ACTION_INDEX_MINIMUM: Final = 64
"""From how many statements on a set is indexed by action; fewer are scanned for each new one."""

INDEX_MINIMUM: Final = 8
"""From how many statements of one action on they are indexed by resource; a shorter scan is cheaper."""

SHARED_MINIMUM: Final = 256
"""From how many statements on those of one action pattern have an index of their own, shared by all actions
that it matches; fewer are indexed together with the others of an action."""

Entry = tuple[int, Match, Test | None, Decision]
"""One statement as `decide` reads it: rank, resource matcher, conditions (if any), what it decides."""
Entries = Iterable[Entry]

Found = tuple[Entries, Entries]
"""Denies and allows."""
NOTHING: Final[Found] = ((), ())

Select = Callable[[str, Context | None], Found]
"""Find what may be about a resource; without a context, whatever variables hold."""

Candidates = tuple[Entries, Entries, Select | None]
"""Denies and allows of one action; the third, for many statements, finds both for a resource."""

Placed = tuple[Iterable[Beginning], bool, Entry]
"""An entry, where it belongs, and whether it allows."""

Ranks = Sequence[int]
"""Statements by their places in the set, in order."""

Key = tuple[int, ...]
"""Statements found together: ranks where they are few, otherwise numbers of groups."""

K = TypeVar("K")

_rank: Final = itemgetter(0)


# --- by resource --------------------------------------------------------------------------------------------


class Resources:
    """Statements by the literal beginnings of their resources."""

    __slots__ = ("_nodes", "_prefixes")

    def __init__(self, statements: Iterable[Placed]) -> None:
        sides: dict[str, tuple[list[Entry], list[Entry]]] = {}
        varied: dict[str, list[tuple[Variable, Placed]]] = {}
        for beginnings, is_allow, entry in statements:
            for text, variable, rest in dict.fromkeys(beginnings):
                if variable is None:
                    sides.setdefault(text, ([], []))[is_allow].append(entry)
                else:
                    placed = ((Beginning(rest),), is_allow, entry)
                    varied.setdefault(text, []).append((variable, placed))
        branches: dict[str, tuple[_Branch, ...]] = {}
        for text, several in varied.items():
            both = sides.setdefault(text, ([], []))
            if len(several) >= INDEX_MINIMUM:
                branches[text] = tuple(_branches(len(text), several))
                continue
            for _, (_, is_allow, entry) in several:
                both[is_allow].append(entry)
                both[is_allow].sort(key=_rank)
        self._prefixes = Prefixes(sides)
        self._nodes: list[tuple[Found, tuple[_Branch, ...]]] = [
            ((tuple(sides[text][0]), tuple(sides[text][1])), branches.get(text, ()))
            if text in sides
            else (NOTHING, ())
            for text in self._prefixes.texts
        ]

    def select(self, resource: str, context: Context | None) -> Found:
        """Return the denies and allows that may be about `resource`, in the order of the documents."""
        return self._gather(self._prefixes.find(resource + END), resource, context)

    def select_below(self, start: str, context: Context | None) -> Found:
        """Return what may be about some (a deny) or all (an allow) of what begins with `start`.

        Denies of what is below it come last and in no order, because all there are can be.
        """
        denies, allows = self._gather(self._prefixes.find(start), start, context)
        return chain(denies, self._denies_below(start)), allows

    def list_all(self) -> Found:
        """Return everything, in no order."""
        return (
            [entry for (denies, _), _ in self._nodes for entry in denies],
            [entry for (_, allows), _ in self._nodes for entry in allows],
        )

    def _gather(self, place: int, resource: str, context: Context | None) -> Found:
        found, branches = self._nodes[place]
        while place:
            for start, variable, deeper in branches:
                if context is None:
                    found = _join(found, deeper.list_all())
                    continue
                value = variable.find(context)
                if value is not None and resource.startswith(value, start):
                    found = _join(found, deeper.select(resource[start + len(value) :], context))
            place = self._prefixes.parents[place]
            above, branches = self._nodes[place]
            if above is not NOTHING:
                found = _join(found, above)
        return found

    def _denies_below(self, start: str) -> Iterator[Entry]:
        # INVARIANT: text that ends within the first five parts of an ARN is overlapped by every deny.
        is_short = start.count(":") < PART_COUNT - 1
        places = range(1, len(self._nodes)) if is_short else self._prefixes.find_range(start)
        for place in places:
            yield from self._nodes[place][0][0]


_Branch = tuple[int, Variable, Resources]
"""Where a variable begins, itself, and what follows its value."""


def _branches(start: int, several: Iterable[tuple[Variable, Placed]]) -> Iterator[_Branch]:
    by_variable: dict[Variable, list[Placed]] = {}
    for variable, placed in several:
        by_variable.setdefault(variable, []).append(placed)
    for variable, alike in by_variable.items():
        yield start, variable, Resources(alike)


def _join(one: Found, other: Found) -> Found:
    """Put both together, in the order of the documents."""
    return _merge(one[0], other[0]), _merge(one[1], other[1])


def _merge(these: Entries, those: Entries) -> Entries:
    return sorted((*these, *those), key=_rank) if these and those else these or those


def _chain(one: Found, other: Found) -> Found:
    """Put both together, in no order."""
    return chain(one[0], other[0]), chain(one[1], other[1])


# --- by action ----------------------------------------------------------------------------------------------


class Actions:
    """Statements by the actions they list; many are grouped by pattern when first asked for."""

    __slots__ = ("_exact", "_groups", "_prefixes", "_wild", "statements")

    def __init__(self, statements: Sequence[CompiledStatement]) -> None:
        self.statements = statements
        self._groups: list[Ranks] = []
        self._exact: dict[str, int] = {}
        self._wild: dict[str, list[tuple[ActionMatch, int]]] = {}
        self._prefixes: Prefixes | None = None

    def find(self, action: str) -> Key:
        """Return what stands for the statements about the lower-cased `action`, the same for the same ones."""
        if len(self.statements) < ACTION_INDEX_MINIMUM:
            return tuple(rank for rank, one in enumerate(self.statements) if one.has_action(action))
        if self._prefixes is None:
            self._prefixes = self._build()
        found = set() if (exact := self._exact.get(action)) is None else {exact}
        place = self._prefixes.find(action)
        while True:
            wild = self._wild.get(self._prefixes.texts[place], ())
            found.update(number for match, number in wild if match(action))
            if not place:
                return tuple(sorted(found))
            place = self._prefixes.parents[place]

    def list_groups(self, key: Key) -> Iterable[tuple[int, Ranks]]:
        """Return the statements that `find` found in groups, each with its number."""
        if self._prefixes is None:
            return ((0, key),)
        return ((number, self._groups[number]) for number in key)

    def _build(self) -> Prefixes:
        alike: dict[tuple[bool, tuple[str, ...]], list[int]] = {}
        for rank, one in enumerate(self.statements):
            alike.setdefault((one.source.not_actions, one.source.actions), []).append(rank)
        listing: dict[str, list[list[int]]] = {}
        for (is_complement, patterns), ranks in alike.items():
            if is_complement:
                self._add_wild("", self.statements[ranks[0]].has_action, self._number([ranks]))
                continue
            for pattern in {one.lower() for one in patterns}:
                listing.setdefault(pattern, []).append(ranks)
        numbers: dict[tuple[int, ...], int] = {}
        for pattern, lists in listing.items():
            same = tuple(map(id, lists))
            if same not in numbers:
                numbers[same] = self._number(lists)
            if (head := action_head(pattern)) == pattern:
                self._exact[pattern] = numbers[same]
            else:
                self._add_wild(head, compile_action(pattern), numbers[same])
        return Prefixes(self._wild)

    def _number(self, lists: Iterable[Ranks]) -> int:
        self._groups.append(sorted(chain.from_iterable(lists)))
        return len(self._groups) - 1

    def _add_wild(self, head: str, match: ActionMatch, number: int) -> None:
        self._wild.setdefault(head, []).append((match, number))


class Index:
    """Statements by action and resource; `decide` reads `memo` before it calls `find`.

    With `is_prefix`, for questions about all resources that begin with a text.
    """

    __slots__ = ("_actions", "_is_prefix", "_joined", "_shared", "memo")

    def __init__(self, actions: Actions, *, is_prefix: bool = False) -> None:
        self.memo: dict[str, Candidates] = {}
        self._actions = actions
        self._is_prefix = is_prefix
        self._joined: dict[Key, Candidates] = {}
        self._shared: dict[int, Select] = {}

    def find(self, action: str) -> Candidates:
        """Return the statements about `action`, in any case."""
        key = self._actions.find(action.lower())
        candidates = self._joined.get(key)
        if candidates is None:
            candidates = self._join(key)
            _remember(self._joined, key, candidates)
        if len(action) <= ACTION_MEMO_LENGTH:
            _remember(self.memo, action, candidates)
        return candidates

    def _join(self, key: Key) -> Candidates:
        few: set[int] = set()
        selects = []
        for number, ranks in self._actions.list_groups(key):
            if len(ranks) < SHARED_MINIMUM:
                few.update(ranks)
            else:
                selects.append(self._share(number, ranks))
        placed = list(self._place(sorted(few)))
        if len(placed) >= INDEX_MINIMUM:
            selects.append(self._select(placed))
            placed = []
        denies = tuple(entry for _, is_allow, entry in placed if not is_allow)
        allows = tuple(entry for _, is_allow, entry in placed if is_allow)
        if not selects:
            return denies, allows, None
        if len(selects) == 1 and not placed:
            return (), (), selects[0]
        join = _chain if self._is_prefix else _join
        return (), (), _select_all(selects, (denies, allows), join)

    def _share(self, number: int, ranks: Ranks) -> Select:
        if number not in self._shared:
            self._shared[number] = self._select(self._place(ranks))
        return self._shared[number]

    def _select(self, placed: Iterable[Placed]) -> Select:
        resources = Resources(placed)
        return resources.select_below if self._is_prefix else resources.select

    def _place(self, ranks: Iterable[int]) -> Iterator[Placed]:
        for rank in ranks:
            one = self._actions.statements[rank]
            is_allow = one.source.effect is Effect.ALLOW
            if not self._is_prefix:
                entry = (rank, one.match_resource, one.conditions, one.decision)
                yield one.beginnings, is_allow, entry
                continue
            # The value of a variable may reach below what is asked about: what follows it tells nothing.
            for beginning, templates in one.list_templates():
                match = _match_when_asked(one, templates)
                entry = (rank, match, one.conditions, one.decision)
                yield (Beginning(beginning.text),), is_allow, entry


def _match_when_asked(one: CompiledStatement, templates: Sequence[Template]) -> Match:
    """Compile the matcher for prefixes at its first question, because few are ever asked."""
    made: list[Match] = []

    def match(text: str, context: Context) -> bool | None:
        if not made:
            made.append(match_prefix(one, templates))
        return made[0](text, context)

    return match


def _select_all(
    selects: Sequence[Select], rest: Found, join: Callable[[Found, Found], Found]
) -> Select:
    def select(resource: str, context: Context | None) -> Found:
        found = rest
        for one in selects:
            found = join(found, one(resource, context))
        return found

    return select


def _remember(memo: dict[K, Candidates], key: K, candidates: Candidates) -> None:
    if len(memo) >= ACTION_MEMO_SIZE:
        del memo[next(iter(memo))]
    memo[key] = candidates
