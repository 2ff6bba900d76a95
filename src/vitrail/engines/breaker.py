"""Stop asking a server that does not answer, and try it again after a while with one request. Used by upstream."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import structlog

from vitrail.domain.errors import Failure, Unavailable
from vitrail.engines.openai_client import NO_FIELDS, Unreachable

Clock = Callable[[], float]


class Breaker:
    """Counts failures in a row; after `failures` of them everything is refused for `pause_seconds`, then one may try.

    Only silence, broken connections and answers of a strange shape count: a server that refuses is alive. `about` is
    what log lines say of the server.
    """

    def __init__(
        self,
        *,
        failures: int,
        pause_seconds: float,
        monotonic: Clock = time.monotonic,
        about: Mapping[str, str] = NO_FIELDS,
    ) -> None:
        self._limit = failures
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._failed = 0
        self._opened_at = 0.0
        self._has_trial = False
        self._log = structlog.get_logger(component="breaker", **about)

    @property
    def is_open(self) -> bool:
        """Tell whether every request is refused now."""
        return self._seconds_left() > 0

    @contextmanager
    def passage(self) -> Iterator[bool]:
        """Let one request through and learn from how it ends; raises Unavailable where it may not pass.

        Gives whether it is the one that tries again, which is to be sent once.
        """
        is_trial = self._enter()
        try:
            yield is_trial
        except Unreachable:
            self._count_failure(is_trial=is_trial)
            raise
        except Failure:
            self.note_life()
            raise
        else:
            self.note_life()
        finally:
            if is_trial:
                self._has_trial = False

    def note_life(self) -> None:
        """Forget the failures: the server has just said something to a request."""
        if self._failed >= self._limit:
            self._log.info("the other server answers again")
        self._failed = 0

    def note_probe(self) -> None:
        """Forget the failures after a healthy probe; a pause goes on, since only an answer shows that it answers."""
        if self._failed < self._limit:
            self._failed = 0

    def _enter(self) -> bool:
        """Whether this request is the one that tries again; raises Unavailable for all others meanwhile."""
        if self._failed < self._limit:
            return False
        if self.is_open or self._has_trial:
            raise Unavailable(retry_after_seconds=max(1.0, round(self._seconds_left())))
        self._has_trial = True
        return True

    def _count_failure(self, *, is_trial: bool) -> None:
        """Begin the pause at the last failure allowed, and again after a trial; what was sent before adds nothing."""
        self._failed += 1
        if is_trial or self._failed == self._limit:
            self._opened_at = self._monotonic()
            self._log.error("the other server does not answer", failures=self._failed, pause_s=self._pause_seconds)

    def _seconds_left(self) -> float:
        if self._failed < self._limit:
            return 0.0
        return max(0.0, self._opened_at + self._pause_seconds - self._monotonic())
