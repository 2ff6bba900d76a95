"""Run decoding in processes that can be killed: a hostile image costs one worker, never the server.

Called by prepare. Knows nothing of requests, tiles or where images came from.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessPool
from pydantic import BaseModel, ConfigDict, Field

from vitrail.control_groups import count_cores
from vitrail.domain.errors import InvalidArgument, Unavailable
from vitrail.ingest.decode_task import Decoded, DecodeTask
from vitrail.ingest.decode_worker import decode_in_worker, start_worker
from vitrail.ingest.worker_process import WorkerContext

_MOST_QUARANTINED = 1_024
_TRIES = 2
_WATCH_SECONDS = 0.5  # how often a waiting task looks whether its pool still lives
_STARTING_SECONDS = 30.0  # a fresh worker imports the libraries before it takes its first image
_CLOSING = "The server is shutting down."


class DecodeOptions(BaseModel):
    """How images are decoded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(
        0, ge=0, description="Decode processes; 0 means one less than the cores that the process may use, at least one."
    )
    memory_bytes: int = Field(2 * 1024**3, ge=64 * 1024**2, description="Memory that one decode may take.")
    timeout_seconds: float = Field(10.0, gt=0, description="Time that one decode may take.")
    queue_seconds: float = Field(30.0, gt=0, description="Time that an image may wait for a free decode process.")
    quarantine_seconds: float = Field(
        600.0, ge=0, description="Time for which an image that killed its decode process is not tried again."
    )
    scaled_jpeg: bool = Field(False, description="Decode large JPEGs at a half or a quarter: faster, less exact.")


class DecodeWorkers:
    """A pool of decode processes; the processes start with the first image or with `start`."""

    def __init__(
        self,
        options: DecodeOptions,
        *,
        decode: Callable[[DecodeTask], Decoded] = decode_in_worker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._decode = decode
        self._clock = clock
        self._count = options.workers or max(1, count_cores() - 1)
        self._pool: ProcessPool | None = None
        self._room = asyncio.Semaphore(self._count + 1)  # one more than can run, so that no worker idles
        self._quarantine: OrderedDict[str, float] = OrderedDict()  # digest -> when it may be tried again
        self._decoding: set[asyncio.Future[Decoded]] = set()
        self._retiring: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def scaled_jpeg(self) -> bool:
        """Tell whether tasks should ask for the faster, scaled decoding of JPEGs."""
        return self._options.scaled_jpeg

    def start(self) -> None:
        """Start the processes now, without waiting for them."""
        self._running_pool().schedule(os.getpid)

    async def decode(self, task: DecodeTask, *, digest: str) -> Decoded:
        """Return the decoded picture; `digest` names the image's bytes.

        Raises InvalidArgument for an image that does not decode, or that killed or outlived its worker; Unavailable
        when no worker became free in time.
        """
        self._check_quarantine(digest)
        blame = False
        for _ in range(_TRIES):
            try:
                return await self._run(task)
            except BrokenProcessPool:  # the processes could not start, or were killed while idle
                continue
            except ProcessExpired:
                blame = True
            except (TimeoutError, MemoryError):
                blame = True
                break
        if not blame:
            raise Unavailable("The decode processes cannot be started.", retry_after_seconds=5)
        self._put_in_quarantine(digest)
        raise InvalidArgument("The image could not be decoded within the limits of time and memory.")

    async def close(self) -> None:
        """End every process, also busy ones; safe to call twice."""
        self._closed = True
        self._retire_pool()
        for decoding in self._decoding:
            decoding.cancel()
        await asyncio.gather(*self._retiring)

    async def _run(self, task: DecodeTask) -> Decoded:
        await self._take_place()
        try:
            pool = self._running_pool()
            future = pool.schedule(self._decode, args=(task,), timeout=self._options.timeout_seconds)
        except BaseException:
            self._room.release()
            raise
        decoding = asyncio.wrap_future(future)
        self._decoding.add(decoding)
        decoding.add_done_callback(self._give_place_back)
        return await self._wait_for(decoding, pool)

    async def _wait_for(self, decoding: asyncio.Future[Decoded], pool: ProcessPool) -> Decoded:
        """Return the result; raises BrokenProcessPool when the pool broke without a word about this task.

        The pool's own deadline goes by the wall clock and counts from when a worker took the task; the one here holds
        when that clock was set back, or when no worker comes up. A client that leaves ends only its waiting: to end
        the decoding would cost the worker, and it is done within its deadline anyway.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + self._options.timeout_seconds + _STARTING_SECONDS
        was_active = True
        while not decoding.done():
            await asyncio.wait((decoding,), timeout=_WATCH_SECONDS)
            if decoding.done():
                break
            if loop.time() >= ends_at:
                decoding.cancel()
                raise TimeoutError
            if not was_active:
                decoding.cancel()
                raise BrokenProcessPool
            was_active = pool.active
        if decoding.cancelled():
            if self._closed:
                raise Unavailable(_CLOSING)
            raise BrokenProcessPool
        return decoding.result()

    def _running_pool(self) -> ProcessPool:
        """Return the pool, a new one where the last broke because its processes were killed from outside."""
        if self._closed:
            raise Unavailable(_CLOSING)
        if self._pool is not None and not self._pool.active:
            self._retire_pool()
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=self._count,
                initializer=start_worker,
                initargs=(self._options.memory_bytes, os.getpid()),
                context=WorkerContext(),
            )
        return self._pool

    def _retire_pool(self) -> None:
        """End the pool's processes in a thread, since that waits for them."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]
            ending = asyncio.create_task(asyncio.to_thread(pool.join))
            self._retiring.add(ending)
            ending.add_done_callback(self._retiring.discard)

    async def _take_place(self) -> None:
        try:
            async with asyncio.timeout(self._options.queue_seconds):
                await self._room.acquire()
        except TimeoutError as error:
            raise Unavailable("Too many images are waiting to be decoded.", retry_after_seconds=5) from error

    def _give_place_back(self, decoding: asyncio.Future[Decoded]) -> None:
        self._decoding.discard(decoding)
        self._room.release()

    def _check_quarantine(self, digest: str) -> None:
        if self._clock() < self._quarantine.get(digest, float("-inf")):
            raise InvalidArgument("The image was refused: it could not be decoded within the limits a while ago.")

    def _put_in_quarantine(self, digest: str) -> None:
        self._quarantine[digest] = self._clock() + self._options.quarantine_seconds
        self._quarantine.move_to_end(digest)
        while len(self._quarantine) > _MOST_QUARANTINED:
            self._quarantine.popitem(last=False)
