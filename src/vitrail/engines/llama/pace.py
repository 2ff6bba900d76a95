"""Tell how the streams of one llama.cpp child get on, and how long a silence may be. Used by link. Does no I/O.

llama.cpp encodes a picture in its one loop, between two tokens of everybody: while one is due, every stream may have to
wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from vitrail.engines.openai_client import Pace


class ChildPace(Pace):
    """Gives all streams `view_seconds` more for each view that is yet to be encoded."""

    def __init__(
        self, *, longest_seconds: float, view_seconds: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._longest_seconds = longest_seconds
        self._view_seconds = view_seconds
        self._monotonic = monotonic
        self._streams = 0
        self._views = 0
        self._last_event = monotonic()

    @contextmanager
    def stream(self, views: int) -> Iterator[Callable[[], None]]:
        """Count a stream whose pictures make so many views; yields what is to be called when they are encoded."""
        if not self._streams:
            self.note_event()  # the silence begins now: nobody waited before
        self._streams += 1
        self._views += views
        due = views

        def note_encoded() -> None:
            nonlocal due
            self._views -= due
            due = 0

        try:
            yield note_encoded
        finally:
            note_encoded()
            self._streams -= 1

    def more_seconds(self) -> float:
        """Return what the views that are due add to the limit of a silence."""
        return self._views * self._view_seconds

    def note_event(self) -> None:
        """Note that a stream got on."""
        self._last_event = self._monotonic()

    @property
    def is_stuck(self) -> bool:
        """Tell, once a stream stalled, whether nothing came of any other one either for the longest time allowed."""
        return self._monotonic() - self._last_event >= self._longest_seconds + self.more_seconds()
