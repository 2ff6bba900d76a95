"""Run `n` generations of one prompt side by side and yield their pieces as they come, each with its choice's index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from vitrail.domain.chat import Sampling
from vitrail.engines.base import Engine, Piece, Prompt

_AHEAD = 64  # pieces that generations may be ahead of a slow reader


async def generate_choices(
    engine: Engine, prompt: Prompt, sampling: Sampling, *, n: int
) -> AsyncGenerator[tuple[int, Piece], None]:
    """Yield (choice index, piece); the first failure ends all. Closing cancels every generation.

    With a seed, choice k is drawn with seed + k, so that the choices differ and repeat.
    """
    if n == 1:
        async with aclosing(engine.generate(prompt, sampling)) as pieces:
            async for piece in pieces:
                yield 0, piece
        return
    queue: asyncio.Queue[tuple[int, Piece] | Exception | None] = asyncio.Queue(_AHEAD)
    tasks = [asyncio.create_task(_pump(queue, engine, prompt, _drawn(sampling, k), k)) for k in range(n)]
    try:
        running = n
        while running:
            item = await queue.get()
            if item is None:
                running -= 1
            elif isinstance(item, Exception):
                raise item
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _drawn(sampling: Sampling, k: int) -> Sampling:
    return sampling if sampling.seed is None else replace(sampling, seed=sampling.seed + k)


async def _pump(
    queue: asyncio.Queue[tuple[int, Piece] | Exception | None],
    engine: Engine,
    prompt: Prompt,
    sampling: Sampling,
    index: int,
) -> None:
    """Put the pieces of one generation on the queue, then None, or the exception that ended it."""
    try:
        async with aclosing(engine.generate(prompt, sampling)) as pieces:
            async for piece in pieces:
                await queue.put((index, piece))
    except Exception as failure:  # noqa: BLE001 - handed to the reader, who raises it
        await queue.put(failure)
    else:
        await queue.put(None)
