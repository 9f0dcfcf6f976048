"""The decision before the request is known: may this happen always, on conditions, or never?

The same evaluation as `decide`, over the same index, in Kleene's logic: what is not known of a request (where
it comes from, what time it is) stays open, and an answer is certain only where nothing open can change it. A
look-up of an open key raises, so whatever a test says without one holds for every value of it.

Exact in what it promises: ALWAYS is what `decide` allows in every context that agrees with what is known, NO
what it allows in none. CONDITIONAL is the rest, and may be too careful where statements only together leave
no choice (one allows what another's condition leaves). Random testing holds the two together.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar

from authz.policy import catalog
from authz.policy.applicable import Applicable, as_applicable
from authz.policy.compile import PolicySet
from authz.policy.conditions.outcome import Outcome, Test
from authz.policy.index import Entries, Entry, Found
from authz.policy.model import Effect
from authz.policy.patterns import Piece, compile_arn
from authz.policy.principals import Naming
from authz.policy.request import STRANGERS, AccessRequest, Context, PrincipalKind, Values
from authz.policy.statements import CompiledStatement, Template
from authz.policy.variables import Variable

KEY_MEMO_SIZE: Final = 1024
"""Condition keys remembered; policies name a few hundred."""

_CLOCK_KEYS: Final = frozenset({"aws:currenttime", "aws:epochtime"})

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that can be left between its steps; its result is what it returns."""

_WILDCARD: Final = re.compile(r"[*?]")

IsKnown = Callable[[str], bool]
"""Tells of a folded condition key whether its absence is known, too."""


class Certainty(IntEnum):
    """How certain an answer is, the surest last."""

    NO = 0
    CONDITIONAL = 1
    ALWAYS = 2


class Reach(NamedTuple):
    """An answer, and whether it may be another for another principal of the same kind and policies."""

    certainty: Certainty
    is_personal: bool


@lru_cache(KEY_MEMO_SIZE)
def is_identity_key(folded: str) -> bool:
    """Tell whether the condition key says who acts; then a principal's facts are all there is to know of it."""
    key = catalog.find_key(folded)
    return key is not None and key.source is catalog.Source.IDENTITY


def find_certainty(
    request: AccessRequest, policies: PolicySet | Applicable, is_known: IsKnown = is_identity_key
) -> Certainty:
    """Tell whether `policies` allow `request`, whose context has only what is known; see `find_reach`."""
    return find_reach(request, policies, is_known).certainty


def find_reach(
    request: AccessRequest, policies: PolicySet | Applicable, is_known: IsKnown = is_identity_key
) -> Reach:
    """Tell whether `policies` allow `request`, and whether that is about this principal alone.

    A key that the context has is known, except the clock's; of the others those that `is_known` says.
    """
    steps = weigh(request, policies, is_known)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            reach: Reach = end.value
            return reach


def weigh(
    request: AccessRequest, policies: PolicySet | Applicable, is_known: IsKnown = is_identity_key
) -> Steps[Reach]:
    """Do what `find_reach` does in steps of one statement, for who must let others go first meanwhile."""
    context = _PartialContext(request.context, is_known)
    asked = AccessRequest(
        request.principal, request.action, request.resource, context, is_prefix=request.is_prefix
    )
    applicable = as_applicable(policies)
    most = _invert((yield from _weigh_denies(asked, applicable.find_applying(asked))))
    granted = (yield from _weigh_grants(asked, applicable, most)) if most else most
    return Reach(min(most, granted), context.is_personal)


def list_spelled_actions(policies: PolicySet | Applicable) -> Iterator[str]:
    """Yield the actions that allows of `policies` spell out, as they are written; some come several times."""
    applicable = as_applicable(policies)
    for layer in (applicable.identity, applicable.resource, *applicable.narrowing):
        for statement in layer.statements if layer else ():
            source = statement.source
            if statement.actions and source.effect is Effect.ALLOW:
                yield from (text for text in source.actions if text.lower() in statement.actions)


# --- what is known ------------------------------------------------------------------------------------------


class _OpenError(Exception):
    """What was looked up is not known."""


class _PartialContext(Context):
    """What is known of a request; `is_personal` tells that who acts has been looked at."""

    __slots__ = ("is_known", "is_personal")

    def __init__(self, context: Context, is_known: IsKnown) -> None:
        super().__init__(context.identity, context.server, context.request, context.now)
        self.is_known = is_known
        self.is_personal = False

    def find(self, key: str) -> Values | None:
        """Return the values of `key`, or `None` where the request is known not to have it."""
        if self.is_known(key):
            self.is_personal = True
            return super().find(key)
        values = None if key in _CLOCK_KEYS else super().find(key)
        if values is None:
            raise _OpenError
        self.is_personal = self.is_personal or key in self.identity
        return values


# --- layers, as in `decide` ---------------------------------------------------------------------------------


def _weigh_denies(asked: AccessRequest, applying: Sequence[PolicySet]) -> Steps[Certainty]:
    if any(policies.quarantine is not None for policies in applying):
        return Certainty.ALWAYS
    found = Certainty.NO
    for policies in applying:
        denies, _ = _select(asked, policies)
        found = max(found, (yield from _weigh_all(denies, asked, policies, Certainty.ALWAYS)))
    return found


