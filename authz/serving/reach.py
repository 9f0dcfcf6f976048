"""Administrators ask ahead (`authz.v1`): what may this principal do, and who may do that?

Both are answered from the compiled policies by `policy/reach.py`, without a request: what a condition of the
request decides is said to be conditional. They show what policies say, so they are signed and admitted like
`Explain`: for the principal that is asked about, and for `*` where that is everybody.

Both can be long work on the loop that decides: they let others go first every millisecond, only a few run at a
time, and no one runs for ever. A walk over all users reads a page at a time and answers from one revision a
message: where a change comes in between, the rest of the page is read again.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Final, NamedTuple

from authz.access.authorizer import Authorizer
from authz.access.entries import KeyEntry, UserEntry
from authz.access.principals import Principals
from authz.access.refresher import Refresher
from authz.errors import InvalidError, NotFoundError, OverloadedError, UnavailableError
from authz.formats.authz_v1 import ACTION_LIMIT
from authz.formats.authz_v1_reach import (
    ActionsQuestion,
    Place,
    Stage,
    WhoQuestion,
    parse_list_allowed_actions,
    parse_who_can,
    render_list_allowed_actions,
    render_who_can,
)
from authz.identity.records import key_of_name
from authz.policy import catalog
from authz.policy.applicable import Applicable
from authz.policy.arn import ANY
from authz.policy.compile import PolicySet
from authz.policy.reach import Certainty, Reach, Steps, list_spelled_actions, weigh
from authz.policy.request import (
    NO_FACTS,
    AccessRequest,
    Context,
    Principal,
    Values,
)
from authz.serving.authorization import SERVICE
from authz.serving.call import Call, Methods
from authz.serving.explanation import EXPLAIN_ACTION, resource_of
from authz.serving.gate import Gate
from authz.serving.principal_refs import Found, PrincipalRefs, acting_of

CONCURRENT: Final = 4
"""Questions of these two kinds that one process works on at a time; further ones are turned away."""

BUDGET: Final = 0.001
"""Seconds of work after which others get their turn; what a check may have to wait longer."""

WALK_LIMIT: Final = 300.0
"""Seconds after which a walk ends as if its page were full; the client goes on with the page token."""

LIST_LIMIT: Final = 10.0
"""Seconds that listing one principal's actions may take."""

ACTIONS_LIMIT: Final = 10_000
"""Most actions one principal is asked about: the catalog's and those spelled out for it; at most 3 MiB."""

USERS_PER_PAGE: Final = 128
"""Users read at a time, and so the most in one message; reading them takes some milliseconds of the loop."""

MEMO_SIZE: Final = 1024
"""Combinations of policies whose answer one walk remembers."""


class ReachSurface:
    """`ListAllowedActions`, `WhoCan`."""

    def __init__(
        self,
        refs: PrincipalRefs,
        principals: Principals,
        authorizer: Authorizer,
        refresher: Refresher,
        gate: Gate,
        root: UserEntry,
        anonymous: UserEntry,
    ) -> None:
        self._refs = refs
        self._principals = principals
        self._authorizer = authorizer
        self._refresher = refresher
        self._gate = gate
        self._root = root
        self._anonymous = anonymous
        self._running = 0
        # Walks take turns, page by page: several hold up decisions no more than one does.
        self._turn = asyncio.Lock()
        self.methods: Methods = {
            f"/{SERVICE}/ListAllowedActions": self.list_allowed_actions,
            f"/{SERVICE}/WhoCan": self.who_can,
        }

    async def list_allowed_actions(self, raw: bytes, call: Call) -> bytes:
        """List what a principal may do to a resource, all on one revision."""
        question = parse_list_allowed_actions(raw)
        about = self._resource_of(question, await self._refs.load(question.principal))
        await self._gate.admit(call, raw, EXPLAIN_ACTION, None, about)
        await self._refresher.wait_for(question.at_least_revision)
        with self._slot():
            # Meanwhile the name or the key may have come to mean somebody else.
            found = await self._refs.load(question.principal)
            if self._resource_of(question, found) != about:
                raise UnavailableError("the principal is changing")
            self._authorizer.check_age()
            entry = acting_of(found)
            if entry is None:
                raise NotFoundError("there is no such principal")
            # Policies in memory are never changed, only replaced: these stay those of this revision.
            policies = self._authorizer.policies_for(entry, question.resource)
            revision = self._refresher.applied
            if not entry.is_enabled or (isinstance(found, KeyEntry) and not found.is_enabled):
                return render_list_allowed_actions([], revision)
            try:
                async with asyncio.timeout(LIST_LIMIT):
                    allowed = await _weigh_actions(question, entry.principal, policies)
            except TimeoutError:
                raise OverloadedError("listing what these policies allow takes too long") from None
            return render_list_allowed_actions(allowed, revision)

    def _resource_of(self, question: ActionsQuestion, found: Found) -> str:
        entry = acting_of(found)
        return resource_of(entry.principal if entry else self._refs.stranger(question.principal))

    async def who_can(self, raw: bytes, call: Call) -> AsyncGenerator[bytes, None]:
        """Stream who may do an action to a resource, a message a page of users."""
        question = parse_who_can(raw)
        await self._gate.admit(call, raw, EXPLAIN_ACTION, None, ANY)
        await self._refresher.wait_for(question.at_least_revision)
        with self._slot():
            walk = _Walk(question, self._principals, self._authorizer, self._root, self._anonymous)
            place: Place | None = question.start
            left = question.limit or sys.maxsize
            ends_at = perf_counter() + WALK_LIMIT
            while place is not None and left and perf_counter() < ends_at:
                async with self._turn:
                    self._authorizer.check_age()
                    found, place, revision = await walk.look(place, left)
                left -= len(found)
                yield render_who_can(found, place, revision)

    @contextmanager
    def _slot(self) -> Iterator[None]:
        if self._running >= CONCURRENT:
            raise OverloadedError("too many questions of this kind at once; ask again in a moment")
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1


