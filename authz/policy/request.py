"""What is decided about: principal, action, resource, context. Nothing else enters a decision.

An `AccessRequest` is built once per check by a format (`formats/s3_http.py`, `formats/authz_v1.py`) and read
by `decide`. The context keeps its three sources apart, because that is what stops a client from writing its
own identity: identity facts come from the stored records, server facts from our own connection and clock,
request facts from a fixed allow-list of the format. A look-up asks them in that order, so a name that an
earlier source sets can never be overridden by a later one.

Not here: where the facts come from, and any text format.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

Values = tuple[str, ...]
"""The values of one condition key in one request; one string for most keys."""

NO_FACTS: Final[Mapping[str, Values]] = {}


def fold_key(key: str) -> str:
    """Return the form a condition key is looked up by: lower-cased, except for what follows the first `/`.

    Key names are case-insensitive, tag keys within them are not: `aws:PrincipalTag/Team` →
    `aws:principaltag/Team`.
    """
    name, slash, rest = key.partition("/")
    return name.lower() + slash + rest


class PrincipalKind(StrEnum):
    """What kind of principal acts; the value is what `aws:PrincipalType` says."""

    ROOT = "Account"
    USER = "User"
    ASSUMED_ROLE = "AssumedRole"
    FEDERATED = "FederatedUser"
    """Somebody who is asking a role for a session on the word of a provider, and is nobody else here."""
    ANONYMOUS = "Anonymous"


STRANGERS: Final = (PrincipalKind.ANONYMOUS, PrincipalKind.FEDERATED)
"""Kinds of principals that have no policies of their own, and are of no account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, as policies see it. Built when a record is loaded, shared by all its requests.

    `facts` are the identity facts: lower-cased condition key → values (the part of a key after `/` keeps its
    case: `aws:principaltag/Team`). `role` is the ARN of the role behind a session; empty for others, and then
    taken from the session's own ARN, which knows no path.
    """

    arn: str
    kind: PrincipalKind
    account: str
    id: str
    name: str
    facts: Mapping[str, Values]
    role: str = ""


class Context:
    """The condition values of one request. Keys are lower-cased up to the first `/`.

    `unevaluable` counts the conditions that could not be evaluated over them so far: the one thing here that
    evaluating changes, because nobody but the request can carry it out of a function of values.
    """

    __slots__ = ("identity", "now", "request", "server", "unevaluable")

    def __init__(
        self,
        identity: Mapping[str, Values],
        server: Mapping[str, Values],
        request: Mapping[str, Values],
        now: float,
    ) -> None:
        """Gather the facts of three sources; `now` is the server's wall clock in epoch seconds."""
        self.identity = identity
        self.server = server
        self.request = request
        self.now = now
        self.unevaluable = 0

    def find(self, key: str) -> Values | None:
        """Return the values of the lower-cased `key`, or `None` where the request does not have it."""
        values = self.identity.get(key)
        if values is None:
            values = self.server.get(key)
            if values is None:
                # The clock is formatted only when a policy asks, which few do.
                if key == "aws:currenttime":
                    return (datetime.fromtimestamp(self.now, UTC).isoformat(),)
                if key == "aws:epochtime":
                    return (str(int(self.now)),)
                values = self.request.get(key)
        return values


class AccessRequest:
    """One question: may `principal` do `action` to `resource` in `context`?

    `action` keeps the case it came in (matching ignores it); `resource` is an ARN or `*`. With
    `is_prefix`, the question is about *every* resource whose ARN begins with `resource` (a recursive
    delete, a multi-object delete whose keys are not known).
    """

    __slots__ = ("action", "context", "is_prefix", "principal", "resource")

    def __init__(
        self,
        principal: Principal,
        action: str,
        resource: str,
        context: Context,
        *,
        is_prefix: bool = False,
    ) -> None:
        self.principal = principal
        self.action = action
        self.resource = resource
        self.context = context
        self.is_prefix = is_prefix
