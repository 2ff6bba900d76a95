"""Count the image bytes that the process holds for requests in flight, and refuse more than it has room for.

Called by prepare. A hold is given back at the latest when the last reference to it goes, so that a request
that ends anywhere frees its own.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field

from vitrail.domain.errors import Unavailable
from vitrail.domain.pictures import MeasuredImage


class Holdings:
    """A budget of bytes over all requests of this process."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def hold(self, size_bytes: int) -> Hold:
        """Return a hold on so many bytes, or raise Unavailable when the process has no room for them."""
        if self.held_bytes + size_bytes > self._limit_bytes:
            raise Unavailable("The server has no room for more images right now.", retry_after_seconds=2)
        self.held_bytes += size_bytes
        return Hold(self._give_back, size_bytes)

    def _give_back(self, size_bytes: int) -> None:
        self.held_bytes -= size_bytes


class Hold:
    """Bytes counted until `release`, or for as long as this object is referred to."""

    def __init__(self, give_back: Callable[[int], None], size_bytes: int) -> None:
        self._finalizer = weakref.finalize(self, give_back, size_bytes)
        self._finalizer.atexit = False

    def release(self) -> None:
        """Give the bytes back now; safe to call twice."""
        self._finalizer()


@dataclass(frozen=True, slots=True)
class HeldImage(MeasuredImage):
    """A measured image that keeps the holds on its bytes and on its picture to be."""

    holds: tuple[Hold, ...] = field(default=(), repr=False, compare=False)
