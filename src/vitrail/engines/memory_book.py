"""Who is in memory, who uses it, who waits for it, and what to do next: the bookkeeping of a memory budget.

Called by `memory_budget`, which carries the steps out. Knows nothing of engines, tasks or time.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass


class Residency(enum.Enum):
    """Where a model is; in all states but ABSENT its memory counts."""

    ABSENT = "absent"
    LOADING = "loading"
    LOADED = "loaded"
    UNLOADING = "unloading"


@dataclass(frozen=True, slots=True)
class Load:
    """The model's engine is to be started now: there is room."""

    name: str


@dataclass(frozen=True, slots=True)
class Unload:
    """The model's engine is to be stopped now: nobody uses it, and another one needs the room."""

    name: str


Step = Load | Unload


@dataclass(slots=True)
class _Entry:
    needed_bytes: int
    residency: Residency = Residency.ABSENT
    users: int = 0
    last_use: int = 0


class MemoryBook:
    """Models that share `budget_bytes`; whoever waits is served in order, the least recently used ones make room.

    A model in use is never unloaded. While one waits for room, those that will have to make it take no newcomers, so
    that a stream of requests for one model cannot keep another one out for ever.
    """

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._entries: dict[str, _Entry] = {}
        self._wanted: list[str] = []
        self._uses = 0

    def add(self, name: str, needed_bytes: int) -> None:
        """Add a model, not loaded; raises ValueError for one that could never be."""
        if needed_bytes > self.budget_bytes:
            raise ValueError(f"{name} needs {needed_bytes} bytes, the budget is {self.budget_bytes}")
        self._entries[name] = _Entry(needed_bytes)

    def residency(self, name: str) -> Residency:
        """Return where the model is."""
        return self._entries[name].residency

    def users(self, name: str) -> int:
        """Return how many use the model now."""
        return self._entries[name].users

    @property
    def reserved_bytes(self) -> int:
        """Return the memory of all models that are loaded, being loaded or not yet gone."""
        return self._sum(Residency.LOADING, Residency.LOADED, Residency.UNLOADING)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Return the models that somebody waits for, who has waited longest first."""
        return tuple(self._wanted)

    def has_room(self, name: str) -> bool:
        """Tell whether the model could be loaded now and nothing had to go for it."""
        is_absent = self._entries[name].residency is Residency.ABSENT
        return is_absent and self._entries[name].needed_bytes <= self.budget_bytes - self.reserved_bytes

    def want(self, name: str) -> None:
        """Note that somebody waits for the model; its place in the line is that of the first."""
        if name not in self._wanted:
            self._wanted.append(name)

    def unwant(self, name: str) -> None:
        """Note that nobody waits for the model any more."""
        if name in self._wanted:
            self._wanted.remove(name)

    def take(self, name: str) -> bool:
        """Count one more user of the model, if it is loaded and need not make room for who waited before."""
        entry = self._entries[name]
        if entry.residency is not Residency.LOADED or name in self.leaving():
            return False
        entry.users += 1
        self._touch(entry)
        return True

    def release(self, name: str) -> None:
        """Count one user less."""
        entry = self._entries[name]
        assert entry.users > 0, name
        entry.users -= 1
        self._touch(entry)

    def next_step(self) -> Step | None:
        """Return what is to be done now and count it as begun; None while only waiting helps."""
        name = self._first_without_memory()
        if name is None:
            return None
        missing = self._missing(name)
        if missing <= 0 and self.has_room(name):
            self._entries[name].residency = Residency.LOADING
            return Load(name)
        idle = [(other, entry) for other, entry in self._removable(name) if not entry.users]
        victims = _choose(idle, missing)
        if not victims:
            return None
        self._entries[victims[0]].residency = Residency.UNLOADING
        return Unload(victims[0])

    def leaving(self) -> frozenset[str]:
        """Return the loaded models that take no newcomers: they have to make room for one that waits."""
        name = self._first_without_memory()
        if name is None:
            return frozenset()
        candidates = sorted(self._removable(name), key=lambda item: item[1].users > 0)  # idle ones first
        return frozenset(_choose(candidates, self._missing(name)))

    def begin_load(self, name: str) -> None:
        """Count a load as begun that nobody waits for; only where there is room."""
        assert self.has_room(name), name
        self._entries[name].residency = Residency.LOADING

    def end_load(self, name: str, *, is_loaded: bool) -> None:
        """Note that the load has ended; one that failed frees the room."""
        entry = self._entries[name]
        assert entry.residency is Residency.LOADING, name
        entry.residency = Residency.LOADED if is_loaded else Residency.ABSENT
        self._touch(entry)

    def begin_drop(self, name: str) -> None:
        """Note that the model is being stopped for good, whoever uses it, and that nobody waits for it."""
        self._entries[name].residency = Residency.UNLOADING
        self.unwant(name)

    def end_unload(self, name: str) -> None:
        """Note that the model's memory is free."""
        entry = self._entries[name]
        assert entry.residency is Residency.UNLOADING, name
        entry.residency = Residency.ABSENT

    def _touch(self, entry: _Entry) -> None:
        self._uses += 1
        entry.last_use = self._uses

    def _sum(self, *residencies: Residency) -> int:
        return sum(entry.needed_bytes for entry in self._entries.values() if entry.residency in residencies)

    def _first_without_memory(self) -> str | None:
        """The one that is served next. Others wait behind it, however small: they could take the room it waits for."""
        gone = (Residency.ABSENT, Residency.UNLOADING)
        return next((name for name in self._wanted if self._entries[name].residency in gone), None)

    def _missing(self, name: str) -> int:
        """The bytes that still have to be freed for a model, those of models on their way out not counted."""
        return self._entries[name].needed_bytes - (self.budget_bytes - self._sum(Residency.LOADING, Residency.LOADED))

    def _removable(self, name: str) -> Iterator[tuple[str, _Entry]]:
        """The loaded models that may go for this one, least recently used first; not those with older waiters."""
        older = self._wanted[: self._wanted.index(name)]
        loaded = [(n, e) for n, e in self._entries.items() if e.residency is Residency.LOADED and n not in older]
        yield from sorted(loaded, key=lambda item: item[1].last_use)


def _choose(candidates: Iterable[tuple[str, _Entry]], missing_bytes: int) -> list[str]:
    """The first candidates that together free enough, without those that turn out not to be needed; [] if none do."""
    chosen: dict[str, int] = {}
    for name, entry in candidates:
        if sum(chosen.values()) >= missing_bytes:
            break
        chosen[name] = entry.needed_bytes
    if sum(chosen.values()) < missing_bytes:
        return []
    return list(_without_needless(chosen, missing_bytes))


def _without_needless(chosen: Mapping[str, int], missing_bytes: int) -> dict[str, int]:
    kept = dict(chosen)
    for name, size in chosen.items():
        if sum(kept.values()) - size >= missing_bytes:
            del kept[name]
    return kept