class _Pace:
    """Lets others go first when the budget is used up."""

    def __init__(self) -> None:
        self._due = perf_counter() + BUDGET

    def is_due(self) -> bool:
        return perf_counter() > self._due

    async def rest(self) -> None:
        await asyncio.sleep(0)
        self._due = perf_counter() + BUDGET

    async def drive(self, steps: Steps[Reach]) -> Reach:
        while True:
            try:
                next(steps)
            except StopIteration as end:
                reach: Reach = end.value
                return reach
            if self.is_due():
                await self.rest()


async def _weigh_actions(
    question: ActionsQuestion, principal: Principal, policies: PolicySet | Applicable
) -> list[tuple[str, Certainty]]:
    """Return the actions that are or may be allowed, ordered by name."""
    pace = _Pace()
    names = {action.text.lower(): action.text for action in catalog.all_actions()}
    for text in list_spelled_actions(policies):
        if pace.is_due():
            await pace.rest()
        # Nobody can ask for a longer one.
        if len(text) <= ACTION_LIMIT:
            names.setdefault(text.lower(), text)
        if len(names) > ACTIONS_LIMIT:
            raise InvalidError(
                f"its policies spell out more than {ACTIONS_LIMIT} actions; ask about single ones",
                field="principal",
            )
    context = _known_context(principal, question.facts)
    allowed = []
    for _, name in sorted(names.items()):
        if pace.is_due():
            await pace.rest()
        request = AccessRequest(principal, name, question.resource, context)
        certainty, _ = await pace.drive(weigh(request, policies))
        if certainty:
            allowed.append((name, certainty))
    return allowed


def _known_context(principal: Principal, facts: Mapping[str, Values]) -> Context:
    # What time it will be is never known.
    return Context(principal.facts, NO_FACTS, facts, 0.0)


# --- who can ------------------------------------------------------------------------------------------------


class _Part(NamedTuple):
    """What was found, where to go on (`None` at the end), and the revision it was answered on."""

    found: Sequence[tuple[Principal, Certainty]]
    then: Place | None
    revision: int


class _Walk:
    """One question put to all principals, a part at a time."""

    def __init__(
        self,
        question: WhoQuestion,
        principals: Principals,
        authorizer: Authorizer,
        root: UserEntry,
        anonymous: UserEntry,
    ) -> None:
        self._question = question
        self._principals = principals
        self._authorizer = authorizer
        # Who comes before the users, and where to go on then.
        self._first = {
            Stage.ROOT: (root, Place(Stage.EVERYONE)),
            Stage.EVERYONE: (anonymous, Place(Stage.USERS)),
        }
        # By what an answer that is not personal depends on; the entry keeps its policies compiled.
        self._memo: dict[object, tuple[Certainty | None, UserEntry]] = {}

    async def look(self, place: Place, limit: int) -> _Part:
        """Look at who comes at `place`, until `limit` are found."""
        if place.stage is Stage.USERS:
            return await self._look_at_users(place.after, limit)
        entry, then = self._first[place.stage]
        revision = self._principals.moment().revision
        certainty = await self._weigh(entry, _Pace())
        found = [(entry.principal, certainty)] if certainty else []
        return _Part(found, then, revision)

    async def _look_at_users(self, after: str, limit: int) -> _Part:
        page = await self._principals.list_users(after, USERS_PER_PAGE)
        moment, pace = self._principals.moment(), _Pace()
        found: list[tuple[Principal, Certainty]] = []
        for entry in page.entries:
            if pace.is_due():
                await pace.rest()
            # The entries hear of no change, so after one the rest of the page is read again.
            if self._principals.moment() != moment:
                return _Part(found, Place(Stage.USERS, after), page.revision)
            certainty = await self._weigh(entry, pace)
            after = key_of_name(entry.principal.name)
            if certainty:
                found.append((entry.principal, certainty))
                if len(found) == limit and entry is not page.entries[-1]:
                    return _Part(found, Place(Stage.USERS, after), page.revision)
        then = Place(Stage.USERS, page.next_after) if page.next_after else None
        return _Part(found, then, page.revision)

    async def _weigh(self, entry: UserEntry, pace: _Pace) -> Certainty:
        if not entry.is_enabled:
            return Certainty.NO
        principal, question = entry.principal, self._question
        policies = self._authorizer.policies_for(entry, question.resource)
        key = (principal.kind, _sets_of(policies))
        certainty, _ = self._memo.get(key, _NOTHING)
        if certainty is None:
            context = _known_context(principal, question.facts)
            request = AccessRequest(principal, question.action, question.resource, context)
            # Policies are never changed, only replaced: however long it takes, it is about these.
            certainty, is_personal = await pace.drive(weigh(request, policies))
            if len(self._memo) >= MEMO_SIZE:
                self._memo.clear()
            self._memo[key] = (None if is_personal else certainty, entry)
        return certainty


_NOTHING: Final = (None, None)


def _sets_of(policies: PolicySet | Applicable) -> object:
    if isinstance(policies, PolicySet):
        return policies
    return (policies.identity, policies.narrowing, policies.resource)