def _weigh_grants(
    asked: AccessRequest, applicable: Applicable, enough: Certainty
) -> Steps[Certainty]:
    """Return how certainly it is granted; what is more than `enough` makes no difference."""
    kind = asked.principal.kind
    if kind is PrincipalKind.ROOT and not applicable.narrowing:
        return Certainty.ALWAYS
    by_itself, granted = yield from _weigh_resource_grants(asked, applicable)
    if by_itself >= enough:
        return by_itself
    if kind is PrincipalKind.ROOT:
        granted = Certainty.ALWAYS
    elif kind not in STRANGERS and granted < enough:
        _, allows = _select(asked, applicable.identity)
        own = yield from _weigh_all(allows, asked, applicable.identity, enough)
        granted = max(granted, own)
    for policies in applicable.narrowing:
        if granted:
            _, allows = _select(asked, policies)
            granted = min(granted, (yield from _weigh_all(allows, asked, policies, granted)))
    return max(by_itself, granted)


def _weigh_resource_grants(
    asked: AccessRequest, applicable: Applicable
) -> Steps[tuple[Certainty, Certainty]]:
    """Return how certainly the resource's policy grants by itself, and within what narrows."""
    by_itself = within = Certainty.NO
    if (resource := applicable.resource) is not None:
        weight = Naming.ITSELF if applicable.is_derived else Naming.USER
        for entry in _select(asked, resource)[1]:
            yield
            certainty, naming = _weigh(entry, asked, resource)
            if naming >= weight:
                by_itself = max(by_itself, certainty)
            elif naming > Naming.ACCOUNT:
                within = max(within, certainty)
    return by_itself, within


def _weigh_all(
    entries: Entries, asked: AccessRequest, policies: PolicySet, enough: Certainty
) -> Steps[Certainty]:
    """Return how certainly one of the statements matches; none is looked at once that is `enough`."""
    found = Certainty.NO
    for entry in entries:
        found = max(found, _weigh(entry, asked, policies)[0])
        if found >= enough:
            break
        yield
    return found


def _select(asked: AccessRequest, policies: PolicySet) -> Found:
    """Return the denies and allows about the action that may be about the resource."""
    index = policies.prefixes if asked.is_prefix else policies.index
    denies, allows, select = index.memo.get(asked.action) or index.find(asked.action)
    if select is None:
        return denies, allows
    try:
        return select(asked.resource, asked.context)
    except _OpenError:
        # Statements are told apart by a variable that is open.
        return select(asked.resource, None)


# --- one statement ------------------------------------------------------------------------------------------


def _weigh(entry: Entry, asked: AccessRequest, policies: PolicySet) -> tuple[Certainty, Naming]:
    """Tell how certainly a statement about the action matches, and how it names who asks."""
    rank, match_resource, _, _ = entry
    statement = policies.statements[rank]
    context = asked.context
    assert isinstance(context, _PartialContext)
    if statement.principals is not None:
        context.is_personal = True
    naming = statement.naming(asked.principal)
    if not naming:
        return Certainty.NO, naming
    try:
        certainty = _certain(is_so=bool(match_resource(asked.resource, context)))
    except _OpenError:
        certainty = _weigh_resources(statement, asked, context)
    for test in statement.tests:
        if not certainty:
            break
        certainty = min(certainty, _weigh_condition(test, statement.source.effect, context))
    return certainty, naming


def _weigh_condition(test: Test, effect: Effect, context: Context) -> Certainty:
    try:
        outcome = test(context)
    except _OpenError:
        return Certainty.CONDITIONAL
    # As `compile` settles it: what cannot be evaluated stops an allow and lets a deny through.
    return _certain(is_so=outcome is True if effect is Effect.ALLOW else outcome is not False)


def _weigh_resources(
    statement: CompiledStatement, asked: AccessRequest, context: _PartialContext
) -> Certainty:
    """Try the listed resources one by one, because a variable among them is open."""
    if asked.is_prefix:
        return Certainty.CONDITIONAL
    source = statement.source
    # INVARIANT: an unresolved variable never widens a grant, so to a complement that allows it is a match.
    unresolved = _certain(is_so=source.not_resources and source.effect is Effect.ALLOW)
    listed = max(
        _weigh_template(template, asked.resource, context, unresolved)
        for template in statement.templates
    )
    return _invert(listed) if source.not_resources else listed


def _weigh_template(
    template: Template, resource: str, context: _PartialContext, unresolved: Certainty
) -> Certainty:
    try:
        outcome: Outcome = compile_arn(template)(resource, context)
    except _OpenError:
        if not unresolved and not _may_fit(template, resource):
            return Certainty.NO
        # An open variable may become any text, or none.
        widest = tuple("*" if _is_open(piece, context) else piece for piece in template)
        may_match = compile_arn(widest)(resource, context)
        return Certainty.CONDITIONAL if may_match or unresolved else Certainty.NO
    return unresolved if outcome is None else _certain(is_so=outcome)


def _may_fit(template: Template, resource: str) -> bool:
    """Tell at little cost whether `resource` has the plain text that a pattern begins and ends with."""
    first, last = template[0], template[-1]
    return (not isinstance(first, str) or resource.startswith(_WILDCARD.split(first, 1)[0])) and (
        not isinstance(last, str) or resource.endswith(_WILDCARD.split(last)[-1])
    )


def _is_open(piece: Piece, context: _PartialContext) -> bool:
    if not isinstance(piece, Variable) or piece.literal is not None:
        return False
    try:
        context.find(piece.key)
    except _OpenError:
        return True
    return False


def _certain(*, is_so: bool) -> Certainty:
    return Certainty.ALWAYS if is_so else Certainty.NO


def _invert(certainty: Certainty) -> Certainty:
    return Certainty(Certainty.ALWAYS - certainty)
