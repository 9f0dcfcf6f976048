"""A policy as the checks see it: statements with their places, and their actions looked up in the catalog.

Made once for a document and handed to every check; holds no findings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from authz.policy.catalog import Action, find_actions, find_service
from authz.policy.model import Condition, Effect, Policy, Statement

ANY = "*"


class PolicyKind(StrEnum):
    """What a document is for."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    TRUST = "trust"
    SESSION = "session"
    SERVICE_ACCOUNT = "service-account"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyView:
    """A policy and what surrounds it.

    `size` and `size_limit` are bytes, 0 where not known; `now` is epoch seconds, `None` where the
    checks of dates against the clock are left out.
    """

    policy: Policy
    kind: PolicyKind
    size: int
    size_limit: int
    now: float | None
    statements: tuple["StatementView", ...]

    @property
    def has_variables(self) -> bool:
        """Whether `${…}` means something in this version."""
        return self.policy.version == "2012-10-17"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """A statement and its place; `actions` are all that its listed patterns match.

    `is_known` tells that the services of all listed patterns are in the catalog, so that what the catalog does
    not say is not so. For `NotAction`, `actions` is empty and `is_known` false: it reaches what nobody knows.
    """

    source: Statement
    place: str
    actions: tuple[Action, ...]
    is_known: bool

    @property
    def is_allow(self) -> bool:
        """Whether it grants."""
        return self.source.effect is Effect.ALLOW

    @property
    def is_conditional(self) -> bool:
        """Whether it holds under conditions only."""
        return bool(self.source.conditions)

    @property
    def action_place(self) -> str:
        """The place of the whole list of actions."""
        return f"{self.place}.{'NotAction' if self.source.not_actions else 'Action'}"

    @property
    def resource_place(self) -> str:
        """The place of the whole list of resources."""
        return f"{self.place}.{'NotResource' if self.source.not_resources else 'Resource'}"

    def listed_actions(self) -> Iterator[tuple[str, str]]:
        """Yield places and patterns of actions."""
        yield from listed(self.source.actions, self.action_place)

    def listed_resources(self) -> Iterator[tuple[str, str]]:
        """Yield places and patterns of resources."""
        yield from listed(self.source.resources, self.resource_place)


def listed(texts: tuple[str, ...], place: str) -> Iterator[tuple[str, str]]:
    """Yield places and texts; a lone text stands at the element itself."""
    if len(texts) == 1:
        yield place, texts[0]
        return
    for index, text in enumerate(texts):
        yield f"{place}[{index}]", text


def view_statement(statement: Statement, index: int) -> StatementView:
    """Look a statement up in the catalog."""
    is_known = not statement.not_actions and all(map(_has_known_service, statement.actions))
    found = (
        {} if statement.not_actions
        else {action: None for pattern in statement.actions for action in find_actions(pattern)}
    )  # fmt: skip
    return StatementView(
        source=statement, place=f"Statement[{index}]", actions=tuple(found), is_known=is_known
    )


def _has_known_service(pattern: str) -> bool:
    return pattern != ANY and find_service(service_of(pattern)) is not None


def service_of(action: str) -> str:
    """Return the service of an action pattern, in lower case."""
    return action.partition(":")[0].lower()


def is_wild(text: str) -> bool:
    """Tell whether a pattern has wildcards."""
    return ANY in text or "?" in text


def name_operator(condition: Condition) -> str:
    """Return an operator as documents write it."""
    quantifier = f"{condition.quantifier}:" if condition.quantifier else ""
    return f"{quantifier}{condition.operator}{'IfExists' if condition.if_exists else ''}"
