"""The waiting line: nothing is lost, an asker's own order holds, and nobody is overtaken by a greedier asker."""

from __future__ import annotations

from collections import Counter

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vitrail.engines.fair_queue import FairQueue

ASKERS = st.sampled_from("abc")


class FairQueueMachine(RuleBasedStateMachine):
    """Pushes, pops, ends and removals in any order, beside a plain list of what waits."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: FairQueue[int] = FairQueue()
        self.waiting: list[tuple[str, int]] = []
        self.running: Counter[str] = Counter()
        self.pushed = 0

    @rule(asker=ASKERS)
    def push(self, asker: str) -> None:
        """One more waits."""
        self.pushed += 1
        self.queue.push(asker, self.pushed)
        self.waiting.append((asker, self.pushed))

    @rule()
    def pop(self) -> None:
        """The next is the oldest of an asker with the fewest running among those who wait."""
        popped = self.queue.pop()
        if not self.waiting:
            assert popped is None
            return
        assert popped is not None
        asker, _ = popped
        assert popped == next(entry for entry in self.waiting if entry[0] == asker)
        assert self.running[asker] == min(self.running[name] for name, _ in self.waiting)
        self.waiting.remove(popped)
        self.running[asker] += 1

    @precondition(lambda self: +self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """One that ran has ended."""
        asker = data.draw(st.sampled_from(sorted((+self.running).keys())))
        self.queue.end(asker)
        self.running[asker] -= 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        """One gives up waiting."""
        entry = data.draw(st.sampled_from(self.waiting))
        assert self.queue.remove(*entry)
        assert not self.queue.remove(*entry)
        self.waiting.remove(entry)

    @rule(asker=ASKERS)
    def make_room(self, asker: str) -> None:
        """Only the newest of the longest line goes, and only for somebody who then has no more than they."""
        lengths = Counter(name for name, _ in self.waiting)
        item = self.queue.make_room(asker)
        longest = max(lengths.values(), default=0)
        if longest <= lengths[asker] + 1:
            assert item is None
            return
        loser = next(name for name, number in self.waiting if number == item)
        assert lengths[loser] == longest
        assert item == max(number for name, number in self.waiting if name == loser)
        self.waiting.remove((loser, item))

    @invariant()
    def nothing_is_lost(self) -> None:
        """As many wait as were put there and not taken out."""
        assert len(self.queue) == len(self.waiting)

    def teardown(self) -> None:
        """What is left comes out by clearing, each once."""
        assert sorted(self.queue.clear()) == [number for _, number in self.waiting]


TestFairQueue = FairQueueMachine.TestCase
