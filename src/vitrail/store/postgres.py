"""Postgres connections whose waits end with the time of the call, also where the server holds the line and is silent.

`database` hands `connect` to SQLAlchemy. Imported only for a Postgres, since psycopg need not be installed.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

from vitrail.store.patience import seconds_left

T = TypeVar("T")


class OutOfTime(psycopg.OperationalError):
    """The time of the call is over."""

    def __init__(self) -> None:
        super().__init__("The database did not answer in time.")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer did not come in time: it would come to a question nobody asks."""

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        """Go through a conversation with the server; raises OutOfTime."""
        try:
            return super().wait(_bounded(gen), *args, **options)
        except OutOfTime:
            self.close()
            raise


def connect(options: dict[str, Any], *, seconds: float) -> BoundedConnection:
    """Return a new connection, made in `seconds`, or less where the call has less left."""
    left = seconds_left()
    if left is not None and left <= 0:
        raise OutOfTime
    most = seconds if left is None else min(seconds, left)
    return BoundedConnection.connect(**{"connect_timeout": math.ceil(most), **options})


def _bounded(gen: PQGen[T]) -> Generator[Any, Any, T]:
    """Go on with a generator of psycopg, which hears of the passing of time about every 0.1 s."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            left = seconds_left()
            if left is not None and left <= 0:
                raise OutOfTime
            wanted = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result
