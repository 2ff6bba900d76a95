"""A waiting line that is fair between those who ask: whoever has had least is next, not whoever asked most.

Called by `slots`, which runs what leaves the line. Pure bookkeeping: knows nothing of engines, time or tasks.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items of several askers. The next item is of the asker with the fewest running, then of who began longest ago.

    An asker's own items stay in the order of asking. Every item that leaves by `pop` or never waited (`begin`) counts
    as running until `end`.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, deque[T]] = {}
        self._running: Counter[str] = Counter()
        self._began_at: dict[str, int] = {}  # when an asker that is here began last, as a running number
        self._turn = count(1)

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def push(self, asker: str, item: T) -> None:
        """Add an item at the end of its asker's line."""
        self._waiting.setdefault(asker, deque()).append(item)

    def pop(self) -> tuple[str, T] | None:
        """Take out the item that is next, with its asker, and count it as running; None when nobody waits."""
        if not self._waiting:
            return None
        asker = min(self._waiting, key=lambda name: (self._running[name], self._began_at.get(name, 0)))
        item = self._waiting[asker].popleft()
        self._drop_if_empty(asker)
        self.begin(asker)
        return asker, item

    def begin(self, asker: str) -> None:
        """Count one more of an asker's items as running."""
        self._running[asker] += 1
        self._began_at[asker] = next(self._turn)

    def end(self, asker: str) -> None:
        """Count one less of an asker's items as running."""
        self._running[asker] -= 1
        if not self._running[asker]:
            del self._running[asker]
        self._forget_if_gone(asker)

    def remove(self, asker: str, item: T) -> bool:
        """Take an item out of the line; tell whether it was still there."""
        line = self._waiting.get(asker)
        if line is None or item not in line:
            return False
        line.remove(item)
        self._drop_if_empty(asker)
        return True

    def make_room(self, asker: str) -> T | None:
        """Take out, in favour of `asker`, the newest item of whoever has most waiting.

        None, and nothing is taken out, when that would leave them with fewer than `asker` then has.
        """
        if not self._waiting:
            return None
        longest = max(self._waiting, key=lambda name: len(self._waiting[name]))
        if len(self._waiting[longest]) <= len(self._waiting.get(asker, ())) + 1:
            return None
        item = self._waiting[longest].pop()
        self._drop_if_empty(longest)
        return item

    def clear(self) -> tuple[T, ...]:
        """Take out everything that waits."""
        items = tuple(item for line in self._waiting.values() for item in line)
        for asker in tuple(self._waiting):
            del self._waiting[asker]
            self._forget_if_gone(asker)
        return items

    def _drop_if_empty(self, asker: str) -> None:
        if not self._waiting[asker]:
            del self._waiting[asker]
            self._forget_if_gone(asker)

    def _forget_if_gone(self, asker: str) -> None:
        if asker not in self._waiting and asker not in self._running:
            self._began_at.pop(asker, None)
