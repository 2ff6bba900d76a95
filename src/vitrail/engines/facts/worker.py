"""Look at pictures in processes that can be killed: a deadline and a memory cap for each, restarted when they die.

Called by the engine. The models are loaded in those processes only, once each; the sheets are kept for pictures that
come again, since a conversation sends its pictures with every turn.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
from collections import OrderedDict
from concurrent.futures import TimeoutError as DeadlineError
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from vitrail.domain.errors import Unavailable
from vitrail.domain.pictures import Picture, PreparedImage
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.facts.sheet import FactSheet

if TYPE_CHECKING:
    from vitrail.engines.facts.perceive import Senses

_WARM_UP = Picture(width_px=64, height_px=64, rgb=bytes(64 * 64 * 3))
_senses: Senses | None = None  # of a worker process; never set in the server


class Perception:
    """A pool of worker processes and the sheets of the pictures they looked at last."""

    def __init__(self, options: FactsOptions) -> None:
        self._options = options
        self._pool: Any = None
        self._sheets: OrderedDict[str, FactSheet] = OrderedDict()
        self._looking: dict[str, asyncio.Task[FactSheet]] = {}

    @property
    def is_ready(self) -> bool:
        """Tell whether pictures can be looked at; processes that were killed are started again for the next one."""
        return self._pool is not None

    async def start(self) -> None:
        """Start the processes and wait until their models are loaded, or raise Unavailable."""
        options = self._options
        self._pool = self._open_pool()
        warm = [self._run(_WARM_UP, options.start_seconds) for _ in range(options.workers)]
        await asyncio.gather(*warm)

    def _open_pool(self) -> Any:
        return ProcessPool(
            max_workers=self._options.workers,
            context=multiprocessing.get_context("spawn"),
            initializer=_load_senses,
            initargs=(self._options.threads, self._options.memory_bytes),
        )

    async def close(self) -> None:
        """Kill the processes; what they were looking at is dropped."""
        pool, self._pool = self._pool, None
        for task in self._looking.values():
            task.cancel()
        if pool is not None:
            pool.stop()
            await asyncio.to_thread(pool.join)

    async def look(self, image: PreparedImage) -> FactSheet:
        """Return the facts of a picture; requests for the same picture share one look at it."""
        key = image.content_hash
        if key in self._sheets:
            self._sheets.move_to_end(key)
            return self._sheets[key]
        if key not in self._looking:
            task = asyncio.create_task(self._look_once(key, image.picture))
            self._looking[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return await asyncio.shield(self._looking[key])

    async def _look_once(self, key: str, picture: Picture) -> FactSheet:
        sheet = await self._run(picture, self._options.picture_seconds)
        self._sheets[key] = sheet
        while len(self._sheets) > self._options.cached_sheets:
            self._sheets.popitem(last=False)
        return sheet

    def _forget(self, key: str, done: asyncio.Task[FactSheet]) -> None:
        """Drop a finished look; its failure was told to whoever still waits for it."""
        self._looking.pop(key, None)
        if not done.cancelled():
            done.exception()

    async def _run(self, picture: Picture, seconds: float) -> FactSheet:
        if self._pool is None:
            raise Unavailable("The embedded engine is not running.")
        if not self._pool.active:  # its processes were killed from outside while idle
            self._pool.stop()
            self._pool = self._open_pool()
        arguments = (picture.width_px, picture.height_px, picture.rgb)
        future = self._pool.schedule(_look, args=arguments, timeout=seconds)
        try:
            sheet: FactSheet = await asyncio.wait_for(asyncio.wrap_future(future), seconds)
        except (TimeoutError, DeadlineError) as error:
            raise Unavailable(f"Looking at the picture took longer than {seconds:g} s.") from error
        except (ProcessExpired, BrokenProcessPool, MemoryError) as error:
            raise Unavailable("The process looking at the picture ended early.") from error
        return sheet


def _load_senses(threads: int, memory_bytes: int) -> None:
    """Make this process ready: cap its memory, keep its threads from spinning, load the models."""
    global _senses
    os.environ["OMP_WAIT_POLICY"] = "passive"
    if memory_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    from vitrail.engines.facts.perceive import open_senses  # the server itself never loads the native libraries

    _senses = open_senses(threads=threads)


def _look(width_px: int, height_px: int, rgb: bytes) -> FactSheet:
    import numpy as np

    from vitrail.engines.facts.perceive import perceive

    assert _senses is not None
    return perceive(np.frombuffer(rgb, np.uint8).reshape(height_px, width_px, 3), _senses)
