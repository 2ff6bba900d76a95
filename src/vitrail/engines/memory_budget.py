"""Start and stop engines so that together they stay within a memory budget: `memory_book` decides, this carries out.

Made by `app.py`, used by `on_demand`. Loads and unloads are tasks of their own: whoever asked may leave, others still
wait. Knows nothing of prompts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog
from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import Unavailable
from vitrail.engines.memory_book import Load, MemoryBook, Residency, Step, Unload


class MemoryOptions(BaseModel):
    """How much memory the models of the llama engine may take together."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    budget_bytes: int | None = Field(
        None,
        ge=1,
        description="Most memory of all `llama` models together; the least recently used make room for one that is "
        "asked for. By default there is no limit and all are loaded at start.",
    )
    hold_seconds: float = Field(
        5.0, gt=0, description="How long a model stays for an answer to begin, once its prompt was counted."
    )


@dataclass(slots=True)
class _Waiter:
    granted: asyncio.Future[None]
    limit: asyncio.Timeout


@dataclass(slots=True)
class _Model:
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    waiters: deque[_Waiter] = field(default_factory=deque)
    move: asyncio.Task[None] | None = None
    is_closed: bool = False
    loads: int = 0
    unloads: int = 0


class MemoryBudget:
    """Engines that share `budget_bytes`; whoever waits longer than `wait_seconds` for room is refused.

    `queue` is how many may wait for one model. Once a model is being loaded, its start's own limit holds.
    """

    def __init__(self, budget_bytes: int, *, wait_seconds: float, queue: int) -> None:
        self._book = MemoryBook(budget_bytes)
        self._wait_seconds = wait_seconds
        self._queue = queue
        self._models: dict[str, _Model] = {}
        self._log = structlog.get_logger(part="memory budget")

    @property
    def budget_bytes(self) -> int:
        """Return the whole budget."""
        return self._book.budget_bytes

    @property
    def reserved_bytes(self) -> int:
        """Return how much of it is taken."""
        return self._book.reserved_bytes

    def add(
        self, name: str, needed_bytes: int, *, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]
    ) -> None:
        """Add a model that `start` loads and `stop` unloads; raises ValueError for one over the whole budget."""
        self._book.add(name, needed_bytes)
        self._models[name] = _Model(start, stop)

    def residency(self, name: str) -> Residency:
        """Return where the model is."""
        return self._book.residency(name)

    def loads(self, name: str) -> int:
        """Return how often the model was loaded."""
        return self._models[name].loads

    def unloads(self, name: str) -> int:
        """Return how often it was unloaded to make room."""
        return self._models[name].unloads

    async def load_if_room(self, name: str) -> None:
        """Load the model unless something had to go for it; raises Unavailable where that fails."""
        if self._book.has_room(name):
            self._book.begin_load(name)
            await self._load(name)

    async def take(self, name: str) -> None:
        """Return with the model loaded and held, until `release`; whoever is cancelled or refused holds nothing.

        Raises Unavailable, with a time to retry after, when room takes too long or the engine does not start.
        """
        model = self._models[name]
        if model.is_closed:
            raise self._refusal()
        if not model.waiters and self._book.take(name):
            return
        if len(model.waiters) >= self._queue:
            raise self._refusal()
        granted = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._limit_seconds(name)) as limit:
                model.waiters.append(_Waiter(granted, limit))
                self._book.want(name)
                self._advance()
                await granted
        except BaseException as failure:
            self._leave(name, granted)
            if isinstance(failure, TimeoutError):
                raise self._refusal() from failure
            raise

    def release(self, name: str) -> None:
        """Let the model go, after one `take`."""
        self._book.release(name)
        self._advance()

    async def close(self, name: str) -> None:
        """Refuse whoever waits for the model, and unload it for good; safe to call twice."""
        model = self._models[name]
        model.is_closed = True
        self._refuse_all(name)
        if model.move is not None:
            if self._book.residency(name) is Residency.LOADING:
                model.move.cancel()
            with suppress(asyncio.CancelledError):
                await model.move
        self._book.begin_drop(name)
        try:
            await model.stop()
        finally:
            self._book.end_unload(name)
            self._advance()

    def _limit_seconds(self, name: str) -> float | None:
        """The longest wait of a newcomer; none if what others wait for is on its way: starting has its own limit."""
        is_coming = self._book.residency(name) is Residency.LOADING and name in self._book.wanted
        return None if is_coming else self._wait_seconds

    def _advance(self) -> None:
        """Let in whoever can be let in, and begin every step that can begin."""
        for name in self._book.wanted:
            self._let_in(name)
        while (step := self._book.next_step()) is not None:
            self._begin(step)

    def _let_in(self, name: str) -> None:
        waiters = self._models[name].waiters
        while waiters and self._book.take(name):
            waiter = waiters.popleft()
            if waiter.granted.done():
                self._book.release(name)  # cancelled in this very moment
            else:
                waiter.granted.set_result(None)
        if not waiters:
            self._book.unwant(name)

    def _begin(self, step: Step) -> None:
        model = self._models[step.name]
        match step:
            case Load(name):
                for waiter in model.waiters:
                    if not waiter.limit.expired():
                        waiter.limit.reschedule(None)
                model.move = asyncio.create_task(self._load_and_tell(name))
            case Unload(name):
                model.move = asyncio.create_task(self._unload(name))

    async def _load_and_tell(self, name: str) -> None:
        try:
            await self._load(name)
        except Exception as failure:  # noqa: BLE001 - the task's outermost frame; who waited was told
            self._log.error("the model could not be loaded", model=name, error=str(failure))

    async def _load(self, name: str) -> None:
        model = self._models[name]
        try:
            await model.start()
        except BaseException:
            self._book.end_load(name, is_loaded=False)
            self._refuse_all(name)
            self._advance()
            raise
        model.loads += 1
        self._log.info("loaded", model=name, reserved_bytes=self.reserved_bytes)
        self._book.end_load(name, is_loaded=True)
        self._advance()

    async def _unload(self, name: str) -> None:
        model = self._models[name]
        try:
            await model.stop()
        finally:
            model.unloads += 1
            self._log.info("unloaded", model=name)
            self._book.end_unload(name)
            self._advance()

    def _leave(self, name: str, granted: asyncio.Future[None]) -> None:
        """Take a waiter that gives up out of the line, or give back what came in the same moment."""
        model = self._models[name]
        is_waiting = any(waiter.granted is granted for waiter in model.waiters)
        model.waiters = deque(waiter for waiter in model.waiters if waiter.granted is not granted)
        if not model.waiters:
            self._book.unwant(name)
        if not is_waiting and granted.done() and not granted.cancelled() and granted.exception() is None:
            self._book.release(name)
        self._advance()

    def _refuse_all(self, name: str) -> None:
        model = self._models[name]
        waiters, model.waiters = model.waiters, deque()
        self._book.unwant(name)
        for waiter in waiters:
            if not waiter.granted.done():
                waiter.granted.set_exception(self._refusal())

    def _refusal(self) -> Unavailable:
        return Unavailable(retry_after_seconds=max(1.0, round(self._wait_seconds / 2)))
