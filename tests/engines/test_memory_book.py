"""The bookkeeping of a memory budget: never over it, nobody in use is unloaded, and everybody who waits gets in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from vitrail.engines.memory_book import Load, MemoryBook, Residency, Unload

NEEDED = {"a": 3, "b": 4, "c": 6, "d": 10}
BUDGET = 10
NAMES = st.sampled_from(sorted(NEEDED))


def make_book() -> MemoryBook:
    """A book of four models, of which the largest fills the budget."""
    book = MemoryBook(BUDGET)
    for name, needed_bytes in NEEDED.items():
        book.add(name, needed_bytes)
    return book


class MemoryBookMachine(RuleBasedStateMachine):
    """Askers, leavers, loads that end well or badly and unloads, in any order, beside plain counters."""

    def __init__(self) -> None:
        super().__init__()
        self.book = make_book()
        self.users: Counter[str] = Counter()
        self.waiting: list[str] = []
        self.moving: list[Load | Unload] = []
        self.used: list[str] = []  # least recently used first

    def advance(self) -> None:
        """Do what the budget does after every change: let in who may, begin what can begin."""
        for name in self.book.wanted:
            while name in self.waiting and self.book.take(name):
                self.waiting.remove(name)
                self.users[name] += 1
                self.touch(name)
            if name not in self.waiting:
                self.book.unwant(name)
        while (step := self.book.next_step()) is not None:
            if isinstance(step, Unload):
                self.check_victim(step.name)
            self.moving.append(step)

    def check_victim(self, name: str) -> None:
        """Nobody uses it, and nobody idle that was used less recently could have done in its place."""
        assert self.users[name] == 0
        others = [n for n in NEEDED if self.book.residency(n) is Residency.LOADED and not self.users[n]]
        older = [n for n in others if n in self.used and self.used.index(n) < self.used.index(name)]
        assert all(NEEDED[n] < NEEDED[name] or n in self.waiting for n in older)

    def touch(self, name: str) -> None:
        """Note the use."""
        self.used = [n for n in self.used if n != name] + [name]

    @rule(name=NAMES)
    def ask(self, name: str) -> None:
        """Somebody asks, and waits unless the model can be taken at once."""
        if name not in self.waiting and self.book.take(name):
            self.users[name] += 1
            self.touch(name)
        else:
            self.waiting.append(name)
            self.book.want(name)
        self.advance()

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        """Somebody who waits leaves."""
        name = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(name)
        if name not in self.waiting:
            self.book.unwant(name)
        self.advance()

    @precondition(lambda self: self.users.total())
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """An answer ends."""
        name = data.draw(st.sampled_from(sorted(self.users.elements())))
        self.users[name] -= 1
        self.touch(name)
        self.book.release(name)
        self.advance()

    @precondition(lambda self: self.moving)
    @rule(data=st.data(), fails=st.booleans())
    def end_move(self, data: st.DataObject, fails: bool) -> None:
        """A load or unload ends; who waits for a load that failed is refused."""
        step = data.draw(st.sampled_from(self.moving))
        self.moving.remove(step)
        if isinstance(step, Unload):
            self.book.end_unload(step.name)
        else:
            self.touch(step.name)
            self.book.end_load(step.name, is_loaded=not fails)
            if fails:
                self.waiting = [name for name in self.waiting if name != step.name]
                self.book.unwant(step.name)
        self.advance()

    @invariant()
    def holds(self) -> None:
        """The budget is kept, whoever uses a model has it loaded, and the counts are right."""
        assert self.book.reserved_bytes <= BUDGET
        assert set(self.book.wanted) == set(self.waiting)
        for name in NEEDED:
            assert self.book.users(name) == self.users[name]
            assert not self.users[name] or self.book.residency(name) is Residency.LOADED

    @invariant()
    def somebody_is_getting_on(self) -> None:
        """Where somebody waits, a model is on its way, or one in use takes no newcomers until it has gone."""
        if self.waiting and not self.moving:
            leaving = self.book.leaving()
            assert leaving and any(self.users[name] for name in leaving)

    def teardown(self) -> None:
        """Once nobody new comes, everybody who waits gets in."""
        for _ in range(1000):
            if self.moving:
                step = self.moving.pop(0)
                if isinstance(step, Unload):
                    self.book.end_unload(step.name)
                else:
                    self.touch(step.name)
                    self.book.end_load(step.name, is_loaded=True)
            elif self.users.total():
                name = next(self.users.elements())
                self.users[name] -= 1
                self.touch(name)
                self.book.release(name)
            self.advance()
            if not (self.waiting or self.moving or self.users.total()):
                return
        raise AssertionError(f"{self.waiting} wait for ever")


TestMemoryBook = MemoryBookMachine.TestCase


def load(book: MemoryBook, name: str) -> None:
    """Load a model for which there is room."""
    book.begin_load(name)
    book.end_load(name, is_loaded=True)


def test_the_least_recently_used_one_makes_room() -> None:
    """The last use counts, not the order of the loads."""
    book = make_book()
    load(book, "a")
    load(book, "b")
    assert book.take("a")
    book.release("a")
    book.want("c")
    assert (book.next_step(), book.next_step()) == (Unload("b"), None)
    book.end_unload("b")
    assert book.next_step() == Load("c")


def test_one_that_would_not_free_enough_stays() -> None:
    """The older small one is kept where the larger one has to go anyway and suffices."""
    book = make_book()
    load(book, "a")
    load(book, "c")
    book.add("e", 5)
    book.want("e")
    assert (book.next_step(), book.next_step()) == (Unload("c"), None)


def test_a_model_that_has_to_make_room_takes_no_newcomers() -> None:
    """Else a stream of requests for it could keep the other one out for ever; it does again when that one gives up."""
    book = make_book()
    load(book, "d")
    assert book.take("d")
    book.want("a")
    assert book.next_step() is None and not book.take("d")
    book.unwant("a")
    assert book.take("d")


def test_a_load_that_failed_frees_the_room() -> None:
    """Another model takes it."""
    book = make_book()
    book.begin_load("d")
    book.want("a")
    assert book.next_step() is None
    book.end_load("d", is_loaded=False)
    assert book.next_step() == Load("a")


def test_a_model_over_the_whole_budget_is_refused() -> None:
    """It could never be loaded."""
    with pytest.raises(ValueError, match="e needs 11 bytes, the budget is 10"):
        make_book().add("e", 11)
