"""`ListAllowedActions` and `WhoCan` of `authz.v1` ↔ questions without a request, and what they come to.

A walk over all principals goes root, everyone, then users in the order of their folded names. A page token says
where it goes on, as the tokens of lists do (`control/paging.py`): it grants nothing, and one that somebody made
up is a place like any other.

Not here: finding the answers (`policy/reach.py`, `serving/reach.py`).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from authz.control.paging import parse_token, render_token
from authz.errors import InvalidError
from authz.formats.authz_v1 import (
    PrincipalRef,
    check_size,
    parse_action,
    parse_message,
    parse_principal,
    parse_resource,
    parse_revision,
)
from authz.formats.authz_v1_authentication import fill_principal
from authz.formats.context_facts import parse_facts
from authz.policy.arn import ANY
from authz.policy.reach import Certainty
from authz.policy.request import Principal, PrincipalKind, Values
from authz.wire.authz.v1 import authorization_pb2 as wire


class Stage(StrEnum):
    """Whose turn it is; the value stands in page tokens."""

    ROOT = "0"
    EVERYONE = "1"
    USERS = "2"


class Place(NamedTuple):
    """Where a walk goes on; among users, after the one of the folded name `after`."""

    stage: Stage
    after: str = ""


START: Final = Place(Stage.ROOT)


class ActionsQuestion(NamedTuple):
    """What may this principal do to this resource? `facts` are what is known of a request."""

    principal: PrincipalRef
    resource: str
    facts: Mapping[str, Values]
    at_least_revision: int


class WhoQuestion(NamedTuple):
    """Who may do this? `limit` is the most principals to return, 0 for all."""

    action: str
    resource: str
    facts: Mapping[str, Values]
    limit: int
    start: Place
    at_least_revision: int


def parse_list_allowed_actions(raw: bytes) -> ActionsQuestion:
    """Read a `ListAllowedActionsRequest`."""
    check_size(raw)
    message = parse_message(wire.ListAllowedActionsRequest, raw)
    return ActionsQuestion(
        parse_principal(message, ""),
        parse_resource(message.resource, ""),
        parse_facts(message.context, "context"),
        parse_revision(message.at_least_revision),
    )


def parse_who_can(raw: bytes) -> WhoQuestion:
    """Read a `WhoCanRequest`."""
    check_size(raw)
    message = parse_message(wire.WhoCanRequest, raw)
    if message.page_size < 0:
        raise InvalidError("a page has 1 or more principals; 0 for all", field="page_size")
    return WhoQuestion(
        parse_action(message.action, ""),
        parse_resource(message.resource, ""),
        parse_facts(message.context, "context"),
        message.page_size,
        _parse_place(message.page_token) if message.page_token else START,
        parse_revision(message.at_least_revision),
    )


def _parse_place(token: str) -> Place:
    text = parse_token(token)
    place = Place(Stage(text[:1]), text[1:]) if text[:1] in _STAGES else None
    if place is None or (place.after and place.stage is not Stage.USERS):
        raise InvalidError("the page token is not one that WhoCan returned", field="page_token")
    return place


_STAGES: Final = frozenset(stage.value for stage in Stage)

CERTAINTIES: Final[Mapping[Certainty, wire.Certainty]] = {
    Certainty.CONDITIONAL: wire.CERTAINTY_CONDITIONAL,
    Certainty.ALWAYS: wire.CERTAINTY_ALWAYS,
}
"""What is told; nobody is told of what is not allowed."""


def render_list_allowed_actions(actions: Iterable[tuple[str, Certainty]], revision: int) -> bytes:
    """Write a `ListAllowedActionsResponse`, the actions ordered by name."""
    response = wire.ListAllowedActionsResponse(revision=revision)
    for action, certainty in actions:
        response.actions.add(action=action, certainty=CERTAINTIES[certainty])
    return response.SerializeToString()


def render_who_can(
    found: Iterable[tuple[Principal, Certainty]], then: Place | None, revision: int
) -> bytes:
    """Write a `WhoCanResponse`; `then` is where to go on, `None` at the end."""
    response = wire.WhoCanResponse(revision=revision)
    for principal, certainty in found:
        one = response.principals.add(certainty=CERTAINTIES[certainty])
        fill_principal(one.principal, principal)
        if principal.kind is PrincipalKind.ANONYMOUS:
            one.principal.arn = ANY
    if then is not None:
        response.next_page_token = render_token(f"{then.stage.value}{then.after}")
    return response.SerializeToString()
