"""How long a database is waited for, and its errors as one failure. Called by `database` around every transaction.

Knows nothing of SQL: `postgres` asks it how much time the running call has left.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from vitrail.domain.errors import Unavailable

_IMPATIENT_SECONDS = 2.0
_RETRY_SECONDS = 5.0
_ASKED_WRONG = (DataError, IntegrityError, NotSupportedError, ProgrammingError)
_UNTIL: ContextVar[float | None] = ContextVar("until", default=None)  # by time.monotonic


class DatabaseAway(Unavailable):
    """The service is currently unavailable: the database cannot be used right now."""

    def __init__(self) -> None:
        super().__init__(retry_after_seconds=_RETRY_SECONDS)


class Patience:
    """Calls get `call_seconds`; once one ran out of time only two, until one is answered again."""

    def __init__(self, call_seconds: float) -> None:
        self._call_seconds = call_seconds
        self._is_answering = True
        self._is_away = False
        self._log = structlog.get_logger("vitrail.database")

    def until(self) -> float:
        """Return when a call that is asked for now has to have ended, with the wait for its turn."""
        seconds = self._call_seconds if self._is_answering else min(self._call_seconds, _IMPATIENT_SECONDS)
        return time.monotonic() + seconds

    @contextmanager
    def spent(self, until: float) -> Iterator[None]:
        """Let one call be made; raises DatabaseAway where its time is over, or the database could not be used."""
        if time.monotonic() >= until:
            raise DatabaseAway
        token = _UNTIL.set(until)
        try:
            yield
        except SQLAlchemyError as error:
            if not _is_away(error):
                raise
            self._is_answering = time.monotonic() < until
            self._note(error)
            raise DatabaseAway from error
        else:
            self._is_answering = True
            self._note(None)
        finally:
            _UNTIL.reset(token)

    def _note(self, error: SQLAlchemyError | None) -> None:
        """Log when the database goes and when it comes back, without the statement, which may hold what is private."""
        if error is not None and not self._is_away:
            cause = str(error.orig if isinstance(error, DBAPIError) else error)
            self._log.error("database cannot be used", error=type(error).__name__, cause=cause.partition("\n")[0])
        elif error is None and self._is_away:
            self._log.info("database can be used again")
        self._is_away = error is not None


def seconds_left() -> float | None:
    """Return how long the call on this thread may still take; None outside of any."""
    until = _UNTIL.get()
    return None if until is None else until - time.monotonic()


def _is_away(error: SQLAlchemyError) -> bool:
    """Tell whether an error is the database's own state, not what was asked of it."""
    return isinstance(error, DBAPIError | PoolTimeoutError) and not isinstance(error, _ASKED_WRONG)
