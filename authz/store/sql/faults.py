"""What drivers raise, told apart by what it means to a caller; their text goes no further than here.

Driver messages name tables, values and hosts, so none of it is repeated: each kind has one sentence, and the
original stays chained (`from`) for whoever debugs. Sources: PostgreSQL manual, appendix A (error codes);
SQLite, "Result and Error Codes".
"""

from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from authz.errors import AuthzError, ConflictError, UnavailableError

ASYNCPG_ERRORS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that is killed in the middle of a command
    OSError,  # refused, unreachable, and `TimeoutError` of a command that took too long
)
"""Everything a connection of asyncpg can raise that is not a bug of ours."""

DRIVER_ERRORS: Final = (SQLAlchemyError, *ASYNCPG_ERRORS)
"""Everything a database call can raise that is not a bug of ours."""

_LOST_CLASSES: Final = ("08", "57P")
"""SQLSTATE prefixes of a connection that is gone or going: connection exceptions, operator intervention."""
_RETRIED: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and a deadlock: the transaction was undone, and may be tried again."""
_NO_TABLE: Final = "42P01"


def sqlstate_of(error: BaseException) -> str:
    """Return PostgreSQL's code of the error, empty when it has none."""
    original = error.orig if isinstance(error, DBAPIError) else error
    return str(getattr(original, "sqlstate", None) or "")


def is_lost(error: BaseException) -> bool:
    """Tell whether the connection died under the call (so that a fresh one may do better)."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, asyncpg.InternalClientError):
        return True
    return isinstance(error, ConnectionError) or sqlstate_of(error).startswith(_LOST_CLASSES)


def is_retryable(error: BaseException) -> bool:
    """Tell whether the database undid the transaction for the sake of another one."""
    return sqlstate_of(error) in _RETRIED


def translate(error: BaseException) -> AuthzError:
    """Return what the caller is told instead of `error`, which must be one of `DRIVER_ERRORS`."""
    if isinstance(error, IntegrityError):
        return ConflictError("the change conflicts with what is stored")
    if isinstance(error, PoolTimeoutError):
        return UnavailableError("all database connections are in use")
    if sqlstate_of(error) == _NO_TABLE or "no such table" in str(getattr(error, "orig", "")):
        return UnavailableError("the database has no schema yet; run `authz migrate`")
    if isinstance(error, TimeoutError):
        return UnavailableError("the database did not answer in time")
    return UnavailableError("the database cannot be reached or refused the call")
