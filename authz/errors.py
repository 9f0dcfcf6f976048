"""What can go wrong, sorted by what the caller can do about it.

One small tree for the whole house: fix the input, authenticate, ask for rights, pick another name, wait.
Each surface renders it by one table (`serving/errors.py`); anything that is not an `AuthzError` is a bug and
is rendered as a bare internal error.

A denied access request is not an error: it is a `Decision`. Nothing here knows transports, and nothing here
may carry a secret or a driver's text in its message.

Message grammar: lower case, no final period, one line, user input in backticks and capped (`quote`).
"""

from typing import Final

QUOTE_LIMIT: Final = 80
"""Longest piece of user input repeated in a message, in characters."""


def quote(text: str) -> str:
    """Put user input into backticks for a message: one line, printable, at most `QUOTE_LIMIT` characters."""
    printable = "".join(c if c.isprintable() and c != "`" else "?" for c in text[: QUOTE_LIMIT + 1])
    return f"`{printable[:QUOTE_LIMIT]}…`" if len(printable) > QUOTE_LIMIT else f"`{printable}`"


class AuthzError(Exception):
    """The root of everything this service raises on purpose; `message` follows the message grammar."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ParseError(AuthzError):
    """Text or bytes that do not say what they should; `place` names where (`Statement[2].Condition`)."""

    def __init__(self, message: str, *, place: str = "") -> None:
        super().__init__(f"{message} at {place}" if place else message)
        self.place = place


class InvalidError(AuthzError):
    """Well-formed input that is not acceptable; `field` is the proto path of the field, when there is one."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class UnauthenticatedError(AuthzError):
    """The proof of identity is missing or wrong.

    `code` is the code AWS gives the case (`SignatureDoesNotMatch`, `InvalidAccessKeyId`, …).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ForbiddenError(AuthzError):
    """The caller of the control plane may not do this (a denied *access request* is a decision instead)."""


class NotFoundError(AuthzError):
    """The thing that was named does not exist."""


class ConflictError(AuthzError):
    """The name is taken. Its children are the other ways in which what is stored stands against a change."""


class InUseError(ConflictError):
    """Something else depends on the thing, or a limit is reached; that must change first."""


class OutdatedError(ConflictError):
    """Somebody else changed it meanwhile; read it again."""


class UnavailableError(AuthzError):
    """A part this answer needs cannot be reached, or what is held is too stale; trying again may help."""


class OverloadedError(AuthzError):
    """A bound on concurrent work is reached; the caller should back off."""
